//! OAuth 2.0: what is said to an authorization server, and what its answers mean.
//!
//! The crate `oauth2` writes the requests and knows the protocol; the traffic is ours, with the same guards as any other request,
//! and so is the reading of answers, since services depart from RFC 6749 in ways that their specs say.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use linchpin::{
    Code, DateTime, Error, Response, Result, Secret,
    extract::ConnectionValues,
    flow::BoxFuture,
    manifest::spec::{
        Assertion, AssertionAudience, AuthKind, AuthMethod, ClientAuthentication, ClientOwner, JwtBearer,
        OAuth2, OAuth2Grant, Spec, Template, TokenFailure, TokenOutcome, TokenResponse,
    },
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, HttpRequest, HttpResponse,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RevocationUrl, Scope, StandardRevocableToken, TokenUrl,
    basic::BasicClient,
};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use crate::{
    client::ClientIdentity,
    clock::{self, Clock},
    coding,
    connection::{Signed, bearer},
    egress::Allowed,
    grant::{ACCESS_TOKEN, Grant, REFRESH_TOKEN},
    jwt::{self, SigningKey},
    outcome::{self, Patterns, value_at},
    refresh::Exchange,
    runtime::Runtime,
    scrub::Scrubber,
    template,
};

/// The largest answer of a token endpoint.
const LARGEST: usize = 1 << 20;

/// An OAuth client, as it is registered with a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// Its id.
    pub id: String,
    /// Its secret; none for a public client.
    pub secret: Option<Secret>,
}

/// The authorization server of one connection, or whatever else gives it what requests carry.
pub(crate) struct Server {
    pub(crate) spec: Arc<Spec>,
    /// Which of the spec's methods the connection is made by.
    pub(crate) method: usize,
    pub(crate) values: ConnectionValues,
    pub(crate) allowed: Allowed,
    /// Only of OAuth 2.0.
    pub(crate) client: Option<OAuthClient>,
    /// What signs assertions, where the method has some.
    pub(crate) key: Option<SigningKey>,
    /// What is shown to the authorization server when TLS begins (RFC 8705).
    pub(crate) identity: Option<ClientIdentity>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The connection's base URL without the slash at its end.
    pub(crate) base: String,
    /// The headers of requests without credentials.
    pub(crate) open_headers: HeaderMap,
    pub(crate) patterns: Patterns,
    /// The values of secret fields.
    pub(crate) secrets: Vec<String>,
}

/// The client of a connection: its own, or the one of whoever runs the connector.
pub(crate) fn client(
    spec: &Spec,
    method: &AuthMethod,
    oauth: &OAuth2,
    values: &ConnectionValues,
    given: Option<OAuthClient>,
) -> Result<OAuthClient> {
    let client = match oauth.client {
        ClientOwner::Customer => OAuthClient {
            id: values.need("client_id")?.expose().to_owned(),
            secret: values.get("client_secret").cloned(),
        },
        ClientOwner::Developer => given.ok_or_else(|| {
            let message = format!("there is no OAuth client for the method `{}` of `{}`", method.key, spec.key);
            let name = spec.key.to_uppercase();
            Error::coded(Code::ClientMissing, message).hint(format!(
                "register one with the service, and give its id and secret as LINCHPIN_{name}_CLIENT_ID and LINCHPIN_{name}_CLIENT_SECRET"
            ))
        })?,
    };
    let needs_secret = match &oauth.client_authentication {
        ClientAuthentication::Basic | ClientAuthentication::Post => true,
        ClientAuthentication::PrivateKeyJwt(assertion) => assertion.key.is_none(),
        ClientAuthentication::None => false,
    };
    if needs_secret && client.secret.is_none() {
        let message =
            format!("the OAuth client of the method `{}` of `{}` has no secret", method.key, spec.key);
        return Err(Error::coded(Code::ClientMissing, message));
    }
    Ok(client)
}

/// The key that signs a method's assertions; none where it has no assertions.
pub(crate) fn signing_key(
    method: &AuthMethod,
    values: &ConnectionValues,
    client: Option<&OAuthClient>,
) -> Result<Option<SigningKey>> {
    let Some(assertion) = assertion(method) else { return Ok(None) };
    let key = match &assertion.key {
        Some(template) => template::text(template, values)?,
        // That there is one was seen to when the client was settled.
        None => client.and_then(|client| client.secret.as_ref()).map_or("", Secret::expose).to_owned(),
    };
    SigningKey::read(assertion.algorithm, &key).map(Some)
}

fn assertion(method: &AuthMethod) -> Option<&Assertion> {
    match &method.kind {
        AuthKind::JwtBearer(bearer) => Some(&bearer.assertion),
        AuthKind::OAuth2(oauth) => match &oauth.client_authentication {
            ClientAuthentication::PrivateKeyJwt(assertion) => Some(assertion),
            ClientAuthentication::Basic | ClientAuthentication::Post | ClientAuthentication::None => None,
        },
        _ => None,
    }
}

/// What is said to a token endpoint, and how its answers are read.
struct Endpoint<'a> {
    url: &'a Template,
    params: &'a [(String, Template)],
    response: &'a TokenResponse,
    failures: &'a [TokenFailure],
    lifetime: Option<Duration>,
    scope_separator: &'a str,
    /// Whether only the connection's owner could mend what is wrong with the client or its key.
    owners: bool,
}

impl Server {
    pub(crate) fn method(&self) -> &AuthMethod {
        &self.spec.auth[self.method]
    }

    pub(crate) fn oauth(&self) -> Result<&OAuth2> {
        match &self.method().kind {
            AuthKind::OAuth2(oauth) => Ok(oauth),
            _ => {
                let message = format!("the method `{}` is not OAuth 2.0", self.method().key);
                Err(Error::coded(Code::NotCarriedOut, message))
            }
        }
    }

    /// A URL of the spec, at the operator's mock where one stands for the service.
    pub(crate) fn url(&self, template: &Template) -> Result<Url> {
        self.placed(template::url(template, &self.values, Some(self.method()))?)
    }

    /// A URL, or where the operator's mock has its path.
    pub(crate) fn placed(&self, url: Url) -> Result<Url> {
        match self.allowed.leave {
            true => self.allowed.base.rebase(url),
            false => Ok(url),
        }
    }

    pub(crate) fn params(&self, params: &[(String, Template)]) -> Result<Vec<(String, String)>> {
        params.iter().map(|(name, value)| Ok((name.clone(), template::text(value, &self.values)?))).collect()
    }

    /// The scopes that are asked for, joined as the service wants them.
    pub(crate) fn scopes(&self) -> Result<Option<Scope>> {
        let oauth = self.oauth()?;
        let joined = oauth.scopes.join(&oauth.scope_separator);
        Ok((!joined.is_empty()).then(|| Scope::new(joined)))
    }

    /// The token endpoint.
    fn endpoint(&self) -> Result<Endpoint<'_>> {
        match &self.method().kind {
            AuthKind::JwtBearer(bearer) => Ok(Endpoint {
                url: &bearer.token_url,
                params: &bearer.token_params,
                response: &bearer.response,
                failures: &bearer.failures,
                lifetime: bearer.token_lifetime,
                scope_separator: " ",
                owners: true,
            }),
            _ => self.oauth().map(|oauth| Endpoint {
                url: &oauth.token_url,
                params: &oauth.token_params,
                response: &oauth.response,
                failures: &oauth.failures,
                lifetime: oauth.token_lifetime,
                scope_separator: &oauth.scope_separator,
                owners: oauth.client == ClientOwner::Customer,
            }),
        }
    }

    /// The parameters of a request by which an OAuth client proves itself at the endpoint with this URL, beside its id and secret
    /// (RFC 7523 §2.2).
    pub(crate) fn proof(&self, asked: &Template) -> Result<Vec<(String, String)>> {
        let oauth = self.oauth()?;
        let (ClientAuthentication::PrivateKeyJwt(assertion), Some(client)) =
            (&oauth.client_authentication, &self.client)
        else {
            return Ok(Vec::new());
        };
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), client.id.as_str().into());
        claims.insert("sub".to_owned(), client.id.as_str().into());
        claims.insert("jti".to_owned(), jwt::fresh_id()?.into());
        let audience = match assertion.audience {
            AssertionAudience::TokenUrl => &oauth.token_url,
            AssertionAudience::Endpoint => asked,
        };
        let assertion = self.assertion(audience, claims)?;
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        Ok(vec![
            ("client_assertion_type".to_owned(), kind.to_owned()),
            ("client_assertion".to_owned(), assertion),
        ])
    }

    /// An assertion (RFC 7523 §3). It is meant for the endpoint as the spec names it, also where an operator's mock stands for the
    /// service.
    fn assertion(&self, audience: &Template, mut claims: Map<String, Value>) -> Result<String> {
        let (Some(assertion), Some(key)) = (assertion(self.method()), &self.key) else {
            let message = format!("the method `{}` has no key to sign with", self.method().key);
            return Err(Error::coded(Code::NotCarriedOut, message));
        };
        if !claims.contains_key("aud") {
            let audience = template::url(audience, &self.values, Some(self.method()))?;
            claims.insert("aud".to_owned(), String::from(audience).into());
        }
        // Whole seconds (RFC 7519 §2).
        let now = self.clock.now();
        claims.insert("iat".to_owned(), now.unix_millis().div_euclid(1000).into());
        let expires = clock::after(now, assertion.lifetime).unix_millis();
        claims.insert("exp".to_owned(), expires.div_euclid(1000).into());
        let id = assertion.key_id.as_ref().map(|id| template::text(id, &self.values)).transpose()?;
        key.token(id.as_deref(), claims)
    }

    pub(crate) fn client(&self) -> Result<BasicClient> {
        let Some(own) = &self.client else {
            let message = format!("the method `{}` has no OAuth client", self.method().key);
            return Err(Error::coded(Code::NotCarriedOut, message));
        };
        let client = BasicClient::new(ClientId::new(own.id.clone()));
        let (kind, secret) = match (&self.oauth()?.client_authentication, &own.secret) {
            (ClientAuthentication::Basic, Some(secret)) => (AuthType::BasicAuth, Some(secret)),
            (ClientAuthentication::Post, Some(secret)) => (AuthType::RequestBody, Some(secret)),
            _ => (AuthType::RequestBody, None),
        };
        let client = client.set_auth_type(kind);
        Ok(match secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        })
    }

    fn token_url(&self) -> Result<TokenUrl> {
        Ok(TokenUrl::from_url(self.url(self.endpoint()?.url)?))
    }

    /// What every request for tokens says beside what its grant says, at the endpoint with this URL.
    fn token_params(&self, url: &Template) -> Result<Vec<(String, String)>> {
        let mut params = self.params(self.endpoint()?.params)?;
        params.extend(self.proof(url)?);
        Ok(params)
    }

    pub(crate) fn authorization_url(&self) -> Result<AuthUrl> {
        match &self.oauth()?.authorization_url {
            Some(url) => Ok(AuthUrl::from_url(self.url(url)?)),
            None => {
                let message = format!("the method `{}` has no authorization URL", self.method().key);
                Err(Error::coded(Code::NotCarriedOut, message))
            }
        }
    }

    /// Exchanges an authorization code (RFC 6749 §4.1.3).
    pub(crate) async fn redeem(
        self: &Arc<Server>,
        runtime: &Runtime,
        code: &Secret,
        redirect: RedirectUrl,
        verifier: Option<PkceCodeVerifier>,
    ) -> Result<Grant> {
        let client = self.client()?.set_token_uri(self.token_url()?).set_redirect_uri(redirect);
        let mut request = client.exchange_code(AuthorizationCode::new(code.expose().to_owned()));
        let mut hidden = vec![code.expose().to_owned()];
        if let Some(verifier) = verifier {
            hidden.push(verifier.secret().clone());
            request = request.set_pkce_verifier(verifier);
        }
        for (name, value) in self.token_params(self.endpoint()?.url)? {
            request = request.add_extra_param(name, value);
        }
        let talk = Talk::new(self, runtime, None);
        let spoken = request.request_async(&talk).await.map(drop);
        talk.grant(spoken, &hidden)
    }

    /// Exchanges a refresh token (RFC 6749 §6).
    async fn refresh(self: &Arc<Server>, runtime: &Runtime, old: &Grant, token: &Secret) -> Result<Grant> {
        let oauth = self.oauth()?;
        let url = oauth.refresh_url.as_ref().unwrap_or(&oauth.token_url);
        let client = self.client()?.set_token_uri(TokenUrl::from_url(self.url(url)?));
        let token = RefreshToken::new(token.expose().to_owned());
        let mut request = client.exchange_refresh_token(&token);
        for (name, value) in self.token_params(url)? {
            request = request.add_extra_param(name, value);
        }
        let talk = Talk::new(self, runtime, Some(old));
        let spoken = request.request_async(&talk).await.map(drop);
        talk.grant(spoken, &[])
    }

    /// Gets tokens for the client itself (RFC 6749 §4.4).
    async fn for_itself(self: &Arc<Server>, runtime: &Runtime) -> Result<Grant> {
        let client = self.client()?.set_token_uri(self.token_url()?);
        let mut request = client.exchange_client_credentials();
        if let Some(scopes) = self.scopes()? {
            request = request.add_scope(scopes);
        }
        for (name, value) in self.token_params(self.endpoint()?.url)? {
            request = request.add_extra_param(name, value);
        }
        let talk = Talk::new(self, runtime, None);
        let spoken = request.request_async(&talk).await.map(drop);
        talk.grant(spoken, &[])
    }

    /// Exchanges an assertion (RFC 7523 §2.1).
    async fn asserted(self: &Arc<Server>, runtime: &Runtime, bearer: &JwtBearer) -> Result<Grant> {
        let mut claims = Map::new();
        for (name, value) in self.params(&bearer.claims)? {
            claims.insert(name, value.into());
        }
        if bearer.jti {
            claims.insert("jti".to_owned(), jwt::fresh_id()?.into());
        }
        let assertion = self.assertion(&bearer.token_url, claims)?;
        let mut form = vec![
            ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
            ("assertion".to_owned(), assertion.clone()),
        ];
        form.extend(self.params(&bearer.token_params)?);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = http::Request::post(self.url(&bearer.token_url)?.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .map_err(|error| {
                Error::coded(Code::RequestInvalid, format!("no assertion can be sent: {error}"))
            })?;
        let talk = Talk::new(self, runtime, None);
        let spoken = talk.speak(request).await.map(drop);
        talk.grant(spoken, &[assertion])
    }

    /// Kills one token at the service (RFC 7009).
    pub(crate) async fn revoke(
        self: &Arc<Server>,
        runtime: &Runtime,
        token: StandardRevocableToken,
    ) -> Result<()> {
        let Some(template) = &self.oauth()?.revocation_url else {
            let message = format!("the method `{}` has no revocation URL", self.method().key);
            return Err(Error::coded(Code::NotCarriedOut, message));
        };
        let url = self.url(template)?;
        // The crate wants `https` here; where the operator's mock stands for the service, the talk goes there.
        let mut named = url.clone();
        let _ = named.set_scheme("https");
        let client = self.client()?.set_revocation_url(RevocationUrl::from_url(named));
        let mut request = client.revoke_token(token).map_err(|error| {
            Error::coded(Code::RequestInvalid, format!("no token can be revoked: {error}"))
        })?;
        for (name, value) in self.proof(template)? {
            request = request.add_extra_param(name, value);
        }
        let talk = Talk { instead: Some(url), ..Talk::new(self, runtime, None) };
        let spoken = request.request_async(&talk).await;
        talk.revoked(spoken)
    }

    /// Every text that must not be shown.
    pub(crate) fn scrubber(&self, old: Option<&Grant>, hidden: &[String]) -> Scrubber {
        let client = self.client.iter().filter_map(|client| client.secret.as_ref()).map(Secret::expose);
        let tokens = old.into_iter().flat_map(|grant| grant.values.values()).map(Secret::expose);
        let all = self.secrets.iter().chain(hidden).map(String::as_str);
        Scrubber::new(all.chain(client).chain(tokens))
    }

    /// Sends a request to the authorization server, and reads the answer to its end.
    pub(crate) async fn send(
        &self,
        runtime: &Runtime,
        request: HttpRequest,
        instead: Option<&Url>,
    ) -> Result<Answer> {
        let (parts, body) = request.into_parts();
        let url = match instead {
            Some(url) => url.clone(),
            None => Url::parse(&parts.uri.to_string()).map_err(|error| {
                Error::coded(Code::RequestInvalid, format!("the token endpoint's URL is not one: {error}"))
            })?,
        };
        let clients = runtime.clients();
        let reach = self.allowed.server(&url, clients.internal())?.reach;
        let client = clients.get(url.scheme(), reach, self.identity.as_ref())?;
        let place = url.origin().ascii_serialization();
        let mut outgoing = reqwest::Request::new(parts.method, url);
        *outgoing.headers_mut() = self.open_headers.clone();
        outgoing.headers_mut().extend(parts.headers);
        // Of tokens there is one answer, with as little as may break as can be.
        coding::ask_plain(outgoing.headers_mut());
        *outgoing.body_mut() = (!body.is_empty()).then(|| body.into());
        let limit = self.spec.http.timeout;
        let exchange = async {
            let answer = client.execute(outgoing).await;
            let mut answer =
                coding::undo(answer.map_err(|error| crate::session::unreachable(&place, &error))?);
            let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
            let mut body = BytesMut::new();
            while let Some(chunk) =
                answer.chunk().await.map_err(|error| crate::session::unreachable(&place, &error))?
            {
                if body.len() + chunk.len() > LARGEST {
                    let message = format!("the answer of `{place}` to the exchange is larger than 1 MiB");
                    return Err(Error::coded(Code::RefreshFailed, message));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, headers, body: body.freeze(), place: place.clone() })
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
            let limit = crate::session::seconds(limit);
            let message = format!("`{place}` did not answer the exchange within {limit}");
            Err(Error::coded(Code::RefreshFailed, message))
        })
    }
}

/// An answer of the authorization server.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    place: String,
}

impl Answer {
    /// What the first of the spec's rules that matches makes of it.
    pub(crate) fn failure(&self, rules: &[TokenFailure], patterns: &Patterns) -> Option<Code> {
        let response = Response::new(self.status, self.headers.clone(), self.body.clone(), "".into());
        let rule = rules.iter().find(|rule| outcome::matches(&rule.when, patterns, &response))?;
        Some(match rule.then {
            TokenOutcome::Dead => Code::ReauthorizationNeeded,
            TokenOutcome::Retry => Code::RefreshFailed,
            TokenOutcome::Refused => Code::ExchangeRefused,
        })
    }

    /// An error that ends with the service's own words.
    pub(crate) fn error(&self, code: Code, what: &str) -> Error {
        let words = Words::of(&fields(self).unwrap_or_default());
        words.onto(Error::coded(code, format!("{what}: {words}"))).status(self.status.as_u16())
    }
}

/// One conversation with the authorization server, as the crate `oauth2` holds it: what it hears is of the form of the RFCs,
/// whatever the service said.
pub(crate) struct Talk {
    // Owned, since the compiler does not see that a borrowing client may be sent between threads.
    server: Arc<Server>,
    runtime: Runtime,
    old: Option<Grant>,
    instead: Option<Url>,
    heard: Mutex<Option<Result<Grant>>>,
}

/// What was heard is no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl StdError for NoAnswer {}

impl<'c> AsyncHttpClient<'c> for Talk {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.speak(request))
    }
}

impl Talk {
    pub(crate) fn new(server: &Arc<Server>, runtime: &Runtime, old: Option<&Grant>) -> Talk {
        let (server, runtime, old) = (server.clone(), runtime.clone(), old.cloned());
        Talk { server, runtime, old, instead: None, heard: Mutex::new(None) }
    }

    async fn speak(&self, request: HttpRequest) -> std::result::Result<HttpResponse, NoAnswer> {
        let asked = self.server.clock.now();
        let answer = match self.server.send(&self.runtime, request, self.instead.as_ref()).await {
            Ok(answer) => answer,
            Err(error) => {
                self.hear(Err(error));
                return Err(NoAnswer);
            }
        };
        if self.instead.is_some() {
            let heard = revocation(&answer, asked);
            let status = if heard.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
            self.hear(heard.map(|()| Grant::empty(asked)));
            return Ok(rfc(status, &json!({ "error": "invalid_request" })));
        }
        match self.server.read(&answer, self.old.as_ref(), asked) {
            Ok(grant) => {
                let said = json!({ "access_token": "kept", "token_type": "bearer" });
                self.hear(Ok(grant));
                Ok(rfc(StatusCode::OK, &said))
            }
            Err(error) => {
                let code = error.details().service_code.map(str::to_owned);
                let pause = error.code() == Code::RefreshFailed && code.as_deref() != Some("slow_down");
                self.hear(Err(error));
                // Whoever polls for a device code then waits longer.
                if pause {
                    return Err(NoAnswer);
                }
                Ok(rfc(
                    StatusCode::BAD_REQUEST,
                    &json!({ "error": code.unwrap_or("invalid_request".to_owned()) }),
                ))
            }
        }
    }

    fn hear(&self, heard: Result<Grant>) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
    }

    fn heard(&self) -> Option<Result<Grant>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The grant that was heard last, unless the crate has its own objection.
    pub(crate) fn grant<E: fmt::Display>(
        &self,
        spoken: std::result::Result<(), E>,
        hidden: &[String],
    ) -> Result<Grant> {
        let scrubber = self.server.scrubber(self.old.as_ref(), hidden);
        let heard = match (self.heard(), spoken) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(grant)), Ok(())) => Ok(grant),
            (_, Err(error)) => Err(Error::coded(Code::ExchangeRefused, error.to_string())),
            (None, Ok(())) => {
                Err(Error::coded(Code::ExchangeRefused, "nothing was said to the token endpoint"))
            }
        };
        heard.map_err(|error| error.scrubbed(&|text| scrubber.scrub(text).into_owned()))
    }

    fn revoked<E: fmt::Display>(&self, spoken: std::result::Result<(), E>) -> Result<()> {
        self.grant(spoken, &[]).map(drop)
    }
}

/// A conversation whose answer the crate reads as the service gave it.
pub(crate) struct Raw {
    server: Arc<Server>,
    runtime: Runtime,
    heard: Mutex<Option<Error>>,
}

impl Raw {
    pub(crate) fn new(server: &Arc<Server>, runtime: &Runtime) -> Raw {
        Raw { server: server.clone(), runtime: runtime.clone(), heard: Mutex::new(None) }
    }

    /// Why there is no answer, in words that hold no secret.
    pub(crate) fn explain(&self, error: &dyn fmt::Display) -> Error {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).take();
        let error = heard.unwrap_or_else(|| Error::coded(Code::ExchangeRefused, error.to_string()));
        let scrubber = self.server.scrubber(None, &[]);
        error.scrubbed(&|text| scrubber.scrub(text).into_owned())
    }

    async fn speak(&self, request: HttpRequest) -> std::result::Result<HttpResponse, NoAnswer> {
        let sent = self.server.send(&self.runtime, request, None).await;
        let answer = sent.and_then(|answer| match trouble(&answer, self.server.clock.now()) {
            Some(trouble) => Err(trouble),
            None => Ok(answer),
        });
        match answer {
            Ok(answer) => {
                let mut response = HttpResponse::new(answer.body.to_vec());
                *response.status_mut() = answer.status;
                *response.headers_mut() = answer.headers;
                Ok(response)
            }
            Err(error) => {
                *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(NoAnswer)
            }
        }
    }
}

impl<'c> AsyncHttpClient<'c> for Raw {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.speak(request))
    }
}

fn rfc(status: StatusCode, said: &Value) -> HttpResponse {
    let mut response = HttpResponse::new(said.to_string().into_bytes());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// What an answer to a revocation means (RFC 7009 §2.2): an unknown token is as good as a revoked one.
fn revocation(answer: &Answer, asked: DateTime) -> Result<()> {
    if answer.status.is_success() {
        return Ok(());
    }
    Err(trouble(answer, asked).unwrap_or_else(|| {
        let words = Words::of(&fields(answer).unwrap_or_default());
        let message = format!("`{}` refuses to revoke the token: {words}", answer.place);
        words.onto(Error::coded(Code::Rejected, message)).status(answer.status.as_u16())
    }))
}

/// The service's own words for a failure.
#[derive(Default)]
struct Words {
    code: Option<String>,
    description: Option<String>,
}

impl Words {
    fn of(fields: &Map<String, Value>) -> Words {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(|text| shorten(text).to_owned());
        let code = text("error").or_else(|| text("code"));
        let description = text("error_description").or_else(|| text("message"));
        // Some put an object where RFC 6749 has a word.
        let nested = fields.get("error").and_then(Value::as_object);
        let inner = |name: &str| {
            nested
                .and_then(|nested| nested.get(name))
                .and_then(Value::as_str)
                .map(|text| shorten(text).to_owned())
        };
        Words {
            code: code.or_else(|| inner("code")).or_else(|| inner("type")),
            description: description.or_else(|| inner("message")),
        }
    }

    fn onto(&self, error: Error) -> Error {
        match &self.code {
            Some(code) => error.service_code(code.clone()),
            None => error,
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.description) {
            (Some(code), Some(description)) => write!(f, "`{code}`, {description}"),
            (Some(code), None) => write!(f, "`{code}`"),
            (None, Some(description)) => f.write_str(description),
            (None, None) => f.write_str("it does not say why"),
        }
    }
}

fn shorten(text: &str) -> &str {
    text.char_indices().nth(300).map_or(text, |(at, _)| &text[..at])
}

/// An answer that says nothing about the grant: the service is in trouble, or wants to be left alone.
pub(crate) fn trouble(answer: &Answer, now: DateTime) -> Option<Error> {
    let status = answer.status.as_u16();
    if !matches!(status, 408 | 425 | 429 | 500..=599) {
        return None;
    }
    let words = Words::of(&fields(answer).unwrap_or_default());
    let message = format!("`{}` answered {status}: {words}", answer.place);
    let error = words.onto(Error::coded(Code::RefreshFailed, message)).status(status);
    Some(match outcome::wait_of(&answer.headers, None, now) {
        Some(wait) => error.retry_after(wait),
        None => error,
    })
}

/// The fields of an answer: JSON, or form fields as some services send them.
fn fields(answer: &Answer) -> Option<Map<String, Value>> {
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(&answer.body);
        return Some(
            pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect(),
        );
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

impl Server {
    /// What an answer of the token endpoint means: a grant, or an error whose code says what kind of failure it is.
    fn read(&self, answer: &Answer, old: Option<&Grant>, asked: DateTime) -> Result<Grant> {
        let endpoint = self.endpoint()?;
        let fields = fields(answer);
        let words = fields.as_ref().map(Words::of).unwrap_or_default();
        let status = answer.status.as_u16();
        let error = |code: Code| match code {
            Code::ReauthorizationNeeded => {
                answer.error(code, &format!("`{}` no longer honours the grant", answer.place))
            }
            _ => {
                answer.error(code, &format!("`{}` answered {status} to the exchange of tokens", answer.place))
            }
        };
        if let Some(code) = answer.failure(endpoint.failures, &self.patterns) {
            return Err(error(code));
        }
        if let Some(trouble) = trouble(answer, asked) {
            return Err(trouble);
        }
        let pointed = |own: &Option<String>, usual: &str| match own {
            Some(pointer) => value_at(&answer.body, pointer),
            None => fields.as_ref().and_then(|fields| fields.get(usual)).cloned(),
        };
        let token = pointed(&endpoint.response.access_token, ACCESS_TOKEN);
        let token = token.as_ref().and_then(Value::as_str).filter(|token| !token.is_empty());
        let Some(token) = token.filter(|_| answer.status.is_success()) else {
            // RFC 6749 §5.2, also where it comes with a 200.
            return Err(error(match words.code.as_deref() {
                Some("invalid_grant") => Code::ReauthorizationNeeded,
                Some("invalid_client" | "unauthorized_client") if endpoint.owners => {
                    Code::ReauthorizationNeeded
                }
                Some("temporarily_unavailable" | "server_error" | "slow_down") => Code::RefreshFailed,
                _ => Code::ExchangeRefused,
            }));
        };
        let kind = fields.as_ref().and_then(|fields| fields.get("token_type")).and_then(Value::as_str);
        let wanted = endpoint.response.token_type.as_deref().unwrap_or("bearer");
        if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case(wanted)) {
            let kind = shorten(kind.unwrap_or_default()).to_owned();
            let message = format!("`{}` gave a token of the type `{kind}`, not `{wanted}`", answer.place);
            let hint = "only bearer tokens can be used; where the service calls them otherwise, say so by `response.token_type`";
            return Err(Error::coded(Code::ExchangeRefused, message).hint(hint));
        }
        if bearer(&mut HeaderMap::new(), token).is_err() {
            // Kept it would fail every request until it expires.
            let message = format!("`{}` gave a token that no header can hold", answer.place);
            return Err(Error::coded(Code::ExchangeRefused, message));
        }
        let mut values: BTreeMap<String, Secret> = old.map(|old| old.values.clone()).unwrap_or_default();
        values.insert(ACCESS_TOKEN.to_owned(), Secret::new(token));
        let refresh = pointed(&endpoint.response.refresh_token, REFRESH_TOKEN);
        // Without a new one the old refresh token stays good (RFC 6749 §6).
        if let Some(refresh) = refresh.as_ref().and_then(Value::as_str).filter(|token| !token.is_empty()) {
            values.insert(REFRESH_TOKEN.to_owned(), Secret::new(refresh));
        }
        for (name, pointer) in &endpoint.response.values {
            let value = match value_at(&answer.body, pointer) {
                Some(Value::String(text)) => text,
                Some(Value::Null) | None => continue,
                Some(other) => other.to_string(),
            };
            values.insert(name.clone(), Secret::new(value));
        }
        let life = pointed(&endpoint.response.expires_in, "expires_in");
        let life = life.as_ref().and_then(seconds).or(endpoint.lifetime);
        let scopes = pointed(&endpoint.response.scope, "scope")
            .and_then(|scope| scopes(&scope, endpoint.scope_separator));
        Ok(Grant {
            values,
            scopes: scopes.or_else(|| old.and_then(|old| old.scopes.clone())),
            issued: asked,
            expires: life.map(|life| clock::after(asked, life)),
        })
    }
}

/// A life in seconds, also as a text or with a fraction.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

fn scopes(value: &Value, separator: &str) -> Option<Vec<String>> {
    match value {
        Value::String(text) => {
            let parts = text.split(|letter: char| letter.is_whitespace() || separator.contains(letter));
            Some(parts.filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
        }
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

/// Exchanges tokens with an authorization server.
pub(crate) struct OAuthExchange(pub(crate) Arc<Server>);

impl Exchange for OAuthExchange {
    fn connector(&self) -> &str {
        &self.0.spec.key
    }

    fn can(&self, old: Option<&Grant>) -> bool {
        let itself = match &self.0.method().kind {
            AuthKind::OAuth2(oauth) => oauth.grant == OAuth2Grant::ClientCredentials,
            _ => true,
        };
        itself || old.is_some_and(|old| old.value(REFRESH_TOKEN).is_some())
    }

    fn exchange<'a>(&'a self, runtime: &'a Runtime, old: Option<&'a Grant>) -> BoxFuture<'a, Result<Grant>> {
        Box::pin(async move {
            if let AuthKind::JwtBearer(bearer) = &self.0.method().kind {
                return self.0.asserted(runtime, bearer).await;
            }
            match old.and_then(|old| Some((old, old.value(REFRESH_TOKEN)?))) {
                Some((old, token)) => self.0.refresh(runtime, old, token).await,
                None => self.0.for_itself(runtime).await,
            }
        })
    }

    fn sign(&self, grant: &Grant, generation: u64) -> Result<Signed> {
        let Some(token) = grant.value(ACCESS_TOKEN) else {
            return Err(Error::coded(Code::ReauthorizationNeeded, "the grant has no access token"));
        };
        let mut signed = Signed { generation, ..Signed::open(self.0.open_headers.clone()) };
        bearer(&mut signed.headers, token.expose())?;
        signed.secrets = grant.values.values().map(|value| value.expose().to_owned()).collect();
        Ok(signed)
    }
}
