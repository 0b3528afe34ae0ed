//! Changes, and the channels that tell of them.

use std::collections::HashMap;

use linchpin::{
    DateTime, Delivery,
    http::{HeaderName, HeaderValue},
    serde_json::{Value, json},
};
use wiremock::ResponseTemplate;

use super::{
    SHARED,
    state::{Answer, State, ok},
};

const HOUR: i64 = 3_600_000;

/// How long a channel of changes lives at the most, in milliseconds, and an hour where nothing is asked for
/// (<https://developers.google.com/workspace/drive/api/guides/push>).
const LONGEST: i64 = 7 * 24 * HOUR;

/// A channel that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watching {
    /// Its id.
    pub id: String,
    /// Where it delivers to.
    pub address: String,
    /// Until when.
    pub expires: DateTime,
}

pub(super) struct Channel {
    watching: Watching,
    token: Option<String>,
    resource: String,
    drive: Option<String>,
    messages: u64,
}

type Refused = (u16, &'static str, String);

fn invalid() -> Refused {
    (400, "invalid", "Invalid Value".to_owned())
}

impl State {
    fn time(&self) -> DateTime {
        self.now.unwrap_or_else(|| std::time::SystemTime::now().into())
    }

    /// Notes a change of a file, of which the channels tell.
    pub(super) fn changed(&mut self, id: &str, removed: bool) {
        let time = self.time();
        let file = self.file(id).cloned();
        let drive = file.as_ref().and_then(|file| file.get("driveId").cloned());
        let mut change =
            json!({ "changeType": "file", "time": time.to_string(), "removed": removed, "fileId": id });
        if let (Some(file), false) = (file, removed) {
            change["file"] = file;
        }
        if let Some(drive) = &drive {
            change["driveId"] = drive.clone();
        }
        self.changes.push(change);
        if removed {
            self.forget(id);
        }
        let now = self.time();
        self.channels.retain(|channel| channel.watching.expires > now);
        for channel in &mut self.channels {
            if channel.drive.is_none() || channel.drive.as_deref() == drive.as_ref().and_then(Value::as_str) {
                // Numbers grow, and not by one.
                channel.messages += 1 + channel.messages % 3;
                self.deliveries.extend(channel.message("change"));
            }
        }
    }

    pub(super) fn living(&self) -> Vec<Watching> {
        let now = self.time();
        let living = self.channels.iter().map(|channel| channel.watching.clone());
        living.filter(|channel| channel.expires > now).collect()
    }

    /// What is no position is answered as Google answers it: 400 with the reason `invalid`. Positions do not expire
    /// (<https://developers.google.com/workspace/drive/api/reference/rest/v3/changes/getStartPageToken>); how one would be refused that is
    /// not taken any more is not documented, and is taken for the same here.
    fn position(&self, query: &HashMap<String, String>) -> Result<usize, Refused> {
        let position: usize =
            query.get("pageToken").and_then(|token| token.parse().ok()).ok_or_else(invalid)?;
        let known = self.forgotten..=self.changes.len();
        if known.contains(&position) { Ok(position) } else { Err(invalid()) }
    }

    pub(super) fn list_changes(&self, query: &HashMap<String, String>) -> Answer {
        let from = self.position(query)?;
        let size = query.get("pageSize").and_then(|size| size.parse().ok()).unwrap_or(100).clamp(1, 100);
        let drive = query.get("driveId").map(String::as_str);
        let is = |name: &str, word: &str| query.get(name).is_some_and(|value| value == word);
        let wanted = |change: &&Value| {
            let of = change.get("driveId").and_then(Value::as_str);
            drive.is_none_or(|drive| of == Some(drive))
                && !(is("restrictToMyDrive", "true") && of.is_some())
                && !(is("includeRemoved", "false") && change["removed"] == true)
        };
        let end = (from + size).min(self.changes.len());
        let changes: Vec<&Value> = self.changes[from..end].iter().filter(wanted).collect();
        let next = if end < self.changes.len() { "nextPageToken" } else { "newStartPageToken" };
        let mut page = json!({ "changes": changes });
        page[next] = end.to_string().into();
        ok(&page)
    }

    pub(super) fn watch(&mut self, body: &Value, query: &HashMap<String, String>) -> Answer {
        self.position(query)?;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let drive = query.get("driveId").cloned();
        if drive.as_deref().is_some_and(|drive| drive != SHARED) {
            return Err((404, "teamDriveNotFound", "Shared drive not found".to_owned()));
        }
        let (Some(id), Some(address)) = (text("id"), text("address")) else {
            return Err((400, "required", "Required".to_owned()));
        };
        if body["type"] != "web_hook" {
            return Err((400, "push.channelTypeNotSupported", "Channel type not supported".to_owned()));
        }
        if !address.starts_with("https://") {
            let message = format!("WebHook callback must be HTTPS: {address}");
            return Err((400, "push.webhookUrlNotHttps", message));
        }
        if self.channels.iter().any(|channel| channel.watching.id == id) {
            return Err((400, "channelIdNotUnique", format!("Channel id {id} not unique")));
        }
        let now = self.time().unix_millis();
        let asked = text("expiration").and_then(|millis| millis.parse().ok()).unwrap_or(now + HOUR);
        let expires = asked.clamp(now, now + LONGEST);
        let channel = Channel {
            watching: Watching {
                id,
                address,
                expires: DateTime::from_unix_millis(expires).ok_or_else(invalid)?,
            },
            token: text("token"),
            resource: format!("changes-of-{}", drive.as_deref().unwrap_or("mona")),
            drive,
            messages: 1,
        };
        self.deliveries.extend(channel.message("sync"));
        let answer = json!({
            "kind": "api#channel", "id": channel.watching.id, "resourceId": channel.resource,
            "resourceUri": channel.resource_uri(), "token": channel.token, "expiration": expires.to_string(),
        });
        self.channels.push(channel);
        ok(&answer)
    }

    pub(super) fn stop(&mut self, body: &Value) -> Answer {
        let now = self.time();
        self.channels.retain(|channel| channel.watching.expires > now);
        let before = self.channels.len();
        let named = |channel: &Channel| {
            body["id"] == channel.watching.id.as_str() && body["resourceId"] == channel.resource.as_str()
        };
        self.channels.retain(|channel| !named(channel));
        match self.channels.len() < before {
            true => Ok(ResponseTemplate::new(204)),
            false => Err((404, "notFound", format!("Channel {} not found", body["id"]))),
        }
    }
}

impl Channel {
    fn resource_uri(&self) -> String {
        let drive = self.drive.as_ref().map(|drive| format!("&driveId={drive}")).unwrap_or_default();
        format!("https://www.googleapis.com/drive/v3/changes?alt=json{drive}")
    }

    /// What the channel delivers: no body, and everything in headers
    /// (<https://developers.google.com/workspace/drive/api/guides/push#understand-the-notification-message-format>).
    fn message(&self, state: &str) -> Option<Delivery> {
        let headers = [
            (
                "user-agent",
                "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)".to_owned(),
            ),
            ("content-length", "0".to_owned()),
            ("x-goog-channel-id", self.watching.id.clone()),
            ("x-goog-channel-expiration", http_date(self.watching.expires)),
            ("x-goog-message-number", self.messages.to_string()),
            ("x-goog-resource-id", self.resource.clone()),
            ("x-goog-resource-state", state.to_owned()),
            ("x-goog-resource-uri", self.resource_uri()),
        ];
        let token = self.token.clone().map(|token| ("x-goog-channel-token", token));
        let mut delivery = Delivery { url: self.watching.address.clone(), ..Delivery::default() };
        for (name, value) in headers.into_iter().chain(token) {
            delivery.headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).ok()?);
        }
        Some(delivery)
    }
}

/// As in `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn http_date(time: DateTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // The first of January 1970 was a Thursday.
    let day = usize::try_from(time.unix_millis().div_euclid(24 * HOUR).rem_euclid(7)).unwrap_or_default();
    let text = time.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().unwrap_or(1);
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"Jan");
    format!("{}, {} {month} {} {} GMT", DAYS[day], part(8, 10), part(0, 4), part(11, 19))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_in_headers() {
        assert_eq!(http_date("1994-11-06T08:49:37Z".parse().unwrap()), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date("2026-03-01T09:00:00.25Z".parse().unwrap()), "Sun, 01 Mar 2026 09:00:00 GMT");
    }
}
