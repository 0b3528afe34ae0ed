//! The inbox: what services delivered and monitors found, kept until it has been handed on.

use std::fmt;

use bytes::Bytes;
use linchpin::{DateTime, Result, flow::BoxFuture};
use sha2::{Digest, Sha256};

use crate::inbox::KeptHead;

/// Entries on their way to whoever is told of them. An entry that is reported as put in survives a crash of the process and of
/// the machine, unless the inbox says that it keeps nothing.
///
/// Times are the caller's.
pub trait InboxStore: fmt::Debug + Send + Sync + 'static {
    /// Puts entries in: all, or none when it fails. Of one source and identity there is one entry; who comes again is told so, and
    /// a dead letter that comes again lives again.
    ///
    /// An entry that is put in as held until a time is given to nobody else before it. Those of a lane are never held: they have
    /// an order, which only [`inbox_claim`](InboxStore::inbox_claim) knows.
    fn inbox_put(
        &self,
        entries: Vec<NewEntry>,
        held_until: Option<DateTime>,
    ) -> BoxFuture<'_, Result<Vec<Put>>>;

    /// Entries that are due, oldest first, each given to one caller only: they are put off until `until` by the same step. Of a
    /// lane only the oldest that is not done or dead. As many as there is room for, and one whatever its size.
    fn inbox_claim(&self, now: DateTime, until: DateTime, room: Room) -> BoxFuture<'_, Result<Vec<Entry>>>;

    /// Notes that entries have been handed on.
    fn inbox_done(&self, numbers: Vec<i64>) -> BoxFuture<'_, Result<()>>;

    /// Notes a failed attempt, and when the next is due; without a next one the entry is a dead letter.
    fn inbox_failed(
        &self,
        number: i64,
        problem: String,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>>;

    /// When the next entry is due.
    fn inbox_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>>;

    /// How many entries wait.
    fn inbox_waiting(&self) -> BoxFuture<'_, Result<u64>>;

    /// What is known of entries, newest first.
    fn inbox_list(&self, which: Entries) -> BoxFuture<'_, Result<Vec<Summary>>>;

    /// An entry, and what is known of it.
    fn inbox_entry(&self, number: i64) -> BoxFuture<'_, Result<Option<(Entry, Summary)>>>;

    /// Lets an entry be handed on again, from its first attempt on; `false` when there is none.
    fn inbox_replay(&self, number: i64, now: DateTime) -> BoxFuture<'_, Result<bool>>;

    /// Takes away at most so many entries that are done or dead and came before a time, oldest first; gives how many. What came
    /// again after that would be new.
    fn inbox_purge(&self, state: EntryState, before: DateTime, most: usize) -> BoxFuture<'_, Result<u64>>;
}

/// Something to be handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// The id of the hook or monitor that it comes from.
    pub source: String,
    /// What tells it from the others of its source.
    pub identity: String,
    /// Entries of one lane of a source are handed on one after the other.
    pub lane: Option<String>,
    /// What it is: how the request came, or which event a record is.
    pub head: KeptHead,
    /// The raw body of a request, or a record as JSON.
    pub body: Bytes,
    /// When it came.
    pub received: DateTime,
}

impl NewEntry {
    /// How much of the memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.head.size() + self.body.len()
    }

    /// What an inbox knows it by: half of a digest, since it stands in an index.
    pub(crate) fn key(&self) -> [u8; 16] {
        digest(&self.source, &self.identity)
    }

    /// What those of its lane are known by together.
    pub(crate) fn queue(&self) -> Option<[u8; 16]> {
        self.lane.as_ref().map(|lane| digest(&self.source, lane))
    }
}

fn digest(source: &str, name: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(source.len().to_be_bytes());
    hash.update(source);
    hash.update(name);
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

/// How much there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// So many entries.
    pub entries: usize,
    /// So many bytes of bodies.
    pub bytes: usize,
}

impl Room {
    /// Room for so many entries, whatever their size.
    pub fn entries(entries: usize) -> Room {
        Room { entries, bytes: usize::MAX }
    }
}

/// What became of an entry that was to be put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is in, under this number.
    New(i64),
    /// It was there already.
    Known,
}

/// Something that is to be handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counts up as entries come.
    pub number: i64,
    /// How many attempts have failed.
    pub attempts: u32,
    /// What it is.
    pub what: NewEntry,
}

/// What is known of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its number.
    pub number: i64,
    /// The hook or monitor that it comes from.
    pub source: String,
    /// What tells it from the others of its source.
    pub identity: String,
    /// When it came.
    pub received: DateTime,
    /// How it is.
    pub state: EntryState,
    /// How many attempts have failed.
    pub attempts: u32,
    /// When the next is due.
    pub due: Option<DateTime>,
    /// What went wrong with the last.
    pub problem: Option<String>,
    /// How long its body is, in bytes.
    pub size: u64,
}

/// How an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryState {
    /// It waits to be handed on.
    Waiting,
    /// It has been handed on.
    Done,
    /// It could not be handed on, and waits for somebody to look at it.
    Dead,
}

impl EntryState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryState::Waiting => "waiting",
            EntryState::Done => "done",
            EntryState::Dead => "dead",
        }
    }

    pub(crate) fn number(self) -> i64 {
        match self {
            EntryState::Waiting => 0,
            EntryState::Done => 1,
            EntryState::Dead => 2,
        }
    }

    pub(crate) fn numbered(number: i64) -> Option<EntryState> {
        [EntryState::Waiting, EntryState::Done, EntryState::Dead]
            .into_iter()
            .find(|state| state.number() == number)
    }
}

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    /// Of this source.
    pub source: Option<String>,
    /// In this state.
    pub state: Option<EntryState>,
    /// With smaller numbers than this.
    pub below: Option<i64>,
    /// So many at the most.
    pub most: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(source: &str, identity: &str) -> NewEntry {
        NewEntry {
            source: source.to_owned(),
            identity: identity.to_owned(),
            lane: None,
            head: String::new().into(),
            body: Bytes::new(),
            received: DateTime::from_unix_millis(0).unwrap(),
        }
    }

    #[test]
    fn source_and_identity_do_not_run_into_one_another() {
        assert_eq!(entry("a", "bc").key(), entry("a", "bc").key());
        assert_ne!(entry("a", "bc").key(), entry("ab", "c").key());
    }
}
