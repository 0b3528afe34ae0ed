//! `linchpin serve` from the first delivery to the last signal, as an operator runs it.

use std::{
    any::Any,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    ops::Deref,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use linchpin_github::mock::{Github, TOKEN};
use linchpin_slack::mock::{SIGNING_SECRET, Slack};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::command::linchpin;

struct World {
    operator: Operator,
    _service: Box<dyn Any>,
}

impl Deref for World {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.operator
    }
}

impl World {
    async fn new() -> World {
        let github = Github::start().await;
        let operator = Operator::new(github.uri(), &[("LINCHPIN_GITHUB_TOKEN", TOKEN)]);
        operator.ok(&["auth", "login", "github", "--name", "work"]).await;
        World { operator, _service: Box::new(github) }
    }

    async fn slack() -> World {
        let slack = Slack::start().await;
        let operator = Operator::new(slack.uri(), &[("LINCHPIN_SLACK_TOKEN", linchpin_slack::mock::TOKEN)]);
        operator.ok(&["auth", "login", "slack", "--method", "bot_token", "--name", "team"]).await;
        World { operator, _service: Box::new(slack) }
    }
}

/// Somebody who runs the binary beside a service on loopback, over a store of their own.
pub(crate) struct Operator {
    uri: String,
    /// Where connections have their fields from.
    fields: Vec<(&'static str, &'static str)>,
    folder: TempDir,
}

impl Operator {
    pub(crate) fn new(uri: String, fields: &[(&'static str, &'static str)]) -> Operator {
        Operator { uri, fields: fields.to_vec(), folder: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = linchpin();
        command.args(args).args(["--base-url", &self.uri]).env("LINCHPIN_STORE", self.store());
        command.envs(self.fields.iter().copied()).env("LINCHPIN_PUBLIC_URL", "https://hooks.example");
        command
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub(crate) async fn ok(&self, args: &[&str]) -> Output {
        let out = self.run(args).await;
        assert_eq!(out.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out
    }

    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(&[args, &["--format", "json"]].concat()).await;
        serde_json::from_slice(&out.stdout).unwrap()
    }

    pub(crate) async fn serve(&self, args: &[&str]) -> Server {
        Server::start(self.command(&[&["serve", "--listen", "127.0.0.1:0"], args].concat())).await
    }
}

pub(crate) struct Server {
    child: Child,
    /// What it tells on stdout.
    told: Receiver<String>,
    /// What it says on stderr.
    said: Receiver<String>,
    pub(crate) via: String,
}

impl Server {
    /// Waits until a server takes deliveries.
    async fn start(mut command: Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (told, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        tokio::task::spawn_blocking(move || {
            let via = loop {
                let line = said.recv_timeout(LIMIT).expect("the server listens");
                if let Some((_, rest)) = line.split_once("taking deliveries at ") {
                    break rest.split(';').next().unwrap().to_owned();
                }
            };
            Server { child, told, said, via }
        })
        .await
        .unwrap()
    }
}

/// The lines of a pipe, which somebody must read for the process to go on.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    lines
}

/// How long the other process may take.
const LIMIT: Duration = Duration::from_secs(60);

impl Server {
    /// The next event on stdout.
    pub(crate) fn event(&self) -> Value {
        let line = self.told.recv_timeout(LIMIT).unwrap_or_else(|_| {
            panic!("no event came; the server said {:?}", self.said.try_iter().collect::<Vec<_>>())
        });
        serde_json::from_str(&line).unwrap()
    }

    /// Asks it to stop, and gives what it still told.
    pub(crate) fn stop(mut self) -> Vec<String> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let rest = std::iter::from_fn(|| self.told.recv_timeout(LIMIT).ok()).collect();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also when the test has failed; one that has ended is no mistake.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_becomes_an_event_and_a_wrong_one_does_not() {
    let world = World::new().await;
    let set = ["--set", "repository=octocat/hello-world", "--set", "event=issue_opened"];
    let hook = world.json(&[&["hook", "register", "work"][..], &set].concat()).await;
    let id = hook["id"].as_str().unwrap();
    let server = world.serve(&["--stdout"]).await;

    let via = server.via.clone();
    let send = ["hook", "send", "github.issue_opened", "--hook", id, "--via", &via, "--id", "first"];
    world.ok(&send).await;
    let event = server.event();
    assert_eq!((&event["type"], &event["connection"]), (&json!("github.issue_opened"), &json!("work")));
    assert_eq!(event["source"], hook["id"]);
    assert!(event["id"].as_str().unwrap().starts_with("evt_"), "{event}");
    assert!(event["data"]["issue"].is_object(), "{event}");

    for wrong in ["unsigned", "key", "tampered"] {
        let out = world.run(&[&send[..], &["--wrong", wrong]].concat()).await;
        assert_eq!(out.status.code(), Some(3), "{wrong}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("401"), "{out:?}");
    }
    world.ok(&send).await;
    world.ok(&["hook", "send", "github.pushed", "--hook", id, "--via", &via, "--id", "second"]).await;
    let event = server.event();
    assert_eq!(event["type"], "github.pushed", "the first was not told again");
    assert_eq!(server.stop(), [""; 0]);

    let listed = world.json(&["hook", "deliveries", "--hook", id]).await;
    let of =
        |key: &str| listed.as_array().unwrap().iter().map(|entry| entry[key].clone()).collect::<Vec<_>>();
    assert_eq!(
        (of("identity"), of("state")),
        (vec![json!("second"), json!("first")], vec![json!("done"); 2])
    );

    let number = of("number")[1].to_string();
    let shown = world.ok(&["hook", "show", &number]).await;
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["body"]["action"], "opened");
    assert!(!shown.to_string().contains("x-hub-signature"), "{shown}");

    world.ok(&["hook", "replay", &number]).await;
    let server = world.serve(&["--stdout"]).await;
    assert_eq!(server.event()["type"], "github.issue_opened", "again");
    server.stop();

    world.ok(&["hook", "deregister", id]).await;
    let server = world.serve(&["--stdout"]).await;
    let via = server.via.clone();
    let off = world.run(&["hook", "send", "github.issue_opened", "--hook", id, "--via", &via]).await;
    assert_eq!(off.status.code(), Some(2), "{off:?}");
    server.stop();
    assert_eq!(world.json(&["hook", "purge", "--state", "done"]).await, json!({ "purged": 2 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_tells_an_app_becomes_an_event_and_a_wrong_delivery_does_not() {
    let world = World::slack().await;
    let early = world.ok(&["hook", "register", "team"]).await;
    assert!(String::from_utf8_lossy(&early.stderr).contains("linchpin hook app slack.events"), "{early:?}");
    let keyless = world.run(&["hook", "app", "slack.events"]).await;
    assert!(String::from_utf8_lossy(&keyless.stderr).contains("LP568"), "{keyless:?}");
    let secret = world.folder.path().join("slack.key");
    std::fs::write(&secret, SIGNING_SECRET).unwrap();
    let app =
        world.json(&["hook", "app", "slack.events", "--signing-key", &secret.display().to_string()]).await;
    assert_eq!(app, json!({ "hook": "slack.events", "url": "https://hooks.example/app/slack/events" }));
    let set = ["--set", "events=[\"message\"]", "--set", "channel=C012AB3CD"];
    let register = world.ok(&[&["hook", "register", "team", "--format", "json"][..], &set].concat()).await;
    assert!(register.stderr.is_empty(), "{register:?}");
    let hook: Value = serde_json::from_slice(&register.stdout).unwrap();
    assert_eq!((&hook["hook"], &hook["stage"]), (&json!("events"), &json!("active")));
    let all = world.json(&["hook", "list"]).await;
    let other = all.as_array().unwrap().iter().find(|other| other["id"] != hook["id"]).unwrap();
    world.ok(&["hook", "deregister", other["id"].as_str().unwrap()]).await;

    let id = hook["id"].as_str().unwrap();
    let server = world.serve(&["--stdout"]).await;
    let via = server.via.clone();
    let send = ["hook", "send", "slack.message_posted", "--hook", id, "--via", &via, "--id", "Ev1"];
    world.ok(&send).await;
    let event = server.event();
    assert_eq!((&event["type"], &event["connection"]), (&json!("slack.message_posted"), &json!("team")));
    assert_eq!(event["data"]["channel"], "C012AB3CD");
    for wrong in ["unsigned", "key", "tampered", "stale"] {
        let out = world.run(&[&send[..], &["--wrong", wrong]].concat()).await;
        assert_eq!(out.status.code(), Some(3), "{wrong}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("401"), "{out:?}");
    }
    world.ok(&send).await;
    // Nobody asked for reactions.
    world.ok(&["hook", "send", "slack.reaction_added", "--hook", id, "--via", &via]).await;

    // To the app's URL, which says nothing of whom it is for.
    let (url, key) = (format!("{via}/app/slack/events"), secret.display().to_string());
    let to = |event, id| ["hook", "send", event, "--url", &url, "--signing-key", &key, "--id", id];
    for (id, whom) in [
        ("Ev2", &[][..]),
        ("Ev3", &["--connection", "team"]),
        ("Ev4", &["--routing-key", "T000000001/U000000000"]),
    ] {
        world.ok(&[&to("slack.message_posted", id)[..], whom].concat()).await;
        assert_eq!(server.event()["connection"], "team", "{id}");
    }
    world.ok(&[&to("slack.message_posted", "Ev5")[..], &["--routing-key", "T9/U9"]].concat()).await;
    let mut login = world.command(&["auth", "login", "slack", "--method", "bot_token", "--name", "other"]);
    login.env("LINCHPIN_SLACK_TOKEN", linchpin_slack::mock::OTHER_TOKEN);
    assert!(login.output().unwrap().status.success());
    let several = [&to("slack.message_posted", "Ev6")[..], &["--connection", "other"]].concat();
    let out = world.run(&several).await;
    assert!(String::from_utf8_lossy(&out.stderr).contains("not registered for `other`"), "{out:?}");
    let other = world.json(&["hook", "register", "other"]).await;
    let out = world.run(&to("slack.message_posted", "Ev6")).await;
    assert!(String::from_utf8_lossy(&out.stderr).contains("several accounts"), "{out:?}");
    world.ok(&several).await;
    assert_eq!(server.event()["connection"], "other");
    world.ok(&["hook", "deregister", other["id"].as_str().unwrap()]).await;
    for (whom, said) in [
        (["--routing-key", "T000000001"], "whom a delivery is for"),
        (["--connection", "nobody"], "there is no connection `nobody`"),
    ] {
        let out = world.run(&[&to("slack.message_posted", "Ev7")[..], &whom].concat()).await;
        assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains(said), "{out:?}");
    }
    assert_eq!(server.stop(), [""; 0]);
    let listed = world.json(&["hook", "deliveries"]).await;
    let identities: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["identity"].clone(), entry["state"].clone()))
        .collect();
    assert_eq!(identities, ["Ev6", "Ev4", "Ev3", "Ev2", "Ev1"].map(|id| (json!(id), json!("done"))));
    let number = listed[4]["number"].to_string();
    let shown = world.ok(&["hook", "show", &number]).await;
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        shown["body"]["authorizations"],
        json!([{ "team_id": "T000000001", "user_id": "U000000000" }])
    );
    assert!(!shown.to_string().contains("x-slack-signature"), "{shown}");
    world.ok(&["hook", "deregister", id]).await;
    assert_eq!(world.json(&["hook", "list"]).await, json!([]));
    let out = world.run(&to("slack.message_posted", "Ev7")).await;
    assert!(String::from_utf8_lossy(&out.stderr).contains("registered for no connection"), "{out:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_said_at_once() {
    let world = World::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let out = world.run(&["serve", "--listen", &at]).await;
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("--listen"), "{out:?}");

    let short = world.folder.path().join("short.key");
    std::fs::write(&short, "short").unwrap();
    let short = short.display().to_string();
    let forward = ["--forward", "https://app.example/in", "--forward-key", &short];
    let out = world.run(&[&["serve", "--listen", "127.0.0.1:0"][..], &forward].concat()).await;
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("24 bytes"), "{out:?}");

    let empty = world.folder.path().join("empty.token");
    std::fs::write(&empty, "\n").unwrap();
    let stream = ["serve", "--listen", "127.0.0.1:0", "--stream-token", &empty.display().to_string()];
    let out = world.run(&stream).await;
    assert_eq!(out.status.code(), Some(2), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("has no secret"), "{out:?}");
}

/// Registers a hook for issues at GitHub's mock, and gives its id.
async fn hooked(world: &World) -> String {
    let set = ["--set", "repository=octocat/hello-world", "--set", "event=issue_opened"];
    let hook = world.json(&[&["hook", "register", "work"][..], &set].concat()).await;
    hook["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_forwarded_signed_as_standard_webhooks() {
    let (world, app) = (World::new().await, MockServer::start().await);
    Mock::given(method("POST")).and(path("/in")).respond_with(ResponseTemplate::new(204)).mount(&app).await;
    let (key, file) = ([7; 32], world.folder.path().join("forward.key"));
    std::fs::write(&file, format!("whsec_{}\n", STANDARD.encode(key))).unwrap();
    let (id, to) = (hooked(&world).await, format!("{}/in", app.uri()));
    let server = world.serve(&["--forward", &to, "--forward-key", &file.display().to_string()]).await;
    let via = server.via.clone();
    world.ok(&["hook", "send", "github.issue_opened", "--hook", &id, "--via", &via, "--id", "first"]).await;

    let began = Instant::now();
    let request = loop {
        if let Some(request) = app.received_requests().await.unwrap().pop() {
            break request;
        }
        assert!(began.elapsed() < LIMIT, "nothing was forwarded");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    server.stop();
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    let body = String::from_utf8(request.body.clone()).unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let (scheme, signature) =
        header("webhook-signature").split_once(',').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    ring::hmac::verify(&hmac, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).unwrap();
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((scheme.as_str(), &event["type"]), ("v1", &json!("github.issue_opened")));
    assert_eq!(event["id"], header("webhook-id"));
}

/// Listens to the stream of a server, from behind an event.
fn listen(via: &str, token: &str, last: Option<&str>) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(via.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
    let request = format!("GET /events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut status = String::new();
    stream.read_line(&mut status).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");
    stream
}

/// The next event of a stream.
fn next(stream: &mut BufReader<TcpStream>) -> Value {
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "the stream ended");
    }
    serde_json::from_str(line.trim_start_matches("data: ")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_streamed_and_who_comes_back_misses_none() {
    let world = World::new().await;
    let file = world.folder.path().join("stream.token");
    let id = hooked(&world).await;
    let server = world.serve(&["--stream-token", &file.display().to_string()]).await;
    let (via, token) = (server.via.clone(), std::fs::read_to_string(&file).unwrap());
    let send = async |name: &str| {
        world.ok(&["hook", "send", "github.issue_opened", "--hook", &id, "--via", &via, "--id", name]).await;
    };
    // What comes before anybody listens waits.
    send("first").await;
    let mut stream = listen(&via, token.trim(), None);
    let first = next(&mut stream);
    assert_eq!(first["type"], "github.issue_opened");
    send("second").await;
    let second = next(&mut stream);
    assert_ne!(first["id"], second["id"]);
    drop(stream);
    let mut again = listen(&via, token.trim(), first["id"].as_str());
    assert_eq!(next(&mut again), second, "it came behind the first");
    send("third").await;
    assert!(![&first["id"], &second["id"]].contains(&&next(&mut again)["id"]));
    drop(again);
    server.stop();
}
