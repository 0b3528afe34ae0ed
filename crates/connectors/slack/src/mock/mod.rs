//! A Slack on loopback, for tests and demonstrations: it answers as Slack documents, and keeps what it is told.
//!
//! There is one workspace with one app, whose bot has one living token, [`TOKEN`]; others come of installations. Another workspace has the
//! app too, by [`OTHER_TOKEN`]. Every list is long enough for three pages of two hundred.

mod event;
mod oauth;
mod payload;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use linchpin::{DateTime, Delivery};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

pub use self::event::{Happening, OTHER_TEAM, TEAM};
use self::state::State;

/// The token that is accepted, until it is revoked.
pub const TOKEN: &str = "xoxb-mockmockmock-mockmockmock-mockmockmock";
/// The token of the bot in the other workspace.
pub const OTHER_TOKEN: &str = "xoxb-otherother-otherother-otherotherother";
/// With what deliveries are signed.
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// The id of the app.
pub const CLIENT_ID: &str = "2141029472.691202649728";
/// The secret of the app.
pub const CLIENT_SECRET: &str = "e1b9e11dfcd19c1982d5de12921e17e8";

/// The id of the bot.
pub const BOT: &str = "U000000000";
/// The channel in which everything happens. The bot is in it.
pub const CHANNEL: &str = "C000000000";
/// A public channel that the bot is not in.
pub const OUTSIDE: &str = "C000000001";
/// A channel that is archived.
pub const ARCHIVED: &str = "C000000002";
/// A private channel that the bot is in.
pub const PRIVATE: &str = "C000000003";
/// The newest message of the channel.
pub const MESSAGE: &str = "1500000450.000100";
/// The first message of a thread there.
pub const THREAD: &str = "1500000001.000100";

/// How many channels there are at the beginning.
pub const CHANNELS: usize = 450;
/// How many users there are; those whose number seven divides are bots, among them the app's.
pub const USERS: usize = 450;
/// How many messages the channel has.
pub const MESSAGES: usize = 450;
/// How many messages the thread has, with the one that it began with.
pub const REPLIES: usize = 450;
/// How many messages wait to be posted to the channel.
pub const SCHEDULED: usize = 450;

/// How the mock fails when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The method answers 200 with this code of an error.
    Says(&'static str),
    /// Too many requests: 429, with what to wait.
    RateLimited,
    /// The service is broken: 503 without JSON.
    ServerError,
    /// The body breaks off in the middle.
    Malformed,
}

/// A Slack on loopback.
#[derive(Clone)]
pub struct Slack {
    state: Arc<Mutex<State>>,
    uri: String,
    /// Kept alive where it is the mock's own.
    server: Option<Arc<MockServer>>,
}

impl Slack {
    /// Starts one on a server of its own.
    pub async fn start() -> Slack {
        let server = MockServer::start().await;
        let mut slack = Slack::mount(&server).await;
        slack.server = Some(Arc::new(server));
        slack
    }

    /// Lets a server answer like Slack, behind whatever else is mounted there.
    pub async fn mount(server: &MockServer) -> Slack {
        let slack = Slack {
            state: Arc::new(Mutex::new(State::new())),
            uri: format!("{}/api", server.uri()),
            server: None,
        };
        let answers = Mock::given(matchers::any()).respond_with(slack.clone());
        answers.with_priority(u8::MAX).named("Slack").mount(server).await;
        slack
    }

    /// The base URL.
    pub fn uri(&self) -> String {
        self.uri.clone()
    }

    /// From now on a method fails: `break_on("auth.test", Fault::ServerError)`.
    pub fn break_on(&self, method: &str, fault: Fault) {
        self.state().faults.push((method.to_owned(), fault));
    }

    /// As if nobody had called [`break_on`](Slack::break_on).
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// Switches token rotation on for installations from now on: tokens live twelve hours, and come with refresh tokens.
    pub fn rotate(&self) {
        self.state().oauth.rotate = true;
    }

    /// What a browser comes back with when the person at this authorization URL consents: the callback's URL; nothing where Slack
    /// would show an error instead.
    pub fn consent(&self, authorization_url: &str) -> Option<String> {
        self.state().oauth.consent(authorization_url)
    }

    /// Lets the twelve hours of all access tokens pass.
    pub fn expire(&self) {
        self.state().oauth.expire();
    }

    /// Somebody removes the app from the workspace: all tokens of installations are dead.
    pub fn uninstall(&self) {
        self.state().oauth.uninstall();
    }

    /// What Slack delivers to the app's URL of something that happens in a workspace, signed at a time.
    ///
    /// Each happening has one id, so that the same one is the same delivery sent again.
    pub fn delivery(&self, team: &str, happening: Happening, at: DateTime) -> Delivery {
        event::signed(&event::callback(team, happening), at)
    }

    /// What Slack asks of the app's URL before it delivers there.
    pub fn handshake(&self, challenge: &str, at: DateTime) -> Delivery {
        event::signed(&event::handshake(challenge), at)
    }

    /// Whether a token opens anything, or is exchanged for one that does.
    pub fn is_alive(&self, token: &str) -> bool {
        self.state().oauth.problem(token).is_none()
    }

    /// How many refresh tokens were exchanged.
    pub fn exchanges(&self) -> usize {
        self.state().oauth.exchanges
    }

    /// The text of a message of the channel, by its timestamp.
    pub fn text(&self, ts: &str) -> Option<String> {
        self.state().text(ts)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slack({})", self.uri)
    }
}

impl Respond for Slack {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.state().respond(request)
    }
}
