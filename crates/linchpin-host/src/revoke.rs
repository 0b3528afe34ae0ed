//! Taking connections away, and killing their tokens at the service.

use std::{collections::BTreeMap, time::Duration};

use linchpin::{
    Actor, Code, Error, Result, RevokeOutcome, Revoked, Secret, extract::ConnectionValues, flow::FlowKind,
};
use linchpin_runtime::{Connection, Grant, Invocation, Output};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    host::{Host, Notice, NoticeKind, new_id},
    ping::{flow, later},
    store::{self, Attempt, Filter, Revocation, State, TokenFate},
    vault::{Kind, Place},
};

/// How soon a failed revocation is tried again at first, doubled with every attempt.
const PAUSE: Duration = Duration::from_secs(60);

/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// How long an attempt may take; a worker that dies leaves its revocations to others after so long.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a deletion waits for an exchange that is under way.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it looks meanwhile.
const WATCH: Duration = Duration::from_millis(50);

/// For how long tokens stay alive because the service does not take a webhook back, for which they are needed.
const HOOK_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// The name under which a report has credentials that are no tokens of a grant.
const CREDENTIALS: &str = "credentials";

/// What became of a connection that was taken away.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// What became of each token at the service.
    pub attempt: Attempt,
    /// Whether nothing is left to do; otherwise it is tried again until it is done or an operator gives up on it.
    pub done: bool,
}

/// What a revocation needs, before it is sealed.
#[derive(Serialize, Deserialize)]
struct Payload {
    fields: BTreeMap<String, String>,
    grant: Option<String>,
}

impl Host {
    /// Takes a connection away here at once, whatever the service does; its tokens are revoked by [`drain`](Host::drain) or the
    /// worker.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionUnknown`], and when the store fails.
    pub async fn delete(&self, tenant: &str, name: &str) -> Result<()> {
        let row = self.kept(tenant, name).await?;
        self.remove(&row).await.map(drop)
    }

    /// Takes a connection away, and tries at once to kill its tokens at the service. What the service did not do is kept, sealed,
    /// and tried again.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionUnknown`], and when the store fails; what the service did is in the report.
    pub async fn revoke(&self, tenant: &str, name: &str) -> Result<Report> {
        let row = self.kept(tenant, name).await?;
        let revocation = self.remove(&row).await?;
        self.attempt(revocation).await
    }

    /// As [`revoke`](Host::revoke), for every connection that fits: all of a tenant, or of an owner.
    ///
    /// # Errors
    ///
    /// When the store fails; connections before that are done.
    pub async fn revoke_all(&self, which: Filter) -> Result<Vec<Report>> {
        let mut reports = Vec::new();
        let rows = self.0.store.connections(which).await?;
        // First all are stopped here, since a service may take its time.
        let mut left = Vec::new();
        for row in rows {
            left.push(self.remove(&row).await?);
        }
        for revocation in left {
            reports.push(self.attempt(revocation).await?);
        }
        Ok(reports)
    }

    /// Stops the use of a connection and removes its row; what is left to do at the service is noted by the same step.
    async fn remove(&self, row: &store::Connection) -> Result<Revocation> {
        self.0.move_to(&row.id, State::Revoked, "it is taken away".to_owned()).await?;
        self.0.store.hooks_off(&row.id, self.0.now()).await?;
        self.hold_grant(&row.id).await?;
        let id = new_id()?;
        let values = self.0.values(row)?;
        let grant = self.0.grant(&row.id).await?;
        let fields = values.fields.iter().map(|(key, value)| (key.clone(), value.expose().to_owned()));
        let payload = Payload {
            fields: fields.collect(),
            grant: grant.map(|grant| grant.to_secret().expose().to_owned()),
        };
        let text = Zeroizing::new(serde_json::to_vec(&payload).map_err(|error| {
            Error::coded(Code::StoreFailed, format!("the revocation cannot be written: {error}"))
        })?);
        let now = self.0.now();
        let revocation = Revocation {
            sealed: self.0.vault.seal(&place(&id), &text)?,
            id,
            connection: row.id.clone(),
            tenant: row.tenant.clone(),
            name: row.name.clone(),
            connector: row.connector.clone(),
            method: row.method.clone(),
            created: now,
            attempts: 0,
            last: None,
            next: Some(now),
        };
        self.0.store.connection_remove(&row.id, Some(revocation.clone())).await?;
        self.forget(&row.id);
        Ok(revocation)
    }

    /// Keeps everybody from exchanging a grant that is about to go, so that no new tokens escape the revocation. An exchange that is
    /// under way elsewhere is waited for, but not for long: a deletion must not hang on a service.
    async fn hold_grant(&self, id: &str) -> Result<()> {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while let Some(grant) = self.0.store.grant(id).await? {
            let lease = self.0.store.grant_lease(id, grant.generation, &self.0.holder, LIMIT).await?;
            match lease {
                store::Lease::Taken { .. } => break,
                store::Lease::Moved if grant.dead.is_some() => break,
                _ if tokio::time::Instant::now() >= patience => break,
                store::Lease::Held(left) => tokio::time::sleep(left.min(WATCH)).await,
                store::Lease::Moved => {}
            }
        }
        Ok(())
    }

    /// One attempt to kill the tokens of a connection that is gone.
    pub(crate) async fn attempt(&self, revocation: Revocation) -> Result<Report> {
        let at = self.0.now();
        let (tokens, problem) = match self.kill(&revocation).await {
            Ok(fates) => fates,
            Err(error) => ([(CREDENTIALS.to_owned(), fate(&error))].into(), Some(error)),
        };
        let done = tokens
            .values()
            .all(|fate| matches!(fate, TokenFate::Revoked | TokenFate::AlreadyGone | TokenFate::NoWay));
        let attempt = Attempt { at, tokens, problem: problem.map(|error| error.message().to_owned()) };
        if done {
            self.0.store.revocation_done(&revocation.id).await?;
        } else {
            let pause = PAUSE.saturating_mul(1 << revocation.attempts.min(20)).min(LONGEST_PAUSE);
            let next = later(at, pause);
            self.0.store.revocation_failed(&revocation.id, attempt.clone(), Some(next)).await?;
            self.0.tell(&Notice {
                tenant: revocation.tenant.clone(),
                name: revocation.name.clone(),
                owner: None,
                kind: NoticeKind::RevocationFailed,
                reason: attempt.problem.clone().unwrap_or_default(),
            });
        }
        Ok(Report { tenant: revocation.tenant, name: revocation.name, attempt, done })
    }

    /// Has the service lose the connection's webhooks, for which its tokens are needed, and then kills the tokens: by the author's
    /// `#[revoke]`; without one, or where it leaves the tokens to the endpoint of the spec, RFC 7009. What became of
    /// each token, and the last problem.
    async fn kill(&self, revocation: &Revocation) -> Result<(BTreeMap<String, TokenFate>, Option<Error>)> {
        let text = self.0.vault.open(&place(&revocation.id), &revocation.sealed)?;
        let payload: Payload = serde_json::from_slice(&text).map_err(|_| {
            Error::coded(Code::SealBroken, format!("the revocation of `{}` is none", revocation.name))
        })?;
        let fields = payload.fields.into_iter().map(|(key, value)| (key, Secret::new(value)));
        let values = ConnectionValues { method: revocation.method.clone(), fields: fields.collect() };
        let grant = payload.grant.map(|text| Grant::from_secret(&Secret::new(text))).transpose()?;
        let (connection, _) = self.0.make_loose(&revocation.connector, values, grant).await?;
        let hooks = self.hooks_taken_back(&revocation.connection, &connection).await?;
        // Nothing can be done with credentials that are dead, and a service that fails is not waited for without end.
        let dead = hooks.iter().all(|(_, error)| fate(error) == TokenFate::AlreadyGone);
        let over = later(revocation.created, HOOK_PATIENCE) <= self.0.now();
        if !hooks.is_empty() && !dead && !over {
            let fates = hooks.iter().map(|(hook, error)| (format!("hook {}", hook.id), fate(error)));
            let fates = fates.filter(|(_, fate)| *fate != TokenFate::AlreadyGone).collect();
            return Ok((fates, hooks.into_iter().next_back().map(|(_, error)| error)));
        }
        if let Some((_, error)) = hooks.last() {
            self.hooks_given_up(&revocation.connection, error.message()).await?;
        }
        if let Some(flow) = flow(&connection, FlowKind::Revoke) {
            let invocation = Invocation::new(&connection, flow).deadline(LIMIT);
            let ended = self.0.runtime.run(invocation).await.map_err(Error::from);
            let (fate, problem) = match ended {
                Ok(ran) => (said(&ran.output), None),
                Err(error) => (Some(fate(&error)), Some(error)),
            };
            if let Some(fate) = fate {
                return Ok(([(CREDENTIALS.to_owned(), fate)].into(), problem));
            }
        }
        self.kill_by_protocol(&connection).await
    }

    async fn kill_by_protocol(
        &self,
        connection: &Connection,
    ) -> Result<(BTreeMap<String, TokenFate>, Option<Error>)> {
        let revoked = match connection.revoke_tokens(&self.0.runtime).await {
            Ok(revoked) => revoked,
            Err(error) if error.code() == Code::NotCarriedOut => {
                return Ok(([(CREDENTIALS.to_owned(), TokenFate::NoWay)].into(), None));
            }
            Err(error) => return Err(error),
        };
        let mut fates = BTreeMap::new();
        let mut problem = None;
        for (token, ended) in revoked {
            let fate = match ended {
                Ok(()) => TokenFate::Revoked,
                Err(error) => {
                    let fate = fate(&error);
                    problem = Some(error);
                    fate
                }
            };
            fates.insert(token.to_owned(), fate);
        }
        Ok((fates, problem))
    }

    /// Gives up on a revocation: its secrets are thrown away, and the tokens and webhooks may stay alive at the service.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn give_up(&self, id: &str) -> Result<bool> {
        let left = self.0.store.revocations().await?;
        if let Some(left) = left.iter().find(|left| left.id == id) {
            self.hooks_given_up(&left.connection, "an operator gave up on it").await?;
        }
        self.0.store.revocation_done(id).await
    }

    /// Tries every revocation that is due, once.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn drain(&self) -> Result<Vec<Report>> {
        let mut reports = Vec::new();
        self.finish_removals().await?;
        loop {
            let now = self.0.now();
            let due = self.0.store.revocations_due(now, later(now, LIMIT * 2), 16).await?;
            if due.is_empty() {
                return Ok(reports);
            }
            for revocation in due {
                reports.push(self.attempt(revocation).await?);
            }
        }
    }

    /// Finishes what a process that died had begun to take away.
    async fn finish_removals(&self) -> Result<()> {
        let which = Filter { state: Some(State::Revoked), ..Filter::default() };
        for row in self.0.store.connections(which).await? {
            self.remove(&row).await?;
        }
        Ok(())
    }
}

fn place(id: &str) -> Place {
    Place { kind: Kind::Revocation, id: id.to_owned() }
}

/// What an author's `#[revoke]` said; nothing where it leaves the tokens to the endpoint of the spec.
fn said(output: &Output) -> Option<TokenFate> {
    let Output::Value(json) = output else { return Some(TokenFate::Revoked) };
    match serde_json::from_str::<Revoked>(json).map(|revoked| revoked.outcome) {
        Ok(RevokeOutcome::AtEndpoint) => None,
        Ok(RevokeOutcome::AlreadyGone) => Some(TokenFate::AlreadyGone),
        _ => Some(TokenFate::Revoked),
    }
}

/// What an error says of a token. Without I/O.
fn fate(error: &Error) -> TokenFate {
    match error.code() {
        // Who is not let in with a token any more, or does not find it, has lost it.
        Code::Unauthorized | Code::NotFound | Code::ReauthorizationNeeded => TokenFate::AlreadyGone,
        _ if matches!(error.who_must_act(), Actor::Service | Actor::Nobody) => TokenFate::Unreachable,
        _ => TokenFate::Refused,
    }
}
