//! Handshakes: what a service asks of whoever it delivers to, and what it is answered.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use linchpin::{
    Delivery, Result, Secret,
    manifest::spec::{
        Confirm, DeliveryMatch, Handshake as Declared, HandshakeReply, ReplyHmac, SignatureEncoding,
        Template, TemplatePart,
    },
};
use ring::hmac;
use serde_json::Value;
use url::{Host, Url};

use super::{
    detached::algorithm,
    event::matches,
    guard::{Reply, is_one_of},
    key::hex,
    place::{Place, header, header_value},
    refusal,
};
use crate::outcome::value_at;

/// The longest value that is given back, in bytes.
const LONGEST: usize = 2048;

/// A handshake, ready to be answered.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    method: Option<Method>,
    when: DeliveryMatch,
    take: Option<Place>,
    token: Option<Place>,
    pub(super) signed: bool,
    reply: Answer,
    hmac: ReplyHmac,
    confirm: Option<Confirm>,
}

/// How it is answered.
#[derive(Debug, Clone)]
enum Answer {
    Empty,
    Text(Template),
    Json(Vec<(String, Template)>),
    Header(HeaderName),
}

impl Handshake {
    pub(super) fn new(own: &Declared) -> Result<Handshake> {
        let place = |place: &Option<_>| place.as_ref().map(Place::of).transpose();
        Ok(Handshake {
            method: own.method.as_ref().and_then(|method| Method::from_bytes(method.as_bytes()).ok()),
            when: own.when.clone(),
            take: place(&own.take)?,
            token: place(&own.token)?,
            signed: own.signed,
            reply: match &own.reply {
                HandshakeReply::Text(text) => Answer::Text(text.clone()),
                HandshakeReply::Json(texts) => Answer::Json(texts.clone()),
                HandshakeReply::Header(name) => Answer::Header(header(name)?),
                _ => Answer::Empty,
            },
            hmac: own.hmac,
            confirm: own.confirm.clone(),
        })
    }

    /// The answer to a request; nothing where it is no such handshake.
    ///
    /// # Errors
    ///
    /// When it is one, and its token is wrong or what it wants given back is nothing that is given back.
    pub(super) fn answer(&self, delivery: &Delivery, keys: &[Secret]) -> Result<Option<Reply>> {
        if self.method.as_ref().is_some_and(|method| delivery.method != *method)
            || !matches(&self.when, delivery)
        {
            return Ok(None);
        }
        let value = match &self.take {
            Some(place) => match place.text(delivery) {
                Some(value) => value.into_owned(),
                None => return Ok(None),
            },
            None => String::new(),
        };
        if let Some(place) = &self.token {
            let token = place.text(delivery);
            if !token.is_some_and(|token| is_one_of(&token, keys)) {
                return Err(refusal("the handshake's token is not the hook's"));
            }
        }
        if value.len() > LONGEST {
            return Err(refusal(format!("a handshake's value is longer than {LONGEST} bytes")));
        }
        if value.chars().any(char::is_control) {
            return Err(refusal("a handshake's value has control characters"));
        }
        let mut reply = Reply { status: StatusCode::OK, ..Reply::default() };
        match &self.reply {
            Answer::Empty => {}
            Answer::Text(text) => {
                reply.body = self.fill(text, &value, keys)?.into();
                plain(&mut reply.headers, "text/plain; charset=utf-8");
            }
            Answer::Json(texts) => {
                let members = texts
                    .iter()
                    .map(|(name, text)| Ok((name.clone(), Value::String(self.fill(text, &value, keys)?))));
                let object: serde_json::Map<String, Value> = members.collect::<Result<_>>()?;
                reply.body = Bytes::from(Value::Object(object).to_string());
                plain(&mut reply.headers, "application/json");
            }
            Answer::Header(name) => {
                reply.headers.insert(name.clone(), header_value(&value)?);
            }
        }
        if let Some(confirm) = &self.confirm {
            reply.confirm = Some(confirmed(confirm, delivery)?);
        }
        Ok(Some(reply))
    }

    fn fill(&self, template: &Template, value: &str, keys: &[Secret]) -> Result<String> {
        let mut text = String::new();
        for part in &template.parts {
            match part {
                TemplatePart::Text(own) => text.push_str(own),
                TemplatePart::Field(name) if name == "hmac" => text.push_str(&self.mac(value, keys)?),
                TemplatePart::Field(_) => text.push_str(value),
            }
        }
        Ok(text)
    }

    /// The HMAC of the value under the first key, which is the newest.
    fn mac(&self, value: &str, keys: &[Secret]) -> Result<String> {
        let key = keys.iter().find(|key| !key.expose().is_empty());
        let (Some(key), Some(algorithm)) = (key, algorithm(self.hmac.algorithm)) else {
            return Err(refusal("there is no usable key to answer the handshake with"));
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, key.expose().as_bytes()), value.as_bytes());
        Ok(match self.hmac.encoding {
            SignatureEncoding::Base64 => STANDARD.encode(tag.as_ref()),
            _ => hex(tag.as_ref()),
        })
    }
}

/// Says that a body is of this type, and nothing else: no browser takes it for a page.
pub(super) fn plain(headers: &mut HeaderMap, kind: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// The URL that is asked for to confirm, if it is one that may be.
fn confirmed(confirm: &Confirm, delivery: &Delivery) -> Result<Url> {
    let url = value_at(&delivery.body, &confirm.url);
    let url = url.as_ref().and_then(Value::as_str).filter(|url| url.len() <= LONGEST);
    let url = url.and_then(|url| Url::parse(url).ok());
    let url = url.filter(|url| is_at(url, confirm.hosts.iter().map(String::as_str)));
    url.ok_or_else(|| refusal("the URL to confirm is not one of the hosts that the spec names"))
}

/// Whether a URL is `https`, at one of these hosts and the usual port, and holds no credentials. A label `*` stands for any one label.
pub(super) fn is_at<'h>(url: &Url, mut hosts: impl Iterator<Item = &'h str>) -> bool {
    let Some(Host::Domain(host)) = url.host() else { return false };
    url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && hosts.any(|pattern| {
            let (labels, wanted) = (host.split('.'), pattern.split('.'));
            labels.clone().count() == wanted.clone().count()
                && labels.zip(wanted).all(|(label, wanted)| match wanted {
                    "*" => !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                    wanted => label.eq_ignore_ascii_case(wanted),
                })
        })
}
