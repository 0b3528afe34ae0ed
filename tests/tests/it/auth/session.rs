//! Sessions that some requests bring.

use std::time::Duration;

use linchpin::{Code, connector::SpecFile, serde_json::json};
use linchpin_runtime::{Clock, Way};
use linchpin_testing::{
    answer::{self, in_turn},
    wiremock::{Mock, ResponseTemplate, matchers},
};

use super::{World, form, header, json as read};

const SPEC: SpecFile = spec!(
    r#"
        [auth.login]
        kind = "session"
        headers = { X-Session = "v1 {session}", Cookie = "sid={sid}" }
        query = { account = "{account}" }
        expires = { body = "/expires_in" }
        failures = [{ when = { status = 200, body = { "/ok" = false } }, then = "dead" }]
        fields.user = {}
        fields.password = { secret = true }

        [[auth.login.steps]]
        url = "https://login.tracker.example/start"
        headers = { X-User = "{user}" }
        query = { next = "a&b" }
        json = { "/auth/user" = "{user}", "/auth/pass~1word" = "{password}" }
        extract = { ticket = { body = "/ticket/id" }, sid = { cookie = "sid" }, nonce = { header = "X-Nonce" } }

        [[auth.login.steps]]
        method = "PUT"
        url = "/tickets/{ticket}/redeem"
        form = { nonce = "{nonce}", user = "{user}" }
        extract = { session = { body = "/session" }, account = { body = "/account" } }

        [auth.fixed]
        kind = "session"
        steps = [{ method = "GET", url = "/session", extract = { session = { body = "/session" } } }]
        lifetime = "10m"
        headers = { X-Session = "{session}" }

        [auth.at]
        kind = "session"
        steps = [{ url = "/session", extract = { session = { body = "/session" } } }]
        expires = { body = "/ends", unit = "at" }
        headers = { X-Session = "{session}" }

        [auth.ms]
        kind = "session"
        steps = [{ url = "/session", extract = { session = { body = "/session" } } }]
        expires = { body = "/ends", unit = "ms" }
        headers = { X-Session = "{session}" }
    "#
);

const ANN: &[(&str, &str)] = &[("user", "ann"), ("password", "p&ss \"1\"")];

fn on(method: &str, path: &str) -> linchpin_testing::wiremock::MockBuilder {
    Mock::given(matchers::method(method)).and(matchers::path(path))
}

/// A service with a login in two steps, whose sessions are `session-1` and so on.
async fn world() -> World {
    let world = World::start(SPEC).await;
    let start = answer::json(200, json!({ "ticket": { "id": "t/1" } }))
        .insert_header("x-nonce", "n0nce")
        .append_header("set-cookie", "other=1; Path=/")
        .append_header("set-cookie", "sid=c00kie; Path=/; HttpOnly");
    on("POST", "/start").respond_with(start).mount(&world.server).await;
    let session = |number: u32| {
        answer::json(200, json!({ "session": format!("session-{number}"), "account": 7, "expires_in": 60 }))
    };
    let sessions = in_turn([session(1), session(2)]);
    on("PUT", "/tickets/t%2F1/redeem").respond_with(sessions).mount(&world.server).await;
    on("GET", "/me").respond_with(answer::json(200, json!({}))).mount(&world.server).await;
    world
}

async fn paths(world: &World) -> Vec<String> {
    world.requests().await.iter().map(|request| request.url.path().to_owned()).collect()
}

#[tokio::test]
async fn each_step_knows_what_earlier_ones_extracted() {
    let world = world().await;
    let connection = world.connection("login", ANN);
    assert_eq!(connection.way(), Way::Exchange);
    world.run(&connection, "get_me").await.unwrap();
    world.run(&connection, "get_me").await.unwrap();
    let requests = world.requests().await;
    assert_eq!(paths(&world).await, ["/start", "/tickets/t%2F1/redeem", "/me", "/me"]);

    assert_eq!(header(&requests[0], "x-user"), Some("ann"));
    assert_eq!(requests[0].url.query(), Some("next=a%26b"));
    assert_eq!(header(&requests[0], "content-type"), Some("application/json"));
    assert_eq!(read(&requests[0].body), json!({ "auth": { "user": "ann", "pass/word": "p&ss \"1\"" } }));
    let form = form(&requests[1]);
    assert_eq!((form["nonce"].as_str(), form["user"].as_str(), form.len()), ("n0nce", "ann", 2));
    for request in &requests[2..] {
        assert_eq!(header(request, "x-session"), Some("v1 session-1"));
        assert_eq!(header(request, "cookie"), Some("sid=c00kie"));
        assert_eq!(request.url.query(), Some("page=2&account=7"));
    }
    let grant = connection.grant().await.unwrap().unwrap().grant.unwrap();
    let names: Vec<&str> = grant.values.keys().map(String::as_str).collect();
    assert_eq!(names, ["account", "nonce", "session", "sid", "ticket"]);
    let shown = connection.scrub("v1 session-1, t/1, n0nce, c00kie");
    assert_eq!(shown, "***, ***, ***, ***");
}

#[tokio::test]
async fn a_session_that_is_refused_is_got_anew_once() {
    let world = World::start(SPEC).await;
    let sessions =
        in_turn([1, 2].map(|number| answer::json(200, json!({ "session": format!("s{number}") }))));
    on("GET", "/session").respond_with(sessions).mount(&world.server).await;
    let live = on("GET", "/me").and(matchers::header("x-session", "s2"));
    live.respond_with(answer::json(200, json!({}))).mount(&world.server).await;
    on("GET", "/me").respond_with(answer::unauthorized()).mount(&world.server).await;
    let connection = world.connection("fixed", &[]);
    world.run(&connection, "get_me").await.unwrap();
    assert_eq!(paths(&world).await, ["/session", "/me", "/session", "/me"]);
    assert!(world.requests().await[0].body.is_empty());
}

#[tokio::test]
async fn a_session_ends_when_the_spec_or_the_answer_says() {
    let world = world().await;
    let now = world.clock.now().unix_millis();
    for (method, fields, said, life) in [
        ("login", ANN, json!(null), 60_000),
        ("fixed", &[][..], json!(null), 600_000),
        ("at", &[][..], json!("2026-01-01T00:02:00Z"), 120_000),
        ("at", &[][..], json!(1_767_225_630), 30_000),
        ("ms", &[][..], json!("1500"), 1_500),
    ] {
        if method != "login" {
            let said = answer::json(200, json!({ "session": "s", "ends": said }));
            let session = Mock::given(matchers::path("/session")).respond_with(said);
            session.up_to_n_times(1).mount(&world.server).await;
        }
        let connection = world.connection(method, fields);
        connection.refresh(&world.runtime).await.unwrap();
        let grant = connection.grant().await.unwrap().unwrap().grant.unwrap();
        assert_eq!(grant.expires.unwrap().unix_millis() - now, life, "{method}");
    }
    let connection = world.connection("login", ANN);
    world.run(&connection, "get_me").await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    world.run(&connection, "get_me").await.unwrap();
    let asked = paths(&world).await.iter().filter(|path| *path == "/start").count();
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn a_refused_login_is_its_owners_business() {
    for (refusal, code) in [
        (answer::unauthorized(), Code::ReauthorizationNeeded),
        (answer::json(403, json!({ "message": "locked, p&ss \"1\"" })), Code::ReauthorizationNeeded),
        (answer::json(200, json!({ "ok": false })), Code::ReauthorizationNeeded),
        (answer::json(404, json!({})), Code::ExchangeRefused),
        (answer::json(200, json!({ "ticket": {} })), Code::ExchangeRefused),
        (ResponseTemplate::new(503), Code::RefreshFailed),
    ] {
        let world = World::start(SPEC).await;
        on("POST", "/start").respond_with(refusal).mount(&world.server).await;
        let connection = world.connection("login", ANN);
        let failed = world.run(&connection, "get_me").await.unwrap_err();
        assert_eq!(failed.error.code(), code, "{}", failed.error);
        assert!(!format!("{failed:?}").contains("p&ss"), "{failed:?}");
        assert_eq!(paths(&world).await, ["/start"]);
        let dead = connection.grant().await.unwrap().unwrap().dead.is_some();
        assert_eq!(dead, code == Code::ReauthorizationNeeded);
        if code == Code::ExchangeRefused {
            assert!(failed.error.message().contains("step 1 of the session"), "{}", failed.error);
        }
    }
}

#[tokio::test]
async fn what_an_answer_says_leads_nowhere_else() {
    for ticket in ["..", "t?x=1#y", "//evil.example"] {
        let world = World::start(SPEC).await;
        let start = answer::json(200, json!({ "ticket": { "id": ticket } }))
            .insert_header("x-nonce", "n")
            .insert_header("set-cookie", "sid=c");
        on("POST", "/start").respond_with(start).mount(&world.server).await;
        let _ = world.run(&world.connection("login", ANN), "get_me").await.unwrap_err();
        let requests = world.requests().await;
        assert_eq!(requests.len(), if ticket == ".." { 1 } else { 2 });
        for request in &requests[1..] {
            let path = request.url.path();
            assert!(path.starts_with("/tickets/") && path.ends_with("/redeem"), "{path}");
            assert_eq!(request.url.path_segments().unwrap().count(), 3, "{path}");
            assert_eq!(request.url.query(), None);
        }
    }
}
