//! What is kept between calls and shared by processes, in the domain's words.
//!
//! A store knows nothing of keys: secrets reach it [sealed](crate::vault). Every change that is reported as done survives a
//! crash of the process and of the machine.

mod hook;
pub(crate) mod inbox;
mod monitor;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod sqlite;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
pub use linchpin_runtime::{Cell, Failure, Lease};
use serde::{Deserialize, Serialize};

pub use self::inbox::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Room, Summary};
pub use self::monitor::{
    Claim, Commit, Committed, FailedLook, Monitor, MonitorFilter, MonitorStore, NewMonitor, OwnSchedule,
    RunMode, Seen, Subscription,
};
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
pub use self::{
    hook::{Hook, HookFilter, HookStore, Stage},
    sqlite::Sqlite,
};
use crate::vault::{KEY_VARIABLE, KeyId, Place, Sealed};

/// Opens a store: on a PostgreSQL server by a URL that begins with `postgres://`, and in a file by its path.
///
/// # Errors
///
/// [`Code::StoreFailed`] when it cannot be opened, or the URL is of something else.
pub async fn open(place: &str) -> Result<Arc<dyn Store>> {
    match place.split_once("://") {
        Some(("postgres" | "postgresql", _)) => server(place).await,
        Some((scheme, _)) => {
            let message = format!("a store cannot be at a `{scheme}://` URL");
            Err(Error::coded(Code::StoreFailed, message)
                .hint("name a file, or a database as `postgres://USER:PASSWORD@HOST/DATABASE`"))
        }
        None => {
            let path = PathBuf::from(place);
            let opened = tokio::task::spawn_blocking(|| Sqlite::open(path)).await;
            let store = opened.map_err(|error| {
                Error::coded(Code::StoreFailed, format!("the store `{place}` was not opened: {error}"))
            })??;
            Ok(Arc::new(store))
        }
    }
}

#[cfg(feature = "postgres")]
async fn server(url: &str) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(Postgres::open(url).await?))
}

#[cfg(not(feature = "postgres"))]
async fn server(_url: &str) -> Result<Arc<dyn Store>> {
    let message = "this linchpin was built without stores on PostgreSQL";
    Err(Error::coded(Code::StoreFailed, message)
        .hint("build it with the feature `postgres`, or name a file as the store"))
}

/// Connections, their grants, their hooks, and what is left to do for them.
///
/// The clock that decides whether a lease has run out is the store's own, since processes on several machines share it; every
/// other time is the caller's. Times are kept to the millisecond.
pub trait Store: InboxStore + HookStore + MonitorStore {
    /// Adds a connection, with its grant where it has one.
    ///
    /// # Errors
    ///
    /// [`Code::NameTaken`] when the tenant has a connection of this name.
    fn connection_add(&self, new: Connection, grant: Option<NewGrant>) -> BoxFuture<'_, Result<()>>;

    /// A connection by its id.
    fn connection(&self, id: &str) -> BoxFuture<'_, Result<Option<Connection>>>;

    /// A connection by its name.
    fn connection_named(&self, tenant: &str, name: &str) -> BoxFuture<'_, Result<Option<Connection>>>;

    /// Connections, by tenant and name in their order.
    fn connections(&self, which: Filter) -> BoxFuture<'_, Result<Vec<Connection>>>;

    /// Moves a connection to another state and notes it in its history; `false` when it was in this state already, or is gone.
    fn connection_move(&self, id: &str, change: Change) -> BoxFuture<'_, Result<bool>>;

    /// The changes of a connection's state, oldest first.
    fn history(&self, id: &str) -> BoxFuture<'_, Result<Vec<Change>>>;

    /// Notes what a ping found, and when the next is due. An account and scopes that it found are the connection's from then on.
    fn connection_pinged(&self, id: &str, ping: Ping, next: Option<DateTime>) -> BoxFuture<'_, Result<()>>;

    /// Connections whose ping is due, each given to one caller only: they are put off until `until` by the same step. Never one
    /// that is being taken away.
    fn pings_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>>;

    /// Replaces the fields and the grant of a connection that was authorized anew; its id, name and history stay. The generation
    /// moves on, so that what an exchange of the old grant brings is not put in its place.
    fn connection_renew(
        &self,
        id: &str,
        renewed: Renewed,
        grant: Option<NewGrant>,
    ) -> BoxFuture<'_, Result<bool>>;

    /// Takes a connection away with its grant and history, and by the same step notes what is left to revoke at the service and
    /// turns its hooks off.
    fn connection_remove(&self, id: &str, left: Option<Revocation>) -> BoxFuture<'_, Result<bool>>;

    /// A connection's grant as it is now.
    fn grant(&self, id: &str) -> BoxFuture<'_, Result<Option<GrantRow>>>;

    /// Takes the lease of a grant, if it is of this generation, not dead, and nobody's lease is in force.
    fn grant_lease(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        time: Duration,
    ) -> BoxFuture<'_, Result<Lease>>;

    /// Puts a new grant in the place of this generation, which becomes the next one, and ends any lease and any failure;
    /// `false` when the generation is another. The lease need not be in force: a late answer is better than none.
    fn grant_swap(&self, id: &str, generation: u64, grant: NewGrant) -> BoxFuture<'_, Result<bool>>;

    /// Ends a lease without a new grant; `false` when the lease or the generation is another.
    fn grant_fail(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        failure: Failure,
    ) -> BoxFuture<'_, Result<bool>>;

    /// Connections whose grant is to be exchanged by `now` so that it does not lapse unused, each given to one caller only: they
    /// are put off until `until` by the same step. Never a dead grant, nor one of a connection that is being taken away.
    fn keep_alives_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Connection>>>;

    /// Revocations that are due, each given to one caller only: they are put off until `until` by the same step.
    fn revocations_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Revocation>>>;

    /// When the next ping, exchange or revocation is due; nothing when none is.
    fn care_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>>;

    /// Every revocation that is not done, oldest first.
    fn revocations(&self) -> BoxFuture<'_, Result<Vec<Revocation>>>;

    /// Notes a failed attempt: what became of each token, and when the next is due; `None` when an operator gave up on it.
    fn revocation_failed(
        &self,
        id: &str,
        attempt: Attempt,
        next: Option<DateTime>,
    ) -> BoxFuture<'_, Result<bool>>;

    /// Takes a revocation that is done off the queue.
    fn revocation_done(&self, id: &str) -> BoxFuture<'_, Result<bool>>;

    /// Keeps an OAuth client for a connector's method, in place of any other.
    fn client_put(&self, client: Client) -> BoxFuture<'_, Result<()>>;

    /// The OAuth client of a connector's method.
    fn client(&self, connector: &str, method: &str) -> BoxFuture<'_, Result<Option<Client>>>;

    /// A named value beside the records; `None` when it was never put.
    fn note(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>>>;

    /// Puts a named value, unless it is there; gives the one that is there afterwards.
    fn note_once(&self, name: &str, value: &[u8]) -> BoxFuture<'_, Result<Vec<u8>>>;

    /// A [cell](linchpin_runtime::Cells) that processes share while they work. Those whose names begin with `connection/ID/` go
    /// with the connection.
    fn cell(&self, name: &str) -> BoxFuture<'_, Result<Cell>>;

    /// Puts a value into a cell in the place of the old one, or takes the cell away; `false` when another value stands there.
    fn cell_swap(&self, name: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> BoxFuture<'_, Result<bool>>;

    /// Sealed records behind a place in the store's own order, for sealing them anew.
    fn sealed_after(&self, place: Option<Place>, most: usize) -> BoxFuture<'_, Result<Vec<(Place, Sealed)>>>;

    /// Lets one key seal, and others no more: from then on whatever is put in under one of these is refused with
    /// [`Code::KeyWrong`], however long ago it was sealed, and whatever was put in before is there to be read.
    fn keys_retire(&self, current: KeyId, retired: Vec<KeyId>) -> BoxFuture<'_, Result<()>>;

    /// Puts a record that was sealed anew in the place of what it was made from; `false` when that has changed since.
    fn sealed_swap(&self, place: &Place, old: &Sealed, new: Sealed) -> BoxFuture<'_, Result<bool>>;
}

/// A connection as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Its id, which never changes: a UUID (RFC 9562).
    pub id: String,
    /// Whose it is: a customer, a team. Names are unique within one.
    pub tenant: String,
    /// The name by which it is asked for.
    pub name: String,
    /// The connector's key.
    pub connector: String,
    /// The key of the authentication method.
    pub method: String,
    /// Whom to tell when it needs attention; any text.
    pub owner: Option<String>,
    /// The form's fields, sealed.
    pub fields: Sealed,
    /// What the service says it may do.
    pub scopes: Vec<String>,
    /// Whose account it is.
    pub identity: Option<Account>,
    /// How it is.
    pub state: State,
    /// Since when it is in this state.
    pub since: DateTime,
    /// When it was made.
    pub created: DateTime,
    /// What the last ping found.
    pub ping: Option<Ping>,
    /// When the next ping is due.
    pub next_ping: Option<DateTime>,
}

/// What changes of a connection that is authorized anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Renewed {
    /// The method, which may be another.
    pub method: String,
    /// The form's fields, sealed.
    pub fields: Sealed,
    /// What the service says it may do.
    pub scopes: Vec<String>,
    /// The change of state, for the history.
    pub change: Change,
}

/// An account at the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id there.
    pub id: String,
    /// What people call it.
    pub label: String,
}

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// It works, as far as is known.
    Active,
    /// Only its owner can make it work again, by authorizing it anew.
    NeedsReauthorization,
    /// The service refuses it for a reason that may pass.
    Failing,
    /// It is being taken away, and no longer used.
    Revoked,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::NeedsReauthorization => "needs_reauthorization",
            State::Failing => "failing",
            State::Revoked => "revoked",
        }
    }

    /// The state of a word.
    pub fn named(word: &str) -> Option<State> {
        [State::Active, State::NeedsReauthorization, State::Failing, State::Revoked]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A change of a connection's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The state from then on.
    pub state: State,
    /// When.
    pub at: DateTime,
    /// Why, in words without secrets.
    pub reason: String,
}

/// What a ping found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ping {
    /// When.
    pub at: DateTime,
    /// How long the service took, in milliseconds.
    pub millis: u64,
    /// Whose account it is.
    pub account: Option<Account>,
    /// What the credentials allow.
    pub scopes: Vec<String>,
    /// When the credentials stop working, as the service says.
    pub expires: Option<DateTime>,
    /// The stable code and the words of what went wrong.
    pub problem: Option<(String, String)>,
}

/// Which connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this connector.
    pub connector: Option<String>,
    /// Of this owner.
    pub owner: Option<String>,
    /// In this state.
    pub state: Option<State>,
    /// With this account id, for one connector: the same account connected twice.
    pub account: Option<String>,
}

/// A grant to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewGrant {
    /// The tokens, sealed.
    pub sealed: Sealed,
    /// When the access token expires.
    pub expires: Option<DateTime>,
    /// When it is to be exchanged at the latest, so that it does not lapse unused.
    pub keep_alive: Option<DateTime>,
}

/// A grant as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantRow {
    /// Counts up with every exchange, from 1.
    pub generation: u64,
    /// The tokens, sealed.
    pub sealed: Sealed,
    /// When the access token expires.
    pub expires: Option<DateTime>,
    /// Whether the service has said that the grant is dead, and why.
    pub dead: Option<String>,
    /// How many exchanges have failed since the last that worked.
    pub failures: u32,
    /// Before when no exchange is to be tried.
    pub retry_at: Option<DateTime>,
}

/// Tokens that are still to be revoked at a service, after their connection is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Revocation {
    /// Its id, a UUID.
    pub id: String,
    /// The connection that it was.
    pub connection: String,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// The connector's key.
    pub connector: String,
    /// The key of the authentication method.
    pub method: String,
    /// Fields and grant, sealed.
    pub sealed: Sealed,
    /// When the connection was taken away.
    pub created: DateTime,
    /// How many attempts have failed.
    pub attempts: u32,
    /// What the last attempt found.
    pub last: Option<Attempt>,
    /// When the next is due; none when an operator gave up on it.
    pub next: Option<DateTime>,
}

/// What an attempt to revoke found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// When.
    pub at: DateTime,
    /// What became of each token, by its name.
    pub tokens: BTreeMap<String, TokenFate>,
    /// What went wrong, in words without secrets.
    pub problem: Option<String>,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenFate {
    /// The service has killed it.
    Revoked,
    /// It was dead already.
    AlreadyGone,
    /// The service refused to.
    Refused,
    /// The service could not be reached, or failed.
    Unreachable,
    /// Nothing was tried: the service has no way to.
    NoWay,
}

/// An OAuth client that belongs to whoever runs the connector.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// The connector's key.
    pub connector: String,
    /// The key of the authentication method.
    pub method: String,
    /// The client's id.
    pub id: String,
    /// The client's secret, sealed; none for a public client.
    pub secret: Option<Sealed>,
}

fn name_taken(tenant: &str, name: &str) -> Error {
    let message = format!("the tenant `{tenant}` has a connection `{name}` already");
    Error::coded(Code::NameTaken, message).hint("choose another name, or delete that connection first")
}

/// What the databases say of a text that is sealed under a retired key.
const RETIRED: &str = "the key was retired";

fn key_retired(whence: impl fmt::Display) -> Error {
    let message = format!("the keys of the store `{whence}` were rotated after this was sealed");
    Error::coded(Code::KeyWrong, message)
        .hint(format!("try again; where the keys are given, put the current one first in `{KEY_VARIABLE}`"))
}

/// A grant as columns: the tokens, when they expire, when to keep them alive.
fn columns(grant: Option<NewGrant>) -> (Option<Vec<u8>>, Option<i64>, Option<i64>) {
    match grant {
        Some(grant) => (Some(grant.sealed.0), millis(grant.expires), millis(grant.keep_alive)),
        None => (None, None, None),
    }
}

/// How a lease ended, as columns: why the grant is dead, when to try again.
fn ended(failure: Failure) -> (Option<String>, Option<i64>) {
    match failure {
        Failure::Dead(reason) => (Some(reason), None),
        Failure::RetryAt(time) => (None, Some(time.unix_millis())),
    }
}

/// Kind and id behind which sealed records are looked for; at the start behind nothing.
fn after(place: Option<Place>) -> (i64, String) {
    place.map_or((-1, String::new()), |place| (place.kind.number(), place.id))
}

fn millis(time: Option<DateTime>) -> Option<i64> {
    time.map(DateTime::unix_millis)
}

fn count(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// The milliseconds of a span of time, of which a part counts as a whole one.
fn span(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_is_opened_by_what_its_place_looks_like() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db").display().to_string();
        open(&path).await.unwrap().note_once("it", b"is there").await.unwrap();
        assert_eq!(open(&path).await.unwrap().note("it").await.unwrap(), Some(b"is there".to_vec()));

        let error = open("mysql://ann:pa55word@db.example/linchpin").await.unwrap_err();
        assert_eq!(error.code(), Code::StoreFailed);
        assert!(error.to_string().contains("`mysql://`"), "{error}");
        assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
    }

    #[cfg(not(feature = "postgres"))]
    #[tokio::test]
    async fn without_the_feature_a_server_is_refused_and_the_feature_named() {
        for scheme in ["postgres", "postgresql"] {
            let error = open(&format!("{scheme}://ann:pa55word@db.example/linchpin")).await.unwrap_err();
            assert_eq!(error.code(), Code::StoreFailed);
            assert!(error.details().hint.unwrap().contains("`postgres`"), "{error:?}");
            assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
        }
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn both_schemes_are_of_a_server() {
        for scheme in ["postgres", "postgresql"] {
            let error = open(&format!("{scheme}:///linchpin?sslmode=require")).await.unwrap_err();
            assert!(error.to_string().contains("TLS"), "{error}");
        }
    }

    #[test]
    fn states_are_read_back_from_their_words() {
        for state in [State::Active, State::NeedsReauthorization, State::Failing, State::Revoked] {
            assert_eq!(State::named(state.as_str()), Some(state));
        }
        assert_eq!(State::named("asleep"), None);
    }
}
