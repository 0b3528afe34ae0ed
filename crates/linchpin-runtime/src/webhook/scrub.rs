//! Secrets are taken out of a delivery by their place, and all else stays as it came.

use std::{borrow::Cow, fmt, ops::Range};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::place::index;

/// Writes `***` for every value of a query parameter of a URL.
pub(super) fn query(url: &mut String, name: &str) {
    let end = url.find('#').unwrap_or(url.len());
    let Some((before, query)) = url[..end].split_once('?') else { return };
    let is_it = |key: &str| {
        url::form_urlencoded::parse(key.as_bytes()).next().is_some_and(|(decoded, _)| decoded == name)
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, value)) if !value.is_empty() && is_it(key) => Cow::Owned(format!("{key}=***")),
        _ => Cow::Borrowed(pair),
    });
    let scrubbed = format!("{before}?{}{}", pairs.collect::<Vec<_>>().join("&"), &url[end..]);
    *url = scrubbed;
}

/// Blanks what stands at a JSON pointer of a body, of which a step `*` stands for every item of a list. A body that is no JSON has no
/// such place.
pub(super) fn body(body: &mut Bytes, pointer: &[String]) {
    let found = spans(body, pointer);
    if !found.is_empty() {
        let mut bytes = body.to_vec();
        found.into_iter().for_each(|span| blank(&mut bytes[span]));
        *body = bytes.into();
    }
}

/// Where in a body the values stand; a member that is there more than once is each of them.
fn spans(body: &[u8], pointer: &[String]) -> Vec<Range<usize>> {
    // Who reads single values passes over what is no UTF-8 beside them.
    let text = match str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => body.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect(),
    };
    let Ok(json) = serde_json::from_str::<&RawValue>(&text) else { return Vec::new() };
    let mut found = vec![json];
    for token in pointer {
        found = found.into_iter().flat_map(|value| at(value, token)).collect();
    }
    // Values are borrowed from the text, so that their place in it is where they begin.
    let place = |value: &RawValue| {
        let start = value.get().as_ptr().addr() - text.as_ptr().addr();
        start..start + value.get().len()
    };
    found.into_iter().map(place).collect()
}

/// What stands in a value under one step of a pointer.
fn at<'j>(value: &'j RawValue, token: &str) -> Vec<&'j RawValue> {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json).unwrap_or_default();
            members.into_iter().filter(|(name, _)| name == token).map(|(_, value)| value).collect()
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
            match index(token) {
                _ if token == "*" => items,
                at => at.and_then(|at| items.get(at)).into_iter().copied().collect(),
            }
        }
        _ => Vec::new(),
    }
}

/// The members of an object, as they stand there.
#[derive(Default)]
struct Members<'j>(Vec<(String, &'j RawValue)>);

impl<'j> Deserialize<'j> for Members<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'j> Visitor<'j> for Each {
            type Value = Members<'j>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Members<'j>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Writes over a JSON value: `*` for each byte of its texts, `1` for each digit of its numbers, `0` in their exponents. It stays as long
/// as it is and of the type that it is, so that whoever reads it still can; the names of members stay too.
fn blank(json: &mut [u8]) {
    let (mut at, mut digit) = (0, b'1');
    while at < json.len() {
        match json[at] {
            b'"' => {
                let start = at + 1;
                let end = start + text_length(&json[start..]);
                let next = json.iter().skip(end + 1).find(|byte| !byte.is_ascii_whitespace());
                if next != Some(&b':') {
                    json[start..end].fill(b'*');
                }
                at = end;
            }
            b'0'..=b'9' => json[at] = digit,
            b'+' | b'-' | b'.' => {}
            byte => digit = if byte.eq_ignore_ascii_case(&b'e') { b'0' } else { b'1' },
        }
        at += 1;
    }
}

/// How many bytes of a JSON text there are before the quote that ends it.
fn text_length(json: &[u8]) -> usize {
    let mut escaped = false;
    let end = json.iter().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => *byte == b'"',
    });
    end.unwrap_or(json.len())
}
