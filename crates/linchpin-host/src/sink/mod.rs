//! Who is told of events.

mod forward;
mod lines;
mod stream;

use std::{fmt, future::Future};

use linchpin::{Result, flow::BoxFuture};

pub(crate) use self::stream::Sent;
pub use self::{forward::Forward, lines::Lines, stream::EventStream};
use crate::event::Event;

/// Takes events.
///
/// Each is handed on at least once, and after a crash or a failure once more under the same [id](Event::id): who has to act on it once
/// remembers the ids, or acts in a way that may be repeated.
pub trait Sink: Send + Sync + 'static {
    /// Takes an event; when this returns without an error the event is the sink's.
    ///
    /// # Errors
    ///
    /// The sink's own; the event comes again later. One that blames the author or the caller makes it a dead letter at once.
    fn take<'a>(&'a self, event: &'a Event) -> BoxFuture<'a, Result<()>>;

    /// Waits until the sink takes events at all; until then they wait in the inbox. By default at once.
    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A sink that is a function.
pub struct Handler<F>(F);

/// A sink that is a function.
///
/// ```
/// use linchpin_host::{Sink, handler};
///
/// let sink = handler(|event| {
///     println!("{}: {}", event.kind, event.data);
///     async { Ok(()) }
/// });
/// # fn is_sink(_: impl Sink) {}
/// # is_sink(sink);
/// ```
pub fn handler<F, Told>(take: F) -> Handler<F>
where
    F: Fn(&Event) -> Told + Send + Sync + 'static,
    Told: Future<Output = Result<()>> + Send + 'static,
{
    Handler(take)
}

impl<F, Told> Sink for Handler<F>
where
    F: Fn(&Event) -> Told + Send + Sync + 'static,
    Told: Future<Output = Result<()>> + Send + 'static,
{
    fn take<'a>(&'a self, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        Box::pin((self.0)(event))
    }
}

impl<F> fmt::Debug for Handler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}
