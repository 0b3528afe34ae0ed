//! Every flow against every way in which Slack fails.

use std::time::Duration;

use linchpin::{Actor, Code, Error};
use linchpin_slack::mock::{CHANNEL, Fault, MESSAGE, THREAD};
use linchpin_testing::answer;
use serde_json::{Value, json};
use wiremock::{Mock, matchers};

use super::World;

/// Each flow, the method that it calls, and a call of it.
fn cases() -> Vec<(&'static str, &'static str, Value)> {
    let with = |more: Value| {
        let mut input = json!({ "channel": CHANNEL });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let here = || with(json!({}));
    let reaction = || with(json!({ "timestamp": MESSAGE, "name": "thumbsup" }));
    vec![
        ("authping", "auth.test", json!({})),
        ("revoke", "auth.revoke", json!({})),
        ("post_message", "chat.postMessage", with(json!({ "text": "x" }))),
        ("update_message", "chat.update", with(json!({ "ts": MESSAGE, "text": "x" }))),
        ("delete_message", "chat.delete", with(json!({ "ts": MESSAGE }))),
        ("list_messages", "conversations.history", here()),
        ("list_replies", "conversations.replies", with(json!({ "ts": THREAD }))),
        (
            "schedule_message",
            "chat.scheduleMessage",
            with(json!({ "text": "x", "post_at": "2017-07-15T00:00:00Z" })),
        ),
        ("list_scheduled_messages", "chat.scheduledMessages.list", json!({})),
        (
            "delete_scheduled_message",
            "chat.deleteScheduledMessage",
            with(json!({ "scheduled_message_id": "Q000000001" })),
        ),
        ("add_reaction", "reactions.add", reaction()),
        ("remove_reaction", "reactions.remove", reaction()),
        ("list_channels", "conversations.list", json!({})),
        ("get_channel", "conversations.info", here()),
        ("join_channel", "conversations.join", here()),
        ("create_channel", "conversations.create", json!({ "name": "x" })),
        ("set_topic", "conversations.setTopic", with(json!({ "topic": "x" }))),
        ("list_members", "conversations.members", here()),
        ("list_users", "users.list", json!({})),
        ("get_user", "users.info", json!({ "user": "U000000001" })),
        ("find_user", "users.lookupByEmail", json!({ "email": "player1@softball.example" })),
        ("channels", "conversations.list", json!({})),
        ("users", "users.list", json!({})),
        ("messages", "conversations.history", here()),
        ("scheduled_messages", "chat.scheduledMessages.list", here()),
    ]
}

#[test]
fn every_flow_that_asks_is_among_the_cases() {
    use linchpin::flow::FlowKind;
    let cases = cases();
    for flow in linchpin_slack::connector().flows() {
        let asks = flow.kind.kind() != FlowKind::WebhookEvent;
        assert_eq!(asks, cases.iter().any(|(name, ..)| *name == flow.name), "{}", flow.name);
    }
}

/// How each flow fails; the error must say what `code` says of the fault, but for flows that make something else of it.
async fn fails(fault: Fault, code: Code, except: &[&str], more: impl Fn(&Error)) {
    for (flow, method, input) in cases() {
        let world = World::new().await;
        world.slack.break_on(method, fault);
        let outcome = world.run(flow, input).await;
        let asked: Vec<_> = world.requests();
        assert!(asked.iter().all(|seen| seen.ends_with(&format!("/api/{method}"))), "{flow}: {asked:?}");
        let may_pass = matches!(code, Code::ServiceFailed | Code::RateLimited | Code::Unreachable);
        assert_eq!(asked.len(), crate::sent(&linchpin_slack::connector(), flow, may_pass), "{flow}");
        if except.contains(&flow) {
            outcome.unwrap();
            continue;
        }
        match outcome {
            Err(error) => {
                assert_eq!(error.code(), code, "{flow}: {error}");
                more(&error);
            }
            Ok(value) => panic!("{flow} gave {value}, not {code:?}"),
        }
    }
}

async fn says(word: &'static str, code: Code, actor: Actor, except: &[&str]) {
    fails(Fault::Says(word), code, except, |error| {
        let details = error.details();
        assert_eq!((details.status, details.service_code), (Some(200), Some(word)));
        assert_eq!(error.who_must_act(), actor);
        assert!(error.message().ends_with(&format!("answered 200: {word}")), "{error}");
        assert!(details.request_id.is_some_and(|id| id.starts_with("c0de")));
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_not_accepted() {
    // What cannot be revoked since it is dead is dead.
    for word in ["invalid_auth", "account_inactive"] {
        says(word, Code::Unauthorized, Actor::Owner, &["revoke"]).await;
    }
}

#[tokio::test]
async fn a_token_without_the_scope() {
    says("missing_scope", Code::Forbidden, Actor::Owner, &[]).await;
}

#[tokio::test]
async fn something_that_is_not_there() {
    says("channel_not_found", Code::NotFound, Actor::Caller, &[]).await;
}

#[tokio::test]
async fn something_that_only_slack_knows() {
    says("a_word_of_tomorrow", Code::Rejected, Actor::Caller, &[]).await;
}

#[tokio::test]
async fn something_that_went_wrong_at_slack() {
    says("internal_error", Code::ServiceFailed, Actor::Nobody, &[]).await;
}

#[tokio::test]
async fn too_many_requests_hidden_in_a_success() {
    says("ratelimited", Code::RateLimited, Actor::Nobody, &[]).await;
}

#[tokio::test]
async fn too_many_requests() {
    fails(Fault::RateLimited, Code::RateLimited, &[], |error| {
        let details = error.details();
        assert_eq!((details.status, details.service_code), (Some(429), Some("ratelimited")));
        assert_eq!(details.retry_after, Some(Duration::from_secs(30)));
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_broken() {
    fails(Fault::ServerError, Code::ServiceFailed, &[], |error| {
        assert_eq!(error.details().status, Some(503));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    fails(Fault::Malformed, Code::ResponseMalformed, &[], |_| {}).await;
}

#[tokio::test]
async fn a_connection_that_is_closed() {
    for (flow, _, input) in cases() {
        let world = World::new().await;
        let closed = Mock::given(matchers::any()).respond_with_err(answer::closed_connection);
        closed.with_priority(2).mount(&world.server).await;
        let error = world.run(flow, input).await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{flow}: {error}");
    }
}
