//! An Okta on loopback with connections to it, and every request looked up in Okta's own description.

use linchpin::{Context, Result, Secret, extract::ConnectionValues};
use linchpin_okta::mock::{CLIENT_ID, DOMAIN, KEY_ID, Okta, TOKEN};
use linchpin_runtime::{Connection, Invocation, ResultCheck, Runtime};
use serde_json::Value;
use wiremock::MockServer;

use crate::{
    description::{OKTA, Watch},
    edge,
};

/// What the service app signs with.
pub(super) const PRIVATE_KEY: &str = include_str!("../auth/keys/rsa.pkcs8.pem");

/// A test's own Okta. When it goes, every request that it saw must have been one that Okta describes.
pub(super) struct World {
    pub(super) okta: Okta,
    pub(super) server: MockServer,
    watch: Watch,
}

fn values(method: &str, fields: &[(&str, &str)]) -> ConnectionValues {
    let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value)));
    ConnectionValues { method: method.to_owned(), fields: fields.collect() }
}

/// A connection's form with an API token.
pub(super) fn api_token() -> ConnectionValues {
    values("api_token", &[("domain", DOMAIN), ("token", TOKEN)])
}

/// A connection's form with a service app.
pub(super) fn service_app() -> ConnectionValues {
    let fields =
        [("domain", DOMAIN), ("client_id", CLIENT_ID), ("key_id", KEY_ID), ("private_key", PRIVATE_KEY)];
    values("service_app", &fields)
}

impl World {
    pub(super) async fn new() -> World {
        let server = MockServer::start().await;
        let watch = Watch::over(&server, &OKTA).await;
        let okta = Okta::mount(&server).await;
        World { okta, server, watch }
    }

    pub(super) fn connection(&self, values: ConnectionValues) -> Connection {
        crate::connect(&linchpin_okta::connector(), values, &self.okta.uri())
    }

    pub(super) fn context(&self) -> Context {
        Runtime::new().context(&self.connection(api_token()))
    }

    /// Runs a flow as its callers do: JSON in, JSON out, and all records of a list.
    pub(super) async fn run(&self, flow: &str, input: Value) -> Result<Value> {
        run(&self.connection(api_token()), flow, input).await
    }

    /// As [`run`](World::run), with more said of the call than its input.
    pub(super) async fn call(
        &self,
        flow: &str,
        more: impl FnOnce(Invocation) -> Invocation,
    ) -> Result<Value> {
        let invocation = Invocation::named(&self.connection(api_token()), flow)?;
        edge::json(more(invocation.check(ResultCheck::Strict))).await
    }

    /// The requests so far, as method and path.
    pub(super) fn requests(&self) -> Vec<String> {
        self.watch.requests()
    }

    /// The body of the last request.
    pub(super) fn last_body(&self) -> Value {
        self.watch.last_body()
    }

    /// The query of the last request, as pairs with `=` between them.
    pub(super) async fn last_query(&self) -> Vec<String> {
        let last = self.server.received_requests().await.unwrap().pop().unwrap();
        last.url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

pub(super) async fn run(connection: &Connection, flow: &str, input: Value) -> Result<Value> {
    let invocation = Invocation::named(connection, flow)?.check(ResultCheck::Strict);
    edge::json(invocation.input(input.to_string())).await
}
