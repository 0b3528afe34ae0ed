//! Reads descriptions: OpenAPI 3.0 and Swagger 2.0.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
};

use serde_json::{Map, Value, value::RawValue};

use super::{Body, Operation};

/// How a description is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Bodies stand apart from parameters.
    OpenApi3,
    /// Fields of bodies are parameters.
    Swagger2,
}

/// Reads what a packed description says of these paths.
pub(super) fn read(
    packed: File,
    format: Format,
    credential: Option<&str>,
    templates: &BTreeSet<&str>,
) -> BTreeMap<(String, String), Operation> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let reader = Reader { text: &text, format, credential, levels: RefCell::default() };
    let mut operations = BTreeMap::new();
    for template in templates {
        let Some(path) = reader.level("#/paths").get(*template).copied() else { continue };
        let methods: Map<String, Value> = serde_json::from_str(path.get()).unwrap();
        for (method, operation) in methods.iter().filter(|(method, _)| *method != "parameters") {
            let common = methods.get("parameters").unwrap_or(&Value::Null);
            let operation = reader.operation(common, operation);
            operations.insert((method.to_uppercase(), (*template).to_owned()), operation);
        }
    }
    operations
}

/// One object of the description, its members unread.
type Level<'a> = BTreeMap<String, &'a RawValue>;

/// Reads no deeper than needed: descriptions are large, and a connector uses little of them.
struct Reader<'a> {
    text: &'a str,
    format: Format,
    credential: Option<&'a str>,
    levels: RefCell<BTreeMap<String, Level<'a>>>,
}

impl<'a> Reader<'a> {
    /// The object at a reference, as in `#/components/schemas`.
    fn level(&self, reference: &str) -> Level<'a> {
        if let Some(known) = self.levels.borrow().get(reference) {
            return known.clone();
        }
        let text = match reference.rsplit_once('/') {
            None => self.text,
            Some((outer, name)) => self.level(outer)[name].get(),
        };
        let level: Level<'a> = serde_json::from_str(text).unwrap();
        self.levels.borrow_mut().insert(reference.to_owned(), level.clone());
        level
    }

    fn resolved(&self, value: &Value) -> Value {
        let Some(reference) = value["$ref"].as_str() else { return value.clone() };
        let (outer, name) = reference.rsplit_once('/').unwrap();
        self.resolved(&serde_json::from_str(self.level(outer)[name].get()).unwrap())
    }

    /// What a body is made of: JSON, or what stands in its place where files may come too.
    fn content<'v>(&self, body: &'v Value) -> &'v Value {
        let content = &body["content"];
        match content.get("application/json") {
            Some(json) => json,
            None => &content["application/octet-stream"],
        }
    }

    /// An operation, with the parameters that all operations of its path take.
    fn operation(&self, common: &Value, operation: &Value) -> Operation {
        let parameters = [common, &operation["parameters"]];
        let parameters = parameters.into_iter().filter_map(Value::as_array).flatten();
        let parameters: Vec<Value> = parameters.map(|parameter| self.resolved(parameter)).collect();
        let of = |place: &'static str| parameters.iter().filter(move |parameter| parameter["in"] == place);
        let name = |parameter: &Value| parameter["name"].as_str().unwrap().to_owned();
        let query = of("query").map(|parameter| {
            let name = name(parameter);
            let required = parameter["required"] == true && self.credential != Some(name.as_str());
            (name, required)
        });
        let query = query.collect();
        if self.format == Format::Swagger2 {
            let required = of("formData").filter(|parameter| parameter["required"] == true).map(name);
            let fields = of("formData").map(|parameter| (name(parameter), Body::Any)).collect();
            return Operation { query, required: required.collect(), body: Body::Fields(fields) };
        }
        let body = self.resolved(&operation["requestBody"]);
        let schema = self.resolved(&self.content(&body)["schema"]);
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let required = required.map(str::to_owned).collect();
        Operation { query, required, body: self.body(&schema, 0) }
    }

    fn body(&self, schema: &Value, depth: usize) -> Body {
        let schema = self.resolved(schema);
        let mut fields = BTreeMap::new();
        if let Some(properties) = schema["properties"].as_object() {
            for (name, schema) in properties {
                let body = if depth < 3 { self.body(schema, depth + 1) } else { Body::Any };
                fields.insert(name.clone(), body);
            }
        }
        for alternatives in [&schema["oneOf"], &schema["anyOf"], &schema["allOf"]] {
            for alternative in alternatives.as_array().into_iter().flatten() {
                if let Body::Fields(more) = self.body(alternative, depth) {
                    fields.extend(more);
                }
            }
        }
        if schema["items"].is_object() && depth < 3 {
            return self.body(&schema["items"], depth + 1);
        }
        if fields.is_empty() { Body::Any } else { Body::Fields(fields) }
    }
}
