//! The life of a connection's tokens: exchanged before they expire or when the service refuses them, once for however many wait.
//!
//! A flight is one look at the store, and the exchange that it may lead to. All calls of a process that need it wait for the same
//! one; flights of several processes take turns by a lease in the store. A flight goes on when whoever began it has gone, since an
//! answer that nobody reads would be a lost grant.

use std::{
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use linchpin::{Actor, Code, DateTime, Error, Result, flow::BoxFuture};
use tokio::sync::watch;

use crate::{
    clock::{self, Clock},
    connection::Signed,
    grant::{Failure, Grant, GrantStore, Kept, Lease},
    observe,
    runtime::Runtime,
};

/// How tokens are kept fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshPolicy {
    /// How long before they expire tokens are exchanged at the earliest; five minutes by default. Of tokens that live shorter it
    /// is a quarter of their life.
    pub lead: Duration,
    /// How long an exchange may take; 30 seconds by default.
    pub exchange: Duration,
    /// How long a lease holds unless it is ended: longer than an exchange, one minute by default. A process that dies while it
    /// holds the lease keeps others waiting for so long.
    pub lease: Duration,
    /// How long a call waits for the exchange of another process; 90 seconds by default.
    pub patience: Duration,
    /// How soon a failed exchange is tried again; one second by default, doubled with every failure.
    pub pause: Duration,
    /// The longest pause; five minutes by default.
    pub longest_pause: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> RefreshPolicy {
        RefreshPolicy {
            lead: Duration::from_secs(300),
            exchange: Duration::from_secs(30),
            lease: Duration::from_secs(60),
            patience: Duration::from_secs(90),
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
        }
    }
}

/// How often the store is looked at while another process makes the exchange.
const WATCH: Duration = Duration::from_millis(50);

/// How a method turns what a connection has into a new grant.
///
/// The code of an error says what it means: [`Code::ReauthorizationNeeded`] that the grant is dead, [`Code::ExchangeRefused`] that
/// the connector or its client is wrong, anything else that the service or the network is in trouble.
pub(crate) trait Exchange: Send + Sync + 'static {
    /// The connector's key.
    fn connector(&self) -> &str;

    /// Whether there is anything to exchange.
    fn can(&self, old: Option<&Grant>) -> bool;

    /// Makes the exchange. Its errors hold no secret.
    fn exchange<'a>(&'a self, runtime: &'a Runtime, old: Option<&'a Grant>) -> BoxFuture<'a, Result<Grant>>;

    /// What requests carry under a grant.
    fn sign(&self, grant: &Grant, generation: u64) -> Result<Signed>;
}

/// Keeps one connection's tokens fresh. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Broker(Arc<Inner>);

struct Inner {
    store: Arc<dyn GrantStore>,
    exchange: Box<dyn Exchange>,
    clock: Arc<dyn Clock>,
    policy: RefreshPolicy,
    current: RwLock<Option<Current>>,
    flight: Mutex<Option<watch::Receiver<Option<Landing>>>>,
    /// A grant that the service gave and the store would not take: it is put there before anything else happens.
    unsaved: Mutex<Option<(u64, Grant)>>,
    /// The values of tokens, for whoever must not show them.
    seen: Mutex<VecDeque<String>>,
}

/// So many values are remembered: those of several generations.
const SEEN: usize = 64;

/// What requests carry now.
#[derive(Clone)]
struct Current {
    signed: Arc<Signed>,
    /// Until when it is used without a look at the store.
    fresh_until: Option<DateTime>,
}

/// How a flight ended. Errors cannot be cloned, and every one that waits gets its own.
type Landing = std::result::Result<Current, Arc<Error>>;

impl Broker {
    pub(crate) fn new(
        store: Arc<dyn GrantStore>,
        exchange: Box<dyn Exchange>,
        clock: Arc<dyn Clock>,
        policy: RefreshPolicy,
    ) -> Broker {
        Broker(Arc::new(Inner {
            store,
            exchange,
            clock,
            policy,
            current: RwLock::new(None),
            flight: Mutex::new(None),
            unsaved: Mutex::new(None),
            seen: Mutex::new(VecDeque::new()),
        }))
    }

    /// What a request carries: what is at hand while it is fresh, and else what a flight brings.
    pub(crate) async fn signed(&self, runtime: &Runtime) -> Result<Arc<Signed>> {
        match self.0.fresh() {
            Some(signed) => Ok(signed),
            None => self.flight(runtime, None).await,
        }
    }

    /// What a request carries after the service has refused this generation.
    pub(crate) async fn after_refusal(&self, runtime: &Runtime, generation: u64) -> Result<Arc<Signed>> {
        match self.0.current() {
            Some(current) if current.signed.generation > generation => Ok(current.signed),
            _ => self.flight(runtime, Some(generation)).await,
        }
    }

    /// Waits for the flight that is under way, or begins one.
    async fn flight(&self, runtime: &Runtime, refused: Option<u64>) -> Result<Arc<Signed>> {
        loop {
            let (mut landing, begun) = self.board(runtime, refused);
            let landed = match landing.wait_for(Option::is_some).await {
                Ok(landed) => landed.clone(),
                Err(_) => None,
            };
            match landed {
                Some(Ok(current)) => {
                    // One that was under way may have found only what this call was refused with.
                    if begun || refused.is_none_or(|refused| current.signed.generation > refused) {
                        return Ok(current.signed);
                    }
                }
                Some(Err(error)) => return Err(again(&error)),
                None => return Err(Error::coded(Code::RefreshFailed, "the exchange of tokens broke off")),
            }
        }
    }

    /// A seat in the flight that is under way, or in a new one, and whether it is new.
    fn board(&self, runtime: &Runtime, refused: Option<u64>) -> (watch::Receiver<Option<Landing>>, bool) {
        let mut flight = lock(&self.0.flight);
        if let Some(under_way) = &*flight
            && under_way.borrow().is_none()
            // A sender that is gone without a word will not land.
            && under_way.has_changed().is_ok()
        {
            return (under_way.clone(), false);
        }
        let (land, landing) = watch::channel(None);
        *flight = Some(landing.clone());
        let (inner, runtime) = (self.0.clone(), runtime.clone());
        tokio::spawn(async move {
            let landed = inner.fly(&runtime, refused).await.map_err(Arc::new);
            land.send_replace(Some(landed));
        });
        (landing, true)
    }

    /// Makes an exchange whether one is due or not: for an operator, and so that an idle grant does not lapse.
    pub(crate) async fn exchange_now(&self, runtime: &Runtime) -> Result<Arc<Signed>> {
        let generation = self.0.store.load().await?.generation;
        self.flight(runtime, Some(generation)).await
    }

    /// Waits until no exchange is under way: a process must not end before, or its answer would be lost.
    pub(crate) async fn settle(&self) {
        let under_way = lock(&self.0.flight).clone();
        if let Some(mut landing) = under_way {
            // One that broke off has settled as well.
            let _ = landing.wait_for(Option::is_some).await;
        }
    }

    /// Where the grant is kept.
    pub(crate) fn store(&self) -> &dyn GrantStore {
        &*self.0.store
    }

    /// What requests carried last, fresh or not.
    pub(crate) fn at_hand(&self) -> Option<Arc<Signed>> {
        self.0.current().map(|current| current.signed)
    }

    /// Counts up when there are new secrets.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.0.current().map(|current| current.signed.generation)
    }

    /// The values of the tokens that this process knows, old ones included.
    pub(crate) fn secrets(&self) -> Vec<String> {
        lock(&self.0.seen).iter().cloned().collect()
    }
}

impl Inner {
    fn current(&self) -> Option<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Arc<Signed>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let current = current.as_ref()?;
        match current.fresh_until {
            Some(until) if self.clock.now() >= until => None,
            _ => Some(current.signed.clone()),
        }
    }

    /// One flight: from a look at the store to tokens that may be used.
    async fn fly(&self, runtime: &Runtime, refused: Option<u64>) -> Result<Current> {
        // Another flight may have landed between the caller's look and this one's.
        if let Some(current) = self.current() {
            match refused {
                None if self.fresh().is_some() => return Ok(current),
                Some(refused) if current.signed.generation > refused => return Ok(current),
                _ => {}
            }
        }
        let patience = tokio::time::Instant::now() + self.policy.patience;
        let mut exchanged = None;
        loop {
            self.save_unsaved().await?;
            let kept = self.store.load().await?;
            let look = Look::at(&kept, refused, self.clock.now(), &self.policy, &*self.exchange);
            let time = match look {
                Look::Use(until) => return self.adopt(&kept, until),
                Look::Dead(reason) => return Err(dead(reason)),
                Look::Pause(pause) => return Err(paused(pause)),
                // What came during this flight is used whatever its life: a service whose tokens are over as they come would else be
                // asked without end.
                Look::Exchange if exchanged.is_some_and(|before| before < kept.generation) => {
                    return self.adopt(&kept, expiry(&kept));
                }
                Look::Exchange => self.policy.lease,
            };
            match self.store.lease(kept.generation, time).await? {
                Lease::Moved => {}
                Lease::Held(left) => {
                    if tokio::time::Instant::now() >= patience {
                        return Err(crowded(self.policy.patience));
                    }
                    tokio::time::sleep(left.min(WATCH)).await;
                }
                Lease::Taken { abandoned } => {
                    exchanged = Some(kept.generation);
                    if let Some(current) = self.exchange(runtime, &kept, abandoned, refused).await? {
                        return Ok(current);
                    }
                }
            }
        }
    }

    /// Makes the exchange under a lease; `None` when the store has moved on meanwhile.
    async fn exchange(
        &self,
        runtime: &Runtime,
        kept: &Kept,
        abandoned: bool,
        refused: Option<u64>,
    ) -> Result<Option<Current>> {
        let exchange = self.exchange.exchange(runtime, kept.grant.as_ref());
        let answer = tokio::time::timeout(self.policy.exchange, exchange).await.unwrap_or_else(|_| {
            let limit = crate::session::seconds(self.policy.exchange);
            Err(Error::coded(
                Code::RefreshFailed,
                format!("the token endpoint did not answer within {limit}"),
            ))
        });
        observe::refreshed(self.exchange.connector(), answer.as_ref().err());
        match answer {
            Ok(grant) => {
                // Noted before it is stored: a store in trouble must not lose it.
                *lock(&self.unsaved) = Some((kept.generation, grant));
                self.save_unsaved().await?;
                Ok(None)
            }
            Err(error) => {
                let error = explain(error, abandoned);
                let now = self.clock.now();
                let failure = match error.code() {
                    Code::ReauthorizationNeeded => Failure::Dead(error.message().to_owned()),
                    _ => Failure::RetryAt(clock::after(now, pause(&self.policy, kept.failures, &error))),
                };
                let retry_at = match &failure {
                    Failure::RetryAt(time) => Some(*time),
                    Failure::Dead(_) => None,
                };
                if !self.store.fail(kept.generation, failure).await? {
                    // Somebody took the lease over, or stored a grant: what they have counts.
                    let moved = self.store.load().await?;
                    if moved.generation != kept.generation {
                        return Ok(None);
                    }
                }
                // Until it expires the old token is as good as before.
                match usable(kept, refused, now) {
                    true => self.adopt(kept, retry_at.or(expiry(kept))).map(Some),
                    false => Err(error),
                }
            }
        }
    }

    /// Puts a grant into the store that it did not take before.
    async fn save_unsaved(&self) -> Result<()> {
        let Some((generation, grant)) = lock(&self.unsaved).clone() else { return Ok(()) };
        // Where the generation has moved on, another process's grant is newer.
        self.store.swap(generation, &grant).await?;
        *lock(&self.unsaved) = None;
        Ok(())
    }

    /// Takes what is kept as what requests carry from now on.
    fn adopt(&self, kept: &Kept, fresh_until: Option<DateTime>) -> Result<Current> {
        let Some(grant) = &kept.grant else { return Err(dead("there is no grant".to_owned())) };
        let signed = Arc::new(self.exchange.sign(grant, kept.generation)?);
        let mut seen = lock(&self.seen);
        for secret in &signed.secrets {
            if !seen.contains(secret) {
                seen.push_back(secret.clone());
            }
        }
        let surplus = seen.len().saturating_sub(SEEN);
        seen.drain(..surplus);
        drop(seen);
        let current = Current { signed, fresh_until };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current.clone());
        Ok(current)
    }
}

/// What a look at the store leads to.
#[derive(Debug, PartialEq)]
enum Look {
    /// What is kept can be used, without another look until then.
    Use(Option<DateTime>),
    /// An exchange is due.
    Exchange,
    /// An exchange is due, but not to be tried yet.
    Pause(Duration),
    /// Only the connection's owner can help.
    Dead(String),
}

impl Look {
    /// Decides, without I/O.
    fn at(
        kept: &Kept,
        refused: Option<u64>,
        now: DateTime,
        policy: &RefreshPolicy,
        exchange: &dyn Exchange,
    ) -> Look {
        let usable = usable(kept, refused, now);
        let can = kept.dead.is_none() && exchange.can(kept.grant.as_ref());
        if !can {
            return match (&kept.dead, usable) {
                (_, true) => Look::Use(expiry(kept)),
                (Some(reason), false) => Look::Dead(reason.clone()),
                (None, false) => {
                    Look::Dead("the access token no longer works, and there is no refresh token".to_owned())
                }
            };
        }
        if usable {
            let due = due(kept, policy);
            if due.is_none_or(|due| now < due) {
                return Look::Use(due);
            }
        }
        match kept.retry_at {
            Some(retry_at) if now < retry_at && usable => Look::Use(Some(retry_at)),
            Some(retry_at) if now < retry_at => Look::Pause(now.until(retry_at)),
            _ => Look::Exchange,
        }
    }
}

/// Whether what is kept may go with a request.
fn usable(kept: &Kept, refused: Option<u64>, now: DateTime) -> bool {
    kept.grant.is_some()
        && refused.is_none_or(|refused| kept.generation > refused)
        && expiry(kept).is_none_or(|expiry| now < expiry)
}

fn expiry(kept: &Kept) -> Option<DateTime> {
    kept.grant.as_ref().and_then(|grant| grant.expires)
}

/// When a grant is to be exchanged: ahead of its expiry, a little differently for each generation and process, so that not all
/// connections that were made at one time come back at one time.
fn due(kept: &Kept, policy: &RefreshPolicy) -> Option<DateTime> {
    let grant = kept.grant.as_ref()?;
    let expires = grant.expires?;
    let life = grant.issued.until(expires);
    let lead = policy.lead.min(life / 4);
    let mut hasher = DefaultHasher::new();
    (std::process::id(), kept.generation, grant.issued.unix_millis()).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 256).unwrap_or(0);
    let lead = lead - lead / 5 * share / 256;
    DateTime::from_unix_millis(expires.unix_millis().saturating_sub(i64::try_from(lead.as_millis()).ok()?))
}

/// How long to wait after a failed exchange: as the service says, and else longer each time.
fn pause(policy: &RefreshPolicy, failures: u32, error: &Error) -> Duration {
    let doubled = policy.pause.saturating_mul(1 << failures.min(20));
    error.details().retry_after.unwrap_or(doubled).min(policy.longest_pause)
}

fn explain(error: Error, abandoned: bool) -> Error {
    if error.code() != Code::ReauthorizationNeeded || !abandoned {
        return error;
    }
    let message = format!(
        "an exchange was interrupted before its answer could be stored, and the old refresh token no longer works: {}",
        error.message()
    );
    Error::coded(Code::ReauthorizationNeeded, message)
}

fn dead(reason: String) -> Error {
    Error::coded(Code::ReauthorizationNeeded, reason).hint("authorize the connection anew")
}

fn paused(pause: Duration) -> Error {
    let message =
        format!("the last exchange of tokens failed; the next is tried in {} s", pause.as_secs().max(1));
    Error::coded(Code::RefreshFailed, message).retry_after(pause)
}

fn crowded(patience: Duration) -> Error {
    let limit = crate::session::seconds(patience);
    let message =
        format!("another process has been exchanging the connection's tokens for more than {limit}");
    Error::coded(Code::RefreshFailed, message).actor(Actor::Operator)
}

/// An error once more, for the next that waited for it.
fn again(error: &Error) -> Error {
    let details = error.details();
    let mut copy = Error::coded(error.code(), error.message().to_owned()).actor(error.who_must_act());
    if let Some(status) = details.status {
        copy = copy.status(status);
    }
    if let Some(code) = details.service_code {
        copy = copy.service_code(code);
    }
    if let Some(id) = details.request_id {
        copy = copy.request_id(id);
    }
    if let Some(wait) = details.retry_after {
        copy = copy.retry_after(wait);
    }
    if let Some(hint) = details.hint {
        copy = copy.hint(hint.to_owned());
    }
    copy
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broker")
    }
}
