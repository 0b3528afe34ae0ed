//! Events as signed requests to a URL.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use linchpin::{
    Actor, Code, Error, Result, Secret,
    flow::BoxFuture,
    http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE},
};
use linchpin_runtime::{Clock, Runtime};
use sha2::Sha256;

use super::Sink;
use crate::event::Event;

/// How long the other side may take; Standard Webhooks recommends 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Posts each event to a URL, signed as [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
/// says: `webhook-id`, `webhook-timestamp` and `webhook-signature`. An answer of 2xx takes the event.
pub struct Forward {
    runtime: Runtime,
    clock: Arc<dyn Clock>,
    url: String,
    keys: Vec<Vec<u8>>,
}

impl Forward {
    /// To a URL, signed under each of these keys: several while one takes the place of another. A key is `whsec_` and base64, as the
    /// standard has it, or any other text.
    ///
    /// # Errors
    ///
    /// [`Code::SinkFailed`] when the URL is not of HTTP, or a key is shorter than 24 bytes.
    pub fn new(runtime: Runtime, clock: Arc<dyn Clock>, url: &str, keys: &[Secret]) -> Result<Forward> {
        let refuse = |message: &'static str| Error::coded(Code::SinkFailed, message).actor(Actor::Operator);
        let (scheme, _) = url.split_once("://").unwrap_or_default();
        if !matches!(scheme, "http" | "https") {
            return Err(refuse(
                "events can be forwarded to URLs that begin with `https://` or `http://` only",
            ));
        }
        let keys: Vec<Vec<u8>> = keys.iter().map(key).collect();
        if keys.is_empty() || keys.iter().any(|key| key.len() < 24) {
            return Err(refuse("a key that signs events must have 24 bytes at least")
                .hint("`openssl rand -base64 32` makes one; put `whsec_` before it"));
        }
        Ok(Forward { runtime, clock, url: url.to_owned(), keys })
    }

    /// The headers of an event: who it is, when it was sent, and that it is ours.
    fn headers(&self, id: &str, seconds: i64, body: &str) -> Result<HeaderMap> {
        let signed = format!("{id}.{seconds}.{body}");
        let signatures = self.keys.iter().map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key)
                .map_err(|_| Error::coded(Code::SinkFailed, "the key cannot be used for signing"))?;
            mac.update(signed.as_bytes());
            Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        });
        let signatures = signatures.collect::<Result<Vec<String>>>()?.join(" ");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let ours = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signatures),
        ];
        for (name, value) in ours {
            let value = HeaderValue::try_from(value)
                .map_err(|_| Error::coded(Code::SinkFailed, "the event's id cannot stand in a header"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(headers)
    }

    async fn post(&self, event: &Event) -> Result<()> {
        let (now, body) = (self.clock.now(), event.to_json()?);
        let headers = self.headers(&event.id, now.unix_millis().div_euclid(1000), &body)?;
        let posted = self.runtime.post(&self.url, headers, body.into(), TIMEOUT, now).await?;
        if (200..300).contains(&posted.status) {
            return Ok(());
        }
        let message = format!("the URL that events are forwarded to answered {}", posted.status);
        let error = Error::coded(Code::SinkFailed, message).status(posted.status);
        Err(match posted.retry_after {
            Some(wait) => error.retry_after(wait),
            None => error,
        })
    }
}

fn key(secret: &Secret) -> Vec<u8> {
    let text = secret.expose();
    let decoded = text.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

impl Sink for Forward {
    fn take<'a>(&'a self, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.post(event))
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

#[cfg(test)]
mod tests {
    use linchpin_runtime::SystemClock;

    use super::*;

    /// The example of the standard's own libraries.
    #[test]
    fn an_event_is_signed_as_the_standard_says() {
        let key = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let sink =
            Forward::new(Runtime::new(), Arc::new(SystemClock), "https://app.example/in", &[key]).unwrap();
        let body = r#"{"test": 2432232314}"#;
        let headers = sink.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
    }

    #[test]
    fn short_keys_and_other_urls_are_refused() {
        let new = |url: &str, key: &str| {
            Forward::new(Runtime::new(), Arc::new(SystemClock), url, &[Secret::new(key)]).map(drop)
        };
        let long = "a key that is long enough by far";
        assert!(new("https://app.example/in", long).is_ok());
        assert!(new("ftp://app.example/in", long).is_err());
        assert!(new("app.example", long).is_err());
        assert!(new("https://app.example/in", "short").is_err());
    }
}
