//! The connector that the tests run, and what they say to it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use linchpin::{
    Connector, Error, Secret,
    connector::SpecFile,
    extract::ConnectionValues,
    flow::BoxFuture,
    prelude::*,
    serde_json::{self, Value, json},
};
use linchpin_runtime::{Clock, Connection, Failed, Invocation, Output, Ran, RecordStream, Runtime};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

/// A spec: its `[http]` lines and what follows them.
macro_rules! spec {
    ($($more:literal)*) => {
        linchpin::connector::SpecFile {
            path: "specs/tracker.toml",
            text: concat!(
                "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n",
                "[http]\nbase_url = \"https://tracker.example/api\"\n",
                $($more, "\n"),*
            ),
        }
    };
}
pub(crate) use spec;

/// Nothing but a bearer token.
pub(crate) const PLAIN: SpecFile = spec!(
    "timeout = \"30s\""
    "pagination = { style = \"link-header\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

pub(crate) const TOKEN: &str = "t0k3n-0f-th3-t3st";

/// A record of most lists.
#[fields]
#[derive(Debug, PartialEq)]
pub(crate) struct Thing {
    pub(crate) id: u64,
}

/// Get Thing
#[action(read)]
pub(crate) async fn get_thing(cx: Context) -> Result<Value> {
    cx.get(path!("/thing")).send().await?.json()
}

/// Delete Thing
#[action(delete, idempotency = "natural")]
pub(crate) async fn delete_thing(cx: Context) -> Result<()> {
    cx.delete(path!("/thing")).send().await.map(drop)
}

/// List Things
#[action(read)]
pub(crate) async fn list_things(cx: Context) -> Result<Records<Thing>> {
    Ok(cx.get(path!("/things")).records())
}

/// The connector over a spec.
pub(crate) fn tracker(spec: SpecFile) -> Connector {
    let tracker = Connector::builder(spec).flow::<get_thing>().flow::<delete_thing>();
    tracker.flow::<list_things>().build().unwrap()
}

/// A clock that notes the pauses between attempts, and moves on by them.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<Vec<Duration>>);

impl Pauses {
    /// When it begins: 2026-01-01T00:00:00Z.
    pub(crate) const BEGIN: i64 = 1_767_225_600;

    pub(crate) fn seen(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

impl Clock for Pauses {
    fn now(&self) -> DateTime {
        let passed: Duration = self.seen().iter().sum();
        DateTime::from_unix_millis(Pauses::BEGIN * 1000 + i64::try_from(passed.as_millis()).unwrap()).unwrap()
    }

    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(time);
        Box::pin(tokio::task::yield_now())
    }
}

/// A connection of a connector to a service on loopback, by its only method.
pub(crate) fn connect(connector: &Connector, uri: &str, fields: &[(&str, &str)]) -> Connection {
    let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
    let values = ConnectionValues { method: String::new(), fields };
    Connection::builder(connector, values).base_url(uri).clock(Arc::new(Pauses::default())).build().unwrap()
}

/// A connection with the test's token.
pub(crate) fn with_token(spec: SpecFile, uri: &str) -> Connection {
    connect(&tracker(spec), uri, &[("token", TOKEN)])
}

/// A call with nothing given.
pub(crate) fn invocation(connection: &Connection, flow: &str) -> Invocation {
    Invocation::named(connection, flow).unwrap()
}

/// Runs a flow with nothing given.
pub(crate) async fn run(connection: &Connection, flow: &str) -> Result<Ran, Failed> {
    Runtime::new().run(invocation(connection, flow)).await
}

/// What must go wrong.
pub(crate) async fn fails(connection: &Connection, flow: &str) -> Error {
    run(connection, flow).await.expect_err(flow).error
}

pub(crate) fn value(ran: Ran) -> Value {
    match ran.output {
        Output::Value(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("not a value: {other:?}"),
    }
}

pub(crate) fn records(ran: Ran) -> RecordStream {
    match ran.output {
        Output::Records(records) => records,
        other => panic!("no records: {other:?}"),
    }
}

/// The ids of a batch.
pub(crate) async fn ids(records: &mut RecordStream, max: usize) -> Result<Option<Vec<u64>>> {
    let Some(batch) = records.next_batch(max).await? else { return Ok(None) };
    let lines = serde_json::Deserializer::from_slice(batch.lines).into_iter::<Thing>();
    let ids: Vec<u64> = lines.map(|thing| thing.unwrap().id).collect();
    assert_eq!(ids.len(), batch.count);
    Ok(Some(ids))
}

/// A page of things with these ids.
pub(crate) fn page(ids: impl IntoIterator<Item = u64>) -> Value {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

/// A mock that answers requests for a path.
pub(crate) async fn on(server: &MockServer, path: &str, answer: ResponseTemplate) {
    Mock::given(matchers::path(path)).respond_with(answer).mount(server).await;
}

/// A mock that answers with JSON.
pub(crate) fn json_answer(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// The requests that a mock has seen, as `METHOD /path`.
pub(crate) async fn seen(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|request| format!("{} {}", request.method, request.url.path())).collect()
}
