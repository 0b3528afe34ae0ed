//! What a call said and was told, as an HTTP archive.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use linchpin::{Code, DateTime, request::Body};
use serde_json::{Value, json};

use crate::{
    body,
    scrub::{HIDDEN, Scrubber},
};

/// So much is kept of all bodies of a call; of further ones only the size is told.
const MOST: usize = 32 << 20;

/// One request and its answer, not yet scrubbed.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    started: DateTime,
    method: Method,
    url: Arc<str>,
    sent: (HeaderMap, Option<Body>),
    status: Option<u16>,
    answered: (HeaderMap, Option<Bytes>),
    time: Duration,
    size: u64,
    error: Option<Code>,
}

impl Exchange {
    pub(crate) fn new(started: DateTime, headers: &HeaderMap, body: Option<&Body>) -> Exchange {
        Exchange {
            started,
            method: Method::GET,
            url: Arc::from(""),
            sent: (headers.clone(), body.cloned()),
            status: None,
            answered: Default::default(),
            time: Duration::ZERO,
            size: 0,
            error: None,
        }
    }

    pub(crate) fn answered(&mut self, headers: &HeaderMap) {
        self.answered.0.clone_from(headers);
    }

    pub(crate) fn read(&mut self, body: &Bytes) {
        self.answered.1 = Some(body.clone());
    }

    /// What the trace knows of it.
    pub(crate) fn ended(&mut self, record: &crate::trace::Record) {
        self.method = record.method.clone();
        self.url = record.url.clone();
        (self.status, self.time, self.size, self.error) =
            (record.status, record.time, record.received, record.error);
    }

    /// How much of it is bodies.
    fn weight(&self) -> usize {
        let sent = match &self.sent.1 {
            Some(Body::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        sent + self.answered.1.as_ref().map_or(0, Bytes::len)
    }

    fn forget_bodies(&mut self) {
        self.sent.1 = None;
        self.answered.1 = None;
    }

    fn entry(&self, scrubber: &Scrubber) -> Value {
        let scrub = |text: &str| scrubber.scrub(text).into_owned();
        let url = scrub(&self.url);
        let query: Vec<Value> = url::Url::parse(&url).map_or_else(
            |_| Vec::new(),
            |url| url.query_pairs().map(|(name, value)| json!({ "name": name, "value": value })).collect(),
        );
        let milliseconds = self.time.as_secs_f64() * 1000.0;
        let mut request = json!({
            "method": self.method.as_str(),
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": headers(&self.sent.0, scrubber),
            "queryString": query,
            "headersSize": -1,
            "bodySize": -1,
        });
        if let Some(sent) = &self.sent.1 {
            request["postData"] =
                json!({ "mimeType": media_type(&self.sent.0), "text": scrub(&body::shown(sent)) });
        }
        let status = self.status.unwrap_or_default();
        let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let mut content = json!({ "size": self.size, "mimeType": media_type(&self.answered.0) });
        if let Some(body) = &self.answered.1 {
            content["text"] = scrub(&String::from_utf8_lossy(body)).into();
        }
        let mut entry = json!({
            "startedDateTime": self.started.to_string(),
            "time": milliseconds,
            "request": request,
            "response": {
                // An archive has no other way to say that no answer came.
                "status": status,
                "statusText": words.unwrap_or_default(),
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": headers(&self.answered.0, scrubber),
                "content": content,
                "redirectURL": self.answered.0.get(header::LOCATION).map_or(String::new(), |location| {
                    scrub(&String::from_utf8_lossy(location.as_bytes()))
                }),
                "headersSize": -1,
                "bodySize": -1,
            },
            "cache": {},
            "timings": { "send": 0, "wait": milliseconds, "receive": 0 },
        });
        if let Some(error) = self.error {
            entry["_error"] = error.as_str().into();
        }
        entry
    }
}

/// Keeps an exchange among those of a call, its bodies only as long as there is room.
pub(crate) fn keep(kept: &mut Vec<Exchange>, mut exchange: Exchange) {
    if kept.iter().map(Exchange::weight).sum::<usize>() + exchange.weight() > MOST {
        exchange.forget_bodies();
    }
    kept.push(exchange);
}

/// The archive, in the version 1.2 of its format (<http://www.softwareishard.com/blog/har-12-spec/>).
pub(crate) fn archive(exchanges: &[Exchange], scrubber: &Scrubber) -> String {
    let entries: Vec<Value> = exchanges.iter().map(|exchange| exchange.entry(scrubber)).collect();
    let creator = json!({ "name": "linchpin", "version": env!("CARGO_PKG_VERSION") });
    let archive = json!({ "log": { "version": "1.2", "creator": creator, "entries": entries } });
    let mut text = format!("{archive:#}");
    text.push('\n');
    text
}

fn headers(headers: &HeaderMap, scrubber: &Scrubber) -> Vec<Value> {
    let shown = headers.iter().map(|(name, value)| {
        let hidden = value.is_sensitive()
            || [header::SET_COOKIE, header::COOKIE, header::AUTHORIZATION].contains(name);
        let value = match hidden {
            true => HIDDEN.to_owned(),
            false => scrubber.scrub(&String::from_utf8_lossy(value.as_bytes())).into_owned(),
        };
        json!({ "name": name.as_str(), "value": value })
    });
    shown.collect()
}

fn media_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}
