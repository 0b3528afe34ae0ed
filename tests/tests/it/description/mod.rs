//! Services' own descriptions of their APIs: whether what a connector asks is something that its service answers.
//!
//! The descriptions themselves are not ours to keep. Where they lie beside the workspace, requests are looked up in them;
//! elsewhere in extracts that name what the connectors use.

mod reader;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value;
use wiremock::{Request, http::Url};

use self::reader::{Format, Syntax};
pub(crate) use self::watch::Watch;

/// A service and where its description is to be had.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    /// The description, where it lies beside the workspace.
    file: &'static str,
    format: Format,
    /// What stands before the description's paths.
    base: &'static str,
    /// The parameter that is the credential, which the connector sends in a header.
    credential: Option<&'static str>,
    /// What stands before the base where a file goes along.
    uploads: Option<&'static str>,
    extract: &'static str,
    known: OnceLock<Description>,
}

pub(crate) static GITHUB: Service = Service {
    name: "GitHub",
    file: "github.json.gz",
    format: Format::OpenApi3,
    base: "",
    credential: None,
    uploads: None,
    extract: "github-extract.json",
    known: OnceLock::new(),
};

pub(crate) static GOOGLE_DRIVE: Service = Service {
    name: "Google Drive",
    file: "google-drive.json.gz",
    format: Format::OpenApi3,
    base: "/drive/v3",
    credential: None,
    uploads: Some("/upload"),
    extract: "google-drive-extract.json",
    known: OnceLock::new(),
};

pub(crate) static OKTA: Service = Service {
    name: "Okta",
    file: "okta-management.yaml.gz",
    format: Format::OpenApi3,
    base: "",
    credential: None,
    uploads: None,
    extract: "okta-extract.json",
    known: OnceLock::new(),
};

pub(crate) static SLACK: Service = Service {
    name: "Slack",
    file: "slack-web.json.gz",
    format: Format::Swagger2,
    base: "/api",
    credential: Some("token"),
    uploads: None,
    extract: "slack-extract.json",
    known: OnceLock::new(),
};

pub(crate) static STRIPE: Service = Service {
    name: "Stripe",
    file: "stripe.json.gz",
    format: Format::OpenApi3,
    base: "",
    credential: None,
    uploads: None,
    extract: "stripe-extract.json",
    known: OnceLock::new(),
};

/// A request as a test's server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    method: String,
    path: String,
    query: Vec<String>,
    pub(crate) body: Value,
}

impl Seen {
    fn new(request: &Request) -> Seen {
        let kind = request.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        let body = match kind {
            Some("application/x-www-form-urlencoded") => form(&request.body),
            Some(kind) if kind.starts_with("multipart/related") => metadata(&request.body),
            _ => serde_json::from_slice(&request.body).unwrap_or_default(),
        };
        Seen {
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            query: request.url.query_pairs().map(|(name, _)| outermost(&name).to_owned()).collect(),
            body,
        }
    }

    /// Method and path.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn form(body: &[u8]) -> Value {
    // The parser of queries is that of forms.
    let url = Url::parse(&format!("http://form/?{}", std::str::from_utf8(body).unwrap())).unwrap();
    let mut form = Value::Object(serde_json::Map::new());
    for (name, value) in url.query_pairs() {
        let mut place = &mut form;
        for part in name.split('[').map(|part| part.trim_end_matches(']')) {
            place = match part.parse::<usize>() {
                Ok(index) => {
                    if place.is_null() {
                        *place = Value::Array(Vec::new());
                    }
                    let items = place.as_array_mut().unwrap();
                    if items.len() == index {
                        items.push(Value::Null);
                    }
                    &mut items[index]
                }
                Err(_) => &mut place[part],
            };
        }
        *place = value.into_owned().into();
    }
    form
}

/// The parameter that a nested name is part of: `created` of `created[gte]`.
fn outermost(name: &str) -> &str {
    name.split('[').next().unwrap_or_default()
}

/// The first part of a body, which says what the file in the second is.
fn metadata(body: &[u8]) -> Value {
    let begin = body.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    serde_json::Deserializer::from_slice(&body[begin..]).into_iter().next().unwrap().unwrap()
}

/// What an operation takes.
#[derive(Debug, Default, Clone, PartialEq)]
struct Operation {
    /// Query parameters, and whether they must be there.
    query: BTreeMap<String, bool>,
    body: Body,
    /// Top-level fields of the body that must be there.
    required: BTreeSet<String>,
}

/// What a value in a body may hold.
#[derive(Debug, Default, Clone, PartialEq)]
enum Body {
    /// Nothing is said of what is inside.
    #[default]
    Any,
    /// These fields and no others.
    Fields(BTreeMap<String, Body>),
}

/// Operations by method and path template.
#[derive(Debug)]
struct Description(BTreeMap<(String, String), Operation>);

/// What our extract says of an operation.
struct Extracted {
    name: (String, String),
    operation: Operation,
    /// Whether the service documents it elsewhere than in its description.
    beyond: bool,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Service {
    /// What is wrong with requests, by the service's description or our extract of it.
    fn problems(&self, requests: &[Seen]) -> Vec<String> {
        let known = self.known.get_or_init(|| self.read());
        let found = requests.iter().filter_map(|seen| {
            let path = self.uploads.and_then(|uploads| seen.path.strip_prefix(uploads)).unwrap_or(&seen.path);
            let problem = match path.strip_prefix(self.base) {
                Some(path) => known.problem(path, seen),
                None => Some(format!("no path outside `{}`", self.base)),
            };
            problem.map(|problem| format!("{}: {problem}", seen.name()))
        });
        found.collect()
    }

    fn read(&self) -> Description {
        let extract = self.extract();
        let official = self.official(&extract);
        let whole = official.is_none();
        let mut operations = official.map(|official| official.0).unwrap_or_default();
        let more = extract.into_iter().filter(|entry| whole || entry.beyond);
        operations.extend(more.map(|entry| (entry.name, entry.operation)));
        Description(operations)
    }

    /// The service's description of what is in the extract, where it is to be had.
    fn official(&self, extract: &[Extracted]) -> Option<Description> {
        let file = workspace().join("../shared/facts").join(self.file);
        let packed = fs::File::open(file).ok()?;
        let templates = extract.iter().map(|entry| entry.name.1.as_str()).collect();
        let syntax = if self.file.ends_with(".yaml.gz") { Syntax::Yaml } else { Syntax::Json };
        Some(Description(reader::read(packed, syntax, self.format, self.credential, &templates)))
    }

    /// The extract: for each operation its query parameters and the fields of its body, `!` behind what must be there; and for what
    /// the description lacks, by `beyond`, where the service documents it.
    fn extract(&self) -> Vec<Extracted> {
        let text = fs::read_to_string(workspace().join("tests/data").join(self.extract)).unwrap();
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
            let beyond = entry["beyond"].is_string();
            Extracted { name: (method.to_owned(), template.to_owned()), operation, beyond }
        });
        operations.collect()
    }
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

impl Description {
    fn problem(&self, path: &str, seen: &Seen) -> Option<String> {
        let fitting =
            self.0.iter().filter(|((method, template), _)| *method == seen.method && fits(template, path));
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
fn the_extracts_say_what_the_services_say() {
    for service in [&GITHUB, &GOOGLE_DRIVE, &OKTA, &SLACK, &STRIPE] {
        let extract = service.extract();
        let Some(official) = service.official(&extract) else { continue };
        for Extracted { name, operation: ours, beyond } in extract {
            let place = format!("{} {name:?}", service.name);
            let Some(theirs) = official.0.get(&name) else {
                assert!(beyond, "{place} is not described");
                continue;
            };
            assert!(!beyond, "{place} is described");
            let query: Vec<_> =
                ours.query.iter().filter(|(name, _)| !theirs.query.contains_key(*name)).collect();
            assert!(query.is_empty(), "{place} has no query parameters {query:?}");
            assert!(
                within(&ours.body, &theirs.body),
                "{place}: {:?} is not within {:?}",
                ours.body,
                theirs.body
            );
            assert_eq!(ours.required, theirs.required, "{place}");
            let required =
                |operation: &Operation| operation.query.values().filter(|required| **required).count();
            assert_eq!(required(&ours), required(theirs), "{place}");
        }
    }
}

#[test]
fn what_is_not_described_is_noticed() {
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
        let found = GITHUB.problems(std::slice::from_ref(&wrong));
        assert!(found.len() == 1 && found[0].ends_with(problem), "{wrong:?}: {found:?}");
    }
    assert_eq!(
        GITHUB.problems(&[seen("GET", "/repos/a/b/contents/docs/guide.md", &["ref"], Value::Null)]),
        [""; 0]
    );

    for (wrong, problem) in [
        (seen("POST", "/chat.postMessage", &[], Value::Null), "no path outside `/api`"),
        (seen("GET", "/api/chat.postMessage", &[], Value::Null), "no such operation"),
        (seen("GET", "/api/users.lookupByEmail", &[], Value::Null), "the query parameter `email` is missing"),
        (
            seen("POST", "/api/chat.update", &[], serde_json::json!({ "channel": "C1" })),
            "the body has no `ts`",
        ),
        (
            seen("POST", "/api/chat.delete", &[], serde_json::json!({ "message": "1.2" })),
            "the body has no field `message`",
        ),
        (
            seen("POST", "/api/oauth.v2.access", &[], serde_json::json!({ "code": "a" })),
            "the body has no `grant_type`",
        ),
    ] {
        let found = SLACK.problems(std::slice::from_ref(&wrong));
        assert!(found.len() == 1 && found[0].ends_with(problem), "{wrong:?}: {found:?}");
    }

    for (wrong, problem) in [
        (seen("GET", "/files", &[], Value::Null), "no path outside `/drive/v3`"),
        (seen("GET", "/drive/v3/flies", &[], Value::Null), "no such operation"),
        (seen("GET", "/drive/v3/files", &["page_size"], Value::Null), "no query parameter `page_size`"),
        (seen("GET", "/drive/v3/changes", &[], Value::Null), "the query parameter `pageToken` is missing"),
        (
            seen("POST", "/upload/drive/v3/files", &["uploadType"], serde_json::json!({ "title": "x" })),
            "the body has no field `title`",
        ),
    ] {
        let found = GOOGLE_DRIVE.problems(std::slice::from_ref(&wrong));
        assert!(found.len() == 1 && found[0].ends_with(problem), "{wrong:?}: {found:?}");
    }

    for (wrong, problem) in [
        (seen("GET", "/api/v1/user", &[], Value::Null), "no such operation"),
        (seen("PUT", "/api/v1/users/1/lifecycle/suspend", &[], Value::Null), "no such operation"),
        (seen("GET", "/api/v1/users/1/groups", &["limit"], Value::Null), "no query parameter `limit`"),
        (
            seen("POST", "/api/v1/users/1/lifecycle/reset_password", &[], Value::Null),
            "the query parameter `sendEmail` is missing",
        ),
        (
            seen("POST", "/api/v1/users", &[], serde_json::json!({ "credentials": {} })),
            "the body has no `profile`",
        ),
        (
            seen("POST", "/api/v1/groups", &[], serde_json::json!({ "name": "x" })),
            "the body has no field `name`",
        ),
    ] {
        let found = OKTA.problems(std::slice::from_ref(&wrong));
        assert!(found.len() == 1 && found[0].ends_with(problem), "{wrong:?}: {found:?}");
    }

    for (wrong, problem) in [
        (seen("PATCH", "/v1/customers/cus_1", &[], Value::Null), "no such operation"),
        (seen("GET", "/v1/customers", &["page"], Value::Null), "no query parameter `page`"),
        (seen("GET", "/v1/customers/search", &[], Value::Null), "the query parameter `query` is missing"),
        (seen("POST", "/v1/products", &[], Value::Null), "the body has no `name`"),
        (
            seen("POST", "/v1/customers", &[], serde_json::json!({ "address": { "town": "Ghent" } })),
            "the body has no field `address.town`",
        ),
    ] {
        let found = STRIPE.problems(std::slice::from_ref(&wrong));
        assert!(found.len() == 1 && found[0].ends_with(problem), "{wrong:?}: {found:?}");
    }
}
