//! Channels that wake the monitor of changes: registered, renewed and stopped, over real connections.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use linchpin::{Code, Delivery, Result, Secret};
use linchpin_google_drive::mock::{CHANGES, DOCUMENT, Fault, SHARED, TEXT};
use linchpin_host::{
    DEFAULT_TENANT, Event, Host, MonitorKey, NewHook, Notice, NoticeKind,
    ingress::IngressPolicy,
    store::{Entries, EntryState, HookFilter, OwnSchedule, RunMode, Stage, Subscription},
};
use linchpin_runtime::{Invocation, Runtime};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    World,
    grant::{Google, builder, connect},
};
use crate::{edge, serving::Serving};

const PUBLIC: &str = "https://hooks.example";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn run(call: Invocation) -> Result<Value> {
    edge::output(Runtime::new().run(call).await?.output).await
}

async fn register(world: &World, options: Value, url: &str) -> Result<Value> {
    let call = world.invocation("register", &json!({})).options(options.to_string());
    run(call.event_url(url).signing_secret(Secret::new("a secret of this registration"))).await
}

#[tokio::test]
async fn a_channel_is_registered_and_stopped() {
    let world = World::new().await;
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    world.drive.set_time(now);
    let options = json!({ "drive": SHARED, "only_my_drive": false });
    let channel = register(&world, options, "https://hooks.example/in/1").await.unwrap();
    let asked = world.watch.last_body();
    assert_eq!(asked["type"], "web_hook");
    assert_eq!(
        (&asked["address"], &asked["token"]),
        (&json!("https://hooks.example/in/1"), &json!("a secret of this registration"))
    );
    assert_eq!(asked["expiration"], (now.unix_millis() + 7 * 24 * 3_600_000).to_string());
    let id = asked["id"].as_str().unwrap();
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id}");
    assert_eq!(
        channel,
        json!({ "id": id, "resourceId": "changes-of-drive-1", "expiration": asked["expiration"] })
    );
    let another = register(&world, json!({}), "https://hooks.example/in/1").await.unwrap();
    assert_ne!(another["id"], channel["id"]);

    let stop = async || {
        run(world.invocation("deregister", &json!({})).registered(channel.to_string())).await.unwrap();
        world.drive.channels().len()
    };
    assert_eq!(stop().await, 1);
    assert_eq!(stop().await, 1, "one that is gone counts as stopped");
}

#[tokio::test]
async fn an_address_that_google_does_not_deliver_to_is_told_clearly() {
    let world = World::new().await;
    let error = register(&world, json!({}), "http://hooks.example/in/1").await.unwrap_err();
    assert_eq!(error.code(), Code::Rejected);
    assert!(error.message().contains("HTTPS"), "{error}");
    assert_eq!(world.watch.requests(), [""; 0]);

    world.drive.break_on("POST /drive/v3/changes/watch", Fault::Unverified);
    let error = register(&world, json!({}), "https://hooks.example/in/1").await.unwrap_err();
    assert_eq!(error.code(), Code::Rejected, "no other token would help: {error}");
    assert!(error.message().contains("verify it"), "{error}");
    assert_eq!(error.details().service_code, Some("push.webhookUrlUnauthorized"));
}

async fn look(world: &World, options: Value, cursor: &str) -> Result<Value> {
    let call = world.invocation("file_changed", &json!({})).options(options.to_string());
    run(call.cursor(json!(cursor).to_string())).await
}

#[tokio::test]
async fn changes_are_told_as_the_options_want_them() {
    let world = World::new().await;
    let first = run(world.invocation("file_changed", &json!({}))).await.unwrap();
    let end = CHANGES.to_string();
    assert_eq!(
        first,
        json!({ "records": [], "cursor": end, "more": false }),
        "the first look sets the cursor"
    );
    world.drive.change(TEXT);
    world.drive.change(DOCUMENT);
    world.drive.change("folder-3");
    world.drive.remove("file-9");
    let told = async |options| -> Vec<String> {
        let page = look(&world, options, &end).await.unwrap();
        let records = page["records"].as_array().unwrap();
        records.iter().map(|change| change["fileId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told(json!({})).await, [TEXT, DOCUMENT, "folder-3", "file-9"]);
    assert_eq!(told(json!({ "only": "removed" })).await, ["file-9"]);
    assert_eq!(told(json!({ "only": "changed" })).await, [TEXT, DOCUMENT, "folder-3"]);
    assert_eq!(told(json!({ "mime_type": "text/plain" })).await, [TEXT]);
    assert_eq!(told(json!({ "drive": SHARED })).await, ["folder-3"]);
    assert_eq!(told(json!({ "only_my_drive": true })).await, [TEXT, DOCUMENT, "file-9"]);

    let page = look(&world, json!({}), "0").await.unwrap();
    assert_eq!((&page["cursor"], &page["more"]), (&json!("100"), &json!(true)));
    for nonsense in ["", "x", "9999"] {
        let error = look(&world, json!({}), nonsense).await.unwrap_err();
        assert_eq!(error.code(), Code::CursorInvalid, "{nonsense}: {error}");
    }
}

/// A Google Drive, and a host that is told of its changes by HTTP.
struct Life {
    google: Google,
    host: Host,
    serving: Serving,
    told: Arc<Mutex<Vec<Notice>>>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Life {
    async fn start() -> Life {
        let google = Google::start().await;
        let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let listener = told.clone();
        let builder = builder(google.folder.path(), &google.server.uri(), &google.issuer).await;
        let host = builder
            .public_url(PUBLIC)
            .notices(move |notice| listener.lock().unwrap().push(notice.clone()))
            .build()
            .unwrap();
        google.issuer.lifetime(Some(DAY * 365));
        google.drive.set_time(host.clock().now());
        connect(&google, &host).await;

        let mut policy = IngressPolicy::default();
        policy.public_url = Some(PUBLIC.to_owned());
        let serving = Serving::of(&host, policy).await;
        let events = serving.events();
        Life { google, host, serving, told, events }
    }

    async fn register(&self) -> String {
        let new = NewHook {
            tenant: DEFAULT_TENANT.to_owned(),
            connection: "work".to_owned(),
            hook: "changes".to_owned(),
            options: "{}".to_owned(),
        };
        self.host.hook_register(new).await.unwrap().id
    }

    async fn turn_on(&self, every: Option<&str>) -> String {
        let key = MonitorKey {
            tenant: DEFAULT_TENANT.to_owned(),
            connection: "work".to_owned(),
            flow: "file_changed".to_owned(),
            options: "{}".to_owned(),
        };
        let subscription = Subscription {
            name: "ann".to_owned(),
            mode: RunMode::Each,
            schedule: every.map(|every| OwnSchedule::Every(every.to_owned())),
            first_run: None,
        };
        let id = self.host.monitor_on(&key, subscription).await.unwrap().id;
        assert_eq!(self.host.round().await.unwrap().looks, 1);
        id
    }

    /// Lets time pass, and does what is due; gives how often it was looked.
    async fn round(&self, time: Duration) -> usize {
        self.google.issuer.clock().advance(time);
        self.google.drive.set_time(self.host.clock().now());
        self.host.round().await.unwrap().looks
    }

    /// Posts as Google does; the status of the answer.
    async fn post(&self, delivery: &Delivery) -> u16 {
        let path = delivery.url.strip_prefix(PUBLIC).unwrap();
        let (mut headers, limit) = (delivery.headers.clone(), Duration::from_secs(30));
        headers.remove("content-length");
        let url = format!("http://{}{path}", self.serving.at);
        let now = self.host.clock().now();
        self.host.runtime().post(&url, headers, delivery.body.clone(), limit, now).await.unwrap().status
    }

    /// Delivers all there is, and waits until it is worked off; gives the answers.
    async fn deliver(&self) -> Vec<u16> {
        let mut answers = Vec::new();
        for delivery in self.google.drive.deliveries() {
            answers.push(self.post(&delivery).await);
        }
        loop {
            let all = Entries { most: 1000, ..Entries::default() };
            let entries = self.host.store().inbox_list(all).await.unwrap();
            assert!(entries.iter().all(|entry| entry.state != EntryState::Dead), "{entries:?}");
            if entries.iter().all(|entry| entry.state == EntryState::Done) {
                return answers;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The files that the next so many events are about, in an order of their own: no lane keeps any.
    async fn files(&mut self, count: usize) -> Vec<String> {
        let mut files = Vec::new();
        while files.len() < count {
            let event = tokio::time::timeout(HOUR, self.events.recv()).await.unwrap().unwrap();
            assert_eq!(
                (event.kind.as_str(), event.connection.as_str()),
                ("google_drive.file_changed", "work")
            );
            let data: Value = serde_json::from_str(&event.data.to_string()).unwrap();
            files.push(data["fileId"].as_str().unwrap().to_owned());
        }
        files.sort_unstable();
        files
    }

    fn told(&self) -> Vec<NoticeKind> {
        self.told.lock().unwrap().iter().map(|notice| notice.kind).collect()
    }

    /// Ends; nothing more must have happened than the test has seen.
    async fn end(mut self) {
        self.serving.end().await;
        assert!(self.events.try_recv().is_err(), "an event came twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_wakes_the_monitor_and_a_lost_one_is_healed_by_the_schedule() {
    let mut life = Life::start().await;
    let hook = life.register().await;
    let monitor = life.turn_on(None).await;
    assert_eq!(life.deliver().await, [200], "the message `sync` is acknowledged");
    let counts = life.serving.ingress.counts();
    let count = |counted: &std::sync::atomic::AtomicU64| counted.load(Ordering::Relaxed);
    assert_eq!((count(&counts.passed_over), count(&counts.accepted)), (1, 0));
    assert_eq!(life.host.monitor(&monitor).await.unwrap().wakes, 0);

    life.google.drive.change(TEXT);
    let delivery = life.google.drive.deliveries().pop().unwrap();
    assert!(delivery.body.is_empty());
    for token in [None, Some("another"), Some("")] {
        let mut forged = delivery.clone();
        forged.headers.remove("x-goog-channel-token");
        if let Some(token) = token {
            forged.headers.insert("x-goog-channel-token", token.parse().unwrap());
        }
        assert_eq!(life.post(&forged).await, 401, "{token:?}");
    }
    assert_eq!(life.round(Duration::from_secs(15)).await, 0);
    assert_eq!(life.post(&delivery).await, 200);
    assert_eq!(life.deliver().await, [0; 0]);
    assert_eq!(life.round(Duration::ZERO).await, 1, "long before the schedule");
    assert_eq!(life.files(1).await, [TEXT]);
    assert_eq!(life.post(&delivery).await, 200, "and again");
    assert_eq!(count(&life.serving.ingress.counts().repeated), 1);
    assert_eq!(life.round(Duration::from_secs(15)).await, 0);

    life.google.drive.change("file-2");
    life.google.drive.remove("file-3");
    assert_eq!(life.google.drive.deliveries().len(), 2, "they are lost");
    assert_eq!(life.round(Duration::from_secs(331)).await, 1);
    assert_eq!(life.files(2).await, ["file-2", "file-3"]);

    assert!(life.host.hook_deregister(&hook).await.unwrap().hook.is_none());
    assert_eq!(life.google.drive.channels(), []);
    assert_eq!(life.post(&delivery).await, 404);
    assert_eq!(life.told(), [], "nobody has to do anything");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_replaced_before_it_expires_and_nothing_is_missed_or_told_twice() {
    let mut life = Life::start().await;
    let hook = life.register().await;
    life.turn_on(Some("30d")).await;
    let first = life.google.drive.channels();
    let expires = life.host.store().hook(&hook).await.unwrap().unwrap().expires.unwrap();
    assert_eq!(expires, first[0].expires);
    assert_eq!(expires.unix_millis() - life.host.clock().now().unix_millis(), 7 * 24 * 3_600_000);
    life.round(DAY * 6).await;
    assert_eq!(life.google.drive.channels(), first, "not yet");

    // The old one cannot be stopped for a while: both deliver.
    life.google.drive.break_on("POST /drive/v3/channels/stop", Fault::ServerError);
    life.google.drive.change(TEXT);
    life.round(HOUR * 10).await;
    let both = life.google.drive.channels();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0].address, both[1].address, "at one URL");
    life.google.drive.change("file-2");
    let sent = life.google.drive.deliveries();
    let heard = |delivery: &Delivery, name: &str| delivery.header(name).unwrap().to_owned();
    let of = |delivery: &Delivery| {
        (heard(delivery, "x-goog-channel-id"), heard(delivery, "x-goog-message-number"))
    };
    let [_, _, _, (old, fifth), (new, second)] = &sent.iter().map(of).collect::<Vec<_>>()[..] else {
        panic!("{sent:?}")
    };
    assert!(old != new && fifth != second);
    for delivery in &sent {
        assert_eq!(life.post(delivery).await, 200, "under the old key and the new");
        // A number that the other channel has used, too.
        let mut same = delivery.clone();
        same.headers.insert("x-goog-message-number", "1000".parse().unwrap());
        assert_eq!(life.post(&same).await, 200);
    }
    life.deliver().await;
    let counts = life.serving.ingress.counts();
    // Two told of the first change or more, each of two channels once of the second, and each once under the same number.
    assert_eq!((counts.accepted.load(Ordering::Relaxed), counts.refused.load(Ordering::Relaxed)), (5, 0));
    assert_eq!(life.round(Duration::ZERO).await, 1);
    assert_eq!(life.files(2).await, [TEXT, "file-2"]);

    life.google.drive.mend();
    life.round(HOUR).await;
    let standing = life.google.drive.channels();
    assert_eq!(standing, both[1..], "the old one is stopped when it can be");
    assert!(standing[0].expires > expires);
    // Every week anew.
    for week in 0..3 {
        life.round(Duration::from_secs(26 * 6 * 3600)).await;
        life.google.drive.change("file-4");
        assert!(life.deliver().await.iter().all(|status| *status == 200));
        life.round(Duration::from_secs(15)).await;
        assert_eq!(life.files(1).await, ["file-4"], "week {week}");
        assert_eq!(life.google.drive.channels().len(), 1);
    }
    assert_eq!(life.told(), [], "no gap");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_expired_while_we_were_down_is_made_anew_and_the_monitor_catches_up() {
    let mut life = Life::start().await;
    let hook = life.register().await;
    life.turn_on(Some("30d")).await;
    life.google.issuer.clock().advance(DAY * 8);
    life.google.drive.set_time(life.host.clock().now());
    life.google.drive.deliveries();
    life.google.drive.change(TEXT);
    assert_eq!(life.google.drive.deliveries().len(), 0, "nobody is told any more");
    assert_eq!(life.round(Duration::ZERO).await, 1, "without anybody having waked it");
    assert_eq!(life.files(1).await, [TEXT]);
    assert_eq!(life.told(), [NoticeKind::HookGap]);
    let kept = life.host.store().hook(&hook).await.unwrap().unwrap();
    assert_eq!((kept.stage, kept.problem), (Stage::Active, None));
    assert_eq!(life.google.drive.channels().len(), 1);

    life.google.drive.change("file-2");
    assert_eq!(life.deliver().await, [200, 200]);
    assert_eq!(life.round(Duration::from_secs(15)).await, 1);
    assert_eq!(life.files(1).await, ["file-2"]);
    // The connection goes, and its channel with it.
    life.host.revoke(DEFAULT_TENANT, "work").await.unwrap();
    assert_eq!(life.google.drive.channels(), []);
    assert!(life.host.hooks(HookFilter::default()).await.unwrap().is_empty());
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_drained_and_a_position_that_is_refused_is_never_given_up() {
    let mut life = Life::start().await;
    let monitor = life.turn_on(Some("30d")).await;
    life.host.monitor_reset(&monitor, Some("\"0\"".to_owned())).await.unwrap();
    assert_eq!(life.round(Duration::ZERO).await, 1);
    let mut files = life.files(CHANGES).await;
    files.dedup();
    assert_eq!(files.len(), CHANGES);

    life.google.drive.change(TEXT);
    life.google.drive.forget_positions();
    life.google.issuer.clock().advance(DAY * 31);
    let round = life.host.round().await.unwrap();
    assert_eq!(round.failed_looks[0].code, Code::CursorInvalid, "{round:?}");
    let row = life.host.monitor(&monitor).await.unwrap();
    assert!(row.stopped && row.due.is_none(), "{row:?}");
    assert_eq!(row.cursor, Some(format!("\"{CHANGES}\"")), "it is kept");
    assert_eq!(life.told(), [NoticeKind::MonitorStopped]);
    life.end().await;
}
