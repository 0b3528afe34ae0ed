//! A GitHub on loopback with a connection to it, and every request looked up in GitHub's own description.

use std::sync::{Arc, Mutex};

use linchpin::{Context, Delivery, Result, Secret, extract::ConnectionValues};
use linchpin_github::mock::{Github, TOKEN};
use linchpin_runtime::{Connection, Invocation, Output, ResultCheck, Runtime};
use serde_json::Value;
use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

use super::description::{self, Seen};

/// A test's own GitHub. When it goes, every request that it saw must have been one that GitHub describes.
pub(crate) struct World {
    pub(crate) github: Github,
    pub(crate) server: MockServer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What a call is given.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) input: String,
    pub(crate) options: String,
    pub(crate) event_url: Option<String>,
    pub(crate) signing_secret: Option<Secret>,
    pub(crate) registered: Option<String>,
    pub(crate) delivery: Option<Delivery>,
}

/// Notes each request, and answers none.
struct Note(Arc<Mutex<Vec<Seen>>>);

impl Match for Note {
    fn matches(&self, request: &Request) -> bool {
        self.0.lock().unwrap().push(Seen::new(request));
        false
    }
}

impl World {
    pub(crate) async fn new() -> World {
        let server = MockServer::start().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Mock::given(Note(seen.clone())).respond_with(ResponseTemplate::new(500));
        note.with_priority(1).mount(&server).await;
        let github = Github::mount(&server).await;
        World { github, server, seen }
    }

    fn connection(&self) -> Connection {
        let values = ConnectionValues {
            method: "token".into(),
            fields: [("token".into(), TOKEN.to_owned().into())].into(),
        };
        Connection::with_base_url(&linchpin_github::connector(), values, &self.server.uri()).unwrap()
    }

    pub(crate) fn context(&self) -> Context {
        Runtime::new().context(&self.connection())
    }

    /// Runs a flow as its callers do: JSON in, JSON out, and all records of a list.
    pub(crate) async fn run(&self, flow: &str, input: Value) -> Result<Value> {
        self.call(flow, |given| given.input = input.to_string()).await
    }

    pub(crate) async fn call(&self, flow: &str, fill: impl FnOnce(&mut Given)) -> Result<Value> {
        let mut given = Given::default();
        fill(&mut given);
        let mut invocation = Invocation::named(&self.connection(), flow)?.check(ResultCheck::Strict);
        if !given.input.is_empty() {
            invocation = invocation.input(given.input);
        }
        if !given.options.is_empty() {
            invocation = invocation.options(given.options);
        }
        if let Some(url) = given.event_url {
            invocation = invocation.event_url(url);
        }
        if let Some(secret) = given.signing_secret {
            invocation = invocation.signing_secret(secret);
        }
        if let Some(registered) = given.registered {
            invocation = invocation.registered(registered);
        }
        if let Some(delivery) = given.delivery {
            invocation = invocation.delivery(delivery);
        }
        Ok(match Runtime::new().run(invocation).await?.output {
            Output::Value(text) => serde_json::from_str(&text).unwrap(),
            Output::Records(mut records) => {
                let mut all = Vec::new();
                while let Some(batch) = records.next_batch(usize::MAX).await? {
                    let lines = serde_json::Deserializer::from_slice(batch.lines).into_iter::<Value>();
                    all.extend(lines.map(|line| line.unwrap()));
                }
                Value::Array(all)
            }
            _ => Value::Null,
        })
    }

    /// The requests so far, as method and path.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(Seen::name).collect()
    }

    /// The body of the last request.
    pub(crate) fn last_body(&self) -> Value {
        self.seen.lock().unwrap().last().map(|seen| seen.body.clone()).unwrap_or_default()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let problems = description::problems(&self.seen.lock().unwrap());
            assert!(problems.is_empty(), "GitHub does not describe what was asked:\n{}", problems.join("\n"));
        }
    }
}
