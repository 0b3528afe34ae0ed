//! What Slack delivers to the URL of the app, as it documents and signs it:
//! <https://docs.slack.dev/reference/events/>, <https://docs.slack.dev/authentication/verifying-requests-from-slack/>.

use hmac::{Hmac, KeyInit, Mac};
use linchpin::{
    DateTime, Delivery,
    http::{HeaderValue, Method},
    serde_json::{Value, json},
};
use sha2::Sha256;

use super::{BOT, CHANNEL, MESSAGE, OUTSIDE, SIGNING_SECRET, THREAD, payload};

/// The id of the workspace.
pub const TEAM: &str = "T000000001";
/// The id of the other workspace.
pub const OTHER_TEAM: &str = "T000000002";
/// The id of the app.
pub(super) const APP: &str = "A0KRD7HC3";

/// Something that happens in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A user posts a message in the channel.
    Posted,
    /// A user posts a message in another channel.
    PostedElsewhere,
    /// A user answers in a thread, and shows the answer in the channel too.
    Broadcast,
    /// A user edits a message.
    Edited,
    /// A user deletes a message.
    Deleted,
    /// A user joins the channel, of which Slack tells by a message, too.
    JoinMessage,
    /// The app's own bot posts a message.
    OwnPosted,
    /// The app's own bot posts a message under another name.
    OwnPostedAs,
    /// Another bot posts a message.
    BotPosted,
    /// An incoming webhook posts a message.
    WebhookPosted,
    /// A user mentions the app's bot.
    Mentioned,
    /// A user reacts to a message.
    Reacted,
    /// The app's own bot reacts to a message.
    OwnReacted,
    /// A user reacts to a file.
    ReactedToFile,
    /// A user joins the channel.
    Joined,
    /// A user creates a channel.
    Created,
    /// Somebody new is in the workspace.
    TeamJoined,
    /// A user changes their profile.
    UserChanged,
}

fn message(more: Value) -> Value {
    let mut message = payload::message(MESSAGE, "U000000001", "Hello");
    message["channel"] = CHANNEL.into();
    message["channel_type"] = "channel".into();
    message["event_ts"] = MESSAGE.into();
    for (key, value) in more.as_object().into_iter().flatten() {
        message[key] = value.clone();
    }
    message
}

fn event(happening: Happening) -> Value {
    let reaction = |user: &str, item: Value| {
        json!({
            "type": "reaction_added",
            "user": user,
            "reaction": "thumbsup",
            "item_user": BOT,
            "item": item,
            "event_ts": "1500000500.000100",
        })
    };
    let on_message = || json!({ "type": "message", "channel": CHANNEL, "ts": MESSAGE });
    match happening {
        Happening::Posted => message(json!({})),
        Happening::PostedElsewhere => message(json!({ "channel": OUTSIDE })),
        Happening::Broadcast => {
            message(json!({ "subtype": "thread_broadcast", "thread_ts": THREAD, "root": message(json!({})) }))
        }
        Happening::Edited => json!({
            "type": "message",
            "subtype": "message_changed",
            "hidden": true,
            "channel": CHANNEL,
            "channel_type": "channel",
            "ts": "1500000500.000100",
            "event_ts": "1500000500.000100",
            "message": message(json!({ "text": "Hello!" })),
            "previous_message": message(json!({})),
        }),
        Happening::Deleted => json!({
            "type": "message",
            "subtype": "message_deleted",
            "hidden": true,
            "channel": CHANNEL,
            "channel_type": "channel",
            "ts": "1500000500.000100",
            "event_ts": "1500000500.000100",
            "deleted_ts": MESSAGE,
            "previous_message": message(json!({})),
        }),
        Happening::JoinMessage => message(json!({ "subtype": "channel_join" })),
        Happening::OwnPosted => message(json!({ "user": BOT, "bot_id": "B19LU7CSY", "app_id": APP })),
        Happening::OwnPostedAs => message(json!({
            "user": null,
            "subtype": "bot_message",
            "bot_id": "B19LU7CSY",
            "app_id": APP,
            "username": "Umpire",
        })),
        Happening::BotPosted => {
            message(json!({ "user": "U000000007", "bot_id": "B000000007", "app_id": "A000000007" }))
        }
        Happening::WebhookPosted => {
            message(json!({ "user": null, "subtype": "bot_message", "bot_id": "B000000008" }))
        }
        Happening::Mentioned => {
            message(json!({ "type": "app_mention", "text": format!("<@{BOT}> who is up next?") }))
        }
        Happening::Reacted => reaction("U000000001", on_message()),
        Happening::OwnReacted => reaction(BOT, on_message()),
        Happening::ReactedToFile => reaction("U000000001", json!({ "type": "file", "file": "F000000001" })),
        Happening::Joined => json!({
            "type": "member_joined_channel",
            "user": "U000000002",
            "channel": CHANNEL,
            "channel_type": "C",
            "team": TEAM,
            "inviter": "U000000001",
            "event_ts": "1500000500.000100",
        }),
        Happening::Created => json!({
            "type": "channel_created",
            "channel": {
                "id": "C000000999",
                "name": "finals",
                "created": 1_449_252_889,
                "creator": "U000000001",
                "is_channel": true,
            },
            "event_ts": "1500000500.000100",
        }),
        Happening::TeamJoined => json!({ "type": "team_join", "user": payload::user(3) }),
        Happening::UserChanged => {
            json!({ "type": "user_change", "user": payload::user(2), "cache_ts": 1_500_000_500 })
        }
    }
}

/// What is delivered of it: the event in its envelope.
pub(super) fn callback(team: &str, happening: Happening) -> Value {
    json!({
        "token": "a token that nobody should look at",
        "team_id": team,
        "context_team_id": team,
        "context_enterprise_id": null,
        "api_app_id": APP,
        "event": event(happening),
        "type": "event_callback",
        "event_id": format!("Ev{team}{happening:?}"),
        "event_time": 1_500_000_500,
        "authorizations": [{
            "enterprise_id": null,
            "team_id": team,
            "user_id": BOT,
            "is_bot": true,
            "is_enterprise_install": false,
        }],
        "is_ext_shared_channel": false,
        "event_context": "4-eyJldCI6Im1lc3NhZ2UifQ",
    })
}

pub(super) fn handshake(challenge: &str) -> Value {
    json!({ "token": "a token that nobody should look at", "challenge": challenge, "type": "url_verification" })
}

/// A request to the app's URL, whose path and host nothing is signed of.
pub(super) fn signed(body: &Value, at: DateTime) -> Delivery {
    let (body, at) = (body.to_string(), at.unix_millis().div_euclid(1000).to_string());
    let mut delivery = Delivery { method: Method::POST, body: body.clone().into(), ..Delivery::default() };
    let signature = signature(&format!("v0:{at}:{body}"));
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),
        ("x-slack-request-timestamp", &at),
        ("x-slack-signature", &signature),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            delivery.headers.insert(name, value);
        }
    }
    delivery
}

fn signature(text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    format!("v0={}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
