//! What the stages of the request pipeline cost, by one thread and by two at once, and what a whole call does.
//!
//! Those that no public function reaches are measured under `RUSTFLAGS="--cfg fuzzing"` only.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails there")]

use std::{collections::BTreeMap, hint::black_box};

use divan::Bencher;
use linchpin::{
    Connector, Response, Secret,
    connector::SpecFile,
    extract::ConnectionValues,
    http::{HeaderMap, StatusCode},
    prelude::*,
};
use linchpin_runtime::{Connection, Invocation, Runtime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
        schema = 1
        key = "tracker"
        name = "Tracker"
        version = "0.1.0"
        http = { base_url = "https://tracker.example" }
        auth.token = { kind = "bearer", fields.token = { label = "Token", secret = true } }
    "#,
};

#[fields]
struct Thing {
    id: u64,
    name: String,
    tags: Vec<String>,
}

#[action(read)]
async fn get_thing(cx: Context) -> Result<Thing> {
    cx.get(path!("/thing")).send().await?.json()
}

fn main() {
    divan::main();
}

#[divan::bench]
fn path(bencher: Bencher) {
    let (owner, number) = (black_box("octo cat/hello"), black_box(7));
    bencher.bench(|| path!("/repos/{owner}/issues/{number}"));
}

#[divan::bench]
fn page_of_100_records(bencher: Bencher) {
    let thing = r#"{"id":7,"name":"Mona Lisa Octocat","tags":["alpha","beta"],"more":{"left":["out"]}}"#;
    let body = format!("[{}]", vec![thing; 100].join(","));
    let answer =
        Response::new(StatusCode::OK, HeaderMap::new(), body.into(), "https://tracker.example".into());
    bencher.bench(|| answer.json::<Vec<Thing>>().unwrap());
}

/// A service that answers every request on a connection alike.
async fn serve(listener: TcpListener) {
    const BODY: &str = r#"{"id":7,"name":"Mona Lisa Octocat","tags":["alpha","beta"]}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
    while let Ok((mut wire, _)) = listener.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move {
            let mut head = [0; 4096];
            // A request without a body comes in one piece.
            while wire.read(&mut head).await.is_ok_and(|count| count > 0) {
                wire.write_all(answer.as_bytes()).await.unwrap();
            }
        });
    }
}

#[divan::bench(threads = [1, 2])]
fn whole_call(bencher: Bencher) {
    let executor =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = executor.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    executor.spawn(serve(listener));
    let connector = Connector::builder(SPEC).flow::<get_thing>().build().unwrap();
    let fields = BTreeMap::from([("token".to_owned(), Secret::new("t0k3n"))]);
    let values = ConnectionValues { method: "token".into(), fields };
    let connection = Connection::with_base_url(&connector, values, &uri).unwrap();
    let runtime = Runtime::new();
    bencher.bench(|| {
        let call = Invocation::named(&connection, "get_thing").unwrap();
        executor.block_on(runtime.run(call)).unwrap().output
    });
}

#[cfg(fuzzing)]
#[divan::bench(args = linchpin_runtime::stages::ALL, threads = [1, 2])]
fn stage(bencher: Bencher, stage: &linchpin_runtime::stages::Stage) {
    let work = stage.prepare().unwrap();
    bencher.bench(|| work());
}

#[cfg(fuzzing)]
#[divan::bench]
fn link_header(bencher: Bencher) {
    let header = r#"<https://tracker.example/things?page=2>; rel="next", <https://tracker.example/things?page=9>; rel="last""#;
    bencher.bench(|| linchpin::fuzzing::link_header(black_box(header.as_bytes())));
}
