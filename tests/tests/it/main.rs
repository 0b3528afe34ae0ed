//! Flows against mock servers. One binary, since linking takes longer than running.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod auth;
mod command;
mod description;
mod drive;
mod edge;
mod egress;
mod github;
mod host;
mod hostile;
mod long;
mod oauth;
mod okta;
mod outsider;
mod serving;
mod slack;
mod stripe;

/// How often a flow's request is sent, where what went wrong may pass, and where not.
fn sent(connector: &linchpin::Connector, flow: &str, may_pass: bool) -> usize {
    let flow = connector.flow(flow).unwrap();
    let registers = matches!(flow.kind, linchpin::flow::KindInfo::WebhookRegister { .. });
    // Registrations carry keys where the service knows any.
    let keyed = registers && connector.spec().unwrap().http.idempotency_header.is_some();
    if may_pass && (flow.repeatable() || keyed) { 4 } else { 1 }
}

/// A connection whose requests are sent again at once where they fail; mocks tell times by the machine's clock.
fn connect(
    connector: &linchpin::Connector,
    values: linchpin::extract::ConnectionValues,
    uri: &str,
) -> linchpin_runtime::Connection {
    let clock = std::sync::Arc::new(linchpin_testing::TestClock::at(std::time::SystemTime::now().into()));
    linchpin_runtime::Connection::builder(connector, values).base_url(uri).clock(clock).build().unwrap()
}

/// The connection `work`, before it is made.
fn new_connection(
    connector: &str,
    values: linchpin::extract::ConnectionValues,
) -> linchpin_host::NewConnection {
    linchpin_host::NewConnection {
        tenant: linchpin_host::DEFAULT_TENANT.to_owned(),
        name: "work".to_owned(),
        connector: connector.to_owned(),
        owner: None,
        values,
    }
}
