//! What stands at the head of an entry.

use std::str::FromStr;

use linchpin::{
    Code, Delivery, Error, Result,
    http::{HeaderMap, HeaderName, HeaderValue},
    serde_json::{self, value::RawValue},
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
    /// The options of the registration.
    pub options: Option<Box<RawValue>>,
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
        Delivery { headers: all, body: entry.body.clone(), ..Delivery::default() }
    }
}
