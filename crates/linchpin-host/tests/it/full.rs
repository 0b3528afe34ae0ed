//! A disk that is full when a test says so.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
use linchpin_host::{
    inbox::MemoryInbox,
    store::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Room, Summary},
};

/// An inbox whose disk is full for a time.
#[derive(Debug, Default)]
pub(crate) struct Full {
    pub(crate) inbox: MemoryInbox,
    pub(crate) full: AtomicBool,
    /// How many entries each commit put in.
    pub(crate) commits: Mutex<Vec<usize>>,
    /// How many entries each claim asked for.
    pub(crate) claims: Mutex<Vec<usize>>,
}

fn full() -> Error {
    Error::coded(Code::StoreFailed, "the disk is full")
}

macro_rules! while_there_is_room {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)+) => {
        $(fn $name(&self, $($arg: $type),*) -> BoxFuture<'_, Result<$result>> {
            match self.full.load(Ordering::SeqCst) {
                true => Box::pin(std::future::ready(Err(full()))),
                false => self.inbox.$name($($arg),*),
            }
        })+
    };
}

impl InboxStore for Full {
    fn inbox_put(
        &self,
        entries: Vec<NewEntry>,
        held_until: Option<DateTime>,
    ) -> BoxFuture<'_, Result<Vec<Put>>> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(full())));
        }
        self.commits.lock().unwrap().push(entries.len());
        self.inbox.inbox_put(entries, held_until)
    }

    fn inbox_claim(&self, now: DateTime, until: DateTime, room: Room) -> BoxFuture<'_, Result<Vec<Entry>>> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(full())));
        }
        self.claims.lock().unwrap().push(room.entries);
        self.inbox.inbox_claim(now, until, room)
    }

    while_there_is_room! {
        inbox_done(numbers: Vec<i64>) -> ();
        inbox_failed(number: i64, problem: String, next: Option<DateTime>) -> bool;
        inbox_next() -> Option<DateTime>;
        inbox_waiting() -> u64;
        inbox_list(which: Entries) -> Vec<Summary>;
        inbox_entry(number: i64) -> Option<(Entry, Summary)>;
        inbox_replay(number: i64, now: DateTime) -> bool;
        inbox_purge(state: EntryState, before: DateTime, most: usize) -> u64;
    }
}
