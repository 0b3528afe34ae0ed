//! An inbox that keeps nothing: for trying things out, and for tests.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use linchpin::{DateTime, Result, flow::BoxFuture};

use crate::store::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Room, Summary};

/// An [`InboxStore`] in memory: what is in it is gone with the process.
///
/// What has been handed on is forgotten but for its identity, of which the newest 100,000 are kept.
#[derive(Default)]
pub struct MemoryInbox(Mutex<Kept>);

/// So many identities of what was handed on are remembered.
const REMEMBERED: usize = 100_000;

#[derive(Default)]
struct Kept {
    last: i64,
    /// What waits or is dead, by number.
    rows: BTreeMap<i64, Row>,
    /// Of what waits, when it is due.
    due: BTreeSet<(DateTime, i64)>,
    numbers: HashMap<[u8; 16], i64>,
    /// What was handed on, by number.
    done: BTreeMap<i64, [u8; 16]>,
}

struct Row {
    entry: Entry,
    key: [u8; 16],
    due: Option<DateTime>,
    problem: Option<String>,
}

impl Kept {
    fn put_off(&mut self, number: i64, due: Option<DateTime>) {
        let Some(row) = self.rows.get_mut(&number) else { return };
        if let Some(old) = row.due.take() {
            self.due.remove(&(old, number));
        }
        row.due = due;
        self.due.extend(due.map(|due| (due, number)));
    }

    /// Whether one of the same lane comes before it.
    fn waits_for_another(&self, number: i64) -> bool {
        let Some(what) = self.rows.get(&number).map(|row| &row.entry.what) else { return true };
        what.lane.is_some()
            && self.rows.range(..number).any(|(_, older)| {
                older.due.is_some()
                    && older.entry.what.lane == what.lane
                    && older.entry.what.source == what.source
            })
    }

    fn put(&mut self, what: NewEntry, held_until: Option<DateTime>) -> Put {
        let key = what.key();
        let due = held_until.filter(|_| what.lane.is_none()).unwrap_or(what.received);
        if let Some(&number) = self.numbers.get(&key) {
            let Some(row) = self.rows.get_mut(&number).filter(|row| row.due.is_none()) else {
                return Put::Known;
            };
            row.entry.attempts = 0;
            self.put_off(number, Some(due));
            return Put::New(number);
        }
        self.last += 1;
        let number = self.last;
        self.numbers.insert(key, number);
        self.rows.insert(
            number,
            Row { entry: Entry { number, attempts: 0, what }, key, due: Some(due), problem: None },
        );
        self.due.insert((due, number));
        Put::New(number)
    }

    fn finish(&mut self, number: i64) {
        self.put_off(number, None);
        let Some(row) = self.rows.remove(&number) else { return };
        self.done.insert(number, row.key);
        if self.done.len() > REMEMBERED
            && let Some((_, key)) = self.done.pop_first()
        {
            self.numbers.remove(&key);
        }
    }

    fn summary(row: &Row) -> Summary {
        let Entry { number, attempts, what } = &row.entry;
        Summary {
            number: *number,
            source: what.source.clone(),
            identity: what.identity.clone(),
            received: what.received,
            state: if row.due.is_some() { EntryState::Waiting } else { EntryState::Dead },
            attempts: *attempts,
            due: row.due,
            problem: row.problem.clone(),
            size: u64::try_from(what.body.len()).unwrap_or(u64::MAX),
        }
    }
}

impl MemoryInbox {
    /// An empty one.
    pub fn new() -> MemoryInbox {
        MemoryInbox::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Kept) -> T) -> BoxFuture<'_, Result<T>> {
        let done = work(&mut self.kept());
        Box::pin(std::future::ready(Ok(done)))
    }
}

impl fmt::Debug for MemoryInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryInbox({})", self.kept().rows.len())
    }
}

impl InboxStore for MemoryInbox {
    fn inbox_put(
        &self,
        entries: Vec<NewEntry>,
        held_until: Option<DateTime>,
    ) -> BoxFuture<'_, Result<Vec<Put>>> {
        self.with(|kept| entries.into_iter().map(|entry| kept.put(entry, held_until)).collect())
    }

    fn inbox_claim(&self, now: DateTime, until: DateTime, room: Room) -> BoxFuture<'_, Result<Vec<Entry>>> {
        self.with(|kept| {
            let due = kept.due.range(..=(now, i64::MAX)).map(|&(_, number)| number);
            let due = due.filter(|&number| !kept.waits_for_another(number)).take(room.entries);
            let (mut ready, mut bytes) = (Vec::new(), 0_usize);
            for number in due {
                let size = kept.rows.get(&number).map_or(0, |row| row.entry.what.body.len());
                bytes = bytes.saturating_add(size);
                if bytes > room.bytes && !ready.is_empty() {
                    break;
                }
                ready.push(number);
            }
            ready.sort_unstable();
            ready.iter().for_each(|&number| kept.put_off(number, Some(until)));
            ready.iter().filter_map(|number| Some(kept.rows.get(number)?.entry.clone())).collect()
        })
    }

    fn inbox_done(&self, numbers: Vec<i64>) -> BoxFuture<'_, Result<()>> {
        self.with(|kept| numbers.into_iter().for_each(|number| kept.finish(number)))
    }

    fn inbox_failed(
        &self,
        number: i64,
        problem: String,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>> {
        self.with(|kept| {
            let Some(row) = kept.rows.get_mut(&number).filter(|row| row.due.is_some()) else { return false };
            row.entry.attempts += 1;
            row.problem = Some(problem);
            kept.put_off(number, next);
            true
        })
    }

    fn inbox_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        self.with(|kept| kept.due.first().map(|&(due, _)| due))
    }

    fn inbox_waiting(&self) -> BoxFuture<'_, Result<u64>> {
        self.with(|kept| u64::try_from(kept.due.len()).unwrap_or(u64::MAX))
    }

    fn inbox_list(&self, which: Entries) -> BoxFuture<'_, Result<Vec<Summary>>> {
        self.with(|kept| {
            let below = which.below.unwrap_or(i64::MAX);
            let rows = kept.rows.range(..below).rev().map(|(_, row)| Kept::summary(row));
            rows.filter(|row| which.source.as_ref().is_none_or(|source| *source == row.source))
                .filter(|row| which.state.is_none_or(|state| state == row.state))
                .take(which.most)
                .collect()
        })
    }

    fn inbox_entry(&self, number: i64) -> BoxFuture<'_, Result<Option<(Entry, Summary)>>> {
        self.with(|kept| kept.rows.get(&number).map(|row| (row.entry.clone(), Kept::summary(row))))
    }

    fn inbox_replay(&self, number: i64, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        self.with(|kept| {
            let Some(row) = kept.rows.get_mut(&number) else { return false };
            (row.entry.attempts, row.problem) = (0, None);
            kept.put_off(number, Some(now));
            true
        })
    }

    fn inbox_purge(&self, state: EntryState, before: DateTime, most: usize) -> BoxFuture<'_, Result<u64>> {
        self.with(|kept| {
            let old = |row: &&Row| row.due.is_none() && row.entry.what.received < before;
            let gone: Vec<i64> = match state {
                EntryState::Dead => {
                    kept.rows.values().filter(old).map(|row| row.entry.number).take(most).collect()
                }
                _ => Vec::new(),
            };
            for number in &gone {
                if let Some(row) = kept.rows.remove(number) {
                    kept.numbers.remove(&row.key);
                }
            }
            u64::try_from(gone.len()).unwrap_or(u64::MAX)
        })
    }
}
