//! Registered webhooks, as they are kept.

use std::fmt;

use linchpin::{DateTime, Result, flow::BoxFuture};

use super::row::{self, Columns, Unread};
use crate::vault::Sealed;

/// The columns of a hook, in the order in which they are read.
pub(super) const HOOK: &str = "id, tenant, connection, connector, hook, options, token_hash, sealed, routing, stage, since, created, \
                               expires, next, held, seen, attempts, problem_code, problem, version";

/// Hooks, and what is due for them.
///
/// A hook is worked on by whoever has claimed it, until the claim runs out. Each claim and each change makes another version,
/// and a change needs the version that it was made from: who has lost a claim changes nothing.
pub trait HookStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a hook; `false` when its connection is gone or is being taken away.
    fn hook_add(&self, new: Hook) -> BoxFuture<'_, Result<bool>>;

    /// A hook by its id.
    fn hook(&self, id: &str) -> BoxFuture<'_, Result<Option<Hook>>>;

    /// A hook by the SHA-256 digest of its URL's token.
    fn hook_by_token(&self, hash: [u8; 32]) -> BoxFuture<'_, Result<Option<Hook>>>;

    /// Hooks, the oldest first.
    fn hooks(&self, which: HookFilter) -> BoxFuture<'_, Result<Vec<Hook>>>;

    /// Claims hooks that are due and that nobody has claimed, each for one caller only, until `until`.
    fn hooks_due(&self, now: DateTime, until: DateTime, most: usize) -> BoxFuture<'_, Result<Vec<Hook>>>;

    /// Claims one hook until `until`, whether it is due or not; `None` when somebody has claimed it, or it is gone.
    fn hook_claim(&self, id: &str, now: DateTime, until: DateTime) -> BoxFuture<'_, Result<Option<Hook>>>;

    /// Puts what may change of a hook in the place of this version, and gives it as it is then; `None` when the version is
    /// another, or it is gone. One that was turned off meanwhile stays off, and due as it was.
    fn hook_put(&self, hook: Hook) -> BoxFuture<'_, Result<Option<Hook>>>;

    /// Gives deliveries of this routing key to a hook, whoever has claimed it; `false` when there is none.
    fn hook_route(&self, id: &str, routing: &str) -> BoxFuture<'_, Result<bool>>;

    /// Turns a hook off, whoever has claimed it, and makes it due; `false` when there is none. One that is off stays as it is.
    fn hook_off(&self, id: &str, now: DateTime) -> BoxFuture<'_, Result<bool>>;

    /// Turns every hook of a connection that is being taken away off. They are never due: its revocation looks after them.
    fn hooks_off(&self, connection: &str, now: DateTime) -> BoxFuture<'_, Result<()>>;

    /// Takes a hook of this version away; `false` when the version is another.
    fn hook_remove(&self, id: &str, version: u64) -> BoxFuture<'_, Result<bool>>;
}

/// A registered webhook as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// Its id, which never changes: a UUID (RFC 9562).
    pub id: String,
    /// The tenant of its connection.
    pub tenant: String,
    /// The id of its connection.
    pub connection: String,
    /// The connector's key.
    pub connector: String,
    /// The key of the hook in the spec.
    pub hook: String,
    /// The options of its flows, as JSON text.
    pub options: String,
    /// The SHA-256 digest of the token in its URL.
    pub token_hash: [u8; 32],
    /// Token, keys and what the registration gave, sealed.
    pub sealed: Sealed,
    /// By what deliveries to a URL of many are told to be for it.
    pub routing: Option<String>,
    /// Where in its life it is.
    pub stage: Stage,
    /// Since when it is there.
    pub since: DateTime,
    /// When it was made.
    pub created: DateTime,
    /// When the service stops delivering unless it is renewed.
    pub expires: Option<DateTime>,
    /// When somebody is to look after it.
    pub next: Option<DateTime>,
    /// Until when somebody has claimed it.
    pub held: Option<DateTime>,
    /// When the service was last known to deliver to it.
    pub seen: Option<DateTime>,
    /// How many attempts to look after it have failed since the last that worked.
    pub attempts: u32,
    /// The stable code and the words of what went wrong last.
    pub problem: Option<(String, String)>,
    /// Counts up with every claim and every change.
    pub version: u64,
}

/// Where in its life a hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The service shall have it, and is not known to.
    Registering,
    /// The service has it, as far as is known.
    Active,
    /// It is off here; the service shall lose it.
    Deregistering,
}

impl Stage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Registering => "registering",
            Stage::Active => "active",
            Stage::Deregistering => "deregistering",
        }
    }

    /// The stage of a word.
    pub fn named(word: &str) -> Option<Stage> {
        [Stage::Registering, Stage::Active, Stage::Deregistering]
            .into_iter()
            .find(|stage| stage.as_str() == word)
    }
}

/// Which hooks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookFilter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of the connection with this id.
    pub connection: Option<String>,
    /// Of this connector.
    pub connector: Option<String>,
    /// Of the hook with this key in the spec.
    pub hook: Option<String>,
    /// With this routing key.
    pub routing: Option<String>,
}

/// A hook of the columns [`HOOK`].
pub(super) fn to_hook(row: &dyn Columns) -> Unread<Hook> {
    let stage = row::text(row, 9)?;
    let problem = row.text_if_any(17)?.zip(row.text_if_any(18)?);
    Ok(Hook {
        id: row::text(row, 0)?,
        tenant: row::text(row, 1)?,
        connection: row::text(row, 2)?,
        connector: row::text(row, 3)?,
        hook: row::text(row, 4)?,
        options: row::text(row, 5)?,
        token_hash: row::bytes(row, 6)?.try_into().map_err(|_| "a digest of another length")?,
        sealed: row::sealed(row, 7)?,
        routing: row.text_if_any(8)?,
        stage: Stage::named(&stage).ok_or_else(|| format!("`{stage}` is not a stage"))?,
        since: row::time(row, 10)?,
        created: row::time(row, 11)?,
        expires: row::time_if_any(row, 12)?,
        next: row::time_if_any(row, 13)?,
        held: row::time_if_any(row, 14)?,
        seen: row::time_if_any(row, 15)?,
        attempts: row::number(row, 16)?,
        problem,
        version: row::number(row, 19)?,
    })
}
