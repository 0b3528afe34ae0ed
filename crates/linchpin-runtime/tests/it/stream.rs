//! Lists: exactly as many records as are asked for, one page in memory, no page before its time, and no list for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::{
    Code, Error,
    connector::SpecFile,
    prelude::*,
    serde::{Deserialize, Deserializer, Serialize, Serializer},
    serde_json::{Value, json},
    shape::{FieldType, Shape},
};
use linchpin_runtime::RecordStream;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use super::tracker::{
    PLAIN, TOKEN, connect, ids, json_answer, on, page, records, run, seen, spec, with_token,
};

const BY_CURSOR: SpecFile = spec!(
    "pagination = { style = \"cursor\", items = \"/data/items\", cursor = \"/meta/next\", query = \"after\", page_size = { query = \"size\", value = 2 } }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const FEW_PAGES: SpecFile = spec!(
    "pagination = { style = \"link-header\" }"
    "limits = { pages = 3 }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

/// Answers with pages of `size` things, up to the thing `last`, linked one to the next.
struct Linked {
    size: u64,
    last: u64,
}

impl Respond for Linked {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let number = request.url.query_pairs().find(|(name, _)| name == "page");
        let number: u64 = number.map_or(0, |(_, number)| number.parse().unwrap());
        let end = self.last.min((number + 1) * self.size);
        let answer = json_answer(page(number * self.size + 1..=end));
        match end < self.last {
            true => {
                answer.insert_header("link", format!("</things?page={}>; rel=\"next\"", number + 1).as_str())
            }
            false => answer,
        }
    }
}

async fn linked(size: u64, last: u64) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(matchers::path("/things")).respond_with(Linked { size, last }).mount(&server).await;
    server
}

async fn list(spec: SpecFile, server: &MockServer) -> RecordStream {
    records(run(&with_token(spec, &server.uri()), "list_things").await.unwrap())
}

/// Reads to the end, or to the error.
async fn read(stream: &mut RecordStream) -> (Vec<u64>, Option<Error>) {
    let mut all = Vec::new();
    loop {
        match ids(stream, 1000).await {
            Ok(Some(batch)) => all.extend(batch),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

#[tokio::test]
async fn a_batch_has_never_more_than_were_asked_for() {
    let server = linked(4, 10).await;
    let mut stream = list(PLAIN, &server).await;
    assert_eq!(ids(&mut stream, 0).await.unwrap(), Some(vec![]));
    assert!(seen(&server).await.is_empty(), "no record asked for, no page");
    for (max, expected) in
        [(3, vec![1, 2, 3]), (3, vec![4]), (100, vec![5, 6, 7, 8]), (1, vec![9]), (1, vec![10])]
    {
        assert_eq!(ids(&mut stream, max).await.unwrap(), Some(expected));
    }
    assert_eq!(ids(&mut stream, 1).await.unwrap(), None);
    assert_eq!(ids(&mut stream, 1).await.unwrap(), None);
}

#[tokio::test]
async fn no_page_is_fetched_before_its_records_are_asked_for() {
    let server = linked(3, 30).await;
    let mut stream = list(PLAIN, &server).await;
    // From the second page on, the next may be under way.
    for (read, pages) in [(1, 1..=1), (2, 1..=1), (3, 1..=1), (4, 2..=3), (5, 2..=3), (6, 2..=3), (7, 3..=4)]
    {
        assert_eq!(ids(&mut stream, 1).await.unwrap(), Some(vec![read]));
        assert!(pages.contains(&seen(&server).await.len()), "after {read} records");
    }
}

#[tokio::test]
async fn empty_pages_in_between_are_passed_over() {
    let server = MockServer::start().await;
    let linked = |ids: Vec<u64>, next: &str| {
        json_answer(page(ids)).insert_header("link", format!("<{next}>; rel=\"next\"").as_str())
    };
    on(&server, "/things", linked(vec![], "/2")).await;
    on(&server, "/2", linked(vec![], "/3")).await;
    on(&server, "/3", linked(vec![7], "/4")).await;
    on(&server, "/4", json_answer(page([]))).await;
    assert_eq!(read(&mut list(PLAIN, &server).await).await.0, [7]);
    assert_eq!(seen(&server).await.len(), 4);
}

#[tokio::test]
async fn a_cursor_is_sent_back_until_there_is_none() {
    let server = MockServer::start().await;
    let body = |ids: [u64; 2], next: Value| {
        json_answer(json!({ "data": { "items": page(ids) }, "meta": { "next": next } }))
    };
    for (after, answer) in [("a b&c", body([3, 4], json!(17))), ("17", body([5, 6], json!("")))] {
        Mock::given(matchers::query_param("after", after))
            .respond_with(answer)
            .with_priority(1)
            .mount(&server)
            .await;
    }
    on(&server, "/things", body([1, 2], json!("a b&c"))).await;
    let (all, error) = read(&mut list(BY_CURSOR, &server).await).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    let requests = server.received_requests().await.unwrap();
    let queries: Vec<_> = requests.iter().map(|request| request.url.query().unwrap()).collect();
    assert_eq!(queries, ["size=2", "size=2&after=a%20b%26c", "size=2&after=17"]);
    assert!(requests.iter().all(|request| request.headers["authorization"] == format!("Bearer {TOKEN}")));
}

#[tokio::test]
async fn a_list_that_comes_round_ends_with_its_position() {
    let server = MockServer::start().await;
    let body = json!({ "data": { "items": page([1]) }, "meta": { "next": "again" } });
    on(&server, "/things", json_answer(body)).await;
    let (all, error) = read(&mut list(BY_CURSOR, &server).await).await;
    let error = error.unwrap();
    assert_eq!((error.code(), error.details().position), (Code::PagingStuck, Some("again")));
    // The page that told the cursor a second time is not given out: it may well be the one before.
    assert_eq!((all, seen(&server).await.len()), (vec![1], 2));

    let server = MockServer::start().await;
    let next =
        |next: &str| json_answer(page([1])).insert_header("link", format!("<{next}>; rel=next").as_str());
    on(&server, "/things", next("/2")).await;
    on(&server, "/2", next("/3")).await;
    on(&server, "/3", next("/2")).await;
    let error = read(&mut list(PLAIN, &server).await).await.1.unwrap();
    let position = format!("{}/2", server.uri());
    assert_eq!((error.code(), error.details().position), (Code::PagingStuck, Some(position.as_str())));
    assert_eq!(seen(&server).await.len(), 3);
}

#[tokio::test]
async fn a_list_that_goes_on_elsewhere_ends_with_its_position() {
    let other = MockServer::start().await;
    for elsewhere in
        [format!("{}/things", other.uri()), "https://tracker.example/x".into(), "//evil.example/x".into()]
    {
        let server = MockServer::start().await;
        let link = format!("<{elsewhere}>; rel=\"next\"");
        on(&server, "/things", json_answer(page([1])).insert_header("link", link.as_str())).await;
        let (all, error) = read(&mut list(PLAIN, &server).await).await;
        let error = error.unwrap();
        assert_eq!(
            (error.code(), error.details().position),
            (Code::PagingElsewhere, Some(elsewhere.as_str()))
        );
        assert_eq!(all, [1], "what came before is given out");
    }
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_has_so_many_pages_at_the_most() {
    let server = linked(2, 100).await;
    let (all, error) = read(&mut list(FEW_PAGES, &server).await).await;
    let error = error.unwrap();
    let position = format!("{}/things?page=3", server.uri());
    assert_eq!((error.code(), error.details().position), (Code::PagingLimit, Some(position.as_str())));
    assert!(error.message().contains("more than 3 pages, the limit of `http.limits.pages`"), "{error}");
    assert_eq!((all, seen(&server).await.len()), ((1..=6).collect(), 3));
    let server = linked(2, 6).await;
    assert!(read(&mut list(FEW_PAGES, &server).await).await.1.is_none(), "three pages are allowed");
}

/// A record that is counted while it lives.
struct Counted(u64);

static ALIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ "id": self.0 }).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Counted, D::Error> {
        let value = Value::deserialize(deserializer)?;
        MOST.fetch_max(ALIVE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok(Counted(value["id"].as_u64().unwrap_or_default()))
    }
}

impl FieldType for Counted {
    fn shape() -> Shape {
        Shape::Any
    }
}

#[action(read)]
async fn list_counted(cx: Context) -> Result<Records<Counted>> {
    let all: Records<Counted> = cx.get(path!("/things")).records();
    Ok(all.filter(|counted| counted.0 % 2 == 0).map(|counted| counted))
}

#[tokio::test]
async fn of_a_long_list_one_page_is_in_memory() {
    let server = linked(20, 4000).await;
    let connector = linchpin::Connector::builder(PLAIN).flow::<list_counted>().build().unwrap();
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    let ran = run(&connection, "list_counted").await.unwrap();
    let trace = ran.trace.clone();
    let mut stream = records(ran);
    let mut count = 0;
    while let Some(batch) = stream.next_batch(7).await.unwrap() {
        count += batch.count;
        assert!(ALIVE.load(Ordering::SeqCst) <= 10, "what has been given out is gone");
    }
    assert_eq!((count, trace.requests()), (2000, 200));
    assert_eq!((ALIVE.load(Ordering::SeqCst), MOST.load(Ordering::SeqCst)), (0, 20));
}

#[tokio::test]
async fn a_list_that_breaks_has_given_what_came_before() {
    let server = MockServer::start().await;
    let first = json_answer(page([1, 2])).insert_header("link", "</2>; rel=\"next\"");
    on(&server, "/things", first).await;
    on(&server, "/2", ResponseTemplate::new(503)).await;
    let mut stream = list(PLAIN, &server).await;
    let (all, error) = read(&mut stream).await;
    assert_eq!((all, error.unwrap().code()), (vec![1, 2], Code::ServiceFailed));
    assert_eq!(ids(&mut stream, 1).await.unwrap(), None, "a stream ends with its error");
    assert_eq!(seen(&server).await, ["GET /things", "GET /2", "GET /2", "GET /2", "GET /2"]);
}
