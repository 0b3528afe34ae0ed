//! Deliveries: whether they prove where they come from, and which events they are. No I/O.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use linchpin::{
    Code, Delivery, Error, Result, Secret,
    extract::ConnectionValues,
    manifest::spec::{Event, Hook, Signature, SignatureEncoding, SignatureKey, SignatureScheme, Spec},
};
use sha2::Sha256;

use crate::outcome;

/// Checks that a delivery was signed with a key: HMAC-SHA256 (RFC 2104) over the raw body, compared in constant time.
///
/// Of a hook without a `signature` in the spec every delivery passes: there is nothing to prove.
///
/// # Errors
///
/// [`Code::SignatureInvalid`] when the header is missing, there more than once, malformed, or not the signature of the body;
/// also when the key is empty.
pub fn verify(hook: &Hook, key: &Secret, delivery: &Delivery) -> Result<()> {
    let Some(signature) = &hook.signature else { return Ok(()) };
    let refuse = |problem: &str| {
        let message = format!("the signature header `{}` {problem}", signature.header);
        Error::coded(Code::SignatureInvalid, message)
    };
    let mut values = delivery.headers.get_all(signature.header.as_str()).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refuse("must be there exactly once"));
    };
    let text = value.to_str().ok().and_then(|text| text.strip_prefix(signature.prefix.as_str()));
    let Some(text) = text else {
        return Err(refuse(&format!("must begin with `{}`", signature.prefix)));
    };
    let Some(given) = decode(signature.encoding, text) else { return Err(refuse("is malformed")) };
    if key.expose().is_empty() {
        return Err(Error::coded(Code::SignatureInvalid, "there is no key to check the delivery with"));
    }
    let mac = mac(signature, key, &delivery.body)?;
    mac.verify_slice(&given).map_err(|_| refuse("is not that of the body under the key"))
}

/// The header by which a delivery of this body is signed: its name and value. For tests and local deliveries.
///
/// # Errors
///
/// [`Code::NotCarriedOut`] when the hook has no signature, or one that this version does not know.
pub fn sign(hook: &Hook, key: &Secret, body: &[u8]) -> Result<(String, String)> {
    let Some(signature) = &hook.signature else {
        let message = format!("the hook `{}` has no signature in the spec", hook.key);
        return Err(Error::coded(Code::NotCarriedOut, message));
    };
    let bytes = mac(signature, key, body)?.finalize().into_bytes();
    let text = match signature.encoding {
        SignatureEncoding::Base64 => STANDARD.encode(bytes),
        _ => hex(&bytes),
    };
    Ok((signature.header.clone(), format!("{}{text}", signature.prefix)))
}

fn mac(signature: &Signature, key: &Secret, body: &[u8]) -> Result<Hmac<Sha256>> {
    match signature.scheme {
        SignatureScheme::HmacSha256 => {}
        other => {
            let message =
                format!("signatures of the scheme {other:?} are not checked by this version of linchpin");
            return Err(Error::coded(Code::NotCarriedOut, message));
        }
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .map_err(|_| Error::coded(Code::SignatureInvalid, "the key cannot be used for signing"))?;
    mac.update(body);
    Ok(mac)
}

/// The key for a hook's deliveries: the registration's own, or a field of the connection.
///
/// # Errors
///
/// [`Code::ConnectionInvalid`] when it is a field that the connection lacks, [`Code::SignatureInvalid`] when it is the
/// registration's and there is none.
pub fn key<'a>(
    hook: &Hook,
    registration: Option<&'a Secret>,
    values: &'a ConnectionValues,
) -> Result<&'a Secret> {
    match hook.signature.as_ref().map(|signature| &signature.key) {
        Some(SignatureKey::Field(field)) => values.need(field),
        _ => registration.ok_or_else(|| {
            let message = format!("the registration of the hook `{}` has no key", hook.key);
            Error::coded(Code::SignatureInvalid, message)
        }),
    }
}

/// The events that a delivery of a hook is, in the order of the spec.
pub fn route<'s>(spec: &'s Spec, hook: &str, delivery: &Delivery) -> Vec<&'s Event> {
    let of_hook = spec.events.iter().filter(|event| event.hook.as_deref() == Some(hook));
    of_hook.filter(|event| is_event(event, delivery)).collect()
}

fn is_event(event: &Event, delivery: &Delivery) -> bool {
    outcome::headers_match(&event.matching.headers, &delivery.headers)
        && outcome::body_matches(&event.matching.body, &delivery.body)
}

/// Checks that a delivery is of the event that a flow serves.
pub(crate) fn check_event(spec: &Spec, key: &str, delivery: &Delivery) -> Result<()> {
    let Some(event) = spec.events.iter().find(|event| event.key == key) else {
        let message = format!("the spec has no event `{key}`");
        return Err(Error::coded(Code::EventMismatch, message).actor(linchpin::Actor::Author));
    };
    if is_event(event, delivery) {
        return Ok(());
    }
    let message = format!(
        "the delivery is not of the event `{key}`; its headers or body are not those of `[event.{key}] match`"
    );
    Err(Error::coded(Code::EventMismatch, message))
}

/// A key for a new registration: 32 random bytes as hexadecimal.
///
/// # Errors
///
/// [`Code::Failed`] when the system has no random numbers.
pub fn signing_secret() -> Result<Secret> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        Error::new(format!("no random numbers can be had for a signing secret: {error}"))
            .actor(linchpin::Actor::Operator)
    })?;
    Ok(Secret::new(hex(&random)))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decode(encoding: SignatureEncoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        SignatureEncoding::Base64 => STANDARD.decode(text).ok(),
        SignatureEncoding::Hex => {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            if !text.len().is_multiple_of(2) {
                return None;
            }
            text.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
        }
        _ => None,
    }
}

/// SHIM
#[derive(Debug, Clone)]
pub struct Guard(Hook);
/// SHIM
#[derive(Debug, Clone, Default)]
pub struct Fetcher;
/// SHIM
#[derive(Debug)]
pub enum Judged {
    /// A
    Delivery,
    /// B
    Handshake(Reply),
}
/// SHIM
#[derive(Debug, Clone)]
pub struct Reply {
    /// A
    pub status: u16,
    /// A
    pub headers: http::HeaderMap,
    /// A
    pub body: bytes::Bytes,
    /// A
    pub confirm: Option<url::Url>,
}
impl Guard {
    /// SHIM
    pub fn new(hook: &Hook) -> Result<Guard> { Ok(Guard(hook.clone())) }
    /// SHIM
    pub async fn judge(&self, _f: &Fetcher, delivery: &Delivery, keys: &[Secret], _now: linchpin::DateTime) -> Result<Judged> {
        let mut last = Error::coded(Code::SignatureInvalid, "there is no key");
        for key in keys { match verify(&self.0, key, delivery) { Ok(()) => return Ok(Judged::Delivery), Err(e) => last = e } }
        Err(last)
    }
    /// SHIM
    pub fn identity(&self, delivery: &Delivery) -> String {
        self.0.delivery_id.as_ref().and_then(|h| delivery.header(h)).unwrap_or("x").to_owned()
    }
    /// SHIM
    pub fn lane(&self, _d: &Delivery) -> Option<String> { None }
    /// SHIM
    pub fn routing_key(&self, _d: &Delivery) -> Option<String> { None }
    /// SHIM
    pub fn response(&self) -> Reply { Reply { status: 202, headers: http::HeaderMap::new(), body: bytes::Bytes::new(), confirm: None } }
    /// SHIM
    pub fn secret_headers(&self) -> impl Iterator<Item = http::HeaderName> { self.0.signature.iter().filter_map(|s| s.header.parse().ok()) }
}
/// SHIM
pub fn events<'s>(spec: &'s Spec, hook: &str, delivery: &Delivery, _options: &serde_json::Value) -> Vec<&'s Event> { route(spec, hook, delivery) }
