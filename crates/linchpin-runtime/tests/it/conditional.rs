//! Reads that ask only for what has changed.

use linchpin::{
    connector::SpecFile,
    prelude::*,
    serde_json::{Value, json},
};
use linchpin_runtime::{Connection, Runtime};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use super::tracker::{TOKEN, connect, invocation, json_answer, spec, value};

const ASKS: SpecFile = spec!(
    "conditional = true"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const DOES_NOT: SpecFile = spec!(
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

#[action(read)]
async fn get_thing(cx: Context, Input(form): Input<Form>) -> Result<Value> {
    cx.get(path!("/thing")).header("x-form", form.form).send().await?.json()
}

#[fields]
struct Form {
    /// Form
    form: String,
}

/// A thing that is in its first version for so many requests.
struct Versions(std::sync::atomic::AtomicI32);

impl Respond for Versions {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let left = self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        let (tag, version) = if left > 0 { ("\"one\"", 1) } else { ("W/\"two\"", 2) };
        match request.headers.get("if-none-match") {
            Some(known) if known == tag => ResponseTemplate::new(304).insert_header("etag", tag),
            _ => json_answer(json!({ "version": version })).insert_header("etag", tag),
        }
    }
}

async fn world(spec: SpecFile, answer: impl Respond + 'static) -> (MockServer, Connection) {
    let server = MockServer::start().await;
    Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
    let connector = linchpin::Connector::builder(spec).flow::<get_thing>().build().unwrap();
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    (server, connection)
}

async fn get(connection: &Connection, form: &str) -> Value {
    let call = invocation(connection, "get_thing").input(json!({ "form": form }).to_string());
    value(Runtime::new().run(call).await.unwrap())
}

async fn asked(server: &MockServer) -> Vec<Option<String>> {
    let requests = server.received_requests().await.unwrap();
    let known = requests.iter().map(|request| request.headers.get("if-none-match"));
    known.map(|known| known.map(|known| known.to_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn what_has_not_changed_is_given_as_it_was() {
    let (server, connection) = world(ASKS, Versions(2.into())).await;
    for version in [1, 1, 2, 2] {
        assert_eq!(get(&connection, "a").await, json!({ "version": version }));
    }
    let one = Some("\"one\"".to_owned());
    assert_eq!(asked(&server).await, [None, one.clone(), one, Some("W/\"two\"".to_owned())]);
}

#[tokio::test]
async fn what_was_asked_for_otherwise_is_another_answer() {
    let (server, connection) = world(ASKS, Versions(9.into())).await;
    get(&connection, "a").await;
    get(&connection, "b").await;
    assert_eq!(asked(&server).await, [None, None]);
}

#[tokio::test]
async fn nothing_is_kept_without_leave() {
    let (server, connection) = world(DOES_NOT, Versions(9.into())).await;
    get(&connection, "a").await;
    get(&connection, "a").await;
    assert_eq!(asked(&server).await, [None, None]);
    let secret = json_answer(json!({ "version": 1 })).insert_header("etag", "\"one\"");
    let (server, connection) = world(ASKS, secret.insert_header("cache-control", "private, no-store")).await;
    get(&connection, "a").await;
    get(&connection, "a").await;
    assert_eq!(asked(&server).await, [None, None]);
}
