//! A Stripe on loopback with connections to it, and every request looked up in Stripe's own description.

use linchpin::{Context, Result, Secret, extract::ConnectionValues};
use linchpin_runtime::{Connection, Invocation, ResultCheck, Runtime};
use linchpin_stripe::mock::{SECRET_KEY, Stripe};
use serde_json::Value;
use wiremock::{MockServer, Request};

use crate::{
    description::{STRIPE, Watch},
    edge,
};

/// A test's own Stripe. When it goes, every request that it saw must have been one that Stripe describes.
pub(super) struct World {
    pub(super) stripe: Stripe,
    pub(super) server: MockServer,
    watch: Watch,
}

/// A connection's form with the secret key, for one of the ways to send it.
pub(super) fn values(method: &str) -> ConnectionValues {
    let fields = [("secret_key".to_owned(), Secret::new(SECRET_KEY))];
    ConnectionValues { method: method.to_owned(), fields: fields.into() }
}

impl World {
    pub(super) async fn new() -> World {
        let server = MockServer::start().await;
        let watch = Watch::over(&server, &STRIPE).await;
        let stripe = Stripe::mount(&server).await;
        World { stripe, server, watch }
    }

    pub(super) fn connection(&self, values: ConnectionValues) -> Connection {
        crate::connect(&linchpin_stripe::connector(), values, &self.stripe.uri())
    }

    pub(super) fn context(&self) -> Context {
        Runtime::new().context(&self.connection(values("secret_key")))
    }

    /// Runs a flow as its callers do: JSON in, JSON out, and all records of a list.
    pub(super) async fn run(&self, flow: &str, input: Value) -> Result<Value> {
        self.call(flow, input, |call| call).await
    }

    /// As [`run`](World::run), with more said of the call.
    pub(super) async fn call(
        &self,
        flow: &str,
        input: Value,
        more: impl FnOnce(Invocation) -> Invocation,
    ) -> Result<Value> {
        let invocation = Invocation::named(&self.connection(values("secret_key")), flow)?;
        edge::json(more(invocation.check(ResultCheck::Strict).input(input.to_string()))).await
    }

    /// The requests so far, as method and path.
    pub(super) fn requests(&self) -> Vec<String> {
        self.watch.requests()
    }

    /// The body of the last request, its nested names as objects and lists.
    pub(super) fn last_body(&self) -> Value {
        self.watch.last_body()
    }

    pub(super) async fn received(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    /// The form of the last request as it went over the wire, with its brackets to be read.
    pub(super) async fn last_form(&self) -> String {
        let last = self.received().await.pop().unwrap();
        assert_eq!(last.headers["content-type"], "application/x-www-form-urlencoded");
        String::from_utf8(last.body).unwrap().replace("%5B", "[").replace("%5D", "]")
    }

    /// The query of the last request, as pairs with `=` between them.
    pub(super) async fn last_query(&self) -> Vec<String> {
        let last = self.received().await.pop().unwrap();
        last.url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect()
    }
}
