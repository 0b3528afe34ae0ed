//! What stands in the tables, and what is asked of each case beside what it says itself.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use linchpin::{
    Code, Error, Secret,
    connector::SpecFile,
    extract::ConnectionValues,
    serde_json::{self, Value, json},
};
use linchpin_runtime::{Clock, Connection, Invocation, Output, Runtime};
use linchpin_testing::TestClock;

use super::{
    server::{Answer, Seen, Server},
    tracker::{PLAIN, SECRET, TOKEN, fields, tracker},
};

/// The longest that any case may take on the busiest machine: what takes longer hangs.
const HANGS: Duration = Duration::from_secs(60);

/// The most that a service may be able to write, in bytes: what the limits allow, and the buffers on the way hold, with room.
const READ: u64 = 64 << 20;

/// The most letters that an error may have, whatever the service puts into it.
const WORDS: usize = 4000;

/// One kind of harm: a flow, what the service does, and what must come of it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    flow: &'static str,
    spec: SpecFile,
    greeting: Answer,
    answers: Vec<Answer>,
    wants: Result<Value, (Code, &'static str)>,
    given: Value,
    requests: RangeInclusive<usize>,
    breaks: bool,
    waits: Option<u64>,
    lines: &'static [&'static str],
}

/// A case of a flow: what is wrong with the service, and what it does in place of an answer, request by request; the last again and
/// again.
pub(super) fn case(flow: &'static str, name: &'static str, answers: impl Into<Answers>) -> Case {
    Case {
        name,
        flow,
        spec: PLAIN,
        greeting: Answer::default(),
        answers: answers.into().0,
        wants: Ok(Value::Null),
        given: json!([]),
        requests: 1..=1,
        breaks: false,
        waits: None,
        lines: &[],
    }
}

/// One answer or several.
pub(super) struct Answers(Vec<Answer>);

impl From<Answer> for Answers {
    fn from(answer: Answer) -> Answers {
        Answers(vec![answer])
    }
}

impl<const N: usize> From<[Answer; N]> for Answers {
    fn from(answers: [Answer; N]) -> Answers {
        Answers(answers.into())
    }
}

impl Case {
    pub(super) fn spec(self, spec: SpecFile) -> Case {
        Case { spec, ..self }
    }

    /// What the service says before anybody asked.
    pub(super) fn greeting(self, greeting: Answer) -> Case {
        Case { greeting, ..self }
    }

    /// The flow's result, after so many requests.
    pub(super) fn gives(self, value: impl Into<Value>, requests: usize) -> Case {
        Case { wants: Ok(value.into()), requests: requests..=requests, ..self }
    }

    /// The error, some words of it or of its hint, and how many requests came.
    pub(super) fn fails(self, code: Code, words: &'static str, requests: usize) -> Case {
        Case { wants: Err((code, words)), requests: requests..=requests, ..self }
    }

    /// As many requests, or fewer, where that is a matter of who is faster.
    pub(super) fn or_fewer(self) -> Case {
        Case { requests: 0..=*self.requests.end(), ..self }
    }

    /// Or the connection is broken first: a service that closes it with half a request unread resets it, and its answer may be lost.
    pub(super) fn or_breaks(self) -> Case {
        Case { breaks: true, ..self }
    }

    /// The records that came before the error.
    pub(super) fn given(self, records: impl Into<Value>) -> Case {
        Case { given: records.into(), ..self }
    }

    /// How many seconds were waited in all, by the clock of the connection; on top comes chance, at most half a second each time.
    pub(super) fn waits(self, seconds: u64) -> Case {
        Case { waits: Some(seconds), ..self }
    }

    /// What exactly was asked for.
    pub(super) fn asks(self, lines: &'static [&'static str]) -> Case {
        Case { lines, ..self }
    }

    /// Runs the case, and says what is wrong.
    async fn run(&self, runtime: &Runtime, elsewhere: &Server) -> Vec<String> {
        let server = Server::start(self.greeting.clone(), self.answers.clone(), &elsewhere.origin).await;
        let clock = TestClock::new();
        let connection = connect(self.spec, &server, &clock);
        let begun = clock.now().unix_millis();
        let (given, result) = outcome(runtime, &connection, self.flow).await;
        let waited = clock.now().unix_millis() - begun;

        let mut wrong = Vec::new();
        match (&self.wants, &result) {
            (Ok(wanted), Ok(value)) if wanted == value => {}
            (Err((code, words)), Err(error))
                if error.code() == *code && texts(error).any(|text| text.contains(words)) =>
            {
                if given != self.given {
                    wrong.push(format!("gave {given} before it failed, and not {}", self.given));
                }
            }
            (_, Err(error)) if self.breaks && error.code() == Code::Unreachable => {}
            (wanted, got) => wrong.push(format!("gives {got:?}, and not {wanted:?}")),
        }
        if let Err(error) = &result {
            wrong.extend(misspoken(error));
            if names_its_service(error.code()) && !error.message().contains(&server.origin) {
                wrong.push(format!("does not say where: {error}"));
            }
        }
        let seen = server.seen();
        if !self.requests.contains(&seen.len()) {
            wrong.push(format!("asks {} times, and not {:?}", seen.len(), self.requests));
        }
        let lines: Vec<&str> = seen.iter().map(|request| request.line.as_str()).collect();
        if !self.lines.is_empty() && lines != self.lines {
            wrong.push(format!("asks {lines:?}"));
        }
        if let Some(seconds) = self.waits {
            let (least, most) = (seconds as i64 * 1000, seconds as i64 * 1000 + 500 * seen.len() as i64);
            if !(least..=most).contains(&waited) {
                wrong.push(format!("waits {waited} ms, and not {seconds} s"));
            }
        }
        if server.written() > READ {
            wrong.push(format!("reads {} bytes", server.written()));
        }
        if elsewhere.connections() > 0 {
            wrong.push(format!("goes to another origin: {:?}", elsewhere.seen()));
        }

        // Nothing of it is left: neither on a connection that goes on being used, nor in what was learnt.
        server.recovers();
        clock.advance(Duration::from_secs(24 * 60 * 60));
        match outcome(runtime, &connection, "well").await.1 {
            Ok(value) if value == json!({ "id": 1 }) => {}
            other => wrong.push(format!("a call without fault then gives {other:?}")),
        }
        let key = seen.first().and_then(|first| first.header("idempotency-key"));
        if !seen.is_empty() && key.is_some() != (self.flow == "create") {
            wrong.push(format!("has the key {key:?}"));
        }
        wrong.extend(server.seen().iter().filter_map(|request| unwanted(request, key)));
        wrong
    }
}

/// The connection of a spec to a service.
pub(super) fn connect(spec: SpecFile, server: &Server, clock: &TestClock) -> Connection {
    let fields = fields(&spec).iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value)));
    let values = ConnectionValues { method: "token".to_owned(), fields: fields.collect() };
    let connection = Connection::builder(&tracker(spec), values);
    connection.base_url(&server.origin).clock(Arc::new(clock.clone())).build().unwrap()
}

/// Counts panics, also those that somebody catches.
fn panics() -> u64 {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(panic);
        }));
    });
    PANICS.load(Ordering::Relaxed)
}

/// Runs all cases of a table with one runtime, and tells of all that are not as they must be.
pub(super) async fn hold(cases: Vec<Case>) {
    let panics_before = panics();
    let runtime = Runtime::new();
    let elsewhere = Server::start(Answer::default(), Vec::new(), "").await;
    let mut wrong = Vec::new();
    for case in cases {
        match tokio::time::timeout(HANGS, case.run(&runtime, &elsewhere)).await {
            Ok(found) => wrong.extend(found.iter().map(|found| format!("{}: {found}", case.name))),
            Err(_) => wrong.push(format!("{}: hangs", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(panics(), panics_before);
}

/// The records that a flow gave, and in the end its result: of a list all records.
pub(super) async fn outcome(
    runtime: &Runtime,
    connection: &Connection,
    flow: &str,
) -> (Value, Result<Value, Error>) {
    let ran = match runtime.run(Invocation::named(connection, flow).unwrap()).await {
        Ok(ran) => ran,
        Err(failed) => return (json!([]), Err(failed.error)),
    };
    let mut records = match ran.output {
        Output::Value(text) => return (json!([]), Ok(serde_json::from_str(&text).unwrap())),
        Output::Records(records) => records,
        other => panic!("neither a value nor records: {other:?}"),
    };
    let mut given = Vec::new();
    loop {
        match records.next_batch(usize::MAX).await {
            Ok(Some(batch)) => {
                let lines = serde_json::Deserializer::from_slice(batch.lines).into_iter::<Value>();
                given.extend(lines.map(|line| line.unwrap()["id"].clone()));
            }
            Ok(None) => return (json!([]), Ok(given.into())),
            Err(error) => {
                assert!(records.next_batch(usize::MAX).await.unwrap().is_none(), "over after an error");
                return (given.into(), Err(error));
            }
        }
    }
}

/// What an error says to people.
fn texts(error: &Error) -> impl Iterator<Item = &str> {
    let details = error.details();
    [Some(error.message()), details.hint, details.service_code, details.request_id].into_iter().flatten()
}

/// What no error may say, whatever the service puts into its answers.
fn misspoken(error: &Error) -> impl Iterator<Item = String> {
    texts(error).filter_map(|text| {
        let start: String = text.chars().take(200).collect();
        if text.contains(TOKEN) || text.contains(SECRET) {
            Some(format!("tells a secret: {start:?}"))
        } else if text.chars().any(char::is_control) {
            Some(format!("can move a cursor: {start:?}"))
        } else if text.len() > WORDS {
            Some(format!("says {} letters: {start:?}", text.len()))
        } else {
            None
        }
    })
}

/// Whether an error of this kind says which service it is about.
fn names_its_service(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        Unreachable
            | DeadlineExceeded
            | ResponseMalformed
            | ResponseTooLarge
            | Unauthorized
            | Forbidden
            | NotFound
            | Rejected
            | ServiceFailed
    )
}

/// What no request may be: one without the token, with a cookie, or the same write under another key.
fn unwanted(request: &Seen, key: Option<&str>) -> Option<String> {
    if !request.is_for_a_token() && request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        Some(format!("asks without its token: {request:?}"))
    } else if request.header("cookie").is_some() || request.header("x-evil").is_some() {
        Some(format!("sends what the service made up: {request:?}"))
    } else if !request.is_well() && request.header("idempotency-key") != key {
        Some(format!("gives a write another key: {request:?}"))
    } else {
        None
    }
}
