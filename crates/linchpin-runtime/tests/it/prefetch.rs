//! The next page is under way while one is read, and positions are read on from.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use linchpin::{
    Code, Secret,
    connector::SpecFile,
    extract::ConnectionValues,
    manifest::spec::{PagePlace, PageStyle},
    path,
};
use linchpin_runtime::{Connection, Invocation, Runtime};
use tokio::sync::Notify;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use super::tracker::{
    PLAIN, fails, ids, invocation, json_answer, on, page, records, run, seen, spec, tracker, with_token,
};

/// The key is a query parameter, as some services put it into their links too.
const KEY_IN_QUERY: SpecFile = spec!(
    "pagination = { style = \"link-header\" }"
    "[auth.key]"
    "kind = \"api_key\""
    "query = \"key\""
    "fields.api_key = { label = \"Key\", secret = true }"
);

/// Most of the service's lists go on by links, with their items at `/data`.
const AT_DATA: SpecFile = spec!(
    "pagination = { style = \"link-header\", items = \"/data\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const WITHOUT_PAGES: SpecFile = spec!(
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

/// Answers, and says that it was asked.
struct Noticed {
    answer: ResponseTemplate,
    noticed: Arc<Notify>,
    times: Arc<AtomicUsize>,
}

impl Respond for Noticed {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.times.fetch_add(1, Ordering::SeqCst);
        self.noticed.notify_one();
        self.answer.clone()
    }
}

fn linked(ids: [u64; 2], next: &str) -> ResponseTemplate {
    json_answer(page(ids)).insert_header("link", format!("<{next}>; rel=next").as_str())
}

/// Two pages, and what the third says to whom it tells that it was asked.
async fn three_pages(third: ResponseTemplate) -> (MockServer, Arc<Notify>, Arc<AtomicUsize>) {
    let server = MockServer::start().await;
    on(&server, "/things", linked([1, 2], "/2")).await;
    on(&server, "/2", linked([3, 4], "/3")).await;
    let (noticed, times) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let third = Noticed { answer: third, noticed: noticed.clone(), times: times.clone() };
    Mock::given(matchers::path("/3")).respond_with(third).mount(&server).await;
    on(&server, "/4", json_answer(page([7, 8]))).await;
    (server, noticed, times)
}

#[tokio::test]
async fn the_third_page_is_on_its_way_while_the_second_is_read() {
    let (server, asked, _) = three_pages(linked([5, 6], "/4")).await;
    let mut stream = records(run(&with_token(PLAIN, &server.uri()), "list_things").await.unwrap());
    assert_eq!(ids(&mut stream, 2).await.unwrap(), Some(vec![1, 2]));
    assert_eq!(seen(&server).await, ["GET /things"], "who wants one page pays for one");
    assert_eq!(ids(&mut stream, 1).await.unwrap(), Some(vec![3]));
    // Nobody asks for it, and yet it comes; the fourth waits for its turn.
    asked.notified().await;
    assert_eq!(seen(&server).await, ["GET /things", "GET /2", "GET /3"]);
    let mut rest = Vec::new();
    while let Some(more) = ids(&mut stream, 10).await.unwrap() {
        rest.extend(more);
    }
    assert_eq!(rest, [4, 5, 6, 7, 8]);
    assert_eq!(seen(&server).await.len(), 4);
}

#[tokio::test]
async fn what_a_page_ahead_ends_with_comes_after_the_records_before_it() {
    let (server, asked, _) = three_pages(ResponseTemplate::new(403)).await;
    let mut stream = records(run(&with_token(PLAIN, &server.uri()), "list_things").await.unwrap());
    for (max, expected) in [(2, vec![1, 2]), (1, vec![3])] {
        assert_eq!(ids(&mut stream, max).await.unwrap(), Some(expected));
    }
    asked.notified().await;
    assert_eq!(ids(&mut stream, 9).await.unwrap(), Some(vec![4]));
    let error = ids(&mut stream, 9).await.unwrap_err();
    let position = format!("{}/3", server.uri());
    assert_eq!((error.code(), error.details().position), (Code::Forbidden, Some(position.as_str())));
}

#[tokio::test]
async fn a_stream_that_is_dropped_takes_its_page_back() {
    let never = json_answer(page([5])).set_delay(std::time::Duration::from_secs(3600));
    let (server, asked, _) = three_pages(never).await;
    let ran = run(&with_token(PLAIN, &server.uri()), "list_things").await.unwrap();
    let trace = ran.trace.clone();
    let mut stream = records(ran);
    for expected in [vec![1, 2], vec![3, 4]] {
        assert_eq!(ids(&mut stream, 9).await.unwrap(), Some(expected));
    }
    asked.notified().await;
    assert_eq!(trace.requests(), 2);
    drop(stream);
    while trace.requests() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(trace.entries()[2].error, Some(Code::Cancelled));
}

#[tokio::test]
async fn a_call_reads_on_from_the_position_of_an_error() {
    let (server, _, times) = three_pages(ResponseTemplate::new(403)).await;
    let connection = with_token(PLAIN, &server.uri());
    let mut stream = records(run(&connection, "list_things").await.unwrap());
    let error = loop {
        match ids(&mut stream, 9).await {
            Ok(batch) => assert!(batch.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(times.load(Ordering::SeqCst), 1);
    server.reset().await;
    on(&server, "/3", linked([5, 6], "/4")).await;
    on(&server, "/4", json_answer(page([7, 8]))).await;
    let position = error.details().position.unwrap();
    let from = invocation(&connection, "list_things").resume_from(position);
    let mut rest = records(Runtime::new().run(from).await.unwrap());
    assert_eq!(rest.position().as_deref(), Some(position));
    assert_eq!(ids(&mut rest, 1).await.unwrap(), Some(vec![5]));
    assert_eq!(rest.position().as_deref(), Some(position), "a page in the middle comes again");
    assert_eq!(ids(&mut rest, 9).await.unwrap(), Some(vec![6]));
    assert_eq!(rest.position(), Some(format!("{}/4", server.uri())));
    assert_eq!(ids(&mut rest, 9).await.unwrap(), Some(vec![7, 8]));
    assert_eq!(rest.position(), None);
}

#[tokio::test]
async fn positions_elsewhere_and_of_what_is_no_list_are_refused() {
    let server = MockServer::start().await;
    let other = MockServer::start().await;
    let connection = with_token(PLAIN, &server.uri());
    for elsewhere in [format!("{}/things", other.uri()), "https://evil.example/x".into(), "/relative".into()]
    {
        let from = invocation(&connection, "list_things").resume_from(elsewhere.clone());
        let mut stream = records(Runtime::new().run(from).await.unwrap());
        assert!(ids(&mut stream, 1).await.is_err(), "{elsewhere}");
    }
    let from = |flow| invocation(&connection, flow).resume_from(format!("{}/2", server.uri()));
    let failed = Runtime::new().run(from("get_thing")).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::PositionInvalid);
    assert!(seen(&server).await.is_empty() && seen(&other).await.is_empty());
    assert_eq!(fails(&connection, "get_thing").await.code(), Code::NotFound);
}

#[tokio::test]
async fn a_list_that_goes_on_in_its_own_way_is_walked_and_read_on_as_the_others_are() {
    let server = MockServer::start().await;
    let body =
        |ids: [u64; 2], next: serde_json::Value| serde_json::json!({ "data": page(ids), "next": next });
    let more = Mock::given(matchers::query_param("page", "b"));
    let more = more.respond_with(ResponseTemplate::new(200).set_body_json(body([3, 4], ().into())));
    more.mount(&server).await;
    on(&server, "/things", ResponseTemplate::new(200).set_body_json(body([1, 2], "b".into()))).await;
    let by_page = || PageStyle::Cursor {
        cursor: "/next".into(),
        place: PagePlace::Query("page".into()),
        has_more: None,
    };
    let things = |file: SpecFile| {
        let cx = Runtime::new().context(&with_token(file, &server.uri()));
        cx.get(path!("/things")).records_by::<serde_json::Value>(by_page())
    };
    let mut read = things(AT_DATA);
    assert_eq!(read.next().await.unwrap().unwrap()["id"], 1);
    let mut on = things(AT_DATA);
    on.resume_from("b").unwrap();
    assert_eq!(on.take(9).await.unwrap()[0]["id"], 3);
    assert_eq!(read.take(9).await.unwrap().len(), 3);

    let error = things(WITHOUT_PAGES).next().await.unwrap_err();
    assert_eq!((error.code(), error.who_must_act()), (Code::RequestInvalid, linchpin::Actor::Author));
}

#[tokio::test]
async fn a_position_has_no_credentials_although_the_services_link_has() {
    const KEY: &str = "k3y-0f-th3-t3st";
    let server = MockServer::start().await;
    on(&server, "/things", linked([1, 2], &format!("/2?key={KEY}&at=a%20b"))).await;
    Mock::given(matchers::path("/2"))
        .and(matchers::query_param("key", KEY))
        .and(matchers::query_param("at", "a b"))
        .respond_with(json_answer(page([3, 4])))
        .mount(&server)
        .await;
    let fields = [("api_key".to_owned(), Secret::new(KEY))].into();
    let values = ConnectionValues { method: String::new(), fields };
    let connection = Connection::with_base_url(&tracker(KEY_IN_QUERY), values, &server.uri()).unwrap();
    let mut stream = records(run(&connection, "list_things").await.unwrap());
    assert_eq!(ids(&mut stream, 9).await.unwrap(), Some(vec![1, 2]));
    let position = stream.position().unwrap();
    assert!(!position.contains("key"), "{position}");
    let from = Invocation::named(&connection, "list_things").unwrap().resume_from(position);
    let mut rest = records(Runtime::new().run(from).await.unwrap());
    for stream in [&mut stream, &mut rest] {
        assert_eq!(ids(stream, 9).await.unwrap(), Some(vec![3, 4]));
    }
}
