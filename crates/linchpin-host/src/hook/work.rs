//! One attempt to bring a hook to where it should be, by whoever has claimed it.

use std::{mem, time::Duration};

use linchpin::{
    Actor, Code, DateTime, Error, HookState, HookStatus, Result, Secret,
    flow::{FlowDescriptor, FlowKind, Slot},
    hook::Listed,
    manifest::spec::{Hook as Spec, TimeUnit},
};
use linchpin_runtime::{Connection, Failed, Invocation, Output, webhook};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    hash,
    secrets::{Asked, Secrets},
    tell,
};
use crate::{
    host::{Host, NoticeKind, new_id},
    ping::later,
    store::{Hook, HookFilter, Stage},
};

/// How long one call of a flow may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(240);

/// How long a claim lasts: longer than any attempt.
pub(super) const HOLD: Duration = Duration::from_secs(300);

/// How often a hook is looked at, give or take a tenth.
const EVERY: Duration = Duration::from_secs(3600);

/// How soon a failed attempt is made again at first, doubled with every attempt.
const PAUSE: Duration = Duration::from_secs(60);

/// The longest pause between attempts to take a registration back.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// How long a service may take to show what it was asked to register.
const SETTLE: Duration = Duration::from_secs(120);

/// How long a key counts after another has taken its place.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// So many failures that may pass in a row are told to the owner.
const WORTH_TELLING: u32 = 3;

/// Why an attempt stopped.
pub(super) enum Halt {
    /// Somebody else has the hook.
    Lost,
    /// The service has to be waited for, which is no failure.
    Wait(DateTime),
    /// It failed.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt::Failed(error)
    }
}

type Step<T = ()> = Result<T, Halt>;

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// To do whatever is due.
    Reconcile,
    /// To renew, whether it is due or not; with another key where it is rotated.
    Renew { rotate: bool },
    /// To take back what stands, and to register it anew.
    Replace,
}

/// A claimed hook, and what is needed to work on it.
pub(super) struct Work {
    host: Host,
    connection: Connection,
    spec: Spec,
    pub(super) row: Hook,
    secrets: Secrets,
    /// No call of a flow goes on beyond this.
    until: Instant,
    /// Whether nothing is left of it here.
    gone: bool,
}

impl Work {
    pub(super) fn new(host: &Host, connection: Connection, row: Hook) -> Result<Work> {
        let spec = super::spec_of(connection.connector(), &row.hook)?.clone();
        let secrets = Secrets::open(host.vault(), &row)?;
        let until = Instant::now() + ATTEMPT;
        Ok(Work { host: host.clone(), connection, spec, row, secrets, until, gone: false })
    }

    /// Does what the task and the hook's stage ask for, and notes how it went. Gives the hook as it is kept then, and what the service
    /// had against it.
    ///
    /// # Errors
    ///
    /// When the store or the vault fails.
    pub(super) async fn attend(mut self, task: Task) -> Result<(Option<Hook>, Result<()>)> {
        let mut ended = match (self.row.stage, task) {
            (Stage::Deregistering, _) => self.deregister().await,
            (Stage::Registering, _) => self.register().await,
            (Stage::Active, Task::Reconcile) => self.reconcile().await,
            (Stage::Active, Task::Renew { rotate }) => self.renew(rotate).await,
            (Stage::Active, Task::Replace) => self.replace().await,
        };
        if ended.is_ok() && !self.gone && self.row.stage == Stage::Deregistering {
            // It was turned off meanwhile.
            ended = self.deregister().await;
        }
        self.note(ended).await
    }

    /// Notes how an attempt ended.
    pub(super) async fn note(mut self, ended: Step) -> Result<(Option<Hook>, Result<()>)> {
        let now = self.now();
        let outcome = match ended {
            Ok(()) if self.gone => return Ok((None, Ok(()))),
            Ok(()) => {
                self.row.attempts = 0;
                self.row.problem = None;
                self.row.next = self.due(now);
                Ok(())
            }
            Err(Halt::Lost) => return Ok((self.host.store().hook(&self.row.id).await?, Ok(()))),
            Err(Halt::Wait(until)) => {
                self.row.next = Some(until);
                Ok(())
            }
            Err(Halt::Failed(error)) if is_ours(&error) => return Err(error),
            Err(Halt::Failed(error)) => {
                self.failed(&error, now).await;
                Err(error)
            }
        };
        self.row.held = None;
        match self.save().await {
            Ok(()) => Ok((Some(self.row), outcome)),
            Err(Halt::Failed(error)) => Err(error),
            Err(_) => Ok((self.host.store().hook(&self.row.id).await?, outcome)),
        }
    }

    async fn failed(&mut self, error: &Error, now: DateTime) {
        let longest = if self.row.stage == Stage::Deregistering { LONGEST_PAUSE } else { EVERY };
        let pause = PAUSE.saturating_mul(1 << self.row.attempts.min(20)).min(longest);
        self.row.attempts = self.row.attempts.saturating_add(1);
        self.row.next =
            Some(later(now, pause.max(error.details().retry_after.unwrap_or_default().min(longest))));
        let known = self.row.problem.as_ref().is_some_and(|(code, _)| code == error.code().as_str());
        let worth = if may_pass(error) {
            self.row.attempts == WORTH_TELLING
        } else {
            self.row.attempts == 1 || !known
        };
        self.row.problem = Some((error.code().as_str().to_owned(), error.message().to_owned()));
        if worth {
            tell(&self.host, &self.row, NoticeKind::HookFailing, error.message()).await;
        }
    }

    /// When somebody is to look after it next.
    fn due(&self, now: DateTime) -> Option<DateTime> {
        let asks = self.flow(FlowKind::WebhookCheck).or(self.flow(FlowKind::WebhookList)).is_some();
        let look = asks.then(|| later(now, jitter(EVERY, &self.row)));
        let left = (!self.secrets.old.is_empty()).then(|| later(now, PAUSE * 5));
        // Whatever a service says of its expiry, it is not asked without a pause.
        let next = [look, left, self.secrets.renew].into_iter().flatten().min();
        next.map(|next| next.max(later(now, PAUSE)))
    }

    fn now(&self) -> DateTime {
        self.host.0.now()
    }

    /// Where the service shall deliver; as it did where this process does not know its public URL.
    fn url(&self) -> String {
        let url = self.host.event_url(&self.row.connector, &self.spec, &self.secrets.token);
        url.unwrap_or_else(|| self.secrets.url.clone())
    }

    /// What event URLs of this installation begin with.
    fn base(&self) -> String {
        let url = self.url();
        url.strip_suffix(&self.secrets.token).unwrap_or(&url).to_owned()
    }

    fn flow(&self, kind: FlowKind) -> Option<&'static FlowDescriptor> {
        super::flow(self.connection.connector(), kind, &self.row.hook)
    }

    /// Puts everything in the store, under the claim.
    async fn save(&mut self) -> Step {
        let put = async |work: &Work| {
            let sealed = work.secrets.seal(work.host.vault(), &work.row.id)?;
            work.host.store().hook_put(Hook { sealed, ..work.row.clone() }).await
        };
        let saved = match put(self).await {
            // The keys were rotated between the sealing and the putting.
            Err(error) if error.code() == Code::KeyWrong => put(self).await?,
            saved => saved?,
        };
        self.row = saved.ok_or(Halt::Lost)?;
        Ok(())
    }

    async fn call(
        &self,
        flow: &'static FlowDescriptor,
        with: impl FnOnce(Invocation) -> Invocation,
    ) -> Result<Output, Failed> {
        let left = self.until.saturating_duration_since(Instant::now()).min(LIMIT);
        let mut invocation = Invocation::new(&self.connection, flow).deadline(left);
        if flow.shape_of(Slot::Options).is_some() {
            invocation = invocation.options(self.row.options.clone());
        }
        Ok(self.host.runtime().run(with(invocation)).await?.output)
    }

    /// The key that the service is to sign with: of a registration's own keys one that it may know already, or a new one; else the
    /// operator's, or the connection's. An empty one for a flow that takes none.
    async fn key_to_give(&mut self, flow: &FlowDescriptor) -> Result<Secret> {
        if !super::is_made_here(&self.spec) {
            let (connector, connection) = (&self.row.connector, &self.row.connection);
            return match flow.takes(Slot::SigningSecret) {
                true => self.host.given_key(connector, connection, &self.spec).await,
                false => Ok(Secret::new("")),
            };
        }
        if let Some(key) = &self.secrets.next_key {
            return Ok(Secret::new(key.clone()));
        }
        let key = webhook::signing_secret()?;
        self.secrets.next_key = Some(key.expose().to_owned());
        Ok(key)
    }
}

/// Coming about.
impl Work {
    /// Makes the service have it: one that was made and whose answer was lost is adopted.
    async fn register(&mut self) -> Step {
        self.take_back_old().await?;
        if self.secrets.asked.is_some() && self.adopt().await? {
            return Ok(());
        }
        self.enroll().await
    }

    /// Asks the service to register it. What is about to be asked is kept before, so that a later attempt asks for the same.
    pub(super) async fn enroll(&mut self) -> Step {
        let url = self.url();
        let Some(flow) = self.flow(FlowKind::WebhookRegister) else {
            // Whoever runs the service's side enters the URL by hand.
            self.secrets.url = url;
            return self.stands().await;
        };
        let key = self.key_to_give(flow).await?;
        let now = self.now();
        let asked = match self.secrets.asked.take() {
            Some(asked) => Asked { at: now, ..asked },
            None => Asked { run: new_id()?, at: now },
        };
        let run = asked.run.clone();
        self.secrets.asked = Some(asked);
        if self.secrets.registered.is_none() {
            self.secrets.url.clone_from(&url);
        }
        self.save().await?;
        // Whoever takes deliveries learns of the key before the service does.
        self.host.0.changes.note();
        if self.row.stage == Stage::Deregistering {
            // Turned off before the service was asked for anything.
            return Ok(());
        }
        match self.call(flow, |call| call.event_url(&*url).signing_secret(key).run_id(run)).await {
            Ok(output) => self.take_registration(text(output), url, false).await,
            Err(failed) if refused(&failed) => {
                (self.secrets.asked, self.secrets.next_key) = (None, None);
                Err(failed.error.into())
            }
            Err(failed) => match self.adopt().await {
                Ok(true) => Ok(()),
                Err(Halt::Lost) => Err(Halt::Lost),
                _ => Err(failed.error.into()),
            },
        }
    }

    /// Looks whether the service has a registration of ours whose answer was lost, and takes it for the answer.
    async fn adopt(&mut self) -> Step<bool> {
        let Some(found) = self.listed().await? else { return Ok(false) };
        for found in found {
            let mut known = self.secrets.registered.iter().chain(&self.secrets.old);
            if known.any(|own| self.same(own, &found.registered)) || !self.is_at(&found.url) {
                continue;
            }
            let json = found.registered.to_string();
            if self.key_of(&found.registered).is_some() && !found.paused {
                self.take_registration(json, found.url, false).await?;
                return Ok(true);
            }
            // Without its key no delivery could be believed, and one that is paused may be what the service was not content with.
            self.take_back(&json).await?;
        }
        Ok(false)
    }

    fn is_at(&self, url: &str) -> bool {
        url == self.url() || url == self.secrets.url
    }

    /// Which key the service signs with after a registration; an empty one where it is none of the registration's.
    fn key_of(&self, registered: &Value) -> Option<String> {
        match &self.spec.key_at {
            Some(pointer) => registered.pointer(pointer).and_then(Value::as_str).map(str::to_owned),
            None => Some(self.secrets.next_key.clone().unwrap_or_default()),
        }
    }

    /// Takes what the service gave for the registration that counts. Where it is another than before, the old one is to be taken
    /// back, unless it was renewed in its place.
    async fn take_registration(&mut self, json: String, url: String, in_place: bool) -> Step {
        let now = self.now();
        let registered: Value = serde_json::from_str(&json).unwrap_or_default();
        if let Some(old) = self.secrets.registered.replace(json.clone())
            && !in_place
            && !self.same(&old, &registered)
        {
            self.secrets.old.push(old);
        }
        let key = self.key_of(&registered).filter(|key| !key.is_empty());
        if let Some(key) = key {
            self.secrets.promote(key, now, later(now, GRACE));
        }
        (self.secrets.asked, self.secrets.next_key) = (None, None);
        self.secrets.url = url;
        let told = self.spec.expires.as_ref().and_then(|expires| {
            let told = registered.pointer(&expires.at)?;
            time(told, expires.unit)
        });
        // One that would be over already says nothing.
        self.row.expires = told.filter(|expires| *expires > now);
        self.secrets.renew = self.row.expires.map(|expires| self.renew_at(expires, now));
        match self.stands().await {
            Err(Halt::Lost) => {
                self.undo(&json).await?;
                Err(Halt::Lost)
            }
            stands => stands,
        }
    }

    /// Notes that the service has it.
    async fn stands(&mut self) -> Step {
        let now = self.now();
        if self.row.stage == Stage::Registering {
            (self.row.stage, self.row.since) = (Stage::Active, now);
        }
        self.row.seen = Some(now);
        let gap = self.secrets.gap.take();
        self.save().await?;
        if let Some(since) = gap {
            let reason = format!(
                "the service had to be told anew where to deliver; what happened between {since} and {now} may be missing"
            );
            tell(&self.host, &self.row, NoticeKind::HookGap, &reason).await;
            // What it would have told of is looked for at once.
            self.host.wake_for(&self.row).await?;
        }
        Ok(())
    }

    /// Takes back what the service registered for somebody who has lost the hook meanwhile.
    async fn undo(&self, json: &str) -> Step {
        let registered: Value = serde_json::from_str(json).unwrap_or_default();
        if let Some(row) = self.host.store().hook(&self.row.id).await? {
            let kept = Secrets::open(self.host.vault(), &row)?;
            if kept.registered.iter().chain(&kept.old).any(|own| self.same(own, &registered)) {
                return Ok(());
            }
        }
        if let Err(error) = self.take_back(json).await {
            tell(&self.host, &self.row, NoticeKind::HookLeft, error.message()).await;
        }
        Ok(())
    }

    /// When a registration that expires is to be renewed.
    fn renew_at(&self, expires: DateTime, now: DateTime) -> DateTime {
        let life = now.until(expires);
        let said = self.spec.expires.as_ref().and_then(|expires| expires.renew_before);
        let margin = said.unwrap_or_else(|| (life / 10).max(Duration::from_secs(60))).min(life / 2);
        later(now, life.saturating_sub(margin))
    }
}

/// Staying.
impl Work {
    /// Does what is due for a registration that stands.
    async fn reconcile(&mut self) -> Step {
        self.take_back_old().await?;
        let now = self.now();
        if self.secrets.asked.is_some() {
            // A registration beside the one that stands, whose answer was lost.
            return self.replace_beside().await;
        }
        if let Some(expires) = self.row.expires.filter(|expires| *expires <= now) {
            return self.register_anew(expires).await;
        }
        if self.secrets.url != self.url() {
            return self.mend(true).await;
        }
        if self.secrets.renew.is_some_and(|renew| renew <= now) {
            return self.renew(false).await;
        }
        let Some(state) = self.look().await? else { return Ok(()) };
        let since = self.row.seen.unwrap_or(self.row.since);
        match state.status {
            HookStatus::Healthy => {
                self.row.seen = Some(now);
                if state.expires.is_some() && state.expires != self.row.expires {
                    self.row.expires = state.expires;
                    self.secrets.renew = state.expires.map(|expires| self.renew_at(expires, now));
                }
                Ok(())
            }
            HookStatus::Missing => self.register_anew(since).await,
            _ => {
                self.secrets.gap.get_or_insert(since);
                self.mend(false).await
            }
        }
    }

    /// Asks the service how it is, and takes strays of ours back; `None` where nothing can be asked.
    async fn look(&mut self) -> Step<Option<HookState>> {
        let seen = match self.listed().await? {
            Some(found) => Some(self.identify(found).await?),
            None => None,
        };
        let (Some(flow), Some(registered)) =
            (self.flow(FlowKind::WebhookCheck), self.secrets.registered.clone())
        else {
            return Ok(seen);
        };
        let url = self.url();
        match self.call(flow, |call| call.registered(registered).event_url(url)).await {
            Ok(output) => Ok(Some(read(flow, output, "state of a hook")?)),
            Err(failed) if failed.error.code() == Code::NotFound => Ok(Some(HookState::missing())),
            Err(failed) => Err(failed.error.into()),
        }
    }

    /// What the service lists; `None` where the connector cannot ask.
    async fn listed(&self) -> Step<Option<Vec<Listed>>> {
        // Registrations that share one URL cannot be told apart.
        let flow = self.flow(FlowKind::WebhookList).filter(|_| !self.spec.is_app());
        let Some(flow) = flow else { return Ok(None) };
        let base = self.base();
        match self.call(flow, |call| call.event_base(base)).await {
            Ok(output) => Ok(Some(read(flow, output, "list of hooks")?)),
            // What had them is gone, and they with it.
            Err(failed) if failed.error.code() == Code::NotFound => Ok(Some(Vec::new())),
            Err(failed) => Err(failed.error.into()),
        }
    }

    /// Finds this hook in a list, and takes back those of ours that nobody here knows of.
    async fn identify(&mut self, found: Vec<Listed>) -> Step<HookState> {
        let registered = self.secrets.registered.clone().unwrap_or_default();
        let (mine, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| self.same(&registered, &found.registered));
        let mut mine = mine.into_iter().next();
        for found in others {
            if self.secrets.old.iter().any(|old| self.same(old, &found.registered)) {
                continue;
            }
            if mine.is_none() && self.is_at(&found.url) && self.key_of(&found.registered).is_some() {
                // Under another id than before, but ours alone can have this URL.
                let (expires, renew) = (self.row.expires, self.secrets.renew);
                self.take_registration(found.registered.to_string(), found.url.clone(), true).await?;
                if self.row.expires.is_none() {
                    (self.row.expires, self.secrets.renew) = (expires, renew);
                }
                mine = Some(found);
            } else if self.is_stray(&found.url).await? {
                // One that cannot be taken back now is met again.
                if let Err(error) = self.take_back(&found.registered.to_string()).await
                    && is_ours(&error)
                {
                    return Err(error.into());
                }
            }
        }
        Ok(match mine {
            None => HookState::missing(),
            Some(mine) if mine.paused => HookState::paused(),
            Some(mine) => HookState::at(&mine.url, &self.url()),
        })
    }

    /// Whether a URL is of this installation, and of no hook that it has, other than this one.
    async fn is_stray(&self, url: &str) -> Result<bool> {
        if self.is_at(url) {
            return Ok(true);
        }
        let Some(token) = url.strip_prefix(&self.base()) else { return Ok(false) };
        if token.len() != self.secrets.token.len() {
            return Ok(false);
        }
        Ok(self.host.store().hook_by_token(hash(token)).await?.is_none())
    }

    /// Whether two registrations are one: whatever the second says is what the first says, but for when it expires.
    fn same(&self, own: &str, found: &Value) -> bool {
        let own: Value = serde_json::from_str(own).unwrap_or_default();
        let expires = self.spec.expires.as_ref().and_then(|expires| expires.at.strip_prefix('/'));
        match (&own, found) {
            (Value::Object(own), Value::Object(found)) => {
                let told =
                    found.iter().filter(|(key, value)| !value.is_null() && Some(key.as_str()) != expires);
                let mut told = told.peekable();
                told.peek().is_some() && told.all(|(key, value)| own.get(key) == Some(value))
            }
            (own, found) => own == found,
        }
    }

    /// Renews it in its place, or where the connector cannot, by a registration beside it.
    pub(super) async fn renew(&mut self, rotate: bool) -> Step {
        let (Some(flow), Some(registered)) =
            (self.flow(FlowKind::WebhookRenew), self.secrets.registered.clone())
        else {
            return self.replace_beside().await;
        };
        let takes_key = flow.takes(Slot::SigningSecret);
        if rotate && !takes_key {
            return self.replace_beside().await;
        }
        let key = match self.secrets.keys.first() {
            Some(current) if !rotate && self.secrets.next_key.is_none() => Secret::new(current.key.clone()),
            _ if takes_key => {
                let key = self.key_to_give(flow).await?;
                self.save().await?;
                self.host.0.changes.note();
                key
            }
            _ => Secret::new(""),
        };
        let url = self.url();
        let renewed =
            self.call(flow, |call| call.registered(registered).event_url(&*url).signing_secret(key)).await;
        match renewed {
            Ok(output) => self.take_registration(text(output), url, true).await,
            Err(failed) if failed.error.code() == Code::NotFound => {
                let since = self.row.seen.unwrap_or(self.row.since);
                self.register_anew(since).await
            }
            Err(failed) => {
                if refused(&failed) {
                    self.secrets.next_key = None;
                }
                Err(failed.error.into())
            }
        }
    }

    /// Makes a registration work again that the service no longer delivers to, or delivers to another URL.
    async fn mend(&mut self, beside: bool) -> Step {
        if self.flow(FlowKind::WebhookRenew).is_some() {
            self.renew(false).await
        } else if beside {
            self.replace_beside().await
        } else {
            self.replace().await
        }
    }

    /// Registers it anew before the old registration is taken back, so that nothing is missed between.
    async fn replace_beside(&mut self) -> Step {
        if self.secrets.asked.is_some() && self.adopt().await? {
            return self.take_back_old().await;
        }
        match self.enroll().await {
            Err(Halt::Failed(error)) if error.code() == Code::Rejected && self.secrets.asked.is_none() => {
                // Some services have one for a URL at the most.
                self.replace().await
            }
            Err(halt) => Err(halt),
            Ok(()) => self.take_back_old().await,
        }
    }

    /// Takes the registration back, and registers anew.
    async fn replace(&mut self) -> Step {
        self.secrets.old.extend(self.secrets.registered.take());
        (self.row.stage, self.row.since, self.row.expires) = (Stage::Registering, self.now(), None);
        self.secrets.renew = None;
        self.save().await?;
        if self.row.stage == Stage::Deregistering {
            return Ok(());
        }
        self.register().await
    }

    /// Registers anew what the service has no more; what happened after a time may have been missed.
    async fn register_anew(&mut self, since: DateTime) -> Step {
        self.secrets.gap.get_or_insert(since);
        self.replace().await
    }
}

/// Going.
impl Work {
    /// Takes one registration back; one that is gone already is taken back.
    async fn take_back(&self, registered: &str) -> Result<()> {
        let Some(flow) = self.flow(FlowKind::WebhookDeregister) else { return Ok(()) };
        if self.is_shared(registered).await? {
            return Ok(());
        }
        match self.call(flow, |call| call.registered(registered)).await {
            Err(failed) if failed.error.code() != Code::NotFound => Err(failed.error),
            _ => Ok(()),
        }
    }

    /// Whether the service keeps one thing for this and another registration, so that both would lose it: at an app's URL some have one
    /// for each account.
    async fn is_shared(&self, registered: &str) -> Result<bool> {
        let Some(routing) = self.row.routing.clone().filter(|_| self.spec.is_app()) else { return Ok(false) };
        let registered: Value = serde_json::from_str(registered).unwrap_or_default();
        let which = HookFilter {
            connector: Some(self.row.connector.clone()),
            hook: Some(self.row.hook.clone()),
            routing: Some(routing),
            ..HookFilter::default()
        };
        for other in self.host.store().hooks(which).await? {
            if other.id == self.row.id || other.stage == Stage::Deregistering {
                continue;
            }
            let kept = Secrets::open(self.host.vault(), &other)?;
            if kept.registered.is_some_and(|own| self.same(&own, &registered)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes back what other registrations have taken the place of. What the service does not do now is tried again.
    async fn take_back_old(&mut self) -> Step {
        if self.secrets.old.is_empty() {
            return Ok(());
        }
        for old in mem::take(&mut self.secrets.old) {
            match self.take_back(&old).await {
                Ok(()) => {}
                Err(error) if is_ours(&error) => return Err(error.into()),
                Err(_) => self.secrets.old.push(old),
            }
        }
        self.save().await
    }

    /// Makes the service lose it, and then takes it away here.
    pub(super) async fn deregister(&mut self) -> Step {
        self.secrets.old.extend(self.secrets.registered.take());
        let mut problem = None;
        for registered in mem::take(&mut self.secrets.old) {
            if let Err(error) = self.take_back(&registered).await {
                self.secrets.old.push(registered);
                problem = Some(error);
            }
        }
        if let Some(error) = problem {
            return Err(error.into());
        }
        self.save().await?;
        match self.listed().await {
            Ok(Some(found)) => {
                let ours: Vec<_> = found.into_iter().filter(|found| self.is_at(&found.url)).collect();
                for found in ours {
                    self.take_back(&found.registered.to_string()).await?;
                    // What was made has been found.
                    self.secrets.asked = None;
                }
                if let Some(asked) = &self.secrets.asked {
                    let settled = later(asked.at, SETTLE);
                    if settled > self.now() {
                        return Err(Halt::Wait(settled));
                    }
                }
            }
            Ok(None) if self.secrets.asked.is_some() && self.flow(FlowKind::WebhookRegister).is_some() => {
                let reason = "it is not known whether the service registered it, and the connector cannot list what it has";
                tell(&self.host, &self.row, NoticeKind::HookLeft, reason).await;
            }
            Ok(None) => {}
            // A service that will not list what it has is not asked without end, once what is known has been taken back.
            Err(Halt::Failed(error))
                if self.secrets.asked.is_none()
                    && self.row.attempts >= WORTH_TELLING
                    && !may_pass(&error)
                    && !is_ours(&error) => {}
            Err(halt) => return Err(halt),
        }
        if !self.host.store().hook_remove(&self.row.id, self.row.version).await? {
            return Err(Halt::Lost);
        }
        self.gone = true;
        Ok(())
    }
}

/// What a flow gave as JSON text.
fn text(output: Output) -> String {
    match output {
        Output::Value(json) => json,
        _ => "null".to_owned(),
    }
}

/// What a flow gave, which should be a certain thing.
fn read<T: DeserializeOwned>(flow: &FlowDescriptor, output: Output, what: &str) -> Result<T> {
    serde_json::from_str(&text(output)).map_err(|error| {
        Error::coded(Code::OutputInvalid, format!("`{}` gave no {what}: {error}", flow.name))
    })
}

/// Whether an error is the store's, and says nothing of the service.
fn is_ours(error: &Error) -> bool {
    matches!(error.code(), Code::StoreFailed | Code::KeyWrong | Code::SealBroken)
}

/// Whether a failure may be over by itself.
fn may_pass(error: &Error) -> bool {
    matches!(error.who_must_act(), Actor::Service | Actor::Nobody)
}

/// Whether it is sure that a failed call has changed nothing: it never got to a write, or each was answered with a refusal.
fn refused(failed: &Failed) -> bool {
    let told = matches!(
        failed.error.code(),
        Code::InputInvalid
            | Code::OptionsInvalid
            | Code::ConnectionInvalid
            | Code::NotCarriedOut
            | Code::PathInvalid
            | Code::HostRefused
            | Code::RequestInvalid
            | Code::Unauthorized
            | Code::Forbidden
            | Code::NotFound
            | Code::Rejected
            | Code::RateLimited
            | Code::ReauthorizationNeeded
            | Code::RefreshFailed
            | Code::ExchangeRefused
            | Code::ClientMissing
    );
    told && failed.trace.entries().iter().all(|entry| {
        matches!(entry.method.as_str(), "GET" | "HEAD") || matches!(entry.status, Some(400..=499))
    })
}

/// A point in time as a service writes it.
fn time(told: &Value, unit: TimeUnit) -> Option<DateTime> {
    let text = match told {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match unit {
        TimeUnit::Seconds => DateTime::from_unix_millis(text.parse::<i64>().ok()?.checked_mul(1000)?),
        TimeUnit::Milliseconds => DateTime::from_unix_millis(text.parse().ok()?),
        _ => text.parse().ok(),
    }
}

/// A span give or take a tenth, so that many hooks do not come at once: by the hook's id and version, the same each time.
fn jitter(span: Duration, hook: &Hook) -> Duration {
    let digest = hash(&format!("{}/{}", hook.id, hook.version));
    let part = u32::from(u16::from_be_bytes([digest[0], digest[1]]));
    span * 9 / 10 + span / 5 * part / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_as_services_write_them() {
        let day = DateTime::from_unix_millis(1_772_355_600_000);
        assert_eq!(time(&json!("2026-03-01T09:00:00Z"), TimeUnit::Rfc3339), day);
        assert_eq!(time(&json!(1_772_355_600), TimeUnit::Seconds), day);
        // Google writes 64-bit numbers as texts.
        assert_eq!(time(&json!("1772355600000"), TimeUnit::Milliseconds), day);
        for (told, unit) in [
            (json!("soon"), TimeUnit::Rfc3339),
            (json!(null), TimeUnit::Seconds),
            (json!(i64::MAX), TimeUnit::Seconds),
            (json!(1.5), TimeUnit::Milliseconds),
            (json!([1]), TimeUnit::Milliseconds),
        ] {
            assert_eq!(time(&told, unit), None, "{told}");
        }
    }
}
