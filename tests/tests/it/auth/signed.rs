//! Signatures over requests as they are sent.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use linchpin::{Code, Result, connector::SpecFile, serde_json::json};
use linchpin_runtime::{Connection, Outgoing, Runtime, Signer};
use linchpin_testing::{
    answer,
    wiremock::{Mock, Request, ResponseTemplate, matchers},
};
use ring::{digest, hmac};

use super::{World, header};

const SPEC: SpecFile = spec!(
    r#"
        [auth.aws]
        kind = "signed"
        scheme = "aws-sigv4"
        region = "{region}"
        service = "execute-api"
        session_token = "{session_token}"
        fields.region = { default = "eu-west-1" }
        fields.access_key = { secret = false }
        fields.secret_key = { secret = true }
        fields.session_token = { secret = true, optional = true }

        [auth.hmac]
        kind = "signed"
        scheme = "hmac-header"
        header = "X-Signature"
        prefix = "v1 {key_id}:"
        string = "{timestamp}.{method} {path}?{query}\n{body}"
        timestamp_header = "X-Time"
        headers = { X-Key-Id = "{key_id}" }
        query = { tenant = "{key_id}" }
        fields.key_id = { secret = false }
        fields.signing_key = { secret = true }

        [auth.digest]
        kind = "signed"
        scheme = "hmac-header"
        key = "{secret}"
        algorithm = "sha512"
        encoding = "base64"
        header = "X-Signature"
        string = "{body_sha256}{timestamp}"
        timestamp_header = "X-Time"
        timestamp_unit = "ms"
        fields.secret = { secret = true }

        [auth.own]
        kind = "signed"
        scheme = "custom:acme"
        fields.secret = { secret = true }
    "#
);

const HMAC: &[(&str, &str)] = &[("key_id", "k1"), ("signing_key", "s1gn")];
const AWS: &[(&str, &str)] = &[("access_key", "AKID"), ("secret_key", "aws s3cret")];

async fn world() -> World {
    let world = World::start(SPEC).await;
    let moved = Mock::given(matchers::path("/me"));
    let to = ResponseTemplate::new(307).insert_header("location", "/moved?to=here");
    moved.respond_with(to).mount(&world.server).await;
    Mock::given(matchers::any()).respond_with(answer::json(200, json!({}))).mount(&world.server).await;
    world
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(algorithm: hmac::Algorithm, key: &str, text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), text.as_bytes()).as_ref().to_vec()
}

/// What `auth.hmac` signs of a request as the service got it.
fn wanted(request: &Request, time: &str) -> String {
    let (path, query) = (request.url.path(), request.url.query().unwrap_or_default());
    let body = String::from_utf8_lossy(&request.body);
    let text = format!("{time}.{} {path}?{query}\n{body}", request.method);
    format!("v1 k1:{}", hex(&mac(hmac::HMAC_SHA256, "s1gn", &text)))
}

#[tokio::test]
async fn what_is_really_sent_is_signed() {
    for flow in ["send_json", "send_form", "send_bytes"] {
        let world = world().await;
        world.clock.advance(Duration::from_millis(1_999));
        world.run(&world.connection("hmac", HMAC), flow).await.unwrap();
        let request = world.request().await;
        assert_eq!(request.url.query(), Some("tenant=k1"));
        assert_eq!(header(&request, "x-key-id"), Some("k1"));
        assert_eq!(header(&request, "x-time"), Some("1767225601"));
        assert_eq!(header(&request, "x-signature"), Some(wanted(&request, "1767225601").as_str()));
    }
}

#[tokio::test]
async fn a_redirected_request_is_signed_again() {
    let world = world().await;
    world.run(&world.connection("hmac", HMAC), "get_me").await.unwrap();
    let requests = world.requests().await;
    let urls: Vec<_> = requests.iter().map(|request| (request.url.path(), request.url.query())).collect();
    assert_eq!(urls, [("/me", Some("page=2&tenant=k1")), ("/moved", Some("to=here&tenant=k1"))]);
    for request in &requests {
        assert_eq!(header(request, "x-signature"), Some(wanted(request, "1767225600").as_str()));
    }
}

#[tokio::test]
async fn a_signature_is_written_as_the_spec_says() {
    let world = world().await;
    world.run(&world.connection("digest", &[("secret", "s")]), "send_json").await.unwrap();
    let request = world.request().await;
    let body = hex(digest::digest(&digest::SHA256, &request.body).as_ref());
    let signature = STANDARD.encode(mac(hmac::HMAC_SHA512, "s", &format!("{body}1767225600000")));
    assert_eq!(header(&request, "x-signature"), Some(signature.as_str()));
    assert_eq!(header(&request, "x-time"), Some("1767225600000"));
}

#[tokio::test]
async fn aws_requests_are_signed_with_what_the_connection_has() {
    for (token, names) in [
        (None, "content-type;host;x-amz-date"),
        (Some("t0ken"), "content-type;host;x-amz-date;x-amz-security-token"),
    ] {
        let world = world().await;
        let mut fields = AWS.to_vec();
        fields.extend(token.map(|token| ("session_token", token)));
        world.run(&world.connection("aws", &fields), "send_json").await.unwrap();
        let request = world.request().await;
        assert_eq!(header(&request, "x-amz-date"), Some("20260101T000000Z"));
        assert_eq!(header(&request, "x-amz-security-token"), token);

        // Once more, by hand and by another library, from what the service got.
        let body = hex(digest::digest(&digest::SHA256, &request.body).as_ref());
        let host = header(&request, "host").unwrap();
        let token_line = token.map(|token| format!("x-amz-security-token:{token}\n")).unwrap_or_default();
        let canonical = format!(
            "POST\n/things\n\ncontent-type:application/json\nhost:{host}\nx-amz-date:20260101T000000Z\n{token_line}\n{names}\n{body}"
        );
        let scope = "20260101/eu-west-1/execute-api/aws4_request";
        let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n20260101T000000Z\n{scope}\n{canonical}");
        let mut key = b"AWS4aws s3cret".to_vec();
        for part in ["20260101", "eu-west-1", "execute-api", "aws4_request", &text] {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        }
        let wanted = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/{scope}, SignedHeaders={names}, Signature={}",
            hex(&key)
        );
        assert_eq!(header(&request, "authorization"), Some(wanted.as_str()));
    }
}

/// Signs as no spec could say.
#[derive(Debug)]
struct Acme;

impl Signer for Acme {
    fn sign(&self, request: &mut Outgoing<'_>) -> Result<()> {
        let secret = request.values().need("secret")?.expose().to_owned();
        let kind = request.headers()["content-type"].to_str().unwrap().to_owned();
        let text = format!("{} {kind} {} {}", request.method(), request.body().len(), request.now());
        request.add_query("sig", &format!("{secret} & {text}"));
        request.header("X-Acme", &request.host())
    }
}

#[tokio::test]
async fn a_signer_of_ones_own_adds_headers_and_query() {
    let mut world = world().await;
    world.runtime = Runtime::builder().signer("acme", Acme).build();
    let connection = world.connection("own", &[("secret", "s3cret")]);
    world.run(&connection, "send_json").await.unwrap();
    let request = world.request().await;
    let query: Vec<_> = request.url.query_pairs().into_owned().collect();
    let signature = "s3cret & POST application/json 18 2026-01-01T00:00:00Z".to_owned();
    assert_eq!(query, [("sig".to_owned(), signature)]);
    assert_eq!(header(&request, "x-acme"), header(&request, "host"));
}

#[tokio::test]
async fn a_signer_that_nobody_registered_is_told() {
    let world = world().await;
    let error =
        world.run(&world.connection("own", &[("secret", "s3cret")]), "get_me").await.unwrap_err().error;
    assert_eq!(error.code(), Code::NotCarriedOut);
    assert!(error.message().contains("no signer `acme` is registered"), "{error}");
    assert_eq!(world.requests().await.len(), 0);
}

#[tokio::test]
async fn requests_without_credentials_are_not_signed() {
    let world = world().await;
    let connection: Connection = world.connection("hmac", HMAC);
    let cx = world.runtime.context(&connection);
    cx.get(linchpin::path!("/open")).unauthenticated().send().await.unwrap();
    let request = world.request().await;
    for name in ["x-signature", "x-time", "x-key-id"] {
        assert_eq!(header(&request, name), None);
    }
}
