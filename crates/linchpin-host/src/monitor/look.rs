//! One look of a monitor: pages are asked for, and what they gave is committed.

use std::time::Duration;

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
use tokio::time::Instant;

use super::plan::{Found, Look, Page, Settings, next_look, plan, problem, retry, woken_look};
use crate::store::{Commit, Committed, FailedLook, Monitor, MonitorStore, Seen};

/// How long a look takes pages. It ends well before whoever else might take over.
pub(super) const LIMIT: Duration = Duration::from_secs(240);

/// How often a plan is made anew that others were faster than.
const ATTEMPTS: usize = 10;

/// What gives the pages.
pub(super) trait Poll: Send + Sync {
    /// The page behind a cursor, as the flow writes it.
    fn page(&self, ask: Ask) -> BoxFuture<'_, Result<String>>;
}

/// What a page is asked for by.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) cursor: Option<String>,
    pub(super) since: Option<DateTime>,
    pub(super) overlap: Duration,
    /// How long it may take.
    pub(super) limit: Duration,
}

/// What a look needs of a store.
pub(super) trait Book: Send + Sync {
    fn seen(&self, scope: &str, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Seen>>>;
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed>>;
    fn failed(&self, failed: FailedLook) -> BoxFuture<'_, Result<bool>>;
}

impl<S: MonitorStore + ?Sized> Book for &S {
    fn seen(&self, scope: &str, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Seen>>> {
        MonitorStore::seen(*self, scope, keys)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed>> {
        self.monitor_commit(commit)
    }

    fn failed(&self, failed: FailedLook) -> BoxFuture<'_, Result<bool>> {
        self.monitor_failed(failed)
    }
}

/// What is needed to look.
pub(super) struct Looker<'a> {
    pub(super) store: &'a dyn Book,
    pub(super) poll: &'a dyn Poll,
    pub(super) monitor: &'a Monitor,
    pub(super) settings: &'a Settings,
    /// Whose ledger.
    pub(super) scope: &'a str,
    pub(super) now: &'a (dyn Fn() -> DateTime + Send + Sync),
    /// From 0 up to and without 1.
    pub(super) random: f64,
}

/// What became of a look.
#[derive(Debug)]
pub(super) struct Done {
    /// What was handed on, or would be.
    pub(super) commit: Commit,
    /// How many pages there were.
    pub(super) pages: u64,
    /// What ended the look after some pages.
    pub(super) problem: Option<Error>,
    /// Whether it counts: somebody else may have moved the monitor meanwhile.
    pub(super) committed: bool,
}

impl Looker<'_> {
    /// Looks, and commits what was found.
    pub(super) async fn look(&self) -> Result<Done> {
        let ended = match self.gather().await {
            Ok(found) => self.commit(found).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &ended {
            let at = (self.now)();
            let failed = FailedLook {
                id: self.monitor.id.clone(),
                generation: self.monitor.generation,
                problem: problem(error),
                at,
                next: retry(self.monitor, error, at, self.random),
            };
            // A store that fails tells the same; then the claim runs out, and the look is made again.
            if let Err(unnoted) = self.store.failed(failed).await
                && error.code() != Code::StoreFailed
            {
                return Err(unnoted);
            }
        }
        ended
    }

    /// Looks, and changes nothing.
    pub(super) async fn try_out(&self) -> Result<Done> {
        let mut found = self.gather().await?;
        let commit = self.plan(&found).await?;
        Ok(Done { commit, pages: found.pages, problem: found.problem.take(), committed: false })
    }

    /// Every page. An error after the first ends the look with what there is: the cursor has moved on.
    async fn gather(&self) -> Result<Found> {
        let (monitor, settings) = (self.monitor, self.settings);
        let now = (self.now)();
        if let (Some(age), Some(at)) = (settings.cursor_age, monitor.cursor_at)
            && at < now.before(age)
        {
            let message =
                format!("the cursor is of {at}, and the service may have forgotten what came after it");
            return Err(Error::coded(Code::CursorInvalid, message)
                .hint("`linchpin monitor reset` begins anew; what came meanwhile may be missing"));
        }
        let (began, first) = (Instant::now(), !monitor.started);
        let mut found = Found::new(now);
        let mut cursor = monitor.cursor.clone();
        loop {
            let left = LIMIT.saturating_sub(began.elapsed());
            if found.pages >= settings.pages(first) || (found.pages > 0 && left.is_zero()) {
                return Ok(found);
            }
            let ask = Ask {
                cursor: cursor.clone(),
                since: settings.first_run.since(now).filter(|_| cursor.is_none()),
                overlap: settings.overlap,
                limit: left,
            };
            let added = match self.poll.page(ask).await {
                Ok(text) => read(&text).and_then(|page| found.add(page, cursor.as_deref(), first, settings)),
                Err(error) => Err(error),
            };
            match added {
                Ok(()) if found.complete => return Ok(found),
                Ok(()) => cursor = found.cursor.clone(),
                Err(error) if found.pages == 0 => return Err(error),
                Err(error) => {
                    found.problem = Some(error);
                    return Ok(found);
                }
            }
        }
    }

    async fn plan(&self, found: &Found) -> Result<Commit> {
        let keys = found.keys();
        let known = match keys.is_empty() {
            true => Vec::new(),
            false => self.store.seen(self.scope, keys).await?,
        };
        let (monitor, settings, at) = (self.monitor, self.settings, (self.now)());
        let next = match &found.problem {
            Some(error) => retry(monitor, error, at, self.random).or(Some(at)),
            // What is left is looked at as soon as others have had their turn.
            None if !found.complete => Some(at),
            None => next_look(monitor, settings, at, self.random)?,
        };
        // Who asks for patience gets it, whoever wakes the monitor.
        let woken_next = match &found.problem {
            Some(_) => None,
            None => woken_look(monitor, settings, Some(at), at)?,
        };
        plan(&Look { monitor, settings, scope: self.scope, at, next, woken_next }, found, &known)
    }

    async fn commit(&self, mut found: Found) -> Result<Done> {
        for _ in 0..ATTEMPTS {
            let commit = self.plan(&found).await?;
            let committed = match self.store.commit(commit.clone()).await? {
                Committed::Done => true,
                Committed::Moved => false,
                // Somebody has had one of the records: it is left out.
                Committed::Overtaken => continue,
            };
            return Ok(Done { commit, pages: found.pages, problem: found.problem.take(), committed });
        }
        let message = format!("others were faster {ATTEMPTS} times; the look is made again");
        Err(Error::coded(Code::StoreFailed, message))
    }
}

fn read(text: &str) -> Result<Page> {
    serde_json::from_str(text).map_err(|error| {
        Error::coded(Code::OutputInvalid, format!("the monitor gave no records and cursor: {error}"))
    })
}
