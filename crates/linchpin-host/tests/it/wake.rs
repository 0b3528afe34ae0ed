//! Deliveries that only wake a monitor, of hosts over one store.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use linchpin::{
    Connector,
    connector::SpecFile,
    http::{HeaderMap, HeaderName, HeaderValue},
    prelude::*,
};
use linchpin_host::{
    DEFAULT_TENANT, Host, MonitorKey, NewHook, Notice, NoticeKind, handler,
    inbox::{DeliveryHead, Head, Inbox, InboxPolicy},
    store::{Entries, EntryState, NewEntry, RunMode, Sqlite, Subscription},
    vault::{KeySource, Vault},
};
use linchpin_runtime::Cancel;
use linchpin_testing::TestClock;
use tokio::{sync::mpsc, task::JoinHandle};

use super::sample::new_connection;

const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
schema = 1
key = "tracker"
name = "Tracker"
version = "0.1.0"

[http]
base_url = "https://tracker.example"

[hook.all]
signature = { scheme = "shared-secret", header = "X-Token" }
delivery_id = [{ header = "X-Channel" }, { header = "X-Number" }]

[event.changed]
name = "Changed"
hook = "all"
match = { header = { X-Kind = "change" } }
wakes = true
"#,
};

/// How often the service was asked; only one test looks.
static ASKED: AtomicUsize = AtomicUsize::new(0);

#[fields]
struct Thing {
    id: u64,
}

#[webhook(register, hook = "all")]
async fn register(_cx: Context, _url: EventUrl) -> Result<Thing> {
    Ok(Thing { id: 1 })
}

#[webhook(deregister, hook = "all")]
async fn deregister(_cx: Context, Registered(_): Registered<register>) -> Result<()> {
    Ok(())
}

/// Something that was not there at the last look
#[monitor(event = "changed", every = "30d", dedupe = "/id")]
async fn changes(_cx: Context, Cursor(cursor): Cursor<u64>) -> Result<Polled<Thing, u64>> {
    ASKED.fetch_add(1, Ordering::Relaxed);
    let id = cursor.unwrap_or_default() + 1;
    Ok(Polled::new(vec![Thing { id }], id))
}

fn connector() -> Connector {
    let builder = Connector::builder(SPEC).flow::<register>().flow::<deregister>();
    builder.flow::<changes>().build().unwrap()
}

/// One process of several over a store.
struct Process {
    host: Host,
    inbox: Inbox,
    told: Arc<Mutex<Vec<Notice>>>,
    events: mpsc::UnboundedReceiver<String>,
    stop: Cancel,
    handing: JoinHandle<()>,
}

impl Process {
    async fn start(folder: &Path, clock: &TestClock) -> Process {
        let path = folder.join("store.db");
        let store = Sqlite::open(&path).unwrap();
        let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
        let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let listener = told.clone();
        let host = Host::builder(store, vault)
            .connector(connector())
            .public_url("https://hooks.example")
            .clock(Arc::new(clock.clone()))
            .notices(move |notice| listener.lock().unwrap().push(notice.clone()))
            .build()
            .unwrap();
        let inbox = host.inbox(InboxPolicy::default());
        let (tell, events) = mpsc::unbounded_channel();
        let sink = handler(move |event| {
            let sent = tell.send(event.data.to_string());
            Box::pin(std::future::ready(sent.map_err(|_| Error::new("nobody listens"))))
        });
        let (stop, handing) = (Cancel::new(), (host.clone(), inbox.clone()));
        let until = stop.clone();
        let handing =
            tokio::spawn(async move { handing.0.hand_on(&handing.1, Arc::new(sink), &until).await });
        Process { host, inbox, told, events, stop, handing }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.handing.await.unwrap();
    }

    /// A delivery comes in and is worked off.
    async fn deliver(&self, hook: &str, number: u64) {
        let connection = self.host.kept(DEFAULT_TENANT, "work").await.unwrap().id;
        let head = Head::Delivery(DeliveryHead {
            connector: "tracker".to_owned(),
            hook: "all".to_owned(),
            connection,
            events: vec!["changed".to_owned()],
            options: None,
            method: "POST".to_owned(),
            url: "https://hooks.example/in/***".to_owned(),
            headers: HeaderMap::from_iter([(
                HeaderName::from_static("x-kind"),
                HeaderValue::from_static("change"),
            )]),
        });
        let entry = NewEntry {
            source: hook.to_owned(),
            identity: format!("channel/{number}"),
            lane: None,
            head: head.into(),
            body: "".into(),
            received: self.host.clock().now(),
        };
        self.inbox.put(entry).await.unwrap();
        let done = || async {
            let all = Entries { most: 1000, ..Entries::default() };
            let entries = self.host.store().inbox_list(all).await.unwrap();
            entries.iter().all(|entry| entry.source != hook || entry.state == EntryState::Done)
        };
        while !done().await {
            tokio::task::yield_now().await;
        }
    }
}

async fn connected(process: &Process) -> String {
    process.host.apply(new_connection()).await.unwrap().finish().await.unwrap();
    let hook = NewHook {
        tenant: DEFAULT_TENANT.to_owned(),
        connection: "work".to_owned(),
        hook: "all".to_owned(),
        options: "{}".to_owned(),
    };
    process.host.hook_register(hook).await.unwrap().id
}

async fn turn_on(host: &Host) -> String {
    let key = MonitorKey {
        tenant: DEFAULT_TENANT.to_owned(),
        connection: "work".to_owned(),
        flow: "changes".to_owned(),
        options: "{}".to_owned(),
    };
    let subscription =
        Subscription { name: "ann".to_owned(), mode: RunMode::Each, schedule: None, first_run: None };
    host.monitor_on(&key, subscription).await.unwrap().id
}

#[tokio::test]
async fn whichever_host_works_looks_when_another_took_the_delivery() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let (mut one, mut two) =
        (Process::start(folder.path(), &clock).await, Process::start(folder.path(), &clock).await);
    let hook = connected(&one).await;
    turn_on(&one.host).await;
    assert_eq!(two.host.round().await.unwrap().looks, 1);
    clock.advance(Duration::from_secs(3600));
    assert_eq!(two.host.round().await.unwrap().looks, 0, "not for a month");

    for number in 0..50 {
        one.deliver(&hook, number).await;
    }
    let (first, second) = tokio::join!(one.host.round(), two.host.round());
    assert_eq!(first.unwrap().looks + second.unwrap().looks, 1);
    let event = tokio::select! {
        event = one.events.recv() => event,
        event = two.events.recv() => event,
    };
    assert_eq!(event.unwrap(), r#"{"id":2}"#);
    assert_eq!(ASKED.load(Ordering::Relaxed), 2);

    // The next comes soon after: it waits a little.
    one.deliver(&hook, 50).await;
    assert_eq!(two.host.round().await.unwrap().looks, 0);
    clock.advance(Duration::from_secs(10));
    assert_eq!(two.host.round().await.unwrap().looks, 1);
    // What comes again is known.
    clock.advance(Duration::from_secs(60));
    one.deliver(&hook, 50).await;
    assert_eq!(two.host.round().await.unwrap().looks, 0);
    assert_eq!(*one.told.lock().unwrap(), [], "all is well");
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_delivery_that_nobody_looks_for_is_told_once_and_is_no_dead_letter() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let process = Process::start(folder.path(), &clock).await;
    let hook = connected(&process).await;
    let kinds = || process.told.lock().unwrap().iter().map(|notice| notice.kind).collect::<Vec<_>>();
    let problem = || async {
        let kept = process.host.store().hook(&hook).await.unwrap().unwrap();
        assert_eq!(kept.held, None);
        kept.problem
    };
    for number in 0..3 {
        process.deliver(&hook, number).await;
    }
    assert_eq!(kinds(), [NoticeKind::HookUnheard]);
    let (code, words) = problem().await.unwrap();
    assert_eq!(code, Code::MonitorUnknown.as_str());
    assert!(words.contains("no monitor of it is on"), "{words}");

    let monitor = turn_on(&process.host).await;
    process.deliver(&hook, 3).await;
    assert_eq!(problem().await, None);
    assert!(process.host.monitor_off(&monitor, "ann", false).await.unwrap());
    process.deliver(&hook, 4).await;
    assert!(problem().await.is_some());
    assert_eq!(kinds(), [NoticeKind::HookUnheard, NoticeKind::HookUnheard]);
    process.stop().await;
}
