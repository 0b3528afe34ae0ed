//! Getting the first grant from a person: in a browser by a callback, or by a code that is entered elsewhere.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use linchpin::{Code, Error, Result, Secret};
use oauth2::{
    CsrfToken, DeviceAuthorizationUrl, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    StandardDeviceAuthorizationResponse, TokenUrl,
};
use subtle::ConstantTimeEq;
use url::Url;

use crate::{
    grant::Grant,
    oauth::{Server, Talk},
    runtime::Runtime,
};

/// A login that waits for its callback (RFC 6749 §4.1). It is used up by the first callback, whatever that says, so that none
/// can be replayed.
///
/// It is bound to one connection, one authorization server and one redirect URI: `state` and PKCE see to it that a code which
/// somebody else got is of no use here.
pub struct Login {
    server: Arc<Server>,
    url: Url,
    state: CsrfToken,
    verifier: Option<PkceCodeVerifier>,
    redirect: RedirectUrl,
}

impl Login {
    pub(crate) fn begin(server: Arc<Server>, redirect: &str) -> Result<Login> {
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|error| {
            let message = format!("the redirect URI `{redirect}` is not a URL: {error}");
            Error::coded(Code::LoginFailed, message).actor(linchpin::Actor::Operator)
        })?;
        let oauth = server.oauth()?;
        let client =
            server.client()?.set_auth_uri(server.authorization_url()?).set_redirect_uri(redirect.clone());
        let mut request = client.authorize_url(CsrfToken::new_random);
        let mut verifier = None;
        if oauth.pkce {
            let (challenge, secret) = PkceCodeChallenge::new_random_sha256();
            request = request.set_pkce_challenge(challenge);
            verifier = Some(secret);
        }
        if let Some(scopes) = server.scopes()? {
            request = request.add_scope(scopes);
        }
        for (name, value) in server.params(&oauth.authorize_params)? {
            request = request.add_extra_param(name, value);
        }
        let (url, state) = request.url();
        Ok(Login { server, url, state, verifier, redirect })
    }

    /// Where the person consents, in a browser.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The `state` of this login, by which a server that waits for several finds the one that a callback belongs to.
    pub fn state(&self) -> &str {
        self.state.secret()
    }

    /// Takes the callback, a whole URL or its query, and exchanges its code for a grant.
    ///
    /// # Errors
    ///
    /// [`Code::CallbackForged`] when the callback does not belong to this login, [`Code::LoginFailed`] when the service or the
    /// person refused, and whatever the exchange gives.
    pub async fn finish(self, runtime: &Runtime, callback: &str) -> Result<Grant> {
        let callback = Callback::read(callback)?;
        let code = self.judge(&callback)?;
        let grant = self.server.redeem(runtime, &code, self.redirect, self.verifier).await;
        grant.map_err(|error| match error.code() {
            // There is no grant yet that could be dead: the code was used, expired or somebody else's.
            Code::ReauthorizationNeeded => {
                let message = format!("the code was not exchanged: {}", error.message());
                Error::coded(Code::LoginFailed, message)
            }
            _ => error,
        })
    }

    /// The code of a callback that belongs to this login.
    fn judge(&self, callback: &Callback) -> Result<Secret> {
        let forged = |problem: String| Error::coded(Code::CallbackForged, problem);
        if let Some(name) = callback.twice() {
            return Err(forged(format!("the callback says `{name}` twice")));
        }
        let state = callback.get("state").unwrap_or_default();
        if state.is_empty() {
            return Err(forged("the callback has no `state`".to_owned()));
        }
        if !bool::from(state.as_bytes().ct_eq(self.state.secret().as_bytes())) {
            return Err(forged("the callback's `state` is not the one of this login".to_owned()));
        }
        // RFC 9207 §2.4: a callback of another server than the one asked is a mix-up.
        let issuer = &self.server.oauth()?.issuer;
        if let Some(issuer) = issuer {
            match callback.get("iss") {
                Some(named) if named == issuer => {}
                Some(_) => return Err(forged(format!("the callback is not from `{issuer}`"))),
                None => return Err(forged(format!("the callback does not say that it is from `{issuer}`"))),
            }
        }
        for token in ["access_token", "refresh_token", "id_token"] {
            if callback.get(token).is_some() {
                return Err(forged(format!("the callback holds an `{token}`, where only a code may be")));
            }
        }
        if let Some(error) = callback.get("error") {
            let words = match callback.get("error_description") {
                Some(description) => format!("`{error}`, {description}"),
                None => format!("`{error}`"),
            };
            let message = match error {
                "access_denied" => format!("access was not granted: {words}"),
                _ => format!("the service did not complete the login: {words}"),
            };
            return Err(Error::coded(Code::LoginFailed, message).service_code(error));
        }
        match callback.get("code").filter(|code| !code.is_empty()) {
            Some(code) => Ok(Secret::new(code)),
            None => Err(Error::coded(Code::LoginFailed, "the callback has neither a code nor an error")),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.server.spec.key)
    }
}

/// The parameters of a callback.
struct Callback(Vec<(String, String)>);

impl Callback {
    fn read(text: &str) -> Result<Callback> {
        let text = text.trim();
        let query = match Url::parse(text) {
            Ok(url) => url.query().unwrap_or_default().to_owned(),
            Err(_) => text.rsplit('?').next().unwrap_or_default().to_owned(),
        };
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        if pairs.is_empty() {
            let hint = "give the whole address to which the browser was sent";
            return Err(Error::coded(Code::LoginFailed, "the callback has no parameters").hint(hint));
        }
        Ok(Callback(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// RFC 6749 §3.1: no parameter stands there twice.
    fn twice(&self) -> Option<&str> {
        let repeated = |at: usize, name: &str| self.0[..at].iter().any(|(known, _)| known == name);
        let mut names = self.0.iter().enumerate().map(|(at, (name, _))| (at, name.as_str()));
        names.find(|(at, name)| repeated(*at, name)).map(|(_, name)| name)
    }
}

/// A login by a code that the person enters in a browser elsewhere (RFC 8628).
pub struct DeviceLogin {
    server: Arc<Server>,
    granted: StandardDeviceAuthorizationResponse,
    shown: String,
}

impl DeviceLogin {
    pub(crate) async fn begin(server: Arc<Server>, runtime: &Runtime) -> Result<DeviceLogin> {
        let Some(template) = &server.oauth()?.device_authorization_url else {
            let message = format!("the method `{}` has no device codes", server.method().key);
            return Err(Error::coded(Code::NotCarriedOut, message));
        };
        let url = DeviceAuthorizationUrl::from_url(server.url(template)?);
        let client = server.client()?.set_device_authorization_url(url);
        let mut request = client.exchange_device_code();
        if let Some(scopes) = server.scopes()? {
            request = request.add_scope(scopes);
        }
        let raw = crate::oauth::Raw::new(&server, runtime);
        let granted: StandardDeviceAuthorizationResponse =
            request.request_async(&raw).await.map_err(|error| raw.explain(&error))?;
        let shown = granted.verification_uri().to_string();
        // A person will open it, so it must be a page.
        if !Url::parse(&shown).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            let message = "the service names no page at which the code can be entered";
            return Err(Error::coded(Code::ExchangeRefused, message));
        }
        drop(raw);
        Ok(DeviceLogin { server, granted, shown })
    }

    /// What the person enters.
    pub fn user_code(&self) -> &str {
        self.granted.user_code().secret()
    }

    /// Where the person enters it; the second holds the code already, where the service gives such a URL.
    pub fn urls(&self) -> (&str, Option<&str>) {
        let complete = self.granted.verification_uri_complete();
        (&self.shown, complete.map(|url| url.secret().as_str()))
    }

    /// How long the code is good.
    pub fn expires_in(&self) -> Duration {
        self.granted.expires_in()
    }

    /// Asks until the person has consented, as often as the service allows.
    ///
    /// # Errors
    ///
    /// [`Code::LoginFailed`] when the person refused or the code expired, and whatever the exchange gives.
    pub async fn finish(self, runtime: &Runtime) -> Result<Grant> {
        let url = TokenUrl::from_url(self.server.url(&self.server.oauth()?.token_url)?);
        let client = self.server.client()?.set_token_uri(url);
        let talk = Talk::new(&self.server, runtime, None);
        let since = tokio::time::Instant::now();
        let request = client
            .exchange_device_access_token(&self.granted)
            // The crate asks for the time of day only to know how much has passed.
            .set_time_fn(move || (SystemTime::UNIX_EPOCH + since.elapsed()).into());
        let spoken = request.request_async(&talk, tokio::time::sleep, None).await;
        let hidden = vec![self.granted.device_code().secret().clone()];
        let code = match &spoken {
            Err(RequestTokenError::ServerResponse(said)) => Some(said.error().as_ref().to_owned()),
            _ => None,
        };
        talk.grant(spoken.map(drop), &hidden).map_err(|error| match code.as_deref() {
            Some("access_denied") => Error::coded(Code::LoginFailed, "access was not granted"),
            Some("expired_token") => {
                Error::coded(Code::LoginFailed, "the code expired before anybody entered it")
                    .hint("begin again")
            }
            _ => error,
        })
    }
}

impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceLogin({})", self.server.spec.key)
    }
}
