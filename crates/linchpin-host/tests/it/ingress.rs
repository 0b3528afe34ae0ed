//! What senders are answered, over real connections.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use linchpin::{
    Connector, Context, Delivery, EventUrl, Payload, Registered, Result, Secret, connector::SpecFile, fields,
    flow::BoxFuture, serde_json::Value, webhook,
};
use linchpin_host::{
    EventStream, Sink,
    inbox::{Head, Inbox, InboxPolicy},
    ingress::{Accepts, FixedHooks, Hooks, Ingress, IngressPolicy, Receiver, ServeLimits, serve},
    store::{Entries, InboxStore, NewEntry},
};
use linchpin_runtime::{
    Cancel, Runtime, SystemClock,
    webhook::{Fetcher, Guard},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::full::Full;

const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
        schema = 1
        key = "tracker"
        name = "Tracker"
        version = "0.1.0"

        [http]
        base_url = "https://tracker.example"

        [hook.project]
        signature = { scheme = "hmac-sha256", header = "X-Signature", encoding = "hex", key = "registration" }
        delivery_id = { header = "X-Delivery" }
        scrub = { body = "/token" }

        [[hook.project.handshake]]
        signed = false
        when = { query = { hello = "there" } }
        take = { query = "challenge" }
        reply = { text = "{value}" }

        [event.issue_opened]
        name = "Issue Opened"
        hook = "project"
        match = { header = { X-Event = "issue" } }
    "#,
};

#[fields]
struct Hook {
    id: u64,
}

#[fields]
struct Issue {
    number: u64,
}

#[webhook(register, hook = "project")]
async fn register(_cx: Context, _url: EventUrl) -> Result<Hook> {
    Ok(Hook { id: 1 })
}

#[webhook(deregister, hook = "project")]
async fn deregister(_cx: Context, Registered(_): Registered<register>) -> Result<()> {
    Ok(())
}

#[webhook(event = "issue_opened")]
async fn issue_opened(_cx: Context, Payload(issue): Payload<Issue>) -> Result<Issue> {
    Ok(issue)
}

fn connector() -> Connector {
    Connector::builder(SPEC).flow::<register>().flow::<deregister>().flow::<issue_opened>().build().unwrap()
}

pub(crate) fn key() -> Secret {
    Secret::new("a key that only the service and we know")
}

/// A delivery as it goes over the wire.
pub(crate) fn signed(path: &str, key: &Secret, id: &str, event: &str, body: &str) -> String {
    let guard = Guard::new(&connector().shared_spec().unwrap().hooks[0]).unwrap();
    let unsigned = Delivery { body: body.to_owned().into(), ..Delivery::default() };
    let now = std::time::SystemTime::now().into();
    let delivery = guard.sign(key, unsigned, id, now).unwrap();
    let headers =
        delivery.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    let headers: String = headers.collect();
    format!(
        "POST {path} HTTP/1.1\r\nhost: hooks.example\r\nx-event: {event}\r\nauthorization: Basic c2VjcmV0\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) struct Server {
    at: SocketAddr,
    store: Arc<Full>,
    ingress: Ingress,
    events: EventStream,
    stop: Cancel,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(IngressPolicy::default(), InboxPolicy::default(), ServeLimits::default()).await
    }

    async fn with(policy: IngressPolicy, inbox: InboxPolicy, limits: ServeLimits) -> Server {
        let live = |accepts| {
            let connection = Some("connection".to_owned());
            let hook = Receiver::new(&connector(), "project", "hook", connection, vec![key()], Value::Null);
            Receiver { accepts, ..hook.unwrap() }
        };
        let hooks = FixedHooks::new()
            .with("token", live(Accepts::Everything))
            .with("registering", live(Accepts::Handshakes));
        Server::over(hooks, policy, inbox, limits).await
    }

    async fn over(
        hooks: impl Hooks,
        policy: IngressPolicy,
        inbox: InboxPolicy,
        limits: ServeLimits,
    ) -> Server {
        let (store, events) = (Arc::new(Full::default()), EventStream::new());
        let inbox = Inbox::new(store.clone(), Arc::new(SystemClock), inbox);
        let fetcher = Fetcher::new(&Runtime::new());
        let ingress = Ingress::new(Arc::new(hooks), inbox, fetcher, Arc::new(SystemClock), policy);
        let ingress = ingress.stream(events.clone(), Secret::new("listener"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, stop, router) = (listener.local_addr().unwrap(), Cancel::new(), ingress.router());
        let until = stop.clone();
        let task = tokio::spawn(async move { serve(listener, router, limits, &until).await });
        Server { at, store, ingress, events, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// The whole answer to something that is sent, after which the sender is silent.
    pub(crate) async fn send(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        // One that is refused early may be closed before all of it is sent.
        let _ = stream.write_all(request.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).await;
        read(&mut stream).await
    }

    async fn status(&self, request: &str) -> u16 {
        status(&self.send(request).await)
    }

    async fn entries(&self) -> Vec<NewEntry> {
        let listed = self.store.inbox.inbox_list(Entries { most: 100, ..Entries::default() }).await.unwrap();
        let mut entries = Vec::new();
        for summary in listed.iter().rev() {
            entries.push(self.store.inbox.inbox_entry(summary.number).await.unwrap().unwrap().0.what);
        }
        entries
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

/// An answer without its date.
fn timeless(answer: &str) -> String {
    answer.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_signed_delivery_is_kept_without_what_proves_it() {
    let server = Server::start().await;
    let body = r#"{"number":7, "token":"l\u0065gacy"}"#;
    let request = signed("/in/token?who=me", &key(), "d1", "issue", body);
    assert_eq!(server.status(&request).await, 200);
    assert_eq!(server.status(&request).await, 200, "again");
    let entries = server.entries().await;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!((entry.source.as_str(), entry.identity.as_str()), ("hook", "d1"));
    assert_eq!(entry.body, r#"{"number":7, "token":"***********"}"#);
    let head = Head::read(entry).unwrap();
    let Head::Delivery(head) = &*head else { panic!("{head:?}") };
    assert_eq!((&head.events[..], head.method.as_str()), (&["issue_opened".to_owned()][..], "POST"));
    assert_eq!(head.url, "http://hooks.example/in/***?who=me");
    let names: Vec<_> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"x-event") && names.contains(&"x-delivery"), "{names:?}");
    for secret in ["x-signature", "authorization"] {
        assert!(!names.contains(&secret), "{names:?}");
    }
    let counts = server.ingress.counts();
    let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    assert_eq!((count(&counts.accepted), count(&counts.repeated), count(&counts.refused)), (1, 1, 0));
}

#[tokio::test]
async fn what_proves_nothing_is_refused_and_not_kept() {
    let server = Server::start().await;
    let good = signed("/in/token", &key(), "d1", "issue", r#"{"number":7}"#);
    let forged = signed("/in/token", &Secret::new("another key"), "d1", "issue", r#"{"number":7}"#);
    let unsigned: String =
        good.lines().filter(|line| !line.starts_with("x-signature")).collect::<Vec<_>>().join("\r\n");
    for request in [forged, unsigned, good.replace(":7}", ":8}")] {
        let answer = server.send(&request).await;
        assert_eq!(status(&answer), 401);
        assert!(!answer.contains("signature"), "{answer}");
    }
    assert_eq!(server.entries().await, []);
}

#[tokio::test]
async fn an_unknown_url_looks_like_any_other_that_is_not_there() {
    let server = Server::start().await;
    let unknown = server.send(&signed("/in/nobody", &key(), "d1", "issue", "{}")).await;
    let elsewhere = server.send("GET /admin HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let off = server.send(&signed("/in/registering", &key(), "d1", "issue", "{}")).await;
    assert_eq!(status(&unknown), 404);
    assert_eq!(timeless(&unknown), timeless(&elsewhere));
    assert_eq!(timeless(&unknown), timeless(&off));
    assert_eq!(server.entries().await, []);
}

#[tokio::test]
async fn what_is_no_event_is_accepted_and_passed_over() {
    let server = Server::start().await;
    assert_eq!(server.status(&signed("/in/token", &key(), "d1", "push", "{}")).await, 200);
    assert_eq!(server.entries().await, []);
    assert_eq!(server.ingress.counts().passed_over.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_handshake_is_answered_also_while_the_hook_is_being_registered() {
    let server = Server::start().await;
    for path in ["/in/token", "/in/registering"] {
        let request = format!("GET {path}?hello=there&challenge=c%3Cb%3E HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = server.send(&request).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(answer.contains("content-type: text/plain") && answer.ends_with("c<b>"), "{answer}");
        assert!(answer.contains("nosniff"), "{answer}");
    }
    assert_eq!(
        server.status("GET /in/nobody?hello=there&challenge=c HTTP/1.1\r\nhost: x\r\n\r\n").await,
        404
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_and_without_a_length() {
    let mut policy = IngressPolicy::default();
    policy.body = 1000;
    let server = Server::with(policy, InboxPolicy::default(), ServeLimits::default()).await;
    let large = "x".repeat(1001);
    assert_eq!(server.status(&signed("/in/token", &key(), "d1", "issue", &large)).await, 413);
    let chunked = format!(
        "POST /in/token HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{large}\r\n0\r\n\r\n"
    );
    assert_eq!(server.status(&chunked).await, 413);
    let headers: String = (0..101).map(|number| format!("x-{number}: y\r\n")).collect();
    let many = format!("POST /in/token HTTP/1.1\r\nhost: x\r\n{headers}content-length: 0\r\n\r\n");
    assert_eq!(server.status(&many).await, 431);
    let long = format!("POST /in/token HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "y".repeat(400_000));
    assert_eq!(server.status(&long).await, 431);
}

#[tokio::test(start_paused = true)]
async fn senders_that_are_slow_are_cut_off() {
    let server = Server::start().await;
    let mut head = server.connect().await;
    head.write_all(b"POST /in/token HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let answer = read(&mut head).await;
    assert!(answer.is_empty() || status(&answer) == 408, "{answer}");

    let mut body = server.connect().await;
    body.write_all(
        b"POST /in/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\n12345",
    )
    .await
    .unwrap();
    assert_eq!(status(&read(&mut body).await), 408);
}

/// One URL for two connections, by which one team is known.
struct Shared {
    app: Arc<Receiver>,
    connections: Vec<Arc<Receiver>>,
}

impl Hooks for Shared {
    fn find<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn app<'a>(&'a self, _connector: &'a str, hook: &'a str) -> BoxFuture<'a, Result<Option<Arc<Receiver>>>> {
        Box::pin(std::future::ready(Ok((hook == "project").then(|| self.app.clone()))))
    }

    fn routed<'a>(&'a self, _app: &'a Receiver, key: &'a str) -> BoxFuture<'a, Result<Vec<Arc<Receiver>>>> {
        let found = if key == "T1" { self.connections.clone() } else { Vec::new() };
        Box::pin(std::future::ready(Ok(found)))
    }
}

#[tokio::test]
async fn what_many_share_a_url_for_goes_in_for_all_of_them_or_for_none() {
    let text = SPEC.text.replace(
        "key = \"registration\" }",
        "key = \"app\" }\nscope = \"app\"\nroute = { body = \"/team\", connection = \"{account}\" }",
    );
    let spec = SpecFile { path: SPEC.path, text: text.leak() };
    let connector = Connector::builder(spec).flow::<issue_opened>().build().unwrap();
    let receiver = |id: &str, connection: Option<&str>, keys| {
        let connection = connection.map(str::to_owned);
        Arc::new(Receiver::new(&connector, "project", id, connection, keys, Value::Null).unwrap())
    };
    let hooks = Shared {
        app: receiver("app", None, vec![key()]),
        connections: vec![receiver("h1", Some("c1"), Vec::new()), receiver("h2", Some("c2"), Vec::new())],
    };
    let server =
        Server::over(hooks, IngressPolicy::default(), InboxPolicy::default(), ServeLimits::default()).await;
    let sent = |id: &str, team: &str| {
        let body = format!(r#"{{"number":7,"team":"{team}"}}"#);
        signed("/app/tracker/project", &key(), id, "issue", &body)
    };
    server.store.full.store(true, Ordering::SeqCst);
    assert_eq!(server.status(&sent("d1", "T1")).await, 503);
    server.store.full.store(false, Ordering::SeqCst);
    assert_eq!(server.entries().await, []);

    assert_eq!(server.status(&sent("d1", "T1")).await, 200);
    assert_eq!(server.status(&sent("d1", "T1")).await, 200, "again");
    assert_eq!(*server.store.commits.lock().unwrap(), [2, 2], "each by one commit");
    let entries = server.entries().await;
    let of: Vec<_> = entries.iter().map(|entry| (entry.source.as_str(), entry.identity.as_str())).collect();
    assert_eq!(of, [("h1", "d1"), ("h2", "d1")]);
    // Services turn off what answers with errors, and a team that nobody here has is none.
    assert_eq!(server.status(&sent("d2", "T2")).await, 200);
    assert_eq!(server.status(&sent("d3", "T1").replace(":7,", ":8,")).await, 401);
    let counts = server.ingress.counts();
    let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    assert_eq!(
        (
            count(&counts.accepted),
            count(&counts.repeated),
            count(&counts.passed_over),
            count(&counts.refused)
        ),
        (2, 2, 1, 1)
    );
    assert_eq!(server.status(&signed("/app/tracker/other", &key(), "d1", "issue", "{}")).await, 404);
}

#[tokio::test]
async fn a_store_that_fails_asks_senders_to_come_again() {
    let server = Server::start().await;
    server.store.full.store(true, Ordering::SeqCst);
    let request = signed("/in/token", &key(), "d1", "issue", r#"{"number":7}"#);
    let answer = server.send(&request).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("retry-after: 30") && !answer.contains("disk"), "{answer}");
    assert_eq!(server.status("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await, 503);
    assert_eq!(server.status("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await, 200);
    server.store.full.store(false, Ordering::SeqCst);
    assert_eq!(server.status(&request).await, 200);
    assert_eq!(server.status("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await, 200);
}

#[tokio::test]
async fn a_full_inbox_asks_senders_to_come_again() {
    let mut small = InboxPolicy::default();
    small.waiting = 1;
    let server = Server::with(IngressPolicy::default(), small, ServeLimits::default()).await;
    assert_eq!(server.status(&signed("/in/token", &key(), "d1", "issue", "{}")).await, 200);
    let answer = server.send(&signed("/in/token", &key(), "d2", "issue", "{}")).await;
    assert_eq!(status(&answer), 429);
    assert!(answer.contains("retry-after: "), "{answer}");

    let mut few = IngressPolicy::default();
    few.concurrency = 0;
    let server = Server::with(few, InboxPolicy::default(), ServeLimits::default()).await;
    assert_eq!(server.status(&signed("/in/token", &key(), "d1", "issue", "{}")).await, 503);
}

#[tokio::test]
async fn in_a_flood_everybody_is_answered_and_what_was_taken_is_kept() {
    let (mut policy, mut inbox, mut limits) =
        (IngressPolicy::default(), InboxPolicy::default(), ServeLimits::default());
    policy.concurrency = 4;
    inbox.waiting = 60;
    limits.connections = 64;
    let server = Arc::new(Server::with(policy, inbox, limits).await);
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..200 {
        let server = server.clone();
        senders.spawn(async move {
            let mut answers = Vec::new();
            for turn in 0..3 {
                let id = format!("{sender}-{turn}");
                let answer = server.send(&signed("/in/token", &key(), &id, "issue", r#"{"number":7}"#)).await;
                answers.push((id, answer));
            }
            answers
        });
    }
    let answers: Vec<(String, String)> = senders.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 600, "nobody waits for ever");
    let (mut taken, sent_away): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, answer)| status(answer) == 200);
    for (_, answer) in &sent_away {
        assert!([429, 503].contains(&status(answer)) && answer.contains("retry-after: "), "{answer}");
    }
    // Most may have been sent away at the door; who comes alone is let in while there is room.
    for turn in 0..100 {
        let id = format!("after-{turn}");
        let answer = server.send(&signed("/in/token", &key(), &id, "issue", r#"{"number":7}"#)).await;
        if status(&answer) != 200 {
            break;
        }
        taken.push((id, answer));
    }
    // As many as there is room for, and those that were under way when it became full.
    assert!((60..=64).contains(&taken.len()), "{}", taken.len());
    let most = Entries { most: 1000, ..Entries::default() };
    let kept = server.store.inbox.inbox_list(most).await.unwrap();
    let mut kept: Vec<String> = kept.into_iter().map(|entry| entry.identity).collect();
    let mut taken: Vec<String> = taken.into_iter().map(|(id, _)| id).collect();
    kept.sort_unstable();
    taken.sort_unstable();
    assert_eq!(kept, taken);
}

#[tokio::test]
async fn who_is_being_served_when_it_stops_is_served() {
    let server = Server::start().await;
    let request = signed("/in/token", &key(), "d1", "issue", r#"{"number":7}"#);
    let (first, rest) = request.split_at(request.len() - 3);
    let (mut under_way, mut idle) = (server.connect().await, server.connect().await);
    under_way.write_all(first.as_bytes()).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut begun = [0; 12];
    idle.read_exact(&mut begun).await.unwrap();
    server.stop.cancel();
    assert!(read(&mut idle).await.ends_with("ok\n"), "one that waits for nothing is closed");
    under_way.write_all(rest.as_bytes()).await.unwrap();
    assert_eq!(status(&read(&mut under_way).await), 200);
    server.task.await.unwrap();
    assert_eq!(server.store.inbox.inbox_waiting().await.unwrap(), 1);
    assert!(TcpStream::connect(server.at).await.is_err(), "nobody else is let in");
}

#[tokio::test]
async fn events_are_streamed_to_who_has_the_token() {
    let server = Server::start().await;
    let ask =
        |token: &str| format!("GET /events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    assert_eq!(server.status(&ask("somebody")).await, 401);
    assert_eq!(server.status("GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await, 401);
    let mut listener = server.connect().await;
    listener.write_all(ask("listener").as_bytes()).await.unwrap();
    server.events.ready().await;
    let event = linchpin::serde_json::from_str(
        r#"{"id":"evt_1","type":"tracker.issue_opened","timestamp":"2026-03-01T09:00:00Z","tenant":"default","connection":"work","source":"hook","data":{"number":7}}"#,
    );
    server.events.take(&event.unwrap()).await.unwrap();
    let mut text = String::new();
    while !text.contains("\n\n\r\n") || !text.contains("evt_1") {
        let mut some = [0; 1024];
        let length = listener.read(&mut some).await.unwrap();
        assert_ne!(length, 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&some[..length]));
    }
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("id: evt_1\ndata: {\"id\":\"evt_1\",\"type\":\"tracker.issue_opened\""), "{text}");
}
