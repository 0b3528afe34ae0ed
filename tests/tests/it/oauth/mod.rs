//! The life of OAuth 2.0 grants, against an authorization server on loopback.

mod login;
mod refresh;

use std::sync::Arc;

use linchpin::{
    Connector, Secret, connector::SpecFile, extract::ConnectionValues, prelude::*, serde_json::json,
};
use linchpin_runtime::{Connection, Grant, Invocation, MemoryGrant, OAuthClient, Output, Runtime};
use linchpin_testing::{Issuer, TestClock, Tokens, answer, wiremock::MockServer};

pub(crate) const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
        schema = 1
        key = "tracker"
        name = "Tracker"
        version = "0.1.0"

        [http]
        base_url = "https://tracker.example"

        [auth.browser]
        kind = "oauth2"
        grant = "authorization_code"
        authorization_url = "https://login.tracker.example/authorize"
        token_url = "https://login.tracker.example/token"
        revocation_url = "https://login.tracker.example/revoke"
        scopes = ["read", "write"]
        authorize_params = { access_type = "offline" }

        [auth.issuer]
        kind = "oauth2"
        grant = "authorization_code"
        authorization_url = "https://login.tracker.example/authorize"
        token_url = "https://login.tracker.example/token"
        issuer = "https://login.tracker.example"
        client_authentication = "post"
        pkce = false

        [auth.device]
        kind = "oauth2"
        grant = "device_code"
        device_authorization_url = "https://login.tracker.example/device"
        token_url = "https://login.tracker.example/token"

        [auth.itself]
        kind = "oauth2"
        grant = "client_credentials"
        client = "customer"
        token_url = "https://login.tracker.example/token"
    "#,
};

#[fields]
#[derive(Debug, PartialEq)]
pub(crate) struct Me {
    pub id: u64,
}

#[action(read)]
pub(crate) async fn get_me(cx: Context) -> Result<Me> {
    cx.get(path!("/me")).send().await?.json()
}

/// Whose tokens they are.
#[authping]
pub(crate) async fn authping(cx: Context) -> Result<Identity> {
    let me: Me = cx.get(path!("/me")).send().await?.json()?;
    Ok(Identity::new(me.id, "octocat").scopes(["read"]))
}

/// An authorization server with an API behind it.
pub(crate) struct World {
    pub server: MockServer,
    pub issuer: Issuer,
    pub clock: TestClock,
    pub runtime: Runtime,
}

pub(crate) fn connector() -> Connector {
    Connector::builder(SPEC).flow::<get_me>().flow::<authping>().build().unwrap()
}

impl World {
    pub(crate) async fn start() -> World {
        let server = MockServer::start().await;
        let clock = TestClock::new();
        let issuer = Issuer::with_clock(&server, clock.clone()).await;
        issuer.protect_on(&server, "GET", "/me", answer::json(200, json!({ "id": 7 }))).await;
        World { server, issuer, clock, runtime: Runtime::new() }
    }

    /// A connection by a method, with what is kept for it.
    pub(crate) fn connection(&self, method: &str, kept: Option<&Tokens>) -> Connection {
        let mut values = ConnectionValues { method: method.to_owned(), ..ConnectionValues::default() };
        if method == "itself" {
            values.fields.insert("client_id".to_owned(), Secret::new(Issuer::CLIENT_ID));
            values.fields.insert("client_secret".to_owned(), Secret::new(Issuer::CLIENT_SECRET));
        }
        let grant = kept.map(|tokens| self.grant(tokens));
        Connection::builder(&connector(), values)
            .base_url(self.server.uri())
            .client(OAuthClient {
                id: Issuer::CLIENT_ID.to_owned(),
                secret: Some(Secret::new(Issuer::CLIENT_SECRET)),
            })
            .clock(Arc::new(self.clock.clone()))
            .grants(Arc::new(MemoryGrant::new(grant)))
            .build()
            .unwrap()
    }

    /// Tokens as a connection keeps them: good for an hour.
    pub(crate) fn grant(&self, tokens: &Tokens) -> Grant {
        use linchpin_runtime::Clock as _;
        let issued = self.clock.now();
        let values = [
            ("access_token".to_owned(), Secret::new(tokens.access_token.as_str())),
            ("refresh_token".to_owned(), Secret::new(tokens.refresh_token.as_str())),
        ];
        let expires = DateTime::from_unix_millis(issued.unix_millis() + 3_600_000);
        Grant { values: values.into(), scopes: None, issued, expires }
    }

    /// Calls the one flow; gives the trace too.
    pub(crate) async fn me(&self, connection: &Connection) -> Result<String> {
        let invocation = Invocation::named(connection, "get_me")?;
        match self.runtime.run(invocation).await?.output {
            Output::Value(json) => Ok(json),
            other => panic!("{other:?}"),
        }
    }

    /// How many requests a path has seen.
    pub(crate) async fn seen(&self, path: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == path).count()
    }
}
