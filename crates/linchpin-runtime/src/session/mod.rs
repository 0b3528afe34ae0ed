//! One call at work: the pipeline that every request goes through.

mod destination;
mod exchange;
mod flight;
mod policy;

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use linchpin::{
    Code, Context, Error, FileRef, Response, Result, Secret,
    context::{Driver, Lock, Step},
    extract::ConnectionValues,
    flow::{BoxFuture, FlowDescriptor},
    manifest::spec::{ConfigSource, RateLimitScope, Spec},
    request::{Body, Request},
};
use tracing::Span;
use url::Url;

use self::destination::add_credentials;
pub(crate) use self::{
    destination::{destination, next_page, origin},
    exchange::unreachable,
    flight::Flight,
    policy::{Policy, Stop},
};
use crate::{
    body,
    connection::{Connection, Signed},
    egress::Passage,
    idempotency::Keys,
    limit::{self, Limiter, Permit, Refusal},
    observe,
    outcome::{self, Verdict},
    page,
    retry::{self, Decision, Failure},
    runtime::Runtime,
    template,
    trace::{Log, Trace},
    transfer::{self, Open, Progress},
};

/// A request that a dry run stopped at, secrets replaced by `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Planned {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers in the order of sending, those of the credentials with their values hidden.
    pub headers: Vec<(String, String)>,
    /// The body as text; bytes that are no UTF-8 are replaced.
    pub body: Option<String>,
}

/// What all requests of a call share.
pub(crate) struct Session {
    runtime: Runtime,
    pub(crate) connection: Connection,
    pub(crate) trace: Trace,
    policy: Policy,
    keys: Keys,
    planned: Mutex<Option<Planned>>,
}

/// The header of an idempotency key.
type Key = (http::HeaderName, HeaderValue);

/// A request and what it carries.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    request: &'a Request,
    /// Whether it changes nothing.
    safe: bool,
    key: Option<&'a Key>,
    signed: Option<&'a Signed>,
    /// How often it was sent before.
    resend: u32,
    /// Whether the body of a good answer stays unread.
    streams: bool,
}

/// What came of an attempt.
enum Tried {
    /// The flow gets this.
    Answered(Response, Option<Box<Open>>),
    /// The flow gets this, unless fresh tokens help.
    Refused(Result<Response>),
    /// The flow gets this, unless it helps to send the request again.
    Passing {
        answer: Result<Response>,
        /// Whether nothing of the request can have reached the service.
        unsent: bool,
        /// How long the service wants to be left alone.
        asked: Option<Duration>,
    },
}

impl Session {
    pub(crate) fn new(
        runtime: Runtime,
        connection: Connection,
        policy: Policy,
        secrets: Vec<String>,
    ) -> Arc<Session> {
        Arc::new(Session {
            runtime,
            trace: Trace::new(connection.clone(), secrets),
            connection,
            policy,
            keys: Keys::default(),
            planned: Mutex::new(None),
        })
    }

    pub(crate) fn context(self: &Arc<Session>) -> Context {
        Context::new(self.clone())
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The request at which a dry run stopped.
    pub(crate) fn take_planned(&self) -> Option<Planned> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn log(&self) -> &Log {
        &self.trace.0
    }

    /// The whole way of a request: where to, what with, there and back, and what the answer means. Where it `streams`, the body
    /// of a good answer is left to be read.
    pub(crate) async fn request(&self, request: &Request, streams: bool) -> Result<(Response, Option<Open>)> {
        let ready = &*self.connection.0;
        let prepared = ready.connector.hooks().before.map(|before| {
            let mut request = request.clone();
            before(&mut request).map(|()| request)
        });
        let prepared = prepared.transpose()?;
        let request = prepared.as_ref().unwrap_or(request);
        let (url, passage) = destination(ready, request, self.runtime.clients().internal())?;
        let safe = matches!(request.method, Method::GET | Method::HEAD);
        let key = self.key(request, safe)?;
        let authenticated = passage.trusted && request.authenticated;
        if self.policy.stop.is_before(safe) {
            let signed = self.connection.signed_now().filter(|_| authenticated);
            let headers = self.headers(request, signed.as_deref(), key.as_ref());
            let body = body::carried(request, signed.as_deref())?;
            return Err(self.plan(request, &url, &headers, body));
        }
        let counted = passage.trusted;
        // Before the credentials are taken, which may grow old meanwhile.
        let mut turn = Some(self.admit(counted).await?);
        let mut signed = match authenticated {
            true => Some(self.connection.signed(&self.runtime).await?),
            false => None,
        };
        let repeats = request.body.as_ref().is_none_or(Body::repeats);
        let (mut refreshed, mut attempts) = (false, 1);
        loop {
            let attempt = Attempt {
                request,
                safe,
                key: key.as_ref(),
                signed: signed.as_deref(),
                resend: attempts - 1,
                streams,
            };
            let permits = match turn.take() {
                Some(permits) => permits,
                None => self.admit(counted).await?,
            };
            match self.attempt(attempt, url.clone(), passage, permits).await? {
                Tried::Answered(answer, open) => {
                    ready.budget.succeeded(attempts);
                    return Ok((answer, open.map(|open| *open)));
                }
                Tried::Refused(answer) | Tried::Passing { answer, .. } if !repeats => {
                    let hint =
                        "the file that was sent cannot be opened again, so that the request was not repeated";
                    return answer.map(|answer| (answer, None)).map_err(|error| error.hint(hint));
                }
                Tried::Refused(answer) => {
                    let anew = match &signed {
                        Some(carried) if !refreshed => {
                            self.connection.signed_anew(&self.runtime, carried).await
                        }
                        _ => None,
                    };
                    refreshed = true;
                    match anew {
                        Some(anew) => signed = Some(anew?),
                        None => return answer.map(|answer| (answer, None)),
                    }
                }
                Tried::Passing { answer, unsent, asked } => {
                    let keyed = key.is_some() || self.sends_own_key(request);
                    let failure = Failure {
                        attempts,
                        repeatable: safe || keyed || self.policy.repeatable,
                        unsent,
                        asked,
                        left: self.left(),
                    };
                    match retry::decide(&ready.spec.http.retry, &ready.budget, failure, chance()) {
                        Decision::Wait(time) => {
                            let code = answer.as_ref().err().map(Error::code);
                            observe::retried(ready.connector.key(), code, time);
                            ready.clock.pause(time).await;
                        }
                        Decision::Stop(stop) => {
                            let answer = answer.map(|answer| (answer, None));
                            return answer.map_err(|error| match stop.hint() {
                                Some(hint) => error.hint(hint),
                                None => error,
                            });
                        }
                    }
                    attempts += 1;
                }
            }
        }
    }

    /// Who holds the connection's requests back, where the spec says what the service allows.
    fn limiters(&self) -> &[Arc<Limiter>] {
        let ready = &*self.connection.0;
        if ready.spec.http.rate_limits.is_empty() {
            return &[];
        }
        ready.limiters.get_or_init(|| {
            let own = Limiter::new(&ready.spec.http, RateLimitScope::Connection, ready.shared("limit"));
            let common = self.runtime.limiter(ready);
            own.map(Arc::new).into_iter().chain(common).collect()
        })
    }

    /// Waits for a request's turn, where it is one that counts.
    async fn admit(&self, counted: bool) -> Result<Vec<Permit>> {
        let mut permits = Vec::new();
        if !counted || self.limiters().is_empty() {
            return Ok(permits);
        }
        let ready = &*self.connection.0;
        let arrived = ready.clock.now();
        for limiter in self.limiters() {
            let longest = ready.spec.http.retry.longest;
            let left = self.left();
            let turner = (std::ptr::from_ref(ready).addr(), self.policy.flow);
            let patience = left.map_or(longest, |left| left.min(longest));
            match limiter.admit(turner, &*ready.clock, patience, &ready.leaving).await {
                Ok(permit) => permits.extend(permit),
                Err(Refusal::TooLate(wait)) => return Err(limit::too_late(wait, left)),
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        let waited = arrived.until(ready.clock.now());
        if waited > Duration::ZERO {
            observe::held_back(ready.connector.key(), waited);
        }
        Ok(permits)
    }

    /// Whether the flow puts an idempotency key of its own into a write.
    fn sends_own_key(&self, request: &Request) -> bool {
        let name = self.connection.0.spec.http.idempotency_header.as_ref();
        self.policy.keyed && name.is_some_and(|name| request.headers.contains_key(name.as_str()))
    }

    /// How much time the call has left.
    fn left(&self) -> Option<Duration> {
        self.policy.deadline.map(|(at, _)| at.saturating_duration_since(tokio::time::Instant::now()))
    }

    /// One request with one set of credentials.
    async fn attempt(
        &self,
        attempt: Attempt<'_>,
        mut url: Url,
        passage: Passage,
        permits: Vec<Permit>,
    ) -> Result<Tried> {
        let ready = &*self.connection.0;
        let request = attempt.request;
        let mut headers = self.headers(request, attempt.signed, attempt.key);
        if let Some(signed) = attempt.signed {
            add_credentials(&mut url, &signed.query);
        }
        let conditional = (ready.spec.http.conditional && !attempt.streams).then(|| url.clone());
        let before = conditional.as_ref().and_then(|url| ready.known.ask(request, url, &mut headers));
        if self.policy.deadline.is_some_and(|(at, _)| at <= tokio::time::Instant::now()) {
            // A timeout looks at its time only after its future, which would already have sent.
            return Err(self.late(true, url.as_str()));
        }
        let progress = matches!(request.body, Some(Body::Parts(_))).then(|| Arc::new(Progress::new()));
        let mut flight = Flight {
            log: self.trace.clone(),
            record: None,
            since: Instant::now(),
            unsent: true,
            progress: progress.clone(),
            span: Span::none(),
            kept: None,
            permits,
        };
        let exchange = self.exchange(attempt, url, passage, headers, &mut flight);
        let outcome = match self.in_time(progress.as_deref(), exchange).await {
            Ok(outcome) => outcome,
            Err(by_deadline) => Err(self.late(by_deadline, &flight.url())),
        };
        let outcome =
            outcome.map_err(|error| progress.and_then(|progress| progress.take_failure()).unwrap_or(error));
        let (answer, body) = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                flight.fail(error.code());
                // After a request that took all its time there must be time for another.
                let passing = match error.code() {
                    Code::Unreachable => true,
                    Code::DeadlineExceeded => self.left().is_none_or(|left| left > ready.spec.http.timeout),
                    _ => false,
                };
                return match passing {
                    true => Ok(Tried::Passing { answer: Err(error), unsent: flight.unsent, asked: None }),
                    false => Err(error),
                };
            }
        };
        if let Some(body) = body {
            // Whoever reads may ask for more before he is done, and must not wait for himself.
            flight.permits.clear();
            return Ok(Tried::Answered(answer, Some(Box::new(Open { body, flight }))));
        }
        let mut answer = match &conditional {
            Some(url) => ready.known.complete(request, url, before.as_deref(), answer),
            None => answer,
        };
        if let Some(after) = ready.connector.hooks().after
            && let Err(error) = after(request, &mut answer)
        {
            flight.fail(error.code());
            return Err(error);
        }
        let given = |error, answer| if request.any_status { Ok(answer) } else { Err(error) };
        match outcome::judge(&ready.spec.http, &ready.patterns, &request.method, &answer, &*ready.clock) {
            Verdict::Refused(error) => {
                flight.fail(error.code());
                Ok(Tried::Refused(given(error, answer)))
            }
            Verdict::Passing(error) => {
                flight.fail(error.code());
                let asked = error.details().retry_after;
                if error.code() == Code::RateLimited
                    && passage.trusted
                    && let (Some(limiter), Some(wait)) = (self.limiters().first(), asked)
                {
                    limiter.hold(ready.clock.now(), wait).await;
                }
                Ok(Tried::Passing { answer: given(error, answer), unsent: false, asked })
            }
            Verdict::Good => {
                flight.land();
                Ok(Tried::Answered(answer, None))
            }
            _ if request.any_status => {
                flight.land();
                Ok(Tried::Answered(answer, None))
            }
            Verdict::Empty => {
                flight.land();
                let nothing = Bytes::from_static(b"null");
                let answer = Response::new(answer.status, answer.headers, nothing, answer.url);
                Ok(Tried::Answered(answer, None))
            }
            Verdict::Bad(error) => {
                flight.fail(error.code());
                Err(error)
            }
        }
    }

    /// Waits for an answer until the call is over, or `http.timeout` has passed; of a body that is a stream it counts from the last
    /// piece that went up. Where it was too long, whether by the call's deadline.
    async fn in_time<T>(
        &self,
        progress: Option<&Progress>,
        work: impl Future<Output = T>,
    ) -> Result<T, bool> {
        let begun = tokio::time::Instant::now();
        let patience = || progress.map_or(begun, Progress::moved) + self.connection.0.spec.http.timeout;
        let mut work = pin!(work);
        loop {
            let patient = patience();
            let (at, by_deadline) = match self.policy.deadline {
                Some((deadline, _)) if deadline < patient => (deadline, true),
                _ => (patient, false),
            };
            match tokio::time::timeout_at(at, work.as_mut()).await {
                Ok(outcome) => return Ok(outcome),
                Err(_) if !by_deadline && patience() > at => {}
                Err(_) => return Err(by_deadline),
            }
        }
    }

    /// The error for a request that took too long.
    pub(crate) fn late(&self, by_deadline: bool, url: &str) -> Error {
        let message = match self.policy.deadline {
            Some((_, given)) if by_deadline => format!("the call's {} are over", seconds(given)),
            _ => {
                let timeout = self.connection.0.spec.http.timeout;
                let (place, timeout) = (origin(url), seconds(timeout));
                format!(
                    "no complete answer came from `{place}` within {timeout}, the limit of `http.timeout`"
                )
            }
        };
        Error::coded(Code::DeadlineExceeded, message)
    }

    /// The headers of a request: those of the spec and the credentials, under those of the flow.
    fn headers(&self, request: &Request, signed: Option<&Signed>, key: Option<&Key>) -> HeaderMap {
        let mut headers = signed.map_or(&self.connection.0.open_headers, |signed| &signed.headers).clone();
        if !request.headers.is_empty() {
            headers.extend(request.headers.clone());
        }
        if let Some((name, value)) = key {
            headers.insert(name.clone(), value.clone());
        }
        headers
    }

    /// The idempotency key of a write, which stays the same when it is repeated; none where the flow sends its own.
    fn key(&self, request: &Request, safe: bool) -> Result<Option<Key>> {
        let name = self.connection.0.spec.http.idempotency_header.as_ref();
        let Some(name) =
            name.filter(|name| self.policy.keyed && !safe && !request.headers.contains_key(name.as_str()))
        else {
            return Ok(None);
        };
        let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            let message = format!("the spec's idempotency header `{name}` is not a header name");
            Error::coded(Code::RequestInvalid, message)
        })?;
        let key =
            HeaderValue::try_from(self.keys.key(self.policy.run.as_deref(), self.policy.flow, request)?)
                .map_err(|_| Error::coded(Code::RequestInvalid, "an idempotency key is no header value"))?;
        Ok(Some((name, key)))
    }

    /// Notes the request at which a dry run stops.
    fn plan(&self, request: &Request, url: &Url, headers: &HeaderMap, body: Option<Body>) -> Error {
        let scrubber = self.log().scrubber();
        let scrub = |text: &str| scrubber.scrub(text).into_owned();
        let headers = headers.iter().map(|(name, value)| {
            let value = match value.is_sensitive() {
                true => crate::scrub::HIDDEN.to_owned(),
                false => scrub(&String::from_utf8_lossy(value.as_bytes())),
            };
            (name.to_string(), value)
        });
        let planned = Planned {
            method: request.method.to_string(),
            url: scrub(url.as_str()),
            headers: headers.collect(),
            body: body.map(|body| scrub(&body::shown(&body))),
        };
        let message = format!("the dry run stopped before `{} {}`", planned.method, planned.url);
        // The flow may try other writes when the first is refused; the first is what it would have done.
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(planned);
        Error::coded(Code::DryRun, message)
    }
}

/// A time for people: fractions of a second where there are few of them.
pub(crate) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else if time.as_secs() < 10 {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.0} s", time.as_secs_f64())
    }
}

/// A random number from 0 up to 1. Where none can be had the pauses are of the usual length, and are no secret.
fn chance() -> f64 {
    let mut random = [0; 4];
    match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u32::from_le_bytes(random)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}

impl Driver for Session {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response>> {
        Box::pin(async move {
            let answered = self.request(&request, false).await;
            answered.map(|(answer, _)| answer).map_err(|error| self.log().scrub(error))
        })
    }

    fn begin(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Response>> {
        page::begin(self, request)
    }

    fn follow(&self, link: &str, from: &str) -> Result<String> {
        page::follow(self, link, from)
    }

    fn download(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<FileRef>> {
        Box::pin(async move {
            let answered = self.request(&request, true).await;
            let (answer, open) = answered.map_err(|error| self.log().scrub(error))?;
            Ok(match open {
                Some(open) => transfer::file(&self, request, &answer, open),
                // An error that the flow wants to see, or nothing by an outcome rule.
                None => FileRef::from_bytes("", answer.body),
            })
        })
    }

    fn spec(&self) -> &Spec {
        &self.connection.0.spec
    }

    fn connection(&self) -> &ConnectionValues {
        &self.connection.0.values
    }

    fn lock(self: Arc<Self>, name: String) -> BoxFuture<'static, Result<Lock>> {
        Box::pin(async move {
            let ready = &*self.connection.0;
            let shared = ready.shared(&format!("lock/{name}"));
            ready.locks.lock(&name, shared, &*ready.clock, &ready.leaving).await.map(Lock::new)
        })
    }

    fn step(&self, helper: &FlowDescriptor) -> Option<Box<dyn Step>> {
        observe::step(helper)
    }

    fn now(&self) -> linchpin::DateTime {
        self.connection.0.clock.now()
    }

    fn config(&self, key: &str) -> Result<Secret> {
        let known = self.spec().config.iter().find(|config| config.key == key);
        match known.map(|config| &config.source) {
            Some(ConfigSource::Value(value)) => template::text(value, self.connection()).map(Secret::new),
            _ => {
                let message = format!("the spec writes no configuration value `{key}`");
                Err(Error::coded(Code::ConnectionInvalid, message))
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.connection)
    }
}
