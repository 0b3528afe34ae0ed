//! Signatures in headers: HMAC and Ed25519 over a text made of the delivery.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, header::CONTENT_TYPE};
use linchpin::{
    Code, DateTime, Delivery, Error, Result, Secret,
    manifest::spec::{
        Detached as Declared, KeyFormat, SignatureAlgorithm, SignatureEncoding, SignatureLayout, SignedPart,
    },
};
use percent_encoding::percent_decode;
use ring::{
    digest, hmac,
    signature::{self, Ed25519KeyPair, UnparsedPublicKey},
};
use subtle::ConstantTimeEq;

use super::{
    LONGEST_VALUE,
    key::{hex, unhex},
    place::{Place, header, header_value, one},
    refusal,
};

/// So many signatures of one header are looked at.
const CANDIDATES: usize = 16;

/// The longest signature in bytes: HMAC-SHA-512 and Ed25519.
const LONGEST: usize = 64;

/// A signature in a header, ready to be checked.
#[derive(Debug, Clone)]
pub(super) struct Detached {
    own: Declared,
    headers: Vec<Headers>,
    /// The public key that stands in the spec.
    public: Option<[u8; 32]>,
}

/// One set of headers.
#[derive(Debug, Clone)]
pub(super) struct Headers {
    pub(super) signature: HeaderName,
    pub(super) id: Option<HeaderName>,
    timestamp: Option<HeaderName>,
}

/// What of a delivery goes into what is signed, beside URL and body.
struct Parts<'d> {
    id: &'d str,
    timestamp: &'d str,
    /// Sorted form parameters; nothing where they are not signed.
    params: Vec<u8>,
}

impl Detached {
    pub(super) fn new(own: &Declared, public: Option<&str>) -> Result<Detached> {
        let optional = |name: &Option<String>| name.as_deref().map(header).transpose();
        let headers = own.headers.iter().map(|set| {
            Ok(Headers {
                signature: header(&set.signature)?,
                id: optional(&set.id)?,
                timestamp: optional(&set.timestamp)?,
            })
        });
        let public = public.map(|text| public_key(text).ok_or_else(unreadable)).transpose()?;
        Ok(Detached { own: own.clone(), headers: headers.collect::<Result<_>>()?, public })
    }

    /// The set of headers that a delivery has: the first whose signature is there.
    pub(super) fn set(&self, delivery: &Delivery) -> Option<&Headers> {
        self.headers.iter().find(|set| delivery.headers.contains_key(&set.signature))
    }

    /// Checks the signature; gives the key that it is by, where that is one of those that were given.
    pub(super) fn verify<'k>(
        &self,
        delivery: &Delivery,
        keys: &'k [Secret],
        now: DateTime,
    ) -> Result<&'k [Secret]> {
        let own = &self.own;
        let set = self.set(delivery).or(self.headers.first()).ok_or_else(unreadable)?;
        let value = text_of(delivery, &set.signature)?;
        let refuse = |problem: &str| refusal(format!("the signature header `{}` {problem}", set.signature));
        let mut candidates = Candidates::default();
        let mut listed = None;
        match &own.layout {
            SignatureLayout::One => match value.strip_prefix(own.prefix.as_str()) {
                Some(text) => candidates.push(text),
                None => return Err(refuse(&format!("must begin with `{}`", own.prefix))),
            },
            SignatureLayout::Several => {
                let texts = value.split(' ').filter_map(|text| text.strip_prefix(own.prefix.as_str()));
                texts.for_each(|text| candidates.push(text));
            }
            SignatureLayout::Elements { signature, timestamp } => {
                for (name, text) in value.split(',').filter_map(|element| element.trim().split_once('=')) {
                    if name == signature {
                        candidates.push(text);
                    }
                    if timestamp.as_deref() == Some(name) && listed.replace(text).is_some() {
                        return Err(refuse("has two times"));
                    }
                }
            }
            _ => return Err(not_carried_out()),
        }
        if candidates.0.is_empty() || candidates.0.len() > CANDIDATES {
            return Err(refuse(match candidates.0.is_empty() {
                true => "has no signature of the declared kind",
                false => "has too many signatures",
            }));
        }
        let given: Vec<Given> = candidates.0.iter().filter_map(|text| self.decode(text)).collect();
        if given.is_empty() {
            return Err(refuse("is malformed"));
        }
        let timestamp = match (&set.timestamp, &own.layout) {
            (Some(name), _) => text_of(delivery, name)?,
            (None, SignatureLayout::Elements { timestamp: Some(_), .. }) => {
                listed.ok_or_else(|| refuse("says no time"))?
            }
            _ => "",
        };
        if own.signed.contains(&SignedPart::Timestamp) {
            self.check_time(timestamp, now)?;
        }
        let id = set.id.as_ref().map_or(Ok(""), |name| text_of(delivery, name))?;
        let parts = Parts { id, timestamp, params: self.params(delivery)? };
        let wrong = || refuse("is not that of the delivery under the key");
        match own.algorithm {
            SignatureAlgorithm::Ed25519 => {
                let genuine = self.is_by_public_key(delivery, &parts, keys, &given)?;
                genuine.then_some(&keys[..0]).ok_or_else(wrong)
            }
            _ => {
                let at = self.secret_key_of(delivery, &parts, keys, &given)?.ok_or_else(wrong)?;
                Ok(&keys[at..=at])
            }
        }
    }

    /// Which of the keys a signature is by. Each is tried, whichever it is.
    fn secret_key_of(
        &self,
        delivery: &Delivery,
        parts: &Parts<'_>,
        keys: &[Secret],
        given: &[Given],
    ) -> Result<Option<usize>> {
        let mut usable = false;
        let mut found = None;
        for (at, key) in keys.iter().enumerate() {
            let Some(key) = self.secret_key(key) else { continue };
            usable = true;
            for url in self.urls(&delivery.url)? {
                let mut mac = hmac::Context::with_key(&key);
                self.write(delivery, &url, parts, &mut |bytes| mac.update(bytes));
                let tag = mac.sign();
                if given.iter().any(|given| bool::from(given.bytes().ct_eq(tag.as_ref()))) {
                    found = Some(at);
                }
            }
        }
        if !usable {
            return Err(keyless());
        }
        Ok(found)
    }

    fn is_by_public_key(
        &self,
        delivery: &Delivery,
        parts: &Parts<'_>,
        keys: &[Secret],
        given: &[Given],
    ) -> Result<bool> {
        let given_keys = keys.iter().filter_map(|key| public_key(key.expose()));
        let keys: Vec<[u8; 32]> = match self.public {
            Some(key) => vec![key],
            None => given_keys.collect(),
        };
        if keys.is_empty() {
            return Err(keyless());
        }
        for url in self.urls(&delivery.url)? {
            let mut message = Vec::with_capacity(delivery.body.len() + 64);
            self.write(delivery, &url, parts, &mut |bytes| message.extend_from_slice(bytes));
            for key in &keys {
                let key = UnparsedPublicKey::new(&signature::ED25519, key);
                if given.iter().any(|given| key.verify(&message, given.bytes()).is_ok()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Adds what the service would add: the headers of a signature that is right.
    pub(super) fn sign(&self, key: &Secret, delivery: &mut Delivery, id: &str, at: DateTime) -> Result<()> {
        let own = &self.own;
        let set = self.headers.first().ok_or_else(unreadable)?;
        let millis = at.unix_millis();
        let timestamp = if own.timestamp_millis { millis } else { millis.div_euclid(1000) }.to_string();
        if let Some(name) = &set.id {
            delivery.headers.insert(name.clone(), header_value(id)?);
        }
        if let Some(name) = &set.timestamp {
            delivery.headers.insert(name.clone(), header_value(&timestamp)?);
        }
        if let Some(name) = &own.body_digest
            && !is_form(delivery)
            && !delivery.body.is_empty()
        {
            let digest = hex(digest::digest(&digest::SHA256, &delivery.body).as_ref());
            Place::Query(name.clone()).put(delivery, &digest)?;
        }
        let parts = Parts { id, timestamp: &timestamp, params: self.params(delivery)? };
        let url = self.urls(&delivery.url)?.into_iter().next().unwrap_or_default();
        let mut message = Vec::new();
        self.write(delivery, &url, &parts, &mut |bytes| message.extend_from_slice(bytes));
        let signature = match own.algorithm {
            SignatureAlgorithm::Ed25519 => private_key(key)?.sign(&message).as_ref().to_vec(),
            _ => {
                let key = self.secret_key(key).ok_or_else(keyless)?;
                hmac::sign(&key, &message).as_ref().to_vec()
            }
        };
        let text = match own.encoding {
            SignatureEncoding::Base64 => STANDARD.encode(signature),
            _ => hex(&signature),
        };
        let value = match &own.layout {
            SignatureLayout::Elements { signature, timestamp: Some(name) } => {
                format!("{name}={timestamp},{signature}={text}")
            }
            SignatureLayout::Elements { signature, timestamp: None } => format!("{signature}={text}"),
            _ => format!("{}{text}", own.prefix),
        };
        delivery.headers.insert(set.signature.clone(), header_value(&value)?);
        Ok(())
    }

    /// Writes what is signed, piece by piece.
    fn write(&self, delivery: &Delivery, url: &str, parts: &Parts<'_>, to: &mut dyn FnMut(&[u8])) {
        for part in &self.own.signed {
            match part {
                SignedPart::Text(text) => to(text.as_bytes()),
                SignedPart::Id => to(parts.id.as_bytes()),
                SignedPart::Timestamp => to(parts.timestamp.as_bytes()),
                SignedPart::Url => to(url.as_bytes()),
                SignedPart::Params => to(&parts.params),
                SignedPart::Body => to(&delivery.body),
                _ => {}
            }
        }
    }

    /// A signature as bytes; nothing where it is malformed or has another length.
    fn decode(&self, text: &str) -> Option<Given> {
        let length = match self.own.algorithm {
            SignatureAlgorithm::HmacSha1 => 20,
            SignatureAlgorithm::HmacSha256 => 32,
            _ => LONGEST,
        };
        let mut given = Given { bytes: [0; LONGEST], length };
        match self.own.encoding {
            SignatureEncoding::Base64 => {
                let mut bytes = [0; LONGEST + 3];
                let known = text.len() == length.div_ceil(3) * 4;
                let written = STANDARD.decode_slice(text, &mut bytes).ok().filter(|_| known)?;
                given.bytes.copy_from_slice(&bytes[..LONGEST]);
                (written == length).then_some(given)
            }
            _ => unhex(text.as_bytes(), &mut given.bytes[..length]).map(|()| given),
        }
    }

    /// The time of signing is near.
    fn check_time(&self, text: &str, now: DateTime) -> Result<()> {
        // As many digits as milliseconds have until the year 5138: no sign, no blanks, no overflow.
        let digits = (1..=14).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let time = text.parse::<i64>().ok().filter(|_| digits);
        let time = time.map(|time| if self.own.timestamp_millis { time } else { time * 1000 });
        let time = time.ok_or_else(|| refusal("the time of the signature is malformed"))?;
        super::guard::check_time(time, now, self.own.tolerance)
    }

    /// The spellings of the URL that may have been signed.
    fn urls<'d>(&self, url: &'d str) -> Result<Vec<Cow<'d, str>>> {
        if !self.own.signed.contains(&SignedPart::Url) {
            return Ok(vec![Cow::Borrowed("")]);
        }
        if url.is_empty() {
            return Err(refusal("the URL is signed, and nobody knows to which URL the delivery was sent"));
        }
        let mut urls = vec![Cow::Borrowed(url)];
        if self.own.any_port {
            urls.extend(with_other_port(url).map(Cow::Owned));
        }
        Ok(urls)
    }

    /// The form parameters that are signed; the body is then one, or its digest stands in the URL.
    fn params(&self, delivery: &Delivery) -> Result<Vec<u8>> {
        if let Some(name) = &self.own.body_digest
            && has_query(&delivery.url, name)
        {
            let mut given = [0; 32];
            let text = delivery.query(name);
            let given = text.and_then(|text| unhex(text.as_bytes(), &mut given).map(|()| given));
            let digest = digest::digest(&digest::SHA256, &delivery.body);
            return match given {
                Some(given) if bool::from(given.ct_eq(digest.as_ref())) => Ok(Vec::new()),
                _ => Err(refusal(format!("the query parameter `{name}` is not the digest of the body"))),
            };
        }
        let signed = self.own.signed.contains(&SignedPart::Params);
        if signed && is_form(delivery) {
            let problem = || refusal("the body is no form, so that its parameters cannot have been signed");
            return sorted_params(&delivery.body).ok_or_else(problem);
        }
        let covered = delivery.body.is_empty() || self.own.signed.contains(&SignedPart::Body);
        match covered {
            true => Ok(Vec::new()),
            false => Err(refusal(
                "the body is not what the scheme signs: neither a form nor one whose digest is in the URL",
            )),
        }
    }

    /// A secret key; nothing where it is empty or malformed.
    fn secret_key(&self, key: &Secret) -> Option<hmac::Key> {
        let algorithm = algorithm(self.own.algorithm)?;
        let decoded;
        let bytes = match &self.own.key_format {
            KeyFormat::Text => key.expose().as_bytes(),
            KeyFormat::Base64 { prefix } => {
                let text = key.expose();
                decoded = STANDARD.decode(text.strip_prefix(prefix.as_str()).unwrap_or(text)).ok()?;
                &decoded
            }
            _ => return None,
        };
        (!bytes.is_empty()).then(|| hmac::Key::new(algorithm, bytes))
    }
}

/// A signature as it came.
struct Given {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Given {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What may be the signature, one more than may be there at the most.
#[derive(Default)]
struct Candidates<'d>(Vec<&'d str>);

impl<'d> Candidates<'d> {
    fn push(&mut self, text: &'d str) {
        if self.0.len() <= CANDIDATES {
            self.0.push(text);
        }
    }
}

/// What ring calls the algorithm; nothing for one that has no secret key.
pub(super) fn algorithm(algorithm: SignatureAlgorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        SignatureAlgorithm::HmacSha1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureAlgorithm::HmacSha256 => Some(hmac::HMAC_SHA256),
        SignatureAlgorithm::HmacSha512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// The text of a header that is there exactly once.
fn text_of<'d>(delivery: &'d Delivery, name: &HeaderName) -> Result<&'d str> {
    let value = one(&delivery.headers, name).and_then(|value| value.to_str().ok());
    let value = value.filter(|text| !text.is_empty() && text.len() <= LONGEST_VALUE);
    value.ok_or_else(|| refusal(format!("the header `{name}` must be there exactly once, with a value")))
}

/// Whether a delivery says that its body is a form.
fn is_form(delivery: &Delivery) -> bool {
    let kind =
        one(&delivery.headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Whether a query has a parameter of this name, however often.
fn has_query(url: &str, name: &str) -> bool {
    let query = url.split('#').next().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
    query.split('&').any(|pair| {
        let key = pair.split('=').next().unwrap_or_default().replace('+', " ");
        percent_decode(key.as_bytes()).eq(name.bytes())
    })
}

/// The parameters of a form, sorted by name and then by value, each name followed by its value. Nothing where the body is not written
/// as a form is, since two bodies with one meaning for the signature must not have two for the flow.
fn sorted_params(body: &[u8]) -> Option<Vec<u8>> {
    let written = |byte: &u8| byte.is_ascii_alphanumeric() || b"*-._~+%!'()".contains(byte);
    let decoded = |text: &[u8]| -> Option<Vec<u8>> {
        let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let escapes = spaced.iter().filter(|byte| **byte == b'%').count();
        let bytes: Vec<u8> = percent_decode(&spaced).collect();
        // Each escape is three bytes that become one.
        (bytes.len() + 2 * escapes == spaced.len()).then_some(bytes)
    };
    let mut params = Vec::new();
    for pair in body.split(|byte| *byte == b'&').filter(|_| !body.is_empty()) {
        let mut halves = pair.split(|byte| *byte == b'=');
        let (name, value, None) = (halves.next()?, halves.next()?, halves.next()) else { return None };
        if !name.iter().chain(value).all(written) {
            return None;
        }
        params.push((decoded(name)?, decoded(value)?));
    }
    params.sort();
    Some(params.into_iter().flat_map(|(name, value)| name.into_iter().chain(value)).collect())
}

/// A URL without the port that it has, or with that of its scheme.
fn with_other_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let port = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let authority = match (port, scheme) {
        (Some((host, _)), _) => host.to_owned(),
        (None, "https") => format!("{authority}:443"),
        (None, "http") => format!("{authority}:80"),
        (None, _) => return None,
    };
    Some(format!("{scheme}://{authority}{tail}"))
}

/// What stands before the 32 bytes of an Ed25519 public key in DER (RFC 8410 §4).
const PUBLIC_KEY_INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What stands before the 32 bytes of an Ed25519 private key in DER (RFC 8410 §7).
const PRIVATE_KEY_INFO: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// An Ed25519 public key in hexadecimal, base64 or PEM.
fn public_key(text: &str) -> Option<[u8; 32]> {
    thirty_two(text, "PUBLIC KEY", &PUBLIC_KEY_INFO)
}

/// The private key by which a stand-in for the service signs, in hexadecimal, base64 or PEM.
fn private_key(key: &Secret) -> Result<Ed25519KeyPair> {
    let seed = thirty_two(key.expose(), "PRIVATE KEY", &PRIVATE_KEY_INFO);
    let pair = seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok());
    pair.ok_or_else(|| {
        let message = "signing for the service needs its Ed25519 private key: 32 bytes in hexadecimal or base64, or PEM";
        Error::coded(Code::SignatureInvalid, message)
    })
}

fn thirty_two(text: &str, label: &str, before: &[u8]) -> Option<[u8; 32]> {
    let text = text.trim();
    let mut key = [0; 32];
    if unhex(text.as_bytes(), &mut key).is_some() {
        return Some(key);
    }
    let pem = text.strip_prefix(format!("-----BEGIN {label}-----").as_str());
    let Some(inner) = pem else { return STANDARD.decode(text).ok()?.try_into().ok() };
    let inner = inner.strip_suffix(format!("-----END {label}-----").as_str())?;
    let inner: String = inner.replace("\\n", "\n").split_ascii_whitespace().collect();
    STANDARD.decode(inner).ok()?.strip_prefix(before)?.try_into().ok()
}

fn keyless() -> Error {
    refusal("there is no usable key to check the delivery with")
}

fn unreadable() -> Error {
    Error::coded(Code::ConnectionInvalid, "the public key of the hook cannot be read")
        .actor(linchpin::Actor::Author)
}

fn not_carried_out() -> Error {
    Error::coded(Code::NotCarriedOut, "this version of linchpin does not know how the signature is laid out")
}
