//! The rules of a spec alone, beyond what the grammar says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::{contradiction, overlap, shadow, status_covers};
use super::{LABEL_HELP, is_label};
use crate::diagnostic::Diagnostic;
use crate::rules::{self, Rule};
use crate::source::{Source, join};
use crate::spec::{
    Assertion, AuthKind, AuthMethod, ClientAuthentication, Condition, ConfigSource, ConnectionField,
    ConnectionFieldKind, HmacHeader, JwtBearer, OAuth2, OAuth2Grant, Outcome, ResponseMatch, Session,
    SignatureKey, Signed, SigningScheme, Spec, StepBody, Template, TemplatePart, TokenFailure, is_token,
    list, nearest,
};

/// What every rule of specs alone has to say, unsorted; `clean` where the grammar had nothing to say.
pub(crate) fn alone(source: &Arc<Source>, spec: &Spec, clean: bool) -> Vec<Diagnostic> {
    let mut check = Check { source, spec, clean, found: Vec::new() };
    check.identity();
    check.headers();
    check.pagination();
    check.outcomes();
    check.rate_limits();
    check.auth();
    check.fields();
    check.templates();
    check.config();
    check.hooks();
    check.events();
    check.found
}

pub(super) struct Check<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) spec: &'a Spec,
    /// Otherwise what seems to be missing may only be misspelt.
    pub(super) clean: bool,
    found: Vec<Diagnostic>,
}

/// A template with its place, and the methods whose fields fill it.
struct Use<'a> {
    path: String,
    template: &'a Template,
    methods: &'a [AuthMethod],
    role: Role,
    /// What it may name beside their fields.
    given: Vec<&'a str>,
}

/// What a template is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A value, encoded for its place.
    Value,
    /// A value that stands in a URL.
    InUrl,
    /// A host.
    Host,
    /// A URL.
    Url,
    /// A key that signs.
    Key,
    /// A value that is left out where its field is missing.
    Optional,
}

/// The path of an entry of `http.rate_limit`, which is a list only where the file has one.
pub(super) fn rate_limit_at(source: &Source, index: usize) -> String {
    let listed = format!("/http/rate_limit/{index}");
    if source.spans(&listed).is_some() { listed } else { "/http/rate_limit".to_owned() }
}

impl<'a> Check<'a> {
    /// A problem at the value of a path.
    pub(super) fn at(&mut self, rule: &'static Rule, path: &str, message: String, help: impl Into<String>) {
        let at = self.source.value(path);
        self.found.push(Diagnostic::new(rule, message).label(at, "").help(help));
    }

    /// A problem at the key of a path.
    pub(super) fn key(&mut self, rule: &'static Rule, path: &str, message: String, help: impl Into<String>) {
        let at = self.source.key(path);
        self.found.push(Diagnostic::new(rule, message).label(at, "").help(help));
    }

    /// A problem between two places.
    fn both(
        &mut self,
        rule: &'static Rule,
        (path, text): (&str, &str),
        (other, other_text): (&str, &str),
        message: String,
        help: &str,
    ) {
        let diagnostic = Diagnostic::new(rule, message)
            .label(self.source.key(path), text)
            .label(self.source.key(other), other_text)
            .help(help);
        self.found.push(diagnostic);
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.source.spans(path).is_some()
    }

    fn identity(&mut self) {
        let missing: [(&'static Rule, &str, &str, &str); 3] = [
            (&rules::LP130, "description", "description", "add `description = \"..\"`: one or two sentences"),
            (
                &rules::LP131,
                "documentation_url",
                "documentation URL",
                "add `documentation_url = \"https://..\"`",
            ),
            (&rules::LP132, "support_email", "support address", "add `support_email = \"..@..\"`"),
        ];
        for (rule, key, what, help) in missing {
            if !self.has(&join("", key)) {
                self.key(rule, "/key", format!("the connector has no {what}"), help);
            }
        }
    }

    fn headers(&mut self) {
        const FORBIDDEN: [&str; 11] = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "te",
            "trailer",
            "keep-alive",
        ];
        let spec = self.spec;
        for (name, _) in &spec.http.headers {
            if FORBIDDEN.contains(&name.to_ascii_lowercase().as_str()) {
                let help = match name.to_ascii_lowercase().as_str() {
                    "authorization" | "proxy-authorization" | "cookie" => {
                        "say under `[auth.<key>]` how requests are authenticated"
                    }
                    _ => "leave it out: the transport writes it",
                };
                let message = format!("`{name}` cannot be set for every request");
                self.key(&rules::LP127, &join("/http/headers", name), message, help);
            }
        }
        self.twice("/http/headers", spec.http.headers.iter().map(|(name, _)| name.as_str()));
        for (index, rule) in spec.http.outcomes.iter().enumerate() {
            let names = rule.when.headers.iter().map(|(name, _)| name.as_str());
            self.twice(&format!("/http/outcome/{index}/when/header"), names);
        }
        for event in &spec.events {
            let path = format!("{}/match/header", join("/event", &event.key));
            self.twice(&path, event.matching.headers.iter().map(|(name, _)| name.as_str()));
        }
        for method in &spec.auth {
            let path = join("/auth", &method.key);
            let headers = match &method.kind {
                AuthKind::Custom { headers, .. } => headers,
                AuthKind::Session(session) => {
                    for (index, step) in session.steps.iter().enumerate() {
                        let path = format!("{path}/steps/{index}/headers");
                        self.twice(&path, step.headers.iter().map(|(name, _)| name.as_str()));
                    }
                    &session.headers
                }
                AuthKind::Signed(signed) => &signed.headers,
                _ => continue,
            };
            self.twice(&format!("{path}/headers"), headers.iter().map(|(name, _)| name.as_str()));
        }
    }

    pub(super) fn twice<'n>(&mut self, path: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for name in names.filter(|name| is_token(name)) {
            if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
                self.both(
                    &rules::LP128,
                    (&join(path, name), "the same header"),
                    (&join(path, first), "named here first"),
                    format!("the header `{name}` is named twice"),
                    "keep one of them",
                );
            }
        }
    }

    fn pagination(&mut self) {
        let pagination = self.spec.http.pagination.as_ref();
        let size = pagination.and_then(|pagination| pagination.page_size.as_ref());
        let (path, at_size) = ("/http/pagination", "/http/pagination/page_size");
        for (path, read) in [(path, pagination.is_some()), (at_size, size.is_some() || pagination.is_none())]
        {
            let message = if self.has(&format!("{path}/query")) && self.has(&format!("{path}/body")) {
                "is asked for in two places"
            } else if self.clean && self.has(path) && !read {
                "is asked for nowhere"
            } else {
                continue;
            };
            let what = if path == at_size { "the page size" } else { "the next page" };
            let help = "say one of `query = \"..\"` and `body = \"/..\"`";
            self.key(&rules::LP164, path, format!("{what} {message}"), help);
        }
        let totals = [format!("{path}/total"), format!("{path}/total_pages")];
        if totals.iter().all(|total| self.has(total)) {
            self.both(
                &rules::LP164,
                (&totals[1], "in pages"),
                (&totals[0], "in items"),
                "the length of a list is told twice".to_owned(),
                "keep one of them",
            );
        }
        if let Some(size) = size
            && let Some(max) = size.max.filter(|max| size.value > *max)
        {
            let message = format!("{} items are asked for where {max} is the most", size.value);
            self.at(&rules::LP165, &format!("{at_size}/value"), message, format!("write at most {max}"));
        }
    }

    fn outcomes(&mut self) {
        let outcomes = &self.spec.http.outcomes;
        for (index, rule) in outcomes.iter().enumerate() {
            let path = format!("/http/outcome/{index}");
            let when = format!("{path}/when");
            let entries = ["status", "header", "body", "text"];
            let stated = entries.iter().any(|key| self.has(&format!("{when}/{key}")));
            let empty = rule.when == Default::default();
            if !stated && self.has(&when) {
                self.at(
                    &rules::LP160,
                    &when,
                    "an outcome rule has no condition".to_owned(),
                    "say what the response must look like, as in `when = { status = 409 }`",
                );
            }
            if empty {
                continue;
            }
            // A rule without a condition is a mistake of its own.
            let earlier: Vec<_> = outcomes[..index].iter().map(|earlier| &earlier.when).collect();
            let earlier = shadow(&earlier, &rule.when).filter(|at| outcomes[*at].when != Default::default());
            if let Some(earlier) = earlier {
                self.both(
                    &rules::LP161,
                    (&when, "never reached"),
                    (&format!("/http/outcome/{earlier}/when"), "already matches all of it"),
                    "an outcome rule can never be reached".to_owned(),
                    "put the narrower rule first, or take one away",
                );
            }
            if let Some((outer, inner)) = contradiction(&rule.when) {
                let at = |pointer| join(&format!("{when}/body"), pointer);
                self.both(
                    &rules::LP167,
                    (&at(inner), "inside it, and there"),
                    (&at(outer), "a plain value, or nothing"),
                    "an outcome rule can never match".to_owned(),
                    "take one of the two away",
                );
            }
            self.conditions(&when, &rule.when);
            for (at, status) in rule.when.status.iter().enumerate() {
                let others = rule.when.status.iter().enumerate();
                let covered = others
                    .filter(|(other, _)| *other != at)
                    .any(|(other, wide)| status_covers(*wide, *status) && (*wide != *status || other < at));
                if covered {
                    self.at(
                        &rules::LP162,
                        &format!("{when}/status/{at}"),
                        "this status is listed already".to_owned(),
                        "take it away",
                    );
                }
            }
            let silent = matches!(rule.then, Outcome::Success | Outcome::Ignore);
            for (key, told, useless) in [
                ("message", rule.message.is_some(), silent),
                ("message_at", rule.message_at.is_some(), silent),
                ("code", rule.code.is_some(), rule.then != Outcome::Fail),
            ] {
                if told && useless {
                    self.key(
                        &rules::LP163,
                        &format!("{path}/{key}"),
                        format!("the {key} of this outcome is never shown"),
                        "leave it out, or say `then = \"fail\"`",
                    );
                }
            }
        }
        let retry = &self.spec.http.retry;
        if retry.first > retry.longest {
            self.key(
                &rules::LP168,
                "/http/retry",
                "the first wait is longer than the longest".to_owned(),
                "make `first` shorter, or `longest` longer; they are 500ms and 1m by default",
            );
        }
    }

    /// The conditions of one rule, for outcomes or for failed exchanges.
    fn conditions(&mut self, path: &str, when: &ResponseMatch) {
        let headers = when.headers.iter().map(|condition| ("header", condition));
        for (section, (name, condition)) in
            headers.chain(when.body.iter().map(|condition| ("body", condition)))
        {
            let at = join(&format!("{path}/{section}"), name);
            match condition {
                Condition::Is(any) if any.is_empty() => self.at(
                    &rules::LP160,
                    &at,
                    format!("`{name}` is compared with nothing"),
                    "list the values that it may have",
                ),
                Condition::Regex(_) if self.has(&format!("{at}/exists")) => self.at(
                    &rules::LP160,
                    &at,
                    format!("`{name}` has two conditions"),
                    "keep one: what a regular expression finds something in is there",
                ),
                #[cfg(feature = "check")]
                Condition::Regex(regex) => {
                    if let Err(error) = regex::Regex::new(regex) {
                        let error = error.to_string();
                        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                        self.at(
                            &rules::LP166,
                            &format!("{at}/regex"),
                            format!("`{regex}` is not a regular expression: {reason}"),
                            "write it as the crate `regex` reads it: without look-around and back-references",
                        );
                    }
                }
                _ => {}
            }
        }
    }

    fn rate_limits(&mut self) {
        for (index, limit) in self.spec.http.rate_limits.iter().enumerate() {
            let path = rate_limit_at(self.source, index);
            let stated = ["budget", "concurrency"].iter().any(|key| self.has(&format!("{path}/{key}")));
            if !stated {
                self.at(
                    &rules::LP191,
                    &path,
                    "a rate limit says neither a budget nor a concurrency".to_owned(),
                    "say how many requests may go, as in `budget = \"5000/1h\"`",
                );
            }
            let Some((requests, _)) = limit.budget else { continue };
            for (flow, cost) in limit.costs.iter().filter(|(_, cost)| *cost > requests) {
                self.at(
                    &rules::LP192,
                    &join(&format!("{path}/costs"), flow),
                    format!("each request of `{flow}` costs {cost} of a budget of {requests}"),
                    "let it cost less, or allow more",
                );
            }
        }
    }

    fn auth(&mut self) {
        let spec = self.spec;
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for method in &spec.auth {
            let path = join("/auth", &method.key);
            if let Some(first) = names.insert(&method.name, &method.key) {
                self.both(
                    &rules::LP153,
                    (&path, "this method"),
                    (&join("/auth", first), "and this one"),
                    format!("two methods are called `{}`", method.name),
                    "give each a `name` of its own",
                );
            }
            match &method.kind {
                AuthKind::ApiKey { .. } => {
                    let places = ["header", "query", "cookie"];
                    let given = places.iter().filter(|place| self.has(&format!("{path}/{place}"))).count();
                    if given != 1 {
                        let message = match given {
                            0 => format!("`{}` does not say where the key goes", method.key),
                            _ => format!("`{}` sends its key in {given} places", method.key),
                        };
                        let help = "say one of `header = \"X-Api-Key\"`, `query = \"api_key\"` and `cookie = \"sid\"`";
                        self.key(&rules::LP152, &path, message, help);
                    }
                }
                AuthKind::Custom { headers, query, body }
                    if self.clean && headers.is_empty() && query.is_empty() && body.is_empty() =>
                {
                    self.key(
                        &rules::LP152,
                        &path,
                        format!("`{}` sends nothing", method.key),
                        "add `headers = { X-Name = \"{field}\" }`, or `query` or `body` in the same form",
                    );
                }
                AuthKind::OAuth2(oauth) => {
                    self.grant_urls(&path, &method.key, oauth.grant);
                    self.failures(&path, &oauth.failures);
                    self.client_assertion(&path, oauth);
                    for (at, scope) in oauth.scopes.iter().enumerate() {
                        if oauth.scopes[..at].contains(scope) {
                            self.at(
                                &rules::LP156,
                                &format!("{path}/scopes/{at}"),
                                format!("the scope `{scope}` is listed twice"),
                                "take one away",
                            );
                        }
                    }
                    self.own_names(method, &["access_token", "refresh_token"]);
                }
                AuthKind::JwtBearer(bearer) => {
                    self.failures(&path, &bearer.failures);
                    self.lifetime(&path, &bearer.assertion);
                    self.claims(&path, method, bearer);
                    self.own_names(method, &["access_token", "refresh_token"]);
                }
                AuthKind::Session(session) => {
                    self.failures(&path, &session.failures);
                    self.session(&path, method, session);
                    let names: Vec<&str> = session.extracted(session.steps.len()).collect();
                    self.own_names(method, &names);
                }
                AuthKind::Signed(signed) => self.signed(&path, method, signed),
                AuthKind::None
                | AuthKind::Basic { .. }
                | AuthKind::Bearer { .. }
                | AuthKind::Custom { .. } => {}
            }
        }
    }

    fn failures(&mut self, path: &str, failures: &[TokenFailure]) {
        for (index, failure) in failures.iter().enumerate() {
            let when = format!("{path}/failures/{index}/when");
            self.conditions(&when, &failure.when);
            if failure.when == Default::default() && self.has(&when) {
                self.at(
                    &rules::LP160,
                    &when,
                    "a rule for failures has no condition".to_owned(),
                    "say what the answer must look like, as in `when = { status = 400 }`",
                );
            }
        }
    }

    /// The user is not asked for what the exchange brings.
    fn own_names(&mut self, method: &AuthMethod, names: &[&str]) {
        let fields = format!("{}/fields", join("/auth", &method.key));
        for field in method.fields.iter().filter(|field| names.contains(&field.key.as_str())) {
            self.key(
                &rules::LP158,
                &join(&fields, &field.key),
                format!("`{}` is filled by the exchange, not by the user", field.key),
                "take the field away, or give it another key",
            );
        }
    }

    fn client_assertion(&mut self, path: &str, oauth: &OAuth2) {
        let at = format!("{path}/assertion");
        match &oauth.client_authentication {
            ClientAuthentication::PrivateKeyJwt(assertion) => {
                let word = format!("{path}/client_authentication");
                if !self.has(&at) {
                    self.at(
                        &rules::LP180,
                        &word,
                        "nothing says how `private_key_jwt` is signed".to_owned(),
                        "add `assertion = { algorithm = \"RS256\" }`",
                    );
                }
                if oauth.grant == OAuth2Grant::DeviceCode {
                    self.at(
                        &rules::LP180,
                        &word,
                        "the device code grant asks again and again, and an assertion is good once"
                            .to_owned(),
                        "use another `client_authentication`, or another grant",
                    );
                }
                self.lifetime(&at, assertion);
            }
            _ if self.has(&at) => self.key(
                &rules::LP180,
                &at,
                "`assertion` is never used".to_owned(),
                "leave it out, or say `client_authentication = \"private_key_jwt\"`",
            ),
            _ => {}
        }
    }

    fn lifetime(&mut self, path: &str, assertion: &Assertion) {
        if assertion.lifetime > Duration::from_secs(3600) {
            self.at(
                &rules::LP181,
                &format!("{path}/lifetime"),
                "an assertion is good for more than an hour".to_owned(),
                "the most is \"1h\"; minutes are enough, since each is used at once",
            );
        }
    }

    /// Each scheme has keys of its own, beside the ones that all have.
    fn signed(&mut self, path: &str, method: &AuthMethod, signed: &Signed) {
        const AWS: &[&str] = &["region", "service", "access_key", "secret_key", "session_token"];
        const HMAC: &[&str] = &[
            "header",
            "string",
            "key",
            "algorithm",
            "encoding",
            "prefix",
            "timestamp_header",
            "timestamp_unit",
        ];
        // Of each the first two are needed.
        let (own, needed) = match &signed.scheme {
            SigningScheme::AwsSigV4 { .. } => (AWS, 2),
            SigningScheme::HmacHeader(_) => (HMAC, 2),
            SigningScheme::Custom(_) => (&[][..], 0),
        };
        if !self.has(&format!("{path}/scheme")) {
            return;
        }
        let word = signed.scheme.word();
        for name in &own[..needed] {
            if self.clean && !self.has(&format!("{path}/{name}")) {
                let message = format!("`{}` has no `{name}`, which `{word}` needs", method.key);
                self.key(&rules::LP184, path, message, format!("add `{name} = \"..\"`"));
            }
        }
        for name in AWS.iter().chain(HMAC).filter(|name| !own.contains(name)) {
            let at = format!("{path}/{name}");
            if self.has(&at) {
                let message = format!("`{name}` is never used with the scheme `{word}`");
                self.key(&rules::LP184, &at, message, "leave it out, or take another scheme");
            }
        }
        let SigningScheme::HmacHeader(hmac) = &signed.scheme else { return };
        self.own_names(method, &HmacHeader::PARTS);
        if hmac.timestamp_header.is_none() && hmac.string.fields().any(|part| part == "timestamp") {
            self.at(
                &rules::LP184,
                &format!("{path}/string"),
                "the time is signed, but nothing tells it to the service".to_owned(),
                "add `timestamp_header = \"X-Timestamp\"`, or whatever the service calls it",
            );
        }
    }

    fn session(&mut self, path: &str, method: &AuthMethod, session: &Session) {
        if self.clean && session.steps.is_empty() {
            let help = "add `steps = [{ url = \"/login\", .. }]`";
            self.key(&rules::LP152, path, format!("`{}` has no steps", method.key), help);
        }
        if self.clean && session.headers.is_empty() && session.query.is_empty() {
            self.key(
                &rules::LP152,
                path,
                format!("`{}` sends nothing once it has a session", method.key),
                "add `headers = { X-Session = \"{session}\" }` or `query` in the same form",
            );
        }
        for (index, step) in session.steps.iter().enumerate() {
            let at = format!("{path}/steps/{index}");
            let (json, form) = (self.has(&format!("{at}/json")), self.has(&format!("{at}/form")));
            if json && form {
                let message = "a step has two bodies".to_owned();
                self.key(&rules::LP183, &format!("{at}/form"), message, "keep `json` or `form`");
            } else if (json || form) && step.method == "GET" {
                let message = "a GET has no body".to_owned();
                let help = "say `method = \"POST\"`, or send it as `query`";
                let body = if json { "json" } else { "form" };
                self.key(&rules::LP183, &format!("{at}/{body}"), message, help);
            }
            if let StepBody::Json(texts) = &step.body {
                for (pointer, _) in texts {
                    let inner = format!("{pointer}/");
                    if let Some((other, _)) = texts.iter().find(|(other, _)| other.starts_with(&inner)) {
                        let json = format!("{at}/json");
                        self.both(
                            &rules::LP183,
                            (&join(&json, other), "is inside of it"),
                            (&join(&json, pointer), "is a text"),
                            format!("`{pointer}` cannot be a text and hold `{other}`"),
                            "keep one of them",
                        );
                    }
                }
            }
            for (name, _) in &step.extract {
                let extract = join(&format!("{at}/extract"), name);
                let places = ["body", "header", "cookie"];
                if places.iter().filter(|place| self.has(&format!("{extract}/{place}"))).count() > 1 {
                    let message = format!("`{name}` stands in two places");
                    self.key(&rules::LP183, &extract, message, "keep one of `body`, `header` and `cookie`");
                }
                if session.extracted(index).any(|earlier| earlier == name) {
                    let message = format!("an earlier step extracts `{name}` already");
                    self.key(&rules::LP183, &extract, message, "give it another name");
                }
            }
        }
    }

    fn claims(&mut self, path: &str, method: &AuthMethod, bearer: &JwtBearer) {
        let at = format!("{path}/claims");
        if self.has(&at) && bearer.claims.iter().all(|(name, _)| name != "iss") {
            let message = format!("the assertion of `{}` does not say who its issuer is", method.key);
            self.key(
                &rules::LP159,
                &at,
                message,
                "add `iss = \"{client_email}\"`, or whatever the service calls it",
            );
        }
        for (name, _) in &bearer.claims {
            let help = match name.as_str() {
                "iat" | "exp" => "leave it out: both are made of the time and `lifetime`",
                "jti" => "say `jti = true` beside the claims",
                _ => continue,
            };
            let message = format!("the claim `{name}` is made anew for each assertion");
            self.key(&rules::LP159, &join(&at, name), message, help);
        }
    }

    /// Each grant begins at a URL of its own.
    fn grant_urls(&mut self, path: &str, key: &str, grant: OAuth2Grant) {
        let begins = [
            (OAuth2Grant::AuthorizationCode, "authorization_url", "where users consent"),
            (OAuth2Grant::DeviceCode, "device_authorization_url", "where device codes come from"),
        ];
        for (of, name, what) in begins {
            let url = format!("{path}/{name}");
            if grant == of && !self.has(&url) && self.has(&format!("{path}/grant")) {
                let message = format!("`{key}` has no `{name}`");
                self.key(&rules::LP154, path, message, format!("add `{name} = \"https://..\"`: {what}"));
            }
            if grant != of && self.has(&url) {
                let message = format!("`{name}` is never used with the grant `{}`", grant.word());
                let help = format!("leave it out, or say `grant = \"{}\"`", of.word());
                self.key(&rules::LP155, &url, message, help);
            }
        }
        let consent = [("authorize_params", "authorization request"), ("pkce", "authorization code")];
        for (name, what) in consent.into_iter().chain([("issuer", "callback")]) {
            let at = format!("{path}/{name}");
            if grant != OAuth2Grant::AuthorizationCode && self.has(&at) {
                let message = format!("`{name}` is never used: the grant `{}` has no {what}", grant.word());
                self.key(
                    &rules::LP155,
                    &at,
                    message,
                    "leave it out, or say `grant = \"authorization_code\"`",
                );
            }
        }
    }

    fn fields(&mut self) {
        let spec = self.spec;
        let mut seen: BTreeMap<&str, (&ConnectionField, String)> = BTreeMap::new();
        for method in &spec.auth {
            for field in &method.fields {
                let path = join(&format!("{}/fields", join("/auth", &method.key)), &field.key);
                self.field(field, &path);
                match seen.get(field.key.as_str()) {
                    Some((first, first_path)) => {
                        let host = |field: &ConnectionField| field.kind == ConnectionFieldKind::Host;
                        if first.secret != field.secret || host(first) != host(field) {
                            let first_path = first_path.clone();
                            self.both(
                                &rules::LP146,
                                (&path, "not the same here"),
                                (&first_path, "as here"),
                                format!("`{}` differs between methods", field.key),
                                "make `secret` and `type` agree, or use another key",
                            );
                        }
                    }
                    None => {
                        seen.insert(&field.key, (field, path));
                    }
                }
            }
        }
    }

    fn field(&mut self, field: &ConnectionField, path: &str) {
        let key = &field.key;
        // A field that the method itself brings is not in the file.
        if self.has(path) && !self.has(&format!("{path}/secret")) && looks_secret(key) {
            self.key(
                &rules::LP144,
                path,
                format!("`{key}` looks secret, but nothing says whether it is"),
                "say `secret = true`, or `secret = false` where everyone may see the value",
            );
        }
        let default = format!("{path}/default");
        if field.secret && field.default.is_some() {
            let message = format!("the secret `{key}` has a default");
            self.at(&rules::LP145, &default, message, "leave it out: everyone can read it here");
        }
        if !is_label(&field.label) && !field.label.trim().is_empty() && field.label.trim() == field.label {
            let message = format!("the label of `{key}` has a forbidden character");
            self.at(&rules::LP151, &format!("{path}/label"), message, LABEL_HELP);
        }
        let ConnectionFieldKind::Choice(choices) = &field.kind else { return };
        let at = format!("{path}/choices");
        if choices.is_empty() {
            let message = format!("`{key}` has nothing to choose from");
            self.at(&rules::LP147, &at, message, "list the values, or leave `choices` out");
        }
        for (index, choice) in choices.iter().enumerate() {
            if choices[..index].contains(choice) {
                let message = format!("`{choice}` is listed twice");
                self.at(&rules::LP147, &format!("{at}/{index}"), message, "take one away");
            }
        }
        if let Some(value) = field.default.as_ref().filter(|value| !choices.contains(value)) {
            let known: Vec<&str> = choices.iter().map(String::as_str).collect();
            let message = format!("the default `{value}` is not among the choices");
            self.at(&rules::LP148, &default, message, format!("take one of {}", list(&known)));
        }
        for other in ["type", "pattern"] {
            if self.has(&format!("{path}/{other}")) {
                let message = format!("`{key}` has choices and also `{other}`");
                let help = format!("leave `{other}` out: the choices say which values there are");
                self.key(&rules::LP149, &format!("{path}/{other}"), message, help);
            }
        }
    }

    fn uses(&self) -> Vec<Use<'a>> {
        let spec = self.spec;
        let (mut uses, mut nested) = (Vec::new(), Vec::new());
        let mut add = |path: String, template: &'a Template, methods: &'a [AuthMethod], role| {
            uses.push(Use { path, template, methods, role, given: Vec::new() });
        };
        add("/http/base_url".to_owned(), &spec.http.base_url, &spec.auth, Role::Url);
        for (index, host) in spec.http.hosts.iter().enumerate() {
            add(format!("/http/hosts/{index}"), host, &spec.auth, Role::Host);
        }
        for (path, template) in spec.hooks.iter().filter_map(Check::route_of) {
            nested.push(Use {
                path,
                template,
                methods: &spec.auth,
                role: Role::Value,
                given: vec!["account"],
            });
        }
        for config in &spec.config {
            if let ConfigSource::Value(template) = &config.source {
                let path = format!("{}/value", join("/config", &config.key));
                add(path, template, &spec.auth, Role::Value);
            }
        }
        for method in &spec.auth {
            let path = join("/auth", &method.key);
            let own = std::slice::from_ref(method);
            if let Some(shown) = &method.client_certificate {
                let path = format!("{path}/client_certificate");
                add(format!("{path}/certificate"), &shown.certificate, own, Role::Value);
                add(format!("{path}/private_key"), &shown.private_key, own, Role::Key);
            }
            match &method.kind {
                AuthKind::None => {}
                AuthKind::Basic { username, password } => {
                    add(format!("{path}/username"), username, own, Role::Value);
                    add(format!("{path}/password"), password, own, Role::Value);
                }
                AuthKind::Bearer { token } => add(format!("{path}/token"), token, own, Role::Value),
                AuthKind::ApiKey { value, .. } => add(format!("{path}/value"), value, own, Role::Value),
                AuthKind::Custom { headers, query, body } => {
                    for (place, values) in [("headers", headers), ("query", query), ("body", body)] {
                        for (name, value) in values {
                            add(join(&format!("{path}/{place}"), name), value, own, Role::Value);
                        }
                    }
                }
                AuthKind::OAuth2(oauth) => {
                    add(format!("{path}/token_url"), &oauth.token_url, own, Role::Url);
                    let others = [
                        ("authorization_url", &oauth.authorization_url),
                        ("device_authorization_url", &oauth.device_authorization_url),
                        ("refresh_url", &oauth.refresh_url),
                        ("revocation_url", &oauth.revocation_url),
                    ];
                    for (name, url) in others {
                        if let Some(url) = url {
                            add(format!("{path}/{name}"), url, own, Role::Url);
                        }
                    }
                    let params = [
                        ("authorize_params", &oauth.authorize_params, Role::InUrl),
                        ("token_params", &oauth.token_params, Role::Value),
                    ];
                    for (name, params, role) in params {
                        for (key, value) in params {
                            add(join(&format!("{path}/{name}"), key), value, own, role);
                        }
                    }
                    if let ClientAuthentication::PrivateKeyJwt(assertion) = &oauth.client_authentication {
                        for (name, template, role) in signing(assertion) {
                            add(format!("{path}/assertion/{name}"), template, own, role);
                        }
                    }
                }
                AuthKind::Signed(signed) => nested.extend(in_signed(&path, signed, own)),
                AuthKind::Session(session) => nested.extend(in_session(&path, session, own)),
                AuthKind::JwtBearer(bearer) => {
                    add(format!("{path}/token_url"), &bearer.token_url, own, Role::Url);
                    for (name, template, role) in signing(&bearer.assertion) {
                        add(format!("{path}/{name}"), template, own, role);
                    }
                    for (name, values) in [("claims", &bearer.claims), ("token_params", &bearer.token_params)]
                    {
                        for (key, value) in values {
                            add(join(&format!("{path}/{name}"), key), value, own, Role::Value);
                        }
                    }
                }
            }
        }
        uses.extend(nested);
        uses
    }

    fn templates(&mut self) {
        let uses = self.uses();
        for used in &uses {
            let mut seen: Vec<&str> = Vec::new();
            for key in used.template.fields() {
                if !seen.contains(&key) {
                    seen.push(key);
                    self.template_field(used, key);
                }
            }
            if matches!(used.role, Role::Host | Role::Url) {
                self.host(used);
            }
        }
        let spec = self.spec;
        for method in &spec.auth {
            // What OAuth 2.0 asks of the user is used by its own exchange, and a signer of one's own sees every field.
            let own_exchange = match &method.kind {
                AuthKind::OAuth2(_) => true,
                AuthKind::Signed(signed) => matches!(signed.scheme, SigningScheme::Custom(_)),
                _ => false,
            };
            for field in &method.fields {
                let in_template = uses.iter().any(|used| {
                    used.template.fields().any(|key| key == field.key)
                        && used.methods.iter().any(|other| other.key == method.key)
                });
                let in_hook = spec.hooks.iter().any(|hook| {
                    hook.signature
                        .as_ref()
                        .and_then(|signature| signature.key.as_ref())
                        .is_some_and(|key| *key == SignatureKey::Field(field.key.clone()))
                });
                if self.clean && !in_template && !in_hook && !own_exchange {
                    self.key(
                        &rules::LP150,
                        &join(&format!("{}/fields", join("/auth", &method.key)), &field.key),
                        format!("`{}` is used by no template", field.key),
                        format!("use `{{{}}}` in a template, or take the field away", field.key),
                    );
                }
            }
        }
    }

    fn template_field(&mut self, used: &Use<'_>, key: &str) {
        if used.given.contains(&key) {
            return;
        }
        if used.methods.is_empty() {
            self.at(
                &rules::LP140,
                &used.path,
                format!("`{{{key}}}` is not a field: the spec has no auth method"),
                "add `[auth.none]` with `kind = \"none\"` and the field under `fields`",
            );
            return;
        }
        for method in used.methods {
            let Some(field) = method.fields.iter().find(|field| field.key == key) else {
                let fields = method.fields.iter().map(|field| field.key.as_str());
                let known: Vec<&str> = fields.chain(used.given.iter().copied()).collect();
                let own_exchange = matches!(method.kind, AuthKind::OAuth2(_));
                let mut diagnostic = Diagnostic::new(
                    &rules::LP140,
                    format!("`{{{key}}}` is not a field of `auth.{}`", method.key),
                );
                if self.has(&used.path) {
                    diagnostic = diagnostic
                        .label(self.source.value(&used.path), "named here")
                        .label(self.source.key(&join("/auth", &method.key)), "the method without it");
                } else {
                    let name = used.path.rsplit('/').next().unwrap_or_default();
                    diagnostic = diagnostic
                        .label(self.source.key(&join("/auth", &method.key)), "")
                        .help(format!("or say which field it is, as in `{name} = \"{{my_field}}\"`"));
                }
                if let Some(near) = nearest(key, &known) {
                    diagnostic = diagnostic.help(format!("did you mean `{{{near}}}`?"));
                }
                if own_exchange && key == "access_token" {
                    diagnostic = diagnostic.help("a URL of OAuth 2.0 is used before there is a token");
                } else {
                    let field = if looks_secret(key) { "{ secret = true }" } else { "{}" };
                    diagnostic.help.insert(0, format!("add `fields.{key} = {field}` to the method"));
                }
                self.found.push(diagnostic);
                continue;
            };
            let lacking = field.optional && field.default.is_none() && used.role != Role::Optional;
            if lacking && self.has(&used.path) {
                let diagnostic = Diagnostic::new(
                    &rules::LP142,
                    format!("`{{{key}}}` may be missing in `auth.{}`", method.key),
                )
                .label(self.source.value(&used.path), "needed here")
                .label(
                    self.source.key(&join(&format!("{}/fields", join("/auth", &method.key)), key)),
                    "optional, without a default",
                )
                .help("drop `optional`, or give the field a `default`");
                self.found.push(diagnostic);
            }
            if !field.secret && used.role == Role::Key {
                self.at(
                    &rules::LP182,
                    &used.path,
                    format!("`{{{key}}}` signs in the connection's name, but is not secret"),
                    "say `secret = true` in the field",
                );
            }
            if field.secret && matches!(used.role, Role::Url | Role::InUrl) {
                self.at(
                    &rules::LP143,
                    &used.path,
                    format!("the secret `{{{key}}}` stands in a URL"),
                    "send it in a header where the service takes it there",
                );
            }
        }
    }

    /// A field in a host may not decide to whom credentials go.
    fn host(&mut self, used: &Use<'_>) {
        let authority = used.template.authority();
        for method in used.methods {
            for (index, part) in authority.iter().enumerate() {
                let TemplatePart::Field(key) = part else { continue };
                let field = method.fields.iter().find(|field| field.key == *key);
                let (kind, from) = match field {
                    Some(field) => (
                        &field.kind,
                        self.source.key(&join(&format!("{}/fields", join("/auth", &method.key)), key)),
                    ),
                    // What an answer says could lead anywhere as well.
                    None if used.given.contains(&key.as_str()) => {
                        (&ConnectionFieldKind::Text, self.source.key(&join("/auth", &method.key)))
                    }
                    None => continue,
                };
                let rest = &authority[index + 1..];
                let mut tail = String::new();
                for part in rest {
                    match part {
                        TemplatePart::Text(text) => tail.push_str(text),
                        TemplatePart::Field(_) => tail.clear(),
                    }
                }
                let tail = tail.split(':').next().unwrap_or_default();
                // The tail begins inside the field's label, so each dot in it stands before a fixed label.
                let fixed = tail.matches('.').count() >= 2;
                let problem = match kind {
                    ConnectionFieldKind::Host if rest.is_empty() => continue,
                    ConnectionFieldKind::Host => {
                        "names a host with a port, so nothing can follow it in the host"
                    }
                    _ if fixed => continue,
                    _ => "could decide to whom credentials go",
                };
                let diagnostic = Diagnostic::new(&rules::LP141, format!("`{{{key}}}` {problem}"))
                    .label(self.source.value(&used.path), "in this host")
                    .label(from, if field.is_some() { "filled by this field" } else { "filled by a step" })
                    .help(
                        "fix at least two labels behind the field, as in `https://{site}.tracker.example`, or \
                         say `type = \"host\"` and let the field end the host",
                    );
                self.found.push(diagnostic);
            }
        }
    }

    fn config(&mut self) {
        let spec = self.spec;
        for config in &spec.config {
            let path = join("/config", &config.key);
            if !is_label(&config.label) && !config.label.is_empty() && config.label.trim() == config.label {
                let message = format!("the label of `{}` has a forbidden character", config.key);
                self.at(&rules::LP151, &format!("{path}/label"), message, LABEL_HELP);
            }
            let (value, helper) = (format!("{path}/value"), format!("{path}/helper"));
            if self.has(&value) == self.has(&helper) {
                let message = match self.has(&value) {
                    true => format!("`{}` comes from two places", config.key),
                    false => format!("nothing says where `{}` comes from", config.key),
                };
                self.key(&rules::LP185, &path, message, "say `value = \"..\"` or `helper = \"name\"`");
                continue;
            }
            let ConfigSource::Value(template) = &config.source else { continue };
            if config.secret && template.fields().next().is_none() {
                self.at(
                    &rules::LP186,
                    &value,
                    format!("everyone can read the secret `{}` here", config.key),
                    "make it of a secret field, as in `value = \"{token}\"`, or let a helper give it",
                );
            }
            let shown = template.fields().find(|key| {
                let fields = spec.auth.iter().flat_map(|method| &method.fields);
                !config.secret && fields.into_iter().any(|field| field.key == *key && field.secret)
            });
            if let Some(key) = shown {
                let message = format!("`{}` shows the secret `{{{key}}}`", config.key);
                self.at(&rules::LP186, &value, message, "say `secret = true`");
            }
        }
    }

    fn events(&mut self) {
        let spec = self.spec;
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        let hooks: Vec<&str> = spec.hooks.iter().map(|hook| hook.key.as_str()).collect();
        for (index, event) in spec.events.iter().enumerate() {
            let path = join("/event", &event.key);
            if let Some(first) = names.insert(&event.name, &event.key) {
                self.both(
                    &rules::LP177,
                    (&path, "this event"),
                    (&join("/event", first), "and this one"),
                    format!("two events are called `{}`", event.name),
                    "give each a `name` of its own",
                );
            }
            if !is_label(&event.name) && !event.name.is_empty() && event.name.trim() == event.name {
                let message = format!("the name of `{}` has a forbidden character", event.key);
                self.at(&rules::LP178, &format!("{path}/name"), message, LABEL_HELP);
            }
            let Some(hook) = &event.hook else {
                for key in ["match", "filter", "wakes"] {
                    if self.has(&format!("{path}/{key}")) && !self.has(&format!("{path}/hook")) {
                        self.key(
                            &rules::LP175,
                            &format!("{path}/{key}"),
                            format!("`{}` says `{key}`, but has no hook", event.key),
                            format!("name the hook, or leave `{key}` out"),
                        );
                    }
                }
                continue;
            };
            if !hooks.contains(&hook.as_str()) {
                let help = match nearest(hook, &hooks) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add `[hook.{hook}]`; known are {}", list(&hooks)),
                };
                self.at(&rules::LP170, &format!("{path}/hook"), format!("no hook is called `{hook}`"), help);
                continue;
            }
            let earlier = spec.events[..index].iter().find(|earlier| {
                // One delivery may well wake several monitors.
                earlier.hook.as_ref() == Some(hook)
                    && !(earlier.wakes && event.wakes)
                    && overlap(&earlier.matching, &event.matching)
            });
            if let Some(earlier) = earlier {
                self.both(
                    &rules::LP172,
                    (&path, "this event"),
                    (&join("/event", &earlier.key), "and this one"),
                    format!("`{}` and `{}` mean the same deliveries", event.key, earlier.key),
                    "let each `match` ask for something that the other excludes",
                );
            }
        }
    }
}

/// The templates of a session: each step knows what earlier ones extract.
fn in_session<'a>(path: &str, session: &'a Session, methods: &'a [AuthMethod]) -> Vec<Use<'a>> {
    let mut uses = Vec::new();
    let mut add = |path: String, template: &'a Template, role, before: usize| {
        let given = session.extracted(before).collect();
        uses.push(Use { path, template, methods, role, given });
    };
    for (index, step) in session.steps.iter().enumerate() {
        let at = format!("{path}/steps/{index}");
        add(format!("{at}/url"), &step.url, Role::Url, index);
        let (name, body) = match &step.body {
            StepBody::Empty => ("json", &[][..]),
            StepBody::Json(texts) => ("json", &texts[..]),
            StepBody::Form(fields) => ("form", &fields[..]),
        };
        let places = [
            ("headers", &step.headers[..], Role::Value),
            ("query", &step.query[..], Role::InUrl),
            (name, body, Role::Value),
        ];
        for (name, values, role) in places {
            for (key, value) in values {
                add(join(&format!("{at}/{name}"), key), value, role, index);
            }
        }
    }
    for (name, values) in [("headers", &session.headers), ("query", &session.query)] {
        for (key, value) in values {
            add(join(&format!("{path}/{name}"), key), value, Role::Value, session.steps.len());
        }
    }
    uses
}

/// The templates of a signature.
fn in_signed<'a>(path: &str, signed: &'a Signed, methods: &'a [AuthMethod]) -> Vec<Use<'a>> {
    let mut uses = Vec::new();
    let mut add = |path: String, template: &'a Template, role, given: &[&'static str]| {
        uses.push(Use { path, template, methods, role, given: given.to_vec() });
    };
    match &signed.scheme {
        SigningScheme::AwsSigV4 { access_key, secret_key, session_token, region, service } => {
            add(format!("{path}/access_key"), access_key, Role::Value, &[]);
            add(format!("{path}/secret_key"), secret_key, Role::Key, &[]);
            if let Some(token) = session_token {
                add(format!("{path}/session_token"), token, Role::Optional, &[]);
            }
            add(format!("{path}/region"), region, Role::Value, &[]);
            add(format!("{path}/service"), service, Role::Value, &[]);
        }
        SigningScheme::HmacHeader(hmac) => {
            add(format!("{path}/key"), &hmac.key, Role::Key, &[]);
            add(format!("{path}/prefix"), &hmac.prefix, Role::Value, &[]);
            add(format!("{path}/string"), &hmac.string, Role::Value, &HmacHeader::PARTS);
        }
        SigningScheme::Custom(_) => {}
    }
    for (name, values) in [("headers", &signed.headers), ("query", &signed.query)] {
        for (key, value) in values {
            add(join(&format!("{path}/{name}"), key), value, Role::Value, &[]);
        }
    }
    uses
}

/// The templates of an assertion.
fn signing(assertion: &Assertion) -> impl Iterator<Item = (&'static str, &Template, Role)> {
    let key = assertion.key.iter().map(|key| ("key", key, Role::Key));
    key.chain(assertion.key_id.iter().map(|id| ("key_id", id, Role::Value)))
}

/// Whether a key has a word in it that usually names a secret.
fn looks_secret(key: &str) -> bool {
    const WORDS: [&str; 8] =
        ["token", "password", "passwd", "passphrase", "secret", "key", "credential", "credentials"];
    key.split('_').any(|word| WORDS.contains(&word))
}
