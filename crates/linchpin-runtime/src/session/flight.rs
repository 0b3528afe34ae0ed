//! A request on its way, as the trace will have it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method};
use linchpin::{
    Code,
    request::{Body, Request},
};
use tracing::Span;

use crate::{
    har::Exchange,
    limit::Permit,
    observe,
    trace::{Record, Trace},
    transfer::Progress,
};

/// A request on its way; whatever becomes of it, the trace will have it.
pub(crate) struct Flight {
    pub(super) log: Trace,
    pub(super) record: Option<Record>,
    pub(super) since: Instant,
    /// Whether nothing of it can have reached the service.
    pub(super) unsent: bool,
    /// How a body that is a stream goes up.
    pub(super) progress: Option<Arc<Progress>>,
    /// Its span, for whoever watches.
    pub(super) span: Span,
    /// What was said, where the call is recorded.
    pub(super) kept: Option<Box<Exchange>>,
    /// That it is under way, for whoever counts.
    pub(super) permits: Vec<Permit>,
}

impl Flight {
    pub(super) fn start(&mut self, request: &Request, url: &Arc<str>, resend: u32) {
        self.since = Instant::now();
        let record = Record {
            method: request.method.clone(),
            url: url.clone(),
            status: None,
            time: Duration::ZERO,
            sent: request.body.as_ref().and_then(Body::size).unwrap_or_default(),
            received: 0,
            error: None,
        };
        self.span = observe::request(&record, resend);
        self.record = Some(record);
    }

    /// The URL that was asked last.
    pub(super) fn url(&self) -> Arc<str> {
        self.record.as_ref().map(|record| record.url.clone()).unwrap_or_default()
    }

    /// The status of the answer, 0 before there is one.
    pub(super) fn status(&self) -> u16 {
        self.record.as_ref().and_then(|record| record.status).unwrap_or_default()
    }

    pub(super) fn has_body(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.method != Method::HEAD)
    }

    pub(super) fn answered(&mut self, status: u16, headers: &HeaderMap) {
        if let Some(record) = &mut self.record {
            record.status = Some(status);
        }
        if let Some(kept) = &mut self.kept {
            kept.answered(headers);
        }
    }

    pub(crate) fn received(&mut self, count: u64) {
        if let Some(record) = &mut self.record {
            record.received = count;
        }
    }

    pub(crate) fn fail(&mut self, code: Code) {
        if let Some(record) = &mut self.record {
            record.error = Some(code);
        }
        self.land();
    }

    pub(crate) fn land(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.time = self.since.elapsed();
            if let Some(progress) = &self.progress {
                record.sent = progress.sent();
            }
            if let Some(mut kept) = self.kept.take() {
                kept.ended(&record);
                self.log.0.keep(*kept);
            }
            observe::requested(&std::mem::replace(&mut self.span, Span::none()), &record);
            self.log.0.add(record);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Still on its way: whoever waited for it has gone.
        self.fail(Code::Cancelled);
    }
}
