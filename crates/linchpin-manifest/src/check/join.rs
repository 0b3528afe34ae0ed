//! The rules of flows, and of a spec and its flows together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::field::{self, Field};
use super::{LABEL_HELP, is_label, schedule};
use crate::descriptor::{ConnectorDescriptor, Effect, FlowDescriptor, FlowKind, Idempotency, ResultShape};
use crate::diagnostic::{self, Diagnostic, Location};
use crate::manifest::options_of;
use crate::rules::{self, Rule};
use crate::source::{Source, join as join_path};
use crate::spec::{
    AuthKind, Config, ConfigSource, Event, FirstRun, Monitor, Parsed, Proof, Spec, list, nearest, unit,
};

/// The longest time between two looks of a monitor.
const LONGEST_INTERVAL: Duration = Duration::from_secs(30 * 86400);

/// What the rules of flows (`LP2xx`), and of spec and flows together (`LP3xx`), have to say, sorted.
///
/// Works also on a spec that has errors of its own, with what could be read of it. `sources` gives the text of a file of
/// Rust by the path that the compiler had for it; where it gives nothing, places are shown without their line.
pub fn join(
    parsed: &Parsed,
    connector: &ConnectorDescriptor,
    sources: &dyn Fn(&str) -> Option<String>,
) -> Vec<Diagnostic> {
    let mut files = BTreeMap::new();
    let places = connector.flows.iter().map(|flow| &flow.place).chain([&connector.place]);
    for place in places {
        if !files.contains_key(&place.file) {
            let source = sources(&place.file).map(|text| Source::plain(place.file.clone(), text));
            files.insert(place.file.clone(), source);
        }
    }
    let mut check =
        Check { source: &parsed.source, spec: &parsed.draft, connector, files, found: Vec::new() };
    check.flows();
    check.cards();
    // Without a readable spec everything would seem to be unknown.
    if !parsed.diagnostics.iter().any(|found| found.code == rules::LP100.code) {
        check.auth();
        check.costs();
        check.hooks();
        check.events();
        check.options();
        check.filters();
        check.monitors();
        check.idempotency();
        check.config();
    }
    diagnostic::sort(&mut check.found);
    check.found
}

/// A secret field somewhere in a schema.
fn secret(schema: &Value) -> Option<Field<'_>> {
    let mut fields = field::fields(schema).into_iter();
    fields.find(|field| field.card("secret").is_some_and(|secret| secret == true))
}

struct Check<'a> {
    source: &'a Arc<Source>,
    spec: &'a Spec,
    connector: &'a ConnectorDescriptor,
    files: BTreeMap<String, Option<Arc<Source>>>,
    found: Vec<Diagnostic>,
}

impl<'a> Check<'a> {
    fn of(&self, kind: FlowKind) -> impl Iterator<Item = &'a FlowDescriptor> + use<'a> {
        self.connector.flows.iter().filter(move |flow| flow.kind == kind)
    }

    fn place(&self, flow: &FlowDescriptor) -> Location {
        let place = &flow.place;
        match self.files.get(&place.file) {
            Some(Some(source)) => source.word(place.line, place.column),
            _ => Location::point(&place.file, place.line, place.column),
        }
    }

    fn connector_place(&self) -> Location {
        let place = &self.connector.place;
        match self.files.get(&place.file) {
            Some(Some(source)) => source.word(place.line, place.column),
            _ => Location::point(&place.file, place.line, place.column),
        }
    }

    fn at(&mut self, rule: &'static Rule, flow: &FlowDescriptor, message: String, help: impl Into<String>) {
        let diagnostic = Diagnostic::new(rule, message).label(self.place(flow), "").help(help);
        self.found.push(diagnostic);
    }

    fn twice(
        &mut self,
        rule: &'static Rule,
        flow: &FlowDescriptor,
        first: &FlowDescriptor,
        message: String,
        help: &str,
    ) {
        let diagnostic = Diagnostic::new(rule, message)
            .label(self.place(flow), "this one")
            .label(self.place(first), "and this one")
            .help(help);
        self.found.push(diagnostic);
    }

    fn flows(&mut self) {
        let flows = &self.connector.flows;
        if !flows
            .iter()
            .any(|flow| matches!(flow.kind, FlowKind::Action | FlowKind::WebhookEvent | FlowKind::Monitor))
        {
            let diagnostic = Diagnostic::new(&rules::LP201, "the connector has no action, event or monitor")
                .label(self.connector_place(), "this connector")
                .help("annotate a function with `#[action(read)]`, and declare its module with `mod`");
            self.found.push(diagnostic);
        }
        let mut keys: BTreeMap<&str, &FlowDescriptor> = BTreeMap::new();
        let mut titles: BTreeMap<&str, &FlowDescriptor> = BTreeMap::new();
        for flow in flows {
            let key = flow.key.as_str();
            match keys.get(key) {
                Some(first) => self.twice(
                    &rules::LP202,
                    flow,
                    first,
                    format!("two flows are called `{key}`"),
                    "rename one of the functions",
                ),
                None => {
                    keys.insert(key, flow);
                }
            }
            let reserved = match key {
                "authping" => Some(FlowKind::Authping),
                "revoke" => Some(FlowKind::Revoke),
                _ => None,
            };
            if reserved.is_some_and(|kind| kind != flow.kind) {
                let message = format!("`{key}` is a reserved name");
                let help = format!("annotate the function with `#[{key}]`, or rename it");
                self.at(&rules::LP205, flow, message, help);
            }
            if !crate::spec::is_key(key) {
                let message = format!("`{key}` is not in snake case");
                let help = "use lower-case letters, digits and `_`, beginning with a letter";
                self.at(&rules::LP206, flow, message, help);
            }
            for (what, schema) in [("options", &flow.options), ("input", &flow.input)] {
                // A delivery's payload is what the service sends, whatever that is.
                if flow.kind != FlowKind::WebhookEvent && !field::is_object(schema) {
                    let message = format!("the {what} of `{key}` are not an object");
                    self.at(&rules::LP212, flow, message, "take a struct with `#[fields]`");
                }
            }
            // Those of webhooks and monitors, which are kept; an action's are whose card it is.
            if flow.kind != FlowKind::Action
                && let Some(secret) = secret(&flow.options)
            {
                let message = format!("the option `{}` of `{key}` is secret", secret.pointer);
                let help = "make it a field of the connection, with `secret = true` in the spec";
                self.at(&rules::LP234, flow, message, help);
            }
            if flow.kind == FlowKind::Action {
                match titles.get(flow.title.as_str()) {
                    Some(first) if first.key != flow.key => self.twice(
                        &rules::LP207,
                        flow,
                        first,
                        format!("two actions have the title `{}`", flow.title),
                        "the title is the first line of the doc comment: give each its own",
                    ),
                    _ => {
                        titles.insert(&flow.title, flow);
                    }
                }
                self.action(flow);
            }
        }
        for (kind, rule, word) in
            [(FlowKind::Authping, &rules::LP203, "authping"), (FlowKind::Revoke, &rules::LP204, "revoke")]
        {
            let mut same = self.of(kind);
            if let Some(first) = same.next() {
                for flow in same {
                    let message = format!("there are two `#[{word}]` functions");
                    self.twice(rule, flow, first, message, "keep one of them");
                }
            }
        }
    }

    fn action(&mut self, flow: &FlowDescriptor) {
        let key = &flow.key;
        if !is_label(&flow.title) {
            let message = format!("the title of `{key}` has a forbidden character: `{}`", flow.title);
            self.at(&rules::LP208, flow, message, LABEL_HELP);
        }
        if !flow.documented {
            let message = format!("`{key}` is not documented");
            self.at(&rules::LP209, flow, message, "add a doc comment: a line for the title, then the help");
        }
        match (flow.effect, flow.idempotency) {
            (None, _) => {
                let message = format!("`{key}` does not say what it does at the service");
                let help = "say `#[action(read)]`, `create`, `update` or `delete`";
                self.at(&rules::LP210, flow, message, help);
            }
            (Some(Effect::Create | Effect::Update | Effect::Delete), None) => {
                let message = format!("`{key}` does not say what repeating it does");
                let help = "add `idempotency = \"key\"`, `\"natural\"` or `\"none\"`";
                self.at(&rules::LP211, flow, message, help);
            }
            _ => {}
        }
        if let Some(secret) = secret(&flow.output) {
            let message = format!("`{key}` gives out the secret `{}`", secret.pointer);
            self.at(&rules::LP227, flow, message, "leave the field out of the output");
        }
    }

    fn cards(&mut self) {
        let mut used: Vec<&str> = Vec::new();
        for flow in &self.connector.flows {
            let top: Vec<&str> = [&flow.options, &flow.input]
                .into_iter()
                .filter_map(|schema| schema.get("properties").and_then(Value::as_object))
                .flat_map(|properties| properties.keys().map(String::as_str))
                .collect();
            for (schema, given) in [(&flow.options, true), (&flow.input, true), (&flow.output, false)] {
                let fields = field::fields(schema);
                for field in &fields {
                    self.bounds(flow, schema, field);
                }
                if !given || flow.kind == FlowKind::WebhookEvent {
                    continue;
                }
                for (index, field) in fields.iter().enumerate() {
                    self.card(flow, schema, field, &top);
                    if let Some((helper, _)) = field.helper() {
                        used.push(helper);
                    }
                    let first = fields[..index].iter().find(|other| {
                        other.label == field.label
                            && other.card("label").is_some()
                            && other.pointer != field.pointer
                            && parent(&other.pointer) == parent(&field.pointer)
                            && other.siblings == field.siblings
                    });
                    if let Some(first) = first {
                        let message = format!(
                            "`{}` and `{}` of `{}` have the label `{}`",
                            first.name, field.name, flow.key, field.label
                        );
                        self.at(&rules::LP226, flow, message, "give each a label of its own");
                    }
                }
                self.circles(flow, &fields);
            }
        }
        self.unused(&used);
    }

    fn bounds(&mut self, flow: &FlowDescriptor, root: &Value, field: &Field<'_>) {
        let name = field.name;
        for keyword in field.schema.as_object().into_iter().flat_map(|schema| schema.keys()) {
            let (argument, bound): (&str, &[&str]) = match keyword.as_str() {
                "minimum" => ("min", &["integer", "number"]),
                "maximum" => ("max", &["integer", "number"]),
                "minLength" => ("min_length", &["string"]),
                "maxLength" => ("max_length", &["string"]),
                "minItems" => ("min_length", &["array"]),
                "maxItems" => ("max_length", &["array"]),
                "pattern" => ("pattern", &["string"]),
                _ => continue,
            };
            let types = field::types(root, field.schema);
            if let Some(first) = types.first()
                && !types.iter().any(|kind| bound.contains(kind))
            {
                let message =
                    format!("`{name}` in `{}` has `{argument}`, which binds no {}", flow.key, noun(first));
                let help = "`min` and `max` bind numbers, `min_length` and `max_length` texts and lists, `pattern` texts; take it away, or change the field's type";
                self.at(&rules::LP232, flow, message, help);
            }
        }
        if let Some(pattern) = field.schema.get("pattern").and_then(Value::as_str)
            && let Err(error) = regex::Regex::new(pattern)
        {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!(
                "the pattern `{pattern}` of `{name}` in `{}` is not a regular expression: {reason}",
                flow.key
            );
            self.at(
                &rules::LP233,
                flow,
                message,
                "write it as the crate `regex` reads it: without look-around and back-references",
            );
        }
    }

    fn card(&mut self, flow: &FlowDescriptor, root: &Value, field: &Field<'_>, top: &[&str]) {
        let name = field.name;
        if !is_label(field.label) {
            let message = format!("the label of `{name}` in `{}` has a forbidden character", flow.key);
            self.at(&rules::LP225, flow, message, LABEL_HELP);
        }
        let default = field.schema.get("default");
        match (field.choices(), default) {
            (Some(choices), default) => {
                let repeated =
                    choices.iter().enumerate().find(|(index, value)| choices[..*index].contains(value));
                if let Some((_, value)) = repeated {
                    let message = format!("`{name}` in `{}` lists the choice {value} twice", flow.key);
                    self.at(&rules::LP231, flow, message, "take one away");
                }
                let wrong = default.filter(|default| match default {
                    Value::Null => false,
                    Value::Array(values) => values.iter().any(|value| !choices.contains(&value)),
                    value => !choices.contains(value),
                });
                if let Some(default) = wrong {
                    let message = format!(
                        "the default {default} of `{name}` in `{}` is not among its choices",
                        flow.key
                    );
                    let known: Vec<String> = choices.iter().map(ToString::to_string).collect();
                    self.at(&rules::LP228, flow, message, format!("take one of {}", known.join(", ")));
                }
            }
            (None, Some(default)) if !accepts(root, field.schema, default) => {
                let message =
                    format!("the default {default} of `{name}` in `{}` is not a value of its type", flow.key);
                self.at(&rules::LP229, flow, message, "write a default of the field's type");
            }
            _ => {}
        }
        let Some((helper, depends)) = field.helper() else { return };
        for other in &depends {
            if !field.siblings.contains(other) && !top.contains(other) {
                let message = format!("`{name}` in `{}` depends on an unknown field `{other}`", flow.key);
                let help = match nearest(other, &field.siblings) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known are {}", list(&field.siblings)),
                };
                self.at(&rules::LP223, flow, message, help);
            }
        }
        let Some(target) = self.connector.flows.iter().find(|other| other.key == helper) else {
            let helpers: Vec<&str> = self.of(FlowKind::Helper).map(|flow| flow.key.as_str()).collect();
            let message =
                format!("the choices of `{name}` in `{}` come from an unknown `{helper}`", flow.key);
            let help = match nearest(helper, &helpers) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write `#[helper] async fn {helper}`; known are {}", list(&helpers)),
            };
            self.at(&rules::LP220, flow, message, help);
            return;
        };
        if target.kind != FlowKind::Helper {
            let diagnostic = Diagnostic::new(
                &rules::LP221,
                format!("the choices of `{name}` in `{}` come from `{helper}`, which is no helper", flow.key),
            )
            .label(self.place(flow), "this flow")
            .label(self.place(target), "not annotated with `#[helper]`")
            .help("put the shared part into a `#[helper]` function");
            self.found.push(diagnostic);
            return;
        }
        let needed: Vec<&str> = field::required(&target.input)
            .chain(field::required(&target.options))
            .filter(|input| !depends.contains(input))
            .collect();
        if !needed.is_empty() {
            let diagnostic = Diagnostic::new(
                &rules::LP222,
                format!("`{helper}` needs {}, which `{name}` in `{}` does not give", list(&needed), flow.key),
            )
            .label(self.place(flow), "this flow")
            .label(self.place(target), "the helper")
            .help(format!("add {} to `depends_on`, or make it optional in the helper", list(&needed)));
            self.found.push(diagnostic);
        }
    }

    fn circles(&mut self, flow: &FlowDescriptor, fields: &[Field<'_>]) {
        let edges: BTreeMap<&str, Vec<&str>> = fields
            .iter()
            .filter_map(|field| field.helper().map(|(_, depends)| (field.name, depends)))
            .collect();
        for start in edges.keys() {
            let mut path = vec![*start];
            let mut seen = path.clone();
            while let Some(next) = path.last().and_then(|last| edges.get(last)).and_then(|depends| {
                depends.iter().find(|next| *next == start || !seen.contains(next)).copied()
            }) {
                if next == *start {
                    break;
                }
                seen.push(next);
                path.push(next);
            }
            let closes =
                path.last().and_then(|last| edges.get(last)).is_some_and(|next| next.contains(start));
            // Each circle is told once, by the first of its names.
            if closes && path.iter().min() == Some(start) {
                let message = format!("{} in `{}` depend on each other", list(&path), flow.key);
                self.at(&rules::LP224, flow, message, "let one of them do without the others");
            }
        }
    }

    fn unused(&mut self, used: &[&str]) {
        let Some(texts) = self.files.values().cloned().collect::<Option<Vec<_>>>() else { return };
        for flow in self.of(FlowKind::Helper) {
            let key = flow.key.as_str();
            let configures = |config: &Config| config.source == ConfigSource::Helper(key.to_owned());
            if self.spec.config.iter().any(configures) {
                continue;
            }
            if !used.contains(&key) && !texts.iter().any(|source| mentions(&source.text, key)) {
                let message = format!("`{key}` is never used");
                let help = format!("use it as `choices = {key}` or `cx.call::<{key}>(..)`, or take it away");
                self.at(&rules::LP230, flow, message, help);
            }
        }
    }

    fn auth(&mut self) {
        let spec = self.spec;
        let authping = self.of(FlowKind::Authping).next();
        if let Some(method) = spec.auth.first()
            && authping.is_none()
        {
            let diagnostic = Diagnostic::new(&rules::LP301, "no function checks a connection")
                .label(self.source.key(&join_path("/auth", &method.key)), "connections are made with this")
                .label(self.connector_place(), "no `#[authping]` here")
                .help("add `#[authping] async fn authping(cx: Context) -> Result<Identity>`");
            self.found.push(diagnostic);
        }
        let revoke = self.of(FlowKind::Revoke).next();
        // The runtime asks a revocation endpoint by itself.
        let revocable = spec.auth.iter().find(|method| match &method.kind {
            AuthKind::Bearer { .. } => true,
            AuthKind::OAuth2(oauth) => oauth.revocation_url.is_none(),
            // What else is sent is the user's own, or dies by itself soon.
            AuthKind::None
            | AuthKind::Basic { .. }
            | AuthKind::ApiKey { .. }
            | AuthKind::Custom { .. }
            | AuthKind::JwtBearer(_)
            | AuthKind::Session(_)
            | AuthKind::Signed(_) => false,
        });
        match (revocable, revoke) {
            (Some(method), None) => {
                let diagnostic = Diagnostic::new(
                    &rules::LP302,
                    format!("no function revokes the tokens of `{}`", method.key),
                )
                .label(self.source.key(&join_path("/auth", &method.key)), "")
                .help("add `#[revoke] async fn revoke(..)` where the service has a call for it");
                self.found.push(diagnostic);
            }
            (None, Some(flow)) if spec.auth.iter().all(|method| method.kind == AuthKind::None) => {
                let message = format!("`{}` has nothing to revoke", flow.key);
                self.at(&rules::LP303, flow, message, "take it away, or add the method to the spec");
            }
            _ => {}
        }
    }

    fn config(&mut self) {
        let spec = self.spec;
        let helpers: Vec<&str> = self.of(FlowKind::Helper).map(|flow| flow.key.as_str()).collect();
        for config in &spec.config {
            let ConfigSource::Helper(name) = &config.source else { continue };
            let at = format!("{}/helper", join_path("/config", &config.key));
            let Some(flow) = self.of(FlowKind::Helper).find(|flow| flow.key == *name) else {
                let help = match nearest(name, &helpers) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known helpers are {}", list(&helpers)),
                };
                let message = format!("no helper is called `{name}`");
                let label = self.source.value(&at);
                self.found.push(Diagnostic::new(&rules::LP332, message).label(label, "").help(help));
                continue;
            };
            let takes_input = flow.input["properties"].as_object().is_some_and(|fields| !fields.is_empty());
            let (problem, help) = if !flow.unconnected {
                ("has the connection's credentials", "let it take `cx: Unconnected`")
            } else if takes_input {
                ("takes an input, which nobody gives it", "take the `Input` away")
            } else if flow.result != ResultShape::Value || flow.output["type"] != "string" {
                ("gives something else than a text", "let it give `Result<String>`")
            } else {
                continue;
            };
            let diagnostic = Diagnostic::new(&rules::LP332, format!("the helper `{name}` {problem}"))
                .label(self.source.value(&at), "named here")
                .label(self.place(flow), "the helper")
                .help(help);
            self.found.push(diagnostic);
        }
    }

    fn costs(&mut self) {
        let spec = self.spec;
        let known: Vec<&str> = self.connector.flows.iter().map(|flow| flow.key.as_str()).collect();
        for (index, limit) in spec.http.rate_limits.iter().enumerate() {
            let costs = format!("{}/costs", super::spec::rate_limit_at(self.source, index));
            for (flow, _) in limit.costs.iter().filter(|(flow, _)| !known.contains(&flow.as_str())) {
                let help = match nearest(flow, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a flow of the connector, or take the entry away".to_owned(),
                };
                let label = self.source.key(&join_path(&costs, flow));
                let message = format!("no flow is called `{flow}`");
                self.found.push(Diagnostic::new(&rules::LP333, message).label(label, "").help(help));
            }
        }
    }

    fn hooks(&mut self) {
        let spec = self.spec;
        let known: Vec<&str> = spec.hooks.iter().map(|hook| hook.key.as_str()).collect();
        let mut served: BTreeMap<FlowKind, BTreeMap<&str, &FlowDescriptor>> = BTreeMap::new();
        for flow in &self.connector.flows {
            let word = match flow.kind {
                FlowKind::WebhookRegister => "registered",
                FlowKind::WebhookDeregister => "deregistered",
                FlowKind::WebhookCheck => "checked",
                FlowKind::WebhookRenew => "renewed",
                FlowKind::WebhookList => "listed",
                FlowKind::WebhookVerify => "verified",
                _ => continue,
            };
            let Some(hook) = flow.hook.as_deref() else { continue };
            if let Some(first) = served.entry(flow.kind).or_default().insert(hook, flow) {
                let message = format!("`{hook}` is {word} by two functions");
                self.twice(&rules::LP312, flow, first, message, "keep one of them");
            }
            if !known.contains(&hook) {
                let mut diagnostic =
                    Diagnostic::new(&rules::LP313, format!("`{}` names an unknown hook `{hook}`", flow.key))
                        .label(self.place(flow), "named here");
                match nearest(hook, &known) {
                    Some(near) => {
                        diagnostic = diagnostic
                            .label(self.source.key(&join_path("/hook", near)), "a known hook")
                            .help(format!("did you mean `{near}`?"));
                    }
                    None => diagnostic = diagnostic.help(format!("add `[hook.{hook}]` to the spec")),
                }
                self.found.push(diagnostic);
            }
        }
        let register = served.remove(&FlowKind::WebhookRegister).unwrap_or_default();
        let deregister = served.remove(&FlowKind::WebhookDeregister).unwrap_or_default();
        let verify = served.remove(&FlowKind::WebhookVerify).unwrap_or_default();
        for (hook, flow) in &register {
            if !deregister.contains_key(hook) {
                let message = format!("`{hook}` is registered, but never deregistered");
                let help = format!("add `#[webhook(deregister, hook = \"{hook}\")]`");
                self.at(&rules::LP310, flow, message, help);
            }
        }
        let looked_after = [
            (FlowKind::WebhookCheck, "checked"),
            (FlowKind::WebhookRenew, "renewed"),
            (FlowKind::WebhookList, "listed"),
        ];
        let mut of_registered: Vec<_> =
            deregister.iter().map(|(hook, flow)| (&rules::LP311, "deregistered", *hook, *flow)).collect();
        for (kind, word) in looked_after {
            let flows = served.remove(&kind).unwrap_or_default();
            of_registered.extend(flows.into_iter().map(|(hook, flow)| (&rules::LP370, word, hook, flow)));
        }
        for &(rule, word, hook, flow) in &of_registered {
            match register.get(hook) {
                None => {
                    let message = format!("`{hook}` is {word}, but never registered");
                    let help = format!("add `#[webhook(register, hook = \"{hook}\")]`");
                    self.at(rule, flow, message, help);
                }
                Some(counterpart) => {
                    let registers = |name: &str| {
                        self.of(FlowKind::WebhookRegister)
                            .any(|other| other.key == name && other.hook.as_deref() == Some(hook))
                    };
                    let other = flow.registered_by.as_ref().filter(|name| !registers(name));
                    if let Some(other) = other {
                        let diagnostic = Diagnostic::new(
                            &rules::LP326,
                            format!(
                                "`{}` takes what `{other}` gives, which does not register `{hook}`",
                                flow.key
                            ),
                        )
                        .label(self.place(flow), "this flow")
                        .label(self.place(counterpart), "registers the hook")
                        .help(format!("name `{}` in its place", counterpart.key));
                        self.found.push(diagnostic);
                    } else if flow.kind == FlowKind::WebhookRenew && flow.output != counterpart.output {
                        let message = format!(
                            "`{}` gives something else than `{}`, whose result it takes the place of",
                            flow.key, counterpart.key
                        );
                        let help = "let both give one type";
                        let diagnostic = Diagnostic::new(&rules::LP371, message)
                            .label(self.place(flow), "this renewal")
                            .label(self.place(counterpart), "registers the hook")
                            .help(help);
                        self.found.push(diagnostic);
                    }
                }
            }
        }
        for hook in spec.hooks.iter().filter(|hook| hook.is_app()) {
            let listed = |flow: &&FlowDescriptor| {
                flow.kind == FlowKind::WebhookList && flow.hook.as_ref() == Some(&hook.key)
            };
            if let Some(flow) = self.connector.flows.iter().find(listed) {
                let message = format!("`{}` lists what shares one URL", flow.key);
                let help =
                    "take it away, or give each registration a URL of its own: `scope = \"registration\"`";
                self.at(&rules::LP374, flow, message, help);
            }
        }
        for hook in &spec.hooks {
            let pointers = [
                ("expires/at", hook.expires.as_ref().map(|expires| &expires.at)),
                ("key_at", hook.key_at.as_ref()),
            ];
            for (key, pointer) in pointers {
                let (Some(pointer), Some(flow)) = (pointer, register.get(hook.key.as_str())) else {
                    continue;
                };
                if field::has(&flow.output, pointer) == Some(false) {
                    let at = format!("{}/{key}", join_path("/hook", &hook.key));
                    let message = format!("what `{}` gives has nothing at `{pointer}`", flow.key);
                    let diagnostic = Diagnostic::new(&rules::LP372, message)
                        .label(self.source.value(&at), "named here")
                        .label(self.place(flow), "registers the hook")
                        .help("name the field of its result that has it");
                    self.found.push(diagnostic);
                }
            }
            let key = hook.key.as_str();
            let by_code = hook.signature.as_ref().is_some_and(|signature| signature.proof == Proof::Code);
            match verify.get(key) {
                None if by_code => {
                    let message = format!("no function verifies the deliveries of `{key}`");
                    let at = join_path(&join_path("/hook", key), "signature");
                    let diagnostic = Diagnostic::new(&rules::LP380, message)
                        .label(self.source.value(&at), "only code can tell")
                        .help(format!("add `#[webhook(verify, hook = \"{key}\")]`"));
                    self.found.push(diagnostic);
                }
                Some(flow) if !by_code => {
                    let message = format!("`{}` is never asked about deliveries of `{key}`", flow.key);
                    let help = "say `scheme = \"code\"` in the spec, or take the function away";
                    self.at(&rules::LP381, flow, message, help.to_owned());
                }
                _ => {}
            }
            let served = register.contains_key(key) || of_registered.iter().any(|(_, _, of, _)| *of == key);
            // Whoever runs the connector registers the one URL of an app with the service.
            if !served && !hook.is_app() {
                let diagnostic =
                    Diagnostic::new(&rules::LP314, format!("no function registers the hook `{}`", hook.key))
                        .label(self.source.key(&join_path("/hook", &hook.key)), "this hook")
                        .label(self.connector_place(), "no registration among the flows of this connector")
                        .help(format!(
                            "add `#[webhook(register, hook = \"{}\")]`, or take the hook away",
                            hook.key
                        ));
                self.found.push(diagnostic);
            }
        }
    }

    /// The events of a hook that no flow registers have one type of options.
    fn options(&mut self) {
        let (spec, flows) = (self.spec, &self.connector.flows);
        for hook in &spec.hooks {
            let mut taking = options_of(spec, &hook.key, flows);
            let Some(first) = taking.next() else { continue };
            let others: Vec<_> = taking.filter(|flow| flow.options != first.options).collect();
            for flow in others {
                let message = format!("`{}` takes other options than `{}`", flow.key, first.key);
                let diagnostic = Diagnostic::new(&rules::LP373, message)
                    .label(self.place(flow), "this flow")
                    .label(self.place(first), "of one hook with this one")
                    .help("let both take one type, or leave the options out where only the spec filters by them");
                self.found.push(diagnostic);
            }
        }
    }

    /// What a filter names is an option of whoever registers.
    fn filters(&mut self) {
        let flows = &self.connector.flows;
        for event in self.spec.events.iter().filter(|event| !event.filter.is_empty()) {
            let Some(hook) = &event.hook else { continue };
            let serves = |flow: &&FlowDescriptor| flow.event.as_ref() == Some(&event.key);
            let flow = options_of(self.spec, hook, flows).next().or_else(|| flows.iter().find(serves));
            let Some(flow) = flow else { continue };
            let options = flow.options.get("properties").and_then(Value::as_object);
            let known: Vec<&str> =
                options.into_iter().flat_map(|options| options.keys().map(String::as_str)).collect();
            for (place, option) in event.filter.iter().filter(|(_, option)| !known.contains(&option.as_str()))
            {
                let (section, name) = super::hook::section(place);
                let at = format!("{}/filter/{section}", join_path("/event", &event.key));
                let message = format!("`{}` has no option `{option}`", flow.key);
                let help = match nearest(option, &known) {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None => format!("known are {}", list(&known)),
                };
                let diagnostic = Diagnostic::new(&rules::LP344, message)
                    .label(self.source.value(&join_path(&at, name)), "named here")
                    .label(self.place(flow), "whose options count")
                    .help(help);
                self.found.push(diagnostic);
            }
        }
    }

    fn events(&mut self) {
        let spec = self.spec;
        let known: Vec<&str> = spec.events.iter().map(|event| event.key.as_str()).collect();
        let mut served: BTreeMap<(&str, FlowKind), &FlowDescriptor> = BTreeMap::new();
        for flow in &self.connector.flows {
            let Some(event) = flow.event.as_deref() else { continue };
            if let Some(first) = served.insert((event, flow.kind), flow) {
                let message = format!("`{event}` is served by two functions");
                self.twice(&rules::LP317, flow, first, message, "keep one of them");
            }
            let Some(declared) = spec.events.iter().find(|declared| declared.key == event) else {
                let mut diagnostic = Diagnostic::new(
                    &rules::LP315,
                    format!("`{}` serves an unknown event `{event}`", flow.key),
                )
                .label(self.place(flow), "this flow");
                match nearest(event, &known) {
                    Some(near) => {
                        diagnostic = diagnostic
                            .label(self.source.key(&join_path("/event", near)), "a known event")
                            .help(format!("did you mean `{near}`?"));
                    }
                    None => {
                        diagnostic = diagnostic
                            .help(format!("add `[event.{event}]` to the spec; known are {}", list(&known)));
                    }
                }
                self.found.push(diagnostic);
                continue;
            };
            let at = self.source.key(&join_path("/event", event));
            let diagnostic = match (flow.kind, &declared.hook) {
                (FlowKind::WebhookEvent, None) => Diagnostic::new(
                    &rules::LP318,
                    format!("`{}` waits for deliveries of `{event}`, which has no hook", flow.key),
                )
                .label(self.place(flow), "this flow")
                .label(at, "no hook here")
                .help("name the hook in the spec, or use `#[monitor(event = \"..\")]`"),
                _ => continue,
            };
            self.found.push(diagnostic);
        }
        for event in &spec.events {
            let by = |kind| served.get(&(event.key.as_str(), kind)).copied();
            if event.wakes {
                self.wakes(event, by(FlowKind::WebhookEvent), by(FlowKind::Monitor));
                continue;
            }
            match (by(FlowKind::WebhookEvent), by(FlowKind::Monitor)) {
                (None, None) => {}
                (Some(webhook), Some(monitor)) => {
                    self.hybrid(event.key.as_str(), webhook, monitor);
                    continue;
                }
                (None, Some(monitor)) if let Some(hook) = &event.hook => {
                    let message =
                        format!("only `{}` looks for `{}`, which `{hook}` delivers", monitor.key, event.key);
                    let diagnostic = Diagnostic::new(&rules::LP319, message)
                        .label(self.place(monitor), "this monitor")
                        .label(self.source.key(&join_path("/event", &event.key)), "delivered by a hook")
                        .help(format!(
                            "add `#[webhook(event = \"{}\")]`, or take the hook from the event",
                            event.key
                        ));
                    self.found.push(diagnostic);
                    continue;
                }
                _ => continue,
            }
            let attribute = if event.hook.is_some() { "webhook" } else { "monitor" };
            let diagnostic =
                Diagnostic::new(&rules::LP316, format!("no function serves the event `{}`", event.key))
                    .label(self.source.key(&join_path("/event", &event.key)), "this event")
                    .label(self.connector_place(), "served by no flow of this connector")
                    .help(format!("add `#[{attribute}(event = \"{}\")]`, or take the event away", event.key));
            self.found.push(diagnostic);
        }
    }

    fn monitors(&mut self) {
        let spec = self.spec;
        let names: Vec<&str> = self.of(FlowKind::Monitor).map(|flow| flow.key.as_str()).collect();
        for monitor in spec.monitors.iter().filter(|monitor| !names.contains(&monitor.key.as_str())) {
            let help = match nearest(&monitor.key, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", list(&names)),
            };
            let diagnostic =
                Diagnostic::new(&rules::LP320, format!("no monitor is called `{}`", monitor.key))
                    .label(self.source.key(&join_path("/monitor", &monitor.key)), "")
                    .help(help);
            self.found.push(diagnostic);
        }
        for flow in self.of(FlowKind::Monitor) {
            let key = &flow.key;
            let own = spec.monitors.iter().find(|monitor| monitor.key == *key);
            self.schedule(flow, own);
            if let Some(own) = own {
                self.twice_said(flow, own);
                self.first_look(flow, own);
            }
            let spec_dedupe = own.map(|own| &own.dedupe[..]).unwrap_or_default();
            let pointers = if spec_dedupe.is_empty() { &flow.dedupe[..] } else { spec_dedupe };
            if pointers.is_empty() && !self.is_hybrid(flow) {
                let message = format!("`{key}` cannot tell records apart");
                let help = "add `dedupe = \"/id\"`: where a record has its id";
                self.at(&rules::LP323, flow, message, help);
            }
            for pointer in pointers {
                if !crate::spec::is_pointer(pointer) || field::has(&flow.output, pointer) == Some(false) {
                    let mut diagnostic = Diagnostic::new(
                        &rules::LP324,
                        format!("the records of `{key}` have nothing at `{pointer}`"),
                    );
                    if !spec_dedupe.is_empty() {
                        let path = format!("{}/dedupe", join_path("/monitor", key));
                        diagnostic = diagnostic.label(self.source.value(&path), "named here");
                    }
                    let properties: Vec<String> = field::fields(&flow.output)
                        .iter()
                        .filter(|field| field.pointer.matches('/').count() == 1)
                        .map(|field| field.pointer.clone())
                        .collect();
                    let properties: Vec<&str> = properties.iter().map(String::as_str).collect();
                    self.found.push(
                        diagnostic
                            .label(self.place(flow), "this monitor")
                            .help(format!("known are {}", list(&properties))),
                    );
                }
            }
            if let (Some(cursor), Some(next)) = (&flow.cursor, &flow.next_cursor)
                && cursor != next
            {
                let message = format!("`{key}` takes another cursor than it gives");
                self.at(
                    &rules::LP325,
                    flow,
                    message,
                    "let `Cursor<..>` or `Look<..>`, and `Polled<_, ..>`, have one type",
                );
            }
        }
    }

    /// An event of which deliveries only say that there is news.
    fn wakes(&mut self, event: &Event, webhook: Option<&FlowDescriptor>, monitor: Option<&FlowDescriptor>) {
        let key = &event.key;
        if monitor.is_none() {
            let diagnostic = Diagnostic::new(&rules::LP375, format!("deliveries of `{key}` wake no monitor"))
                .label(self.source.key(&join_path("/event", key)), "this event")
                .label(self.connector_place(), "looked for by no flow of this connector")
                .help(format!("add `#[monitor(event = \"{key}\", every = \"..\")]`, or take `wakes` away"));
            self.found.push(diagnostic);
        }
        if let Some(webhook) = webhook {
            let message = format!("`{}` waits for what deliveries of `{key}` do not have", webhook.key);
            let diagnostic = Diagnostic::new(&rules::LP376, message)
                .label(self.place(webhook), "this flow")
                .label(self.source.key(&format!("{}/wakes", join_path("/event", key))), "they only wake")
                .help("take the flow away, or `wakes`");
            self.found.push(diagnostic);
        }
    }

    /// Whether a hook delivers the event of a monitor as well.
    fn is_hybrid(&self, flow: &FlowDescriptor) -> bool {
        self.of(FlowKind::WebhookEvent).any(|webhook| webhook.event == flow.event)
    }

    /// An event that a hook delivers and a monitor finds.
    fn hybrid(&mut self, event: &str, webhook: &FlowDescriptor, monitor: &FlowDescriptor) {
        let own = self.spec.monitors.iter().find(|own| own.key == monitor.key);
        if monitor.dedupe.is_empty() && own.is_none_or(|own| own.dedupe.is_empty()) {
            let message = format!("`{event}` is delivered and looked for, and has no id");
            self.at(&rules::LP365, monitor, message, "add `dedupe = \"/id\"`: where the event has its id");
        }
        if webhook.output != monitor.output {
            let message =
                format!("`{event}` has one shape from `{}` and another from `{}`", webhook.key, monitor.key);
            let diagnostic = Diagnostic::new(&rules::LP366, message)
                .label(self.place(webhook), "delivers it")
                .label(self.place(monitor), "finds it")
                .help("let both give one type");
            self.found.push(diagnostic);
        }
    }

    fn schedule(&mut self, flow: &FlowDescriptor, own: Option<&Monitor>) {
        let key = &flow.key;
        let mut every = own.and_then(|own| own.every);
        let cron = own.and_then(|own| own.cron.as_deref());
        let usable = |every: Duration| (Duration::from_secs(1)..=LONGEST_INTERVAL).contains(&every);
        if let Some(text) = &flow.every {
            let read = unit::parse_duration(text);
            if !read.is_some_and(usable) {
                let message = format!("`{text}` is not a usable schedule for `{key}`");
                let help =
                    "write a whole number and a unit, from a second to 30 days, as in `every = \"5m\"`";
                self.at(&rules::LP322, flow, message, help);
            }
            every = every.or(read);
        } else if every.is_none() && cron.is_none() {
            let message = format!("`{key}` has no schedule");
            let help = format!("add `every = \"5m\"` to the attribute, or `[monitor.{key}]` to the spec");
            self.at(&rules::LP321, flow, message, help);
        }
        let Some(own) = own else { return };
        if own.every.is_some_and(|every| !usable(every)) {
            let message = format!("`{key}` looks less than once in 30 days");
            self.in_monitor(
                &rules::LP322,
                key,
                "every",
                message,
                "services forget what happened before: write \"30d\" or less",
            );
        }
        if let Some(jitter) = own.jitter
            && every.is_some_and(|every| jitter >= every)
        {
            let message = format!("looks of `{key}` would overtake each other");
            self.in_monitor(&rules::LP367, key, "jitter", message, "let `jitter` be shorter than `every`");
        }
        if let Some(zone) = &own.zone
            && schedule::zone(zone).is_none()
        {
            let message = format!("no time zone is called `{zone}`");
            self.in_monitor(
                &rules::LP360,
                key,
                "zone",
                message,
                "write a name of the IANA database, as in \"Europe/Berlin\"",
            );
        } else if let Some(cron) = cron
            && let Some(problem) = schedule::cron_problem(cron)
        {
            let message = format!("`{cron}` is not a usable schedule: {problem}");
            let help = "write minute, hour, day, month and weekday, as in \"0 9 * * mon-fri\"";
            self.in_monitor(&rules::LP360, key, "cron", message, help);
        }
        if let Some(hours) = own.active.as_ref().and_then(|active| active.hours.as_deref())
            && unit::parse_hours(hours).is_none()
        {
            let message = format!("`{hours}` are not hours of a day");
            self.in_monitor(
                &rules::LP361,
                key,
                "active/hours",
                message,
                "write two times of day, as in \"08:00-18:00\"",
            );
        }
    }

    fn twice_said(&mut self, flow: &FlowDescriptor, own: &Monitor) {
        let key = &flow.key;
        let both = "say it in the attribute or in the spec";
        for (name, said) in [("every", own.every.is_some()), ("cron", own.cron.is_some())] {
            if said && flow.every.is_some() {
                let message = format!("the schedule of `{key}` is said by its attribute as well");
                self.in_monitor(&rules::LP362, key, name, message, both);
            }
        }
        if own.every.is_some() && own.cron.is_some() {
            let message = format!("`{key}` has two schedules");
            self.in_monitor(&rules::LP362, key, "cron", message, "keep `every` or `cron`");
        }
        if !own.dedupe.is_empty() && !flow.dedupe.is_empty() {
            let message = format!("what tells the records of `{key}` apart is said by its attribute as well");
            self.in_monitor(&rules::LP362, key, "dedupe", message, both);
        }
    }

    fn first_look(&mut self, flow: &FlowDescriptor, own: &Monitor) {
        let key = &flow.key;
        if own.overlap.is_some() && !flow.overlap {
            let message = format!("`{key}` takes no `Look` or `Overlap`, and so does not look back");
            let help = "take `look: Look<..>`, and begin the look `look.overlap` before its cursor";
            self.in_monitor(&rules::LP363, key, "overlap", message, help);
        }
        if let FirstRun::Since(since) = &own.first_run {
            let path = format!("{}/first_run", join_path("/monitor", key));
            if self.source.values().any(|(other, _)| other == format!("{path}/last")) {
                let message = format!("the first run of `{key}` has two bounds");
                self.in_monitor(&rules::LP364, key, "first_run", message, "keep `since` or `last`");
            } else if !schedule::is_since(since) {
                let message = format!("`{since}` is neither a time nor a duration");
                let help = "write a time, as in \"2026-01-01T00:00:00Z\", or so long before, as in \"7d\"";
                self.in_monitor(&rules::LP364, key, "first_run/since", message, help);
            } else if !flow.since {
                let message =
                    format!("`{key}` takes no `Look` or `Since`, and so does not know from when on");
                self.in_monitor(
                    &rules::LP364,
                    key,
                    "first_run",
                    message,
                    "take `look: Look<..>`, and begin the first look at `look.since`",
                );
            }
        }
    }

    /// Says something of a key in a monitor's section.
    fn in_monitor(
        &mut self,
        rule: &'static Rule,
        monitor: &str,
        key: &str,
        message: String,
        help: &'static str,
    ) {
        let at = self.source.value(&format!("{}/{key}", join_path("/monitor", monitor)));
        self.found.push(Diagnostic::new(rule, message).label(at, "").help(help));
    }

    fn idempotency(&mut self) {
        let header = self.spec.http.idempotency_header.is_some();
        let keyed: Vec<&FlowDescriptor> =
            self.of(FlowKind::Action).filter(|flow| flow.idempotency == Some(Idempotency::Key)).collect();
        if header && keyed.is_empty() {
            let diagnostic = Diagnostic::new(&rules::LP331, "no action uses the idempotency key")
                .label(self.source.key("/http/idempotency"), "")
                .help(
                    "say `idempotency = \"key\"` in the attributes of actions that may be repeated with it",
                );
            self.found.push(diagnostic);
        }
        if !header {
            for flow in keyed {
                let diagnostic = Diagnostic::new(
                    &rules::LP330,
                    format!("`{}` repeats with a key, but the spec does not say how to send it", flow.key),
                )
                .label(self.place(flow), "this action")
                .label(self.source.key("/http"), "no `idempotency` here")
                .help("add `idempotency = { header = \"Idempotency-Key\" }` to `[http]`");
                self.found.push(diagnostic);
            }
        }
    }
}

/// What authors call a type of JSON Schema.
fn noun(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "boolean" => "truth value",
        "array" => "list",
        "integer" => "number",
        other => other,
    }
}

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Whether a value fits a part of a schema.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut schema = schema.clone();
    if let (Some(part), Some(defs)) = (schema.as_object_mut(), root.get("$defs")) {
        part.insert("$defs".to_owned(), defs.clone());
    }
    // A schema that cannot be used is no fault of the default.
    !jsonschema::draft202012::new(&schema).is_ok_and(|schema| !schema.is_valid(value))
}

/// Whether a text of Rust names a function elsewhere than where it is defined.
fn mentions(text: &str, name: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let before = &line[..at];
            !before.ends_with(word)
                && !line[at + name.len()..].starts_with(word)
                && !before.trim_end().ends_with("fn")
        })
    })
}
