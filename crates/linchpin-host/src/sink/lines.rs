//! Events as JSON Lines.

use std::{fmt, io::Write, sync::Mutex};

use linchpin::{Actor, Code, Error, Result, flow::BoxFuture};

use super::Sink;
use crate::event::Event;

/// Writes each event on a line of its own (<https://jsonlines.org>), and flushes it.
pub struct Lines<W>(Mutex<W>);

impl<W: Write + Send + 'static> Lines<W> {
    /// To a writer. It blocks the thread while it is slow.
    pub fn new(writer: W) -> Lines<W> {
        Lines(Mutex::new(writer))
    }

    fn write(&self, line: &str) -> Result<()> {
        // Whoever panicked has written a whole line or none.
        let mut writer = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writer.write_all(line.as_bytes()).and_then(|()| writer.flush()).map_err(|error| {
            Error::coded(Code::SinkFailed, format!("the line cannot be written: {error}"))
                .actor(Actor::Operator)
        })
    }
}

impl<W: Write + Send + 'static> Sink for Lines<W> {
    fn take<'a>(&'a self, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        let written = event.to_json().and_then(|line| self.write(&(line + "\n")));
        Box::pin(std::future::ready(written))
    }
}

impl<W> fmt::Debug for Lines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}
