//! A GitHub on loopback with a connection to it, and every request looked up in GitHub's own description.

use linchpin::{Context, Delivery, Result, Secret, extract::ConnectionValues};
use linchpin_github::mock::{Github, TOKEN};
use linchpin_runtime::{Connection, Invocation, ResultCheck, Runtime};
use serde_json::Value;
use wiremock::MockServer;

use crate::{
    description::{GITHUB, Watch},
    edge,
};

/// A test's own GitHub. When it goes, every request that it saw must have been one that GitHub describes.
pub(crate) struct World {
    pub(crate) github: Github,
    pub(crate) server: MockServer,
    watch: Watch,
}

/// What a call is given.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) input: String,
    pub(crate) options: String,
    pub(crate) event_url: Option<String>,
    pub(crate) event_base: Option<String>,
    pub(crate) signing_secret: Option<Secret>,
    pub(crate) registered: Option<String>,
    pub(crate) delivery: Option<Delivery>,
}

impl World {
    pub(crate) async fn new() -> World {
        let server = MockServer::start().await;
        let watch = Watch::over(&server, &GITHUB).await;
        let github = Github::mount(&server).await;
        World { github, server, watch }
    }

    fn connection(&self) -> Connection {
        let values = ConnectionValues {
            method: "token".into(),
            fields: [("token".into(), TOKEN.to_owned().into())].into(),
        };
        crate::connect(&linchpin_github::connector(), values, &self.server.uri())
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
        if let Some(base) = given.event_base {
            invocation = invocation.event_base(base);
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
        edge::json(invocation).await
    }

    /// The requests so far, as method and path.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.watch.requests()
    }

    /// The body of the last request.
    pub(crate) fn last_body(&self) -> Value {
        self.watch.last_body()
    }
}
