//! Records as they leave.

use std::fmt;

use linchpin::{Code, Error, Result, flow::FlowDescriptor, records::ErasedRecords, shape::Shape};

use crate::{
    check::{self, Side},
    observe::Running,
    runtime::{Watch, judge_output},
};

/// A stream of records, written as JSON Lines. Pages are fetched only as far as records are read, and one ahead from the second
/// page on: two are in memory at the most.
pub struct RecordStream {
    records: Option<Box<dyn ErasedRecords>>,
    watch: Watch,
    flow: &'static FlowDescriptor,
    /// The shape of a record, and whether a misfit is an error.
    check: Option<(Shape, bool)>,
    lines: Vec<u8>,
    read: u64,
    /// Counts the call when the stream ends.
    running: Option<Running>,
    /// Whether records are being fetched; still so when whoever waited for them has gone.
    fetching: bool,
}

/// Some records of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The records as JSON, each followed by a line break.
    pub lines: &'a [u8],
    /// How many there are; at least one.
    pub count: usize,
}

impl RecordStream {
    pub(crate) fn new(
        records: Box<dyn ErasedRecords>,
        watch: Watch,
        flow: &'static FlowDescriptor,
        check: Option<(Shape, bool)>,
    ) -> RecordStream {
        RecordStream {
            records: Some(records),
            watch,
            flow,
            check,
            lines: Vec::new(),
            read: 0,
            running: None,
            fetching: false,
        }
    }

    /// The call is counted when the stream ends.
    pub(crate) fn counts(&mut self, running: Running) {
        self.running = Some(running);
    }

    fn end(&mut self, code: Option<Code>) {
        if let Some(running) = self.running.take() {
            running.end(code);
        }
    }

    /// The next records, at most `max` and at most a page of them; `None` behind the last, and after an error.
    ///
    /// # Errors
    ///
    /// What fetching a page gives; the records before it have been given out. The deadline of the call still holds.
    /// [`Code::Cancelled`] when the last future was dropped half-way: its records are lost, and the stream is over.
    pub async fn next_batch(&mut self, max: usize) -> Result<Option<Batch<'_>>> {
        self.lines.clear();
        let Some(mut records) = self.records.take() else {
            if std::mem::take(&mut self.fetching) {
                let message =
                    format!("reading from `{}` was given up half-way, and records are lost", self.flow.name);
                return Err(Error::coded(Code::Cancelled, message).hint("run the flow again"));
            }
            return Ok(None);
        };
        if max == 0 {
            self.records = Some(records);
            return Ok(Some(Batch { lines: &[], count: 0 }));
        }
        let lines = &mut self.lines;
        self.fetching = true;
        let written = self
            .watch
            .over(async {
                loop {
                    match records.write(max, lines).await? {
                        Some(0) => {}
                        written => return Ok(written),
                    }
                }
            })
            .await;
        self.fetching = false;
        let count = match written {
            Ok(Some(count)) => count,
            Ok(None) => {
                self.end(None);
                return Ok(None);
            }
            Err(error) => {
                self.end(Some(error.code()));
                let error = match records.position() {
                    Some(position) if error.details().position.is_none() => error.position(position),
                    _ => error,
                };
                return Err(self.watch.session.trace.0.scrub(error));
            }
        };
        if let Some((shape, strict)) = self.check {
            let mut violations = Vec::new();
            for (index, line) in self.lines.split(|byte| *byte == b'\n').take(count).enumerate() {
                let line = std::str::from_utf8(line).map_err(|_| {
                    Error::coded(
                        Code::OutputInvalid,
                        format!("a record of `{}` is not UTF-8", self.flow.name),
                    )
                })?;
                for mut violation in check::json(shape, line, Side::Made, "the record") {
                    violation.pointer.insert_str(0, &format!("/{}", self.read + index as u64));
                    violations.push(violation);
                }
            }
            let trace = &self.watch.session.trace;
            judge_output(violations, strict, self.flow, trace).map_err(|error| trace.0.scrub(error))?;
        }
        self.read += count as u64;
        self.records = Some(records);
        Ok(Some(Batch { lines: &self.lines, count }))
    }
}

impl RecordStream {
    /// From where a later call can [read on](crate::Invocation::resume_from): the page with the next record, so that records of a
    /// page that has been read in part come again. `None` on the first page, at the end, and for lists without positions.
    ///
    /// No secret of the connection is in it.
    pub fn position(&self) -> Option<String> {
        let position = self.records.as_ref()?.position()?;
        Some(self.watch.session.connection.scrub(&position))
    }
}

impl Drop for RecordStream {
    fn drop(&mut self) {
        // Whoever has seen enough reads no further: that is no failure.
        if !self.fetching {
            self.end(None);
        }
    }
}

impl fmt::Debug for RecordStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordStream({}, {} read)", self.flow.name, self.read)
    }
}
