//! Running flows.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use linchpin::{
    Actor, Code, Context, Error, Result, Secret, Tokens,
    extract::Call,
    file::Files,
    flow::{ErasedValue, Flow, FlowDescriptor, Gives, IntoArgs, KindInfo, Produced, ResultShape, Slot},
    manifest::spec::{ConfigSource, RateLimitScope},
};
use tokio::{sync::Notify, time::Instant};
use tracing::Span;

use crate::{
    check::{self, Side},
    client::{Clients, Resolver, Way},
    connection::{Connection, Ready},
    invocation::{Given, Invocation, ResultCheck},
    limit::Limiter,
    observe::{self, Running},
    session::{self, Planned, Policy, Session, Stop},
    signing::Signer,
    stream::RecordStream,
    template,
    trace::Trace,
    webhook,
};

/// Runs flows. Cheap to clone; one for a whole process is right, since it keeps the connections to services open.
///
/// It lives on the tokio runtime that first sends a request with it: make one in each test that has a runtime of its own.
///
/// ```
/// use linchpin_runtime::{Connection, Invocation, Output, Runtime};
///
/// # async fn example(connector: linchpin::Connector, values: linchpin::extract::ConnectionValues) -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new();
/// let connection = Connection::new(&connector, values)?;
/// let invocation = Invocation::named(&connection, "get_user")?.input(r#"{"id": 1}"#);
/// match runtime.run(invocation).await?.output {
///     Output::Value(json) => println!("{json}"),
///     other => println!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Runtime(Arc<Shared>);

#[derive(Default)]
struct Shared {
    clients: Clients,
    signers: BTreeMap<String, Arc<dyn Signer>>,
    /// By the connector's key, who holds requests back where all connections of a connector share a rate limit.
    limiters: Mutex<HashMap<String, Arc<Limiter>>>,
    /// By the address of a flow's descriptor, whether anything in its output could fail to fit its schema.
    checkable: RwLock<HashMap<usize, bool>>,
}

/// What a call gave, and what it asked of the service.
#[derive(Debug)]
pub struct Ran {
    /// What the flow gave.
    pub output: Output,
    /// The files that the output names by their handles; those of a stream are added while it is read. They can be read, and given to
    /// other calls, as long as somebody has them.
    pub files: Files,
    /// The requests; those of a stream are added while it is read.
    pub trace: Trace,
}

/// What a flow gave.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Nothing.
    Nothing,
    /// One value as JSON text.
    Value(String),
    /// One value, not written as JSON yet: see [`Invocation::typed`].
    Typed(Arc<dyn ErasedValue>),
    /// A stream of records, to be read.
    Records(RecordStream),
    /// The dry run stopped before this request.
    Planned(Planned),
}

/// What went wrong in a call, and what it asked of the service before that.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong, without any secret.
    pub error: Error,
    /// The requests.
    pub trace: Trace,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        for violation in self.error.details().violations {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failed {}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        failed.error
    }
}

impl Runtime {
    /// A runtime that has not yet opened anything.
    pub fn new() -> Runtime {
        Runtime::default()
    }

    /// A runtime that knows more than what is built in.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Who holds back the requests of all connections of a connector, where the spec says that something does.
    pub(crate) fn limiter(&self, ready: &Ready) -> Option<Arc<Limiter>> {
        let mut limiters = self.0.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let key = ready.connector.key();
        if let Some(limiter) = limiters.get(key) {
            return Some(limiter.clone());
        }
        let shared = ready.cells.as_ref().map(|(cells, _)| (cells.clone(), format!("connector/{key}/limit")));
        let limiter = Arc::new(Limiter::new(&ready.spec.http, RateLimitScope::Connector, shared)?);
        Some(limiters.entry(key.to_owned()).or_insert(limiter).clone())
    }

    /// Checks what was given, runs the flow, and checks what it gave.
    ///
    /// Nothing goes on after the future is dropped.
    ///
    /// # Errors
    ///
    /// Whatever went wrong, with its stable code and the trace so far. No secret of the connection is in it.
    pub async fn run(&self, invocation: Invocation) -> Result<Ran, Failed> {
        let Invocation {
            connection,
            flow,
            call,
            files,
            run_id,
            deadline,
            cancel,
            record,
            dry_run,
            check,
            position,
            typed,
        } = invocation;
        let files = given(files);
        let mut policy = Policy::of(flow);
        policy.deadline = deadline.map(|time| (Instant::now() + time, time));
        policy.run = run_id;
        policy.record = record;
        policy.cancel = cancel;
        if dry_run {
            policy.stop = Stop::of(flow);
        }
        let secrets = call.signing_secret.iter().map(|secret| secret.expose().to_owned()).collect();
        let session = Session::new(self.clone(), connection, policy, secrets);
        let span = observe::flow(session.connection.connector().key(), flow);
        let running = Running::begin(span.clone(), &session.connection, flow);
        let watch = Watch { session, files, span };
        match self.produce(&watch, flow, call, check, typed, position).await {
            Ok(mut output) => {
                match &mut output {
                    Output::Records(records) => records.counts(running),
                    _ => running.end(None),
                }
                Ok(Ran { output, files: watch.files, trace: watch.session.trace.clone() })
            }
            Err(error) => {
                running.end(Some(error.code()).filter(|code| *code != Code::DryRun));
                let trace = watch.session.trace.clone();
                if error.code() == Code::DryRun
                    && let Some(planned) = watch.session.take_planned()
                {
                    return Ok(Ran { output: Output::Planned(planned), files: Files::default(), trace });
                }
                Err(Failed { error: trace.0.scrub(error), trace })
            }
        }
    }

    async fn produce(
        &self,
        watch: &Watch,
        flow: &'static FlowDescriptor,
        given: Box<Given>,
        check: ResultCheck,
        typed: bool,
        position: Option<String>,
    ) -> Result<Output> {
        if position.is_some() && (flow.result)().result != ResultShape::Records {
            let message = format!("`{}` gives no list, so that there is nothing to read on from", flow.name);
            return Err(Error::coded(Code::PositionInvalid, message));
        }
        let mut secrets = Vec::new();
        let checked = given.check(flow, &mut secrets);
        if !secrets.is_empty() {
            watch.session.trace.0.hide(secrets);
        }
        checked?;
        if let (KindInfo::WebhookEvent { event }, Some(delivery)) = (flow.kind, &given.delivery) {
            webhook::check_event(watch.session.connection.spec(), event, delivery)?;
        }
        let mut tokens = Tokens::default();
        if flow.takes(Slot::Tokens) {
            let grant = watch.session.connection.grant().await?.and_then(|kept| kept.grant);
            let values = grant.map(|grant| grant.values).unwrap_or_default();
            watch.session.trace.0.hide(values.values().map(|value| value.expose().to_owned()));
            tokens = Tokens::new(values);
        }
        let started = {
            let mut call = Call::new(watch.session.context());
            given.put_into(&mut call);
            call.tokens = tokens;
            (flow.run)(call)
        };
        let produced = watch.over(started).await;
        // A flow may have swallowed the refusal of its write; what follows would not be what it really does.
        if let Some(planned) = watch.session.take_planned() {
            return Ok(Output::Planned(planned));
        }
        let mode = self.mode(flow, check);
        let written = |json: String| {
            if let Some((shape, strict)) = mode {
                let violations = check::json(shape, &json, Side::Made, "the result");
                judge_output(violations, strict, flow, &watch.session.trace)?;
            }
            Ok(Output::Value(json))
        };
        match produced? {
            Produced::Nothing => Ok(Output::Nothing),
            Produced::Typed(value) if typed && mode.is_none() => Ok(Output::Typed(value)),
            Produced::Typed(value) => written(value.to_json()?),
            Produced::Value(json) => written(json),
            Produced::Records(mut records) => {
                if let Some(position) = position {
                    records.resume_from(&position)?;
                }
                Ok(Output::Records(RecordStream::new(records, watch.clone(), flow, mode)))
            }
        }
    }

    /// Against which shape the output is checked, and whether a misfit is an error.
    fn mode(
        &self,
        flow: &'static FlowDescriptor,
        check: ResultCheck,
    ) -> Option<(linchpin::shape::Shape, bool)> {
        let strict = match check {
            ResultCheck::Off => return None,
            ResultCheck::Strict => true,
            ResultCheck::Count => false,
        };
        // These give their records within something of linchpin's own.
        if matches!(flow.kind, KindInfo::Monitor { .. } | KindInfo::WebhookList { .. }) {
            return None;
        }
        if !strict && !self.checkable(flow) {
            return None;
        }
        (flow.result)().shape.map(|shape| (shape(), strict))
    }

    /// Whether a flow's output can fail to fit its schema although its type was written out: only by bounds and patterns.
    fn checkable(&self, flow: &'static FlowDescriptor) -> bool {
        let key = std::ptr::from_ref(flow).addr();
        let known = self.0.checkable.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        known.unwrap_or_else(|| {
            let checkable = (flow.result)().shape.is_some_and(|shape| check::has_bounds(shape()));
            self.0.checkable.write().unwrap_or_else(PoisonError::into_inner).insert(key, checkable);
            checkable
        })
    }

    /// The configuration values of a connection, by key: what the spec writes, and what its helpers give.
    ///
    /// Whether users see one is the spec's word: [`Spec::config`](linchpin::manifest::spec::Spec::config).
    ///
    /// # Errors
    ///
    /// Whatever a helper gives, and [`Code::OutputInvalid`] when it has the connection's credentials or gives no text.
    pub async fn config(&self, connection: &Connection) -> Result<BTreeMap<String, Secret>> {
        let mut values = BTreeMap::new();
        for config in &connection.spec().config {
            let value = match &config.source {
                ConfigSource::Value(template) => template::text(template, connection.values())?,
                ConfigSource::Helper(name) => self.given(connection, name).await?,
            };
            values.insert(config.key.clone(), Secret::new(value));
        }
        Ok(values)
    }

    /// What a helper without a connection gives.
    async fn given(&self, connection: &Connection, name: &str) -> Result<String> {
        let invocation = Invocation::named(connection, name)?;
        let unfit = |problem: &str| {
            let message = format!("the helper `{name}` {problem}, so that it gives no configuration value");
            Error::coded(Code::OutputInvalid, message)
        };
        if invocation.flow.connected {
            return Err(unfit("has the connection's credentials").hint("let it take `cx: Unconnected`"));
        }
        match self.run(invocation).await?.output {
            Output::Value(json) => {
                serde_json::from_str(&json).map_err(|_| unfit("gives something else than a text"))
            }
            _ => Err(unfit("gives something else than a text")),
        }
    }

    /// A context for calling flows by their types: `F::call(cx, args)`. No JSON, no checks at an edge, no deadline.
    ///
    /// Writes carry idempotency keys only where the flow is known, as in [`call`](Runtime::call).
    pub fn context(&self, connection: &Connection) -> Context {
        Session::new(self.clone(), connection.clone(), Policy::default(), Vec::new()).context()
    }

    /// A typed call with its trace: values in place of JSON.
    ///
    /// # Errors
    ///
    /// Whatever the flow gives; a panic in it is [`Code::Panicked`].
    pub async fn call<F: Flow<Output: Gives>>(
        &self,
        connection: &Connection,
        args: impl IntoArgs<F::Args>,
    ) -> Result<(<F::Output as Gives>::Value, Trace), Failed> {
        let session = Session::new(self.clone(), connection.clone(), Policy::of(F::DESCRIPTOR), Vec::new());
        let span = observe::flow(session.connection.connector().key(), F::DESCRIPTOR);
        let running = Running::begin(span.clone(), &session.connection, F::DESCRIPTOR);
        let watch = Watch { session, files: Files::default(), span };
        let trace = watch.session.trace.clone();
        let cx = watch.session.context();
        let work = async {
            let args = args.into_args(&cx)?;
            F::call(cx, args).await.into_result()
        };
        let ended = watch.over(work).await;
        running.end(ended.as_ref().err().map(Error::code));
        match ended {
            Ok(output) => Ok((output, trace)),
            Err(error) => Err(Failed { error: trace.0.scrub(error), trace }),
        }
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.0.clients
    }

    /// The signer that was registered by a name.
    pub(crate) fn signer(&self, name: &str) -> Option<&Arc<dyn Signer>> {
        self.0.signers.get(name)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}

/// Makes a [`Runtime`].
#[derive(Default)]
#[must_use = "nothing is made before `build`"]
pub struct RuntimeBuilder {
    signers: BTreeMap<String, Arc<dyn Signer>>,
    way: Way,
}

impl RuntimeBuilder {
    /// Registers a signer, by the name that specs have for it: `scheme = "custom:name"`.
    pub fn signer(mut self, name: impl Into<String>, signer: impl Signer) -> RuntimeBuilder {
        self.signers.insert(name.into(), Arc::new(signer));
        self
    }

    /// Trusts certificates in PEM beside those of the system: of services behind an authority of one's own.
    ///
    /// # Errors
    ///
    /// When there is no certificate in PEM.
    pub fn trust(mut self, pem: &str) -> Result<RuntimeBuilder> {
        let read = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if read.is_empty() {
            let message = "what is to be trusted holds no certificate in PEM";
            return Err(Error::coded(Code::RequestInvalid, message).actor(Actor::Operator));
        }
        self.way.roots.extend(read);
        Ok(self)
    }

    /// Lets connectors' hosts be inside: in a network such as `10.0.0.0/8`, at an address, or, for a host by its exact name,
    /// wherever it is. Redirects of services lead there no more than before.
    ///
    /// # Errors
    ///
    /// When it is none of these.
    pub fn allow(mut self, place: &str) -> Result<RuntimeBuilder> {
        self.way.internal.add(place)?;
        Ok(self)
    }

    /// Sends everything through a proxy, by its URL, which may hold a name and a password: `http://proxy.example:3128`. What goes to
    /// an operator's own base URL still goes there directly. The proxy looks names up, so that only these are checked; addresses
    /// in URLs are. Proxies of the environment are never used.
    ///
    /// `except` are hosts that are reached directly, as in `NO_PROXY`: `gitlab.example,10.0.0.0/8`; empty for none.
    ///
    /// # Errors
    ///
    /// When the URL is not one of an HTTP proxy. Nothing of it is in the message.
    pub fn proxy(mut self, url: &str, except: &str) -> Result<RuntimeBuilder> {
        let unfit = || {
            let message =
                "the proxy's URL is not one that begins with `http://` or `https://` and names a host";
            Error::coded(Code::RequestInvalid, message).actor(Actor::Operator)
        };
        let parsed = url::Url::parse(url).map_err(|_| unfit())?;
        let host =
            parsed.host_str().filter(|_| matches!(parsed.scheme(), "http" | "https")).ok_or_else(unfit)?;
        let proxy = reqwest::Proxy::all(parsed.clone()).map_err(|_| unfit())?;
        let proxy = proxy.no_proxy(reqwest::NoProxy::from_string(except));
        self.way.proxy = Some((proxy, host.to_owned()));
        Ok(self)
    }

    /// Looks names up by something else than the system.
    pub fn resolver(mut self, resolver: impl Resolver) -> RuntimeBuilder {
        self.way.resolver = Some(Arc::new(resolver));
        self
    }

    /// The runtime; it has not yet opened anything.
    pub fn build(self) -> Runtime {
        let RuntimeBuilder { signers, way } = self;
        Runtime(Arc::new(Shared { signers, clients: Clients::new(way), ..Shared::default() }))
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's URL may hold a password.
        write!(f, "RuntimeBuilder({:?})", self.signers.keys())
    }
}

/// The files of a call before it runs.
fn given(files: Vec<linchpin::FileRef>) -> Files {
    let given = Files::default();
    files.into_iter().for_each(|file| given.give(file));
    given
}

/// What a misfit of the output means.
pub(crate) fn judge_output(
    violations: Vec<linchpin::Violation>,
    strict: bool,
    flow: &FlowDescriptor,
    trace: &Trace,
) -> Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    if !strict {
        trace.0.count_misfits(violations.len());
        return Ok(());
    }
    let message = format!("the result of `{}` does not fit its schema", flow.name);
    Err(Error::coded(Code::OutputInvalid, message).violations(violations))
}

/// Takes a call back: whatever it was doing, it ends with [`Code::Cancelled`]. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    cancelled: AtomicBool,
    notify: Notify,
}

impl Cancel {
    /// A handle that has not been used.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Ends every call that was given this handle, now and from now on.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.0.notify.notify_waiters();
    }

    /// Whether it has been used.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until it is used.
    pub async fn cancelled(&self) {
        let mut notified = pin!(self.0.notify.notified());
        // Registered first, so that a call in between is not missed.
        notified.as_mut().enable();
        if !self.is_cancelled() {
            notified.await;
        }
    }
}

/// Watches over an author's code: its panics, its deadline, and whether anybody still wants it.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) session: Arc<Session>,
    pub(crate) files: Files,
    /// The call's span, for whoever watches from outside.
    pub(crate) span: Span,
}

impl Watch {
    pub(crate) async fn over<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = pin!(work);
        let watched = std::future::poll_fn(move |cx| {
            self.span.in_scope(|| self.files.within(|| work.as_mut().poll(cx)))
        });
        let caught =
            catch_panic(watched, |text| Error::coded(Code::Panicked, format!("the flow panicked: {text}")));
        let cancelled = || Error::coded(Code::Cancelled, "the call was cancelled");
        match (self.session.policy().deadline, &self.session.policy().cancel) {
            (None, None) => caught.await,
            (Some((at, given)), None) => {
                tokio::time::timeout_at(at, caught).await.unwrap_or_else(|_| Err(late(given)))
            }
            (None, Some(cancel)) => tokio::select! {
                biased;
                () = cancel.cancelled() => Err(cancelled()),
                result = caught => result,
            },
            (Some((at, given)), Some(cancel)) => tokio::select! {
                biased;
                () = cancel.cancelled() => Err(cancelled()),
                result = tokio::time::timeout_at(at, caught) => result.unwrap_or_else(|_| Err(late(given))),
            },
        }
    }
}

fn late(given: Duration) -> Error {
    Error::coded(Code::DeadlineExceeded, format!("the call's {} are over", session::seconds(given)))
}

/// Makes an error of a panic of somebody else's code; what the panic said is told to `error`.
///
/// What the code left half done stays so: it is not polled again.
pub async fn catch_panic<T>(
    work: impl Future<Output = Result<T>>,
    error: impl Fn(&str) -> Error,
) -> Result<T> {
    let mut work = pin!(work);
    let caught = std::future::poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))).unwrap_or_else(|payload| {
            let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
                (Some(text), _) => text,
                (_, Some(text)) => text.as_str(),
                _ => "no message",
            };
            Poll::Ready(Err(error(text)))
        })
    });
    caught.await
}
