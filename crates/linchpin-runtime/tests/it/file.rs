//! Files as streams: down, up, from one call to another, and all that may break them.

use std::{
    sync::{Arc, Mutex},
    task::{self, Poll},
    time::Duration,
};

use linchpin::{
    Code, Connector,
    bytes::Bytes,
    connector::SpecFile,
    file::{ByteSource, ByteStream, FileSource},
    flow::BoxFuture,
    prelude::*,
    serde_json::{self, Value, json},
};
use linchpin_runtime::{Cancel, Connection, Invocation, Output, Ran, Runtime};
use tokio::{sync::Notify, time::advance};
use wiremock::{MockServer, ResponseTemplate};

use super::{
    service::{Exchange, Service, hold_the_clock},
    tracker::{TOKEN, connect, fails, invocation, json_answer, on, run, seen, spec, value},
};

const FILES: SpecFile = spec!(
    "timeout = \"30s\""
    "limits = { body = \"16B\", file = \"64KiB\" }"
    "outcome = [{ when = { status = 403, body = { \"/why\" = \"quota\" } }, then = \"rate_limited\" },"
    "{ when = { text = \"not yours\" }, then = \"not_found\" }]"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

#[fields]
#[derive(Debug)]
struct Found {
    id: u64,
    content: FileRef,
}

#[fields]
struct Given {
    note: Option<String>,
    content: FileRef,
}

/// A file as the service has it.
#[action(read)]
async fn get_file(cx: Context) -> Result<Found> {
    Ok(Found { id: 7, content: cx.get(path!("/file")).download().await? })
}

/// All bytes of a file, and once more.
#[action(read)]
async fn read_twice(cx: Context) -> Result<Vec<u64>> {
    let file = cx.get(path!("/file")).download().await?;
    Ok(vec![file.bytes(1 << 20).await?.len() as u64, file.bytes(1 << 20).await?.len() as u64])
}

#[action(create, idempotency = "none")]
async fn put_file(cx: Context, Input(given): Input<Given>) -> Result<Value> {
    cx.put(path!("/file")).upload(&given.content).send().await?.json()
}

#[action(create, idempotency = "none")]
async fn put_with_metadata(cx: Context, Input(given): Input<Given>) -> Result<Value> {
    let metadata = json!({ "name": given.content.name(), "note": given.note });
    cx.post(path!("/files")).related(&metadata, &given.content).send().await?.json()
}

/// Gives back what it was given; the service hears of the rest only.
#[action(create, idempotency = "none")]
async fn echo(cx: Context, Input(given): Input<Given>) -> Result<Given> {
    cx.post(path!("/notes")).json_without(&given, &["content"]).send().await?;
    Ok(given)
}

fn connection(uri: &str) -> Connection {
    let connector = Connector::builder(FILES)
        .flow::<get_file>()
        .flow::<read_twice>()
        .flow::<put_file>()
        .flow::<put_with_metadata>()
        .flow::<echo>()
        .build()
        .unwrap();
    connect(&connector, uri, &[("token", TOKEN)])
}

fn giving(connection: &Connection, flow: &str, file: &FileRef) -> Invocation {
    let input = json!({ "content": { "file": file.handle() }, "note": "n" });
    invocation(connection, flow).input(input.to_string()).file(file.clone())
}

/// The one file that the output names.
fn only_file(ran: &Ran) -> FileRef {
    let Output::Value(json) = &ran.output else { panic!("{ran:?}") };
    let output: Value = serde_json::from_str(json).unwrap();
    ran.files.get(output["content"]["file"].as_str().unwrap()).unwrap()
}

/// Bytes that can be had once.
struct OnlyOnce(Mutex<Option<Vec<Result<Bytes>>>>);

struct Pieces(std::vec::IntoIter<Result<Bytes>>);

impl ByteSource for Pieces {
    fn poll_next(&mut self, _: &mut task::Context<'_>) -> Poll<Option<Result<Bytes>>> {
        Poll::Ready(self.0.next())
    }
}

impl FileSource for OnlyOnce {
    fn open(&self) -> BoxFuture<'_, Result<ByteStream>> {
        let pieces = self.0.lock().unwrap().take().unwrap();
        Box::pin(async { Ok(ByteStream::new(Pieces(pieces.into_iter()))) })
    }

    fn reopens(&self) -> bool {
        false
    }
}

/// A file that cannot be opened again.
pub(crate) fn once(pieces: Vec<Result<Bytes>>) -> FileRef {
    FileRef::new("once.bin", OnlyOnce(Mutex::new(Some(pieces))))
}

#[tokio::test]
async fn an_answer_becomes_a_file_with_what_its_headers_say() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200)
        .set_body_raw("larger than http.limits.body", "text/x-plan")
        .insert_header("content-disposition", "attachment; filename=\"../plan.txt\"");
    on(&server, "/file", answer).await;
    let ran = run(&connection(&server.uri()), "get_file").await.unwrap();
    let file = only_file(&ran);
    assert_eq!((file.name(), file.file_name()), ("../plan.txt", "plan.txt".to_owned()));
    assert_eq!((file.media_type(), file.size()), (Some("text/x-plan"), Some(28)));
    assert_eq!(ran.trace.requests(), 0, "the answer is still on its way");
    assert_eq!(&file.bytes(100).await.unwrap()[..], b"larger than http.limits.body");
    let entries = ran.trace.entries();
    assert_eq!((entries[0].status, entries[0].received, entries[0].error), (Some(200), 28, None));

    let error = file.bytes(27).await.unwrap_err();
    assert_eq!(error.code(), Code::ResponseTooLarge, "{error}");
    assert_eq!(seen(&server).await, ["GET /file"; 2], "opened again, it is asked for again");
}

#[tokio::test]
async fn a_file_that_has_changed_is_not_taken_for_the_first() {
    let service = Service::start({
        let asked = Mutex::new(0);
        move |exchange| {
            let number = {
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                *asked
            };
            async move { exchange.json(&format!("etag: \"{number}\"\r\n"), "[]").await }
        }
    })
    .await;
    let error = fails(&connection(&service.uri()), "read_twice").await;
    assert_eq!(error.code(), Code::ResponseMalformed);
    assert!(error.message().contains("no longer the one"), "{error}");
}

#[tokio::test]
async fn errors_are_judged_before_a_file_is_given() {
    for (status, body, code) in [
        (404, r#"{"why":"gone"}"#, Code::NotFound),
        (403, r#"{"why":"quota"}"#, Code::RateLimited),
        (403, "{}", Code::Forbidden),
        (500, "not yours", Code::NotFound),
    ] {
        let server = MockServer::start().await;
        on(&server, "/file", ResponseTemplate::new(status).set_body_string(body)).await;
        assert_eq!(fails(&connection(&server.uri()), "get_file").await.code(), code, "{status} {body}");
    }
    // What stands in a file says nothing of the request.
    let server = MockServer::start().await;
    on(&server, "/file", ResponseTemplate::new(200).set_body_string("not yours")).await;
    let ran = run(&connection(&server.uri()), "get_file").await.unwrap();
    assert_eq!(&only_file(&ran).bytes(9).await.unwrap()[..], b"not yours");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_at_its_end() {
    for head in ["content-length: 100\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let service = Service::start(move |mut exchange: Exchange| async move {
            exchange.say(&format!("HTTP/1.1 200 OK\r\n{head}")).await;
        })
        .await;
        let ran = run(&connection(&service.uri()), "get_file").await.unwrap();
        let mut stream = only_file(&ran).open().await.unwrap();
        assert_eq!(stream.next().await.unwrap().as_deref(), Some(&b"half"[..]));
        let error = stream.next().await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{error}");
        assert!(stream.next().await.unwrap().is_none(), "nothing comes after an error");
        let entries = ran.trace.entries();
        assert_eq!((entries[0].received, entries[0].error), (4, Some(Code::Unreachable)));
    }
}

#[tokio::test]
async fn no_more_comes_down_than_the_limit_of_files() {
    let server = MockServer::start().await;
    on(&server, "/file", ResponseTemplate::new(200).set_body_bytes(vec![0; (64 << 10) + 1])).await;
    let ran = run(&connection(&server.uri()), "get_file").await.unwrap();
    let error = only_file(&ran).bytes(1 << 20).await.unwrap_err();
    assert_eq!(error.code(), Code::ResponseTooLarge);
    assert!(error.message().contains("`http.limits.file`"), "{error}");
}

/// Says a piece whenever it is told to.
async fn piecemeal() -> (Service, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = go.clone();
    let service = Service::start(move |mut exchange: Exchange| {
        let told = told.clone();
        async move {
            exchange.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await;
            loop {
                exchange.say("piece").await;
                told.notified().await;
            }
        }
    })
    .await;
    (service, go)
}

#[tokio::test(start_paused = true)]
async fn the_timeout_is_for_each_wait_and_not_for_the_whole_file() {
    let _clock = hold_the_clock();
    let (service, go) = piecemeal().await;
    let ran = run(&connection(&service.uri()), "get_file").await.unwrap();
    let mut stream = only_file(&ran).open().await.unwrap();
    for _ in 0..4 {
        assert_eq!(stream.next().await.unwrap().as_deref(), Some(&b"piece"[..]));
        advance(Duration::from_secs(29)).await;
        go.notify_one();
    }
    assert!(stream.next().await.unwrap().is_some());
    let wait = async {
        // Once it waits; the alarm is set then.
        tokio::task::yield_now().await;
        advance(Duration::from_secs(30)).await;
    };
    let (next, ()) = tokio::join!(stream.next(), wait);
    let error = next.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("` within 30 s, the limit of `http.timeout`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_call_holds_for_its_files() {
    let _clock = hold_the_clock();
    let (service, _go) = piecemeal().await;
    let call = invocation(&connection(&service.uri()), "get_file").deadline(Duration::from_secs(10));
    let ran = Runtime::new().run(call).await.unwrap();
    let mut stream = only_file(&ran).open().await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    advance(Duration::from_secs(10)).await;
    let error = stream.next().await.unwrap_err();
    assert_eq!(error.message(), "the call's 10 s are over");
}

#[tokio::test]
async fn a_call_that_is_cancelled_takes_its_files_along() {
    let (service, _go) = piecemeal().await;
    let cancel = Cancel::new();
    let call = invocation(&connection(&service.uri()), "get_file").cancel(&cancel);
    let ran = Runtime::new().run(call).await.unwrap();
    let mut stream = only_file(&ran).open().await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    let reading = tokio::spawn(async move { stream.next().await });
    cancel.cancel();
    assert_eq!(reading.await.unwrap().unwrap_err().code(), Code::Cancelled);
    assert_eq!(ran.trace.entries()[0].error, Some(Code::Cancelled));
}

#[tokio::test]
async fn a_file_goes_up_with_its_length_or_in_chunks() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = heads.clone();
    let service = Service::start(move |exchange: Exchange| {
        noted.lock().unwrap().push((exchange.head.clone(), exchange.body.clone()));
        async move { exchange.json("", "1").await }
    })
    .await;
    let connection = connection(&service.uri());
    let known = FileRef::from_bytes("a.txt", "known").typed("text/plain");
    let unknown = || once(vec![Ok("un".into()), Ok("known".into())]);
    let mut sent = Vec::new();
    for file in [known, unknown(), unknown().sized(7)] {
        let ran = Runtime::new().run(giving(&connection, "put_file", &file)).await.unwrap();
        sent.push(ran.trace.entries()[0].sent);
    }
    assert_eq!(sent, [5, 7, 7]);
    let heads = heads.lock().unwrap();
    let has = |at: usize, header: &str| heads[at].0.contains(header);
    assert!(has(0, "content-length: 5\r\n") && has(0, "content-type: text/plain\r\n"), "{heads:?}");
    assert!(has(1, "transfer-encoding: chunked") && has(1, "content-type: application/octet-stream"));
    assert!(has(2, "content-length: 7\r\n"), "{heads:?}");
    assert_eq!(
        heads.iter().map(|(_, body)| &body[..]).collect::<Vec<_>>(),
        [&b"known"[..], b"unknown", b"unknown"]
    );
}

#[tokio::test]
async fn metadata_and_file_are_two_parts_of_one_body() {
    let server = MockServer::start().await;
    on(&server, "/files", json_answer(json!(1))).await;
    let connection = connection(&server.uri());
    let name = "x\"\r\nX-Evil: 1\r\n\r\n--";
    let file = FileRef::from_bytes(name, "the bytes").typed("text/plain");
    Runtime::new().run(giving(&connection, "put_with_metadata", &file)).await.unwrap();
    Runtime::new().run(giving(&connection, "put_with_metadata", &file)).await.unwrap();

    let requests = server.received_requests().await.unwrap();
    let boundaries: Vec<&str> = requests
        .iter()
        .map(|request| {
            let whole = request.headers["content-type"].to_str().unwrap();
            let boundary = whole.strip_prefix("multipart/related; boundary=").unwrap();
            assert!(request.headers.get("x-evil").is_none());
            assert_eq!(request.headers["content-length"], request.body.len().to_string().as_str());
            let metadata = json!({ "name": name, "note": "n" });
            let body = format!(
                "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n--{boundary}\r\nContent-Type: text/plain\r\n\r\nthe bytes\r\n--{boundary}--\r\n"
            );
            assert_eq!(String::from_utf8_lossy(&request.body), body);
            boundary
        })
        .collect();
    assert_ne!(boundaries[0], boundaries[1]);

    for media_type in ["text/plain\r\nX-Evil: 1", "text/\u{e9}", ""] {
        let file = FileRef::from_bytes("a", "b").typed(media_type);
        for flow in ["put_file", "put_with_metadata"] {
            let error = Runtime::new().run(giving(&connection, flow, &file)).await.unwrap_err().error;
            assert_eq!(error.code(), Code::RequestInvalid, "{media_type:?}");
        }
    }
}

#[tokio::test]
async fn a_source_that_fails_or_lies_is_told_as_what_it_is() {
    let service = Service::start(|exchange: Exchange| async move { exchange.json("", "1").await }).await;
    let connection = connection(&service.uri());
    let broken = once(vec![Ok("half".into()), Err(Error::coded(Code::NotFound, "the disk is gone"))]);
    for (file, code, message) in [
        (broken, Code::NotFound, "the disk is gone"),
        (once(vec![Ok("seven b".into())]).sized(8), Code::Unreachable, "has less than the 8 bytes"),
        (once(vec![Ok("seven b".into())]).sized(6), Code::Unreachable, "has more than the 6 bytes"),
    ] {
        let failed = Runtime::new().run(giving(&connection, "put_file", &file)).await.unwrap_err();
        assert_eq!(failed.error.code(), code, "{}", failed.error);
        assert!(failed.error.message().contains(message), "{}", failed.error);
        assert_eq!(failed.trace.entries()[0].error, Some(code));
    }
}

#[tokio::test]
async fn the_file_of_one_call_is_given_to_another() {
    let from = MockServer::start().await;
    on(&from, "/file", ResponseTemplate::new(200).set_body_raw("the bytes", "text/x-plan")).await;
    let to = MockServer::start().await;
    on(&to, "/file", json_answer(json!(1))).await;
    let ran = run(&connection(&from.uri()), "get_file").await.unwrap();
    let file = only_file(&ran);
    let output = value(ran);
    let input = json!({ "content": output["content"] });
    let put = connection(&to.uri());
    let call = invocation(&put, "put_file").input(input.to_string()).file(file);
    Runtime::new().run(call).await.unwrap();
    let request = &to.received_requests().await.unwrap()[0];
    assert_eq!(
        (&request.body[..], &request.headers["content-type"]),
        (&b"the bytes"[..], &"text/x-plan".parse().unwrap())
    );

    let error = Runtime::new().run(invocation(&put, "put_file").input(input.to_string())).await.unwrap_err();
    assert_eq!(error.error.code(), Code::InputInvalid);
    assert!(error.error.message().contains("given no file"), "{}", error.error);
}

#[tokio::test]
async fn what_is_sent_as_json_is_no_output_and_what_is_given_back_is() {
    let server = MockServer::start().await;
    on(&server, "/notes", json_answer(json!(1))).await;
    let connection = connection(&server.uri());
    let file = FileRef::from_bytes("a", "b");
    let ran = Runtime::new().run(giving(&connection, "echo", &file)).await.unwrap();
    assert_eq!(server.received_requests().await.unwrap()[0].body, b"{\"note\":\"n\"}");
    assert_eq!(ran.files.take().len(), 1);

    let failed = Runtime::new().run(giving(&connection, "put_file", &file)).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::NotFound);
    let dry = giving(&connection, "put_with_metadata", &file).dry_run(true);
    let Output::Planned(planned) = Runtime::new().run(dry).await.unwrap().output else { panic!() };
    assert!(planned.body.as_deref().unwrap().contains("<the file `a`, 1 bytes>"), "{planned:?}");
}
