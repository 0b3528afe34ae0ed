//! What stands at the head of an entry.

use std::{borrow::Cow, sync::Arc};

use linchpin::{Code, Delivery, Error, Result, http::HeaderMap, serde_json};
use serde::{Deserialize, Serialize};

use crate::store::{NewEntry, RunMode};

/// The head of an entry, as it was made here or as a store has kept it. It is written only for a store, and read only for who asks.
#[derive(Debug, Clone)]
pub struct KeptHead(Form);

#[derive(Debug, Clone)]
enum Form {
    Made(Arc<Head>),
    Text(String),
}

impl KeptHead {
    /// As it is kept: JSON.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.0 {
            // Texts and numbers cannot fail to be written.
            Form::Made(head) => serde_json::to_string(&**head).unwrap_or_default().into(),
            Form::Text(text) => text.into(),
        }
    }

    /// How much of the memory it takes, in bytes; roughly.
    pub(crate) fn size(&self) -> usize {
        match &self.0 {
            Form::Made(head) => head.size(),
            Form::Text(text) => text.len(),
        }
    }
}

impl From<Head> for KeptHead {
    fn from(head: Head) -> KeptHead {
        KeptHead(Form::Made(Arc::new(head)))
    }
}

impl From<String> for KeptHead {
    fn from(text: String) -> KeptHead {
        KeptHead(Form::Text(text))
    }
}

impl PartialEq for KeptHead {
    fn eq(&self, other: &KeptHead) -> bool {
        self.text() == other.text()
    }
}

impl Eq for KeptHead {}

/// What an entry is, beside its body.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    #[serde(with = "texts")]
    pub headers: HeaderMap,
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

/// Headers as pairs of texts.
mod texts {
    use std::str::FromStr;

    use linchpin::http::{HeaderMap, HeaderName, HeaderValue};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(headers: &HeaderMap, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderMap, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(from)?;
        let header = |(name, value): (String, String)| {
            Some((HeaderName::from_str(&name).ok()?, HeaderValue::from_str(&value).ok()?))
        };
        let mut headers = HeaderMap::with_capacity(pairs.len());
        for (name, value) in pairs.into_iter().filter_map(header) {
            headers.append(name, value);
        }
        Ok(headers)
    }
}

impl Head {
    /// The head of an entry.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when it is none: another version of linchpin wrote it.
    pub fn read(entry: &NewEntry) -> Result<Arc<Head>> {
        match &entry.head.0 {
            Form::Made(head) => Ok(head.clone()),
            Form::Text(text) => serde_json::from_str(text).map(Arc::new).map_err(|error| {
                let message =
                    format!("the entry `{}` has a head that cannot be read: {error}", entry.identity);
                Error::coded(Code::StoreFailed, message)
            }),
        }
    }

    /// The id of the connection that the entry is for.
    pub fn connection(&self) -> &str {
        match self {
            Head::Delivery(head) => &head.connection,
            Head::Record(head) => &head.connection,
        }
    }

    fn size(&self) -> usize {
        match self {
            Head::Delivery(head) => {
                let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
                head.url.len() + head.options.as_ref().map_or(0, String::len) + headers.sum::<usize>() + 256
            }
            Head::Record(_) => 256,
        }
    }
}

impl DeliveryHead {
    /// The delivery, with its body.
    pub fn delivery(&self, entry: &NewEntry) -> Delivery {
        let method = self.method.parse().unwrap_or_default();
        Delivery { method, url: self.url.clone(), headers: self.headers.clone(), body: entry.body.clone() }
    }
}

#[cfg(test)]
mod tests {
    use linchpin::http::{HeaderName, HeaderValue};

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
            headers: HeaderMap::from_iter([(
                HeaderName::from_static("x-event"),
                HeaderValue::from_static("issue"),
            )]),
        };
        let entry = NewEntry {
            source: "hook".to_owned(),
            identity: "1".to_owned(),
            lane: None,
            head: KeptHead::from(Head::Delivery(head.clone())).text().into_owned().into(),
            body: "{}".into(),
            received: linchpin::DateTime::from_unix_millis(0).unwrap(),
        };
        let Head::Delivery(read) = &*Head::read(&entry).unwrap() else { panic!("{:?}", entry.head) };
        assert_eq!((&read.options, &read.headers), (&head.options, &head.headers));
        assert_eq!(
            Head::read(&NewEntry { head: "{}".to_owned().into(), ..entry }).unwrap_err().code(),
            Code::StoreFailed
        );
    }
}
