//! The store in one file, by SQLite: nothing to set up, for one machine.
//!
//! One thread writes. It commits whatever has queued up in one transaction, each job in a savepoint of its own, and answers
//! after the commit: many callers share one flush to the disk. Another thread reads beside it.

mod connection;
mod file;
#[cfg(test)]
#[cfg(unix)]
mod home;
mod hook;
mod inbox;
mod monitor;
mod queue;
mod revocation;
mod schema;
mod trouble;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use linchpin::{DateTime, Result, flow::BoxFuture};
use rusqlite::{OptionalExtension, Row, types::Type};
use serde::Serialize;
use tokio::sync::oneshot;

use self::{
    queue::{Job, Mode, Worker, Write},
    trouble::Trouble,
};
use super::{
    Cell, Client, Store, after, count,
    row::{Columns, Reading, Unread, to_cell, to_client, to_note, to_sealed, to_time_if_any},
};
use crate::vault::{CHECK, KeyId, Kind, Place, Sealed};

/// A [`Store`] in one file.
pub struct Sqlite {
    path: Arc<Path>,
    clock: Clock,
    // The reader goes first: SQLite tidies up when the last connection closes, and not when two do so at once.
    reads: Worker<Job>,
    writes: Worker<Write>,
    calls: AtomicU64,
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

impl Sqlite {
    /// Opens the store in a file, which is made where there is none, and brought up to this version's schema.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`](linchpin::Code::StoreFailed) when the file cannot be opened for writing, can be read by others, is no store, or is of a newer
    /// version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Sqlite> {
        Sqlite::start(path.into().into(), Arc::new(system_clock), "full")
    }

    /// The same, but what was reported as done may be lost when the machine loses its power; never when only the process dies. Each
    /// commit takes a flush to the disk less.
    ///
    /// # Errors
    ///
    /// Like [`open`](Sqlite::open).
    pub fn open_unflushed(path: impl Into<PathBuf>) -> Result<Sqlite> {
        Sqlite::start(path.into().into(), Arc::new(system_clock), "normal")
    }

    /// The same with a clock of its own for leases. For tests.
    ///
    /// # Errors
    ///
    /// Like [`open`](Sqlite::open).
    pub fn with_clock(
        path: impl Into<PathBuf>,
        clock: impl Fn() -> DateTime + Send + Sync + 'static,
    ) -> Result<Sqlite> {
        Sqlite::start(path.into().into(), Arc::new(move || clock().unix_millis()), "full")
    }

    fn start(path: Arc<Path>, clock: Clock, synchronous: &str) -> Result<Sqlite> {
        file::prepare(&path)?;
        let told = |trouble: Trouble| trouble.error(&path);
        let mut writer = file::connect(&path, synchronous).map_err(told)?;
        schema::migrate(&mut writer, &path)?;
        let reader = file::connect(&path, synchronous).map_err(told)?;
        reader.pragma_update(None, "query_only", true).map_err(|error| told(error.into()))?;

        Ok(Sqlite {
            reads: Worker::start("linchpin-store-read", move |jobs| queue::answer_reads(&reader, &jobs))?,
            writes: Worker::start("linchpin-store-write", move |jobs| {
                queue::commit_writes(&mut writer, &jobs)
            })?,
            path,
            clock,
            calls: AtomicU64::new(0),
        })
    }

    /// How many calls it was asked to answer, for measurements.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// A change, of which the answer tells after it is on the disk.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        self.change(Mode::Alone, work)
    }

    /// A change that is never refused, only kept from the disk, and then with all that are committed beside it. It costs less: SQLite
    /// keeps no copy of each page for undoing it alone.
    fn write_plainly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        self.change(Mode::Together, work)
    }

    /// A change that takes secrets away or replaces them.
    fn forget<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        self.change(Mode::Forgetting, work)
    }

    fn change<T: Send + 'static>(
        &self,
        mode: Mode,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        let (job, told) = queue::job(work);
        self.answer(self.writes.send(Write { job, mode }), told)
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        let (job, told) = queue::job(work);
        self.answer(self.reads.send(job), told)
    }

    fn answer<T: Send + 'static>(
        &self,
        sent: bool,
        told: oneshot::Receiver<Result<T, Trouble>>,
    ) -> BoxFuture<'_, Result<T>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let lost = || Trouble { code: None, text: "its thread has stopped".to_owned() };
            let told = if sent { told.await.unwrap_or_else(|_| Err(lost())) } else { Err(lost()) };
            told.map_err(|trouble| trouble.error(&self.path))
        })
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Whether a statement changed the one row that it was for.
fn one(changed: usize) -> bool {
    changed == 1
}

impl Columns for Row<'_> {
    fn text_if_any(&self, column: usize) -> Unread<Option<String>> {
        Ok(self.get(column)?)
    }

    fn number_if_any(&self, column: usize) -> Unread<Option<i64>> {
        Ok(self.get(column)?)
    }

    fn bytes_if_any(&self, column: usize) -> Unread<Option<Vec<u8>>> {
        Ok(self.get(column)?)
    }
}

/// Reads a record as SQLite wants it.
fn read<T>(each: Reading<T>) -> impl Fn(&Row<'_>) -> rusqlite::Result<T> {
    move |row| each(row).map_err(|why| rusqlite::Error::FromSqlConversionFailure(0, Type::Null, why))
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Claims what is due by a statement with the parameters now, until and most.
fn due<T>(
    connection: &rusqlite::Connection,
    sql: &str,
    (now, until, most): (DateTime, DateTime, usize),
    each: Reading<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare_cached(sql)?
        .query_map((now.unix_millis(), until.unix_millis(), count(most)), read(each))?
        .collect()
}

impl Store for Sqlite {
    fn care_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>> {
        self.read(|connection| {
            let sql = "select min(due) from (
                    select min(next_ping) as due from connection where next_ping is not null and state <> 'revoked'
                    union all select min(keep_alive) from connection
                        where keep_alive is not null and dead is null and state <> 'revoked'
                    union all select min(next) from revocation where next is not null
                    union all select min(next) from hook where next is not null and (held is null or held <= next)
                    union all select min(held) from hook where next is not null and held > next
                )";
            connection.prepare_cached(sql)?.query_row((), read(to_time_if_any))
        })
    }

    fn client_put(&self, client: Client) -> BoxFuture<'_, Result<()>> {
        self.forget(move |connection| {
            let Client { connector, method, id, secret } = client;
            connection
                .prepare_cached(
                    "insert or replace into client (connector, method, id, secret) values (?1, ?2, ?3, ?4)",
                )?
                .execute((connector, method, id, secret.map(|secret| secret.0)))?;
            Ok(())
        })
    }

    fn client(&self, connector: &str, method: &str) -> BoxFuture<'_, Result<Option<Client>>> {
        let (connector, method) = (connector.to_owned(), method.to_owned());
        self.read(move |connection| {
            connection
                .prepare_cached("select id, secret from client where connector = ?1 and method = ?2")?
                .query_row((&connector, &method), read(to_client))
                .optional()
                .map(|found| found.map(|(id, secret)| Client { connector, method, id, secret }))
        })
    }

    fn note(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        let name = name.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached("select value from note where name = ?1")?
                .query_row([name], read(to_note))
                .optional()
        })
    }

    fn note_once(&self, name: &str, value: &[u8]) -> BoxFuture<'_, Result<Vec<u8>>> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "insert into note (name, value) values (?1, ?2) on conflict (name) do nothing",
                )?
                .execute((&name, value))?;
            connection
                .prepare_cached("select value from note where name = ?1")?
                .query_row([name], read(to_note))
        })
    }

    fn cell(&self, name: &str) -> BoxFuture<'_, Result<Cell>> {
        let (name, clock) = (name.to_owned(), self.clock.clone());
        self.read(move |connection| {
            connection
                .prepare_cached("select (select value from cell where name = ?1), ?2")?
                .query_row((name, clock()), read(to_cell))
        })
    }

    fn cell_swap(&self, name: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> BoxFuture<'_, Result<bool>> {
        let (name, old, new) = (name.to_owned(), old.map(<[u8]>::to_owned), new.map(<[u8]>::to_owned));
        self.write(move |connection| match (old, new) {
            (None, None) => connection
                .prepare_cached("select not exists (select * from cell where name = ?1)")?
                .query_row([name], |row| row.get(0)),
            (None, Some(new)) => connection
                .prepare_cached(
                    "insert into cell (name, value) values (?1, ?2) on conflict (name) do nothing",
                )?
                .execute((name, new))
                .map(one),
            (Some(old), Some(new)) => connection
                .prepare_cached("update cell set value = ?3 where name = ?1 and value = ?2")?
                .execute((name, old, new))
                .map(one),
            (Some(old), None) => connection
                .prepare_cached("delete from cell where name = ?1 and value = ?2")?
                .execute((name, old))
                .map(one),
        })
    }

    fn sealed_after(&self, place: Option<Place>, most: usize) -> BoxFuture<'_, Result<Vec<(Place, Sealed)>>> {
        self.read(move |connection| {
            let (kind, id) = after(place);
            connection
                .prepare_cached(
                    "with sealed (kind, id, text) as (
                        select 0, id, fields from connection
                        union all select 1, id, tokens from connection where tokens is not null
                        union all select 2, id, sealed from revocation
                        union all select 3, connector || '/' || method, secret from client where secret is not null
                        union all select 4, name, value from note where name = ?4
                        union all select 5, id, sealed from hook
                    )
                    select kind, id, text from sealed where (kind, id) > (?1, ?2) order by kind, id limit ?3",
                )?
                .query_map((kind, id, count(most), CHECK), read(to_sealed))?
                .collect()
        })
    }

    fn keys_retire(&self, current: KeyId, retired: Vec<KeyId>) -> BoxFuture<'_, Result<()>> {
        self.write(move |connection| {
            connection.prepare_cached("delete from retired_key where id = ?1")?.execute([current.0])?;
            let mut retire =
                connection.prepare_cached("insert or ignore into retired_key (id) values (?1)")?;
            retired.into_iter().try_for_each(|key| retire.execute([key.0]).map(drop))
        })
    }

    fn sealed_swap(&self, place: &Place, old: &Sealed, new: Sealed) -> BoxFuture<'_, Result<bool>> {
        let (place, old) = (place.clone(), old.clone());
        self.forget(move |connection| {
            let sql = match place.kind {
                Kind::Fields => "update connection set fields = ?3 where id = ?1 and fields = ?2",
                Kind::Grant => "update connection set tokens = ?3 where id = ?1 and tokens = ?2",
                Kind::Revocation => "update revocation set sealed = ?3 where id = ?1 and sealed = ?2",
                Kind::Client => {
                    "update client set secret = ?3 where connector || '/' || method = ?1 and secret = ?2"
                }
                Kind::Hook => "update hook set sealed = ?3 where id = ?1 and sealed = ?2",
                Kind::Check => "update note set value = ?3 where name = ?1 and value = ?2",
            };
            Ok(one(connection.prepare_cached(sql)?.execute((place.id, old.0, new.0))?))
        })
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Duration;

    use super::{home::Home, *};
    use crate::store::{ConnectionStore, Lease};

    #[tokio::test]
    async fn leases_run_by_the_clock_that_was_given() {
        use std::sync::atomic::{AtomicI64, Ordering};

        let home = Home::new();
        let now = Arc::new(AtomicI64::new(1_000_000));
        let clock = now.clone();
        let clock = move || DateTime::from_unix_millis(clock.load(Ordering::Relaxed)).unwrap();
        let store = Sqlite::with_clock(home.path(), clock).unwrap();
        let put = "insert into connection (id, tenant, name, connector, method, fields, scopes, state, since, created, generation, tokens)
            values ('it', '', '', '', '', x'', '[]', 'active', 0, 0, 1, x'')";
        store.write(|connection| connection.execute(put, ()).map(|_| ())).await.unwrap();
        let lease = async |holder: &str| {
            store.grant_lease("it", 1, holder, Duration::from_micros(9_999_001)).await.unwrap()
        };
        assert_eq!(lease("one").await, Lease::Taken { abandoned: false });
        assert_eq!(lease("two").await, Lease::Held(Duration::from_millis(10_000)));
        now.fetch_add(9_999, Ordering::Relaxed);
        assert_eq!(lease("two").await, Lease::Held(Duration::from_millis(1)));
        now.fetch_add(1, Ordering::Relaxed);
        assert_eq!(lease("two").await, Lease::Taken { abandoned: true });
        assert_eq!(lease("one").await, Lease::Held(Duration::from_millis(10_000)));
    }
}
