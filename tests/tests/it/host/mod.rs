//! The life of a connection: from the form to the last token, over a store on the disk.

mod app;
mod crash;
mod hook;
mod life;
mod limit;
mod secret;
pub(crate) mod serve;
mod storm;

use std::{path::Path, sync::Arc};

use linchpin::{Result, Secret, extract::ConnectionValues};
use linchpin_host::{
    Connected, DEFAULT_TENANT, Host, HostBuilder, NewConnection,
    store::{Sqlite, Store},
    vault::{KeySource, Vault},
};
use linchpin_runtime::{Invocation, OAuthClient, Output};
use linchpin_testing::Issuer;

use super::oauth::{World, connector};

/// A host over a store in a folder, whose service is at a URL.
async fn builder(folder: &Path, service: &str) -> HostBuilder {
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
    configured(Host::builder(store, vault), service)
}

pub(crate) fn configured(builder: HostBuilder, service: &str) -> HostBuilder {
    let client =
        OAuthClient { id: Issuer::CLIENT_ID.to_owned(), secret: Some(Secret::new(Issuer::CLIENT_SECRET)) };
    builder.connector(connector()).base_url("tracker", service).client("tracker", client)
}

/// A host and the world of its service, by the world's clock.
pub(crate) async fn host(world: &World, folder: &Path) -> Host {
    let builder = builder(folder, &world.server.uri()).await;
    builder.clock(Arc::new(world.clock.clone())).build().unwrap()
}

pub(crate) fn new(name: &str, method: &str) -> NewConnection {
    NewConnection {
        tenant: DEFAULT_TENANT.to_owned(),
        name: name.to_owned(),
        connector: "tracker".to_owned(),
        owner: Some("ops@tracker.example".to_owned()),
        values: ConnectionValues { method: method.to_owned(), ..ConnectionValues::default() },
    }
}

/// Connects by a browser.
pub(crate) async fn connect(world: &World, host: &Host, name: &str) -> Result<Connected> {
    let application = host.apply(new(name, "browser")).await?;
    let login = application.login("http://127.0.0.1:7777/callback")?;
    let callback = world.issuer.consent(login.url());
    application.take(&login.finish(host.runtime(), &callback).await?).await?;
    application.finish().await
}

/// Calls a flow for a connection of the default tenant.
pub(crate) async fn call(host: &Host, name: &str) -> Result<String> {
    let connection = host.connection(DEFAULT_TENANT, name).await?;
    match host.runtime().run(Invocation::named(&connection, "get_me")?).await?.output {
        Output::Value(json) => Ok(json),
        other => panic!("{other:?}"),
    }
}

/// A store behind an `Arc`, for tests that look into it.
pub(crate) fn store(host: &Host) -> &Arc<dyn Store> {
    host.store()
}
