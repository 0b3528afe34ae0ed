//! The HTTP clients, each built when first needed and then kept.

use std::{
    error::Error as StdError,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use linchpin::{Code, Error, Result};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

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
}

impl Clients {
    /// The client for a URL's scheme and passage.
    pub(crate) fn get(&self, scheme: &str, passage: Passage) -> Result<&Client> {
        let tls = scheme == "https";
        let slot = match (tls, passage.guarded) {
            (false, true) => &self.plain,
            (true, true) => &self.tls,
            (false, false) => &self.plain_with_leave,
            (true, false) => &self.tls_with_leave,
        };
        match slot.get() {
            Some(client) => Ok(client),
            // Two threads may build one each; the first is kept.
            None => build(tls, passage.guarded).map(|client| slot.get_or_init(|| client)),
        }
    }
}

fn build(tls: bool, guarded: bool) -> Result<Client> {
    // Somebody else's provider is as good: this fails only when there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A proxy of the environment would resolve names where nobody checks them.
    let mut builder = Client::builder().no_proxy().redirect(redirect::Policy::none()).referer(false);
    if !tls {
        // Without certificates of the system nothing is read from disk.
        builder = builder.tls_certs_only([]);
    }
    if guarded {
        builder = builder.dns_resolver(Arc::new(PublicOnly));
    }
    builder.build().map_err(|error| {
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
