//! The hooks that deliveries may be for.

use std::{fmt, sync::Arc};

use linchpin::{
    Code, Connector, Delivery, Error, Result, Secret, flow::BoxFuture, manifest::spec::Spec,
    serde_json::Value,
};
use linchpin_runtime::webhook::Guard;

use crate::hook::hash;

/// Knows the hooks that are on.
pub trait Hooks: Send + Sync + 'static {
    /// The hook whose event URL ends with this token; none for any other.
    fn find<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>>;

    /// The hook of a whole connector, whose one URL the operator gave to the service; none by default.
    fn app<'a>(&'a self, connector: &'a str, hook: &'a str) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        let _ = (connector, hook);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Of an app's hook, the hooks of connections that a routing key leads to; none by default.
    fn routed<'a>(&'a self, app: &'a Receiver, key: &'a str) -> BoxFuture<'a, Result<Vec<Arc<Receiver>>>> {
        let _ = (app, key);
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// A hook as it is kept now, where [`find`](Hooks::find) may have given it as it was a moment ago: its keys may have changed. None
    /// by default.
    fn again<'a>(&'a self, hook: &'a Receiver) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        let _ = hook;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether a delivery proves where it comes from, for a hook of which only the connector's code can tell; by default none does.
    fn trusted<'a>(&'a self, hook: &'a Receiver, delivery: &'a Delivery) -> BoxFuture<'a, Result<()>> {
        let _ = delivery;
        let message =
            format!("nothing here can tell whether deliveries of `{}` are to be trusted", hook.hook);
        Box::pin(std::future::ready(Err(Error::coded(Code::SignatureInvalid, message))))
    }
}

/// What a hook that is on takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accepts {
    /// Deliveries and handshakes.
    Everything,
    /// Handshakes only: it is being registered, and the service wants to know first whether somebody is there.
    Handshakes,
}

/// A hook that is on, ready to judge deliveries.
pub struct Receiver {
    /// The hook's id.
    pub id: String,
    /// The connector's key.
    pub connector: String,
    /// The connector's spec.
    pub spec: Arc<Spec>,
    /// The hook's key in it.
    pub hook: String,
    /// What judges its deliveries.
    pub guard: Guard,
    /// The keys with which deliveries may be signed.
    pub keys: Vec<Secret>,
    /// The id of the connection that deliveries are for; none for the hook of an app, whose deliveries are for many.
    pub connection: Option<String>,
    /// The options of its registration; `null` for none.
    pub options: Value,
    /// What it takes.
    pub accepts: Accepts,
}

impl Receiver {
    /// A hook of a connector that is on for a connection.
    ///
    /// # Errors
    ///
    /// When the connector has no such hook, or its spec cannot be read.
    pub fn new(
        connector: &Connector,
        hook: &str,
        id: impl Into<String>,
        connection: Option<String>,
        keys: Vec<Secret>,
        options: Value,
    ) -> Result<Receiver> {
        let spec = connector.shared_spec()?;
        let found = spec.hooks.iter().find(|known| known.key == hook).ok_or_else(|| {
            Error::new(format!("the spec of `{}` has no hook `{hook}`", connector.key()))
                .actor(linchpin::Actor::Author)
        })?;
        Ok(Receiver {
            id: id.into(),
            connector: connector.key().to_owned(),
            guard: Guard::new(found)?,
            hook: hook.to_owned(),
            keys,
            connection,
            options,
            accepts: Accepts::Everything,
            spec,
        })
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({}, {}.{})", self.id, self.connector, self.hook)
    }
}

/// Hooks that somebody else registered, each under a token.
#[derive(Debug, Default)]
pub struct FixedHooks(std::collections::HashMap<[u8; 32], Arc<Receiver>>);

impl FixedHooks {
    /// None.
    pub fn new() -> FixedHooks {
        FixedHooks::default()
    }

    /// A hook under a token; who knows it can deliver unsigned things to be refused, and no more.
    #[must_use]
    pub fn with(mut self, token: &str, hook: Receiver) -> FixedHooks {
        self.0.insert(hash(token), Arc::new(hook));
        self
    }
}

impl Hooks for FixedHooks {
    fn find<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        Box::pin(std::future::ready(Ok(self.0.get(&hash(token)).cloned())))
    }
}
