//! The Events API: from Slack's delivery at the app's one URL to the events of each connection.

use linchpin::{Code, DateTime, Delivery, Secret, extract::ConnectionValues, http::HeaderValue};
use linchpin_host::{
    DEFAULT_TENANT, Event, Host, NewConnection, NewHook,
    ingress::IngressPolicy,
    store::{Entries, Hook, Sqlite, Stage},
    vault::{KeySource, Vault},
};
use linchpin_runtime::{Clock as _, SystemClock};
use linchpin_slack::mock::{
    BOT, CHANNEL, Happening, MESSAGE, OTHER_TEAM, OTHER_TOKEN, OUTSIDE, SIGNING_SECRET, TEAM, TOKEN,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::World;
use crate::serving::Serving;

/// A host at which an app's deliveries arrive.
struct App {
    world: World,
    host: Host,
    serving: Serving,
    events: mpsc::UnboundedReceiver<Event>,
    _folder: TempDir,
}

impl App {
    async fn start() -> App {
        let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
        let path = folder.path().join("store.db");
        let store = Sqlite::open(&path).unwrap();
        let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
        let builder = Host::builder(store, vault).connector(linchpin_slack::connector());
        let builder = builder.base_url("slack", world.slack.uri()).public_url("https://hooks.example");
        let host = builder.build().unwrap();
        let serving = Serving::of(&host, IngressPolicy::default()).await;
        let events = serving.events();
        App { world, host, serving, events, _folder: folder }
    }

    /// One whose URL is on, with connections of these names and tokens.
    async fn on(connections: &[(&str, &str)]) -> App {
        let app = App::start().await;
        let url = app.host.app_hook_on("slack", "events", &[Secret::new(SIGNING_SECRET)]).await.unwrap();
        assert_eq!(url.as_deref(), Some("https://hooks.example/app/slack/events"));
        for (name, token) in connections {
            let application = app.host.apply(new(name, token)).await.unwrap();
            application.finish().await.unwrap();
        }
        app
    }

    async fn register(&self, connection: &str, options: Value) -> linchpin::Result<Hook> {
        let (tenant, connection) = (DEFAULT_TENANT.to_owned(), connection.to_owned());
        let (hook, options) = ("events".to_owned(), options.to_string());
        self.host.hook_register(NewHook { tenant, connection, hook, options }).await
    }

    /// Sends a delivery to the app's URL, and gives the answer's status and body.
    async fn send(&self, delivery: &Delivery) -> (u16, String) {
        self.serving.send("/app/slack/events", delivery).await
    }

    async fn deliver(&self, team: &str, happening: Happening) -> u16 {
        self.send(&self.world.slack.delivery(team, happening, SystemClock.now())).await.0
    }

    /// Source and identity of whatever is in the inbox, the oldest first.
    async fn entries(&self) -> Vec<(String, String)> {
        let all = Entries { most: 100, ..Entries::default() };
        let listed = self.host.store().inbox_list(all).await.unwrap();
        listed.into_iter().rev().map(|entry| (entry.source, entry.identity)).collect()
    }

    async fn event(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }
}

fn new(name: &str, token: &str) -> NewConnection {
    NewConnection {
        tenant: DEFAULT_TENANT.to_owned(),
        name: name.to_owned(),
        connector: "slack".to_owned(),
        owner: None,
        values: form(token),
    }
}

fn form(token: &str) -> ConnectionValues {
    let fields = [("token".into(), token.to_owned().into())];
    ConnectionValues { method: "bot_token".into(), fields: fields.into() }
}

fn ago(seconds: i64) -> DateTime {
    DateTime::from_unix_millis(SystemClock.now().unix_millis() - seconds * 1000).unwrap()
}

#[tokio::test]
async fn slack_shakes_hands_once_the_url_is_on() {
    let app = App::start().await;
    let handshake = app.world.slack.handshake("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", ago(0));
    assert_eq!(app.send(&handshake).await.0, 404);
    let missing = app.host.app_hook_on("slack", "events", &[]).await.unwrap_err();
    assert_eq!(missing.code(), Code::HookKeyMissing);
    let keys = [Secret::new("the key before it was made anew"), Secret::new(SIGNING_SECRET)];
    app.host.app_hook_on("slack", "events", &keys).await.unwrap();
    let answer = app.send(&handshake).await;
    assert_eq!(answer, (200, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P".to_owned()));

    let mut forged = handshake.clone();
    forged.headers.remove("x-slack-signature");
    assert_eq!(app.send(&forged).await.0, 401);
    assert_eq!(app.send(&app.world.slack.handshake("c", ago(301))).await.0, 401);
    assert_eq!(app.entries().await, []);
}

#[tokio::test]
async fn a_delivery_is_for_every_connection_of_its_workspace_and_for_no_other() {
    let mut app = App::on(&[("one", TOKEN), ("two", TOKEN), ("other", OTHER_TOKEN)]).await;
    let mut hooks = Vec::new();
    for name in ["one", "two", "other"] {
        hooks.push(app.register(name, json!({})).await.unwrap());
    }
    assert!(hooks.iter().all(|hook| hook.stage == Stage::Active));
    let asked = app.world.requests();
    assert_eq!(asked, ["GET /api/auth.test"; 3], "Slack is asked for nothing more");

    let delivery = app.world.slack.delivery(TEAM, Happening::Posted, ago(0));
    assert_eq!(app.send(&delivery).await.0, 200);
    // Slack had no answer in time, it believes.
    let mut again = app.world.slack.delivery(TEAM, Happening::Posted, ago(1));
    again.headers.insert("x-slack-retry-num", HeaderValue::from_static("1"));
    again.headers.insert("x-slack-retry-reason", HeaderValue::from_static("http_timeout"));
    assert_eq!(app.send(&again).await.0, 200);
    let id = "EvT000000001Posted".to_owned();
    assert_eq!(app.entries().await, [(hooks[0].id.clone(), id.clone()), (hooks[1].id.clone(), id)]);

    assert_eq!(app.deliver(OTHER_TEAM, Happening::Posted).await, 200);
    let mut events = [app.event().await, app.event().await, app.event().await];
    events.sort_by(|a, b| a.connection.cmp(&b.connection));
    assert_eq!(events.each_ref().map(|event| event.connection.as_str()), ["one", "other", "two"]);
    assert!(events[0].id != events[2].id, "each connection's event has an id of its own");
    assert_eq!(events[0].kind, "slack.message_posted");
    let data: Value = serde_json::from_str(&events[0].data.to_string()).unwrap();
    assert_eq!(
        data,
        json!({ "channel": CHANNEL, "message": { "ts": MESSAGE, "user": "U000000001", "text": "Hello" } })
    );

    // One that is taken back gets nothing more, at once.
    app.host.hook_deregister(&hooks[0].id).await.unwrap();
    assert_eq!(app.deliver(TEAM, Happening::Created).await, 200);
    let last = app.entries().await.pop().unwrap();
    assert_eq!((app.entries().await.len(), last.0), (4, hooks[1].id.clone()));
    assert_eq!(app.world.requests().len(), 3);
}

#[tokio::test]
async fn what_proves_nothing_is_refused_and_what_is_for_nobody_is_answered() {
    let app = App::on(&[("one", TOKEN)]).await;
    app.register("one", json!({})).await.unwrap();
    let slack = &app.world.slack;
    let good = slack.delivery(TEAM, Happening::Posted, ago(0));
    let mut tampered = good.clone();
    tampered.body = String::from_utf8_lossy(&good.body).replace("Hello", "Hullo").into();
    let mut unsigned = good.clone();
    unsigned.headers.remove("x-slack-signature");
    let mut untimed = good.clone();
    untimed.headers.remove("x-slack-request-timestamp");
    let (stale, future) = (
        slack.delivery(TEAM, Happening::Posted, ago(301)),
        slack.delivery(TEAM, Happening::Posted, ago(-302)),
    );
    for wrong in [tampered, unsigned, untimed, stale, future] {
        assert_eq!(app.send(&wrong).await.0, 401);
    }
    // Slack turns an app off that answers with errors: https://docs.slack.dev/apis/events-api/#failure-limits
    assert_eq!(app.deliver(OTHER_TEAM, Happening::Posted).await, 200);
    assert_eq!(app.entries().await, []);
    let count = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
    let counts = app.serving.ingress.counts();
    assert_eq!((count(&counts.refused), count(&counts.passed_over)), (5, 1));
}

#[tokio::test]
async fn a_registration_gets_what_its_options_ask_for() {
    let app = App::on(&[("one", TOKEN)]).await;
    let wrong = app.register("one", json!({ "chanel": CHANNEL })).await.unwrap_err();
    assert_eq!(wrong.code(), Code::OptionsInvalid);
    let wrong = app.register("one", json!({ "events": ["message_posted"] })).await.unwrap_err();
    assert_eq!(wrong.code(), Code::OptionsInvalid);
    let cases: [(Value, &[Happening]); 5] = [
        (json!({ "events": ["message"], "channel": CHANNEL }), &[Happening::Posted]),
        (
            json!({ "channel": OUTSIDE }),
            &[Happening::PostedElsewhere, Happening::Created, Happening::TeamJoined],
        ),
        (json!({ "events": ["reaction_added"], "emoji": "thumbsup" }), &[Happening::Reacted]),
        (json!({ "events": ["reaction_added"], "emoji": "tada" }), &[]),
        (json!({ "events": ["team_join", "channel_created"] }), &[Happening::Created, Happening::TeamJoined]),
    ];
    let mut wanted = Vec::new();
    for (options, _) in &cases {
        wanted.push(app.register("one", options.clone()).await.unwrap().id);
    }
    let happenings = [
        Happening::Posted,
        Happening::PostedElsewhere,
        Happening::Reacted,
        Happening::Created,
        Happening::TeamJoined,
    ];
    for happening in happenings {
        assert_eq!(app.deliver(TEAM, happening).await, 200);
    }
    let entries = app.entries().await;
    for (id, (options, expected)) in wanted.iter().zip(&cases) {
        let got: Vec<&String> =
            entries.iter().filter(|(of, _)| of == id).map(|(_, identity)| identity).collect();
        let expected: Vec<String> =
            expected.iter().map(|happening| format!("Ev{TEAM}{happening:?}")).collect();
        assert_eq!(got, expected.iter().collect::<Vec<_>>(), "{options}");
    }
}

#[tokio::test]
async fn a_connection_gets_what_is_for_its_account_also_when_that_changes() {
    let app = App::on(&[]).await;
    // Nobody knows yet whose it is.
    app.host.apply(new("one", TOKEN)).await.unwrap().finish_unchecked().await.unwrap();
    let unknown = app.register("one", json!({})).await.unwrap_err();
    assert_eq!(unknown.code(), Code::ConnectionInvalid);
    assert!(unknown.details().hint.is_some_and(|hint| hint.contains("linchpin auth ping")), "{unknown:?}");
    app.host.ping(DEFAULT_TENANT, "one").await.unwrap().outcome.unwrap();
    app.register("one", json!({})).await.unwrap();
    assert_eq!(app.deliver(TEAM, Happening::Posted).await, 200);
    assert_eq!(app.entries().await.len(), 1);

    let again = app.host.apply_again(DEFAULT_TENANT, "one", Some(form(OTHER_TOKEN))).await.unwrap();
    again.finish().await.unwrap();
    for team in [TEAM, OTHER_TEAM] {
        assert_eq!(app.deliver(team, Happening::Mentioned).await, 200);
    }
    let identities: Vec<String> = app.entries().await.into_iter().map(|(_, identity)| identity).collect();
    assert_eq!(identities, ["EvT000000001Posted", "EvT000000002Mentioned"]);
}

#[tokio::test]
async fn a_hook_outlives_its_process_without_a_public_url() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new().await;
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
    let builder = Host::builder(store, vault).connector(linchpin_slack::connector());
    let host = builder.base_url("slack", world.slack.uri()).build().unwrap();
    host.apply(new("one", TOKEN)).await.unwrap().finish().await.unwrap();
    let (tenant, connection) = (DEFAULT_TENANT.to_owned(), "one".to_owned());
    let hook = NewHook { tenant, connection, hook: "events".to_owned(), options: "{}".to_owned() };
    let hook = host.hook_register(hook).await.unwrap();
    assert!(!host.app_hook_is_on("slack", "events").await.unwrap());
    assert_eq!(hook.routing.as_deref(), Some(&*format!("{TEAM}/{BOT}")));
    let live = host.hook_live(&hook.id).await.unwrap().unwrap();
    assert_eq!((live.path.as_str(), live.keys.len()), ("/app/slack/events", 0));
    let checked = host.hook_check(&hook.id).await.unwrap();
    assert_eq!(checked.hook.unwrap().stage, Stage::Active);
    assert!(host.hook_deregister(&hook.id).await.unwrap().hook.is_none());
    assert_eq!(world.requests(), ["GET /api/auth.test"]);
}

#[tokio::test]
async fn each_happening_becomes_its_event_and_noise_becomes_none() {
    let world = World::new().await;
    let message = |more: Value| {
        let mut message = json!({ "ts": MESSAGE, "user": "U000000001", "text": "Hello" });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        json!({ "channel": CHANNEL, "message": message })
    };
    let bot = || message(json!({ "user": "U000000007", "bot_id": "B000000007" }));
    let webhook = || message(json!({ "user": null, "bot_id": "B000000008", "subtype": "bot_message" }));
    let bots = json!({ "bots": true });
    let none = json!({});
    let cases = [
        ("message_posted", Happening::Posted, &none, message(json!({}))),
        (
            "message_posted",
            Happening::Broadcast,
            &none,
            message(json!({ "subtype": "thread_broadcast", "thread_ts": "1500000001.000100" })),
        ),
        ("message_posted", Happening::Edited, &bots, Value::Null),
        ("message_posted", Happening::Deleted, &bots, Value::Null),
        ("message_posted", Happening::JoinMessage, &bots, Value::Null),
        ("message_posted", Happening::OwnPosted, &bots, Value::Null),
        ("message_posted", Happening::OwnPostedAs, &bots, Value::Null),
        ("message_posted", Happening::BotPosted, &none, Value::Null),
        ("message_posted", Happening::BotPosted, &bots, bot()),
        ("message_posted", Happening::WebhookPosted, &none, Value::Null),
        ("message_posted", Happening::WebhookPosted, &bots, webhook()),
        (
            "app_mentioned",
            Happening::Mentioned,
            &none,
            message(json!({ "text": "<@U000000000> who is up next?" })),
        ),
        (
            "reaction_added",
            Happening::Reacted,
            &none,
            json!({
                "message": { "channel": CHANNEL, "ts": MESSAGE },
                "emoji": "thumbsup",
                "user": "U000000001",
                "author": BOT,
            }),
        ),
        ("reaction_added", Happening::OwnReacted, &none, Value::Null),
        ("reaction_added", Happening::ReactedToFile, &none, Value::Null),
        (
            "member_joined_channel",
            Happening::Joined,
            &none,
            json!({ "user": "U000000002", "channel": CHANNEL, "inviter": "U000000001" }),
        ),
        (
            "channel_created",
            Happening::Created,
            &none,
            json!({
                "id": "C000000999",
                "name": "finals",
                "created": "2015-12-04T18:14:49Z",
                "creator": "U000000001",
            }),
        ),
    ];
    let give = async |flow: &str, happening: Happening, options: &Value| {
        let mut call = world.invocation(flow).unwrap();
        call = call.delivery(world.slack.delivery(TEAM, happening, SystemClock.now()));
        if matches!(flow, "message_posted" | "app_mentioned") {
            call = call.options(options.to_string());
        }
        crate::edge::json(call).await
    };
    for (flow, happening, options, expected) in cases {
        assert_eq!(give(flow, happening, options).await.unwrap(), expected, "{flow} of {happening:?}");
    }
    for (flow, happening, id) in [
        ("user_joined", Happening::TeamJoined, "U000000003"),
        ("user_changed", Happening::UserChanged, "U000000002"),
    ] {
        let user = give(flow, happening, &none).await.unwrap();
        assert_eq!((&user["id"], &user["profile"]["title"]), (&json!(id), &json!("")), "{flow}");
    }
    let other = give("user_joined", Happening::Created, &none).await.unwrap_err();
    assert_eq!(other.code(), Code::EventMismatch);
    assert_eq!(world.requests(), [""; 0]);
}
