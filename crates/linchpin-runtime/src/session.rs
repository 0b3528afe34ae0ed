//! One call at work: the pipeline that every request goes through.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, LOCATION, RANGE},
};
use linchpin::{
    Code, Context, Error, FileRef, Response, Result, Secret,
    context::{Driver, Lock, Step},
    extract::ConnectionValues,
    flow::{BoxFuture, Effect, FlowDescriptor, Idempotency, KindInfo},
    manifest::spec::{ConfigSource, RateLimitScope, Spec},
    request::{Body, Request, Target},
};
use tracing::{Instrument, Span};
use url::Url;

use crate::{
    body, charset,
    client::{self, NotPublic, deepest, garbled},
    clock, coding,
    connection::{Connection, Ready, Signed},
    egress::{self, Internal, Origin, Passage},
    har::Exchange,
    idempotency::Keys,
    limit::{self, Limiter, Permit, Refusal},
    observe,
    outcome::{self, Verdict},
    page,
    retry::{self, Decision, Failure},
    runtime::{Cancel, Runtime},
    signing, template,
    trace::{Log, Record, Trace},
    transfer::{self, Open, Progress},
};

/// How many redirects are followed for one request.
const REDIRECTS: usize = 5;

/// How long the URL may be that a redirect leads to, in bytes: one that grows each time would else become one that cannot be sent.
const LONGEST_LINK: usize = 32 << 10;

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

/// What a call allows its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// The key of the flow that makes them.
    pub(crate) flow: &'static str,
    /// What the call is known by, so that its writes carry the same keys when it is made again.
    pub(crate) run: Option<String>,
    /// When the call must be over, and how long it was given.
    pub(crate) deadline: Option<(tokio::time::Instant, Duration)>,
    /// Before which request a dry run stops.
    pub(crate) stop: Stop,
    /// Whether writes carry idempotency keys.
    pub(crate) keyed: bool,
    /// Whether requests may come twice that carry no key.
    pub(crate) repeatable: bool,
    /// Whether what is said and told is kept.
    pub(crate) record: bool,
    /// By what whoever made the call takes it back.
    pub(crate) cancel: Option<Cancel>,
}

impl Policy {
    /// What a flow allows by its nature.
    pub(crate) fn of(flow: &FlowDescriptor) -> Policy {
        // A registration whose answer was lost is made again under the same id, and so becomes one where the service knows keys.
        let keyed = matches!(
            flow.kind,
            KindInfo::Action { idempotency: Some(Idempotency::Key), .. } | KindInfo::WebhookRegister { .. }
        );
        Policy { flow: flow.name, keyed, repeatable: flow.repeatable() && !keyed, ..Policy::default() }
    }
}

/// Before which request a call stops.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Stop {
    /// Before none.
    #[default]
    Never,
    /// Before the first other than GET or HEAD.
    AtWrite,
    /// Before the first.
    AtOnce,
}

impl Stop {
    /// Where a dry run of a flow stops, so that nothing changes at the service.
    pub(crate) fn of(flow: &FlowDescriptor) -> Stop {
        match flow.kind {
            KindInfo::Action { effect: Effect::Read, .. } => Stop::Never,
            KindInfo::Action { .. }
            | KindInfo::WebhookRegister { .. }
            | KindInfo::WebhookDeregister { .. }
            | KindInfo::WebhookRenew { .. } => Stop::AtWrite,
            // Some services kill tokens by a GET.
            KindInfo::Revoke => Stop::AtOnce,
            _ => Stop::Never,
        }
    }

    fn is_before(self, safe: bool) -> bool {
        match self {
            Stop::Never => false,
            Stop::AtWrite => !safe,
            Stop::AtOnce => true,
        }
    }
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
        let waited = clock::until(arrived, ready.clock.now());
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

    /// Sends, follows redirects, and reads the answer. The body of a good one stays unread where that is asked for.
    async fn exchange(
        &self,
        attempt: Attempt<'_>,
        mut url: Url,
        mut passage: Passage,
        mut headers: HeaderMap,
        flight: &mut Flight,
    ) -> Result<(Response, Option<reqwest::Body>)> {
        let ready = &*self.connection.0;
        let Attempt { request, safe, key, signed, resend, streams } = attempt;
        let mut redirects = 0;
        let mut body = body::carried(request, signed)?;
        loop {
            let shown: Arc<str> = Arc::from(url.as_str());
            flight.start(request, &shown, resend);
            let authenticated = passage.trusted && signed.is_some();
            let identity = ready.identity.as_ref().filter(|_| authenticated);
            let client = self.runtime.clients().get(url.scheme(), passage.reach, identity)?;
            if streams || request.headers.contains_key(RANGE) {
                coding::ask_plain(&mut headers);
            }
            if authenticated {
                signing::sign(&self.runtime, ready, &request.method, &mut url, &mut headers, body.as_ref())?;
            }
            let mut outgoing = reqwest::Request::new(request.method.clone(), url);
            *outgoing.headers_mut() = headers;
            *outgoing.body_mut() = match (&body, &flight.progress) {
                (None, _) => None,
                (Some(Body::Parts(parts)), Some(progress)) => Some(transfer::body(parts, progress).await?),
                (Some(Body::Parts(_)), None) => None,
                (Some(Body::Bytes(bytes)), _) => Some(bytes.clone().into()),
            };
            flight.unsent = false;
            if self.policy.record {
                flight.kept =
                    Some(Box::new(Exchange::new(ready.clock.now(), outgoing.headers(), body.as_ref())));
            }
            let answer = client.execute(outgoing).instrument(flight.span.clone()).await.map_err(|error| {
                flight.unsent = error.is_connect();
                unreachable(&shown, &error)
            })?;
            let mut answer = coding::undo(answer);
            let status = answer.status();
            flight.answered(status.as_u16(), answer.headers());
            for limiter in self.limiters().iter().filter(|_| passage.trusted) {
                let now = ready.clock.now();
                if let Some(wait) = limiter.used_up(answer.headers(), now) {
                    limiter.hold(now, wait).await;
                }
            }

            let next = match safe && is_redirect(status.as_u16()) {
                true => redirect_target(&shown, answer.headers())?,
                false => None,
            };
            let Some(next) = next else {
                let headers = std::mem::take(answer.headers_mut());
                let mut response = Response::new(status, headers, Bytes::new(), shown);
                let judged = || {
                    outcome::judge(
                        &ready.spec.http,
                        &ready.patterns,
                        &request.method,
                        &response,
                        &*ready.clock,
                    )
                };
                if streams && status.is_success() && matches!(judged(), Verdict::Good) {
                    return Ok((response, Some(answer.into())));
                }
                let limit = ready.spec.http.limits.body;
                response.body = read_body(&mut answer, limit, &response.url, flight).await?;
                charset::to_utf8(&mut response);
                if let Some(kept) = &mut flight.kept {
                    kept.read(&response.body);
                }
                return Ok((response, None));
            };
            redirects += 1;
            if redirects > REDIRECTS {
                let message =
                    format!("the service redirects more than {REDIRECTS} times; the last link was `{next}`");
                return Err(Error::coded(Code::Rejected, message).status(status.as_u16()));
            }
            passage = ready.allowed.anywhere(&next, self.runtime.clients().internal())?;
            url = next;
            headers = if passage.trusted {
                if let Some(signed) = signed {
                    add_credentials(&mut url, &signed.query);
                }
                self.headers(request, signed, key)
            } else {
                body.clone_from(&request.body);
                elsewhere(ready, request)
            };
            flight.land();
        }
    }
}

/// The headers for a host that is not the connector's: whatever the flow put into headers of its own stays behind.
fn elsewhere(ready: &Ready, request: &Request) -> HeaderMap {
    let mut headers = ready.open_headers.clone();
    if let Some(accept) = request.headers.get(ACCEPT) {
        headers.insert(ACCEPT, accept.clone());
    }
    headers
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

/// Where a request goes, and how it may go there.
pub(crate) fn destination(ready: &Ready, request: &Request, internal: &Internal) -> Result<(Url, Passage)> {
    match &request.target {
        Target::Path(path) => {
            // Set, not parsed with the base: a path can then lead nowhere else, and the host is not read again.
            let (path, own) =
                path.split_once('?').map_or((path.as_str(), None), |(path, own)| (path, Some(own)));
            let mut url = ready.base.clone();
            let base = url.path().trim_end_matches('/');
            let slash = if path.starts_with('/') || path.is_empty() { "" } else { "/" };
            let joined = [base, slash, path].concat();
            url.set_path(&joined);
            url.set_query(own);
            append(&mut url, request);
            let passage = ready.allowed.request(&url, internal)?;
            Ok((url, passage))
        }
        Target::Url(text) => {
            let mut url = Url::parse(text).map_err(|error| invalid(text, &error.to_string()))?;
            append(&mut url, request);
            let passage = ready.allowed.request(&url, internal)?;
            Ok((url, passage))
        }
        Target::Next { link, from } => {
            let mut url = next_page(from, link)?;
            append(&mut url, request);
            // The page itself may have come from elsewhere, by a redirect.
            let passage = ready.allowed.anywhere(&url, internal)?;
            Ok((url, passage))
        }
    }
}

fn append(url: &mut Url, request: &Request) {
    let query = request.encoded_query();
    if !query.is_empty() {
        let joined = match url.query() {
            Some(before) if !before.is_empty() => format!("{before}&{query}"),
            _ => query,
        };
        url.set_query(Some(&joined));
    }
}

/// The URL of the next page, which must be where this page came from.
pub(crate) fn next_page(from: &str, link: &str) -> Result<Url> {
    let page = Url::parse(from).map_err(|error| invalid(from, &error.to_string()))?;
    let mut url = page.join(link).map_err(|error| {
        let place = page.origin().ascii_serialization();
        let message = format!("`{place}` gives `{link}` as its next page, which is not a URL: {error}");
        Error::coded(Code::ResponseMalformed, message).position(link)
    })?;
    let stays = Origin::of(&page).is_some_and(|origin| origin.holds(&url));
    if !stays || !url.username().is_empty() || url.password().is_some() {
        let message = format!(
            "the list goes on at `{}`, which is not where `{}` came from",
            url.origin().ascii_serialization(),
            page.origin().ascii_serialization()
        );
        return Err(Error::coded(Code::PagingElsewhere, message).position(link));
    }
    url.set_fragment(None);
    Ok(url)
}

fn invalid(url: &str, problem: &str) -> Error {
    Error::coded(Code::RequestInvalid, format!("`{url}` is not a URL that can be requested: {problem}"))
}

/// Adds the query parameters that are credentials, unless a link of the service has them already.
fn add_credentials(url: &mut Url, credentials: &[(String, String)]) {
    for (name, value) in credentials {
        if url.query_pairs().all(|(given, _)| given != name.as_str()) {
            url.query_pairs_mut().append_pair(name, value);
        }
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

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads; none when it does not say.
fn redirect_target(from: &str, headers: &HeaderMap) -> Result<Option<Url>> {
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let malformed = || {
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        Error::coded(
            Code::ResponseMalformed,
            format!("`{from}` redirects to `{location}`, which is not a URL that can be requested"),
        )
    };
    let location = location.to_str().map_err(|_| malformed())?;
    let mut url = Url::parse(from).and_then(|from| from.join(location)).map_err(|_| malformed())?;
    url.set_fragment(None);
    match url.as_str().len() {
        ..=LONGEST_LINK => Ok(Some(url)),
        _ => Err(malformed()),
    }
}

/// Reads the body, and stops where it is too large.
async fn read_body(
    answer: &mut reqwest::Response,
    limit: u64,
    url: &str,
    flight: &mut Flight,
) -> Result<Bytes> {
    let too_large = || {
        let place = url.split(['?', '#']).next().unwrap_or_default();
        let message = format!(
            "the answer from `{place}` is larger than {limit} bytes, the limit of `http.limits.body`"
        );
        Error::coded(Code::ResponseTooLarge, message).status(answer_status(flight))
    };
    // A HEAD has the length of what it does not send.
    if flight.has_body() && answer.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    let mut count = 0;
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(url, &error))? {
        count += chunk.len() as u64;
        flight.received(count);
        if count > limit {
            let place = url.split(['?', '#']).next().unwrap_or_default();
            let message = format!(
                "the answer from `{place}` is larger than {limit} bytes, the limit of `http.limits.body`"
            );
            return Err(Error::coded(Code::ResponseTooLarge, message).status(answer_status(flight)));
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&chunk),
            // Most answers come in one piece, which is then not copied.
            None if first.is_empty() => first = chunk,
            None => {
                let mut all = BytesMut::with_capacity(first.len() + chunk.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&chunk);
                rest = Some(all);
            }
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

fn answer_status(flight: &Flight) -> u16 {
    flight.record.as_ref().and_then(|record| record.status).unwrap_or_default()
}

/// The origin of a URL, for messages.
pub(crate) fn origin(url: &str) -> String {
    Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// The error for a request that got no complete answer.
pub(crate) fn unreachable(url: &str, error: &reqwest::Error) -> Error {
    let cause = deepest(error);
    if let Some(NotPublic(name)) = cause.downcast_ref() {
        return egress::not_public(name.as_str());
    }
    if let Some(corrupt) = cause.downcast_ref::<coding::Corrupt>() {
        return corrupt.error(url);
    }
    let place = origin(url);
    if let Some(garbled) = garbled(&place, error) {
        return garbled;
    }
    let message = if error.is_connect() && error.is_timeout() {
        format!("`{place}` took no connection within {}", seconds(client::CONNECT))
    } else if error.is_connect() {
        format!("`{place}` cannot be reached: {cause}")
    } else if error.is_builder() {
        return Error::coded(
            Code::RequestInvalid,
            format!("the request to `{place}` cannot be sent: {cause}"),
        );
    } else {
        format!("the exchange with `{place}` broke off: {cause}")
    };
    Error::coded(Code::Unreachable, message)
}

/// A request on its way; whatever becomes of it, the trace will have it.
pub(crate) struct Flight {
    log: Trace,
    record: Option<Record>,
    since: Instant,
    /// Whether nothing of it can have reached the service.
    unsent: bool,
    /// How a body that is a stream goes up.
    progress: Option<Arc<Progress>>,
    /// Its span, for whoever watches.
    span: Span,
    /// What was said, where the call is recorded.
    kept: Option<Box<Exchange>>,
    /// That it is under way, for whoever counts.
    permits: Vec<Permit>,
}

impl Flight {
    fn start(&mut self, request: &Request, url: &Arc<str>, resend: u32) {
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
    fn url(&self) -> Arc<str> {
        self.record.as_ref().map(|record| record.url.clone()).unwrap_or_default()
    }

    fn has_body(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.method != Method::HEAD)
    }

    fn answered(&mut self, status: u16, headers: &HeaderMap) {
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

#[cfg(test)]
mod tests {
    use linchpin::{Connector, connector::SpecFile};

    use super::*;

    const SPEC: SpecFile = SpecFile {
        path: "specs/tracker.toml",
        text: r#"
            schema = 1
            key = "tracker"
            name = "Tracker"
            version = "0.1.0"
            http = { base_url = "https://tracker.example", headers = { X-Version = "3" } }
            auth.token = { kind = "bearer", fields.token = { label = "Token", secret = true } }
        "#,
    };

    #[test]
    fn elsewhere_neither_credentials_nor_the_flows_headers_go_along() {
        let connector = Connector::builder(SPEC).build().unwrap();
        let fields = [("token".to_owned(), "t0k3n".to_owned().into())].into();
        let connection = Connection::new(&connector, ConnectionValues { method: "token".into(), fields });
        let mut request = Request::new(Method::GET, Target::Path("/thing".into()));
        request.headers.insert("x-secret", HeaderValue::from_static("7"));
        request.headers.insert(ACCEPT, HeaderValue::from_static("image/png"));
        let headers = elsewhere(&connection.unwrap().0, &request);
        let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "user-agent", "x-version"]);
        assert_eq!(headers[ACCEPT], "image/png");
    }
}
