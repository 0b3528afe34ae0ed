//! Every flow against every way in which GitHub fails.

use std::io;

use linchpin::{Code, Secret};
use linchpin_github::mock::{Fault, README};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, matchers};

use super::{
    HERE,
    world::{Given, World},
};

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
    let here = || json!({ "repository": HERE });
    let with = |more: Value| {
        let mut input = here();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let file = |more: Value| {
        let mut input = with(json!({ "path": README, "message": "Write" }));
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let sha = "0123456789012345678901234567890123456789";
    vec![
        case("authping", "GET /user", json!({})),
        blind("revoke", "POST /credentials/revoke", json!({})),
        case("list_repositories", "GET /user/repos", json!({})),
        case("get_repository", "GET /repos/octocat/hello-world", here()),
        case("list_issues", "GET /repos/octocat/hello-world/issues", here()),
        case("get_issue", "GET /repos/octocat/hello-world/issues/1", with(json!({ "number": 1 }))),
        case("create_issue", "POST /repos/octocat/hello-world/issues", with(json!({ "title": "x" }))),
        case(
            "update_issue",
            "PATCH /repos/octocat/hello-world/issues/1",
            with(json!({ "number": 1, "title": "x" })),
        ),
        case(
            "add_labels",
            "POST /repos/octocat/hello-world/issues/1/labels",
            with(json!({ "number": 1, "labels": ["bug"] })),
        ),
        case(
            "list_comments",
            "GET /repos/octocat/hello-world/issues/2/comments",
            with(json!({ "number": 2 })),
        ),
        case(
            "create_comment",
            "POST /repos/octocat/hello-world/issues/2/comments",
            with(json!({ "number": 2, "body": "x" })),
        ),
        case(
            "update_comment",
            "PATCH /repos/octocat/hello-world/issues/comments/5000000",
            with(json!({ "comment": 5_000_000, "body": "x" })),
        ),
        blind(
            "delete_comment",
            "DELETE /repos/octocat/hello-world/issues/comments/5000000",
            with(json!({ "comment": 5_000_000 })),
        ),
        case("search_issues", "GET /search/issues", json!({ "query": "is:issue" })),
        case("search_repositories", "GET /search/repositories", json!({ "query": "user:octocat" })),
        case("list_releases", "GET /repos/octocat/hello-world/releases", here()),
        case("get_latest_release", "GET /repos/octocat/hello-world/releases/latest", here()),
        case("create_release", "POST /repos/octocat/hello-world/releases", with(json!({ "tag_name": "v9" }))),
        case(
            "update_release",
            "PATCH /repos/octocat/hello-world/releases/7000001",
            with(json!({ "release": 7_000_001, "name": "x" })),
        ),
        blind(
            "delete_release",
            "DELETE /repos/octocat/hello-world/releases/7000001",
            with(json!({ "release": 7_000_001 })),
        ),
        case(
            "get_file",
            "GET /repos/octocat/hello-world/contents/README.md",
            with(json!({ "path": README })),
        ),
        case(
            "put_file",
            "PUT /repos/octocat/hello-world/contents/README.md",
            file(json!({ "text": "x", "sha": sha })),
        ),
        case(
            "delete_file",
            "DELETE /repos/octocat/hello-world/contents/README.md",
            file(json!({ "sha": sha })),
        ),
        case(
            "file_sha",
            "GET /repos/octocat/hello-world/contents/README.md",
            with(json!({ "path": README })),
        ),
        case("repositories", "GET /user/repos", json!({})),
        case("labels", "GET /repos/octocat/hello-world/labels", here()),
        case("register", "POST /repos/octocat/hello-world/hooks", with(json!({ "event": "pushed" }))),
        blind("deregister", "DELETE /repos/octocat/hello-world/hooks/7", with(json!({ "id": 7 }))),
        case("check", "GET /repos/octocat/hello-world/hooks/7", with(json!({ "id": 7 }))),
        blind("renew", "PATCH /repos/octocat/hello-world/hooks/7", with(json!({ "id": 7 }))),
        case("list", "GET /repos/octocat/hello-world/hooks", with(json!({ "event": "pushed" }))),
    ]
}

impl Case {
    async fn run(&self, world: &World) -> linchpin::Result<Value> {
        world.call(self.flow, |call| self.fill(call)).await
    }

    fn fill(&self, call: &mut Given) {
        match self.flow {
            "register" => {
                call.options = self.input.to_string();
                call.event_url = Some("https://hooks.example/in/1".into());
                call.signing_secret = Some(Secret::new("secret"));
            }
            "deregister" => call.registered = Some(self.input.to_string()),
            "check" | "renew" => {
                call.registered = Some(self.input.to_string());
                call.event_url = Some("https://hooks.example/in/1".into());
                call.signing_secret = (self.flow == "renew").then(|| Secret::new("secret"));
            }
            "list" => {
                call.options = self.input.to_string();
                call.event_base = Some("https://hooks.example/in/".into());
            }
            _ => call.input = self.input.to_string(),
        }
    }

    /// What a fault means for the flow; nothing where it does not matter.
    fn expects(&self, fault: Fault) -> Option<Code> {
        Some(match fault {
            Fault::Unauthorized => Code::Unauthorized,
            Fault::Forbidden => Code::Forbidden,
            Fault::RateLimited | Fault::SecondaryRateLimited => Code::RateLimited,
            // What is gone need not be deregistered; a file that is not there has no SHA.
            Fault::NotFound if matches!(self.flow, "deregister" | "file_sha") => return None,
            Fault::NotFound => Code::NotFound,
            Fault::Invalid => Code::Rejected,
            Fault::ServerError => Code::ServiceFailed,
            Fault::Malformed if !self.reads => return None,
            Fault::Malformed => Code::ResponseMalformed,
        })
    }
}

#[test]
fn every_flow_that_asks_is_among_the_cases() {
    use linchpin::flow::FlowKind;
    let cases = cases();
    for flow in linchpin_github::connector().flows() {
        let asks = flow.kind.kind() != FlowKind::WebhookEvent;
        assert_eq!(asks, cases.iter().any(|case| case.flow == flow.name), "{}", flow.name);
    }
}

async fn fails(fault: Fault) {
    for case in cases() {
        let world = World::new().await;
        world.github.break_on(case.request, fault);
        let outcome = case.run(&world).await;
        assert!(world.requests().iter().any(|seen| seen == case.request), "{}", case.flow);
        match (case.expects(fault), outcome) {
            (None, outcome) => drop(outcome.unwrap()),
            (Some(code), Err(error)) => {
                assert_eq!(error.code(), code, "{}: {error}", case.flow);
                if code != Code::ResponseMalformed {
                    assert!(error.details().request_id.is_some(), "{}", case.flow);
                }
            }
            (Some(code), Ok(value)) => panic!("{} gave {value}, not {code:?}", case.flow),
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted() {
    fails(Fault::Unauthorized).await;
}

#[tokio::test]
async fn a_token_that_may_not() {
    fails(Fault::Forbidden).await;
}

#[tokio::test]
async fn the_hours_requests_are_used_up() {
    fails(Fault::RateLimited).await;
}

#[tokio::test]
async fn too_many_requests_at_once() {
    fails(Fault::SecondaryRateLimited).await;
}

#[tokio::test]
async fn something_that_is_not_there() {
    fails(Fault::NotFound).await;
}

#[tokio::test]
async fn something_that_is_not_valid() {
    fails(Fault::Invalid).await;
}

#[tokio::test]
async fn a_service_that_is_broken() {
    fails(Fault::ServerError).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    fails(Fault::Malformed).await;
}

#[tokio::test]
async fn a_connection_that_is_closed() {
    for case in cases() {
        let world = World::new().await;
        close(&world.server).await;
        let error = case.run(&world).await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{}: {error}", case.flow);
    }
}

/// Lets a server close every connection without an answer.
async fn close(server: &MockServer) {
    let closed = |_: &wiremock::Request| io::Error::new(io::ErrorKind::ConnectionReset, "closed");
    Mock::given(matchers::any()).respond_with_err(closed).with_priority(2).mount(server).await;
}
