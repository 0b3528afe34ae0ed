//! Measurements of deliveries and of the inbox, by `tracing`: events of the target
//! [`METRICS`](linchpin_runtime::observe::METRICS), like those of calls.

use linchpin_runtime::observe::METRICS;
use tracing::Level;

/// A delivery was answered.
pub(crate) fn delivery(connector: &str, hook: &str, outcome: &'static str) {
    tracing::event!(target: METRICS, Level::INFO, "monotonic_counter.linchpin.deliveries" = 1_u64, connector, hook, outcome);
}

/// An entry of the inbox was attempted.
pub(crate) fn attempt(outcome: &'static str) {
    tracing::event!(target: METRICS, Level::INFO, "monotonic_counter.linchpin.inbox.attempts" = 1_u64, outcome);
}

/// So many entries wait to be handed on.
pub(crate) fn waiting(entries: u64) {
    tracing::event!(target: METRICS, Level::INFO, "gauge.linchpin.inbox.waiting" = entries);
}
