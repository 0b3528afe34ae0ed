//! What connector authors test with: a harness that runs flows by their types against a mock of the service, and canned answers.
//!
//! ```
//! use linchpin::{Connector, connector::SpecFile, prelude::*, serde_json::json};
//! use linchpin_testing::{Harness, answer};
//!
//! #[fields]
//! pub struct Issue {
//!     pub id: u64,
//! }
//!
//! #[action(read)]
//! async fn get_issue(cx: Context, Input(wanted): Input<Issue>) -> Result<Issue> {
//!     cx.get(path!("/issues/{wanted.id}")).send().await?.json()
//! }
//!
//! # const SPEC: SpecFile = SpecFile { path: "specs/tracker.toml", text: r#"
//! # schema = 1
//! # key = "tracker"
//! # name = "Tracker"
//! # version = "0.1.0"
//! # [http]
//! # base_url = "https://tracker.example/api"
//! # [auth.token]
//! # kind = "bearer"
//! # fields.token = { label = "Token", secret = true }
//! # "# };
//! # fn connector() -> Connector { Connector::builder(SPEC).flow::<get_issue>().build().unwrap() }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = Harness::new(connector()).await.auth("token", [("token", "t0k3n")]);
//! service.on("GET", "/issues/7", answer::json(200, json!({ "id": 7 }))).await;
//!
//! let issue = service.run::<get_issue>(Issue { id: 7 }).await.unwrap();
//! assert_eq!(issue.id, 7);
//! service.assert_requests(&["GET /issues/7"]).await;
//! service.assert_header("authorization", "Bearer t0k3n").await;
//! # }
//! ```

pub mod answer;
mod hook;
mod issuer;
mod page;
mod postgres;
mod provider;

pub use wiremock;

pub use crate::{
    hook::Registration,
    issuer::{Issuer, TestClock, TokenFault, Tokens},
    postgres::Database,
    provider::{HookCall, HookEndpoint, HookFault, HookProvider, ProvidedHook, Sent},
};
use std::{sync::Arc, time::Duration};

use linchpin::{
    Connector, Context, Error, Result, Secret,
    extract::ConnectionValues,
    flow::{Flow, Gives, IntoArgs},
};
use linchpin_runtime::{Connection, Invocation, Output, Planned, ResultCheck, Runtime};
use serde_json::Value;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

/// A mock of the service, a connection to it, and the flows to run.
///
/// Each harness has a server of its own, so tests run side by side. What is not mocked is answered with 404. Requests that fail are
/// sent again as the spec's `http.retry` says, but the pauses in between take no time: the harness's clock moves on instead.
#[derive(Debug)]
pub struct Harness {
    connector: Connector,
    server: MockServer,
    values: ConnectionValues,
    runtime: Runtime,
    clock: TestClock,
}

impl Harness {
    /// Starts a mock of the service.
    pub async fn new(connector: Connector) -> Harness {
        Harness {
            connector,
            server: MockServer::start().await,
            values: ConnectionValues::default(),
            runtime: Runtime::new(),
            clock: TestClock::new(),
        }
    }

    /// The clock of the connection, which begins at 2026-01-01T00:00:00Z: what a test takes the times from that the mock tells, and
    /// where it sees how long requests were held back.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// Connects by a method of the spec with these fields.
    #[must_use]
    pub fn auth<'f>(mut self, method: &str, fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Harness {
        self.values.method = method.to_owned();
        self.values.fields =
            fields.into_iter().map(|(key, value)| (key.to_owned(), Secret::new(value))).collect();
        self
    }

    /// The mock server, for whatever the harness does not offer.
    pub fn server(&self) -> &MockServer {
        &self.server
    }

    /// The address of the mock.
    pub fn uri(&self) -> String {
        self.server.uri()
    }

    /// Answers requests of a method to a path.
    pub async fn on(&self, method: &str, path: &str, answer: ResponseTemplate) {
        let mock = Mock::given(matchers::method(method)).and(matchers::path(path));
        mock.respond_with(answer).named(format!("{method} {path}")).mount(&self.server).await;
    }

    /// Closes the connection on requests of a method to a path, without an answer.
    pub async fn closes(&self, method: &str, path: &str) {
        let mock = Mock::given(matchers::method(method)).and(matchers::path(path));
        mock.respond_with_err(answer::closed_connection).mount(&self.server).await;
    }

    /// Takes requests of a method to a path, and never answers.
    ///
    /// In a test with `#[tokio::test(start_paused = true)]` the spec's `http.timeout` is then over at once: a paused clock runs on
    /// whenever nothing else is to be done. (Answers that are only late have no place there: it would run past them too.)
    pub async fn never_answers(&self, method: &str, path: &str) {
        const LONGER_THAN_ANY_TEST: Duration = Duration::from_secs(24 * 60 * 60);
        self.on(method, path, ResponseTemplate::new(200).set_delay(LONGER_THAN_ANY_TEST)).await;
    }

    /// Answers requests for a list with these bodies, one for each page, and tells the next page as the spec's `http.pagination`
    /// says: by `Link` headers (RFC 8288), by another header, or by a cursor or URL that is put into the bodies; of a list that is
    /// counted, without a `total`, the last page must be one without items. Each page may be asked once.
    ///
    /// # Panics
    ///
    /// When the spec has no `http.pagination`, or a body is no object although the cursor stands in it.
    pub async fn pages(&self, path: &str, pages: impl IntoIterator<Item = Value>) {
        let spec = self.connector.spec().expect("the connector has a spec");
        let pagination =
            spec.http.pagination.as_ref().expect("the spec says in `http.pagination` how lists go on");
        for mock in
            page::mocks(pagination, &format!("{}{path}", self.uri()), path, pages.into_iter().collect())
        {
            mock.mount(&self.server).await;
        }
    }

    /// The connection to the mock.
    ///
    /// # Errors
    ///
    /// When the connection's fields do not fit the spec.
    pub fn connection(&self) -> Result<Connection> {
        Connection::builder(&self.connector, self.values.clone())
            .base_url(self.uri())
            .clock(Arc::new(self.clock.clone()))
            .build()
    }

    /// A context for calling flows as the functions that they are.
    ///
    /// # Errors
    ///
    /// When the connection's fields do not fit the spec.
    pub fn context(&self) -> Result<Context> {
        Ok(self.runtime.context(&self.connection()?))
    }

    /// Runs a flow by its type, with values in place of JSON.
    ///
    /// # Errors
    ///
    /// What the flow gives.
    pub async fn run<F: Flow<Output: Gives>>(
        &self,
        args: impl IntoArgs<F::Args>,
    ) -> Result<<F::Output as Gives>::Value> {
        let ran = self.runtime.call::<F>(&self.connection()?, args).await;
        Ok(ran.map(|(value, _trace)| value)?)
    }

    /// Runs a flow as its callers do: JSON in, JSON out, both checked against the schemas; of a list all records.
    ///
    /// # Errors
    ///
    /// What the flow gives, and what does not fit.
    pub async fn run_json(&self, flow: &str, input: Value) -> Result<Value> {
        self.invoke(flow, |invocation| invocation.input(input.to_string())).await
    }

    /// Runs a flow with whatever an invocation can be given: options, an event URL, a delivery.
    ///
    /// # Errors
    ///
    /// As [`run_json`](Harness::run_json).
    pub async fn invoke(&self, flow: &str, fill: impl FnOnce(Invocation) -> Invocation) -> Result<Value> {
        let invocation = Invocation::named(&self.connection()?, flow)?.check(ResultCheck::Strict);
        match self.runtime.run(fill(invocation)).await?.output {
            Output::Value(json) => read(json.as_bytes()),
            Output::Records(mut records) => {
                let mut all = Vec::new();
                while let Some(batch) = records.next_batch(usize::MAX).await? {
                    let lines = batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                    all.extend(lines.map(read).collect::<Result<Vec<Value>>>()?);
                }
                Ok(Value::Array(all))
            }
            _ => Ok(Value::Null),
        }
    }

    /// The write before which a dry run of a flow stops; nothing has been changed then.
    ///
    /// # Errors
    ///
    /// As [`run_json`](Harness::run_json), and when the flow ends without a write.
    pub async fn dry_run(&self, flow: &str, input: Value) -> Result<Planned> {
        let invocation = Invocation::named(&self.connection()?, flow)?.input(input.to_string()).dry_run(true);
        match self.runtime.run(invocation).await?.output {
            Output::Planned(planned) => Ok(planned),
            _ => Err(Error::new(format!(
                "`{flow}` ended without a write; its effect is `read`, or this input leads to none"
            ))),
        }
    }

    /// The requests that the mock has seen.
    pub async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap_or_default()
    }

    /// Asserts which requests the mock has seen, as `METHOD /path`, in order: `&["GET /issues"; 3]` for three pages of one list.
    ///
    /// # Panics
    ///
    /// When it has seen others.
    pub async fn assert_requests(&self, expected: &[&str]) {
        let requests = self.requests().await;
        let seen: Vec<String> = requests.iter().map(name).collect();
        assert_eq!(seen, expected);
    }

    /// Asserts that every request had a header with this value.
    ///
    /// # Panics
    ///
    /// When one had not, or there was none.
    pub async fn assert_header(&self, name: &str, value: &str) {
        let requests = self.requests().await;
        assert!(!requests.is_empty(), "no request has been seen");
        for request in requests {
            let found = request.headers.get(name).and_then(|found| found.to_str().ok());
            assert_eq!(found, Some(value), "`{name}` of {}", crate::name(&request));
        }
    }

    /// Asserts that the last request had this JSON body.
    ///
    /// # Panics
    ///
    /// When it had another, or none that is JSON, or there was no request.
    pub async fn assert_json(&self, expected: Value) {
        let request = self.last_request().await;
        let found: Result<Value, _> = serde_json::from_slice(&request.body);
        let body = String::from_utf8_lossy(&request.body);
        let found = found
            .unwrap_or_else(|error| panic!("the body of {} is no JSON: {error}: {body}", name(&request)));
        assert_eq!(found, expected, "the body of {}", name(&request));
    }

    /// Asserts that the last request had these query parameters and no others, in whatever order.
    ///
    /// # Panics
    ///
    /// When it had others, or there was no request.
    pub async fn assert_query(&self, expected: &[(&str, &str)]) {
        let request = self.last_request().await;
        let mut found: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        let mut expected: Vec<(String, String)> =
            expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "the query of {}", name(&request));
    }

    async fn last_request(&self) -> Request {
        self.requests().await.pop().expect("no request has been seen")
    }
}

fn name(request: &Request) -> String {
    format!("{} {}", request.method, request.url.path())
}

fn read(json: &[u8]) -> Result<Value> {
    serde_json::from_slice(json).map_err(|error| Error::new(format!("the result is not JSON: {error}")))
}
