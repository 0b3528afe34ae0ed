//! A GitHub on loopback with a connection to it, and every request looked up in GitHub's own description.

use std::sync::{Arc, Mutex};

use linchpin::{
    Context, Result,
    extract::{Call, ConnectionValues},
    flow::Produced,
};
use linchpin_github::mock::{Github, TOKEN};
use serde_json::Value;
use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

use super::description::{self, Seen};

/// A test's own GitHub. When it goes, every request that it saw must have been one that GitHub describes.
pub(crate) struct World {
    pub(crate) github: Github,
    pub(crate) server: MockServer,
    seen: Arc<Mutex<Vec<Seen>>>,
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

    pub(crate) fn context(&self) -> Context {
        let values =
            ConnectionValues { method: "token".into(), fields: [("token".into(), TOKEN.to_owned().into())].into() };
        let connector = linchpin_github::connector();
        Context::new(Arc::new(super::driver::Plain { base: self.server.uri(), values, connector }))
    }

    /// Runs a flow as its callers do: JSON in, JSON out, and all records of a list.
    pub(crate) async fn run(&self, flow: &str, input: Value) -> Result<Value> {
        self.call(flow, |call| call.input = input.to_string()).await
    }

    pub(crate) async fn call(&self, flow: &str, fill: impl FnOnce(&mut Call)) -> Result<Value> {
        let mut call = Call::new(self.context());
        fill(&mut call);
        let connector = linchpin_github::connector();
        let flow = connector.flow(flow).unwrap_or_else(|| panic!("there is no flow `{flow}`"));
        Ok(match (flow.run)(call).await? {
            Produced::Nothing => Value::Null,
            Produced::Value(text) => serde_json::from_str(&text).unwrap(),
            Produced::Records(mut records) => {
                let mut lines = Vec::new();
                while records.write(usize::MAX, &mut lines).await?.is_some() {}
                let lines = serde_json::Deserializer::from_slice(&lines).into_iter::<Value>();
                Value::Array(lines.collect::<Result<_, _>>().unwrap())
            }
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
