use linchpin::Code;
use linchpin_okta::mock::{ADMIN, DEACTIVATED, GROUP, LOCKED_OUT, SMALL_GROUP, STAGED, SUSPENDED, USER};
use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn a_user_is_found_by_id_and_by_login() {
    let world = World::new().await;
    let user = world.run("get_user", json!({ "user": USER })).await.unwrap();
    let expected = json!({
        "id": USER,
        "status": "ACTIVE",
        "created": "2025-06-01T08:00:00Z",
        "activated": "2025-06-01T08:00:00Z",
        "statusChanged": "2025-06-01T08:00:00Z",
        "lastUpdated": "2025-06-01T08:00:00Z",
        "profile": {
            "login": "user1@acme.example",
            "email": "user1@acme.example",
            "firstName": "Una",
            "lastName": "Number 1",
            "mobilePhone": null,
            "shoeSize": 35,
        },
    });
    assert_eq!(user, expected);
    let found = world.run("get_user", json!({ "user": "user1@acme.example" })).await.unwrap();
    assert_eq!(found, user);
    let error = world.run("get_user", json!({ "user": "a/../b?c" })).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::NotFound, Some("E0000007")));
    assert_eq!(world.requests()[2], "GET /api/v1/users/a%2F..%2Fb%3Fc", "one segment");
}

#[tokio::test]
async fn a_user_is_made_with_a_password_and_groups() {
    let world = World::new().await;
    let new = json!({
        "login": "isaac@acme.example",
        "profile": {
            "email": "isaac@acme.example",
            "firstName": "Isaac",
            "lastName": "Brock",
            "other": { "shoeSize": 42, "login": "not this one" },
        },
        "password": "s3cret-Words",
        "change_password": true,
        "groups": [SMALL_GROUP],
        "activate": true,
    });
    let user = world.run("create_user", new.clone()).await.unwrap();
    assert_eq!(world.last_query().await, ["activate=true", "nextLogin=changePassword"]);
    let sent = json!({
        "profile": {
            "login": "isaac@acme.example",
            "email": "isaac@acme.example",
            "firstName": "Isaac",
            "lastName": "Brock",
            "shoeSize": 42,
        },
        "credentials": { "password": { "value": "s3cret-Words" } },
        "groupIds": [SMALL_GROUP],
    });
    assert_eq!(world.last_body(), sent);
    assert_eq!(user["status"], "PASSWORD_EXPIRED");
    assert_eq!(user["profile"]["shoeSize"], 42);
    assert!(world.okta.is_member(SMALL_GROUP, user["id"].as_str().unwrap()));

    let error = world.run("create_user", new).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("E0000001")));
    assert!(error.message().ends_with("answered 400: login: somebody has it already"), "{error}");
}

#[tokio::test]
async fn a_user_is_staged_unless_somebody_wants_more() {
    let world = World::new().await;
    let profile = json!({ "email": "a@acme.example", "firstName": "A", "lastName": "B" });
    let new = json!({ "login": "a@acme.example", "profile": profile });
    let user = world.run("create_user", new).await.unwrap();
    assert_eq!(
        (&user["status"], world.last_query().await),
        (&json!("STAGED"), vec!["activate=false".into()])
    );
}

#[tokio::test]
async fn what_is_not_named_stays_in_a_profile() {
    let world = World::new().await;
    let change = json!({ "user": USER, "profile": { "title": "Captain", "other": { "shoeSize": null } } });
    let user = world.run("update_user", change).await.unwrap();
    assert_eq!(world.last_body(), json!({ "profile": { "title": "Captain", "shoeSize": null } }));
    assert_eq!(
        (&user["profile"]["title"], &user["profile"]["firstName"]),
        (&json!("Captain"), &json!("Una"))
    );
}

#[tokio::test]
async fn a_user_goes_through_a_life() {
    let world = World::new().await;
    for (flow, user, status) in [
        ("suspend_user", USER, "SUSPENDED"),
        ("unsuspend_user", USER, "ACTIVE"),
        ("unsuspend_user", SUSPENDED, "ACTIVE"),
        ("unlock_user", LOCKED_OUT, "ACTIVE"),
        ("activate_user", STAGED, "PROVISIONED"),
        ("activate_user", DEACTIVATED, "PROVISIONED"),
        ("expire_password", USER, "PASSWORD_EXPIRED"),
        ("reset_password", USER, "RECOVERY"),
        ("deactivate_user", USER, "DEPROVISIONED"),
    ] {
        world.run(flow, json!({ "user": user })).await.unwrap();
        assert_eq!(world.okta.status(user).as_deref(), Some(status), "{flow}");
    }
    for (flow, user, status, code) in [
        ("suspend_user", STAGED, 400, "E0000001"),
        ("unlock_user", ADMIN, 403, "E0000032"),
        ("activate_user", ADMIN, 403, "E0000016"),
    ] {
        let error = world.run(flow, json!({ "user": user })).await.unwrap_err();
        assert_eq!(
            (error.details().status, error.details().service_code),
            (Some(status), Some(code)),
            "{flow}"
        );
    }
}

/// Whoever has a link can be the user, so it goes to nobody else.
#[tokio::test]
async fn a_link_goes_to_the_user_by_mail() {
    let world = World::new().await;
    assert_eq!(world.run("activate_user", json!({ "user": STAGED })).await.unwrap(), Value::Null);
    assert_eq!(world.last_query().await, ["sendEmail=true"]);
    let reset = json!({ "user": USER, "revoke_sessions": true });
    assert_eq!(world.run("reset_password", reset).await.unwrap(), Value::Null);
    assert_eq!(world.last_query().await, ["sendEmail=true", "revokeSessions=true"]);
}

#[tokio::test]
async fn sessions_end_and_factors_are_forgotten() {
    let world = World::new().await;
    let end = json!({ "user": USER, "oauth_tokens": true });
    assert_eq!(world.run("end_sessions", end).await.unwrap(), Value::Null);
    assert_eq!(world.last_query().await, ["oauthTokens=true"]);
    assert_eq!(world.run("reset_factors", json!({ "user": USER })).await.unwrap(), Value::Null);
    let last = world.requests().pop().unwrap();
    assert_eq!(last, format!("POST /api/v1/users/{USER}/lifecycle/reset_factors"));
}

#[tokio::test]
async fn only_a_deactivated_user_is_deleted_however_often_it_is_tried() {
    let world = World::new().await;
    for _ in 0..2 {
        let error = world.run("delete_user", json!({ "user": USER })).await.unwrap_err();
        assert_eq!(error.code(), Code::Rejected);
        assert!(error.details().hint.unwrap().contains("deactivate_user"), "{error:?}");
    }
    assert_eq!(world.okta.status(USER).as_deref(), Some("ACTIVE"));
    assert!(world.requests().iter().all(|seen| seen.starts_with("GET ")), "{:?}", world.requests());

    assert_eq!(world.run("delete_user", json!({ "user": DEACTIVATED })).await.unwrap(), Value::Null);
    assert_eq!(world.okta.status(DEACTIVATED), None);
    let error = world.run("delete_user", json!({ "user": DEACTIVATED })).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn a_user_is_in_groups() {
    let world = World::new().await;
    let groups = world.run("list_user_groups", json!({ "user": ADMIN })).await.unwrap();
    let ids: Vec<_> = groups.as_array().unwrap().iter().map(|group| &group["id"]).collect();
    assert_eq!(ids, [GROUP]);
}
