//! A connection's grant in the store, as the runtime wants it.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use linchpin::{Code, DateTime, Error, Result, Secret, flow::BoxFuture};
use linchpin_runtime::{Failure, Grant, GrantStore, Kept, Lease};

use crate::{
    host::{Inner, Notice, NoticeKind},
    store::{Change, NewGrant, State},
    vault::{Kind, Place, Sealed, Vault},
};

/// One connection's grant, sealed in the store.
pub(crate) struct StoredGrant {
    // The host keeps the connections that keep this.
    pub(crate) host: Weak<Inner>,
    pub(crate) id: String,
    /// Who takes leases: this process's host.
    pub(crate) holder: String,
    /// After how long without use the grant lapses.
    pub(crate) idle_lifetime: Option<Duration>,
}

/// Seals a grant for its row.
pub(crate) fn seal(
    vault: &Vault,
    id: &str,
    grant: &Grant,
    idle_lifetime: Option<Duration>,
) -> Result<NewGrant> {
    let sealed = vault.seal(&place(id), grant.to_secret().expose().as_bytes())?;
    // Two thirds of the time leave room for a service that is down for a while.
    let keep_alive = idle_lifetime.and_then(|idle| {
        let span = i64::try_from((idle * 2 / 3).as_millis()).ok()?;
        DateTime::from_unix_millis(grant.issued.unix_millis().checked_add(span)?)
    });
    Ok(NewGrant { sealed, expires: grant.expires, keep_alive })
}

/// Opens a grant of a row.
pub(crate) fn open(vault: &Vault, id: &str, sealed: &Sealed) -> Result<Grant> {
    let text = vault.open(&place(id), sealed)?;
    let text = std::str::from_utf8(&text)
        .map_err(|_| Error::coded(Code::SealBroken, format!("the grant of `{id}` is no text")))?;
    Grant::from_secret(&Secret::new(text))
}

fn place(id: &str) -> Place {
    Place { kind: Kind::Grant, id: id.to_owned() }
}

impl StoredGrant {
    fn host(&self) -> Result<Arc<Inner>> {
        self.host.upgrade().ok_or_else(|| Error::coded(Code::StoreFailed, "the host has ended"))
    }

    async fn load_now(&self) -> Result<Kept> {
        let host = self.host()?;
        let Some(row) = host.store.grant(&self.id).await? else {
            let message = "the connection was taken away while it was used";
            return Err(Error::coded(Code::ConnectionUnknown, message));
        };
        Ok(Kept {
            generation: row.generation,
            grant: Some(open(&host.vault, &self.id, &row.sealed)?),
            dead: row.dead,
            failures: row.failures,
            retry_at: row.retry_at,
        })
    }

    async fn swap_now(&self, generation: u64, grant: &Grant) -> Result<bool> {
        let host = self.host()?;
        let put = async || {
            let new = seal(&host.vault, &self.id, grant, self.idle_lifetime)?;
            host.store.grant_swap(&self.id, generation, new).await
        };
        let swapped = match put().await {
            // The keys were rotated between the sealing and the putting.
            Err(error) if error.code() == Code::KeyWrong => put().await,
            swapped => swapped,
        };
        if !swapped? {
            return Ok(false);
        }
        // A late answer may bring back what was given up.
        let row = host.store.connection(&self.id).await?;
        if row.is_some_and(|row| row.state == State::NeedsReauthorization) {
            let reason = "the service gave new tokens".to_owned();
            host.move_to(&self.id, State::Active, reason).await?;
        }
        Ok(true)
    }

    async fn fail_now(&self, generation: u64, failure: Failure) -> Result<bool> {
        let host = self.host()?;
        let mine = host.store.grant_fail(&self.id, generation, &self.holder, failure.clone()).await?;
        if let (true, Failure::Dead(reason)) = (mine, failure) {
            host.move_to(&self.id, State::NeedsReauthorization, reason).await?;
        }
        Ok(mine)
    }
}

impl GrantStore for StoredGrant {
    fn load(&self) -> BoxFuture<'_, Result<Kept>> {
        Box::pin(self.load_now())
    }

    fn lease(&self, generation: u64, time: Duration) -> BoxFuture<'_, Result<Lease>> {
        Box::pin(
            async move { self.host()?.store.grant_lease(&self.id, generation, &self.holder, time).await },
        )
    }

    fn swap<'a>(&'a self, generation: u64, grant: &'a Grant) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.swap_now(generation, grant))
    }

    fn fail(&self, generation: u64, failure: Failure) -> BoxFuture<'_, Result<bool>> {
        Box::pin(self.fail_now(generation, failure))
    }
}

impl fmt::Debug for StoredGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredGrant({})", self.id)
    }
}

impl Inner {
    /// Moves a connection to another state, and tells its owner where they must act.
    pub(crate) async fn move_to(&self, id: &str, state: State, reason: String) -> Result<bool> {
        let change = Change { state, at: self.clock.now(), reason: reason.clone() };
        let moved = self.store.connection_move(id, change).await?;
        if moved && let Some(connection) = self.store.connection(id).await? {
            self.tell(&Notice {
                tenant: connection.tenant,
                name: connection.name,
                owner: connection.owner,
                kind: NoticeKind::State(state),
                reason,
            });
        }
        Ok(moved)
    }
}
