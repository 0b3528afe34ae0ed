//! What stands at the head of an entry.

use std::str::FromStr;

use linchpin::{
    Code, Delivery, Error, Result,
    http::{HeaderMap, HeaderName, HeaderValue},
    serde_json,
};
use serde::{Deserialize, Serialize};

use crate::store::{NewEntry, RunMode};

/// What an entry is, beside its body.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Head {
    /// A request that a service sent.
    Delivery(DeliveryHead),
    /// A record that a monitor found.
    Record(RecordHead),
}

/// A request that a service sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveryHead {
    /// The connector's key.
    pub connector: String,
    /// The hook's key.
    pub hook: String,
    /// The id of the connection that it is for.
    pub connection: String,
    /// The events that it is.
    pub events: Vec<String>,
    /// The options of the registration, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// The request's method.
    pub method: String,
    /// The URL it came to; without what is secret in it.
    pub url: String,
    /// Its headers, without those that prove where it comes from. A value that is no text is left out.
    pub headers: Vec<(String, String)>,
}

/// A record that a monitor found, shaped already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordHead {
    /// The connector's key.
    pub connector: String,
    /// The event that it is.
    pub event: String,
    /// The id of the connection that it was found with.
    pub connection: String,
    /// The `#[monitor]` function.
    pub flow: String,
    /// The subscription that asked for it.
    pub subscription: String,
    /// With `each` the body is a record, with `every` a list of them, with `none` an empty list.
    pub mode: RunMode,
}

impl Head {
    /// As it is kept.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when it cannot be written.
    pub fn write(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            Error::coded(Code::StoreFailed, format!("the head of an entry cannot be written: {error}"))
        })
    }

    /// The head of an entry.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when it is none: another version of linchpin wrote it.
    pub fn read(entry: &NewEntry) -> Result<Head> {
        serde_json::from_str(&entry.head).map_err(|error| {
            let message = format!("the entry `{}` has a head that cannot be read: {error}", entry.identity);
            Error::coded(Code::StoreFailed, message)
        })
    }
}

impl DeliveryHead {
    /// The delivery, with its body.
    pub fn delivery(&self, entry: &NewEntry) -> Delivery {
        let headers = self.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_str(name).ok()?, HeaderValue::from_str(value).ok()?))
        });
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        let method = self.method.parse().unwrap_or_default();
        Delivery { method, url: self.url.clone(), headers: all, body: entry.body.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = DeliveryHead {
            connector: "tracker".to_owned(),
            hook: "project".to_owned(),
            connection: "1".to_owned(),
            events: vec!["issue_opened".to_owned()],
            options: Some(r#"{"project":"web","id":12345678901234567890.10}"#.to_owned()),
            method: "POST".to_owned(),
            url: "https://hooks.example/in/***".to_owned(),
            headers: vec![("x-event".to_owned(), "issue".to_owned())],
        };
        let entry = NewEntry {
            source: "hook".to_owned(),
            identity: "1".to_owned(),
            lane: None,
            head: Head::Delivery(head.clone()).write().unwrap(),
            body: "{}".into(),
            received: linchpin::DateTime::from_unix_millis(0).unwrap(),
        };
        let Head::Delivery(read) = Head::read(&entry).unwrap() else { panic!("{}", entry.head) };
        assert_eq!((read.options, read.headers), (head.options, head.headers));
        assert_eq!(
            Head::read(&NewEntry { head: "{}".to_owned(), ..entry }).unwrap_err().code(),
            Code::StoreFailed
        );
    }
}
