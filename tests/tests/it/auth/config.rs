//! Configuration values: written in the spec, or given by helpers that have no credentials.

use linchpin::{
    Code, Connector, Secret, extract::ConnectionValues, http::HeaderValue, prelude::*, request::Request,
    serde_json::json,
};
use linchpin_runtime::{Connection, Invocation, Output, Runtime};
use linchpin_testing::{
    answer,
    wiremock::{Mock, MockServer, matchers},
};

use self::made::{Config, SPEC};
use super::header;

#[allow(dead_code, reason = "a connector has more than these tests need")]
mod made {
    linchpin::connector!("tests/it/auth/config.toml", before = super::stamp);
}

#[helper]
async fn account(cx: Unconnected) -> Result<String> {
    cx.get(path!("/account")).send().await?.json()
}

/// Another flow may ask for it as well.
#[action(read)]
async fn show_account(cx: Context) -> Result<String> {
    cx.call::<account>(()).await
}

/// A flow takes those that the spec writes.
#[action(read)]
async fn show_written(_cx: Context, written: Config) -> Result<Vec<String>> {
    Ok(vec![written.audience, written.header.expose().to_owned()])
}

mod connected {
    use linchpin::prelude::*;

    #[helper]
    pub(super) async fn account(_cx: Context) -> Result<String> {
        Ok("7".to_owned())
    }
}

fn stamp(request: &mut Request) -> Result<()> {
    request.headers.insert("x-edition", HeaderValue::from_static("2026"));
    Ok(())
}

#[tokio::test]
async fn what_the_connector_does_to_every_request_is_done() {
    let server = service().await;
    let connection = connect(&made::connector(), &server);
    let (_, _) = Runtime::new().call::<show_account>(&connection, ()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(header(&requests[0], "x-edition"), Some("2026"));
}

async fn service() -> MockServer {
    let server = MockServer::start().await;
    let account = Mock::given(matchers::path("/account"));
    account.respond_with(answer::json(200, json!("123456789012"))).mount(&server).await;
    server
}

fn connect(connector: &Connector, server: &MockServer) -> Connection {
    let fields =
        [("site", "acme"), ("token", "t0k3n")].map(|(key, value)| (key.to_owned(), Secret::new(value)));
    let values = ConnectionValues { method: "token".to_owned(), fields: fields.into() };
    Connection::with_base_url(connector, values, &server.uri()).unwrap()
}

#[tokio::test]
async fn values_come_from_the_spec_and_from_helpers_without_credentials() {
    let server = service().await;
    let connector = Connector::builder(SPEC).flow::<account>().flow::<show_account>().build().unwrap();
    let connection = connect(&connector, &server);
    let runtime = Runtime::new();
    let values = runtime.config(&connection).await.unwrap();
    let values: Vec<_> = values.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    let wanted = [
        ("account", "123456789012"),
        ("audience", "https://acme.tracker.example"),
        ("header", "Bearer t0k3n"),
    ];
    assert_eq!(values, wanted);
    let (value, _) = runtime.call::<show_account>(&connection, ()).await.unwrap();
    assert_eq!(value, "123456789012");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| header(request, "authorization").is_none()));
}

#[tokio::test]
async fn a_flow_takes_the_values_that_the_spec_writes() {
    let server = service().await;
    let connector = Connector::builder(SPEC).flow::<show_written>().build().unwrap();
    let connection = connect(&connector, &server);
    let (values, _) = Runtime::new().call::<show_written>(&connection, ()).await.unwrap();
    assert_eq!(values, ["https://acme.tracker.example", "Bearer t0k3n"]);
    let invocation = Invocation::named(&connection, "show_written").unwrap();
    let Output::Value(json) = Runtime::new().run(invocation).await.unwrap().output else { panic!() };
    assert_eq!(json, r#"["https://acme.tracker.example","Bearer t0k3n"]"#);
}

#[tokio::test]
async fn a_helper_with_credentials_gives_no_value() {
    let server = service().await;
    let connector = Connector::builder(SPEC).flow::<connected::account>().build().unwrap();
    let error = Runtime::new().config(&connect(&connector, &server)).await.unwrap_err();
    assert_eq!(error.code(), Code::OutputInvalid);
    assert!(error.message().contains("`account` has the connection's credentials"), "{error}");
}
