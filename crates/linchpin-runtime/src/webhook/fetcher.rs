//! What has to be fetched for a judgement: published keys and certificates, and URLs that confirm.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::BytesMut;
use linchpin::{Actor, Code, DateTime, Error, Result};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use url::Url;

use super::{refusal, token::KeySet};
use crate::{
    coding,
    egress::{Allowed, Origin, Reach},
    runtime::Runtime,
};

/// How long one request may take. Whoever delivers waits meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer, in bytes: key sets have a few kilobytes.
const LARGEST: usize = 256 << 10;

/// So many things of a kind are kept.
const KEPT: usize = 64;

/// How long nothing is asked for again: what could not be had, and a key set for a key that it lacks.
const PAUSE: Duration = Duration::from_secs(60);

/// How long a key set is good.
const FRESH: Duration = Duration::from_secs(3600);

/// How long one is good that cannot be had anew.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// So many requests for certificates go in a minute: which ones is for the sender to say, whoever that is.
const CERTIFICATES: u32 = 30;

/// Fetches published keys and certificates, and keeps them. Cheap to clone; one for a process is right.
///
/// It goes the runtime's way out, to public addresses, follows no redirect, reads 256 KiB at the most, and waits five seconds. Key sets
/// are asked for again after an hour, kept for a day where they cannot be had, and asked for at once for a key that they lack, but not twice in a minute.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    /// Where everything is fetched from in place of where it is.
    base: Option<Origin>,
    certificates: Kept<Vec<u8>>,
    keys: Kept<KeySet>,
    /// How many certificates were asked for since when.
    spent: Mutex<(Option<DateTime>, u32)>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    /// One that goes a runtime's way out.
    pub fn new(runtime: &Runtime) -> Fetcher {
        Fetcher::with_base(runtime, None)
    }

    /// One for which an operator's mock stands for every service: only the path and query of a URL count.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionInvalid`] when the base URL is none.
    pub fn at(runtime: &Runtime, base_url: &str) -> Result<Fetcher> {
        let base = Url::parse(base_url).ok().and_then(|url| Origin::of(&url));
        let base = base.ok_or_else(|| {
            let message = format!("`{base_url}` is not an http or https URL");
            Error::coded(Code::ConnectionInvalid, message).actor(Actor::Operator)
        })?;
        Ok(Fetcher::with_base(runtime, Some(base)))
    }

    fn with_base(runtime: &Runtime, base: Option<Origin>) -> Fetcher {
        Fetcher(Arc::new(Inner {
            runtime: runtime.clone(),
            base,
            certificates: Kept::default(),
            keys: Kept::default(),
            spent: Mutex::default(),
        }))
    }

    /// Asks for the URL of a [`Reply`](super::Reply), by which a handshake is completed. Its host was judged with the handshake.
    ///
    /// # Errors
    ///
    /// [`Code::HostRefused`] when it is not at a public address, [`Code::Unreachable`] and [`Code::ServiceFailed`] when the service does
    /// not answer, or not that all is well.
    pub async fn confirm(&self, url: &Url) -> Result<()> {
        self.get(url, Reach::Public).await.map(drop)
    }

    /// The RSA key of a certificate of SNS, in DER as PKCS#1 has it.
    pub(super) async fn certificate(&self, url: &Url, now: DateTime) -> Result<Arc<Vec<u8>>> {
        let fetch = async {
            self.spend(now)?;
            let pem = self.get(url, Reach::Public).await?;
            let der = CertificateDer::from_pem_slice(&pem).ok();
            let key = der.and_then(|der| {
                let certificate = webpki::EndEntityCert::try_from(&der).ok()?;
                rsa_key(&certificate.subject_public_key_info()).map(<[u8]>::to_vec)
            });
            key.ok_or_else(|| refusal("what the message names as its certificate is none with an RSA key"))
        };
        self.0.certificates.get(url.as_str(), now, |_, _| true, Duration::MAX, fetch).await
    }

    /// The key set at a URL, asked for again when it lacks the key of this id.
    pub(super) async fn keys(&self, url: &str, id: Option<&str>, now: DateTime) -> Result<Arc<KeySet>> {
        let fetch = async {
            let parsed = Url::parse(url)
                .map_err(|_| Error::coded(Code::HostRefused, "the spec's `jwks_url` is no URL"))?;
            let text = self.get(&parsed, Reach::Internal).await?;
            KeySet::read(&text).ok_or_else(|| {
                Error::coded(Code::ResponseMalformed, "what the service publishes as its keys is no key set")
            })
        };
        let good = |keys: &KeySet, age: Duration| keys.has(id) && age < FRESH;
        self.0.keys.get(url, now, good, STALE, fetch).await
    }

    /// Takes one of the requests that the senders of messages may cause.
    fn spend(&self, now: DateTime) -> Result<()> {
        let mut spent = self.0.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0.is_none_or(|since| since_then(since, now) >= PAUSE) {
            *spent = (Some(now), 0);
        }
        spent.1 += 1;
        match spent.1 {
            0..=CERTIFICATES => Ok(()),
            _ => {
                Err(Error::coded(Code::Unreachable, "too many messages name certificates that are not known")
                    .retry_after(PAUSE))
            }
        }
    }

    async fn get(&self, url: &Url, reach: Reach) -> Result<BytesMut> {
        let inner = &self.0;
        let clients = inner.runtime.clients();
        let (url, reach) = match &inner.base {
            Some(base) => (base.rebase(url.clone())?, Reach::Anywhere),
            None => {
                let base = Origin::of(url).ok_or_else(|| {
                    Error::coded(Code::HostRefused, "what is to be fetched has no http URL")
                })?;
                // A URL of the spec is at its own host; one that a service names opens nothing inside.
                let own = Allowed { base, hosts: Vec::new(), leave: false };
                let passage = match reach {
                    Reach::Internal => own.request(url, clients.internal())?.reach,
                    _ => own.anywhere(url, &Default::default())?.reach,
                };
                (url.clone(), passage)
            }
        };
        let place = url.origin().ascii_serialization();
        let client = clients.get(url.scheme(), reach, None)?;
        let mut request = reqwest::Request::new(reqwest::Method::GET, url);
        coding::ask_plain(request.headers_mut());
        let exchange = async {
            let answer = client.execute(request).await;
            let mut answer = answer.map_err(|error| crate::session::unreachable(&place, &error))?;
            if !answer.status().is_success() {
                let message = format!("`{place}` answered {} to what a delivery needs", answer.status());
                return Err(Error::coded(Code::ServiceFailed, message).status(answer.status().as_u16()));
            }
            let mut body = BytesMut::new();
            while let Some(chunk) =
                answer.chunk().await.map_err(|error| crate::session::unreachable(&place, &error))?
            {
                if body.len() + chunk.len() > LARGEST {
                    let message = format!("the answer of `{place}` is larger than 256 KiB");
                    return Err(Error::coded(Code::ResponseTooLarge, message));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| {
            let message = format!("`{place}` did not answer within {}", crate::session::seconds(TIMEOUT));
            Err(Error::coded(Code::Unreachable, message))
        })
    }
}

/// What was fetched, by its URL.
struct Kept<T> {
    /// What was used last, at the end.
    values: Mutex<VecDeque<(String, Arc<T>, DateTime)>>,
    /// When what was asked for in vain, or lacked something.
    tried: Mutex<VecDeque<(String, DateTime)>>,
    /// Who asks for what: the others wait.
    flights: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept { values: Mutex::default(), tried: Mutex::default(), flights: Mutex::default() }
    }
}

impl<T> Kept<T> {
    /// What is kept and good, or else what is fetched; what is kept and not too old where nothing can be fetched now.
    async fn get(
        &self,
        url: &str,
        now: DateTime,
        good: impl Fn(&T, Duration) -> bool,
        stale: Duration,
        fetch: impl Future<Output = Result<T>>,
    ) -> Result<Arc<T>> {
        let known = |known: &Option<(Arc<T>, DateTime)>| {
            known
                .as_ref()
                .filter(|(value, at)| good(value, since_then(*at, now)))
                .map(|(value, _)| value.clone())
        };
        if let Some(value) = known(&self.find(url)) {
            return Ok(value);
        }
        let flight = self.flight(url);
        let _turn = flight.lock().await;
        let found = self.find(url);
        if let Some(value) = known(&found) {
            return Ok(value);
        }
        let old = found.filter(|(_, at)| since_then(*at, now) < stale).map(|(value, _)| value);
        if self.was_tried(url, now) {
            return old.ok_or_else(|| {
                let message = "what the delivery is checked by could not be fetched a moment ago";
                Error::coded(Code::Unreachable, message).retry_after(PAUSE)
            });
        }
        // Who hangs up while something is fetched for the first time keeps nobody else from having it.
        if old.is_some() {
            self.note(url, now);
        }
        let fetched = fetch.await;
        self.note(url, now);
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                self.keep(url, value.clone(), now);
                Ok(value)
            }
            Err(error) => old.ok_or(error),
        }
    }

    fn find(&self, url: &str) -> Option<(Arc<T>, DateTime)> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let at = values.iter().position(|(known, _, _)| known == url)?;
        let entry = values.remove(at)?;
        let found = (entry.1.clone(), entry.2);
        values.push_back(entry);
        Some(found)
    }

    fn keep(&self, url: &str, value: Arc<T>, now: DateTime) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.retain(|(known, _, _)| known != url);
        if values.len() >= KEPT {
            values.pop_front();
        }
        values.push_back((url.to_owned(), value, now));
    }

    fn was_tried(&self, url: &str, now: DateTime) -> bool {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.iter().any(|(known, at)| known == url && since_then(*at, now) < PAUSE)
    }

    fn note(&self, url: &str, now: DateTime) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.retain(|(known, at)| known != url && since_then(*at, now) < PAUSE);
        if tried.len() >= KEPT {
            tried.pop_front();
        }
        tried.push_back((url.to_owned(), now));
    }

    fn flight(&self, url: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(url).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Arc::default();
        flights.insert(url.to_owned(), Arc::downgrade(&flight));
        flight
    }
}

/// How long ago something was.
fn since_then(then: DateTime, now: DateTime) -> Duration {
    then.until(now)
}

/// The RSA key in a certificate's `SubjectPublicKeyInfo` (RFC 5280 §4.1, RFC 3279 §2.3.1).
fn rsa_key(info: &[u8]) -> Option<&[u8]> {
    const RSA: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let (algorithm, rest) = der(0x30, der(0x30, info)?.0)?;
    let (bits, _) = der(0x03, rest)?;
    // No bit is left over.
    let key = bits.strip_prefix(&[0])?;
    (algorithm == RSA).then_some(key)
}

/// The content of a DER value with this tag, and what follows it (X.690 §8.1).
fn der(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first().filter(|_| first == tag)?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
