//! An app whose service wants to be asked for each account, beside the one URL that it delivers to: from registering to the last event.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use linchpin::{
    Connector, Delivery, Secret, connector::SpecFile, extract::ConnectionValues, prelude::*, serde_json::json,
};
use linchpin_host::{
    DEFAULT_TENANT, Event, Host, NewConnection, NewHook,
    ingress::IngressPolicy,
    store::{Entries, Hook, HookFilter, Sqlite, Stage},
    vault::{KeySource, Vault},
};
use linchpin_runtime::{Clock as _, SystemClock, webhook::Guard};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path, path_regex},
};

use crate::serving::Serving;

const KEY: &str = "a key that only the operator and the service know";
const URL: &str = "https://hooks.example/app/chat/messages";

const SPEC: SpecFile = SpecFile {
    path: "specs/chat.toml",
    text: r#"
        schema = 1
        key = "chat"
        name = "Chat"
        version = "0.1.0"

        [http]
        base_url = "https://chat.example"
        retry = { attempts = 1 }

        [auth.token]
        kind = "bearer"
        fields.token = { secret = true }

        [hook.messages]
        scope = "app"
        signature = { scheme = "hmac-sha256", header = "X-Signature", key = "app" }
        route = { body = "/account", connection = "{account}" }
        items = { at = "/messages", id = "/id" }
        scrub = { body = "/messages/*/token" }

        [event.posted]
        name = "Posted"
        hook = "messages"
        filter = { body = { "/room" = "{room}" } }
    "#,
};

#[fields]
struct Me {
    id: String,
}

#[fields]
struct Subscribed {
    subscription: String,
}

#[fields]
struct Wanted {
    room: Option<String>,
}

#[fields]
struct Message {
    id: String,
    room: String,
    token: String,
}

#[authping]
async fn authping(cx: Context) -> Result<Identity> {
    let me: Me = cx.get(path!("/me")).send().await?.json()?;
    Ok(Identity::new(me.id.clone(), me.id))
}

#[webhook(register, hook = "messages")]
async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(key): SigningSecret,
    Options(_wanted): Options<Wanted>,
) -> Result<Subscribed> {
    let asked = json!({ "url": *url, "key": key.expose() });
    cx.post(path!("/subscription")).json(&asked).send().await?.json()
}

#[webhook(deregister, hook = "messages")]
async fn deregister(cx: Context, Registered(own): Registered<register>) -> Result<()> {
    cx.delete(path!("/subscription/{own.subscription}")).send().await.map(drop)
}

#[webhook(event = "posted")]
async fn posted(_cx: Context, Payload(message): Payload<Message>) -> Result<Message> {
    Ok(message)
}

fn connector() -> Connector {
    let connector = Connector::builder(SPEC).flow::<authping>().flow::<register>();
    connector.flow::<deregister>().flow::<posted>().build().unwrap()
}

/// A service that has one subscription for each account, however often it is asked.
#[derive(Default)]
struct Chat {
    /// Whose each token is.
    accounts: BTreeMap<String, String>,
    /// What it was asked to deliver to, and to sign with, by account.
    subscribed: BTreeMap<String, (String, String)>,
    refuses: bool,
}

impl Chat {
    async fn start() -> (Arc<Mutex<Chat>>, MockServer) {
        let accounts = ["ann", "bob"].map(|name| (format!("{name}'s token"), name.to_owned())).into();
        let chat = Arc::new(Mutex::new(Chat { accounts, ..Chat::default() }));
        let server = MockServer::start().await;
        let answered = |answer: fn(&mut Chat, &str, &Request) -> ResponseTemplate| {
            let chat = chat.clone();
            move |request: &Request| {
                let mut chat = chat.lock().unwrap();
                let token = request.headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ");
                match chat.accounts.get(token).cloned() {
                    Some(account) => answer(&mut chat, &account, request),
                    None => ResponseTemplate::new(401),
                }
            }
        };
        let me = |_: &mut Chat, account: &str, _: &Request| {
            ResponseTemplate::new(200).set_body_json(json!({ "id": account }))
        };
        Mock::given(method("GET")).and(path("/me")).respond_with(answered(me)).mount(&server).await;
        let subscribe = |chat: &mut Chat, account: &str, request: &Request| {
            if chat.refuses {
                return ResponseTemplate::new(400);
            }
            let asked: Value = request.body_json().unwrap();
            let text = |key: &str| asked[key].as_str().unwrap().to_owned();
            chat.subscribed.insert(account.to_owned(), (text("url"), text("key")));
            ResponseTemplate::new(200).set_body_json(json!({ "subscription": account }))
        };
        let post = Mock::given(method("POST")).and(path("/subscription"));
        post.respond_with(answered(subscribe)).mount(&server).await;
        let unsubscribe = |chat: &mut Chat, account: &str, request: &Request| {
            let own = request.url.path().strip_prefix("/subscription/") == Some(account);
            let status = if own && chat.subscribed.remove(account).is_some() { 204 } else { 404 };
            ResponseTemplate::new(status)
        };
        let delete = Mock::given(method("DELETE")).and(path_regex("^/subscription/"));
        delete.respond_with(answered(unsubscribe)).mount(&server).await;
        (chat, server)
    }
}

struct World {
    chat: Arc<Mutex<Chat>>,
    _server: MockServer,
    host: Host,
    serving: Serving,
    events: mpsc::UnboundedReceiver<Event>,
    _folder: TempDir,
}

impl World {
    async fn new(public_url: Option<&str>) -> World {
        let ((chat, server), folder) = (Chat::start().await, tempfile::tempdir().unwrap());
        let path = folder.path().join("store.db");
        let store = Sqlite::open(&path).unwrap();
        let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
        let builder = Host::builder(store, vault).connector(connector()).base_url("chat", server.uri());
        let host =
            public_url.into_iter().fold(builder, |builder, url| builder.public_url(url)).build().unwrap();
        for name in ["ann", "bob"] {
            let fields = [("token".into(), format!("{name}'s token").into())];
            let new = NewConnection {
                tenant: DEFAULT_TENANT.to_owned(),
                name: name.to_owned(),
                connector: "chat".to_owned(),
                owner: None,
                values: ConnectionValues { method: "token".into(), fields: fields.into() },
            };
            host.apply(new).await.unwrap().finish().await.unwrap();
        }
        let serving = Serving::of(&host, IngressPolicy::default()).await;
        let events = serving.events();
        World { chat, _server: server, host, serving, events, _folder: folder }
    }

    /// One whose URL is on.
    async fn on() -> World {
        let world = World::new(Some("https://hooks.example")).await;
        let url = world.host.app_hook_on("chat", "messages", &[Secret::new(KEY)]).await.unwrap();
        assert_eq!(url.as_deref(), Some(URL));
        world
    }

    async fn register(&self, connection: &str, options: Value) -> Result<Hook> {
        let (tenant, connection) = (DEFAULT_TENANT.to_owned(), connection.to_owned());
        let (hook, options) = ("messages".to_owned(), options.to_string());
        self.host.hook_register(NewHook { tenant, connection, hook, options }).await
    }

    async fn hooks(&self) -> Vec<Hook> {
        self.host.hooks(HookFilter::default()).await.unwrap()
    }

    /// Which accounts the service has a subscription of.
    fn subscribed(&self) -> Vec<String> {
        self.chat.lock().unwrap().subscribed.keys().cloned().collect()
    }

    /// Delivers messages of an account as the service would, where it is subscribed: under the key and to the URL that it was given.
    async fn deliver(&self, account: &str, ids: &[&str]) -> Option<u16> {
        let (url, key) = self.chat.lock().unwrap().subscribed.get(account)?.clone();
        let messages: Vec<Value> =
            ids.iter().map(|id| json!({ "id": id, "room": "lobby", "token": "legacy" })).collect();
        let body = json!({ "account": account, "messages": messages }).to_string();
        let unsigned = Delivery { url: url.clone(), body: body.into(), ..Delivery::default() };
        let guard = Guard::new(&connector().spec().unwrap().hooks[0]).unwrap();
        let delivery = guard.sign(&Secret::new(key), unsigned, "unused", SystemClock.now()).unwrap();
        let path = url.strip_prefix("https://hooks.example").unwrap();
        Some(self.serving.send(path, &delivery).await.0)
    }

    /// Whom the next event is for, and its message.
    async fn event(&mut self) -> (String, Value) {
        let event = self.events.recv().await.unwrap();
        (event.connection, serde_json::from_str(&event.data.to_string()).unwrap())
    }
}

fn message(id: &str) -> Value {
    json!({ "id": id, "room": "lobby", "token": "******" })
}

#[tokio::test]
async fn an_account_is_subscribed_delivers_and_is_unsubscribed() {
    let mut world = World::on().await;
    let ann = world.register("ann", json!({})).await.unwrap();
    assert_eq!((ann.stage, ann.routing.as_deref()), (Stage::Active, Some("ann")));
    let asked = world.chat.lock().unwrap().subscribed["ann"].clone();
    assert_eq!(asked, (URL.to_owned(), KEY.to_owned()), "the app's URL and key, and none that nobody knows");

    assert_eq!(world.deliver("ann", &["1", "2"]).await, Some(200));
    let mut told = [world.event().await, world.event().await];
    told.sort_by_key(|(_, message)| message["id"].to_string());
    assert_eq!(told, ["1", "2"].map(|id| ("ann".to_owned(), message(id))));
    assert_eq!(world.deliver("bob", &["3"]).await, None, "nobody has asked for it");

    world.register("bob", json!({})).await.unwrap();
    assert_eq!(world.deliver("bob", &["3"]).await, Some(200));
    assert_eq!(world.event().await, ("bob".to_owned(), message("3")));

    // Of what is kept, and may be handed on again, none has the token.
    let all = Entries { most: 100, ..Entries::default() };
    let listed = world.host.store().inbox_list(all).await.unwrap();
    assert_eq!(listed.len(), 3);
    for entry in &listed {
        let (kept, _) = world.host.store().inbox_entry(entry.number).await.unwrap().unwrap();
        let body = String::from_utf8(kept.what.body.to_vec()).unwrap();
        assert!(body.contains(r#""token":"******""#) && !body.contains("legacy"), "{body}");
    }
    let gone = world.host.hook_deregister(&ann.id).await.unwrap();
    assert!(gone.hook.is_none() && gone.outcome.is_ok());
    assert_eq!(world.subscribed(), ["bob"]);
    world.host.revoke(DEFAULT_TENANT, "bob").await.unwrap();
    assert_eq!((world.subscribed(), world.hooks().await.len()), (vec![], 0));
}

#[tokio::test]
async fn what_the_service_has_once_for_several_is_taken_back_with_the_last() {
    let mut world = World::on().await;
    let lobby = world.register("ann", json!({ "room": "lobby" })).await.unwrap();
    let attic = world.register("ann", json!({ "room": "attic" })).await.unwrap();
    assert!(world.host.hook_deregister(&attic.id).await.unwrap().hook.is_none());
    assert_eq!(world.deliver("ann", &["1"]).await, Some(200), "it is still subscribed");
    assert_eq!(world.event().await, ("ann".to_owned(), message("1")));
    assert!(world.host.hook_deregister(&lobby.id).await.unwrap().hook.is_none());
    assert_eq!(world.subscribed(), [""; 0]);
}

#[tokio::test]
async fn a_connection_that_is_another_accounts_now_is_subscribed_for_that_one() {
    let mut world = World::on().await;
    world.register("ann", json!({})).await.unwrap();
    world.chat.lock().unwrap().accounts.insert("ann's token".to_owned(), "cleo".to_owned());
    world.host.ping(DEFAULT_TENANT, "ann").await.unwrap();
    let [hook] = &world.hooks().await[..] else { panic!("there is one") };
    assert_eq!((hook.stage, hook.routing.as_deref()), (Stage::Active, Some("cleo")));
    assert_eq!(world.deliver("cleo", &["1"]).await, Some(200));
    assert_eq!(world.event().await, ("ann".to_owned(), message("1")));
}

#[tokio::test]
async fn what_cannot_work_is_said_before_the_service_is_asked() {
    let world = World::new(Some("https://hooks.example")).await;
    let keyless = world.register("ann", json!({})).await.unwrap_err();
    assert_eq!(keyless.code(), Code::HookKeyMissing, "{keyless}");
    let nowhere = World::new(None).await;
    nowhere.host.app_hook_on("chat", "messages", &[Secret::new(KEY)]).await.unwrap();
    let error = nowhere.register("ann", json!({})).await.unwrap_err();
    assert_eq!(error.code(), Code::PublicUrlMissing, "{error}");

    let refused = World::on().await;
    refused.chat.lock().unwrap().refuses = true;
    assert_eq!(refused.register("ann", json!({})).await.unwrap_err().code(), Code::Rejected);
    for world in [world, nowhere, refused] {
        assert_eq!((world.subscribed(), world.hooks().await.len()), (vec![], 0));
    }
}
