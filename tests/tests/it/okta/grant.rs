//! The life of a service app's tokens, through a host and without.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use linchpin::Code;
use linchpin_host::{
    DEFAULT_TENANT,
    store::{Filter, State, TokenFate},
};
use linchpin_okta::mock::{CLIENT_ID, DOMAIN, Fault, KEY_ID, TOKEN, USER};
use linchpin_runtime::Invocation;
use linchpin_testing::{TestClock, answer};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use wiremock::{Mock, Request, matchers};

use super::{
    World,
    home::Home,
    world::{api_token, run, service_app},
};
use crate::{auth::form, edge};

const PUBLIC_KEY: &[u8] = include_bytes!("../auth/keys/rsa.public.der");

impl Home {
    async fn run(&self) -> linchpin::Result<Value> {
        let connection = self.host.connection(DEFAULT_TENANT, "work").await?;
        let invocation = Invocation::named(&connection, "get_user")?;
        edge::json(invocation.input(json!({ "user": USER }).to_string())).await
    }

    async fn token(&self) -> String {
        let connection = self.host.connection(DEFAULT_TENANT, "work").await.unwrap();
        let grant = connection.grant().await.unwrap().unwrap().grant.unwrap();
        grant.value("access_token").unwrap().expose().to_owned()
    }

    /// What became of each token, and whether all is done.
    async fn revoke(&self) -> (Vec<(String, TokenFate)>, bool) {
        let report = self.host.revoke(DEFAULT_TENANT, "work").await.unwrap();
        assert!(self.host.connections(Filter::default()).await.unwrap().is_empty(), "gone at once");
        (report.attempt.tokens.into_iter().collect(), report.done)
    }
}

fn fate(token: &str, fate: TokenFate) -> Vec<(String, TokenFate)> {
    vec![(token.to_owned(), fate)]
}

/// The header and claims of a request's assertion, whose signature is the app's.
fn assertion(request: &Request) -> (Value, Value) {
    let assertion = form(request).remove("client_assertion").unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC_KEY);
    key.verify(signed.as_bytes(), &signature).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims))
}

#[tokio::test]
async fn a_service_app_gets_a_token_by_an_assertion_and_uses_it() {
    let world = World::new().await;
    let connection = world.connection(service_app());
    for _ in 0..2 {
        run(&connection, "get_user", json!({ "user": USER })).await.unwrap();
    }
    assert_eq!(world.okta.exchanges(), 1);
    let seen = world.server.received_requests().await.unwrap();
    assert_eq!(seen[1].headers["authorization"], "Bearer mock.access.token1");

    let asked = form(&seen[0]);
    assert_eq!((&*asked["grant_type"], asked.contains_key("client_secret")), ("client_credentials", false));
    assert_eq!(asked["scope"].split(' ').count(), 9, "{}", asked["scope"]);
    let (header, claims) = assertion(&seen[0]);
    assert_eq!((&header["alg"], &header["kid"]), (&json!("RS256"), &json!(KEY_ID)));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT_ID), &json!(CLIENT_ID)));
    assert_eq!(claims["aud"], format!("https://{DOMAIN}/oauth2/v1/token"), "the org's own, not the mock's");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
}

#[tokio::test]
async fn an_expired_token_is_exchanged_once() {
    let world = World::new().await;
    let connection = world.connection(service_app());
    run(&connection, "get_user", json!({ "user": USER })).await.unwrap();
    world.okta.expire();
    run(&connection, "get_user", json!({ "user": USER })).await.unwrap();
    assert_eq!(world.okta.exchanges(), 2);

    world.okta.break_on("GET /api/v1/groups/00g1", Fault::Unauthorized);
    let error = run(&connection, "get_group", json!({ "group": "00g1" })).await.unwrap_err();
    assert_eq!((error.code(), error.details().service_code), (Code::Unauthorized, Some("E0000011")));
    assert_eq!(world.okta.exchanges(), 3, "once more and no more");
}

#[tokio::test]
async fn an_app_that_is_not_let_in_is_its_owners_business() {
    for (field, value) in [("client_id", "0oa-of-somebody-else"), ("key_id", "another-key")] {
        let world = World::new().await;
        let mut values = service_app();
        values.fields.insert(field.to_owned(), value.to_owned().into());
        let error = run(&world.connection(values), "authping", json!({})).await.unwrap_err();
        assert_eq!(
            (error.code(), error.details().status),
            (Code::ReauthorizationNeeded, Some(401)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_okta_says_of_a_refused_exchange_is_told() {
    for (status, error, code) in [
        (400, "invalid_scope", Code::ExchangeRefused),
        (400, "invalid_dpop_proof", Code::ExchangeRefused),
        (429, "too_many", Code::RefreshFailed),
        (503, "down", Code::RefreshFailed),
    ] {
        let world = World::new().await;
        let said = json!({ "error": error, "error_description": "look into the app's settings" });
        let refused =
            Mock::given(matchers::path("/oauth2/v1/token")).respond_with(answer::json(status, said));
        refused.with_priority(2).mount(&world.server).await;
        let failed = run(&world.connection(service_app()), "authping", json!({})).await.unwrap_err();
        assert_eq!((failed.code(), failed.details().service_code), (code, Some(error)), "{failed}");
        assert!(failed.message().contains("look into the app's settings"), "{failed}");
    }
}

#[tokio::test]
async fn a_service_app_is_kept_and_its_token_revoked_at_the_spec_s_endpoint() {
    let home = Home::with(service_app(), TestClock::new()).await;
    assert_eq!(home.run().await.unwrap()["id"], USER);
    let token = home.token().await;
    assert!(home.world.okta.is_alive(&token));
    assert_eq!(home.revoke().await, (fate("access_token", TokenFate::Revoked), true));
    assert!(!home.world.okta.is_alive(&token));

    let seen = home.world.server.received_requests().await.unwrap().pop().unwrap();
    assert_eq!((seen.url.path(), &form(&seen)["token"]), ("/oauth2/v1/revoke", &token));
    let (_, claims) = assertion(&seen);
    assert_eq!(claims["aud"], format!("https://{DOMAIN}/oauth2/v1/revoke"));
}

#[tokio::test]
async fn an_api_token_is_kept_and_revoked_by_the_connector() {
    let home = Home::with(api_token(), TestClock::new()).await;
    assert_eq!(home.run().await.unwrap()["id"], USER);
    assert_eq!(home.revoke().await, (fate("credentials", TokenFate::Revoked), true));
    assert!(!home.world.okta.is_alive(TOKEN));
}

#[tokio::test]
async fn an_api_token_that_is_dead_already_is_told_apart() {
    let home = Home::with(api_token(), TestClock::new()).await;
    home.world.run("revoke", json!({})).await.unwrap();
    assert_eq!(home.revoke().await, (fate("credentials", TokenFate::AlreadyGone), true));
}

#[tokio::test]
async fn a_revocation_that_fails_is_tried_again() {
    for (values, request) in
        [(api_token(), "DELETE /api/v1/api-tokens/current"), (service_app(), "POST /oauth2/v1/revoke")]
    {
        let home = Home::with(values, TestClock::new()).await;
        home.world.okta.break_on(request, Fault::ServerError);
        let (fates, done) = home.revoke().await;
        assert_eq!((fates[0].1, done), (TokenFate::Unreachable, false), "{request}");
        home.world.okta.mend();
        home.clock.advance(std::time::Duration::from_secs(61));
        let reports = home.host.drain().await.unwrap();
        assert!(reports.len() == 1 && reports[0].done, "{reports:?}");
    }
}

#[tokio::test]
async fn a_token_that_an_admin_has_revoked_fails_a_ping() {
    let home = Home::with(api_token(), TestClock::new()).await;
    home.world.run("revoke", json!({})).await.unwrap();
    let pinged = home.host.ping(DEFAULT_TENANT, "work").await.unwrap();
    assert_eq!(pinged.connection.state, State::NeedsReauthorization);
}
