//! Jobs that wait for a thread, and the threads that do them.

use std::{
    sync::mpsc::{self, Receiver, Sender, TryRecvError},
    thread::{self, JoinHandle},
    time::Duration,
};

use linchpin::{Code, Error, Result};
use rusqlite::TransactionBehavior;
use tokio::sync::oneshot;

use super::{file::PATIENCE, trouble::Trouble};

/// How many jobs one transaction takes at most, so that no caller waits for ever.
const BATCH: usize = 256;

/// A thread with a connection of its own. Dropping it waits for the end of the thread, so that nobody meets it who opens or
/// deletes the file next.
pub(super) struct Worker<T> {
    /// `None` only while it is being dropped.
    jobs: Option<Sender<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Worker<T> {
    pub(super) fn start(name: &str, run: impl FnOnce(Receiver<T>) + Send + 'static) -> Result<Worker<T>> {
        let (jobs, work) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(work));
        let thread = thread.map_err(|error| {
            Error::coded(Code::StoreFailed, format!("cannot start a thread for the store: {error}"))
        })?;
        Ok(Worker { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Whether there is still somebody to do it.
    pub(super) fn send(&self, job: T) -> bool {
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

/// Work on the database, or word that it cannot be done; gives how it went, and the answer that waits for the commit.
pub(super) type Job = Box<dyn FnOnce(Result<&rusqlite::Connection, Trouble>) -> Done + Send>;

pub(super) struct Write {
    pub(super) job: Job,
    pub(super) mode: Mode,
}

/// What becomes of a change that fails, and of what one takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is undone by itself when it fails.
    Alone,
    /// It is undone by itself, and takes secrets away or replaces them: they leave the files as soon as there is time.
    Forgetting,
    /// It takes its neighbours along when it fails.
    Together,
}

pub(super) struct Done {
    went: Result<(), Trouble>,
    answer: Box<dyn FnOnce(Result<(), Trouble>)>,
}

pub(super) fn job<T: Send + 'static>(
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

pub(super) fn answer_reads(connection: &rusqlite::Connection, jobs: &Receiver<Job>) {
    for job in jobs {
        (job(Ok(connection)).answer)(Ok(()));
    }
}

pub(super) fn commit_writes(connection: &mut rusqlite::Connection, jobs: &Receiver<Write>) {
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
        forgotten |= batch.iter().any(|write| write.mode == Mode::Forgetting);
        commit(connection, batch.into_iter());
    }
}

/// Does jobs in one transaction, and tells each what came of it once that is sure.
fn commit(connection: &mut rusqlite::Connection, mut writes: impl Iterator<Item = Write>) {
    let mut answers = Vec::new();
    let committed = (|| -> Result<(), Trouble> {
        let mut all = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for Write { job, mode } in &mut writes {
            if mode == Mode::Together {
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, time::Instant};

    use linchpin::flow::BoxFuture;

    use super::{
        super::{
            Sqlite,
            home::{Home, put},
        },
        *,
    };
    use crate::{
        store::{Client, RevocationStore, Store},
        vault::Sealed,
    };

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
}
