//! A server that is killed again and again while services deliver: what was accepted is handed on, whatever happens.
//!
//! The server is this test binary, started again with a folder in its environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use linchpin::{
    Connector, Secret,
    connector::SpecFile,
    extract::ConnectionValues,
    prelude::*,
    serde_json::{self, Value, json},
};
use linchpin_host::{
    DEFAULT_TENANT, Host, Lines,
    inbox::InboxPolicy,
    ingress::{FixedHooks, Ingress, IngressPolicy, Receiver, ServeLimits, serve},
    store::Sqlite,
    vault::{KeySource, Vault},
};
use linchpin_runtime::{
    Cancel,
    webhook::{Fetcher, Guard},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const FOLDER: &str = "LINCHPIN_TEST_CRASH";
const ROUNDS: u32 = 200;
const SENDERS: u64 = 8;
const KEY: &str = "a key that only the service and we know";

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

        [event.issue_opened]
        name = "Issue Opened"
        hook = "project"
    "#,
};

#[fields]
struct Registered_ {
    id: u64,
}

#[fields]
struct Issue {
    number: u64,
}

#[webhook(register, hook = "project")]
async fn register(_cx: Context, _url: EventUrl) -> Result<Registered_> {
    Ok(Registered_ { id: 1 })
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

struct Place(PathBuf);

impl Place {
    fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// Where the sink writes.
    fn told(&self) -> PathBuf {
        self.0.join("told.jsonl")
    }

    /// Where the server says at which port it listens.
    fn port(&self) -> PathBuf {
        self.0.join("port")
    }

    async fn host(&self) -> Host {
        let store = Sqlite::open(self.store()).unwrap();
        let vault = Vault::unlock(&store, KeySource::beside(&self.store())).await.unwrap();
        Host::builder(store, vault).connector(connector()).build().unwrap()
    }
}

/// Serves until it is killed.
#[test]
fn a_server() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let place = Place(folder.into());
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    executor.block_on(async {
        let host = place.host().await;
        let row = host.kept(DEFAULT_TENANT, "work").await.unwrap();
        let hook = Receiver::new(
            &connector(),
            "project",
            "the hook",
            Some(row.id),
            vec![Secret::new(KEY)],
            Value::Null,
        );
        let mut policy = InboxPolicy::default();
        // What a killed server held is due again after twice as long.
        policy.attempt = Duration::from_millis(250);
        let inbox = host.inbox(policy);
        let mut told = OpenOptions::new().create(true).append(true).open(place.told()).unwrap();
        // The last server may have died in the middle of a line.
        told.write_all(b"\n").unwrap();
        let stop = Cancel::new();
        let (worker, taken, until) = (host.clone(), inbox.clone(), stop.clone());
        tokio::spawn(async move { worker.hand_on(&taken, Arc::new(Lines::new(told)), &until).await });
        let hooks = Arc::new(FixedHooks::new().with("token", hook.unwrap()));
        let ingress = Ingress::new(
            hooks,
            inbox,
            Fetcher::new(host.runtime()),
            host.clock().clone(),
            IngressPolicy::default(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        fs::write(place.0.join("port.new"), port.to_string()).unwrap();
        fs::rename(place.0.join("port.new"), place.port()).unwrap();
        serve(listener, ingress.router(), ServeLimits::default(), &stop).await;
    });
}

struct Server(Child);

impl Server {
    fn start(place: &Place) -> Server {
        let _ = fs::remove_file(place.port());
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "host::crash::a_server", "--nocapture"]).env(FOLDER, &place.0);
        Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Server {
    /// `kill -9` on Unix.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < limit, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Numbers that repeat in each run.
struct Random(u64);

impl Random {
    /// By Marsaglia's xorshift.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A signed delivery as it goes over the wire.
fn request(number: u64) -> Vec<u8> {
    let body = json!({ "number": number }).to_string();
    let guard = Guard::new(&connector().shared_spec().unwrap().hooks[0]).unwrap();
    let unsigned = Delivery { body: body.clone().into(), ..Delivery::default() };
    let now = std::time::SystemTime::now().into();
    let signed = guard.sign(&Secret::new(KEY), unsigned, &format!("d{number}"), now).unwrap();
    let mut text =
        format!("POST /in/token HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in &signed.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// Sends one, and gives the status of the answer; `None` when the server died meanwhile.
async fn send(stream: &mut TcpStream, number: u64) -> Option<u16> {
    stream.write_all(&request(number)).await.ok()?;
    let mut answer = Vec::new();
    let head = loop {
        if stream.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    while answer.len() < head + length.unwrap_or(0) {
        if stream.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
    }
    text.split(' ').nth(1)?.parse().ok()
}

/// What the senders know.
#[derive(Default)]
struct Sent {
    next: AtomicU64,
    accepted: Mutex<BTreeSet<u64>>,
    repeated: AtomicU64,
}

/// Delivers until the server dies, one in three again.
async fn deliver(sent: Arc<Sent>, port: u16, seed: u64) {
    let mut random = Random(seed);
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    loop {
        let known = sent.next.load(Ordering::Relaxed);
        let number = if known > 0 && random.below(3) == 0 {
            sent.repeated.fetch_add(1, Ordering::Relaxed);
            random.below(known)
        } else {
            sent.next.fetch_add(1, Ordering::Relaxed)
        };
        match send(&mut stream, number).await {
            Some(200..300) => drop(sent.accepted.lock().unwrap().insert(number)),
            Some(429 | 503) => {}
            Some(status) => panic!("a signed delivery was answered by {status}"),
            None => return,
        }
    }
}

/// What the sink was told: numbers by the id of the event, and how often it was told.
fn told(place: &Path) -> (BTreeMap<String, u64>, usize) {
    let text = fs::read_to_string(place).unwrap();
    let mut events = BTreeMap::new();
    // Half a line is none.
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for line in &lines {
        let (id, number) =
            (line["id"].as_str().unwrap().to_owned(), line["data"]["number"].as_u64().unwrap());
        assert_eq!(*events.entry(id).or_insert(number), number, "one id for two events");
    }
    (events, lines.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_handed_on_however_often_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place(folder.path().to_owned());
    let host = place.host().await;
    let new = crate::new_connection("tracker", ConnectionValues::default());
    host.apply(new).await.unwrap().finish().await.unwrap();

    let sent = Arc::new(Sent::default());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let port = async || fs::read_to_string(place.port()).ok().and_then(|port| port.parse::<u16>().ok());
    let accepted = || sent.accepted.lock().unwrap().len();
    for _ in 0..ROUNDS {
        let server = Server::start(&place);
        let port = wait_for("the server", port).await;
        let senders =
            (0..SENDERS).map(|_| tokio::spawn(deliver(sent.clone(), port, random.below(u64::MAX) | 1)));
        let senders: Vec<_> = senders.collect();
        // Somewhere behind so many answers.
        let enough = accepted() + usize::try_from(random.below(16)).unwrap();
        wait_for("deliveries to be accepted", async || (accepted() >= enough).then_some(())).await;
        tokio::time::sleep(Duration::from_micros(random.below(4000))).await;
        drop(server);
        for sender in senders {
            sender.await.unwrap();
        }
    }
    let _server = Server::start(&place);
    wait_for("the inbox to be empty", async || {
        (host.store().inbox_waiting().await.unwrap() == 0).then_some(())
    })
    .await;

    let accepted = std::mem::take(&mut *sent.accepted.lock().unwrap());
    let (events, lines) = told(&place.told());
    let numbers: BTreeSet<u64> = events.values().copied().collect();
    eprintln!(
        "{ROUNDS} kills: {} deliveries sent, {} again; {} accepted; {lines} events handed on, {} of them again",
        sent.next.load(Ordering::Relaxed),
        sent.repeated.load(Ordering::Relaxed),
        accepted.len(),
        lines - events.len(),
    );
    let lost: Vec<_> = accepted.difference(&numbers).collect();
    assert!(lost.is_empty(), "accepted and never handed on: {lost:?}");
    assert_eq!(numbers.len(), events.len(), "one delivery became two events");
}
