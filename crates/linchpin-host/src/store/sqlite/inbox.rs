//! The inbox in SQLite.

use linchpin::{DateTime, Result, flow::BoxFuture};
use rusqlite::{Connection, OptionalExtension};

use super::{Sqlite, count, one, read};
use crate::store::{
    inbox::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Room, Summary},
    millis,
    row::{to_entry, to_summary},
};

/// What an entry is never changes, and is written once; how it is stands in a row of its own, which is a few bytes long and goes when
/// the entry is done. Identities stand in their index as they are: many services count them up, and then it grows at its end.
pub(super) const MIGRATION: &str = "
    create table inbox (
        number integer primary key,
        source text not null,
        identity text not null,
        lane text,
        received integer not null,
        head text not null,
        body blob not null,
        unique (source, identity)
    ) strict;
    create index inbox_received on inbox (received);

    create table inbox_open (
        number integer primary key,
        state integer not null default 0,
        attempts integer not null default 0,
        due integer,
        problem text,
        queue blob
    ) strict;
    create index inbox_due on inbox_open (due) where due is not null;
    create index inbox_queue on inbox_open (queue, number) where queue is not null and due is not null;
";

/// How an entry is: one that was handed on at its first attempt has no row that says so.
const STATE: &str = "ifnull(state, 1)";

/// The columns of an entry.
const ENTRY: &str = "number, ifnull(attempts, 0), source, identity, lane, head, body, received";

/// The columns of what is known of an entry.
const SUMMARY: &str =
    "number, source, identity, received, ifnull(state, 1), ifnull(attempts, 0), due, problem, length(body)";

/// What is sent twice within one batch is one entry, too: each row is put in before the next is looked at.
pub(super) fn insert(
    connection: &Connection,
    entries: &[NewEntry],
    held_until: Option<DateTime>,
) -> rusqlite::Result<Vec<Put>> {
    let mut insert = connection.prepare_cached(
        "insert into inbox (source, identity, lane, received, head, body) values (?1, ?2, ?3, ?4, ?5, ?6)
        on conflict do nothing",
    )?;
    let mut open =
        connection.prepare_cached("insert into inbox_open (number, due, queue) values (?1, ?2, ?3)")?;
    let mut put = |entry: &NewEntry| {
        let due = held_until.filter(|_| entry.lane.is_none()).unwrap_or(entry.received).unix_millis();
        let NewEntry { source, identity, lane, received, head, body } = entry;
        if !one(insert.execute((source, identity, lane, received.unix_millis(), head.text(), &body[..]))?) {
            return revive(connection, entry, due);
        }
        let number = connection.last_insert_rowid();
        open.execute((number, due, entry.queue()))?;
        Ok(Put::New(number))
    };
    entries.iter().map(&mut put).collect()
}

/// A dead letter that comes again lives again.
fn revive(connection: &Connection, entry: &NewEntry, due: i64) -> rusqlite::Result<Put> {
    let number = connection
        .prepare_cached(
            "update inbox_open set state = 0, attempts = 0, due = ?3 where state = 2
            and number = (select number from inbox where source = ?1 and identity = ?2) returning number",
        )?
        .query_row((&entry.source, &entry.identity, due), |row| row.get(0))
        .optional()?;
    Ok(number.map_or(Put::Known, Put::New))
}

impl InboxStore for Sqlite {
    fn inbox_put(
        &self,
        entries: Vec<NewEntry>,
        held_until: Option<DateTime>,
    ) -> BoxFuture<'_, Result<Vec<Put>>> {
        self.write_plainly(move |connection| insert(connection, &entries, held_until))
    }

    fn inbox_claim(&self, now: DateTime, until: DateTime, room: Room) -> BoxFuture<'_, Result<Vec<Entry>>> {
        self.write(move |connection| {
            let mut due = connection.prepare_cached(
                "select number, length(body) from inbox_open as this cross join inbox using (number)
                where due <= ?1 and (queue is null or not exists (
                    select 1 from inbox_open as older
                    where older.queue = this.queue and older.due is not null and older.number < this.number
                )) order by due, number limit ?2",
            )?;
            let mut due = due.query((now.unix_millis(), count(room.entries)))?;
            let (mut numbers, mut bytes): (Vec<i64>, usize) = (Vec::new(), 0);
            while let Some(row) = due.next()? {
                bytes = bytes.saturating_add(row.get(1)?);
                if bytes > room.bytes && !numbers.is_empty() {
                    break;
                }
                numbers.push(row.get(0)?);
            }
            drop(due);
            numbers.sort_unstable();
            let mut put_off =
                connection.prepare_cached("update inbox_open set due = ?2 where number = ?1")?;
            let mut entry = connection.prepare_cached(&format!(
                "select {ENTRY} from inbox_open join inbox using (number) where number = ?1"
            ))?;
            let claim = |number: i64| {
                put_off.execute((number, until.unix_millis()))?;
                entry.query_row([number], read(to_entry))
            };
            numbers.into_iter().map(claim).collect()
        })
    }

    fn inbox_done(&self, numbers: Vec<i64>) -> BoxFuture<'_, Result<()>> {
        self.write_plainly(move |connection| {
            let mut at_first =
                connection.prepare_cached("delete from inbox_open where number = ?1 and attempts = 0")?;
            let mut later = connection.prepare_cached(
                "update inbox_open set state = 1, due = null, problem = null where number = ?1",
            )?;
            for number in numbers {
                if !one(at_first.execute([number])?) {
                    later.execute([number])?;
                }
            }
            Ok(())
        })
    }

    fn inbox_failed(
        &self,
        number: i64,
        problem: String,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>> {
        self.write(move |connection| {
            let noted = connection
                .prepare_cached(
                    "update inbox_open
                    set attempts = attempts + 1, problem = ?2, due = ?3, state = iif(?3 is null, 2, 0)
                    where number = ?1 and state = 0",
                )?
                .execute((number, problem, millis(next)))?;
            Ok(one(noted))
        })
    }

    fn inbox_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        self.read(|connection| {
            let due: Option<i64> = connection
                .prepare_cached("select min(due) from inbox_open where due is not null")?
                .query_row((), |row| row.get(0))?;
            Ok(due.and_then(DateTime::from_unix_millis))
        })
    }

    fn inbox_waiting(&self) -> BoxFuture<'_, Result<u64>> {
        self.read(|connection| {
            connection
                .prepare_cached("select count(*) from inbox_open where due is not null")?
                .query_row((), |row| row.get(0))
        })
    }

    fn inbox_list(&self, which: Entries) -> BoxFuture<'_, Result<Vec<Summary>>> {
        self.read(move |connection| {
            let sql = format!(
                "select {SUMMARY} from inbox left join inbox_open using (number)
                where (?1 is null or source = ?1) and (?2 is null or {STATE} = ?2) and (?3 is null or number < ?3)
                order by number desc limit ?4"
            );
            let Entries { source, state, below, most } = which;
            connection
                .prepare_cached(&sql)?
                .query_map((source, state.map(EntryState::number), below, count(most)), read(to_summary))?
                .collect()
        })
    }

    fn inbox_entry(&self, number: i64) -> BoxFuture<'_, Result<Option<(Entry, Summary)>>> {
        self.read(move |connection| {
            let find = |columns: &str| {
                format!("select {columns} from inbox left join inbox_open using (number) where number = ?1")
            };
            let entry =
                connection.prepare_cached(&find(ENTRY))?.query_row([number], read(to_entry)).optional()?;
            let Some(entry) = entry else { return Ok(None) };
            let summary = connection.prepare_cached(&find(SUMMARY))?.query_row([number], read(to_summary))?;
            Ok(Some((entry, summary)))
        })
    }

    fn inbox_replay(&self, number: i64, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        self.write(move |connection| {
            let entry = connection
                .prepare_cached(&format!(
                    "select {ENTRY} from inbox left join inbox_open using (number) where number = ?1"
                ))?
                .query_row([number], read(to_entry))
                .optional()?;
            let Some(entry) = entry else { return Ok(false) };
            connection
                .prepare_cached("insert or replace into inbox_open (number, due, queue) values (?1, ?2, ?3)")?
                .execute((number, now.unix_millis(), entry.what.queue()))?;
            Ok(true)
        })
    }

    fn inbox_purge(&self, state: EntryState, before: DateTime, most: usize) -> BoxFuture<'_, Result<u64>> {
        self.write(move |connection| {
            let sql = format!(
                "select number from inbox left join inbox_open using (number)
                where received < ?2 and {STATE} = ?1 and due is null order by received limit ?3"
            );
            let mut old = connection.prepare_cached(&sql)?;
            let old = old.query_map((state.number(), before.unix_millis(), count(most)), |row| row.get(0))?;
            let old: Vec<i64> = old.collect::<rusqlite::Result<_>>()?;
            let mut open = connection.prepare_cached("delete from inbox_open where number = ?1")?;
            let mut entry = connection.prepare_cached("delete from inbox where number = ?1")?;
            for number in &old {
                open.execute([number])?;
                entry.execute([number])?;
            }
            Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
        })
    }
}
