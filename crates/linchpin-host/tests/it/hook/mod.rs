//! The life of webhooks at a service that does all that services do.

mod fault;
mod idle;
mod kill;
mod life;
mod taken;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use linchpin::{Connector, connector::SpecFile, prelude::*, serde_json::json};
use linchpin_host::{
    DEFAULT_TENANT, Host, NewConnection, NewHook, Notice,
    store::{HookFilter, Stage, Store},
    vault::{Keys, Vault},
};
use linchpin_runtime::{
    Clock,
    webhook::{Fetcher, Guard},
};
use linchpin_testing::{HookEndpoint, HookProvider, ProvidedHook, TestClock, wiremock::MockServer};

use super::{home::Home, sample::new_connection};

macro_rules! spec {
    ($timeout:literal, $signature:literal) => {
        SpecFile {
            path: "specs/tracker.toml",
            text: concat!(
                r#"
schema = 1
key = "tracker"
name = "Tracker"
version = "0.1.0"

[http]
base_url = "https://tracker.example"
retry = { attempts = 1 }
timeout = ""#,
                $timeout,
                r#""

[hook.project]
signature = "#,
                $signature,
                r#"
expires = { at = "/expires" }

[event.opened]
name = "Opened"
hook = "project"
"#
            ),
        }
    };
}

const SPEC: SpecFile = spec!("30s", r#"{ scheme = "hmac-sha256", header = "X-Signature" }"#);

/// For a service whose answers take a second.
const HASTY: SpecFile = spec!("400ms", r#"{ scheme = "hmac-sha256", header = "X-Signature" }"#);

/// Of which only the connector's own code can tell whether a delivery is to be trusted.
const BY_CODE: SpecFile = spec!("30s", r#"{ scheme = "code" }"#);

#[fields]
struct Project {
    project: String,
}

#[fields]
struct HookId {
    id: u64,
    expires: Option<DateTime>,
}

#[fields]
struct Shown {
    id: u64,
    url: String,
    active: bool,
    expires: Option<DateTime>,
}

#[fields]
struct Opened {
    number: u64,
}

#[webhook(register, hook = "project")]
async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(key): SigningSecret,
    Options(_of): Options<Project>,
) -> Result<HookId> {
    let hook = json!({ "url": *url, "secret": key.expose() });
    cx.post(path!("/hooks")).json(&hook).send().await?.json()
}

#[webhook(deregister, hook = "project")]
async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
    cx.delete(path!("/hooks/{hook.id}")).send().await.map(drop)
}

#[webhook(check, hook = "project")]
async fn check(cx: Context, Registered(hook): Registered<register>, url: EventUrl) -> Result<HookState> {
    let found: Shown = cx.get(path!("/hooks/{hook.id}")).send().await?.json()?;
    let state = if found.active { HookState::at(&found.url, &url) } else { HookState::paused() };
    Ok(match found.expires {
        Some(at) => state.expires(at),
        None => state,
    })
}

#[webhook(renew, hook = "project")]
async fn renew(
    cx: Context,
    Registered(hook): Registered<register>,
    url: EventUrl,
    SigningSecret(key): SigningSecret,
) -> Result<HookId> {
    let change = json!({ "url": *url, "secret": key.expose(), "active": true });
    cx.patch(path!("/hooks/{hook.id}")).json(&change).send().await?.json()
}

#[webhook(list, hook = "project")]
async fn list(cx: Context, _base: EventBase) -> Result<Vec<Found<register>>> {
    let found: Vec<Shown> = cx.get(path!("/hooks")).send().await?.json()?;
    let found = found
        .into_iter()
        .map(|hook| Found::new(HookId { id: hook.id, expires: hook.expires }, hook.url).paused(!hook.active));
    Ok(found.collect())
}

#[webhook(event = "opened")]
async fn opened(_cx: Context, Payload(what): Payload<Opened>) -> Result<Opened> {
    Ok(what)
}

#[webhook(verify, hook = "project")]
async fn verify(cx: Context, delivery: linchpin::Delivery, SigningSecret(key): SigningSecret) -> Result<()> {
    match delivery.header("x-key") {
        Some(given) if given == key.expose() => Ok(()),
        Some("ask") => cx.get(path!("/nowhere")).send().await.map(drop),
        _ => Err(Error::coded(Code::SignatureInvalid, "the key is another")),
    }
}

/// Which flows a connector has beside those that every one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    Everything,
    /// Nothing is renewed in its place.
    CheckAndList,
    ListAlone,
    /// What the service made and did not tell cannot be found.
    CheckAlone,
    Nothing,
}

fn connector(variant: Variant, spec: SpecFile) -> Connector {
    let mut builder = Connector::builder(spec).flow::<register>().flow::<deregister>();
    if matches!(variant, Variant::Everything | Variant::CheckAndList | Variant::CheckAlone) {
        builder = builder.flow::<check>();
    }
    if matches!(variant, Variant::Everything | Variant::CheckAndList | Variant::ListAlone) {
        builder = builder.flow::<list>();
    }
    if variant == Variant::Everything {
        builder = builder.flow::<renew>().flow::<opened>();
    }
    if spec.text == BY_CODE.text {
        builder = builder.flow::<verify>();
    }
    builder.build().unwrap()
}

const PUBLIC: &str = "https://hooks.example";

/// A service, and hosts over one store, one after the other.
struct World {
    service: HookProvider,
    clock: TestClock,
    notices: Arc<Mutex<Vec<Notice>>>,
    variant: Variant,
    spec: SpecFile,
    server: MockServer,
    store: Arc<dyn Store>,
    keys: Keys,
    host: Host,
    /// Somebody else's hook.
    foreign: u64,
    _home: Home,
}

impl World {
    async fn new(variant: Variant) -> World {
        World::with(variant, SPEC, HookEndpoint::at("/hooks")).await
    }

    async fn with(variant: Variant, spec: SpecFile, endpoint: HookEndpoint) -> World {
        let (server, clock, home) = (MockServer::start().await, TestClock::new(), Home::sqlite());
        let service = HookProvider::on(&server, endpoint, clock.clone()).await;
        let foreign = service.add("https://other.example/in/1", Some("another key"));
        let (store, keys) = (home.open().await, Keys::random().unwrap());
        let notices = Arc::new(Mutex::new(Vec::new()));
        let host = start(&store, &keys, &server, &clock, &notices, connector(variant, spec), PUBLIC);
        let new = NewConnection { owner: Some("ops@tracker.example".to_owned()), ..new_connection() };
        host.apply(new).await.unwrap().finish().await.unwrap();
        World { service, clock, notices, variant, spec, server, store, keys, host, foreign, _home: home }
    }

    /// Another process over the same store.
    fn restart(&mut self) {
        self.restart_at(PUBLIC);
    }

    fn restart_at(&mut self, public: &str) {
        let connector = connector(self.variant, self.spec);
        self.host =
            start(&self.store, &self.keys, &self.server, &self.clock, &self.notices, connector, public);
    }

    async fn register(&self) -> Result<String> {
        Ok(self.host.hook_register(project()).await?.id)
    }

    /// Lets so much time pass, and then does what is due.
    async fn round(&self, time: Duration) {
        self.clock.advance(time);
        self.host.round().await.unwrap();
    }

    /// Rounds of an hour each until all is well; gives how many it took.
    async fn settle(&self, what: &str) -> usize {
        for round in 0..12 {
            if self.is_well().await {
                return round;
            }
            self.round(Duration::from_secs(4000)).await;
        }
        panic!(
            "{what}: {:?} at the service, kept is {:?}, told was {:?}",
            self.service.hooks(),
            self.host.hooks(HookFilter::default()).await.unwrap(),
            self.notices.lock().unwrap()
        );
    }

    /// The service's hooks that are not somebody else's.
    fn ours(&self) -> Vec<ProvidedHook> {
        self.service.hooks().into_iter().filter(|hook| hook.id != self.foreign).collect()
    }

    /// Whether there is one hook, which delivers here under a key that is known here; or none at all where none is kept.
    async fn is_well(&self) -> bool {
        let kept = self.host.hooks(HookFilter::default()).await.unwrap();
        let ours = self.ours();
        match (&kept[..], &ours[..]) {
            ([], []) => true,
            ([kept], [ours]) => {
                let Some(token) = ours.url.strip_prefix("https://hooks.example/in/") else { return false };
                let Some(live) = self.host.hook_by_token(token).await.unwrap() else { return false };
                let known = live.keys.iter().any(|key| Some(key.expose()) == ours.secret.as_deref());
                kept.stage == Stage::Active
                    && kept.problem.is_none()
                    && live.hook.id == kept.id
                    && ours.active
                    && known
                    && kept.expires == ours.expires
            }
            _ => false,
        }
    }

    /// Nobody has touched what is somebody else's.
    fn foreign_stands(&self) {
        let stands = self.service.hooks().into_iter().any(|hook| {
            (hook.id, hook.url.as_str(), hook.active) == (self.foreign, "https://other.example/in/1", true)
        });
        assert!(stands, "{:?}", self.service.hooks());
    }

    /// Turns the hook off; nothing of it is left anywhere after a few rounds.
    async fn turn_off(&self, id: &str, what: &str) {
        // Whether the service does it is its own affair; here it is off at once.
        let _ = self.host.hook_deregister(id).await.unwrap();
        for hook in self.ours() {
            if let Some(token) = hook.url.strip_prefix("https://hooks.example/in/") {
                assert!(
                    self.host.hook_by_token(token).await.unwrap().is_none(),
                    "{what}: deliveries are still taken"
                );
            }
        }
        for _ in 0..12 {
            if self.ours().is_empty() && self.host.hooks(HookFilter::default()).await.unwrap().is_empty() {
                return self.foreign_stands();
            }
            self.round(Duration::from_secs(4000)).await;
        }
        panic!(
            "{what}: {:?}, kept is {:?}",
            self.ours(),
            self.host.hooks(HookFilter::default()).await.unwrap()
        );
    }

    /// Whether a delivery is one that the hook of its URL takes.
    async fn takes(&self, url: &str, delivery: &linchpin::Delivery) -> bool {
        let Some(token) = url.strip_prefix("https://hooks.example/in/") else { return false };
        let Some(live) = self.host.hook_by_token(token).await.unwrap() else { return false };
        let (guard, fetcher) = (Guard::new(live.spec().unwrap()).unwrap(), Fetcher::new(self.host.runtime()));
        guard.judge(&fetcher, delivery, &live.keys, self.clock.now()).await.is_ok()
    }
}

fn start(
    store: &Arc<dyn Store>,
    keys: &Keys,
    server: &MockServer,
    clock: &TestClock,
    notices: &Arc<Mutex<Vec<Notice>>>,
    connector: Connector,
    public: &str,
) -> Host {
    let notices = notices.clone();
    Host::builder_shared(store.clone(), Vault::new(keys.clone()))
        .connector(connector)
        .base_url("tracker", server.uri())
        .public_url(public)
        .clock(Arc::new(clock.clone()))
        .notices(move |notice| notices.lock().unwrap().push(notice.clone()))
        .build()
        .unwrap()
}

fn project() -> NewHook {
    NewHook {
        tenant: DEFAULT_TENANT.to_owned(),
        connection: "work".to_owned(),
        hook: "project".to_owned(),
        options: r#"{"project":"web"}"#.to_owned(),
    }
}

fn now(world: &World) -> DateTime {
    world.clock.now()
}
