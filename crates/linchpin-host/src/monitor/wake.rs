//! Deliveries that say only that there is news: they have an event's monitors look at once.

use std::time::Duration;

use linchpin::{
    Code, Result,
    flow::{FlowDescriptor, KindInfo},
};

use super::plan::{Settings, woken_look};
use crate::{
    host::{Host, Notice, NoticeKind},
    ping::later,
    store::{self, MonitorFilter, Stage},
};

/// How long noting something with a hook takes at the most.
const HOLD: Duration = Duration::from_secs(10);

impl Host {
    /// Whether deliveries of an event say only that there is news.
    pub(crate) fn only_wakes(&self, connector: &str, event: &str) -> Result<bool> {
        let spec = self.0.connector(connector)?.spec()?;
        Ok(spec.events.iter().any(|known| known.key == event && known.wakes))
    }

    /// Has every monitor of an event look at once that is on for a connection, whatever its options are. Where there is none, the hook
    /// that the delivery came by says so from then on, and its owner is told.
    pub(crate) async fn wake(&self, row: &store::Connection, event: &str, hook: &str) -> Result<()> {
        let problem = match self.wake_monitors(row, event).await? {
            true => None,
            false => {
                let message = format!(
                    "deliveries of `{event}` only say that there is news, and no monitor of it is on"
                );
                Some((Code::MonitorUnknown.as_str().to_owned(), message))
            }
        };
        self.note_listeners(row, hook, problem).await
    }

    /// Has the monitors look at once of whatever a hook wakes; nothing where it wakes none.
    pub(crate) async fn wake_for(&self, hook: &store::Hook) -> Result<()> {
        let Some(row) = self.0.store.connection(&hook.connection).await? else { return Ok(()) };
        for event in self.waking(hook)? {
            self.wake_monitors(&row, event).await?;
        }
        Ok(())
    }

    /// The events of a hook whose deliveries say only that there is news, and that no monitor which is on looks for.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn hook_unheard(&self, hook: &store::Hook) -> Result<Vec<String>> {
        let mut unheard = Vec::new();
        for event in self.waking(hook)? {
            let found = self.monitors_for(&hook.connector, &hook.connection, event).await?;
            if !found.iter().any(|(_, monitor)| is_on(monitor)) {
                unheard.push(event.to_owned());
            }
        }
        Ok(unheard)
    }

    /// The events of a hook that only wake monitors.
    fn waking(&self, hook: &store::Hook) -> Result<impl Iterator<Item = &str>> {
        let spec = self.0.connector(&hook.connector)?.spec()?;
        let events =
            spec.events.iter().filter(|event| event.wakes && event.hook.as_ref() == Some(&hook.hook));
        Ok(events.map(|event| event.key.as_str()))
    }

    /// The monitors of an event for a connection, with what holds of their flows.
    async fn monitors_for(
        &self,
        connector: &str,
        connection: &str,
        event: &str,
    ) -> Result<Vec<(Settings, store::Monitor)>> {
        let connector = self.0.connector(connector)?;
        let (spec, flows) = (connector.spec()?, connector.flows());
        let finds = |flow: &&FlowDescriptor| matches!(flow.kind, KindInfo::Monitor { event: found, .. } if found == event);
        let mut all = Vec::new();
        for flow in flows.iter().copied().filter(finds) {
            let which = MonitorFilter {
                connection: Some(connection.to_owned()),
                flow: Some(flow.name.to_owned()),
                ..MonitorFilter::default()
            };
            let settings = Settings::new(spec, flows, flow)?;
            let found = self.0.store.monitors(which).await?;
            all.extend(found.into_iter().map(|monitor| (settings.clone(), monitor)));
        }
        Ok(all)
    }

    /// Whether there was any that is on.
    async fn wake_monitors(&self, row: &store::Connection, event: &str) -> Result<bool> {
        let mut any = false;
        for (settings, monitor) in self.monitors_for(&row.connector, &row.id, event).await? {
            any |= is_on(&monitor);
            let now = self.0.now();
            if let Some(at) = woken_look(&monitor, &settings, monitor.last_run, now)? {
                self.0.store.monitor_wake(&monitor.id, now, at).await?;
            }
        }
        self.0.wake.notify_one();
        Ok(any)
    }

    /// Notes with a hook that nobody looks for what it tells of, or that somebody does.
    async fn note_listeners(
        &self,
        row: &store::Connection,
        hook: &str,
        problem: Option<(String, String)>,
    ) -> Result<()> {
        let deaf = |hook: &store::Hook| {
            hook.problem.as_ref().is_some_and(|(code, _)| code == Code::MonitorUnknown.as_str())
        };
        let Some(kept) = self.0.store.hook(hook).await? else { return Ok(()) };
        if deaf(&kept) == problem.is_some() || kept.stage == Stage::Deregistering {
            return Ok(());
        }
        let now = self.0.now();
        // Whoever has it goes first, and the next delivery notes it.
        let Some(mut kept) = self.0.store.hook_claim(hook, now, later(now, HOLD)).await? else {
            return Ok(());
        };
        let told = problem.clone();
        if problem.is_some() || deaf(&kept) {
            kept.problem = problem;
        }
        kept.held = None;
        let noted = match self.0.store.hook_put(kept).await {
            // The keys were rotated meanwhile: whoever comes next notes it.
            Err(error) if error.code() == Code::KeyWrong => None,
            noted => noted?,
        };
        if let (Some(hook), Some((_, reason))) = (noted, told) {
            self.0.tell(&Notice {
                tenant: row.tenant.clone(),
                name: row.name.clone(),
                owner: row.owner.clone(),
                kind: NoticeKind::HookUnheard,
                reason: format!("the hook `{}` {}: {reason}", hook.hook, hook.id),
            });
        }
        Ok(())
    }
}

/// Whether anybody wants its events; one that stands still has told so itself.
fn is_on(monitor: &store::Monitor) -> bool {
    !monitor.subscriptions.is_empty()
}
