//! Bodies that are streams: files on their way up and down, a piece at a time.

use std::{
    collections::VecDeque,
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
    digest::Digest,
    file::{ByteSource, ByteStream, FileSource, disposition_name},
    flow::BoxFuture,
    request::{Part, Request},
};
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, Sleep};

use crate::{
    coding::DIGESTS,
    session::{Flight, Session, origin, seconds, unreachable},
};

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

/// Opens the pieces of a body as that of one request. A file that cannot be opened at all fails before anything is sent, if it is the
/// first.
pub(crate) async fn body(parts: &[Part], progress: &Arc<Progress>) -> Result<reqwest::Body> {
    let first = parts.iter().find_map(|part| match part {
        Part::File(file) => Some(file),
        Part::Bytes(_) => None,
    });
    let opened = match first {
        Some(file) => Some(file.open().await?),
        None => None,
    };
    let going = Going {
        left: Part::size_of(parts),
        parts: parts.to_vec().into(),
        opened,
        file: None,
        ended: false,
        progress: progress.clone(),
    };
    Ok(reqwest::Body::wrap(Shared(Mutex::new(going))))
}

/// A body on its way up, piece by piece.
struct Going {
    parts: VecDeque<Part>,
    /// The stream of the first file, until its turn comes.
    opened: Option<ByteStream>,
    /// The file that goes up now.
    file: Option<Sending>,
    /// How many bytes are still to come, where that is known.
    left: Option<u64>,
    ended: bool,
    progress: Arc<Progress>,
}

/// A file on its way up.
struct Sending {
    file: FileRef,
    stream: Stream,
    /// How much of it is still to come, where its size is known.
    left: Option<u64>,
}

enum Stream {
    Opening(BoxFuture<'static, Result<ByteStream>>),
    Open(ByteStream),
}

impl Sending {
    fn new(file: FileRef, opened: Option<ByteStream>) -> Sending {
        let left = file.size();
        let stream = match opened {
            Some(stream) => Stream::Open(stream),
            None => {
                let file = file.clone();
                Stream::Opening(Box::pin(async move { file.open().await }))
            }
        };
        Sending { file, stream, left }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let stream = loop {
            match &mut self.stream {
                Stream::Open(stream) => break stream,
                Stream::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(stream) => self.stream = Stream::Open(stream),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            }
        };
        let polled = ready!(stream.poll_next(cx));
        if let Some(left) = self.left {
            let count = polled.as_ref().map_or(0, |next| next.as_ref().map_or(0, Bytes::len) as u64);
            match left.checked_sub(count) {
                None => return Poll::Ready(Some(Err(self.not_as_long("more")))),
                Some(left) if left > 0 && polled.is_none() => {
                    return Poll::Ready(Some(Err(self.not_as_long("less"))));
                }
                left => self.left = left,
            }
        }
        Poll::Ready(polled)
    }

    /// The error for a file that is not as long as was said, and as the service was told.
    fn not_as_long(&self, what: &str) -> Error {
        let size = self.file.size().unwrap_or_default();
        let message =
            format!("`{}` has {what} than the {size} bytes that it was said to have", self.file.file_name());
        Error::coded(Code::Unreachable, message).actor(linchpin::Actor::Nobody)
    }
}

impl Going {
    /// The next piece. Nothing comes behind an error.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        while !self.ended {
            if let Some(file) = &mut self.file {
                match ready!(file.poll_next(cx)) {
                    Some(next) => return Poll::Ready(Some(next)),
                    None => self.file = None,
                }
            }
            match self.parts.pop_front() {
                Some(Part::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Part::Bytes(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Part::File(file)) => self.file = Some(Sending::new(file, self.opened.take())),
                None => self.ended = true,
            }
        }
        Poll::Ready(None)
    }
}

/// A body is seen from several threads, and a stream goes between them: locked by nobody, since only whoever has all of it polls.
struct Shared(Mutex<Going>);

impl http_body::Body for Shared {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let going = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        Poll::Ready(match ready!(going.poll_next(cx)) {
            Some(Ok(bytes)) => {
                going.progress.add(bytes.len());
                going.left = going.left.map(|left| left.saturating_sub(bytes.len() as u64));
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                going.ended = true;
                Some(Err(going.progress.fail(error)))
            }
            None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        let going = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        going.left.map_or_else(SizeHint::default, SizeHint::with_exact)
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
    match digest(response) {
        Some(digest) => file.digested(digest),
        None => file,
    }
}

/// The file's digest, where the service says it (RFC 9530 §3). Of a part of a file its digest says nothing.
fn digest(response: &Response) -> Option<Digest> {
    let whole = response.status() == 200;
    let said = DIGESTS.iter().filter_map(|name| response.header(name).filter(|_| whole));
    let members = said.flat_map(|value| value.split(',')).map(str::trim);
    let sha_256 = members.filter_map(|member| member.strip_prefix("sha-256=:")?.strip_suffix(':'));
    sha_256.filter_map(|text| text.parse().ok()).next()
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
