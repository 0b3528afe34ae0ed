//! Hooks as the ingress knows them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use linchpin::{
    Actor, Code, Delivery, Error, Result, Secret,
    flow::BoxFuture,
    manifest::spec::{HookScope, SignatureKey, Template, TemplatePart},
    serde_json::{self, Value},
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::spec_of;
use crate::{
    host::Host,
    ingress::{Hooks, Receiver},
    recent::Recent,
    store::{self, Client, HookFilter, Stage},
    vault::{Kind, Place},
};

/// For how long a hook counts as it was last read: after so long at the most this process knows that another has turned it off. One
/// that refuses a delivery is read anew.
const FRESH: Duration = Duration::from_secs(2);

/// How long it is at least until a hook that refused something is read anew again: who sends nonsense shall not keep the store busy.
const REFUSED: Duration = Duration::from_millis(50);

/// So many hooks are remembered.
const REMEMBERED: usize = 20_000;

/// The hooks of a host's store, for an [`Ingress`](crate::ingress::Ingress).
pub struct StoredHooks {
    host: Host,
    recent: Recent<Name, Vec<Arc<Receiver>>>,
    /// Which hooks were read anew after a refusal, by their ids.
    refused: Recent<String, ()>,
}

/// By what a hook is looked up.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    Token([u8; 32]),
    App(String, String),
    Routed(String, String, String),
}

/// How often hooks were turned off, or had a key made, in this process: what was read before is read again.
#[derive(Debug, Default)]
pub(crate) struct Changes(AtomicU64);

impl Changes {
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Host {
    /// The hooks that are registered, for an [`Ingress`](crate::ingress::Ingress).
    pub fn stored_hooks(&self) -> StoredHooks {
        StoredHooks {
            host: self.clone(),
            recent: Recent::new(FRESH, REMEMBERED),
            refused: Recent::new(REFUSED, REMEMBERED),
        }
    }

    /// Keeps the keys with which a service signs what it delivers to an app, and turns the one URL of the app on. Gives the URL, for
    /// whoever sets the app up with the service; none where the public URL is not known, or each registration has a URL of its own.
    ///
    /// # Errors
    ///
    /// [`Code::HookUnknown`] when the spec has no such hook, or it has neither a URL nor keys of an app. [`Code::HookKeyMissing`]
    /// without a key where the service publishes none.
    pub async fn app_hook_on(&self, connector: &str, hook: &str, keys: &[Secret]) -> Result<Option<String>> {
        let spec = spec_of(self.0.connector(connector)?, hook)?;
        let signature = spec.signature.as_ref();
        let keyed = signature.is_some_and(|signature| signature.key == Some(SignatureKey::App));
        if !spec.is_app() && !keyed {
            let message = format!("each registration of the hook `{hook}` has a URL and a key of its own");
            return Err(Error::coded(Code::HookUnknown, message).hint("use `linchpin hook register`"));
        }
        if keyed && keys.iter().all(|key| key.expose().is_empty()) {
            let message = format!("nobody has said with which key `{connector}` signs what it delivers");
            return Err(Error::coded(Code::HookKeyMissing, message).hint(
                "take it from the app's settings at the service, and give it by `--signing-key FILE`",
            ));
        }
        let text: Vec<&str> = keys.iter().map(Secret::expose).collect();
        let text = Zeroizing::new(serde_json::to_vec(&text).map_err(|error| {
            Error::coded(Code::StoreFailed, format!("the keys cannot be written: {error}"))
        })?);
        let (method, place) = app_place(connector, hook);
        let secret = Some(self.vault().seal(&place, &text)?);
        let row = Client { connector: connector.to_owned(), method, id: "app".to_owned(), secret };
        self.store().client_put(row).await?;
        self.0.changes.note();
        Ok(self.event_url(connector, spec, "").filter(|_| spec.is_app()))
    }

    /// Whether the one URL of a connector is on: without it no registration of an app's hook gets anything.
    ///
    /// # Errors
    ///
    /// When the store or the vault fails.
    pub async fn app_hook_is_on(&self, connector: &str, hook: &str) -> Result<bool> {
        Ok(self.app_keys(connector, hook).await?.is_some())
    }

    /// The keys with which the service signs what it delivers to an app; none where its URL is not on.
    pub(super) async fn app_keys(&self, connector: &str, hook: &str) -> Result<Option<Vec<Secret>>> {
        let (method, place) = app_place(connector, hook);
        let Some(kept) = self.store().client(connector, &method).await? else { return Ok(None) };
        let Some(sealed) = &kept.secret else { return Ok(Some(Vec::new())) };
        let opened = self.vault().open(&place, sealed)?;
        let keys: Vec<String> = serde_json::from_slice(&opened).map_err(|_| {
            Error::coded(Code::SealBroken, format!("the keys of `{connector}.{hook}` are none"))
        })?;
        Ok(Some(keys.into_iter().map(Secret::new).collect()))
    }

    /// By what deliveries to the one URL of an app are told to be for a connection.
    pub(super) fn routing(&self, row: &store::Connection, hook: &str) -> Result<Option<String>> {
        let spec = spec_of(self.0.connector(&row.connector)?, hook)?;
        let HookScope::App { connection, .. } = &spec.scope else { return Ok(None) };
        let values = self.0.values(row)?;
        let value = |key: &str| match key {
            "account" => row.identity.as_ref().map(|account| account.id.clone()),
            key => values.get(key).map(|value| value.expose().to_owned()),
        };
        filled(connection, value).map(Some).ok_or_else(|| {
            let message = format!(
                "the connection `{}` lacks what deliveries of the hook `{hook}` are told apart by",
                row.name
            );
            Error::coded(Code::ConnectionInvalid, message)
                .actor(Actor::Owner)
                .hint("`linchpin auth ping` finds out whose account it is")
        })
    }
}

/// Where the keys of an app's hook are kept: among what the operator has agreed with the service.
fn app_place(connector: &str, hook: &str) -> (String, Place) {
    let method = format!("hook/{hook}");
    let id = format!("{connector}/{method}");
    (method, Place { kind: Kind::Client, id })
}

fn filled(template: &Template, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let part = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => Some(text.clone()),
        TemplatePart::Field(key) => value(key),
    };
    template.parts.iter().map(part).collect()
}

impl StoredHooks {
    /// What was read a moment ago, or what is read now.
    async fn look(
        &self,
        name: Name,
        read: impl Future<Output = Result<Vec<Arc<Receiver>>>>,
    ) -> Result<Vec<Arc<Receiver>>> {
        let changes = self.host.0.changes.count();
        if let Some(found) = self.recent.get(&name, changes) {
            return Ok(found);
        }
        let now = Instant::now();
        let found = read.await?;
        // Whoever guesses URLs finds nothing, and takes no memory.
        if found.is_empty() {
            self.recent.remove(&name);
        } else {
            self.recent.put(name, now, changes, found.clone());
        }
        Ok(found)
    }

    async fn by_token(&self, token: &str) -> Result<Vec<Arc<Receiver>>> {
        // A delivery may be here before the answer to the registration, and is signed with a key that only the two know.
        let live = self.host.hook_by_token(token).await?;
        live.map(|live| receiver(&live.connector, &live.hook, live.keys).map(Arc::new)).into_iter().collect()
    }

    async fn by_app(&self, connector: &str, hook: &str) -> Result<Vec<Arc<Receiver>>> {
        let Ok(known) = self.host.0.connector(connector) else { return Ok(Vec::new()) };
        if !spec_of(known, hook).is_ok_and(|spec| spec.is_app()) {
            return Ok(Vec::new());
        }
        let Some(keys) = self.host.app_keys(connector, hook).await? else { return Ok(Vec::new()) };
        let id = format!("{connector}/{hook}");
        Ok(vec![Arc::new(Receiver::new(known, hook, id, None, keys, Value::Null)?)])
    }

    async fn by_routing(&self, app: &Receiver, key: &str) -> Result<Vec<Arc<Receiver>>> {
        let which = HookFilter {
            connector: Some(app.connector.clone()),
            hook: Some(app.hook.clone()),
            routing: Some(key.to_owned()),
            ..HookFilter::default()
        };
        let connector = self.host.0.connector(&app.connector)?;
        let rows = self.host.hooks(which).await?;
        let rows = rows.into_iter().filter(|row| row.stage != Stage::Deregistering);
        rows.map(|row| receiver(connector, &row, Vec::new()).map(Arc::new)).collect()
    }

    /// What is kept now of a hook that was remembered. What is remembered of others may be as old.
    async fn anew(&self, hook: &Receiver) -> Result<Option<Arc<Receiver>>> {
        if self.refused.get(&hook.id, 0).is_some() {
            return Ok(None);
        }
        self.refused.put(hook.id.clone(), Instant::now(), 0, ());
        let found = match hook.connection {
            Some(_) => {
                let live = self.host.hook_live(&hook.id).await?;
                live.map(|live| receiver(&live.connector, &live.hook, live.keys).map(Arc::new)).transpose()?
            }
            None => self.by_app(&hook.connector, &hook.hook).await?.pop(),
        };
        if found.as_ref().is_some_and(|found| found.keys != hook.keys) {
            self.host.0.changes.note();
        }
        Ok(found)
    }

    /// Asks the connector's own code.
    async fn by_code(&self, hook: &Receiver, delivery: &Delivery) -> Result<()> {
        let Some(live) = self.host.hook_live(&hook.id).await? else {
            return Err(Error::coded(Code::ConnectionUnknown, "the hook is off"));
        };
        self.host.hook_verify(&live, delivery).await.map_err(|error| match error.who_must_act() {
            // What went wrong elsewhere may pass, and the service comes again.
            Actor::Service | Actor::Nobody | Actor::Operator => error,
            _ => Error::coded(Code::SignatureInvalid, error.message().to_owned()),
        })
    }
}

/// A hook that is kept as one that takes deliveries.
fn receiver(connector: &linchpin::Connector, row: &store::Hook, keys: Vec<Secret>) -> Result<Receiver> {
    let options = serde_json::from_str(&row.options).unwrap_or(Value::Null);
    Receiver::new(connector, &row.hook, &row.id, Some(row.connection.clone()), keys, options)
}

impl Hooks for StoredHooks {
    fn find<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        Box::pin(async move {
            let found = self.look(Name::Token(super::hash(token)), self.by_token(token)).await?;
            Ok(found.into_iter().next())
        })
    }

    fn app<'a>(&'a self, connector: &'a str, hook: &'a str) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        Box::pin(async move {
            let name = Name::App(connector.to_owned(), hook.to_owned());
            Ok(self.look(name, self.by_app(connector, hook)).await?.into_iter().next())
        })
    }

    fn routed<'a>(&'a self, app: &'a Receiver, key: &'a str) -> BoxFuture<'a, Result<Vec<Arc<Receiver>>>> {
        Box::pin(async move {
            let name = Name::Routed(app.connector.clone(), app.hook.clone(), key.to_owned());
            self.look(name, self.by_routing(app, key)).await
        })
    }

    fn again<'a>(&'a self, hook: &'a Receiver) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        Box::pin(self.anew(hook))
    }

    fn trusted<'a>(&'a self, hook: &'a Receiver, delivery: &'a Delivery) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.by_code(hook, delivery))
    }
}

impl fmt::Debug for StoredHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredHooks({} remembered)", self.recent.len())
    }
}
