use linchpin::Code;
use linchpin_runtime::{Output, Runtime};
use linchpin_slack::mock::{Fault, TOKEN};
use serde_json::json;
use wiremock::{Mock, ResponseTemplate, matchers};

use super::World;

#[tokio::test]
async fn authping_tells_whose_token_it_is() {
    let world = World::new().await;
    let identity = world.run("authping", json!({})).await.unwrap();
    let expected = json!({
        "id": "T000000001/U000000000",
        "label": "linchpin in Slack Softball Team",
        "scopes": ["channels:read", "chat:write"],
    });
    assert_eq!(identity, expected);
}

#[tokio::test]
async fn revoke_kills_the_token_and_tells_when_it_was_dead() {
    let world = World::new().await;
    assert_eq!(world.run("revoke", json!({})).await.unwrap(), json!({ "outcome": "revoked" }));
    assert_eq!(world.last_body(), json!({ "token": TOKEN }));
    assert!(!world.slack.is_alive(TOKEN));
    assert_eq!(world.run("revoke", json!({})).await.unwrap(), json!({ "outcome": "already_gone" }));
    assert_eq!(world.requests(), ["POST /api/auth.revoke"; 2]);

    let error = world.run("authping", json!({})).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Unauthorized, Some("token_revoked")));
}

#[tokio::test]
async fn a_token_that_slack_did_not_revoke_is_not_taken_for_dead() {
    let world = World::new().await;
    let kept = ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "revoked": false }));
    let revoke = Mock::given(matchers::path("/api/auth.revoke")).respond_with(kept);
    revoke.with_priority(2).mount(&world.server).await;
    assert_eq!(world.run("revoke", json!({})).await.unwrap_err().code(), Code::Rejected);
}

#[tokio::test]
async fn a_dry_run_of_revoke_asks_for_nothing_and_shows_no_token() {
    let world = World::new().await;
    let ran = Runtime::new().run(world.invocation("revoke").unwrap().dry_run(true)).await.unwrap();
    let Output::Planned(planned) = ran.output else { panic!("{:?}", ran.output) };
    assert!(planned.url.ends_with("/api/auth.revoke") && planned.body.as_deref() == Some("token=***"));
    assert_eq!(world.requests(), [""; 0]);
}

#[tokio::test]
async fn a_broken_method_is_broken_alone() {
    let world = World::new().await;
    world.slack.break_on("auth.test", Fault::ServerError);
    assert_eq!(world.run("authping", json!({})).await.unwrap_err().code(), Code::ServiceFailed);
    assert!(world.run("get_user", json!({ "user": "U000000001" })).await.is_ok());
}
