//! The inbox in SQLite.

use linchpin::{DateTime, Result, flow::BoxFuture};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Sqlite, count, one, read};
use crate::store::{
    inbox::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Summary},
    millis,
    row::{ENTRY, SUMMARY, to_entry, to_summary},
};

/// What is sent twice within one batch is one entry, too: each row is put in before the next is looked at.
pub(super) fn insert(
    connection: &Connection,
    entries: &[NewEntry],
    held_until: Option<DateTime>,
) -> rusqlite::Result<Vec<Put>> {
    let mut insert = connection.prepare_cached(
        "insert into inbox (key, source, identity, lane, received, head, body, due)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        on conflict (key) do update set state = 0, attempts = 0, due = excluded.due where state = 2
        returning number",
    )?;
    entries
        .iter()
        .map(|entry| {
            let held = held_until.filter(|_| entry.lane.is_none()).unwrap_or(entry.received);
            let number = insert
                .query_row(
                    params![
                        entry.key(),
                        entry.source,
                        entry.identity,
                        entry.lane,
                        entry.received.unix_millis(),
                        entry.head,
                        &entry.body[..],
                        held.unix_millis(),
                    ],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(number.map_or(Put::Known, Put::New))
        })
        .collect()
}

impl InboxStore for Sqlite {
    fn inbox_put(
        &self,
        entries: Vec<NewEntry>,
        held_until: Option<DateTime>,
    ) -> BoxFuture<'_, Result<Vec<Put>>> {
        self.write(move |connection| insert(connection, &entries, held_until))
    }

    fn inbox_claim(&self, now: DateTime, until: DateTime, most: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        self.write(move |connection| {
            let sql = format!(
                "update inbox set due = ?2 where number in (
                    select number from inbox as this where due <= ?1 and (lane is null or not exists (
                        select 1 from inbox as older
                        where older.source = this.source and older.lane = this.lane and older.due is not null
                            and older.number < this.number
                    ))
                    order by due, number limit ?3
                ) returning {ENTRY}"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows =
                statement.query_map((now.unix_millis(), until.unix_millis(), count(most)), read(to_entry))?;
            let mut entries: Vec<Entry> = rows.collect::<rusqlite::Result<_>>()?;
            entries.sort_unstable_by_key(|entry| entry.number);
            Ok(entries)
        })
    }

    fn inbox_done(&self, numbers: Vec<i64>) -> BoxFuture<'_, Result<()>> {
        self.write(move |connection| {
            let mut done = connection
                .prepare_cached("update inbox set state = 1, due = null, problem = null where number = ?1")?;
            numbers.into_iter().try_for_each(|number| done.execute([number]).map(drop))
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
                    "update inbox set attempts = attempts + 1, problem = ?2, due = ?3, state = iif(?3 is null, 2, 0)
                    where number = ?1 and state = 0",
                )?
                .execute((number, problem, millis(next)))?;
            Ok(one(noted))
        })
    }

    fn inbox_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        self.read(|connection| {
            let due: Option<i64> = connection
                .prepare_cached("select min(due) from inbox where due is not null")?
                .query_row((), |row| row.get(0))?;
            Ok(due.and_then(DateTime::from_unix_millis))
        })
    }

    fn inbox_waiting(&self) -> BoxFuture<'_, Result<u64>> {
        self.read(|connection| {
            connection
                .prepare_cached("select count(*) from inbox where due is not null")?
                .query_row((), |row| row.get(0))
        })
    }

    fn inbox_list(&self, which: Entries) -> BoxFuture<'_, Result<Vec<Summary>>> {
        self.read(move |connection| {
            let sql = format!(
                "select {SUMMARY} from inbox
                where (?1 is null or source = ?1) and (?2 is null or state = ?2) and (?3 is null or number < ?3)
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
            let entry = connection
                .prepare_cached(&format!("select {ENTRY} from inbox where number = ?1"))?
                .query_row([number], read(to_entry))
                .optional()?;
            let Some(entry) = entry else { return Ok(None) };
            let summary = connection
                .prepare_cached(&format!("select {SUMMARY} from inbox where number = ?1"))?
                .query_row([number], read(to_summary))?;
            Ok(Some((entry, summary)))
        })
    }

    fn inbox_replay(&self, number: i64, now: DateTime) -> BoxFuture<'_, Result<bool>> {
        self.write(move |connection| {
            let replayed = connection
                .prepare_cached(
                    "update inbox set state = 0, attempts = 0, due = ?2, problem = null where number = ?1",
                )?
                .execute((number, now.unix_millis()))?;
            Ok(one(replayed))
        })
    }

    fn inbox_purge(&self, state: EntryState, before: DateTime, most: usize) -> BoxFuture<'_, Result<u64>> {
        self.write(move |connection| {
            let gone = connection
                .prepare_cached(
                    "delete from inbox where number in (
                        select number from inbox where received < ?2 and state = ?1 and due is null
                        order by received limit ?3
                    )",
                )?
                .execute((state.number(), before.unix_millis(), count(most)))?;
            Ok(u64::try_from(gone).unwrap_or(u64::MAX))
        })
    }
}
