//! The mock's event hooks, and how it calls where they lead.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use linchpin::serde_json::{self, Value, json};
use wiremock::http::Url;

use super::DOMAIN;

/// How long Okta waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Types of events that hooks may tell of, of those that the mock knows.
const ELIGIBLE: [&str; 7] = [
    "application.user_membership.add",
    "group.user_membership.add",
    "group.user_membership.remove",
    "user.account.update_password",
    "user.lifecycle.create",
    "user.lifecycle.deactivate",
    "user.session.start",
];

/// An event hook.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) uri: String,
    /// The header that shows who calls, and its value, which nobody is told.
    auth: (String, String),
    types: Vec<String>,
    pub(super) active: bool,
    pub(super) verified: bool,
}

impl Hook {
    /// The hook that somebody asks for; otherwise what is wrong with it.
    pub(super) fn read(id: String, asked: &Value) -> Result<Hook, &'static str> {
        let text =
            |pointer: &str| asked.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let types = asked["events"]["items"].as_array().into_iter().flatten();
        let hook = Hook {
            id,
            name: text("/name"),
            uri: text("/channel/config/uri"),
            auth: (text("/channel/config/authScheme/key"), text("/channel/config/authScheme/value")),
            types: types.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            active: true,
            verified: false,
        };
        if hook.name.is_empty() {
            Err("name: there is none")
        } else if text("/events/type") != "EVENT_TYPE" || hook.types.is_empty() {
            Err("events: there are none")
        } else if hook.types.iter().any(|name| !ELIGIBLE.contains(&name.as_str())) {
            Err("events: there is one that hooks do not tell of")
        } else if text("/channel/type") != "HTTP" || text("/channel/version") != "1.0.0" {
            Err("channel: there is no such one")
        } else if !hook.uri.starts_with("https://") {
            Err("channel.config.uri: it is no HTTPS")
        } else {
            Ok(hook)
        }
    }

    /// As Okta shows it.
    pub(super) fn show(&self) -> Value {
        json!({
            "id": self.id,
            "status": if self.active { "ACTIVE" } else { "INACTIVE" },
            "verificationStatus": if self.verified { "VERIFIED" } else { "UNVERIFIED" },
            "name": self.name,
            "description": null,
            "created": "2026-01-01T00:00:00.000Z",
            "createdBy": super::ADMIN,
            "lastUpdated": "2026-01-01T00:00:00.000Z",
            "events": { "type": "EVENT_TYPE", "items": self.types, "filter": null },
            "channel": {
                "type": "HTTP",
                "version": "1.0.0",
                "config": {
                    "uri": self.uri,
                    "headers": [],
                    "method": "POST",
                    "authScheme": { "type": "HEADER", "key": self.auth.0 },
                },
            },
            "_links": { "self": { "href": format!("https://{DOMAIN}/api/v1/eventHooks/{}", self.id) } },
        })
    }

    pub(super) fn tells_of(&self, kind: &str) -> bool {
        self.active && self.verified && self.types.iter().any(|name| name == kind)
    }

    /// Asks whether somebody is there: once more where the first answer is none.
    pub(super) fn verify(&mut self, reach: Option<SocketAddr>) -> bool {
        let Some(reach) = reach else { return false };
        let challenge = format!("challenge-of-{}", self.id);
        let header = format!("X-Okta-Verification-Challenge: {challenge}\r\n");
        let answers = |_| {
            let (status, body) = self.call(reach, "GET", &header, "").ok()?;
            let answer: Value = serde_json::from_str(&body).ok()?;
            (status == 200 && answer["verification"] == *challenge).then_some(())
        };
        self.verified = (0..2).find_map(answers).is_some();
        self.verified
    }

    /// Delivers events, and gives the status that it is answered with.
    pub(super) fn deliver(&self, reach: SocketAddr, id: &str, events: &[Value]) -> io::Result<u16> {
        let body = json!({
            "eventType": "com.okta.event_hook",
            "eventTypeVersion": "1.0",
            "cloudEventsVersion": "0.1",
            "contentType": "application/json",
            "eventId": id,
            "eventTime": "2026-01-01T00:00:00.000Z",
            "source": format!("https://{DOMAIN}/api/v1/eventHooks/{}", self.id),
            "data": { "events": events },
        });
        self.call(reach, "POST", "Content-Type: application/json\r\n", &body.to_string())
            .map(|(status, _)| status)
    }

    /// The status and body of what is answered to a request of Okta's, which goes to `reach` in place of the URL's host.
    fn call(&self, reach: SocketAddr, method: &str, headers: &str, body: &str) -> io::Result<(u16, String)> {
        let url = Url::parse(&self.uri).map_err(io::Error::other)?;
        let (host, path) = (url.host_str().unwrap_or_default(), url.path());
        let (name, value) = &self.auth;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{name}: {value}\r\n{headers}\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect_timeout(&reach, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("this is no HTTP"))?;
        Ok((status, body.to_owned()))
    }
}
