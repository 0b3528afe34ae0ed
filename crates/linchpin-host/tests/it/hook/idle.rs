//! What hooks cost on which nothing happens.

use std::{sync::Arc, time::Duration};

use linchpin_host::{
    ingress::Hooks,
    store::{Hook, HookStore, Sqlite},
    vault::{Kind, Place},
};
use linchpin_runtime::{Cancel, Clock};
use sha2::{Digest, Sha256};

use super::*;
use crate::look::{Virtual, pass, resident};

const HOOKS: usize = 10_000;

/// A hook that stands, and of which the next thing to do is in ten days.
fn hook(vault: &Vault, connection: &str, index: usize, now: DateTime) -> Hook {
    let (id, token) = (format!("{index:05}"), format!("token-{index}"));
    let secrets = json!({
        "token": token, "url": format!("{PUBLIC}/in/{token}"), "keys": [{ "key": "a key" }], "registered": "{\"id\":1}", "old": [],
    });
    let place = Place { kind: Kind::Hook, id: id.clone() };
    Hook {
        sealed: vault.seal(&place, secrets.to_string().as_bytes()).unwrap(),
        id,
        tenant: DEFAULT_TENANT.to_owned(),
        connection: connection.to_owned(),
        connector: "tracker".to_owned(),
        hook: "project".to_owned(),
        options: format!(r#"{{"project":"web-{index}"}}"#),
        token_hash: Sha256::digest(token).into(),
        routing: None,
        stage: Stage::Active,
        since: now,
        created: now,
        expires: None,
        next: DateTime::from_unix_millis(now.unix_millis() + 10 * 86_400_000),
        held: None,
        seen: Some(now),
        attempts: 0,
        problem: None,
        version: 1,
    }
}

/// A host with a connection, over a store that counts its calls.
async fn idle_host(folder: &std::path::Path) -> (Host, Arc<Sqlite>, Vault, Arc<Virtual>) {
    let store = Arc::new(Sqlite::open_unflushed(folder.join("store.db")).unwrap());
    let keys = Keys::random().unwrap();
    let vault = Vault::new(keys.clone());
    let clock = Arc::new(Virtual(tokio::time::Instant::now()));
    let host =
        Host::builder_shared(store.clone(), Vault::new(keys)).connector(connector(Variant::Nothing, SPEC));
    let host = host.clock(clock.clone()).public_url(PUBLIC).build().unwrap();
    host.apply(new_connection()).await.unwrap().finish_unchecked().await.unwrap();
    (host, store, vault, clock)
}

#[tokio::test(start_paused = true)]
async fn who_sends_nonsense_does_not_keep_the_store_busy() {
    let folder = tempfile::tempdir().unwrap();
    let (host, store, vault, clock) = idle_host(folder.path()).await;
    let connection = host.kept(DEFAULT_TENANT, "work").await.unwrap().id;
    assert!(store.hook_add(hook(&vault, &connection, 0, clock.now())).await.unwrap());
    let hooks = host.stored_hooks();
    let found = hooks.find("token-0").await.unwrap().unwrap();
    let calls = store.calls();
    for _ in 0..100 {
        hooks.again(&found).await.unwrap();
    }
    assert_eq!(store.calls(), calls + 1);
    tokio::time::advance(Duration::from_millis(60)).await;
    assert!(hooks.again(&found).await.unwrap().is_some(), "its keys may have changed meanwhile");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_idle_hooks_cost_next_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (host, store, vault, clock) = idle_host(folder.path()).await;
    let connection = host.kept(DEFAULT_TENANT, "work").await.unwrap().id;

    let before = resident();
    let mut added = tokio::task::JoinSet::new();
    for index in 0..HOOKS {
        let (store, hook) = (store.clone(), hook(&vault, &connection, index, clock.now()));
        added.spawn(async move { store.hook_add(hook).await.unwrap() });
    }
    assert!(added.join_all().await.into_iter().all(|added| added));

    let (calls, stop) = (store.calls(), Cancel::new());
    let (worker, stopping) = (host.clone(), stop.clone());
    let work = tokio::spawn(async move { worker.work(&stopping, |round| drop(round.unwrap())).await });
    let ours = pass(&*store, Duration::from_secs(86400), Duration::from_secs(60), 6).await;
    let calls = store.calls() - calls - ours;
    stop.cancel();
    work.await.unwrap();

    // And when each of them has just been delivered to.
    let hooks = Arc::new(host.stored_hooks());
    let mut found = tokio::task::JoinSet::new();
    for index in 0..HOOKS {
        let hooks = hooks.clone();
        found.spawn(async move {
            let found = hooks.find(&format!("token-{index}")).await.unwrap().expect("it is on");
            assert_eq!(found.id, format!("{index:05}"));
        });
    }
    found.join_all().await;
    let grown = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
    eprintln!(
        "{HOOKS} idle hooks: {calls} store calls in a virtual day ({:.1} a minute), {} KiB more memory, {hooks:?}",
        calls as f64 / 1440.0,
        grown.map_or("unknown".to_owned(), |grown| grown.to_string()),
    );
    assert!(calls < 1440 * 4, "{calls}");
    assert!(grown.is_none_or(|grown| grown < 200 * 1024), "{grown:?}");
}
