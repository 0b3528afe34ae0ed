//! Every flow against every way in which Okta fails.

use std::time::Duration;

use linchpin::{Actor, Code, Error, Secret, flow::FlowKind};
use linchpin_okta::mock::{DEACTIVATED, Fault, GROUP, USER};
use linchpin_runtime::Invocation;
use linchpin_testing::answer;
use serde_json::{Value, json};
use wiremock::{Mock, matchers};

use super::World;

/// A call of a flow, the request that it makes first, and whether it reads the answer.
struct Case {
    flow: &'static str,
    request: String,
    input: Value,
    reads: bool,
}

impl Case {
    async fn run(&self, world: &World) -> linchpin::Result<Value> {
        let given = self.input.to_string();
        let url = "https://hooks.example/in/1";
        match self.flow {
            "register" => {
                let hook = |call: Invocation| {
                    call.options(given).event_url(url).signing_secret(Secret::new("a secret of this hook"))
                };
                world.call("register", hook).await
            }
            "renew" => {
                let options = json!({ "events": ["user_created"] }).to_string();
                let renewed = |call: Invocation| call.registered(given).options(options).event_url(url);
                world
                    .call("renew", |call| renewed(call).signing_secret(Secret::new("a secret of this hook")))
                    .await
            }
            "check" => world.call("check", |call| call.registered(given).event_url(url)).await,
            "deregister" => world.call("deregister", |call| call.registered(given)).await,
            "list" => world.call("list", |call| call.event_base("https://hooks.example/in/")).await,
            _ => world.run(self.flow, self.input.clone()).await,
        }
    }
}

fn cases() -> Vec<Case> {
    let case = |flow: &'static str, request: &str, input: Value, reads: bool| Case {
        flow,
        request: request.to_owned(),
        input,
        reads,
    };
    let user = || json!({ "user": USER });
    let group = || json!({ "group": GROUP });
    let member = || json!({ "group": GROUP, "user": USER });
    let life = |flow: &'static str, what: &str, reads: bool| {
        case(flow, &format!("POST /api/v1/users/{USER}/lifecycle/{what}"), user(), reads)
    };
    let looks = |flow| case(flow, "GET /api/v1/logs", json!({}), true);
    let (of_user, of_group) = (format!("/api/v1/users/{USER}"), format!("/api/v1/groups/{GROUP}"));
    let of_member = format!("{of_group}/users/{USER}");
    let change = json!({ "user": USER, "profile": {} });
    let new_user = json!({ "login": "a@acme.example", "profile": {} });
    vec![
        case("authping", "GET /api/v1/users/me", json!({}), true),
        case("revoke", "DELETE /api/v1/api-tokens/current", json!({}), false),
        case("list_users", "GET /api/v1/users", json!({}), true),
        case("get_user", &format!("GET {of_user}"), user(), true),
        case("create_user", "POST /api/v1/users", new_user, true),
        case("update_user", &format!("POST {of_user}"), change, true),
        case(
            "delete_user",
            &format!("GET /api/v1/users/{DEACTIVATED}"),
            json!({ "user": DEACTIVATED }),
            true,
        ),
        case("list_user_groups", &format!("GET {of_user}/groups"), user(), true),
        case("end_sessions", &format!("DELETE {of_user}/sessions"), user(), false),
        life("activate_user", "activate", false),
        life("deactivate_user", "deactivate", false),
        life("suspend_user", "suspend", false),
        life("unsuspend_user", "unsuspend", false),
        life("unlock_user", "unlock", false),
        life("expire_password", "expire_password", true),
        life("reset_password", "reset_password", false),
        life("reset_factors", "reset_factors", false),
        case("list_groups", "GET /api/v1/groups", json!({}), true),
        case("get_group", &format!("GET {of_group}"), group(), true),
        case("create_group", "POST /api/v1/groups", json!({ "name": "x" }), true),
        case("update_group", &format!("GET {of_group}"), group(), true),
        case("delete_group", &format!("DELETE {of_group}"), group(), false),
        case("list_members", &format!("GET {of_group}/users"), group(), true),
        case("add_member", &format!("PUT {of_member}"), member(), false),
        case("remove_member", &format!("DELETE {of_member}"), member(), false),
        case("list_apps", "GET /api/v1/apps", json!({}), true),
        case("list_events", "GET /api/v1/logs", json!({}), true),
        case("users", "GET /api/v1/users", json!({}), true),
        case("groups", "GET /api/v1/groups", json!({}), true),
        case("members", &format!("GET {of_group}/users"), group(), true),
        case("register", "POST /api/v1/eventHooks", json!({ "events": ["user_created"] }), true),
        case("check", "GET /api/v1/eventHooks/who1", json!({ "id": "who1" }), true),
        case("renew", "PUT /api/v1/eventHooks/who1", json!({ "id": "who1" }), true),
        case(
            "deregister",
            "POST /api/v1/eventHooks/who1/lifecycle/deactivate",
            json!({ "id": "who1" }),
            false,
        ),
        case("list", "GET /api/v1/eventHooks", json!({}), true),
        looks("find_created_users"),
        looks("find_deactivated_users"),
        looks("find_added_members"),
        looks("find_removed_members"),
        looks("find_assigned_apps"),
        looks("find_changed_passwords"),
        looks("find_failed_sign_ins"),
        looks("find_logged_events"),
    ]
}

#[test]
fn every_flow_that_asks_is_among_the_cases() {
    let cases = cases();
    for flow in linchpin_okta::connector().flows() {
        let asks = flow.kind.kind() != FlowKind::WebhookEvent;
        assert_eq!(asks, cases.iter().any(|case| case.flow == flow.name), "{}", flow.name);
    }
}

/// How each flow fails, at once and with what Okta said.
async fn fails(fault: Fault, code: Code, actor: Actor, more: impl Fn(&Error)) {
    for case in cases() {
        let world = World::new().await;
        world.okta.break_on(&case.request, fault);
        let outcome = case.run(&world).await;
        let Case { flow, request, reads, .. } = case;
        let may_pass = matches!(code, Code::ServiceFailed | Code::RateLimited | Code::Unreachable);
        let times = crate::sent(&linchpin_okta::connector(), flow, may_pass);
        // A hook that is inactive already is deleted all the same, and one that is gone is gone.
        let goes_on =
            flow == "deregister" && matches!(fault, Fault::NotFound | Fault::Invalid | Fault::Malformed);
        match goes_on {
            true => assert_eq!(world.requests()[0], request, "{flow}"),
            false => assert_eq!(world.requests(), vec![request; times], "{flow}"),
        }
        match outcome {
            Ok(_) => assert!(goes_on || (fault == Fault::Malformed && !reads), "{flow}"),
            Err(error) => {
                assert_eq!((error.code(), error.who_must_act()), (code, actor), "{flow}: {error}");
                more(&error);
            }
        }
    }
}

/// What Okta says of an error reaches whoever called.
fn said(error: &Error, status: u16, code: &str, words: &str) {
    let details = error.details();
    assert_eq!((details.status, details.service_code), (Some(status), Some(code)));
    // Of the last request, where it was sent again.
    assert!(matches!(details.request_id, Some("req00000001" | "req00000004")), "{:?}", details.request_id);
    assert!(error.message().ends_with(&format!("answered {status}: {words}")), "{error}");
}

#[tokio::test]
async fn a_token_that_is_not_accepted() {
    fails(Fault::Unauthorized, Code::Unauthorized, Actor::Owner, |error| {
        said(error, 401, "E0000011", "the token is not valid");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_may_not() {
    fails(Fault::Forbidden, Code::Forbidden, Actor::Owner, |error| {
        said(error, 403, "E0000006", "the token may not do this");
    })
    .await;
}

#[tokio::test]
async fn something_that_is_not_there() {
    fails(Fault::NotFound, Code::NotFound, Actor::Caller, |error| {
        said(error, 404, "E0000007", "there is no such thing");
    })
    .await;
}

#[tokio::test]
async fn something_that_is_not_valid() {
    fails(Fault::Invalid, Code::Rejected, Actor::Caller, |error| {
        said(error, 400, "E0000001", "something: it is too long");
    })
    .await;
}

#[tokio::test]
async fn too_many_requests() {
    fails(Fault::RateLimited, Code::RateLimited, Actor::Nobody, |error| {
        said(error, 429, "E0000047", "too many requests");
        // The header says when, not how long.
        let wait = error.details().retry_after.unwrap();
        assert!(wait <= Duration::from_secs(30), "{wait:?}");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_broken() {
    fails(Fault::ServerError, Code::ServiceFailed, Actor::Service, |error| {
        said(error, 500, "E0000009", "something went wrong");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    fails(Fault::Malformed, Code::ResponseMalformed, Actor::Service, |_| {}).await;
}

#[tokio::test]
async fn a_connection_that_is_closed() {
    for case in cases() {
        let world = World::new().await;
        let closed = Mock::given(matchers::any()).respond_with_err(answer::closed_connection);
        closed.with_priority(2).mount(&world.server).await;
        let error = case.run(&world).await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{}: {error}", case.flow);
    }
}

/// The second request of flows that look before they write.
#[tokio::test]
async fn what_fails_after_a_look_is_told_too() {
    for (flow, input, request) in [
        ("delete_user", json!({ "user": DEACTIVATED }), format!("DELETE /api/v1/users/{DEACTIVATED}")),
        ("update_group", json!({ "group": GROUP }), format!("PUT /api/v1/groups/{GROUP}")),
    ] {
        let world = World::new().await;
        world.okta.break_on(&request, Fault::Forbidden);
        let error = world.run(flow, input).await.unwrap_err();
        assert_eq!((error.code(), world.requests().pop().unwrap()), (Code::Forbidden, request), "{flow}");
    }
}
