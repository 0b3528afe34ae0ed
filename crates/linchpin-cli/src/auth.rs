//! Connections from a file and from the environment.

use std::{collections::BTreeMap, fs, path::Path};

use linchpin::{Connector, Secret, extract::ConnectionValues};
use serde::Deserialize;

use crate::exit::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthFile {
    method: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// The connection for a call: what the file says, and for fields that it lacks LINCHPIN_<CONNECTOR>_<FIELD>.
///
/// What the connection must have is the runtime's to check.
pub(crate) fn connection(
    connector: &Connector,
    file: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ConnectionValues, Failure> {
    let AuthFile { method, mut fields } = match file {
        Some(file) => read(file)?,
        None => AuthFile { method: None, fields: BTreeMap::new() },
    };
    let spec = connector.spec()?;
    let variable = |name: &str| {
        environment(&format!("LINCHPIN_{}_{}", connector.key().to_uppercase(), name.to_uppercase()))
    };
    let given = method.or_else(|| variable("method"));
    let method = match (&given, &spec.auth[..]) {
        (Some(key), methods) => methods.iter().find(|method| method.key == *key),
        (None, [only]) => Some(only),
        // The method whose fields are all given, if only one has them.
        (None, methods) => {
            let complete = |field: &linchpin::manifest::spec::ConnectionField| {
                field.optional
                    || field.default.is_some()
                    || fields.contains_key(&field.key)
                    || variable(&field.key).is_some()
            };
            let mut fitting = methods.iter().filter(|method| method.fields.iter().all(complete));
            fitting.next().filter(|_| fitting.next().is_none())
        }
    };
    for field in method.into_iter().flat_map(|method| &method.fields) {
        if !fields.contains_key(&field.key)
            && let Some(value) = variable(&field.key)
        {
            fields.insert(field.key.clone(), value);
        }
    }
    Ok(ConnectionValues {
        method: given.or_else(|| method.map(|method| method.key.clone())).unwrap_or_default(),
        fields: fields.into_iter().map(|(key, value)| (key, Secret::new(value))).collect(),
    })
}

fn read(file: &Path) -> Result<AuthFile, Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("`{shown}` cannot be read: {error}")))?;
    // The text is full of secrets, and so may be the parsers' messages: only the place is told.
    let broken = |line: Option<usize>| {
        let line = line.map(|line| format!(", at line {line}")).unwrap_or_default();
        Failure::usage(format!("`{shown}` is no connection{line}")).help(
            "write `method = \"..\"` and a table `[fields]`, or the same as JSON; every value is a text",
        )
    };
    if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| broken(Some(error.line())))
    } else {
        toml::from_str(&text).map_err(|error: toml::de::Error| {
            broken(error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1)))
        })
    }
}
