//! Bodies that are streams: files on their way up and down, a piece at a time.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG};
use http_body::{Body as _, Frame, SizeHint};
use linchpin::{
    Code, Error, FileRef, Response, Result,
    file::{ByteSource, ByteStream, FileSource, disposition_name},
    flow::BoxFuture,
    request::{Request, Upload},
};
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, Sleep};

use crate::session::{Flight, Session, origin, seconds, unreachable};

/// What a request has sent of its body so far.
#[derive(Debug)]
pub(crate) struct Progress {
    sent: AtomicU64,
    moved: Mutex<Instant>,
    /// What the file itself gave in place of its bytes.
    failed: Mutex<Option<Error>>,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress { sent: AtomicU64::new(0), moved: Mutex::new(Instant::now()), failed: Mutex::new(None) }
    }

    /// How many bytes were given to the connection.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// When the connection last wanted more.
    pub(crate) fn moved(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error of the file, which says more than that the request broke off.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn add(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn fail(&self, error: Error) -> Broken {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Broken
    }
}

/// The file broke off; [`Progress::take_failure`] knows why.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file that is sent broke off")
    }
}

impl std::error::Error for Broken {}

/// Opens what is uploaded as the body of one request.
pub(crate) async fn body(upload: &Upload, progress: &Arc<Progress>) -> Result<reqwest::Body> {
    let stream = upload.file.open().await?;
    let Upload { before, file, after } = upload.clone();
    let left = file.size();
    let going = Going {
        before,
        stream: Mutex::new(stream),
        left,
        after,
        ended: false,
        file,
        progress: progress.clone(),
    };
    Ok(reqwest::Body::wrap(going))
}

/// A body on its way up.
struct Going {
    before: Bytes,
    /// Locked by nobody: only whoever has all of it polls. A stream goes between threads, and a body must be seen from several.
    stream: Mutex<ByteStream>,
    /// How much of the file is still to come, where its size is known.
    left: Option<u64>,
    after: Bytes,
    ended: bool,
    file: FileRef,
    progress: Arc<Progress>,
}

impl Going {
    fn give(&self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.progress.add(bytes.len());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.ended = true;
        Poll::Ready(Some(Err(self.progress.fail(error))))
    }

    /// The error for a file that is not as long as was said, and as the service was told.
    fn not_as_long(&self, what: &str) -> Error {
        let size = self.file.size().unwrap_or_default();
        let message =
            format!("`{}` has {what} than the {size} bytes that it was said to have", self.file.file_name());
        Error::coded(Code::Unreachable, message).actor(linchpin::Actor::Nobody)
    }
}

impl http_body::Body for Going {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        if !this.before.is_empty() {
            let before = std::mem::take(&mut this.before);
            return this.give(before);
        }
        if !this.ended {
            let stream = this.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
            match ready!(stream.poll_next(cx)) {
                Some(Ok(bytes)) => {
                    if let Some(left) = this.left {
                        let Some(left) = left.checked_sub(bytes.len() as u64) else {
                            let error = this.not_as_long("more");
                            return this.fail(error);
                        };
                        this.left = Some(left);
                    }
                    return this.give(bytes);
                }
                Some(Err(error)) => return this.fail(error),
                None if this.left.is_some_and(|left| left > 0) => {
                    let error = this.not_as_long("less");
                    return this.fail(error);
                }
                None => this.ended = true,
            }
        }
        match std::mem::take(&mut this.after) {
            after if after.is_empty() => Poll::Ready(None),
            after => this.give(after),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_empty() && self.ended && self.after.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left + (self.before.len() + self.after.len()) as u64),
            None => SizeHint::default(),
        }
    }
}

/// The body of an answer that has not been read, with the entry that the trace will get.
pub(crate) struct Open {
    pub(crate) body: reqwest::Body,
    pub(crate) flight: Flight,
}

/// A file that is the body of an answer: the one that came, and for whoever opens it again another to the same request.
pub(crate) struct Download {
    session: Arc<Session>,
    request: Request,
    first: Mutex<Option<Coming>>,
    etag: Option<String>,
}

/// An answer as a file.
pub(crate) fn file(session: &Arc<Session>, request: Request, response: &Response, open: Open) -> FileRef {
    let size = open.body.size_hint().exact();
    let name = response.header(CONTENT_DISPOSITION.as_str()).and_then(disposition_name);
    let name = name.unwrap_or_else(|| last_segment(&response.url));
    let media_type = response.header(CONTENT_TYPE.as_str()).map(str::to_owned);
    let etag = response.header(ETAG.as_str()).map(str::to_owned);
    let first = Mutex::new(Some(Coming::new(session, &response.url, open)));
    let mut file = FileRef::new(name, Download { session: session.clone(), request, first, etag });
    if let Some(media_type) = media_type {
        file = file.typed(media_type);
    }
    if let Some(size) = size {
        file = file.sized(size);
    }
    file
}

fn last_segment(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}

impl FileSource for Download {
    fn open(&self) -> BoxFuture<'_, Result<ByteStream>> {
        Box::pin(async {
            if let Some(first) = self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Ok(ByteStream::new(first));
            }
            let scrub = |error| self.session.trace.0.scrub(error);
            if !self.reopens() {
                let message = format!(
                    "the answer to a {} request was read already, and the request is not made a second time for it",
                    self.request.method
                );
                return Err(scrub(Error::coded(Code::RequestInvalid, message)));
            }
            let (response, open) = self.session.request(&self.request, true).await.map_err(scrub)?;
            let etag = response.header(ETAG.as_str());
            if let (Some(before), Some(now)) = (&self.etag, etag)
                && before != now
            {
                let message = "the file at the service is no longer the one that was opened first";
                return Err(Error::coded(Code::ResponseMalformed, message).hint("run the flow again"));
            }
            match open {
                Some(open) => Ok(ByteStream::new(Coming::new(&self.session, &response.url, open))),
                None => FileRef::from_bytes("", response.body).open().await,
            }
        })
    }

    fn reopens(&self) -> bool {
        self.request.method.is_safe()
    }
}

/// A body on its way down.
struct Coming {
    session: Arc<Session>,
    url: Arc<str>,
    body: reqwest::Body,
    flight: Flight,
    count: u64,
    /// Rings when nothing has come for too long; set anew with each wait.
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    cancelled: Option<BoxFuture<'static, ()>>,
}

impl Coming {
    fn new(session: &Arc<Session>, url: &Arc<str>, open: Open) -> Coming {
        let Open { body, flight } = open;
        let cancelled = session
            .policy()
            .cancel
            .clone()
            .map(|cancel| Box::pin(async move { cancel.cancelled().await }) as BoxFuture<'static, ()>);
        let (session, url) = (session.clone(), url.clone());
        Coming { session, url, body, flight, count: 0, alarm: None, waiting: false, cancelled }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Bytes>>> {
        self.flight.fail(error.code());
        Poll::Ready(Some(Err(self.session.trace.0.scrub(error))))
    }

    /// Whether the wait is over, by the clock of the call or of this piece.
    fn late(&mut self, cx: &mut Context<'_>) -> Option<Error> {
        let timeout: Duration = self.session.connection.spec().http.timeout;
        let deadline = self.session.policy().deadline.map(|(at, _)| at);
        let now = Instant::now();
        if deadline.is_some_and(|at| at <= now) {
            return Some(self.session.late(true, &self.url));
        }
        let at = deadline.map_or(now + timeout, |deadline| deadline.min(now + timeout));
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if !std::mem::replace(&mut self.waiting, true) {
            alarm.as_mut().reset(at);
        }
        match alarm.as_mut().poll(cx) {
            Poll::Ready(()) if deadline.is_some_and(|at| at <= Instant::now()) => {
                Some(self.session.late(true, &self.url))
            }
            Poll::Ready(()) => {
                let (place, timeout) = (origin(&self.url), seconds(timeout));
                let message = format!(
                    "no more of the file came from `{place}` within {timeout}, the limit of `http.timeout`"
                );
                Some(Error::coded(Code::DeadlineExceeded, message))
            }
            Poll::Pending => None,
        }
    }
}

impl ByteSource for Coming {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if let Some(cancelled) = &mut self.cancelled
            && cancelled.as_mut().poll(cx).is_ready()
        {
            self.cancelled = None;
            return self.fail(Error::coded(Code::Cancelled, "the call was cancelled"));
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    return match self.late(cx) {
                        Some(error) => self.fail(error),
                        None => Poll::Pending,
                    };
                }
                Poll::Ready(None) => {
                    self.flight.land();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    let error = unreachable(&self.url, &error);
                    return self.fail(error);
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.waiting = false;
                    // Trailers say nothing of the file.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.count += bytes.len() as u64;
                    self.flight.received(self.count);
                    let limit = self.session.connection.spec().http.limits.file;
                    if self.count > limit {
                        let place = self.url.split(['?', '#']).next().unwrap_or_default();
                        let message = format!(
                            "the file at `{place}` is larger than {limit} bytes, the limit of `http.limits.file`"
                        );
                        return self.fail(Error::coded(Code::ResponseTooLarge, message));
                    }
                    if self.session.policy().deadline.is_some_and(|(at, _)| at <= Instant::now()) {
                        let error = self.session.late(true, &self.url);
                        return self.fail(error);
                    }
                    return Poll::Ready(Some(Ok(bytes)));
                }
            }
        }
    }
}
