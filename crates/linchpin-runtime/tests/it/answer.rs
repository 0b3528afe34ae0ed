//! What an answer means: the spec's rules in order, the service's own words, and answers that are no answers.

use std::time::Duration;

use linchpin::{
    Actor, Code, Error, Response, Result,
    connector::SpecFile,
    http,
    request::Request,
    serde_json::{Value, json},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::{
    service::{Exchange, Service},
    tracker::{
        PLAIN, TOKEN, connect, delete_thing, fails, get_thing, json_answer, on, records, run, seen, spec,
        value, with_token,
    },
};

/// A rule for every way to match, in an order that matters, and every word of `then`.
const RULES: SpecFile = spec!(
    "pagination = { style = \"link-header\", items = \"/items\" }"
    "rate_limit = { budget = \"10/1m\", reset = \"x-reset\" }"
    "error = { message = \"/problem/text\", code = \"/problem/id\", request_id = \"x-trace\" }"
    "[[http.outcome]]"
    "when = { status = 403, header = { x-left = \"0\" } }"
    "then = \"rate_limited\""
    "message = \"the budget is used up\""
    "[[http.outcome]]"
    "when = { status = [404, 410], body = { \"/gone\" = true } }"
    "then = \"success\""
    "[[http.outcome]]"
    "when = { status = \"4xx\", text = \"no such thing\" }"
    "then = \"not_found\""
    "[[http.outcome]]"
    "when = { body = { \"/ok\" = false, \"/error~1code\" = 7 } }"
    "then = \"fail\""
    "[[http.outcome]]"
    "when = { body = { \"/ok\" = false } }"
    "then = \"refresh_then_retry\""
    "[[http.outcome]]"
    "when = { body = { \"/load\" = 0.5, \"/list/1/state\" = \"busy\" } }"
    "then = \"retry\""
    "[[http.outcome]]"
    "when = { body = { \"/why\" = [\"scope\", 7] } }"
    "then = \"forbidden\""
    "[[http.outcome]]"
    "when = { status = 409 }"
    "then = \"ignore\""
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

/// Where the message comes from, and as what a call fails.
const WORDS: SpecFile = spec!(
    "[[http.outcome]]"
    "when = { body = { \"/fault\" = { exists = true } } }"
    "then = \"fail\""
    "code = \"not_found\""
    "message_at = \"/fault/0/words\""
    "message = \"something is wrong\""
    "[[http.outcome]]"
    "when = { header = { x-fault = { regex = \"^down\" } } }"
    "then = \"fail\""
    "code = \"service_failed\""
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

#[tokio::test]
async fn a_rule_says_as_what_a_call_fails_and_where_its_message_stands() {
    let status = ResponseTemplate::new;
    for (answer, code, words) in [
        (
            status(200).set_body_json(json!({ "fault": [{ "words": "no such key" }] })),
            Code::NotFound,
            "no such key",
        ),
        (
            status(500).set_body_json(json!({ "fault": 7, "message": "x" })),
            Code::NotFound,
            "something is wrong",
        ),
        (status(400).insert_header("X-Fault", "down for now"), Code::ServiceFailed, "400 Bad Request"),
        (status(400).insert_header("X-Fault", "up"), Code::Rejected, "400 Bad Request"),
    ] {
        let error = answered(WORDS, answer).await;
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().ends_with(words), "{error}");
    }
}

async fn answered(spec: SpecFile, answer: ResponseTemplate) -> linchpin::Error {
    let server = MockServer::start().await;
    on(&server, "/thing", answer).await;
    fails(&with_token(spec, &server.uri()), "get_thing").await
}

#[tokio::test]
async fn the_first_rule_that_matches_decides() {
    let status = ResponseTemplate::new;
    for (answer, code, actor) in [
        (status(403).insert_header("X-Left", "0"), Code::RateLimited, Actor::Nobody),
        (status(403).insert_header("X-Left", "00"), Code::Forbidden, Actor::Owner),
        (status(404).set_body_json(json!({ "gone": "true" })), Code::NotFound, Actor::Caller),
        (status(422).set_body_string("there is no such thing here"), Code::NotFound, Actor::Caller),
        (status(500).set_body_string("no such thing"), Code::ServiceFailed, Actor::Service),
        (status(200).set_body_json(json!({ "ok": false, "error/code": 7 })), Code::Rejected, Actor::Caller),
        (status(200).set_body_json(json!({ "ok": false })), Code::Unauthorized, Actor::Owner),
        (
            status(503).set_body_json(json!({ "load": 0.5, "list": [1, { "state": "busy" }] })),
            Code::ServiceFailed,
            Actor::Nobody,
        ),
        (
            status(200).set_body_json(json!({ "load": 0.5, "list": [{}, { "state": "busy" }] })),
            Code::ServiceFailed,
            Actor::Nobody,
        ),
        (status(200).set_body_json(json!({ "why": "scope" })), Code::Forbidden, Actor::Owner),
        (status(400).set_body_json(json!({ "why": 7 })), Code::Forbidden, Actor::Owner),
        (status(400).set_body_json(json!({ "why": ["scope", 7] })), Code::Rejected, Actor::Caller),
        // No rule: the status decides.
        (status(401), Code::Unauthorized, Actor::Owner),
        (status(410), Code::NotFound, Actor::Caller),
        (status(429), Code::RateLimited, Actor::Nobody),
        (status(418), Code::Rejected, Actor::Caller),
        (status(599), Code::ServiceFailed, Actor::Service),
    ] {
        let shown = format!("{answer:?}");
        let error = answered(RULES, answer).await;
        assert_eq!((error.code(), error.who_must_act()), (code, actor), "{error}: {shown}");
    }
}

#[tokio::test]
async fn the_first_place_with_a_message_counts() {
    const CAUSES: SpecFile = spec!(
        "error = { message = [\"/causes/0/text\", \"/text\"] }"
        "[auth.token]"
        "kind = \"bearer\""
        "fields.token = { label = \"Token\", secret = true }"
    );
    for (body, words) in [
        (json!({ "text": "not valid", "causes": [{ "text": "the name is taken" }] }), "the name is taken"),
        (json!({ "text": "not valid", "causes": [] }), "not valid"),
        (json!({ "text": "not valid", "causes": [{ "text": "" }] }), "not valid"),
        (json!({ "message": "guessed" }), "Bad Request"),
    ] {
        let error = answered(CAUSES, ResponseTemplate::new(400).set_body_json(body)).await;
        assert!(error.message().ends_with(words), "{error}");
    }
}

#[tokio::test]
async fn the_first_place_with_a_code_counts() {
    const CODES: SpecFile = spec!(
        "error = { code = [\"/why\", \"/code\"] }"
        "[auth.token]"
        "kind = \"bearer\""
        "fields.token = { label = \"Token\", secret = true }"
    );
    for (body, code) in [
        (json!({ "code": "declined", "why": "stolen" }), Some("stolen")),
        (json!({ "code": "declined", "why": null }), Some("declined")),
        (json!({ "type": "guessed" }), None),
    ] {
        let error = answered(CODES, ResponseTemplate::new(402).set_body_json(body)).await;
        assert_eq!(error.details().service_code, code, "{error}");
    }
}

#[tokio::test]
async fn a_rule_can_make_a_success_of_an_error() {
    let server = MockServer::start().await;
    on(&server, "/thing", ResponseTemplate::new(404).set_body_json(json!({ "gone": true }))).await;
    let ran = run(&with_token(RULES, &server.uri()), "get_thing").await.unwrap();
    assert_eq!(ran.trace.entries()[0].error, None);
    assert_eq!(value(ran), json!({ "gone": true }));
}

#[tokio::test]
async fn an_ignored_answer_is_nothing() {
    let server = MockServer::start().await;
    on(&server, "/thing", ResponseTemplate::new(409).set_body_json(json!({ "a": 1 }))).await;
    on(&server, "/things", ResponseTemplate::new(409).set_body_json(json!({ "a": 1 }))).await;
    let connection = with_token(RULES, &server.uri());
    assert_eq!(value(run(&connection, "get_thing").await.unwrap()), json!(null));
    let mut list = records(run(&connection, "list_things").await.unwrap());
    assert_eq!(list.next_batch(1).await.unwrap(), None, "a list with nothing in it");
}

#[tokio::test]
async fn a_rules_own_message_stands_before_the_services() {
    let body = json!({ "problem": { "text": "slow down", "id": "E7" } });
    let answer = ResponseTemplate::new(403).insert_header("x-left", "0").set_body_json(body);
    let error = answered(RULES, answer).await;
    assert!(error.message().ends_with("/thing` answered 403: the budget is used up"), "{error}");
    assert_eq!(error.details().service_code, Some("E7"));
}

#[tokio::test]
async fn errors_carry_the_services_message_code_and_request_id() {
    let body = json!({ "message": "not this", "problem": { "text": "  the\u{1b}[2J\r\ntitle   is missing ", "id": 42 } });
    let answer =
        ResponseTemplate::new(422).insert_header("x-trace", "r-1").insert_header("x-request-id", "r-2");
    let error = answered(RULES, answer.set_body_json(body)).await;
    assert!(error.message().ends_with("answered 422: the [2J title is missing"), "{error}");
    let details = error.details();
    assert_eq!((details.service_code, details.request_id), (Some("42"), Some("r-1")));

    // Where the spec does not say, they are looked for where services have them.
    for (body, message, code) in [
        (json!({ "message": "a", "code": "c" }), "a", Some("c")),
        (json!({ "error": { "message": "a", "type": "t" } }), "a", Some("t")),
        (json!({ "error": "a", "error_description": "b" }), "b", None),
        (json!({ "errors": [{ "message": "a" }] }), "a", None),
        (json!({ "title": "a", "detail": "b" }), "b", None),
    ] {
        let answer = ResponseTemplate::new(400).insert_header("x-request-id", "r").set_body_json(body);
        let error = answered(PLAIN, answer).await;
        assert!(error.message().ends_with(&format!("/thing` answered 400: {message}")), "{error}");
        assert_eq!((error.details().service_code, error.details().request_id), (code, Some("r")));
    }
    let gateway = ResponseTemplate::new(502).set_body_raw("upstream\nis down", "text/plain");
    assert!(answered(PLAIN, gateway).await.message().ends_with("answered 502: upstream is down"));
    let page = ResponseTemplate::new(502).set_body_raw("<html>", "text/html");
    assert!(answered(PLAIN, page).await.message().ends_with("answered 502 Bad Gateway"));
}

#[tokio::test]
async fn errors_say_how_long_to_wait() {
    let wait = async |status, header: &str, value: &str| {
        let answer = ResponseTemplate::new(status).insert_header(header, value);
        answered(RULES, answer).await.details().retry_after
    };
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(wait(429, "retry-after", "120").await, Some(Duration::from_secs(120)));
    assert_eq!(wait(503, "retry-after", "120").await, Some(Duration::from_secs(120)));
    assert!(wait(429, "retry-after", "Wed, 31 Dec 2160 23:59:59 GMT").await > Some(1000 * day));
    assert_eq!(wait(429, "retry-after", "Fri, 31 Dec 1999 23:59:59 GMT").await, Some(Duration::ZERO));
    assert_eq!(wait(429, "retry-after", "soon").await, None);
    // The rate limit's own header: seconds, or seconds since 1970; it says nothing of other errors.
    assert_eq!(wait(429, "x-reset", "60").await, Some(Duration::from_secs(60)));
    assert!(wait(429, "x-reset", "6000000000").await > Some(1000 * day));
    assert_eq!(wait(429, "x-reset", "1000000000").await, Some(Duration::ZERO));
    assert_eq!(wait(503, "x-reset", "60").await, None);
    let both = ResponseTemplate::new(429).insert_header("retry-after", "1").insert_header("x-reset", "60");
    assert_eq!(answered(RULES, both).await.details().retry_after, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn what_is_not_json_is_said_with_its_place() {
    let broken = ResponseTemplate::new(200).set_body_raw("{\"id\": 1,\n \"na", "application/json");
    let error = answered(PLAIN, broken).await;
    assert_eq!((error.code(), error.details().status), (Code::ResponseMalformed, Some(200)));
    assert!(error.message().contains("is not JSON (application/json, 14 bytes)"), "{error}");
    assert!(error.message().ends_with("at line 2 column 4; it begins `{\"id\": 1, \"na`"), "{error}");
    let error = answered(PLAIN, ResponseTemplate::new(200)).await;
    assert!(error.message().ends_with("is empty, where JSON was expected"), "{error}");
}

const SMALL: SpecFile = spec!(
    "limits = { body = \"64KiB\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);
const LIMIT: usize = 64 * 1024;

fn text_of(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length - 2))
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit_whether_or_not_it_says_its_length() {
    let server = MockServer::start().await;
    on(&server, "/thing", ResponseTemplate::new(200).set_body_string(text_of(LIMIT))).await;
    run(&with_token(SMALL, &server.uri()), "get_thing").await.unwrap();
    server.reset().await;
    on(&server, "/thing", ResponseTemplate::new(500).set_body_string(text_of(LIMIT + 1))).await;
    let failed = run(&with_token(SMALL, &server.uri()), "get_thing").await.unwrap_err();
    assert_eq!((failed.error.code(), failed.error.details().status), (Code::ResponseTooLarge, Some(500)));
    assert!(failed.error.message().contains("larger than 65536 bytes, the limit of `http.limits.body`"));
    assert_eq!(failed.trace.entries()[0].received, 0, "its length was enough");

    let chunked = async |length: usize| {
        let service = Service::start(move |mut exchange: Exchange| async move {
            exchange.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            for piece in text_of(length).as_bytes().chunks(1000) {
                let piece = std::str::from_utf8(piece).unwrap();
                exchange.say(&format!("{:x}\r\n{piece}\r\n", piece.len())).await;
            }
            exchange.say("0\r\n\r\n").await;
        })
        .await;
        run(&with_token(SMALL, &service.uri()), "get_thing").await
    };
    assert_eq!(value(chunked(LIMIT).await.unwrap()).as_str().map(str::len), Some(LIMIT - 2));
    let failed = chunked(LIMIT + 1).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::ResponseTooLarge);
    assert!(failed.trace.entries()[0].received > LIMIT as u64);
}

#[tokio::test]
async fn a_body_without_end_is_not_read_to_its_end() {
    let service = Service::start(|mut exchange: Exchange| async move {
        exchange.say("HTTP/1.1 200 OK\r\n\r\n").await;
        loop {
            exchange.say(&"x".repeat(8192)).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(fails(&with_token(SMALL, &service.uri()), "get_thing").await.code(), Code::ResponseTooLarge);
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_said_to_wherever_it_does() {
    for (said, status) in [
        ("", None),
        ("HTTP/1.1 200 OK\r\ncontent-le", None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"id\"", Some(200)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n", Some(200)),
    ] {
        let service =
            Service::start(move |mut exchange: Exchange| async move { exchange.say(said).await }).await;
        let failed = run(&with_token(PLAIN, &service.uri()), "get_thing").await.unwrap_err();
        assert_eq!(failed.error.code(), Code::Unreachable, "{said}");
        assert!(failed.error.message().contains("broke off"), "{}", failed.error);
        assert!(!failed.error.message().contains(TOKEN));
        let entries = failed.trace.entries();
        assert_eq!((entries[0].status, entries[0].error), (status, Some(Code::Unreachable)), "{said}");
        assert_eq!(service.seen(), ["/thing"; 4]);
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fails(&with_token(PLAIN, &format!("http://{closed}")), "get_thing").await;
    assert_eq!(error.code(), Code::Unreachable);
    assert!(error.message().starts_with(&format!("`http://{closed}` cannot be reached")), "{error}");
}

#[tokio::test]
async fn a_success_without_a_body_is_enough_for_who_reads_none() {
    let server = MockServer::start().await;
    on(&server, "/thing", ResponseTemplate::new(204)).await;
    run(&with_token(PLAIN, &server.uri()), "delete_thing").await.unwrap();
    assert_eq!(seen(&server).await, ["DELETE /thing"]);
}

#[tokio::test]
async fn a_page_that_does_not_fit_is_said_with_its_place() {
    for (page, problem) in [
        (json!({ "items": [{ "id": 1 }] }), "invalid type: map, expected a sequence at the root"),
        (json!([{ "id": 1 }, { "id": "2" }]), "invalid type: string \"2\", expected u64 at `/1/id`"),
        (json!([{ "id": 1 }, { "name": [2] }]), "missing field `id` at `/1`"),
    ] {
        let server = MockServer::start().await;
        on(&server, "/things", json_answer(page)).await;
        let mut list = records(run(&with_token(PLAIN, &server.uri()), "list_things").await.unwrap());
        let error = list.next_batch(1).await.unwrap_err();
        assert_eq!(error.code(), Code::ResponseMalformed);
        assert!(error.message().ends_with(problem), "{error}");
    }
}

fn stamp(request: &mut Request) -> Result<()> {
    if request.method == http::Method::DELETE {
        return Err(Error::new("nothing is deleted here"));
    }
    request.headers.insert("x-edition", http::HeaderValue::from_static("2026"));
    Ok(())
}

/// Services that say 200 whatever happened, and put the answer into an envelope.
fn unwrap(_request: &Request, answer: &mut Response) -> Result<()> {
    let envelope: Value = answer.json()?;
    answer.status =
        http::StatusCode::from_u16(envelope["status"].as_u64().unwrap_or(500) as u16).unwrap_or_default();
    answer.body = envelope["data"].to_string().into();
    Ok(())
}

#[tokio::test]
async fn what_a_connector_does_to_requests_and_answers_comes_before_the_rules() {
    let server = MockServer::start().await;
    let busy = json_answer(json!({ "status": 503, "data": null }));
    Mock::given(matchers::header("x-edition", "2026"))
        .respond_with(busy)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let good = json_answer(json!({ "status": 200, "data": { "id": 7 } }));
    Mock::given(matchers::header("x-edition", "2026")).respond_with(good).mount(&server).await;
    let connector = linchpin::Connector::builder(PLAIN).flow::<get_thing>().flow::<delete_thing>();
    let connector = connector.before(stamp).after(unwrap).build().unwrap();
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    assert_eq!(value(run(&connection, "get_thing").await.unwrap()), json!({ "id": 7 }));
    assert_eq!(seen(&server).await.len(), 2, "the first was told to pass");
    assert!(fails(&connection, "delete_thing").await.message().contains("nothing is deleted"));
    assert_eq!(seen(&server).await.len(), 2);
}
