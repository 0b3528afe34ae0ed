//! The time of day, which tests set.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use linchpin::{DateTime, flow::BoxFuture};

/// Tells the time of day: when tokens expire, and when an exchange may be tried again.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> DateTime;

    /// Waits between two attempts of one request. A clock for tests moves itself on in place of waiting.
    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime {
        SystemTime::now().into()
    }
}

/// The time so much later, or the last that there is.
pub(crate) fn after(time: DateTime, span: Duration) -> DateTime {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let last = || DateTime::from_unix_millis(jiff::Timestamp::MAX.as_second() * 1000).unwrap_or(time);
    DateTime::from_unix_millis(time.unix_millis().saturating_add(span)).unwrap_or_else(last)
}
