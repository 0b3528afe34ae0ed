//! An Okta on loopback, for tests and demonstrations: it answers as Okta documents, and keeps what it is told.
//!
//! There is one org at [`DOMAIN`], with one API token, [`TOKEN`], made by its admin, and one service app, [`CLIENT_ID`]. Every list
//! is long enough for three pages.

mod oauth;
mod payload;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use self::state::State;

/// The address of the org.
pub const DOMAIN: &str = "acme.okta.com";
/// The API token that is accepted, until it is revoked.
pub const TOKEN: &str = "00mockmockmockmockmockmockmockmockmockmock";
/// The client of the service app.
pub const CLIENT_ID: &str = "0oa0000000000000mock";
/// The id of its key.
pub const KEY_ID: &str = "mock-key-1";

/// The admin who made the API token.
pub const ADMIN: &str = "00u00000000000000000";
/// An active user, who is in every group.
pub const USER: &str = "00u00000000000000001";
/// A user who was deactivated.
pub const DEACTIVATED: &str = "00u00000000000000003";
/// A user who is suspended.
pub const SUSPENDED: &str = "00u00000000000000004";
/// A user who is locked out.
pub const LOCKED_OUT: &str = "00u00000000000000005";
/// A user who was never activated.
pub const STAGED: &str = "00u00000000000000006";
/// A group with everybody in it.
pub const GROUP: &str = "00g00000000000000000";
/// A group with one user in it.
pub const SMALL_GROUP: &str = "00g00000000000000007";

/// How many users there are at the beginning, one of them deactivated.
pub const USERS: usize = 450;
/// How many groups there are at the beginning.
pub const GROUPS: usize = 450;
/// How many apps there are.
pub const APPS: usize = 450;
/// How many events the System Log has, the first at 2026-01-01T00:00:00Z, and then one each second. Every tenth is a failure.
pub const EVENTS: usize = 2500;

/// How the mock fails when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The token is not accepted.
    Unauthorized,
    /// The token may not do this.
    Forbidden,
    /// Too many requests; in half a minute there may be more.
    RateLimited,
    /// There is no such thing.
    NotFound,
    /// What was sent is not valid.
    Invalid,
    /// The service is broken.
    ServerError,
    /// The body breaks off in the middle.
    Malformed,
}

/// An Okta on loopback.
#[derive(Clone)]
pub struct Okta {
    state: Arc<Mutex<State>>,
    uri: String,
    /// Kept alive where it is the mock's own.
    server: Option<Arc<MockServer>>,
}

impl Okta {
    /// Starts one on a server of its own.
    pub async fn start() -> Okta {
        let server = MockServer::start().await;
        let mut okta = Okta::mount(&server).await;
        okta.server = Some(Arc::new(server));
        okta
    }

    /// Lets a server answer like Okta, behind whatever else is mounted there.
    pub async fn mount(server: &MockServer) -> Okta {
        let state = Arc::new(Mutex::new(State::new(server.uri())));
        let okta = Okta { state, uri: server.uri(), server: None };
        let answers = Mock::given(matchers::any()).respond_with(okta.clone());
        answers.with_priority(u8::MAX).named("Okta").mount(server).await;
        okta
    }

    /// The base URL.
    pub fn uri(&self) -> String {
        self.uri.clone()
    }

    /// From now on a request fails: `break_on("GET /api/v1/org", Fault::ServerError)`.
    pub fn break_on(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault));
    }

    /// As if nobody had called [`break_on`](Okta::break_on).
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// Whether a token opens anything: the API token, or one of the service app.
    pub fn is_alive(&self, token: &str) -> bool {
        self.state().oauth.is_alive(token)
    }

    /// Lets the hour of all tokens of the service app pass.
    pub fn expire(&self) {
        self.state().oauth.expire();
    }

    /// How many tokens the service app was given.
    pub fn exchanges(&self) -> usize {
        self.state().oauth.exchanges
    }

    /// The status of a user; nothing where there is no such user.
    pub fn status(&self, user: &str) -> Option<String> {
        let state = self.state();
        let status = state.users.iter().find(|known| known["id"] == user)?["status"].as_str()?;
        Some(status.to_owned())
    }

    /// Whether a user is in a group.
    pub fn is_member(&self, group: &str, user: &str) -> bool {
        self.state().members.contains(&(group.to_owned(), user.to_owned()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Okta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Okta({})", self.uri)
    }
}

impl Respond for Okta {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.state().respond(request)
    }
}
