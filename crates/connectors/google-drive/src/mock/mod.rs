//! A Google Drive on loopback, for tests and demonstrations: it answers as Google documents, and keeps what it is told.
//!
//! There is a folder [`FOLDER_ID`] with files, one of them [`TEXT`], a document [`DOCUMENT`] of Google's own, and a shared drive
//! [`SHARED`]. Every list is long enough for three pages of a hundred. Channels live and deliver by the time that the test says.

mod channel;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use linchpin::{DateTime, Delivery};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

pub use self::channel::Watching;
use self::state::State;

/// The token that is accepted where nobody else judges tokens.
pub const TOKEN: &str = "ya29.mockmockmockmockmockmock";
/// A folder.
pub const FOLDER_ID: &str = "folder-1";
/// A text file in the folder, with the content [`TEXT_CONTENT`].
pub const TEXT: &str = "file-1";
/// What is in the text file.
pub const TEXT_CONTENT: &str = "Gr\u{fc}\u{df}e aus der Cloud\n";
/// A document of Google's own.
pub const DOCUMENT: &str = "document-1";
/// A shared drive.
pub const SHARED: &str = "drive-1";

/// How many files are in the folder.
pub const FILES: usize = 240;
/// How many shared drives there are.
pub const DRIVES: usize = 201;
/// How many permissions the text file has.
pub const PERMISSIONS: usize = 203;
/// How many changes there were at the beginning.
pub const CHANGES: usize = 230;

/// How the mock fails when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The token is not accepted.
    Unauthorized,
    /// The user may not do this.
    Forbidden,
    /// The user asks too often.
    UserRateLimited,
    /// The project asks too often.
    RateLimited,
    /// There is no such file.
    NotFound,
    /// What was sent is not valid.
    Invalid,
    /// The domain of a channel's address is not verified.
    Unverified,
    /// The service is broken.
    ServerError,
    /// The body breaks off in the middle.
    Malformed,
}

type Accepts = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A Google Drive on loopback.
#[derive(Clone)]
pub struct GoogleDrive {
    state: Arc<Mutex<State>>,
    accepts: Accepts,
    /// Kept alive where it is the mock's own.
    server: Option<Arc<MockServer>>,
    uri: String,
}

impl GoogleDrive {
    /// Starts one on a server of its own.
    pub async fn start() -> GoogleDrive {
        let server = MockServer::start().await;
        let mut drive = GoogleDrive::mount(&server).await;
        drive.server = Some(Arc::new(server));
        drive
    }

    /// Lets a server answer like Google Drive, behind whatever else is mounted there.
    pub async fn mount(server: &MockServer) -> GoogleDrive {
        GoogleDrive::mount_for(server, |token| token == TOKEN).await
    }

    /// As [`mount`](GoogleDrive::mount), with somebody else's judgement of tokens.
    pub async fn mount_for(
        server: &MockServer,
        accepts: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> GoogleDrive {
        let state = Arc::new(Mutex::new(State::new()));
        let drive = GoogleDrive { state, accepts: Arc::new(accepts), server: None, uri: server.uri() };
        let answers = Mock::given(matchers::path_regex("^(/upload)?/drive/v3/")).respond_with(drive.clone());
        answers.with_priority(u8::MAX).named("Google Drive").mount(server).await;
        drive
    }

    /// The base URL.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// From now on a request fails: `break_on("GET /drive/v3/about", Fault::ServerError)`.
    pub fn break_on(&self, request: &str, fault: Fault) {
        self.state().faults.push((request.to_owned(), fault));
    }

    /// From now on no request fails.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// What is in a file.
    pub fn content(&self, file: &str) -> Option<Vec<u8>> {
        self.state().contents.get(file).cloned()
    }

    /// Gives a file another name, as its owner may with a browser.
    pub fn rename(&self, file: &str, name: &str) {
        if let Some(file) = self.state().file(file) {
            file["name"] = name.into();
        }
    }

    /// Lets it be a time: channels expire by it. Before it is said it is the machine's.
    pub fn set_time(&self, now: DateTime) {
        self.state().now = Some(now);
    }

    /// Changes a file, as its owner may with a browser, and has the channels tell of it.
    pub fn change(&self, file: &str) {
        self.state().changed(file, false);
    }

    /// Removes a file for good, as its owner may with a browser, and has the channels tell of it.
    pub fn remove(&self, file: &str) {
        self.state().changed(file, true);
    }

    /// From now on positions in the changes before the newest are not taken any more.
    pub fn forget_positions(&self) {
        let mut state = self.state();
        state.forgotten = state.changes.len();
    }

    /// The channels that live.
    pub fn channels(&self) -> Vec<Watching> {
        self.state().living()
    }

    /// What has to be delivered, the oldest first: it is the caller's from now on, who delivers it or loses it.
    pub fn deliveries(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.state().deliveries)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for GoogleDrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GoogleDrive({})", self.uri)
    }
}

impl Respond for GoogleDrive {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        self.state().respond(request, token.is_some_and(|token| (self.accepts)(token)))
    }
}
