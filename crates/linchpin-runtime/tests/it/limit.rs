//! Requests that are held back for the sake of a rate limit.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use linchpin::{
    Code, Secret,
    connector::SpecFile,
    extract::ConnectionValues,
    flow::BoxFuture,
    prelude::*,
    serde_json::{Value, json},
};
use linchpin_runtime::{Cell, Cells, Clock, Connection, Failed, Ran, Runtime};
use tokio::sync::Barrier;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::{
    service::Service,
    tracker::{Pauses, TOKEN, delete_thing, get_thing, invocation, json_answer, seen, spec},
};

const OWN: SpecFile = spec!(
    "rate_limit = { budget = \"3/3s\", remaining = \"x-left\", reset = \"x-reset\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const SHARED: SpecFile = spec!(
    "rate_limit = { budget = \"3/3s\", per = \"connector\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const SMALL: SpecFile = spec!(
    "rate_limit = { budget = \"1/2h\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const ONE_AT_A_TIME: SpecFile = spec!(
    "rate_limit = { concurrency = 1 }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const TWO_AT_ONCE: SpecFile = spec!(
    "rate_limit = { concurrency = 2 }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

const COSTLY: SpecFile = spec!(
    "rate_limit = [{ budget = \"6/6s\", costs = { delete_thing = 3 } }, { budget = \"100/1s\", per = \"connector\" }]"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

/// Counts the thing up
#[action(update, idempotency = "none")]
async fn count_up(cx: Context) -> Result<u64> {
    let _lock = cx.lock("thing").await?;
    let count: u64 = cx.get(path!("/count")).send().await?.json()?;
    cx.put(path!("/count")).json(&(count + 1)).send().await?;
    Ok(count + 1)
}

/// Asks for more before the file is read.
#[action(read)]
async fn look_while_reading(cx: Context) -> Result<u64> {
    let file = cx.get(path!("/file")).download().await?;
    cx.get(path!("/thing")).send().await?;
    Ok(file.size().unwrap_or_default())
}

/// Cells in memory, as a store keeps them for several processes.
#[derive(Debug, Default)]
struct Memory {
    cells: Mutex<HashMap<String, Vec<u8>>>,
    clock: Arc<Pauses>,
    loads: AtomicUsize,
}

impl Cells for Memory {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Cell>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let value = self.cells.lock().unwrap().get(name).cloned();
        Box::pin(std::future::ready(Ok(Cell { value, now: self.clock.now() })))
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        old: Option<&'a [u8]>,
        new: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<bool>> {
        let mut cells = self.cells.lock().unwrap();
        let same = cells.get(name).map(Vec::as_slice) == old;
        if same {
            match new {
                Some(new) => cells.insert(name.to_owned(), new.to_vec()),
                None => cells.remove(name),
            };
        }
        Box::pin(std::future::ready(Ok(same)))
    }
}

/// Two connections to one service, and the clock of both.
struct World {
    server: MockServer,
    runtime: Runtime,
    connections: [Connection; 2],
    clock: Arc<Pauses>,
}

fn connect(spec: SpecFile, uri: &str, clock: &Arc<Pauses>, cells: Option<&Arc<Memory>>) -> Connection {
    let connector = linchpin::Connector::builder(spec).flow::<get_thing>().flow::<delete_thing>();
    let connector = connector.flow::<count_up>().flow::<look_while_reading>().build().unwrap();
    let fields = [("token".to_owned(), Secret::new(TOKEN))].into();
    let values = ConnectionValues { method: String::new(), fields };
    let mut builder = Connection::builder(&connector, values).base_url(uri).clock(clock.clone());
    if let Some(cells) = cells {
        builder = builder.cells(cells.clone(), "7");
    }
    builder.build().unwrap()
}

impl World {
    async fn new(spec: SpecFile, answer: ResponseTemplate) -> World {
        let server = MockServer::start().await;
        Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
        let clock = Arc::new(Pauses::default());
        let connections = [(); 2].map(|()| connect(spec, &server.uri(), &clock, None));
        World { server, runtime: Runtime::new(), connections, clock }
    }

    /// The connections are one that two processes have.
    async fn shared(spec: SpecFile, answer: ResponseTemplate) -> (World, Arc<Memory>) {
        let mut world = World::new(spec, answer).await;
        let cells = Arc::new(Memory { clock: world.clock.clone(), ..Memory::default() });
        world.connections = [(); 2].map(|()| connect(spec, &world.server.uri(), &world.clock, Some(&cells)));
        (world, cells)
    }

    async fn get(&self, which: usize, deadline: u64) -> Result<Ran, Failed> {
        let call = invocation(&self.connections[which], "get_thing").deadline(Duration::from_secs(deadline));
        self.runtime.run(call).await
    }

    fn pauses(&self) -> Vec<u64> {
        self.clock.seen().iter().map(Duration::as_secs).collect()
    }
}

fn good() -> ResponseTemplate {
    json_answer(json!({ "id": 1 }))
}

#[tokio::test]
async fn each_connection_has_a_budget() {
    let world = World::new(OWN, good()).await;
    for _ in 0..5 {
        world.get(0, 3600).await.unwrap();
    }
    assert_eq!(world.pauses(), [1, 1]);
    world.get(1, 3600).await.unwrap();
    assert_eq!(world.pauses(), [1, 1], "the other's is full");
}

#[tokio::test]
async fn all_connections_of_a_connector_share_a_budget_where_the_spec_says_so() {
    let world = World::new(SHARED, good()).await;
    for turn in 0..5 {
        world.get(turn % 2, 3600).await.unwrap();
    }
    assert_eq!(world.pauses(), [1, 1]);
}

#[tokio::test]
async fn a_turn_that_comes_too_late_is_said_at_once() {
    for (deadline, hint) in [(100_000, "call again then"), (60, "the call has only 60 s left")] {
        let world = World::new(SMALL, good()).await;
        world.get(0, deadline).await.unwrap();
        let error = world.get(0, deadline).await.unwrap_err().error;
        assert_eq!(error.code(), Code::RateLimited, "{error}");
        assert!(error.details().hint.is_some_and(|said| said.contains(hint)), "{error:?}");
        assert_eq!(error.details().retry_after, Some(Duration::from_secs(7200)));
        assert_eq!((seen(&world.server).await.len(), world.pauses().len()), (1, 0));
    }
}

#[tokio::test]
async fn what_the_service_says_is_left_counts_more_than_the_budget() {
    let empty = good().insert_header("x-left", "0").insert_header("x-reset", "7");
    let world = World::new(OWN, empty).await;
    world.get(0, 3600).await.unwrap();
    world.get(0, 3600).await.unwrap();
    assert_eq!(world.pauses(), [7]);
}

#[tokio::test]
async fn one_call_that_was_too_much_holds_back_the_next() {
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let world = World::new(OWN, busy).await;
    assert_eq!(world.get(0, 60).await.unwrap_err().error.code(), Code::RateLimited);
    let error = world.get(0, 60).await.unwrap_err().error;
    assert_eq!(error.details().retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(seen(&world.server).await.len(), 1, "the service is left alone");
}

#[tokio::test]
async fn what_standard_headers_say_is_left_counts_without_a_word_in_the_spec() {
    let empty = good().insert_header("ratelimit", "\"default\";r=0;t=9");
    let world = World::new(SHARED, empty).await;
    world.get(0, 3600).await.unwrap();
    world.get(1, 3600).await.unwrap();
    assert_eq!(world.pauses(), [9]);
}

#[tokio::test]
async fn what_a_flow_costs_is_taken_and_every_entry_holds() {
    let world = World::new(COSTLY, good()).await;
    for _ in 0..3 {
        let call = invocation(&world.connections[0], "delete_thing");
        world.runtime.run(call).await.unwrap();
    }
    assert_eq!(world.pauses(), [3]);
}

#[tokio::test]
async fn only_so_many_requests_are_under_way_at_once() {
    let most = Arc::new(AtomicUsize::new(0));
    let (running, barrier) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(2)));
    let service = Service::start({
        let most = most.clone();
        move |exchange| {
            let (most, running, barrier) = (most.clone(), running.clone(), barrier.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Two must be there at once, or nobody is answered.
                barrier.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                exchange.json("", "1").await;
            }
        }
    })
    .await;
    let (runtime, clock) = (Runtime::new(), Arc::new(Pauses::default()));
    let connection = connect(TWO_AT_ONCE, &service.uri(), &clock, None);
    let calls = (0..6).map(|_| {
        let (runtime, call) = (runtime.clone(), invocation(&connection, "get_thing"));
        tokio::spawn(async move { runtime.run(call).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_flow_with_many_requests_does_not_keep_another_from_its_turn() {
    let world = World::new(ONE_AT_A_TIME, good()).await;
    let run = |flow| world.runtime.run(invocation(&world.connections[0], flow));
    let (one, two, three, four) =
        tokio::join!(run("get_thing"), run("get_thing"), run("get_thing"), run("delete_thing"));
    assert!(one.is_ok() && two.is_ok() && three.is_ok() && four.is_ok());
    assert_eq!(seen(&world.server).await, ["GET /thing", "GET /thing", "DELETE /thing", "GET /thing"]);
}

#[tokio::test]
async fn a_file_that_is_not_read_yet_keeps_nobody_waiting() {
    let world = World::new(ONE_AT_A_TIME, good()).await;
    world.runtime.run(invocation(&world.connections[0], "look_while_reading")).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_turn_back() {
    let world = World::new(ONE_AT_A_TIME, good()).await;
    {
        let (first, second) = (pin!(world.get(0, 60)), pin!(world.get(0, 60)));
        // As far as they come at once: one is on its way, the other waits.
        tokio::select! {
            biased;
            _ = first => panic!("nothing was answered yet"),
            _ = second => panic!("the first has not been answered"),
            () = std::future::ready(()) => {}
        }
    }
    world.get(0, 60).await.unwrap();
}

#[tokio::test]
async fn processes_share_a_budget() {
    let (world, cells) = World::shared(OWN, good()).await;
    for turn in 0..5 {
        world.get(turn % 2, 3600).await.unwrap();
    }
    assert_eq!(world.pauses(), [1, 1]);
    assert!(cells.cells.lock().unwrap().contains_key("connection/7/limit/budget"));
}

#[tokio::test]
async fn a_large_budget_is_shared_out_in_portions() {
    const LARGE: SpecFile = spec!(
        "rate_limit = { budget = \"1000/1h\", per = \"connector\" }"
        "[auth.token]"
        "kind = \"bearer\""
        "fields.token = { label = \"Token\", secret = true }"
    );
    let (world, cells) = World::shared(LARGE, good()).await;
    for _ in 0..20 {
        world.get(0, 3600).await.unwrap();
    }
    assert_eq!(cells.loads.load(Ordering::Relaxed), 2, "ten at a time");
}

#[tokio::test]
async fn what_the_service_tells_one_process_holds_for_all() {
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let (world, _) = World::shared(OWN, busy).await;
    assert_eq!(world.get(0, 60).await.unwrap_err().error.code(), Code::RateLimited);
    let error = world.get(1, 60).await.unwrap_err().error;
    assert_eq!(error.details().retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(seen(&world.server).await.len(), 1, "the service is left alone");
}

#[tokio::test]
async fn processes_share_the_places_and_give_them_back() {
    let (world, cells) = World::shared(ONE_AT_A_TIME, good()).await;
    let (one, two) = tokio::join!(world.get(0, 60), world.get(1, 60));
    assert!(one.is_ok() && two.is_ok());
    for connection in &world.connections {
        connection.settle().await;
    }
    assert!(cells.cells.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_lock_keeps_flows_apart_also_in_two_processes() {
    let count = Arc::new(AtomicUsize::new(0));
    let service = Service::start({
        let count = count.clone();
        move |exchange| {
            let count = count.clone();
            async move {
                if exchange.head.starts_with("put") {
                    let written: Value = linchpin::serde_json::from_slice(&exchange.body).unwrap();
                    count.store(usize::try_from(written.as_u64().unwrap()).unwrap(), Ordering::SeqCst);
                }
                let body = count.load(Ordering::SeqCst).to_string();
                exchange.json("", &body).await;
            }
        }
    })
    .await;
    let clock = Arc::new(Pauses::default());
    let cells = Arc::new(Memory { clock: clock.clone(), ..Memory::default() });
    for cells in [None, Some(&cells)] {
        count.store(0, Ordering::SeqCst);
        let runtime = Runtime::new();
        let one = connect(COSTLY, &service.uri(), &clock, cells);
        // Without cells another connection would be another's.
        let other = cells.map_or(one.clone(), |cells| connect(COSTLY, &service.uri(), &clock, Some(cells)));
        let calls = [&one, &other, &one, &other].map(|connection| {
            let (runtime, call) = (runtime.clone(), invocation(connection, "count_up"));
            tokio::spawn(async move { runtime.run(call).await })
        });
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 4);
    }
}
