//! Requests that are held back for the sake of a rate limit.

use std::{sync::Arc, time::Duration};

use linchpin::{Code, Secret, connector::SpecFile, extract::ConnectionValues, serde_json::json};
use linchpin_runtime::{Connection, Failed, Ran, Runtime};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::tracker::{Pauses, TOKEN, get_thing, invocation, json_answer, seen, spec};

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

/// Two connections to one service, and the clock of both.
struct World {
    server: MockServer,
    runtime: Runtime,
    connections: [Connection; 2],
    clock: Arc<Pauses>,
}

impl World {
    async fn new(spec: SpecFile, answer: ResponseTemplate) -> World {
        let server = MockServer::start().await;
        Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
        let clock = Arc::new(Pauses::default());
        let connections = [(); 2].map(|()| {
            let connector = linchpin::Connector::builder(spec).flow::<get_thing>().build().unwrap();
            let fields = [("token".to_owned(), Secret::new(TOKEN))].into();
            let values = ConnectionValues { method: String::new(), fields };
            Connection::builder(&connector, values)
                .base_url(server.uri())
                .clock(clock.clone())
                .build()
                .unwrap()
        });
        World { server, runtime: Runtime::new(), connections, clock }
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
