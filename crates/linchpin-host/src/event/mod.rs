//! What happened at a service, as those are told who asked for it.

mod data;

use linchpin::{Code, DateTime, Error, Result, serde_json};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::data::EventData;

/// Something that happened at a service.
///
/// As JSON it is the body of a [Standard Webhook](https://www.standardwebhooks.com) with more beside:
///
/// ```json
/// {"id":"evt_0b7c..","type":"github.issue_opened","timestamp":"2026-03-01T09:00:00Z","tenant":"default","connection":"work",
///  "source":"5cd0..","data":{..}}
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// What it is known by: who is told of it again under the same id has it already.
    pub id: String,
    /// Connector and event, as in `github.issue_opened`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it came here.
    #[serde(rename = "timestamp")]
    pub received: DateTime,
    /// Whose connection it came by.
    pub tenant: String,
    /// The connection's name.
    pub connection: String,
    /// The id of the hook or monitor that it came by.
    pub source: String,
    /// The subscription of a monitor that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// What the event's flow made of it.
    pub data: EventData,
}

impl Event {
    /// As JSON, on one line.
    ///
    /// # Errors
    ///
    /// As of [`EventData::json`].
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            let message = format!("the event `{}` cannot be written as JSON: {error}", self.kind);
            Error::coded(Code::OutputInvalid, message)
        })
    }
}

/// The id of an event: the same whenever the same entry of the inbox makes it. 128 bits of a digest, so that nobody has to remember
/// which were given.
pub(crate) fn id(parts: &[&str]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut text = String::with_capacity(36);
    text.push_str("evt_");
    for byte in &hash.finalize()[..16] {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
    }
    text
}

#[cfg(test)]
mod tests {
    use linchpin::serde_json::value::RawValue;

    use super::*;

    #[test]
    fn an_id_is_the_same_for_the_same_and_another_for_others() {
        assert_eq!(id(&["hook", "1"]), id(&["hook", "1"]));
        assert_ne!(id(&["hook", "1"]), id(&["hook1", ""]));
        assert_eq!(id(&[]).len(), 36);
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let event = Event {
            id: "evt_1".to_owned(),
            kind: "tracker.issue_opened".to_owned(),
            received: DateTime::from_unix_millis(1_772_355_600_000).unwrap(),
            tenant: "default".to_owned(),
            connection: "work".to_owned(),
            source: "hook".to_owned(),
            subscription: None,
            data: RawValue::from_string(r#"{"number":12345678901234567890.10}"#.to_owned()).unwrap().into(),
        };
        assert_eq!(
            event.to_json().unwrap(),
            r#"{"id":"evt_1","type":"tracker.issue_opened","timestamp":"2026-03-01T09:00:00Z","tenant":"default","connection":"work","source":"hook","data":{"number":12345678901234567890.10}}"#
        );
    }
}
