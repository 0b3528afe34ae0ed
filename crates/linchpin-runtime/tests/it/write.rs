//! Writes: their idempotency keys, and the dry runs that stop before them.

use std::collections::HashSet;

use linchpin::{Code, connector::SpecFile, prelude::*, serde_json::json};
use linchpin_runtime::{Connection, Output, Planned, Runtime};
use wiremock::{MockServer, Request, ResponseTemplate};

use super::tracker::{TOKEN, connect, invocation, json_answer, on, page, run, seen, spec};

const KEYED: SpecFile = spec!(
    "idempotency = { header = \"Idempotency-Key\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

/// Looks, and writes twice.
async fn look_and_write(cx: Context) -> Result<()> {
    cx.get(path!("/thing")).send().await?;
    cx.post(path!("/things")).json(&json!({ "secret": TOKEN })).send().await?;
    cx.put(path!("/thing")).json(&json!({ "b": 2 })).send().await.map(drop)
}

#[action(create, idempotency = "key")]
async fn keyed(cx: Context) -> Result<()> {
    look_and_write(cx).await
}

#[action(update, idempotency = "natural")]
async fn natural(cx: Context) -> Result<()> {
    look_and_write(cx).await
}

#[action(create, idempotency = "none")]
async fn unkeyed(cx: Context) -> Result<()> {
    look_and_write(cx).await
}

/// Its writes belong to the action that calls it.
#[helper]
async fn helping(cx: Context) -> Result<()> {
    look_and_write(cx).await
}

#[action(create, idempotency = "key")]
async fn through_a_helper(cx: Context) -> Result<()> {
    cx.call::<helping>(()).await
}

/// A key of the author's own.
#[action(create, idempotency = "key")]
async fn with_its_own(cx: Context) -> Result<()> {
    cx.post(path!("/things")).header("idempotency-key", "order-7").send().await.map(drop)
}

/// Goes on when its write is refused.
#[action(create, idempotency = "none")]
async fn stubborn(cx: Context) -> Result<()> {
    drop(cx.post(path!("/things")).send().await);
    cx.delete(path!("/thing")).send().await.map(drop)
}

/// A search that is sent as a POST.
#[action(read)]
async fn search(cx: Context) -> Result<()> {
    cx.post(path!("/things")).send().await.map(drop)
}

/// Kills one token by a GET, and another by a POST.
#[revoke]
async fn revoke(cx: Context) -> Result<Revoked> {
    cx.get(path!("/revoke")).query("token", TOKEN).unauthenticated().send().await?;
    cx.post(path!("/revoke")).unauthenticated().json(&json!({ "token": TOKEN })).send().await?;
    Ok(Revoked::done())
}

#[webhook(register, hook = "project")]
async fn register(cx: Context, url: EventUrl) -> Result<u64> {
    cx.post(path!("/things")).json(&json!({ "url": *url })).send().await?;
    Ok(7)
}

async fn world() -> (MockServer, Connection) {
    let connector = linchpin::Connector::builder(KEYED)
        .flow::<keyed>()
        .flow::<natural>()
        .flow::<unkeyed>()
        .flow::<through_a_helper>()
        .flow::<with_its_own>()
        .flow::<stubborn>()
        .flow::<search>()
        .flow::<revoke>()
        .flow::<register>()
        .build()
        .unwrap();
    let server = MockServer::start().await;
    for path in ["/thing", "/things", "/revoke"] {
        on(&server, path, json_answer(page([1]))).await;
    }
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    (server, connection)
}

fn key(request: &Request) -> Option<&str> {
    request.headers.get("idempotency-key").map(|key| key.to_str().unwrap())
}

#[tokio::test]
async fn a_call_that_is_made_again_under_its_id_carries_the_same_keys() {
    let (server, connection) = world().await;
    for id in ["run-7", "run-7", "run-8"] {
        Runtime::new().run(invocation(&connection, "keyed").run_id(id)).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let keys: Vec<&str> = requests.iter().filter_map(key).collect();
    assert_eq!(keys[..2], keys[2..4]);
    assert!(keys[4..].iter().all(|key| !keys[..4].contains(key)), "{keys:?}");
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_made_again_with_the_same_key() {
    let (server, connection) = world().await;
    for url in ["https://hooks.example/in/1", "https://hooks.example/in/1", "https://hooks.example/in/2"] {
        let call = invocation(&connection, "register").run_id("run-7").event_url(url);
        Runtime::new().run(call).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let keys: Vec<&str> = requests.iter().filter_map(key).collect();
    assert_eq!((keys.len(), keys[0] == keys[1], keys[0] == keys[2]), (3, true, false), "{keys:?}");
}

#[tokio::test]
async fn every_write_of_a_keyed_action_has_a_key_of_its_own() {
    let (server, connection) = world().await;
    run(&connection, "keyed").await.unwrap();
    run(&connection, "keyed").await.unwrap();
    run(&connection, "through_a_helper").await.unwrap();
    Runtime::new().call::<keyed>(&connection, ()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let (reads, writes): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.method == "GET");
    assert_eq!((reads.len(), writes.len()), (4, 8));
    assert!(reads.iter().all(|read| key(read).is_none()));
    let keys: HashSet<&str> = writes.iter().map(|write| key(write).unwrap()).collect();
    assert_eq!(keys.len(), 8, "{keys:?}");
    for key in keys {
        let bytes = key.as_bytes();
        assert_eq!((key.len(), bytes[14], key.matches('-').count()), (36, b'4', 4), "a random UUID: {key}");
        assert!(b"89ab".contains(&bytes[19]), "{key}");
    }
}

#[tokio::test]
async fn no_other_write_has_a_key() {
    let (server, connection) = world().await;
    for flow in ["natural", "unkeyed", "search", "revoke"] {
        run(&connection, flow).await.unwrap();
    }
    assert!(server.received_requests().await.unwrap().iter().all(|request| key(request).is_none()));
}

#[tokio::test]
async fn a_key_of_the_authors_own_is_left_alone() {
    let (server, connection) = world().await;
    run(&connection, "with_its_own").await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests[0].headers.get_all("idempotency-key").iter().collect::<Vec<_>>(), ["order-7"]);
}

async fn planned(connection: &Connection, flow: &str) -> Planned {
    match Runtime::new().run(invocation(connection, flow).dry_run(true)).await.unwrap().output {
        Output::Planned(planned) => planned,
        other => panic!("not stopped: {other:?}"),
    }
}

#[tokio::test]
async fn a_dry_run_stops_before_the_first_write_and_shows_it_scrubbed() {
    let (server, connection) = world().await;
    let planned = planned(&connection, "unkeyed").await;
    assert_eq!((planned.method.as_str(), planned.url), ("POST", format!("{}/things", server.uri())));
    assert_eq!(planned.body.as_deref(), Some("{\"secret\":\"***\"}"));
    assert!(planned.headers.contains(&("authorization".into(), "***".into())), "{:?}", planned.headers);
    assert!(planned.headers.contains(&("content-type".into(), "application/json".into())));
    assert_eq!(seen(&server).await, ["GET /thing"]);
}

#[tokio::test]
async fn a_dry_run_shows_the_first_write_also_when_the_flow_goes_on() {
    let (server, connection) = world().await;
    assert_eq!(planned(&connection, "stubborn").await.method, "POST");
    assert!(seen(&server).await.is_empty());
}

#[tokio::test]
async fn a_dry_run_of_a_revocation_sends_nothing_at_all() {
    let (server, connection) = world().await;
    let planned = planned(&connection, "revoke").await;
    let url = format!("{}/revoke?token=***", server.uri());
    assert_eq!((planned.method.as_str(), planned.url), ("GET", url));
    assert!(seen(&server).await.is_empty());
}

#[tokio::test]
async fn a_read_is_run_whole_in_a_dry_run() {
    let (server, connection) = world().await;
    let ran = Runtime::new().run(invocation(&connection, "search").dry_run(true)).await.unwrap();
    assert!(matches!(ran.output, Output::Nothing), "{:?}", ran.output);
    assert_eq!(seen(&server).await, ["POST /things"]);
}

#[tokio::test]
async fn a_write_is_sent_again_as_its_idempotency_allows() {
    let (server, connection) = world().await;
    for (flow, sent, keys) in
        [("keyed", 4, 1), ("with_its_own", 4, 1), ("natural", 4, 0), ("search", 4, 0), ("unkeyed", 1, 0)]
    {
        server.reset().await;
        on(&server, "/things", ResponseTemplate::new(503)).await;
        on(&server, "/thing", json_answer(page([]))).await;
        let failed = run(&connection, flow).await.unwrap_err();
        assert_eq!(failed.error.code(), Code::ServiceFailed);
        let requests = server.received_requests().await.unwrap();
        let writes = || requests.iter().filter(|request| request.url.path() == "/things");
        assert_eq!(
            (writes().count(), writes().filter_map(key).collect::<HashSet<_>>().len()),
            (sent, keys),
            "{flow}"
        );
        let hint = failed.error.details().hint.unwrap_or_default().to_owned();
        assert_eq!(hint.contains("must not happen twice"), flow == "unkeyed", "{flow}: {hint}");
    }
}
