//! What the mock keeps, and how it answers.

use std::collections::{BTreeMap, HashMap};

use linchpin::{
    DateTime, Delivery,
    serde_json::{self, Value, json},
};
use wiremock::{Request, ResponseTemplate};

use super::channel::Channel;
use super::{CHANGES, DOCUMENT, DRIVES, FILES, FOLDER_ID, Fault, PERMISSIONS, SHARED, TEXT, TEXT_CONTENT};
use crate::file::FOLDER;

pub(super) const WHEN: &str = "2026-03-01T09:00:00.000Z";

pub(super) struct State {
    pub(super) faults: Vec<(String, Fault)>,
    files: Vec<Value>,
    pub(super) contents: BTreeMap<String, Vec<u8>>,
    permissions: Vec<Value>,
    next: u64,
    pub(super) now: Option<DateTime>,
    /// Everything that has changed, the oldest first; a position is how many came before it.
    pub(super) changes: Vec<Value>,
    /// Positions before this are not taken.
    pub(super) forgotten: usize,
    pub(super) channels: Vec<Channel>,
    pub(super) deliveries: Vec<Delivery>,
}

/// What an answer is made of.
pub(super) type Answer = Result<ResponseTemplate, (u16, &'static str, String)>;

fn new_file(id: &str, name: &str, mime_type: &str, parent: &str) -> Value {
    json!({
        "id": id, "name": name, "mimeType": mime_type, "parents": [parent], "createdTime": WHEN, "modifiedTime": WHEN,
        "trashed": false, "starred": false, "shared": false, "ownedByMe": true, "webViewLink": format!("https://drive.google.com/file/d/{id}/view"),
    })
}

fn permission(number: usize) -> Value {
    json!({ "id": format!("p{number}"), "type": "user", "role": "reader", "emailAddress": format!("u{number}@example.com"), "displayName": format!("User {number}"), "deleted": false })
}

fn error(status: u16, reason: &str, message: &str) -> ResponseTemplate {
    let first = json!({ "domain": "global", "reason": reason, "message": message });
    ResponseTemplate::new(status)
        .set_body_json(json!({ "error": { "errors": [first], "code": status, "message": message } }))
}

pub(super) fn ok(body: &Value) -> Answer {
    Ok(ResponseTemplate::new(200).set_body_json(body))
}

impl State {
    pub(super) fn new() -> State {
        let mut files: Vec<Value> = (1..=FILES)
            .map(|number| {
                let mut file = new_file(
                    &format!("file-{number}"),
                    &format!("Notes {number}.txt"),
                    "text/plain",
                    FOLDER_ID,
                );
                file["size"] = TEXT_CONTENT.len().to_string().into();
                file
            })
            .collect();
        files.push(new_file(FOLDER_ID, "Plans", FOLDER, "root"));
        files.push(new_file("folder-2", "Bob's things", FOLDER, "root"));
        files.push(new_file(DOCUMENT, "Minutes", "application/vnd.google-apps.document", "root"));
        let mut shared = new_file("folder-3", "Team plans", FOLDER, SHARED);
        shared["driveId"] = SHARED.into();
        files.push(shared);
        let contents = [(TEXT.to_owned(), TEXT_CONTENT.as_bytes().to_vec())];
        let permissions = (1..=PERMISSIONS).map(permission).collect();
        let text = files[0].clone();
        let change = |number| json!({ "changeType": "file", "time": WHEN, "removed": false, "fileId": format!("file-{number}"), "file": text });
        State {
            faults: Vec::new(),
            contents: contents.into(),
            permissions,
            next: 1000,
            now: None,
            changes: (1..=CHANGES).map(change).collect(),
            forgotten: 0,
            channels: Vec::new(),
            deliveries: Vec::new(),
            files,
        }
    }

    pub(super) fn file(&mut self, id: &str) -> Option<&mut Value> {
        self.files.iter_mut().find(|file| file["id"] == id)
    }

    pub(super) fn forget(&mut self, id: &str) {
        self.files.retain(|file| file["id"] != id);
    }

    fn known(&mut self, id: &str) -> Result<&mut Value, (u16, &'static str, String)> {
        self.file(id).ok_or_else(|| (404, "notFound", format!("File not found: {id}.")))
    }

    pub(super) fn respond(&mut self, request: &Request, known: bool) -> ResponseTemplate {
        let name = format!("{} {}", request.method, request.url.path());
        let fault = self.faults.iter().find(|(broken, _)| *broken == name).map(|(_, fault)| *fault);
        if let Some(fault) = fault {
            return fail(fault);
        }
        if !known {
            return fail(Fault::Unauthorized);
        }
        match self.route(request) {
            Ok(answer) => answer,
            Err((status, reason, message)) => error(status, reason, &message),
        }
    }

    fn route(&mut self, request: &Request) -> Answer {
        let query: HashMap<String, String> = request.url.query_pairs().into_owned().collect();
        let asked = |name: &str| query.get(name).map(String::as_str);
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let path: Vec<String> = request.url.path().trim_start_matches('/').split('/').map(decode).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if path[0] == "upload" {
            return self.upload(request, &path[3..], asked("uploadType"));
        }
        let body: Value = match &request.body[..] {
            [] => Value::Null,
            text => {
                serde_json::from_slice(text).map_err(|_| (400, "parseError", "Parse Error".to_owned()))?
            }
        };
        match (request.method.as_str(), &path[2..]) {
            ("GET", ["about"]) => ok(&json!({
                "user": { "displayName": "Mona", "emailAddress": "mona@example.com", "permissionId": "0123456789" },
                "exportFormats": { "application/vnd.google-apps.document": ["application/pdf", "text/plain"] },
            })),
            ("GET", ["files"]) => {
                let found = self.found(asked("q").unwrap_or_default(), asked("driveId"))?;
                page("files", found, &query)
            }
            ("POST", ["files"]) => {
                let file = self.create(&body, "application/octet-stream");
                ok(&file)
            }
            ("GET", ["files", id]) if asked("alt") == Some("media") => self.media(id),
            ("GET", ["files", id]) => ok(self.known(id)?),
            ("GET", ["files", id, "export"]) => {
                let document = self.known(id)?["mimeType"] == "application/vnd.google-apps.document";
                let kind = asked("mimeType").unwrap_or_default();
                match (document, kind) {
                    (true, "application/pdf" | "text/plain") => {
                        Ok(ResponseTemplate::new(200).set_body_raw(format!("exported as {kind}"), kind))
                    }
                    _ => {
                        Err((403, "fileNotExportable", "Export only supports Docs Editors files.".to_owned()))
                    }
                }
            }
            ("PATCH", ["files", id]) => {
                let file = self.known(id)?;
                merge(file, &body);
                if let Some(parent) = asked("addParents") {
                    file["parents"] = json!([parent]);
                }
                ok(file)
            }
            ("DELETE", ["files", id]) => {
                self.known(id)?;
                self.forget(id);
                Ok(ResponseTemplate::new(204))
            }
            ("POST", ["files", id, "copy"]) => {
                let mut copy = self.known(id)?.clone();
                copy["name"] = format!("Copy of {}", copy["name"].as_str().unwrap_or_default()).into();
                merge(&mut copy, &body);
                ok(&self.create(&copy, ""))
            }
            ("GET", ["files", id, "permissions"]) => {
                self.known(id)?;
                page("permissions", self.permissions.clone(), &query)
            }
            ("POST", ["files", id, "permissions"]) => {
                self.known(id)?;
                let mut made = permission(900);
                merge(&mut made, &body);
                self.permissions.push(made.clone());
                ok(&made)
            }
            ("DELETE", ["files", id, "permissions", permission]) => {
                self.known(id)?;
                let before = self.permissions.len();
                self.permissions.retain(|standing| standing["id"] != *permission);
                match self.permissions.len() < before {
                    true => Ok(ResponseTemplate::new(204)),
                    false => Err((404, "notFound", format!("Permission not found: {permission}."))),
                }
            }
            ("GET", ["drives"]) => {
                let drives = (1..=DRIVES).map(|number| json!({ "id": format!("drive-{number}"), "name": format!("Team {number}"), "createdTime": WHEN, "hidden": false }));
                page("drives", drives.collect(), &query)
            }
            ("GET", ["changes", "startPageToken"]) => {
                ok(&json!({ "startPageToken": self.changes.len().to_string() }))
            }
            ("GET", ["changes"]) => self.list_changes(&query),
            ("POST", ["changes", "watch"]) => self.watch(&body, &query),
            ("POST", ["channels", "stop"]) => self.stop(&body),
            _ => Err((404, "notFound", "Not Found".to_owned())),
        }
    }

    /// Files by the few forms of queries that the connector writes.
    fn found(&self, query: &str, drive: Option<&str>) -> Result<Vec<Value>, (u16, &'static str, String)> {
        let mut found: Vec<Value> = self.files.clone();
        found.retain(|file| file.get("driveId").and_then(Value::as_str) == drive);
        for term in query.split(" and ") {
            let text = |field: &'static str| {
                move |file: &Value| file[field].as_str().unwrap_or_default().to_lowercase()
            };
            let value = |rest: &str| {
                let quoted = rest.strip_prefix('\'')?.strip_suffix('\'')?;
                Some(quoted.replace("\\'", "'").replace("\\\\", "\\").to_lowercase())
            };
            let invalid = || (400, "invalid", "Invalid Value".to_owned());
            if let Some(flag) = term.strip_prefix("trashed = ") {
                found.retain(|file| file["trashed"] == (flag == "true"));
            } else if let Some(folder) = term.strip_suffix(" in parents") {
                let folder = value(folder).ok_or_else(invalid)?;
                found.retain(|file| file["parents"][0] == folder.as_str());
            } else if let Some(kind) = term.strip_prefix("mimeType = ") {
                let kind = value(kind).ok_or_else(invalid)?;
                found.retain(|file| text("mimeType")(file) == kind);
            } else if let Some((_, part)) = term.split_once(" contains ") {
                let part = value(part).ok_or_else(invalid)?;
                found.retain(|file| text("name")(file).contains(&part));
            } else {
                return Err(invalid());
            }
        }
        Ok(found)
    }

    fn create(&mut self, body: &Value, mime_type: &str) -> Value {
        self.next += 1;
        let id = format!("new-{}", self.next);
        let mut file = new_file(&id, "Untitled", mime_type, "root");
        merge(&mut file, body);
        file["id"] = id.into();
        self.files.push(file.clone());
        file
    }

    fn media(&mut self, id: &str) -> Answer {
        let kind = self.known(id)?["mimeType"].as_str().unwrap_or_default().to_owned();
        if kind.starts_with("application/vnd.google-apps.") {
            let message = "Only files with binary content can be downloaded.";
            return Err((403, "fileNotDownloadable", message.to_owned()));
        }
        let content = self.contents.get(id).cloned().unwrap_or_default();
        Ok(ResponseTemplate::new(200).set_body_raw(content, &kind))
    }

    fn upload(&mut self, request: &Request, path: &[&str], kind: Option<&str>) -> Answer {
        let bad = || (400, "badRequest", "Malformed multipart body.".to_owned());
        let header =
            request.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (metadata, media_type, content) = match kind {
            Some("media") => (json!({}), header.to_owned(), request.body.clone()),
            Some("multipart") => parts(header, &request.body).ok_or_else(bad)?,
            _ => return Err(bad()),
        };
        let mut file = match (request.method.as_str(), path) {
            ("POST", ["files"]) => self.create(&metadata, &media_type),
            ("PATCH", ["files", id]) => {
                let file = self.known(id)?;
                merge(file, &metadata);
                file.clone()
            }
            _ => return Err((404, "notFound", "Not Found".to_owned())),
        };
        let size = content.len().to_string();
        let id = file["id"].as_str().unwrap_or_default().to_owned();
        self.contents.insert(id.clone(), content);
        file["size"] = size.into();
        *self.known(&id)? = file.clone();
        ok(&file)
    }
}

/// The metadata, the media type and the content of a `multipart/related` body.
fn parts(header: &str, body: &[u8]) -> Option<(Value, String, Vec<u8>)> {
    let boundary = header.strip_prefix("multipart/related; boundary=")?;
    let find = |from: usize, what: &str| {
        body[from..].windows(what.len()).position(|part| part == what.as_bytes()).map(|at| from + at)
    };
    let first = find(0, "\r\n\r\n")? + 4;
    let second = find(first, &format!("\r\n--{boundary}\r\n"))?;
    let metadata = serde_json::from_slice(&body[first..second]).ok()?;
    let begin = find(second + boundary.len(), "\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&body[second..begin]).ok()?;
    let media_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: "))?.to_owned();
    let content = body[begin..].strip_suffix(format!("\r\n--{boundary}--\r\n").as_bytes())?;
    Some((metadata, media_type, content.to_vec()))
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

/// A page of a list; tokens are places in it.
fn page(name: &str, items: Vec<Value>, query: &HashMap<String, String>) -> Answer {
    let number = |name: &str| query.get(name).map(|value| value.parse::<usize>());
    let Ok(from) = number("pageToken").unwrap_or(Ok(0)) else {
        return Err((400, "invalid", "Invalid Value".to_owned()));
    };
    let size = number("pageSize").and_then(Result::ok).unwrap_or(100).clamp(1, 100);
    let mut body = json!({});
    if from + size < items.len() {
        body["nextPageToken"] = (from + size).to_string().into();
    }
    body[name] = items.into_iter().skip(from).take(size).collect::<Vec<_>>().into();
    ok(&body)
}

fn fail(fault: Fault) -> ResponseTemplate {
    match fault {
        Fault::Unauthorized => error(401, "authError", "Invalid Credentials"),
        Fault::Forbidden => error(
            403,
            "insufficientFilePermissions",
            "The user does not have sufficient permissions for this file.",
        ),
        Fault::UserRateLimited => error(403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
        Fault::RateLimited => error(403, "rateLimitExceeded", "Rate Limit Exceeded"),
        Fault::NotFound => error(404, "notFound", "File not found"),
        Fault::Invalid => error(400, "badRequest", "Bad Request"),
        Fault::Unverified => {
            error(401, "push.webhookUrlUnauthorized", "Unauthorized WebHook callback channel: https://..")
        }
        Fault::ServerError => error(500, "backendError", "Backend Error"),
        Fault::Malformed => ResponseTemplate::new(200).set_body_raw("{\"user\": {", "application/json"),
    }
}
