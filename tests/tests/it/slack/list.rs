use linchpin::{Code, Input};
use linchpin_slack::{
    message::{ListMessages, list_messages},
    mock::{CHANNEL, CHANNELS, MESSAGES, REPLIES, SCHEDULED, THREAD, USERS},
};
use serde_json::json;
use wiremock::{Mock, ResponseTemplate, matchers};

use super::World;

/// Every list over three pages: each record once, and no request beyond the third.
#[tokio::test]
async fn lists_go_over_three_pages() {
    let here = || json!({ "channel": CHANNEL });
    for (flow, input, method, key, count) in [
        ("list_channels", json!({ "private": true, "archived": true }), "conversations.list", "id", CHANNELS),
        ("list_members", here(), "conversations.members", "user", USERS),
        ("list_messages", here(), "conversations.history", "ts", MESSAGES),
        ("list_replies", json!({ "channel": CHANNEL, "ts": THREAD }), "conversations.replies", "ts", REPLIES),
        ("list_scheduled_messages", here(), "chat.scheduledMessages.list", "id", SCHEDULED),
        ("list_users", json!({}), "users.list", "id", USERS),
    ] {
        let world = World::new().await;
        let records = world.run(flow, input).await.unwrap();
        let mut ids: Vec<_> =
            records.as_array().unwrap().iter().map(|record| record[key].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), records.as_array().unwrap().len()), (count, count), "{flow}");
        assert_eq!(world.requests(), vec![format!("GET /api/{method}"); 3], "{flow}");
    }
}

fn all() -> ListMessages {
    ListMessages { channel: CHANNEL.into(), oldest: None, latest: None }
}

#[tokio::test]
async fn a_list_asks_for_no_more_pages_than_are_read() {
    let world = World::new().await;
    let messages = list_messages(world.context(), Input(all())).await.unwrap();
    let first = messages.take(2).await.unwrap();
    assert_eq!(
        first.iter().map(|message| &message.ts[..10]).collect::<Vec<_>>(),
        ["1500000450", "1500000449"]
    );
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn a_cursor_that_slack_no_longer_knows_breaks_the_list_where_it_was() {
    let world = World::new().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "ok": false, "error": "invalid_cursor" }));
    let second = Mock::given(matchers::query_param("cursor", "bmV4dDo+200==")).respond_with(answer);
    second.with_priority(2).expect(1).mount(&world.server).await;
    let mut messages = list_messages(world.context(), Input(all())).await.unwrap();
    for _ in 0..200 {
        assert!(messages.next().await.unwrap().is_some());
    }
    let error = messages.next().await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("invalid_cursor")));
}

#[tokio::test]
async fn a_list_that_goes_in_circles_ends() {
    let world = World::new().await;
    let page = json!({ "ok": true, "messages": [], "response_metadata": { "next_cursor": "again" } });
    let history = Mock::given(matchers::path("/api/conversations.history"));
    let circle = history.respond_with(ResponseTemplate::new(200).set_body_json(page));
    circle.with_priority(2).mount(&world.server).await;
    let error = world.run("list_messages", json!({ "channel": CHANNEL })).await.unwrap_err();
    assert_eq!((error.code(), error.details().position), (Code::PagingStuck, Some("again")));
}
