//! Reads descriptions: OpenAPI 3.0 and Swagger 2.0, in JSON and YAML.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
};

use serde_json::{Value, value::RawValue};

use super::{Body, Operation};

/// How a description is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Bodies stand apart from parameters.
    OpenApi3,
    /// Fields of bodies are parameters.
    Swagger2,
}

/// In which language a description is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Json,
    Yaml,
}

/// Reads what a packed description says of these paths.
pub(super) fn read(
    packed: File,
    syntax: Syntax,
    format: Format,
    credential: Option<&str>,
    templates: &BTreeSet<&str>,
) -> BTreeMap<(String, String), Operation> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let reader = Reader { text: &text, syntax, format, credential, levels: RefCell::default() };
    let mut operations = BTreeMap::new();
    for template in templates {
        let Some(path) = reader.level("#/paths").get(*template).copied() else { continue };
        let methods = syntax.level(path);
        for (method, operation) in methods.iter().filter(|(method, _)| *method != "parameters") {
            let operation = reader.operation(&methods, &syntax.level(operation));
            operations.insert((method.to_uppercase(), (*template).to_owned()), operation);
        }
    }
    operations
}

/// One object of the description, its members unread.
type Level<'a> = BTreeMap<String, &'a str>;

impl Syntax {
    fn value(self, text: &str) -> Value {
        match self {
            Syntax::Json => serde_json::from_str(text).unwrap(),
            Syntax::Yaml => serde_saphyr::from_str(text).unwrap(),
        }
    }

    fn level(self, text: &str) -> Level<'_> {
        match self {
            Syntax::Json => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap();
                members.into_iter().map(|(name, value)| (name, value.get())).collect()
            }
            Syntax::Yaml => yaml_members(text),
        }
    }
}

/// The members of a mapping in YAML's block style: its keys are as far indented as the first, and what is further in belongs to them.
fn yaml_members(text: &str) -> Level<'_> {
    let mut outermost = None;
    let mut keys = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.bytes().take_while(|byte| *byte == b' ').count();
        match line.as_bytes().get(indent) {
            None | Some(b'\n' | b'#') => {}
            // Items of a list may stand as far out as its key.
            Some(b'-') => {}
            Some(_) => {
                if *outermost.get_or_insert(indent) == indent {
                    keys.push((at, line));
                }
            }
        }
        at += line.len();
    }
    let ends = keys.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let members = keys.iter().zip(ends).map(|((at, line), end)| {
        let key = line.split_once(": ").map_or_else(|| line.trim_end().trim_end_matches(':'), |(key, _)| key);
        (key.trim().trim_matches('\'').to_owned(), &text[at + key.len() + 1..end])
    });
    members.collect()
}

/// Reads no deeper than needed: descriptions are large, and a connector uses little of them.
struct Reader<'a> {
    text: &'a str,
    syntax: Syntax,
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
            Some((outer, name)) => self.level(outer)[name],
        };
        let level = self.syntax.level(text);
        self.levels.borrow_mut().insert(reference.to_owned(), level.clone());
        level
    }

    fn resolved(&self, value: &Value) -> Value {
        let Some(reference) = value["$ref"].as_str() else { return value.clone() };
        let (outer, name) = reference.rsplit_once('/').unwrap();
        self.resolved(&self.syntax.value(self.level(outer)[name]))
    }

    /// What a body is made of: JSON, or what stands in its place: a form, or where files may come too.
    fn content<'v>(&self, body: &'v Value) -> &'v Value {
        let content = &body["content"];
        let known = ["application/json", "application/x-www-form-urlencoded", "application/octet-stream"];
        known.into_iter().find_map(|kind| content.get(kind)).unwrap_or(&Value::Null)
    }

    /// An operation, with the parameters that all operations of its path take.
    fn operation(&self, path: &Level<'_>, operation: &Level<'_>) -> Operation {
        let read = |level: &Level<'_>, name: &str| level.get(name).map(|text| self.syntax.value(text));
        let parameters = [read(path, "parameters"), read(operation, "parameters")];
        let parameters = parameters.iter().flatten().filter_map(Value::as_array).flatten();
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
        let body = self.resolved(&read(operation, "requestBody").unwrap_or_default());
        let schema = self.resolved(&self.content(&body)["schema"]);
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let required = required.map(str::to_owned).collect();
        Operation { query, required, body: self.body(&schema, 0) }
    }

    fn body(&self, schema: &Value, depth: usize) -> Body {
        let schema = self.resolved(schema);
        if schema["additionalProperties"] == true {
            return Body::Any;
        }
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

#[test]
fn members_of_a_mapping_in_yaml_are_told_apart_without_reading_them() {
    let text = "\n  # of everything\n  /a/{id}:\n    get: x\n\n  plain: 'no: more'\n  '200':\n    text: |-\n      b: 1\n\n      c: 2\n  list:\n  - d\n";
    let members = yaml_members(text);
    let read = |name: &str| Syntax::Yaml.value(members[name]);
    assert_eq!(members.keys().collect::<Vec<_>>(), ["/a/{id}", "200", "list", "plain"]);
    assert_eq!(read("/a/{id}"), serde_json::json!({ "get": "x" }));
    assert_eq!(read("list"), serde_json::json!(["d"]));
    assert_eq!(read("plain"), "no: more");
    assert_eq!(read("200"), serde_json::json!({ "text": "b: 1\n\nc: 2" }));
}
