//! A mock service with webhooks that stand, go, pause, move and expire.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use linchpin::{
    DateTime, Delivery, Error, Result, Secret,
    http::{HeaderName, HeaderValue},
    manifest::spec::Hook,
};
use linchpin_runtime::{Clock, webhook::Guard};
use serde_json::{Value, json};
use wiremock::{Match, Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::{TestClock, answer};

/// How soon a delivery that was not answered with 2xx is sent again, and then again.
const RETRIES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

/// After so many failed deliveries in a row a hook is paused.
const PATIENCE: u32 = 8;

/// How a service's endpoint for webhooks looks: where they are, and by which members of its JSON. Those are JSON pointers.
#[derive(Debug, Clone)]
pub struct HookEndpoint {
    /// The path at which `POST` makes one and `GET` lists all; `GET`, `PATCH` and `DELETE` of one are at `{path}/{id}`.
    pub path: String,
    /// Where it delivers.
    pub url: String,
    /// The key with which deliveries are signed.
    pub secret: String,
    /// Whether it delivers.
    pub active: String,
    /// When it expires, as RFC 3339 says.
    pub expires: String,
    /// Whether two may deliver to one URL; a second is answered with 422 where they may not.
    pub shared_urls: bool,
}

impl HookEndpoint {
    /// An endpoint with the members `url`, `secret`, `active` and `expires`, in which two may deliver to one URL.
    pub fn at(path: impl Into<String>) -> HookEndpoint {
        HookEndpoint {
            path: path.into(),
            url: "/url".into(),
            secret: "/secret".into(),
            active: "/active".into(),
            expires: "/expires".into(),
            shared_urls: true,
        }
    }
}

/// What is asked of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookCall {
    /// To make a hook: `POST`.
    Register,
    /// To take one away: `DELETE`.
    Deregister,
    /// To show one: `GET`.
    Check,
    /// To change one: `PATCH`.
    Renew,
    /// To show all: `GET`.
    List,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookFault {
    /// It is answered with 500, and nothing happens.
    Fails,
    /// It is answered with 400, and nothing happens.
    Refused,
    /// It is done, and the answer comes after a second.
    Slow,
    /// It is done, and the connection is closed without an answer.
    Lost,
    /// The connection is closed, and nothing happens.
    Closed,
    /// It is done twice; of a hook that is made this leaves two.
    Twice,
}

/// A hook that the service has.
#[derive(Debug, Clone, PartialEq)]
pub struct ProvidedHook {
    /// Its id.
    pub id: u64,
    /// Where it delivers.
    pub url: String,
    /// The key with which deliveries are signed.
    pub secret: Option<String>,
    /// Whether it delivers.
    pub active: bool,
    /// When it expires.
    pub expires: Option<DateTime>,
    /// How many deliveries in a row were not answered with 2xx.
    pub failures: u32,
}

/// A delivery on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Where it goes.
    pub url: String,
    /// What is delivered, signed where the hook has a key.
    pub delivery: Delivery,
    /// How often it has been sent before.
    pub attempt: usize,
}

/// A mock service with webhooks, on a [`MockServer`]. Cheap to clone. It registers, lists, shows, changes and deletes hooks, signs
/// and delivers, sends again what is not taken, pauses a hook that takes nothing, and forgets, moves and doubles hooks when it is
/// told to. Its time is a [`TestClock`]'s.
///
/// ```
/// use linchpin::{http, manifest::spec};
/// use linchpin_testing::{HookEndpoint, HookProvider, TestClock, wiremock::MockServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let text = r#"
/// # schema = 1
/// # key = "tracker"
/// # name = "Tracker"
/// # version = "0.1.0"
/// # http.base_url = "https://tracker.example"
/// # [hook.project]
/// # signature = { scheme = "hmac-sha256", header = "X-Signature" }
/// # [event.opened]
/// # name = "Opened"
/// # hook = "project"
/// # "#;
/// # let hook = spec::parse("specs/tracker.toml", text).spec.unwrap().hooks[0].clone();
/// let server = MockServer::start().await;
/// let service = HookProvider::on(&server, HookEndpoint::at("/hooks"), TestClock::new()).await;
/// service.add("https://hooks.example/in/1", Some("k3y"));
///
/// // `hook` is the spec's `[hook.<key>]`, which says how deliveries are signed.
/// service.emit(&hook, &[("X-Event", "opened")], br#"{"id": 7}"#).unwrap();
/// let mut seen = Vec::new();
/// service
///     .deliver(async |sent| {
///         seen.push((sent.url, sent.delivery.header("X-Event").map(str::to_owned)));
///         http::StatusCode::OK
///     })
///     .await;
/// assert_eq!(seen, [("https://hooks.example/in/1".to_owned(), Some("opened".to_owned()))]);
/// # }
/// ```
#[derive(Clone)]
pub struct HookProvider {
    endpoint: Arc<HookEndpoint>,
    clock: TestClock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How many deliveries it made.
    emitted: u64,
    count: u64,
    hooks: Vec<ProvidedHook>,
    lifetime: Option<Duration>,
    faults: Vec<(HookCall, HookFault)>,
    calls: Vec<HookCall>,
    queue: VecDeque<Queued>,
}

struct Queued {
    hook: u64,
    due: DateTime,
    sent: Sent,
}

impl HookProvider {
    /// Puts the service beside whatever the mock server has.
    pub async fn on(server: &MockServer, endpoint: HookEndpoint, clock: TestClock) -> HookProvider {
        let provider = HookProvider {
            endpoint: Arc::new(endpoint),
            clock,
            state: Arc::new(Mutex::new(State::default())),
        };
        Mock::given(Breaks(provider.clone()))
            .respond_with_err(answer::closed_connection)
            .with_priority(1)
            .mount(server)
            .await;
        let path = provider.endpoint.path.clone();
        let under = format!("{path}/");
        Mock::given(move |request: &Request| {
            let asked = request.url.path();
            asked == path || asked.starts_with(&under)
        })
        .respond_with(Endpoint(provider.clone()))
        .with_priority(2)
        .named("hooks")
        .mount(server)
        .await;
        provider
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long hooks that are made or changed from now on live; for ever by default.
    pub fn lifetime(&self, lifetime: Option<Duration>) {
        self.state().lifetime = lifetime;
    }

    /// Makes the next calls go wrong, one for each fault.
    pub fn break_next(&self, call: HookCall, faults: impl IntoIterator<Item = HookFault>) {
        self.state().faults.extend(faults.into_iter().map(|fault| (call, fault)));
    }

    /// How many faults are still to come.
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// Takes away the faults that are still to come.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// What was asked, in order.
    pub fn calls(&self) -> Vec<HookCall> {
        self.state().calls.clone()
    }

    /// The hooks that it has now; one that has expired is gone.
    pub fn hooks(&self) -> Vec<ProvidedHook> {
        let mut state = self.state();
        state.expire(self.clock.now());
        state.hooks.clone()
    }

    /// Makes a hook as somebody else would, without asking anybody. Gives its id.
    pub fn add(&self, url: &str, secret: Option<&str>) -> u64 {
        self.state().add(url.to_owned(), secret.map(str::to_owned), None)
    }

    /// Changes hooks behind everybody's back: pauses them, moves them, gives them another id. One for which it says `false` is gone.
    pub fn change(&self, mut change: impl FnMut(&mut ProvidedHook) -> bool) {
        self.state().hooks.retain_mut(|hook| change(hook));
    }

    /// Doubles every hook: the copies have ids of their own.
    pub fn double(&self) {
        let mut state = self.state();
        for hook in state.hooks.clone() {
            state.add(hook.url, hook.secret, hook.expires);
        }
    }

    /// Lets something happen: a delivery to every hook that is active, signed as the spec's hook says where it has a key.
    ///
    /// # Errors
    ///
    /// When the spec's hook has no signature, or a header is none.
    pub fn emit(&self, spec: &Hook, headers: &[(&str, &str)], body: &[u8]) -> Result<()> {
        let now = self.clock.now();
        for hook in self.hooks().into_iter().filter(|hook| hook.active) {
            let number = {
                let mut state = self.state();
                state.emitted += 1;
                state.emitted
            };
            let id = format!("delivery-{number}");
            let delivery = signed(spec, hook.secret.as_deref(), headers, body, &id, now)?;
            let sent = Sent { url: hook.url, delivery, attempt: 0 };
            self.state().queue.push_back(Queued { hook: hook.id, due: now, sent });
        }
        Ok(())
    }

    /// Sends what is due by the clock. What is not answered with 2xx is sent again later, a few times, with longer and longer pauses;
    /// a hook that takes nothing is paused after a while. Gives how many were taken.
    pub async fn deliver(&self, mut to: impl AsyncFnMut(Sent) -> linchpin::http::StatusCode) -> usize {
        let mut taken = 0;
        let now = self.clock.now();
        let due: Vec<Queued> = {
            let mut state = self.state();
            let (due, later): (VecDeque<_>, _) =
                std::mem::take(&mut state.queue).into_iter().partition(|queued| queued.due <= now);
            state.queue = later;
            due.into()
        };
        for mut queued in due {
            let status = to(queued.sent.clone()).await;
            let mut state = self.state();
            let hook = state.hooks.iter_mut().find(|hook| hook.id == queued.hook);
            if status.is_success() {
                taken += 1;
                if let Some(hook) = hook {
                    hook.failures = 0;
                }
                continue;
            }
            if let Some(hook) = hook {
                hook.failures += 1;
                hook.active &= hook.failures < PATIENCE;
            }
            if let Some(pause) = RETRIES.get(queued.sent.attempt) {
                queued.sent.attempt += 1;
                queued.due = later(now, *pause);
                state.queue.push_back(queued);
            }
        }
        taken
    }

    /// How many deliveries wait to be sent again.
    pub fn waiting(&self) -> usize {
        self.state().queue.len()
    }

    /// What a request asks for; and of which hook.
    fn asks(&self, request: &Request) -> Option<(HookCall, Option<u64>)> {
        let rest = request.url.path().strip_prefix(self.endpoint.path.as_str())?;
        let id = match rest.strip_prefix('/') {
            Some(id) => Some(id.parse().unwrap_or(0)),
            None if rest.is_empty() => None,
            None => return None,
        };
        let call = match (request.method.as_str(), id) {
            ("POST", None) => HookCall::Register,
            ("GET", None) => HookCall::List,
            ("GET", Some(_)) => HookCall::Check,
            ("PATCH", Some(_)) => HookCall::Renew,
            ("DELETE", Some(_)) => HookCall::Deregister,
            _ => return None,
        };
        Some((call, id))
    }

    /// Does what is asked, and says so.
    fn answer(&self, call: HookCall, id: Option<u64>, body: &Value) -> ResponseTemplate {
        let now = self.clock.now();
        let at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let mut state = self.state();
        state.expire(now);
        let expires = state.lifetime.map(|lifetime| later(now, lifetime));
        if call == HookCall::Register {
            let Some(url) = at(&self.endpoint.url) else {
                return answer::json(422, json!({ "message": "no URL" }));
            };
            if !self.endpoint.shared_urls && state.hooks.iter().any(|hook| hook.url == url) {
                return answer::json(422, json!({ "message": "there is a hook for this URL already" }));
            }
            let id = state.add(url, at(&self.endpoint.secret), expires);
            let made = state.hooks.iter().find(|hook| hook.id == id);
            return made.map_or_else(answer::not_found, |hook| answer::json(201, self.shown(hook)));
        }
        if call == HookCall::List {
            return answer::json(200, state.hooks.iter().map(|hook| self.shown(hook)).collect());
        }
        let Some(index) = state.hooks.iter().position(|hook| Some(hook.id) == id) else {
            return answer::not_found();
        };
        match call {
            HookCall::Deregister => {
                state.hooks.remove(index);
                answer::no_content()
            }
            HookCall::Renew => {
                let hook = &mut state.hooks[index];
                hook.url = at(&self.endpoint.url).unwrap_or_else(|| hook.url.clone());
                hook.secret = at(&self.endpoint.secret).or_else(|| hook.secret.clone());
                hook.active = body.pointer(&self.endpoint.active).and_then(Value::as_bool).unwrap_or(true);
                hook.expires = expires;
                answer::json(200, self.shown(hook))
            }
            _ => answer::json(200, self.shown(&state.hooks[index])),
        }
    }

    /// A hook as the service shows it: without its key.
    fn shown(&self, hook: &ProvidedHook) -> Value {
        let mut shown = json!({ "id": hook.id });
        put(&mut shown, &self.endpoint.url, json!(hook.url));
        put(&mut shown, &self.endpoint.active, json!(hook.active));
        if let Some(expires) = hook.expires {
            put(&mut shown, &self.endpoint.expires, json!(expires.to_string()));
        }
        shown
    }

    /// Takes the next fault of a call.
    fn fault(&self, call: HookCall, of: impl Fn(HookFault) -> bool) -> Option<HookFault> {
        let mut state = self.state();
        let at = state.faults.iter().position(|(broken, _)| *broken == call)?;
        of(state.faults[at].1).then(|| state.faults.remove(at).1)
    }
}

impl fmt::Debug for HookProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookProvider").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl State {
    fn add(&mut self, url: String, secret: Option<String>, expires: Option<DateTime>) -> u64 {
        self.count += 1;
        let hook = ProvidedHook { id: self.count, url, secret, active: true, expires, failures: 0 };
        self.hooks.push(hook);
        self.count
    }

    fn expire(&mut self, now: DateTime) {
        self.hooks.retain(|hook| hook.expires.is_none_or(|expires| expires > now));
    }
}

/// Matches the requests whose answer is lost, once they are done where they are.
struct Breaks(HookProvider);

impl Match for Breaks {
    fn matches(&self, request: &Request) -> bool {
        let Some((call, id)) = self.0.asks(request) else { return false };
        match self.0.fault(call, |fault| matches!(fault, HookFault::Lost | HookFault::Closed)) {
            Some(fault) => {
                self.0.state().calls.push(call);
                if fault == HookFault::Lost {
                    self.0.answer(call, id, &request.body_json().unwrap_or_default());
                }
                true
            }
            None => false,
        }
    }
}

struct Endpoint(HookProvider);

impl Respond for Endpoint {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let Some((call, id)) = self.0.asks(request) else { return answer::not_found() };
        self.0.state().calls.push(call);
        let body = request.body_json().unwrap_or_default();
        match self.0.fault(call, |_| true) {
            None => self.0.answer(call, id, &body),
            Some(HookFault::Fails) => answer::server_error(),
            Some(HookFault::Refused) => answer::json(400, json!({ "message": "not like this" })),
            Some(HookFault::Slow) => self.0.answer(call, id, &body).set_delay(Duration::from_secs(1)),
            Some(_) => {
                self.0.answer(call, id, &body);
                self.0.answer(call, id, &body)
            }
        }
    }
}

/// A delivery as the service sends it.
fn signed(
    spec: &Hook,
    secret: Option<&str>,
    headers: &[(&str, &str)],
    body: &[u8],
    id: &str,
    at: DateTime,
) -> Result<Delivery> {
    let mut unsigned = Delivery { body: body.to_vec().into(), ..Delivery::default() };
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::new(format!("`{name}` is no header name")))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::new(format!("the value of the header `{name}` has control characters")))?;
        unsigned.headers.insert(name, value);
    }
    match secret {
        Some(secret) => Guard::new(spec)?.sign(&Secret::new(secret), unsigned, id, at),
        None => Ok(unsigned),
    }
}

fn later(time: DateTime, span: Duration) -> DateTime {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_unix_millis(time.unix_millis().saturating_add(span)).unwrap_or(time)
}

/// Puts a value where a JSON pointer points, with the objects on the way.
fn put(into: &mut Value, pointer: &str, value: Value) {
    let mut place = into;
    for key in pointer.split('/').skip(1) {
        place = &mut place[key];
    }
    *place = value;
}
