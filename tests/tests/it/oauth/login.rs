//! Getting the first grant, and what must not pass for a callback.

use linchpin::{Code, Error};
use linchpin_runtime::{Login, Way};
use linchpin_testing::{TokenFault, wiremock::http::Url};

use super::World;

const REDIRECT: &str = "http://127.0.0.1:7777/callback";

fn param(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The callback with one of its parameters set to something else, or taken out.
fn tampered(callback: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(callback).unwrap();
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(known, _)| known != name).collect();
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url.into()
}

async fn refused(world: &World, login: Login, callback: &str) -> Error {
    let before = world.seen("/token").await;
    let error = login.finish(&world.runtime, callback).await.unwrap_err();
    assert_eq!(world.seen("/token").await, before, "nothing is exchanged for {callback}");
    error
}

#[tokio::test]
async fn a_code_is_exchanged_for_a_grant() {
    let world = World::start().await;
    let connection = world.connection("browser", None);
    assert_eq!(connection.way(), Way::Browser);
    let login = connection.login(REDIRECT).unwrap();
    let url = login.url().to_owned();
    assert!(url.starts_with(&format!("{}/authorize?", world.server.uri())), "{url}");
    assert_eq!(param(&url, "scope").as_deref(), Some("read write"));
    assert_eq!(param(&url, "access_type").as_deref(), Some("offline"));
    assert_eq!(param(&url, "redirect_uri").as_deref(), Some(REDIRECT));
    assert_eq!(param(&url, "code_challenge_method").as_deref(), Some("S256"));

    let grant = login.finish(&world.runtime, &world.issuer.consent(&url)).await.unwrap();
    assert!(world.issuer.is_active(grant.value("access_token").unwrap().expose()));
    assert_eq!(grant.scopes.as_deref(), Some(&["read".to_owned(), "write".to_owned()][..]));
    assert_eq!(grant.expires.unwrap().unix_millis() - grant.issued.unix_millis(), 3_600_000);
}

#[tokio::test]
async fn a_callback_with_another_state_is_refused() {
    let world = World::start().await;
    let connection = world.connection("browser", None);
    for state in [Some("tampered"), Some(""), None] {
        let login = connection.login(REDIRECT).unwrap();
        let callback = tampered(&world.issuer.consent(login.url()), "state", state);
        assert_eq!(refused(&world, login, &callback).await.code(), Code::CallbackForged, "{state:?}");
    }
    let login = connection.login(REDIRECT).unwrap();
    let callback = world.issuer.consent(login.url());
    let twice = format!("{callback}&state={}", login.state());
    assert_eq!(refused(&world, login, &twice).await.code(), Code::CallbackForged);
}

#[tokio::test]
async fn a_callback_of_another_login_is_refused() {
    let world = World::start().await;
    let connection = world.connection("browser", None);
    let (mine, theirs) = (connection.login(REDIRECT).unwrap(), connection.login(REDIRECT).unwrap());
    let callback = world.issuer.consent(theirs.url());
    assert_eq!(refused(&world, mine, &callback).await.code(), Code::CallbackForged);
}

#[tokio::test]
async fn a_replayed_callback_finds_no_login() {
    // A login is used up by its callback; what is left is another login, to which the callback does not belong.
    let world = World::start().await;
    let connection = world.connection("browser", None);
    let login = connection.login(REDIRECT).unwrap();
    let callback = world.issuer.consent(login.url());
    login.finish(&world.runtime, &callback).await.unwrap();
    let again = connection.login(REDIRECT).unwrap();
    assert_eq!(refused(&world, again, &callback).await.code(), Code::CallbackForged);
}

#[tokio::test]
async fn a_code_of_another_login_is_of_no_use() {
    // Whoever slips a code of their own under the right state is stopped by PKCE at the token endpoint.
    let world = World::start().await;
    let connection = world.connection("browser", None);
    let (mine, theirs) = (connection.login(REDIRECT).unwrap(), connection.login(REDIRECT).unwrap());
    let code = param(&world.issuer.consent(theirs.url()), "code").unwrap();
    let callback = tampered(&world.issuer.consent(mine.url()), "code", Some(&code));
    let error = mine.finish(&world.runtime, &callback).await.unwrap_err();
    assert_eq!(error.code(), Code::LoginFailed);
    assert!(!format!("{error:?}").contains(&code), "{error:?}");
}

#[tokio::test]
async fn a_callback_of_another_issuer_is_refused() {
    let world = World::start().await;
    let connection = world.connection("issuer", None);
    for issuer in [None, Some("https://evil.example"), Some("https://login.tracker.example/")] {
        let login = connection.login(REDIRECT).unwrap();
        assert_eq!(param(login.url(), "code_challenge"), None);
        let callback = tampered(&world.issuer.consent(login.url()), "iss", issuer);
        assert_eq!(refused(&world, login, &callback).await.code(), Code::CallbackForged, "{issuer:?}");
    }
    let login = connection.login(REDIRECT).unwrap();
    let callback = tampered(&world.issuer.consent(login.url()), "iss", Some("https://login.tracker.example"));
    login.finish(&world.runtime, &callback).await.unwrap();
}

#[tokio::test]
async fn denied_consent_is_told_with_the_services_words() {
    let world = World::start().await;
    let login = world.connection("browser", None).login(REDIRECT).unwrap();
    let callback =
        format!("{REDIRECT}?error=access_denied&error_description=The+owner+said+no&state={}", login.state());
    let error = refused(&world, login, &callback).await;
    assert_eq!(error.code(), Code::LoginFailed);
    assert!(error.message().contains("access was not granted"), "{error}");
    assert!(error.message().contains("The owner said no"), "{error}");
}

#[tokio::test]
async fn tokens_in_the_callback_are_refused() {
    let world = World::start().await;
    let login = world.connection("browser", None).login(REDIRECT).unwrap();
    let callback = format!("{REDIRECT}?access_token=at-9&state={}", login.state());
    let error = refused(&world, login, &callback).await;
    assert_eq!(error.code(), Code::CallbackForged);
    assert!(!error.message().contains("at-9"), "{error}");
}

#[tokio::test]
async fn a_redirect_uri_is_always_our_own() {
    // Whatever the callback's own address is: the code is redeemed with the redirect URI that the login began with.
    let world = World::start().await;
    let login = world.connection("browser", None).login(REDIRECT).unwrap();
    let callback = world.issuer.consent(login.url()).replace("http://127.0.0.1:7777", "https://evil.example");
    login.finish(&world.runtime, &callback).await.unwrap();
    let requests = world.server.received_requests().await.unwrap();
    let token = requests.iter().find(|request| request.url.path() == "/token").unwrap();
    let body = String::from_utf8_lossy(&token.body);
    assert!(body.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A7777%2Fcallback"), "{body}");
}

#[tokio::test]
async fn tokens_of_another_type_are_refused() {
    let world = World::start().await;
    world.issuer.token_type("mac");
    let login = world.connection("browser", None).login(REDIRECT).unwrap();
    let callback = world.issuer.consent(login.url());
    let error = login.finish(&world.runtime, &callback).await.unwrap_err();
    assert_eq!(error.code(), Code::ExchangeRefused);
    assert!(error.message().contains("`mac`"), "{error}");
}

#[tokio::test]
async fn tokens_that_do_not_say_when_they_expire_are_used_until_they_are_refused() {
    let world = World::start().await;
    world.issuer.lifetime(None);
    let connection = world.connection("browser", None);
    let login = connection.login(REDIRECT).unwrap();
    let callback = world.issuer.consent(login.url());
    let grant = login.finish(&world.runtime, &callback).await.unwrap();
    assert_eq!(grant.expires, None);
}

#[tokio::test]
async fn a_code_entered_elsewhere_brings_a_grant() {
    let world = World::start().await;
    let connection = world.connection("device", None);
    assert_eq!(connection.way(), Way::Device);
    let login = connection.device_login(&world.runtime).await.unwrap();
    assert_eq!(login.urls().0, format!("{}/activate", world.server.uri()));
    world.issuer.enter(login.user_code(), true);
    let grant = login.finish(&world.runtime).await.unwrap();
    assert!(world.issuer.is_active(grant.value("access_token").unwrap().expose()));
}

#[tokio::test]
async fn a_refused_code_is_told() {
    let world = World::start().await;
    let login = world.connection("device", None).device_login(&world.runtime).await.unwrap();
    world.issuer.enter(login.user_code(), false);
    let error = login.finish(&world.runtime).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::LoginFailed, "access was not granted"));
}

#[tokio::test]
async fn the_client_acts_for_itself() {
    let world = World::start().await;
    let connection = world.connection("itself", None);
    assert_eq!(connection.way(), Way::Exchange);
    assert_eq!(world.me(&connection).await.unwrap(), r#"{"id":7}"#);
    world.me(&connection).await.unwrap();
    assert_eq!(world.issuer.exchanges(), 1);
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_fails_the_login_and_says_so() {
    let world = World::start().await;
    for (fault, code) in [
        (TokenFault::ServerError, Code::RefreshFailed),
        (TokenFault::Malformed, Code::ExchangeRefused),
        (TokenFault::InvalidClient, Code::ExchangeRefused),
        (TokenFault::Closed, Code::Unreachable),
    ] {
        let login = world.connection("browser", None).login(REDIRECT).unwrap();
        let callback = world.issuer.consent(login.url());
        world.issuer.break_next([fault]);
        let error = login.finish(&world.runtime, &callback).await.unwrap_err();
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        let code = param(&callback, "code").unwrap();
        assert!(!format!("{error:?}").contains(&code), "{error:?}");
    }
}
