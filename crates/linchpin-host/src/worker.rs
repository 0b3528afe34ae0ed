//! What happens without anybody asking: pings, exchanges that keep grants alive, webhooks looked after, and revocations.

use std::time::Duration;

use linchpin::Result;
use linchpin_runtime::Cancel;

use crate::{host::Host, ping::later, revoke::Report};

/// How often the store is looked at.
const TICK: Duration = Duration::from_secs(10);

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
}

impl Host {
    /// Does once whatever is due now.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn round(&self) -> Result<Round> {
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

    /// Goes on doing what is due until it is cancelled. Each round is told to `each`; one that fails is, too, and the next is tried.
    pub async fn work(&self, stop: &Cancel, mut each: impl FnMut(Result<Round>)) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = tick.tick() => each(self.round().await),
            }
        }
        self.settle().await;
    }
}

fn count((good, bad): &mut (usize, usize), is_good: bool) {
    *if is_good { good } else { bad } += 1;
}
