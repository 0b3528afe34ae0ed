//! Every flow of the Google Drive connector against a Google Drive on loopback.

mod action;
mod channel;
mod command;
mod fault;
mod grant;
mod list;
mod login;

use std::sync::Arc;

use linchpin::{FileRef, Result, extract::ConnectionValues};
use linchpin_google_drive::mock::{GoogleDrive, TOKEN};
use linchpin_runtime::{Connection, Grant, Invocation, MemoryGrant, OAuthClient, Ran, ResultCheck, Runtime};
use linchpin_testing::TestClock;
use serde_json::{Value, json};
use wiremock::MockServer;

use crate::{
    description::{GOOGLE_DRIVE, Watch},
    edge,
};

/// A Google Drive on loopback with a connection to it. When it goes, every request must have been one that Google describes.
struct World {
    drive: GoogleDrive,
    server: MockServer,
    watch: Watch,
}

/// A connection whose grant has this access token, and no other tokens.
fn connection(uri: &str, token: &str) -> Connection {
    let values = ConnectionValues { method: "google".into(), ..ConnectionValues::default() };
    let issued = "2026-01-01T00:00:00Z".parse().unwrap();
    let values_kept = [("access_token".to_owned(), token.to_owned().into())];
    let grant = Grant { values: values_kept.into(), scopes: None, issued, expires: None };
    Connection::builder(&linchpin_google_drive::connector(), values)
        .base_url(uri)
        .clock(Arc::new(TestClock::new()))
        .client(OAuthClient { id: "client".into(), secret: Some("secret".to_owned().into()) })
        .grants(std::sync::Arc::new(MemoryGrant::new(Some(grant))))
        .build()
        .unwrap()
}

impl World {
    async fn new() -> World {
        let server = MockServer::start().await;
        let watch = Watch::over(&server, &GOOGLE_DRIVE).await;
        let drive = GoogleDrive::mount(&server).await;
        World { drive, server, watch }
    }

    fn invocation(&self, flow: &str, input: &Value) -> Invocation {
        let connection = connection(&self.server.uri(), TOKEN);
        let call = Invocation::named(&connection, flow).unwrap().check(ResultCheck::Strict);
        // Flows without input take none, which is an empty object.
        call.input(input.to_string())
    }

    async fn ran(&self, flow: &str, input: Value, file: Option<&FileRef>) -> Result<Ran> {
        let mut call = self.invocation(flow, &input);
        if let Some(file) = file {
            call = call.file(file.clone());
        }
        Ok(Runtime::new().run(call).await?)
    }

    /// Runs a flow as its callers do: JSON in, JSON out, and all records of a list.
    async fn run(&self, flow: &str, input: Value) -> Result<Value> {
        edge::output(self.ran(flow, input, None).await?.output).await
    }

    /// Runs a flow that takes a file as `content`.
    async fn send(&self, flow: &str, mut input: Value, file: &FileRef) -> Result<Value> {
        input["content"] = json!({ "file": file.handle() });
        edge::output(self.ran(flow, input, Some(file)).await?.output).await
    }
}
