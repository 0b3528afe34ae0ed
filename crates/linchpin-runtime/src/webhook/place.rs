//! Where in a delivery values stand, and how they are taken out.

use std::{borrow::Cow, collections::HashMap};

use http::{HeaderMap, HeaderName, HeaderValue};
use linchpin::{Actor, Code, Delivery, Error, Result, manifest::spec::DeliveryPlace};
use serde_json::{Value, value::RawValue};

use super::scrub;
use crate::outcome::value_at;

/// A place in a delivery, ready to be looked at.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Header(HeaderName),
    Query(String),
    Body(String),
}

impl Place {
    pub(super) fn of(place: &DeliveryPlace) -> Result<Place> {
        Ok(match place {
            DeliveryPlace::Header(name) => Place::Header(header(name)?),
            DeliveryPlace::Query(name) => Place::Query(name.clone()),
            DeliveryPlace::Body(pointer) => Place::Body(pointer.clone()),
        })
    }

    /// The text, number or truth value that stands there; nothing where there is none, or a header or parameter is there more than
    /// once.
    pub(super) fn text<'d>(&self, delivery: &'d Delivery) -> Option<Cow<'d, str>> {
        match self {
            Place::Header(name) => one(&delivery.headers, name)?.to_str().ok().map(Cow::Borrowed),
            Place::Query(name) => delivery.query(name),
            Place::Body(pointer) => plain(value_at(&delivery.body, pointer)?).map(Cow::Owned),
        }
    }

    /// Takes out what stands there, wherever in the place it may be read: also where it is doubled.
    pub(super) fn scrub(&self, delivery: &mut Delivery) {
        match self {
            Place::Header(name) => drop(delivery.headers.remove(name)),
            Place::Query(name) => scrub::query(&mut delivery.url, name),
            Place::Body(pointer) => scrub::body(&mut delivery.body, &tokens(pointer)),
        }
    }

    /// Puts a value where a service would have it, unless there is one.
    pub(super) fn put(&self, delivery: &mut Delivery, text: &str) -> Result<()> {
        match self {
            Place::Header(name) => {
                if !delivery.headers.contains_key(name) {
                    delivery.headers.insert(name.clone(), header_value(text)?);
                }
            }
            Place::Query(name) => {
                if delivery.query(name).is_none() {
                    let separator = if delivery.url.contains('?') { '&' } else { '?' };
                    let pair =
                        url::form_urlencoded::Serializer::new(String::new()).append_pair(name, text).finish();
                    delivery.url = format!("{}{separator}{pair}", delivery.url);
                }
            }
            Place::Body(pointer) => {
                let unfit = || {
                    let message = format!("the body is no JSON in which `{pointer}` could stand");
                    Error::coded(Code::InputInvalid, message)
                };
                let mut body: Value = serde_json::from_slice(&delivery.body).map_err(|_| unfit())?;
                let tokens = tokens(pointer);
                if put_into(&mut body, &tokens, text).ok_or_else(unfit)? {
                    delivery.body = body.to_string().into();
                }
            }
        }
        Ok(())
    }
}

/// The name of a header.
pub(super) fn header(name: &str) -> Result<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        let message = format!("the spec's `{name}` is not the name of a header");
        Error::coded(Code::ConnectionInvalid, message).actor(Actor::Author)
    })
}

/// The value of a header.
pub(super) fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text)
        .map_err(|_| Error::coded(Code::RequestInvalid, "a value has characters that no header can hold"))
}

/// The value of a header that is there exactly once.
pub(super) fn one<'d>(headers: &'d HeaderMap, name: &HeaderName) -> Option<&'d HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// A plain value as text.
pub(super) fn plain(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The steps of a JSON pointer.
fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// What stands at a JSON pointer (RFC 6901), as it is written.
pub fn raw_at<'j>(json: &'j RawValue, pointer: &str) -> Option<&'j RawValue> {
    tokens(pointer).iter().try_fold(json, |here, token| match here.get().as_bytes().first()? {
        b'{' => {
            let members: HashMap<Cow<'j, str>, &'j RawValue> = serde_json::from_str(here.get()).ok()?;
            members.get(token.as_str()).copied()
        }
        b'[' => {
            let items: Vec<&'j RawValue> = serde_json::from_str(here.get()).ok()?;
            items.get(index(token)?).copied()
        }
        _ => None,
    })
}

/// The plain values at a JSON pointer, of which a step `*` stands for every item of a list, as texts; what is missing is left out.
pub(super) fn any(value: &Value, pointer: &str) -> Vec<String> {
    let mut found = vec![value];
    for token in tokens(pointer) {
        let next = found.into_iter().flat_map(|value| match value {
            Value::Array(items) if token == "*" => items.iter().collect(),
            Value::Array(items) => index(&token).and_then(|at| items.get(at)).into_iter().collect(),
            Value::Object(members) => members.get(&token).into_iter().collect(),
            _ => Vec::new(),
        });
        found = next.collect();
    }
    found.into_iter().cloned().filter_map(plain).collect()
}

/// The values at a JSON pointer, of which a step `*` stands for every item of a list; nothing where one of them is missing.
pub(super) fn every<'v>(value: &'v Value, pointer: &str) -> Option<Vec<&'v Value>> {
    let mut found = vec![value];
    for token in tokens(pointer) {
        let mut next = Vec::new();
        for value in found {
            match value {
                Value::Array(items) if token == "*" => next.extend(items),
                Value::Array(items) => next.push(items.get(index(&token)?)?),
                Value::Object(members) if token != "*" => next.push(members.get(&token)?),
                _ => return None,
            }
        }
        found = next;
    }
    Some(found)
}

/// An index has one spelling (RFC 6901 §4).
pub(super) fn index(token: &str) -> Option<usize> {
    let spelled = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| spelled)
}

/// Puts a text at a pointer; false where there is one already.
fn put_into(value: &mut Value, tokens: &[String], text: &str) -> Option<bool> {
    let Some((first, rest)) = tokens.split_first() else {
        let put = value.is_null();
        if put {
            *value = text.into();
        }
        return Some(put);
    };
    match value {
        Value::Array(items) if first == "*" => {
            items.iter_mut().try_fold(false, |put, item| Some(put_into(item, rest, text)? | put))
        }
        Value::Array(items) => put_into(items.get_mut(index(first)?)?, rest, text),
        Value::Object(members) => put_into(members.entry(first.clone()).or_insert(Value::Null), rest, text),
        Value::Null => {
            *value = match first.as_str() {
                "0" => Value::Array(vec![Value::Null]),
                _ => Value::Object(serde_json::Map::new()),
            };
            put_into(value, tokens, text)
        }
        _ => None,
    }
}
