//! Every flow against every way in which Google Drive fails.

use std::io;

use linchpin::{Code, FileRef, Result, Secret};
use linchpin_google_drive::mock::{DOCUMENT, Fault, TEXT};
use linchpin_runtime::Runtime;
use serde_json::{Value, json};
use wiremock::{Mock, matchers};

use super::World;
use crate::edge;

/// A flow, a call of it, and the request that fails.
struct Case {
    flow: &'static str,
    input: Value,
    request: &'static str,
    /// Whether the answer's body matters.
    reads: bool,
}

fn case(flow: &'static str, request: &'static str, input: Value) -> Case {
    Case { flow, input, request, reads: true }
}

fn blind(flow: &'static str, request: &'static str, input: Value) -> Case {
    Case { reads: false, ..case(flow, request, input) }
}

fn cases() -> Vec<Case> {
    let of = || json!({ "file": TEXT });
    let with = |more: Value| {
        let mut input = of();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let exported = json!({ "file": DOCUMENT, "mime_type": "text/plain" });
    let shared = with(json!({ "grantee": "anyone", "role": "reader" }));
    vec![
        case("authping", "GET /drive/v3/about", json!({})),
        case("list_files", "GET /drive/v3/files", json!({})),
        case("search_files", "GET /drive/v3/files", json!({ "text": "x" })),
        case("get_file", "GET /drive/v3/files/file-1", of()),
        case("create_folder", "POST /drive/v3/files", json!({ "name": "x" })),
        case("copy_file", "POST /drive/v3/files/file-1/copy", of()),
        case("update_file", "PATCH /drive/v3/files/file-1", with(json!({ "name": "x" }))),
        case("move_file", "PATCH /drive/v3/files/file-1", with(json!({ "folder": "folder-2" }))),
        case("trash_file", "PATCH /drive/v3/files/file-1", of()),
        case("restore_file", "PATCH /drive/v3/files/file-1", of()),
        blind("delete_file", "DELETE /drive/v3/files/file-1", of()),
        case("upload_file", "POST /upload/drive/v3/files", json!({})),
        case("replace_content", "PATCH /upload/drive/v3/files/file-1", of()),
        case("download_file", "GET /drive/v3/files/file-1", of()),
        blind("export_file", "GET /drive/v3/files/document-1/export", exported),
        case("list_permissions", "GET /drive/v3/files/file-1/permissions", of()),
        case("share_file", "POST /drive/v3/files/file-1/permissions", shared),
        blind(
            "unshare_file",
            "DELETE /drive/v3/files/file-1/permissions/p1",
            with(json!({ "permission": "p1" })),
        ),
        case("list_drives", "GET /drive/v3/drives", json!({})),
        case("get_changes_position", "GET /drive/v3/changes/startPageToken", json!({})),
        case("list_changes", "GET /drive/v3/changes", json!({ "since": "0" })),
        case("file_changed", "GET /drive/v3/changes", json!({})),
        case("register", "POST /drive/v3/changes/watch", json!({})),
        blind(
            "deregister",
            "POST /drive/v3/channels/stop",
            json!({ "id": "1", "resourceId": "2", "expiration": "3" }),
        ),
        case("drives", "GET /drive/v3/drives", json!({})),
        case("folders", "GET /drive/v3/files", json!({})),
        case("export_types", "GET /drive/v3/about", of()),
    ]
}

impl Case {
    async fn run(&self, world: &World) -> Result<Value> {
        match self.flow {
            "upload_file" | "replace_content" => {
                world.send(self.flow, self.input.clone(), &FileRef::from_bytes("a", "b")).await
            }
            "file_changed" => {
                let call = world.invocation(self.flow, &json!({})).cursor("\"0\"");
                edge::output(Runtime::new().run(call).await?.output).await
            }
            "register" => {
                let call = world.invocation(self.flow, &json!({})).event_url("https://hooks.example/in/1");
                let call = call.signing_secret(Secret::new("secret"));
                edge::output(Runtime::new().run(call).await?.output).await
            }
            "deregister" => {
                let call = world.invocation(self.flow, &json!({})).registered(self.input.to_string());
                edge::output(Runtime::new().run(call).await?.output).await
            }
            _ => edge::output(world.ran(self.flow, self.input.clone(), None).await?.output).await,
        }
    }
}

#[test]
fn every_flow_is_among_the_cases() {
    for flow in linchpin_google_drive::connector().flows() {
        assert!(cases().iter().any(|case| case.flow == flow.name), "{}", flow.name);
    }
}

async fn fails(fault: Fault, code: Code) {
    for case in cases() {
        let world = World::new().await;
        world.drive.break_on(case.request, fault);
        let outcome = case.run(&world).await;
        assert!(world.watch.requests().iter().any(|seen| seen == case.request), "{}", case.flow);
        match outcome {
            Ok(_) if fault == Fault::Malformed && !case.reads => {}
            // What is gone need not be deregistered.
            Ok(_) if fault == Fault::NotFound && case.flow == "deregister" => {}
            Ok(value) => panic!("{} gave {value}, not {code:?}", case.flow),
            Err(error) => {
                assert_eq!(error.code(), code, "{}: {error}", case.flow);
                assert!(fault == Fault::Malformed || error.details().service_code.is_some(), "{}", case.flow);
            }
        }
    }
}

#[tokio::test]
async fn a_user_that_may_not() {
    fails(Fault::Forbidden, Code::Forbidden).await;
}

#[tokio::test]
async fn a_user_that_asks_too_often() {
    fails(Fault::UserRateLimited, Code::RateLimited).await;
}

#[tokio::test]
async fn a_project_that_asks_too_often() {
    fails(Fault::RateLimited, Code::RateLimited).await;
}

#[tokio::test]
async fn something_that_is_not_there() {
    fails(Fault::NotFound, Code::NotFound).await;
}

#[tokio::test]
async fn something_that_is_not_valid() {
    fails(Fault::Invalid, Code::Rejected).await;
}

#[tokio::test]
async fn a_service_that_is_broken() {
    fails(Fault::ServerError, Code::ServiceFailed).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    fails(Fault::Malformed, Code::ResponseMalformed).await;
}

#[tokio::test]
async fn a_connection_that_is_closed() {
    for case in cases() {
        let world = World::new().await;
        let closed = |_: &wiremock::Request| io::Error::new(io::ErrorKind::ConnectionReset, "closed");
        Mock::given(matchers::any()).respond_with_err(closed).with_priority(2).mount(&world.server).await;
        let error = case.run(&world).await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{}: {error}", case.flow);
    }
}
