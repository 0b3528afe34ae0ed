//! What the mock holds, and how it answers.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

use hmac::{Hmac, KeyInit, Mac};
use linchpin::{
    serde_json::{self, Value, json},
    value::base64,
};
use sha2::Sha256;
use wiremock::{Request, ResponseTemplate};

use super::{
    COMMENTS, Fault, Happening, ISSUES, LARGE, OWNER, README, RELEASES, REPOSITORIES, REPOSITORY, TOKEN,
    payload,
};

/// Everything that can change.
pub(super) struct State {
    pub(super) uri: String,
    /// Requests, as method and path, that fail.
    pub(super) faults: Vec<(String, Fault)>,
    pub(super) hooks: Vec<Hook>,
    /// By number from 1.
    issues: Vec<Value>,
    /// With the numbers of their issues.
    comments: Vec<(usize, Value)>,
    /// The newest first.
    releases: Vec<Value>,
    files: BTreeMap<String, Vec<u8>>,
    revoked: HashSet<String>,
    /// Requests so far.
    used: u64,
    next_id: u64,
}

/// A webhook that stands.
pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) secret: String,
    pub(super) url: String,
    pub(super) active: bool,
    events: Value,
}

impl Hook {
    fn payload(&self) -> Value {
        payload::hook(self.id, self.active, &self.events, &self.url)
    }

    /// Takes over what a request says of it.
    fn change(&mut self, body: &Value) {
        if let Some(url) = body["config"]["url"].as_str() {
            self.url = url.to_owned();
        }
        if let Some(secret) = body["config"]["secret"].as_str() {
            self.secret = secret.to_owned();
        }
        if let Some(active) = body["active"].as_bool() {
            self.active = active;
        }
    }
}

/// An answer before it is written.
struct Reply {
    status: u16,
    body: Body,
}

enum Body {
    Empty,
    Json(Value),
    /// A list, of which one page is given.
    List(Vec<Value>),
    /// As a list, with the page under `items`.
    Found(Vec<Value>),
}

impl Reply {
    fn new(status: u16, body: Body) -> Reply {
        Reply { status, body }
    }

    fn ok(body: Value) -> Reply {
        Reply::new(200, Body::Json(body))
    }

    fn created(body: Value) -> Reply {
        Reply::new(201, Body::Json(body))
    }

    fn list(items: Vec<Value>) -> Reply {
        Reply::new(200, Body::List(items))
    }

    fn no_content() -> Reply {
        Reply::new(204, Body::Empty)
    }

    fn problem(status: u16, message: &str) -> Reply {
        Reply::new(status, Body::Json(payload::problem(status, message)))
    }

    fn not_found() -> Reply {
        Reply::problem(404, "Not Found")
    }

    fn invalid(resource: &str, field: &str, code: &str) -> Reply {
        Reply::new(422, Body::Json(payload::invalid(resource, field, code)))
    }
}

/// The parts of a request that decide the answer.
struct Asked<'a> {
    path: Vec<String>,
    query: Vec<(String, String)>,
    body: Value,
    request: &'a Request,
}

impl Asked<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.body[field].as_str()
    }
}

/// A signature as GitHub puts it beside a delivery.
pub(super) fn signature(secret: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    format!("sha256={}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Forty hexadecimal digits that belong to the content.
fn sha(content: &[u8]) -> String {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, content).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}{:08x}", hash(1), hash(2), hash(3) as u32)
}

impl State {
    pub(super) fn new(uri: String) -> State {
        let comments = (0..COMMENTS).map(|index| {
            let body = format!("Me too, and I am number {}", index + 1);
            (2, payload::comment(5_000_000 + index as u64, 2, &body))
        });
        let releases = (0..RELEASES).map(|index| {
            let number = RELEASES - index;
            payload::release(7_000_000 + number as u64, &format!("v0.{number}.0"))
        });
        let mut issues: Vec<Value> = (1..=ISSUES).map(payload::standing_issue).collect();
        issues[1]["comments"] = COMMENTS.into();
        let files = [
            (README, b"# Hello, world\n\nGr\xc3\xbc\xc3\x9fe!\n".to_vec()),
            ("docs/start.md", b"Start here.\n".to_vec()),
            ("assets/pixel.bin", vec![0xff, 0xfe, 0x00, 0x01]),
            (LARGE, vec![7; 1_000_001]),
        ];
        State {
            uri,
            faults: Vec::new(),
            hooks: Vec::new(),
            issues,
            comments: comments.collect(),
            releases: releases.collect(),
            files: files.into_iter().map(|(path, content)| (path.to_owned(), content)).collect(),
            revoked: HashSet::new(),
            used: 0,
            next_id: 12_000_000,
        }
    }

    pub(super) fn issue_titles(&self) -> Vec<String> {
        self.issues.iter().map(|issue| issue["title"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The name of an event and what is delivered.
    pub(super) fn happening(&self, happening: Happening) -> (&'static str, Value) {
        let issue = |number: usize| self.issues[number - 1].clone();
        let comment = |number: usize| payload::comment(6_000_001, number, "Thanks for the report");
        match happening {
            Happening::IssueOpened => ("issues", payload::issue_opened(issue(1))),
            Happening::IssueClosed => {
                let mut body = payload::issue_opened(issue(12));
                body["action"] = "closed".into();
                ("issues", body)
            }
            Happening::IssueCommented => ("issue_comment", payload::comment_created(issue(1), comment(1))),
            Happening::PullRequestCommented => {
                ("issue_comment", payload::comment_created(issue(5), comment(5)))
            }
            Happening::Pushed => ("push", payload::push()),
        }
    }

    pub(super) fn respond(&mut self, request: &Request) -> ResponseTemplate {
        self.used += 1;
        let name = format!("{} {}", request.method, request.url.path());
        let path = request.url.path().trim_start_matches('/').split('/');
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let body = match &request.body[..] {
            [] => Ok(Value::Null),
            text => serde_json::from_slice(text),
        };
        let asked = Asked {
            path: path.map(decode).collect(),
            query: request.url.query_pairs().into_owned().collect(),
            body: body.as_ref().cloned().unwrap_or_default(),
            request,
        };
        let fault = self.faults.iter().find(|(broken, _)| *broken == name).map(|(_, fault)| *fault);
        let reply = if let Some(fault) = fault {
            return self.fail(fault);
        } else if asked.header("user-agent").is_none() {
            Reply::problem(403, "Request forbidden by administrative rules: there is no User-Agent header.")
        } else if body.is_err() {
            Reply::problem(400, "Problems parsing JSON")
        } else if name == "POST /credentials/revoke" {
            self.revoke(&asked)
        } else if !self.knows(&asked) {
            Reply::problem(401, "Bad credentials")
        } else {
            self.route(&asked)
        };
        self.write(&asked, reply)
    }

    /// Whether the request comes with a token that lives.
    fn knows(&self, asked: &Asked<'_>) -> bool {
        let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| token == TOKEN && !self.revoked.contains(token))
    }

    fn revoke(&mut self, asked: &Asked<'_>) -> Reply {
        if asked.header("authorization").is_some() {
            return Reply::problem(403, "This endpoint takes no authenticated requests.");
        }
        let credentials = asked.body["credentials"].as_array().map(Vec::as_slice).unwrap_or_default();
        let credentials: Option<Vec<String>> =
            credentials.iter().map(|token| token.as_str().map(str::to_owned)).collect();
        match credentials {
            Some(credentials) if (1..=1000).contains(&credentials.len()) => {
                self.revoked.extend(credentials);
                Reply::new(202, Body::Json(json!({})))
            }
            _ => Reply::problem(422, "Validation Failed"),
        }
    }

    fn fail(&self, fault: Fault) -> ResponseTemplate {
        let (status, message) = match fault {
            Fault::Unauthorized => (401, "Bad credentials"),
            Fault::Forbidden => (403, "Resource not accessible by personal access token"),
            Fault::RateLimited => (403, "API rate limit exceeded for user ID 583231."),
            Fault::SecondaryRateLimited => (
                403,
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            ),
            Fault::NotFound => (404, "Not Found"),
            Fault::Invalid => (422, "Validation Failed"),
            Fault::ServerError => (502, "Server Error"),
            Fault::Malformed => (200, ""),
        };
        let remaining = if fault == Fault::RateLimited { 0 } else { self.remaining() };
        let answer = self.headers(status, remaining);
        match fault {
            Fault::Malformed => answer.set_body_raw("{\"login\": \"octo", "application/json; charset=utf-8"),
            Fault::Invalid => answer.set_body_json(payload::invalid("Issue", "title", "missing_field")),
            Fault::SecondaryRateLimited => {
                answer.set_body_json(payload::problem(status, message)).insert_header("retry-after", "60")
            }
            _ => answer.set_body_json(payload::problem(status, message)),
        }
    }

    fn remaining(&self) -> u64 {
        5000_u64.saturating_sub(self.used)
    }

    fn headers(&self, status: u16, remaining: u64) -> ResponseTemplate {
        let hour = SystemTime::now() + Duration::from_secs(3600);
        let reset = hour.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        ResponseTemplate::new(status)
            .insert_header("x-github-request-id", format!("C0DE:{:04X}:1A2B3C:4D5E6F", self.used))
            .insert_header("x-github-api-version-selected", "2022-11-28")
            .insert_header("x-ratelimit-limit", "5000")
            .insert_header("x-ratelimit-remaining", remaining.to_string())
            .insert_header("x-ratelimit-used", (5000 - remaining.min(5000)).to_string())
            .insert_header("x-ratelimit-reset", reset.to_string())
            .insert_header("x-ratelimit-resource", "core")
    }

    fn write(&self, asked: &Asked<'_>, reply: Reply) -> ResponseTemplate {
        let mut answer = self.headers(reply.status, self.remaining());
        if self.knows(asked) {
            answer = answer
                .insert_header("x-oauth-scopes", "repo, admin:repo_hook")
                .insert_header("github-authentication-token-expiration", "2026-12-31 23:59:59 UTC");
        }
        let (items, found) = match reply.body {
            Body::Empty => return answer,
            Body::Json(body) => return answer.set_body_json(body),
            Body::List(items) => (items, false),
            Body::Found(items) => (items, true),
        };
        let number = |name: &str| asked.query(name).and_then(|value| value.parse::<usize>().ok());
        let (page, size) =
            (number("page").unwrap_or(1).max(1), number("per_page").unwrap_or(30).clamp(1, 100));
        let last = items.len().div_ceil(size).max(1);
        let link = |page: usize, rel: &str| {
            let mut url = format!("{}{}?page={page}", self.uri, asked.request.url.path());
            for (name, value) in asked.query.iter().filter(|(name, _)| name != "page") {
                let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
                url.push_str(&format!("&{name}={value}"));
            }
            format!("<{url}>; rel=\"{rel}\"")
        };
        let mut links = Vec::new();
        if page > 1 {
            links.extend([link(page - 1, "prev"), link(1, "first")]);
        }
        if page < last {
            links.extend([link(page + 1, "next"), link(last, "last")]);
        }
        if !links.is_empty() {
            answer = answer.insert_header("link", links.join(", "));
        }
        let total = items.len();
        let items: Vec<Value> = items.into_iter().skip((page - 1) * size).take(size).collect();
        if found {
            answer.set_body_json(json!({ "total_count": total, "incomplete_results": false, "items": items }))
        } else {
            answer.set_body_json(items)
        }
    }

    fn route(&mut self, asked: &Asked<'_>) -> Reply {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (asked.request.method.as_str(), &path[..]) {
            ("GET", ["user"]) => Reply::ok(payload::account()),
            ("GET", ["user", "repos"]) => self.repositories(asked),
            ("GET", ["search", "issues"]) => self.search_issues(asked),
            ("GET", ["search", "repositories"]) => search_repositories(asked),
            (method, ["repos", OWNER, REPOSITORY, rest @ ..]) => self.in_repository(method, rest, asked),
            ("GET", ["repos", OWNER, name]) => {
                let mut repositories = (0..REPOSITORIES).map(payload::repository);
                let found = repositories.find(|repository| repository["name"] == *name);
                found.map_or_else(Reply::not_found, Reply::ok)
            }
            _ => Reply::not_found(),
        }
    }

    fn in_repository(&mut self, method: &str, path: &[&str], asked: &Asked<'_>) -> Reply {
        let number = |text: &str| text.parse::<usize>().ok();
        match (method, path) {
            ("GET", []) => Reply::ok(payload::repository(0)),
            ("GET", ["labels"]) => {
                Reply::list(["bug", "documentation", "help wanted", "question"].map(payload::label).into())
            }
            ("GET", ["issues"]) => self.issues(asked),
            ("POST", ["issues"]) => self.open_issue(asked),
            (_, ["issues", "comments", id]) => self.comment(method, number(id), asked),
            (_, ["issues", at, rest @ ..]) => {
                let Some(at) = number(at).filter(|at| (1..=self.issues.len()).contains(at)) else {
                    return Reply::not_found();
                };
                self.issue(method, at, rest, asked)
            }
            ("GET", ["releases"]) => Reply::list(self.releases.clone()),
            ("POST", ["releases"]) => self.make_release(asked),
            ("GET", ["releases", "latest"]) => {
                let mut releases = self.releases.iter();
                let latest =
                    releases.find(|release| release["draft"] == false && release["prerelease"] == false);
                latest.cloned().map_or_else(Reply::not_found, Reply::ok)
            }
            (_, ["releases", id]) => self.release(method, number(id), asked),
            (_, ["contents", path @ ..]) => self.contents(method, &path.join("/"), asked),
            ("GET", ["git", "blobs", wanted]) => {
                let blob = self.files.values().find(|content| sha(content) == *wanted);
                blob.map_or_else(Reply::not_found, |content| Reply::ok(payload::blob(wanted, content)))
            }
            ("GET", ["hooks"]) => Reply::list(self.hooks.iter().map(Hook::payload).collect()),
            ("POST", ["hooks"]) => self.hook(asked),
            ("GET" | "PATCH", ["hooks", id]) => {
                let mut hooks = self.hooks.iter_mut();
                let Some(hook) = hooks.find(|hook| hook.id.to_string() == *id) else {
                    return Reply::not_found();
                };
                if method == "PATCH" {
                    hook.change(&asked.body);
                }
                Reply::ok(hook.payload())
            }
            ("DELETE", ["hooks", id]) => {
                let before = self.hooks.len();
                self.hooks.retain(|hook| hook.id.to_string() != *id);
                if self.hooks.len() < before { Reply::no_content() } else { Reply::not_found() }
            }
            _ => Reply::not_found(),
        }
    }

    fn repositories(&self, asked: &Asked<'_>) -> Reply {
        let mut repositories: Vec<Value> = (0..REPOSITORIES).map(payload::repository).collect();
        if let Some(visibility @ ("public" | "private")) = asked.query("visibility") {
            repositories.retain(|repository| repository["visibility"] == visibility);
        }
        // By name where nothing is said, by time the newest first.
        let by_time = asked.query("sort").is_some_and(|sort| sort != "full_name");
        let backwards = asked.query("direction").map_or(by_time, |direction| direction == "desc");
        if !by_time {
            repositories.sort_by_key(|repository| repository["full_name"].to_string());
        }
        if backwards {
            repositories.reverse();
        }
        Reply::list(repositories)
    }

    fn issues(&self, asked: &Asked<'_>) -> Reply {
        let state = asked.query("state").unwrap_or("open");
        if !["open", "closed", "all"].contains(&state) {
            return Reply::invalid("Issue", "state", "invalid");
        }
        let labels: Vec<&str> = asked.query("labels").unwrap_or_default().split(',').collect();
        let labels: Vec<&str> = labels.into_iter().filter(|label| !label.is_empty()).collect();
        let wanted = |issue: &&Value| {
            (state == "all" || issue["state"] == state)
                && labels.iter().all(|label| has_label(issue, label))
                && asked.query("since").is_none_or(|since| issue["updated_at"].as_str() >= Some(since))
        };
        let mut issues: Vec<Value> = self.issues.iter().filter(wanted).cloned().collect();
        if asked.query("direction") != Some("asc") {
            issues.reverse();
        }
        Reply::list(issues)
    }

    fn open_issue(&mut self, asked: &Asked<'_>) -> Reply {
        let Some(title) = asked.text("title").filter(|title| !title.trim().is_empty()) else {
            return Reply::invalid("Issue", "title", "missing_field");
        };
        let mut issue = payload::issue(self.issues.len() + 1, title);
        change_issue(&mut issue, &asked.body);
        self.issues.push(issue.clone());
        Reply::created(issue)
    }

    fn issue(&mut self, method: &str, number: usize, rest: &[&str], asked: &Asked<'_>) -> Reply {
        let issue = &mut self.issues[number - 1];
        match (method, rest) {
            ("GET", []) => Reply::ok(issue.clone()),
            ("PATCH", []) => {
                if asked.text("title").is_some_and(|title| title.trim().is_empty()) {
                    return Reply::invalid("Issue", "title", "missing_field");
                }
                change_issue(issue, &asked.body);
                Reply::ok(issue.clone())
            }
            ("POST", ["labels"]) => {
                for name in asked.body["labels"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if !has_label(issue, name)
                        && let Value::Array(labels) = &mut issue["labels"]
                    {
                        labels.push(payload::label(name));
                    }
                }
                Reply::ok(issue["labels"].clone())
            }
            ("GET", ["comments"]) => {
                let comments = self.comments.iter().filter(|(on, _)| *on == number);
                Reply::list(comments.map(|(_, comment)| comment.clone()).collect())
            }
            ("POST", ["comments"]) => {
                let Some(body) = asked.text("body").filter(|body| !body.trim().is_empty()) else {
                    return Reply::invalid("IssueComment", "body", "missing_field");
                };
                self.next_id += 1;
                let comment = payload::comment(self.next_id, number, body);
                self.comments.push((number, comment.clone()));
                Reply::created(comment)
            }
            _ => Reply::not_found(),
        }
    }

    fn comment(&mut self, method: &str, id: Option<usize>, asked: &Asked<'_>) -> Reply {
        let at =
            self.comments.iter().position(|(_, comment)| comment["id"].as_u64() == id.map(|id| id as u64));
        let Some(at) = at else { return Reply::not_found() };
        match (method, asked.text("body")) {
            ("PATCH", Some(body)) if !body.trim().is_empty() => {
                let comment = &mut self.comments[at].1;
                comment["body"] = body.into();
                Reply::ok(comment.clone())
            }
            ("PATCH", _) => Reply::invalid("IssueComment", "body", "missing_field"),
            ("DELETE", _) => {
                self.comments.remove(at);
                Reply::no_content()
            }
            _ => Reply::not_found(),
        }
    }

    fn make_release(&mut self, asked: &Asked<'_>) -> Reply {
        let Some(tag) = asked.text("tag_name").filter(|tag| !tag.is_empty()) else {
            return Reply::invalid("Release", "tag_name", "missing_field");
        };
        if self.releases.iter().any(|release| release["tag_name"] == tag) {
            return Reply::invalid("Release", "tag_name", "already_exists");
        }
        self.next_id += 1;
        let mut release = payload::release(self.next_id, tag);
        release["assets"] = json!([]);
        release["name"] = Value::Null;
        change_release(&mut release, &asked.body);
        self.releases.insert(0, release.clone());
        Reply::created(release)
    }

    fn release(&mut self, method: &str, id: Option<usize>, asked: &Asked<'_>) -> Reply {
        let id = id.map(|id| id as u64);
        let Some(at) = self.releases.iter().position(|release| release["id"].as_u64() == id) else {
            return Reply::not_found();
        };
        match method {
            "PATCH" => {
                change_release(&mut self.releases[at], &asked.body);
                Reply::ok(self.releases[at].clone())
            }
            "DELETE" => {
                self.releases.remove(at);
                Reply::no_content()
            }
            _ => Reply::not_found(),
        }
    }

    fn contents(&mut self, method: &str, path: &str, asked: &Asked<'_>) -> Reply {
        if asked.query("ref").or(asked.text("branch")).is_some_and(|branch| branch != "main") {
            return Reply::problem(404, "No commit found for the ref");
        }
        let standing = self.files.get(path).map(|content| sha(content));
        if method == "GET" {
            return match (&standing, self.files.get(path)) {
                (Some(sha), Some(content)) => Reply::ok(payload::file(path, sha, content)),
                _ => self.folder(path, asked),
            };
        }
        let Some(message) = asked.text("message") else {
            return Reply::problem(422, "Invalid request.\n\n\"message\" wasn't supplied.");
        };
        match (&standing, asked.text("sha")) {
            (Some(standing), Some(given)) if standing != given => {
                return Reply::problem(409, &format!("{path} does not match {given}"));
            }
            (Some(_), None) => return Reply::problem(422, "Invalid request.\n\n\"sha\" wasn't supplied."),
            _ => {}
        }
        match (method, &standing) {
            ("PUT", _) => {
                let Some(content) = asked.text("content").and_then(base64::decode) else {
                    return Reply::problem(422, "content is not valid Base64");
                };
                let file = payload::file(path, &sha(&content), &content);
                let commit = payload::commit(&sha(message.as_bytes()), message, Some(file));
                self.files.insert(path.to_owned(), content);
                Reply::new(if standing.is_some() { 200 } else { 201 }, Body::Json(commit))
            }
            ("DELETE", Some(_)) => {
                self.files.remove(path);
                Reply::ok(payload::commit(&sha(message.as_bytes()), message, None))
            }
            _ => Reply::not_found(),
        }
    }

    /// A folder: one object for those who ask for it so, else the list of what is in it.
    fn folder(&self, path: &str, asked: &Asked<'_>) -> Reply {
        let within = |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        let files: Vec<_> = self.files.iter().filter(|(name, _)| within(name)).collect();
        if files.is_empty() {
            return Reply::not_found();
        }
        let shas: Vec<String> = files.iter().map(|(_, content)| sha(content)).collect();
        let entries = files.iter().zip(&shas);
        let folder = payload::folder(
            path,
            entries.map(|((name, content), sha)| (name.as_str(), sha.as_str(), content.len())),
        );
        match asked.header("accept") {
            Some(accept) if accept.contains("github.object") => Reply::ok(folder),
            _ => Reply::ok(folder["entries"].clone()),
        }
    }

    fn hook(&mut self, asked: &Asked<'_>) -> Reply {
        let (config, events) = (&asked.body["config"], asked.body["events"].clone());
        let Some(url) = config["url"].as_str().filter(|url| url.starts_with("http")) else {
            return Reply::problem(422, "Validation Failed");
        };
        if self.hooks.iter().any(|hook| hook.url == url && hook.events == events) {
            let mut problem = payload::invalid("Hook", "url", "custom");
            problem["errors"][0]["message"] = "Hook already exists on this repository".into();
            return Reply::new(422, Body::Json(problem));
        }
        self.next_id += 1;
        let secret = config["secret"].as_str().unwrap_or_default().to_owned();
        let hook = Hook { id: self.next_id, secret, url: url.to_owned(), active: true, events };
        let created = Reply::created(hook.payload());
        self.hooks.push(hook);
        created
    }

    fn search_issues(&self, asked: &Asked<'_>) -> Reply {
        let words: Vec<&str> = asked.query("q").unwrap_or_default().split_whitespace().collect();
        if !words.iter().any(|word| matches!(*word, "is:issue" | "is:pull-request")) {
            return Reply::problem(422, "Query must include 'is:issue' or 'is:pull-request'");
        }
        let wanted = |issue: &&Value| {
            words.iter().all(|word| match word.split_once(':') {
                Some(("is", "issue")) => issue["pull_request"].is_null(),
                Some(("is", "pull-request")) => !issue["pull_request"].is_null(),
                Some(("is", state)) => issue["state"] == state,
                Some(("repo", name)) => name == format!("{OWNER}/{REPOSITORY}"),
                Some(("label", label)) => has_label(issue, label),
                _ => issue["title"].as_str().is_some_and(|title| title.contains(word)),
            })
        };
        let found = self.issues.iter().filter(wanted).cloned();
        Reply::new(200, Body::Found(found.map(scored).collect()))
    }
}

fn search_repositories(asked: &Asked<'_>) -> Reply {
    let Some(query) = asked.query("q").filter(|query| !query.trim().is_empty()) else {
        return Reply::invalid("Search", "q", "missing");
    };
    let words: Vec<&str> = query.split_whitespace().collect();
    let wanted = |repository: &Value| {
        words.iter().all(|word| match word.split_once(':') {
            Some(("user", login)) => login == OWNER,
            _ => repository["name"].as_str().is_some_and(|name| name.contains(word)),
        })
    };
    let found = (0..REPOSITORIES).map(payload::repository).filter(wanted);
    Reply::new(200, Body::Found(found.map(scored).collect()))
}

fn scored(mut item: Value) -> Value {
    item["score"] = 1.0.into();
    item
}

fn has_label(issue: &Value, name: &str) -> bool {
    issue["labels"].as_array().is_some_and(|labels| labels.iter().any(|label| label["name"] == name))
}

/// Changes what the body of a request names.
fn change_issue(issue: &mut Value, body: &Value) {
    for key in ["title", "body"] {
        if let Some(value) = body.get(key) {
            issue[key] = value.clone();
        }
    }
    let names = |key: &str| {
        body[key].as_array().map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>())
    };
    if let Some(labels) = names("labels") {
        issue["labels"] = labels.into_iter().map(payload::label).collect();
    }
    if let Some(assignees) = names("assignees") {
        let assignees: Vec<Value> = assignees
            .iter()
            .enumerate()
            .map(|(index, login)| payload::user(login, 1000 + index as u64))
            .collect();
        issue["assignee"] = assignees.first().cloned().unwrap_or_default();
        issue["assignees"] = assignees.into();
    }
    match body["state"].as_str() {
        Some("closed") => payload::close(issue, body["state_reason"].as_str().unwrap_or("completed")),
        Some("open") => {
            payload::merge(issue, json!({ "state": "open", "state_reason": "reopened", "closed_at": null }));
        }
        _ => {}
    }
}

fn change_release(release: &mut Value, body: &Value) {
    for key in ["tag_name", "target_commitish", "name", "body", "draft", "prerelease"] {
        if let Some(value) = body.get(key) {
            release[key] = value.clone();
        }
    }
    if release["draft"] == true {
        release["published_at"] = Value::Null;
    }
}
