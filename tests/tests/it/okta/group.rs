use linchpin::Code;
use linchpin_okta::mock::{ADMIN, GROUP, SMALL_GROUP};
use linchpin_testing::{Harness, answer};
use serde_json::{Value, json};

use super::{World, world::api_token};

#[tokio::test]
async fn a_group_is_made_changed_and_deleted() {
    let world = World::new().await;
    let new = json!({ "name": "Pilots", "description": "Those who fly" });
    let group = world.run("create_group", new.clone()).await.unwrap();
    assert_eq!((world.last_body(), &group["profile"]), (json!({ "profile": new }), &new));
    assert_eq!(group["type"], "OKTA_GROUP");

    let of = json!({ "group": group["id"] });
    assert_eq!(world.run("get_group", of.clone()).await.unwrap(), group);
    let change = json!({ "group": group["id"], "name": "Captains" });
    let changed = world.run("update_group", change).await.unwrap();
    assert_eq!(changed["profile"], json!({ "name": "Captains", "description": "Those who fly" }));

    assert_eq!(world.run("delete_group", of.clone()).await.unwrap(), Value::Null);
    for flow in ["get_group", "update_group", "delete_group", "list_members"] {
        assert_eq!(world.run(flow, of.clone()).await.unwrap_err().code(), Code::NotFound, "{flow}");
    }
}

/// Okta does not describe what orgs add to profiles, so the request is not looked up.
#[tokio::test]
async fn what_an_org_knows_beside_is_not_lost_when_a_group_changes() {
    let fields = api_token().fields;
    let fields = fields.iter().map(|(key, value)| (key.as_str(), value.expose()));
    let okta = Harness::new(linchpin_okta::connector()).await.auth("api_token", fields);
    let group = json!({
        "id": "00g1",
        "type": "OKTA_GROUP",
        "created": "2025-06-01T08:00:00.000Z",
        "lastUpdated": "2025-06-01T08:00:00.000Z",
        "profile": { "name": "Pilots", "description": null, "costCentre": 12_345_678_901_234_567_890_u64 },
    });
    okta.on("GET", "/api/v1/groups/00g1", answer::json(200, group.clone())).await;
    okta.on("PUT", "/api/v1/groups/00g1", answer::json(200, group)).await;
    okta.run_json("update_group", json!({ "group": "00g1", "description": "Fly" })).await.unwrap();
    let sent: Value = serde_json::from_slice(&okta.requests().await.pop().unwrap().body).unwrap();
    let profile =
        json!({ "name": "Pilots", "description": "Fly", "costCentre": 12_345_678_901_234_567_890_u64 });
    assert_eq!(sent, json!({ "profile": profile }));
}

#[tokio::test]
async fn a_user_comes_and_goes_once() {
    let world = World::new().await;
    let member = json!({ "group": SMALL_GROUP, "user": ADMIN });
    // A second time changes nothing more.
    for _ in 0..2 {
        assert_eq!(world.run("add_member", member.clone()).await.unwrap(), Value::Null);
        assert!(world.okta.is_member(SMALL_GROUP, ADMIN));
    }
    for _ in 0..2 {
        assert_eq!(world.run("remove_member", member.clone()).await.unwrap(), Value::Null);
        assert!(!world.okta.is_member(SMALL_GROUP, ADMIN));
    }
    assert!(world.okta.is_member(GROUP, ADMIN));
    let nobody = json!({ "group": SMALL_GROUP, "user": "00u9" });
    assert_eq!(world.run("add_member", nobody).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_empty_id_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    for flow in ["get_group", "delete_group", "list_members"] {
        let error = world.run(flow, json!({ "group": "" })).await.unwrap_err();
        assert_eq!(error.code(), Code::InputInvalid, "{flow}");
    }
    assert_eq!(world.run("delete_user", json!({ "user": "" })).await.unwrap_err().code(), Code::InputInvalid);
    assert_eq!(world.requests(), [""; 0]);
}
