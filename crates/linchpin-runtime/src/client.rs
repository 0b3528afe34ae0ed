//! The HTTP clients, each built when first needed and then kept.

use std::{
    collections::VecDeque,
    error::Error as StdError,
    fmt, io, iter,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use linchpin::{Code, Error, Result, flow::BoxFuture};
use reqwest::{
    Certificate, Client, Identity, Proxy,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use sha2::{Digest, Sha256};

use crate::egress::{Internal, Reach, is_public};

/// One client for each way in which a request may go out.
///
/// TLS is most of a cold start, so that only the first `https` URL pays for it. Where hosts may turn out to be is settled by each
/// client's own resolver, so that what is connected to is what was looked at.
#[derive(Default)]
pub(crate) struct Clients {
    way: Way,
    shared: [OnceLock<Client>; 6],
    /// Those that show a certificate.
    identified: Mutex<Recent<Shown, Client>>,
}

/// What an operator says of the way out.
#[derive(Default)]
pub(crate) struct Way {
    /// Certificates that are trusted beside those of the system.
    pub(crate) roots: Vec<Certificate>,
    /// Where connectors' hosts may be beside public addresses.
    pub(crate) internal: Internal,
    /// Who looks names up; the system by default.
    pub(crate) resolver: Option<Arc<dyn Resolver>>,
    /// What everything but an operator's own base URL goes through, with the host of its URL.
    pub(crate) proxy: Option<(Proxy, String)>,
}

/// Looks up where hosts are. What it finds is judged before anything is connected to, and connected to as it was judged.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a host, in the order in which they are tried.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// Whose certificate a client shows, and where hosts may be.
type Shown = ([u8; 32], Reach);

/// How long a connection may take to come about, TLS included. A host that takes none is given up sooner than one that is slow to
/// answer, and even a write may then be sent again.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

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
    /// Clients that go an operator's way.
    pub(crate) fn new(way: Way) -> Clients {
        Clients { way, ..Clients::default() }
    }

    /// Where connectors' hosts may be beside public addresses.
    pub(crate) fn internal(&self) -> &Internal {
        &self.way.internal
    }

    /// The client for a URL's scheme and reach, and for whoever shows a certificate.
    pub(crate) fn get(
        &self,
        scheme: &str,
        reach: Reach,
        identity: Option<&ClientIdentity>,
    ) -> Result<Client> {
        let tls = scheme == "https";
        match identity {
            Some(identity) if tls => self.identified(reach, identity),
            _ => self.shared(tls, reach).cloned(),
        }
    }

    fn identified(&self, reach: Reach, identity: &ClientIdentity) -> Result<Client> {
        let shown = (identity.id, reach);
        let recent = || self.identified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = recent().get(&shown) {
            return Ok(client);
        }
        // Two threads may build one each; the later is kept.
        let client = self.way.build(true, reach, Some(identity))?;
        recent().put(shown, client.clone());
        Ok(client)
    }

    fn shared(&self, tls: bool, reach: Reach) -> Result<&Client> {
        let slot = &self.shared[reach as usize * 2 + usize::from(tls)];
        match slot.get() {
            Some(client) => Ok(client),
            // Two threads may build one each; the first is kept.
            None => self.way.build(tls, reach, None).map(|client| slot.get_or_init(|| client)),
        }
    }
}

impl Way {
    fn build(&self, tls: bool, reach: Reach, identity: Option<&ClientIdentity>) -> Result<Client> {
        // Somebody else's provider is as good: this fails only when there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A proxy of the environment would resolve names where nobody checks them.
        let mut builder = Client::builder().no_proxy().redirect(redirect::Policy::none()).referer(false);
        builder = builder.connect_timeout(CONNECT);
        if !tls {
            // Without certificates of the system nothing is read from disk.
            builder = builder.tls_certs_only([]);
        } else if !self.roots.is_empty() {
            builder = builder.tls_certs_merge(self.roots.iter().cloned());
        }
        if let Some(identity) = identity {
            builder = builder.identity(identity.identity.clone());
        }
        let proxy = self.proxy.as_ref().filter(|_| reach != Reach::Anywhere);
        if let Some((proxy, _)) = proxy {
            builder = builder.proxy(proxy.clone());
        }
        if reach != Reach::Anywhere || self.resolver.is_some() {
            builder = builder.dns_resolver(Arc::new(Lookup {
                resolver: self.resolver.clone(),
                proxy: proxy.map(|(_, host)| host.clone()),
                reach,
                internal: Arc::new(self.internal.clone()),
            }));
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
}

/// Looks names up, and passes on only the addresses that they may have.
struct Lookup {
    resolver: Option<Arc<dyn Resolver>>,
    /// The host of the proxy, which may be anywhere.
    proxy: Option<String>,
    reach: Reach,
    internal: Arc<Internal>,
}

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.resolver.as_ref().map(|resolver| resolver.resolve(name.as_str()));
        let free = self.reach == Reach::Anywhere || self.proxy.as_deref() == Some(name.as_str());
        let (reach, internal) = (self.reach, self.internal.clone());
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = match found {
                Some(found) => found.await?.into_iter().map(|address| SocketAddr::new(address, 0)).collect(),
                None => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            let any = !found.is_empty();
            let may = |address: IpAddr| {
                free || is_public(address) || (reach == Reach::Internal && internal.admits(name, address))
            };
            let good: Vec<SocketAddr> = found.into_iter().filter(|address| may(address.ip())).collect();
            if any && good.is_empty() {
                return Err(NotPublic(name.to_owned()).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
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
