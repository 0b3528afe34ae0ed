//! Entries on their way out: attempted, attempted again, and given up.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use linchpin::{Actor, Code, Error, Result};
use linchpin_runtime::{Cancel, catch_panic};
use tokio::{task::JoinSet, time::Instant};

use super::{Inbox, Shared, lock, queue::Held};
use crate::{
    monitor, observe,
    ping::later,
    store::{Entry, Room},
};

/// How often the store is asked for what other processes left behind, when nothing is known to be due.
const LOOK: Duration = Duration::from_secs(30);

/// How often what waits is counted: what this process puts in and hands on it knows itself.
const COUNT: Duration = Duration::from_secs(30);

/// How often what was kept long enough is taken away.
const TIDY: Duration = Duration::from_secs(600);

/// What was fetched less than this ago has been worked off quickly.
const SOON: Duration = Duration::from_secs(1);

/// How long to wait for the first of a lane.
const LANES: Duration = Duration::from_millis(100);

/// Hands an entry on.
pub trait Handle: Send + Sync + 'static {
    /// Hands it on; when this returns without an error somebody has it.
    ///
    /// # Errors
    ///
    /// Whatever went wrong. What somebody has to mend first makes the entry a dead letter, everything else is tried again.
    fn handle(&self, entry: &Entry) -> impl Future<Output = Result<()>> + Send;

    /// Hears that an entry is a dead letter now, and why. By default nobody does.
    fn gave_up(&self, entry: &Entry, error: &Error) -> impl Future<Output = ()> + Send {
        let _ = (entry, error);
        std::future::ready(())
    }

    /// Waits until something can be handed on at all; nothing is attempted before. By default at once.
    fn ready(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
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
    pub async fn dispatch<H: Handle>(&self, handle: Arc<H>, stop: &Cancel) {
        let shared = &self.0;
        if shared.dispatched.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut working = JoinSet::new();
        let open = shared.queue.open();
        let mut store = Claims { look: Instant::now(), most: 0, last: None };
        let mut tidy = Instant::now() + TIDY;
        let mut count = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = handle.ready() => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = shared.queue.short() => {
                    working.spawn(work(shared.clone(), handle.clone(), stop.clone()));
                }
                () = shared.wake.notified() => store.look = Instant::now(),
                () = tokio::time::sleep_until(store.look.min(tidy).min(count)) => {}
            }
            if Instant::now() >= store.look {
                store.claim(shared).await;
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
        drop(open);
        let ended = tokio::time::timeout(shared.policy.attempt, async {
            while working.join_next().await.is_some() {}
            while lock(&shared.done).busy {
                tokio::task::yield_now().await;
            }
        });
        let _ = ended.await;
    }
}

/// What the store is asked for.
struct Claims {
    /// When to look again for what is due.
    look: Instant,
    /// How much it was asked for last, and when.
    most: usize,
    last: Option<Instant>,
}

impl Claims {
    /// Fetches what is due now, as far as there is room for it.
    async fn claim(&mut self, shared: &Shared) {
        self.look = Instant::now() + LOOK;
        let Some(room) = shared.queue.wants() else { return };
        // Who works off quickly is given more at once; to others what they cannot get at would only be lost for a while.
        let quick = self.last.is_some_and(|last| last.elapsed() < SOON);
        self.most = if quick { (self.most * 2).min(room.entries) } else { shared.queue.concurrency };
        self.last = Some(Instant::now());
        let room = Room { entries: self.most, ..room };
        let now = shared.clock.now();
        let until = later(now, shared.policy.attempt * 2);
        let wait = match shared.store.inbox_claim(now, until, room).await {
            Ok(entries) => {
                let count = entries.len();
                shared.queue.push(entries.into_iter().map(|entry| Held::new(entry, until)));
                // Of a lane that waits something is due, and still not to be had.
                let least = if count == 0 { LANES } else { Duration::ZERO };
                // Where as many came as were asked for there may be more.
                let next =
                    if count == room.entries { Ok(Some(now)) } else { shared.store.inbox_next().await };
                match next {
                    Ok(due) => due.map_or(LOOK, |due| now.until(due)).clamp(least, LOOK),
                    Err(error) => unread(&error),
                }
            }
            Err(error) => unread(&error),
        };
        self.look = Instant::now() + wait;
    }
}

fn unread(error: &Error) -> Duration {
    tracing::warn!(target: "linchpin::inbox", "the inbox cannot be read: {error}");
    LOOK
}

/// Attempts entries, one after the other, until the queue is closed.
async fn work<H: Handle>(shared: Arc<Shared>, handle: Arc<H>, stop: Cancel) {
    while let Some((Held { entry, until, .. }, ask)) = shared.queue.next().await {
        if ask {
            shared.wake.notify_one();
        }
        tokio::select! {
            biased;
            () = handle.ready() => {}
            () = stop.cancelled() => return,
        }
        // One that waited for too long is due for everybody before an attempt would be over.
        if later(shared.clock.now(), shared.policy.attempt) <= until {
            shared.attempt(&*handle, &entry).await;
        }
        // What never waits for anything lets others go on, too.
        tokio::task::coop::consume_budget().await;
    }
}

impl Shared {
    async fn attempt(self: &Arc<Self>, handle: &impl Handle, entry: &Entry) {
        let limit = self.policy.attempt;
        let handled = match tokio::time::timeout(limit, catch_panic(handle.handle(entry), panicked)).await {
            Ok(handled) => handled,
            Err(_) => Err(Error::coded(Code::DeadlineExceeded, format!("nobody took it within {limit:?}"))),
        };
        let Err(error) = handled else {
            observe::attempt("done");
            return self.finish(entry);
        };
        // Without random numbers there is none.
        let jitter = monitor::random().unwrap_or_default();
        let next = match Attempt::after(entry.attempts, &error, &self.policy.pauses, jitter) {
            Attempt::Again(pause) => Some(later(self.clock.now(), pause)),
            Attempt::Dead => None,
        };
        observe::attempt(if next.is_some() { "again" } else { "dead" });
        tracing::warn!(
            target: "linchpin::inbox", number = entry.number, source = entry.what.source, code = error.code().as_str(),
            dead = next.is_none(), "an entry was not handed on: {error}"
        );
        if next.is_none() {
            let told = async {
                handle.gave_up(entry, &error).await;
                Ok(())
            };
            if let Err(error) = catch_panic(told, panicked).await {
                tracing::warn!(target: "linchpin::inbox", "nobody was told of a dead letter: {error}");
            }
        }
        let problem = format!("{}: {}", error.code().as_str(), error.message());
        if let Err(error) = self.store.inbox_failed(entry.number, problem, next).await {
            tracing::warn!(target: "linchpin::inbox", "a failure cannot be noted: {error}");
        }
        self.wake.notify_one();
    }
}

/// A panic is a failure like any other, since the entry would come again and again.
fn panicked(text: &str) -> Error {
    Error::coded(Code::SinkFailed, format!("whoever it was handed to panicked: {text}"))
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
