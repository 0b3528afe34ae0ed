//! Rate limits and locks that processes share through a store.

use std::path::Path;

use linchpin::{
    Code, Connector, Secret, connector::SpecFile, extract::ConnectionValues, prelude::*, serde_json::json,
};
use linchpin_host::{
    DEFAULT_TENANT, Host,
    store::Sqlite,
    vault::{KeySource, Vault},
};
use linchpin_runtime::Invocation;
use linchpin_testing::{
    answer,
    wiremock::{Mock, MockServer, matchers},
};

const SPEC: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
        schema = 1
        key = "tracker"
        name = "Tracker"
        version = "0.1.0"
        http = { base_url = "https://tracker.example", rate_limit = { budget = "7/7h" } }
        auth.token = { kind = "bearer", fields.token = { label = "Token", secret = true } }
    "#,
};

#[authping]
async fn check(cx: Context) -> Result<Identity> {
    let id: String = cx.get(path!("/me")).send().await?.json()?;
    Ok(Identity::new(id.clone(), id))
}

#[action(read)]
async fn get_me(cx: Context) -> Result<String> {
    cx.get(path!("/me")).send().await?.json()
}

/// What one process has.
async fn host(folder: &Path, service: &str) -> Host {
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let vault = Vault::unlock(&store, KeySource::beside(&path)).await.unwrap();
    let connector = Connector::builder(SPEC).flow::<check>().flow::<get_me>().build().unwrap();
    Host::builder(store, vault).connector(connector).base_url("tracker", service).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_together_send_no_more_than_the_service_allows() {
    let server = MockServer::start().await;
    Mock::given(matchers::path("/me")).respond_with(answer::json(200, json!("me"))).mount(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let hosts = [host(folder.path(), &server.uri()).await, host(folder.path(), &server.uri()).await];
    let fields = [("token".to_owned(), Secret::new("t0k3n"))].into();
    let values = ConnectionValues { method: "token".to_owned(), fields };
    let application = hosts[0].apply(crate::new_connection("tracker", values));
    application.await.unwrap().finish().await.unwrap();
    let pinged = server.received_requests().await.unwrap().len();

    let calls = (0..20).map(|turn| {
        let host = hosts[turn % 2].clone();
        tokio::spawn(async move {
            let connection = host.connection(DEFAULT_TENANT, "work").await?;
            host.runtime().run(Invocation::named(&connection, "get_me")?).await?;
            Ok::<_, linchpin::Error>(())
        })
    });
    let mut refused = 0;
    for call in calls.collect::<Vec<_>>() {
        if let Err(error) = call.await.unwrap() {
            assert_eq!(error.code(), Code::RateLimited, "{error}");
            refused += 1;
        }
    }
    assert_eq!((server.received_requests().await.unwrap().len() - pinged, refused), (7, 13));
}
