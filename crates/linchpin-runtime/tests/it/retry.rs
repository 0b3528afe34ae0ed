//! Requests that are sent again: when, how often, and when not.

use std::{sync::Arc, time::Duration};

use linchpin::{
    Code, Error, Secret, connector::SpecFile, extract::ConnectionValues, prelude::*, serde_json::json,
};
use linchpin_runtime::{Connection, Failed, Ran, Runtime};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::tracker::{PLAIN, Pauses, TOKEN, get_thing, invocation, json_answer, seen, spec, value};

/// Looks at the status itself.
#[action(read)]
async fn look(cx: Context) -> Result<u16> {
    Ok(cx.get(path!("/thing")).any_status().send().await?.status())
}

const RULES: SpecFile = spec!(
    "rate_limit = { budget = \"60/1m\", reset = \"x-reset\" }"
    "retry = { attempts = 2, first = \"1s\", longest = \"10s\" }"
    "[[http.outcome]]"
    "when = { status = 500 }"
    "then = \"fail\""
    "[[http.outcome]]"
    "when = { text = \"try later\" }"
    "then = \"retry\""
    "[[http.outcome]]"
    "when = { status = 403, header = { x-left = \"0\" } }"
    "then = \"rate_limited\""
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

/// A service that gives these answers in turn, and the last one for ever.
struct World {
    server: MockServer,
    connection: Connection,
    clock: Arc<Pauses>,
}

impl World {
    async fn new(spec: SpecFile, answers: impl IntoIterator<Item = ResponseTemplate>) -> World {
        let server = MockServer::start().await;
        let mut answers: Vec<_> = answers.into_iter().collect();
        let last = answers.pop().unwrap();
        for answer in answers {
            let mock = Mock::given(matchers::path("/thing")).respond_with(answer);
            mock.up_to_n_times(1).mount(&server).await;
        }
        Mock::given(matchers::path("/thing")).respond_with(last).mount(&server).await;
        let clock = Arc::new(Pauses::default());
        let connector =
            linchpin::Connector::builder(spec).flow::<get_thing>().flow::<look>().build().unwrap();
        let fields = [("token".to_owned(), Secret::new(TOKEN))].into();
        let values = ConnectionValues { method: String::new(), fields };
        let builder = Connection::builder(&connector, values).base_url(server.uri()).clock(clock.clone());
        World { server, connection: builder.build().unwrap(), clock }
    }

    async fn run(&self, flow: &str, deadline: Duration) -> Result<Ran, Failed> {
        Runtime::new().run(invocation(&self.connection, flow).deadline(deadline)).await
    }

    async fn get(&self) -> Result<Ran, Failed> {
        self.run("get_thing", Duration::from_secs(3600)).await
    }

    async fn fails(&self) -> Error {
        self.get().await.expect_err("the service is down").error
    }

    async fn count(&self) -> usize {
        seen(&self.server).await.len()
    }
}

fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

fn hint(error: &Error) -> String {
    error.details().hint.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn trouble_that_passes_is_not_seen() {
    for trouble in [408, 425, 429, 500, 502, 503, 504] {
        let world = World::new(PLAIN, [status(trouble), status(trouble), json_answer(json!(7))]).await;
        let ran = world.get().await.unwrap();
        assert_eq!(ran.trace.entries().len(), 3, "every attempt is in the trace");
        assert_eq!(value(ran), json!(7));
        let pauses = world.clock.seen();
        let most = [500, 1000].map(Duration::from_millis);
        assert!(
            pauses.len() == 2 && pauses.iter().zip(most).all(|(pause, most)| *pause < most),
            "{pauses:?}"
        );
    }
}

#[tokio::test]
async fn trouble_that_stays_is_told_with_how_often_it_was_tried() {
    let world = World::new(PLAIN, [status(503)]).await;
    let error = world.fails().await;
    assert_eq!((error.code(), world.count().await), (Code::ServiceFailed, 4));
    assert!(hint(&error).contains("sent 4 times"), "{error:?}");
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for refusal in [400, 403, 404, 409, 422, 501, 505] {
        let world = World::new(PLAIN, [status(refusal)]).await;
        world.fails().await;
        assert_eq!((world.count().await, world.clock.seen().len()), (1, 0), "{refusal}");
    }
}

#[tokio::test]
async fn the_service_says_how_long_it_is_left_alone() {
    let date = "Thu, 01 Jan 2026 00:00:09 GMT";
    for (header, text, least) in [
        ("retry-after", "7", 7),
        ("retry-after", date, 9),
        ("x-reset", "5", 5),
        ("x-reset", "1767225608", 8),
        ("x-reset", "1767225608000", 8),
    ] {
        let trouble = status(429).insert_header(header, text);
        let world = World::new(RULES, [trouble, json_answer(json!(7))]).await;
        world.get().await.unwrap();
        let [pause] = world.clock.seen()[..] else { panic!("one pause for {header}: {text}") };
        let least = Duration::from_secs(least);
        assert!((least..least + Duration::from_secs(1)).contains(&pause), "{header}: {text}: {pause:?}");
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_left_to_the_caller() {
    let world = World::new(RULES, [status(429).insert_header("retry-after", "3600")]).await;
    let error = world.fails().await;
    assert_eq!(error.details().retry_after, Some(Duration::from_secs(3600)));
    assert!(hint(&error).contains("in 3600 s"), "{error:?}");
    assert_eq!((world.count().await, world.clock.seen().len()), (1, 0));
}

#[tokio::test]
async fn nobody_waits_past_the_deadline() {
    let world = World::new(PLAIN, [status(503).insert_header("retry-after", "7")]).await;
    let error = world.run("get_thing", Duration::from_secs(5)).await.unwrap_err().error;
    assert_eq!(error.code(), Code::ServiceFailed, "what the service said, not that time is over");
    assert!(hint(&error).contains("the call has only"), "{error:?}");
    assert_eq!((world.count().await, world.clock.seen().len()), (1, 0));
}

#[tokio::test]
async fn the_spec_says_what_passes() {
    let later = || ResponseTemplate::new(200).set_body_string("try later");
    let world = World::new(RULES, [later(), json_answer(json!(7))]).await;
    world.get().await.unwrap();
    let world = World::new(RULES, [later()]).await;
    let error = world.fails().await;
    assert_eq!((error.code(), world.count().await), (Code::ServiceFailed, 2));
    let world = World::new(RULES, [status(500)]).await;
    world.fails().await;
    assert_eq!(world.count().await, 1, "`fail` is for good");
    let limited = status(403).insert_header("x-left", "0").insert_header("x-reset", "3");
    let world = World::new(RULES, [limited, json_answer(json!(7))]).await;
    world.get().await.unwrap();
    assert!(world.clock.seen()[0] >= Duration::from_secs(3));
}

#[tokio::test]
async fn a_flow_that_takes_any_status_sees_the_last() {
    let world = World::new(PLAIN, [status(503), json_answer(json!(7))]).await;
    assert_eq!(value(world.run("look", Duration::from_secs(60)).await.unwrap()), json!(200));
    let world = World::new(PLAIN, [status(503)]).await;
    assert_eq!(value(world.run("look", Duration::from_secs(60)).await.unwrap()), json!(503));
    assert_eq!(world.count().await, 4);
    let busy = || status(429).insert_header("retry-after", "7");
    let world = World::new(PLAIN, [busy(), json_answer(json!(7))]).await;
    world.run("look", Duration::from_secs(60)).await.unwrap();
    assert!(world.clock.seen()[0] >= Duration::from_secs(7));
    // A reset says when a rate limit opens, which is not what went wrong here.
    let broken = status(503).insert_header("x-reset", "3600");
    let world = World::new(RULES, [broken, json_answer(json!(7))]).await;
    assert_eq!(value(world.run("look", Duration::from_secs(60)).await.unwrap()), json!(200));
}

#[tokio::test]
async fn a_service_that_stays_down_is_soon_asked_once_a_call() {
    let world = World::new(PLAIN, [status(503)]).await;
    for _ in 0..40 {
        world.fails().await;
    }
    assert_eq!(world.count().await, 40 + 100, "each call once, and the budget of the connection");
    assert!(hint(&world.fails().await).contains("too many requests"));
}

#[tokio::test]
async fn a_refresh_and_a_retry_go_together() {
    let world = World::new(PLAIN, [status(503), status(401)]).await;
    assert_eq!((world.fails().await.code(), world.count().await), (Code::Unauthorized, 2));
}
