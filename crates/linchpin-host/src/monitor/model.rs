//! Monitors against a model of a service: items that are late, out of order, of equal times, or deleted; looks that fail, that are
//! given up, and stores whose answers are lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{self, Poll as Polled},
    time::Duration,
};

use bytes::Bytes;
use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture, manifest::spec};
use proptest::{prelude::*, test_runner::TestCaseResult};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    look::{Ask, Book, Done, Looker, Poll},
    plan::{FirstRun, Settings, hybrid_scope, woken_look},
};
use crate::{
    ping::later,
    store::{
        Claim, Commit, Committed, Connection, ConnectionStore, Entries, FailedLook, InboxStore, Monitor,
        MonitorStore, NewEntry, NewMonitor, RunMode, Seen, Sqlite, State, Subscription,
    },
    vault::Sealed,
};

const OVERLAP: Duration = Duration::from_secs(600);

fn at(seconds: i64) -> DateTime {
    DateTime::from_unix_millis(1_772_355_600_000 + seconds * 1000).unwrap()
}

/// Something that happened at the service.
#[derive(Debug, Clone)]
struct Item {
    /// When, in seconds; others may have happened at the same time.
    time: i64,
    /// When the service shows it, at most the overlap later.
    shown: i64,
    deleted: bool,
}

/// A service whose list is ordered by time, and by id where times are equal.
struct Service {
    items: Vec<Item>,
    now: i64,
    page: usize,
    /// The page of a look that fails, from 0.
    fails: Option<usize>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Position {
    /// Up to where everything was seen, but for what comes late.
    high: i64,
    /// Within a list that is not at its end: behind which item, from where, and how high the end will be.
    within: Option<(i64, usize, i64, i64)>,
}

struct Asked<'a> {
    service: &'a Mutex<Service>,
    pages: AtomicUsize,
    /// Behind this page something happens, and the monitor is woken.
    news: Option<(usize, &'a World)>,
}

impl Poll for Asked<'_> {
    fn page(&self, ask: Ask) -> BoxFuture<'_, Result<String>> {
        Box::pin(async move {
            // Where a future can be given up.
            tokio::task::yield_now().await;
            let page = self.pages.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer(page, ask);
            if let Some((_, world)) = self.news.filter(|(behind, _)| *behind == page) {
                world.happen(1);
                world.wake().await;
            }
            answer
        })
    }
}

impl Asked<'_> {
    fn answer(&self, page: usize, ask: Ask) -> Result<String> {
        let mut service = self.service.lock().unwrap();
        if service.fails == Some(page) {
            return Err(Error::coded(Code::ServiceFailed, "the service is down"));
        }
        let position: Option<Position> = ask.cursor.map(|json| serde_json::from_str(&json).unwrap());
        let from = match position {
            Some(position) => position.high.saturating_sub(i64::try_from(ask.overlap.as_secs()).unwrap()),
            None => i64::MIN,
        };
        let (time, id, from, began) = match position.and_then(|position| position.within) {
            Some(within) => within,
            None => (i64::MIN, 0, from, service.now),
        };
        let now = service.now;
        let mut rest: Vec<(i64, usize)> = service
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| !item.deleted && item.shown <= now && item.time >= from)
            .map(|(id, item)| (item.time, id))
            .filter(|&place| place > (time, id) || time == i64::MIN)
            .collect();
        rest.sort_unstable();
        let more = rest.len() > service.page;
        rest.truncate(service.page);
        let high = position.map_or(i64::MIN, |position| position.high);
        // What is shown while the list is read must still be within the overlap of the next.
        let seen = rest.iter().map(|(time, _)| (*time).min(began)).max().unwrap_or(i64::MIN).max(high);
        let next = match rest.last() {
            Some(&(time, id)) if more => Position { high, within: Some((time, id, from, began)) },
            _ => Position { high: seen.max(began - 3600), within: None },
        };
        service.now += 1;
        let records: Vec<_> = rest.iter().map(|(time, id)| json!({ "id": id, "time": time })).collect();
        Ok(json!({ "records": records, "cursor": next, "more": more }).to_string())
    }
}

/// What goes wrong while it is looked.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// A page is not given.
    Page(usize),
    /// The store refuses a call.
    Refused(usize),
    /// The store does what a call asks for, and its answer is lost.
    Unanswered(usize),
    /// The process is gone when the look has been polled so often.
    GivenUp(usize),
}

#[derive(Debug, Clone)]
enum Step {
    /// Something happens, so long ago, and is shown so much later than that.
    Item {
        ago: i64,
        late: i64,
    },
    /// One of the items is deleted.
    Delete(usize),
    /// Time goes by.
    Wait(i64),
    /// The hook delivers an item, if it is hybrid.
    Deliver(usize),
    Look(Option<Fault>),
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        (0..3_usize).prop_map(Fault::Page),
        (0..4_usize).prop_map(Fault::Refused),
        (0..4_usize).prop_map(Fault::Unanswered),
        (0..12_usize).prop_map(Fault::GivenUp),
    ];
    prop_oneof![
        4 => (0..300_i64, 0..600_i64).prop_map(|(ago, late)| Step::Item { ago: ago / 60 * 60, late }),
        1 => any::<usize>().prop_map(Step::Delete),
        2 => (0..400_i64).prop_map(Step::Wait),
        // A service that is down, or a connection that cannot be used.
        1 => (400..4000_i64).prop_map(Step::Wait),
        2 => any::<usize>().prop_map(Step::Deliver),
        3 => proptest::option::weighted(0.6, fault).prop_map(Step::Look),
    ]
}

/// A store that goes wrong at a call, and tells when something would be handed on twice.
struct Faulty<'a> {
    store: &'a Sqlite,
    fault: Option<Fault>,
    calls: AtomicUsize,
    twice: Mutex<Vec<String>>,
}

impl Faulty<'_> {
    async fn go<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let lost = || Error::coded(Code::StoreFailed, "the store is gone");
        match self.fault {
            Some(Fault::Refused(nth)) if nth == call => Err(lost()),
            Some(Fault::Unanswered(nth)) if nth == call => {
                work.await?;
                Err(lost())
            }
            _ => work.await,
        }
    }
}

impl Book for Faulty<'_> {
    fn seen(&self, scope: &str, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Seen>>> {
        let scope = scope.to_owned();
        Box::pin(async move { self.go(MonitorStore::seen(self.store, &scope, keys)).await })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(async move {
            let before = identities(self.store).await;
            let entries: Vec<String> = commit.entries.iter().map(|entry| entry.identity.clone()).collect();
            // Not begun before it is known that it is not refused.
            self.go(async {
                let committed = self.store.monitor_commit(commit).await?;
                if committed == Committed::Done {
                    let again = entries.into_iter().filter(|identity| before.contains(identity));
                    self.twice.lock().unwrap().extend(again);
                }
                Ok(committed)
            })
            .await
        })
    }

    fn failed(&self, failed: FailedLook) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move { self.go(async { self.store.monitor_failed(failed).await }).await })
    }
}

async fn identities(store: &Sqlite) -> BTreeSet<String> {
    let all = Entries { most: 100_000, ..Entries::default() };
    store.inbox_list(all).await.unwrap().into_iter().map(|entry| entry.identity).collect()
}

/// The ids of the items that were handed on, each with how often.
async fn handed_on(store: &Sqlite) -> BTreeMap<u64, usize> {
    let all = Entries { most: 100_000, ..Entries::default() };
    let mut found = BTreeMap::new();
    for entry in store.inbox_list(all).await.unwrap() {
        let (entry, _) = store.inbox_entry(entry.number).await.unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(&entry.what.body).unwrap();
        *found.entry(record["id"].as_u64().unwrap()).or_default() += 1;
    }
    found
}

/// Drops a future that was polled so often.
struct GivenUp<F>(Pin<Box<F>>, usize);

impl<F: Future> Future for GivenUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Polled<Self::Output> {
        match self.1.checked_sub(1) {
            None => Polled::Ready(None),
            Some(left) => {
                self.1 = left;
                self.0.as_mut().poll(cx).map(Some)
            }
        }
    }
}

struct World {
    store: Sqlite,
    service: Mutex<Service>,
    settings: Settings,
    monitor: String,
    scope: String,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(page: usize, hybrid: bool, first_run: FirstRun, modes: &[RunMode]) -> World {
        World::with_ledger(OVERLAP * 4, page, hybrid, first_run, modes).await
    }

    /// One whose ledger knows for so long what was handed on.
    async fn with_ledger(
        ledger: Duration,
        page: usize,
        hybrid: bool,
        first_run: FirstRun,
        modes: &[RunMode],
    ) -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("store.db")).unwrap();
        let connection = Connection {
            id: "c".to_owned(),
            tenant: "t".to_owned(),
            name: "work".to_owned(),
            connector: "tracker".to_owned(),
            method: String::new(),
            owner: None,
            fields: Sealed(vec![0; 16]),
            scopes: Vec::new(),
            identity: None,
            state: State::Active,
            since: at(0),
            created: at(0),
            ping: None,
            next_ping: None,
        };
        store.connection_add(connection, None).await.unwrap();
        let mut monitor = spec::Monitor::named("news");
        monitor.overlap = Some(OVERLAP);
        monitor.every = Some(Duration::from_secs(60));
        monitor.dedupe = vec!["/id".to_owned()];
        monitor.ledger_time = Some(ledger);
        let settings = Settings::of_spec(monitor, "happened", hybrid, first_run);
        let mut id = String::new();
        for mode in modes {
            let new = NewMonitor {
                id: "m".to_owned(),
                connection: "c".to_owned(),
                flow: "news".to_owned(),
                options: "{}".to_owned(),
                options_hash: "h".to_owned(),
                now: at(0),
            };
            id = store.monitor_on(new, subscription(*mode)).await.unwrap().id;
        }
        let scope = if hybrid { hybrid_scope("c", "happened", "h") } else { id.clone() };
        let service = Mutex::new(Service { items: Vec::new(), now: 0, page, fails: None });
        World { store, service, settings, monitor: id, scope, _folder: folder }
    }

    fn now(&self) -> DateTime {
        at(self.service.lock().unwrap().now)
    }

    fn wait(&self, seconds: i64) {
        self.service.lock().unwrap().now += seconds;
    }

    fn happen(&self, count: usize) {
        let mut service = self.service.lock().unwrap();
        let now = service.now;
        service.items.extend((0..count).map(|_| Item { time: now, shown: now, deleted: false }));
    }

    async fn row(&self) -> Monitor {
        self.store.monitor(&self.monitor).await.unwrap().unwrap()
    }

    /// From now on the schedule has it look once in thirty days.
    fn monthly(&mut self) {
        let mut monitor = spec::Monitor::named("news");
        monitor.overlap = Some(OVERLAP);
        monitor.every = Some(Duration::from_secs(30 * 86_400));
        monitor.jitter = Some(Duration::ZERO);
        monitor.dedupe = vec!["/id".to_owned()];
        self.settings = Settings::of_spec(monitor, "happened", false, FirstRun::Now);
    }

    /// A delivery says that there is news.
    async fn wake(&self) {
        let (row, now) = (self.row().await, self.now());
        let at = woken_look(&row, &self.settings, row.last_run, now).unwrap().unwrap();
        assert!(self.store.monitor_wake(&row.id, now, at).await.unwrap());
    }

    /// Looks, when nobody else does; nothing when the look was given up.
    async fn look(&self, fault: Option<Fault>) -> Option<Result<Done>> {
        let now = self.now();
        let claimed = self.store.monitor_claim(&self.monitor, now, later(now, super::HOLD)).await.unwrap();
        let monitor = match claimed {
            Some(monitor) => monitor,
            None => {
                self.wait(i64::try_from(super::HOLD.as_secs()).unwrap());
                let now = self.now();
                self.store.monitor_claim(&self.monitor, now, later(now, super::HOLD)).await.unwrap()?
            }
        };
        self.look_claimed(&monitor, fault, None).await
    }

    async fn look_claimed(
        &self,
        monitor: &Monitor,
        fault: Option<Fault>,
        news: Option<usize>,
    ) -> Option<Result<Done>> {
        self.service.lock().unwrap().fails = match fault {
            Some(Fault::Page(page)) => Some(page),
            _ => None,
        };
        let news = news.map(|page| (page, self));
        let poll = Asked { service: &self.service, pages: AtomicUsize::new(0), news };
        let store = Faulty { store: &self.store, fault, calls: AtomicUsize::new(0), twice: Mutex::default() };
        let now = || self.now();
        let looker = Looker {
            store: &store,
            poll: &poll,
            monitor,
            settings: &self.settings,
            scope: &self.scope,
            now: &now,
            random: 0.0,
        };
        let ended = match fault {
            Some(Fault::GivenUp(polls)) => GivenUp(Box::pin(looker.look()), polls).await,
            _ => Some(looker.look().await),
        };
        assert_eq!(*store.twice.lock().unwrap(), [""; 0], "handed on twice");
        ended
    }

    /// The hook's worker: it hands an item on unless the monitor has.
    async fn deliver(&self, id: usize) {
        let key = format!("[{id}]");
        let claim = Claim {
            scope: self.scope.clone(),
            keys: vec![key.clone()],
            owner: "hook".to_owned(),
            at: self.now(),
            connection: "c".to_owned(),
            flow: "news".to_owned(),
            keep: self.settings.ledger_time,
        };
        let claimed = self.store.seen_claim(claim).await.unwrap();
        if claimed == [true] {
            let entry = NewEntry {
                source: "hook".to_owned(),
                identity: key,
                lane: None,
                head: String::new().into(),
                body: Bytes::from(json!({ "id": id }).to_string()),
                received: self.now(),
            };
            self.store.inbox_put(vec![entry], None).await.unwrap();
        }
    }

    async fn events(&self) -> Vec<String> {
        let all = Entries { most: 1000, ..Entries::default() };
        let mut events = Vec::new();
        for entry in self.store.inbox_list(all).await.unwrap().into_iter().rev() {
            let (entry, _) = self.store.inbox_entry(entry.number).await.unwrap().unwrap();
            let mode = entry.what.identity.split('/').next().unwrap_or_default().to_owned();
            let body: serde_json::Value = serde_json::from_slice(&entry.what.body).unwrap();
            let id = |record: &serde_json::Value| record["id"].to_string();
            let ids = match &body {
                serde_json::Value::Array(records) => records.iter().map(id).collect::<Vec<_>>().join(" "),
                record => id(record),
            };
            events.push(format!("{mode}: {ids}"));
        }
        events
    }
}

fn subscription(mode: RunMode) -> Subscription {
    Subscription { name: mode.as_str().to_owned(), mode, schedule: None, first_run: None }
}

async fn nothing_lost_nothing_twice(
    steps: Vec<Step>,
    page: usize,
    hybrid: bool,
    ledger: Duration,
) -> TestCaseResult {
    let all = FirstRun::parse("since 365d").unwrap();
    let world = World::with_ledger(ledger, page, hybrid, all, &[RunMode::Each]).await;
    // Whatever was shown at a look that was read to its end.
    let mut wanted = BTreeSet::new();
    let mut delivered = BTreeSet::new();
    for step in steps.into_iter().chain([Step::Wait(700), Step::Look(None), Step::Look(None)]) {
        match step {
            Step::Item { ago, late } => {
                let mut service = world.service.lock().unwrap();
                let time = service.now - ago;
                let shown = (time + late).max(service.now);
                service.items.push(Item { time, shown, deleted: false });
            }
            Step::Delete(which) => {
                let mut service = world.service.lock().unwrap();
                let count = service.items.len();
                if let Some(item) = (count > 0).then(|| &mut service.items[which % count]) {
                    item.deleted = true;
                }
            }
            Step::Wait(seconds) => world.wait(seconds),
            Step::Deliver(which) => {
                // None so late that what was handed on at its time is forgotten.
                let recent: Vec<usize> = {
                    let service = world.service.lock().unwrap();
                    let since = service.now - i64::try_from(world.settings.ledger_time.as_secs()).unwrap();
                    let items = service.items.iter().enumerate();
                    items.filter(|(_, item)| item.time >= since).map(|(id, _)| id).collect()
                };
                if hybrid && !recent.is_empty() {
                    let id = recent[which % recent.len()];
                    world.deliver(id).await;
                    delivered.insert(id);
                }
            }
            Step::Look(fault) => {
                let shown: Vec<usize> = {
                    let service = world.service.lock().unwrap();
                    let shown = service.items.iter().enumerate();
                    let now = service.now;
                    shown.filter(|(_, item)| !item.deleted && item.shown <= now).map(|(id, _)| id).collect()
                };
                let began = world.row().await.cursor;
                let whole = began
                    .is_none_or(|cursor| serde_json::from_str::<Position>(&cursor).unwrap().within.is_none());
                if let Some(Ok(done)) = world.look(fault).await
                    && whole
                    && done.committed
                    && done.problem.is_none()
                {
                    wanted.extend(shown);
                }
            }
        }
    }
    let handed = handed_on(&world.store).await;
    for (id, times) in &handed {
        prop_assert_eq!(*times, 1, "item {} was handed on {} times", id, times);
    }
    for id in wanted.union(&delivered) {
        prop_assert!(handed.contains_key(&(*id as u64)), "item {} was lost", id);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_breaks_nothing_is_lost_and_nothing_comes_twice(
        steps in proptest::collection::vec(step(), 1..50),
        page in 1..5_usize,
        hybrid in any::<bool>(),
        // None at all is taken for as long as the overlap.
        ledger in 0..5_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(nothing_lost_nothing_twice(steps, page, hybrid, OVERLAP * ledger))?;
    }
}

#[tokio::test]
async fn the_first_look_hands_on_what_it_was_told_to() {
    for (first_run, wanted) in [
        ("now", vec!["each: 5"]),
        ("last 2", vec!["each: 3", "each: 4", "each: 5"]),
        ("since 365d", vec!["each: 0", "each: 1", "each: 2", "each: 3", "each: 4", "each: 5"]),
    ] {
        let world = World::new(2, false, FirstRun::parse(first_run).unwrap(), &[RunMode::Each]).await;
        world.happen(5);
        world.wait(10);
        let done = world.look(None).await.unwrap().unwrap();
        assert!(done.committed && done.pages == 3, "{first_run}: {done:?}");
        world.happen(1);
        world.wait(10);
        world.look(None).await.unwrap().unwrap();
        assert_eq!(world.events().await, wanted, "{first_run}");
    }
}

#[tokio::test]
async fn each_run_mode_has_its_events_from_the_same_looks() {
    let modes = [RunMode::Each, RunMode::Every, RunMode::None];
    let world = World::new(2, false, FirstRun::Now, &modes).await;
    world.look(None).await.unwrap().unwrap();
    assert_eq!(world.events().await, [""; 0], "the first look says nothing");
    world.wait(60);
    world.happen(3);
    let done = world.look(None).await.unwrap().unwrap();
    assert_eq!(done.pages, 2);
    assert_eq!(world.events().await, ["each: 0", "each: 1", "each: 2", "every: 0 1 2"]);
    world.wait(60);
    world.look(None).await.unwrap().unwrap();
    let events = world.events().await;
    assert_eq!(events[4..], ["every: ", "none: "]);
}

#[tokio::test]
async fn a_look_that_breaks_off_keeps_what_it_found_and_says_so() {
    let world = World::new(1, false, FirstRun::parse("since 1d").unwrap(), &[RunMode::Each]).await;
    world.happen(3);
    let done = world.look(Some(Fault::Page(2))).await.unwrap().unwrap();
    assert!(done.committed);
    assert_eq!(done.problem.unwrap().code(), Code::ServiceFailed);
    let row = world.row().await;
    assert_eq!((row.failures, row.problem.unwrap().0.as_str()), (1, Code::ServiceFailed.as_str()));
    assert!(row.due.unwrap() > world.now(), "it waits a while");
    assert_eq!(world.events().await, ["each: 0", "each: 1"]);
    world.look(None).await.unwrap().unwrap();
    assert_eq!(world.events().await, ["each: 0", "each: 1", "each: 2"]);
    let row = world.row().await;
    assert_eq!((row.failures, row.problem), (0, None));
}

#[tokio::test]
async fn a_look_that_is_resumed_after_a_long_break_hands_nothing_on_twice() {
    // Longer than the ledger knows anything by itself.
    const BREAK: i64 = 700;
    let all = FirstRun::parse("since 1d").unwrap();
    let world = World::with_ledger(OVERLAP, 1, false, all, &[RunMode::Each]).await;
    world.happen(3);
    // Each look has one page more, and by the next the one before is long past.
    for items in 1..3 {
        world.look(Some(Fault::Page(1))).await.unwrap().unwrap();
        assert_eq!(world.events().await.len(), items);
        world.wait(BREAK);
    }
    world.look(None).await.unwrap().unwrap();
    // The service shows nothing newer, so this one finds all of them again.
    world.wait(BREAK);
    let done = world.look(None).await.unwrap().unwrap();
    assert_eq!((done.pages, done.commit.found), (3, 0));
    // So do the two looks of the next, of which the first sees one only.
    world.wait(BREAK);
    world.look(Some(Fault::Page(1))).await.unwrap().unwrap();
    world.look(None).await.unwrap().unwrap();
    assert_eq!(world.events().await, ["each: 0", "each: 1", "each: 2"]);
}

#[tokio::test]
async fn what_a_hook_delivers_is_known_to_a_look_that_comes_long_after() {
    let world = World::with_ledger(OVERLAP, 5, true, FirstRun::Now, &[RunMode::Each]).await;
    world.look(None).await.unwrap().unwrap();
    for id in 0..10 {
        world.wait(24 * 3600);
        world.happen(1);
        world.deliver(id).await;
    }
    world.look(None).await.unwrap().unwrap();
    assert!(handed_on(&world.store).await.into_values().eq([1; 10]));
}

#[tokio::test]
async fn a_backlog_is_read_in_turns_without_waiting_for_the_schedule() {
    let world = World::new(1, false, FirstRun::parse("since 1d").unwrap(), &[RunMode::Each]).await;
    world.happen(45);
    for (pages, waits) in [(20, false), (20, false), (5, true)] {
        assert_eq!(world.look(None).await.unwrap().unwrap().pages, pages);
        assert_eq!(world.row().await.due.unwrap() > world.now(), waits);
    }
    assert_eq!(world.events().await.len(), 45);
}

#[tokio::test]
async fn one_that_was_turned_off_goes_on_from_its_cursor() {
    let world = World::new(5, false, FirstRun::Now, &[RunMode::Each]).await;
    world.look(None).await.unwrap().unwrap();
    assert!(world.store.monitor_off("m", "each").await.unwrap());
    let off = world.row().await;
    assert_eq!((off.due, off.subscriptions.len()), (None, 0));
    world.wait(500);
    world.happen(2);
    let new = NewMonitor {
        id: "another".to_owned(),
        connection: "c".to_owned(),
        flow: "news".to_owned(),
        options: "{}".to_owned(),
        options_hash: "h".to_owned(),
        now: world.now(),
    };
    let on = world.store.monitor_on(new, subscription(RunMode::Each)).await.unwrap();
    assert_eq!((on.id.as_str(), on.cursor, on.due), ("m", off.cursor, Some(world.now())));
    world.look(None).await.unwrap().unwrap();
    assert_eq!(world.events().await, ["each: 0", "each: 1"]);
}

#[tokio::test]
async fn a_delivery_that_was_lost_is_healed_by_the_next_look() {
    let world = World::new(3, true, FirstRun::Now, &[RunMode::Each]).await;
    world.look(None).await.unwrap().unwrap();
    for id in 0..20 {
        world.wait(30);
        world.happen(1);
        if id % 3 != 0 {
            world.deliver(id).await;
        }
        if id % 5 == 4 {
            world.look(None).await.unwrap().unwrap();
        }
        // The service delivers once more, or late.
        world.deliver(id / 2).await;
    }
    let handed = handed_on(&world.store).await;
    assert_eq!(handed.len(), 20);
    assert!(handed.values().all(|times| *times == 1), "{handed:?}");
}

#[tokio::test]
async fn a_cursor_is_never_thrown_away() {
    let mut world = World::new(3, false, FirstRun::Now, &[RunMode::Each]).await;
    world.look(None).await.unwrap().unwrap();
    let kept = world.row().await.cursor;
    // Too large.
    world.settings.cursor_max = 10;
    let error = world.look(None).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::CursorInvalid, "{error}");
    let row = world.row().await;
    assert!(row.stopped && row.due.is_none() && row.cursor == kept, "{row:?}");
    // Turning it on again does not start it.
    let new = NewMonitor {
        id: "another".to_owned(),
        connection: "c".to_owned(),
        flow: "news".to_owned(),
        options: "{}".to_owned(),
        options_hash: "h".to_owned(),
        now: world.now(),
    };
    assert_eq!(world.store.monitor_on(new, subscription(RunMode::Each)).await.unwrap().due, None);
    world.settings.cursor_max = 1000;
    assert!(world.store.monitor_reset("m", None, world.now()).await.unwrap());
    world.look(None).await.unwrap().unwrap();
    // Too old.
    world.settings.cursor_age = Some(Duration::from_secs(100));
    world.wait(101);
    let error = world.look(None).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::CursorInvalid, "{error}");
    assert!(world.row().await.stopped);
}

#[test]
fn a_service_that_asks_for_patience_gets_it() {
    let monitor = |failures| Monitor { failures, ..sample() };
    let failed = Error::coded(Code::RateLimited, "slow down");
    let wait = |failures, error: &Error, random| {
        let next = super::plan::retry(&monitor(failures), error, at(0), random).unwrap();
        (next.unix_millis() - at(0).unix_millis()) / 1000
    };
    assert_eq!(wait(0, &failed, 0.0), 30);
    assert_eq!(wait(3, &failed, 0.0), 240);
    assert_eq!(wait(0, &failed, 1.0), 37);
    assert_eq!(wait(1000, &failed, 0.0), 3600);
    let asked = failed.retry_after(Duration::from_secs(7200));
    assert_eq!(wait(0, &asked, 0.0), 7200);
    let forever = asked.retry_after(Duration::from_secs(1 << 40));
    assert_eq!(wait(0, &forever, 0.0), 24 * 3600);
}

fn sample() -> Monitor {
    Monitor {
        id: "m".to_owned(),
        tenant: "t".to_owned(),
        connection: "c".to_owned(),
        name: "work".to_owned(),
        connector: "tracker".to_owned(),
        flow: "news".to_owned(),
        options: "{}".to_owned(),
        created: at(0),
        cursor: None,
        cursor_at: None,
        started: true,
        generation: 1,
        due: None,
        held_until: None,
        paused: false,
        stopped: false,
        failures: 0,
        problem: None,
        last_run: None,
        last_found: 0,
        wakes: 0,
        reading_since: None,
        read_since: at(0),
        subscriptions: vec![subscription(RunMode::Each)],
    }
}

/// What happens while deliveries wake a monitor whose schedule has it look once a month.
#[derive(Debug, Clone)]
enum WokenStep {
    /// Something happens, and deliveries tell of it.
    News {
        items: usize,
        deliveries: usize,
    },
    Wait(i64),
    /// The worker looks if it is time, and behind one of the pages something happens and is told.
    Work {
        fault: Option<Fault>,
        news: Option<usize>,
    },
}

fn woken_step() -> impl Strategy<Value = WokenStep> {
    let fault = prop_oneof![
        (0..3_usize).prop_map(Fault::Page),
        (0..4_usize).prop_map(Fault::Refused),
        (0..4_usize).prop_map(Fault::Unanswered),
        (0..12_usize).prop_map(Fault::GivenUp),
    ];
    let news = proptest::option::of(0..3_usize);
    prop_oneof![
        2 => (0..3_usize, 1..4_usize).prop_map(|(items, deliveries)| WokenStep::News { items, deliveries }),
        1 => (0..40_i64).prop_map(WokenStep::Wait),
        1 => (300..4000_i64).prop_map(WokenStep::Wait),
        4 => (proptest::option::weighted(0.4, fault), news)
            .prop_map(|(fault, news)| WokenStep::Work { fault, news }),
    ]
}

async fn whoever_is_woken_looks(steps: Vec<WokenStep>, page: usize) -> TestCaseResult {
    let mut world = World::new(page, false, FirstRun::Now, &[RunMode::Each]).await;
    world.monthly();
    world.look(None).await.unwrap().unwrap();
    let work = async |fault, news| {
        let now = world.now();
        match world.store.monitors_due(now, later(now, super::HOLD), 1).await.unwrap().pop() {
            Some(monitor) => world.look_claimed(&monitor, fault, news).await,
            None => None,
        }
    };
    for step in steps {
        match step {
            WokenStep::News { items, deliveries } => {
                world.happen(items);
                for _ in 0..deliveries {
                    world.wake().await;
                }
            }
            WokenStep::Wait(seconds) => world.wait(seconds),
            WokenStep::Work { fault, news } => drop(work(fault, news).await),
        }
    }
    // From now on nothing breaks: claims that nobody holds run out, and pauses after failures pass.
    let mut looks = 0;
    loop {
        let due = world.row().await.due.unwrap();
        let wait = (due.unix_millis() - world.now().unix_millis()) / 1000 + 1;
        if wait > 2 * 3600 {
            break;
        }
        world.wait(wait.max(0));
        looks += usize::from(work(None, None).await.is_some());
    }
    let handed = handed_on(&world.store).await;
    let count = world.service.lock().unwrap().items.len() as u64;
    for id in 0..count {
        prop_assert_eq!(handed.get(&id), Some(&1), "item {} of {}", id, count);
    }
    prop_assert!(looks <= 2 + usize::try_from(count).unwrap() / 20, "{} looks", looks);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_last_delivery_tells_of_is_handed_on_by_the_look_that_it_wakes(
        steps in proptest::collection::vec(woken_step(), 1..30),
        page in 1..5_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(whoever_is_woken_looks(steps, page))?;
    }
}

#[tokio::test]
async fn many_wakes_lead_to_two_looks() {
    let mut world = World::new(5, false, FirstRun::Now, &[RunMode::Each]).await;
    world.monthly();
    world.look(None).await.unwrap().unwrap();
    world.wait(60);
    let (mut looks, mut waited) = (0, 0);
    for wake in 0..200 {
        if wake == 100 {
            let now = world.now();
            let claimed = world.store.monitors_due(now, later(now, super::HOLD), 1).await.unwrap();
            world.look_claimed(&claimed[0], None, None).await.unwrap().unwrap();
            looks += 1;
        }
        world.wake().await;
    }
    while waited < 3600 {
        let now = world.now();
        if let Some(monitor) = world.store.monitors_due(now, later(now, super::HOLD), 1).await.unwrap().pop()
        {
            assert_eq!(waited, 10, "not before it has rested");
            world.look_claimed(&monitor, None, None).await.unwrap().unwrap();
            looks += 1;
        }
        world.wait(1);
        waited += 1;
    }
    assert_eq!(looks, 2);
}

#[tokio::test]
async fn a_wake_keeps_to_active_hours_and_to_no_other_schedule() {
    let mut world = World::new(5, false, FirstRun::Now, &[RunMode::Each]).await;
    let at = |text: &str| -> DateTime { text.parse().unwrap() };
    let woken = |world: &World, last: Option<&str>, now: &str| {
        let row = sample();
        woken_look(&row, &world.settings, last.map(at), at(now)).unwrap().unwrap().to_string()
    };
    let monitor = |edit: fn(&mut spec::Monitor)| {
        let mut monitor = spec::Monitor::named("news");
        edit(&mut monitor);
        Settings::of_spec(monitor, "happened", false, FirstRun::Now)
    };
    world.monthly();
    assert_eq!(woken(&world, None, "2026-03-01T09:00:00Z"), "2026-03-01T09:00:00Z");
    assert_eq!(woken(&world, Some("2026-03-01T08:59:58Z"), "2026-03-01T09:00:00Z"), "2026-03-01T09:00:08Z");
    // A clock that was set back.
    assert_eq!(woken(&world, Some("2026-03-02T00:00:00Z"), "2026-03-01T09:00:00Z"), "2026-03-01T09:00:00Z");
    world.settings = monitor(|monitor| monitor.every = Some(Duration::from_secs(3)));
    assert_eq!(woken(&world, Some("2026-03-01T08:59:58Z"), "2026-03-01T09:00:00Z"), "2026-03-01T09:00:01Z");
    world.settings = monitor(|monitor| {
        monitor.cron = Some("0 12 * * *".to_owned());
        let mut active = spec::Active::default();
        active.hours = Some("08:00-18:00".to_owned());
        monitor.active = Some(active);
    });
    assert_eq!(woken(&world, None, "2026-03-01T09:00:00Z"), "2026-03-01T09:00:00Z");
    assert_eq!(woken(&world, None, "2026-03-01T20:00:00Z"), "2026-03-02T08:00:00Z");
}
