//! What whoever watches is told: spans and measurements, by `tracing`. Nobody watching costs next to nothing.
//!
//! Names and fields are stable. Those of HTTP are OpenTelemetry's (semantic conventions for HTTP, client). Measurements are events with the target
//! [`METRICS`], whose fields are named as `tracing-opentelemetry` reads them: `monotonic_counter.` and `histogram.`.

use std::time::{Duration, Instant};

use linchpin::{Code, Error, context::Step, flow::FlowDescriptor};
use tracing::{Level, Span, field::Empty};

use crate::{connection::Connection, trace::Record};

/// The target of spans.
pub const SPANS: &str = "linchpin";

/// The target of measurements.
pub const METRICS: &str = "linchpin::metrics";

/// The span of a call: from the check of its input to its result, or to the last record of a stream.
pub(crate) fn flow(connector: &str, flow: &FlowDescriptor) -> Span {
    tracing::info_span!(target: SPANS, "linchpin.flow", connector, flow = flow.name, kind = ?flow.kind.kind(), "error.type" = Empty)
}

/// The span of a request as it goes over the wire; `resend` is how often it was sent before.
pub(crate) fn request(record: &Record, resend: u32) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "linchpin.request",
        "http.request.method" = record.method.as_str(),
        "server.address" = Empty,
        "http.request.resend_count" = Empty,
        "http.response.status_code" = Empty,
        "error.type" = Empty
    );
    if !span.is_disabled() {
        span.record("server.address", host(&record.url));
        if resend > 0 {
            span.record("http.request.resend_count", resend);
        }
    }
    span
}

/// The host in a URL. Its path may hold secrets of services that take tokens there, so that it stays with the trace, which scrubs.
fn host(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    behind.split(['/', '?', '#']).next().unwrap_or_default()
}

/// A request has ended.
pub(crate) fn requested(span: &Span, record: &Record) {
    let error = record.error.map(Code::as_str);
    if !span.is_disabled() {
        if let Some(status) = record.status {
            span.record("http.response.status_code", status);
        }
        if let Some(error) = error {
            span.record("error.type", error);
        }
    }
    tracing::event!(target: METRICS, Level::INFO,
        "histogram.http.client.request.duration" = record.time.as_secs_f64(),
        "histogram.http.client.request.body.size" = record.sent,
        "histogram.http.client.response.body.size" = record.received,
        "http.request.method" = record.method.as_str(),
        "server.address" = host(&record.url),
        "http.response.status_code" = record.status,
        "error.type" = error,
    );
}

/// A request is sent again.
pub(crate) fn retried(connector: &str, code: Option<Code>, wait: Duration) {
    let error = code.map(Code::as_str);
    tracing::event!(target: METRICS, Level::INFO, "monotonic_counter.linchpin.retries" = 1_u64, connector, "error.type" = error);
    tracing::debug!(target: SPANS, connector, "error.type" = error, wait = wait.as_secs_f64(), "sending again");
}

/// A request waited for its turn.
pub(crate) fn held_back(connector: &str, wait: Duration) {
    tracing::event!(target: METRICS, Level::INFO, "histogram.linchpin.rate_limit.wait" = wait.as_secs_f64(), connector);
}

/// Tokens were exchanged, or the attempt failed.
pub(crate) fn refreshed(connector: &str, error: Option<&Error>) {
    let error = error.map(|error| error.code().as_str());
    tracing::event!(target: METRICS, Level::INFO, "monotonic_counter.linchpin.refreshes" = 1_u64, connector, "error.type" = error);
    match error {
        None => tracing::debug!(target: SPANS, connector, "tokens were exchanged"),
        Some(code) => {
            tracing::warn!(target: SPANS, connector, "error.type" = code, "tokens could not be exchanged")
        }
    }
}

/// Counts a call when it ends; one that is dropped was given up.
#[derive(Debug)]
pub(crate) struct Running {
    span: Span,
    connection: Connection,
    flow: &'static FlowDescriptor,
    since: Instant,
    ended: bool,
}

impl Running {
    pub(crate) fn begin(span: Span, connection: &Connection, flow: &'static FlowDescriptor) -> Running {
        Running { span, connection: connection.clone(), flow, since: Instant::now(), ended: false }
    }

    pub(crate) fn end(mut self, code: Option<Code>) {
        self.tell(code);
    }

    fn tell(&mut self, code: Option<Code>) {
        self.ended = true;
        let error = code.map(Code::as_str);
        if let Some(error) = error {
            self.span.record("error.type", error);
        }
        tracing::event!(target: METRICS, Level::INFO,
            "monotonic_counter.linchpin.calls" = 1_u64,
            "histogram.linchpin.call.duration" = self.since.elapsed().as_secs_f64(),
            connector = self.connection.connector().key(),
            flow = self.flow.name,
            "error.type" = error,
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(Some(Code::Cancelled));
        }
    }
}

/// The span of a helper that a flow calls; none when nobody watches.
pub(crate) fn step(flow: &FlowDescriptor) -> Option<Box<dyn Step>> {
    let span = tracing::info_span!(target: SPANS, "linchpin.step", flow = flow.name);
    (!span.is_disabled()).then(|| Box::new(InSpan(span)) as Box<dyn Step>)
}

struct InSpan(Span);

impl Step for InSpan {
    fn within(&self, poll: &mut dyn FnMut()) {
        self.0.in_scope(poll);
    }
}
