//! Monitors: looking for news on a schedule.
//!
//! What is decided is pure ([`schedule`], [`plan`], [`key`]); [`look`] asks the flow for pages and commits what they gave.

mod key;
mod look;
#[cfg(test)]
mod model;
mod plan;
mod schedule;
mod wake;

use std::{collections::BTreeSet, time::Duration};

use linchpin::{
    Actor, Code, Error, Result,
    flow::{BoxFuture, FlowDescriptor, KindInfo, Slot},
    shape::Shape,
};
use linchpin_runtime::{Connection, Invocation, Output};
use sha2::{Digest, Sha256};

use self::{
    look::{Ask, Done, Looker, Poll},
    plan::{FirstRun, Settings},
};
use crate::{
    event::EventData,
    host::{Host, Notice, NoticeKind, new_id},
    inbox::Head,
    ping::{later, verdict},
    store::{self, Claim, Monitor, MonitorFilter, NewEntry, NewMonitor, RunMode, State, Subscription},
};

/// For how long a monitor that one process has taken is not given to another: longer than a look takes.
const HOLD: Duration = Duration::from_secs(300);

/// Which monitor: a flow for a connection, with options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorKey {
    /// The connection's tenant.
    pub tenant: String,
    /// The connection's name.
    pub connection: String,
    /// The name of the `#[monitor]` function.
    pub flow: String,
    /// The options as the text of a JSON object.
    pub options: String,
}

/// What a look found.
#[derive(Debug)]
pub struct Looked {
    /// The monitor, as it was before.
    pub monitor: Monitor,
    /// What was handed on, or would be, in its order.
    pub events: Vec<MonitorEvent>,
    /// How many pages there were.
    pub pages: u64,
    /// Where the look ended, as JSON.
    pub cursor: String,
    /// What ended it before everything was read; what came before that counts.
    pub problem: Option<Error>,
    /// Whether it was handed on and the cursor kept. It is not where another process was faster, or nothing should be changed.
    pub committed: bool,
}

/// An event that a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorEvent {
    /// The event of the spec.
    pub event: String,
    /// The `#[monitor]` function.
    pub flow: String,
    /// Whose it is: a subscription's name.
    pub subscription: String,
    /// What became of the records.
    pub mode: RunMode,
    /// What tells it from the monitor's others.
    pub identity: String,
    /// A record as JSON, or a list of all of the look.
    pub json: String,
}

impl MonitorEvent {
    /// What an entry of the inbox is that a monitor put there; nothing for one of a hook.
    pub fn of(entry: &NewEntry) -> Option<MonitorEvent> {
        let head = Head::read(entry).ok()?;
        let Head::Record(head) = &*head else { return None };
        Some(MonitorEvent {
            event: head.event.clone(),
            flow: head.flow.clone(),
            subscription: head.subscription.clone(),
            mode: head.mode,
            identity: entry.identity.clone(),
            json: String::from_utf8_lossy(&entry.body).into_owned(),
        })
    }
}

impl Host {
    /// Turns a monitor on for a subscription; one of the same name is replaced. All subscriptions of one connection, flow and options
    /// share its looks. One that was on before goes on from its cursor.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionUnknown`], [`Code::InputInvalid`] when there is no such monitor, [`Code::OptionsInvalid`] when the options, the
    /// schedule or the first run do not fit.
    pub async fn monitor_on(&self, key: &MonitorKey, subscription: Subscription) -> Result<Monitor> {
        let connection = self.connection(&key.tenant, &key.connection).await?;
        let (row, flow, options) = self.find_flow(key, &connection).await?;
        let settings = self.settings(&connection, flow)?;
        settings.schedule(&subscription)?;
        if let Some(text) = &subscription.first_run {
            FirstRun::parse(text)?;
        }
        if subscription.name.is_empty() || subscription.name.len() > 100 || subscription.name.contains('/') {
            let message =
                format!("`{}` cannot be the name of a subscription", subscription.name.escape_debug());
            return Err(Error::coded(Code::OptionsInvalid, message)
                .actor(Actor::Caller)
                .hint("use up to 100 letters, without `/`"));
        }
        let new = NewMonitor {
            id: new_id()?,
            connection: row.id,
            flow: flow.name.to_owned(),
            options_hash: hash(&options),
            options,
            now: self.0.now(),
        };
        let monitor = self.0.store.monitor_on(new, subscription).await?;
        self.0.wake.notify_one();
        Ok(monitor)
    }

    /// Takes a subscription from a monitor; `false` when there is none of this name. Without any the monitor stands still and keeps its
    /// cursor, unless it is to be forgotten.
    ///
    /// # Errors
    ///
    /// [`Code::MonitorUnknown`], and when the store fails.
    pub async fn monitor_off(&self, id: &str, subscription: &str, forget: bool) -> Result<bool> {
        let gone = self.0.store.monitor_off(id, subscription).await?;
        if forget {
            let left = self.monitor(id).await?;
            if left.subscriptions.is_empty() {
                self.0.store.monitor_remove(id).await?;
            }
        }
        Ok(gone)
    }

    /// Monitors, by tenant, connection, flow and options in their order.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn monitors(&self, which: MonitorFilter) -> Result<Vec<Monitor>> {
        self.0.store.monitors(which).await
    }

    /// A monitor by its id.
    ///
    /// # Errors
    ///
    /// [`Code::MonitorUnknown`] when there is none.
    pub async fn monitor(&self, id: &str) -> Result<Monitor> {
        self.0.store.monitor(id).await?.ok_or_else(|| {
            Error::coded(Code::MonitorUnknown, format!("there is no monitor `{id}`"))
                .hint("`linchpin monitor list` shows those that there are")
        })
    }

    /// The monitor of a connection, flow and options.
    ///
    /// # Errors
    ///
    /// [`Code::MonitorUnknown`] when it was never turned on.
    pub async fn monitor_of(&self, key: &MonitorKey) -> Result<Monitor> {
        let row = self.kept(&key.tenant, &key.connection).await?;
        let which = MonitorFilter {
            connection: Some(row.id),
            flow: Some(key.flow.clone()),
            options_hash: Some(hash(&canonical(&key.options)?)),
            ..MonitorFilter::default()
        };
        self.0.store.monitors(which).await?.pop().ok_or_else(|| {
            let message =
                format!("`{}` was never turned on for `{}` with these options", key.flow, key.connection);
            Error::coded(Code::MonitorUnknown, message)
                .hint("`linchpin monitor list` shows those that there are")
        })
    }

    /// Puts a cursor in the place of a monitor's, or none, after which the next look is the first. It goes on at once, whatever stopped
    /// it. What was handed on stays known.
    ///
    /// # Errors
    ///
    /// [`Code::MonitorUnknown`], and [`Code::CursorInvalid`] when the cursor is no JSON.
    pub async fn monitor_reset(&self, id: &str, cursor: Option<String>) -> Result<Monitor> {
        if let Some(cursor) = &cursor
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(cursor)
        {
            return Err(Error::coded(Code::CursorInvalid, format!("the cursor is no JSON: {error}")));
        }
        self.0.store.monitor_reset(id, cursor, self.0.now()).await?;
        self.0.wake.notify_one();
        self.monitor(id).await
    }

    /// Looks once now, whether the monitor is due or not.
    ///
    /// # Errors
    ///
    /// [`Code::MonitorUnknown`], [`Code::StoreFailed`] while somebody else looks, and whatever the flow gives; that is noted, too.
    pub async fn monitor_run(&self, id: &str) -> Result<Looked> {
        let now = self.0.now();
        let Some(monitor) = self.0.store.monitor_claim(id, now, later(now, HOLD)).await? else {
            let monitor = self.monitor(id).await?;
            // Tells what is wrong with the connection, where that is why.
            self.connection(&monitor.tenant, &monitor.name).await?;
            let message = format!("somebody else looks for `{}` just now", monitor.flow);
            return Err(Error::coded(Code::StoreFailed, message).hint("try again in a while"));
        };
        self.look(monitor).await
    }

    /// Looks once without changing anything: from the cursor of a monitor that is on, and as the first look of one that is not.
    ///
    /// # Errors
    ///
    /// As [`monitor_on`](Host::monitor_on), and whatever the flow gives.
    pub async fn monitor_try(&self, key: &MonitorKey) -> Result<Looked> {
        let connection = self.connection(&key.tenant, &key.connection).await?;
        let (row, flow, options) = self.find_flow(key, &connection).await?;
        let now = self.0.now();
        let mut monitor = match self.monitor_of(key).await {
            Err(error) if error.code() == Code::MonitorUnknown => Monitor {
                id: String::new(),
                tenant: row.tenant,
                connection: row.id,
                name: row.name,
                connector: row.connector,
                flow: flow.name.to_owned(),
                options,
                created: now,
                cursor: None,
                cursor_at: None,
                started: false,
                reading_since: None,
                read_since: now,
                generation: 1,
                due: None,
                held_until: None,
                paused: false,
                stopped: false,
                failures: 0,
                problem: None,
                last_run: None,
                last_found: 0,
                wakes: 0,
                subscriptions: Vec::new(),
            },
            found => found?,
        };
        if monitor.subscriptions.is_empty() {
            monitor.subscriptions.push(Subscription {
                name: "try".to_owned(),
                mode: RunMode::Each,
                schedule: None,
                first_run: None,
            });
        }
        let settings = self.settings(&connection, flow)?.of(&monitor)?;
        let done = self
            .looker(&connection, flow, &monitor, &settings, async |looker| looker.try_out().await)
            .await?;
        Ok(looked(monitor, done))
    }

    /// Claims what a hook delivered of an event that a monitor finds, too: which of the records nobody has handed on yet, so that the
    /// hook, `owner`, does. Claimed again by the same owner, they are still its own. Without such a monitor all of them are.
    ///
    /// `options` are those of the hook's registration. The monitor is that with the same values of the options that it takes, too.
    ///
    /// # Errors
    ///
    /// [`Code::RecordUnidentified`], and when the store fails.
    pub async fn claim_delivered(
        &self,
        connection: &store::Connection,
        event: &str,
        options: &str,
        owner: &str,
        records: &[EventData],
    ) -> Result<Vec<bool>> {
        let connector = self.0.connector(&connection.connector)?;
        let flows = connector.flows();
        let finds = |flow: &&&'static FlowDescriptor| matches!(flow.kind, KindInfo::Monitor { event: found, .. } if found == event);
        let Some(flow) = flows.iter().find(finds) else { return Ok(vec![true; records.len()]) };
        let settings = Settings::new(connector.spec()?, flows, flow)?;
        let keys =
            records.iter().map(|record| key::of(&settings.dedupe, record.json()?)).collect::<Result<_>>()?;
        let claim = Claim {
            scope: plan::hybrid_scope(&connection.id, event, &hash(&shared(options, flow)?)),
            keys,
            owner: owner.to_owned(),
            at: self.0.now(),
            connection: connection.id.clone(),
            flow: flow.name.to_owned(),
            keep: settings.ledger_time,
        };
        self.0.store.seen_claim(claim).await
    }

    /// Looks for a monitor that was claimed, and draws the conclusions.
    pub(crate) async fn look(&self, monitor: Monitor) -> Result<Looked> {
        let done = self.look_claimed(&monitor).await;
        let problem = match &done {
            Ok(done) => done.problem.as_ref(),
            Err(error) => Some(error),
        };
        if let Some(error) = problem {
            self.conclude(&monitor, error).await?;
        }
        if done.as_ref().is_ok_and(|done| done.committed && !done.commit.entries.is_empty()) {
            self.0.found.notify_one();
        }
        done.map(|done| looked(monitor, done))
    }

    async fn look_claimed(&self, monitor: &Monitor) -> Result<Done> {
        let prepared = async {
            let connection = self.connection(&monitor.tenant, &monitor.name).await?;
            let flow = find(&connection, &monitor.flow)?;
            let settings = self.settings(&connection, flow)?.of(monitor)?;
            Ok((connection, flow, settings))
        };
        match prepared.await {
            Ok((connection, flow, settings)) => {
                self.looker(&connection, flow, monitor, &settings, async |looker| looker.look().await).await
            }
            Err(error) => {
                let at = self.0.now();
                let failed = store::FailedLook {
                    id: monitor.id.clone(),
                    generation: monitor.generation,
                    problem: plan::problem(&error),
                    at,
                    next: plan::retry(monitor, &error, at, random()?),
                };
                self.0.store.monitor_failed(failed).await?;
                Err(error)
            }
        }
    }

    async fn looker<T>(
        &self,
        connection: &Connection,
        flow: &'static FlowDescriptor,
        monitor: &Monitor,
        settings: &Settings,
        run: impl AsyncFnOnce(Looker<'_>) -> Result<T>,
    ) -> Result<T> {
        let poll = FlowPoll { host: self, connection, flow, options: &monitor.options };
        let scope = settings.scope(monitor, &hash(&shared(&monitor.options, flow)?));
        let now = || self.0.now();
        run(Looker {
            store: &&*self.0.store,
            poll: &poll,
            monitor,
            settings,
            scope: &scope,
            now: &now,
            random: random()?,
        })
        .await
    }

    /// What a failed look says of the connection, and whom it is told.
    async fn conclude(&self, monitor: &Monitor, error: &Error) -> Result<()> {
        let Some(row) = self.0.store.connection(&monitor.connection).await? else { return Ok(()) };
        if error.code() == Code::CursorInvalid {
            self.0.tell(&Notice {
                tenant: row.tenant.clone(),
                name: row.name.clone(),
                owner: row.owner.clone(),
                kind: NoticeKind::MonitorStopped,
                reason: format!("`{}` stands still: {}", monitor.flow, error.message()),
            });
        }
        if matches!(error.code(), Code::Unauthorized | Code::ReauthorizationNeeded)
            && let Some((state @ State::NeedsReauthorization, reason)) = verdict(row.state, Some(error))
        {
            self.0.move_to(&row.id, state, reason).await?;
        }
        Ok(())
    }

    async fn find_flow(
        &self,
        key: &MonitorKey,
        connection: &Connection,
    ) -> Result<(store::Connection, &'static FlowDescriptor, String)> {
        let flow = find(connection, &key.flow)?;
        let options = canonical(&key.options)?;
        Invocation::new(connection, flow).options(options.clone()).validate()?;
        Ok((self.kept(&key.tenant, &key.connection).await?, flow, options))
    }

    fn settings(&self, connection: &Connection, flow: &'static FlowDescriptor) -> Result<Settings> {
        Settings::new(connection.spec(), connection.connector().flows(), flow)
    }
}

fn looked(monitor: Monitor, done: Done) -> Looked {
    Looked {
        monitor,
        events: done.commit.entries.iter().filter_map(MonitorEvent::of).collect(),
        pages: done.pages,
        cursor: done.commit.cursor,
        problem: done.problem,
        committed: done.committed,
    }
}

/// The flow of a monitor.
fn find(connection: &Connection, name: &str) -> Result<&'static FlowDescriptor> {
    let flow = Invocation::named(connection, name)?.flow();
    match flow.kind {
        KindInfo::Monitor { .. } => Ok(flow),
        _ => {
            let monitors: BTreeSet<String> = connection
                .connector()
                .flows()
                .iter()
                .filter(|flow| matches!(flow.kind, KindInfo::Monitor { .. }))
                .map(|flow| format!("`{}`", flow.name))
                .collect();
            let known = monitors.into_iter().collect::<Vec<_>>().join(", ");
            let message = format!("`{name}` is no monitor of `{}`", connection.connector().key());
            Err(Error::coded(Code::InputInvalid, message).hint(match known.as_str() {
                "" => "it has none".to_owned(),
                known => format!("it has {known}"),
            }))
        }
    }
}

/// Options with sorted keys, so that equal ones are one text.
fn canonical(options: &str) -> Result<String> {
    let options: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(options).map_err(|error| {
            Error::coded(Code::OptionsInvalid, format!("the options are no JSON object: {error}"))
        })?;
    let mut options = serde_json::Value::from(options);
    options.sort_all_objects();
    Ok(options.to_string())
}

/// What hook and monitor have in common of their options, by which they know each other's ledger: those that the monitor takes, where
/// they are set.
fn shared(options: &str, monitor: &FlowDescriptor) -> Result<String> {
    let mut options: serde_json::Value = serde_json::from_str(&canonical(options)?).unwrap_or_default();
    let mut known = Vec::new();
    let taken = monitor.shape_of(Slot::Options).map(|shape| names(shape, &mut known));
    if let Some(options) = options.as_object_mut() {
        let is_set = |value: &serde_json::Value| {
            !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty())
        };
        // Of a monitor whose options may have any names all of them count.
        options
            .retain(|name, value| is_set(value) && (taken == Some(false) || known.contains(&name.as_str())));
    }
    Ok(options.to_string())
}

/// Adds the names of an object's fields; `false` where it may have others.
fn names(shape: Shape, known: &mut Vec<&'static str>) -> bool {
    let Shape::Struct(object) = shape else { return false };
    object.fields.iter().fold(true, |all, field| match field.flatten {
        true => names((field.shape)(), known) && all,
        false => {
            known.push(field.name);
            all
        }
    })
}

fn hash(options: &str) -> String {
    Sha256::digest(options).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// From 0 up to and without 1.
pub(crate) fn random() -> Result<f64> {
    let mut random = [0; 4];
    getrandom::fill(&mut random)
        .map_err(|error| Error::coded(Code::StoreFailed, format!("no random numbers can be had: {error}")))?;
    Ok(f64::from(u32::from_le_bytes(random)) / (f64::from(u32::MAX) + 1.0))
}

/// A connector's own flow.
struct FlowPoll<'a> {
    host: &'a Host,
    connection: &'a Connection,
    flow: &'static FlowDescriptor,
    options: &'a str,
}

impl Poll for FlowPoll<'_> {
    fn page(&self, ask: Ask) -> BoxFuture<'_, Result<String>> {
        Box::pin(async move {
            let mut invocation = Invocation::new(self.connection, self.flow)
                .options(self.options)
                .overlap(ask.overlap)
                .deadline(ask.limit);
            if let Some(cursor) = ask.cursor {
                invocation = invocation.cursor(cursor);
            }
            if let Some(since) = ask.since {
                invocation = invocation.since(since);
            }
            match self.host.0.runtime.run(invocation).await?.output {
                Output::Value(json) => Ok(json),
                _ => Err(Error::coded(Code::OutputInvalid, format!("`{}` gave no records", self.flow.name))),
            }
        })
    }
}
