//! What happens without anybody asking: pings, exchanges that keep grants alive, webhooks looked after, revocations, and the looks
//! of monitors.
//!
//! The worker asks the store when the next is due, and sleeps until then: what is idle costs nothing, however much of it there is.

use std::time::Duration;

use linchpin::{Code, DateTime, Error, Result};
use linchpin_runtime::Cancel;
use tokio::{task::JoinSet, time::Instant};

use crate::{host::Host, ping::later, revoke::Report, store::Monitor};

/// The longest sleep: another process may have made something due meanwhile.
const NAP: Duration = Duration::from_secs(60);

/// How long it is waited after the store has failed.
const PAUSE: Duration = Duration::from_secs(10);

/// How often connections are looked after although nothing seems due: a process that died may have left one half taken away.
const CARE: Duration = Duration::from_secs(600);

/// For how long what one worker has taken is not given to another.
const HOLD: Duration = Duration::from_secs(300);

/// So many at a time.
const BATCH: usize = 16;

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    /// Pings that the service answered, and those that it did not or denied.
    pub pings: (usize, usize),
    /// Exchanges that kept a grant alive, and those that failed.
    pub keep_alives: (usize, usize),
    /// Webhooks that were looked after well, and those that were not.
    pub hooks: (usize, usize),
    /// Revocations that were tried.
    pub revocations: Vec<Report>,
    /// Looks of monitors that went well.
    pub looks: usize,
    /// Those that did not.
    pub failed_looks: Vec<LookProblem>,
}

/// What went wrong with the look of a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookProblem {
    /// The connection's tenant.
    pub tenant: String,
    /// Its name.
    pub connection: String,
    /// The `#[monitor]` function.
    pub flow: String,
    /// The stable code.
    pub code: Code,
    /// What happened, in words without secrets.
    pub message: String,
}

/// What the worker has under way.
enum Ended {
    Care(Result<Round>),
    Look(Round),
}

/// How it is with looking after connections.
#[derive(Clone, Copy)]
enum Care {
    /// It was not done yet.
    Due,
    /// It is under way.
    UnderWay,
    /// It was done then.
    Done(Instant),
    /// It failed, and is not tried again before this.
    NotBefore(Instant),
}

impl Host {
    /// Does once whatever is due now.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn round(&self) -> Result<Round> {
        let mut round = self.care().await?;
        let mut looks = JoinSet::new();
        loop {
            let now = self.0.now();
            let due = self.0.store.monitors_due(now, later(now, HOLD), BATCH - looks.len()).await?;
            for monitor in due {
                let host = self.clone();
                looks.spawn(async move { host.look_due(monitor).await });
            }
            match looks.join_next().await {
                None => return Ok(round),
                Some(ended) => round.add(ended.map_err(|error| panicked(&error))?),
            }
        }
    }

    /// Does what is due for connections.
    async fn care(&self) -> Result<Round> {
        let mut round = Round { revocations: self.drain().await?, ..Round::default() };
        loop {
            let now = self.0.now();
            let due = self.0.store.keep_alives_due(now, later(now, HOLD), BATCH).await?;
            if due.is_empty() {
                break;
            }
            for row in due {
                let exchanged = match self.ready(&row).await {
                    Ok(connection) => connection.refresh(&self.0.runtime).await,
                    Err(error) => Err(error),
                };
                count(&mut round.keep_alives, exchanged.is_ok());
            }
        }
        round.hooks = self.hook_round().await?;
        loop {
            let now = self.0.now();
            let due = self.0.store.pings_due(now, later(now, HOLD), BATCH).await?;
            if due.is_empty() {
                return Ok(round);
            }
            for row in due {
                let pinged = self.ping_row(&row).await?;
                count(&mut round.pings, pinged.outcome.is_ok());
            }
        }
    }

    /// Looks for a monitor that was claimed.
    async fn look_due(&self, monitor: Monitor) -> Round {
        let (tenant, connection, flow) = (monitor.tenant.clone(), monitor.name.clone(), monitor.flow.clone());
        let mut round = Round::default();
        let problem = match self.look(monitor).await {
            Ok(looked) => looked.problem,
            Err(error) => Some(error),
        };
        match problem {
            None => round.looks = 1,
            Some(error) => round.failed_looks.push(LookProblem {
                tenant,
                connection,
                flow,
                code: error.code(),
                message: error.message().to_owned(),
            }),
        }
        round
    }

    /// Goes on doing what is due until it is cancelled; then what is under way is finished. Each round is told to `each`, and so is
    /// each look; one that fails is, too, and the next is tried.
    pub async fn work(&self, stop: &Cancel, mut each: impl FnMut(Result<Round>)) {
        let mut busy = JoinSet::new();
        let mut care = Care::Due;
        loop {
            let nap = match self.begin(&mut busy, &mut care).await {
                Ok(nap) => nap,
                Err(error) => {
                    each(Err(error));
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = busy.join_next() => tell(ended, &mut care, &mut each),
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
        while let Some(ended) = busy.join_next().await {
            tell(ended, &mut care, &mut each);
        }
        self.settle().await;
    }

    /// Begins what is due; gives for how long nothing else is.
    async fn begin(&self, busy: &mut JoinSet<Ended>, care: &mut Care) -> Result<Duration> {
        let now = self.0.now();
        let is_due = |due: Option<DateTime>| due.is_some_and(|due| due <= now);
        let mut nap = NAP;
        match *care {
            Care::UnderWay => {}
            Care::NotBefore(time) if time > Instant::now() => nap = nap.min(time - Instant::now()),
            Care::Due | Care::Done(_) | Care::NotBefore(_) => {
                let next = self.0.store.care_next().await?;
                let lately = matches!(*care, Care::Done(last) if last.elapsed() < CARE);
                if is_due(next) || !lately {
                    *care = Care::UnderWay;
                    let host = self.clone();
                    busy.spawn(async move { Ended::Care(host.care().await) });
                } else {
                    nap = nap.min(until(now, next));
                }
            }
        }
        loop {
            let free = (BATCH + usize::from(matches!(care, Care::UnderWay))).saturating_sub(busy.len());
            if free == 0 {
                // Whichever ends first wakes the worker.
                return Ok(nap);
            }
            let next = self.0.store.monitor_next().await?;
            if !is_due(next) {
                return Ok(nap.min(until(now, next)));
            }
            let due = self.0.store.monitors_due(now, later(now, HOLD), free).await?;
            if due.is_empty() {
                // Another process was faster.
                return Ok(nap);
            }
            for monitor in due {
                let host = self.clone();
                busy.spawn(async move { Ended::Look(host.look_due(monitor).await) });
            }
        }
    }
}

impl Round {
    fn add(&mut self, other: Round) {
        self.looks += other.looks;
        self.failed_looks.extend(other.failed_looks);
    }
}

fn tell(
    ended: std::result::Result<Ended, tokio::task::JoinError>,
    care: &mut Care,
    each: &mut impl FnMut(Result<Round>),
) {
    match ended {
        Ok(Ended::Look(round)) => each(Ok(round)),
        Ok(Ended::Care(round)) => {
            *care = match &round {
                Ok(_) => Care::Done(Instant::now()),
                Err(_) => Care::NotBefore(Instant::now() + PAUSE),
            };
            each(round);
        }
        Err(error) => {
            // It may have been the one that cares; then that is begun anew.
            *care = Care::NotBefore(Instant::now() + PAUSE);
            each(Err(panicked(&error)));
        }
    }
}

fn panicked(error: &tokio::task::JoinError) -> Error {
    Error::coded(Code::Panicked, format!("the worker could not go on: {error}"))
}

/// How long it is until something is due.
fn until(now: DateTime, due: Option<DateTime>) -> Duration {
    due.map_or(NAP, |due| now.until(due))
}

fn count((good, bad): &mut (usize, usize), is_good: bool) {
    *if is_good { good } else { bad } += 1;
}
