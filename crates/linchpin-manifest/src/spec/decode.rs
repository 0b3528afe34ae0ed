//! Makes the model of a document: leniently, so that the rules can look at what is there while other parts are wrong.

use std::time::Duration;

use super::format::{is_pointer, is_token};
use super::tree::{Node, Value};
use super::unit;
use super::*;

/// The model of a document; what is missing or wrong has its default, or is left out.
pub(super) fn spec(root: &Node) -> Spec {
    let empty = Node::default();
    Spec {
        key: text(root, "key").unwrap_or_default(),
        name: text(root, "name").unwrap_or_default(),
        version: text(root, "version").unwrap_or_default(),
        description: text(root, "description"),
        documentation_url: text(root, "documentation_url"),
        support_email: text(root, "support_email"),
        accent_colour: text(root, "accent_colour"),
        icon: text(root, "icon"),
        http: http(root.get("http").unwrap_or(&empty)),
        auth: map(root, "auth", auth),
        config: map(root, "config", config),
        hooks: map(root, "hook", hook::decode::hook),
        events: map(root, "event", hook::decode::event),
        monitors: map(root, "monitor", monitor),
    }
}

fn http(node: &Node) -> Http {
    let limits = node.get("limits");
    let size = |name: &str| limits.and_then(|node| text(node, name)).and_then(|text| unit::parse_size(&text));
    let error = node.get("error");
    Http {
        base_url: template(node, "base_url").unwrap_or_default(),
        hosts: list(node, "hosts").iter().filter_map(|text| Template::parse(text).ok()).collect(),
        headers: pairs(node, "headers"),
        timeout: duration(node, "timeout").unwrap_or(Duration::from_secs(30)),
        pagination: node.get("pagination").and_then(pagination),
        rate_limits: one_or_list(node, "rate_limit").iter().map(rate_limit).collect(),
        retry: node.get("retry").map(retry).unwrap_or_default(),
        conditional: bool(node, "conditional"),
        idempotency_header: node.get("idempotency").and_then(|node| header(node, "header")),
        error: ErrorShape {
            message: error.map(|node| pointers(node, "message")).unwrap_or_default(),
            code: error.map(|node| pointers(node, "code")).unwrap_or_default(),
            request_id: error.and_then(|node| header(node, "request_id")),
        },
        outcomes: nodes(node, "outcome").iter().map(outcome).collect(),
        limits: Limits {
            body: size("body").unwrap_or(32 << 20),
            file: size("file").unwrap_or(16 << 30),
            pages: limits.and_then(|node| whole(node, "pages")).unwrap_or(10_000),
        },
    }
}

fn pagination(node: &Node) -> Option<Pagination> {
    let has_more = pointer(node, "has_more");
    let style = match text(node, "style")?.as_str() {
        "link-header" => PageStyle::LinkHeader,
        "cursor" => {
            PageStyle::Cursor { cursor: pointer(node, "cursor")?, place: page_place(node)?, has_more }
        }
        "cursor-header" => {
            PageStyle::CursorHeader { header: header(node, "header")?, place: page_place(node)?, has_more }
        }
        "next-url" => PageStyle::NextUrl { next: pointer(node, "next")? },
        "page-number" => PageStyle::PageNumber {
            place: page_place(node)?,
            first: whole(node, "first").unwrap_or(1),
            has_more,
            total: match pointer(node, "total") {
                Some(items) => Some(PageTotal::Items(items)),
                None => pointer(node, "total_pages").map(PageTotal::Pages),
            },
        },
        "offset" => PageStyle::Offset { place: page_place(node)?, has_more, total: pointer(node, "total") },
        "keyset" => PageStyle::Keyset { id: pointer(node, "id")?, place: page_place(node)?, has_more },
        "graphql" => PageStyle::GraphQl {
            variable: text(node, "variable").unwrap_or_else(|| "after".to_owned()),
            page_info: pointer(node, "page_info"),
        },
        _ => return None,
    };
    let page_size = node.get("page_size").and_then(|size| {
        Some(PageSize { place: page_place(size)?, value: whole(size, "value")?, max: whole(size, "max") })
    });
    Some(Pagination { style, items: pointer(node, "items").unwrap_or_default(), page_size })
}

fn page_place(node: &Node) -> Option<PagePlace> {
    let query = text(node, "query").map(PagePlace::Query);
    query.or_else(|| pointer(node, "body").map(PagePlace::Body))
}

fn rate_limit(node: &Node) -> RateLimit {
    let per = match text(node, "per").as_deref() {
        Some("connector") => RateLimitScope::Connector,
        _ => RateLimitScope::Connection,
    };
    let costs = node.get("costs").map_or(&[][..], Node::entries);
    let costs = costs.iter().filter_map(|(flow, cost)| Some((flow.clone(), as_whole(cost)?)));
    RateLimit {
        budget: text(node, "budget").and_then(|budget| unit::parse_budget(&budget)),
        concurrency: whole(node, "concurrency").and_then(|count| count.try_into().ok()),
        per,
        costs: costs.collect(),
        remaining: header(node, "remaining"),
        reset: header(node, "reset"),
    }
}

fn retry(node: &Node) -> Retry {
    let usual = Retry::default();
    Retry {
        attempts: whole(node, "attempts").and_then(|count| count.try_into().ok()).unwrap_or(usual.attempts),
        first: duration(node, "first").unwrap_or(usual.first),
        longest: duration(node, "longest").unwrap_or(usual.longest),
    }
}

fn matcher(when: &Node) -> ResponseMatch {
    let status = match when.get("status") {
        Some(Node { value: Value::List(nodes), .. }) => nodes.iter().filter_map(status).collect(),
        Some(node) => status(node).into_iter().collect(),
        None => Vec::new(),
    };
    ResponseMatch {
        status,
        headers: conditions(when, "header"),
        body: conditions(when, "body"),
        text: text(when, "text"),
    }
}

fn outcome(node: &Node) -> OutcomeRule {
    OutcomeRule {
        when: node.get("when").map(matcher).unwrap_or_default(),
        then: match text(node, "then").as_deref() {
            Some("success") => Outcome::Success,
            Some("ignore") => Outcome::Ignore,
            Some("retry") => Outcome::Retry,
            Some("rate_limited") => Outcome::RateLimited,
            Some("refresh_then_retry") => Outcome::RefreshThenRetry,
            Some("not_found") => Outcome::NotFound,
            Some("forbidden") => Outcome::Forbidden,
            _ => Outcome::Fail,
        },
        code: match text(node, "code").as_deref() {
            Some("unauthorized") => Some(FailureCode::Unauthorized),
            Some("forbidden") => Some(FailureCode::Forbidden),
            Some("not_found") => Some(FailureCode::NotFound),
            Some("rejected") => Some(FailureCode::Rejected),
            Some("service_failed") => Some(FailureCode::ServiceFailed),
            _ => None,
        },
        message: text(node, "message"),
        message_at: pointer(node, "message_at"),
    }
}

fn status(node: &Node) -> Option<StatusMatch> {
    match &node.value {
        Value::Integer(Some(code)) => u16::try_from(*code).ok().map(StatusMatch::Code),
        Value::Text(text) => text.strip_suffix("xx")?.parse().ok().map(StatusMatch::Class),
        _ => None,
    }
}

fn auth(key: &str, node: &Node) -> AuthMethod {
    let own = |name: &str, default: &str| own(node, name, default);
    let kind = match text(node, "kind").as_deref() {
        Some("basic") => {
            AuthKind::Basic { username: own("username", "username"), password: own("password", "password") }
        }
        Some("bearer") => AuthKind::Bearer { token: own("token", "token") },
        Some("api_key") => AuthKind::ApiKey {
            place: match (text(node, "header"), text(node, "cookie")) {
                (Some(header), _) => KeyPlace::Header(header),
                (None, Some(cookie)) => KeyPlace::Cookie(cookie),
                (None, None) => KeyPlace::Query(text(node, "query").unwrap_or_default()),
            },
            value: own("value", "api_key"),
        },
        Some("custom") => AuthKind::Custom {
            headers: templates(node, "headers"),
            query: templates(node, "query"),
            body: templates(node, "body"),
        },
        Some("oauth2") => AuthKind::OAuth2(Box::new(oauth2(node))),
        Some("jwt_bearer") => AuthKind::JwtBearer(Box::new(JwtBearer {
            token_url: template(node, "token_url").unwrap_or_default(),
            assertion: assertion(node, true),
            claims: templates(node, "claims"),
            jti: bool(node, "jti"),
            token_params: templates(node, "token_params"),
            response: token_response(node),
            token_lifetime: duration(node, "token_lifetime"),
            failures: failures(node),
        })),
        Some("signed") => AuthKind::Signed(Box::new(Signed {
            scheme: signing(node),
            headers: templates(node, "headers"),
            query: templates(node, "query"),
        })),
        Some("session") => AuthKind::Session(Box::new(Session {
            steps: nodes(node, "steps").iter().map(step).collect(),
            lifetime: duration(node, "lifetime"),
            expires: node.get("expires").and_then(expires),
            headers: templates(node, "headers"),
            query: templates(node, "query"),
            failures: failures(node),
        })),
        _ => AuthKind::None,
    };
    AuthMethod {
        key: key.to_owned(),
        name: text(node, "name").unwrap_or_else(|| title_case(key)),
        fields: with_client(&kind, map(node, "fields", field)),
        client_certificate: node.get("client_certificate").map(|node| ClientCertificate {
            certificate: template(node, "certificate").unwrap_or_default(),
            private_key: template(node, "private_key").unwrap_or_default(),
        }),
        kind,
    }
}

/// A client of the customer's is asked for in the form, whether the spec lists its fields or not.
fn with_client(kind: &AuthKind, mut fields: Vec<ConnectionField>) -> Vec<ConnectionField> {
    let AuthKind::OAuth2(oauth) = kind else { return fields };
    if oauth.client == ClientOwner::Developer {
        return fields;
    }
    let secret = match oauth.client_authentication {
        ClientAuthentication::Basic | ClientAuthentication::Post => true,
        ClientAuthentication::PrivateKeyJwt(_) | ClientAuthentication::None => false,
    };
    let wanted = [("client_id", "Client ID", false), ("client_secret", "Client secret", true)];
    for (key, label, is_secret) in wanted.into_iter().take(if secret { 2 } else { 1 }) {
        if fields.iter().all(|field| field.key != key) {
            fields.push(ConnectionField {
                key: key.to_owned(),
                label: label.to_owned(),
                help: None,
                placeholder: None,
                secret: is_secret,
                optional: false,
                kind: ConnectionFieldKind::Text,
                pattern: None,
                default: None,
            });
        }
    }
    fields
}

/// A template that is one field where the file does not say otherwise.
fn own(node: &Node, name: &str, default: &str) -> Template {
    template(node, name).unwrap_or_else(|| place(default))
}

/// A template that is one field.
fn place(key: &str) -> Template {
    Template { parts: vec![TemplatePart::Field(key.to_owned())] }
}

/// How an assertion is signed; the key is the connection's own unless the client is the developer's.
fn assertion(node: &Node, own_key: bool) -> Assertion {
    Assertion {
        algorithm: match text(node, "algorithm").as_deref() {
            Some("ES256") => JwtAlgorithm::Es256,
            Some("HS256") => JwtAlgorithm::Hs256,
            _ => JwtAlgorithm::Rs256,
        },
        key: template(node, "key").or_else(|| own_key.then(|| place("private_key"))),
        key_id: template(node, "key_id"),
        audience: match text(node, "audience").as_deref() {
            Some("endpoint") => AssertionAudience::Endpoint,
            _ => AssertionAudience::TokenUrl,
        },
        lifetime: duration(node, "lifetime").unwrap_or(Duration::from_secs(300)),
    }
}

fn token_response(node: &Node) -> TokenResponse {
    node.get("response").map_or_else(TokenResponse::default, |node| TokenResponse {
        access_token: pointer(node, "access_token"),
        refresh_token: pointer(node, "refresh_token"),
        expires_in: pointer(node, "expires_in"),
        scope: pointer(node, "scope"),
        token_type: text(node, "token_type"),
        values: pairs(node, "values").into_iter().filter(|(_, pointer)| is_pointer(pointer)).collect(),
    })
}

fn failures(node: &Node) -> Vec<TokenFailure> {
    nodes(node, "failures").iter().map(token_failure).collect()
}

fn oauth2(node: &Node) -> OAuth2 {
    let client = match text(node, "client").as_deref() {
        Some("customer") => ClientOwner::Customer,
        _ => ClientOwner::Developer,
    };
    OAuth2 {
        grant: match text(node, "grant").as_deref() {
            Some("client_credentials") => OAuth2Grant::ClientCredentials,
            Some("device_code") => OAuth2Grant::DeviceCode,
            _ => OAuth2Grant::AuthorizationCode,
        },
        authorization_url: template(node, "authorization_url"),
        device_authorization_url: template(node, "device_authorization_url"),
        token_url: template(node, "token_url").unwrap_or_default(),
        refresh_url: template(node, "refresh_url"),
        revocation_url: template(node, "revocation_url"),
        issuer: text(node, "issuer"),
        scopes: list(node, "scopes"),
        scope_separator: text(node, "scope_separator").unwrap_or_else(|| " ".to_owned()),
        pkce: node.get("pkce").is_none() || bool(node, "pkce"),
        client,
        client_authentication: match text(node, "client_authentication").as_deref() {
            Some("post") => ClientAuthentication::Post,
            Some("private_key_jwt") => ClientAuthentication::PrivateKeyJwt(assertion(
                node.get("assertion").unwrap_or(&Node::default()),
                client == ClientOwner::Customer,
            )),
            Some("none") => ClientAuthentication::None,
            _ => ClientAuthentication::Basic,
        },
        authorize_params: templates(node, "authorize_params"),
        token_params: templates(node, "token_params"),
        response: token_response(node),
        token_lifetime: duration(node, "token_lifetime"),
        idle_lifetime: duration(node, "idle_lifetime"),
        failures: failures(node),
    }
}

fn token_failure(node: &Node) -> TokenFailure {
    TokenFailure {
        when: node.get("when").map(matcher).unwrap_or_default(),
        then: match text(node, "then").as_deref() {
            Some("dead") => TokenOutcome::Dead,
            Some("retry") => TokenOutcome::Retry,
            _ => TokenOutcome::Refused,
        },
    }
}

fn signing(node: &Node) -> SigningScheme {
    let scheme = text(node, "scheme").unwrap_or_default();
    if let Some(name) = scheme.strip_prefix("custom:") {
        return SigningScheme::Custom(name.to_owned());
    }
    if scheme == "aws-sigv4" {
        return SigningScheme::AwsSigV4 {
            access_key: own(node, "access_key", "access_key"),
            secret_key: own(node, "secret_key", "secret_key"),
            session_token: template(node, "session_token"),
            region: template(node, "region").unwrap_or_default(),
            service: template(node, "service").unwrap_or_default(),
        };
    }
    SigningScheme::HmacHeader(HmacHeader {
        key: own(node, "key", "signing_key"),
        header: header(node, "header").unwrap_or_default(),
        algorithm: match text(node, "algorithm").as_deref() {
            Some("sha512") => HmacAlgorithm::Sha512,
            _ => HmacAlgorithm::Sha256,
        },
        encoding: encoding(node),
        prefix: template(node, "prefix").unwrap_or_default(),
        string: template(node, "string").unwrap_or_default(),
        timestamp_header: header(node, "timestamp_header"),
        timestamp_millis: text(node, "timestamp_unit").as_deref() == Some("ms"),
    })
}

pub(super) fn encoding(node: &Node) -> SignatureEncoding {
    match text(node, "encoding").as_deref() {
        Some("base64") => SignatureEncoding::Base64,
        _ => SignatureEncoding::Hex,
    }
}

fn step(node: &Node) -> Step {
    Step {
        method: text(node, "method").unwrap_or_else(|| "POST".to_owned()),
        url: template(node, "url").unwrap_or_default(),
        headers: templates(node, "headers"),
        query: templates(node, "query"),
        body: match (node.get("json"), node.get("form")) {
            (Some(_), _) => StepBody::Json(templates(node, "json")),
            (None, Some(_)) => StepBody::Form(templates(node, "form")),
            (None, None) => StepBody::Empty,
        },
        extract: map(node, "extract", extract).into_iter().flatten().collect(),
    }
}

fn extract(name: &str, node: &Node) -> Option<(String, Extract)> {
    let place = match (pointer(node, "body"), header(node, "header"), header(node, "cookie")) {
        (Some(pointer), _, _) => Extract::Body(pointer),
        (None, Some(name), _) => Extract::Header(name),
        (None, None, Some(name)) => Extract::Cookie(name),
        (None, None, None) => return None,
    };
    Some((name.to_owned(), place))
}

fn expires(node: &Node) -> Option<Expires> {
    let unit = match text(node, "unit").as_deref() {
        Some("ms") => ExpiresUnit::Milliseconds,
        Some("at") => ExpiresUnit::At,
        _ => ExpiresUnit::Seconds,
    };
    Some(Expires { body: pointer(node, "body")?, unit })
}

fn field(key: &str, node: &Node) -> ConnectionField {
    let kind = match (node.get("choices"), text(node, "type").as_deref()) {
        (Some(_), _) => ConnectionFieldKind::Choice(list(node, "choices")),
        (None, Some("host")) => ConnectionFieldKind::Host,
        (None, _) => ConnectionFieldKind::Text,
    };
    ConnectionField {
        key: key.to_owned(),
        label: text(node, "label").unwrap_or_else(|| title_case(key)),
        help: text(node, "help"),
        placeholder: text(node, "placeholder"),
        secret: bool(node, "secret"),
        optional: bool(node, "optional"),
        kind,
        pattern: text(node, "pattern"),
        default: text(node, "default"),
    }
}

fn config(key: &str, node: &Node) -> Config {
    Config {
        key: key.to_owned(),
        label: text(node, "label").unwrap_or_else(|| title_case(key)),
        visible: node.get("visible").is_none() || bool(node, "visible"),
        secret: bool(node, "secret"),
        source: match text(node, "helper") {
            Some(helper) => ConfigSource::Helper(helper),
            None => ConfigSource::Value(template(node, "value").unwrap_or_default()),
        },
    }
}

/// A day by the first letters of its name; Monday is 0.
fn weekday(word: &str) -> Option<u8> {
    (0..7).find(|day| unit::WEEKDAYS[usize::from(*day)] == word)
}

fn monitor(key: &str, node: &Node) -> Monitor {
    let default = Monitor::named(key);
    let ledger = node.get("ledger");
    let first_run = node.get("first_run");
    Monitor {
        every: duration(node, "every"),
        cron: text(node, "cron"),
        zone: text(node, "zone"),
        jitter: duration(node, "jitter"),
        active: node.get("active").map(|node| Active {
            days: list(node, "days").iter().filter_map(|day| weekday(day)).collect(),
            hours: text(node, "hours"),
        }),
        dedupe: pointers(node, "dedupe"),
        overlap: duration(node, "overlap"),
        ledger_ids: ledger.and_then(|node| whole(node, "ids")),
        ledger_time: ledger.and_then(|node| duration(node, "time")),
        first_run: match first_run.map(|node| (whole(node, "last"), text(node, "since"))) {
            Some((_, Some(since))) => FirstRun::Since(since),
            Some((Some(last), None)) => FirstRun::Last(last),
            _ => FirstRun::Now,
        },
        max_pages: whole(node, "max_pages").unwrap_or(default.max_pages),
        cursor_max: text(node, "cursor_max")
            .and_then(|text| unit::parse_size(&text))
            .unwrap_or(default.cursor_max),
        cursor_age: duration(node, "cursor_age"),
        ..default
    }
}

/// `issue_opened` as `Issue Opened`.
pub(crate) fn title_case(key: &str) -> String {
    let words = key.split('_').filter(|word| !word.is_empty());
    let words = words.map(|word| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect::<String>())
    });
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn text(node: &Node, key: &str) -> Option<String> {
    match &node.get(key)?.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

pub(super) fn bool(node: &Node, key: &str) -> bool {
    matches!(node.get(key).map(|node| &node.value), Some(Value::Bool(true)))
}

pub(super) fn whole(node: &Node, key: &str) -> Option<u64> {
    as_whole(node.get(key)?)
}

fn as_whole(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Integer(Some(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

pub(super) fn duration(node: &Node, key: &str) -> Option<Duration> {
    unit::parse_duration(&text(node, key)?)
}

pub(super) fn template(node: &Node, key: &str) -> Option<Template> {
    Template::parse(&text(node, key)?).ok()
}

pub(super) fn pointer(node: &Node, key: &str) -> Option<String> {
    text(node, key).filter(|text| is_pointer(text))
}

/// One pointer, or a list of them.
pub(super) fn pointers(node: &Node, key: &str) -> Vec<String> {
    let mut pointers = list(node, key);
    pointers.extend(text(node, key));
    pointers.retain(|text| is_pointer(text));
    pointers
}

pub(super) fn header(node: &Node, key: &str) -> Option<String> {
    text(node, key).filter(|text| is_token(text))
}

pub(super) fn list(node: &Node, key: &str) -> Vec<String> {
    let texts = nodes(node, key).iter().filter_map(|node| match &node.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

pub(super) fn nodes<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.get(key).map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => &[],
    }
}

pub(super) fn one_or_list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.get(key) {
        Some(Node { value: Value::List(nodes), .. }) => nodes,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

fn map<T>(node: &Node, key: &str, make: fn(&str, &Node) -> T) -> Vec<T> {
    let entries = node.get(key).map_or(&[][..], Node::entries);
    let tables = entries.iter().filter(|(_, node)| matches!(node.value, Value::Table(_)));
    tables.map(|(key, node)| make(key, node)).collect()
}

pub(super) fn pairs(node: &Node, key: &str) -> Vec<(String, String)> {
    let entries = node.get(key).map_or(&[][..], Node::entries);
    let texts = entries.iter().filter_map(|(key, node)| match &node.value {
        Value::Text(text) => Some((key.clone(), text.clone())),
        _ => None,
    });
    texts.collect()
}

pub(super) fn templates(node: &Node, key: &str) -> Vec<(String, Template)> {
    let pairs = pairs(node, key).into_iter();
    pairs.filter_map(|(key, text)| Template::parse(&text).ok().map(|template| (key, template))).collect()
}

pub(super) fn literals(node: &Node, key: &str) -> Vec<(String, Literal)> {
    let entries = node.get(key).map_or(&[][..], Node::entries);
    entries.iter().filter_map(|(key, node)| Some((key.clone(), literal(node)?))).collect()
}

/// What is to be true of values, by their key; a list stands for any of its values.
fn conditions(node: &Node, key: &str) -> Vec<(String, Condition)> {
    let entries = node.get(key).map_or(&[][..], Node::entries);
    let conditions = entries.iter().filter_map(|(key, node)| {
        let condition = match &node.value {
            Value::List(nodes) => Condition::Is(nodes.iter().map(literal).collect::<Option<_>>()?),
            Value::Table(_) => match text(node, "regex") {
                Some(regex) => Condition::Regex(regex),
                None if node.entries().is_empty() => Condition::Is(Vec::new()),
                None => match node.get("exists")?.value {
                    Value::Bool(exists) => Condition::Exists(exists),
                    _ => return None,
                },
            },
            _ => Condition::Is(vec![literal(node)?]),
        };
        Some((key.clone(), condition))
    });
    conditions.collect()
}

fn literal(node: &Node) -> Option<Literal> {
    Some(match &node.value {
        Value::Text(text) => Literal::Text(text.clone()),
        Value::Integer(Some(number)) => Literal::Integer(*number),
        Value::Float(number) => Literal::Float(*number),
        Value::Bool(value) => Literal::Bool(*value),
        _ => return None,
    })
}
