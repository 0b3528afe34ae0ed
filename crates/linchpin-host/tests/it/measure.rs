//! What whoever watches sees of deliveries.
//!
//! In a process of its own: `tracing` remembers for each place in the code whether anybody watches, and other tests reach the same places.

use std::{
    collections::BTreeMap,
    env, fmt,
    process::Command,
    sync::{Arc, Mutex},
};

use linchpin_runtime::observe::METRICS;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::ingress::{Server, key, signed};

/// What was measured: each field of the events, in order.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Put<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Put<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == METRICS
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Put(&mut fields));
        self.0.lock().unwrap().push(fields);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn deliveries_are_counted_by_what_became_of_them() {
    let mut alone = Command::new(env::current_exe().unwrap());
    alone.args(["--exact", "measure::deliveries_alone", "--include-ignored"]);
    let done = alone.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

#[tokio::test]
#[ignore = "a process of its own"]
async fn deliveries_alone() {
    let seen = Seen::default();
    tracing::subscriber::set_global_default(seen.clone()).unwrap();
    let server = Server::start().await;
    let good = signed("/in/token", &key(), "d1", "issue", r#"{"number":7}"#);
    let no_event = signed("/in/token", &key(), "d2", "push", "{}");
    let forged = signed("/in/token", &linchpin::Secret::new("another key"), "d3", "issue", "{}");
    for request in [&good, &good, &no_event, &forged] {
        server.send(request).await;
    }
    let seen = seen.0.lock().unwrap().clone();
    let outcomes: Vec<&str> = seen.iter().map(|fields| fields["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["accepted", "repeated", "passed_over", "refused"]);
    for fields in &seen {
        assert_eq!(fields["monotonic_counter.linchpin.deliveries"], "1");
        assert_eq!((fields["connector"].as_str(), fields["hook"].as_str()), ("tracker", "project"));
    }
}
