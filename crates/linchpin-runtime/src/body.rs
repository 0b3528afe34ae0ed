//! Bodies of requests: with fields that are credentials, and for people.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use linchpin::{
    Code, Error, Result,
    request::{Body, Part, Request},
};
use serde::de::IgnoredAny;
use serde_json::Value;
use url::form_urlencoded;

use crate::connection::Signed;

/// The body of a request as it is sent: the flow's, and at its top the fields that are credentials.
///
/// The flow's own fields stay byte for byte as they are. One of the same name is refused: of two values nobody could say which
/// one the service takes.
pub(crate) fn carried(request: &Request, signed: Option<&Signed>) -> Result<Option<Body>> {
    let fields = signed.map_or(&[][..], |signed| &signed.body);
    match &request.body {
        Some(Body::Bytes(body)) if !fields.is_empty() => {
            let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            merged(kind.unwrap_or_default(), body, fields).map(|body| Some(Body::Bytes(body)))
        }
        Some(Body::Parts(_)) if !fields.is_empty() => Err(refused("there are files in the body".to_owned())),
        body => Ok(body.clone()),
    }
}

/// A body for people; a file in it is told, not read.
pub(crate) fn shown(body: &Body) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let part = |part: &Part| match part {
        Part::Bytes(bytes) => text(bytes),
        Part::File(file) => {
            let size = file.size().map_or("of unknown size".to_owned(), |size| format!("{size} bytes"));
            format!("<the file `{}`, {size}>", file.file_name())
        }
    };
    match body {
        Body::Bytes(bytes) => text(bytes),
        Body::Parts(parts) => parts.iter().map(part).collect(),
    }
}

fn merged(kind: &str, body: &Bytes, fields: &[(String, String)]) -> Result<Bytes> {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || kind.ends_with("+json") {
        let own: HashMap<Cow<'_, str>, IgnoredAny> = serde_json::from_slice(body)
            .map_err(|_| refused("the body is JSON, but not an object".to_owned()))?;
        unique(fields, |name| own.contains_key(name))?;
        let mut added: Vec<String> = Vec::new();
        for (name, value) in fields {
            added.push(format!("{}:{}", Value::from(name.as_str()), Value::from(value.as_str())));
        }
        // It was read as an object, so it has its brace, behind blanks at the most.
        let at = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
        let mut all = body[..at].to_vec();
        all.extend_from_slice(added.join(",").as_bytes());
        if !own.is_empty() {
            all.push(b',');
        }
        all.extend_from_slice(&body[at..]);
        return Ok(all.into());
    }
    if kind == "application/x-www-form-urlencoded" {
        let own = || form_urlencoded::parse(body).map(|(name, _)| name);
        unique(fields, |name| own().any(|own| own == name))?;
        let mut all = body.to_vec();
        if !all.is_empty() {
            all.push(b'&');
        }
        all.extend_from_slice(
            form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().as_bytes(),
        );
        return Ok(all.into());
    }
    Err(refused(match kind.as_str() {
        "" => "the body does not say what it is".to_owned(),
        kind => format!("the body is `{kind}`"),
    }))
}

fn unique(fields: &[(String, String)], has: impl Fn(&str) -> bool) -> Result<()> {
    match fields.iter().find(|(name, _)| has(name)) {
        Some((name, _)) => {
            let message =
                format!("the body has a field `{name}` of its own, where the connection's credentials go");
            Err(Error::coded(Code::RequestInvalid, message)
                .hint("leave the field to the spec's `body` of the method"))
        }
        None => Ok(()),
    }
}

fn refused(problem: String) -> Error {
    let message = format!("the connection's credentials go into the body, and {problem}");
    Error::coded(Code::RequestInvalid, message).hint("send a JSON object or a form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(kind: &str, body: &'static str) -> Result<String> {
        let fields = [("api_key".to_owned(), "a \"b\"&c".to_owned())];
        let merged = merged(kind, &Bytes::from_static(body.as_bytes()), &fields)?;
        Ok(String::from_utf8(merged.to_vec()).unwrap())
    }

    #[test]
    fn the_flows_own_fields_stay_as_they_are() {
        let json =
            merge("application/json; charset=utf-8", " {\"n\": 1.10, \"n2\": 12345678901234567890123}");
        assert_eq!(
            json.unwrap(),
            " {\"api_key\":\"a \\\"b\\\"&c\",\"n\": 1.10, \"n2\": 12345678901234567890123}"
        );
        assert_eq!(merge("application/vnd.api+json", "{}").unwrap(), "{\"api_key\":\"a \\\"b\\\"&c\"}");
        let form = merge("application/x-www-form-urlencoded", "a=1").unwrap();
        assert_eq!(form, "a=1&api_key=a+%22b%22%26c");
        assert_eq!(merge("application/x-www-form-urlencoded", "").unwrap(), "api_key=a+%22b%22%26c");
    }

    #[test]
    fn what_cannot_take_fields_is_refused() {
        for (kind, body) in [
            ("application/json", "[1]"),
            ("application/json", "{\"api_\\u006bey\": 1}"),
            ("application/x-www-form-urlencoded", "api%5Fkey=1"),
            ("text/plain", "x"),
            ("", "{}"),
        ] {
            let error = merge(kind, body).unwrap_err();
            assert_eq!(error.code(), Code::RequestInvalid, "{kind} {body}");
            assert!(!error.message().contains("a \"b"), "{error}");
        }
    }
}
