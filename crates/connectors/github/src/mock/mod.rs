//! A GitHub on loopback, for tests and demonstrations: it answers as GitHub documents, and keeps what it is told.
//!
//! There is one account, [`OWNER`], with one living token, [`TOKEN`]. Its repository [`REPOSITORY`] has issues, comments,
//! releases and files; every list is long enough for three pages of a hundred.

mod payload;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use linchpin::{Delivery, http::HeaderValue};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use self::state::State;

/// The login of the account.
pub const OWNER: &str = "octocat";
/// The repository in which everything happens.
pub const REPOSITORY: &str = "hello-world";
/// The token that is accepted, until it is revoked.
pub const TOKEN: &str = "ghp_mockmockmockmockmockmockmockmockmock";

/// How many repositories the account has.
pub const REPOSITORIES: usize = 203;
/// How many issues there are at the beginning, pull requests among them.
pub const ISSUES: usize = 240;
/// Of the issues, how many are open pull requests: those whose number ends in 5.
pub const PULL_REQUESTS: usize = 24;
/// Of the issues, how many are closed: those whose number twelve divides.
pub const CLOSED: usize = 20;
/// How many comments the second issue has; the others have none.
pub const COMMENTS: usize = 201;
/// How many releases there are.
pub const RELEASES: usize = 202;
/// A text file.
pub const README: &str = "README.md";
/// A file that is too large to be given with its entry.
pub const LARGE: &str = "assets/large.bin";

/// How the mock fails when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The token is not accepted.
    Unauthorized,
    /// The token may not do this.
    Forbidden,
    /// The requests of the hour are used up.
    RateLimited,
    /// Too many requests in a short time.
    SecondaryRateLimited,
    /// There is no such thing.
    NotFound,
    /// What was sent is not valid.
    Invalid,
    /// The service is broken.
    ServerError,
    /// The body breaks off in the middle.
    Malformed,
}

/// What a delivery tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// Somebody opened an issue.
    IssueOpened,
    /// Somebody closed an issue.
    IssueClosed,
    /// Somebody wrote a comment on an issue.
    IssueCommented,
    /// Somebody wrote a comment on a pull request.
    PullRequestCommented,
    /// Somebody pushed two commits to the branch `main`.
    Pushed,
}

/// A GitHub on loopback.
#[derive(Clone)]
pub struct Github {
    state: Arc<Mutex<State>>,
    /// Kept alive where it is the mock's own.
    server: Option<Arc<MockServer>>,
}

impl Github {
    /// Starts one on a server of its own.
    pub async fn start() -> Github {
        let server = MockServer::start().await;
        let mut github = Github::mount(&server).await;
        github.server = Some(Arc::new(server));
        github
    }

    /// Lets a server answer like GitHub, behind whatever else is mounted there.
    pub async fn mount(server: &MockServer) -> Github {
        let state = Arc::new(Mutex::new(State::new(server.uri())));
        let github = Github { state, server: None };
        let answers = Mock::given(matchers::any()).respond_with(github.clone());
        answers.with_priority(u8::MAX).named("GitHub").mount(server).await;
        github
    }

    /// The base URL.
    pub fn uri(&self) -> String {
        self.state().uri.clone()
    }

    /// From now on a request fails: `break_on("GET /user", Fault::ServerError)`.
    pub fn break_on(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault));
    }

    /// The title of each issue, by number from 1.
    pub fn issue_titles(&self) -> Vec<String> {
        self.state().issue_titles()
    }

    /// The ids of the webhooks that stand.
    pub fn hooks(&self) -> Vec<u64> {
        self.state().hooks.iter().map(|hook| hook.id).collect()
    }

    /// What GitHub would deliver to a webhook, signed with the secret that the webhook was registered with; nothing where
    /// there is no such webhook.
    pub fn delivery(&self, hook: u64, happening: Happening) -> Option<Delivery> {
        let state = self.state();
        let hook = state.hooks.iter().find(|standing| standing.id == hook)?;
        let (event, body) = state.happening(happening);
        let body = body.to_string();
        let id = format!("0b989ba4-242f-11e5-81e1-{:012x}", hook.id);
        let headers: [(&'static str, String); 6] = [
            ("user-agent", "GitHub-Hookshot/123abc".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-github-delivery", id),
            ("x-github-hook-id", hook.id.to_string()),
            ("x-hub-signature-256", state::signature(&hook.secret, body.as_bytes())),
        ];
        let mut delivery = Delivery { url: hook.url.clone(), body: body.into(), ..Delivery::default() };
        for (name, value) in headers {
            delivery.headers.insert(name, HeaderValue::try_from(value).ok()?);
        }
        Some(delivery)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Github {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Github({})", self.uri())
    }
}

impl Respond for Github {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.state().respond(request)
    }
}
