//! What Slack sends, in the form that it documents.

use linchpin::serde_json::{Value, json};

/// The name of the workspace.
pub(super) const TEAM_NAME: &str = "Slack Softball Team";
/// What the tokens allow.
pub(super) const SCOPES: &str = "channels:read,chat:write";

/// What a method says that did not do what it was asked.
pub(super) fn problem(code: &str) -> Value {
    json!({ "ok": false, "error": code })
}

pub(super) fn whose(token: &str) -> Value {
    let other = token == super::OTHER_TOKEN;
    json!({
        "ok": true,
        "url": "https://softball.slack.com/",
        "team": if other { "Other Team" } else { TEAM_NAME },
        "user": "linchpin",
        "team_id": if other { super::OTHER_TEAM } else { super::TEAM },
        // Users of two workspaces may have one id.
        "user_id": super::BOT,
        "bot_id": "B19LU7CSY",
        "is_enterprise_install": false,
    })
}

pub(super) fn channel(id: &str, name: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "name_normalized": name,
        "is_channel": true,
        "is_group": false,
        "is_im": false,
        "is_mpim": false,
        "is_private": false,
        "is_archived": false,
        "is_general": false,
        "is_shared": false,
        "is_member": false,
        "created": 1_449_252_889,
        "creator": "U000000001",
        "topic": { "value": "", "creator": "", "last_set": 0 },
        "purpose": { "value": "To talk", "creator": "U000000001", "last_set": 1_449_709_364 },
        "previous_names": [],
    })
}

pub(super) fn user(number: usize) -> Value {
    let name = format!("player{number}");
    json!({
        "id": format!("U{number:09}"),
        "team_id": super::TEAM,
        "name": name,
        "deleted": number % 100 == 1 && number > 1,
        "real_name": format!("Player {number}"),
        "tz": "America/Los_Angeles",
        "tz_label": "Pacific Daylight Time",
        "tz_offset": -25200,
        "profile": {
            "real_name": format!("Player {number}"),
            "display_name": name,
            "email": format!("{name}@softball.example"),
            "title": "",
            "team": super::TEAM,
        },
        "is_admin": number == 1,
        "is_owner": false,
        "is_bot": number.is_multiple_of(7),
        "is_app_user": false,
        "updated": 1_502_138_686,
    })
}

pub(super) fn message(ts: &str, user: &str, text: &str) -> Value {
    json!({ "type": "message", "user": user, "text": text, "ts": ts, "team": super::TEAM })
}

pub(super) fn scheduled(id: &str, channel: &str, post_at: i64, text: &str) -> Value {
    json!({ "id": id, "channel_id": channel, "post_at": post_at, "date_created": 1_551_891_734, "text": text })
}
