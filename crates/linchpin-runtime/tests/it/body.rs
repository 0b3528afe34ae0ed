//! Bodies of answers and requests: codings, charsets, formats.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use linchpin::{
    Code, Connector,
    http::Method,
    prelude::*,
    serde_json::{Value, json},
};
use linchpin_runtime::{Connection, Runtime};

use super::{
    service::{Exchange, Service},
    tracker::{PLAIN, TOKEN, connect},
};

/// What stands there, as JSON.
#[action(read)]
async fn get_json(cx: Context) -> Result<Value> {
    cx.get(path!("/thing")).send().await?.json()
}

/// What stands there, as text.
#[action(read)]
async fn get_text(cx: Context) -> Result<String> {
    cx.get(path!("/thing")).send().await?.text().map(str::to_owned)
}

/// How many bytes a `GET` gives, whatever they are.
#[action(read)]
async fn count_bytes(cx: Context) -> Result<usize> {
    cx.get(path!("/thing")).send().await.map(|answer| answer.body.len())
}

/// How many bytes a `HEAD` gives.
#[action(read)]
async fn look(cx: Context) -> Result<usize> {
    cx.request(Method::HEAD, path!("/thing")).send().await.map(|answer| answer.body.len())
}

/// A part of it.
#[action(read)]
async fn get_part(cx: Context) -> Result<usize> {
    cx.get(path!("/thing")).header("range", "bytes=0-1").send().await.map(|answer| answer.body.len())
}

/// What stands there, as a file.
#[action(read)]
async fn get_file(cx: Context) -> Result<String> {
    let file = cx.get(path!("/thing")).download().await?;
    let bytes = file.bytes(1 << 20).await?;
    Ok(format!("{:?} {}", file.size(), String::from_utf8_lossy(&bytes)))
}

fn connection(uri: &str) -> Connection {
    let connector = Connector::builder(PLAIN)
        .flow::<get_json>()
        .flow::<get_text>()
        .flow::<count_bytes>()
        .flow::<look>()
        .flow::<get_part>()
        .flow::<get_file>()
        .build()
        .unwrap();
    connect(&connector, uri, &[("token", TOKEN)])
}

/// A service that gives one answer: the lines of its head behind the status, and its body. The answer is complete.
async fn answering(head: &str, body: impl Into<Vec<u8>>) -> (Service, Connection) {
    let body = body.into();
    let head =
        format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let service = Service::start(move |mut exchange: Exchange| {
        let (head, body) = (head.clone(), body.clone());
        async move {
            exchange.say(head).await;
            if !exchange.head.starts_with("head ") {
                exchange.say(body).await;
            }
        }
    })
    .await;
    let connection = connection(&service.uri());
    (service, connection)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_answer_is_read_as_what_it_is() {
    let (service, connection) = answering("content-encoding: gzip\r\n", gzip("{\"id\": 7}")).await;
    let runtime = Runtime::new();
    let (value, trace) = runtime.call::<get_json>(&connection, ()).await.unwrap();
    assert_eq!(value, json!({ "id": 7 }));
    assert_eq!(trace.entries()[0].received, 9);
    assert_eq!(runtime.call::<count_bytes>(&connection, ()).await.unwrap().0, 9);
    // A file that comes compressed all the same is the file that was compressed, of a size that nobody has told.
    assert_eq!(runtime.call::<get_file>(&connection, ()).await.unwrap().0, "None {\"id\": 7}");
    assert_eq!(runtime.call::<look>(&connection, ()).await.unwrap().0, 0);
    let asked = service.heads("accept-encoding");
    assert_eq!(
        asked,
        ["gzip, br, zstd, deflate", "gzip, br, zstd, deflate", "identity", "gzip, br, zstd, deflate"]
    );
}

#[tokio::test]
async fn a_part_is_a_part_of_what_is_not_compressed() {
    let (service, connection) = answering("", "{}").await;
    assert_eq!(Runtime::new().call::<get_part>(&connection, ()).await.unwrap().0, 2);
    assert_eq!(service.heads("accept-encoding"), ["identity"]);
}

#[tokio::test]
async fn a_coding_that_is_broken_is_an_error_and_no_reason_to_ask_again() {
    let whole = gzip("{\"id\": 7}");
    for body in [&whole[..whole.len() - 1], b"{\"id\": 7}"] {
        let (service, connection) = answering("content-encoding: gzip\r\n", body).await;
        let failed = Runtime::new().call::<get_json>(&connection, ()).await.unwrap_err();
        assert_eq!(failed.error.code(), Code::ResponseMalformed);
        assert!(
            failed.error.message().contains("/thing` cannot be read: its `gzip` coding"),
            "{}",
            failed.error
        );
        let failed = Runtime::new().call::<get_file>(&connection, ()).await.unwrap_err();
        assert_eq!(failed.error.code(), Code::ResponseMalformed, "{}", failed.error);
        assert_eq!(service.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_charset_is_honoured_for_text_and_json() {
    let runtime = Runtime::new();
    let (_service, connection) =
        answering("content-type: text/plain; charset=iso-8859-1\r\n", *b"na\xefve").await;
    assert_eq!(runtime.call::<get_text>(&connection, ()).await.unwrap().0, "na\u{ef}ve");
    let utf_16: Vec<u8> =
        "\u{feff}{\"name\": \"na\u{ef}ve\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (_service, connection) = answering("content-type: application/json\r\n", utf_16).await;
    assert_eq!(runtime.call::<get_json>(&connection, ()).await.unwrap().0, json!({ "name": "na\u{ef}ve" }));
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_told_with_its_place() {
    let (_service, connection) = answering("content-type: text/plain\r\n", *b"na\xefve").await;
    let runtime = Runtime::new();
    let error = runtime.call::<get_text>(&connection, ()).await.unwrap_err().error;
    assert_eq!(error.code(), Code::ResponseMalformed);
    assert!(error.message().ends_with("is not text (text/plain, 5 bytes): byte 2 is not UTF-8"), "{error}");
    let (_service, connection) =
        answering("content-type: application/json\r\n", *b"[1,\n\"na\xefve\"]").await;
    let error = runtime.call::<get_json>(&connection, ()).await.unwrap_err().error;
    assert_eq!(error.code(), Code::ResponseMalformed);
    assert!(error.message().contains("invalid unicode code point at line 2 column"), "{error}");
}

#[tokio::test]
async fn what_came_in_place_of_json_is_shown_on_one_line() {
    let page = format!("<html>\r\n <h1>Sign\u{1b}[2J\u{202e} in</h1>{}", "x".repeat(4000));
    let (_service, connection) = answering("content-type: text/html\r\n", page).await;
    let error = Runtime::new().call::<get_json>(&connection, ()).await.unwrap_err().error;
    assert_eq!((error.code(), error.details().status), (Code::ResponseMalformed, Some(200)));
    let problem = "is not JSON (text/html, 4032 bytes): expected value at line 1 column 1; it begins `<html> <h1>Sign [2J in</h1>xxx";
    assert!(error.message().contains(problem), "{error}");
    assert!(error.message().len() < 300, "{error}");

    let (_service, connection) = answering("content-type: text/plain\r\n", "{\"id\": 7}").await;
    assert_eq!(Runtime::new().call::<get_json>(&connection, ()).await.unwrap().0, json!({ "id": 7 }));
}
