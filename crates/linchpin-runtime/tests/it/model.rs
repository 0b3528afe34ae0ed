//! Retry against a model: whatever a service does, what comes of it is what a few lines say.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use linchpin::{Code, Connector, Secret, connector::SpecFile, extract::ConnectionValues, prelude::*};
use linchpin_runtime::{Connection, Runtime};
use proptest::prelude::*;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    service::Exchange,
    tracker::{Pauses, TOKEN, invocation, spec},
};

const SPEC: SpecFile = spec!(
    "idempotency = { header = \"Idempotency-Key\" }"
    "[auth.token]"
    "kind = \"bearer\""
    "fields.token = { label = \"Token\", secret = true }"
);

#[action(read)]
async fn reads(cx: Context) -> Result<()> {
    cx.get(path!("/thing")).send().await.map(drop)
}

#[action(update, idempotency = "natural")]
async fn natural(cx: Context) -> Result<()> {
    cx.put(path!("/thing")).json(&7).send().await.map(drop)
}

#[action(create, idempotency = "key")]
async fn keyed(cx: Context) -> Result<()> {
    cx.post(path!("/things")).json(&7).send().await.map(drop)
}

#[action(create, idempotency = "none")]
async fn unkeyed(cx: Context) -> Result<()> {
    cx.post(path!("/things")).json(&7).send().await.map(drop)
}

/// What the service does with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// A status, and for how many seconds it wants to be left alone.
    Status(u16, Option<u64>),
    /// The connection breaks before the request was read, but not before some of it was there.
    BreaksUnread,
    /// The connection breaks where the answer should be.
    BreaksRead,
}

fn answer() -> impl Strategy<Value = Answer> {
    let trouble = prop_oneof![Just(429), Just(500), Just(502), Just(503), Just(504)];
    prop_oneof![
        2 => Just(Answer::Status(200, None)),
        1 => Just(Answer::Status(401, None)),
        1 => Just(Answer::Status(422, None)),
        8 => (trouble, proptest::option::of(0..75_u64)).prop_map(|(status, after)| Answer::Status(status, after)),
        2 => Just(Answer::BreaksUnread),
        2 => Just(Answer::BreaksRead),
    ]
}

/// What must come of a call.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// What the call fails with.
    code: Option<Code>,
    requests: usize,
    /// From where to where each pause may go.
    pauses: Vec<(Duration, Duration)>,
}

const ATTEMPTS: usize = 4;
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// What a service that gives these answers, and the last for ever, makes of a call.
fn model(flow: &str, script: &[Answer]) -> Outcome {
    let mut pauses = Vec::new();
    for requests in 1.. {
        let ends = |code| Outcome { code, requests, pauses: pauses.clone() };
        let (code, asked) = match script[(requests - 1).min(script.len() - 1)] {
            Answer::Status(200, _) => return ends(None),
            Answer::Status(401, _) => return ends(Some(Code::Unauthorized)),
            Answer::Status(422, _) => return ends(Some(Code::Rejected)),
            Answer::Status(429, asked) => (Code::RateLimited, asked),
            Answer::Status(_, asked) => (Code::ServiceFailed, asked),
            Answer::BreaksUnread | Answer::BreaksRead => (Code::Unreachable, None),
        };
        let asked = asked.map(Duration::from_secs);
        if flow == "unkeyed" || requests == ATTEMPTS || asked.is_some_and(|asked| asked > LONGEST) {
            return ends(Some(code));
        }
        pauses.push(match asked {
            Some(asked) => (asked, asked + FIRST),
            None => (Duration::ZERO, FIRST * (1 << (requests - 1))),
        });
    }
    unreachable!("a call ends")
}

/// A service with a script; how many requests came, and the keys of those that it read.
struct Service {
    uri: String,
    came: Arc<Mutex<(usize, Vec<Option<String>>)>>,
    _task: JoinSet<()>,
}

impl Service {
    async fn start(script: Vec<Answer>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let came = Arc::new(Mutex::new((0, Vec::new())));
        let mut task = JoinSet::new();
        task.spawn({
            let came = came.clone();
            async move {
                loop {
                    let (wire, _) = listener.accept().await.unwrap();
                    wire.readable().await.unwrap();
                    let number = {
                        let mut came = came.lock().unwrap();
                        came.0 += 1;
                        came.0
                    };
                    let answer = script[(number - 1).min(script.len() - 1)];
                    if matches!(answer, Answer::BreaksUnread) {
                        continue;
                    }
                    let mut exchange = Exchange::read(wire).await.unwrap();
                    let key = exchange.header("idempotency-key");
                    came.lock().unwrap().1.push(key);
                    let Answer::Status(status, after) = answer else { continue };
                    let after = after.map(|after| format!("retry-after: {after}\r\n")).unwrap_or_default();
                    let head = format!("HTTP/1.1 {status} X\r\n{after}connection: close\r\n");
                    exchange.say(format!("{head}content-length: 4\r\n\r\nnull")).await;
                }
            }
        });
        Service { uri, came, _task: task }
    }
}

async fn holds(flow: &str, script: Vec<Answer>) -> Result<(), TestCaseError> {
    let expected = model(flow, &script);
    let service = Service::start(script).await;
    let connector = Connector::builder(SPEC).flow::<reads>().flow::<natural>().flow::<keyed>();
    let connector = connector.flow::<unkeyed>().build().unwrap();
    let fields = [("token".to_owned(), Secret::new(TOKEN))].into();
    let clock = Arc::new(Pauses::default());
    let connection = Connection::builder(&connector, ConnectionValues { method: String::new(), fields });
    let connection = connection.base_url(service.uri.clone()).clock(clock.clone()).build().unwrap();
    let ran = Runtime::new().run(invocation(&connection, flow)).await;
    let code = ran.err().map(|failed| failed.error.code());
    let (requests, keys) = service.came.lock().unwrap().clone();
    let paused = clock.seen();
    prop_assert_eq!((code, requests), (expected.code, expected.requests));
    prop_assert_eq!(paused.len(), expected.pauses.len());
    for (pause, (least, most)) in paused.iter().zip(&expected.pauses) {
        prop_assert!((least..=most).contains(&pause), "{:?} is not in {:?}..={:?}", pause, least, most);
    }
    prop_assert!(keys.iter().all(|key| key.is_some() == (flow == "keyed") && *key == keys[0]), "{:?}", keys);
    Ok(())
}

proptest! {
    #[test]
    fn a_call_ends_as_the_model_says(
        flow in prop_oneof![Just("reads"), Just("natural"), Just("keyed"), Just("unkeyed")],
        script in proptest::collection::vec(answer(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds(flow, script))?;
    }
}
