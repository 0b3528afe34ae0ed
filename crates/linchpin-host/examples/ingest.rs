//! linchpin at taking webhooks, by which servers are measured side by side.
//!
//! `ingest w4 --listen HOST:PORT --secret S --store mem|normal|full --db FILE` takes deliveries at `POST /hook`, signed as GitHub signs
//! them, and hands them on to a handler that counts; `GET /stats` tells what came. `mem` keeps nothing, `normal` and `full` are SQLite
//! without and with a flush before each answer. Everything but the store's threads runs on one thread. Ends on SIGTERM.

use std::{
    collections::HashMap,
    env,
    error::Error,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    extract::Request,
    routing::{get, post},
};
use linchpin::{
    Connector, Secret, connector::SpecFile, extract::ConnectionValues, prelude::*, serde_json::Value,
};
use linchpin_host::{
    DEFAULT_TENANT, Host, NewConnection, handler,
    inbox::{Inbox, InboxPolicy, MemoryInbox},
    ingress::{FixedHooks, Ingress, IngressPolicy, Receiver, ServeLimits, serve},
    store::Sqlite,
    vault::{Keys, Vault},
};
use linchpin_runtime::{Cancel, webhook::Fetcher};

const SPEC: SpecFile = SpecFile {
    path: "specs/rig.toml",
    text: r#"
        schema = 1
        key = "rig"
        name = "Rig"
        version = "0.1.0"

        [http]
        base_url = "https://rig.example"

        [hook.repository]
        signature = { scheme = "hmac-sha256", header = "X-Hub-Signature-256", prefix = "sha256=", encoding = "hex", key = "registration" }
        delivery_id = { header = "X-GitHub-Delivery" }

        [event.issue]
        name = "Issue"
        hook = "repository"
    "#,
};

#[fields]
struct Issue {
    id: u64,
    number: u64,
    title: String,
    state: String,
    body: Option<String>,
}

#[fields]
struct Repository {
    id: u64,
    name: String,
    full_name: String,
    private: bool,
}

#[fields]
struct Sender {
    id: u64,
    login: String,
}

#[fields]
struct Delivered {
    action: String,
    issue: Issue,
    repository: Repository,
    sender: Sender,
}

#[webhook(register, hook = "repository")]
async fn register(_cx: Context, _url: EventUrl) -> Result<String> {
    Ok(String::new())
}

#[webhook(deregister, hook = "repository")]
async fn deregister(_cx: Context, Registered(_): Registered<register>) -> Result<()> {
    Ok(())
}

#[webhook(event = "issue")]
async fn issue(_cx: Context, Payload(delivered): Payload<Delivered>) -> Result<Delivered> {
    Ok(delivered)
}

fn connector() -> Result<Connector> {
    Connector::builder(SPEC).flow::<register>().flow::<deregister>().flow::<issue>().build()
}

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = env::args().skip(2).collect();
    let given: HashMap<&str, &str> =
        given.chunks_exact(2).map(|pair| (pair[0].trim_start_matches("--"), pair[1].as_str())).collect();
    let get = |name: &str| given.get(name).copied().ok_or(format!("give --{name}"));
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(run(get("listen")?, get("secret")?, get("store")?, get("db").unwrap_or_default()))
}

async fn run(listen: &str, secret: &str, store: &str, db: &str) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = match db {
        "" => folder.path().join("store.db"),
        db => db.into(),
    };
    let opened = if store == "full" { Sqlite::open(&file) } else { Sqlite::open_unflushed(&file) };
    let host = Host::builder(opened?, Vault::new(Keys::random()?)).connector(connector()?).build()?;
    let new = NewConnection {
        tenant: DEFAULT_TENANT.to_owned(),
        name: "rig".to_owned(),
        connector: "rig".to_owned(),
        owner: None,
        values: ConnectionValues::default(),
    };
    let row = host.apply(new).await?.finish().await?.connection;

    let inbox = match store {
        "mem" => Inbox::new(Arc::new(MemoryInbox::new()), host.clock().clone(), InboxPolicy::default()),
        _ => host.inbox(InboxPolicy::default()),
    };
    let handled = Arc::new(AtomicU64::new(0));
    let count = handled.clone();
    let sink = handler(move |_| {
        count.fetch_add(1, Relaxed);
        std::future::ready(Ok(()))
    });
    let stop = Cancel::new();
    let (worker, taken, until) = (host.clone(), inbox.clone(), stop.clone());
    let worker = tokio::spawn(async move { worker.hand_on(&taken, Arc::new(sink), &until).await });

    let keys = vec![Secret::new(secret)];
    let hook = Receiver::new(&connector()?, "repository", "hook", Some(row.id), keys, Value::Null)?;
    let hooks = Arc::new(FixedHooks::new().with("rig", hook));
    let ingress = Ingress::new(
        hooks,
        inbox,
        Fetcher::new(host.runtime()),
        host.clock().clone(),
        IngressPolicy::default(),
    );
    let counts = ingress.clone();
    let stats = move || {
        let (handled, counts) = (handled.load(Relaxed), counts.counts());
        let (repeated, refused) = (counts.repeated.load(Relaxed), counts.refused.load(Relaxed));
        std::future::ready(format!(r#"{{"handled":{handled},"dups":{repeated},"rejected":{refused}}}"#))
    };
    let deliver = move |request: Request| {
        let (parts, body) = request.into_parts();
        let ingress = ingress.clone();
        async move { ingress.take("rig", None, parts, body).await }
    };
    let router = Router::new().route("/hook", post(deliver)).route("/stats", get(stats));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    writeln!(std::io::stdout(), "ready")?;
    let asked = stop.clone();
    tokio::spawn(async move {
        if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            terminate.recv().await;
            asked.cancel();
        }
    });
    serve(listener, router, ServeLimits::default(), &stop).await;
    worker.await?;
    Ok(())
}
