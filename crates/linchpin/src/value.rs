//! The types that flows exchange with linchpin itself.

use std::{
    borrow::Cow,
    cell::Cell,
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{
    fields,
    request::PathValue,
    shape::{FieldType, Shape},
};

/// Whose connection it is: what an `#[authping]` flow gives.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Id
    ///
    /// The account's id at the service, by which the same account connected twice is noticed.
    pub id: String,
    /// Label
    ///
    /// What people call the account: a name or an address.
    pub label: String,
    /// Scopes
    ///
    /// What the credentials allow, where the service says.
    #[field(default)]
    pub scopes: Vec<String>,
    /// Expires
    ///
    /// When the credentials stop working, where the service says.
    pub expires_at: Option<DateTime>,
}

impl Identity {
    /// An account by id and label.
    pub fn new(id: impl fmt::Display, label: impl Into<String>) -> Identity {
        Identity { id: id.to_string(), label: label.into(), ..Identity::default() }
    }

    /// Adds what the credentials allow.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Identity {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }
}

/// What became of a connection's tokens: what a `#[revoke]` flow gives.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Outcome
    pub outcome: RevokeOutcome,
}

/// What became of a token at the service.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// Revoked
    Revoked,
    /// Already gone
    AlreadyGone,
    /// Left to the revocation endpoint
    AtEndpoint,
}

impl Revoked {
    /// The service has killed the token.
    pub fn done() -> Revoked {
        Revoked { outcome: RevokeOutcome::Revoked }
    }

    /// The token was dead already.
    pub fn already_gone() -> Revoked {
        Revoked { outcome: RevokeOutcome::AlreadyGone }
    }

    /// Nothing is done here: the tokens of this connection's method are revoked at the `revocation_url` that the spec has for it
    /// (RFC 7009), as they are in connectors without `#[revoke]`. For connectors in which only some methods have such an endpoint.
    pub fn at_endpoint() -> Revoked {
        Revoked { outcome: RevokeOutcome::AtEndpoint }
    }
}

/// What a helper with choices is asked.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChoiceQuery {
    /// Search
    ///
    /// What the user has typed so far.
    pub search: Option<String>,
    /// Cursor
    ///
    /// Where the last answer ended, to get more.
    pub cursor: Option<String>,
}

impl ChoiceQuery {
    /// Whether a text holds what the user has typed, without regard to case: for services that cannot search themselves.
    ///
    /// ```
    /// let query = linchpin::ChoiceQuery { search: Some("hello".into()), cursor: None };
    /// assert!(query.matches("octocat/Hello-World") && !query.matches("octocat/spoon-knife"));
    /// ```
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.search.as_ref().is_none_or(|search| text.contains(&search.trim().to_lowercase()))
    }
}

/// The choices of a field: what a helper gives for `#[field(choices = helper)]`.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// Choices
    pub choices: Vec<Choice>,
    /// Cursor
    ///
    /// Given back in the next query to get more; nothing when these are all.
    pub cursor: Option<String>,
}

/// One choice of a field.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Value
    ///
    /// What the field's value becomes.
    pub value: String,
    /// Label
    ///
    /// What users see.
    pub label: String,
}

impl Choice {
    /// A choice by its value and what users see.
    pub fn new(value: impl fmt::Display, label: impl Into<String>) -> Choice {
        Choice { value: value.to_string(), label: label.into() }
    }
}

impl FromIterator<Choice> for Choices {
    fn from_iter<I: IntoIterator<Item = Choice>>(choices: I) -> Choices {
        Choices { choices: choices.into_iter().collect(), cursor: None }
    }
}

/// What a monitor found, and where the next look begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Polled<T, C> {
    /// What is new, oldest first.
    pub records: Vec<T>,
    /// Kept once the records have been handed on.
    pub cursor: C,
    /// Whether there is more, so that the monitor is asked again at once with this cursor.
    pub more: bool,
}

impl<T, C> Polled<T, C> {
    /// What was found, oldest first, and where the next look begins.
    pub fn new(records: Vec<T>, cursor: C) -> Polled<T, C> {
        Polled { records, cursor, more: false }
    }

    /// Whether there is more: then the monitor is asked again at once with this cursor, up to `max_pages` times in a look.
    #[must_use]
    pub fn more(mut self, more: bool) -> Polled<T, C> {
        self.more = more;
        self
    }
}

#[doc = include_str!("doc/delivery.md")]
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The request's method; POST by default.
    pub method: Method,
    /// The public URL that the request was sent to, as the service was given it, with the query that it came with. Empty where nobody
    /// knows it.
    pub url: String,
    /// The request's headers; their names do not regard case.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Bytes,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery { method: Method::POST, url: String::new(), headers: HeaderMap::new(), body: Bytes::new() }
    }
}

impl Delivery {
    /// A header's value, if it has one that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query parameter's value, decoded as of a form; nothing when it is missing, no text, or there more than once.
    ///
    /// ```
    /// let delivery = linchpin::Delivery { url: "https://a.example/in?hub.mode=a+b%21&x=1&x=2".into(), ..Default::default() };
    /// assert_eq!(delivery.query("hub.mode").as_deref(), Some("a b!"));
    /// assert_eq!((delivery.query("x"), delivery.query("y")), (None, None));
    /// ```
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, query) = self.url.split('#').next()?.split_once('?')?;
        let mut values = query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name || form_text(key).as_deref() == Some(name)).then_some(value)
        });
        match (values.next(), values.next()) {
            (Some(value), None) => form_text(value),
            _ => None,
        }
    }
}

/// A text as forms and queries write it (<https://url.spec.whatwg.org/#application/x-www-form-urlencoded>).
fn form_text(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_encoding::percent_decode_str(text).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned().into())
}

/// A file at the edge: a name, a media type and the bytes, as base64 (RFC 4648 §4) in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The name, without folders.
    pub name: String,
    /// The media type, where it is known.
    pub media_type: Option<String>,
    /// The bytes.
    pub content: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOnTheWire {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    content: String,
}

impl Serialize for File {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, media_type) = (self.name.clone(), self.media_type.clone());
        FileOnTheWire { name, media_type, content: base64::encode(&self.content) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<File, D::Error> {
        let FileOnTheWire { name, media_type, content } = FileOnTheWire::deserialize(deserializer)?;
        let content = base64::decode(&content).ok_or_else(|| D::Error::custom("`content` is not base64"))?;
        Ok(File { name, media_type, content: content.into() })
    }
}

#[diagnostic::do_not_recommend]
impl FieldType for File {
    fn shape() -> Shape {
        Shape::File
    }
}

/// Base64 as files and some services' APIs have it.
pub mod base64 {
    use ::base64::{Engine, engine::general_purpose::STANDARD};

    /// Bytes as base64 with padding (RFC 4648 §4).
    pub fn encode(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    /// The bytes of a base64 text; line breaks in it, as MIME has them, are passed over. `None` when it is not base64.
    pub fn decode(text: &str) -> Option<Vec<u8>> {
        let text: String = text.chars().filter(|letter| !matches!(letter, '\n' | '\r')).collect();
        STANDARD.decode(text).ok()
    }
}

/// A point in time: RFC 3339 in JSON, written in UTC.
///
/// ```
/// let when: linchpin::DateTime = "2026-03-01T09:00:00+01:00".parse()?;
/// assert_eq!(when.to_string(), "2026-03-01T08:00:00Z");
/// # Ok::<(), linchpin::DateTimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(jiff::Timestamp);

/// A text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateTimeError(String);

impl DateTime {
    /// The point in time so many milliseconds after 1970-01-01T00:00:00Z, if it is within the years -9999 to 9999.
    pub fn from_unix_millis(millis: i64) -> Option<DateTime> {
        jiff::Timestamp::from_millisecond(millis).ok().map(DateTime)
    }

    /// Milliseconds after 1970-01-01T00:00:00Z.
    pub fn unix_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The time so much earlier, or the first that there is.
    #[must_use]
    pub fn before(self, span: Duration) -> DateTime {
        DateTime(self.0.saturating_sub(span).unwrap_or(jiff::Timestamp::MIN))
    }

    /// How long it is from this time to a later one, in whole milliseconds; nothing when that is past.
    #[must_use]
    pub fn until(self, then: DateTime) -> Duration {
        let millis = then.unix_millis().saturating_sub(self.unix_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }
}

impl From<SystemTime> for DateTime {
    /// The same point in time; one that no calendar has becomes the last that it has.
    fn from(time: SystemTime) -> DateTime {
        DateTime(jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX))
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DateTime {
    type Err = DateTimeError;

    fn from_str(text: &str) -> Result<DateTime, DateTimeError> {
        text.parse().map(DateTime).map_err(|error: jiff::Error| DateTimeError(error.to_string()))
    }
}

impl fmt::Display for DateTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a date and time such as `2026-03-01T09:00:00Z`: {}", self.0)
    }
}

impl std::error::Error for DateTimeError {}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DateTime, D::Error> {
        struct Rfc3339;
        impl Visitor<'_> for Rfc3339 {
            type Value = DateTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date and time as a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DateTime, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Rfc3339)
    }
}

#[diagnostic::do_not_recommend]
impl FieldType for DateTime {
    fn shape() -> Shape {
        Shape::DateTime
    }
}

/// A point in time that a service counts in seconds after 1970. Here it is RFC 3339, as any other; in a query it is the service's number.
///
/// ```
/// let created: linchpin::Seconds = serde_json::from_str("1772352000")?;
/// assert_eq!(serde_json::to_string(&created)?, "\"2026-03-01T08:00:00Z\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub DateTime);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        struct EitherForm;
        impl Visitor<'_> for EitherForm {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds after 1970, or a date and time as a text")
            }

            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Seconds, E> {
                let time = seconds.checked_mul(1000).and_then(DateTime::from_unix_millis);
                time.map(Seconds).ok_or_else(|| E::custom("no calendar has so many seconds"))
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                self.visit_i64(i64::try_from(seconds).unwrap_or(i64::MAX))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Seconds, E> {
                match text.parse::<i64>() {
                    Ok(seconds) => self.visit_i64(seconds),
                    Err(_) => text.parse().map(Seconds).map_err(E::custom),
                }
            }
        }
        deserializer.deserialize_any(EitherForm)
    }
}

#[diagnostic::do_not_recommend]
impl FieldType for Seconds {
    fn shape() -> Shape {
        Shape::DateTime
    }
}

#[diagnostic::do_not_recommend]
impl PathValue for Seconds {
    fn path_value(&self) -> Cow<'_, str> {
        self.0.unix_millis().div_euclid(1000).to_string().into()
    }
}

/// A number exactly as it was written: `0.10` stays `0.10`.
///
/// ```
/// let price: linchpin::Number = serde_json::from_str("12345678901234567890.10")?;
/// assert_eq!(price.as_str(), "12345678901234567890.10");
/// assert_eq!(serde_json::to_string(&price)?, "12345678901234567890.10");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(String);

/// A text is not a number of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberError(());

impl Number {
    /// The number as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest floating-point number.
    pub fn to_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a number such as `12.50`")
    }
}

impl std::error::Error for NumberError {}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Number, NumberError> {
        // A JSON number, judged by the JSON parser: it begins with a digit or a minus and is one token.
        let begins = text.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-');
        let number =
            serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok_and(|raw| raw.get() == text);
        (begins && number).then(|| Number(text.to_owned())).ok_or(NumberError(()))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw =
            serde_json::value::RawValue::from_string(self.0.clone()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// The name by which serde_json's own `RawValue` asks for the text of a value. Other formats, and values that serde has
/// buffered, pass over it and give the number itself.
const RAW_TEXT: &str = "$serde_json::private::RawValue";

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_newtype_struct(RAW_TEXT, AnyNumber)
    }
}

thread_local! {
    /// Whether a format is read that has nothing but texts; serde has no place for it.
    static FROM_TEXT: Cell<bool> = const { Cell::new(false) };
}

/// Reads a value from a format that has nothing but texts: a [`Number`] in it is what its text says, digit for digit.
#[cfg(any(feature = "csv", feature = "xml"))]
pub(crate) fn number_from_text<T>(read: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            FROM_TEXT.set(self.0);
        }
    }
    let _back = Back(FROM_TEXT.replace(true));
    read()
}

struct AnyNumber;

impl<'de> Visitor<'de> for AnyNumber {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Number, A::Error> {
        map.next_key::<serde::de::IgnoredAny>()?;
        let text: String = map.next_value()?;
        text.parse().map_err(|_| A::Error::custom(format!("invalid type: `{text}`, expected a number")))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Number, D::Error> {
        match FROM_TEXT.get() {
            true => deserializer.deserialize_str(self),
            false => deserializer.deserialize_any(self),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
        match FROM_TEXT.get() {
            true => text.parse().map_err(|_| E::custom(format!("`{text}` is not a number"))),
            false => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Number, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

#[diagnostic::do_not_recommend]
impl FieldType for Number {
    fn shape() -> Shape {
        Shape::Number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_written_also_behind_other_fields() {
        #[fields(crate = "crate")]
        #[derive(Debug, PartialEq)]
        struct Line {
            price: Number,
            count: i128,
            #[field(flatten)]
            rest: Rest,
        }
        #[fields(crate = "crate")]
        #[derive(Debug, PartialEq)]
        struct Rest {
            tax: Number,
        }
        let text = r#"{"price":0.10,"count":-170141183460469231731687303715884105728,"tax":1e400}"#;
        let line: Line = serde_json::from_str(text).unwrap();
        assert_eq!(line.rest.tax.as_str(), "1e400");
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
    }

    #[test]
    fn numbers_are_not_texts() {
        assert!(serde_json::from_str::<Number>("\"1\"").is_err());
        assert!(serde_json::from_str::<Number>("true").is_err());
        assert!("1 ".parse::<Number>().is_err() && "01".parse::<Number>().is_err());
        assert_eq!(serde_json::from_value::<Number>(serde_json::json!(2.5)).unwrap().as_str(), "2.5");
    }

    #[test]
    fn files_are_base64_in_json() {
        let file = File { name: "a.txt".into(), media_type: None, content: Bytes::from_static(b"hi\xff") };
        let json = serde_json::to_string(&file).unwrap();
        assert_eq!(json, r#"{"name":"a.txt","content":"aGn/"}"#);
        assert_eq!(serde_json::from_str::<File>(&json).unwrap(), file);
        assert!(serde_json::from_str::<File>(r#"{"name":"a","content":"?"}"#).is_err());
    }
}
