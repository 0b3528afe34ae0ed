//! Service accounts and clients that prove themselves by signed assertions (RFC 7523).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use linchpin::{
    Code,
    connector::SpecFile,
    serde_json::{Value, json},
};
use linchpin_runtime::Way;
use linchpin_testing::{
    answer,
    wiremock::{Mock, Request, matchers},
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::{World, form, header};

const SPEC: SpecFile = spec!(
    r#"
        [auth.robot]
        kind = "jwt_bearer"
        algorithm = "RS256"
        token_url = "https://tracker.example/token"
        key_id = "{key_id}"
        claims = { iss = "{email}", sub = "ann", scope = "read write" }
        token_params = { audience = "things" }
        failures = [{ when = { body = { "/error" = "key_disabled" } }, then = "dead" }]
        fields.email = {}
        fields.key_id = { secret = false }
        fields.private_key = { secret = true }

        [auth.curve]
        kind = "jwt_bearer"
        algorithm = "ES256"
        token_url = "https://tracker.example/token"
        claims = { iss = "robot", aud = "https://tracker.example/" }
        jti = true
        lifetime = "1m"
        fields.private_key = { secret = true }

        [auth.shared]
        kind = "jwt_bearer"
        algorithm = "HS256"
        key = "{shared}"
        token_url = "https://tracker.example/token"
        claims = { iss = "robot" }
        fields.shared = { secret = true }

        [auth.itself]
        kind = "oauth2"
        grant = "client_credentials"
        client = "customer"
        client_authentication = "private_key_jwt"
        assertion = { algorithm = "RS256", key_id = "{key_id}", lifetime = "2m" }
        token_url = "https://tracker.example/token"
        revocation_url = "https://tracker.example/revoke"
        scopes = ["read"]
        fields.key_id = { secret = false }
        fields.private_key = { secret = true }

        [auth.strict]
        kind = "oauth2"
        grant = "client_credentials"
        client = "customer"
        client_authentication = "private_key_jwt"
        assertion = { algorithm = "RS256", audience = "endpoint" }
        token_url = "https://tracker.example/token"
        revocation_url = "https://tracker.example/revoke"
        fields.private_key = { secret = true }
    "#
);

const PKCS1: &str = include_str!("keys/rsa.pkcs1.pem");
const PKCS8: &str = include_str!("keys/rsa.pkcs8.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa.public.der");
const EC: &str = include_str!("keys/ec.pkcs8.pem");
const EC_SEC1: &str = include_str!("keys/ec.sec1.pem");
const EC_PUBLIC: &[u8] = include_bytes!("keys/ec.public.bin");
/// Signed by OpenSSL.
const GOLDEN: &str = include_str!("keys/rs256.golden.jwt");

/// 2026-01-01T00:00:00Z, where the clock of tests stands.
const NOW: i64 = 1_767_225_600;

async fn world() -> World {
    let world = World::start(SPEC).await;
    let tokens =
        answer::json(200, json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 3600 }));
    Mock::given(matchers::path("/token")).respond_with(tokens).mount(&world.server).await;
    Mock::given(matchers::path("/revoke"))
        .respond_with(answer::json(200, json!({})))
        .mount(&world.server)
        .await;
    Mock::given(matchers::path("/me")).respond_with(answer::json(200, json!({}))).mount(&world.server).await;
    world
}

fn robot(pem: &str) -> [(&'static str, &str); 3] {
    [("email", "robot@tracker.example"), ("key_id", "k-1"), ("private_key", pem)]
}

/// Header, claims, what was signed, and the signature.
fn taken_apart(token: &str) -> (Value, Value, String, Vec<u8>) {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token}") };
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let signed = format!("{header}.{claims}");
    (super::json(&decoded(header)), super::json(&decoded(claims)), signed, decoded(signature))
}

#[tokio::test]
async fn a_service_account_gets_tokens_by_an_assertion() {
    for pem in [PKCS1.to_owned(), PKCS8.to_owned(), PKCS8.trim().replace('\n', "\\n")] {
        let world = world().await;
        let connection = world.connection("robot", &robot(&pem));
        assert_eq!(connection.way(), Way::Exchange);
        world.run(&connection, "get_me").await.unwrap();
        world.run(&connection, "get_me").await.unwrap();
        let requests = world.requests().await;
        let paths: Vec<&str> = requests.iter().map(|request| request.url.path()).collect();
        assert_eq!(paths, ["/token", "/me", "/me"]);
        assert_eq!(header(&requests[1], "authorization"), Some("Bearer at-1"));

        let form = form(&requests[0]);
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        assert_eq!(form["audience"], "things");
        assert_eq!(form.len(), 3, "{form:?}");
        assert_eq!(form["assertion"], GOLDEN.trim());
        let (_, _, signed, signature) = taken_apart(&form["assertion"]);
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, RSA_PUBLIC);
        public.verify(signed.as_bytes(), &signature).unwrap();
    }
}

#[tokio::test]
async fn an_assertion_is_signed_on_a_curve_with_an_id_of_its_own() {
    let world = world().await;
    let connection = world.connection("curve", &[("private_key", EC)]);
    connection.refresh(&world.runtime).await.unwrap();
    world.clock.advance(Duration::from_secs(7));
    connection.refresh(&world.runtime).await.unwrap();
    let requests = world.requests().await;
    let mut ids = Vec::new();
    for (request, now) in requests.iter().zip([NOW, NOW + 7]) {
        let (header, mut claims, signed, signature) = taken_apart(&form(request)["assertion"]);
        assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT" }));
        ids.push(claims.as_object_mut().unwrap().remove("jti").unwrap());
        let wanted =
            json!({ "iss": "robot", "aud": "https://tracker.example/", "iat": now, "exp": now + 60 });
        assert_eq!(claims, wanted);
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, EC_PUBLIC);
        public.verify(signed.as_bytes(), &signature).unwrap();
    }
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn an_assertion_is_signed_with_a_shared_key() {
    let world = world().await;
    world.run(&world.connection("shared", &[("shared", "s3cret")]), "get_me").await.unwrap();
    let requests = world.requests().await;
    let (header, _, signed, signature) = taken_apart(&form(&requests[0])["assertion"]);
    assert_eq!(header["alg"], "HS256");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s3cret");
    ring::hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn a_client_proves_itself_by_an_assertion() {
    let world = world().await;
    let fields = [("client_id", "0oa1"), ("key_id", "k-1"), ("private_key", PKCS1)];
    let connection = world.connection("itself", &fields);
    world.run(&connection, "get_me").await.unwrap();
    connection.refresh(&world.runtime).await.unwrap();
    assert!(connection.revoke_tokens(&world.runtime).await.unwrap().iter().all(|(_, fate)| fate.is_ok()));

    let requests = world.requests().await;
    let proved: Vec<_> = requests.iter().filter(|request| request.url.path() != "/me").collect();
    assert_eq!(proved.len(), 3);
    let mut ids = Vec::new();
    for request in proved {
        assert_eq!(header(request, "authorization"), None);
        let form = form(request);
        assert_eq!(form["client_id"], "0oa1");
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert!(!form.contains_key("client_secret"));
        let (header, mut claims, signed, signature) = taken_apart(&form["client_assertion"]);
        assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k-1" }));
        ids.push(claims.as_object_mut().unwrap().remove("jti").unwrap().to_string());
        let wanted = json!({
            "iss": "0oa1", "sub": "0oa1", "aud": "https://tracker.example/token", "iat": NOW, "exp": NOW + 120,
        });
        assert_eq!(claims, wanted);
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, RSA_PUBLIC);
        public.verify(signed.as_bytes(), &signature).unwrap();
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each assertion has an id of its own");
}

#[tokio::test]
async fn an_assertion_names_the_endpoint_that_is_asked_where_the_spec_says_so() {
    let world = world().await;
    let connection = world.connection("strict", &[("client_id", "0oa1"), ("private_key", PKCS8)]);
    world.run(&connection, "get_me").await.unwrap();
    assert!(connection.revoke_tokens(&world.runtime).await.unwrap().iter().all(|(_, fate)| fate.is_ok()));

    let requests = world.requests().await;
    let proved = requests.iter().filter(|request| request.url.path() != "/me");
    let audiences: Vec<_> =
        proved.map(|request| taken_apart(&form(request)["client_assertion"]).1["aud"].clone()).collect();
    assert_eq!(audiences, ["https://tracker.example/token", "https://tracker.example/revoke"]);
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_told_before_anything_is_sent() {
    let world = world().await;
    for (method, key, words) in [
        ("robot", "not a key", "no private key in PEM"),
        ("robot", EC, "cannot sign with RS256"),
        ("curve", EC_SEC1, "not in PKCS#8"),
        ("curve", PKCS8, "cannot sign with ES256"),
    ] {
        let mut fields = vec![("private_key", key)];
        if method == "robot" {
            fields = robot(key).to_vec();
        }
        let error = world.builder(method, &fields).build().unwrap_err();
        assert_eq!(error.code(), Code::ConnectionInvalid);
        assert!(error.message().contains(words), "{error}");
        let line = key.lines().nth(1).unwrap_or(key);
        assert!(!format!("{error:?}").contains(line), "{error:?}");
    }
    assert_eq!(world.requests().await.len(), 0);
}

#[tokio::test]
async fn a_refused_assertion_is_the_owners_business() {
    for (refusal, code) in [
        (json!({ "error": "invalid_grant" }), Code::ReauthorizationNeeded),
        (json!({ "error": "key_disabled" }), Code::ReauthorizationNeeded),
        (json!({ "error": "invalid_scope" }), Code::ExchangeRefused),
    ] {
        let world = World::start(SPEC).await;
        let token = Mock::given(matchers::path("/token"));
        token.respond_with(answer::json(400, refusal)).mount(&world.server).await;
        let failed = world.run(&world.connection("robot", &robot(PKCS8)), "get_me").await.unwrap_err();
        assert_eq!(failed.error.code(), code, "{}", failed.error);
    }
}

#[tokio::test]
async fn an_assertion_that_the_service_repeats_is_not_shown() {
    let world = World::start(SPEC).await;
    let echo = |request: &Request| {
        let said = json!({ "error": "bad", "error_description": form(request)["assertion"] });
        answer::json(400, said)
    };
    Mock::given(matchers::path("/token")).respond_with(echo).mount(&world.server).await;
    let failed = world.run(&world.connection("shared", &[("shared", "s3cret")]), "get_me").await.unwrap_err();
    let assertion = &form(&world.requests().await[0])["assertion"];
    assert!(assertion.len() < 300 && !format!("{failed:?}").contains(assertion.as_str()), "{failed:?}");
    assert!(failed.error.message().contains("`bad`, ***"), "{}", failed.error);
}
