//! Who is let in: by the API token, or by a token of the service app.

use std::collections::{HashMap, HashSet};

use linchpin::{
    serde_json::{self, Value, json},
    value::base64,
};
use wiremock::ResponseTemplate;

use super::{CLIENT_ID, DOMAIN, KEY_ID, TOKEN, payload};

/// Scopes that the app was granted.
const GRANTED: [&str; 9] = [
    "okta.apps.read",
    "okta.eventHooks.manage",
    "okta.eventHooks.read",
    "okta.groups.manage",
    "okta.groups.read",
    "okta.logs.read",
    "okta.orgs.read",
    "okta.users.manage",
    "okta.users.read",
];

/// Whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Admin,
    App,
}

pub(super) struct OAuth {
    pub(super) exchanges: usize,
    api_token: bool,
    tokens: HashSet<String>,
    /// Ids of the assertions so far, each of which is good once.
    assertions: HashSet<String>,
}

impl OAuth {
    pub(super) fn new() -> OAuth {
        OAuth { exchanges: 0, api_token: true, tokens: HashSet::new(), assertions: HashSet::new() }
    }

    pub(super) fn is_alive(&self, token: &str) -> bool {
        self.tokens.contains(token) || (token == TOKEN && self.api_token)
    }

    pub(super) fn expire(&mut self) {
        self.tokens.clear();
    }

    pub(super) fn revoke_api_token(&mut self) {
        self.api_token = false;
    }

    pub(super) fn caller(&self, header: &str) -> Option<Caller> {
        let (scheme, token) = header.split_once(' ')?;
        match scheme {
            "SSWS" if token == TOKEN && self.api_token => Some(Caller::Admin),
            "Bearer" if self.tokens.contains(token) => Some(Caller::App),
            _ => None,
        }
    }

    /// `POST /oauth2/v1/token`.
    pub(super) fn token(&mut self, form: &HashMap<String, String>) -> ResponseTemplate {
        if let Some(refused) = self.refuses(form, "token") {
            return refused;
        }
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            return refusal(400, "unsupported_grant_type", "only client_credentials is for service apps");
        }
        if field("scope").is_empty() || !field("scope").split(' ').all(|scope| GRANTED.contains(&scope)) {
            return refusal(400, "invalid_scope", "one of the scopes is not granted");
        }
        self.exchanges += 1;
        let token = format!("mock.access.token{}", self.exchanges);
        self.tokens.insert(token.clone());
        ResponseTemplate::new(200).set_body_json(json!({
            "token_type": "Bearer",
            "expires_in": 3600,
            "access_token": token,
            "scope": field("scope"),
        }))
    }

    /// `POST /oauth2/v1/revoke`: a token that is not known is as good as a revoked one.
    pub(super) fn revoke(&mut self, form: &HashMap<String, String>) -> ResponseTemplate {
        if let Some(refused) = self.refuses(form, "revoke") {
            return refused;
        }
        let Some(token) = form.get("token") else {
            return refusal(400, "invalid_request", "there is no token");
        };
        self.tokens.remove(token);
        ResponseTemplate::new(200)
    }

    /// Why whoever asks an endpoint is not let in. The signature is not looked at: there is no key here.
    fn refuses(&mut self, form: &HashMap<String, String>, endpoint: &str) -> Option<ResponseTemplate> {
        let bad = |why: &str| Some(refusal(401, "invalid_client", why));
        let kind = form.get("client_assertion_type").map(String::as_str);
        let assertion = form.get("client_assertion").map(String::as_str).unwrap_or_default();
        if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
            return bad("a service app proves itself by an assertion");
        }
        let mut parts = assertion.split('.').map(read);
        let (Some(Some(header)), Some(Some(claims))) = (parts.next(), parts.next()) else {
            return bad("the assertion is none");
        };
        if claims["sub"] != CLIENT_ID {
            let body = payload::problem("invalid_client", "no app has this client id", &[]);
            return Some(ResponseTemplate::new(401).set_body_json(body));
        }
        if claims["iss"] != CLIENT_ID || header["kid"] != KEY_ID || header["alg"] != "RS256" {
            return bad("the assertion is not one of this app's");
        }
        if claims["aud"] != format!("https://{DOMAIN}/oauth2/v1/{endpoint}") {
            return bad("the assertion is meant for another endpoint");
        }
        let id = claims["jti"].as_str().unwrap_or_default();
        if id.is_empty() || !self.assertions.insert(id.to_owned()) {
            return bad("the assertion was used before");
        }
        None
    }
}

/// An error as RFC 6749 §5.2 has it.
fn refusal(status: u16, code: &str, description: &str) -> ResponseTemplate {
    let body = json!({ "error": code, "error_description": description });
    ResponseTemplate::new(status).set_body_json(body)
}

/// A part of a JSON web token, whose base64 has other letters and no padding.
fn read(part: &str) -> Option<Value> {
    let mut text = part.replace('-', "+").replace('_', "/");
    text.extend(std::iter::repeat_n('=', (4 - text.len() % 4) % 4));
    serde_json::from_slice(&base64::decode(&text)?).ok()
}
