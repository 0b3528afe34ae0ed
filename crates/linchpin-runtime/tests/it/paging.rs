//! Every style of paging against a model of a service: nothing lost, nothing twice, and no list for ever.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex},
};

use linchpin::{
    Code, Connector, Context, Error, FileRef, Response,
    connector::SpecFile,
    context::Driver,
    extract::ConnectionValues,
    flow::BoxFuture,
    http::{HeaderMap, StatusCode},
    manifest::spec::{PagePlace, PageStyle, PageTotal, Spec},
    prelude::*,
    request::{Body, Request, Target},
    serde_json::{self, Value, json},
};
use proptest::{collection::vec, prelude::*, sample::select};

const URL: &str = "https://tracker.example/api/things";

/// Every style, each with what it may say beside.
const STYLES: [&str; 19] = [
    "style = \"link-header\"",
    "style = \"next-url\", next = \"/url\"",
    "style = \"cursor\", cursor = \"/next\", query = \"at\"",
    "style = \"cursor\", cursor = \"/next\", query = \"at\", has_more = \"/more\"",
    "style = \"cursor\", cursor = \"/next\", body = \"/page/at\", has_more = \"/more\"",
    "style = \"cursor-header\", header = \"x-next\", query = \"at\"",
    "style = \"cursor-header\", header = \"x-next\", body = \"/at\", has_more = \"/more\"",
    "style = \"page-number\", query = \"at\"",
    "style = \"page-number\", query = \"at\", first = 0, total = \"/total\"",
    "style = \"page-number\", query = \"at\", total_pages = \"/pages\"",
    "style = \"page-number\", body = \"/at\", first = 0, total_pages = \"/pages\", has_more = \"/more\"",
    "style = \"offset\", query = \"at\"",
    "style = \"offset\", query = \"at\", total = \"/total\"",
    "style = \"offset\", body = \"/at\", has_more = \"/more\"",
    "style = \"keyset\", id = \"/id\", query = \"at\"",
    "style = \"keyset\", id = \"/id\", query = \"at\", has_more = \"/more\"",
    "style = \"keyset\", id = \"/id\", body = \"/at\"",
    "style = \"graphql\", page_info = \"/data/pageInfo\"",
    "style = \"graphql\", variable = \"cursor\"",
];

/// The styles that name a place between two items, and not a number of items.
const BY_ITEM: [&str; 10] = [
    STYLES[0], STYLES[1], STYLES[2], STYLES[3], STYLES[4], STYLES[5], STYLES[14], STYLES[15], STYLES[16],
    STYLES[18],
];

/// What happens at the service before a request.
#[derive(Debug, Clone)]
enum Happening {
    /// It does not answer.
    Fails,
    Inserted(u64),
    Deleted(u64),
    Nothing,
}

/// A service with items in the order of their ids.
struct Service {
    spec: Arc<Spec>,
    size: usize,
    state: Mutex<State>,
}

struct State {
    items: BTreeSet<u64>,
    happenings: std::vec::IntoIter<Happening>,
    requests: usize,
}

impl Service {
    fn new(style: &str, size: usize, items: BTreeSet<u64>, happenings: Vec<Happening>) -> Arc<Service> {
        let text = format!(
            "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n[http]\nbase_url = \"https://tracker.example/api\"\n\
             pagination = {{ items = \"/data/nodes\", {style} }}\nlimits = {{ pages = 500 }}\n"
        );
        let spec = SpecFile { path: "specs/tracker.toml", text: text.leak() };
        let spec = Connector::builder(spec).build().unwrap().shared_spec().unwrap();
        let state = State { items, happenings: happenings.into_iter(), requests: 0 };
        Arc::new(Service { spec, size, state: Mutex::new(state) })
    }

    fn style(&self) -> PageStyle {
        self.spec.http.pagination.as_ref().unwrap().at(None).style
    }

    /// What the request says of its page.
    fn told(&self, request: &Request) -> Option<String> {
        let at = |query: &str| query.split_once("at=").map(|(_, at)| at.to_owned());
        match (&request.target, self.style().place()) {
            (Target::Next { link: url, .. } | Target::Url(url), _) => at(url),
            (_, None) => None,
            (_, Some(PagePlace::Query(name))) => {
                let mut values = request.query.iter().filter(|(given, _)| given == name);
                let value = values.next().map(|(_, value)| value.clone());
                assert!(values.next().is_none(), "the page is asked for once");
                value
            }
            (_, Some(PagePlace::Body(pointer))) => {
                let Some(Body::Bytes(body)) = &request.body else { return None };
                let body: Value = serde_json::from_slice(body).unwrap();
                assert_eq!(body.get("kept").unwrap_or(&Value::Null), &json!("1.10"));
                let value = body.pointer(pointer).filter(|value| !value.is_null())?;
                Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            }
        }
    }

    fn answer(&self, request: &Request) -> Result<Response> {
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        match state.happenings.next() {
            Some(Happening::Fails) => return Err(Error::coded(Code::ServiceFailed, "down")),
            Some(Happening::Inserted(id)) => drop(state.items.insert(id)),
            Some(Happening::Deleted(id)) => drop(state.items.remove(&id)),
            Some(Happening::Nothing) | None => {}
        }
        let told = self.told(request);
        let number = told.as_ref().map(|told| told.trim_start_matches('c').parse::<u64>().unwrap());
        let before = |id: u64| state.items.iter().filter(|item| **item <= id).count();
        let style = self.style();
        let skipped = match (&style, number) {
            (PageStyle::PageNumber { first, .. }, number) => {
                usize::try_from(number.unwrap_or(*first) - first).unwrap() * self.size
            }
            (_, None) => 0,
            (PageStyle::Offset { .. }, Some(number)) => usize::try_from(number).unwrap(),
            (_, Some(id)) => before(id),
        };
        let all = state.items.len();
        let page: Vec<u64> = state.items.iter().skip(skipped).take(self.size).copied().collect();
        let more = skipped + page.len() < all;
        // Texts and numbers, so that both come back as they went.
        let cursor = page.last().filter(|_| more).map(|last| match last % 2 {
            0 => json!(last),
            _ => json!(format!("c{last}")),
        });
        let url = cursor.as_ref().and_then(|_| page.last()).map(|last| format!("{URL}?at={last}"));
        let nodes: Vec<Value> = page.iter().map(|id| json!({ "id": id })).collect();
        let mut body = json!({
            "data": { "nodes": nodes, "pageInfo": { "endCursor": cursor, "hasNextPage": more } },
            "next": cursor, "url": url, "more": more, "total": all, "pages": all.div_ceil(self.size),
        });
        let mut headers = HeaderMap::new();
        if let Some(url) = &url {
            headers.insert("link", format!("<{url}>; rel=next").parse().unwrap());
        }
        if let Some(last) = page.last().filter(|_| more) {
            headers.insert("x-next", last.to_string().parse().unwrap());
        }
        if let PageStyle::PageNumber { total: Some(PageTotal::Items(_)), .. } = style {
            body["pages"] = Value::Null;
        }
        let body = serde_json::to_vec(&body).unwrap().into();
        Ok(Response::new(StatusCode::OK, headers, body, URL.into()))
    }
}

impl Driver for Service {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response>> {
        Box::pin(std::future::ready(self.answer(&request)))
    }

    fn follow(&self, link: &str, _from: &str) -> Result<String> {
        Ok(link.to_owned())
    }

    fn download(self: Arc<Self>, _request: Request) -> BoxFuture<'static, Result<FileRef>> {
        unreachable!("no list is a file")
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn connection(&self) -> &ConnectionValues {
        unreachable!("no list looks at the connection")
    }

    fn config(&self, _key: &str) -> Result<Secret> {
        unreachable!("no list looks at the configuration")
    }
}

fn list(driver: Arc<dyn Driver>) -> Records<Value> {
    let cx = Context::new(driver);
    cx.post(path!("/things")).json(&json!({ "kept": "1.10" })).records()
}

/// Reads to the end; where the service fails, a new list goes on from the position of the old.
async fn read_on(driver: &Arc<Service>) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    let mut records = list(driver.clone());
    let mut from = None;
    loop {
        match records.next().await {
            Ok(Some(record)) => all.push(record["id"].as_u64().unwrap()),
            Ok(None) => return Ok(all),
            Err(error) if error.code() == Code::ServiceFailed => {
                from = error.details().position.map(str::to_owned).or(from.filter(|_| all.is_empty()));
                records = list(driver.clone());
                if let Some(position) = &from {
                    records.resume_from(position)?;
                } else {
                    assert!(all.is_empty(), "only the first page has no position");
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn finished<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn ids(most: usize) -> impl Strategy<Value = BTreeSet<u64>> {
    proptest::collection::btree_set(1..500u64, 0..most)
}

proptest! {
    #[test]
    fn of_a_service_that_holds_still_every_item_comes_once(
        style in select(&STYLES[..]),
        size in 1..8usize,
        items in ids(40),
        failures in vec(select(vec![Happening::Fails, Happening::Nothing, Happening::Nothing]), 0..30),
    ) {
        let failed = failures.iter().filter(|happening| matches!(happening, Happening::Fails)).count();
        let pages = items.len().div_ceil(size);
        let service = Service::new(style, size, items.clone(), failures);
        let all = finished(read_on(&service)).map_err(|error| TestCaseError::fail(format!("{error}")))?;
        prop_assert_eq!(all, Vec::from_iter(items));
        let requests = service.state.lock().unwrap().requests;
        prop_assert!(requests <= pages + 1 + failed, "{} requests for {} pages", requests, pages);
    }

    #[test]
    fn while_items_come_and_go_none_that_stays_is_lost_and_none_comes_twice(
        style in select(&BY_ITEM[..]),
        size in 1..6usize,
        items in ids(40),
        happenings in vec(
            prop_oneof![
                (1..500u64).prop_map(Happening::Inserted),
                (1..500u64).prop_map(Happening::Deleted),
                Just(Happening::Fails),
            ],
            0..30,
        ),
    ) {
        let mut stays = items.clone();
        for happening in &happenings {
            if let Happening::Deleted(id) = happening {
                stays.remove(id);
            }
        }
        let service = Service::new(style, size, items, happenings);
        let all = finished(read_on(&service)).map_err(|error| TestCaseError::fail(format!("{error}")))?;
        let once: HashSet<u64> = all.iter().copied().collect();
        prop_assert_eq!(once.len(), all.len());
        prop_assert!(stays.iter().all(|id| once.contains(id)));
    }

    #[test]
    fn where_items_come_and_go_a_list_that_counts_still_ends(
        style in select(&STYLES[7..14]),
        size in 1..6usize,
        items in ids(40),
        happenings in vec(
            prop_oneof![(1..500u64).prop_map(Happening::Inserted), (1..500u64).prop_map(Happening::Deleted)],
            0..60,
        ),
    ) {
        let service = Service::new(style, size, items, happenings);
        match finished(read_on(&service)) {
            Ok(_) => {}
            Err(error) => prop_assert_eq!(error.code(), Code::PagingStuck),
        }
        prop_assert!(service.state.lock().unwrap().requests <= 110);
    }
}

/// How many items, which cursor, whether there is more, and how many there are.
type Said = (usize, u8, Option<bool>, u8);

/// A service that says anything.
struct Liar {
    honest: Arc<Service>,
    answers: Mutex<std::vec::IntoIter<Said>>,
}

impl Driver for Liar {
    fn send(&self, _request: Request) -> BoxFuture<'_, Result<Response>> {
        self.honest.state.lock().unwrap().requests += 1;
        // At its end it says the last thing for ever.
        let (count, cursor, more, total) =
            self.answers.lock().unwrap().next().unwrap_or((1, 1, Some(true), 200));
        let nodes: Vec<Value> = (0..count).map(|id| json!({ "id": id })).collect();
        let cursor = match cursor {
            0 => Value::Null,
            cursor => json!(cursor.to_string()),
        };
        let body = json!({
            "data": { "nodes": nodes, "pageInfo": { "endCursor": cursor, "hasNextPage": more } },
            "next": cursor, "url": cursor, "more": more, "total": total, "pages": total,
        });
        let mut headers = HeaderMap::new();
        if let Some(cursor) = cursor.as_str() {
            headers.insert("link", format!("<{cursor}>; rel=next").parse().unwrap());
            headers.insert("x-next", cursor.parse().unwrap());
        }
        let body = serde_json::to_vec(&body).unwrap().into();
        Box::pin(std::future::ready(Ok(Response::new(StatusCode::OK, headers, body, URL.into()))))
    }

    fn follow(&self, link: &str, from: &str) -> Result<String> {
        self.honest.follow(link, from)
    }

    fn download(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<FileRef>> {
        self.honest.clone().download(request)
    }

    fn spec(&self) -> &Spec {
        &self.honest.spec
    }

    fn connection(&self) -> &ConnectionValues {
        self.honest.connection()
    }

    fn config(&self, key: &str) -> Result<Secret> {
        self.honest.config(key)
    }
}

proptest! {
    #[test]
    fn whatever_a_service_says_the_list_ends(
        style in select(&STYLES[..]),
        answers in vec((0..4usize, 0..20u8, any::<Option<bool>>(), any::<u8>()), 0..60),
    ) {
        let honest = Service::new(style, 1, BTreeSet::new(), Vec::new());
        let liar = Arc::new(Liar { honest: honest.clone(), answers: Mutex::new(answers.into_iter()) });
        let mut records = list(liar);
        let ended = finished(async {
            loop {
                match records.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(error.code()),
                }
            }
        });
        prop_assert!(matches!(ended, None | Some(Code::PagingStuck | Code::ResponseMalformed)), "{:?}", ended);
        prop_assert!(honest.state.lock().unwrap().requests <= 300);
    }
}

#[test]
fn a_list_is_read_on_from_where_its_stream_says_it_is() {
    for style in STYLES {
        let items: BTreeSet<u64> = (1..=10).collect();
        let service = Service::new(style, 4, items, Vec::new());
        let mut records = list(service.clone());
        assert_eq!(records.position(), None);
        finished(async {
            for _ in 0..4 {
                records.next().await.unwrap();
            }
        });
        let position = records.position().unwrap();
        let mut rest = list(service.clone()).filter(|record| record["id"] != 9);
        rest.resume_from(&position).unwrap();
        let rest = finished(rest.take(100)).unwrap();
        let rest: Vec<u64> = rest.iter().map(|record| record["id"].as_u64().unwrap()).collect();
        assert_eq!(rest, [5, 6, 7, 8, 10], "{style} from {position}");
        // A page that has been read in part comes again.
        finished(records.next()).unwrap();
        assert_eq!(records.position().as_ref(), Some(&position), "{style}");
        assert_eq!(records.resume_from(&position).unwrap_err().code(), Code::PositionInvalid);
        assert_eq!(list(service).resume_from("").unwrap_err().code(), Code::PositionInvalid);
    }
    let mut own = Records::from_list(vec![1, 2]);
    assert_eq!(own.resume_from("1").unwrap_err().code(), Code::PositionInvalid);
}
