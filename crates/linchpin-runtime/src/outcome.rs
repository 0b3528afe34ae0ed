//! What an answer means for the call: the spec's rules in order, then the defaults. No I/O.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};
use jiff::{Timestamp, tz::TimeZone};
use linchpin::{
    Code, DateTime, Error, Response, Result,
    line::one_line,
    manifest::spec::{
        AuthKind, Condition, FailureCode, Http, Literal, Outcome, OutcomeRule, ResponseMatch, Spec,
        StatusMatch,
    },
};
use regex::Regex;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::{clock::Clock, limit};

/// Where services put the message of an error, tried in this order where the spec does not say.
const MESSAGES: [&str; 7] =
    ["/message", "/error/message", "/error_description", "/error", "/errors/0/message", "/detail", "/title"];

/// Where services put their own code of an error, tried in this order where the spec does not say.
const CODES: [&str; 3] = ["/code", "/error/code", "/error/type"];

/// In which header services name a request, tried in this order where the spec does not say.
const REQUEST_IDS: [&str; 4] = ["x-request-id", "x-github-request-id", "request-id", "x-correlation-id"];

/// The longest message that is taken over from a service, in characters.
const LONGEST: usize = 1000;

/// What an answer means.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The flow gets the answer.
    Good,
    /// The flow gets a `null` in place of the body.
    Empty,
    /// The flow gets an error.
    Bad(Error),
    /// As [`Bad`](Verdict::Bad), unless fresh tokens help.
    Refused(Error),
    /// As [`Bad`](Verdict::Bad), unless it helps to send the request again.
    Passing(Error),
}

/// The regular expressions of a spec's conditions, by their text; read once for a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(pub(crate) Arc<HashMap<String, Regex>>);

impl Patterns {
    /// Those of a spec.
    pub(crate) fn of(spec: &Spec) -> Result<Patterns> {
        let failures = spec.auth.iter().flat_map(|method| match &method.kind {
            AuthKind::OAuth2(oauth) => &oauth.failures[..],
            AuthKind::JwtBearer(bearer) => &bearer.failures,
            AuthKind::Session(session) => &session.failures,
            _ => &[],
        });
        let rules = spec.http.outcomes.iter().map(|rule| &rule.when).chain(failures.map(|rule| &rule.when));
        let conditions = rules.flat_map(|when| when.headers.iter().chain(&when.body));
        let patterns = conditions.filter_map(|(_, condition)| match condition {
            Condition::Regex(pattern) => Some(pattern),
            _ => None,
        });
        let read = patterns.map(|pattern| match Regex::new(pattern) {
            Ok(regex) => Ok((pattern.clone(), regex)),
            Err(error) => {
                let message = format!("the spec's `{pattern}` is not a regular expression: {error}");
                Err(Error::coded(Code::ConnectionInvalid, message).actor(linchpin::Actor::Author))
            }
        });
        Ok(Patterns(Arc::new(read.collect::<Result<_>>()?)))
    }

    /// Whether a pattern of the spec finds something.
    fn find(&self, pattern: &str, text: &str) -> bool {
        self.0.get(pattern).is_some_and(|regex| regex.is_match(text))
    }
}

/// Judges the answer to a request.
pub(crate) fn judge(
    http: &Http,
    patterns: &Patterns,
    method: &Method,
    answer: &Response,
    clock: &dyn Clock,
) -> Verdict {
    if let Some(rule) = http.outcomes.iter().find(|rule| matches(&rule.when, patterns, answer)) {
        return by_rule(http, method, answer, rule, clock);
    }
    let Some(code) = by_status(answer.status) else { return Verdict::Good };
    let error = failure(http, method, answer, code, None, clock);
    match answer.status.as_u16() {
        401 => Verdict::Refused(error),
        // Of these the standards say, or services mean, that the same request may succeed later (RFC 9110 §15.5.9, §15.6;
        // RFC 8470 §5.2; RFC 6585 §4).
        408 | 425 | 429 | 500 | 502 | 503 | 504 => Verdict::Passing(error),
        _ => Verdict::Bad(error),
    }
}

fn by_rule(
    http: &Http,
    method: &Method,
    answer: &Response,
    rule: &OutcomeRule,
    clock: &dyn Clock,
) -> Verdict {
    let words = || {
        let own =
            rule.message_at.as_ref().and_then(|pointer| found(answer, std::slice::from_ref(pointer), &[]));
        own.or_else(|| rule.message.clone())
    };
    let bad = |code| failure(http, method, answer, code, words(), clock);
    Verdict::Bad(match rule.then {
        Outcome::Success => return Verdict::Good,
        Outcome::Ignore => return Verdict::Empty,
        Outcome::Fail => bad(match rule.code {
            None => by_status(answer.status).unwrap_or(Code::Rejected),
            Some(FailureCode::Unauthorized) => Code::Unauthorized,
            Some(FailureCode::Forbidden) => Code::Forbidden,
            Some(FailureCode::NotFound) => Code::NotFound,
            Some(FailureCode::ServiceFailed) => Code::ServiceFailed,
            Some(_) => Code::Rejected,
        }),
        Outcome::NotFound => bad(Code::NotFound),
        Outcome::Forbidden => bad(Code::Forbidden),
        Outcome::RateLimited => return Verdict::Passing(bad(Code::RateLimited)),
        Outcome::Retry => {
            let code = by_status(answer.status).unwrap_or(Code::ServiceFailed);
            return Verdict::Passing(bad(code).actor(linchpin::Actor::Nobody));
        }
        Outcome::RefreshThenRetry => return Verdict::Refused(bad(Code::Unauthorized)),
        _ => bad(Code::NotCarriedOut),
    })
}

/// The code for a status; none for one that is a success.
fn by_status(status: StatusCode) -> Option<Code> {
    Some(match status.as_u16() {
        200..=299 | 304 => return None,
        401 => Code::Unauthorized,
        403 => Code::Forbidden,
        404 | 410 => Code::NotFound,
        429 => Code::RateLimited,
        500..=599 => Code::ServiceFailed,
        _ => Code::Rejected,
    })
}

pub(crate) fn matches(when: &ResponseMatch, patterns: &Patterns, answer: &Response) -> bool {
    let status = answer.status.as_u16();
    let statuses = when.status.is_empty()
        || when.status.iter().any(|wanted| match *wanted {
            StatusMatch::Code(code) => code == status,
            StatusMatch::Class(class) => u16::from(class) == status / 100,
        });
    statuses
        && when.headers.iter().all(|(name, condition)| {
            let mut values = answer.headers.get_all(name.as_str()).iter();
            match condition {
                Condition::Exists(exists) => values.next().is_some() == *exists,
                Condition::Regex(pattern) => {
                    values.any(|value| patterns.find(pattern, &String::from_utf8_lossy(value.as_bytes())))
                }
                Condition::Is(any) => values.any(|value| {
                    any.iter().any(|literal| match literal {
                        Literal::Text(text) => text.as_bytes() == value.as_bytes(),
                        _ => false,
                    })
                }),
            }
        })
        && when.text.as_ref().is_none_or(|text| contains(&answer.body, text.as_bytes()))
        && when.body.iter().all(|(pointer, condition)| {
            let value = value_at(&answer.body, pointer).filter(|value| !value.is_null());
            match condition {
                Condition::Exists(exists) => value.is_some() == *exists,
                Condition::Regex(pattern) => {
                    value.is_some_and(|value| value.as_str().is_some_and(|text| patterns.find(pattern, text)))
                }
                Condition::Is(any) => {
                    value.is_some_and(|value| any.iter().any(|literal| is(&value, literal)))
                }
            }
        })
}

/// Whether headers have these values, among others.
pub(crate) fn headers_match(wanted: &[(String, String)], headers: &HeaderMap) -> bool {
    wanted.iter().all(|(name, value)| {
        headers.get_all(name.as_str()).iter().any(|found| found.as_bytes() == value.as_bytes())
    })
}

/// Whether a value is the one that a spec names.
pub(crate) fn is(value: &Value, literal: &Literal) -> bool {
    match literal {
        Literal::Text(text) => value.as_str() == Some(text),
        Literal::Integer(number) => {
            value.as_i64() == Some(*number) || value.as_f64().is_some_and(|value| value == *number as f64)
        }
        Literal::Float(number) => value.as_f64() == Some(*number),
        Literal::Bool(flag) => value.as_bool() == Some(*flag),
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// The value at a JSON pointer (RFC 6901), read without keeping anything else of the body.
pub(crate) fn value_at(body: &[u8], pointer: &str) -> Option<Value> {
    let tokens: Vec<String> =
        pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    let mut json = serde_json::Deserializer::from_slice(body);
    let found = Pointed(&tokens).deserialize(&mut json).ok()?;
    json.end().ok()?;
    found
}

struct Pointed<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Pointed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        if self.0.is_empty() {
            Value::deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Pointed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            if key == self.0[0] {
                found = map.next_value_seed(Pointed(&self.0[1..]))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Value>, A::Error> {
        // An index has one spelling (RFC 6901 §4).
        let index = Some(&self.0[0]).filter(|token| !token.starts_with(['0', '+']) || *token == "0");
        let mut wanted: Option<usize> = index.and_then(|token| token.parse().ok());
        let mut found = None;
        loop {
            if wanted == Some(0) {
                wanted = None;
                match seq.next_element_seed(Pointed(&self.0[1..]))? {
                    Some(value) => found = value,
                    None => return Ok(None),
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            } else {
                wanted = wanted.map(|wanted| wanted - 1);
            }
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }
}

/// The error that an answer is, with all that the service says of it.
fn failure(
    http: &Http,
    method: &Method,
    answer: &Response,
    code: Code,
    message: Option<String>,
    clock: &dyn Clock,
) -> Error {
    let words = match message {
        Some(message) => Some(message),
        None => found(answer, &http.error.message, &MESSAGES).or_else(|| plain_text(answer)),
    };
    let place = answer.url.split(['?', '#']).next().unwrap_or_default();
    let status = answer.status.as_u16();
    let text = match (words, answer.status.is_redirection()) {
        (Some(words), _) => format!("`{method} {place}` answered {status}: {words}"),
        (None, true) => format!("`{method} {place}` answered {status}, a redirect that is not followed"),
        (None, false) => match answer.status.canonical_reason() {
            Some(reason) => format!("`{method} {place}` answered {status} {reason}"),
            None => format!("`{method} {place}` answered {status}"),
        },
    };
    let mut error = Error::coded(code, text).status(status);
    if let Some(service_code) = found(answer, &http.error.code, &CODES) {
        error = error.service_code(service_code);
    }
    let request_id = match &http.error.request_id {
        Some(name) => answer.header(name),
        None => REQUEST_IDS.iter().find_map(|name| answer.header(name)),
    };
    if let Some(id) = request_id {
        error = error.request_id(id);
    }
    let reset = http.rate_limits.iter().find_map(|limit| limit.reset.as_deref());
    let limited = code == Code::RateLimited;
    let wait = wait_of(&answer.headers, reset.filter(|_| limited), clock.now())
        .or_else(|| limited.then(|| limit::none_left(&answer.headers))?);
    match wait {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// A text or number of the body, made fit for one line of a message.
fn found(answer: &Response, pointers: &[String], guesses: &[&str]) -> Option<String> {
    let text = |pointer: &str| match value_at(&answer.body, pointer)? {
        Value::String(text) => Some(one_line(&text, LONGEST)).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match pointers {
        [] => guesses.iter().find_map(|pointer| text(pointer)),
        pointers => pointers.iter().find_map(|pointer| text(pointer)),
    }
}

/// A short body that is plain text, such as gateways send.
fn plain_text(answer: &Response) -> Option<String> {
    let plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    let text = std::str::from_utf8(&answer.body).ok().filter(|_| plain)?;
    Some(one_line(text, LONGEST)).filter(|text| !text.is_empty())
}

/// How long an answer wants its sender to be left alone: `Retry-After` (RFC 9110 §10.2.3), or the header with the reset of a rate
/// limit, where that is why it failed.
pub(crate) fn wait_of(headers: &HeaderMap, reset: Option<&str>, now: DateTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    text(RETRY_AFTER.as_str()).and_then(|text| wait(text, now)).or_else(|| reset_wait(text(reset?)?, now))
}

/// Seconds, or a date (RFC 9110 §5.6.7); more than can be counted is as much as can be.
pub(crate) fn wait(text: &str, now: DateTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let when = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    let when = when.ok().or_else(|| http_date(text))?;
    Some(now.until(DateTime::from_unix_millis(when.as_second() * 1000)?))
}

/// A date in the forms that are obsolete and to be read all the same, and one so late that it only means "never".
fn http_date(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = FORMS.iter().find_map(|form| jiff::civil::DateTime::strptime(form, text).ok())?;
    Some(TimeZone::UTC.to_timestamp(date).unwrap_or(Timestamp::MAX))
}

/// A rate limit's reset: seconds to wait, or, where the number is too large for that, seconds or milliseconds since 1970.
fn reset_wait(text: &str, now: DateTime) -> Option<Duration> {
    const LONGEST_WAIT: f64 = 366.0 * 24.0 * 60.0 * 60.0;
    /// In seconds it is the year 5138, in milliseconds 1973.
    const MILLISECONDS: f64 = 1e11;
    let number: f64 = text.trim().parse().ok().filter(|number| (0.0..1e15).contains(number))?;
    if number <= LONGEST_WAIT {
        return Some(Duration::from_secs_f64(number));
    }
    let millis = if number < MILLISECONDS { number * 1000.0 } else { number };
    Some(now.until(DateTime::from_unix_millis(millis as i64)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(text: &str) -> (ResponseMatch, Patterns) {
        let rule = format!("[[http.outcome]]\nwhen = {{ {text} }}\nthen = \"fail\"");
        let mut spec = linchpin::manifest::spec::read_checked(&rule).unwrap();
        let patterns = Patterns::of(&spec).unwrap();
        (spec.http.outcomes.remove(0).when, patterns)
    }

    fn answer(status: u16, header: Option<&str>, body: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.extend(header.map(|value| (http::HeaderName::from_static("x-why"), value.parse().unwrap())));
        let status = StatusCode::from_u16(status).unwrap();
        Response::new(status, headers, bytes::Bytes::copy_from_slice(body.as_bytes()), "".into())
    }

    #[test]
    fn conditions_say_whether_something_is_there_and_what_it_is_like() {
        let body = r#"{"error": {"code": "quota_day", "left": 0, "note": null}}"#;
        for (text, header, matching) in [
            ("body = { \"/error\" = { exists = true } }", None, true),
            ("body = { \"/error/note\" = { exists = true } }", None, false),
            ("body = { \"/error/note\" = { exists = false }, \"/ok\" = { exists = false } }", None, true),
            ("body = { \"/error/code\" = { regex = \"^quota_\" } }", None, true),
            ("body = { \"/error/code\" = { regex = \"^day\" } }", None, false),
            ("body = { \"/error/left\" = { regex = \"0\" } }", None, false),
            ("header = { X-Why = { exists = false } }", None, true),
            ("header = { X-Why = { exists = true } }", Some("x"), true),
            ("header = { X-Why = { exists = false } }", Some(""), false),
            ("header = { X-Why = { regex = \"(?i)quota\" } }", Some("the QUOTA"), true),
            ("header = { X-Why = { regex = \"quota\" } }", None, false),
            ("header = { X-Why = \"0\" }", Some("0"), true),
        ] {
            let (when, patterns) = when(text);
            assert_eq!(
                matches(&when, &patterns, &answer(403, header, body)),
                matching,
                "{text} of {header:?}"
            );
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_told_before_any_request() {
        let rule = "[[http.outcome]]\nwhen = { body = { \"/a\" = { regex = \"(\" } } }\nthen = \"fail\"";
        let spec = linchpin::manifest::spec::read_checked(rule).unwrap();
        assert_eq!(Patterns::of(&spec).unwrap_err().code(), Code::ConnectionInvalid);
    }

    proptest::proptest! {
        #[test]
        fn to_be_there_and_not_to_be_there_exclude_each_other(body in "\\PC{0,20}|\\{\"a\": [0-9a-z\"\\[\\]{}]{0,8}\\}") {
            let answer = answer(400, None, &body);
            let holds = |text: &str| {
                let (when, patterns) = when(text);
                matches(&when, &patterns, &answer)
            };
            let there = holds("body = { \"/a\" = { exists = true } }");
            proptest::prop_assert_ne!(there, holds("body = { \"/a\" = { exists = false } }"));
            for narrower in ["{ regex = \"\" }", "1", "\"x\""] {
                let narrower = holds(&format!("body = {{ \"/a\" = {narrower} }}"));
                proptest::prop_assert!(there || !narrower);
            }
        }

        #[test]
        fn of_a_body_any_value_is_found_where_it_stands(keys in proptest::collection::vec("[a/~0 \"]{0,3}", 1..4), number in proptest::prelude::any::<i32>()) {
            let mut value = Value::from(number);
            let mut pointer = String::new();
            for key in &keys {
                pointer = format!("/{}{pointer}", key.replace('~', "~0").replace('/', "~1"));
                value = Value::Object([(key.clone(), value)].into_iter().collect());
            }
            let body = value.to_string();
            proptest::prop_assert_eq!(value_at(body.as_bytes(), &pointer), value.pointer(&pointer).cloned());
        }
    }

    #[test]
    fn every_spelling_of_a_wait_is_read() {
        let now = DateTime::from_unix_millis(1_767_225_600_000).unwrap();
        let waits = |name: &'static str, text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, text.parse().unwrap());
            wait_of(&headers, Some("x-reset"), now).map(|wait| wait.as_millis())
        };
        assert_eq!(waits("retry-after", "7"), Some(7000));
        assert_eq!(waits("retry-after", "Thu, 01 Jan 2026 00:00:09 GMT"), Some(9000));
        assert_eq!(waits("retry-after", "Wed, 31 Dec 2025 23:00:00 GMT"), Some(0));
        assert_eq!(waits("retry-after", "Thursday, 01-Jan-26 00:00:09 GMT"), Some(9000));
        assert_eq!(waits("retry-after", "Thu Jan  1 00:00:09 2026"), Some(9000));
        let year = 366 * 24 * 60 * 60 * 1000;
        assert!(waits("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT") > Some(7000 * year));
        assert!(waits("retry-after", "99999999999999999999") > Some(7000 * year));
        assert_eq!(waits("retry-after", "soon"), None);
        assert_eq!(waits("x-reset", "30"), Some(30_000));
        assert_eq!(waits("x-reset", "0.5"), Some(500));
        assert_eq!(waits("x-reset", "1767225605"), Some(5000));
        assert_eq!(waits("x-reset", "1767225605250"), Some(5250));
        assert_eq!(waits("x-reset", "1767225500"), Some(0));
        for wrong in ["", "-1", "NaN", "inf", "1e300", "2026-01-01"] {
            assert_eq!(waits("x-reset", wrong), None, "{wrong}");
        }
    }
}
