//! The ways to authenticate, as the service sees them, and secrets, as nobody sees them.

use linchpin::{Code, Error, connector::SpecFile, prelude::*, serde_json::json};
use linchpin_runtime::{Connection, Failed, Runtime};
use wiremock::{MockServer, Request, ResponseTemplate};

use super::tracker::{PLAIN, connect, fails, invocation, json_answer, on, run, spec, tracker};

/// The request that a connection makes. What makes it secret is neither in its trace nor in what the service says back.
async fn request(spec: SpecFile, fields: &[(&str, &str)]) -> Request {
    let server = MockServer::start().await;
    let connection = connect(&tracker(spec), &server.uri(), fields);
    on(&server, "/thing", json_answer(json!({}))).await;
    let ran = run(&connection, "get_thing").await.unwrap();
    let request = server.received_requests().await.unwrap().remove(0);

    server.reset().await;
    let echo = format!("{} {:?}", request.url, request.headers);
    on(&server, "/thing", ResponseTemplate::new(400).set_body_json(json!({ "message": echo }))).await;
    let shown = format!("{:?} {}", ran.trace, fails(&connection, "get_thing").await);
    let credentials = ["authorization", "x-key", "x-secret"].map(|name| request.headers.get(name));
    let credentials = credentials.iter().flatten().map(|value| value.to_str().unwrap());
    for secret in credentials.chain(["p:ss", "p%3Ass"]) {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    request
}

#[tokio::test]
async fn without_authentication_requests_go_out_as_they_are() {
    let none = request(spec!("[auth.open]" "kind = \"none\""), &[]).await;
    let mut names: Vec<_> = none.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
    assert!(none.headers["user-agent"].to_str().unwrap().ends_with(" tracker/0.1.0"));
    assert_eq!(none.headers["accept"], "application/json");
}

#[tokio::test]
async fn basic_is_user_and_password() {
    const BASIC: SpecFile = spec!(
        "[auth.basic]"
        "kind = \"basic\""
        "username = \"{mail}/token\""
        "fields.mail = { label = \"Mail\" }"
        "fields.password = { label = \"Password\", secret = true }"
    );
    let basic = request(BASIC, &[("mail", "a@b"), ("password", "p:ss")]).await;
    assert_eq!(basic.headers["authorization"], "Basic YUBiL3Rva2VuOnA6c3M=");
}

#[tokio::test]
async fn bearer_is_a_token() {
    let bearer = request(PLAIN, &[("token", "p:ss")]).await;
    assert_eq!(bearer.headers["authorization"], "Bearer p:ss");
}

#[tokio::test]
async fn a_key_is_a_header_or_a_query_parameter() {
    const IN_HEADER: SpecFile = spec!(
        "[auth.key]"
        "kind = \"api_key\""
        "header = \"X-Key\""
        "value = \"key={api_key}\""
        "fields.api_key = { label = \"Key\", secret = true }"
    );
    const IN_QUERY: SpecFile = spec!(
        "[auth.key]"
        "kind = \"api_key\""
        "query = \"api key\""
        "fields.api_key = { label = \"Key\", secret = true }"
    );
    let header = request(IN_HEADER, &[("api_key", "p:ss")]).await;
    assert_eq!((header.headers["x-key"].to_str().unwrap(), header.url.query()), ("key=p:ss", None));
    let query = request(IN_QUERY, &[("api_key", "p:ss&x=1")]).await;
    assert_eq!(query.url.query(), Some("api+key=p%3Ass%26x%3D1"));
}

#[tokio::test]
async fn custom_is_any_headers_and_query_parameters() {
    const CUSTOM: SpecFile = spec!(
        "[auth.pair]"
        "kind = \"custom\""
        "headers = { X-Account = \"{account}\", X-Secret = \"{secret}\" }"
        "query = { account = \"{account}\" }"
        "fields.account = { label = \"Account\" }"
        "fields.secret = { label = \"Secret\", secret = true }"
    );
    let custom = request(CUSTOM, &[("account", "acme"), ("secret", "p:ss")]).await;
    assert_eq!(
        (&custom.headers["x-account"], &custom.headers["x-secret"]),
        (&"acme".parse().unwrap(), &"p:ss".parse().unwrap())
    );
    assert_eq!(custom.url.query(), Some("account=acme"));
}

/// Everything that a service could put a secret into, and what an author could.
#[action(read)]
async fn leak(cx: Context, Input(how): Input<Leak>) -> Result<()> {
    match how.how.as_str() {
        "panic" => panic!("the flow dies over {}", how.password),
        "error" => Err(Error::new(format!("I know {}", how.password))
            .hint(how.password.clone())
            .caused_by(std::io::Error::other(how.password.clone()))),
        "url" => cx.get(path!("/thing/{how.password}")).query("again", &how.password).send().await.map(drop),
        _ => cx.get(path!("/thing")).send().await.map(drop),
    }
}

#[fields]
struct Leak {
    how: String,
    #[field(secret)]
    password: String,
}

/// Nothing given, and nothing of a connection.
#[action(read)]
async fn open(cx: Context) -> Result<()> {
    cx.get(path!("/open")).unauthenticated().send().await.map(drop)
}

const TOKEN: &str = "conn3ction/s3cret+";
const PASSWORD: &str = "1nput \"s3cret\"";

async fn leaking(server: &MockServer, how: &str) -> Failed {
    let connector = linchpin::Connector::builder(PLAIN).flow::<leak>().build().unwrap();
    let connection = connect(&connector, &server.uri(), &[("token", TOKEN)]);
    let input = json!({ "how": how, "password": PASSWORD }).to_string();
    Runtime::new().run(invocation(&connection, "leak").input(input)).await.unwrap_err()
}

#[tokio::test]
async fn no_secret_leaves_in_an_error_or_a_trace() {
    let server = MockServer::start().await;
    let echo = format!("{TOKEN} and {PASSWORD}");
    let answer = ResponseTemplate::new(400)
        .insert_header("x-request-id", TOKEN)
        .set_body_json(json!({ "message": echo, "code": TOKEN }));
    on(&server, "/thing", answer).await;
    for (how, code) in [
        ("panic", Code::Panicked),
        ("error", Code::Failed),
        ("url", Code::NotFound),
        ("echo", Code::Rejected),
    ] {
        let failed = leaking(&server, how).await;
        assert_eq!(failed.error.code(), code, "{failed}");
        let shown = format!("{failed} {failed:?}");
        assert!(shown.contains("***") || how == "url", "{shown}");
        for secret in [TOKEN, PASSWORD, "1nput%20", "s3cret"] {
            assert!(!shown.contains(secret), "{how}: {shown}");
        }
    }
    let trace = leaking(&server, "url").await.trace;
    assert!(trace.entries()[0].url.ends_with("/thing/***?again=***"), "{trace:?}");
}

#[tokio::test]
async fn a_request_can_go_without_credentials() {
    let server = MockServer::start().await;
    on(&server, "/open", ResponseTemplate::new(200)).await;
    let connector = linchpin::Connector::builder(PLAIN).flow::<open>().build().unwrap();
    run(&connect(&connector, &server.uri(), &[("token", TOKEN)]), "open").await.unwrap();
    assert!(server.received_requests().await.unwrap()[0].headers.get("authorization").is_none());
}

#[test]
fn a_connection_that_does_not_fit_lists_everything_and_shows_no_value() {
    const FORM: SpecFile = spec!(
        "[auth.token]"
        "kind = \"bearer\""
        "fields.token = { label = \"Token\", secret = true, pattern = \"[a-z]+\" }"
        "fields.region = { label = \"Region\", choices = [\"eu\", \"us\"] }"
        "fields.site = { label = \"Site\" }"
        "fields.level = { label = \"Level\", default = \"3\" }"
    );
    let fields = [("token", "S3CRET"), ("region", "moon"), ("sites", "x")];
    let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), Secret::new(value))).collect();
    let values = linchpin::extract::ConnectionValues { method: String::new(), fields };
    let error = Connection::new(&tracker(FORM), values).unwrap_err();
    assert_eq!(error.code(), Code::ConnectionInvalid);
    let violations: Vec<String> = error.details().violations.iter().map(ToString::to_string).collect();
    assert_eq!(
        violations,
        [
            "Token (/fields/token) must match the pattern `[a-z]+` as a whole",
            "Region (/fields/region) must be one of `eu`, `us`",
            "Site (/fields/site) is missing",
            "sites (/fields/sites) is not a field of the connection; did you mean `site`?",
        ]
    );
    assert!(!format!("{error:?}").contains("S3CRET"));
}

#[tokio::test]
async fn a_token_with_a_line_break_is_refused_before_anything_is_sent() {
    let values = linchpin::extract::ConnectionValues {
        method: "token".into(),
        fields: [("token".into(), Secret::new("a\r\nX-Admin: 1"))].into(),
    };
    let error = Connection::new(&tracker(PLAIN), values).unwrap_err();
    assert_eq!(error.code(), Code::ConnectionInvalid);
    assert!(!format!("{error:?}").contains("X-Admin"), "{error:?}");
}

#[tokio::test]
async fn credentials_stay_with_the_specs_hosts() {
    let server = MockServer::start().await;
    let other = MockServer::start().await;
    let connection = connect(&elsewhere_connector(), &server.uri(), &[("token", TOKEN)]);
    let input = json!({ "url": format!("{}/x", other.uri()) }).to_string();
    let failed = Runtime::new().run(invocation(&connection, "elsewhere").input(input)).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::HostRefused);
    assert!(other.received_requests().await.unwrap().is_empty());
    assert_eq!(fails(&connection, "away").await.code(), Code::PathInvalid);
}

#[fields]
struct Elsewhere {
    url: String,
}

#[action(read)]
async fn elsewhere(cx: Context, Input(at): Input<Elsewhere>) -> Result<()> {
    cx.get(path!("/")).url(at.url).send().await.map(drop)
}

/// A value that would lead out of its segment.
#[action(read)]
async fn away(cx: Context) -> Result<()> {
    let up = "..";
    cx.get(path!("/things/{up}/admin")).send().await.map(drop)
}

fn elsewhere_connector() -> linchpin::Connector {
    linchpin::Connector::builder(PLAIN).flow::<elsewhere>().flow::<away>().build().unwrap()
}
