//! Redirects: followed for reads only, with credentials only where they belong, and never for ever.

use linchpin::{Code, connector::SpecFile, prelude::*};
use wiremock::{MockServer, ResponseTemplate};

use super::tracker::{
    PLAIN, TOKEN, connect, fails, json_answer, on, page, run, seen, spec, tracker, value, with_token,
};

/// The key stands in the query, where a URL can carry it elsewhere.
const KEY_IN_QUERY: SpecFile = spec!(
    "[auth.key]"
    "kind = \"api_key\""
    "query = \"key\""
    "fields.api_key = { label = \"Key\", secret = true }"
);

/// A host that no resolver looks for: its name is too long to be one.
fn nowhere() -> String {
    format!("http://{}.example/found", "a".repeat(64))
}

fn to(location: &str) -> ResponseTemplate {
    ResponseTemplate::new(302).insert_header("location", location)
}

/// Any read, to see what becomes of a HEAD.
#[action(read)]
async fn look(cx: Context) -> Result<u16> {
    Ok(cx.request(linchpin::http::Method::HEAD, path!("/thing")).send().await?.status())
}

#[tokio::test]
async fn a_read_is_followed_with_its_credentials_where_it_stays() {
    let server = MockServer::start().await;
    on(&server, "/thing", to("elsewhere/found?page=2#part")).await;
    on(&server, "/elsewhere/found", json_answer(page([1]))).await;
    let ran = run(&with_token(PLAIN, &server.uri()), "get_thing").await.unwrap();
    let statuses: Vec<_> = ran.trace.entries().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(302), Some(200)]);
    assert!(ran.trace.entries()[1].url.ends_with("/elsewhere/found?page=2"), "{:?}", ran.trace);
    assert_eq!(value(ran), page([1]));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests[1].url.query(), Some("page=2"));
    for request in &requests {
        assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"));
    }
}

#[tokio::test]
async fn a_head_is_followed_as_a_head() {
    let server = MockServer::start().await;
    on(&server, "/thing", to("/found")).await;
    on(&server, "/found", ResponseTemplate::new(204)).await;
    let connector = linchpin::Connector::builder(PLAIN).flow::<look>().build().unwrap();
    let ran = run(&connect(&connector, &server.uri(), &[("token", TOKEN)]), "look").await.unwrap();
    assert_eq!(value(ran), 204);
    assert_eq!(seen(&server).await, ["HEAD /thing", "HEAD /found"]);
}

#[tokio::test]
async fn the_key_in_the_query_goes_along_and_is_never_doubled() {
    let server = MockServer::start().await;
    on(&server, "/thing", to("/half")).await;
    on(&server, "/half", to("/found?key=the+services+own")).await;
    on(&server, "/found", json_answer(page([1]))).await;
    let connection = connect(&tracker(KEY_IN_QUERY), &server.uri(), &[("api_key", TOKEN)]);
    run(&connection, "get_thing").await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let queries: Vec<_> = requests.iter().map(|request| request.url.query().unwrap()).collect();
    assert_eq!(queries, [&format!("key={TOKEN}"), &format!("key={TOKEN}"), "key=the+services+own"]);
}

#[tokio::test]
async fn elsewhere_no_key_goes_along() {
    let server = MockServer::start().await;
    on(&server, "/thing", to(&nowhere())).await;
    let connection = connect(&tracker(KEY_IN_QUERY), &server.uri(), &[("api_key", TOKEN)]);
    let failed = run(&connection, "get_thing").await.unwrap_err();
    assert_eq!(failed.error.code(), Code::Unreachable, "{failed}");
    let entries = failed.trace.entries();
    assert!(entries[0].url.ends_with("/thing?key=***"), "{}", entries[0].url);
    assert_eq!(entries[1].url, nowhere(), "followed, without the key");
}

#[tokio::test]
async fn nothing_private_is_reached_by_a_redirect() {
    let server = MockServer::start().await;
    let other = MockServer::start().await;
    let port = other.address().port();
    for target in [
        other.uri(),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("https://{}/", server.address()),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/hostname".to_owned(),
        format!("http://user:password@{}/", server.address()),
    ] {
        server.reset().await;
        on(&server, "/thing", to(&target)).await;
        let error = fails(&with_token(PLAIN, &server.uri()), "get_thing").await;
        assert_eq!(error.code(), Code::HostRefused, "{target}: {error}");
        assert_eq!(seen(&server).await, ["GET /thing"], "{target}");
    }
    assert!(seen(&other).await.is_empty());
}

#[tokio::test]
async fn redirects_end_at_the_sixth() {
    let server = MockServer::start().await;
    on(&server, "/thing", to("/1")).await;
    for step in 1..=4 {
        on(&server, &format!("/{step}"), to(&format!("/{}", step + 1))).await;
    }
    on(&server, "/5", json_answer(page([5]))).await;
    assert_eq!(value(run(&with_token(PLAIN, &server.uri()), "get_thing").await.unwrap()), page([5]));

    server.reset().await;
    on(&server, "/thing", to("/thing")).await;
    let error = fails(&with_token(PLAIN, &server.uri()), "get_thing").await;
    assert_eq!((error.code(), error.details().status), (Code::Rejected, Some(302)));
    let message = format!("redirects more than 5 times; the last link was `{}/thing`", server.uri());
    assert!(error.message().contains(&message), "{error}");
    assert_eq!(seen(&server).await.len(), 6);
}

#[tokio::test]
async fn a_write_is_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = MockServer::start().await;
        on(&server, "/thing", ResponseTemplate::new(status).insert_header("location", "/found")).await;
        let error = fails(&with_token(PLAIN, &server.uri()), "delete_thing").await;
        assert_eq!((error.code(), error.details().status), (Code::Rejected, Some(status)));
        assert!(error.message().ends_with("a redirect that is not followed"), "{error}");
        assert_eq!(seen(&server).await, ["DELETE /thing"]);
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_said_to() {
    let server = MockServer::start().await;
    on(&server, "/thing", ResponseTemplate::new(302)).await;
    let error = fails(&with_token(PLAIN, &server.uri()), "get_thing").await;
    assert_eq!((error.code(), error.details().status), (Code::Rejected, Some(302)));

    server.reset().await;
    on(&server, "/thing", to("http://[bad")).await;
    let error = fails(&with_token(PLAIN, &server.uri()), "get_thing").await;
    assert_eq!(error.code(), Code::ResponseMalformed);
    assert!(error.message().contains("`http://[bad`"), "{error}");
}
