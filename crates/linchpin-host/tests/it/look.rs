//! Monitors of a host: turned on, looked for by the worker, paused with their connection, and cheap while idle.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use linchpin::{Connector, extract::ConnectionValues, prelude::*};
use linchpin_host::{
    DEFAULT_TENANT, Host, HostBuilder, MonitorKey, NewConnection, Notice, NoticeKind,
    store::{
        Change, Entries, Monitor, MonitorFilter, MonitorStore, NewMonitor, RunMode, Sqlite, State, Store,
        Subscription,
    },
    vault::{KeySource, Vault},
};
use linchpin_runtime::{Cancel, Clock};
use linchpin_testing::TestClock;

use super::sample::new_connection;

const SPEC: &str = r#"
schema = 1
key = "tracker"
name = "Tracker"
version = "0.1.0"

[http]
base_url = "https://tracker.example"

[auth.none]
kind = "none"

[event.posted]
name = "Posted"

[hook.all]
signature = { scheme = "hmac-sha256", header = "X-Signature" }

[event.counted]
name = "Counted"
hook = "all"
"#;

/// What a service shows, and how often it was asked.
#[derive(Default)]
struct Feed {
    posts: Vec<u64>,
    asked: usize,
    asked_since: Vec<bool>,
    denies: bool,
}

/// The feeds of all tests, each by a name of its own.
static FEEDS: Mutex<Option<HashMap<String, Feed>>> = Mutex::new(None);

fn feed<T>(name: &str, act: impl FnOnce(&mut Feed) -> T) -> T {
    let mut feeds = FEEDS.lock().unwrap();
    act(feeds.get_or_insert_default().entry(name.to_owned()).or_default())
}

#[fields]
#[derive(Debug)]
struct Which {
    /// Feed
    feed: String,
}

#[fields]
#[derive(Debug)]
struct Post {
    id: u64,
}

/// New posts
#[monitor(event = "posted", every = "5m", dedupe = "/id")]
async fn posts(
    _cx: Context,
    Options(which): Options<Which>,
    Look { cursor, since, .. }: Look<u64>,
) -> Result<Polled<Post, u64>> {
    feed(&which.feed, |feed| {
        feed.asked += 1;
        feed.asked_since.push(since.is_some());
        if feed.denies {
            return Err(Error::coded(Code::Unauthorized, "who are you?"));
        }
        let from = usize::try_from(cursor.unwrap_or_default()).unwrap();
        let next = (from + 2).min(feed.posts.len());
        let found = feed.posts[from..next].iter().map(|id| Post { id: *id }).collect();
        Ok(Polled::new(found, next as u64).more(next < feed.posts.len()))
    })
}

/// What the hook tells of, found again
#[monitor(event = "counted", every = "5m", dedupe = "/id")]
async fn counts(cx: Context, options: Options<Which>, look: Look<u64>) -> Result<Polled<Post, u64>> {
    posts(cx, options, look).await
}

/// A count
#[webhook(event = "counted")]
async fn counted(_cx: Context, Payload(post): Payload<Post>) -> Result<Post> {
    Ok(post)
}

/// The same, by another version of the connector, whose cursor is another
mod newer {
    use super::*;

    #[monitor(event = "posted", every = "5m", dedupe = "/id")]
    pub(super) async fn posts(
        _cx: Context,
        Options(_which): Options<Which>,
        Cursor(cursor): Cursor<String>,
    ) -> Result<Polled<Post, String>> {
        Ok(Polled::new(Vec::new(), cursor.unwrap_or_default()))
    }
}

fn connector(newer: bool) -> Connector {
    let spec = linchpin::connector::SpecFile { path: "tracker.toml", text: SPEC };
    let builder = Connector::builder(spec);
    let builder = if newer { builder.flow::<newer::posts>() } else { builder.flow::<posts>() };
    builder.flow::<counts>().flow::<counted>().build().unwrap()
}

async fn builder(folder: &Path, newer: bool) -> HostBuilder {
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
    Host::builder(store, vault).connector(connector(newer))
}

async fn host(folder: &Path, clock: &TestClock) -> Host {
    builder(folder, false).await.clock(Arc::new(clock.clone())).build().unwrap()
}

async fn connect(host: &Host) {
    let values = ConnectionValues { method: "none".to_owned(), ..ConnectionValues::default() };
    let new = NewConnection { values, ..new_connection() };
    host.apply(new).await.unwrap().finish_unchecked().await.unwrap();
}

fn key(feed: &str) -> MonitorKey {
    MonitorKey {
        tenant: DEFAULT_TENANT.to_owned(),
        connection: "work".to_owned(),
        flow: "posts".to_owned(),
        options: format!(r#"{{"feed":"{feed}"}}"#),
    }
}

fn each(name: &str) -> Subscription {
    Subscription { name: name.to_owned(), mode: RunMode::Each, schedule: None, first_run: None }
}

async fn handed(host: &Host) -> Vec<String> {
    let all = Entries { most: 1000, ..Entries::default() };
    let entries = host.store().inbox_list(all).await.unwrap();
    entries.into_iter().rev().map(|entry| entry.identity).collect()
}

const TICK: Duration = Duration::from_secs(331);

#[tokio::test]
async fn a_monitor_that_is_on_is_looked_for_in_rounds() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let host = host(folder.path(), &clock).await;
    connect(&host).await;
    feed("rounds", |feed| feed.posts = vec![1, 2, 3]);
    let monitor = host.monitor_on(&key("rounds"), each("ann")).await.unwrap();
    assert_eq!(host.round().await.unwrap().looks, 1);
    assert!(handed(&host).await.is_empty(), "the first look sets the cursor");
    assert_eq!(host.round().await.unwrap().looks, 0);

    // Another wants the same: one look serves both.
    assert_eq!(host.monitor_on(&key("rounds"), each("bob")).await.unwrap().id, monitor.id);
    feed("rounds", |feed| feed.posts.extend([4, 5, 6]));
    let asked = feed("rounds", |feed| feed.asked);
    clock.advance(TICK);
    let round = host.round().await.unwrap();
    assert_eq!((round.looks, round.failed_looks), (1, Vec::new()));
    assert_eq!(feed("rounds", |feed| feed.asked), asked + 2, "two pages");
    let both = ["ann/[4]", "ann/[5]", "ann/[6]", "bob/[4]", "bob/[5]", "bob/[6]"];
    assert_eq!(handed(&host).await, both);
    assert_eq!(feed("rounds", |feed| feed.asked_since.clone()), [true, false, false, false]);

    // A day was missed: there is one look, not 288.
    clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(host.round().await.unwrap().looks, 1);
    assert_eq!(host.round().await.unwrap().looks, 0);

    // A dry run shows what there is and changes nothing.
    feed("rounds", |feed| feed.posts.push(7));
    let before = host.monitor(&monitor.id).await.unwrap();
    let tried = host.monitor_try(&key("rounds")).await.unwrap();
    assert_eq!(tried.events.len(), 2);
    assert!(!tried.committed);
    assert_eq!(host.monitor(&monitor.id).await.unwrap(), before);
    let ran = host.monitor_run(&monitor.id).await.unwrap();
    assert!(ran.committed && ran.events[0].json == r#"{"id":7}"#, "{ran:?}");
}

#[tokio::test]
async fn what_does_not_fit_is_told_when_a_monitor_is_turned_on() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let host = host(folder.path(), &clock).await;
    connect(&host).await;
    let refused = async |key: MonitorKey, subscription: Subscription| {
        host.monitor_on(&key, subscription).await.unwrap_err().code()
    };
    let other = |edit: fn(&mut MonitorKey)| {
        let mut key = key("x");
        edit(&mut key);
        key
    };
    let unknown = refused(other(|key| key.flow = "post".to_owned()), each("a")).await;
    assert_eq!(unknown, Code::InputInvalid);
    assert_eq!(refused(other(|key| key.options = "{}".to_owned()), each("a")).await, Code::OptionsInvalid);
    assert_eq!(
        refused(other(|key| key.connection = "no".to_owned()), each("a")).await,
        Code::ConnectionUnknown
    );
    assert_eq!(refused(key("x"), each("a/b")).await, Code::OptionsInvalid);
    let first = Subscription { first_run: Some("all".to_owned()), ..each("a") };
    assert_eq!(refused(key("x"), first).await, Code::OptionsInvalid);
    assert_eq!(host.monitor_of(&key("x")).await.unwrap_err().code(), Code::MonitorUnknown);
    assert_eq!(host.monitor("x").await.unwrap_err().code(), Code::MonitorUnknown);
}

#[tokio::test]
async fn of_a_hook_and_a_monitor_whoever_comes_first_hands_on() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let host = host(folder.path(), &clock).await;
    connect(&host).await;
    let mut hybrid = key("hybrid");
    hybrid.flow = "counts".to_owned();
    feed("hybrid", |feed| feed.posts = vec![1, 2]);
    host.monitor_on(&hybrid, each("ann")).await.unwrap();
    host.round().await.unwrap();
    let connection = host.kept(DEFAULT_TENANT, "work").await.unwrap();
    let delivered = async |event: &str, options: &str, record: &str| {
        let records = [serde_json::value::RawValue::from_string(record.to_owned()).unwrap().into()];
        host.claim_delivered(&connection, event, options, "the hook", &records).await
    };
    let options = hybrid.options.as_str();
    // Nobody was given what was there before: a delivery that was under way meanwhile is handed on.
    assert_eq!(delivered("counted", options, r#"{"id":1}"#).await.unwrap(), [true]);
    assert_eq!(delivered("counted", options, r#"{"id":3}"#).await.unwrap(), [true]);
    assert_eq!(delivered("counted", options, r#"{"id":3}"#).await.unwrap(), [true], "again after a crash");
    feed("hybrid", |feed| feed.posts.extend([3, 4]));
    clock.advance(TICK);
    assert_eq!(host.round().await.unwrap().looks, 1);
    assert_eq!(handed(&host).await, ["ann/[4]"], "the delivery that was lost is healed");
    assert_eq!(delivered("counted", options, r#"{"id":4}"#).await.unwrap(), [false], "and comes late");
    // What the monitor knows nothing of makes no difference, and what is not set neither.
    let of_hook = options.replacen('{', r#"{"events":["counted"],"limit":null,"#, 1);
    assert_eq!(delivered("counted", &of_hook, r#"{"id":4}"#).await.unwrap(), [false]);
    // Other options are other subscriptions, and without a monitor nobody else hands on.
    assert_eq!(delivered("counted", r#"{"feed":"x"}"#, r#"{"id":4}"#).await.unwrap(), [true]);
    assert_eq!(delivered("unseen", options, r#"{"id":4}"#).await.unwrap(), [true]);
    assert_eq!(delivered("counted", options, "{}").await.unwrap_err().code(), Code::RecordUnidentified);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_over_one_store_look_once() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let one = host(folder.path(), &clock).await;
    connect(&one).await;
    let two = host(folder.path(), &clock).await;
    for name in 0..20 {
        one.monitor_on(&key(&format!("shared-{name}")), each("ann")).await.unwrap();
    }
    for round in 1..4 {
        let (first, second) = tokio::join!(one.round(), two.round());
        assert_eq!(first.unwrap().looks + second.unwrap().looks, 20);
        for name in 0..20 {
            assert_eq!(feed(&format!("shared-{name}"), |feed| feed.asked), round);
        }
        clock.advance(TICK);
    }
}

#[tokio::test]
async fn a_monitor_is_paused_with_its_connection_and_goes_on_from_its_cursor() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let host = host(folder.path(), &clock).await;
    connect(&host).await;
    let monitor = host.monitor_on(&key("denied"), each("ann")).await.unwrap();
    host.round().await.unwrap();
    feed("denied", |feed| (feed.denies, feed.posts) = (true, vec![1]));
    clock.advance(TICK);
    let round = host.round().await.unwrap();
    assert_eq!(round.failed_looks[0].code, Code::Unauthorized);
    assert_eq!(host.kept(DEFAULT_TENANT, "work").await.unwrap().state, State::NeedsReauthorization);
    let asked = feed("denied", |feed| feed.asked);
    clock.advance(Duration::from_secs(7200));
    assert_eq!(host.round().await.unwrap().looks, 0);
    assert_eq!(feed("denied", |feed| feed.asked), asked, "nobody asks");
    assert_eq!(host.monitor_run(&monitor.id).await.unwrap_err().code(), Code::ReauthorizationNeeded);

    feed("denied", |feed| feed.denies = false);
    let change = Change { state: State::Active, at: clock.now(), reason: "mended".to_owned() };
    host.store().connection_move(&host.kept(DEFAULT_TENANT, "work").await.unwrap().id, change).await.unwrap();
    assert_eq!(host.round().await.unwrap().looks, 1);
    assert_eq!(handed(&host).await, ["ann/[1]"]);

    host.delete(DEFAULT_TENANT, "work").await.unwrap();
    assert!(host.monitors(MonitorFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cursor_of_another_type_stops_the_monitor_until_it_is_reset() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let old = host(folder.path(), &clock).await;
    connect(&old).await;
    feed("typed", |feed| feed.posts = vec![1]);
    let monitor = old.monitor_on(&key("typed"), each("ann")).await.unwrap();
    old.round().await.unwrap();
    drop(old);

    let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
    let listener = told.clone();
    let host = builder(folder.path(), true)
        .await
        .clock(Arc::new(clock.clone()))
        .notices(move |notice| listener.lock().unwrap().push(notice.clone()))
        .build()
        .unwrap();
    clock.advance(TICK);
    let round = host.round().await.unwrap();
    assert_eq!(round.failed_looks[0].code, Code::CursorInvalid, "{round:?}");
    let row = host.monitor(&monitor.id).await.unwrap();
    assert!(row.stopped && row.cursor.as_deref() == Some("1"), "{row:?}");
    {
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].kind, NoticeKind::MonitorStopped);
    }
    clock.advance(Duration::from_secs(86400));
    assert!(host.round().await.unwrap().failed_looks.is_empty(), "it stands still");
    assert_eq!(
        host.monitor_reset(&monitor.id, Some("{".to_owned())).await.unwrap_err().code(),
        Code::CursorInvalid
    );
    host.monitor_reset(&monitor.id, Some(r#""p1""#.to_owned())).await.unwrap();
    assert_eq!(host.round().await.unwrap().looks, 1);
    assert_eq!(host.monitor(&monitor.id).await.unwrap().cursor.as_deref(), Some(r#""p1""#));
}

/// The time that passes for sleepers, too.
#[derive(Debug)]
pub(crate) struct Virtual(pub(crate) tokio::time::Instant);

impl Clock for Virtual {
    fn now(&self) -> DateTime {
        let millis = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        DateTime::from_unix_millis(1_772_355_600_000 + millis).unwrap()
    }
}

/// Lets time pass in steps. After each, whoever waits for the store gets its answers: those come from threads, for which time that
/// stands still does not wait by itself. Gives how many calls that took.
pub(crate) async fn pass(store: &dyn Store, span: Duration, step: Duration, rest: usize) -> u64 {
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    // While it runs, time does not move by itself.
    let hold = tokio::task::spawn_blocking(move || wait.recv().is_err());
    let (mut left, mut calls) = (span, 0);
    while !left.is_zero() {
        tokio::time::advance(step.min(left)).await;
        left = left.saturating_sub(step);
        for _ in 0..rest {
            // Both threads answer in order.
            let (read, written) = tokio::join!(store.note("rest"), store.note_once("rest", b""));
            read.unwrap();
            written.unwrap();
            tokio::task::yield_now().await;
            calls += 2;
        }
    }
    drop(go_on);
    hold.await.unwrap();
    calls
}

/// Resident memory of this process, in KiB; none where that is not told.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_idle_monitors_cost_next_to_nothing() {
    const MONITORS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let vault = Vault::unlock(&*store, KeySource::beside(&path)).await.unwrap();
    let clock = Arc::new(Virtual(tokio::time::Instant::now()));
    let host = Host::builder_shared(store.clone(), vault).connector(connector(false));
    let host = host.clock(clock.clone()).build().unwrap();
    connect(&host).await;
    let connection = host.kept(DEFAULT_TENANT, "work").await.unwrap().id;
    let before = resident();
    // All of them are due in ten days.
    let add = |index: usize| NewMonitor {
        id: format!("{index:05}"),
        connection: connection.clone(),
        flow: "posts".to_owned(),
        options: format!(r#"{{"feed":"idle-{index}"}}"#),
        options_hash: index.to_string(),
        now: DateTime::from_unix_millis(clock.now().unix_millis() + 10 * 86_400_000).unwrap(),
    };
    let mut added = tokio::task::JoinSet::new();
    for index in 0..MONITORS {
        let (store, new) = (store.clone(), add(index));
        added.spawn(async move { store.monitor_on(new, each("ann")).await.unwrap() });
    }
    let added: Vec<Monitor> = added.join_all().await;
    assert_eq!(added.len(), MONITORS);
    drop(added);
    let (calls, began) = (store.calls(), tokio::time::Instant::now());
    let (stop, rounds) = (Cancel::new(), Arc::new(AtomicUsize::new(0)));
    let (worker, stopping, counted) = (host.clone(), stop.clone(), rounds.clone());
    let work = tokio::spawn(async move {
        let each = |round: Result<_>| {
            round.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
        };
        worker.work(&stopping, each).await;
    });
    let ours = pass(&*store, Duration::from_secs(86400), Duration::from_secs(60), 6).await;
    let calls = store.calls() - calls - ours;
    stop.cancel();
    work.await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(86400));
    let grown = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
    eprintln!(
        "{MONITORS} idle monitors: {calls} store calls in a virtual day ({:.1} a minute), {} rounds, {} KiB more memory",
        calls as f64 / 1440.0,
        rounds.load(Ordering::Relaxed),
        grown.map_or("unknown".to_owned(), |grown| grown.to_string()),
    );
    // Two calls a minute ask what is next, and a round each ten minutes looks after connections.
    assert!((1440..1440 * 4).contains(&calls), "{calls}");
    assert!(grown.is_none_or(|grown| grown < 100 * 1024), "{grown:?}");
}

#[tokio::test(start_paused = true)]
async fn the_worker_looks_when_it_is_due_and_when_one_is_turned_on() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Virtual(tokio::time::Instant::now()));
    let host = builder(folder.path(), false).await.clock(clock.clone()).build().unwrap();
    connect(&host).await;
    let stop = Cancel::new();
    let (worker, stopping) = (host.clone(), stop.clone());
    let work = tokio::spawn(async move { worker.work(&stopping, |round| drop(round.unwrap())).await });
    let second = Duration::from_secs(1);
    pass(&**host.store(), second * 5, second, 10).await;
    host.monitor_on(&key("worker"), each("ann")).await.unwrap();
    pass(&**host.store(), second * 2, second, 30).await;
    assert_eq!(feed("worker", |feed| feed.asked), 1, "at once");
    pass(&**host.store(), second * 3600, second * 20, 30).await;
    let asked = feed("worker", |feed| feed.asked);
    assert!((12..=14).contains(&asked), "every five minutes, and not {asked} times an hour");
    stop.cancel();
    work.await.unwrap();
}
