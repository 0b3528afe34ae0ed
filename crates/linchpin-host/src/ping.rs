//! Whether connections work, and whose they are.

use std::time::{Duration, Instant};

use linchpin::{
    Actor, Code, DateTime, Error, Identity, Result,
    flow::{FlowDescriptor, FlowKind},
    manifest::spec::AuthKind,
};
use linchpin_runtime::{Connection, Invocation, Output};

use crate::{
    host::Host,
    store::{self, Account, Ping, State},
};

/// How often connections are pinged.
const EVERY: Duration = Duration::from_secs(6 * 3600);

/// How long a ping may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a ping found.
#[derive(Debug)]
pub struct Pinged {
    /// The connection, as it is kept afterwards.
    pub connection: store::Connection,
    /// What the service said.
    pub outcome: Result<()>,
}

impl Host {
    /// Asks the service whether a connection works. A healthy connection stays so when the service cannot be reached.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionUnknown`], and when the store fails; what the service says is in [`Pinged::outcome`].
    pub async fn ping(&self, tenant: &str, name: &str) -> Result<Pinged> {
        let row = self.kept(tenant, name).await?;
        self.ping_row(&row).await
    }

    pub(crate) async fn ping_row(&self, row: &store::Connection) -> Result<Pinged> {
        let (ping, outcome) = match self.ready(row).await {
            Ok(connection) => self.ask(&connection).await,
            Err(error) => self.heard(Duration::ZERO, Err(error)),
        };
        let next = self.next_ping(ping.at);
        let other = ping.account.is_some() && ping.account != row.identity;
        self.0.store.connection_pinged(&row.id, ping, Some(next)).await?;
        if let Some((state, reason)) = verdict(row.state, outcome.as_ref().err()) {
            self.0.move_to(&row.id, state, reason).await?;
        }
        let connection = self.0.store.connection(&row.id).await?.unwrap_or_else(|| row.clone());
        if other {
            self.hooks_rerouted(&connection).await?;
        }
        Ok(Pinged { connection, outcome })
    }

    /// Runs the connector's `#[authping]`; a connector without one has nothing to say against a connection.
    pub(crate) async fn ask(&self, connection: &Connection) -> (Ping, Result<()>) {
        let since = Instant::now();
        let said = match flow(connection, FlowKind::Authping) {
            Some(flow) => self.identity(connection, flow).await.map(Some),
            None => Ok(None),
        };
        self.heard(since.elapsed(), said)
    }

    /// What is noted of what was said after so long.
    fn heard(&self, took: Duration, said: Result<Option<Identity>>) -> (Ping, Result<()>) {
        let (identity, outcome) = match said {
            Ok(identity) => (identity, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let problem = outcome.as_ref().err();
        let mut ping = Ping {
            at: self.0.now(),
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            account: None,
            scopes: Vec::new(),
            expires: None,
            problem: problem.map(|error| (error.code().as_str().to_owned(), error.message().to_owned())),
        };
        if let Some(identity) = identity {
            ping.account = Some(Account { id: identity.id, label: identity.label });
            ping.scopes = identity.scopes;
            ping.expires = identity.expires_at;
        }
        (ping, outcome)
    }

    async fn identity(&self, connection: &Connection, flow: &'static FlowDescriptor) -> Result<Identity> {
        let invocation = Invocation::new(connection, flow).deadline(LIMIT);
        match self.0.runtime.run(invocation).await?.output {
            Output::Value(json) => serde_json::from_str(&json).map_err(|error| {
                let message = format!("`{}` gave no identity: {error}", flow.name);
                Error::coded(Code::OutputInvalid, message)
            }),
            _ => Err(Error::coded(Code::OutputInvalid, format!("`{}` gave no identity", flow.name))),
        }
    }

    pub(crate) fn next_ping(&self, now: DateTime) -> DateTime {
        later(now, EVERY)
    }

    pub(crate) fn idle_lifetime(&self, connector: &str, method: &str) -> Result<Option<Duration>> {
        let (_, method) = self.0.method(connector, method)?;
        Ok(match method.map(|method| method.kind) {
            Some(AuthKind::OAuth2(oauth)) => oauth.idle_lifetime,
            _ => None,
        })
    }
}

/// The one flow of a kind that a connector has at most once.
pub(crate) fn flow(connection: &Connection, kind: FlowKind) -> Option<&'static FlowDescriptor> {
    connection.connector().flows().iter().copied().find(|flow| flow.kind.kind() == kind)
}

pub(crate) fn later(time: DateTime, span: Duration) -> DateTime {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_unix_millis(time.unix_millis().saturating_add(span)).unwrap_or(time)
}

/// The state that a ping leads to; `None` where it stays. Without I/O.
pub(crate) fn verdict(state: State, error: Option<&Error>) -> Option<(State, String)> {
    let Some(error) = error else {
        return (state != State::Active && state != State::Revoked)
            .then(|| (State::Active, "the service answered a ping".to_owned()));
    };
    let wanted = match error.code() {
        Code::Unauthorized | Code::ReauthorizationNeeded => State::NeedsReauthorization,
        // Nothing is known of the connection when the service cannot say.
        _ if matches!(error.who_must_act(), Actor::Service | Actor::Nobody) => return None,
        Code::StoreFailed | Code::KeyWrong => return None,
        _ => State::Failing,
    };
    let worse = match (state, wanted) {
        (State::Revoked, _) => false,
        (State::NeedsReauthorization, State::Failing) => false,
        (before, wanted) => before != wanted,
    };
    worse.then(|| (wanted, error.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_connection_survives_an_outage() {
        for code in [
            Code::Unreachable,
            Code::DeadlineExceeded,
            Code::ServiceFailed,
            Code::RateLimited,
            Code::RefreshFailed,
            Code::ResponseMalformed,
            Code::StoreFailed,
        ] {
            for state in [State::Active, State::Failing, State::NeedsReauthorization] {
                assert_eq!(verdict(state, Some(&Error::coded(code, "down"))), None, "{code:?} {state:?}");
            }
        }
    }

    #[test]
    fn what_the_service_says_counts() {
        let said = |state, code| verdict(state, Some(&Error::coded(code, "no"))).map(|(state, _)| state);
        assert_eq!(said(State::Active, Code::Unauthorized), Some(State::NeedsReauthorization));
        assert_eq!(said(State::Failing, Code::Unauthorized), Some(State::NeedsReauthorization));
        assert_eq!(said(State::Active, Code::Forbidden), Some(State::Failing));
        assert_eq!(said(State::NeedsReauthorization, Code::Forbidden), None);
        assert_eq!(said(State::Revoked, Code::Unauthorized), None);
        assert_eq!(verdict(State::Active, None), None);
        assert_eq!(verdict(State::Failing, None).map(|(state, _)| state), Some(State::Active));
        assert_eq!(verdict(State::Revoked, None), None);
    }
}
