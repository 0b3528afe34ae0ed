//! What this process is about to attempt.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
};

use linchpin::DateTime;
use tokio::sync::Notify;

use super::{InboxPolicy, lock};
use crate::store::{Entry, Room};

/// So many entries wait here for each that is attempted at once.
const WAITING: usize = 16;

/// An entry that is this process's until a time.
pub(super) struct Held {
    pub entry: Entry,
    pub until: DateTime,
    size: usize,
}

impl Held {
    pub(super) fn new(entry: Entry, until: DateTime) -> Held {
        Held { size: entry.what.size(), entry, until }
    }
}

/// Entries that are this process's, in the order in which they are attempted, and how many there are to attempt them.
///
/// Nobody is woken for each entry: whoever takes one and leaves others behind calls the next.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Calls somebody who waits for an entry.
    came: Notify,
    /// Calls for one more to attempt entries.
    short: Notify,
    /// So many entries are attempted at once; one at the least.
    pub(super) concurrency: usize,
    bytes: usize,
}

#[derive(Default)]
struct State {
    held: VecDeque<Held>,
    bytes: usize,
    /// How many attempt entries, and how many of them wait for one.
    working: usize,
    idle: usize,
    /// Whether the store has more that is due.
    more: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new(policy: &InboxPolicy) -> Queue {
        Queue {
            state: Mutex::default(),
            came: Notify::new(),
            short: Notify::new(),
            concurrency: policy.concurrency.clamp(1, 1 << 16),
            bytes: policy.gathered,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// For how much there is room.
    pub(super) fn room(&self) -> Room {
        self.room_beside(&self.state())
    }

    fn room_beside(&self, state: &State) -> Room {
        let most = if state.closed { 0 } else { self.concurrency * WAITING };
        Room { entries: most.saturating_sub(state.held.len()), bytes: self.bytes.saturating_sub(state.bytes) }
    }

    /// For how much there is room, once so little waits that the store should be asked for more; until then it is noted that the store
    /// has more.
    pub(super) fn wants(&self) -> Option<Room> {
        let mut state = self.state();
        state.more = !self.is_low(&state);
        (!state.more).then(|| self.room_beside(&state))
    }

    fn is_low(&self, state: &State) -> bool {
        state.held.len() <= self.concurrency && state.bytes <= self.bytes / 2
    }

    pub(super) fn push(&self, entries: impl IntoIterator<Item = Held>) {
        let mut state = self.state();
        for held in entries {
            state.bytes = state.bytes.saturating_add(held.size);
            state.held.push_back(held);
        }
        self.call(&state);
    }

    /// Calls somebody if there is something to do.
    fn call(&self, state: &State) {
        if state.held.is_empty() {
            return;
        }
        if state.idle > 0 {
            self.came.notify_one();
        } else if state.working < self.concurrency {
            self.short.notify_one();
        }
    }

    /// The next entry, once there is one, and whether the store should be asked for more; nothing once the queue is closed.
    pub(super) async fn next(&self) -> Option<(Held, bool)> {
        loop {
            let came = self.came.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                if let Some(held) = state.held.pop_front() {
                    state.bytes = state.bytes.saturating_sub(held.size);
                    self.call(&state);
                    let ask = state.more && self.is_low(&state);
                    state.more &= !ask;
                    return Some((held, ask));
                }
                state.idle += 1;
            }
            came.await;
            self.state().idle -= 1;
        }
    }

    /// Waits until there are more entries than there are to attempt them, and counts one more of these.
    pub(super) async fn short(&self) {
        loop {
            self.short.notified().await;
            let mut state = self.state();
            if state.working < self.concurrency && !state.held.is_empty() {
                state.working += 1;
                return;
            }
        }
    }

    /// Holds the queue open; nothing goes in or out any more once this is dropped, and what waits is due again before long, here or
    /// elsewhere.
    pub(super) fn open(&self) -> Open<'_> {
        Open(self)
    }
}

/// What is dropped when nobody is there any more to attempt entries.
pub(super) struct Open<'a>(&'a Queue);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        state.held.clear();
        drop(state);
        self.0.came.notify_waiters();
    }
}
