//! Entries on their way out, on virtual time.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use linchpin::{Code, DateTime, Error, Result, flow::BoxFuture};
use linchpin_host::{
    inbox::{Handle, Inbox, InboxPolicy, MemoryInbox},
    store::{Entry, EntryState, InboxStore, NewEntry, Put, Room, Summary},
};
use linchpin_runtime::{Cancel, Clock};
use tokio::{task::JoinHandle, time::Instant};

use super::{full::Full, sample::at};

const SECOND: Duration = Duration::from_secs(1);

/// The executor's clock, which stands still while anything can be done.
#[derive(Clone, Copy)]
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> DateTime {
        let millis = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        DateTime::from_unix_millis(at(0).unix_millis() + millis).unwrap()
    }
}

impl fmt::Debug for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Paused")
    }
}

/// What becomes of each attempt.
type Plan = Box<dyn Fn(&Entry) -> BoxFuture<'static, Result<()>> + Send + Sync>;

struct Told {
    plan: Plan,
    clock: Paused,
    /// Identity and second of each attempt, in their order.
    attempts: Mutex<Vec<(String, u64)>>,
    running: AtomicUsize,
    most: AtomicUsize,
    ready: AtomicBool,
}

impl Handle for Told {
    async fn handle(&self, entry: &Entry) -> Result<()> {
        let attempt = (entry.what.identity.clone(), self.clock.0.elapsed().as_secs());
        self.attempts.lock().unwrap().push(attempt);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let done = (self.plan)(entry).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// Somebody whose code breaks, too.
    async fn gave_up(&self, _: &Entry, error: &Error) {
        assert!(!error.message().contains("panicked"), "and so does this");
    }

    async fn ready(&self) {
        while !self.ready.load(Ordering::SeqCst) {
            tokio::time::sleep(SECOND).await;
        }
    }
}

/// An inbox that is emptied.
struct World {
    inbox: Inbox,
    told: Arc<Told>,
    stop: Cancel,
    worker: Option<JoinHandle<()>>,
}

impl World {
    fn new(
        policy: InboxPolicy,
        plan: impl Fn(&Entry) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    ) -> World {
        World::over(Arc::new(MemoryInbox::new()), policy, plan)
    }

    fn over(
        store: Arc<dyn InboxStore>,
        policy: InboxPolicy,
        plan: impl Fn(&Entry) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    ) -> World {
        let clock = Paused(Instant::now());
        let told = Arc::new(Told {
            plan: Box::new(plan),
            clock,
            attempts: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            ready: AtomicBool::new(true),
        });
        World { inbox: Inbox::new(store, Arc::new(clock), policy), told, stop: Cancel::new(), worker: None }
    }

    fn start(mut self) -> World {
        let (inbox, told, stop) = (self.inbox.clone(), self.told.clone(), self.stop.clone());
        self.worker = Some(tokio::spawn(async move { inbox.dispatch(told, &stop).await }));
        self
    }

    async fn put(&self, entry: NewEntry) -> Put {
        self.inbox.put(entry).await.unwrap()
    }

    fn attempts(&self) -> Vec<(String, u64)> {
        self.told.attempts.lock().unwrap().clone()
    }

    fn seconds(&self) -> Vec<u64> {
        self.attempts().into_iter().map(|(_, second)| second).collect()
    }

    async fn summary(&self, number: i64) -> Summary {
        self.inbox.store().inbox_entry(number).await.unwrap().unwrap().1
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.worker.take().unwrap().await.unwrap();
    }
}

fn policy() -> InboxPolicy {
    let mut policy = InboxPolicy::default();
    policy.pauses = vec![10 * SECOND, 100 * SECOND];
    policy
}

fn entry(identity: &str) -> NewEntry {
    NewEntry {
        source: "hook".to_owned(),
        identity: identity.to_owned(),
        lane: None,
        head: String::new().into(),
        body: "body".into(),
        received: at(0),
    }
}

fn taken() -> BoxFuture<'static, Result<()>> {
    Box::pin(std::future::ready(Ok(())))
}

fn refused(code: Code) -> BoxFuture<'static, Result<()>> {
    Box::pin(std::future::ready(Err(Error::coded(code, "no"))))
}

fn number(put: Put) -> i64 {
    match put {
        Put::New(number) => number,
        Put::Known => panic!("known already"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_put_in_is_handed_on_once() {
    let world = World::new(policy(), |_| taken()).start();
    assert!(matches!(world.put(entry("a")).await, Put::New(_)));
    assert_eq!(world.put(entry("a")).await, Put::Known);
    tokio::time::sleep(1000 * SECOND).await;
    assert_eq!(world.put(entry("a")).await, Put::Known);
    assert_eq!(world.attempts(), [("a".to_owned(), 0)]);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_with_pauses_and_then_is_a_dead_letter() {
    let world = World::new(policy(), |_| refused(Code::Unreachable)).start();
    let number = number(world.put(entry("a")).await);
    tokio::time::sleep(1000 * SECOND).await;
    let seconds = world.seconds();
    assert_eq!(seconds.len(), 3, "{seconds:?}");
    assert!((10..=12).contains(&seconds[1]), "{seconds:?}");
    assert!((110..=132).contains(&seconds[2]), "{seconds:?}");
    let summary = world.summary(number).await;
    assert_eq!((summary.state, summary.attempts), (EntryState::Dead, 3));
    assert_eq!(summary.problem.as_deref(), Some("LP510: no"));

    assert!(world.inbox.store().inbox_replay(number, at(1000)).await.unwrap());
    world.inbox.wake();
    tokio::time::sleep(SECOND).await;
    assert_eq!(world.seconds().len(), 4);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_has_to_mend_is_a_dead_letter_at_once() {
    let world = World::new(policy(), |_| refused(Code::OutputInvalid)).start();
    let number = number(world.put(entry("a")).await);
    tokio::time::sleep(SECOND).await;
    assert_eq!((world.seconds(), world.summary(number).await.state), (vec![0], EntryState::Dead));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_ends_and_is_a_failure() {
    let world = World::new(policy(), |entry| match entry.attempts {
        0 => Box::pin(std::future::pending()),
        _ => taken(),
    });
    let world = world.start();
    world.put(entry("a")).await;
    tokio::time::sleep(1000 * SECOND).await;
    let seconds = world.seconds();
    assert!(matches!(seconds[..], [0, 70..=72]), "{seconds:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn so_many_are_attempted_at_once_and_no_more() {
    let mut few = policy();
    few.concurrency = 4;
    let world = World::new(few, |_| {
        Box::pin(async {
            tokio::time::sleep(SECOND).await;
            Ok(())
        })
    })
    .start();
    let inbox = &world.inbox;
    let puts = (0..200).map(|number| {
        let inbox = inbox.clone();
        tokio::spawn(async move { inbox.put(entry(&number.to_string())).await.unwrap() })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap();
    }
    tokio::time::sleep(49 * SECOND).await;
    assert!(inbox.store().inbox_waiting().await.unwrap() > 0);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(inbox.store().inbox_waiting().await.unwrap(), 0);
    assert_eq!(world.told.most.load(Ordering::SeqCst), 4);
    let mut each = BTreeMap::new();
    for (identity, _) in world.attempts() {
        *each.entry(identity).or_insert(0) += 1;
    }
    assert!(each.len() == 200 && each.values().all(|&times| times == 1), "{each:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_at_the_least_is_attempted_at_once() {
    let mut none = policy();
    none.concurrency = 0;
    let world = World::new(none, |_| taken()).start();
    world.inbox.store().inbox_put(vec![entry("left")], None).await.unwrap();
    world.put(entry("a")).await;
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(world.attempts().len(), 2);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_when_nobody_attempts_any_more_is_others_at_once() {
    let mut world = World::new(policy(), |_| taken()).start();
    tokio::time::sleep(SECOND).await;
    world.worker.take().unwrap().abort();
    tokio::task::yield_now().await;
    world.put(entry("a")).await;
    assert_eq!(world.inbox.store().inbox_claim(at(1), at(60), Room::entries(9)).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_a_lane_each_is_handed_on_behind_the_last() {
    let world = World::new(policy(), |entry| match (entry.what.identity.as_str(), entry.attempts) {
        ("a2", 0) => refused(Code::Unreachable),
        ("a3", _) => refused(Code::InputInvalid),
        _ => Box::pin(async {
            tokio::time::sleep(SECOND).await;
            Ok(())
        }),
    });
    let world = world.start();
    for (identity, lane) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a"), ("a4", "a"), ("b2", "b")] {
        world.put(NewEntry { lane: Some(lane.to_owned()), ..entry(identity) }).await;
    }
    tokio::time::sleep(100 * SECOND).await;
    let of = |lane: char| -> Vec<String> {
        world.attempts().into_iter().map(|(identity, _)| identity).filter(|it| it.starts_with(lane)).collect()
    };
    assert_eq!(of('a'), ["a1", "a2", "a2", "a3", "a4"]);
    assert_eq!(of('b'), ["b1", "b2"]);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn senders_are_asked_to_come_again_when_there_is_no_room() {
    let mut small = policy();
    small.waiting = 2;
    let world = World::new(small, |_| taken());
    world.put(entry("a")).await;
    world.put(entry("b")).await;
    let error = world.inbox.put(entry("c")).await.unwrap_err();
    assert_eq!(error.code(), Code::InboxFull);
    assert!(error.details().retry_after.is_some());
    let world = world.start();
    tokio::time::sleep(SECOND).await;
    world.put(entry("c")).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(world.attempts().len(), 3);
    world.end().await;

    let mut tiny = policy();
    tiny.gathered = 3;
    let world = World::new(tiny, |_| taken());
    assert_eq!(world.inbox.put(entry("a")).await.unwrap_err().code(), Code::InboxFull);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_in_together_goes_in_by_one_commit_or_not_at_all() {
    let store = Arc::new(Full::default());
    let world = World::over(store.clone(), InboxPolicy::default(), |_| Box::pin(async { Ok(()) }));
    let many = |name: &str, count: usize| -> Vec<NewEntry> {
        (0..count).map(|number| entry(&format!("{name}{number}"))).collect()
    };
    let inbox = &world.inbox;
    let (a, b, c) =
        tokio::join!(inbox.put_all(many("a", 200)), inbox.put_all(many("b", 200)), inbox.put(entry("c")));
    let new = |put: &[Put]| put.iter().filter(|put| matches!(put, Put::New(_))).count();
    assert_eq!((new(&a.unwrap()), new(&b.unwrap()), new(&[c.unwrap()])), (200, 200, 1));
    assert_eq!(*store.commits.lock().unwrap(), [200, 201], "none is torn apart");
    let known = inbox.put_all([many("b", 1), many("d", 400)].concat()).await.unwrap();
    assert_eq!((known[0], known.len(), new(&known)), (Put::Known, 401, 400));
    assert_eq!(store.commits.lock().unwrap().last(), Some(&401));
    assert_eq!(inbox.put_all(Vec::new()).await.unwrap(), []);

    store.full.store(true, Ordering::SeqCst);
    let refused = inbox.put_all(many("e", 3)).await.unwrap_err();
    assert_eq!(refused.code(), Code::StoreFailed);
    store.full.store(false, Ordering::SeqCst);
    assert_eq!(inbox.store().inbox_waiting().await.unwrap(), 801);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_attempted_before_the_sink_is_ready() {
    let world = World::new(policy(), |_| taken());
    world.told.ready.store(false, Ordering::SeqCst);
    let world = world.start();
    world.put(entry("a")).await;
    tokio::time::sleep(500 * SECOND).await;
    assert_eq!(world.seconds(), [0; 0]);
    world.told.ready.store(true, Ordering::SeqCst);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(world.seconds().len(), 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_process_left_is_found() {
    let world = World::new(policy(), |_| taken()).start();
    tokio::time::sleep(SECOND).await;
    world.inbox.store().inbox_put(vec![entry("a")], None).await.unwrap();
    let held = world.inbox.store().inbox_put(vec![entry("b")], Some(at(500))).await.unwrap();
    assert!(matches!(held[..], [Put::New(_)]));
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(world.attempts().len(), 1, "within a minute");
    tokio::time::sleep(500 * SECOND).await;
    assert_eq!(world.attempts().len(), 2);
    world.end().await;
}

/// Entries that another process left, and how long each attempt takes; then how many each claim asked for, and the seconds of attempts.
async fn left_behind(entries: usize, time: Duration) -> (Vec<usize>, Vec<u64>) {
    let store = Arc::new(Full::default());
    let left = (0..entries).map(|number| entry(&number.to_string())).collect();
    store.inbox_put(left, None).await.unwrap();
    let mut few = policy();
    few.concurrency = 8;
    let world = World::over(store.clone(), few, move |_| {
        Box::pin(async move {
            tokio::time::sleep(time).await;
            Ok(())
        })
    });
    let world = world.start();
    while store.inbox_waiting().await.unwrap() > 0 {
        tokio::time::sleep(SECOND / 100).await;
    }
    let seconds = world.seconds();
    world.end().await;
    (std::mem::take(&mut *store.claims.lock().unwrap()), seconds)
}

#[tokio::test(start_paused = true)]
async fn who_works_off_quickly_is_given_much_at_once() {
    let (claims, seconds) = left_behind(10_000, Duration::ZERO).await;
    assert_eq!((seconds.len(), seconds.last()), (10_000, Some(&0)));
    assert!(claims.len() < 120, "{claims:?}");
}

#[tokio::test(start_paused = true)]
async fn who_takes_time_is_given_what_can_be_attempted_in_time() {
    let (claims, seconds) = left_behind(400, 10 * SECOND).await;
    assert_eq!((seconds.len(), seconds.last()), (400, Some(&490)), "{claims:?}");
    assert!(claims.iter().all(|&claim| claim <= 16), "{claims:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_takes_nobodys_place() {
    let mut few = policy();
    few.concurrency = 2;
    let world = World::new(few, |entry| {
        let breaks = entry.what.identity.starts_with("bad");
        Box::pin(async move {
            assert!(!breaks, "this one breaks");
            Ok(())
        })
    });
    let world = world.start();
    let mut bad = Vec::new();
    for number in 0..10 {
        bad.push(world.put(entry(&format!("bad{number}"))).await);
        world.put(entry(&format!("good{number}"))).await;
    }
    tokio::time::sleep(1000 * SECOND).await;
    let good = world.attempts().iter().filter(|(identity, _)| identity.starts_with("good")).count();
    assert_eq!((good, world.attempts().len()), (10, 10 + 3 * 10));
    for put in bad {
        let summary = world.summary(number(put)).await;
        assert_eq!(summary.state, EntryState::Dead, "{summary:?}");
        assert!(summary.problem.unwrap().contains("panicked: this one breaks"));
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn when_it_is_stopped_what_is_under_way_ends_and_nothing_begins() {
    let mut few = policy();
    few.concurrency = 1;
    let slow = |_: &Entry| -> BoxFuture<'static, Result<()>> {
        Box::pin(async {
            tokio::time::sleep(SECOND).await;
            Ok(())
        })
    };
    let world = World::new(few, slow).start();
    world.put(entry("a")).await;
    world.put(entry("b")).await;
    tokio::time::sleep(SECOND / 2).await;
    let store = world.inbox.store().clone();
    let told = world.told.clone();
    world.end().await;
    assert_eq!(told.attempts.lock().unwrap().len(), 1);
    assert_eq!(store.inbox_waiting().await.unwrap(), 1);
    // It is due again for whoever comes next.
    assert_eq!(store.inbox_claim(at(120), at(200), Room::entries(9)).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_for_a_time_loses_nothing_and_nothing_is_said_to_be_in() {
    let store = Arc::new(Full::default());
    let world = World::over(store.clone(), policy(), |_| taken()).start();
    world.put(entry("a")).await;
    store.full.store(true, Ordering::SeqCst);
    let error = world.inbox.put(entry("b")).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::StoreFailed, "the disk is full"));
    tokio::time::sleep(300 * SECOND).await;
    store.full.store(false, Ordering::SeqCst);
    world.put(entry("b")).await;
    tokio::time::sleep(300 * SECOND).await;
    let mut each: BTreeMap<String, u32> = BTreeMap::new();
    for (identity, _) in world.attempts() {
        *each.entry(identity).or_default() += 1;
    }
    // The first could not be noted as done, and so comes again.
    assert!(each["a"] >= 1 && each["b"] == 1, "{each:?}");
    assert_eq!(store.inbox_waiting().await.unwrap(), 0);
    world.end().await;
}
