//! Connections and their grants, as they are kept.

use std::{fmt, time::Duration};

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
use linchpin_runtime::{Failure, Lease};
use serde::{Deserialize, Serialize};

use super::{
    Revocation, millis,
    row::{Columns, Unread, json_if_any, number, sealed, text, time, time_if_any},
};
use crate::vault::Sealed;

/// The columns of a connection, in the order in which they are read.
pub(super) const CONNECTION: &str = "id, tenant, name, connector, method, owner, fields, scopes, account, account_label, state, since, created, ping, next_ping";

/// The columns of a grant.
pub(super) const GRANT: &str = "generation, tokens, expires, dead, failures, retry_at";

/// Connections, each with its grant where it has one.
///
/// Leases run by the store's own clock.
pub trait ConnectionStore: fmt::Debug + Send + Sync + 'static {
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

pub(super) fn name_taken(tenant: &str, name: &str) -> Error {
    let message = format!("the tenant `{tenant}` has a connection `{name}` already");
    Error::coded(Code::NameTaken, message).hint("choose another name, or delete that connection first")
}

/// A grant as columns: the tokens, when they expire, when to keep them alive.
pub(super) fn columns(grant: Option<NewGrant>) -> (Option<Vec<u8>>, Option<i64>, Option<i64>) {
    match grant {
        Some(grant) => (Some(grant.sealed.0), millis(grant.expires), millis(grant.keep_alive)),
        None => (None, None, None),
    }
}

/// How a lease ended, as columns: why the grant is dead, when to try again.
pub(super) fn ended(failure: Failure) -> (Option<String>, Option<i64>) {
    match failure {
        Failure::Dead(reason) => (Some(reason), None),
        Failure::RetryAt(time) => (None, Some(time.unix_millis())),
    }
}

fn state(row: &dyn Columns, column: usize) -> Unread<State> {
    let word = text(row, column)?;
    Ok(State::named(&word).ok_or_else(|| format!("`{word}` is not a state"))?)
}

/// A connection of the columns [`CONNECTION`].
pub(super) fn to_connection(row: &dyn Columns) -> Unread<Connection> {
    let account = |id| Unread::Ok(Account { id, label: text(row, 9)? });
    Ok(Connection {
        id: text(row, 0)?,
        tenant: text(row, 1)?,
        name: text(row, 2)?,
        connector: text(row, 3)?,
        method: text(row, 4)?,
        owner: row.text_if_any(5)?,
        fields: sealed(row, 6)?,
        scopes: json_if_any(row, 7)?.unwrap_or_default(),
        identity: row.text_if_any(8)?.map(account).transpose()?,
        state: state(row, 10)?,
        since: time(row, 11)?,
        created: time(row, 12)?,
        ping: json_if_any(row, 13)?,
        next_ping: time_if_any(row, 14)?,
    })
}

/// A grant of the columns [`GRANT`].
pub(super) fn to_grant(row: &dyn Columns) -> Unread<GrantRow> {
    Ok(GrantRow {
        generation: number(row, 0)?,
        sealed: sealed(row, 1)?,
        expires: time_if_any(row, 2)?,
        dead: row.text_if_any(3)?,
        failures: number(row, 4)?,
        retry_at: time_if_any(row, 5)?,
    })
}

/// State, time and reason of a change.
pub(super) fn to_change(row: &dyn Columns) -> Unread<Change> {
    Ok(Change { state: state(row, 0)?, at: time(row, 1)?, reason: text(row, 2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_back_from_their_words() {
        for state in [State::Active, State::NeedsReauthorization, State::Failing, State::Revoked] {
            assert_eq!(State::named(state.as_str()), Some(state));
        }
        assert_eq!(State::named("asleep"), None);
    }
}
