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
mod issuer;

pub use wiremock;

pub use crate::issuer::{Issuer, TestClock, TokenFault, Tokens};

use linchpin::{
    Connector, Context, Delivery, Error, Result, Secret,
    extract::ConnectionValues,
    flow::{Flow, Gives, IntoArgs},
    http::{HeaderMap, HeaderName, HeaderValue},
};
use linchpin_runtime::{Connection, Invocation, Output, ResultCheck, Runtime, webhook};
use serde_json::Value;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

/// A mock of the service, a connection to it, and the flows to run.
///
/// Each harness has a server of its own, so tests run side by side. What is not mocked is answered with 404.
#[derive(Debug)]
pub struct Harness {
    connector: Connector,
    server: MockServer,
    values: ConnectionValues,
    runtime: Runtime,
}

impl Harness {
    /// Starts a mock of the service.
    pub async fn new(connector: Connector) -> Harness {
        Harness {
            connector,
            server: MockServer::start().await,
            values: ConnectionValues::default(),
            runtime: Runtime::new(),
        }
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

    /// Answers requests for a list with these pages, told by `Link` headers (RFC 8288); each page may be asked once.
    pub async fn pages(&self, path: &str, pages: impl IntoIterator<Item = Value>) {
        let pages: Vec<Value> = pages.into_iter().collect();
        for (index, page) in pages.iter().enumerate() {
            let mut answer = answer::json(200, page.clone());
            if index + 1 < pages.len() {
                let next = format!("<{}{path}?linchpin_page={}>; rel=\"next\"", self.uri(), index + 1);
                answer = answer.insert_header("link", next.as_str());
            }
            let mock = Mock::given(matchers::method("GET")).and(matchers::path(path));
            let mock = match index {
                0 => mock.and(matchers::query_param_is_missing("linchpin_page")),
                index => mock.and(matchers::query_param("linchpin_page", index.to_string())),
            };
            mock.respond_with(answer)
                .up_to_n_times(1)
                .named(format!("page {index} of {path}"))
                .mount(&self.server)
                .await;
        }
    }

    /// The connection to the mock.
    ///
    /// # Errors
    ///
    /// When the connection's fields do not fit the spec.
    pub fn connection(&self) -> Result<Connection> {
        Connection::with_base_url(&self.connector, self.values.clone(), &self.uri())
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

    /// A delivery of a hook as the service would send it, signed with a key as the spec says.
    ///
    /// # Errors
    ///
    /// When the spec has no such hook, or a header is none.
    pub fn delivery(
        &self,
        hook: &str,
        key: &Secret,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Delivery> {
        let spec = self.connector.spec()?;
        let hook = spec.hooks.iter().find(|known| known.key == hook);
        let hook = hook.ok_or_else(|| Error::new("the spec has no such hook"))?;
        let body = body.to_string();
        let (name, value) = webhook::sign(hook, key, body.as_bytes())?;
        let mut all = HeaderMap::new();
        for (name, value) in headers.iter().copied().chain([(name.as_str(), value.as_str())]) {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Error::new(format!("`{name}` is no header name")))?;
            let value = HeaderValue::from_str(value)
                .map_err(|_| Error::new("a header's value has control characters"))?;
            all.insert(name, value);
        }
        Ok(Delivery { headers: all, body: body.into() })
    }

    /// The requests that the mock has seen.
    pub async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap_or_default()
    }

    /// Asserts which requests the mock has seen, as `METHOD /path`, in order.
    ///
    /// # Panics
    ///
    /// When it has seen others.
    pub async fn assert_requests(&self, expected: &[&str]) {
        let requests = self.requests().await;
        let seen: Vec<String> =
            requests.iter().map(|request| format!("{} {}", request.method, request.url.path())).collect();
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
            assert_eq!(found, Some(value), "`{name}` of {} {}", request.method, request.url.path());
        }
    }
}

fn read(json: &[u8]) -> Result<Value> {
    serde_json::from_slice(json).map_err(|error| Error::new(format!("the result is not JSON: {error}")))
}
