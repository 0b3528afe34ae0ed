//! An Okta and a host that takes what it delivers, over HTTP, and looks for what is lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use linchpin::{DateTime, Secret, extract::ConnectionValues};
use linchpin_host::{
    DEFAULT_TENANT, Event, Host, MonitorKey, NewHook, handler,
    ingress::IngressPolicy,
    store::{Entries, Hook, Monitor, RunMode, Subscription},
};
use linchpin_okta::{hook::HookEvent, mock::Okta};
use linchpin_runtime::Clock as _;
use linchpin_testing::TestClock;
use serde_json::Value;

use super::{World, home::Home, world::api_token};
use crate::serving::Serving;

/// Long after the events that the mock's log begins with.
const NOW: &str = "2026-03-01T09:00:00Z";

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The events that the sink took, in their order.
pub(super) type Taken = Arc<Mutex<Vec<Event>>>;

pub(super) struct Served {
    pub(super) world: World,
    pub(super) clock: TestClock,
    pub(super) host: Host,
    pub(super) serving: Serving,
    pub(super) taken: Taken,
    _folder: tempfile::TempDir,
}

impl Served {
    /// A host with a connection, whose ingress the event URLs lead to.
    pub(super) async fn new() -> Served {
        Served::with(api_token()).await
    }

    async fn with(values: ConnectionValues) -> Served {
        let Home { world, clock, host, folder } =
            Home::with(values, TestClock::at(NOW.parse().unwrap())).await;
        let serving = Serving::of(&host, IngressPolicy::default()).await;
        world.okta.reach(Some(serving.at));
        Served { world, clock, host, serving, taken: Taken::default(), _folder: folder }
    }

    /// Lets the worker hand on what is in the inbox, from now on.
    pub(super) fn hand_on(&self) {
        let taken = self.taken.clone();
        self.serving.hand_on(handler(move |event: &Event| {
            taken.lock().unwrap().push(event.clone());
            async { Ok(()) }
        }));
    }

    pub(super) fn okta(&self) -> &Okta {
        &self.world.okta
    }

    pub(super) fn now(&self) -> DateTime {
        self.clock.now()
    }

    /// Something happens now, and no hook tells of it by itself.
    pub(super) fn happen(&self, event: HookEvent) -> String {
        self.okta().happen(event, self.now())
    }

    pub(super) fn new_hook(options: Value) -> NewHook {
        NewHook {
            tenant: DEFAULT_TENANT.to_owned(),
            connection: "work".to_owned(),
            hook: "events".to_owned(),
            options: options.to_string(),
        }
    }

    pub(super) async fn register(&self, options: Value) -> Hook {
        self.host.hook_register(Served::new_hook(options)).await.unwrap()
    }

    /// Okta delivers events by its only hook.
    pub(super) fn deliver(&self, delivery: &str, uuids: &[&str]) -> u16 {
        self.okta().deliver(&self.okta().hooks()[0], delivery, uuids).unwrap()
    }

    pub(super) fn key(flow: &str, options: Value) -> MonitorKey {
        MonitorKey {
            tenant: DEFAULT_TENANT.to_owned(),
            connection: "work".to_owned(),
            flow: flow.to_owned(),
            options: options.to_string(),
        }
    }

    /// Turns a monitor on.
    pub(super) async fn monitor(&self, flow: &str, options: Value, first_run: Option<&str>) -> Monitor {
        let first_run = first_run.map(str::to_owned);
        let subscription =
            Subscription { name: "ann".to_owned(), mode: RunMode::Each, schedule: None, first_run };
        self.host.monitor_on(&Served::key(flow, options), subscription).await.unwrap()
    }

    /// Turns a monitor on, and lets it look for the first time.
    pub(super) async fn watch(&self, flow: &str, options: Value) {
        self.monitor(flow, options, None).await;
        self.look().await;
    }

    /// Six minutes later every monitor looks, once.
    pub(super) async fn look(&self) {
        self.clock.advance(Duration::from_secs(360));
        let round = self.host.round().await.unwrap();
        assert_eq!(round.failed_looks, [], "a look failed");
        self.serving.inbox.wake();
    }

    /// Waits until everything in the inbox was handed on, and gives the `uuid`s that the sink took, sorted.
    pub(super) async fn handed(&self) -> Vec<String> {
        let done = async {
            while self.host.store().inbox_waiting().await.unwrap() > 0 {
                // Others have their turn, and the store its rest.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(LIMIT, done).await.is_err() {
            panic!("{:?}", self.host.store().inbox_list(Entries { most: 10, ..Entries::default() }).await);
        }
        let mut uuids: Vec<String> = self.taken.lock().unwrap().iter().map(uuid).collect();
        uuids.sort();
        uuids
    }

    /// Where the hook's event URL leads on loopback, and the secret that shows who calls.
    pub(super) async fn url(&self, hook: &Hook) -> (String, Secret) {
        let live = self.host.hook_live(&hook.id).await.unwrap().unwrap();
        let path = live.url.strip_prefix("https://hooks.example").unwrap();
        (format!("http://{}{path}", self.serving.at), live.keys[0].clone())
    }
}

pub(super) fn uuid(event: &Event) -> String {
    let data: Value = serde_json::from_str(&event.data.to_string()).unwrap();
    data["uuid"].as_str().unwrap().to_owned()
}

/// Waits on a thread of its own until the sink has an event.
pub(super) fn wait_for(taken: &Taken, wanted: &str) {
    let began = std::time::Instant::now();
    while !taken.lock().unwrap().iter().any(|event| uuid(event) == wanted) {
        assert!(began.elapsed() < LIMIT, "{wanted} never came");
        std::thread::yield_now();
    }
}
