//! A Stripe on loopback, for tests and demonstrations: it answers as Stripe documents, and keeps what it is told.
//!
//! There is one account in test mode, [`ACCOUNT`], with one key, [`SECRET_KEY`]. Every list is long enough for three pages of the
//! largest size, the newest first. Writes with an idempotency key are done once, and their answers replayed.

mod payload;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use self::state::State;

/// The account.
pub const ACCOUNT: &str = "acct_000000mock";
/// The secret key that is accepted.
pub const SECRET_KEY: &str = "sk_test_mock";

/// A customer.
pub const CUSTOMER: &str = "cus_000001";
/// A product.
pub const PRODUCT: &str = "prod_000001";
/// A price of that product, paid each month.
pub const PRICE: &str = "price_000001";
/// A payment that waits for a payment method.
pub const PAYMENT: &str = "pi_000001";
/// A payment of 2000 that succeeded.
pub const PAID: &str = "pi_000002";
/// An invoice that is a draft.
pub const INVOICE: &str = "in_000001";
/// A webhook endpoint.
pub const ENDPOINT: &str = "we_000001";
/// An active subscription.
pub const SUBSCRIPTION: &str = "sub_000001";
/// A payment method that works.
pub const CARD: &str = "pm_card_visa";
/// A payment method that the bank declines.
pub const DECLINED_CARD: &str = "pm_card_chargeDeclinedInsufficientFunds";
/// A payment method with which the customer must prove who they are.
pub const CAREFUL_CARD: &str = "pm_card_authenticationRequired";

/// How long each list is at the beginning.
pub const COUNT: usize = 250;

/// How the mock fails when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The key is not accepted.
    Unauthorized,
    /// The key may not do this.
    Forbidden,
    /// Too many requests.
    RateLimited,
    /// There is no such thing.
    NotFound,
    /// What was sent is not valid.
    Invalid,
    /// Another request with the same idempotency key is under way.
    Conflict,
    /// The service is broken.
    ServerError,
    /// The service is broken, and says that it is no use to ask again.
    Hopeless,
    /// What was sent is not valid, and the service says that it may be in a moment.
    Undecided,
    /// The body breaks off in the middle.
    Malformed,
}

/// A Stripe on loopback.
#[derive(Clone)]
pub struct Stripe {
    state: Arc<Mutex<State>>,
    uri: String,
    /// Kept alive where it is the mock's own.
    server: Option<Arc<MockServer>>,
}

impl Stripe {
    /// Starts one on a server of its own.
    pub async fn start() -> Stripe {
        let server = MockServer::start().await;
        let mut stripe = Stripe::mount(&server).await;
        stripe.server = Some(Arc::new(server));
        stripe
    }

    /// Lets a server answer like Stripe, behind whatever else is mounted there.
    pub async fn mount(server: &MockServer) -> Stripe {
        let stripe = Stripe { state: Arc::new(Mutex::new(State::new())), uri: server.uri(), server: None };
        let answers = Mock::given(matchers::any()).respond_with(stripe.clone());
        answers.with_priority(u8::MAX).named("Stripe").mount(server).await;
        stripe
    }

    /// The base URL.
    pub fn uri(&self) -> String {
        self.uri.clone()
    }

    /// From now on a request fails: `break_on("GET /v1/account", Fault::ServerError)`.
    pub fn break_on(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault, usize::MAX));
    }

    /// As [`break_on`](Stripe::break_on), but only so many times.
    pub fn break_times(&self, request: &str, fault: Fault, times: usize) {
        self.state().faults.push((request.to_owned(), fault, times));
    }

    /// How many customers there are.
    pub fn customers(&self) -> usize {
        self.state().kept("customers").iter().filter(|customer| customer["deleted"] != true).count()
    }

    /// How many writes were answered by what an earlier one with the same key had done.
    pub fn replays(&self) -> usize {
        self.state().replays
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stripe({})", self.uri)
    }
}

impl Respond for Stripe {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.state().respond(request)
    }
}
