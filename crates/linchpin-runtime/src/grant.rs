//! What a service gave in exchange for a connection's credentials, and where it is kept between calls.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use linchpin::{Code, DateTime, Error, Result, Secret, flow::BoxFuture};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Tokens, or the values of a session: what a service gave in exchange for a connection's credentials.
///
/// The spec's templates name its values as they name the connection's fields: `{access_token}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The values by name, among them `access_token` and, where there is one, `refresh_token`.
    pub values: BTreeMap<String, Secret>,
    /// What the service says the grant allows; `None` where it does not say, which means what was asked for (RFC 6749 §5.1).
    pub scopes: Option<Vec<String>>,
    /// When it was given.
    pub issued: DateTime,
    /// When the access token stops working, where the service or the spec says.
    pub expires: Option<DateTime>,
}

/// The name of the value that authenticates requests.
pub(crate) const ACCESS_TOKEN: &str = "access_token";

/// The name of the value that is exchanged for a new grant.
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";

/// A grant as text.
#[derive(Serialize, Deserialize)]
struct Written {
    values: BTreeMap<String, String>,
    scopes: Option<Vec<String>>,
    issued: DateTime,
    expires: Option<DateTime>,
}

impl Grant {
    /// A grant without any value.
    pub(crate) fn empty(issued: DateTime) -> Grant {
        Grant { values: BTreeMap::new(), scopes: None, issued, expires: None }
    }

    /// A value by its name.
    pub fn value(&self, name: &str) -> Option<&Secret> {
        self.values.get(name)
    }

    /// The grant as JSON, for whoever seals it.
    pub fn to_secret(&self) -> Secret {
        let values = self.values.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let written = Written {
            values: values.collect(),
            scopes: self.scopes.clone(),
            issued: self.issued,
            expires: self.expires,
        };
        // Texts, lists and times are always JSON.
        Secret::new(serde_json::to_string(&written).unwrap_or_default())
    }

    /// A grant from what [`to_secret`](Grant::to_secret) made.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when it is something else; nothing of it is in the message.
    pub fn from_secret(secret: &Secret) -> Result<Grant> {
        let written: Written = serde_json::from_str(secret.expose()).map_err(|_| {
            Error::coded(Code::StoreFailed, "the kept grant is not one that was kept by linchpin")
        })?;
        Ok(Grant {
            values: written.values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            scopes: written.scopes,
            issued: written.issued,
            expires: written.expires,
        })
    }
}

/// A grant as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Counts up with every exchange.
    pub generation: u64,
    /// The grant; none before the first exchange.
    pub grant: Option<Grant>,
    /// Why the service no longer honours it, once it has said so.
    pub dead: Option<String>,
    /// How many exchanges have failed since the last that worked.
    pub failures: u32,
    /// Before when no exchange is to be tried.
    pub retry_at: Option<DateTime>,
}

/// Where one connection's grant is kept, for all tasks and processes that use the connection.
///
/// A new grant is put under the generation that it was made from, so that of two exchanges only one can win, and a lease is
/// taken before an exchange, so that there are not two.
pub trait GrantStore: fmt::Debug + Send + Sync + 'static {
    /// The grant as it is now.
    fn load(&self) -> BoxFuture<'_, Result<Kept>>;

    /// Takes the right to exchange this generation, for so long; the store's clock decides.
    fn lease(&self, generation: u64, time: Duration) -> BoxFuture<'_, Result<Lease>>;

    /// Puts a new grant in the place of this generation, and ends any lease; `false` when the generation is another. The lease
    /// need not be in force any more: a late answer is better than none.
    fn swap<'a>(&'a self, generation: u64, grant: &'a Grant) -> BoxFuture<'a, Result<bool>>;

    /// Ends this holder's lease without a new grant; `false` when the lease is not its own, or the generation another.
    fn fail(&self, generation: u64, failure: Failure) -> BoxFuture<'_, Result<bool>>;
}

/// Whether a lease was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// It is the caller's.
    Taken {
        /// Whether the one before ran out without an end: its holder died, and may have made an exchange whose answer is lost.
        abandoned: bool,
    },
    /// It is another's, and runs out in this time unless it ends before.
    Held(Duration),
    /// The grant is of another generation, dead, or gone.
    Moved,
}

/// How a lease ends without a new grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The service says that the grant is dead; in words without secrets.
    Dead(String),
    /// No exchange is to be tried before this time.
    RetryAt(DateTime),
}

/// A grant kept in this process only.
#[derive(Debug, Default)]
pub struct MemoryGrant(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    kept: Kept,
    leased_until: Option<Instant>,
}

impl MemoryGrant {
    /// A place for a grant; empty before the first exchange unless one is given.
    pub fn new(grant: Option<Grant>) -> MemoryGrant {
        MemoryGrant(Mutex::new(Memory { kept: Kept { grant, ..Kept::default() }, leased_until: None }))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease_now(&self, generation: u64, time: Duration) -> Lease {
        let mut memory = self.memory();
        if memory.kept.generation != generation {
            return Lease::Moved;
        }
        let now = Instant::now();
        match memory.leased_until {
            Some(until) if until > now => Lease::Held(until - now),
            before => {
                memory.leased_until = Some(now + time);
                Lease::Taken { abandoned: before.is_some() }
            }
        }
    }

    fn swap_now(&self, generation: u64, grant: &Grant) -> bool {
        let mut memory = self.memory();
        if memory.kept.generation != generation {
            return false;
        }
        memory.kept = Kept { generation: generation + 1, grant: Some(grant.clone()), ..Kept::default() };
        memory.leased_until = None;
        true
    }

    fn fail_now(&self, generation: u64, failure: Failure) -> bool {
        let mut memory = self.memory();
        if memory.kept.generation != generation || memory.leased_until.take().is_none() {
            return false;
        }
        memory.kept.failures += 1;
        match failure {
            Failure::Dead(reason) => memory.kept.dead = Some(reason),
            Failure::RetryAt(time) => memory.kept.retry_at = Some(time),
        }
        true
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl GrantStore for MemoryGrant {
    fn load(&self) -> BoxFuture<'_, Result<Kept>> {
        ready(self.memory().kept.clone())
    }

    fn lease(&self, generation: u64, time: Duration) -> BoxFuture<'_, Result<Lease>> {
        ready(self.lease_now(generation, time))
    }

    fn swap<'a>(&'a self, generation: u64, grant: &'a Grant) -> BoxFuture<'a, Result<bool>> {
        ready(self.swap_now(generation, grant))
    }

    fn fail(&self, generation: u64, failure: Failure) -> BoxFuture<'_, Result<bool>> {
        ready(self.fail_now(generation, failure))
    }
}
