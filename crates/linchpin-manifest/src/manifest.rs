//! Manifests: what a platform needs to show and call a connector without its code.
//!
//! The fields of every struct stand in the order of their names in JSON, which is the order of a manifest's keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
#[cfg(feature = "check")]
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::descriptor::{ConnectorDescriptor, Effect, FlowDescriptor, FlowKind, Idempotency, ResultShape};
use crate::spec;
use crate::spec::{
    AuthKind, AuthMethod, ClientOwner, ConfigSource, ConnectionFieldKind, DeliveryPlace, HookScope, KeyPlace,
    Literal, Proof, SignatureKey, SigningScheme, Spec, Template, unit,
};

/// A connector's manifest; the schemas of one that was just joined are those of the descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest<'a> {
    /// `#rgb` or `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accent_colour: Option<String>,
    /// Ways to authenticate, by key.
    pub auth: Vec<Auth>,
    /// Values to copy elsewhere or for flows to use, by key.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub config: Vec<Config>,
    /// One or two sentences for a catalogue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// `sha256:` and the digest of the rest; see [`verify_digest`].
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub digest: String,
    /// Where users read about the connector.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub documentation_url: Option<String>,
    /// What can happen at the service, by key.
    pub events: Vec<Event>,
    /// Every flow, by key.
    pub flows: Vec<Flow<'a>>,
    /// How deliveries arrive and are trusted, by key.
    pub hooks: Vec<Hook>,
    /// To whom the connector speaks, as far as an operator has to know.
    pub http: Http,
    /// Path of the icon, relative to the spec.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub icon: Option<String>,
    /// The connector's stable id.
    pub key: String,
    /// The version of this format; see [`Manifest::VERSION`].
    pub manifest_version: u32,
    /// What is looked for on a schedule, by key.
    pub monitors: Vec<Monitor<'a>>,
    /// The display name.
    pub name: String,
    /// Whom users write to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub support_email: Option<String>,
    /// The connector's semantic version.
    pub version: String,
}

/// To whom the connector speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Http {
    /// The root of every relative path; may hold `{field}` templates.
    pub base_url: String,
    /// Further hosts that get credentials.
    pub hosts: Vec<String>,
}

/// One way to authenticate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Auth {
    /// The names of the fields of bodies that carry credentials.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub body: Vec<String>,
    /// Whether the client shows a certificate when TLS begins.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub client_certificate: bool,
    /// The names of the cookies that carry credentials.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub cookies: Vec<String>,
    /// What the user fills in, in the order of the form.
    pub fields: Vec<ConnectionField>,
    /// The names of the headers that carry credentials.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub headers: Vec<String>,
    /// The signed assertion that tokens are got by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jwt_bearer: Option<JwtBearer>,
    /// The method's key.
    pub key: String,
    /// The spec's word for the kind.
    pub kind: String,
    /// The name that users choose by.
    pub name: String,
    /// The authorization server.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oauth2: Option<OAuth2>,
    /// The names of the query parameters that carry credentials.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub query: Vec<String>,
    /// How requests are signed: `aws-sigv4`, `hmac-header` or `custom:name`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scheme: Option<String>,
    /// The requests that bring a session, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub steps: Vec<Step>,
}

/// One field of the form in which a connection is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionField {
    /// The values to choose from.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub choices: Vec<String>,
    /// The value where none is given; never of a secret.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub default: Option<String>,
    /// A sentence under the field.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub help: Option<String>,
    /// Its key.
    pub key: String,
    /// What the form shows.
    pub label: String,
    /// A regular expression that the whole value must match.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pattern: Option<String>,
    /// An example shown in the empty field.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub placeholder: Option<String>,
    /// Whether a connection must have it.
    pub required: bool,
    /// Whether its value is never shown.
    pub secret: bool,
    /// `text`, `host` or `choice`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A value to copy elsewhere, or for flows to use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// The helper that gives it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub helper: Option<String>,
    /// The value's key.
    pub key: String,
    /// What users see.
    pub label: String,
    /// Whether it is shown only when asked for.
    pub secret: bool,
    /// The value, which may hold `{field}` templates; never of a secret.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// Whether users see the value.
    pub visible: bool,
}

/// What is public of an authorization server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OAuth2 {
    /// Where users consent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub authorization_url: Option<String>,
    /// Whose the client is: `developer` or `customer`.
    pub client: String,
    /// Where device codes come from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_authorization_url: Option<String>,
    /// `authorization_code`, `client_credentials` or `device_code`.
    pub grant: String,
    /// Where tokens are refreshed, if not at `token_url`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refresh_url: Option<String>,
    /// Where tokens are revoked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revocation_url: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Where tokens come from.
    pub token_url: String,
}

/// One request that helps to bring a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// The method.
    pub method: String,
    /// A path under the base URL, or a whole URL; may hold `{field}` templates.
    pub url: String,
}

/// What is public of a signed assertion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JwtBearer {
    /// `RS256`, `ES256` or `HS256`.
    pub algorithm: String,
    /// What the assertion claims; may hold `{field}` templates.
    pub claims: BTreeMap<String, String>,
    /// Where tokens come from.
    pub token_url: String,
}

/// How deliveries arrive and are trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hook {
    /// The flow that asks the service how a registration is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub check: Option<String>,
    /// What tells deliveries apart, all of it together.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub delivery_id: Vec<Place>,
    /// The flow that takes the registration back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deregister: Option<String>,
    /// When the service stops delivering unless the registration is renewed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<Expiry>,
    /// Where a delivery holds several things that happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub items: Option<Items>,
    /// The hook's key.
    pub key: String,
    /// Where the service makes the key of a registration itself: JSON pointer into what the registering flow gives.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_at: Option<String>,
    /// The flow that lists what is registered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub list: Option<String>,
    /// The flow whose options a registration has: the one that registers, or where there is none, one that serves an event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub options_of: Option<String>,
    /// The flow that registers it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub register: Option<String>,
    /// The flow that renews a registration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renew: Option<String>,
    /// Where deliveries to the one URL of an app say whom they are for: of several places the values together, with `/` between.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub route: Vec<Place>,
    /// Whose URL deliveries come to: `registration` or `app`.
    pub scope: String,
    /// How a delivery proves where it comes from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature: Option<Signature>,
    /// The flow that checks where a delivery comes from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verify: Option<String>,
}

/// When a registration runs out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Expiry {
    /// JSON pointer into what the registering flow gives.
    pub at: String,
    /// How long before that it is renewed, as in `1h`; a tenth of its life where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renew_before: Option<String>,
    /// How the time is written: `rfc3339`, `s` or `ms`.
    pub unit: String,
}

/// A list in the body of a delivery, each item of which is an event by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Items {
    /// JSON pointer to the list.
    pub at: String,
    /// JSON pointer in an item to what tells it apart; its place in the delivery where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
}

/// Where in a delivery a value stands: one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Place {
    /// JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// A header.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub header: Option<String>,
    /// A query parameter of the URL.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<String>,
}

/// How a delivery proves where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Signature {
    /// Where the key comes from: `registration`, `app`, `{field}`, `public` for one that everybody may know, or `code` where the
    /// connector's own code has what it needs.
    pub key: String,
    /// The scheme.
    pub scheme: String,
}

/// Something that happens at the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// One sentence: the spec's, or the doc comment of the flow that serves it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Which of the event's deliveries a registration wants.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub filter: Vec<Filter>,
    /// The hook that delivers it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hook: Option<String>,
    /// The event's key.
    pub key: String,
    /// Which deliveries of the hook are this event.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none", default)]
    pub matching: Option<Match>,
    /// The name that users see.
    pub name: String,
    /// The flow that serves it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub served_by: Option<String>,
    /// Whether a delivery says only that there is news, which the monitor that serves the event then looks for at once.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub wakes: bool,
}

/// Which deliveries of a hook are an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Match {
    /// Values in the JSON body, by JSON pointer.
    pub body: BTreeMap<String, Value>,
    /// Request headers and their values.
    pub header: BTreeMap<String, String>,
    /// Query parameters of the URL and their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub query: BTreeMap<String, String>,
}

/// A value of a delivery that is to be that of an option, where the option is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Filter {
    /// The option of the registering flow.
    pub option: String,
    /// Where the value stands.
    pub place: Place,
}

/// What is looked for on a schedule: what the attribute and the spec say together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Monitor<'a> {
    /// When the service is asked at all; always where it is left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub active: Option<Active>,
    /// When the service is asked, as in crontab.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cron: Option<String>,
    /// JSON Schema of the cursor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<Cow<'a, Value>>,
    /// JSON pointers to what tells records apart.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dedupe: Vec<String>,
    /// The event that it finds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<String>,
    /// How often the service is asked, as in `5m`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub every: Option<String>,
    /// What of the first look is handed on: `now`, `last 10`, or `since 7d`.
    pub first_run: String,
    /// By how much a look is put off at random, as in `30s`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jitter: Option<String>,
    /// The name of the flow.
    pub key: String,
    /// How far each look reaches back, as in `10m`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub overlap: Option<String>,
    /// The time zone of `cron` and `active`; UTC where it is left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone: Option<String>,
}

/// When a monitor asks its service at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Active {
    /// On which days; on all where it is left out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub days: Vec<String>,
    /// From when to when, as in `08:00-18:00`; all hours where it is left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hours: Option<String>,
}

/// One flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flow<'a> {
    /// A monitor's JSON pointers to what tells records apart.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dedupe: Vec<String>,
    /// The help; empty where there is none.
    pub description: String,
    /// What an action does at the service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub effect: Option<Effect>,
    /// The event that a webhook event flow or a monitor serves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<String>,
    /// A monitor's schedule.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub every: Option<String>,
    /// The hook that a webhook flow serves; of an event `events` says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hook: Option<String>,
    /// What repeating an action does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idempotency: Option<Idempotency>,
    /// JSON Schema of the run-time inputs.
    pub input: Cow<'a, Value>,
    /// The function's name.
    pub key: String,
    /// What kind of flow it is.
    pub kind: FlowKind,
    /// JSON Schema of the design-time options.
    pub options: Cow<'a, Value>,
    /// JSON Schema of one result or one record.
    pub output: Cow<'a, Value>,
    /// The flow whose registration it takes, or lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub registered_by: Option<String>,
    /// Whether the flow gives nothing, one value, or a stream of records.
    pub result: ResultShape,
    /// The title that users see.
    pub title: String,
}

impl<'a> Manifest<'a> {
    /// The version that this build writes and reads.
    pub const VERSION: u32 = 1;

    /// Joins a spec with the flows of its connector; the digest is still empty.
    pub fn join(spec: &Spec, connector: &'a ConnectorDescriptor) -> Manifest<'a> {
        let flows = &connector.flows;
        let mut manifest = Manifest {
            manifest_version: Manifest::VERSION,
            key: spec.key.clone(),
            name: spec.name.clone(),
            version: spec.version.clone(),
            digest: String::new(),
            description: spec.description.clone(),
            documentation_url: spec.documentation_url.clone(),
            support_email: spec.support_email.clone(),
            accent_colour: spec.accent_colour.clone(),
            icon: spec.icon.clone(),
            http: Http {
                base_url: spec.http.base_url.to_string(),
                hosts: spec.http.hosts.iter().map(Template::to_string).collect(),
            },
            auth: spec.auth.iter().map(auth).collect(),
            config: spec.config.iter().map(Config::from).collect(),
            hooks: spec.hooks.iter().map(|own| hook(spec, own, flows)).collect(),
            events: spec.events.iter().map(|own| event(own, flows)).collect(),
            monitors: Vec::new(),
            flows: Vec::new(),
        };
        for flow in flows {
            let monitor = monitor(flow, spec);
            manifest.flows.push(self::flow(flow, monitor.as_ref()));
            manifest.monitors.extend(monitor);
        }
        manifest.auth.sort_by(|a, b| a.key.cmp(&b.key));
        manifest.config.sort_by(|a, b| a.key.cmp(&b.key));
        manifest.hooks.sort_by(|a, b| a.key.cmp(&b.key));
        manifest.events.sort_by(|a, b| a.key.cmp(&b.key));
        manifest.monitors.sort_by(|a, b| a.key.cmp(&b.key));
        manifest.flows.sort_by(|a, b| a.key.cmp(&b.key));
        manifest
    }
}

fn auth(method: &AuthMethod) -> Auth {
    let (mut headers, mut query, mut cookies, mut body) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut oauth2, mut jwt_bearer, mut scheme, mut steps) = (None, None, None, Vec::new());
    match &method.kind {
        AuthKind::None => {}
        AuthKind::Basic { .. } | AuthKind::Bearer { .. } => headers.push("Authorization".to_owned()),
        AuthKind::ApiKey { place, .. } => match place {
            KeyPlace::Header(name) => headers.push(name.clone()),
            KeyPlace::Query(name) => query.push(name.clone()),
            KeyPlace::Cookie(name) => cookies.push(name.clone()),
        },
        AuthKind::Custom { headers: own, query: parameters, body: fields } => {
            headers = names(own);
            query = names(parameters);
            body = names(fields);
        }
        AuthKind::OAuth2(own) => {
            headers.push("Authorization".to_owned());
            oauth2 = Some(OAuth2 {
                grant: own.grant.word().to_owned(),
                client: match own.client {
                    ClientOwner::Developer => "developer".to_owned(),
                    ClientOwner::Customer => "customer".to_owned(),
                },
                authorization_url: own.authorization_url.as_ref().map(Template::to_string),
                device_authorization_url: own.device_authorization_url.as_ref().map(Template::to_string),
                token_url: own.token_url.to_string(),
                refresh_url: own.refresh_url.as_ref().map(Template::to_string),
                revocation_url: own.revocation_url.as_ref().map(Template::to_string),
                scopes: own.scopes.clone(),
            });
        }
        AuthKind::JwtBearer(own) => {
            headers.push("Authorization".to_owned());
            let claims = own.claims.iter().map(|(name, value)| (name.clone(), value.to_string()));
            jwt_bearer = Some(JwtBearer {
                algorithm: own.assertion.algorithm.word().to_owned(),
                token_url: own.token_url.to_string(),
                claims: claims.collect(),
            });
        }
        AuthKind::Signed(own) => {
            headers = names(&own.headers);
            query = names(&own.query);
            match &own.scheme {
                SigningScheme::AwsSigV4 { .. } => headers.push("Authorization".to_owned()),
                SigningScheme::HmacHeader(hmac) => headers.push(hmac.header.clone()),
                SigningScheme::Custom(_) => {}
            }
            scheme = Some(own.scheme.word());
        }
        AuthKind::Session(own) => {
            headers = names(&own.headers);
            query = names(&own.query);
            let shown = own.steps.iter();
            steps =
                shown.map(|step| Step { method: step.method.clone(), url: step.url.to_string() }).collect();
        }
    }
    let fields = method.fields.iter().map(|field| {
        let (kind, choices) = match &field.kind {
            ConnectionFieldKind::Text => ("text", Vec::new()),
            ConnectionFieldKind::Host => ("host", Vec::new()),
            ConnectionFieldKind::Choice(choices) => ("choice", choices.clone()),
        };
        ConnectionField {
            key: field.key.clone(),
            label: field.label.clone(),
            help: field.help.clone(),
            placeholder: field.placeholder.clone(),
            secret: field.secret,
            required: !field.optional,
            kind: kind.to_owned(),
            choices,
            pattern: field.pattern.clone(),
            default: field.default.clone().filter(|_| !field.secret),
        }
    });
    Auth {
        key: method.key.clone(),
        name: method.name.clone(),
        kind: method.kind.word().to_owned(),
        fields: fields.collect(),
        headers,
        query,
        cookies,
        body,
        client_certificate: method.client_certificate.is_some(),
        oauth2,
        jwt_bearer,
        scheme,
        steps,
    }
}

fn names(templates: &[(String, Template)]) -> Vec<String> {
    templates.iter().map(|(name, _)| name.clone()).collect()
}

impl From<&crate::spec::Config> for Config {
    fn from(config: &crate::spec::Config) -> Config {
        let (value, helper) = match &config.source {
            ConfigSource::Value(template) => (Some(template.to_string()).filter(|_| !config.secret), None),
            ConfigSource::Helper(helper) => (None, Some(helper.clone())),
        };
        Config {
            key: config.key.clone(),
            label: config.label.clone(),
            visible: config.visible,
            secret: config.secret,
            value,
            helper,
        }
    }
}

fn hook(spec: &Spec, hook: &crate::spec::Hook, flows: &[FlowDescriptor]) -> Hook {
    let served = |kind: FlowKind| {
        let flow = flows.iter().find(|flow| flow.kind == kind && flow.hook.as_ref() == Some(&hook.key));
        flow.map(|flow| flow.key.clone())
    };
    Hook {
        key: hook.key.clone(),
        signature: hook.signature.as_ref().map(|signature| Signature {
            scheme: signature.scheme.clone(),
            key: match &signature.key {
                Some(SignatureKey::Registration) => "registration".to_owned(),
                Some(SignatureKey::App) => "app".to_owned(),
                Some(SignatureKey::Field(key)) => format!("{{{key}}}"),
                None if signature.proof == Proof::Code => "code".to_owned(),
                Some(SignatureKey::Public(_)) | None => "public".to_owned(),
            },
        }),
        delivery_id: hook.delivery_id.iter().map(place).collect(),
        items: hook.items.as_ref().map(|items| Items { at: items.at.clone(), id: items.id.clone() }),
        route: match &hook.scope {
            HookScope::App { route, .. } => route.iter().map(place).collect(),
            HookScope::Registration => Vec::new(),
        },
        scope: if hook.is_app() { "app" } else { "registration" }.to_owned(),
        key_at: hook.key_at.clone(),
        expires: hook.expires.as_ref().map(|expires| Expiry {
            at: expires.at.clone(),
            unit: expires.unit.as_str().to_owned(),
            renew_before: expires.renew_before.map(unit::format_duration),
        }),
        register: served(FlowKind::WebhookRegister),
        deregister: served(FlowKind::WebhookDeregister),
        check: served(FlowKind::WebhookCheck),
        renew: served(FlowKind::WebhookRenew),
        list: served(FlowKind::WebhookList),
        options_of: options_of(spec, &hook.key, flows)
            .find(|flow| has_options(flow))
            .map(|flow| flow.key.clone()),
        verify: served(FlowKind::WebhookVerify),
    }
}

/// The flows whose options a registration of a hook has: the one that registers, or where there is none, those of its events that
/// take any.
pub(crate) fn options_of<'f>(
    spec: &Spec,
    hook: &str,
    flows: &'f [FlowDescriptor],
) -> impl Iterator<Item = &'f FlowDescriptor> {
    let registers =
        |flow: &&FlowDescriptor| flow.kind == FlowKind::WebhookRegister && flow.hook.as_deref() == Some(hook);
    let register = flows.iter().find(registers);
    let events = spec.events.iter().filter(move |event| event.hook.as_deref() == Some(hook));
    let served = events.filter_map(|event| {
        let serves = |flow: &&FlowDescriptor| {
            flow.kind == FlowKind::WebhookEvent && flow.event.as_ref() == Some(&event.key)
        };
        flows.iter().find(serves)
    });
    let served: Vec<_> = match register {
        Some(_) => Vec::new(),
        None => served.filter(|flow| has_options(flow)).collect(),
    };
    register.into_iter().chain(served)
}

fn has_options(flow: &FlowDescriptor) -> bool {
    flow.options.get("properties").and_then(Value::as_object).is_some_and(|options| !options.is_empty())
}

fn place(place: &DeliveryPlace) -> Place {
    let (mut body, mut header, mut query) = (None, None, None);
    match place {
        DeliveryPlace::Body(pointer) => body = Some(pointer.clone()),
        DeliveryPlace::Header(name) => header = Some(name.clone()),
        DeliveryPlace::Query(name) => query = Some(name.clone()),
    }
    Place { body, header, query }
}

fn event(event: &crate::spec::Event, flows: &[FlowDescriptor]) -> Event {
    let serves = |flow: &&FlowDescriptor| flow.event.as_ref() == Some(&event.key);
    // A hook tells sooner than the monitor beside it.
    let delivered = flows.iter().find(|flow| serves(flow) && flow.kind == FlowKind::WebhookEvent);
    let flow = delivered.or_else(|| flows.iter().find(serves));
    // An event's name is the spec's, so the whole doc comment is its help.
    let help = flow.filter(|flow| flow.documented).map(|flow| match flow.description.as_str() {
        "" => flow.title.clone(),
        rest => format!("{}\n\n{rest}", flow.title),
    });
    Event {
        key: event.key.clone(),
        name: event.name.clone(),
        description: event.description.clone().or(help),
        hook: event.hook.clone(),
        matching: event.hook.as_ref().map(|_| Match {
            header: event.matching.headers.iter().cloned().collect(),
            query: event.matching.query.iter().cloned().collect(),
            body: event.matching.body.iter().map(|(at, value)| (at.clone(), literal(value))).collect(),
        }),
        filter: event
            .filter
            .iter()
            .map(|(at, option)| Filter { option: option.clone(), place: place(at) })
            .collect(),
        served_by: flow.map(|flow| flow.key.clone()),
        wakes: event.wakes,
    }
}

fn literal(literal: &Literal) -> Value {
    match literal {
        Literal::Text(text) => text.as_str().into(),
        Literal::Integer(number) => (*number).into(),
        Literal::Float(number) => (*number).into(),
        Literal::Bool(value) => (*value).into(),
    }
}

fn monitor<'a>(flow: &'a FlowDescriptor, spec: &Spec) -> Option<Monitor<'a>> {
    if flow.kind != FlowKind::Monitor {
        return None;
    }
    let own = spec.monitors.iter().find(|monitor| monitor.key == flow.key).cloned();
    let own = own.unwrap_or_else(|| spec::Monitor::named(&flow.key));
    Some(Monitor {
        key: flow.key.clone(),
        event: flow.event.clone(),
        every: own.every.map(unit::format_duration).or_else(|| flow.every.clone()),
        cron: own.cron,
        zone: own.zone,
        jitter: own.jitter.map(unit::format_duration),
        active: own.active.map(|active| Active {
            days: active.days.iter().map(|day| unit::WEEKDAYS[usize::from(*day)].to_owned()).collect(),
            hours: active.hours,
        }),
        dedupe: if own.dedupe.is_empty() { flow.dedupe.clone() } else { own.dedupe },
        overlap: own.overlap.map(unit::format_duration),
        first_run: match own.first_run {
            spec::FirstRun::Now => "now".to_owned(),
            spec::FirstRun::Last(count) => format!("last {count}"),
            spec::FirstRun::Since(since) => format!("since {since}"),
        },
        cursor: flow.cursor.as_ref().map(sorted),
    })
}

fn flow<'a>(flow: &'a FlowDescriptor, monitor: Option<&Monitor<'_>>) -> Flow<'a> {
    Flow {
        key: flow.key.clone(),
        kind: flow.kind,
        title: flow.title.clone(),
        description: flow.description.clone(),
        effect: flow.effect,
        idempotency: flow.idempotency,
        hook: flow.hook.clone(),
        event: flow.event.clone(),
        registered_by: flow.registered_by.clone(),
        every: monitor.and_then(|monitor| monitor.every.clone()),
        dedupe: monitor.map(|monitor| monitor.dedupe.clone()).unwrap_or_default(),
        options: sorted(&flow.options),
        input: sorted(&flow.input),
        output: sorted(&flow.output),
        result: flow.result,
    }
}

/// Writes a connector's manifest: pretty JSON with sorted keys and a final line break, byte for byte the same for the
/// same spec and flows.
///
/// The digest is SHA-256 over exactly the text that this function would give without the member `digest`: the other
/// members, keys sorted at every depth, indented by two blanks, with the final line break.
#[cfg(feature = "check")]
pub fn build(spec: &Spec, connector: &ConnectorDescriptor) -> String {
    let mut text = canonical(&Manifest::join(spec, connector));
    let digest = digest(&text);
    // Only members of the manifest itself are indented by just two blanks; the digest goes before the first that comes
    // after it by name.
    let mut members = text.match_indices("\n  \"").map(|(line_end, _)| line_end + 1);
    if let Some(at) = members.find(|at| text[*at..] > *"  \"digest\"") {
        text.insert_str(at, &format!("  \"digest\": \"{digest}\",\n"));
    }
    text
}

/// Checks that a manifest has the digest of its own content, as [`build`] makes it.
///
/// # Errors
///
/// Says what is wrong with the text or its digest.
#[cfg(feature = "check")]
pub fn verify_digest(text: &str) -> Result<(), DigestError> {
    let mut value: Value = serde_json::from_str(text).map_err(|_| DigestError::NotJson)?;
    let stated = value.as_object_mut().and_then(|members| members.remove("digest"));
    let Some(Value::String(stated)) = stated else { return Err(DigestError::Missing) };
    value.sort_all_objects();
    let found = digest(&canonical(&value));
    if stated == found { Ok(()) } else { Err(DigestError::Differs { stated, found }) }
}

/// Why a manifest's digest does not hold.
#[cfg(feature = "check")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestError {
    /// The text is not JSON.
    NotJson,
    /// There is no digest.
    Missing,
    /// The content is not what the digest was made of.
    Differs {
        /// What the manifest says.
        stated: String,
        /// What its content gives.
        found: String,
    },
}

#[cfg(feature = "check")]
impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DigestError::NotJson => f.write_str("the manifest is not JSON"),
            DigestError::Missing => f.write_str("the manifest has no `digest`"),
            DigestError::Differs { stated, found } => {
                write!(f, "the manifest says `{stated}`, and its content gives `{found}`")
            }
        }
    }
}

#[cfg(feature = "check")]
impl std::error::Error for DigestError {}

#[cfg(feature = "check")]
fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};

    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        digest.push_str(&format!("{byte:02x}"));
    }
    digest
}

/// Pretty JSON with a final line break, its keys in the order in which they come.
pub(crate) fn canonical(value: &impl Serialize) -> String {
    // Only a map with keys that are no texts could fail, and there is none.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// A schema with its keys sorted at every depth: some build may have told `serde_json` to keep them in order of insertion.
fn sorted(schema: &Value) -> Cow<'_, Value> {
    fn is_sorted(value: &Value) -> bool {
        match value {
            Value::Object(members) => members.keys().is_sorted() && members.values().all(is_sorted),
            Value::Array(items) => items.iter().all(is_sorted),
            _ => true,
        }
    }
    if is_sorted(schema) {
        return Cow::Borrowed(schema);
    }
    let mut schema = schema.clone();
    schema.sort_all_objects();
    Cow::Owned(schema)
}

#[cfg(test)]
#[cfg(feature = "check")]
mod tests {
    use super::*;
    use crate::check::example;
    use crate::{rules, schema, spec};

    fn built() -> Vec<(&'static str, String)> {
        let rules = rules::all().filter(|rule| !rule.code.starts_with("LP4"));
        rules
            .map(|rule| {
                let parsed = spec::parse("specs/tracker.toml", &rule.passing.spec_text());
                let connector = example::connector(&parsed.source.text, &example::text(&rule.passing));
                (rule.code, build(&parsed.spec.unwrap(), &connector))
            })
            .collect()
    }

    #[test]
    fn every_manifest_matches_its_schema_and_its_digest() {
        let schema: Value = serde_json::from_str(&schema::manifest()).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for (code, text) in built() {
            let value: Value = serde_json::from_str(&text).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{code}: {errors:?}");
            verify_digest(&text).unwrap();
            let manifest: Manifest = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(manifest).unwrap(), value, "{code}");
        }
    }

    #[test]
    fn a_change_is_seen_by_the_digest() {
        let (_, text) = built().remove(0);
        let changed = text.replace("\"Tracker\"", "\"Trucker\"");
        assert!(matches!(verify_digest(&changed), Err(DigestError::Differs { .. })));
        assert_eq!(verify_digest("{}"), Err(DigestError::Missing));
        assert_eq!(verify_digest("{"), Err(DigestError::NotJson));
        verify_digest(&text.replace('\n', "\r\n")).unwrap();
    }

    #[test]
    fn the_text_is_the_same_whatever_the_order_of_flows_and_names_no_place() {
        let rule = rules::find("LP312").unwrap();
        let parsed = spec::parse("specs/tracker.toml", &rule.passing.spec_text());
        let mut connector = example::connector(&parsed.source.text, &example::text(&rule.passing));
        let spec = parsed.spec.unwrap();
        let first = build(&spec, &connector);
        connector.flows.reverse();
        assert_eq!(first, build(&spec, &connector));
        assert!(first.ends_with("}\n"));
        assert!(!first.contains(example::FILE) && !first.contains("/nowhere/"), "{first}");
    }

    #[test]
    fn spec_and_attribute_make_one_monitor() {
        let rule = rules::find("LP320").unwrap();
        let parsed = spec::parse("specs/tracker.toml", &rule.passing.spec_text());
        let connector = example::connector("", &example::text(&rule.passing));
        let value: Value = serde_json::from_str(&build(&parsed.spec.unwrap(), &connector)).unwrap();
        assert_eq!(value["monitors"][0]["every"], "10m");
        assert_eq!(value["monitors"][0]["dedupe"], Value::from(vec!["/id"]));
        assert_eq!(value["events"][0]["served_by"], "member_joined");
    }

    #[test]
    fn a_secret_never_has_a_default() {
        // The rules refuse such a spec; a manifest must not depend on that.
        let rule = rules::find("LP145").unwrap();
        let parsed = spec::parse("specs/tracker.toml", &rule.failing.spec_text());
        assert!(parsed.spec.is_none());
        assert!(!build(&parsed.draft, &example::connector("", "")).contains("t0k3n"));
    }
}
