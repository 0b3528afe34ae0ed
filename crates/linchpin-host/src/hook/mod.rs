//! The life of registered webhooks.
//!
//! A hook stands in the store before its service hears of it, so that whatever comes of that has somewhere to go. Whoever works on
//! one claims it, and says in the store what it is about to ask for before it asks: whoever comes after a crash goes on from there.

mod route;
mod secrets;
mod work;

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use linchpin::{
    Actor, Code, Connector, Delivery, Error, Result, Secret,
    flow::{FlowDescriptor, FlowKind, KindInfo, Slot},
    manifest::spec::{self, SignatureKey},
};
use linchpin_runtime::{Connection, Invocation, webhook};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

pub(crate) use self::route::Changes;
pub use self::route::StoredHooks;
use self::{
    secrets::{Asked, Secrets},
    work::{HOLD, Halt, Task, Work},
};
use crate::{
    host::{Host, Notice, NoticeKind, new_id},
    ping::later,
    store::{self, Hook, HookFilter, Stage, State},
};

/// So many hooks are looked after at a time.
const BATCH: usize = 16;

/// How long a flow may take to verify a delivery: whoever delivers waits for it.
const VERIFIED: Duration = Duration::from_secs(5);

/// The path of event URLs under the public URL, before the token.
const PATH: &str = "/in/";

/// A hook that somebody wants to have.
#[derive(Debug, Clone, Default)]
pub struct NewHook {
    /// The tenant of the connection.
    pub tenant: String,
    /// The name of the connection.
    pub connection: String,
    /// The key of the hook in the spec.
    pub hook: String,
    /// The options of its registration, as the text of a JSON object; `{}` for none.
    pub options: String,
}

/// What became of a hook.
#[derive(Debug)]
pub struct Attended {
    /// It as it is kept now; none when it is gone.
    pub hook: Option<Hook>,
    /// What the service had against it; it is tried again.
    pub outcome: Result<()>,
}

/// A hook that deliveries come for.
#[derive(Clone)]
pub struct LiveHook {
    /// It as it is kept.
    pub hook: Hook,
    /// Its connector.
    pub connector: Connector,
    /// The URL that services deliver to.
    pub url: String,
    /// The part of it behind the public URL.
    pub path: String,
    /// The keys that a delivery may be signed with now, the current one first. None where the service publishes them.
    pub keys: Vec<Secret>,
}

impl LiveHook {
    /// How its deliveries are trusted.
    ///
    /// # Errors
    ///
    /// [`Code::HookUnknown`] when the spec has it no more.
    pub fn spec(&self) -> Result<&spec::Hook> {
        spec_of(&self.connector, &self.hook.hook)
    }
}

impl fmt::Debug for LiveHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its URL is a secret.
        write!(f, "LiveHook({} of {})", self.hook.id, self.connector.key())
    }
}

impl Host {
    /// Has a service deliver to a new URL, for as long as the hook is there.
    ///
    /// The hook stands in the store, with its token and key, before the service is asked: so a handshake is answered and a delivery
    /// that is signed is taken before the service's answer is here. When the answer is lost, what was registered is looked for.
    ///
    /// # Errors
    ///
    /// Whatever the service says against it: the hook is off then, and nothing of it is left, or what may be left is taken back
    /// later. [`Code::HookUnknown`], [`Code::OptionsInvalid`], [`Code::PublicUrlMissing`] and [`Code::HookKeyMissing`] before anything is
    /// asked.
    pub async fn hook_register(&self, new: NewHook) -> Result<Hook> {
        let connection = self.connection(&new.tenant, &new.connection).await?;
        let row = self.kept(&new.tenant, &new.connection).await?;
        let connector = connection.connector();
        let spec = spec_of(connector, &new.hook)?;
        let flow = flow(connector, FlowKind::WebhookRegister, &new.hook);
        if let Some(taking) = options_flow(connector, &new.hook) {
            Invocation::new(&connection, taking).options(&*new.options).validate()?;
        }
        let routing = self.routing(&row, &new.hook)?;
        let (token, id, now) = (token()?, new_id()?, self.0.now());
        // Of an app's hook the service was told before, by whoever set the app up; unless it is told by a flow.
        let told = flow.is_some_and(|flow| flow.takes(Slot::EventUrl));
        let url = self.event_url(connector.key(), spec, &token);
        let url = url.or((spec.is_app() && !told).then(String::new));
        let Some(url) = url else {
            return Err(Error::coded(
                Code::PublicUrlMissing,
                "nobody has said at which URL services reach this installation",
            )
            .hint("give `--public-url https://..`"));
        };
        if flow.is_some_and(|flow| flow.takes(Slot::SigningSecret)) && !is_made_here(spec) {
            self.given_key(connector.key(), &row.id, spec).await?;
        }
        let mut secrets = Secrets { url, token: token.clone(), ..Secrets::default() };
        if flow.is_some() {
            if is_made_here(spec) {
                secrets.next_key = Some(webhook::signing_secret()?.expose().to_owned());
            }
            secrets.asked = Some(Asked { run: new_id()?, at: now });
        }
        let hook = Hook {
            sealed: secrets.seal(self.vault(), &id)?,
            id,
            tenant: row.tenant,
            connection: row.id,
            connector: row.connector,
            hook: new.hook,
            options: new.options,
            token_hash: hash(&token),
            routing,
            stage: Stage::Registering,
            since: now,
            created: now,
            expires: None,
            next: Some(now),
            held: Some(later(now, HOLD)),
            seen: None,
            attempts: 0,
            problem: None,
            version: 1,
        };
        if !self.store().hook_add(hook.clone()).await? {
            let message = format!("the connection `{}` is being taken away", new.connection);
            return Err(Error::coded(Code::ConnectionUnknown, message));
        }
        if spec.is_app() {
            // Who shares a routing key with others is among them from now on.
            self.0.changes.note();
        }
        let mut work = Work::new(self, connection, hook)?;
        let standing = |hook: Option<Hook>| match hook {
            Some(hook) if hook.stage != Stage::Deregistering => Ok(hook),
            _ => Err(Error::coded(Code::HookUnknown, "the hook was taken away while it was registered")),
        };
        let problem = match work.enroll().await {
            Ok(()) => None,
            Err(Halt::Failed(error)) => {
                self.store().hook_off(&work.row.id, self.0.now()).await?;
                work.row.stage = Stage::Deregistering;
                Some(error)
            }
            // Another process has gone on with it.
            Err(_) => return standing(self.store().hook(&work.row.id).await?),
        };
        let ended = match work.row.stage {
            Stage::Deregistering => work.deregister().await,
            _ => Ok(()),
        };
        let (kept, _) = work.note(ended).await?;
        match (problem, kept) {
            // The connector knows better what is left, where it says something.
            (Some(error), Some(_)) if error.details().hint.is_none() => Err(error
                .hint("the service may have registered it; what it has is taken back as soon as it can be")),
            (Some(error), _) => Err(error),
            (None, kept) => standing(kept),
        }
    }

    /// Turns a hook off at once, and has its service lose it. What the service does not do is tried again by the worker.
    ///
    /// # Errors
    ///
    /// [`Code::HookUnknown`], and when the store fails; what the service says is in [`Attended::outcome`].
    pub async fn hook_deregister(&self, id: &str) -> Result<Attended> {
        let off = self.store().hook_off(id, self.0.now()).await;
        self.0.changes.note();
        if !off? {
            return Err(unknown(id));
        }
        match self.claim(id).await {
            Ok(hook) => self.attend(hook, Task::Reconcile).await,
            // Whoever has it sees that it is off.
            Err(error) if error.code() == Code::HookBusy => {
                Ok(Attended { hook: self.store().hook(id).await?, outcome: Ok(()) })
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the service how a hook is, and mends what is wrong with it.
    ///
    /// # Errors
    ///
    /// [`Code::HookUnknown`], [`Code::HookBusy`], and when the store fails; what the service says is in [`Attended::outcome`].
    pub async fn hook_check(&self, id: &str) -> Result<Attended> {
        let hook = self.claim(id).await?;
        self.attend(hook, Task::Reconcile).await
    }

    /// Renews a hook now; with a new signing key where it is rotated, beside which the old one counts for another day.
    ///
    /// # Errors
    ///
    /// As [`hook_check`](Host::hook_check).
    pub async fn hook_renew(&self, id: &str, rotate: bool) -> Result<Attended> {
        let hook = self.claim(id).await?;
        self.attend(hook, Task::Renew { rotate }).await
    }

    /// Hooks as they are kept, the oldest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn hooks(&self, which: HookFilter) -> Result<Vec<Hook>> {
        self.store().hooks(which).await
    }

    /// The hook that deliveries to a URL with this token are for; `None` when there is none, or it is off.
    ///
    /// # Errors
    ///
    /// When the store or the vault fails.
    pub async fn hook_by_token(&self, token: &str) -> Result<Option<LiveHook>> {
        let Some(hook) = self.store().hook_by_token(hash(token)).await? else { return Ok(None) };
        let live = self.live(hook).await?;
        // What is for an app's hook comes to the one URL of the app.
        Ok(live.filter(|live| live.spec().is_ok_and(|spec| !spec.is_app())))
    }

    /// The hook of an id, as deliveries come for it; `None` when there is none, or it is off.
    ///
    /// # Errors
    ///
    /// When the store or the vault fails.
    pub async fn hook_live(&self, id: &str) -> Result<Option<LiveHook>> {
        match self.store().hook(id).await? {
            Some(hook) => self.live(hook).await,
            None => Ok(None),
        }
    }

    async fn live(&self, hook: Hook) -> Result<Option<LiveHook>> {
        if hook.stage == Stage::Deregistering {
            return Ok(None);
        }
        let connector = self.0.connector(&hook.connector)?.clone();
        let secrets = Secrets::open(self.vault(), &hook)?;
        let spec = spec_of(&connector, &hook.hook)?;
        let keys = match spec.signature.as_ref().and_then(|signature| signature.key.as_ref()) {
            Some(SignatureKey::Field(field)) => {
                let Some(row) = self.store().connection(&hook.connection).await? else { return Ok(None) };
                self.0.values(&row)?.get(field).cloned().into_iter().collect()
            }
            Some(SignatureKey::App) => self.app_keys(connector.key(), &hook.hook).await?.unwrap_or_default(),
            _ => secrets.valid(self.0.now()).map(Secret::new).collect(),
        };
        let url = self.event_url(connector.key(), spec, &secrets.token).unwrap_or(secrets.url);
        let path = event_path(connector.key(), spec, &secrets.token);
        Ok(Some(LiveHook { hook, connector, url, path, keys }))
    }

    /// Asks the connector's `#[webhook(verify)]` whether a delivery comes from the service, under each key that it may be signed with.
    ///
    /// # Errors
    ///
    /// [`Code::NotCarriedOut`] when the connector has no such flow, and what the flow says against the delivery under the last key.
    pub async fn hook_verify(&self, live: &LiveHook, delivery: &Delivery) -> Result<()> {
        let Some(flow) = flow(&live.connector, FlowKind::WebhookVerify, &live.hook.hook) else {
            let message = format!("nothing of `{}` verifies deliveries", live.connector.key());
            return Err(Error::coded(Code::NotCarriedOut, message));
        };
        let Some(row) = self.store().connection(&live.hook.connection).await? else {
            return Err(unknown(&live.hook.id));
        };
        let connection = self.ready(&row).await?;
        let takes_options = flow.shape_of(Slot::Options).is_some();
        let mut refused = None;
        // A flow that takes no key is asked once.
        let keys = live.keys.iter().map(Some).chain(live.keys.is_empty().then_some(None));
        for key in keys {
            let mut call = Invocation::new(&connection, flow).delivery(delivery.clone()).deadline(VERIFIED);
            if let Some(key) = key {
                call = call.signing_secret(key.clone());
            }
            if takes_options {
                call = call.options(live.hook.options.clone());
            }
            match self.runtime().run(call).await {
                Ok(_) => return Ok(()),
                Err(failed) => refused = Some(failed.error),
            }
        }
        Err(refused.unwrap_or_else(|| Error::coded(Code::SignatureInvalid, "there is no key to verify with")))
    }

    /// The key of a hook whose registrations have none of their own: the newest of the operator's, or the connection's.
    async fn given_key(&self, connector: &str, connection: &str, spec: &spec::Hook) -> Result<Secret> {
        let key = match spec.signature.as_ref().and_then(|signature| signature.key.as_ref()) {
            Some(SignatureKey::App) => {
                self.app_keys(connector, &spec.key).await?.unwrap_or_default().into_iter().next()
            }
            Some(SignatureKey::Field(field)) => {
                let row = self.store().connection(connection).await?;
                let values = row.map(|row| self.0.values(&row)).transpose()?;
                values.and_then(|values| values.get(field).cloned())
            }
            _ => None,
        };
        key.ok_or_else(|| {
            let message = format!("there is no key with which `{connector}` could sign what it delivers");
            Error::coded(Code::HookKeyMissing, message).hint("`linchpin hook app` keeps that of an app")
        })
    }

    /// The URL that services deliver to, by its token or of the whole app; `None` where the public URL is not known.
    fn event_url(&self, connector: &str, spec: &spec::Hook, token: &str) -> Option<String> {
        Some(format!("{}{}", self.0.public_url.as_ref()?, event_path(connector, spec, token)))
    }

    async fn claim(&self, id: &str) -> Result<Hook> {
        let now = self.0.now();
        if let Some(hook) = self.store().hook_claim(id, now, later(now, HOLD)).await? {
            return Ok(hook);
        }
        match self.store().hook(id).await? {
            Some(_) => {
                Err(Error::coded(Code::HookBusy, format!("somebody else is at work on the hook `{id}`")))
            }
            None => Err(unknown(id)),
        }
    }

    /// Looks after a hook that was claimed.
    async fn attend(&self, hook: Hook, task: Task) -> Result<Attended> {
        let row = self.store().connection(&hook.connection).await?;
        let Some(row) = row.filter(|row| row.state != State::Revoked) else {
            return self.leave(hook).await;
        };
        let connection = match self.ready(&row).await {
            Ok(connection) => connection,
            Err(error) => return self.put_off(hook, error).await,
        };
        match Work::new(self, connection, hook.clone()) {
            Ok(work) => {
                let (hook, outcome) = work.attend(task).await?;
                Ok(Attended { hook, outcome })
            }
            Err(error) => self.put_off(hook, error).await,
        }
    }

    /// Leaves a hook to the revocation of its connection, and takes away one that has neither.
    async fn leave(&self, mut hook: Hook) -> Result<Attended> {
        self.store().hooks_off(&hook.connection, self.0.now()).await?;
        let there = self.store().connection(&hook.connection).await?.is_some();
        let revoked =
            there || self.store().revocations().await?.iter().any(|left| left.connection == hook.connection);
        if !revoked {
            let reason = "its connection is gone, without which it cannot be taken back";
            tell(self, &hook, NoticeKind::HookLeft, reason).await;
            self.store().hook_remove(&hook.id, hook.version).await?;
            return Ok(Attended { hook: None, outcome: Ok(()) });
        }
        (hook.stage, hook.held, hook.next) = (Stage::Deregistering, None, None);
        Ok(Attended { hook: self.store().hook_put(hook).await?, outcome: Ok(()) })
    }

    /// Lets a hook go that cannot be worked on, for a time.
    async fn put_off(&self, mut hook: Hook, error: Error) -> Result<Attended> {
        hook.attempts = hook.attempts.saturating_add(1);
        hook.problem = Some((error.code().as_str().to_owned(), error.message().to_owned()));
        (hook.held, hook.next) = (None, Some(later(self.0.now(), HOLD)));
        Ok(Attended { hook: self.store().hook_put(hook).await?, outcome: Err(error) })
    }

    /// Looks after every hook that is due: how many went well, and how many did not.
    pub(crate) async fn hook_round(&self) -> Result<(usize, usize)> {
        let mut counts = (0, 0);
        loop {
            let now = self.0.now();
            let due = self.store().hooks_due(now, later(now, HOLD), BATCH).await?;
            if due.is_empty() {
                return Ok(counts);
            }
            let mut attended = JoinSet::new();
            for hook in due {
                let host = self.clone();
                attended.spawn(async move { host.attend(hook, Task::Reconcile).await });
            }
            // One that fails does not keep the others from ending.
            let mut problem = None;
            while let Some(ended) = attended.join_next().await {
                let ended = ended.unwrap_or_else(|error| {
                    let message = format!("looking after a hook ended by itself: {error}");
                    Err(Error::coded(Code::Panicked, message))
                });
                match ended {
                    Ok(attended) if attended.outcome.is_ok() => counts.0 += 1,
                    Ok(_) => counts.1 += 1,
                    Err(error) => problem = Some(error),
                }
            }
            if let Some(error) = problem {
                return Err(error);
            }
        }
    }

    /// Has the service lose the hooks of a connection that is gone, with what is left of the connection. Gives those that it did not,
    /// and why.
    pub(crate) async fn hooks_taken_back(
        &self,
        id: &str,
        connection: &Connection,
    ) -> Result<Vec<(Hook, Error)>> {
        let mut left = Vec::new();
        for hook in self.of_connection(id).await? {
            let claimed = match self.claim(&hook.id).await {
                Ok(claimed) => claimed,
                Err(error) if error.code() == Code::HookBusy => {
                    left.push((hook, error));
                    continue;
                }
                Err(error) if error.code() == Code::HookUnknown => continue,
                Err(error) => return Err(error),
            };
            let mut work = Work::new(self, connection.clone(), claimed)?;
            work.row.stage = Stage::Deregistering;
            let ended = work.deregister().await;
            let waits = matches!(ended, Err(Halt::Wait(_)));
            let (kept, outcome) = work.note(ended).await?;
            match (kept, outcome) {
                (Some(hook), Err(error)) => left.push((hook, error)),
                (Some(hook), Ok(())) => {
                    let why = if waits {
                        "the service may still show it"
                    } else {
                        "somebody else is at work on it"
                    };
                    left.push((hook, Error::coded(Code::HookBusy, why)));
                }
                (None, _) => {}
            }
        }
        if !left.is_empty() {
            // Its revocation looks after them.
            self.store().hooks_off(id, self.0.now()).await?;
        }
        Ok(left)
    }

    async fn of_connection(&self, id: &str) -> Result<Vec<Hook>> {
        self.store().hooks(HookFilter { connection: Some(id.to_owned()), ..HookFilter::default() }).await
    }

    /// Gives the hooks of a connection, which may be another account's by now, what is delivered for that one.
    pub(crate) async fn hooks_rerouted(&self, row: &store::Connection) -> Result<()> {
        for hook in self.of_connection(&row.id).await? {
            let routing = match self.routing(row, &hook.hook) {
                Ok(routing) => routing,
                Err(error) => {
                    tell(self, &hook, NoticeKind::HookFailing, error.message()).await;
                    // Of no delivery: it gets nothing, and above all nothing of whose it was.
                    Some(String::new())
                }
            };
            let Some(routing) = routing.filter(|routing| hook.routing.as_ref() != Some(routing)) else {
                continue;
            };
            self.store().hook_route(&hook.id, &routing).await?;
            self.0.changes.note();
            let connector = self.0.connector(&row.connector)?;
            if routing.is_empty() || flow(connector, FlowKind::WebhookRegister, &hook.hook).is_none() {
                continue;
            }
            // What the service was asked to do it does for whose the connection was.
            match self.claim(&hook.id).await {
                Ok(hook) => drop(self.attend(hook, Task::Replace).await?),
                Err(_) => {
                    let reason = "its connection is another account's now, for which it is not registered yet; `linchpin hook renew` does so";
                    tell(self, &hook, NoticeKind::HookFailing, reason).await;
                }
            }
        }
        Ok(())
    }

    /// Forgets the hooks of a connection that is gone, whatever the service still has of them.
    pub(crate) async fn hooks_given_up(&self, id: &str, reason: &str) -> Result<()> {
        for hook in self.of_connection(id).await? {
            if self.store().hook_remove(&hook.id, hook.version).await? {
                tell(self, &hook, NoticeKind::HookLeft, reason).await;
            }
        }
        Ok(())
    }
}

/// A hook of a connector's spec.
fn spec_of<'c>(connector: &'c Connector, key: &str) -> Result<&'c spec::Hook> {
    let hooks = &connector.spec()?.hooks;
    hooks.iter().find(|hook| hook.key == key).ok_or_else(|| {
        let known: Vec<String> = hooks.iter().map(|hook| format!("`{}`", hook.key)).collect();
        let message = format!("`{}` has no hook `{key}`", connector.key());
        let hint = match known.is_empty() {
            true => "its spec has none at all".to_owned(),
            false => format!("it has {}", known.join(", ")),
        };
        Error::coded(Code::HookUnknown, message).hint(hint)
    })
}

/// The flow whose options a registration of a hook has: the one that registers, or where there is none, one that serves an event.
pub fn options_flow(connector: &Connector, hook: &str) -> Option<&'static FlowDescriptor> {
    let registers = flow(connector, FlowKind::WebhookRegister, hook);
    let of_hook = |event: &str| {
        let events = connector.spec().map(|spec| &spec.events[..]).unwrap_or_default();
        events.iter().any(|known| known.key == event && known.hook.as_deref() == Some(hook))
    };
    let served = |flow: &&FlowDescriptor| {
        matches!(flow.kind, KindInfo::WebhookEvent { event } if of_hook(event))
            && flow.shape_of(Slot::Options).is_some()
    };
    registers.or_else(|| connector.flows().iter().copied().find(served))
}

/// The path of a URL that services deliver to, under the public URL.
fn event_path(connector: &str, spec: &spec::Hook, token: &str) -> String {
    match spec.is_app() {
        true => format!("/app/{connector}/{}", spec.key),
        false => format!("{PATH}{token}"),
    }
}

/// Whether each registration of a hook has a key of its own that is made here; others have the operator's, the connection's, or none.
fn is_made_here(spec: &spec::Hook) -> bool {
    let key = spec.signature.as_ref().and_then(|signature| signature.key.as_ref());
    !matches!(key, Some(SignatureKey::App | SignatureKey::Field(_) | SignatureKey::Public(_)))
}

/// The one flow of a kind for a hook.
fn flow(connector: &Connector, kind: FlowKind, hook: &str) -> Option<&'static FlowDescriptor> {
    let mut flows = connector.flows().iter().copied();
    flows.find(|flow| flow.kind.kind() == kind && flow.kind.hook() == Some(hook))
}

fn unknown(id: &str) -> Error {
    Error::coded(Code::HookUnknown, format!("there is no hook `{id}`"))
        .hint("`linchpin hook list` shows those that there are")
}

/// Tells the owner of a hook's connection what they should know.
async fn tell(host: &Host, hook: &Hook, kind: NoticeKind, reason: &str) {
    // Who cannot be looked up is told by the id.
    let row = host.store().connection(&hook.connection).await.ok().flatten();
    let (name, owner) = row.map_or_else(|| (hook.connection.clone(), None), |row| (row.name, row.owner));
    let reason = format!("the hook `{}` {}: {reason}", hook.hook, hook.id);
    host.0.tell(&Notice { tenant: hook.tenant.clone(), name, owner, kind, reason });
}

/// By what a token is looked up: whoever reads the store learns no URL.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// What makes a URL unguessable: 32 random bytes.
fn token() -> Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| Error::coded(Code::StoreFailed, format!("no random numbers can be had: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// The base of event URLs, as it is given: absolute, without query, fragment and credentials.
pub(crate) fn public_url(given: &str) -> Result<String> {
    let refuse = |problem: &str| {
        let message = format!("`{given}` cannot be the public URL: {problem}");
        Err(Error::coded(Code::PublicUrlMissing, message).actor(Actor::Operator))
    };
    let Ok(url) = given.parse::<linchpin::http::Uri>() else { return refuse("it is no URL") };
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return refuse("it does not begin with `https://` or `http://`");
    }
    if url.host().is_none_or(str::is_empty) {
        return refuse("it names no host");
    }
    if url.query().is_some() || given.contains('#') || given.contains('@') {
        return refuse("it has a query, a fragment or credentials");
    }
    Ok(given.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_absolute_and_plain() {
        assert_eq!(public_url("https://hooks.example/").unwrap(), "https://hooks.example");
        assert_eq!(public_url("http://127.0.0.1:8080/a/b").unwrap(), "http://127.0.0.1:8080/a/b");
        for bad in [
            "",
            "hooks.example",
            "/in",
            "ftp://a.example",
            "https://",
            "https://a.example?x=1",
            "https://a@b.example",
            "https://a.example/#b",
        ] {
            assert_eq!(public_url(bad).unwrap_err().code(), Code::PublicUrlMissing, "{bad}");
        }
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (token().unwrap(), token().unwrap());
        assert_eq!((one.len(), two.len()), (43, 43));
        assert_ne!(one, two);
    }
}
