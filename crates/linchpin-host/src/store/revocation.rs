//! What is left to revoke at services, as it is kept.

use std::{collections::BTreeMap, fmt};

use linchpin::{DateTime, Result, flow::BoxFuture};
use serde::{Deserialize, Serialize};

use super::row::{Columns, Unread, json_if_any, number, sealed, text, time, time_if_any};
use crate::vault::Sealed;

/// The columns of a revocation.
pub(super) const REVOCATION: &str =
    "id, connection, tenant, name, connector, method, sealed, created, attempts, last, next";

/// The queue of revocations. What gets into it does so with the [removal](super::ConnectionStore::connection_remove) of a connection.
pub trait RevocationStore: fmt::Debug + Send + Sync + 'static {
    /// Revocations that are due, each given to one caller only: they are put off until `until` by the same step.
    fn revocations_due(
        &self,
        now: DateTime,
        until: DateTime,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Revocation>>>;

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

/// A revocation of the columns [`REVOCATION`].
pub(super) fn to_revocation(row: &dyn Columns) -> Unread<Revocation> {
    Ok(Revocation {
        id: text(row, 0)?,
        connection: text(row, 1)?,
        tenant: text(row, 2)?,
        name: text(row, 3)?,
        connector: text(row, 4)?,
        method: text(row, 5)?,
        sealed: sealed(row, 6)?,
        created: time(row, 7)?,
        attempts: number(row, 8)?,
        last: json_if_any(row, 9)?,
        next: time_if_any(row, 10)?,
    })
}
