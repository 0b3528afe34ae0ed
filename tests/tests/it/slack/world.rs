//! A Slack on loopback with a connection to it, and every request looked up in Slack's own description.

use linchpin::{Context, Result, extract::ConnectionValues};
use linchpin_runtime::{Connection, Invocation, ResultCheck, Runtime};
use linchpin_slack::mock::{Slack, TOKEN};
use serde_json::Value;
use wiremock::MockServer;

use crate::{
    description::{SLACK, Watch},
    edge,
};

/// A test's own Slack. When it goes, every request that it saw must have been one that Slack describes.
pub(crate) struct World {
    pub(crate) slack: Slack,
    pub(crate) server: MockServer,
    watch: Watch,
}

/// A connection's form with a bot token.
pub(crate) fn bot_token() -> ConnectionValues {
    let fields = [("token".into(), TOKEN.to_owned().into())];
    ConnectionValues { method: "bot_token".into(), fields: fields.into() }
}

impl World {
    pub(crate) async fn new() -> World {
        let server = MockServer::start().await;
        let watch = Watch::over(&server, &SLACK).await;
        let slack = Slack::mount(&server).await;
        World { slack, server, watch }
    }

    fn connection(&self) -> Connection {
        crate::connect(&linchpin_slack::connector(), bot_token(), &self.slack.uri())
    }

    pub(crate) fn context(&self) -> Context {
        Runtime::new().context(&self.connection())
    }

    pub(crate) fn invocation(&self, flow: &str) -> Result<Invocation> {
        Ok(Invocation::named(&self.connection(), flow)?.check(ResultCheck::Strict))
    }

    /// Runs a flow as its callers do: JSON in, JSON out, and all records of a list.
    pub(crate) async fn run(&self, flow: &str, input: Value) -> Result<Value> {
        edge::json(self.invocation(flow)?.input(input.to_string())).await
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
