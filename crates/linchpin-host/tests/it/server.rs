//! A PostgreSQL server that lives as long as this process, however that ends.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use linchpin::Code;
use linchpin_host::store::{Postgres, Store};
use tokio_postgres::SimpleQueryMessage;

/// Makes and starts a server in a folder of its own, says where, and takes both away when its input ends. That happens also when
/// the process that holds the other end panics or is killed.
const SCRIPT: &str = r#"
set -eu
trap '' INT HUP TERM
umask 077
bin=$1
folder=$(mktemp -d)
trap 'cd /; "$bin/pg_ctl" stop --silent --pgdata "$folder/data" --mode immediate >/dev/null 2>&1 || :; rm -rf "$folder"' EXIT
cd "$folder"
"$bin/initdb" --pgdata data --username linchpin --auth trust --encoding UTF8 --locale C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
"$bin/pg_ctl" start --wait --silent --pgdata data --log log \
    --options "-c listen_addresses= -c unix_socket_directories='$folder' -c fsync=off -c max_connections=400" \
    >/dev/null 2>&1 </dev/null || { cat log >&2; exit 1; }
echo "$folder"
read -r _ || :
"#;

struct Server {
    folder: String,
    /// Its input ends with this process.
    _keeper: Child,
}

static SERVER: LazyLock<Option<Server>> = LazyLock::new(|| {
    let Some(bin) = newest() else {
        assert!(env::var_os("CI").is_none(), "no `initdb` was found: install PostgreSQL's server");
        // Past the harness, which keeps to itself what a test that passes prints.
        let skipped = b"skipped: the tests on PostgreSQL, since no `initdb` was found\n";
        std::io::stderr().write_all(skipped).unwrap();
        return None;
    };
    Some(Server::start(bin))
});

impl Server {
    fn start(bin: PathBuf) -> Server {
        // The server refuses to run as root.
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", SCRIPT, "sh"]).arg(bin);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut folder = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "PostgreSQL did not start");
        Server { folder: folder.trim_end().to_owned(), _keeper: keeper }
    }
}

/// The folder of the newest server's programs.
fn newest() -> Option<PathBuf> {
    let version = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<f64>().ok();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        installed.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    found.sort_by(|one, other| version(one).partial_cmp(&version(other)).unwrap());
    found.pop().or_else(|| {
        let path = env::var_os("PATH")?;
        // Links on the path lead to where the other programs are, too.
        let found = env::split_paths(&path).map(|bin| bin.join("initdb")).find(|file| file.exists())?;
        Some(found.canonicalize().unwrap().parent()?.to_owned())
    })
}

/// The URL of a database of its own; `None` when there is no server.
pub(crate) async fn database() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);

    let server = tokio::task::spawn_blocking(|| SERVER.as_ref()).await.unwrap()?;
    let url = |name: &str| format!("postgres://linchpin@/{name}?host={}", server.folder);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    run(&url("postgres"), &format!("create database {name}")).await;
    Some(url(&name))
}

/// Runs SQL on a connection of its own. Gives the first column of each row.
pub(crate) async fn run(url: &str, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let answer = client.simple_query(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    let rows = answer.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0)?.to_owned()),
        _ => None,
    });
    rows.collect()
}

/// The files of the tables of a database, and the server's log.
pub(crate) async fn files(url: &str) -> Vec<PathBuf> {
    run(url, "checkpoint").await;
    let sql =
        "select pg_relation_filepath(oid) from pg_class where relname like 'linchpin%' and relkind = 'r'";
    let folder = PathBuf::from(&SERVER.as_ref().unwrap().folder);
    let mut files: Vec<_> = run(url, sql).await.iter().map(|file| folder.join("data").join(file)).collect();
    assert!(!files.is_empty());
    files.push(folder.join("log"));
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_open_a_fresh_database_at_once_all_succeed() {
    let Some(url) = database().await else { return };
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Postgres::open(&url).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(run(&url, "select version from linchpin_schema").await, ["1"]);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let Some(url) = database().await else { return };
    drop(Postgres::open(&url).await.unwrap());
    run(&url, "update linchpin_schema set version = 99").await;
    let error = Postgres::open(&url).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreFailed);
    assert!(error.to_string().contains("newer linchpin"), "{error}");
    assert_eq!(run(&url, "select version from linchpin_schema").await, ["99"]);
}

#[tokio::test]
async fn a_database_needs_no_right_to_make_tables_once_they_are_there() {
    let Some(url) = database().await else { return };
    drop(Postgres::open(&url).await.unwrap());
    let role = "reader";
    run(&url, "revoke create on schema public from public").await;
    run(&url, &format!("create role {role} login")).await;
    run(&url, &format!("grant select, insert, update, delete on all tables in schema public to {role}"))
        .await;
    let store = Postgres::open(&url.replace("linchpin@", &format!("{role}@"))).await.unwrap();
    store.note_once("it", b"is there").await.unwrap();
}
