//! The life of an installation: from the consent to the last token.

use std::{path::Path, sync::Arc, time::Duration};

use linchpin::{Code, Error, Result, Secret, extract::ConnectionValues};
use linchpin_host::{
    Connected, DEFAULT_TENANT, Host, NewConnection,
    store::{Filter, Sqlite, State, TokenFate},
    vault::{KeySource, Vault},
};
use linchpin_runtime::{Grant, Invocation, OAuthClient};
use linchpin_slack::mock::{CLIENT_ID, CLIENT_SECRET, Fault, TOKEN};
use linchpin_testing::TestClock;
use serde_json::{Value, json};
use wiremock::http::Url;

use super::World;
use crate::{edge, slack::world::bot_token};

const REDIRECT: &str = "http://127.0.0.1:7777/callback";

/// A Slack, and a host that has a store in a folder of its own.
struct Home {
    world: World,
    clock: TestClock,
    host: Host,
    _folder: tempfile::TempDir,
}

impl Home {
    async fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let (world, clock) = (World::new().await, TestClock::new());
        let host = host(folder.path(), &world, &clock, CLIENT_SECRET).await;
        Home { world, clock, host, _folder: folder }
    }

    async fn rotating() -> Home {
        let home = Home::new().await;
        home.world.slack.rotate();
        home
    }

    async fn connect(&self) -> Result<Connected> {
        connect(&self.host, &self.world).await
    }

    async fn run(&self, flow: &str) -> Result<Value> {
        let connection = self.host.connection(DEFAULT_TENANT, "work").await?;
        let invocation = Invocation::named(&connection, flow)?;
        edge::json(invocation.input(json!({ "channel": "C000000000" }).to_string())).await
    }

    async fn grant(&self) -> Grant {
        let connection = self.host.connection(DEFAULT_TENANT, "work").await.unwrap();
        connection.grant().await.unwrap().unwrap().grant.unwrap()
    }

    async fn token(&self, name: &str) -> String {
        self.grant().await.value(name).unwrap().expose().to_owned()
    }

    async fn state(&self) -> State {
        self.host.kept(DEFAULT_TENANT, "work").await.unwrap().state
    }

    /// What became of the credentials, and whether all is done.
    async fn revoke(&self) -> (TokenFate, bool) {
        let report = self.host.revoke(DEFAULT_TENANT, "work").await.unwrap();
        assert!(self.host.connections(Filter::default()).await.unwrap().is_empty(), "gone at once");
        (report.attempt.tokens["credentials"], report.done)
    }
}

async fn host(folder: &Path, world: &World, clock: &TestClock, secret: &str) -> Host {
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
    let client = OAuthClient { id: CLIENT_ID.to_owned(), secret: Some(Secret::new(secret)) };
    Host::builder(store, vault)
        .connector(linchpin_slack::connector())
        .base_url("slack", world.slack.uri())
        .client("slack", client)
        .clock(Arc::new(clock.clone()))
        .build()
        .unwrap()
}

fn new(values: ConnectionValues) -> NewConnection {
    crate::new_connection("slack", values)
}

fn installation() -> NewConnection {
    new(ConnectionValues { method: "oauth".to_owned(), ..ConnectionValues::default() })
}

async fn connect(host: &Host, world: &World) -> Result<Connected> {
    let application = host.apply(installation()).await?;
    let login = application.login(REDIRECT)?;
    let callback = world.slack.consent(login.url()).expect("an authorization URL as Slack takes it");
    application.take(&login.finish(host.runtime(), &callback).await?).await?;
    application.finish().await
}

#[tokio::test]
async fn an_installation_without_rotation_lives_until_it_is_removed() {
    let home = Home::new().await;
    let connected = home.connect().await.unwrap().connection;
    assert_eq!(connected.identity.unwrap().id, "T000000001/U000000000");
    assert_eq!(connected.scopes, ["channels:read", "chat:write"]);
    let grant = home.grant().await;
    assert_eq!((grant.expires, grant.value("refresh_token")), (None, None));
    home.clock.advance(Duration::from_secs(365 * 24 * 3600));
    assert!(home.run("get_channel").await.is_ok());
    assert_eq!(home.world.slack.exchanges(), 0);

    home.world.slack.uninstall();
    let pinged = home.host.ping(DEFAULT_TENANT, "work").await.unwrap();
    assert_eq!(pinged.outcome.unwrap_err().code(), Code::ReauthorizationNeeded);
    assert_eq!(home.state().await, State::NeedsReauthorization);
}

#[tokio::test]
async fn the_authorization_url_has_scopes_with_commas_and_no_challenge() {
    let home = Home::new().await;
    let application = home.host.apply(installation()).await.unwrap();
    let login = application.login(REDIRECT).unwrap();
    let url = Url::parse(login.url()).unwrap();
    assert_eq!(url.path(), "/oauth/v2/authorize");
    let asked: Vec<_> = url.query_pairs().into_owned().collect();
    let scope = asked.iter().find(|(name, _)| name == "scope").map(|(_, value)| value.as_str()).unwrap();
    assert!(scope.starts_with("app_mentions:read,channels:history,") && !scope.contains(' '), "{scope}");
    assert!(asked.iter().all(|(name, _)| !name.starts_with("code_challenge")));
}

#[tokio::test]
async fn a_token_is_rotated_before_its_twelve_hours_are_over() {
    let home = Home::rotating().await;
    home.connect().await.unwrap();
    let old = home.grant().await;
    assert_eq!(old.expires.unwrap().unix_millis() - old.issued.unix_millis(), 43_200_000);
    home.clock.advance(Duration::from_secs(43_200 - 60));
    assert!(home.run("get_channel").await.is_ok());
    assert_eq!(home.world.slack.exchanges(), 1);
    assert!(home.world.slack.is_alive(&home.token("refresh_token").await));
    assert_ne!(home.token("access_token").await, old.value("access_token").unwrap().expose());
    let asked = home.world.requests();
    assert_eq!(asked[asked.len() - 2..], ["POST /api/oauth.v2.access", "GET /api/conversations.info"]);
}

#[tokio::test]
async fn a_token_that_slack_says_has_expired_is_rotated_and_the_call_made_once_more() {
    let home = Home::rotating().await;
    home.connect().await.unwrap();
    // The clock here stands still: only the answer, a 200, tells.
    home.world.slack.expire();
    assert_eq!(home.run("get_channel").await.unwrap()["name"], "general");
    let asked = home.world.requests();
    assert_eq!(
        asked[asked.len() - 3..],
        ["GET /api/conversations.info", "POST /api/oauth.v2.access", "GET /api/conversations.info"]
    );
    assert_eq!(home.world.slack.exchanges(), 1);
}

#[tokio::test]
async fn a_dead_grant_is_told_from_a_slack_in_trouble() {
    for (fault, code) in [
        (Fault::Says("internal_error"), Code::RefreshFailed),
        (Fault::Says("ratelimited"), Code::RefreshFailed),
        (Fault::RateLimited, Code::RefreshFailed),
        (Fault::ServerError, Code::RefreshFailed),
        (Fault::Says("bad_client_secret"), Code::ExchangeRefused),
        (Fault::Says("invalid_refresh_token"), Code::ReauthorizationNeeded),
        (Fault::Says("token_revoked"), Code::ReauthorizationNeeded),
    ] {
        let home = Home::rotating().await;
        home.connect().await.unwrap();
        home.clock.advance(Duration::from_secs(43_201));
        home.world.slack.break_on("oauth.v2.access", fault);
        let error = home.run("get_channel").await.unwrap_err();
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        let dead = code == Code::ReauthorizationNeeded;
        assert_eq!(home.state().await == State::NeedsReauthorization, dead, "{fault:?}");
        home.world.slack.mend();
        home.clock.advance(Duration::from_secs(300));
        assert_eq!(home.run("get_channel").await.is_ok(), !dead, "{fault:?}: what lives goes on");
    }
}

#[tokio::test]
async fn a_removed_app_needs_its_owner() {
    let home = Home::rotating().await;
    home.connect().await.unwrap();
    home.world.slack.uninstall();
    let error = home.run("get_channel").await.unwrap_err();
    assert_eq!(error.code(), Code::ReauthorizationNeeded, "{error}");
    assert!(error.message().contains("invalid_refresh_token"), "{error}");
    assert_eq!(home.state().await, State::NeedsReauthorization);

    let application = home.host.apply_again(DEFAULT_TENANT, "work", None).await.unwrap();
    let login = application.login(REDIRECT).unwrap();
    let callback = home.world.slack.consent(login.url()).unwrap();
    application.take(&login.finish(home.host.runtime(), &callback).await.unwrap()).await.unwrap();
    application.finish().await.unwrap();
    assert!(home.run("get_channel").await.is_ok());
}

#[tokio::test]
async fn a_login_that_slack_refuses_inside_a_200_says_why() {
    let (world, clock, folder) = (World::new().await, TestClock::new(), tempfile::tempdir().unwrap());
    let host = host(folder.path(), &world, &clock, "another secret").await;
    let refused: Error = connect(&host, &world).await.unwrap_err();
    assert_eq!(refused.details().service_code, Some("bad_client_secret"));
    assert!(!format!("{refused:?}").contains("another secret"), "{refused:?}");
    assert!(host.connections(Filter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn revoking_kills_both_tokens_even_when_the_access_token_has_expired() {
    for expired in [false, true] {
        let home = Home::rotating().await;
        home.connect().await.unwrap();
        let (access, refresh) = (home.token("access_token").await, home.token("refresh_token").await);
        if expired {
            home.world.slack.expire();
            home.clock.advance(Duration::from_secs(43_201));
        }
        let before = home.world.requests().len();
        assert_eq!(home.revoke().await, (TokenFate::Revoked, true));
        assert!(!home.world.slack.is_alive(&access) && !home.world.slack.is_alive(&refresh));
        assert_eq!(home.world.requests()[before..], ["POST /api/auth.revoke"; 2], "nothing is exchanged");
        assert_eq!(home.world.last_body(), json!({ "token": access }), "the refresh token first");
    }
}

#[tokio::test]
async fn what_is_dead_already_is_told_apart_and_what_fails_is_tried_again() {
    let home = Home::rotating().await;
    home.connect().await.unwrap();
    home.world.slack.uninstall();
    assert_eq!(home.revoke().await, (TokenFate::AlreadyGone, true));

    home.connect().await.unwrap();
    let (access, refresh) = (home.token("access_token").await, home.token("refresh_token").await);
    home.world.slack.break_on("auth.revoke", Fault::ServerError);
    assert_eq!(home.revoke().await, (TokenFate::Unreachable, false));
    home.world.slack.mend();
    home.clock.advance(Duration::from_secs(61));
    let reports = home.host.drain().await.unwrap();
    assert!(reports.len() == 1 && reports[0].done, "{reports:?}");
    assert!(!home.world.slack.is_alive(&access) && !home.world.slack.is_alive(&refresh));
}

#[tokio::test]
async fn a_bot_token_is_revoked_through_the_host() {
    let home = Home::new().await;
    home.host.apply(new(bot_token())).await.unwrap().finish().await.unwrap();
    assert!(home.run("get_channel").await.is_ok());
    assert_eq!(home.revoke().await, (TokenFate::Revoked, true));
    assert!(!home.world.slack.is_alive(TOKEN));
}
