use linchpin::Code;
use linchpin_github::mock::{Fault, TOKEN};
use serde_json::json;

use super::World;

#[tokio::test]
async fn authping_tells_whose_token_it_is() {
    let world = World::new().await;
    let identity = world.run("authping", json!({})).await.unwrap();
    let expected = json!({
        "id": "583231",
        "label": "octocat",
        "scopes": ["repo", "admin:repo_hook"],
        "expires_at": "2026-12-31T23:59:59Z",
    });
    assert_eq!(identity, expected);
}

#[tokio::test]
async fn revoke_sends_the_token_in_the_body_alone_and_it_is_dead() {
    let world = World::new().await;
    let revoked = world.run("revoke", json!({})).await.unwrap();
    assert_eq!(revoked, json!({ "outcome": "revoked" }));
    assert_eq!(world.requests(), ["POST /credentials/revoke"]);
    assert_eq!(world.last_body(), json!({ "credentials": [TOKEN] }));

    let error = world.run("authping", json!({})).await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthorized);
    assert!(error.message().ends_with("401: Bad credentials"), "{error}");
    assert!(error.details().request_id.is_some_and(|id| id.starts_with("C0DE:")));
}

#[tokio::test]
async fn a_broken_mock_breaks_one_request_only() {
    let world = World::new().await;
    world.github.break_on("GET /user", Fault::ServerError);
    assert_eq!(world.run("authping", json!({})).await.unwrap_err().code(), Code::ServiceFailed);
    assert!(world.run("get_repository", json!({ "repository": super::HERE })).await.is_ok());
}
