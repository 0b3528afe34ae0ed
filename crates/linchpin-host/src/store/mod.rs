//! What is kept between calls and shared by processes, in the domain's words.
//!
//! A store knows nothing of keys: secrets reach it [sealed](crate::vault). Every change that is reported as done survives a
//! crash of the process and of the machine.

mod connection;
mod hook;
pub(crate) mod inbox;
mod monitor;
#[cfg(feature = "postgres")]
mod postgres;
mod revocation;
mod row;
mod sqlite;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
pub use linchpin_runtime::{Cell, Failure, Lease};

pub use self::inbox::{Entries, Entry, EntryState, InboxStore, NewEntry, Put, Room, Summary};
pub use self::monitor::{
    Claim, Commit, Committed, FailedLook, Monitor, MonitorFilter, MonitorStore, NewMonitor, OwnSchedule,
    RunMode, Seen, Subscription,
};
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
pub use self::{
    connection::{
        Account, Change, Connection, ConnectionStore, Filter, GrantRow, NewGrant, Ping, Renewed, State,
    },
    hook::{Hook, HookFilter, HookStore, Stage},
    revocation::{Attempt, Revocation, RevocationStore, TokenFate},
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
pub trait Store: ConnectionStore + RevocationStore + InboxStore + HookStore + MonitorStore {
    /// When the next ping, exchange or revocation is due; nothing when none is.
    fn care_next(&self) -> BoxFuture<'_, Result<Option<DateTime>>>;

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

/// What the databases say of a text that is sealed under a retired key.
const RETIRED: &str = "the key was retired";

fn key_retired(whence: impl fmt::Display) -> Error {
    let message = format!("the keys of the store `{whence}` were rotated after this was sealed");
    Error::coded(Code::KeyWrong, message)
        .hint(format!("try again; where the keys are given, put the current one first in `{KEY_VARIABLE}`"))
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
}
