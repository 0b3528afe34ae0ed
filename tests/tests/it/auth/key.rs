//! Keys in all their places, and fields that the spec puts wherever the service wants them.

use linchpin::{Code, connector::SpecFile, serde_json::json};
use linchpin_runtime::{Invocation, Output};
use linchpin_testing::{
    answer,
    wiremock::{Mock, matchers},
};

use super::{World, header};

const SPEC: SpecFile = spec!(
    r#"
        [auth.header]
        kind = "api_key"
        header = "X-Api-Key"
        fields.api_key = { secret = true }

        [auth.query]
        kind = "api_key"
        query = "key"
        fields.api_key = { secret = true }

        [auth.cookie]
        kind = "api_key"
        cookie = "sid"
        fields.api_key = { secret = true }

        [auth.custom]
        kind = "custom"
        headers = { X-User = "{user}" }
        query = { "tenant id" = "{user}" }
        body = { api_key = "k {api_key}" }
        fields.user = {}
        fields.api_key = { secret = true }

        [auth.clash]
        kind = "custom"
        body = { name = "{api_key}" }
        fields.api_key = { secret = true }
    "#
);

const KEY: &[(&str, &str)] = &[("api_key", "k3y")];
const CUSTOM: &[(&str, &str)] = &[("api_key", "k3y&\""), ("user", "a&b")];

async fn world() -> World {
    let world = World::start(SPEC).await;
    Mock::given(matchers::any()).respond_with(answer::json(200, json!({}))).mount(&world.server).await;
    world
}

#[tokio::test]
async fn a_key_goes_where_the_spec_says() {
    for (method, name, value) in [("header", "x-api-key", "k3y"), ("cookie", "cookie", "sid=k3y")] {
        let world = world().await;
        world.run(&world.connection(method, KEY), "get_me").await.unwrap();
        let request = world.request().await;
        assert_eq!(header(&request, name), Some(value));
        assert_eq!(request.url.query(), Some("page=2"));
    }
    let world = world().await;
    world.run(&world.connection("query", KEY), "get_me").await.unwrap();
    assert_eq!(world.request().await.url.query(), Some("page=2&key=k3y"));
}

#[tokio::test]
async fn a_value_stays_inside_its_cookie() {
    let world = world().await;
    for bad in ["a;b", "a b", "a\"b", "a,b", "a\\b", "\u{e9}"] {
        let error = world.builder("cookie", &[("api_key", bad)]).build().unwrap_err();
        assert_eq!(error.code(), Code::ConnectionInvalid);
        assert!(error.message().contains("`sid`") && !error.message().contains(bad), "{error}");
    }
}

#[tokio::test]
async fn fields_go_into_json_and_form_bodies() {
    for (flow, wanted) in [
        ("send_json", r#"{"api_key":"k k3y&\"","name":"a thing"}"#),
        ("send_form", "name=a%20thing&api_key=k+k3y%26%22"),
    ] {
        let world = world().await;
        world.run(&world.connection("custom", CUSTOM), flow).await.unwrap();
        let request = world.request().await;
        assert_eq!(String::from_utf8_lossy(&request.body), wanted);
        assert_eq!(header(&request, "content-length"), Some(wanted.len().to_string().as_str()));
        assert_eq!(header(&request, "x-user"), Some("a&b"));
        assert_eq!(request.url.query(), Some("tenant+id=a%26b"));
    }
}

#[tokio::test]
async fn a_body_that_cannot_take_fields_is_not_sent() {
    let world = world().await;
    let error = world.run(&world.connection("custom", CUSTOM), "send_bytes").await.unwrap_err().error;
    assert_eq!(error.code(), Code::RequestInvalid);
    assert!(error.message().contains("`application/octet-stream`"), "{error}");
    let error = world.run(&world.connection("clash", KEY), "send_json").await.unwrap_err().error;
    assert_eq!(error.code(), Code::RequestInvalid);
    assert!(error.message().contains("a field `name` of its own"), "{error}");
    assert_eq!(world.requests().await.len(), 0);
}

#[tokio::test]
async fn a_request_without_a_body_stays_without_one() {
    let world = world().await;
    world.run(&world.connection("custom", CUSTOM), "get_me").await.unwrap();
    assert!(world.request().await.body.is_empty());
}

#[tokio::test]
async fn a_dry_run_shows_the_fields_without_their_values() {
    let world = world().await;
    let connection = world.connection("custom", CUSTOM);
    let invocation = Invocation::named(&connection, "send_json").unwrap();
    let ran = world.runtime.run(invocation.input(r#"{"name":"a thing"}"#).dry_run(true)).await.unwrap();
    let Output::Planned(planned) = ran.output else { panic!("{:?}", ran.output) };
    let body = planned.body.unwrap();
    assert!(body.contains("\"api_key\":\"***\"") && !body.contains("k3y"), "{body}");
}
