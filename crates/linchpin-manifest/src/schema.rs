//! The published JSON Schemas (2020-12) of specs and manifests.

use serde_json::{Map, Value, json};

use crate::manifest::{Manifest, canonical};
use crate::spec::{Format, Key, ROOT, Shape, Table, Tagged, unit};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of specs, for editors: written from the very table by which specs are read.
pub fn spec() -> String {
    let mut schema = table(&ROOT);
    schema["$schema"] = DIALECT.into();
    schema["title"] = "linchpin spec".into();
    schema["description"] = "What is true of a service that a linchpin connector speaks to.".into();
    schema.sort_all_objects();
    canonical(&schema)
}

fn table(table: &Table) -> Value {
    object(table.keys.iter())
}

fn object<'a>(keys: impl Iterator<Item = &'a Key>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        let mut schema = shape(&key.shape);
        schema["description"] = match &key.shape {
            Shape::Word(words) => {
                let words: Vec<String> =
                    words.iter().map(|(word, doc)| format!("- `{word}`: {doc}")).collect();
                format!("{}\n\n{}", key.doc, words.join("\n"))
            }
            _ => key.doc.to_owned(),
        }
        .into();
        properties.insert(key.name.to_owned(), schema);
        if key.required {
            required.push(key.name);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Text(format) => text(*format),
        Shape::Word(words) => json!({ "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>() }),
        Shape::Integer { least, most } if least == most => json!({ "const": least }),
        Shape::Integer { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Literal => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Status => json!({
            "anyOf": [{ "type": "integer", "minimum": 100, "maximum": 599 }, text(Format::StatusClass)],
        }),
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item) }),
        Shape::OneOrList(item) => {
            let item = self::shape(item);
            json!({ "anyOf": [item.clone(), { "type": "array", "items": item }] })
        }
        Shape::OrTable(plain, inner) => json!({ "anyOf": [self::shape(plain), table(inner)] }),
        Shape::Map { keys, values } => json!({
            "type": "object",
            "propertyNames": text(*keys),
            "additionalProperties": self::shape(values),
        }),
        Shape::Table(inner) => table(inner),
        Shape::Tagged(inner) => tagged(inner),
    }
}

fn tagged(tagged: &Tagged) -> Value {
    let variants = tagged.variants.iter().map(|variant| {
        let mut schema = object(tagged.common.iter().chain(variant.keys));
        schema["description"] = variant.doc.into();
        schema["properties"][tagged.tag] =
            json!({ "const": variant.word, "description": format!("{} {}", tagged.doc, variant.doc) });
        if let Some(required) = schema["required"].as_array_mut() {
            required.insert(0, tagged.tag.into());
        }
        schema
    });
    json!({ "type": "object", "oneOf": variants.collect::<Vec<_>>() })
}

fn text(format: Format) -> Value {
    match format.pattern() {
        Some(pattern) => json!({ "type": "string", "pattern": pattern }),
        None => json!({ "type": "string" }),
    }
}

/// A section of a spec, as reference tables show it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Section {
    /// Its head, as in `[http]`; empty for what stands before the first section.
    pub head: String,
    /// What it says, as a sentence.
    pub doc: &'static str,
    /// Its keys, each with whether it is needed.
    pub keys: Vec<(&'static str, bool)>,
}

/// Every section of a spec, in the order of the table by which specs are read.
pub fn sections() -> Vec<Section> {
    let mut sections = Vec::new();
    add_section(String::new(), "", "What the connector is.", &Shape::Table(&ROOT), &mut sections);
    sections
}

fn add_section(path: String, brackets: &str, doc: &'static str, shape: &Shape, sections: &mut Vec<Section>) {
    let mut section = |tail: &str, doc, keys: &'static [Key], first: Option<&'static str>| {
        let head = match brackets {
            "" => String::new(),
            "[[" => format!("[[{path}]]"),
            _ => format!("[{path}]{tail}"),
        };
        let first = first.map(|tag| (tag, true));
        let keys = keys.iter().map(|key| (key.name, key.required));
        sections.push(Section { head, doc, keys: first.into_iter().chain(keys).collect() });
    };
    let own: Vec<&'static Key> = match shape {
        Shape::Table(table) => {
            section("", doc, table.keys, None);
            table.keys.iter().collect()
        }
        Shape::Tagged(tagged) => {
            section("", doc, tagged.common, Some(tagged.tag));
            for variant in tagged.variants {
                section(&format!(" {} = \"{}\"", tagged.tag, variant.word), variant.doc, variant.keys, None);
            }
            let variants = tagged.variants.iter().flat_map(|variant| variant.keys);
            tagged.common.iter().chain(variants).collect()
        }
        Shape::Map { values, .. } => return add_section(path + ".<key>", "[", doc, values, sections),
        Shape::List(values) => return add_section(path, "[[", doc, values, sections),
        Shape::OneOrList(values) => return add_section(path, "[", doc, values, sections),
        _ => return,
    };
    for key in own {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        add_section(path, "[", key.doc, &key.shape, sections);
    }
}

/// The schema of manifests.
pub fn manifest() -> String {
    let key = json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$" });
    let words = |doc: &str| json!({ "type": "string", "description": doc });
    let list = |item: Value, doc: &str| json!({ "type": "array", "items": item, "description": doc });
    let schema_of = |doc: &str| json!({ "type": ["object", "boolean"], "description": format!("JSON Schema 2020-12 of {doc}.") });
    let dedupe = list(
        json!({ "type": "string", "pattern": "^(/([^~/]|~[01])*)*$" }),
        "JSON pointers to what tells records apart.",
    );
    let every = words("How often the service is asked, as in `5m`.");

    let field = closed(
        &["key", "label", "secret", "required", "type"],
        json!({
            "key": key,
            "label": words("What the form shows."),
            "help": words("A sentence under the field."),
            "placeholder": words("An example shown in the empty field."),
            "secret": { "type": "boolean", "description": "Whether its value is never shown." },
            "required": { "type": "boolean", "description": "Whether a connection must have it." },
            "type": { "enum": ["text", "host", "choice"] },
            "choices": list(json!({ "type": "string" }), "The values to choose from."),
            "pattern": words("A regular expression that the whole value must match."),
            "default": words("The value where none is given; never of a secret."),
        }),
    );
    let oauth2 = closed(
        &["grant", "client", "token_url", "scopes"],
        json!({
            "grant": { "enum": ["authorization_code", "client_credentials", "device_code"] },
            "client": {
                "enum": ["developer", "customer"],
                "description": "Whether one client serves all connections, or each has its own."
            },
            "authorization_url": words("Where users consent."),
            "device_authorization_url": words("Where device codes come from."),
            "token_url": words("Where tokens come from."),
            "refresh_url": words("Where tokens are refreshed, if not at `token_url`."),
            "revocation_url": words("Where tokens are revoked."),
            "scopes": list(json!({ "type": "string" }), "What is asked for."),
        }),
    );
    let jwt_bearer = closed(
        &["algorithm", "token_url", "claims"],
        json!({
            "algorithm": { "enum": ["RS256", "ES256", "HS256"] },
            "token_url": words("Where tokens come from."),
            "claims": {
                "type": "object",
                "additionalProperties": { "type": "string" },
                "description": "What the assertion claims; may hold `{field}` templates.",
            },
        }),
    );
    let step = closed(
        &["method", "url"],
        json!({
            "method": { "enum": ["POST", "GET", "PUT"] },
            "url": words("A path under the base URL, or a whole URL; may hold `{field}` templates."),
        }),
    );
    let auth = closed(
        &["key", "name", "kind", "fields"],
        json!({
            "key": key,
            "name": words("The name that users choose by."),
            "kind": { "enum": ["none", "basic", "bearer", "api_key", "custom", "oauth2", "jwt_bearer", "session", "signed"] },
            "fields": list(field, "What the user fills in, in the order of the form."),
            "headers": list(json!({ "type": "string" }), "Names of the headers that carry credentials."),
            "query": list(json!({ "type": "string" }), "Names of the query parameters that carry credentials."),
            "cookies": list(json!({ "type": "string" }), "Names of the cookies that carry credentials."),
            "body": list(json!({ "type": "string" }), "Names of the fields of bodies that carry credentials."),
            "client_certificate": {
                "type": "boolean",
                "description": "Whether the client shows a certificate when TLS begins.",
            },
            "oauth2": oauth2,
            "jwt_bearer": jwt_bearer,
            "scheme": words("How requests are signed: `aws-sigv4`, `hmac-header` or `custom:name`."),
            "steps": list(step, "The requests that bring a session, in order."),
        }),
    );
    let config = closed(
        &["key", "label", "visible", "secret"],
        json!({
            "key": key,
            "label": words("What users see."),
            "visible": { "type": "boolean", "description": "Whether users see the value." },
            "secret": { "type": "boolean", "description": "Whether it is shown only when asked for." },
            "value": words("The value, which may hold `{field}` templates; never of a secret."),
            "helper": words("The helper that gives it."),
        }),
    );
    let signature = closed(
        &["scheme", "key"],
        json!({
            "scheme": words("How a delivery proves where it comes from, by the spec's word."),
            "key": words("Whose key that needs: `registration`, `app`, the `{field}` of the connection, `public`, or `code` where the connector's code knows."),
        }),
    );
    let place = closed(
        &[],
        json!({
            "header": words("A header."),
            "query": words("A query parameter of the URL."),
            "body": { "type": "string", "description": "JSON pointer into the body." },
        }),
    );
    let at = |doc: &str| {
        let mut place = place.clone();
        place["description"] = doc.into();
        place
    };
    let expiry = closed(
        &["at", "unit"],
        json!({
            "at": words("JSON pointer into what the registering flow gives."),
            "unit": { "enum": ["rfc3339", "s", "ms"] },
            "renew_before": words("How long before that it is renewed, as in `1h`; a tenth of its life where it is not said."),
        }),
    );
    let items = closed(
        &["at"],
        json!({
            "at": words("JSON pointer to the list of what happened, each item of which is an event by itself."),
            "id": words("JSON pointer in an item to what tells it apart; its place in the delivery where it is not said."),
        }),
    );
    let hook = closed(
        &["key", "scope"],
        json!({
            "key": key,
            "signature": signature,
            "scope": {
                "enum": ["registration", "app"],
                "description": "Whether each registration has a URL of its own, or the whole connector has one."
            },
            "route": {
                "description": "Where deliveries to the one URL of an app say whom they are for: of several places the values together, with `/` between.",
                "items": at("One of these places."),
                "minItems": 1,
                "type": "array"
            },
            "delivery_id": list(place.clone(), "What tells deliveries apart, all of it together."),
            "items": items,
            "key_at": words("Where the service makes the key itself: JSON pointer into what the registering flow gives."),
            "expires": expiry,
            "register": words("The flow that registers it."),
            "deregister": words("The flow that takes the registration back."),
            "check": words("The flow that asks the service how a registration is."),
            "renew": words("The flow that renews a registration."),
            "list": words("The flow that lists what is registered."),
            "options_of": words("The flow whose options a registration has: the one that registers, or where there is none, one that serves an event."),
            "verify": words("The flow that checks where a delivery comes from."),
        }),
    );
    let matching = closed(
        &["header", "body"],
        json!({
            "header": { "type": "object", "additionalProperties": { "type": "string" } },
            "query": { "type": "object", "additionalProperties": { "type": "string" } },
            "body": { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } },
        }),
    );
    let filter = closed(
        &["option", "place"],
        json!({
            "option": words("The option of the registering flow."),
            "place": at("Where the value stands."),
        }),
    );
    let event = closed(
        &["key", "name"],
        json!({
            "key": key,
            "name": words("The name that users see."),
            "description": words("One sentence."),
            "hook": words("The hook that delivers it."),
            "match": matching,
            "filter": list(filter, "Which of the event's deliveries a registration wants."),
            "served_by": words("The flow that serves it."),
            "wakes": {
                "type": "boolean",
                "description": "Whether a delivery says only that there is news, which the monitor that serves the event looks for at once."
            },
        }),
    );
    let monitor = closed(
        &["key", "first_run"],
        json!({
            "key": key,
            "event": words("The event that it finds."),
            "every": every,
            "cron": words("When the service is asked, as in crontab."),
            "zone": words("The time zone of `cron` and `active`; UTC where it is left out."),
            "jitter": words("By how much a look is put off at random, as in `30s`."),
            "active": closed(&[], json!({
                "days": list(json!({ "enum": unit::WEEKDAYS }), "On which days; on all where it is left out."),
                "hours": words("From when to when, as in `08:00-18:00`; all hours where it is left out."),
            })),
            "dedupe": dedupe,
            "first_run": words("What of the first look is handed on: `now`, `last 10`, or `since 7d`."),
            "overlap": words("How far each look reaches back, as in `10m`."),
            "cursor": schema_of("the cursor"),
        }),
    );
    let flow = closed(
        &["key", "kind", "title", "description", "options", "input", "output", "result"],
        json!({
            "key": key,
            "kind": { "enum": [
                "action", "authping", "revoke", "webhook_register", "webhook_deregister", "webhook_check",
                "webhook_renew", "webhook_list", "webhook_verify", "webhook_event", "helper", "monitor",
            ] },
            "title": words("The title that users see."),
            "description": words("The help; empty where there is none."),
            "effect": { "enum": ["read", "create", "update", "delete"] },
            "idempotency": { "enum": ["key", "natural", "none"] },
            "hook": words("The hook that a webhook flow serves; of an event `events` says it."),
            "event": words("The event that it serves."),
            "registered_by": words("The flow whose registration it takes, or lists."),
            "every": every,
            "dedupe": dedupe,
            "options": schema_of("the design-time options"),
            "input": schema_of("the run-time inputs"),
            "output": schema_of("one result or one record"),
            "result": { "enum": ["nothing", "value", "records"] },
        }),
    );
    let mut schema = closed(
        &[
            "manifest_version",
            "key",
            "name",
            "version",
            "digest",
            "http",
            "auth",
            "hooks",
            "events",
            "monitors",
            "flows",
        ],
        json!({
            "manifest_version": { "const": Manifest::VERSION },
            "key": key,
            "name": words("The display name."),
            "version": words("The connector's semantic version."),
            "digest": {
                "type": "string",
                "pattern": "^sha256:[0-9a-f]{64}$",
                "description": "SHA-256 over the file without this member.",
            },
            "description": words("One or two sentences for a catalogue."),
            "documentation_url": words("Where users read about the connector."),
            "support_email": words("Whom users write to."),
            "accent_colour": words("`#rgb` or `#rrggbb`."),
            "icon": words("Path of the icon, relative to the spec."),
            "http": closed(&["base_url", "hosts"], json!({
                "base_url": words("The root of every relative path; may hold `{field}` templates."),
                "hosts": list(json!({ "type": "string" }), "Further hosts that get credentials."),
            })),
            "auth": list(auth, "Ways to authenticate, by key."),
            "config": list(config, "Values to copy elsewhere or for flows to use, by key."),
            "hooks": list(hook, "How deliveries arrive and are trusted, by key."),
            "events": list(event, "What can happen at the service, by key."),
            "monitors": list(monitor, "What is looked for on a schedule, by key."),
            "flows": list(flow, "Every flow, by key."),
        }),
    );
    schema["$schema"] = DIALECT.into();
    schema["title"] = "linchpin manifest".into();
    schema["description"] = "A linchpin connector as platforms see it.".into();
    schema.sort_all_objects();
    canonical(&schema)
}

fn closed(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[cfg(test)]
#[cfg(feature = "check")]
mod tests {
    use super::*;
    use crate::rules;

    /// The codes of what the grammar says, all of which a schema can say too.
    const GRAMMAR: [&str; 26] = [
        "LP101", "LP102", "LP103", "LP104", "LP105", "LP107", "LP110", "LP111", "LP112", "LP113", "LP114",
        "LP115", "LP116", "LP117", "LP118", "LP119", "LP120", "LP121", "LP122", "LP123", "LP125", "LP157",
        "LP140", "LP141", "LP160", "LP161",
    ];

    #[test]
    fn the_schema_of_specs_says_what_the_reader_says() {
        let schema: Value = serde_json::from_str(&super::spec()).unwrap();
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let json = |text: &str| -> Value { toml::from_str(text).unwrap() };
        for rule in rules::all().filter(|rule| !rule.code.starts_with("LP4")) {
            let passing = json(&rule.passing.spec_text());
            let errors: Vec<String> =
                validator.iter_errors(&passing).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", rule.code);
            if GRAMMAR[..22].contains(&rule.code) {
                assert!(!validator.is_valid(&json(&rule.failing.spec_text())), "{}", rule.code);
            }
            if GRAMMAR[22..].contains(&rule.code) {
                assert!(validator.is_valid(&json(&rule.failing.spec_text())), "{}", rule.code);
            }
        }
    }

    #[test]
    fn both_schemas_are_schemas() {
        for text in [super::spec(), manifest()] {
            let value: Value = serde_json::from_str(&text).unwrap();
            jsonschema::draft202012::meta::validate(&value).unwrap();
            assert!(text.ends_with("}\n"));
        }
    }
}
