//! An Okta on loopback, for tests and demonstrations: it answers as Okta documents, and keeps what it is told.
//!
//! There is one org at [`DOMAIN`], with one API token, [`TOKEN`], made by its admin, and one service app, [`CLIENT_ID`]. Every list
//! is long enough for three pages.

mod hook;
mod oauth;
mod payload;
mod state;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use linchpin::{DateTime, serde_json::Value};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use self::state::State;
use crate::hook::HookEvent;

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

    /// Where event URLs lead, whatever their host is: Okta calls there while it answers. Nowhere at first, so that no hook is verified.
    pub fn reach(&self, at: Option<SocketAddr>) {
        self.state().reach = at;
    }

    /// The ids of the event hooks, the oldest first.
    pub fn hooks(&self) -> Vec<String> {
        self.state().hooks.iter().map(|hook| hook.id.clone()).collect()
    }

    /// As an admin would: deactivates a hook, or activates it.
    pub fn set_active(&self, hook: &str, active: bool) {
        if let Some(found) = self.state().hooks.iter_mut().find(|known| known.id == hook) {
            found.active = active;
        }
    }

    /// Puts something down in the System Log that happened at a time, and gives its `uuid`: to [`USER`] by [`ADMIN`], and where a group
    /// has a part in it, [`SMALL_GROUP`]. No hook tells of it by itself.
    pub fn happen(&self, event: HookEvent, published: DateTime) -> String {
        self.happen_late(event, published, published)
    }

    /// The same, with the time at which it is put down.
    pub fn happen_late(&self, event: HookEvent, published: DateTime, persisted: DateTime) -> String {
        let mut state = self.state();
        let number = state.logged.len();
        let event = payload::happened(event, number, published);
        let uuid = event["uuid"].as_str().unwrap_or_default().to_owned();
        state.logged.push((persisted, event));
        uuid
    }

    /// Puts something down in the System Log as it is; it needs a `uuid`, an `eventType` and a time at which it was `published`.
    pub fn put_down(&self, event: Value) {
        let published = event["published"].as_str().and_then(|time| time.parse().ok());
        self.state().logged.extend(published.map(|published| (published, event)));
    }

    /// Delivers events of the System Log by a hook, in one delivery with this id, and gives the status that it is answered with. Those
    /// that the hook does not tell of are left out.
    ///
    /// # Errors
    ///
    /// When there is no such hook, or nobody answers.
    pub fn deliver(&self, hook: &str, delivery: &str, uuids: &[&str]) -> io::Result<u16> {
        let (hook, reach, events) = {
            let state = self.state();
            let found = state.hooks.iter().find(|known| known.id == hook).cloned();
            let hook = found.ok_or_else(|| io::Error::other("there is no such hook"))?;
            let logged = state.logged.iter().map(|(_, event)| event);
            let events: Vec<Value> = uuids
                .iter()
                .filter_map(|uuid| logged.clone().find(|event| event["uuid"] == **uuid))
                .filter(|event| hook.tells_of(event["eventType"].as_str().unwrap_or_default()))
                .cloned()
                .collect();
            (hook, state.reach.ok_or_else(|| io::Error::other("the event URL leads nowhere"))?, events)
        };
        hook.deliver(reach, delivery, &events)
    }

    /// Does something once, when the next page of the System Log is made and not yet sent.
    pub fn before_log(&self, then: impl FnOnce() + Send + 'static) {
        self.state().before_log = Some(Box::new(then));
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
        let (answer, then) = {
            let mut state = self.state();
            let answer = state.respond(request);
            let asked = request.url.path() == "/api/v1/logs";
            (answer, asked.then(|| state.before_log.take()).flatten())
        };
        // By itself: it may well ask this Okta for something.
        if let Some(then) = then {
            then();
        }
        answer
    }
}
