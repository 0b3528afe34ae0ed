//! Every kind of authentication, by the requests that it leads to.

/// The spec of a service with these tables.
macro_rules! spec {
    ($tables:literal) => {
        linchpin::connector::SpecFile {
            path: "specs/tracker.toml",
            text: concat!(
                "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n",
                "http = { base_url = \"https://tracker.example\" }\n",
                $tables
            ),
        }
    };
}

pub(crate) mod certificate;
mod config;
mod jwt;
mod key;
mod session;
mod signed;

use std::collections::BTreeMap;

use linchpin::{
    Connector, Secret, connector::SpecFile, extract::ConnectionValues, prelude::*, serde_json::Value,
};
use linchpin_runtime::{Connection, ConnectionBuilder, Failed, Invocation, Output, Runtime};
use linchpin_testing::{
    TestClock,
    wiremock::{MockServer, Request, http::Url},
};

#[fields]
#[derive(Debug, PartialEq)]
pub(crate) struct Thing {
    pub name: String,
}

/// Gets something.
#[action(read)]
pub(crate) async fn get_me(cx: Context) -> Result<Option<Thing>> {
    cx.get(path!("/me")).query("page", 2).send().await?;
    Ok(None)
}

/// Sends JSON.
#[action(create, idempotency = "none")]
pub(crate) async fn send_json(cx: Context, Input(thing): Input<Thing>) -> Result<()> {
    cx.post(path!("/things")).json(&thing).send().await.map(drop)
}

/// Sends a form.
#[action(create, idempotency = "none")]
pub(crate) async fn send_form(cx: Context, Input(thing): Input<Thing>) -> Result<()> {
    cx.post(path!("/things")).form([("name", thing.name)]).send().await.map(drop)
}

/// Sends bytes.
#[action(create, idempotency = "none")]
pub(crate) async fn send_bytes(cx: Context, Input(thing): Input<Thing>) -> Result<()> {
    cx.post(path!("/things")).body("application/octet-stream", thing.name.into_bytes()).send().await.map(drop)
}

pub(crate) fn connector(spec: SpecFile) -> Connector {
    let connector = Connector::builder(spec);
    let connector = connector.flow::<get_me>().flow::<send_json>().flow::<send_form>();
    connector.flow::<send_bytes>().build().unwrap()
}

/// A mock of the service, and what is needed to ask it.
pub(crate) struct World {
    pub server: MockServer,
    pub clock: TestClock,
    pub runtime: Runtime,
    spec: SpecFile,
}

impl World {
    pub(crate) async fn start(spec: SpecFile) -> World {
        World { server: MockServer::start().await, clock: TestClock::new(), runtime: Runtime::new(), spec }
    }

    /// A connection by a method with these fields, still to be built.
    pub(crate) fn builder(&self, method: &str, fields: &[(&str, &str)]) -> ConnectionBuilder {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value)));
        let values = ConnectionValues { method: method.to_owned(), fields: fields.collect() };
        Connection::builder(&connector(self.spec), values)
            .base_url(self.server.uri())
            .clock(std::sync::Arc::new(self.clock.clone()))
    }

    pub(crate) fn connection(&self, method: &str, fields: &[(&str, &str)]) -> Connection {
        self.builder(method, fields).build().unwrap()
    }

    /// Runs a flow; those that send something send this thing.
    pub(crate) async fn run(&self, connection: &Connection, flow: &str) -> Result<Output, Failed> {
        let invocation = Invocation::named(connection, flow).unwrap();
        let invocation = match flow {
            "get_me" => invocation,
            _ => invocation.input(r#"{"name":"a thing"}"#),
        };
        self.runtime.run(invocation).await.map(|ran| ran.output)
    }

    /// The requests that the mock has seen.
    pub(crate) async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    /// The one request that the mock has seen.
    pub(crate) async fn request(&self) -> Request {
        let mut requests = self.requests().await;
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }
}

/// A header of a request as text.
pub(crate) fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).map(|value| value.to_str().unwrap())
}

/// The parameters of a form.
pub(crate) fn form(request: &Request) -> BTreeMap<String, String> {
    let url = Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(&request.body))).unwrap();
    url.query_pairs().into_owned().collect()
}

pub(crate) fn json(bytes: &[u8]) -> Value {
    linchpin::serde_json::from_slice(bytes).unwrap()
}
