use linchpin::Code;
use linchpin_slack::mock::{ARCHIVED, CHANNEL, CHANNELS, OUTSIDE, PRIVATE, USERS};
use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn a_channel_is_told_with_its_topic_and_members() {
    let world = World::new().await;
    let channel = world.run("get_channel", json!({ "channel": CHANNEL })).await.unwrap();
    let expected = json!({
        "id": CHANNEL,
        "name": "general",
        "is_private": false,
        "is_archived": false,
        "is_member": true,
        "created": "2015-12-04T18:14:49Z",
        "creator": "U000000001",
        "topic": { "value": "" },
        "purpose": { "value": "To talk" },
        "num_members": USERS,
    });
    assert_eq!(channel, expected);
}

#[tokio::test]
async fn a_channel_is_joined_and_its_topic_set() {
    let world = World::new().await;
    let topic = json!({ "channel": OUTSIDE, "topic": "Ümläute & <signs>" });
    let error = world.run("set_topic", topic.clone()).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("not_in_channel")));

    // A second time changes nothing more.
    for _ in 0..2 {
        let joined = world.run("join_channel", json!({ "channel": OUTSIDE })).await.unwrap();
        assert_eq!((&joined["id"], &joined["is_member"]), (&json!(OUTSIDE), &json!(true)));
    }
    assert_eq!(world.run("set_topic", topic.clone()).await.unwrap(), Value::Null);
    assert_eq!(world.last_body(), topic);
    let sent = world.server.received_requests().await.unwrap().pop().unwrap();
    assert_eq!(sent.headers["content-type"], "application/json; charset=utf-8");
    let channel = world.run("get_channel", json!({ "channel": OUTSIDE })).await.unwrap();
    assert_eq!(channel["topic"]["value"], "Ümläute & <signs>");

    let error = world.run("join_channel", json!({ "channel": ARCHIVED })).await.unwrap_err();
    assert_eq!(error.details().service_code, Some("is_archived"));
    assert!(error.message().ends_with("/api/conversations.join` answered 200: is_archived"), "{error}");
}

#[tokio::test]
async fn a_channel_is_made_once() {
    let world = World::new().await;
    let new = json!({ "name": "release-planning", "private": true });
    let channel = world.run("create_channel", new.clone()).await.unwrap();
    assert_eq!((&channel["name"], &channel["is_private"]), (&json!("release-planning"), &json!(true)));
    assert_eq!(world.last_body(), json!({ "name": "release-planning", "is_private": true }));
    let error = world.run("create_channel", new).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("name_taken")));
}

#[tokio::test]
async fn private_and_archived_channels_are_listed_when_asked_for() {
    let world = World::new().await;
    for (input, count, private, archived) in [
        (json!({}), CHANNELS - 2, false, false),
        (json!({ "private": true }), CHANNELS - 1, true, false),
        (json!({ "archived": true }), CHANNELS - 1, false, true),
    ] {
        let channels = world.run("list_channels", input).await.unwrap();
        let has = |id: &str| channels.as_array().unwrap().iter().any(|channel| channel["id"] == id);
        assert_eq!(channels.as_array().unwrap().len(), count);
        assert_eq!((has(PRIVATE), has(ARCHIVED)), (private, archived));
    }
}

#[tokio::test]
async fn users_are_found_by_id_and_address() {
    let world = World::new().await;
    let user = world.run("get_user", json!({ "user": "U000000001" })).await.unwrap();
    assert_eq!((&user["name"], &user["is_admin"]), (&json!("player1"), &json!(true)));
    let found = world.run("find_user", json!({ "email": "player1@softball.example" })).await.unwrap();
    assert_eq!(found, user);

    for (flow, input, code) in [
        ("get_user", json!({ "user": "U999" }), "user_not_found"),
        ("find_user", json!({ "email": "a+b&c@softball.example" }), "users_not_found"),
        ("get_channel", json!({ "channel": "C999" }), "channel_not_found"),
        ("list_members", json!({ "channel": "C999" }), "channel_not_found"),
        ("list_replies", json!({ "channel": CHANNEL, "ts": "1.000000" }), "thread_not_found"),
        ("delete_message", json!({ "channel": CHANNEL, "ts": "1.000000" }), "message_not_found"),
    ] {
        let error = world.run(flow, input).await.unwrap_err();
        assert_eq!((error.code(), error.details().service_code), (Code::NotFound, Some(code)), "{flow}");
    }
}
