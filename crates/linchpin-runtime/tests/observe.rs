//! What whoever watches sees of calls: spans within spans, and measurements.
//!
//! A binary of its own: `tracing` remembers for each place in the code whether anybody watches, and other tests reach the same places.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[allow(dead_code, reason = "the other tests need more of it")]
#[path = "it/tracker.rs"]
mod tracker;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use linchpin::{
    connector::SpecFile,
    prelude::*,
    serde_json::{Value, json},
};
use linchpin_runtime::{Runtime, observe};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context as Layered, prelude::*, registry::LookupSpan};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use tracker::{TOKEN, connect, invocation, json_answer, list_things, on, page, records, seen, spec};

const SPEC: SpecFile = spec!(
    "rate_limit = { budget = \"100/1s\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

#[helper]
async fn look(cx: Context) -> Result<u64> {
    cx.get(path!("/number")).send().await?.json()
}

#[action(read)]
async fn look_twice(cx: Context) -> Result<u64> {
    let first = cx.call::<look>(()).await?;
    Ok(first + cx.get(path!("/number/{TOKEN}")).send().await?.json::<u64>()?)
}

/// Fields by name.
type Fields = BTreeMap<String, String>;

/// What was seen, each span with the names of those around it.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, Fields)>>>);

struct Put<'a>(&'a mut Fields);

impl Visit for Put<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Seen {
    fn all(&self) -> Vec<(String, Fields)> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, name: &str) -> Vec<Fields> {
        self.all().into_iter().filter(|(seen, _)| seen == name).map(|(_, fields)| fields).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn enabled(&self, metadata: &Metadata<'_>, _: Layered<'_, S>) -> bool {
        [observe::SPANS, observe::METRICS].contains(&metadata.target())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Layered<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Put(&mut fields));
        cx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, cx: Layered<'_, S>) {
        let span = cx.span(id).unwrap();
        record.record(&mut Put(span.extensions_mut().get_mut().unwrap()));
    }

    fn on_close(&self, id: Id, cx: Layered<'_, S>) {
        let span = cx.span(&id).unwrap();
        let around: Vec<&str> = span.scope().from_root().map(|span| span.name()).collect();
        let fields = span.extensions_mut().remove().unwrap();
        self.0.lock().unwrap().push((around.join(" > "), fields));
    }

    fn on_event(&self, event: &Event<'_>, _: Layered<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Put(&mut fields));
        self.0.lock().unwrap().push((event.metadata().target().to_owned(), fields));
    }
}

/// One test at a time: see above.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn watch() -> (Seen, tracing::subscriber::DefaultGuard) {
    let seen = Seen::default();
    let guard = tracing_subscriber::registry().with(seen.clone()).set_default();
    (seen, guard)
}

#[tokio::test]
async fn a_call_has_a_span_around_those_of_its_steps_and_requests() {
    let _alone = ALONE.lock().await;
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(503);
    Mock::given(matchers::path("/number")).respond_with(busy).up_to_n_times(1).mount(&server).await;
    Mock::given(matchers::any()).respond_with(json_answer(json!(3))).mount(&server).await;
    let connector = linchpin::Connector::builder(SPEC).flow::<look>().flow::<look_twice>().build().unwrap();
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    let (watched, guard) = watch();
    Runtime::new().run(invocation(&connection, "look_twice")).await.unwrap();
    drop(guard);

    let [call] = &watched.of("linchpin.flow")[..] else { panic!("{watched:?}") };
    assert_eq!((&*call["connector"], &*call["flow"], &*call["kind"]), ("tracker", "look_twice", "Action"));
    assert!(!call.contains_key("error.type"));
    assert_eq!(watched.of("linchpin.flow > linchpin.step")[0]["flow"], "look");
    let sent = watched.of("linchpin.flow > linchpin.step > linchpin.request");
    assert_eq!(sent[0]["http.response.status_code"], "503");
    assert_eq!((&*sent[0]["error.type"], sent[0].get("http.request.resend_count")), ("LP525", None));
    assert_eq!(
        (&*sent[1]["http.response.status_code"], &*sent[1]["http.request.resend_count"]),
        ("200", "1")
    );
    assert!(server.uri().ends_with(&sent[1]["server.address"]));
    assert_eq!(watched.of("linchpin.flow > linchpin.request").len(), 1);

    let measured = watched.of(observe::METRICS);
    let of = |name: &str| measured.iter().filter(|fields| fields.contains_key(name)).collect::<Vec<_>>();
    assert_eq!(of("monotonic_counter.linchpin.retries").len(), 1);
    assert_eq!(of("histogram.http.client.request.duration").len(), 3);
    let [call] = of("monotonic_counter.linchpin.calls")[..] else { panic!("{measured:?}") };
    assert_eq!((&*call["flow"], call.get("error.type")), ("look_twice", None));
    assert!(!format!("{:?}", watched.all()).contains(TOKEN), "a path may hold a secret");
}

#[tokio::test]
async fn a_stream_is_counted_when_it_ends() {
    let _alone = ALONE.lock().await;
    let server = MockServer::start().await;
    on(&server, "/things", json_answer(page([1]))).await;
    let connector = linchpin::Connector::builder(SPEC).flow::<list_things>().build().unwrap();
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    let (watched, _guard) = watch();
    let calls = || {
        let measured = watched.of(observe::METRICS);
        measured.iter().filter(|fields| fields.contains_key("monotonic_counter.linchpin.calls")).count()
    };
    let mut all = records(Runtime::new().run(invocation(&connection, "list_things")).await.unwrap());
    assert_eq!(calls(), 0);
    while all.next_batch(10).await.unwrap().is_some() {}
    assert_eq!(calls(), 1);
    let begun = records(Runtime::new().run(invocation(&connection, "list_things")).await.unwrap());
    drop(begun);
    assert_eq!((calls(), seen(&server).await.len()), (2, 1));
}

#[tokio::test]
async fn a_recorded_call_is_an_archive_without_secrets() {
    let _alone = ALONE.lock().await;
    let server = MockServer::start().await;
    let made = json_answer(json!({ "id": 7, "echo": TOKEN })).insert_header("set-cookie", "sid=5e55i0n");
    Mock::given(matchers::method("POST")).respond_with(made).mount(&server).await;
    let missing = ResponseTemplate::new(404).set_body_string(format!("no thing {TOKEN}"));
    Mock::given(matchers::any()).respond_with(missing).mount(&server).await;
    let connector = linchpin::Connector::builder(SPEC).flow::<write_then_look>().build().unwrap();
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    let failed =
        Runtime::new().run(invocation(&connection, "write_then_look").record(true)).await.unwrap_err();
    let text = failed.trace.har();
    assert!(!text.contains(TOKEN) && !text.contains("5e55i0n"), "{text}");
    let archive: Value = linchpin::serde_json::from_str(&text).unwrap();
    assert_eq!(archive["log"]["version"], "1.2");
    let [made, missing] = &archive["log"]["entries"].as_array().unwrap()[..] else { panic!("{text}") };
    assert_eq!(made["startedDateTime"], "2026-01-01T00:00:00Z");
    assert_eq!((&made["request"]["method"], &made["response"]["status"]), (&json!("POST"), &json!(200)));
    assert_eq!(made["request"]["postData"]["text"], r#"{"secret":"***"}"#);
    assert_eq!(made["response"]["content"]["text"], r#"{"echo":"***","id":7}"#);
    let sent = made["request"]["headers"].as_array().unwrap();
    assert!(sent.contains(&json!({ "name": "authorization", "value": "***" })), "{text}");
    assert_eq!(missing["request"]["queryString"], json!([{ "name": "token", "value": "***" }]));
    assert_eq!((&missing["response"]["status"], &missing["_error"]), (&json!(404), &json!("LP522")));

    let unrecorded = Runtime::new().run(invocation(&connection, "write_then_look")).await.unwrap_err();
    assert!(unrecorded.trace.har().contains("\"entries\": []"));
}

#[action(create, idempotency = "none")]
async fn write_then_look(cx: Context) -> Result<()> {
    cx.post(path!("/things")).json(&json!({ "secret": TOKEN })).send().await?;
    cx.get(path!("/thing")).query("token", TOKEN).send().await.map(drop)
}
