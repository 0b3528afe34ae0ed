//! What a call asked of the service.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use linchpin::Code;

use crate::{
    connection::Connection,
    har::{self, Exchange},
    scrub::Scrubber,
};

/// The most requests that one trace holds; of longer ones the middle is left out.
const MOST: usize = 1000;

/// The requests of one call, secrets replaced. A handle: requests of a stream appear while it is read.
#[derive(Clone)]
pub struct Trace(pub(crate) Arc<Log>);

/// One request of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The method.
    pub method: String,
    /// The URL, secrets replaced by `***`.
    pub url: String,
    /// The status of the answer; none when no answer came.
    pub status: Option<u16>,
    /// From sending to the last byte of the answer.
    pub time: Duration,
    /// Bytes of the request's body.
    pub sent: u64,
    /// Bytes of the answer's body.
    pub received: u64,
    /// What went wrong, if anything did.
    pub error: Option<Code>,
}

impl Trace {
    pub(crate) fn new(connection: Connection, secrets: Vec<String>) -> Trace {
        Trace(Arc::new(Log { connection, records: Mutex::new(Records { secrets, ..Records::default() }) }))
    }

    /// The requests so far, in the order in which they ended.
    pub fn entries(&self) -> Vec<Entry> {
        let scrubber = self.0.scrubber();
        let records = self.0.records();
        records.kept.iter().map(|record| record.shown(&scrubber)).collect()
    }

    /// How many requests were made, with those that the trace left out.
    pub fn requests(&self) -> u64 {
        let records = self.0.records();
        records.kept.len() as u64 + records.left_out
    }

    /// The requests and their answers as an HTTP archive in JSON (HAR 1.2), secrets replaced; of a call that was to be
    /// [recorded](crate::Invocation::record). The exchange of tokens is not in it.
    pub fn har(&self) -> String {
        let scrubber = self.0.scrubber();
        let records = self.0.records();
        har::archive(&records.exchanges, &scrubber)
    }

    /// How many values of the output did not fit its schema, where that was only to be counted.
    pub fn misfits(&self) -> u64 {
        self.0.records().misfits
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)?;
        match self.status {
            Some(status) => write!(f, " {status}")?,
            None => f.write_str(" no answer")?,
        }
        write!(f, " {} ms, {} B sent, {} B received", self.time.as_millis(), self.sent, self.received)?;
        match self.error {
            Some(code) => write!(f, ", {}", code.as_str()),
            None => Ok(()),
        }
    }
}

/// What stands behind a trace; as cheap as can be until somebody reads it.
pub(crate) struct Log {
    connection: Connection,
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    kept: Vec<Record>,
    left_out: u64,
    misfits: u64,
    exchanges: Vec<Exchange>,
    /// Secrets of this call beside those of the connection.
    secrets: Vec<String>,
}

/// One request, not yet scrubbed.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) method: Method,
    pub(crate) url: Arc<str>,
    pub(crate) status: Option<u16>,
    pub(crate) time: Duration,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) error: Option<Code>,
}

impl Log {
    fn records(&self) -> MutexGuard<'_, Records> {
        // Nothing panics while it is held; if something did, the trace would still be whole.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, record: Record) {
        let mut records = self.records();
        if records.kept.len() == MOST {
            records.kept.remove(MOST / 2);
            records.left_out += 1;
        }
        records.kept.push(record);
    }

    pub(crate) fn keep(&self, exchange: Exchange) {
        har::keep(&mut self.records().exchanges, exchange);
    }

    pub(crate) fn count_misfits(&self, misfits: usize) {
        self.records().misfits += misfits as u64;
    }

    /// Adds values that must not be shown.
    pub(crate) fn hide(&self, secrets: impl IntoIterator<Item = String>) {
        self.records().secrets.extend(secrets);
    }

    pub(crate) fn scrubber(&self) -> Arc<Scrubber> {
        let common = self.connection.0.scrubber();
        let records = self.records();
        if records.secrets.is_empty() {
            common
        } else {
            Arc::new(common.with(records.secrets.iter().map(String::as_str)))
        }
    }

    /// An error without any secret.
    pub(crate) fn scrub(&self, error: linchpin::Error) -> linchpin::Error {
        let scrubber = self.scrubber();
        error.scrubbed(&|text| scrubber.scrub(text).into_owned())
    }
}

impl Record {
    fn shown(&self, scrubber: &Scrubber) -> Entry {
        Entry {
            method: self.method.to_string(),
            url: scrubber.scrub(&self.url).into_owned(),
            status: self.status,
            time: self.time,
            sent: self.sent,
            received: self.received,
            error: self.error,
        }
    }
}
