//! A mock authorization server: rotating refresh tokens, reuse detection, expiry by a clock that tests set, and faults.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use linchpin::{DateTime, flow::BoxFuture, http::header::AUTHORIZATION};
use linchpin_runtime::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wiremock::{Match, Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use crate::answer;

/// A clock that only tests move, and the pauses between attempts of a request, which take no time. Cheap to clone; all clones are one
/// clock.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> TestClock {
        TestClock::new()
    }
}

impl TestClock {
    /// A clock that stands at 2026-01-01T00:00:00Z.
    pub fn new() -> TestClock {
        TestClock(Arc::new(AtomicI64::new(1_767_225_600_000)))
    }

    /// A clock that stands at another time.
    pub fn at(time: DateTime) -> TestClock {
        TestClock(Arc::new(AtomicI64::new(time.unix_millis())))
    }

    /// Moves it forward.
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime {
        DateTime::from_unix_millis(self.0.load(Ordering::SeqCst))
            .unwrap_or_else(|| std::time::SystemTime::now().into())
    }

    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.advance(time);
        Box::pin(std::future::ready(()))
    }
}

/// A mock authorization server on a [`MockServer`], beside the mock of the API that its tokens open. Cheap to clone.
///
/// It answers `POST /token` for authorization codes with PKCE, refresh tokens, client credentials and device codes,
/// `POST /device` (RFC 8628), `POST /revoke` (RFC 7009) and `POST /introspect` (RFC 7662). Refresh tokens rotate; one that comes
/// a second time kills all tokens of its family, as RFC 9700 §4.14 advises.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use linchpin_testing::{Issuer, answer, wiremock::MockServer};
/// use linchpin::serde_json::json;
///
/// let server = MockServer::start().await;
/// let issuer = Issuer::on(&server).await;
/// issuer.protect_on(&server, "GET", "/me", answer::json(200, json!({ "id": 1 }))).await;
///
/// let grant = issuer.grant();
/// assert!(issuer.is_active(&grant.access_token) && issuer.is_active(&grant.refresh_token));
/// # }
/// ```
#[derive(Clone)]
pub struct Issuer {
    server: String,
    clock: TestClock,
    state: Arc<Mutex<State>>,
}

/// Tokens that an [`Issuer`] gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Opens the API until it expires.
    pub access_token: String,
    /// Is exchanged for new tokens, once.
    pub refresh_token: String,
}

/// How a token endpoint may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFault {
    /// It answers 503 and does nothing.
    ServerError,
    /// It answers 429 with `Retry-After: 7` and does nothing.
    RateLimited,
    /// It closes the connection and does nothing.
    Closed,
    /// It makes the exchange and closes the connection: the answer is lost.
    LostAnswer,
    /// It answers with JSON that breaks off, and does nothing.
    Malformed,
    /// It answers 200 with `error=invalid_client` and does nothing.
    InvalidClient,
}

struct State {
    watch: Option<Arc<dyn Fn() + Send + Sync>>,
    client_id: String,
    client_secret: String,
    lifetime: Option<Duration>,
    rotate: bool,
    detect_reuse: bool,
    token_type: String,
    count: u64,
    tokens: HashMap<String, Token>,
    dead: BTreeSet<u64>,
    codes: HashMap<String, Code>,
    devices: HashMap<String, Device>,
    faults: Vec<TokenFault>,
    exchanges: u64,
    reused: u64,
    revoked: Vec<String>,
}

struct Token {
    family: u64,
    access: bool,
    expires: Option<DateTime>,
    spent: bool,
}

struct Code {
    challenge: Option<String>,
    redirect: String,
}

struct Device {
    consent: Option<bool>,
}

impl Issuer {
    /// The id of the client that it knows.
    pub const CLIENT_ID: &'static str = "linchpin-client";

    /// The secret of the client that it knows; its signs need form-encoding.
    pub const CLIENT_SECRET: &'static str = "s3cr3t+of/the client";

    /// Puts an authorization server beside whatever the mock server has.
    pub async fn on(server: &MockServer) -> Issuer {
        Issuer::with_clock(server, TestClock::new()).await
    }

    /// As [`on`](Issuer::on), with the clock by which tokens expire.
    pub async fn with_clock(server: &MockServer, clock: TestClock) -> Issuer {
        let state = State {
            watch: None,
            client_id: Issuer::CLIENT_ID.to_owned(),
            client_secret: Issuer::CLIENT_SECRET.to_owned(),
            lifetime: Some(Duration::from_secs(3600)),
            rotate: true,
            detect_reuse: true,
            token_type: "Bearer".to_owned(),
            count: 0,
            tokens: HashMap::new(),
            dead: BTreeSet::new(),
            codes: HashMap::new(),
            devices: HashMap::new(),
            faults: Vec::new(),
            exchanges: 0,
            reused: 0,
            revoked: Vec::new(),
        };
        let issuer = Issuer { server: server.uri(), clock, state: Arc::new(Mutex::new(state)) };
        let broken = Mock::given(matchers::method("POST")).and(matchers::path("/token"));
        broken
            .and(Breaks(issuer.clone()))
            .respond_with_err(answer::closed_connection)
            .with_priority(1)
            .mount(server)
            .await;
        for (path, run) in [
            ("/token", Issuer::token as fn(&Issuer, &Form) -> ResponseTemplate),
            ("/device", Issuer::device),
            ("/revoke", Issuer::revoke),
            ("/introspect", Issuer::introspect),
        ] {
            let mock = Mock::given(matchers::method("POST")).and(matchers::path(path));
            let endpoint = Endpoint { issuer: issuer.clone(), run };
            mock.respond_with(endpoint).named(format!("issuer: {path}")).mount(server).await;
        }
        issuer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock by which tokens expire.
    pub fn clock(&self) -> TestClock {
        self.clock.clone()
    }

    /// How long access tokens live; `None` for answers that do not say, and tokens that live for ever. One hour by default.
    pub fn lifetime(&self, lifetime: Option<Duration>) {
        self.state().lifetime = lifetime;
    }

    /// Whether each exchange gives a new refresh token; it does by default.
    pub fn rotate(&self, rotate: bool) {
        self.state().rotate = rotate;
    }

    /// What it calls the type of its tokens; `Bearer` by default.
    pub fn token_type(&self, name: &str) {
        self.state().token_type = name.to_owned();
    }

    /// Makes the next requests to the token endpoint go wrong, one for each fault.
    pub fn break_next(&self, faults: impl IntoIterator<Item = TokenFault>) {
        self.state().faults.extend(faults);
    }

    /// Calls back whenever the token endpoint has done what it was asked and has not answered yet: a test can stop the client
    /// there.
    pub fn before_answer(&self, watch: impl Fn() + Send + Sync + 'static) {
        self.state().watch = Some(Arc::new(watch));
    }

    /// Tokens as a login gives them.
    pub fn grant(&self) -> Tokens {
        let mut state = self.state();
        state.count += 1;
        let family = state.count;
        let (access_token, refresh_token) = state.issue(family, self.clock.now());
        Tokens { access_token, refresh_token }
    }

    /// What a browser comes back with when the person at this authorization URL consents: the callback's URL.
    ///
    /// # Panics
    ///
    /// When the URL is none that an authorization server would accept: another client, no `redirect_uri`, no code wanted.
    pub fn consent(&self, authorization_url: &str) -> String {
        let url = wiremock::http::Url::parse(authorization_url).expect("the authorization URL is a URL");
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked.get("response_type").map(String::as_str), Some("code"), "{authorization_url}");
        let mut state = self.state();
        assert_eq!(asked.get("client_id"), Some(&state.client_id), "{authorization_url}");
        let redirect = asked.get("redirect_uri").expect("a redirect URI").clone();
        state.count += 1;
        let code = format!("code-{}", state.count);
        let challenge = asked.get("code_challenge").cloned();
        if challenge.is_some() {
            assert_eq!(asked.get("code_challenge_method").map(String::as_str), Some("S256"));
        }
        state.codes.insert(code.clone(), Code { challenge, redirect: redirect.clone() });
        let state = asked.get("state").cloned().unwrap_or_default();
        format!("{redirect}?code={code}&state={state}")
    }

    /// Consents to a device's code, or refuses.
    ///
    /// # Panics
    ///
    /// When there is no such code.
    pub fn enter(&self, user_code: &str, consent: bool) {
        let mut state = self.state();
        state.devices.get_mut(user_code).expect("a code that was given").consent = Some(consent);
    }

    /// Whether a token opens anything.
    pub fn is_active(&self, token: &str) -> bool {
        self.state().is_active(token, self.clock.now())
    }

    /// Kills every token at once, as an owner does in the service's settings.
    pub fn revoke_all(&self) {
        let mut state = self.state();
        let families: Vec<u64> = state.tokens.values().map(|token| token.family).collect();
        state.dead.extend(families);
    }

    /// How many exchanges have given tokens.
    pub fn exchanges(&self) -> u64 {
        self.state().exchanges
    }

    /// How often a refresh token came that had been exchanged before.
    pub fn reused(&self) -> u64 {
        self.state().reused
    }

    /// The tokens that were revoked by request, in their order.
    pub fn revoked(&self) -> Vec<String> {
        self.state().revoked.clone()
    }

    /// The address of the mock server.
    pub fn uri(&self) -> &str {
        &self.server
    }

    /// Answers requests of a method to a path where they carry a live access token, and others with 401.
    pub async fn protect_on(&self, server: &MockServer, method: &str, path: &str, answer: ResponseTemplate) {
        let open = Mock::given(matchers::method(method)).and(matchers::path(path));
        open.and(Live(self.clone())).respond_with(answer).with_priority(2).mount(server).await;
        let shut = Mock::given(matchers::method(method)).and(matchers::path(path));
        shut.respond_with(answer::unauthorized()).with_priority(3).mount(server).await;
    }

    fn token(&self, form: &Form) -> ResponseTemplate {
        let mut state = self.state();
        if let Some(refusal) = self.prove(&state, form) {
            return refusal;
        }
        let now = self.clock.now();
        match form.get("grant_type") {
            Some("refresh_token") => {
                let given = form.get("refresh_token").unwrap_or_default();
                let Some(token) = state.tokens.get(given).filter(|token| !token.access) else {
                    return refuse("invalid_grant", "the refresh token is unknown");
                };
                let (family, spent) = (token.family, token.spent);
                if spent && state.detect_reuse {
                    state.reused += 1;
                    state.dead.insert(family);
                }
                if state.dead.contains(&family) {
                    return refuse("invalid_grant", "the refresh token was revoked");
                }
                state.exchanges += 1;
                if !state.rotate {
                    let access = state.access(family, now);
                    return state.say(&access, None);
                }
                if let Some(token) = state.tokens.get_mut(given) {
                    token.spent = true;
                }
                let (access, refresh) = state.issue(family, now);
                state.say(&access, Some(&refresh))
            }
            Some("authorization_code") => {
                // A code is good once, whatever comes of it.
                let Some(code) = state.codes.remove(form.get("code").unwrap_or_default()) else {
                    return refuse("invalid_grant", "the code is unknown or was used");
                };
                if form.get("redirect_uri") != Some(code.redirect.as_str()) {
                    return refuse("invalid_grant", "the redirect URI is another");
                }
                if let Some(challenge) = &code.challenge {
                    let verifier = form.get("code_verifier").unwrap_or_default();
                    if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != *challenge {
                        return refuse("invalid_grant", "the code verifier does not fit the challenge");
                    }
                }
                state.new_family(now)
            }
            Some("client_credentials") => {
                state.count += 1;
                state.exchanges += 1;
                let family = state.count;
                let access = state.access(family, now);
                state.say(&access, None)
            }
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                let code = form.get("device_code").unwrap_or_default();
                let user_code = code.strip_prefix("device-").unwrap_or_default().to_owned();
                match state.devices.get(&user_code).map(|device| device.consent) {
                    None => refuse("invalid_grant", "the device code is unknown"),
                    Some(None) => refuse("authorization_pending", "nobody has entered the code yet"),
                    Some(Some(false)) => refuse("access_denied", "the person refused"),
                    Some(Some(true)) => {
                        state.devices.remove(&user_code);
                        state.new_family(now)
                    }
                }
            }
            _ => refuse("unsupported_grant_type", "this grant is not known here"),
        }
    }

    fn device(&self, form: &Form) -> ResponseTemplate {
        let mut state = self.state();
        if let Some(refusal) = self.prove(&state, form) {
            return refusal;
        }
        state.count += 1;
        let user_code = format!("USER-{}", state.count);
        state.devices.insert(user_code.clone(), Device { consent: None });
        answer::json(
            200,
            json!({
                "device_code": format!("device-{user_code}"),
                "user_code": user_code,
                "verification_uri": format!("{}/activate", self.server),
                "expires_in": 600,
                "interval": 5,
            }),
        )
    }

    fn revoke(&self, form: &Form) -> ResponseTemplate {
        let mut state = self.state();
        if let Some(refusal) = self.prove(&state, form) {
            return refusal;
        }
        let token = form.get("token").unwrap_or_default().to_owned();
        // RFC 7009 §2.1: with a refresh token all access tokens of the grant go; an access token goes alone.
        match state.tokens.get(&token).map(|token| (token.family, token.access)) {
            Some((_, true)) => drop(state.tokens.remove(&token)),
            Some((family, false)) => drop(state.dead.insert(family)),
            None => {}
        }
        state.revoked.push(token);
        ResponseTemplate::new(200)
    }

    fn introspect(&self, form: &Form) -> ResponseTemplate {
        let active = self.is_active(form.get("token").unwrap_or_default());
        answer::json(200, json!({ "active": active }))
    }

    /// Whether the client is who it says (RFC 6749 §2.3.1); `None` when it is.
    fn prove(&self, state: &State, form: &Form) -> Option<ResponseTemplate> {
        let given = match &form.basic {
            Some((id, secret)) => Some((id.as_str(), secret.as_str())),
            None => form.get("client_id").zip(form.get("client_secret")),
        };
        if given == Some((&state.client_id, &state.client_secret)) {
            return None;
        }
        Some(answer::json(401, json!({ "error": "invalid_client" })))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.server)
    }
}

impl State {
    fn next_fault(&mut self) -> Option<TokenFault> {
        (!self.faults.is_empty()).then(|| self.faults.remove(0))
    }

    fn access(&mut self, family: u64, now: DateTime) -> String {
        self.count += 1;
        let token = format!("at-{family}-{}", self.count);
        let expires =
            self.lifetime.map(|life| now.unix_millis() + i64::try_from(life.as_millis()).unwrap_or(0));
        let expires = expires.and_then(DateTime::from_unix_millis);
        self.tokens.insert(token.clone(), Token { family, access: true, expires, spent: false });
        token
    }

    fn issue(&mut self, family: u64, now: DateTime) -> (String, String) {
        let access = self.access(family, now);
        let refresh = format!("rt-{family}-{}", self.count);
        self.tokens.insert(refresh.clone(), Token { family, access: false, expires: None, spent: false });
        (access, refresh)
    }

    fn new_family(&mut self, now: DateTime) -> ResponseTemplate {
        self.count += 1;
        self.exchanges += 1;
        let family = self.count;
        let (access, refresh) = self.issue(family, now);
        self.say(&access, Some(&refresh))
    }

    fn say(&self, access: &str, refresh: Option<&str>) -> ResponseTemplate {
        let mut said =
            json!({ "access_token": access, "token_type": self.token_type, "scope": "read write" });
        if let Some(refresh) = refresh {
            said["refresh_token"] = Value::from(refresh);
        }
        if let Some(life) = self.lifetime {
            said["expires_in"] = Value::from(life.as_secs());
        }
        answer::json(200, said)
    }

    fn is_active(&self, token: &str, now: DateTime) -> bool {
        self.tokens.get(token).is_some_and(|token| {
            !token.spent
                && !self.dead.contains(&token.family)
                && token.expires.is_none_or(|expires| now < expires)
        })
    }
}

fn refuse(error: &str, description: &str) -> ResponseTemplate {
    answer::json(400, json!({ "error": error, "error_description": description }))
}

/// The form of a request, with the client's header.
struct Form {
    fields: HashMap<String, String>,
    basic: Option<(String, String)>,
}

impl Form {
    fn of(request: &Request) -> Form {
        let fields = pairs(&request.body).into_iter().collect();
        let basic = request.headers.get(AUTHORIZATION).and_then(|value| {
            let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
            let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
            let (id, secret) = text.split_once(':')?;
            Some((decoded(id), decoded(secret)))
        });
        Form { fields, basic }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

fn pairs(form: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(form);
    // The parser of queries is that of forms.
    let url = wiremock::http::Url::parse(&format!("http://form/?{text}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

fn decoded(text: &str) -> String {
    pairs(format!("x={text}").as_bytes()).into_iter().next().map(|(_, value)| value).unwrap_or_default()
}

struct Endpoint {
    issuer: Issuer,
    run: fn(&Issuer, &Form) -> ResponseTemplate,
}

impl Respond for Endpoint {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let form = Form::of(request);
        if request.url.path() == "/token" {
            match self.issuer.state().next_fault() {
                Some(TokenFault::ServerError) => {
                    return answer::json(503, json!({ "error": "temporarily_unavailable" }));
                }
                Some(TokenFault::RateLimited) => return answer::rate_limited(7),
                Some(TokenFault::Malformed) => return answer::malformed_json(),
                Some(TokenFault::InvalidClient) => {
                    return answer::json(200, json!({ "error": "invalid_client" }));
                }
                _ => {}
            }
            let answer = (self.run)(&self.issuer, &form);
            let watch = self.issuer.state().watch.clone();
            if let Some(watch) = watch {
                watch();
            }
            return answer;
        }
        (self.run)(&self.issuer, &form)
    }
}

/// Matches while the next fault is one that closes the connection.
struct Breaks(Issuer);

impl Match for Breaks {
    fn matches(&self, request: &Request) -> bool {
        let fault = {
            let mut state = self.0.state();
            match state.faults.first() {
                Some(TokenFault::Closed | TokenFault::LostAnswer) => Some(state.faults.remove(0)),
                _ => None,
            }
        };
        if fault == Some(TokenFault::LostAnswer) {
            drop(self.0.token(&Form::of(request)));
        }
        fault.is_some()
    }
}

/// Matches requests with a live access token.
struct Live(Issuer);

impl Match for Live {
    fn matches(&self, request: &Request) -> bool {
        let token = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        token.and_then(|token| token.strip_prefix("Bearer ")).is_some_and(|token| {
            let state = self.0.state();
            state.tokens.get(token).is_some_and(|known| known.access)
                && state.is_active(token, self.0.clock.now())
        })
    }
}
