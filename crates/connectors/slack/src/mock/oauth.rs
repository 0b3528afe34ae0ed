//! The installations of the app, and their tokens.

use std::collections::HashMap;

use linchpin::{
    serde_json::{Value, json},
    value::base64,
};
use wiremock::{Request, http::Url};

use super::{BOT, CLIENT_ID, CLIENT_SECRET, OTHER_TOKEN, TEAM, TOKEN, payload};

/// Tokens, codes and what becomes of them.
pub(super) struct OAuth {
    pub(super) rotate: bool,
    pub(super) exchanges: usize,
    tokens: HashMap<String, Token>,
    /// Codes with the redirect URIs that they were given for.
    codes: HashMap<String, String>,
    count: u64,
}

struct Token {
    kind: Kind,
    /// The code with which it is refused.
    problem: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The one that is shown in the app's settings.
    Shown,
    /// Of an installation.
    Access,
    /// Of an installation with token rotation.
    Refresh,
}

impl OAuth {
    pub(super) fn new() -> OAuth {
        let shown = |token: &str| (token.to_owned(), Token { kind: Kind::Shown, problem: None });
        OAuth {
            rotate: false,
            exchanges: 0,
            tokens: [TOKEN, OTHER_TOKEN].map(shown).into(),
            codes: HashMap::new(),
            count: 0,
        }
    }

    pub(super) fn consent(&mut self, url: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let known = asked.get("client_id").is_some_and(|id| id == CLIENT_ID);
        // Slack has no `scope` with blanks in it.
        let scopes = asked.get("scope").is_some_and(|scope| !scope.is_empty() && !scope.contains(' '));
        // Challenges come only from apps that have switched PKCE on.
        if url.path() != "/oauth/v2/authorize" || !known || !scopes || asked.contains_key("code_challenge") {
            return None;
        }
        let redirect = asked.get("redirect_uri")?;
        self.count += 1;
        let code = format!("4724469134.4644010092847.{}", self.count);
        self.codes.insert(code.clone(), redirect.clone());
        let mut callback = Url::parse(redirect).ok()?;
        let state = asked.get("state").map(String::as_str).unwrap_or_default();
        callback.query_pairs_mut().append_pair("code", &code).append_pair("state", state);
        Some(callback.into())
    }

    pub(super) fn expire(&mut self) {
        for token in self.tokens.values_mut().filter(|token| token.kind == Kind::Access) {
            token.problem = token.problem.or(Some("token_expired"));
        }
    }

    pub(super) fn uninstall(&mut self) {
        for token in self.tokens.values_mut().filter(|token| token.kind != Kind::Shown) {
            token.problem = Some("account_inactive");
        }
    }

    /// The code with which a token is refused; none for one that is alive.
    pub(super) fn problem(&self, token: &str) -> Option<&'static str> {
        self.tokens.get(token).map_or(Some("invalid_auth"), |token| token.problem)
    }

    /// The code with which a token is refused by a method of the API.
    pub(super) fn refuses(&self, token: &str) -> Option<&'static str> {
        let refresh = self.tokens.get(token).is_some_and(|token| token.kind == Kind::Refresh);
        self.problem(token).or(refresh.then_some("not_allowed_token_type"))
    }

    /// `auth.revoke`: this token and no other.
    pub(super) fn revoke(&mut self, token: &str) -> Result<(), &'static str> {
        match self.tokens.get_mut(token) {
            Some(Token { problem: problem @ None, .. }) => {
                *problem = Some("token_revoked");
                Ok(())
            }
            Some(Token { problem: Some(problem), .. }) => Err(problem),
            None => Err("invalid_auth"),
        }
    }

    /// `oauth.v2.access`.
    pub(super) fn access(&mut self, request: &Request, form: &[(String, String)]) -> Value {
        let field =
            |name: &str| form.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        match client(request) {
            Some((id, _)) if id != CLIENT_ID => return payload::problem("invalid_client_id"),
            Some((_, secret)) if secret == CLIENT_SECRET => {}
            _ => return payload::problem("bad_client_secret"),
        }
        match field("grant_type") {
            Some("authorization_code") => {
                let Some(redirect) = field("code").and_then(|code| self.codes.remove(code)) else {
                    return payload::problem("invalid_code");
                };
                if field("redirect_uri") != Some(&redirect) {
                    return payload::problem("bad_redirect_uri");
                }
                self.install()
            }
            Some("refresh_token") => {
                let token = field("refresh_token").and_then(|token| self.tokens.get_mut(token));
                match token {
                    Some(Token { kind: Kind::Refresh, problem: problem @ None }) => {
                        *problem = Some("token_revoked");
                        self.exchanges += 1;
                        self.install()
                    }
                    _ => payload::problem("invalid_refresh_token"),
                }
            }
            _ => payload::problem("invalid_grant_type"),
        }
    }

    fn install(&mut self) -> Value {
        self.count += 1;
        let mut said = json!({
            "ok": true,
            "access_token": format!("xoxb-17653672481-19874698323-{}", self.count),
            "token_type": "bot",
            "scope": payload::SCOPES,
            "bot_user_id": BOT,
            "app_id": super::event::APP,
            "team": { "id": TEAM, "name": payload::TEAM_NAME },
            "enterprise": null,
            "authed_user": { "id": "U000000001" },
        });
        if self.rotate {
            said["access_token"] = format!("xoxe.xoxb-1-{}", self.count).into();
            said["refresh_token"] = format!("xoxe-1-{}", self.count).into();
            said["expires_in"] = 43_200.into();
        }
        for (name, kind) in [("access_token", Kind::Access), ("refresh_token", Kind::Refresh)] {
            if let Some(token) = said[name].as_str() {
                self.tokens.insert(token.to_owned(), Token { kind, problem: None });
            }
        }
        said
    }
}

/// Who asks, by HTTP Basic.
fn client(request: &Request) -> Option<(String, String)> {
    let header = request.headers.get("authorization")?.to_str().ok()?;
    let text = String::from_utf8(base64::decode(header.strip_prefix("Basic ")?)?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(id), decode(secret)))
}
