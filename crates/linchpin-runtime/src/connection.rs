//! Connections: the values of a form, checked, with all that follows from them worked out once.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, COOKIE, USER_AGENT},
};
use linchpin::{
    Code, Connector, Error, Result, Secret, Violation,
    extract::ConnectionValues,
    manifest::spec::{
        AuthKind, AuthMethod, ConnectionField, ConnectionFieldKind, KeyPlace, OAuth2Grant, Spec, Template,
    },
};
use url::Url;

use crate::{
    client::ClientIdentity,
    clock::{Clock, SystemClock},
    coding,
    conditional::Known,
    egress::{Allowed, Origin},
    grant::{ACCESS_TOKEN, GrantStore, Kept, MemoryGrant, REFRESH_TOKEN},
    limit::Limiter,
    login::{DeviceLogin, Login},
    nearest,
    oauth::{self, OAuthClient, OAuthExchange, Server},
    outcome::Patterns,
    refresh::{Broker, Exchange, RefreshPolicy},
    retry::Budget,
    runtime::Runtime,
    scrub::Scrubber,
    share::{Cells, Leaving, Locks},
    signing::Signing,
    steps::SessionExchange,
    template,
};

/// A connection that has been checked against the connector's form, ready for any number of calls. Cheap to clone.
///
/// Made once: it holds the filled-in base URL, the hosts that requests may go to, and the headers of every request.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Ready>);

/// What a connection has worked out.
pub(crate) struct Ready {
    pub(crate) connector: Connector,
    pub(crate) spec: Arc<Spec>,
    pub(crate) values: ConnectionValues,
    /// The base URL.
    pub(crate) base: Url,
    pub(crate) allowed: Allowed,
    /// The headers of requests without credentials.
    pub(crate) open_headers: HeaderMap,
    credentials: Credentials,
    /// What is shown to the connector's hosts when TLS begins.
    pub(crate) identity: Option<ClientIdentity>,
    /// Who signs requests, last of all.
    pub(crate) signing: Option<Signing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) patterns: Patterns,
    /// How often requests may still be sent again.
    pub(crate) budget: Budget,
    /// Who holds requests back, the connection's own first; made with the first request.
    pub(crate) limiters: OnceLock<Vec<Arc<Limiter>>>,
    pub(crate) locks: Locks,
    /// What was read before, where the spec asks to be told only of changes.
    pub(crate) known: Known,
    /// What the connection has in common with the same one in other processes, which know it by this id.
    pub(crate) cells: Option<(Arc<dyn Cells>, String)>,
    /// What is being given back of that.
    pub(crate) leaving: Arc<Leaving>,
    /// What must never be shown: the values of secret fields, and what credentials are made of them.
    secrets: Vec<String>,
    /// Made when something is printed for the first time, with the generation of the tokens that it knows.
    scrubber: Mutex<Option<(Option<u64>, Arc<Scrubber>)>>,
}

impl Ready {
    /// The cells that are shared with other processes, and the name of one of the connection's own.
    pub(crate) fn shared(&self, name: &str) -> Option<(Arc<dyn Cells>, String)> {
        self.cells.as_ref().map(|(cells, id)| (cells.clone(), format!("connection/{id}/{name}")))
    }
}

/// What requests carry.
#[derive(Debug)]
pub(crate) struct Signed {
    /// All headers of a request that the flow does not set.
    pub(crate) headers: HeaderMap,
    /// Query parameters that are credentials, names and values not yet encoded.
    pub(crate) query: Vec<(String, String)>,
    /// Fields of bodies that are credentials.
    pub(crate) body: Vec<(String, String)>,
    /// Of which generation of the grant it is; 0 where there is none.
    pub(crate) generation: u64,
    /// The values in it that must not be shown.
    pub(crate) secrets: Vec<String>,
}

impl Signed {
    /// Nothing but the headers of requests without credentials.
    pub(crate) fn open(headers: HeaderMap) -> Signed {
        Signed { headers, query: Vec::new(), body: Vec::new(), generation: 0, secrets: Vec::new() }
    }
}

/// Where what requests carry comes from.
enum Credentials {
    /// The form.
    Fixed(Arc<Signed>),
    /// What the service gave in exchange for it.
    Granted { broker: Broker, server: Arc<Server> },
}

impl Connection {
    /// Checks the values against the form of their method. With exactly one method in the spec it need not be named; defaults
    /// are filled in. A grant, where the method has one, is kept in this process only.
    ///
    /// # Errors
    ///
    /// As [`ConnectionBuilder::build`].
    pub fn new(connector: &Connector, values: ConnectionValues) -> Result<Connection> {
        Connection::builder(connector, values).build()
    }

    /// As [`new`](Connection::new), with another base URL in place of the spec's: the operator's leave for exactly its scheme,
    /// host and port, be it a public address or not.
    ///
    /// # Errors
    ///
    /// As [`new`](Connection::new), and [`Code::ConnectionInvalid`] when `base_url` is not a plain `http` or `https` URL.
    pub fn with_base_url(
        connector: &Connector,
        values: ConnectionValues,
        base_url: &str,
    ) -> Result<Connection> {
        Connection::builder(connector, values).base_url(base_url).build()
    }

    /// A connection with more to say of it than its form.
    pub fn builder(connector: &Connector, values: ConnectionValues) -> ConnectionBuilder {
        ConnectionBuilder {
            connector: connector.clone(),
            values,
            base_url: None,
            client: None,
            grants: None,
            clock: Arc::new(SystemClock),
            policy: RefreshPolicy::default(),
            cells: None,
        }
    }

    /// The connector.
    pub fn connector(&self) -> &Connector {
        &self.0.connector
    }

    /// The connector's spec.
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    /// The method and the fields, defaults filled in.
    pub fn values(&self) -> &ConnectionValues {
        &self.0.values
    }

    /// How the connection gets its first grant.
    pub fn way(&self) -> Way {
        let Credentials::Granted { server, .. } = &self.0.credentials else { return Way::Form };
        match server.oauth().map(|oauth| oauth.grant) {
            Ok(OAuth2Grant::AuthorizationCode) => Way::Browser,
            Ok(OAuth2Grant::DeviceCode) => Way::Device,
            _ => Way::Exchange,
        }
    }

    /// Begins a login in a browser; `redirect_uri` is where the callback will come.
    ///
    /// # Errors
    ///
    /// [`Code::NotCarriedOut`] when the method has no such login.
    pub fn login(&self, redirect_uri: &str) -> Result<Login> {
        Login::begin(self.server()?.clone(), redirect_uri)
    }

    /// Begins a login by a code that is entered elsewhere.
    ///
    /// # Errors
    ///
    /// [`Code::NotCarriedOut`] when the method has no such login, and whatever the service says.
    pub async fn device_login(&self, runtime: &Runtime) -> Result<DeviceLogin> {
        DeviceLogin::begin(self.server()?.clone(), runtime).await
    }

    fn server(&self) -> Result<&Arc<Server>> {
        match &self.0.credentials {
            Credentials::Granted { server, .. } => Ok(server),
            Credentials::Fixed(_) => {
                let message = "the connection's method has no grant: its form is all there is";
                Err(Error::coded(Code::NotCarriedOut, message))
            }
        }
    }

    /// The grant as it is kept now; none for a method without one.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn grant(&self) -> Result<Option<Kept>> {
        match &self.0.credentials {
            Credentials::Granted { broker, .. } => broker.store().load().await.map(Some),
            Credentials::Fixed(_) => Ok(None),
        }
    }

    /// Exchanges the grant for a new one, whether one is due or not.
    ///
    /// # Errors
    ///
    /// [`Code::ReauthorizationNeeded`] when the grant is dead, [`Code::RefreshFailed`] when the service is in trouble,
    /// [`Code::ExchangeRefused`] when the connector or its client is wrong; [`Code::NotCarriedOut`] where there is no grant.
    pub async fn refresh(&self, runtime: &Runtime) -> Result<()> {
        self.server()?;
        match &self.0.credentials {
            Credentials::Granted { broker, .. } => broker.exchange_now(runtime).await.map(drop),
            Credentials::Fixed(_) => Ok(()),
        }
    }

    /// Waits until no exchange of tokens is under way, and what other processes wait for has been given back. A process that ends
    /// before may lose the service's answer, and with it the grant.
    pub async fn settle(&self) {
        if let Credentials::Granted { broker, .. } = &self.0.credentials {
            broker.settle().await;
        }
        self.0.leaving.settle().await;
    }

    /// Kills the tokens at the service by RFC 7009, the refresh token first; gives each token's name with what became of it.
    ///
    /// # Errors
    ///
    /// [`Code::NotCarriedOut`] when the spec has no `revocation_url`, and when the store cannot be read.
    pub async fn revoke_tokens(&self, runtime: &Runtime) -> Result<Vec<(&'static str, Result<()>)>> {
        let server = self.server()?;
        if server.oauth()?.revocation_url.is_none() {
            let message = format!("the method `{}` has no `revocation_url`", server.method().key);
            return Err(Error::coded(Code::NotCarriedOut, message));
        }
        let mut fates = Vec::new();
        let Some(grant) = self.grant().await?.and_then(|kept| kept.grant) else { return Ok(fates) };
        if let Some(token) = grant.value(REFRESH_TOKEN) {
            let token = oauth2::RefreshToken::new(token.expose().to_owned());
            fates.push((REFRESH_TOKEN, server.revoke(runtime, token.into()).await));
        }
        if let Some(token) = grant.value(ACCESS_TOKEN) {
            let token = oauth2::AccessToken::new(token.expose().to_owned());
            fates.push((ACCESS_TOKEN, server.revoke(runtime, token.into()).await));
        }
        Ok(fates)
    }

    /// What a request carries.
    pub(crate) async fn signed(&self, runtime: &Runtime) -> Result<Arc<Signed>> {
        match &self.0.credentials {
            Credentials::Fixed(signed) => Ok(signed.clone()),
            Credentials::Granted { broker, .. } => broker.signed(runtime).await,
        }
    }

    /// What a request would carry, without an exchange.
    pub(crate) fn signed_now(&self) -> Option<Arc<Signed>> {
        match &self.0.credentials {
            Credentials::Fixed(signed) => Some(signed.clone()),
            Credentials::Granted { broker, .. } => broker.at_hand(),
        }
    }

    /// What a request carries after the service has refused this; `None` where there is nothing else.
    pub(crate) async fn signed_anew(
        &self,
        runtime: &Runtime,
        refused: &Signed,
    ) -> Option<Result<Arc<Signed>>> {
        match &self.0.credentials {
            Credentials::Fixed(_) => None,
            Credentials::Granted { broker, .. } => {
                Some(broker.after_refusal(runtime, refused.generation).await)
            }
        }
    }

    /// A text with every secret of the connection replaced by `***`, also in its usual encodings.
    pub fn scrub(&self, text: &str) -> String {
        self.0.scrubber().scrub(text).into_owned()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}, {:?})", self.0.spec.key, self.0.values.method)
    }
}

/// How a connection gets its first grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// There is none: the form is all there is.
    Form,
    /// A person consents in a browser, and a callback brings a code.
    Browser,
    /// A person enters a code elsewhere.
    Device,
    /// The first call makes the exchange; nobody is asked.
    Exchange,
}

/// Makes a [`Connection`].
#[must_use = "nothing is made before `build`"]
pub struct ConnectionBuilder {
    connector: Connector,
    values: ConnectionValues,
    base_url: Option<String>,
    client: Option<OAuthClient>,
    grants: Option<Arc<dyn GrantStore>>,
    clock: Arc<dyn Clock>,
    policy: RefreshPolicy,
    cells: Option<(Arc<dyn Cells>, String)>,
}

impl ConnectionBuilder {
    /// Another base URL in place of the spec's: the operator's leave for exactly its scheme, host and port, be it a public
    /// address or not. The authorization server is then looked for there too, under the paths of the spec.
    pub fn base_url(mut self, url: impl Into<String>) -> ConnectionBuilder {
        self.base_url = Some(url.into());
        self
    }

    /// The OAuth client of whoever runs the connector; needed where the method's client is not the customer's.
    pub fn client(mut self, client: OAuthClient) -> ConnectionBuilder {
        self.client = Some(client);
        self
    }

    /// Where the grant is kept; in this process only by default.
    pub fn grants(mut self, store: Arc<dyn GrantStore>) -> ConnectionBuilder {
        self.grants = Some(store);
        self
    }

    /// What is shared with other processes that use the connection, which know it by the same id: rate limits and locks. In this
    /// process only by default.
    pub fn cells(mut self, cells: Arc<dyn Cells>, id: impl Into<String>) -> ConnectionBuilder {
        self.cells = Some((cells, id.into()));
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> ConnectionBuilder {
        self.clock = clock;
        self
    }

    /// How tokens are kept fresh.
    pub fn refresh(mut self, policy: RefreshPolicy) -> ConnectionBuilder {
        self.policy = policy;
        self
    }

    /// Checks the values against the form of their method.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionInvalid`] with every violation when the values do not fit, [`Code::ClientMissing`] when the method needs
    /// an OAuth client that was not given.
    pub fn build(self) -> Result<Connection> {
        let ConnectionBuilder { connector, values, base_url, client, grants, clock, policy, cells } = self;
        let spec = connector.shared_spec()?;
        let (method, values) = check(&spec, values)?;
        let base = match &base_url {
            Some(text) => operators_url(text)?,
            None => template::url(&spec.http.base_url, &values, method)?,
        };
        let Some(origin) = Origin::of(&base) else {
            let message = format!("the base URL `{base}` is neither `http` nor `https`");
            return Err(Error::coded(Code::ConnectionInvalid, message));
        };
        let hosts = spec.http.hosts.iter().map(|host| template::host(host, &values, method));
        let hosts = hosts.collect::<Result<_>>()?;
        let allowed = Allowed { base: origin, hosts, leave: base_url.is_some() };

        let patterns = Patterns::of(&spec)?;
        let mut secrets = secret_values(method, &values);
        let open_headers = common_headers(&spec)?;
        let shown = method.and_then(|method| method.client_certificate.as_ref());
        let identity = shown.map(|shown| {
            let text = |template| template::text(template, &values);
            ClientIdentity::read(&text(&shown.certificate)?, &text(&shown.private_key)?)
        });
        let identity = identity.transpose()?;
        let credentials = match method.filter(|method| is_exchanged(&method.kind)) {
            Some(method) => {
                let client = match &method.kind {
                    AuthKind::OAuth2(oauth) => Some(oauth::client(&spec, method, oauth, &values, client)?),
                    _ => None,
                };
                let secret = client.as_ref().and_then(|client| client.secret.as_ref());
                secrets.extend(secret.map(|secret| secret.expose().to_owned()));
                let server = Arc::new(Server {
                    method: spec.auth.iter().position(|known| known.key == method.key).unwrap_or_default(),
                    spec: spec.clone(),
                    values: values.clone(),
                    allowed: allowed.clone(),
                    key: oauth::signing_key(method, &values, client.as_ref())?,
                    client,
                    identity: identity.clone(),
                    clock: clock.clone(),
                    base: base.as_str().trim_end_matches('/').to_owned(),
                    open_headers: open_headers.clone(),
                    patterns: patterns.clone(),
                    secrets: secrets.clone(),
                });
                let grants = grants.unwrap_or_else(|| Arc::new(MemoryGrant::default()));
                let exchange: Box<dyn Exchange> = match &method.kind {
                    AuthKind::Session(_) => Box::new(SessionExchange(server.clone())),
                    _ => Box::new(OAuthExchange(server.clone())),
                };
                Credentials::Granted { broker: Broker::new(grants, exchange, clock.clone(), policy), server }
            }
            None => {
                let mut signed = Signed::open(open_headers.clone());
                if let Some(method) = method {
                    Applying { method, values: &values, signed: &mut signed }.apply()?;
                }
                secrets.append(&mut signed.secrets);
                Credentials::Fixed(Arc::new(signed))
            }
        };
        let signing = method.and_then(Signing::of);
        Ok(Connection(Arc::new(Ready {
            connector,
            spec,
            values,
            base,
            allowed,
            open_headers,
            credentials,
            identity,
            signing,
            clock,
            patterns,
            budget: Budget::new(),
            limiters: OnceLock::new(),
            locks: Locks::default(),
            known: Known::default(),
            cells,
            leaving: Arc::default(),
            secrets,
            scrubber: Mutex::new(None),
        })))
    }
}

impl fmt::Debug for ConnectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionBuilder({}, {:?})", self.connector.key(), self.values.method)
    }
}

impl Ready {
    /// What takes every secret out of a text that is known by now.
    pub(crate) fn scrubber(&self) -> Arc<Scrubber> {
        let (generation, tokens) = match &self.credentials {
            Credentials::Fixed(_) => (None, Vec::new()),
            Credentials::Granted { broker, .. } => (broker.generation(), broker.secrets()),
        };
        let mut made = self.scrubber.lock().unwrap_or_else(PoisonError::into_inner);
        match &*made {
            Some((known, scrubber)) if *known == generation => scrubber.clone(),
            _ => {
                let all = self.secrets.iter().chain(&tokens).map(String::as_str);
                let scrubber = Arc::new(Scrubber::new(all));
                *made = Some((generation, scrubber.clone()));
                scrubber
            }
        }
    }
}

/// Whether requests carry what the service gives in exchange for the form, and not what the form says.
fn is_exchanged(kind: &AuthKind) -> bool {
    matches!(kind, AuthKind::OAuth2(_) | AuthKind::JwtBearer(_) | AuthKind::Session(_))
}

/// The base URL that an operator gives in place of the spec's.
fn operators_url(text: &str) -> Result<Url> {
    let bad = |problem: &str| {
        let message =
            format!("the base URL is not usable: {problem}; write one such as `http://127.0.0.1:8080`");
        Error::coded(Code::ConnectionInvalid, message).actor(linchpin::Actor::Operator)
    };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("its scheme is neither `http` nor `https`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a query or a fragment"));
    }
    Ok(url)
}

/// Settles the method and checks every field of its form.
fn check(spec: &Spec, mut values: ConnectionValues) -> Result<(Option<&AuthMethod>, ConnectionValues)> {
    let method = method(spec, &values.method)?;
    let Some(method) = method else {
        let violations = values.fields.keys().map(|key| unknown(key, &[])).collect();
        return refuse(violations, || "the connector takes no connection fields".to_owned())
            .map(|()| (None, values));
    };
    values.method.clone_from(&method.key);
    let mut violations = Vec::new();
    for field in &method.fields {
        if let Some(problem) = settle(field, &mut values) {
            let pointer = format!("/fields/{}", field.key);
            violations.push(Violation { pointer, label: field.label.clone(), problem });
        }
    }
    for key in values.fields.keys() {
        if method.fields.iter().all(|field| field.key != *key) {
            violations.push(unknown(key, &method.fields));
        }
    }
    refuse(violations, || format!("the connection does not fit the form of the method `{}`", method.key))?;
    Ok((Some(method), values))
}

fn refuse(violations: Vec<Violation>, message: impl FnOnce() -> String) -> Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    Err(Error::coded(Code::ConnectionInvalid, message()).violations(violations))
}

fn method<'s>(spec: &'s Spec, key: &str) -> Result<Option<&'s AuthMethod>> {
    let keys = spec.auth.iter().map(|method| method.key.as_str());
    let problem = match (&spec.auth[..], key) {
        ([], "") => return Ok(None),
        ([only], "") => return Ok(Some(only)),
        (_, "") => {
            let keys: Vec<String> = keys.map(|key| format!("`{key}`")).collect();
            format!(
                "the connection does not say by which method it authenticates; there are: {}",
                keys.join(", ")
            )
        }
        (methods, key) => match methods.iter().find(|method| method.key == key) {
            Some(method) => return Ok(Some(method)),
            None => format!("the connector has no method `{key}`; {}", nearest::remedy(key, keys)),
        },
    };
    Err(Error::coded(Code::ConnectionInvalid, problem))
}

fn unknown(key: &str, fields: &[ConnectionField]) -> Violation {
    let keys = fields.iter().map(|field| field.key.as_str());
    let problem = format!("is not a field of the connection; {}", nearest::remedy(key, keys));
    Violation { pointer: format!("/fields/{key}"), label: key.to_owned(), problem }
}

/// Fills in a field's default, and says what is wrong with its value. Values are never part of what it says.
fn settle(field: &ConnectionField, values: &mut ConnectionValues) -> Option<String> {
    if values.get(&field.key).is_none_or(|value| value.expose().is_empty()) {
        if let Some(default) = &field.default {
            values.fields.insert(field.key.clone(), Secret::new(default.as_str()));
            return None;
        }
        return match values.fields.remove(&field.key) {
            _ if field.optional => None,
            Some(_) => Some("is empty".to_owned()),
            None => Some("is missing".to_owned()),
        };
    }
    let value = values.get(&field.key)?.expose();
    match &field.kind {
        ConnectionFieldKind::Host => {
            if let Err(problem) = template::check_host(value) {
                return Some(problem.to_owned());
            }
        }
        ConnectionFieldKind::Choice(choices) if choices.iter().all(|choice| choice != value) => {
            let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            return Some(format!("must be one of {}", choices.join(", ")));
        }
        _ => {}
    }
    let pattern = field.pattern.as_ref()?;
    match regex::Regex::new(&format!("\\A(?:{pattern})\\z")) {
        Ok(regex) if regex.is_match(value) => None,
        Ok(_) => Some(format!("must match the pattern `{pattern}` as a whole")),
        Err(_) => Some(format!("has a pattern in the spec that is not a regular expression: `{pattern}`")),
    }
}

fn secret_values(method: Option<&AuthMethod>, values: &ConnectionValues) -> Vec<String> {
    let fields = method.map_or(&[][..], |method| &method.fields);
    let secrets = fields.iter().filter(|field| field.secret).filter_map(|field| values.get(&field.key));
    secrets.map(|secret| secret.expose().to_owned()).collect()
}

/// The headers that every request has, unless it says otherwise itself.
fn common_headers(spec: &Spec) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, coding::CODINGS);
    let agent = format!("linchpin/{} {}/{}", env!("CARGO_PKG_VERSION"), spec.key, spec.version);
    if let Ok(agent) = HeaderValue::try_from(agent) {
        headers.insert(USER_AGENT, agent);
    }
    for (name, value) in &spec.http.headers {
        let bad = || {
            let message = format!("the spec's header `{name}` is not one that can be sent");
            Error::coded(Code::RequestInvalid, message)
        };
        let (name, value) = header(name, value).ok_or_else(bad)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

/// Works out what a method adds to requests.
pub(crate) struct Applying<'a> {
    pub(crate) method: &'a AuthMethod,
    /// The connection's, and what an exchange brought.
    pub(crate) values: &'a ConnectionValues,
    pub(crate) signed: &'a mut Signed,
}

impl Applying<'_> {
    fn apply(mut self) -> Result<()> {
        match &self.method.kind {
            AuthKind::None => Ok(()),
            // RFC 7617 §2: the user name ends at the first colon.
            AuthKind::Basic { username, password } => {
                let (user, password) =
                    (template::text(username, self.values)?, template::text(password, self.values)?);
                if user.contains(':') {
                    let message =
                        "the connection's user name has a colon, which basic authentication cannot carry";
                    return Err(Error::coded(Code::ConnectionInvalid, message));
                }
                let encoded = STANDARD.encode(format!("{user}:{password}"));
                self.signed.secrets.push(encoded.clone());
                self.header(AUTHORIZATION.as_str(), &format!("Basic {encoded}"))
            }
            AuthKind::Bearer { token } => {
                let token = self.fill(token)?;
                bearer(&mut self.signed.headers, &token)
            }
            AuthKind::ApiKey { place, value } => {
                let value = self.fill(value)?;
                match place {
                    KeyPlace::Header(name) => self.header(name, &value),
                    KeyPlace::Query(name) => {
                        self.signed.query.push((name.clone(), value));
                        Ok(())
                    }
                    KeyPlace::Cookie(name) => self.cookie(name, &value),
                }
            }
            AuthKind::Custom { headers, query, body } => {
                for (name, value) in body {
                    let value = self.fill(value)?;
                    self.signed.body.push((name.clone(), value));
                }
                self.parameters(headers, query)
            }
            AuthKind::Signed(signed) => self.parameters(&signed.headers, &signed.query),
            // What they send comes from an exchange.
            AuthKind::OAuth2(_) | AuthKind::JwtBearer(_) | AuthKind::Session(_) => Ok(()),
            _ => {
                let (key, kind) = (&self.method.key, self.method.kind.word());
                let message = format!(
                    "the method `{key}` is of the kind `{kind}`, which this version of linchpin does not do; use another method of the connector"
                );
                Err(Error::coded(Code::NotCarriedOut, message))
            }
        }
    }

    /// Adds headers and query parameters.
    pub(crate) fn parameters(
        mut self,
        headers: &[(String, Template)],
        query: &[(String, Template)],
    ) -> Result<()> {
        for (name, value) in headers {
            let value = self.fill(value)?;
            self.header(name, &value)?;
        }
        for (name, value) in query {
            let value = self.fill(value)?;
            self.signed.query.push((name.clone(), value));
        }
        Ok(())
    }

    /// RFC 6265 §4.1.1. What a cookie cannot hold is refused: services do not agree on any encoding of it.
    fn cookie(&mut self, name: &str, value: &str) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
        if !value.bytes().all(fits) {
            let message = format!(
                "the connection's fields make a value that the cookie `{name}` cannot hold; look for blanks, quotes, `,`, `;` and `\\` in them"
            );
            return Err(Error::coded(Code::ConnectionInvalid, message));
        }
        self.header(COOKIE.as_str(), &format!("{name}={value}"))
    }

    /// Fills a template, and remembers the result as a secret where one went into it.
    fn fill(&mut self, template: &Template) -> Result<String> {
        let text = template::text(template, self.values)?;
        // What is no field came from an exchange.
        let secret = |key: &str| {
            self.method.fields.iter().find(|field| field.key == key).is_none_or(|field| field.secret)
        };
        if template.fields().any(secret) {
            self.signed.secrets.push(text.clone());
        }
        Ok(text)
    }

    fn header(&mut self, name: &str, value: &str) -> Result<()> {
        sensitive(&mut self.signed.headers, name, value)
    }
}

/// RFC 6750 §2.1.
pub(crate) fn bearer(headers: &mut HeaderMap, token: &str) -> Result<()> {
    sensitive(headers, AUTHORIZATION.as_str(), &format!("Bearer {token}"))
}

/// Adds a header that is a credential.
pub(crate) fn sensitive(headers: &mut HeaderMap, name: &str, value: &str) -> Result<()> {
    let bad = || {
        let message = format!(
            "the connection's fields or tokens make a header `{name}` that cannot be sent; look for line breaks and other control characters in them"
        );
        Error::coded(Code::ConnectionInvalid, message)
    };
    let (name, mut value) = header(name, value).ok_or_else(bad)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}
