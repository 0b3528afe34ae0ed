use linchpin::Code;
use linchpin_slack::mock::{CHANNEL, MESSAGE, MESSAGES, SCHEDULED, THREAD};
use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn a_message_is_posted_changed_and_deleted() {
    let world = World::new().await;
    let new =
        json!({ "channel": CHANNEL, "text": "Hello, *world*", "thread_ts": THREAD, "unfurl_links": false });
    let place = world.run("post_message", new.clone()).await.unwrap();
    assert_eq!((&place["channel"], world.last_body()), (&json!(CHANNEL), new));
    let ts = place["ts"].as_str().unwrap();
    assert_eq!(world.slack.text(ts).as_deref(), Some("Hello, *world*"));

    let change = json!({ "channel": CHANNEL, "ts": ts, "text": "Bye" });
    assert_eq!(world.run("update_message", change).await.unwrap(), place);
    assert_eq!(world.slack.text(ts).as_deref(), Some("Bye"));

    assert_eq!(world.run("delete_message", place.clone()).await.unwrap(), Value::Null);
    assert_eq!(world.slack.text(ts), None);
    assert_eq!(world.run("delete_message", place).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_span_of_time_is_asked_for_to_the_millisecond() {
    let world = World::new().await;
    let span = json!({
        "channel": CHANNEL,
        "oldest": "2017-07-14T02:40:03.0001Z",
        "latest": "2017-07-14T04:40:05.001+02:00",
    });
    let messages = world.run("list_messages", span).await.unwrap();
    let times: Vec<_> = messages.as_array().unwrap().iter().map(|message| &message["ts"]).collect();
    assert_eq!(times, ["1500000005.000100", "1500000004.000100", "1500000003.000100"]);
    let seen = &world.server.received_requests().await.unwrap()[0];
    let query: Vec<_> = seen.url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    assert!(query.contains(&"oldest=1500000003.000000".to_owned()), "{query:?}");
    assert!(query.contains(&"latest=1500000005.001000".to_owned()), "{query:?}");
}

#[tokio::test]
async fn a_thread_begins_with_the_message_that_was_answered() {
    let world = World::new().await;
    let messages = world.run("list_messages", json!({ "channel": CHANNEL })).await.unwrap();
    let replies = world.run("list_replies", json!({ "channel": CHANNEL, "ts": THREAD })).await.unwrap();
    assert_eq!(messages[MESSAGES - 1], replies[0]);
    assert_eq!((&replies[1]["text"], &replies[1]["thread_ts"]), (&json!("Reply 1"), &json!(THREAD)));
}

#[tokio::test]
async fn a_message_waits_until_it_is_taken_back() {
    let world = World::new().await;
    let at = |time: &str| json!({ "channel": CHANNEL, "text": "Later", "post_at": time });
    let waiting = world.run("schedule_message", at("2017-07-15T02:40:00.9Z")).await.unwrap();
    assert_eq!(world.last_body(), json!({ "channel": CHANNEL, "text": "Later", "post_at": 1_500_086_400 }));

    let all = world.run("list_scheduled_messages", json!({})).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), SCHEDULED + 1);
    let expected = json!({
        "id": waiting["id"],
        "channel_id": CHANNEL,
        "post_at": "2017-07-15T02:40:00Z",
        "text": "Later",
    });
    assert_eq!(all[SCHEDULED], expected);

    let of = json!({ "channel": CHANNEL, "scheduled_message_id": waiting["id"] });
    assert_eq!(world.run("delete_scheduled_message", of.clone()).await.unwrap(), Value::Null);
    assert_eq!(world.run("delete_scheduled_message", of).await.unwrap_err().code(), Code::NotFound);
    let error = world.run("schedule_message", at("2017-07-14T00:00:00Z")).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Rejected, Some("time_in_past")));
}

#[tokio::test]
async fn a_reaction_is_there_once_and_gone_once() {
    let world = World::new().await;
    let reaction = json!({ "channel": CHANNEL, "timestamp": MESSAGE, "name": "thumbsup" });
    for flow in ["add_reaction", "add_reaction", "remove_reaction", "remove_reaction"] {
        assert_eq!(world.run(flow, reaction.clone()).await.unwrap(), Value::Null, "{flow}");
    }
    let nowhere = json!({ "channel": CHANNEL, "timestamp": "1.000000", "name": "thumbsup" });
    assert_eq!(world.run("add_reaction", nowhere).await.unwrap_err().code(), Code::NotFound);
}
