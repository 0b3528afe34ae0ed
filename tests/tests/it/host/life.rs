//! Connecting, pinging, dying, coming back, and going away.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use linchpin::{Connector, prelude::*, serde_json::json};
use linchpin_host::{
    DEFAULT_TENANT, NoticeKind,
    store::{Filter, State, TokenFate},
};
use linchpin_testing::{
    Issuer, answer,
    wiremock::{Mock, matchers},
};

use super::{builder, call, connect, host, new, store};
use crate::oauth::{SPEC, World, authping, get_me};

#[tokio::test]
async fn a_connection_is_made_used_and_known_by_its_account() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    let first = connect(&world, &host, "work").await.unwrap();
    assert_eq!(first.connection.state, State::Active);
    assert_eq!(first.connection.identity.as_ref().unwrap().label, "octocat");
    assert_eq!(first.connection.scopes, ["read"], "what the service says last counts");
    assert_eq!(first.twins, [""; 0]);
    assert_eq!(call(&host, "work").await.unwrap(), r#"{"id":7}"#);

    let second = connect(&world, &host, "again").await.unwrap();
    assert_eq!(second.twins, ["work"]);
    let taken = host.apply(new("work", "browser")).await.unwrap_err();
    assert_eq!(taken.code(), Code::NameTaken);
    assert_eq!(call(&host, "nowhere").await.unwrap_err().code(), Code::ConnectionUnknown);
}

#[tokio::test]
async fn a_connection_outlives_its_process() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    connect(&world, &host(&world, folder.path()).await, "work").await.unwrap();
    world.clock.advance(Duration::from_secs(3700));
    let host = host(&world, folder.path()).await;
    assert_eq!(call(&host, "work").await.unwrap(), r#"{"id":7}"#);
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test]
async fn what_the_service_refuses_is_not_kept() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    let application = host.apply(new("work", "browser")).await.unwrap();
    let login = application.login("http://127.0.0.1:7777/callback").unwrap();
    let callback = world.issuer.consent(login.url());
    application.take(&login.finish(host.runtime(), &callback).await.unwrap()).await.unwrap();
    world.issuer.revoke_all();
    assert!(application.finish().await.is_err());
    assert!(host.connections(Filter::default()).await.unwrap().is_empty());
    let unauthorized = host.apply(new("work", "browser")).await.unwrap();
    assert_eq!(unauthorized.finish_unchecked().await.unwrap_err().code(), Code::LoginFailed);
}

#[tokio::test]
async fn a_dead_grant_is_told_to_the_owner_and_mended_by_a_login() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let builder = super::builder(folder.path(), &world.server.uri()).await;
    let host = builder
        .clock(Arc::new(world.clock.clone()))
        .notices(move |notice| listener.lock().unwrap().push(notice.clone()))
        .build()
        .unwrap();
    let made = connect(&world, &host, "work").await.unwrap();
    world.issuer.revoke_all();
    world.clock.advance(Duration::from_secs(3700));

    assert_eq!(call(&host, "work").await.unwrap_err().code(), Code::ReauthorizationNeeded);
    assert_eq!(host.kept(DEFAULT_TENANT, "work").await.unwrap().state, State::NeedsReauthorization);
    let before = world.seen("/token").await;
    let error = call(&host, "work").await.unwrap_err();
    assert!(error.message().contains("no longer honours the grant"), "{error}");
    assert_eq!(world.seen("/token").await, before);
    {
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].kind, NoticeKind::State(State::NeedsReauthorization));
        assert_eq!(told[0].owner.as_deref(), Some("ops@tracker.example"));
    }

    let application = host.apply_again(DEFAULT_TENANT, "work", None).await.unwrap();
    let login = application.login("http://127.0.0.1:7777/callback").unwrap();
    let callback = world.issuer.consent(login.url());
    application.take(&login.finish(host.runtime(), &callback).await.unwrap()).await.unwrap();
    let mended = application.finish().await.unwrap().connection;
    assert_eq!((mended.id.as_str(), mended.state), (made.connection.id.as_str(), State::Active));
    assert_eq!(call(&host, "work").await.unwrap(), r#"{"id":7}"#);
    let states: Vec<State> =
        store(&host).history(&mended.id).await.unwrap().into_iter().map(|change| change.state).collect();
    assert_eq!(states, [State::NeedsReauthorization, State::Active]);
}

#[tokio::test]
async fn a_ping_never_harms_a_healthy_connection_when_the_service_is_down() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    connect(&world, &host, "work").await.unwrap();
    let good = host.ping(DEFAULT_TENANT, "work").await.unwrap();
    good.outcome.unwrap();
    let ping = good.connection.ping.unwrap();
    assert_eq!((ping.scopes, ping.problem), (vec!["read".to_owned()], None));

    // The mock server answers nobody any more.
    world.server.reset().await;
    let down = Mock::given(matchers::any()).respond_with_err(answer::closed_connection);
    down.mount(&world.server).await;
    let pinged = host.ping(DEFAULT_TENANT, "work").await.unwrap();
    assert_eq!(pinged.outcome.unwrap_err().code(), Code::Unreachable);
    assert_eq!(pinged.connection.state, State::Active);
    assert_eq!(pinged.connection.ping.unwrap().problem.unwrap().0, "LP510");
    assert_eq!(pinged.connection.identity.unwrap().label, "octocat", "whose it is stays known");
}

#[tokio::test]
async fn a_revoke_kills_both_tokens_and_the_row() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    connect(&world, &host, "work").await.unwrap();
    let connection = host.connection(DEFAULT_TENANT, "work").await.unwrap();
    let grant = connection.grant().await.unwrap().unwrap().grant.unwrap();
    let report = host.revoke(DEFAULT_TENANT, "work").await.unwrap();
    assert!(report.done);
    let fates: Vec<_> = report.attempt.tokens.into_iter().collect();
    let revoked = |name: &str| (name.to_owned(), TokenFate::Revoked);
    assert_eq!(fates, [revoked("access_token"), revoked("refresh_token")]);
    for token in ["access_token", "refresh_token"] {
        assert!(!world.issuer.is_active(grant.value(token).unwrap().expose()), "{token}");
    }
    assert_eq!(
        world.issuer.revoked()[0],
        grant.value("refresh_token").unwrap().expose(),
        "the refresh token first"
    );
    assert!(host.connections(Filter::default()).await.unwrap().is_empty());
    assert!(store(&host).revocations().await.unwrap().is_empty());
    assert_eq!(call(&host, "work").await.unwrap_err().code(), Code::ConnectionUnknown);
}

/// Revoke
///
/// Says of a token that cannot be refreshed that it is gone, and leaves others to the endpoint.
#[revoke]
pub(crate) async fn revoke(_cx: Context, tokens: linchpin::Tokens) -> Result<Revoked> {
    Ok(match tokens.refresh() {
        Some(_) => Revoked::at_endpoint(),
        None => Revoked::already_gone(),
    })
}

#[tokio::test]
async fn the_author_revokes_or_leaves_it_to_the_endpoint() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let connector = Connector::builder(SPEC).flow::<get_me>().flow::<authping>().flow::<revoke>().build();
    let host = builder(folder.path(), &world.server.uri()).await.connector(connector.unwrap());
    let host = host.clock(Arc::new(world.clock.clone())).build().unwrap();
    connect(&world, &host, "work").await.unwrap();
    let mut robot = new("robot", "itself");
    let fields = [("client_id", Issuer::CLIENT_ID), ("client_secret", Issuer::CLIENT_SECRET)];
    robot.values.fields = fields.map(|(key, value)| (key.to_owned(), value.to_owned().into())).into();
    host.apply(robot).await.unwrap().finish().await.unwrap();

    for (name, fates) in [
        ("work", vec![("access_token", TokenFate::Revoked), ("refresh_token", TokenFate::Revoked)]),
        ("robot", vec![("credentials", TokenFate::AlreadyGone)]),
    ] {
        let report = host.revoke(DEFAULT_TENANT, name).await.unwrap();
        let tokens = report.attempt.tokens.iter().map(|(token, fate)| (token.as_str(), *fate));
        assert_eq!(tokens.collect::<Vec<_>>(), fates, "{name}");
    }
}

#[tokio::test]
async fn a_service_that_is_down_does_not_stop_a_deletion_and_is_told_later() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    connect(&world, &host, "work").await.unwrap();
    let connection = host.connection(DEFAULT_TENANT, "work").await.unwrap();
    let grant = connection.grant().await.unwrap().unwrap().grant.unwrap();
    let refresh = grant.value("refresh_token").unwrap().expose().to_owned();
    // Both tokens of the first attempt meet it.
    Mock::given(matchers::path("/revoke"))
        .respond_with(answer::json(503, json!({})))
        .up_to_n_times(2)
        .with_priority(1)
        .mount(&world.server)
        .await;

    let report = host.revoke(DEFAULT_TENANT, "work").await.unwrap();
    assert!(!report.done);
    assert_eq!(report.attempt.tokens["refresh_token"], TokenFate::Unreachable);
    assert!(host.connections(Filter::default()).await.unwrap().is_empty(), "gone at once");
    assert!(world.issuer.is_active(&refresh));
    assert!(host.drain().await.unwrap().is_empty(), "not due yet");

    world.clock.advance(Duration::from_secs(61));
    let reports = host.drain().await.unwrap();
    assert!(reports.len() == 1 && reports[0].done, "{reports:?}");
    assert!(!world.issuer.is_active(&refresh));
    assert!(store(&host).revocations().await.unwrap().is_empty());
}

#[tokio::test]
async fn all_connections_of_an_owner_go_at_once() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    for name in ["one", "two"] {
        connect(&world, &host, name).await.unwrap();
    }
    let nobody = Filter { owner: Some("nobody".to_owned()), ..Filter::default() };
    assert!(host.revoke_all(nobody).await.unwrap().is_empty());
    let owner = Filter { owner: Some("ops@tracker.example".to_owned()), ..Filter::default() };
    let reports = host.revoke_all(owner).await.unwrap();
    assert_eq!(reports.iter().map(|report| report.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert!(reports.iter().all(|report| report.done));
}

#[tokio::test]
async fn one_round_pings_what_is_due() {
    let (world, folder) = (World::start().await, tempfile::tempdir().unwrap());
    let host = host(&world, folder.path()).await;
    connect(&world, &host, "work").await.unwrap();
    assert_eq!(host.round().await.unwrap().pings, (0, 0));
    world.clock.advance(Duration::from_secs(6 * 3600));
    assert_eq!(host.round().await.unwrap().pings, (1, 0));
    assert_eq!(host.round().await.unwrap().pings, (0, 0));
}

#[tokio::test]
async fn connections_move_to_another_store_sealed_all_the_way() {
    let world = World::start().await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = host(&world, here.path()).await;
    connect(&world, &old, "work").await.unwrap();
    let connection = old.connection(DEFAULT_TENANT, "work").await.unwrap();
    let grant = connection.grant().await.unwrap().unwrap().grant.unwrap();
    let text = old.export(old.connections(Filter::default()).await.unwrap()).await.unwrap();
    for token in grant.values.values() {
        assert!(!text.contains(token.expose()));
    }

    let new = host(&world, there.path()).await;
    assert_eq!(new.import(&text).await.unwrap_err().code(), Code::KeyWrong);
    assert_eq!(new.import("{}").await.unwrap_err().code(), Code::SealBroken);
    assert!(new.connections(Filter::default()).await.unwrap().is_empty());
    // The old key goes behind the new one.
    let keys = std::fs::read_to_string(there.path().join("store.key")).unwrap();
    let more = std::fs::read_to_string(here.path().join("store.key")).unwrap();
    std::fs::write(there.path().join("store.key"), format!("{keys}{more}")).unwrap();
    let new = host(&world, there.path()).await;
    assert_eq!(new.import(&text).await.unwrap().len(), 1);
    assert_eq!(call(&new, "work").await.unwrap(), r#"{"id":7}"#);
    assert_eq!(new.import(&text).await.unwrap_err().code(), Code::NameTaken);
}
