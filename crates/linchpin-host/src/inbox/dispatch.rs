//! Entries on their way out: attempted, attempted again, and given up.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use linchpin::{Actor, Code, Error, Result, flow::BoxFuture};
use linchpin_runtime::Cancel;
use tokio::{task::JoinSet, time::Instant};

use super::{Held, Inbox, Shared, lock};
use crate::{monitor, observe, ping::later, store::Entry};

/// How often the store is asked for what other processes left behind, when nothing is known to be due.
const LOOK: Duration = Duration::from_secs(30);

/// How often what waits is counted: what this process puts in and hands on it knows itself.
const COUNT: Duration = Duration::from_secs(30);

/// How often what was kept long enough is taken away.
const TIDY: Duration = Duration::from_secs(600);

/// Hands an entry on.
pub trait Handle: Send + Sync + 'static {
    /// Hands it on; when this returns without an error somebody has it.
    ///
    /// # Errors
    ///
    /// Whatever went wrong. What somebody has to mend first makes the entry a dead letter, everything else is tried again.
    fn handle<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, Result<()>>;

    /// Hears that an entry is a dead letter now, and why. By default nobody does.
    fn gave_up<'a>(&'a self, entry: &'a Entry, error: &'a Error) -> BoxFuture<'a, ()> {
        let _ = (entry, error);
        Box::pin(std::future::ready(()))
    }

    /// Waits until something can be handed on at all; nothing is attempted before. By default at once.
    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What becomes of an entry after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It is tried again after this.
    Again(Duration),
    /// It is a dead letter.
    Dead,
}

impl Attempt {
    /// What becomes of an entry after so many attempts that failed, the last with this error; `random` is between 0 and 1. Without
    /// I/O.
    pub fn after(attempts: u32, error: &Error, pauses: &[Duration], random: f64) -> Attempt {
        let hopeless = matches!(error.code(), Code::ConnectionUnknown)
            || matches!(error.who_must_act(), Actor::Author | Actor::Caller);
        let pause = usize::try_from(attempts).ok().and_then(|attempts| pauses.get(attempts));
        match pause {
            Some(pause) if !hopeless => {
                // Up to a fifth more, so that what failed together does not come together again.
                let pause = pause.mul_f64(1.0 + 0.2 * random.clamp(0.0, 1.0));
                Attempt::Again(pause.max(error.details().retry_after.unwrap_or_default()))
            }
            _ => Attempt::Dead,
        }
    }
}

impl Inbox {
    /// Hands entries on until it is cancelled; then waits for the attempts that are under way, for as long as one may take.
    ///
    /// An inbox is emptied by one of these in a process; a second ends at once.
    pub async fn dispatch(&self, handle: Arc<dyn Handle>, stop: &Cancel) {
        let Some(mut fresh) = lock(&self.0.taken).take() else { return };
        let shared = &self.0;
        let mut running = JoinSet::new();
        let mut look = Instant::now();
        let mut tidy = Instant::now() + TIDY;
        let mut count = Instant::now();
        let begin = |running: &mut JoinSet<()>, Held { entry, until }| {
            shared.held.fetch_sub(entry.what.size(), Ordering::Relaxed);
            // One that waited for too long is due for everybody before an attempt would be over.
            if later(shared.clock.now(), shared.policy.attempt) <= until {
                running.spawn(attempt(shared.clone(), handle.clone(), entry));
            }
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = handle.ready() => {}
            }
            let room = shared.policy.concurrency.saturating_sub(running.len());
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = running.join_next(), if !running.is_empty() => {}
                Some(held) = fresh.recv(), if room > 0 => begin(&mut running, held),
                () = shared.wake.notified(), if room > 0 => look = Instant::now(),
                () = tokio::time::sleep_until(look.min(tidy).min(count)), if room > 0 => {}
            }
            // Under load many end and many come between two turns of this loop.
            while running.try_join_next().is_some() {}
            while running.len() < shared.policy.concurrency
                && let Ok(held) = fresh.try_recv()
            {
                begin(&mut running, held);
            }
            let room = shared.policy.concurrency.saturating_sub(running.len());
            if room > 0 && Instant::now() >= look {
                for entry in shared.claim(room, &mut look).await {
                    running.spawn(attempt(shared.clone(), handle.clone(), entry));
                }
            }
            if Instant::now() >= count {
                count = Instant::now() + COUNT;
                if let Ok(waiting) = shared.store.inbox_waiting().await {
                    shared.waiting.store(waiting, Ordering::Relaxed);
                    observe::waiting(waiting);
                }
            }
            if Instant::now() >= tidy {
                tidy = Instant::now() + TIDY;
                if let Err(error) = self.purge().await {
                    tracing::warn!(target: "linchpin::inbox", "nothing could be taken away: {error}");
                }
            }
        }
        // What has not begun is due again before long, here or elsewhere.
        drop(fresh);
        let ended = tokio::time::timeout(shared.policy.attempt, async {
            while running.join_next().await.is_some() {}
            while lock(&shared.done).busy {
                tokio::task::yield_now().await;
            }
        });
        let _ = ended.await;
    }
}

impl Shared {
    /// What is due now, and when to look again.
    async fn claim(&self, room: usize, look: &mut Instant) -> Vec<Entry> {
        let now = self.clock.now();
        let claimed = self.store.inbox_claim(now, later(now, self.policy.attempt * 2), room).await;
        let (entries, next) = match claimed {
            // There may be more.
            Ok(entries) if entries.len() == room => (entries, Ok(Some(now))),
            Ok(entries) => (entries, self.store.inbox_next().await),
            Err(error) => (Vec::new(), Err(error)),
        };
        let wait = match next {
            Ok(Some(due)) => {
                let millis = due.unix_millis().saturating_sub(now.unix_millis());
                Duration::from_millis(u64::try_from(millis).unwrap_or_default()).min(LOOK)
            }
            Ok(None) => LOOK,
            Err(error) => {
                tracing::warn!(target: "linchpin::inbox", "the inbox cannot be read: {error}");
                LOOK
            }
        };
        // Of a lane that waits something is due, and still not to be had.
        let wait = if entries.is_empty() { wait.max(Duration::from_millis(100)) } else { wait };
        *look = Instant::now() + wait;
        entries
    }
}

async fn attempt(shared: Arc<Shared>, handle: Arc<dyn Handle>, entry: Entry) {
    let limit = shared.policy.attempt;
    let handled = match tokio::time::timeout(limit, handle.handle(&entry)).await {
        Ok(handled) => handled,
        Err(_) => Err(Error::coded(Code::DeadlineExceeded, format!("nobody took it within {limit:?}"))),
    };
    let Err(error) = handled else {
        observe::attempt("done");
        return shared.finish(&entry);
    };
    // Without random numbers there is none.
    let jitter = monitor::random().unwrap_or_default();
    let next = match Attempt::after(entry.attempts, &error, &shared.policy.pauses, jitter) {
        Attempt::Again(pause) => Some(later(shared.clock.now(), pause)),
        Attempt::Dead => None,
    };
    observe::attempt(if next.is_some() { "again" } else { "dead" });
    tracing::warn!(
        target: "linchpin::inbox", number = entry.number, source = entry.what.source, code = error.code().as_str(),
        dead = next.is_none(), "an entry was not handed on: {error}"
    );
    if next.is_none() {
        handle.gave_up(&entry, &error).await;
    }
    let problem = format!("{}: {}", error.code().as_str(), error.message());
    if let Err(error) = shared.store.inbox_failed(entry.number, problem, next).await {
        tracing::warn!(target: "linchpin::inbox", "a failure cannot be noted: {error}");
    }
    shared.wake.notify_one();
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(300)];

    fn after(attempts: u32, error: &Error) -> Attempt {
        Attempt::after(attempts, error, &PAUSES, 0.0)
    }

    #[test]
    fn what_may_pass_is_tried_again_until_the_pauses_are_used_up() {
        let down = Error::coded(Code::Unreachable, "no answer");
        assert_eq!(after(0, &down), Attempt::Again(PAUSES[0]));
        assert_eq!(after(1, &down), Attempt::Again(PAUSES[1]));
        assert_eq!(after(2, &down), Attempt::Dead);
        assert_eq!(Attempt::after(0, &down, &PAUSES, 1.0), Attempt::Again(Duration::from_secs(6)));
    }

    #[test]
    fn nobody_is_asked_before_they_want_to_be() {
        let busy = Error::coded(Code::RateLimited, "slow down").retry_after(Duration::from_secs(60));
        assert_eq!(after(0, &busy), Attempt::Again(Duration::from_secs(60)));
        assert_eq!(after(1, &busy), Attempt::Again(PAUSES[1]));
    }

    #[test]
    fn what_somebody_has_to_mend_is_a_dead_letter_at_once() {
        let misfit = Error::coded(Code::InputInvalid, "the delivery's body does not fit");
        assert_eq!(after(0, &misfit), Attempt::Dead);
        assert_eq!(after(0, &Error::coded(Code::ConnectionUnknown, "gone")), Attempt::Dead);
    }
}
