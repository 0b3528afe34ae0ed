//! GitHub's description of its API: whether what a connector asks is something that GitHub answers.
//!
//! The description itself is not ours to keep. Where it lies beside the workspace, requests are looked up in it; elsewhere in an
//! extract that names what the connector uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::{Map, Value, value::RawValue};
use wiremock::Request;

/// A request as a test's server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    method: String,
    path: String,
    query: Vec<String>,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn new(request: &Request) -> Seen {
        Seen {
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            query: request.url.query_pairs().map(|(name, _)| name.into_owned()).collect(),
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
        }
    }

    /// Method and path.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What an operation takes.
#[derive(Debug, Default, PartialEq)]
struct Operation {
    /// Query parameters, and whether they must be there.
    query: BTreeMap<String, bool>,
    body: Body,
    /// Top-level fields of the body that must be there.
    required: BTreeSet<String>,
}

/// What a value in a body may hold.
#[derive(Debug, Default, PartialEq)]
enum Body {
    /// Nothing is said of what is inside.
    #[default]
    Any,
    /// These fields and no others.
    Fields(BTreeMap<String, Body>),
}

/// Operations by method and path template.
struct Description(BTreeMap<(String, String), Operation>);

/// What is wrong with requests, by GitHub's description or our extract of it.
pub(crate) fn problems(requests: &[Seen]) -> Vec<String> {
    static KNOWN: OnceLock<Description> = OnceLock::new();
    let known = KNOWN.get_or_init(|| official().unwrap_or_else(extract));
    requests
        .iter()
        .filter_map(|seen| known.problem(seen).map(|problem| format!("{}: {problem}", seen.name())))
        .collect()
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// GitHub's description, where it is to be had.
fn official() -> Option<Description> {
    let packed = fs::File::open(workspace().join("../shared/facts/github.json.gz")).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    // Read no deeper than needed: the whole is large, and a connector uses little of it.
    let root: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
    let components: BTreeMap<String, BTreeMap<String, &RawValue>> =
        serde_json::from_str(root["components"].get()).unwrap();
    let paths: BTreeMap<String, &RawValue> = serde_json::from_str(root["paths"].get()).unwrap();
    let reader = Reader { components };
    let mut operations = BTreeMap::new();
    for template in extract().0.keys().map(|(_, template)| template).collect::<BTreeSet<_>>() {
        let Some(path) = paths.get(template) else { continue };
        let methods: Map<String, Value> = serde_json::from_str(path.get()).unwrap();
        for (method, operation) in methods.iter().filter(|(method, _)| *method != "parameters") {
            operations.insert((method.to_uppercase(), template.clone()), reader.operation(operation));
        }
    }
    Some(Description(operations))
}

/// The extract: for each operation its query parameters and the fields of its body, `!` behind what must be there.
fn extract() -> Description {
    let text = fs::read_to_string(workspace().join("tests/data/github-extract.json")).unwrap();
    let entries: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let operations = entries.iter().map(|(name, entry)| {
        let (method, template) = name.split_once(' ').unwrap();
        let mut operation = Operation::default();
        for name in entry["query"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            operation.query.insert(name.trim_end_matches('!').to_owned(), name.ends_with('!'));
        }
        if let Some(fields) = entry["body"].as_array() {
            for name in fields.iter().filter_map(Value::as_str).filter(|name| name.ends_with('!')) {
                operation.required.insert(name.trim_end_matches('!').to_owned());
            }
            operation.body = extracted(fields);
        }
        ((method.to_owned(), template.to_owned()), operation)
    });
    Description(operations.collect())
}

/// `["title!", "config.url"]` as a tree.
fn extracted(names: &[Value]) -> Body {
    let mut fields: BTreeMap<String, Body> = BTreeMap::new();
    for name in names.iter().filter_map(Value::as_str) {
        let name = name.trim_end_matches('!');
        match name.split_once('.') {
            None => drop(fields.entry(name.to_owned()).or_default()),
            Some((outer, inner)) => {
                let outer = fields.entry(outer.to_owned()).or_default();
                if *outer == Body::Any {
                    *outer = Body::Fields(BTreeMap::new());
                }
                if let Body::Fields(fields) = outer {
                    fields.insert(inner.to_owned(), Body::Any);
                }
            }
        }
    }
    Body::Fields(fields)
}

/// Reads OpenAPI 3.0.
struct Reader<'a> {
    components: BTreeMap<String, BTreeMap<String, &'a RawValue>>,
}

impl Reader<'_> {
    fn resolved(&self, value: &Value) -> Value {
        let Some(reference) = value["$ref"].as_str() else { return value.clone() };
        let mut names = reference.trim_start_matches("#/components/").split('/');
        let (kind, name) = (names.next().unwrap(), names.next().unwrap());
        self.resolved(&serde_json::from_str(self.components[kind][name].get()).unwrap())
    }

    fn operation(&self, operation: &Value) -> Operation {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| self.resolved(parameter));
        let query = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| (parameter["name"].as_str().unwrap().to_owned(), parameter["required"] == true));
        let body = self.resolved(&operation["requestBody"]);
        let schema = self.resolved(&body["content"]["application/json"]["schema"]);
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Operation {
            query: query.collect(),
            required: required.map(str::to_owned).collect(),
            body: self.body(&schema, 0),
        }
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

impl Description {
    fn problem(&self, seen: &Seen) -> Option<String> {
        let fitting = self
            .0
            .iter()
            .filter(|((method, template), _)| *method == seen.method && fits(template, &seen.path));
        // `/issues/comments/{id}` before `/issues/{number}/..`: the template with the fewest places is meant.
        let Some((_, operation)) = fitting.min_by_key(|((_, template), _)| template.matches('{').count())
        else {
            return Some("no such operation".into());
        };
        if let Some(name) = seen.query.iter().find(|name| !operation.query.contains_key(*name)) {
            return Some(format!("no query parameter `{name}`"));
        }
        let missing =
            operation.query.iter().find(|(name, required)| **required && !seen.query.contains(name));
        if let Some((name, _)) = missing {
            return Some(format!("the query parameter `{name}` is missing"));
        }
        if let Some(name) = operation.required.iter().find(|name| seen.body.get(name.as_str()).is_none()) {
            return Some(format!("the body has no `{name}`"));
        }
        foreign_field(&operation.body, &seen.body).map(|name| format!("the body has no field `{name}`"))
    }
}

/// The first field of a body that is not described.
fn foreign_field(body: &Body, value: &Value) -> Option<String> {
    match (body, value) {
        (Body::Fields(fields), Value::Object(object)) => {
            object.iter().find_map(|(name, value)| match fields.get(name) {
                Some(body) => foreign_field(body, value).map(|inner| format!("{name}.{inner}")),
                None => Some(name.clone()),
            })
        }
        (body, Value::Array(items)) => items.iter().find_map(|item| foreign_field(body, item)),
        _ => None,
    }
}

/// Whether a path is one of a template's; the place of a file's path holds any number of segments.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let one = |(place, segment): (&&str, &&str)| {
        (place.starts_with('{') && !segment.is_empty()) || place == segment
    };
    match template.last() {
        Some(&"{path}") => path.len() >= template.len() && template.iter().zip(&path).all(one),
        _ => path.len() == template.len() && template.iter().zip(&path).all(one),
    }
}

#[test]
fn the_extract_says_what_github_says() {
    let Some(official) = official() else { return };
    for (name, ours) in extract().0 {
        let Some(theirs) = official.0.get(&name) else { panic!("GitHub has no {name:?}") };
        let query: Vec<_> = ours.query.iter().filter(|(name, _)| !theirs.query.contains_key(*name)).collect();
        assert!(query.is_empty(), "{name:?} has no query parameters {query:?}");
        assert!(
            within(&ours.body, &theirs.body),
            "{name:?}: {:?} is not within {:?}",
            ours.body,
            theirs.body
        );
        assert_eq!(ours.required, theirs.required, "{name:?}");
        let required = |operation: &Operation| operation.query.values().filter(|required| **required).count();
        assert_eq!(required(&ours), required(theirs), "{name:?}");
    }
}

/// Whether everything that one body may hold, the other may too.
fn within(inner: &Body, outer: &Body) -> bool {
    match (inner, outer) {
        (Body::Fields(inner), Body::Fields(outer)) => {
            inner.iter().all(|(name, body)| outer.get(name).is_some_and(|other| within(body, other)))
        }
        (Body::Any, _) => true,
        (Body::Fields(_), Body::Any) => false,
    }
}

#[test]
fn what_github_does_not_describe_is_noticed() {
    let seen = |method: &str, path: &str, query: &[&str], body: Value| Seen {
        method: method.into(),
        path: path.into(),
        query: query.iter().map(|name| (*name).to_owned()).collect(),
        body,
    };
    let issues = "/repos/octocat/hello-world/issues";
    for (wrong, problem) in [
        (seen("GET", "/repos/octocat/hello-world/isues", &[], Value::Null), "no such operation"),
        (seen("DELETE", issues, &[], Value::Null), "no such operation"),
        (seen("GET", issues, &["page_size"], Value::Null), "no query parameter `page_size`"),
        (seen("GET", "/search/issues", &[], Value::Null), "the query parameter `q` is missing"),
        (seen("POST", issues, &[], serde_json::json!({ "body": "x" })), "the body has no `title`"),
        (
            seen("POST", issues, &[], serde_json::json!({ "title": "x", "repository": "a/b" })),
            "the body has no field `repository`",
        ),
        (
            seen("POST", "/repos/a/b/hooks", &[], serde_json::json!({ "config": { "uri": "" } })),
            "the body has no field `config.uri`",
        ),
    ] {
        let found = problems(std::slice::from_ref(&wrong));
        assert!(found.len() == 1 && found[0].ends_with(problem), "{wrong:?}: {found:?}");
    }
    assert_eq!(problems(&[seen("GET", "/repos/a/b/contents/docs/guide.md", &["ref"], Value::Null)]), [""; 0]);
}
