//! Connections: the values of a form, checked, with all that follows from them worked out once.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
};
use linchpin::{
    Code, Connector, Error, Result, Secret, Violation,
    extract::ConnectionValues,
    manifest::spec::{AuthKind, AuthMethod, ConnectionField, ConnectionFieldKind, KeyPlace, Spec, Template},
};
use url::Url;

use crate::{
    egress::{Allowed, Origin},
    nearest,
    scrub::Scrubber,
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
    /// The same with credentials.
    pub(crate) signed_headers: HeaderMap,
    /// Query parameters that are credentials, names and values not yet encoded.
    pub(crate) signed_query: Vec<(String, String)>,
    /// What must never be shown: the values of secret fields, and what credentials are made of them.
    secrets: Vec<String>,
    /// Made when something is printed for the first time.
    scrubber: OnceLock<Scrubber>,
}

impl Connection {
    /// Checks the values against the form of their method. With exactly one method in the spec it need not be named; defaults
    /// are filled in.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionInvalid`] with every violation when the values do not fit, [`Code::NotCarriedOut`] when the method is
    /// one that this version does not do.
    pub fn new(connector: &Connector, values: ConnectionValues) -> Result<Connection> {
        Connection::make(connector, values, None)
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
        Connection::make(connector, values, Some(base_url))
    }

    fn make(connector: &Connector, values: ConnectionValues, base_url: Option<&str>) -> Result<Connection> {
        let spec = connector.shared_spec()?;
        let (method, values) = check(&spec, values)?;
        let base = match base_url {
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

        let mut secrets = secret_values(method, &values);
        let open_headers = common_headers(&spec)?;
        let mut signed_headers = open_headers.clone();
        let mut signed_query = Vec::new();
        if let Some(method) = method {
            let mut credentials = Credentials {
                method,
                values: &values,
                secrets: &mut secrets,
                headers: &mut signed_headers,
                query: &mut signed_query,
            };
            credentials.apply()?;
        }
        Ok(Connection(Arc::new(Ready {
            connector: connector.clone(),
            spec,
            values,
            base,
            allowed,
            open_headers,
            signed_headers,
            signed_query,
            secrets,
            scrubber: OnceLock::new(),
        })))
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

impl Ready {
    pub(crate) fn scrubber(&self) -> &Scrubber {
        self.scrubber.get_or_init(|| Scrubber::new(self.secrets.iter().map(String::as_str)))
    }
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
struct Credentials<'a> {
    method: &'a AuthMethod,
    values: &'a ConnectionValues,
    secrets: &'a mut Vec<String>,
    headers: &'a mut HeaderMap,
    query: &'a mut Vec<(String, String)>,
}

impl Credentials<'_> {
    fn apply(&mut self) -> Result<()> {
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
                self.secrets.push(encoded.clone());
                self.header(AUTHORIZATION.as_str(), &format!("Basic {encoded}"))
            }
            AuthKind::Bearer { token } => {
                let token = self.fill(token)?;
                self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
            }
            AuthKind::ApiKey { place, value } => {
                let value = self.fill(value)?;
                match place {
                    KeyPlace::Header(name) => self.header(name, &value),
                    KeyPlace::Query(name) => {
                        self.query.push((name.clone(), value));
                        Ok(())
                    }
                }
            }
            AuthKind::Custom { headers, query } => {
                for (name, value) in headers {
                    let value = self.fill(value)?;
                    self.header(name, &value)?;
                }
                for (name, value) in query {
                    let value = self.fill(value)?;
                    self.query.push((name.clone(), value));
                }
                Ok(())
            }
            _ => {
                let (key, kind) = (&self.method.key, self.method.kind.word());
                let message = format!(
                    "the method `{key}` is of the kind `{kind}`, which this version of linchpin does not do; use another method of the connector"
                );
                Err(Error::coded(Code::NotCarriedOut, message))
            }
        }
    }

    /// Fills a template, and remembers the result as a secret where one went into it.
    fn fill(&mut self, template: &Template) -> Result<String> {
        let text = template::text(template, self.values)?;
        let secret = |key: &str| self.method.fields.iter().any(|field| field.key == key && field.secret);
        if template.fields().any(secret) {
            self.secrets.push(text.clone());
        }
        Ok(text)
    }

    fn header(&mut self, name: &str, value: &str) -> Result<()> {
        let bad = || {
            let message = format!(
                "the connection's fields make a header `{name}` that cannot be sent; look for line breaks and other control characters in them"
            );
            Error::coded(Code::ConnectionInvalid, message)
        };
        let (name, mut value) = header(name, value).ok_or_else(bad)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }
}
