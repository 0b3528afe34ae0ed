//! Records out of rows, whichever database these are in.

use linchpin::DateTime;
use serde::de::DeserializeOwned;

use super::{
    Cell,
    inbox::{Entry, EntryState, NewEntry, Summary},
    monitor::{Monitor, Seen, Subscription},
};
use crate::vault::{Kind, Place, Sealed};

/// The columns of a monitor `m` and its connection `c`.
pub(super) const MONITOR: &str = "m.id, c.tenant, m.connection, c.name, c.connector, m.flow, m.options, m.created, m.cursor, m.cursor_at, m.started, m.generation, m.due, m.held_until, m.paused, m.failures, m.problem, m.last_run, m.last_found, m.stopped, m.wakes, m.reading_since, m.read_since";

/// A row of any database; every column is a text, a number or bytes.
pub(super) trait Columns {
    fn text_if_any(&self, column: usize) -> Unread<Option<String>>;
    fn number_if_any(&self, column: usize) -> Unread<Option<i64>>;
    fn bytes_if_any(&self, column: usize) -> Unread<Option<Vec<u8>>>;
}

/// What is read, or why it cannot be.
pub(super) type Unread<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How a record is read.
pub(super) type Reading<T> = fn(&dyn Columns) -> Unread<T>;

fn there<T>(value: Option<T>, column: usize) -> Unread<T> {
    Ok(value.ok_or_else(|| format!("nothing is in column {column}"))?)
}

pub(super) fn text(row: &dyn Columns, column: usize) -> Unread<String> {
    there(row.text_if_any(column)?, column)
}

pub(super) fn sealed(row: &dyn Columns, column: usize) -> Unread<Sealed> {
    bytes(row, column).map(Sealed)
}

pub(super) fn bytes(row: &dyn Columns, column: usize) -> Unread<Vec<u8>> {
    there(row.bytes_if_any(column)?, column)
}

pub(super) fn number<T: TryFrom<i64>>(row: &dyn Columns, column: usize) -> Unread<T> {
    let number = there(row.number_if_any(column)?, column)?;
    Ok(T::try_from(number).map_err(|_| format!("{number} is out of range"))?)
}

pub(super) fn time(row: &dyn Columns, column: usize) -> Unread<DateTime> {
    there(time_if_any(row, column)?, column)
}

pub(super) fn time_if_any(row: &dyn Columns, column: usize) -> Unread<Option<DateTime>> {
    let read = |millis| DateTime::from_unix_millis(millis).ok_or_else(|| format!("{millis} is no time"));
    Ok(row.number_if_any(column)?.map(read).transpose()?)
}

pub(super) fn json_if_any<T: DeserializeOwned>(row: &dyn Columns, column: usize) -> Unread<Option<T>> {
    Ok(row.text_if_any(column)?.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// An entry of number, attempts, source, identity, lane, head, body and time.
pub(super) fn to_entry(row: &dyn Columns) -> Unread<Entry> {
    Ok(Entry {
        number: number(row, 0)?,
        attempts: number(row, 1)?,
        what: NewEntry {
            source: text(row, 2)?,
            identity: text(row, 3)?,
            lane: row.text_if_any(4)?,
            head: text(row, 5)?.into(),
            body: bytes(row, 6)?.into(),
            received: time(row, 7)?,
        },
    })
}

/// What is known of an entry, of number, source, identity, time, state, attempts, due, problem and size.
pub(super) fn to_summary(row: &dyn Columns) -> Unread<Summary> {
    let state = number(row, 4)?;
    Ok(Summary {
        number: number(row, 0)?,
        source: text(row, 1)?,
        identity: text(row, 2)?,
        received: time(row, 3)?,
        state: EntryState::numbered(state).ok_or_else(|| format!("{state} is not a state"))?,
        attempts: number(row, 5)?,
        due: time_if_any(row, 6)?,
        problem: row.text_if_any(7)?,
        size: number(row, 8)?,
    })
}

/// Id and secret of an OAuth client.
pub(super) fn to_client(row: &dyn Columns) -> Unread<(String, Option<Sealed>)> {
    Ok((text(row, 0)?, row.bytes_if_any(1)?.map(Sealed)))
}

/// Kind, id and text of what is sealed.
pub(super) fn to_sealed(row: &dyn Columns) -> Unread<(Place, Sealed)> {
    let kind = Kind::numbered(number(row, 0)?).ok_or("not a kind")?;
    Ok((Place { kind, id: text(row, 1)? }, sealed(row, 2)?))
}

/// A cell: its value, and the time.
pub(super) fn to_cell(row: &dyn Columns) -> Unread<Cell> {
    Ok(Cell { value: row.bytes_if_any(0)?, now: time(row, 1)? })
}

/// The value of a note.
pub(super) fn to_note(row: &dyn Columns) -> Unread<Vec<u8>> {
    bytes(row, 0)
}

/// A monitor of the columns [`MONITOR`], without its subscriptions.
pub(super) fn to_monitor(row: &dyn Columns) -> Unread<Monitor> {
    Ok(Monitor {
        id: text(row, 0)?,
        tenant: text(row, 1)?,
        connection: text(row, 2)?,
        name: text(row, 3)?,
        connector: text(row, 4)?,
        flow: text(row, 5)?,
        options: text(row, 6)?,
        created: time(row, 7)?,
        cursor: row.text_if_any(8)?,
        cursor_at: time_if_any(row, 9)?,
        started: number::<i64>(row, 10)? != 0,
        generation: number(row, 11)?,
        due: time_if_any(row, 12)?,
        held_until: time_if_any(row, 13)?,
        paused: number::<i64>(row, 14)? != 0,
        failures: number(row, 15)?,
        problem: json_if_any(row, 16)?,
        last_run: time_if_any(row, 17)?,
        last_found: number(row, 18)?,
        stopped: number::<i64>(row, 19)? != 0,
        wakes: number(row, 20)?,
        reading_since: time_if_any(row, 21)?,
        read_since: time(row, 22)?,
        subscriptions: Vec::new(),
    })
}

/// What a subscription wants.
pub(super) fn to_subscription(row: &dyn Columns) -> Unread<Subscription> {
    Ok(serde_json::from_str(&text(row, 0)?)?)
}

/// Key, owner and time of what was seen.
pub(super) fn to_seen(row: &dyn Columns) -> Unread<Seen> {
    Ok(Seen { key: text(row, 0)?, owner: text(row, 1)?, at: time(row, 2)? })
}

/// A time, if any.
pub(super) fn to_time_if_any(row: &dyn Columns) -> Unread<Option<DateTime>> {
    time_if_any(row, 0)
}
