//! The stages of the request pipeline, each by itself, for whoever measures what they cost.

use std::{
    fmt, hint,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use linchpin::{
    Connector, Error, Response,
    connector::SpecFile,
    extract::ConnectionValues,
    manifest::spec::RateLimitScope,
    request::{Request, Target},
};

use crate::{
    Connection, Runtime, clock::SystemClock, idempotency::Keys, limit::Limiter, outcome, retry,
    session::destination,
};

/// A stage, and what gets it ready.
pub struct Stage {
    /// What it is called.
    name: &'static str,
    prepare: fn() -> linchpin::Result<Work>,
}

/// A stage that can be run as often as one likes, by several threads.
pub type Work = Box<dyn Fn() + Send + Sync>;

impl Stage {
    /// Gets it ready.
    ///
    /// # Errors
    ///
    /// When its connection cannot be made.
    pub fn prepare(&self) -> linchpin::Result<Work> {
        (self.prepare)()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All of them, in the order in which a request comes through.
pub const ALL: &[Stage] = &[
    Stage { name: "url and egress", prepare: url },
    Stage { name: "idempotency key", prepare: key },
    Stage { name: "limiter", prepare: limiter },
    Stage { name: "credentials and headers", prepare: credentials },
    Stage { name: "outcome, no rules", prepare: no_rules },
    Stage { name: "outcome, ten rules", prepare: ten_rules },
    Stage { name: "retry", prepare: decision },
    Stage { name: "scrubbing", prepare: scrubbing },
];

macro_rules! spec {
    ($($more:literal)*) => {
        SpecFile {
            path: "specs/tracker.toml",
            text: concat!(
                "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n",
                "auth.token = { kind = \"bearer\", fields.token = { label = \"Token\", secret = true } }\n",
                "[http]\nbase_url = \"https://tracker.example/api\"\n",
                "rate_limit = { budget = \"1000000000/1s\" }\n",
                $($more, "\n"),*
            ),
        }
    };
}

/// Rules of which none matches a good answer, all of which look into its body.
const RULES: SpecFile = spec!(
    "outcome = ["
    " { when = { body = { \"/a\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/b\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/c\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/d\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/e\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/f\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/g\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/h\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/i\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    " { when = { body = { \"/title\" = { regex = \"^x+y$\" } } }, then = \"retry\" },"
    "]"
);

const TOKEN: &str = "t0k3n-0f-th3-stag3s";

fn connection(spec: SpecFile) -> linchpin::Result<Connection> {
    let connector = Connector::builder(spec)
        .build()
        .map_err(|error| Error::coded(linchpin::Code::ConnectionInvalid, error.to_string()))?;
    let fields = [("token".to_owned(), TOKEN.to_owned().into())].into();
    Connection::new(&connector, ConnectionValues { method: "token".into(), fields })
}

/// A future that waits for nobody for long.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

fn request(method: Method) -> Request {
    let mut request = Request::new(method, Target::Path("/repos/octocat/hello/issues/7".into()));
    request.query.push(("state".into(), "open".into()));
    request
}

fn url() -> linchpin::Result<Work> {
    let (connection, runtime) = (connection(spec!())?, Runtime::new());
    let request = request(Method::GET);
    Ok(Box::new(move || {
        let found = destination(&connection.0, &request, runtime.clients().internal());
        drop(hint::black_box(found));
    }))
}

fn key() -> linchpin::Result<Work> {
    let request = request(Method::POST);
    Ok(Box::new(move || drop(hint::black_box(Keys::default().key(Some("run-7"), "create", &request)))))
}

fn limiter() -> linchpin::Result<Work> {
    let connection = connection(spec!())?;
    let limiter = Limiter::new(&connection.0.spec.http, RateLimitScope::Connection, None).map(Arc::new);
    Ok(Box::new(move || {
        if let Some(limiter) = &limiter {
            let leaving = &connection.0.leaving;
            let admitted = ready(limiter.admit((0, "list"), &SystemClock, Duration::ZERO, leaving));
            drop(hint::black_box(admitted));
        }
    }))
}

fn credentials() -> linchpin::Result<Work> {
    let (connection, runtime) = (connection(spec!())?, Runtime::new());
    Ok(Box::new(move || {
        let signed = ready(connection.signed(&runtime));
        drop(hint::black_box(signed.map(|signed| signed.headers.clone())));
    }))
}

fn judged(spec: SpecFile) -> linchpin::Result<Work> {
    let connection = connection(spec)?;
    let body = Bytes::from_static(
        b"{\"id\":7,\"title\":\"xxxxxxxx\",\"labels\":[{\"name\":\"bug\"}],\"body\":null}",
    );
    let answer = Response::new(StatusCode::OK, HeaderMap::new(), body, "https://tracker.example/api".into());
    Ok(Box::new(move || {
        let ready = &connection.0;
        let verdict = outcome::judge(&ready.spec.http, &ready.patterns, &Method::GET, &answer, &SystemClock);
        drop(hint::black_box(verdict));
    }))
}

fn no_rules() -> linchpin::Result<Work> {
    judged(spec!())
}

fn ten_rules() -> linchpin::Result<Work> {
    judged(RULES)
}

fn decision() -> linchpin::Result<Work> {
    let connection = connection(spec!())?;
    let failure = retry::Failure { attempts: 1, repeatable: true, unsent: false, asked: None, left: None };
    Ok(Box::new(move || {
        let budget = retry::Budget::new();
        hint::black_box(retry::decide(&connection.0.spec.http.retry, &budget, failure, 0.5));
    }))
}

fn scrubbing() -> linchpin::Result<Work> {
    let connection = connection(spec!())?;
    let text = format!("https://tracker.example/api/{}?token={TOKEN}", "x".repeat(200));
    Ok(Box::new(move || drop(hint::black_box(connection.scrub(&text)))))
}

#[cfg(test)]
#[test]
fn every_stage_can_be_measured() {
    for stage in ALL {
        stage.prepare().unwrap_or_else(|error| panic!("{stage}: {error}"))();
    }
}
