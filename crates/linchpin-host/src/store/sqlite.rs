//! The store in one file, by SQLite: nothing to set up, for one machine.
//!
//! One thread writes. It commits whatever has queued up in one transaction, each job in a savepoint of its own, and answers
//! after the commit: many callers share one flush to the disk. Another thread reads beside it.

mod hook;
mod inbox;
mod monitor;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
use rusqlite::{ErrorCode, OptionalExtension, Row, TransactionBehavior, types::Type};
use serde::Serialize;
use tokio::sync::oneshot;

use super::{
    Attempt, Cell, Change, Client, Connection, Failure, Filter, GrantRow, Lease, NewGrant, Ping, RETIRED,
    Renewed, Revocation, State, Store, after, columns, count, ended, key_retired, millis,
    row::{
        CONNECTION, Columns, GRANT, REVOCATION, Reading, Unread, to_cell, to_change, to_client,
        to_connection, to_grant, to_note, to_revocation, to_sealed, to_time_if_any,
    },
};
use crate::{
    private_file,
    vault::{CHECK, KeyId, Kind, Place, Sealed},
};

/// How long a process waits while another writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many jobs one transaction takes at most, so that no caller waits for ever.
const BATCH: usize = 256;

/// What marks a file as ours: "LiPi".
const APPLICATION: i32 = 0x4c69_5069;

/// Each brings the schema from one version to the next. What was released is never changed.
const MIGRATIONS: &[&str] = &[
    "
    create table connection (
        id text primary key,
        tenant text not null,
        name text not null,
        connector text not null,
        method text not null,
        owner text,
        fields blob not null,
        scopes text not null,
        account text,
        account_label text,
        state text not null,
        since integer not null,
        created integer not null,
        ping text,
        next_ping integer,
        generation integer not null,
        tokens blob,
        expires integer,
        keep_alive integer,
        dead text,
        failures integer not null default 0,
        retry_at integer,
        holder text,
        held_until integer,
        unique (tenant, name)
    ) strict;
    create index connection_account on connection (connector, account) where account is not null;
    create index connection_ping on connection (next_ping) where next_ping is not null;
    create index connection_keep_alive on connection (keep_alive) where keep_alive is not null;

    create table change (
        number integer primary key,
        connection text not null references connection on delete cascade,
        state text not null,
        at integer not null,
        reason text not null
    ) strict;
    create index change_connection on change (connection, number);

    create table revocation (
        id text primary key,
        connection text not null,
        tenant text not null,
        name text not null,
        connector text not null,
        method text not null,
        sealed blob not null,
        created integer not null,
        attempts integer not null,
        last text,
        next integer
    ) strict;
    create index revocation_next on revocation (next) where next is not null;

    create table client (
        connector text not null,
        method text not null,
        id text not null,
        secret blob,
        primary key (connector, method)
    ) strict;

    create table note (
        name text primary key,
        value blob not null
    ) strict;
",
    // What is sealed names its key in the bytes 2 to 9. Each column is looked at for itself: a row whose other column waits to be
    // sealed anew may change.
    "
    create table retired_key (id blob primary key) strict;

    create trigger connection_add_key before insert on connection
    when exists (select * from retired_key where id in (substr(new.fields, 2, 8), substr(new.tokens, 2, 8)))
    begin select raise(abort, 'the key was retired'); end;
    create trigger connection_fields_key before update of fields on connection
    when exists (select * from retired_key where id = substr(new.fields, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
    create trigger connection_tokens_key before update of tokens on connection
    when exists (select * from retired_key where id = substr(new.tokens, 2, 8))
    begin select raise(abort, 'the key was retired'); end;

    create trigger revocation_add_key before insert on revocation
    when exists (select * from retired_key where id = substr(new.sealed, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
    create trigger revocation_key before update of sealed on revocation
    when exists (select * from retired_key where id = substr(new.sealed, 2, 8))
    begin select raise(abort, 'the key was retired'); end;

    create trigger client_add_key before insert on client
    when exists (select * from retired_key where id = substr(new.secret, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
    create trigger client_key before update of secret on client
    when exists (select * from retired_key where id = substr(new.secret, 2, 8))
    begin select raise(abort, 'the key was retired'); end;
",
    "
    create table cell (
        name text primary key,
        value blob not null
    ) strict, without rowid;
    ",
    inbox::MIGRATION,
    hook::MIGRATION,
    monitor::MIGRATION,
    monitor::WAKES,
    hook::HELD,
];

/// A [`Store`] in one file.
pub struct Sqlite {
    path: Arc<Path>,
    clock: Clock,
    // The reader goes first: SQLite tidies up when the last connection closes, and not when two do so at once.
    reads: Worker<Job>,
    writes: Worker<Write>,
    calls: AtomicU64,
}

/// A thread with a connection of its own. Dropping it waits for the end of the thread, so that nobody meets it who opens or
/// deletes the file next.
struct Worker<T> {
    /// `None` only while it is being dropped.
    jobs: Option<Sender<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Worker<T> {
    fn start(name: &str, run: impl FnOnce(Receiver<T>) + Send + 'static) -> Result<Worker<T>> {
        let (jobs, work) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(work));
        let thread = thread.map_err(|error| {
            Error::coded(Code::StoreFailed, format!("cannot start a thread for the store: {error}"))
        })?;
        Ok(Worker { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Whether there is still somebody to do it.
    fn send(&self, job: T) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Work on the database, or word that it cannot be done; gives how it went, and the answer that waits for the commit.
type Job = Box<dyn FnOnce(Result<&rusqlite::Connection, Trouble>) -> Done + Send>;

struct Write {
    job: Job,
    /// Whether secrets are taken away or replaced.
    forgets: bool,
    /// Whether it is undone by itself when it fails; what is not takes its neighbours along.
    alone: bool,
}

struct Done {
    went: Result<(), Trouble>,
    answer: Box<dyn FnOnce(Result<(), Trouble>)>,
}

/// What SQLite said. Unlike its own error it can be told to several callers.
#[derive(Debug, Clone)]
struct Trouble {
    code: Option<ErrorCode>,
    text: String,
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble { code: error.sqlite_error_code(), text: error.to_string() }
    }
}

impl Trouble {
    fn error(self, path: &Path) -> Error {
        let path = path.display();
        let (message, hint) = match self.code {
            Some(ErrorCode::DiskFull) => (
                format!("the disk of the store `{path}` is full"),
                "make room; nothing that was reported as done is lost",
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => (
                format!("the store `{path}` cannot be opened for writing: {}", self.text),
                "its folder and the file itself must be writable",
            ),
            Some(ErrorCode::NotADatabase) => (
                format!("`{path}` is not a store: {}", self.text),
                "name another file; a store is made where there is none",
            ),
            Some(ErrorCode::DatabaseCorrupt) => {
                (format!("the store `{path}` is damaged: {}", self.text), "restore it from a backup")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                format!("another process has kept the store `{path}` to itself for too long"),
                "see which process it is, and try again",
            ),
            Some(ErrorCode::ConstraintViolation) if self.text == RETIRED => return key_retired(path),
            _ => {
                let message = format!("the store `{path}` failed: {}", self.text);
                return Error::coded(Code::StoreFailed, message);
            }
        };
        Error::coded(Code::StoreFailed, message).hint(hint)
    }
}

impl Sqlite {
    /// Opens the store in a file, which is made where there is none, and brought up to this version's schema.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when the file cannot be opened for writing, can be read by others, is no store, or is of a newer
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
        prepare_file(&path)?;
        let told = |trouble: Trouble| trouble.error(&path);
        let mut writer = connect(&path, synchronous).map_err(told)?;
        migrate(&mut writer, &path)?;
        let reader = connect(&path, synchronous).map_err(told)?;
        reader.pragma_update(None, "query_only", true).map_err(|error| told(error.into()))?;

        Ok(Sqlite {
            reads: Worker::start("linchpin-store-read", move |jobs| answer_reads(&reader, &jobs))?,
            writes: Worker::start("linchpin-store-write", move |jobs| commit_writes(&mut writer, &jobs))?,
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
        self.change(false, true, work)
    }

    /// A change that is never refused, only kept from the disk, and then with all that are committed beside it. It costs less: SQLite
    /// keeps no copy of each page for undoing it alone.
    fn write_plainly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        self.change(false, false, work)
    }

    /// A change that takes secrets away or replaces them.
    fn forget<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        self.change(true, true, work)
    }

    fn change<T: Send + 'static>(
        &self,
        forgets: bool,
        alone: bool,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        let (job, told) = job(work);
        self.answer(self.writes.send(Write { job, forgets, alone }), told)
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        let (job, told) = job(work);
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

fn job<T: Send + 'static>(
    work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, Trouble>>) {
    let (tell, told) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        let found = connection.and_then(|connection| work(connection).map_err(Trouble::from));
        let went = found.as_ref().map(|_| ()).map_err(Clone::clone);
        // Whoever asked may have gone.
        let answer = Box::new(move |committed: Result<(), Trouble>| {
            let _ = tell.send(found.and_then(|found| committed.map(|()| found)));
        });
        Done { went, answer }
    });
    (job, told)
}

fn answer_reads(connection: &rusqlite::Connection, jobs: &Receiver<Job>) {
    for job in jobs {
        (job(Ok(connection)).answer)(Ok(()));
    }
}

fn commit_writes(connection: &mut rusqlite::Connection, jobs: &Receiver<Write>) {
    let mut forgotten = false;
    loop {
        let first = match jobs.try_recv() {
            Ok(first) => first,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                if forgotten {
                    wipe(connection);
                    forgotten = false;
                }
                let Ok(first) = jobs.recv() else { return };
                first
            }
        };
        let batch: Vec<Write> = [first].into_iter().chain(jobs.try_iter().take(BATCH - 1)).collect();
        forgotten |= batch.iter().any(|write| write.forgets);
        commit(connection, batch.into_iter());
    }
}

/// Does jobs in one transaction, and tells each what came of it once that is sure.
fn commit(connection: &mut rusqlite::Connection, mut writes: impl Iterator<Item = Write>) {
    let mut answers = Vec::new();
    let committed = (|| -> Result<(), Trouble> {
        let mut all = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for Write { job, alone, .. } in &mut writes {
            if !alone {
                let done = job(Ok(&all));
                answers.push(done.answer);
                done.went?;
                continue;
            }
            let one = all.savepoint()?;
            let done = job(Ok(&one));
            answers.push(done.answer);
            match done.went {
                Ok(()) => one.commit()?,
                // A full disk, for instance, has ended the transaction: the neighbours' changes are undone as well.
                Err(trouble) if one.is_autocommit() => return Err(trouble),
                // Undone when it is dropped; the neighbours' stay.
                Err(_) => one.finish()?,
            }
        }
        Ok(all.commit()?)
    })();
    if let Err(trouble) = &committed {
        answers.extend(writes.map(|write| (write.job)(Err(trouble.clone())).answer));
    }
    for answer in answers {
        answer(committed.clone());
    }
}

/// Moves everything out of the log into the file, where the places of what was removed are overwritten.
fn wipe(connection: &rusqlite::Connection) {
    // Another process that reads just now keeps the log; then the next time will do.
    let _ = connection.busy_timeout(Duration::ZERO);
    let _ = connection.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(()));
    let _ = connection.busy_timeout(PATIENCE);
}

/// Makes the file where there is none, so that it is its owner's alone from the start.
fn prepare_file(path: &Path) -> Result<()> {
    let failed = |what: &str, error: &io::Error| {
        let message = format!("cannot {what} the store `{}`: {error}", path.display());
        Error::coded(Code::StoreFailed, message).hint("name a file in a folder that is writable")
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|error| failed("make the folder of", &error))?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {}
        // Not opened here: to close it again would take away the locks that SQLite holds on it in this process.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make", &error)),
    }
    let found = fs::metadata(path).map_err(|error| failed("read", &error))?;
    if !found.is_file() {
        let what = if found.is_dir() { "a folder" } else { "not a file" };
        let message = format!("the store `{}` is {what}", path.display());
        return Err(Error::coded(Code::StoreFailed, message).hint("name a file in it, such as `store.db`"));
    }
    private_file::check("the store", path, &found)
}

fn connect(path: &Path, synchronous: &str) -> Result<rusqlite::Connection, Trouble> {
    use rusqlite::OpenFlags;

    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    if connection.is_readonly(rusqlite::MAIN_DB)? {
        return Err(Trouble { code: Some(ErrorCode::ReadOnly), text: "it is write-protected".to_owned() });
    }
    // SQLite does not wait by itself while another process makes the same change.
    let start = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && start.elapsed() < PATIENCE =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            other => break other?,
        }
    }
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    // What a savepoint may have to put back.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

fn migrate(connection: &mut rusqlite::Connection, path: &Path) -> Result<()> {
    let newest = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    loop {
        let version = migrate_once(connection).map_err(|error| Trouble::from(error).error(path))?;
        match version {
            Migrated::Foreign => {
                let message = format!("`{}` is a database of another program", path.display());
                return Err(Error::coded(Code::StoreFailed, message)
                    .hint("name another file; a store is made where there is none"));
            }
            Migrated::To(version) if version > newest => {
                let message = format!(
                    "the store `{}` is of a newer linchpin: its schema is {version}, and this one knows {newest}",
                    path.display()
                );
                return Err(Error::coded(Code::StoreFailed, message).hint("update linchpin"));
            }
            Migrated::To(version) if version == newest => return Ok(()),
            Migrated::To(_) => {}
        }
    }
}

enum Migrated {
    /// The schema's version now.
    To(i32),
    /// Somebody else's database.
    Foreign,
}

/// One step, in a transaction; other processes may do the same at the same time.
fn migrate_once(connection: &mut rusqlite::Connection) -> rusqlite::Result<Migrated> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = |pragma: &str| step.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    if application != APPLICATION || version < 0 {
        let tables: i64 = step.query_row("select count(*) from sqlite_schema", (), |row| row.get(0))?;
        if application != 0 || tables != 0 || version != 0 {
            return Ok(Migrated::Foreign);
        }
        step.pragma_update(None, "application_id", APPLICATION)?;
    }
    let Some(migration) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version)) else {
        return Ok(Migrated::To(version));
    };
    step.execute_batch(migration)?;
    step.pragma_update(None, "user_version", version + 1)?;
    step.commit()?;
    Ok(Migrated::To(version + 1))
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

fn add_change(connection: &rusqlite::Connection, id: &str, change: &Change) -> rusqlite::Result<()> {
    connection
        .prepare_cached("insert into change (connection, state, at, reason) values (?1, ?2, ?3, ?4)")?
        .execute((id, change.state.as_str(), change.at.unix_millis(), &change.reason))?;
    Ok(())
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
    fn connection_add(&self, new: Connection, grant: Option<NewGrant>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (tenant, name) = (new.tenant.clone(), new.name.clone());
            let added = self.write(move |connection| {
                let (account, label) = new.identity.map(|account| (account.id, account.label)).unzip();
                let (sealed, expires, keep_alive) = columns(grant);
                let sql = format!(
                    "insert into connection ({CONNECTION}, tokens, expires, keep_alive, generation)
                    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?16 is not null)
                    on conflict (tenant, name) do nothing"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                let added = statement.execute(rusqlite::params![
                    new.id,
                    new.tenant,
                    new.name,
                    new.connector,
                    new.method,
                    new.owner,
                    new.fields.0,
                    json(&new.scopes)?,
                    account,
                    label,
                    new.state.as_str(),
                    new.since.unix_millis(),
                    new.created.unix_millis(),
                    new.ping.as_ref().map(json).transpose()?,
                    millis(new.next_ping),
                    sealed,
                    expires,
                    keep_alive,
                ])?;
                Ok(one(added))
            });
            if added.await? { Ok(()) } else { Err(super::name_taken(&tenant, &name)) }
        })
    }

    fn connection(&self, id: &str) -> BoxFuture<'_, Result<Option<Connection>>> {
        let id = id.to_owned();
        self.read(move |connection| {
            let sql = format!("select {CONNECTION} from connection where id = ?1");
            connection.prepare_cached(&sql)?.query_row([id], read(to_connection)).optional()
        })
    }

    fn connection_named(&self, tenant: &str, name: &str) -> BoxFuture<'_, Result<Option<Connection>>> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.read(move |connection| {
            let sql = format!("select {CONNECTION} from connection where tenant = ?1 and name = ?2");
            connection.prepare_cached(&sql)?.query_row([tenant, name], read(to_connection)).optional()
        })
    }

    fn connections(&self, which: Filter) -> BoxFuture<'_, Result<Vec<Connection>>> {
        self.read(move |connection| {
            let sql = format!(
                "select {CONNECTION} from connection
                where (?1 is null or tenant = ?1) and (?2 is null or connector = ?2) and (?3 is null or owner = ?3)
                    and (?4 is null or state = ?4) and (?5 is null or account = ?5)
                order by tenant, name"
            );
            let Filter { tenant, connector, owner, state, account } = which;
            connection
                .prepare_cached(&sql)?
                .query_map((tenant, connector, owner, state.map(State::as_str), account), read(to_connection))?
                .collect()
        })
    }

    fn connection_move(&self, id: &str, change: Change) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let moved = connection
                .prepare_cached("update connection set state = ?2, since = ?3 where id = ?1 and state <> ?2")?
                .execute((&id, change.state.as_str(), change.at.unix_millis()))?;
            if one(moved) {
                add_change(connection, &id, &change)?;
            }
            Ok(one(moved))
        })
    }

    fn history(&self, id: &str) -> BoxFuture<'_, Result<Vec<Change>>> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached("select state, at, reason from change where connection = ?1 order by number")?
                .query_map([id], read(to_change))?
                .collect()
        })
    }

    fn connection_pinged(&self, id: &str, ping: Ping, next: Option<DateTime>) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let text = json(&ping)?;
            let scopes = if ping.scopes.is_empty() { None } else { Some(json(&ping.scopes)?) };
            let (account, label) = ping.account.map(|account| (account.id, account.label)).unzip();
            connection
                .prepare_cached(
                    "update connection set ping = ?2, next_ping = ?3, scopes = coalesce(?4, scopes),
                        account = coalesce(?5, account), account_label = coalesce(?6, account_label)
                    where id = ?1",
                )?
                .execute((id, text, millis(next), scopes, account, label))?;
            Ok(())
        })
    }

    fn pings_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>> {
        self.write(move |connection| {
            let sql = format!(
                "update connection set next_ping = ?2 where id in (
                    select id from connection where next_ping <= ?1 and state <> 'revoked' order by next_ping limit ?3
                ) returning {CONNECTION}"
            );
            due(connection, &sql, (now, until, most), to_connection)
        })
    }

    fn connection_renew(
        &self,
        id: &str,
        renewed: Renewed,
        grant: Option<NewGrant>,
    ) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            let Renewed { method, fields, scopes, change } = renewed;
            let (sealed, expires, keep_alive) = columns(grant);
            let found = connection
                .prepare_cached(
                    "update connection set method = ?2, fields = ?3, scopes = ?4,
                        since = iif(state = ?5, since, ?6), state = ?5,
                        generation = generation + 1, tokens = ?7, expires = ?8, keep_alive = ?9,
                        dead = null, failures = 0, retry_at = null, holder = null, held_until = null
                    where id = ?1",
                )?
                .execute((
                    &id,
                    method,
                    fields.0,
                    json(&scopes)?,
                    change.state.as_str(),
                    change.at.unix_millis(),
                    sealed,
                    expires,
                    keep_alive,
                ))?;
            if one(found) {
                add_change(connection, &id, &change)?;
            }
            Ok(one(found))
        })
    }

    fn connection_remove(&self, id: &str, left: Option<Revocation>) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            let gone = connection.prepare_cached("delete from connection where id = ?1")?.execute([&id])?;
            connection
                .prepare_cached("delete from cell where substr(name, 1, length(?1)) = ?1")?
                .execute([format!("connection/{id}/")])?;
            connection.prepare_cached(hook::GONE)?.execute([&id])?;
            if let Some(left) = left.filter(|_| one(gone)) {
                let sql = format!(
                    "insert into revocation ({REVOCATION}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                );
                connection.prepare_cached(&sql)?.execute((
                    left.id,
                    left.connection,
                    left.tenant,
                    left.name,
                    left.connector,
                    left.method,
                    left.sealed.0,
                    left.created.unix_millis(),
                    left.attempts,
                    left.last.as_ref().map(json).transpose()?,
                    millis(left.next),
                ))?;
            }
            Ok(one(gone))
        })
    }

    fn grant(&self, id: &str) -> BoxFuture<'_, Result<Option<GrantRow>>> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "select {GRANT} from connection where id = ?1 and tokens is not null"
                ))?
                .query_row([id], read(to_grant))
                .optional()
        })
    }

    fn grant_lease(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        time: Duration,
    ) -> BoxFuture<'_, Result<Lease>> {
        let (id, holder, clock) = (id.to_owned(), holder.to_owned(), self.clock.clone());
        self.write(move |connection| {
            let held: Option<Option<i64>> = connection
                .prepare_cached(
                    "select held_until from connection
                    where id = ?1 and generation = ?2 and tokens is not null and dead is null",
                )?
                .query_row((&id, generation), |row| row.get(0))
                .optional()?;
            let Some(held) = held else { return Ok(Lease::Moved) };
            let now = clock();
            if let Some(left) =
                held.and_then(|until| u64::try_from(until - now).ok()).filter(|&left| left > 0)
            {
                return Ok(Lease::Held(Duration::from_millis(left)));
            }
            connection
                .prepare_cached("update connection set holder = ?2, held_until = ?3 where id = ?1")?
                .execute((&id, holder, now.saturating_add(super::span(time))))?;
            Ok(Lease::Taken { abandoned: held.is_some() })
        })
    }

    fn grant_swap(&self, id: &str, generation: u64, grant: NewGrant) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            let swapped = connection
                .prepare_cached(
                    "update connection set generation = generation + 1, tokens = ?3, expires = ?4, keep_alive = ?5,
                        dead = null, failures = 0, retry_at = null, holder = null, held_until = null
                    where id = ?1 and generation = ?2 and tokens is not null",
                )?
                .execute((id, generation, grant.sealed.0, millis(grant.expires), millis(grant.keep_alive)))?;
            Ok(one(swapped))
        })
    }

    fn grant_fail(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        failure: Failure,
    ) -> BoxFuture<'_, Result<bool>> {
        let (id, holder) = (id.to_owned(), holder.to_owned());
        self.write(move |connection| {
            let (dead, retry_at) = ended(failure);
            let ended = connection
                .prepare_cached(
                    "update connection set failures = failures + 1, dead = ?4, retry_at = coalesce(?5, retry_at),
                        holder = null, held_until = null
                    where id = ?1 and generation = ?2 and holder = ?3",
                )?
                .execute((id, generation, holder, dead, retry_at))?;
            Ok(one(ended))
        })
    }

    fn keep_alives_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>> {
        self.write(move |connection| {
            let sql = format!(
                "update connection set keep_alive = ?2 where id in (
                    select id from connection where keep_alive <= ?1 and dead is null and state <> 'revoked'
                    order by keep_alive limit ?3
                ) returning {CONNECTION}"
            );
            due(connection, &sql, (now, until, most), to_connection)
        })
    }

    fn revocations_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        self.write(move |connection| {
            let sql = format!(
                "update revocation set next = ?2 where id in (
                    select id from revocation where next <= ?1 order by next limit ?3
                ) returning {REVOCATION}"
            );
            due(connection, &sql, (now, until, most), to_revocation)
        })
    }

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

    fn revocations(&self) -> BoxFuture<'_, Result<Vec<Revocation>>> {
        self.read(|connection| {
            let sql = format!("select {REVOCATION} from revocation order by created, id");
            connection.prepare_cached(&sql)?.query_map((), read(to_revocation))?.collect()
        })
    }

    fn revocation_failed(
        &self,
        id: &str,
        attempt: Attempt,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.write(move |connection| {
            let noted = connection
                .prepare_cached(
                    "update revocation set attempts = attempts + 1, last = ?2, next = ?3 where id = ?1",
                )?
                .execute((id, json(&attempt)?, millis(next)))?;
            Ok(one(noted))
        })
    }

    fn revocation_done(&self, id: &str) -> BoxFuture<'_, Result<bool>> {
        let id = id.to_owned();
        self.forget(move |connection| {
            Ok(one(connection.prepare_cached("delete from revocation where id = ?1")?.execute([id])?))
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
    use std::{os::unix::fs::PermissionsExt, sync::Barrier};

    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Home {
            Home(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("store.db")
        }

        fn open(&self) -> Sqlite {
            Sqlite::open(self.path()).unwrap()
        }

        /// The error of opening, which must say where.
        fn refused(&self) -> Error {
            let error = Sqlite::open(self.path()).unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed, "{error}");
            assert!(error.to_string().contains(&*self.path().display().to_string()), "{error}");
            assert!(error.details().hint.is_some(), "{error:?}");
            error
        }

        fn raw(&self) -> rusqlite::Connection {
            rusqlite::Connection::open(self.path()).unwrap()
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Keeps the writer busy until it is told to go on, while the next jobs queue up.
    fn hold(store: &Sqlite) -> (Sender<()>, BoxFuture<'_, Result<()>>) {
        let (go, wait) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let held = store.write(move |_| {
            begin.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        });
        begun.recv().unwrap();
        (go, held)
    }

    fn put(name: &str, length: usize) -> impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()> + use<> {
        let name = name.to_owned();
        move |connection| {
            let value = vec![7_u8; length];
            connection.execute("insert into note (name, value) values (?1, ?2)", (name, value)).map(|_| ())
        }
    }

    #[tokio::test]
    async fn what_has_queued_up_is_committed_at_once_and_one_failure_undoes_itself_only() {
        let home = Home::new();
        let store = home.open();
        let (go, held) = hold(&store);
        let good = store.write(put("good", 1));
        let half = store.write(|connection| {
            put("half", 1)(connection)?;
            put("half", 1)(connection)
        });
        let other = home.raw();
        let after = store.write(move |connection| {
            put("after", 1)(connection)?;
            let count = |of: &rusqlite::Connection| {
                of.query_row("select count(*) from note", (), |row| row.get::<_, i64>(0))
            };
            Ok((count(connection)?, count(&other)?))
        });
        go.send(()).unwrap();
        held.await.unwrap();
        good.await.unwrap();
        assert!(half.await.unwrap_err().to_string().contains("UNIQUE"));
        // The last saw the first, and nobody else did: they were in one transaction.
        assert_eq!(after.await.unwrap(), (2, 0));
        assert_eq!(store.note("half").await.unwrap(), None);
        assert_eq!(store.note("good").await.unwrap(), Some(vec![7]));
        assert_eq!(store.note("after").await.unwrap(), Some(vec![7]));
    }

    #[tokio::test]
    async fn an_answer_comes_after_the_commit() {
        let home = Home::new();
        let store = home.open();
        let other = home.raw();
        for n in 0..20 {
            let name = n.to_string();
            store.note_once(&name, b"it").await.unwrap();
            let found: i64 = other
                .query_row("select count(*) from note where name = ?1", [&name], |row| row.get(0))
                .unwrap();
            assert_eq!(found, 1);
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_told_to_everyone_whose_change_it_undid() {
        let home = Home::new();
        let store = home.open();
        store.note_once("before", b"it").await.unwrap();
        let pages = store
            .write(|connection| {
                let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
                connection
                    .pragma_update_and_check(None, "max_page_count", pages + 2, |row| row.get::<_, i64>(0))
            })
            .await
            .unwrap();
        let (go, held) = hold(&store);
        let small = store.write(put("small", 1));
        let large = store.write(put("large", 64 * 1024));
        let next = store.write(put("next", 1));
        go.send(()).unwrap();
        held.await.unwrap();
        let full = large.await.unwrap_err();
        assert_eq!(full.code(), Code::StoreFailed);
        assert!(full.to_string().contains("is full"), "{full}");
        // What was told to be done is, and nothing else.
        for (name, outcome) in [("small", small.await), ("next", next.await)] {
            assert_eq!(store.note(name).await.unwrap().is_some(), outcome.is_ok(), "{name} {outcome:?}");
        }
        assert_eq!(store.note("large").await.unwrap(), None);
        assert_eq!(store.note("before").await.unwrap(), Some(b"it".to_vec()));

        // It goes on when there is room.
        store
            .write(move |connection| {
                connection
                    .pragma_update_and_check(None, "max_page_count", pages * 100, |row| row.get::<_, i64>(0))
            })
            .await
            .unwrap();
        store.write(put("large", 64 * 1024)).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_transaction_lost_is_not_told_to_be_done() {
        let home = Home::new();
        let store = home.open();
        let (go, held) = hold(&store);
        let first = store.write(put("first", 1));
        let ends_all = store.write(|connection| {
            connection.execute_batch("rollback")?;
            Err::<(), _>(rusqlite::Error::InvalidQuery)
        });
        let next = store.write(put("next", 1));
        go.send(()).unwrap();
        held.await.unwrap();
        assert!(first.await.is_err() && ends_all.await.is_err() && next.await.is_err());
        for name in ["first", "next"] {
            assert_eq!(store.note(name).await.unwrap(), None, "{name}");
        }
        store.write(put("next", 1)).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_removed_leaves_the_files() {
        let home = Home::new();
        let store = home.open();
        let kept = "marker-of-what-is-kept";
        let (gone, replaced) = ("marker-of-what-is-removed", "marker-of-what-is-replaced");
        let client = |method: &str, secret: &str| Client {
            connector: "tracker".to_owned(),
            method: method.to_owned(),
            id: "id".to_owned(),
            // Long enough for pages of its own.
            secret: Some(Sealed(secret.repeat(500).into_bytes())),
        };
        store.client_put(client("a", replaced)).await.unwrap();
        store.client_put(client("b", kept)).await.unwrap();
        let put = "insert into revocation values ('r', '', '', '', '', '', ?1, 0, 0, null, null)";
        let sealed = gone.repeat(500).into_bytes();
        store.write(move |connection| connection.execute(put, [sealed]).map(|_| ())).await.unwrap();
        let files = || -> Vec<u8> {
            let files = fs::read_dir(home.0.path()).unwrap();
            files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
        };
        let holds = |text: &str| files().windows(text.len()).any(|part| part == text.as_bytes());
        // The log is emptied when nothing else is to be done, and what is in it moves meanwhile.
        let until = |wanted: &dyn Fn() -> bool| {
            let start = Instant::now();
            while !wanted() {
                assert!(start.elapsed() < PATIENCE, "it never came true");
                thread::sleep(Duration::from_millis(2));
            }
        };
        until(&|| holds(kept) && holds(gone) && holds(replaced));

        store.client_put(client("a", "other")).await.unwrap();
        assert!(store.revocation_done("r").await.unwrap());
        until(&|| holds(kept) && !holds(gone) && !holds(replaced));
    }

    #[test]
    fn files_and_folders_are_their_owners_alone() {
        let home = Home(tempfile::tempdir().unwrap());
        let path = home.0.path().join("data/linchpin/store.db");
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        for end in ["-wal", "-shm"] {
            let mut beside = path.clone().into_os_string();
            beside.push(end);
            assert_eq!(mode(Path::new(&beside)), 0o600, "{end}");
        }
        assert_eq!(mode(&home.0.path().join("data/linchpin")), 0o700);
        assert_eq!(mode(&home.0.path().join("data")), 0o700);
        drop(store);

        for open in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = Sqlite::open(&path).unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed);
            let hint = format!("run `chmod 600 {}`", path.display());
            assert_eq!(error.details().hint, Some(hint.as_str()));
        }
    }

    #[test]
    fn nothing_is_left_beside_a_store_that_was_closed() {
        for _ in 0..50 {
            let home = Home::new();
            drop(home.open());
            let files = fs::read_dir(home.0.path()).unwrap().map(|file| file.unwrap().file_name());
            assert_eq!(files.collect::<Vec<_>>(), ["store.db"]);
        }
    }

    #[test]
    fn what_is_no_store_is_refused_and_left_alone() {
        let home = Home::new();
        fs::create_dir(home.path()).unwrap();
        assert!(home.refused().to_string().contains("is a folder"));

        let home = Home::new();
        let text = "no database, whatever its name says ".repeat(100);
        fs::write(home.path(), &text).unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(home.refused().to_string().contains("is not a store"));
        assert_eq!(fs::read_to_string(home.path()).unwrap(), text);

        let home = Home::new();
        home.raw().execute_batch("create table theirs (it)").unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(home.refused().to_string().contains("another program"));
        let tables: i64 =
            home.raw().query_row("select count(*) from sqlite_schema", (), |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);

        let home = Home(tempfile::tempdir().unwrap());
        fs::write(home.0.path().join("file"), "").unwrap();
        let error = Sqlite::open(home.0.path().join("file/store.db")).unwrap_err();
        assert!(error.to_string().contains("folder"), "{error}");
    }

    #[test]
    fn a_newer_store_is_refused() {
        for (version, word) in [(MIGRATIONS.len() + 1, "newer linchpin"), (usize::MAX, "another program")] {
            let home = Home::new();
            drop(home.open());
            home.raw().pragma_update(None, "user_version", version as i32).unwrap();
            let error = home.refused();
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn a_write_protected_store_is_refused() {
        // Nobody may write here, whoever they are.
        let error = Sqlite::open("/proc/store.db").unwrap_err();
        assert_eq!(error.code(), Code::StoreFailed);
        assert!(error.to_string().contains("cannot make the store `/proc/store.db`"), "{error}");
    }

    #[test]
    fn those_who_open_a_fresh_store_at_once_all_succeed() {
        for _ in 0..10 {
            let home = Home::new();
            let start = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        home.open()
                    });
                }
            });
        }
    }

    #[tokio::test]
    async fn a_store_is_as_durable_as_it_says() {
        let home = Home::new();
        let store = home.open();
        let found = store
            .write(|connection| {
                let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
                let mode =
                    connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))?;
                Ok((mode, number("synchronous")?, number("foreign_keys")?, number("secure_delete")?))
            })
            .await
            .unwrap();
        assert_eq!(found, ("wal".to_owned(), 2, 1, 1));
        let written = store.read(|connection| put("it", 1)(connection)).await;
        assert!(written.unwrap_err().to_string().contains("readonly"));
    }

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
