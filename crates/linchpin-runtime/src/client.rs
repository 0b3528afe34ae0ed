//! The HTTP clients, each built when first needed and then kept.

use std::{
    collections::VecDeque,
    error::Error as StdError,
    fmt, io, iter,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use linchpin::{Code, Error, Result};
use reqwest::{
    Certificate, Client, Identity,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use sha2::{Digest, Sha256};

use crate::egress::{Passage, is_public};

/// One client for each way in which a request may go out.
///
/// TLS is most of a cold start, so that only the first `https` URL pays for it. Addresses that an operator gave leave for are
/// reached through clients of their own, whose resolver refuses nothing; they are asked for one exact origin only.
#[derive(Default)]
pub(crate) struct Clients {
    plain: OnceLock<Client>,
    tls: OnceLock<Client>,
    plain_with_leave: OnceLock<Client>,
    tls_with_leave: OnceLock<Client>,
    /// Those that show a certificate.
    identified: Mutex<Recent<Shown, Client>>,
    /// Certificates that are trusted beside those of the system.
    roots: Vec<Certificate>,
}

/// Whose certificate a client shows, and whether its addresses are guarded.
type Shown = ([u8; 32], bool);

/// So many clients that show a certificate are kept: each has open connections of its own.
const IDENTIFIED: usize = 64;

/// What was used last, at the end; no more than [`IDENTIFIED`].
struct Recent<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Recent<K, V> {
        Recent(VecDeque::new())
    }
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    fn get(&mut self, key: &K) -> Option<V> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        let entry = self.0.remove(at)?;
        let value = entry.1.clone();
        self.0.push_back(entry);
        Some(value)
    }

    fn put(&mut self, key: K, value: V) {
        self.0.retain(|(known, _)| *known != key);
        if self.0.len() >= IDENTIFIED {
            self.0.pop_front();
        }
        self.0.push_back((key, value));
    }
}

/// The certificate that a connection shows, with its key.
#[derive(Clone)]
pub(crate) struct ClientIdentity {
    /// The digest of both, which tells identities apart.
    id: [u8; 32],
    identity: Identity,
}

impl ClientIdentity {
    /// Reads both in PEM. Nothing of them is in the error.
    pub(crate) fn read(certificate: &str, private_key: &str) -> Result<ClientIdentity> {
        // Copied out of a JSON file, a PEM has its line breaks as `\n`.
        let pem = format!("{certificate}\n{private_key}\n").replace("\\n", "\n");
        let identity = Identity::from_pem(pem.as_bytes()).map_err(|_| {
            Error::coded(
                Code::ConnectionInvalid,
                "the connection's client certificate or its private key is not in PEM",
            )
            .hint(
                "give the whole texts, from `-----BEGIN` to `-----END ..-----`; the key may have no password",
            )
        })?;
        Ok(ClientIdentity { id: Sha256::digest(pem.as_bytes()).into(), identity })
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity")
    }
}

impl Clients {
    /// Clients that trust these certificates beside those of the system.
    pub(crate) fn trusting(roots: Vec<Certificate>) -> Clients {
        Clients { roots, ..Clients::default() }
    }

    /// The client for a URL's scheme and passage, and for whoever shows a certificate.
    pub(crate) fn get(
        &self,
        scheme: &str,
        passage: Passage,
        identity: Option<&ClientIdentity>,
    ) -> Result<Client> {
        let tls = scheme == "https";
        match identity {
            Some(identity) if tls => self.identified(passage.guarded, identity),
            _ => self.shared(tls, passage).cloned(),
        }
    }

    fn identified(&self, guarded: bool, identity: &ClientIdentity) -> Result<Client> {
        let shown = (identity.id, guarded);
        let recent = || self.identified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = recent().get(&shown) {
            return Ok(client);
        }
        // Two threads may build one each; the later is kept.
        let client = build(true, guarded, &self.roots, Some(identity))?;
        recent().put(shown, client.clone());
        Ok(client)
    }

    fn shared(&self, tls: bool, passage: Passage) -> Result<&Client> {
        let slot = match (tls, passage.guarded) {
            (false, true) => &self.plain,
            (true, true) => &self.tls,
            (false, false) => &self.plain_with_leave,
            (true, false) => &self.tls_with_leave,
        };
        match slot.get() {
            Some(client) => Ok(client),
            // Two threads may build one each; the first is kept.
            None => build(tls, passage.guarded, &self.roots, None).map(|client| slot.get_or_init(|| client)),
        }
    }
}

fn build(
    tls: bool,
    guarded: bool,
    roots: &[Certificate],
    identity: Option<&ClientIdentity>,
) -> Result<Client> {
    // Somebody else's provider is as good: this fails only when there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A proxy of the environment would resolve names where nobody checks them.
    let mut builder = Client::builder().no_proxy().redirect(redirect::Policy::none()).referer(false);
    if !tls {
        // Without certificates of the system nothing is read from disk.
        builder = builder.tls_certs_only([]);
    } else if !roots.is_empty() {
        builder = builder.tls_certs_merge(roots.iter().cloned());
    }
    if let Some(identity) = identity {
        builder = builder.identity(identity.identity.clone());
    }
    if guarded {
        builder = builder.dns_resolver(Arc::new(PublicOnly));
    }
    builder.build().map_err(|error| {
        if identity.is_some() {
            let cause = deepest(&error);
            let message =
                format!("the connection's client certificate cannot be shown with its key: {cause}");
            return Error::coded(Code::ConnectionInvalid, message);
        }
        Error::coded(Code::Unreachable, format!("the HTTP client cannot be set up: {}", deepest(&error)))
            .actor(linchpin::Actor::Operator)
    })
}

/// Resolves names to public addresses.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let any = !found.is_empty();
            let public: Vec<SocketAddr> =
                found.into_iter().filter(|address| is_public(address.ip())).collect();
            if any && public.is_empty() {
                return Err(NotPublic(name.as_str().to_owned()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// A name has no public address.
#[derive(Debug)]
pub(crate) struct NotPublic(pub(crate) String);

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no public address", self.0)
    }
}

impl StdError for NotPublic {}

/// The error at the bottom, which is the one that says what happened.
pub(crate) fn deepest<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// The error for an answer that is not HTTP, or whose head is larger than is read of one; none where the exchange broke off.
///
/// Such an answer is not asked for again: whoever speaks so once will do it again, and a write may have been carried out.
pub(crate) fn garbled(place: &str, error: &reqwest::Error) -> Option<Error> {
    let cause = deepest(error);
    let head = iter::successors(error.source(), |error| (*error).source())
        .find_map(|error| error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse()));
    // hyper has no other way to say that chunks are none. TLS uses the same kinds for what somebody has changed on the way.
    let chunks = cause.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
            && !error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
    });
    let (code, message) = match head.map(ToString::to_string) {
        // hyper's own limits: a client's setting would hold for all connectors, and cost each answer an allocation.
        Some(problem) if problem == "message head is too large" => (
            Code::ResponseTooLarge,
            format!(
                "the head of the answer from `{place}` is larger than is read of one: 100 headers and 400 KiB"
            ),
        ),
        Some(problem) => {
            (Code::ResponseMalformed, format!("the answer from `{place}` is not HTTP: {problem}"))
        }
        None if chunks && !error.is_connect() => {
            (Code::ResponseMalformed, format!("the answer from `{place}` is not HTTP: {cause}"))
        }
        None => return None,
    };
    let hint = "look what answers there, and whether a proxy stands between; the service may have done what it was asked";
    Some(Error::coded(code, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::{IDENTIFIED, Recent};

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut recent = Recent::default();
        for key in 0..IDENTIFIED {
            recent.put(key, key);
        }
        assert_eq!(recent.get(&0), Some(0));
        recent.put(IDENTIFIED, IDENTIFIED);
        recent.put(IDENTIFIED, IDENTIFIED);
        assert_eq!(recent.0.len(), IDENTIFIED);
        assert_eq!((recent.get(&0), recent.get(&1), recent.get(&2)), (Some(0), None, Some(2)));
    }
}
