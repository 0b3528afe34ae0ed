//! `linchpin describe`: what there is to run.

use linchpin::{
    Connector, describe,
    manifest::{
        descriptor::{Descriptors, FlowDescriptor, FlowKind, ResultShape},
        manifest::Config,
    },
};
use serde_json::{Value, json};

use crate::{
    args::{Describe, Format},
    catalogue::Catalogue,
    exit::{Exit, Failure, write_stdout},
    terminal,
};

pub(crate) fn describe(catalogue: &Catalogue, args: &Describe, format: Format) -> Result<Exit, Failure> {
    let text = match &args.what {
        None => all(catalogue, format)?,
        Some(name) if name.contains('.') => {
            let (connector, flow) = catalogue.flow(name)?;
            let flow = describe::flow(flow);
            match format {
                Format::Json => pretty(&flow_json(&flow)),
                Format::Human => flow_text(connector, &flow),
            }
        }
        Some(key) => {
            let connector = catalogue.connector(key)?;
            match format {
                Format::Json => pretty(&connector_json(connector, true)?),
                Format::Human => connector_text(connector)?,
            }
        }
    };
    let text = if format == Format::Json { text } else { terminal::fit(text) };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Ok)
}

/// What `build-manifest` asks the compiled binary for.
pub(crate) fn descriptors(catalogue: &Catalogue) -> Result<Exit, Failure> {
    let connectors = catalogue.connectors().iter().filter_map(describe::connector).collect();
    let descriptors = Descriptors { descriptors_version: Descriptors::VERSION, connectors };
    let mut text = serde_json::to_string(&descriptors).map_err(|error| Failure::usage(error.to_string()))?;
    text.push('\n');
    write_stdout(text.as_bytes())?;
    Ok(Exit::Ok)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn all(catalogue: &Catalogue, format: Format) -> Result<String, Failure> {
    if format == Format::Json {
        let connectors: Result<Vec<Value>, Failure> =
            catalogue.connectors().iter().map(|connector| connector_json(connector, false)).collect();
        return Ok(pretty(&json!({ "connectors": connectors? })));
    }
    let mut text = String::new();
    for connector in catalogue.connectors() {
        let spec = connector.spec()?;
        let about = spec.description.as_deref().unwrap_or_default();
        text.push_str(&format!("{} {}  {about}\n", spec.key, spec.version));
    }
    if text.is_empty() {
        text.push_str("no connectors\n");
    }
    Ok(text)
}

fn connector_json(connector: &Connector, with_schemas: bool) -> Result<Value, Failure> {
    let spec = connector.spec()?;
    let flows: Vec<Value> = connector
        .flows()
        .iter()
        .map(|flow| {
            let flow = describe::flow(flow);
            match with_schemas {
                true => flow_json(&flow),
                false => json!({ "key": flow.key, "kind": flow.kind, "title": flow.title }),
            }
        })
        .collect();
    Ok(json!({
        "key": spec.key,
        "name": spec.name,
        "version": spec.version,
        "description": spec.description,
        "config": spec.config.iter().map(Config::from).collect::<Vec<_>>(),
        "flows": flows,
    }))
}

/// A flow for programs: everything but where its code stands.
fn flow_json(flow: &FlowDescriptor) -> Value {
    let mut value = serde_json::to_value(flow).unwrap_or_default();
    if let Value::Object(object) = &mut value {
        object.remove("place");
        object.remove("documented");
    }
    value
}

fn connector_text(connector: &Connector) -> Result<String, Failure> {
    let spec = connector.spec()?;
    let mut text = format!("{} {} ({})\n", spec.name, spec.version, spec.key);
    if let Some(description) = &spec.description {
        text.push_str(&format!("{description}\n"));
    }
    for method in &spec.auth {
        let fields: Vec<&str> = method.fields.iter().map(|field| field.key.as_str()).collect();
        text.push_str(&format!(
            "\nauthentication `{}`: {} ({})\n",
            method.key,
            method.name,
            fields.join(", ")
        ));
    }
    for config in spec.config.iter().map(Config::from) {
        let mut facts = Vec::new();
        facts.extend(config.value);
        facts.extend(config.helper.map(|helper| format!("given by {helper}")));
        facts.extend(config.secret.then(|| "secret".to_owned()));
        facts.extend((!config.visible).then(|| "for flows only".to_owned()));
        let facts = facts.join(", ");
        text.push_str(&format!("\nconfiguration `{}`: {} ({facts})\n", config.key, config.label));
    }
    let flows: Vec<FlowDescriptor> = connector.flows().iter().map(|flow| describe::flow(flow)).collect();
    let width = flows.iter().map(|flow| flow.key.len()).max().unwrap_or_default();
    let groups = [
        ("actions", &[FlowKind::Action][..]),
        ("system", &[FlowKind::Authping, FlowKind::Revoke]),
        (
            "webhooks",
            &[
                FlowKind::WebhookRegister,
                FlowKind::WebhookDeregister,
                FlowKind::WebhookCheck,
                FlowKind::WebhookRenew,
                FlowKind::WebhookList,
                FlowKind::WebhookVerify,
                FlowKind::WebhookEvent,
            ],
        ),
        ("monitors", &[FlowKind::Monitor]),
        ("helpers", &[FlowKind::Helper]),
    ];
    for (name, kinds) in groups {
        let members: Vec<&FlowDescriptor> = flows.iter().filter(|flow| kinds.contains(&flow.kind)).collect();
        if !members.is_empty() {
            text.push_str(&format!("\n{name}\n"));
        }
        for flow in members {
            let effect = flow.effect.map(|effect| format!(" ({})", word(effect))).unwrap_or_default();
            text.push_str(&format!("  {:width$}  {}{effect}\n", flow.key, flow.title));
        }
    }
    Ok(text)
}

fn flow_text(connector: &Connector, flow: &FlowDescriptor) -> String {
    let mut text = format!("{}.{}: {}\n", connector.key(), flow.key, flow.title);
    if !flow.description.is_empty() {
        text.push_str(&format!("{}\n", flow.description));
    }
    let mut facts = vec![word(flow.kind)];
    facts.extend(flow.effect.map(word));
    facts.extend(flow.idempotency.map(|idempotency| format!("idempotency {}", word(idempotency))));
    facts.extend(flow.hook.as_ref().map(|hook| format!("hook {hook}")));
    facts.extend(flow.event.as_ref().map(|event| format!("event {event}")));
    text.push_str(&format!("{}\n", facts.join(", ")));
    section(&mut text, "options", &flow.options);
    section(&mut text, if flow.kind == FlowKind::WebhookEvent { "payload" } else { "input" }, &flow.input);
    let gives = match flow.result {
        ResultShape::Nothing => "gives nothing",
        ResultShape::Value => "gives",
        ResultShape::Records => "gives records of",
    };
    section(&mut text, gives, &flow.output);
    text
}

fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

fn section(text: &mut String, name: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty())
    else {
        if !name.starts_with("gives") {
            return;
        }
        let kind = schema["type"].as_str().filter(|_| schema["properties"].is_null()).unwrap_or_default();
        text.push_str(format!("\n{name} {kind}").trim_end());
        text.push('\n');
        return;
    };
    text.push_str(&format!("\n{name}\n"));
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let width = properties.keys().map(String::len).max().unwrap_or_default();
    for (key, property) in properties {
        let card = &property["x-linchpin"];
        let mut facts = vec![card["type"].as_str().unwrap_or("Object").to_owned()];
        if card["list"] == true {
            facts[0].push_str(" list");
        }
        if required.contains(&key.as_str()) && !name.starts_with("gives") {
            facts.push("required".to_owned());
        }
        if card["secret"] == true {
            facts.push("secret".to_owned());
        }
        if !property["default"].is_null() {
            facts.push(format!("default {}", property["default"]));
        }
        if let Some(helper) = card["choices"]["helper"].as_str() {
            facts.push(format!("choices from {helper}"));
        }
        if let Some(choices) = card["choices"]["static"].as_array() {
            let values: Vec<&str> = choices.iter().filter_map(|choice| choice["value"].as_str()).collect();
            facts.push(values.join(" | "));
        }
        let help = card["help"].as_str().map(|help| format!(". {help}")).unwrap_or_default();
        let label = card["label"].as_str().unwrap_or_default();
        text.push_str(&format!("  {key:width$}  {label} ({}){help}\n", facts.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use linchpin::connector::SpecFile;

    use super::*;

    const SPEC: SpecFile = SpecFile {
        path: "specs/tracker.toml",
        text: r#"
            schema = 1
            key = "tracker"
            name = "Tracker"
            version = "0.1.0"
            http = { base_url = "https://tracker.example" }

            [auth.token]
            kind = "bearer"
            fields.token = { secret = true }

            [config.account]
            helper = "account"

            [config.audience]
            label = "Who is meant"
            value = "https://tracker.example/hooks"

            [config.header]
            visible = false
            secret = true
            value = "Bearer {token}"
        "#,
    };

    #[test]
    fn configuration_values_are_described_and_secret_ones_not_shown() {
        let connector = Connector::builder(SPEC).build().unwrap();
        let text = connector_text(&connector).unwrap();
        for line in [
            "configuration `account`: Account (given by account)",
            "configuration `audience`: Who is meant (https://tracker.example/hooks)",
            "configuration `header`: Header (secret, for flows only)",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in {text}");
        }
        let json = connector_json(&connector, false).unwrap();
        let wanted = json!([
            { "key": "account", "label": "Account", "helper": "account", "secret": false, "visible": true },
            {
                "key": "audience", "label": "Who is meant", "value": "https://tracker.example/hooks",
                "secret": false, "visible": true,
            },
            { "key": "header", "label": "Header", "secret": true, "visible": false },
        ]);
        assert_eq!(json["config"], wanted);
    }
}
