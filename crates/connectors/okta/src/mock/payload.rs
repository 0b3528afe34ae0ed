//! What the mock's org is made of.

use linchpin::{
    DateTime,
    serde_json::{Value, json},
};

use super::{ADMIN, DOMAIN, SMALL_GROUP, USER};
use crate::hook::HookEvent;

/// 2026-01-01T00:00:00Z.
const BEGINNING: i64 = 1_767_225_600_000;

const CREATED: &str = "2025-06-01T08:00:00.000Z";

pub(super) fn user_id(number: usize) -> String {
    format!("00u{number:017}")
}

pub(super) fn group_id(number: usize) -> String {
    format!("00g{number:017}")
}

pub(super) fn user(number: usize, profile: &Value) -> Value {
    json!({
        "id": user_id(number),
        "status": "ACTIVE",
        "created": CREATED,
        "activated": CREATED,
        "statusChanged": CREATED,
        "lastLogin": null,
        "lastUpdated": CREATED,
        "passwordChanged": null,
        "type": { "id": "oty00000000000000mock" },
        "profile": profile,
        "credentials": { "provider": { "type": "OKTA", "name": "OKTA" } },
        "_links": { "self": { "href": format!("https://{DOMAIN}/api/v1/users/{}", user_id(number)) } },
    })
}

pub(super) fn profile(number: usize) -> Value {
    json!({
        "login": format!("user{number}@acme.example"),
        "email": format!("user{number}@acme.example"),
        "firstName": "Una",
        "lastName": format!("Number {number}"),
        "mobilePhone": null,
        "shoeSize": number % 12 + 34,
    })
}

pub(super) fn group(number: usize, profile: &Value) -> Value {
    json!({
        "id": group_id(number),
        "created": CREATED,
        "lastUpdated": CREATED,
        "lastMembershipUpdated": CREATED,
        "objectClass": ["okta:user_group"],
        "type": if number == 0 { "BUILT_IN" } else { "OKTA_GROUP" },
        "profile": profile,
    })
}

pub(super) fn app(number: usize) -> Value {
    json!({
        "id": format!("0oa{number:017}"),
        "name": "template_basic_auth",
        "label": format!("App {number}"),
        "status": if number.is_multiple_of(2) { "ACTIVE" } else { "INACTIVE" },
        "lastUpdated": CREATED,
        "created": CREATED,
        "signOnMode": "BASIC_AUTH",
        "visibility": { "autoSubmitToolbar": false },
    })
}

pub(super) fn event(number: usize) -> Value {
    let failed = number.is_multiple_of(10);
    let published = DateTime::from_unix_millis(BEGINNING + number as i64 * 1000);
    json!({
        "uuid": format!("00000000-0000-11f0-8000-{number:012}"),
        "published": published.map(|time| time.to_string()),
        "eventType": "user.session.start",
        "version": "0",
        "severity": if failed { "WARN" } else { "INFO" },
        "displayMessage": format!("Somebody came in, number {number}"),
        "outcome": if failed {
            json!({ "result": "FAILURE", "reason": "INVALID_CREDENTIALS" })
        } else {
            json!({ "result": "SUCCESS" })
        },
        "actor": {
            "id": user_id(1),
            "type": "User",
            "alternateId": "user1@acme.example",
            "displayName": "Una Number 1",
            "detailEntry": null,
        },
        "client": { "ipAddress": "192.0.2.1", "device": "Computer", "zone": "null", "userAgent": { "os": "Linux" } },
        "target": null,
        "debugContext": { "debugData": {} },
    })
}

/// What somebody did to [`USER`].
pub(super) fn happened(what: HookEvent, number: usize, published: DateTime) -> Value {
    let target = |id: &str, kind: &str, other: &str, name: &str| json!({ "id": id, "type": kind, "alternateId": other, "displayName": name, "detailEntry": null });
    let user = target(USER, "User", "user1@acme.example", "Una Number 1");
    let targets = match what {
        HookEvent::MemberAdded | HookEvent::MemberRemoved => {
            json!([user, target(SMALL_GROUP, "UserGroup", "unknown", "Team 7")])
        }
        HookEvent::AppAssigned => {
            let name = target("0ua00000000000000001", "AppUser", "user1@acme.example", "Una Number 1");
            json!([name, target("0oa00000000000000000", "AppInstance", "App 0", "App 0"), user])
        }
        HookEvent::SignInFailed => Value::Null,
        _ => json!([user]),
    };
    let mut event = event(1);
    event["uuid"] = format!("11111111-0000-11f0-8000-{number:012}").into();
    event["published"] = published.to_string().into();
    event["eventType"] = what.name().into();
    event["displayMessage"] = format!("{what:?}").into();
    event["outcome"] = json!({ "result": what.outcome() });
    event["actor"]["id"] = ADMIN.into();
    event["target"] = targets;
    event
}

pub(super) fn org() -> Value {
    json!({ "id": "00o00000000000000000", "subdomain": "acme", "companyName": "Acme", "status": "ACTIVE" })
}

/// An error, with what is wrong with single fields.
pub(super) fn problem(code: &str, summary: &str, causes: &[&str]) -> Value {
    let causes: Vec<Value> = causes.iter().map(|cause| json!({ "errorSummary": cause })).collect();
    json!({
        "errorCode": code,
        "errorSummary": summary,
        "errorLink": code,
        "errorId": format!("mock-{code}"),
        "errorCauses": causes,
    })
}
