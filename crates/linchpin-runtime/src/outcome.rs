//! What an answer means for the call: the spec's rules in order, then the defaults. No I/O.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};
use linchpin::{
    Code, Error, Response,
    manifest::spec::{Http, Literal, Outcome, OutcomeRule, ResponseMatch, StatusMatch},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

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
}

/// Judges the answer to a request.
pub(crate) fn judge(http: &Http, method: &Method, answer: &Response) -> Verdict {
    if let Some(rule) = http.outcomes.iter().find(|rule| matches(&rule.when, answer)) {
        return by_rule(http, method, answer, rule);
    }
    match by_status(answer.status) {
        None => Verdict::Good,
        Some(code @ Code::Unauthorized) => Verdict::Refused(failure(http, method, answer, code, None)),
        Some(code) => Verdict::Bad(failure(http, method, answer, code, None)),
    }
}

fn by_rule(http: &Http, method: &Method, answer: &Response, rule: &OutcomeRule) -> Verdict {
    let message = rule.message.as_deref();
    let bad = |code| failure(http, method, answer, code, message);
    Verdict::Bad(match rule.then {
        Outcome::Success => return Verdict::Good,
        Outcome::Ignore => return Verdict::Empty,
        Outcome::Fail => bad(by_status(answer.status).unwrap_or(Code::Rejected)),
        Outcome::NotFound => bad(Code::NotFound),
        Outcome::Forbidden => bad(Code::Forbidden),
        Outcome::RateLimited => bad(Code::RateLimited),
        Outcome::Retry => bad(by_status(answer.status).unwrap_or(Code::ServiceFailed))
            .actor(linchpin::Actor::Nobody)
            .hint("the spec says that the same call may succeed later; this version does not repeat it by itself"),
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

pub(crate) fn matches(when: &ResponseMatch, answer: &Response) -> bool {
    let status = answer.status.as_u16();
    let statuses = when.status.is_empty()
        || when.status.iter().any(|wanted| match *wanted {
            StatusMatch::Code(code) => code == status,
            StatusMatch::Class(class) => u16::from(class) == status / 100,
        });
    statuses
        && headers_match(&when.headers, &answer.headers)
        && when.text.as_ref().is_none_or(|text| contains(&answer.body, text.as_bytes()))
        && when.body.iter().all(|(pointer, any)| {
            value_at(&answer.body, pointer).is_some_and(|value| any.iter().any(|literal| is(&value, literal)))
        })
}

/// Whether headers have these values, among others.
pub(crate) fn headers_match(wanted: &[(String, String)], headers: &HeaderMap) -> bool {
    wanted.iter().all(|(name, value)| {
        headers.get_all(name.as_str()).iter().any(|found| found.as_bytes() == value.as_bytes())
    })
}

/// Whether a JSON body has these values at these pointers.
pub(crate) fn body_matches(wanted: &[(String, Literal)], body: &[u8]) -> bool {
    wanted.iter().all(|(pointer, literal)| value_at(body, pointer).is_some_and(|value| is(&value, literal)))
}

fn is(value: &Value, literal: &Literal) -> bool {
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
        let mut wanted: Option<usize> = self.0[0].parse().ok();
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
fn failure(http: &Http, method: &Method, answer: &Response, code: Code, message: Option<&str>) -> Error {
    let words = match message {
        Some(message) => Some(message.to_owned()),
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
    if let Some(service_code) = found(answer, http.error.code.as_slice(), &CODES) {
        error = error.service_code(service_code);
    }
    let request_id = match &http.error.request_id {
        Some(name) => answer.header(name),
        None => REQUEST_IDS.iter().find_map(|name| answer.header(name)),
    };
    if let Some(id) = request_id {
        error = error.request_id(id);
    }
    let wait =
        answer.header(RETRY_AFTER.as_str()).and_then(|text| wait(text, SystemTime::now())).or_else(|| {
            let reset = http.rate_limit.as_ref()?.reset.as_ref().filter(|_| code == Code::RateLimited)?;
            reset_wait(answer.header(reset)?, SystemTime::now())
        });
    match wait {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// A text or number of the body, made fit for one line of a message.
fn found(answer: &Response, pointers: &[String], guesses: &[&str]) -> Option<String> {
    let text = |pointer: &str| match value_at(&answer.body, pointer)? {
        Value::String(text) => Some(one_line(&text)).filter(|text| !text.is_empty()),
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
    Some(one_line(text)).filter(|text| !text.is_empty())
}

/// What a service says must not move a terminal's cursor, nor fill its screen.
fn one_line(text: &str) -> String {
    let words: String =
        text.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long an answer wants its sender to be left alone.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok().and_then(|text| wait(text, SystemTime::now()))
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.
pub(crate) fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let when = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let when =
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(when.as_second()).ok()?))?;
    Some(when.duration_since(now).unwrap_or_default())
}

/// A rate limit's reset: seconds to wait, or seconds since 1970 where the number is too large for that.
fn reset_wait(text: &str, now: SystemTime) -> Option<Duration> {
    const LONGEST_WAIT: u64 = 366 * 24 * 60 * 60;
    let seconds: u64 = text.trim().parse().ok()?;
    if seconds <= LONGEST_WAIT {
        return Some(Duration::from_secs(seconds));
    }
    let when = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(when.duration_since(now).unwrap_or_default())
}
