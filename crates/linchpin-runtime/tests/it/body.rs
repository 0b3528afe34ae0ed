//! Bodies of answers and requests: codings, charsets, formats.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use linchpin::{
    Code, Connector,
    digest::Digest,
    flow::Flow,
    form::Multipart,
    http::Method,
    prelude::*,
    serde_json::{Value, json},
};
use linchpin_runtime::{Connection, Runtime};

use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::{
    file::once,
    service::{Exchange, Service},
    tracker::{PLAIN, TOKEN, connect, json_answer, on},
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

#[fields]
struct Line {
    price: String,
    quantity: Option<u64>,
}

#[fields]
struct Order {
    customer: String,
    note: Option<String>,
    rate: Number,
    items: Vec<Line>,
}

/// Orders, with a form that has names in names.
#[action(create, idempotency = "none")]
async fn order(cx: Context, Input(order): Input<Order>) -> Result<Value> {
    cx.post(path!("/orders")).form_nested(&order).send().await?.json()
}

/// Two files with a text between them.
#[fields]
struct Evidence {
    purpose: String,
    first: FileRef,
    second: FileRef,
}

/// Sends both files in one body.
#[action(create, idempotency = "natural")]
async fn send_evidence(cx: Context, Input(given): Input<Evidence>) -> Result<Value> {
    let parts =
        Multipart::new().file("a", &given.first).text("purpose", given.purpose).file("b", &given.second);
    cx.post(path!("/evidence")).multipart(parts).send().await?.json()
}

/// A row of a list that is one long answer.
#[fields]
#[derive(Debug, PartialEq)]
struct Row {
    id: u64,
    name: String,
}

/// Rows that stand on a line each.
#[action(read)]
async fn list_lines(cx: Context) -> Result<Records<Row>> {
    Ok(cx.get(path!("/thing")).json_lines())
}

/// Rows of a table.
#[action(read)]
async fn list_csv(cx: Context) -> Result<Records<Row>> {
    Ok(cx.get(path!("/thing")).csv())
}

/// Rows in every form, each from the same whole answer.
#[action(read)]
async fn read_whole(cx: Context, Input(wanted): Input<Wanted>) -> Result<Vec<Row>> {
    let answer = cx.get(path!("/thing")).send().await?;
    match wanted.format.as_str() {
        "lines" => answer.json_lines(),
        "csv" => answer.csv_by(b';'),
        _ => Ok(vec![answer.xml()?]),
    }
}

#[fields]
struct Wanted {
    format: String,
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

fn connect_to(uri: &str) -> Connection {
    let connector = Connector::builder(PLAIN)
        .flow::<get_json>()
        .flow::<get_text>()
        .flow::<order>()
        .flow::<send_evidence>()
        .flow::<list_lines>()
        .flow::<list_csv>()
        .flow::<read_whole>()
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
    let connection = connect_to(&service.uri());
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

#[tokio::test]
async fn a_form_has_names_in_names_and_exact_numbers() {
    let server = MockServer::start().await;
    on(&server, "/orders", json_answer(json!(1))).await;
    let given = Order {
        customer: "a&b".into(),
        note: Some(String::new()),
        rate: "0.10".parse().unwrap(),
        items: vec![
            Line { price: "p1".into(), quantity: Some(u64::MAX) },
            Line { price: "p2".into(), quantity: None },
        ],
    };
    Runtime::new().call::<order>(&connect_to(&server.uri()), given).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    assert_eq!(
        pairs,
        [
            ("customer", "a&b"),
            ("note", ""),
            ("rate", "0.10"),
            ("items[0][price]", "p1"),
            ("items[0][quantity]", "18446744073709551615"),
            ("items[1][price]", "p2"),
        ]
    );
}

/// A service that is broken once, and notes what it was sent.
async fn broken_once() -> (MockServer, Connection) {
    let server = MockServer::start().await;
    let broken = Mock::given(matchers::path("/evidence")).respond_with(ResponseTemplate::new(503));
    broken.up_to_n_times(1).mount(&server).await;
    on(&server, "/evidence", json_answer(json!(1))).await;
    let connection = connect_to(&server.uri());
    (server, connection)
}

#[tokio::test]
async fn files_and_texts_go_up_in_one_body_and_once_more_where_they_can() {
    let (server, connection) = broken_once().await;
    let given = || Evidence {
        purpose: "dispute".into(),
        first: FileRef::from_bytes("a.txt", "first").typed("text/plain"),
        second: FileRef::from_bytes("b\".bin", "second"),
    };
    let (_, trace) = Runtime::new().call::<send_evidence>(&connection, given()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        let kind = request.headers["content-type"].to_str().unwrap();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert_eq!(request.headers["content-length"], request.body.len().to_string().as_str());
        assert_eq!(trace.entries()[1].sent, request.body.len() as u64);
        let disposition = "Content-Disposition: form-data;";
        let body = format!(
            "--{boundary}\r\n{disposition} name=\"a\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nfirst\r\n\
             --{boundary}\r\n{disposition} name=\"purpose\"\r\n\r\ndispute\r\n\
             --{boundary}\r\n{disposition} name=\"b\"; filename=\"b%22.bin\"\r\nContent-Type: application/octet-stream\r\n\r\nsecond\r\n\
             --{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&request.body), body);
    }

    let (server, connection) = broken_once().await;
    let mut given = given();
    given.second = once(vec![Ok("second".into())]);
    let failed = Runtime::new().call::<send_evidence>(&connection, given).await.unwrap_err();
    assert!(failed.error.details().hint.unwrap().contains("cannot be opened again"), "{}", failed.error);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_later_file_that_fails_is_told_as_what_it_is() {
    let (_server, connection) = broken_once().await;
    let error = Error::coded(Code::NotFound, "the disk is gone");
    for (second, code) in [
        (once(vec![Ok("half".into()), Err(error)]), Code::NotFound),
        (once(vec![]).sized(1), Code::Unreachable),
    ] {
        let first = FileRef::from_bytes("a.txt", "first");
        let given = Evidence { purpose: String::new(), first, second };
        let failed = Runtime::new().call::<send_evidence>(&connection, given).await.unwrap_err();
        assert_eq!(failed.error.code(), code, "{}", failed.error);
    }
}

async fn rows_of<F: Flow<Args = (), Output = Result<Records<Row>>>>(
    connection: &Connection,
) -> (Vec<u64>, Option<Error>) {
    let (mut records, _) = Runtime::new().call::<F>(connection, ()).await.unwrap();
    let mut ids = Vec::new();
    loop {
        match records.next().await {
            Ok(Some(row)) => ids.push(row.id),
            Ok(None) => return (ids, None),
            Err(error) => {
                assert_eq!(records.next().await.unwrap(), None, "nothing comes behind an error");
                return (ids, Some(error));
            }
        }
    }
}

#[tokio::test]
async fn rows_come_as_they_are_read_up_to_the_one_that_is_broken() {
    let (_service, connection) = answering("", "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}").await;
    assert!(matches!(rows_of::<list_lines>(&connection).await, (ids, None) if ids == [1, 2]));
    let csv = "content-type: text/csv; charset=utf-8\r\n";
    let (_service, connection) = answering(csv, "name,id\na,1\nb,2\n").await;
    assert!(matches!(rows_of::<list_csv>(&connection).await, (ids, None) if ids == [1, 2]));

    let service = Service::start(|mut exchange: Exchange| async move {
        exchange.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for piece in ["{\"id\":1,\"name\":\"a\"}\n{\"id\"", ":2,\"name\":\"b\"}\n", "{\"id\":3}\n"] {
            exchange.say(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
            tokio::task::yield_now().await;
        }
        exchange.say("0\r\n\r\n").await;
    })
    .await;
    let broken = connect_to(&service.uri());
    let (ids, error) = rows_of::<list_lines>(&broken).await;
    assert_eq!(ids, [1, 2]);
    let error = error.unwrap();
    assert_eq!(error.code(), Code::ResponseMalformed);
    assert_eq!(
        error.message(),
        "the file `thing` cannot be read: line 3 is not what the flow expects: missing field `name` at its root"
    );

    let (_service, connection) =
        answering("content-type: text/csv; charset=iso-8859-1\r\n", *b"id,name\n1,\xef").await;
    let (_, error) = rows_of::<list_csv>(&connection).await;
    assert!(error.unwrap().message().contains("streams are read as UTF-8 only"));
}

#[tokio::test]
async fn a_whole_answer_is_read_in_every_format() {
    let read = async |format: &str, head: &str, body: &'static [u8]| {
        let (_service, connection) = answering(head, body).await;
        let wanted = Wanted { format: format.to_owned() };
        Runtime::new()
            .call::<read_whole>(&connection, wanted)
            .await
            .map(|(rows, _)| rows)
            .map_err(|failed| failed.error)
    };
    let row = |id, name: &str| Row { id, name: name.to_owned() };
    let lines = read("lines", "", b"{\"id\":1,\"name\":\"a\"}\n").await;
    assert_eq!(lines.unwrap(), [row(1, "a")]);
    let csv = read("csv", "content-type: text/csv; charset=windows-1252\r\n", b"id;name\r\n1;\x80\r\n").await;
    assert_eq!(csv.unwrap(), [row(1, "\u{20ac}")]);
    let xml = read(
        "xml",
        "content-type: application/xml\r\n",
        b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><row><id>1</id><name>\xe9</name></row>",
    )
    .await;
    assert_eq!(xml.unwrap(), [row(1, "\u{e9}")]);
    for (format, body, problem) in [
        (
            "lines",
            "{",
            "cannot be read: line 1 is not JSON: EOF while parsing an object at column 1; it begins `{`",
        ),
        ("csv", "id;name\n1\n", "cannot be read: record 2 of the CSV has 1 fields, where the first names 2"),
        ("xml", "<row>", "/thing is XML that breaks off (no content type, 5 bytes); it begins `<row>`"),
    ] {
        let error = read(format, "", body.as_bytes()).await.unwrap_err();
        assert_eq!((error.code(), error.details().status), (Code::ResponseMalformed, Some(200)));
        assert!(error.message().ends_with(problem), "{error}");
    }
}

#[tokio::test]
async fn a_file_is_the_one_that_the_service_says_it_is() {
    let runtime = Runtime::new();
    for head in ["repr-digest", "content-digest"] {
        let head = |digest: &str| format!("{head}: sha-512=:AA==:, sha-256=:{digest}:\r\n");
        let (_service, connection) =
            answering(&head("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="), "abc").await;
        assert_eq!(runtime.call::<get_file>(&connection, ()).await.unwrap().0, "Some(3) abc");
        let (_service, connection) =
            answering(&head("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="), "abd").await;
        let error = runtime.call::<get_file>(&connection, ()).await.unwrap_err().error;
        assert_eq!(error.code(), Code::ResponseMalformed);
        assert!(error.message().contains("was said to have ba7816bf"), "{error}");
        // Of what was compressed the digest is another.
        let head =
            format!("content-encoding: gzip\r\n{}", head("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="));
        let (_service, connection) = answering(&head, gzip("abd")).await;
        assert_eq!(runtime.call::<get_file>(&connection, ()).await.unwrap().0, "None abd");
    }
}

#[tokio::test]
async fn a_file_that_is_another_never_goes_up_whole() {
    let server = MockServer::start().await;
    on(&server, "/evidence", json_answer(json!(1))).await;
    for second in [FileRef::from_bytes("b", "abd"), once(vec![Ok("a".into()), Ok("bd".into())])] {
        let first = FileRef::from_bytes("a", "abc").digested(Digest::of(b"abc"));
        let second = second.named("b").digested(Digest::of(b"abc"));
        let given = Evidence { purpose: String::new(), first, second };
        let failed =
            Runtime::new().call::<send_evidence>(&connect_to(&server.uri()), given).await.unwrap_err();
        assert_eq!(failed.error.code(), Code::ResponseMalformed);
        assert!(failed.error.message().starts_with("`b` has the SHA-256 "), "{}", failed.error);
        assert!(server.received_requests().await.unwrap().is_empty());
    }
}
