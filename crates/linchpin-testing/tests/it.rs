//! The harness, as an author of a connector uses it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::panic::AssertUnwindSafe;

use linchpin::{
    Connector,
    connector::SpecFile,
    prelude::*,
    serde_json::{Value, json},
};
use linchpin_runtime::Clock;
use linchpin_testing::{Harness, answer};

/// The spec of a tracker with one line of its own.
macro_rules! spec {
    ($line:literal) => {
        SpecFile {
            path: "specs/tracker.toml",
            text: concat!(
                "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n",
                "[http]\nbase_url = \"https://tracker.example/api\"\n",
                $line,
                "\n[auth.token]\nkind = \"bearer\"\nfields.token = { label = \"Token\", secret = true }\n",
                "[hook.project]\n",
                "signature = { scheme = \"hmac-sha256\", header = \"X-Signature\", encoding = \"hex\", key = \"registration\" }\n",
                "[hook.open]\nsignature = { scheme = \"code\" }\n",
                "[event.issue_opened]\nname = \"Issue Opened\"\nhook = \"project\"\n",
                "match = { header = { X-Event = \"issue\" } }\n",
                "[event.greeted]\nname = \"Greeted\"\nhook = \"open\"\n",
            ),
        }
    };
}

#[fields]
#[derive(Debug, PartialEq)]
struct Issue {
    title: String,
}

#[fields]
struct Project {
    project: String,
}

#[fields]
struct HookId {
    id: u64,
}

#[action(create, idempotency = "none")]
async fn create_issue(cx: Context, Input(new): Input<Issue>) -> Result<Issue> {
    cx.post(path!("/issues")).query("notify", true).query("a", "b&c").json(&new).send().await?.json()
}

#[action(read)]
async fn get_issue(cx: Context) -> Result<Issue> {
    cx.get(path!("/issues/1")).send().await?.json()
}

#[action(read)]
async fn list_issues(cx: Context) -> Result<Records<Issue>> {
    Ok(cx.get(path!("/issues")).records())
}

#[webhook(register, hook = "project")]
async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(key): SigningSecret,
    Options(of): Options<Project>,
) -> Result<HookId> {
    let hook = json!({ "url": *url, "secret": key.expose() });
    cx.post(path!("/projects/{of.project}/hooks")).json(&hook).send().await?.json()
}

#[webhook(deregister, hook = "project")]
async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
    cx.delete(path!("/hooks/{hook.id}")).send().await.map(drop)
}

#[webhook(event = "issue_opened")]
async fn issue_opened(_cx: Context, Payload(issue): Payload<Issue>) -> Result<Issue> {
    Ok(issue)
}

#[webhook(event = "greeted")]
async fn greeted(_cx: Context, Payload(issue): Payload<Issue>) -> Result<Issue> {
    Ok(issue)
}

async fn service(spec: SpecFile) -> Harness {
    let connector = Connector::builder(spec)
        .flow::<create_issue>()
        .flow::<get_issue>()
        .flow::<list_issues>()
        .flow::<register>()
        .flow::<deregister>()
        .flow::<issue_opened>()
        .flow::<greeted>()
        .build()
        .unwrap();
    Harness::new(connector).await.auth("token", [("token", "t0k3n")])
}

const LINKS: SpecFile = spec!("pagination = { style = \"link-header\" }");
const CURSORS: SpecFile = spec!(
    "pagination = { style = \"cursor\", items = \"/data/issues\", cursor = \"/meta/page/next\", query = \"after\" }"
);

fn titles(titles: &[&str]) -> Value {
    titles.iter().map(|title| json!({ "title": title })).collect()
}

#[tokio::test]
async fn pages_are_told_as_the_spec_says() {
    let links = service(LINKS).await;
    links.pages("/issues", [titles(&["a", "b"]), titles(&[]), titles(&["c"])]).await;
    assert_eq!(links.run_json("list_issues", json!({})).await.unwrap(), titles(&["a", "b", "c"]));
    links.assert_requests(&["GET /issues"; 3]).await;

    let cursors = service(CURSORS).await;
    let page = |issues: &[&str]| json!({ "data": { "issues": titles(issues) }, "meta": { "page": {} } });
    cursors.pages("/issues", [page(&["a"]), json!({ "data": { "issues": [] } }), page(&["b"])]).await;
    assert_eq!(cursors.run_json("list_issues", json!({})).await.unwrap(), titles(&["a", "b"]));
    cursors.assert_requests(&["GET /issues"; 3]).await;
    cursors.assert_query(&[("after", "page-2")]).await;
    // Each page may be asked once.
    assert_eq!(cursors.run_json("list_issues", json!({})).await.unwrap_err().code(), Code::NotFound);
}

const TOKENS: SpecFile =
    spec!("pagination = { style = \"cursor-header\", header = \"x-next\", query = \"after\" }");
const URLS: SpecFile =
    spec!("pagination = { style = \"next-url\", items = \"/issues\", next = \"/links/next\" }");
const NUMBERS: SpecFile = spec!("pagination = { style = \"page-number\", query = \"page\" }");
const COUNTED: SpecFile = spec!(
    "pagination = { style = \"page-number\", items = \"/issues\", query = \"page\", first = 0, total = \"/total\" }"
);
const OFFSETS: SpecFile = spec!("pagination = { style = \"offset\", query = \"skip\" }");
const MEASURED: SpecFile =
    spec!("pagination = { style = \"offset\", items = \"/issues\", query = \"skip\", total = \"/total\" }");

#[tokio::test]
async fn every_style_of_paging_gives_all_and_asks_no_more_than_it_must() {
    let bare = || [titles(&["a", "b"]), titles(&["c"])].to_vec();
    let to_the_end = || [bare(), vec![titles(&[])]].concat();
    let within = || {
        let page = |issues: &[&str]| json!({ "issues": titles(issues), "total": 3 });
        vec![page(&["a", "b"]), page(&["c"])]
    };
    for (spec, pages, query) in [
        (TOKENS, bare(), "after=page-1"),
        (URLS, within(), "linchpin_page=page-1"),
        (NUMBERS, to_the_end(), "page=3"),
        (COUNTED, within(), "page=1"),
        (OFFSETS, to_the_end(), "skip=3"),
        (MEASURED, within(), "skip=2"),
    ] {
        let service = service(spec).await;
        let count = pages.len();
        service.pages("/issues", pages).await;
        let got = service.run_json("list_issues", json!({})).await;
        assert_eq!(got.unwrap(), titles(&["a", "b", "c"]), "{}", spec.text);
        let requests = service.requests().await;
        assert_eq!(requests.len(), count, "{}", spec.text);
        assert_eq!(requests[count - 1].url.query(), Some(query), "{}", spec.text);
    }
}

#[tokio::test]
async fn a_service_that_gives_one_page_for_ever_is_noticed() {
    let service = service(NUMBERS).await;
    service.on("GET", "/issues", answer::json(200, titles(&["a"]))).await;
    let error = service.run_json("list_issues", json!({})).await.unwrap_err();
    assert_eq!((error.code(), error.details().position), (Code::PagingStuck, Some("2")));
    assert!(error.message().contains("does it know `page`?"), "{error}");
    service.assert_requests(&["GET /issues"; 2]).await;
}

#[tokio::test]
async fn answers_mean_what_services_mean_by_them() {
    for (answer, code) in [
        (answer::unauthorized(), Code::Unauthorized),
        (answer::forbidden(), Code::Forbidden),
        (answer::not_found(), Code::NotFound),
        (answer::rate_limited(7), Code::RateLimited),
        (answer::server_error(), Code::ServiceFailed),
        (answer::malformed_json(), Code::ResponseMalformed),
        (answer::no_content(), Code::ResponseMalformed),
    ] {
        let service = service(LINKS).await;
        service.on("GET", "/issues/1", answer).await;
        assert_eq!(service.run::<get_issue>(()).await.unwrap_err().code(), code);
    }
    let service = service(LINKS).await;
    service.closes("GET", "/issues/1").await;
    assert_eq!(service.run::<get_issue>(()).await.unwrap_err().code(), Code::Unreachable);
}

#[tokio::test]
async fn answers_in_turn_end_with_the_last() {
    let service = service(LINKS).await;
    let answers = [answer::not_found(), answer::json(200, json!({ "title": "x" }))];
    let mock = linchpin_testing::wiremock::Mock::given(linchpin_testing::wiremock::matchers::any());
    mock.respond_with(answer::in_turn(answers)).mount(service.server()).await;
    assert_eq!(service.run::<get_issue>(()).await.unwrap_err().code(), Code::NotFound);
    for _ in 0..2 {
        assert_eq!(service.run::<get_issue>(()).await.unwrap(), Issue { title: "x".into() });
    }
}

#[tokio::test]
async fn nobody_waits_between_attempts_and_the_clock_says_how_long_it_would_be() {
    let service = service(LINKS).await;
    let answers = [answer::rate_limited(40), answer::json(200, json!({ "title": "x" }))];
    let mock = linchpin_testing::wiremock::Mock::given(linchpin_testing::wiremock::matchers::any());
    mock.respond_with(answer::in_turn(answers)).mount(service.server()).await;
    let before = service.clock().now();
    service.run::<get_issue>(()).await.unwrap();
    assert!((40_000..41_000).contains(&(service.clock().now().unix_millis() - before.unix_millis())));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_is_given_up() {
    let service = service(LINKS).await;
    service.never_answers("GET", "/issues/1").await;
    let error = service.run::<get_issue>(()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("`http.timeout`"), "{error}");
}

#[tokio::test]
async fn requests_are_asserted_by_query_and_body() {
    let service = service(LINKS).await;
    service.on("POST", "/issues", answer::json(201, json!({ "title": "x" }))).await;
    service.run_json("create_issue", json!({ "title": "x" })).await.unwrap();
    service.assert_query(&[("notify", "true"), ("a", "b&c")]).await;
    service.assert_json(json!({ "title": "x" })).await;
    // And they fail where they should.
    assert!(panics(service.assert_query(&[("notify", "true")])).await);
    assert!(panics(service.assert_query(&[("notify", "false"), ("a", "b&c")])).await);
    assert!(panics(service.assert_json(json!({ "title": "y" }))).await);
    assert!(panics(service.assert_requests(&[])).await);
    assert!(panics(service.assert_header("authorization", "Bearer another")).await);
}

async fn panics(assertion: impl Future<Output = ()>) -> bool {
    let mut assertion = std::pin::pin!(assertion);
    let caught = std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| assertion.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    });
    caught.await.is_err()
}

#[tokio::test]
async fn a_dry_run_gives_the_write_that_would_be_sent() {
    let service = service(LINKS).await;
    let planned = service.dry_run("create_issue", json!({ "title": "x" })).await.unwrap();
    assert_eq!((planned.method.as_str(), planned.body.as_deref()), ("POST", Some("{\"title\":\"x\"}")));
    assert_eq!(planned.url, format!("{}/issues?notify=true&a=b%26c", service.uri()));
    service.assert_requests(&[]).await;
    assert_eq!(service.dry_run("create_issue", json!({})).await.unwrap_err().code(), Code::InputInvalid);
    service.on("GET", "/issues/1", answer::json(200, json!({ "title": "x" }))).await;
    let error = service.dry_run("get_issue", json!({})).await.unwrap_err();
    assert!(error.message().starts_with("`get_issue` ended without a write"), "{error}");
}

#[tokio::test]
async fn a_hook_is_registered_delivers_and_is_deregistered() {
    let service = service(LINKS).await;
    service.on("POST", "/projects/web/hooks", answer::json(201, json!({ "id": 7 }))).await;
    service.on("DELETE", "/hooks/7", answer::no_content()).await;
    let hook = service.register("register", json!({ "project": "web" })).await.unwrap();
    assert_eq!(hook.registered, json!({ "id": 7 }));
    let body = json!({ "url": "https://hooks.example/in/1", "secret": hook.key.expose() });
    service.assert_json(body).await;

    let issue = json!({ "title": "It is broken" });
    let sent = |key: &Secret, event| service.delivery("project", key, &[("X-Event", event)], &issue).unwrap();
    let event = service.deliver("issue_opened", &hook.key, sent(&hook.key, "issue")).await.unwrap();
    assert_eq!(event, issue);
    let code =
        async |delivery| service.deliver("issue_opened", &hook.key, delivery).await.unwrap_err().code();
    assert_eq!(code(sent(&Secret::new("another"), "issue")).await, Code::SignatureInvalid);
    assert_eq!(code(sent(&hook.key, "comment")).await, Code::EventMismatch);
    let mut changed = sent(&hook.key, "issue");
    changed.body = "{\"title\": \"It is fine\"}".into();
    assert_eq!(code(changed).await, Code::SignatureInvalid);

    service.deregister("deregister", &hook).await.unwrap();
    service.assert_requests(&["POST /projects/web/hooks", "DELETE /hooks/7"]).await;
}

#[tokio::test]
async fn of_a_hook_that_only_code_trusts_nothing_is_signed_or_believed() {
    let service = service(LINKS).await;
    let (key, body) = (Secret::new("none"), json!({ "title": "hello" }));
    let error = service.delivery("open", &key, &[], &body).unwrap_err();
    assert_eq!(error.code(), Code::NotCarriedOut);
    let sent = Delivery { body: body.to_string().into(), ..Delivery::default() };
    let error = service.deliver("greeted", &key, sent).await.unwrap_err();
    assert_eq!(error.code(), Code::SignatureInvalid);
    let error = service.delivery("opn", &key, &[], &body).unwrap_err();
    assert_eq!(error.message(), "the spec has no hook `opn`");
    let error = service.deliver("get_issue", &key, Delivery::default()).await.unwrap_err();
    assert_eq!(error.message(), "`get_issue` is no flow that serves an event of a hook");
}
