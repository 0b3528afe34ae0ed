//! An Okta, and a host with a connection to it.

use std::sync::Arc;

use linchpin::extract::ConnectionValues;
use linchpin_host::{
    Host,
    store::Sqlite,
    vault::{KeySource, Vault},
};
use linchpin_testing::TestClock;

use super::World;

/// An Okta, and a host that has a store in a folder of its own.
pub(super) struct Home {
    pub(super) world: World,
    pub(super) clock: TestClock,
    pub(super) host: Host,
    pub(super) folder: tempfile::TempDir,
}

impl Home {
    /// With the connection `work` of this form.
    pub(super) async fn with(values: ConnectionValues, clock: TestClock) -> Home {
        let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
        let path = folder.path().join("store.db");
        let store = Sqlite::open(&path).unwrap();
        let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
        let host = Host::builder(store, vault)
            .connector(linchpin_okta::connector())
            .base_url("okta", world.okta.uri())
            .public_url("https://hooks.example")
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        let new = crate::new_connection("okta", values);
        host.apply(new).await.unwrap().finish().await.unwrap();
        Home { world, clock, host, folder }
    }
}
