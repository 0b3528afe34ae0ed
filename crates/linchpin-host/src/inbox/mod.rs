//! What comes in is on the disk before anybody is told that it arrived, and is handed on until somebody has taken it.
//!
//! ```text
//! put ─► gathered ─► one commit for all that has gathered ─► "it is in" ─► attempt ─► done, once the sink has it
//!                                                                  ▲          │
//!                                                                  └── later ─┴─► dead letter, for somebody to look at
//! ```

mod dispatch;
mod head;
mod memory;
mod queue;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use linchpin::{Code, Error, Result};
use linchpin_runtime::Clock;
use tokio::sync::{Notify, oneshot};

use self::queue::{Held, Queue};
pub use self::{
    dispatch::{Attempt, Handle},
    head::{DeliveryHead, Head, KeptHead, RecordHead},
    memory::MemoryInbox,
};
use crate::{
    ping::later,
    store::{Entry, EntryState, InboxStore, NewEntry, Put},
};

/// So many entries one commit takes at the most, so that no sender waits for ever.
const BATCH: usize = 256;

/// How long a sender is asked to stay away when there is no room.
const STAY_AWAY: Duration = Duration::from_secs(5);

/// How an inbox behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxPolicy {
    /// How long an attempt may take; 60 s by default. An entry whose process dies is given to another after twice as long.
    pub attempt: Duration,
    /// How long to wait after each failed attempt, before jitter; when there are no more the entry is a dead letter. By default what
    /// Standard Webhooks recommends: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
    pub pauses: Vec<Duration>,
    /// So many entries are attempted at once, one at the least; 64 by default.
    pub concurrency: usize,
    /// So many bytes may wait to be put in, in memory; 64 MiB by default. Beyond that senders are asked to come again.
    pub gathered: usize,
    /// So many entries may wait to be handed on; 100,000 by default. Beyond that senders are asked to come again.
    pub waiting: u64,
    /// How long what was handed on is kept, and what comes again is known; 3 days by default.
    pub keep_done: Duration,
    /// How long dead letters are kept; 30 days by default.
    pub keep_dead: Duration,
}

impl Default for InboxPolicy {
    fn default() -> InboxPolicy {
        let minute = Duration::from_secs(60);
        let hour = 60 * minute;
        InboxPolicy {
            attempt: minute,
            pauses: vec![
                Duration::from_secs(5),
                5 * minute,
                30 * minute,
                2 * hour,
                5 * hour,
                10 * hour,
                14 * hour,
                20 * hour,
                24 * hour,
            ],
            concurrency: 64,
            gathered: 64 << 20,
            waiting: 100_000,
            keep_done: 3 * 24 * hour,
            keep_dead: 30 * 24 * hour,
        }
    }
}

/// A way into an inbox, and out of it.
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    store: Arc<dyn InboxStore>,
    clock: Arc<dyn Clock>,
    policy: InboxPolicy,
    gathered: Mutex<Gathered>,
    /// What this process attempts next: also what was just put in, without asking the store for it.
    queue: Queue,
    dispatched: AtomicBool,
    done: Mutex<Finished>,
    /// Wakes the dispatcher: something is due that it does not know of.
    wake: Notify,
    /// How many entries wait, as far as this process knows.
    waiting: AtomicU64,
}

/// What waits for the next commit.
#[derive(Default)]
struct Gathered {
    entries: Vec<NewEntry>,
    /// Who waits for them, in their order.
    told: Vec<Told>,
    bytes: usize,
    /// Whether somebody is committing, and will look here again afterwards.
    busy: bool,
}

/// Who waits for so many entries that go in together.
struct Told {
    count: usize,
    tell: oneshot::Sender<Result<Vec<Put>>>,
}

#[derive(Default)]
struct Finished {
    numbers: Vec<i64>,
    /// Whether one of them was in a lane, where others wait for it.
    lanes: bool,
    busy: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stopped() -> Error {
    Error::coded(Code::StoreFailed, "the inbox has stopped")
}

impl Inbox {
    /// An inbox over a store.
    pub fn new(store: Arc<dyn InboxStore>, clock: Arc<dyn Clock>, policy: InboxPolicy) -> Inbox {
        Inbox(Arc::new(Shared {
            store,
            clock,
            queue: Queue::new(&policy),
            policy,
            gathered: Mutex::default(),
            dispatched: AtomicBool::new(false),
            done: Mutex::default(),
            wake: Notify::new(),
            waiting: AtomicU64::new(0),
        }))
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn InboxStore> {
        &self.0.store
    }

    /// Puts an entry in; when this returns it is on the disk, or was there before.
    ///
    /// Also when the future is dropped the entry may go in.
    ///
    /// # Errors
    ///
    /// [`Code::InboxFull`] with the time after which to come again, and [`Code::StoreFailed`]; then the entry is not in.
    pub async fn put(&self, entry: NewEntry) -> Result<Put> {
        let put = self.put_all(vec![entry]).await?;
        put.into_iter().next().ok_or_else(stopped)
    }

    /// Puts entries in by one commit: all of them, or none.
    ///
    /// # Errors
    ///
    /// As [`put`](Inbox::put); then none of them is in.
    pub async fn put_all(&self, entries: Vec<NewEntry>) -> Result<Vec<Put>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (tell, told) = oneshot::channel();
        {
            let mut gathered = lock(&self.0.gathered);
            let policy = &self.0.policy;
            let size = entries.iter().map(NewEntry::size).fold(0, usize::saturating_add);
            let bytes = gathered.bytes.saturating_add(size);
            if self.0.waiting.load(Ordering::Relaxed) >= policy.waiting || bytes > policy.gathered {
                return Err(Error::coded(
                    Code::InboxFull,
                    "there is no room for more until some are handed on",
                )
                .retry_after(STAY_AWAY));
            }
            gathered.bytes = bytes;
            gathered.told.push(Told { count: entries.len(), tell });
            gathered.entries.extend(entries);
            if !std::mem::replace(&mut gathered.busy, true) {
                tokio::spawn(commit(self.0.clone()));
            }
        }
        told.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Says that something is due now that the inbox was not told of: an entry that was put in beside it, or replayed.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Takes away what was kept long enough.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn purge(&self) -> Result<u64> {
        let policy = &self.0.policy;
        let mut gone = 0;
        for (state, time) in [(EntryState::Done, policy.keep_done), (EntryState::Dead, policy.keep_dead)] {
            let before = self.0.clock.now().before(time);
            loop {
                let some = self.0.store.inbox_purge(state, before, BATCH).await?;
                gone += some;
                if some < u64::try_from(BATCH).unwrap_or(u64::MAX) {
                    break;
                }
            }
        }
        Ok(gone)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({:?})", self.0.store)
    }
}

/// Commits what has gathered, again and again until there is nothing: meanwhile the next gather, and so share a flush to the disk.
async fn commit(shared: Arc<Shared>) {
    loop {
        let (entries, told) = {
            let mut gathered = lock(&shared.gathered);
            if gathered.told.is_empty() {
                gathered.busy = false;
                return;
            }
            // What goes in together is never torn apart, however many they are.
            let (mut some, mut most) = (0, 0);
            for told in &gathered.told {
                if some > 0 && most + told.count > BATCH {
                    break;
                }
                (some, most) = (some + 1, most + told.count);
            }
            let told: Vec<_> = gathered.told.drain(..some).collect();
            let entries: Vec<NewEntry> = gathered.entries.drain(..most).collect();
            let size: usize = entries.iter().map(NewEntry::size).sum();
            gathered.bytes = gathered.bytes.saturating_sub(size);
            (entries, told)
        };
        put_in(&shared, entries, told).await;
    }
}

async fn put_in(shared: &Shared, entries: Vec<NewEntry>, told: Vec<Told>) {
    // With room for all of them here nobody else need look at them, unless this process dies.
    let size: usize = entries.iter().map(NewEntry::size).sum();
    let room = shared.queue.room();
    let here = entries.len() <= room.entries && size <= room.bytes;
    let until = later(shared.clock.now(), shared.policy.attempt * 2);
    let stays = entries.clone();
    match shared.store.inbox_put(entries, here.then_some(until)).await {
        Ok(put) => {
            let new = stays.into_iter().zip(&put).filter_map(|(what, put)| match *put {
                Put::New(number) => Some(Entry { number, attempts: 0, what }),
                Put::Known => None,
            });
            let (held, left): (Vec<Entry>, Vec<Entry>) =
                new.partition(|entry| here && entry.what.lane.is_none());
            let count = u64::try_from(held.len() + left.len()).unwrap_or(u64::MAX);
            shared.waiting.fetch_add(count, Ordering::Relaxed);
            shared.queue.push(held.into_iter().map(|entry| Held::new(entry, until)));
            let others = !left.is_empty();
            let mut put = put.into_iter();
            for Told { count, tell } in told {
                // Whoever sent it may have gone.
                let _ = tell.send(Ok(put.by_ref().take(count).collect()));
            }
            if others {
                shared.wake.notify_one();
            }
        }
        Err(error) => {
            for Told { tell, .. } in told {
                let mut copy = Error::coded(error.code(), error.message().to_owned());
                if let Some(hint) = error.details().hint {
                    copy = copy.hint(hint.to_owned());
                }
                let _ = tell.send(Err(copy));
            }
        }
    }
}

impl Shared {
    /// Notes that an entry was handed on, together with others.
    fn finish(self: &Arc<Self>, entry: &Entry) {
        let mut done = lock(&self.done);
        done.numbers.push(entry.number);
        done.lanes |= entry.what.lane.is_some();
        if !std::mem::replace(&mut done.busy, true) {
            tokio::spawn(commit_done(self.clone()));
        }
    }
}

async fn commit_done(shared: Arc<Shared>) {
    loop {
        let (numbers, lanes) = {
            let mut done = lock(&shared.done);
            if done.numbers.is_empty() {
                done.busy = false;
                return;
            }
            (std::mem::take(&mut done.numbers), std::mem::take(&mut done.lanes))
        };
        let count = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
        // Where it fails they will be due again, and the sink drops what it has.
        if let Err(error) = shared.store.inbox_done(numbers).await {
            tracing::warn!(target: "linchpin::inbox", "what was handed on cannot be noted: {error}");
        }
        let _ = shared.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            Some(waiting.saturating_sub(count))
        });
        if lanes {
            shared.wake.notify_one();
        }
    }
}
