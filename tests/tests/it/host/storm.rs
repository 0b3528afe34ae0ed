//! Many calls in several processes on one expired grant, and processes that are killed between any two steps of an exchange.
//!
//! The processes are this test binary, started again with what to do in its environment.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{call, configured, connect};
use crate::oauth::World;
use linchpin::{Code, DateTime, Result, flow::BoxFuture};
use linchpin_host::{
    DEFAULT_TENANT, Host, HostBuilder,
    store::{
        self, Attempt, Cell, Change, Claim, Client, Commit, Committed, Connection, ConnectionStore, Entries,
        EntryState, FailedLook, Failure, Filter, GrantRow, Hook, HookFilter, HookStore, InboxStore, Lease,
        Monitor, MonitorFilter, MonitorStore, NewEntry, NewGrant, NewMonitor, Ping, Put, Renewed, Revocation,
        RevocationStore, Seen, State, Store, Subscription, Summary,
    },
    vault::{self, KeyId, KeySource, Place, Sealed, Vault},
};
use linchpin_runtime::{RefreshPolicy, SystemClock};
use linchpin_testing::Database;
use tempfile::TempDir;

/// The tests below, once on each kind of store.
macro_rules! storm {
    ($($name:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&super::Home::sqlite()).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(home) = super::Home::postgres() {
                    super::$name(&home).await;
                }
            })+
        }
    };
}

storm! {
    two_processes_with_200_calls_each_make_one_exchange
    killed_before_the_lease_nothing_is_lost
    killed_with_the_lease_nothing_is_lost
    killed_after_the_new_pair_was_stored_nothing_is_lost
    killed_while_the_answer_is_on_its_way_the_owner_is_asked
    killed_with_the_answer_in_hand_the_owner_is_asked
    keys_that_are_rotated_while_the_new_pair_is_put_in_lose_no_grant
}

const SERVICE: &str = "LINCHPIN_TEST_SERVICE";
const STORE: &str = "LINCHPIN_TEST_STORE";
const KEY: &str = "LINCHPIN_TEST_KEY";
const CALLS: &str = "LINCHPIN_TEST_CALLS";
const DIE: &str = "LINCHPIN_TEST_DIE";

/// The point at which the service has given tokens and the process has not got them; all others are in the process.
const ON_ITS_WAY: &str = "on its way";

/// How processes reach one store.
struct Home {
    store: String,
    key: PathBuf,
    /// Goes with the test.
    _folder: Option<TempDir>,
}

impl Home {
    fn sqlite() -> Home {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db").display().to_string();
        Home { store, key: folder.path().join("store.key"), _folder: Some(folder) }
    }

    /// `None` when there is no server here.
    fn postgres() -> Option<Home> {
        let store = Database::new()?.url().to_owned();
        Some(Home { store, ..Home::sqlite() })
    }

    /// The one that a test has started this process for.
    fn given() -> Option<Home> {
        Some(Home { store: env::var(STORE).ok()?, key: env::var_os(KEY)?.into(), _folder: None })
    }

    /// The file by which a process tells that it is ready.
    fn ready(&self, process: u32) -> PathBuf {
        self.key.with_extension(format!("{process}.ready"))
    }

    async fn open(&self) -> Dying {
        Dying { store: store::open(&self.store).await.unwrap(), point: None, rotates: Mutex::new(None) }
    }

    async fn builder(&self, service: &str, store: Dying) -> HostBuilder {
        let vault = Vault::unlock(&store, KeySource::File(self.key.clone())).await.unwrap();
        configured(Host::builder(store, vault), service)
    }

    /// A host as another process would have it.
    async fn host(&self, service: &str) -> Host {
        at_work(self.builder(service, self.open().await).await)
    }
}

/// By the machine's clock, and with leases that a test can wait for.
fn at_work(builder: HostBuilder) -> Host {
    let mut policy = RefreshPolicy::default();
    policy.lease = Duration::from_millis(1500);
    policy.exchange = Duration::from_secs(1);
    builder.clock(Arc::new(SystemClock)).refresh(policy).build().unwrap()
}

/// A process that waits until its input ends, and then does what its environment says: so many calls at once, or death at some
/// point.
#[test]
fn another_process() {
    let Some(home) = Home::given() else { return };
    let service = env::var(SERVICE).unwrap();
    let calls: usize = env::var(CALLS).unwrap().parse().unwrap();
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    executor.block_on(async {
        let store = Dying { point: env::var(DIE).ok(), ..home.open().await };
        let host = at_work(home.builder(&service, store).await);
        fs::write(home.ready(std::process::id()), "").unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
        let calls = (0..calls).map(|_| {
            let host = host.clone();
            tokio::spawn(async move { call(&host, "work").await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().unwrap(), r#"{"id":7}"#);
        }
    });
}

fn start(world: &World, home: &Home, calls: usize, die: Option<&str>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "host::storm::another_process", "--nocapture"]);
    command.env(SERVICE, world.server.uri()).env(STORE, &home.store).env(KEY, &home.key);
    command.env(CALLS, calls.to_string());
    if let Some(point) = die {
        command.env(DIE, point);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn ended(child: Child) -> std::process::Output {
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap()
}

/// A world whose clock is near the machine's, so that processes agree with it, and a connection whose token has expired.
async fn expired(home: &Home) -> World {
    let world = World::start().await;
    let behind = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .saturating_sub(Duration::from_millis(1_767_225_600_000));
    world.clock.advance(behind);
    world.issuer.lifetime(Some(Duration::from_secs(2)));
    let builder = home.builder(&world.server.uri(), home.open().await).await;
    let builder = builder.clock(Arc::new(world.clock.clone()));
    connect(&world, &builder.build().unwrap(), "work").await.unwrap();
    world.issuer.lifetime(Some(Duration::from_secs(3600)));
    // By the issuer's clock they are dead; by the machine's they will be when the processes have started.
    world.clock.advance(Duration::from_secs(3));
    wait_for("the tokens to expire", || {
        let now = DateTime::from(std::time::SystemTime::now());
        now.unix_millis() >= 1_767_225_600_000 + i64::try_from(behind.as_millis()).unwrap() + 2000
    })
    .await;
    world
}

async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn two_processes_with_200_calls_each_make_one_exchange(home: &Home) {
    let world = expired(home).await;
    let before = world.issuer.exchanges();
    let first = home.host(&world.server.uri()).await;
    let first = first.connection(DEFAULT_TENANT, "work").await.unwrap().grant().await.unwrap().unwrap();
    let mut children = [start(&world, home, 200, None), start(&world, home, 200, None)];
    wait_for("both to be ready", || children.iter().all(|child| home.ready(child.id()).exists())).await;
    for child in &mut children {
        drop(child.stdin.take());
    }
    for child in children {
        let out = ended(child).await;
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    assert_eq!((world.issuer.exchanges() - before, world.issuer.reused()), (1, 0));
    assert_eq!(world.seen("/me").await, 401, "each call once, and the ping when it was connected");
    let host = home.host(&world.server.uri()).await;
    let grant = host.connection(DEFAULT_TENANT, "work").await.unwrap().grant().await.unwrap().unwrap();
    assert_eq!(grant.generation, first.generation + 1);
    assert!(world.issuer.is_active(grant.grant.unwrap().value("refresh_token").unwrap().expose()));
}

/// Kills a process at a point of its exchange, and gives what the next process finds.
async fn killed_at(home: &Home, point: &'static str) -> (World, Result<String>, Host) {
    let world = expired(home).await;
    let child = Arc::new(Mutex::new(None::<Child>));
    let done = Arc::new(AtomicBool::new(false));
    let (victim, killed) = (child.clone(), done.clone());
    world.issuer.before_answer(move || {
        if point == ON_ITS_WAY && !killed.swap(true, Ordering::SeqCst) {
            victim.lock().unwrap().as_mut().unwrap().kill().unwrap();
        }
    });
    let mut started = start(&world, home, 1, Some(point));
    let input = started.stdin.take();
    *child.lock().unwrap() = Some(started);
    drop(input);
    wait_for("the process to die", || child.lock().unwrap().as_mut().unwrap().try_wait().unwrap().is_some())
        .await;
    let status = child.lock().unwrap().as_mut().unwrap().wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{point}: it was killed");
    let host = home.host(&world.server.uri()).await;
    let found = call(&host, "work").await;
    (world, found, host)
}

async fn no_grant_is_lost(home: &Home, point: &'static str, exchanges: u64) {
    let (world, found, _host) = killed_at(home, point).await;
    assert_eq!(found.unwrap(), r#"{"id":7}"#, "{point}");
    // The one of the login is counted too.
    assert_eq!((world.issuer.exchanges(), world.issuer.reused()), (1 + exchanges, 0), "{point}");
}

async fn killed_before_the_lease_nothing_is_lost(home: &Home) {
    no_grant_is_lost(home, "before the lease", 1).await;
}

async fn killed_with_the_lease_nothing_is_lost(home: &Home) {
    no_grant_is_lost(home, "after the lease", 1).await;
}

async fn killed_after_the_new_pair_was_stored_nothing_is_lost(home: &Home) {
    no_grant_is_lost(home, "after the swap", 1).await;
}

async fn the_owner_is_asked(home: &Home, point: &'static str) {
    let (world, found, host) = killed_at(home, point).await;
    let error = found.unwrap_err();
    assert_eq!(error.code(), Code::ReauthorizationNeeded, "{point}: {error}");
    assert!(error.message().contains("interrupted before its answer could be stored"), "{point}: {error}");
    assert_eq!(host.kept(DEFAULT_TENANT, "work").await.unwrap().state, State::NeedsReauthorization);
    assert_eq!(world.issuer.reused(), 1, "{point}: the answer was lost with the process");
}

async fn killed_while_the_answer_is_on_its_way_the_owner_is_asked(home: &Home) {
    the_owner_is_asked(home, ON_ITS_WAY).await;
}

async fn killed_with_the_answer_in_hand_the_owner_is_asked(home: &Home) {
    the_owner_is_asked(home, "before the swap").await;
}

async fn keys_that_are_rotated_while_the_new_pair_is_put_in_lose_no_grant(home: &Home) {
    let world = expired(home).await;
    let uri = world.server.uri();
    let store = home.open().await;
    let host = home.builder(&uri, Dying { rotates: Mutex::new(Some(home.key.clone())), ..store }).await;
    assert_eq!(call(&at_work(host), "work").await.unwrap(), r#"{"id":7}"#);
    assert_eq!((world.issuer.exchanges(), world.issuer.reused()), (2, 0));
    assert_eq!(call(&home.host(&uri).await, "work").await.unwrap(), r#"{"id":7}"#);
}

/// A store that kills its process at a point, if any.
#[derive(Debug)]
struct Dying {
    store: Arc<dyn Store>,
    point: Option<String>,
    /// The key file whose keys are rotated before the first swap.
    rotates: Mutex<Option<PathBuf>>,
}

impl Dying {
    fn at(&self, point: &str) {
        if self.point.as_deref() == Some(point) {
            let me = std::process::id().to_string();
            Command::new("kill").args(["-9", &me]).status().unwrap();
            loop {
                std::thread::park();
            }
        }
    }
}

macro_rules! as_before {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)+) => {
        $(fn $name(&self, $($arg: $type),*) -> BoxFuture<'_, Result<$result>> {
            self.store.$name($($arg),*)
        })+
    };
}

impl HookStore for Dying {
    as_before! {
        hook_add(new: Hook) -> bool;
        hook(id: &str) -> Option<Hook>;
        hook_by_token(hash: [u8; 32]) -> Option<Hook>;
        hooks(which: HookFilter) -> Vec<Hook>;
        hooks_due(now: DateTime, until: DateTime, most: usize) -> Vec<Hook>;
        hook_claim(id: &str, now: DateTime, until: DateTime) -> Option<Hook>;
        hook_put(hook: Hook) -> Option<Hook>;
        hook_route(id: &str, routing: &str) -> bool;
        hook_off(id: &str, now: DateTime) -> bool;
        hooks_off(connection: &str, now: DateTime) -> ();
        hook_remove(id: &str, version: u64) -> bool;
    }
}

impl MonitorStore for Dying {
    as_before! {
        monitor_on(new: NewMonitor, subscription: Subscription) -> Monitor;
        monitor_off(id: &str, subscription: &str) -> bool;
        monitor_remove(id: &str) -> bool;
        monitor(id: &str) -> Option<Monitor>;
        monitors(which: MonitorFilter) -> Vec<Monitor>;
        monitors_due(now: DateTime, until: DateTime, most: usize) -> Vec<Monitor>;
        monitor_claim(id: &str, now: DateTime, until: DateTime) -> Option<Monitor>;
        monitor_wake(id: &str, now: DateTime, at: DateTime) -> bool;
        monitor_next() -> Option<DateTime>;
        seen(scope: &str, keys: Vec<String>) -> Vec<Seen>;
        seen_claim(claim: Claim) -> Vec<bool>;
        monitor_commit(commit: Commit) -> Committed;
        monitor_failed(failed: FailedLook) -> bool;
        monitor_reset(id: &str, cursor: Option<String>, now: DateTime) -> bool;
    }
}

impl InboxStore for Dying {
    as_before! {
        inbox_put(entries: Vec<NewEntry>, held_until: Option<DateTime>) -> Vec<Put>;
        inbox_claim(now: DateTime, until: DateTime, room: store::Room) -> Vec<store::Entry>;
        inbox_done(numbers: Vec<i64>) -> ();
        inbox_failed(number: i64, problem: String, next: Option<DateTime>) -> bool;
        inbox_next() -> Option<DateTime>;
        inbox_waiting() -> u64;
        inbox_list(which: Entries) -> Vec<Summary>;
        inbox_entry(number: i64) -> Option<(store::Entry, Summary)>;
        inbox_replay(number: i64, now: DateTime) -> bool;
        inbox_purge(state: EntryState, before: DateTime, most: usize) -> u64;
    }
}

impl ConnectionStore for Dying {
    fn grant_lease(
        &self,
        id: &str,
        generation: u64,
        holder: &str,
        time: Duration,
    ) -> BoxFuture<'_, Result<Lease>> {
        self.at("before the lease");
        let lease = self.store.grant_lease(id, generation, holder, time);
        Box::pin(async move {
            let lease = lease.await;
            self.at("after the lease");
            lease
        })
    }

    fn grant_swap(&self, id: &str, generation: u64, grant: NewGrant) -> BoxFuture<'_, Result<bool>> {
        self.at("before the swap");
        let id = id.to_owned();
        let rotated = self.rotates.lock().unwrap().take();
        Box::pin(async move {
            if let Some(key) = rotated {
                let vault = Vault::unlock(&*self.store, KeySource::File(key)).await?;
                vault::rotate(&*self.store, &vault).await?;
            }
            let swapped = self.store.grant_swap(&id, generation, grant).await;
            self.at("after the swap");
            swapped
        })
    }

    as_before! {
        connection_add(new: Connection, grant: Option<NewGrant>) -> ();
        connection(id: &str) -> Option<Connection>;
        connection_named(tenant: &str, name: &str) -> Option<Connection>;
        connections(which: Filter) -> Vec<Connection>;
        connection_move(id: &str, change: Change) -> bool;
        history(id: &str) -> Vec<Change>;
        connection_pinged(id: &str, ping: Ping, next: Option<DateTime>) -> ();
        pings_due(now: DateTime, until: DateTime, most: usize) -> Vec<Connection>;
        connection_renew(id: &str, renewed: Renewed, grant: Option<NewGrant>) -> bool;
        connection_remove(id: &str, left: Option<Revocation>) -> bool;
        grant(id: &str) -> Option<GrantRow>;
        grant_fail(id: &str, generation: u64, holder: &str, failure: Failure) -> bool;
        keep_alives_due(now: DateTime, until: DateTime, most: usize) -> Vec<Connection>;
    }
}

impl RevocationStore for Dying {
    as_before! {
        revocations_due(now: DateTime, until: DateTime, most: usize) -> Vec<Revocation>;
        revocations() -> Vec<Revocation>;
        revocation_failed(id: &str, attempt: Attempt, next: Option<DateTime>) -> bool;
        revocation_done(id: &str) -> bool;
    }
}

impl Store for Dying {
    as_before! {
        care_next() -> Option<DateTime>;
        client_put(client: Client) -> ();
        client(connector: &str, method: &str) -> Option<Client>;
        note(name: &str) -> Option<Vec<u8>>;
        note_once(name: &str, value: &[u8]) -> Vec<u8>;
        cell(name: &str) -> Cell;
        cell_swap(name: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> bool;
        sealed_after(place: Option<Place>, most: usize) -> Vec<(Place, Sealed)>;
        keys_retire(current: KeyId, retired: Vec<KeyId>) -> ();
        sealed_swap(place: &Place, old: &Sealed, new: Sealed) -> bool;
    }
}
