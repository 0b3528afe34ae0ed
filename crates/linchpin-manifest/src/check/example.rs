//! Reads the Rust of the rules' examples into descriptors, and runs the examples.
//!
//! Understands exactly what the examples use: one attribute, one signature, one field on a line.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::descriptor::{
    ConnectorDescriptor, Effect, FlowDescriptor, FlowKind, Idempotency, Place, ResultShape,
};
use crate::diagnostic::Diagnostic;
use crate::rules::{self, Example};
use crate::spec;

pub(crate) const FILE: &str = "src/lib.rs";

/// A flow that keeps every rule, for the examples that are not about whether there is one.
const BASE: &str = "/// List Things\n#[action(read)]\nasync fn list_things(cx: Context) -> Result<String>\n";

/// The example's Rust as a file.
pub(crate) fn text(example: &Example) -> String {
    if example.flows.contains("// nothing else") {
        example.flows.to_owned()
    } else {
        format!("{}\n{BASE}", example.flows)
    }
}

/// What the joint rules say of an example.
pub(crate) fn run(example: &Example) -> Vec<Diagnostic> {
    let parsed = spec::parse("specs/tracker.toml", &example.spec_text());
    let mut found = parsed.diagnostics.clone();
    let text = text(example);
    found.extend(super::join(&parsed, &connector(&parsed.source.text, &text), &|file| {
        (file == FILE).then(|| text.clone())
    }));
    found
}

/// A connector with these flows.
pub(crate) fn connector(spec: &str, text: &str) -> ConnectorDescriptor {
    let mut reader = Reader::default();
    reader.structs(text);
    let mut flows = reader.flows(text);
    flows.sort_by(|a, b| a.key.cmp(&b.key));
    ConnectorDescriptor {
        package: "tracker".to_owned(),
        package_dir: "/nowhere/tracker".to_owned(),
        spec_path: "tracker.toml".to_owned(),
        spec_text: spec.to_owned(),
        place: Place { file: FILE.to_owned(), line: 1, column: 1 },
        flows,
    }
}

#[derive(Default)]
struct Reader {
    structs: BTreeMap<String, Value>,
}

impl Reader {
    fn structs(&mut self, text: &str) {
        // Twice, so that a struct may name one that comes later.
        for _ in 0..2 {
            let mut lines = text.lines();
            while let Some(line) = lines.next() {
                let Some(name) = line.strip_prefix("struct ") else { continue };
                let name = name.trim_end_matches(" {").to_owned();
                let mut properties = Map::new();
                let mut required = Vec::new();
                let mut attribute = "";
                for line in lines.by_ref().map(str::trim).take_while(|line| *line != "}") {
                    if let Some(inner) = line.strip_prefix("#[field(") {
                        attribute = inner.trim_end_matches(")]");
                        continue;
                    }
                    let (field, kind) = line.trim_end_matches(',').split_once(": ").unwrap();
                    let mut schema = self.schema(kind);
                    card(&mut schema, attribute);
                    if !kind.starts_with("Option<") {
                        required.push(field.to_owned());
                    }
                    properties.insert(field.to_owned(), schema);
                    attribute = "";
                }
                let schema = json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                });
                self.structs.insert(name, schema);
            }
        }
    }

    fn schema(&self, kind: &str) -> Value {
        if let Some(inner) = kind.strip_prefix("Option<") {
            return self.schema(&inner[..inner.len() - 1]);
        }
        if let Some(inner) = kind.strip_prefix("Vec<") {
            return json!({ "type": "array", "items": self.schema(&inner[..inner.len() - 1]) });
        }
        match kind {
            "String" => json!({ "type": "string" }),
            "i64" => json!({ "type": "integer" }),
            "bool" => json!({ "type": "boolean" }),
            "()" => nothing(),
            name => self.structs.get(name).cloned().unwrap_or_else(nothing),
        }
    }

    fn flows(&self, text: &str) -> Vec<FlowDescriptor> {
        let (mut docs, mut attribute) = (Vec::new(), "");
        let mut flows = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if let Some(doc) = line.strip_prefix("/// ") {
                docs.push(doc);
            } else if let Some(inner) = line.strip_prefix("#[") {
                attribute = inner.trim_end_matches(']');
            } else if let Some(signature) = line.strip_prefix("async fn ") {
                flows.push(self.flow(&docs, attribute, signature, index as u32 + 1));
                (docs, attribute) = (Vec::new(), "");
            }
        }
        flows
    }

    fn flow(&self, docs: &[&str], attribute: &str, signature: &str, line: u32) -> FlowDescriptor {
        let (name, args) = attribute.split_once('(').unwrap_or((attribute, ""));
        let args = args.trim_end_matches(')');
        let named = |key: &str| {
            let start = args.find(&format!("{key} = \""))? + key.len() + 4;
            args[start..].split('"').next().map(str::to_owned)
        };
        let word = args.split(',').next().unwrap_or_default();
        let kind = match (name, word) {
            ("action", _) => FlowKind::Action,
            ("authping", _) => FlowKind::Authping,
            ("revoke", _) => FlowKind::Revoke,
            ("helper", _) => FlowKind::Helper,
            ("monitor", _) => FlowKind::Monitor,
            ("webhook", "register") => FlowKind::WebhookRegister,
            ("webhook", "deregister") => FlowKind::WebhookDeregister,
            ("webhook", "check") => FlowKind::WebhookCheck,
            ("webhook", "renew") => FlowKind::WebhookRenew,
            ("webhook", "list") => FlowKind::WebhookList,
            ("webhook", "verify") => FlowKind::WebhookVerify,
            ("webhook", _) => FlowKind::WebhookEvent,
            other => panic!("{other:?}"),
        };
        let (key, rest) = signature.split_once('(').unwrap();
        let (_, output) = rest.split_once("-> Result<").unwrap();
        let output = &output[..output.len() - 1];
        let parameter = |key: &str| {
            let start = rest.find(&format!(": {key}<"))? + key.len() + 3;
            rest[start..].split('>').next()
        };
        let (output, result, next_cursor) = match output.split_once('<') {
            Some(("Records", inner)) => (inner.trim_end_matches('>'), ResultShape::Records, None),
            Some(("Polled", inner)) => {
                let (record, cursor) = inner.trim_end_matches('>').split_once(", ").unwrap();
                (record, ResultShape::Records, Some(self.schema(cursor)))
            }
            _ => (output, ResultShape::Value, None),
        };
        let looks = parameter("Look");
        FlowDescriptor {
            key: key.to_owned(),
            kind,
            title: docs.first().map_or_else(|| spec::title_case(key), |title| (*title).to_owned()),
            description: docs.get(1..).unwrap_or_default().join("\n").trim().to_owned(),
            documented: !docs.is_empty(),
            unconnected: rest.starts_with("cx: Unconnected"),
            effect: match word {
                "read" => Some(Effect::Read),
                "create" => Some(Effect::Create),
                "update" => Some(Effect::Update),
                "delete" => Some(Effect::Delete),
                _ => None,
            },
            idempotency: named("idempotency").map(|word| match word.as_str() {
                "key" => Idempotency::Key,
                "natural" => Idempotency::Natural,
                _ => Idempotency::None,
            }),
            hook: named("hook"),
            event: named("event"),
            registered_by: parameter("Registered").map(str::to_owned),
            every: named("every"),
            dedupe: named("dedupe").into_iter().collect(),
            since: rest.contains(": Since") || looks.is_some(),
            overlap: rest.contains(": Overlap") || looks.is_some(),
            options: parameter("Options").map_or_else(nothing, |kind| self.schema(kind)),
            input: parameter("Input").map_or_else(nothing, |kind| self.schema(kind)),
            output: self.schema(output),
            result: if output == "()" { ResultShape::Nothing } else { result },
            cursor: parameter("Cursor").or(looks).map(|kind| self.schema(kind)),
            next_cursor,
            place: Place { file: FILE.to_owned(), line, column: 10 },
        }
    }
}

fn nothing() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

/// Puts what `#[field(..)]` says beside a property.
fn card(schema: &mut Value, attribute: &str) {
    let value = |key: &str| {
        let start = attribute.find(&format!("{key} = "))? + key.len() + 3;
        let rest = &attribute[start..];
        let end = if rest.starts_with('[') {
            rest.find(']').unwrap() + 1
        } else {
            rest.find(", ").unwrap_or(rest.len())
        };
        Some(&rest[..end])
    };
    let mut card = Map::new();
    if let Some(label) = value("label") {
        card.insert("label".to_owned(), json!(label.trim_matches('"')));
    }
    if attribute.contains("secret") {
        card.insert("secret".to_owned(), json!(true));
    }
    match value("choices") {
        Some(fixed) if fixed.starts_with('[') => {
            let values: Vec<Value> = serde_json::from_str(fixed).unwrap();
            let values: Vec<Value> =
                values.iter().map(|value| json!({ "value": value, "label": value })).collect();
            card.insert("choices".to_owned(), json!({ "static": values }));
        }
        Some(helper) => {
            let depends: Vec<&str> = value("depends_on").into_iter().collect();
            card.insert("choices".to_owned(), json!({ "helper": helper, "depends_on": depends }));
        }
        None => {}
    }
    let length =
        if schema["type"] == "array" { ("minItems", "maxItems") } else { ("minLength", "maxLength") };
    for (argument, keyword) in [
        ("min", "minimum"),
        ("max", "maximum"),
        ("min_length", length.0),
        ("max_length", length.1),
        ("pattern", "pattern"),
    ] {
        if let Some(bound) = value(argument) {
            schema[keyword] = serde_json::from_str(bound).unwrap();
        }
    }
    if let Some(default) = value("default") {
        schema["default"] = serde_json::from_str(default).unwrap();
    }
    if !card.is_empty() {
        schema["x-linchpin"] = card.into();
    }
}

fn codes(found: &[Diagnostic]) -> Vec<&'static str> {
    let mut codes: Vec<&str> = found.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[test]
fn examples_of_flow_and_joint_rules_hold() {
    let mut wrong = String::new();
    for rule in rules::all().filter(|rule| rule.code.starts_with("LP2") || rule.code.starts_with("LP3")) {
        for (example, wanted) in [(&rule.failing, Some(rule.code)), (&rule.passing, None)] {
            let found = run(example);
            if codes(&found) != Vec::from_iter(wanted) {
                let told: Vec<_> = found.iter().map(|found| (found.code, &found.message)).collect();
                wrong.push_str(&format!("{}, {}\n{told:?}\n\n", rule.code, example.flows));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn constructors_of_workspace_rules_have_their_codes() {
    use crate::diagnostic::Location;
    let at = || Location::point("specs/tracker.toml", 2, 7);
    let all = [
        rules::spec_without_crate(at(), "tracker"),
        rules::crate_without_spec(at(), "tracker.toml"),
        rules::not_registered(at(), "list_issues", Some(at())),
        rules::stale_manifest("specs/tracker.manifest.json", false),
        rules::other_spec_text(at(), at()),
        rules::same_key(at(), at(), "tracker"),
        rules::other_file_name(at(), "tracker"),
        rules::same_spec(at(), at()),
        rules::unknown_descriptors("target/debug/linchpin", 2, 1),
        rules::connector_not_in_binary(at(), at(), "tracker", "app"),
        rules::manifest_without_spec("specs/old.manifest.json"),
    ];
    let codes: Vec<&str> = all.iter().map(|found| found.code).collect();
    let known: Vec<&str> =
        rules::all().map(|rule| rule.code).filter(|code| code.starts_with("LP4")).collect();
    assert_eq!(codes, known);
    assert!(all.iter().all(|found| !found.labels.is_empty() && !found.help.is_empty()));
}

#[test]
fn a_renamed_event_is_told_on_both_sides() {
    let spec = "[event.member_joind]\nname = \"Member Joined\"";
    let flows = "#[monitor(event = \"member_joined\", every = \"5m\", dedupe = \"/id\")]\nasync fn joined(cx: Context) \
                 -> Result<Polled<Member, String>>\n#[fields]\nstruct Member {\n    id: String,\n}";
    let found = run(&Example { spec, flows });
    let told = |code: &str| found.iter().find(|found| found.code == code).unwrap();
    let unknown = told("LP315");
    assert_eq!(unknown.help, ["did you mean `member_joind`?"]);
    let files: Vec<&str> = unknown.labels.iter().map(|label| label.location.file.as_str()).collect();
    assert_eq!(files, [FILE, "specs/tracker.toml"]);
    let files: Vec<_> = told("LP316").labels.iter().map(|label| label.location.file.as_str()).collect();
    assert_eq!(files, ["specs/tracker.toml", FILE]);
}

#[test]
fn flows_are_checked_beside_a_spec_with_errors_and_without_sources() {
    let parsed = spec::parse("specs/tracker.toml", "schema = 1\n[hook.project]\n[http]\nbase_url = 7\n");
    let flows = "#[action(create)]\nasync fn createIssue(cx: Context) -> Result<String>";
    let found = super::join(&parsed, &connector("", flows), &|_| None);
    let mut codes: Vec<&str> = found.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["LP206", "LP209", "LP211", "LP314"]);
    assert!(found.iter().all(|found| found.labels.iter().all(|label| label.location.line > 0)));
}
