//! What is kept of monitors: where their looks ended, what was handed on, and when the next is due.

use std::{fmt, time::Duration};

use linchpin::{DateTime, Result, flow::BoxFuture};
use serde::{Deserialize, Serialize};

use super::NewEntry;

/// Monitors, their subscriptions, and the ledger of what was handed on.
///
/// Of two processes only one looks at a time: whoever claims a monitor puts it off by the same step, and commits under the generation
/// that it has claimed. What is committed is one step: the entries are in the inbox, and the cursor has moved, or neither.
pub trait MonitorStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a subscription to the monitor of this connection, flow and options, which is made where there is none. One of this name
    /// is replaced. A monitor that is there keeps its cursor.
    fn monitor_on(&self, new: NewMonitor, subscription: Subscription) -> BoxFuture<'_, Result<Monitor>>;

    /// Takes a subscription away; `false` when there is none of this name. A monitor without any stands still and keeps its cursor.
    fn monitor_off(&self, id: &str, subscription: &str) -> BoxFuture<'_, Result<bool>>;

    /// Takes a monitor away with its cursor and ledger; `false` when it is gone already.
    fn monitor_remove(&self, id: &str) -> BoxFuture<'_, Result<bool>>;

    /// A monitor by its id.
    fn monitor(&self, id: &str) -> BoxFuture<'_, Result<Option<Monitor>>>;

    /// Monitors, by tenant, connection, flow and options in their order.
    fn monitors(&self, which: MonitorFilter) -> BoxFuture<'_, Result<Vec<Monitor>>>;

    /// Monitors that are due, each given to one caller only: they are put off until `until` by the same step. Never one of a
    /// connection that cannot be used now.
    fn monitors_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Monitor>>>;

    /// The same for one monitor, due or not; nothing while another has it.
    fn monitor_claim(
        &self,
        id: &str,
        now: DateTime,
        until: DateTime,
    ) -> BoxFuture<'_, Result<Option<Monitor>>>;

    /// Counts a wake of a monitor, and makes it due at `at` where it would be later. While somebody looks it stays put off, and their
    /// commit sees the count; after a failure it keeps its pause. `false` when it has nothing due, or is gone.
    fn monitor_wake(&self, id: &str, now: DateTime, at: DateTime) -> BoxFuture<'_, Result<bool>>;

    /// When the next monitor is due; nothing when none is.
    fn monitor_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>>;

    /// Which of these keys a scope's ledger has, each with whose it is and when it was last seen.
    fn seen(&self, scope: &str, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Seen>>>;

    /// Claims keys of a scope's ledger for an owner: whether each is the owner's afterwards. Whoever comes first has a key; one that
    /// is nobody's becomes the owner's. Keys are forgotten that had not been seen for [`Claim::keep`] when the last reading of the
    /// monitors began that was read to its end, or, where there is no monitor, by now.
    fn seen_claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<bool>>>;

    /// Hands a look's entries on and moves the cursor, in one step.
    fn monitor_commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed>>;

    /// Notes a look that failed; `false` when the monitor has moved on meanwhile, or is gone.
    fn monitor_failed(&self, failed: FailedLook) -> BoxFuture<'_, Result<bool>>;

    /// Puts another cursor in the place of a monitor's, or none, after which the next look is the first. It is due at once where it
    /// has subscriptions, and whatever stopped it is forgotten. The ledger stays.
    fn monitor_reset(&self, id: &str, cursor: Option<String>, now: DateTime) -> BoxFuture<'_, Result<bool>>;
}

/// What makes a monitor one: its connection, flow and options.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMonitor {
    /// The id that it gets if it is new, a UUID.
    pub id: String,
    /// The connection's id.
    pub connection: String,
    /// The name of the `#[monitor]` function.
    pub flow: String,
    /// The options as JSON with sorted keys.
    pub options: String,
    /// SHA-256 of the options, in hexadecimal.
    pub options_hash: String,
    /// Now: when it is made, and when its next look is due.
    pub now: DateTime,
}

/// A monitor as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Its id, a UUID; the source of its entries.
    pub id: String,
    /// The tenant of its connection.
    pub tenant: String,
    /// The id of its connection.
    pub connection: String,
    /// The name of its connection.
    pub name: String,
    /// The connector's key.
    pub connector: String,
    /// The name of the `#[monitor]` function.
    pub flow: String,
    /// The options as JSON.
    pub options: String,
    /// When it was made.
    pub created: DateTime,
    /// Where the last look ended, as JSON; none before the first.
    pub cursor: Option<String>,
    /// When the cursor was put there.
    pub cursor_at: Option<DateTime>,
    /// Whether the first run is over.
    pub started: bool,
    /// When the reading began that is under way: it goes from where the one before ended to the end of what there is, by one look or
    /// several. None between two.
    pub reading_since: Option<DateTime>,
    /// When the last reading began that was read to its end; when the monitor was made, before the first. What was seen since then
    /// may be shown again.
    pub read_since: DateTime,
    /// Counts up with every change of the cursor.
    pub generation: u64,
    /// When the next look is due; none when it has no subscription, or stands still.
    pub due: Option<DateTime>,
    /// Until when somebody has it.
    pub held_until: Option<DateTime>,
    /// Whether its connection cannot be used now.
    pub paused: bool,
    /// Whether it stands still until somebody resets it.
    pub stopped: bool,
    /// How many looks have failed since the last that did not.
    pub failures: u32,
    /// The stable code and the words of what went wrong last, without secrets.
    pub problem: Option<(String, String)>,
    /// When it looked last.
    pub last_run: Option<DateTime>,
    /// How many records were handed on then.
    pub last_found: u64,
    /// How often it was woken.
    pub wakes: u64,
    /// Who wants its events, by name in their order.
    pub subscriptions: Vec<Subscription>,
}

/// Somebody who wants a monitor's events. All of one monitor share its looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its name, unique for the monitor.
    pub name: String,
    /// What becomes of the records.
    pub mode: RunMode,
    /// In place of the schedule that spec and attribute say. A monitor looks whenever one of its subscriptions wants it to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schedule: Option<OwnSchedule>,
    /// In place of the spec's `first_run`: `now`, `last 10`, `since 7d` or `since 2026-01-01T00:00:00Z`. Where several
    /// say so, the first by name counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_run: Option<String>,
}

/// A subscription's own schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OwnSchedule {
    /// So often, as in `5m`.
    Every(String),
    /// As in crontab, in the zone of the spec.
    Cron(String),
}

/// What becomes of the records of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunMode {
    /// Each is an event.
    #[default]
    Each,
    /// A look that finds none is an event.
    None,
    /// Every look is one event with all of its records.
    Every,
}

impl RunMode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            RunMode::Each => "each",
            RunMode::None => "none",
            RunMode::Every => "every",
        }
    }

    /// The mode of a word.
    pub fn named(word: &str) -> Option<RunMode> {
        [RunMode::Each, RunMode::None, RunMode::Every].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// Which monitors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MonitorFilter {
    /// Of connections of this tenant.
    pub tenant: Option<String>,
    /// Of the connection with this id.
    pub connection: Option<String>,
    /// Of this flow.
    pub flow: Option<String>,
    /// With options of this hash.
    pub options_hash: Option<String>,
}

/// A key that a ledger has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The key.
    pub key: String,
    /// Whose it is: the id of a monitor, or a hook's delivery; empty where it was passed over, and nobody was given it.
    pub owner: String,
    /// When it was last seen.
    pub at: DateTime,
}

/// Keys that a delivery claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The ledger.
    pub scope: String,
    /// The keys.
    pub keys: Vec<String>,
    /// Whose they are to be.
    pub owner: String,
    /// Now.
    pub at: DateTime,
    /// The connection's id.
    pub connection: String,
    /// The name of the `#[monitor]` function that finds the same records.
    pub flow: String,
    /// How much longer than looks can find them keys are known.
    pub keep: Duration,
}

/// For how long keys wait for a look of a monitor that stands still: longer than the rarest schedule, so that the ledger does not grow
/// without end.
pub(super) const LONGEST_STAND: Duration = Duration::from_secs(31 * 24 * 3600);

/// How a look ended that found what there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The monitor.
    pub id: String,
    /// The generation that was claimed.
    pub generation: u64,
    /// What is handed on.
    pub entries: Vec<NewEntry>,
    /// How many records that is.
    pub found: u64,
    /// The ledger.
    pub scope: String,
    /// Keys that nobody has had; all of them become the monitor's, or nothing is committed.
    pub new: Vec<String>,
    /// Keys that nobody has had, of what was there before the first look: known from now on, and nobody's, so that a hook that
    /// delivers one of them takes it. Those that somebody has stay theirs.
    pub passed: Vec<String>,
    /// Keys that are known, and were seen again.
    pub again: Vec<String>,
    /// Keys that were seen before this are forgotten.
    pub forget_before: DateTime,
    /// So many keys are kept at the most; never fewer than were seen just now.
    pub most_keys: u64,
    /// The cursor, as JSON.
    pub cursor: String,
    /// Whether the first run is over.
    pub started: bool,
    /// When the reading began that goes on with the next look.
    pub reading_since: Option<DateTime>,
    /// When the last reading began that was read to its end.
    pub read_since: DateTime,
    /// When the look was.
    pub at: DateTime,
    /// When the next is due, while there are subscriptions.
    pub next: Option<DateTime>,
    /// How often the monitor had been woken when it was claimed.
    pub wakes: u64,
    /// When the next is due where it was woken since then, if that is sooner.
    pub woken_next: Option<DateTime>,
    /// What ended the look early; then it counts as failed, too.
    pub problem: Option<(String, String)>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It was done.
    Done,
    /// Another has moved the cursor, or the monitor is gone: nothing was done.
    Moved,
    /// Somebody has had one of the new keys meanwhile: nothing was done.
    Overtaken,
}

/// A look that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedLook {
    /// The monitor.
    pub id: String,
    /// The generation that was claimed.
    pub generation: u64,
    /// The stable code and the words.
    pub problem: (String, String),
    /// When it was.
    pub at: DateTime,
    /// When the next is due; none to stand still until a reset.
    pub next: Option<DateTime>,
}
