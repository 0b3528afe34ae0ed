//! What GitHub sends, in the shapes that it documents: small, but every field as GitHub has it.

use linchpin::{
    serde_json::{Value, json},
    value::base64,
};

use super::{OWNER, REPOSITORY};

const API: &str = "https://api.github.com";
const SITE: &str = "https://github.com";

/// A point in time so many minutes after the first of March.
fn time(minutes: usize) -> String {
    let (day, hour, minute) = (1 + minutes / 1440 % 28, minutes / 60 % 24, minutes % 60);
    format!("2026-03-{day:02}T{hour:02}:{minute:02}:00Z")
}

pub(super) fn user(login: &str, id: u64) -> Value {
    json!({
        "login": login,
        "id": id,
        "node_id": format!("U_{id}"),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}"),
        "gravatar_id": "",
        "url": format!("{API}/users/{login}"),
        "html_url": format!("{SITE}/{login}"),
        "type": "User",
        "site_admin": false,
    })
}

pub(super) fn owner() -> Value {
    user(OWNER, 583_231)
}

pub(super) fn account() -> Value {
    let mut account = owner();
    merge(
        &mut account,
        json!({
            "name": "The Octocat",
            "company": null,
            "blog": "",
            "location": null,
            "email": null,
            "hireable": null,
            "bio": null,
            "public_repos": 8,
            "public_gists": 8,
            "followers": 20,
            "following": 0,
            "created_at": time(0),
            "updated_at": time(1),
            "user_view_type": "private",
        }),
    );
    account
}

pub(super) fn repository(index: usize) -> Value {
    let name = match index {
        0 => REPOSITORY.to_owned(),
        1 => "spoon-knife".to_owned(),
        index => format!("repository-{index:03}"),
    };
    let full_name = format!("{OWNER}/{name}");
    json!({
        "id": 1_296_269 + index,
        "node_id": format!("R_{index}"),
        "name": name,
        "full_name": full_name,
        "owner": owner(),
        "private": index % 3 == 2,
        "visibility": if index % 3 == 2 { "private" } else { "public" },
        "html_url": format!("{SITE}/{full_name}"),
        "description": if index == 0 { json!("My first repository") } else { Value::Null },
        "fork": index == 1,
        "url": format!("{API}/repos/{full_name}"),
        "homepage": null,
        "language": if index == 0 { json!("Rust") } else { Value::Null },
        "license": null,
        "forks_count": 9,
        "stargazers_count": 80 + index,
        "watchers_count": 80 + index,
        "size": 108,
        "default_branch": "main",
        "open_issues_count": 0,
        "topics": ["octocat", "api"],
        "has_issues": true,
        "has_wiki": true,
        "archived": false,
        "disabled": false,
        "permissions": { "admin": true, "push": true, "pull": true },
        "pushed_at": time(index),
        "created_at": time(0),
        "updated_at": time(index),
    })
}

pub(super) fn label(name: &str) -> Value {
    let (id, color, description) = match name {
        "bug" => (208_045_946, "d73a4a", json!("Something isn't working")),
        "documentation" => (208_045_947, "0075ca", json!("Improvements or additions to documentation")),
        "help wanted" => (208_045_948, "008672", json!("Extra attention is needed")),
        _ => (208_045_949, "ededed", Value::Null),
    };
    json!({
        "id": id,
        "node_id": format!("LA_{id}"),
        "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/labels/{}", name.replace(' ', "%20")),
        "name": name,
        "color": color,
        "default": !description.is_null(),
        "description": description,
    })
}

fn milestone() -> Value {
    json!({
        "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/milestones/1"),
        "html_url": format!("{SITE}/{OWNER}/{REPOSITORY}/milestone/1"),
        "id": 1_002_604,
        "node_id": "MI_1",
        "number": 1,
        "state": "open",
        "title": "v1.0",
        "description": null,
        "creator": owner(),
        "open_issues": 4,
        "closed_issues": 8,
        "created_at": time(0),
        "updated_at": time(1),
        "closed_at": null,
        "due_on": "2026-10-09T23:39:01Z",
    })
}

/// An issue as it is opened: nobody has touched it yet.
pub(super) fn issue(number: usize, title: &str) -> Value {
    let url = format!("{API}/repos/{OWNER}/{REPOSITORY}/issues/{number}");
    json!({
        "id": 3_000_000 + number,
        "node_id": format!("I_{number}"),
        "url": url,
        "repository_url": format!("{API}/repos/{OWNER}/{REPOSITORY}"),
        "comments_url": format!("{url}/comments"),
        "html_url": format!("{SITE}/{OWNER}/{REPOSITORY}/issues/{number}"),
        "number": number,
        "state": "open",
        "state_reason": null,
        "title": title,
        "body": null,
        "user": owner(),
        "labels": [],
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "locked": false,
        "active_lock_reason": null,
        "comments": 0,
        "created_at": time(number),
        "updated_at": time(number),
        "closed_at": null,
        "author_association": "OWNER",
    })
}

/// The issues that stand at the beginning: every tenth is a pull request, every twelfth is closed.
pub(super) fn standing_issue(number: usize) -> Value {
    let mut issue = issue(number, &format!("Found a bug, part {number}"));
    issue["body"] = json!("I'm having a problem with this.");
    if number % 2 == 1 {
        issue["labels"] = json!([label("bug")]);
        issue["milestone"] = milestone();
    }
    if number % 10 == 5 {
        let pull = format!("{OWNER}/{REPOSITORY}/pull/{number}");
        issue["html_url"] = json!(format!("{SITE}/{pull}"));
        issue["pull_request"] = json!({
            "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/pulls/{number}"),
            "html_url": format!("{SITE}/{pull}"),
            "diff_url": format!("{SITE}/{pull}.diff"),
            "patch_url": format!("{SITE}/{pull}.patch"),
            "merged_at": null,
        });
    }
    if number.is_multiple_of(12) {
        close(&mut issue, "completed");
        // The account is gone.
        issue["user"] = Value::Null;
    }
    issue
}

pub(super) fn close(issue: &mut Value, reason: &str) {
    merge(issue, json!({ "state": "closed", "state_reason": reason, "closed_at": time(1500) }));
}

pub(super) fn comment(id: u64, issue: usize, body: &str) -> Value {
    json!({
        "id": id,
        "node_id": format!("IC_{id}"),
        "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/issues/comments/{id}"),
        "html_url": format!("{SITE}/{OWNER}/{REPOSITORY}/issues/{issue}#issuecomment-{id}"),
        "issue_url": format!("{API}/repos/{OWNER}/{REPOSITORY}/issues/{issue}"),
        "body": body,
        "user": owner(),
        "created_at": time(600),
        "updated_at": time(600),
        "author_association": "COLLABORATOR",
    })
}

pub(super) fn release(id: u64, tag: &str) -> Value {
    json!({
        "id": id,
        "node_id": format!("RE_{id}"),
        "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/releases/{id}"),
        "assets_url": format!("{API}/repos/{OWNER}/{REPOSITORY}/releases/{id}/assets"),
        "upload_url": format!("https://uploads.github.com/repos/{OWNER}/{REPOSITORY}/releases/{id}/assets{{?name,label}}"),
        "html_url": format!("{SITE}/{OWNER}/{REPOSITORY}/releases/tag/{tag}"),
        "tarball_url": format!("{API}/repos/{OWNER}/{REPOSITORY}/tarball/{tag}"),
        "zipball_url": format!("{API}/repos/{OWNER}/{REPOSITORY}/zipball/{tag}"),
        "tag_name": tag,
        "target_commitish": "main",
        "name": tag,
        "body": null,
        "draft": false,
        "prerelease": false,
        "created_at": time(700),
        "published_at": time(701),
        "author": owner(),
        "assets": [{
            "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/releases/assets/{id}"),
            "browser_download_url": format!("{SITE}/{OWNER}/{REPOSITORY}/releases/download/{tag}/example.zip"),
            "id": id,
            "node_id": format!("RA_{id}"),
            "name": "example.zip",
            "label": null,
            "state": "uploaded",
            "content_type": "application/zip",
            "size": 1024,
            "digest": null,
            "download_count": 42,
            "created_at": time(700),
            "updated_at": time(700),
            "uploader": owner(),
        }],
    })
}

/// Base64 as GitHub writes it: in lines of sixty characters.
fn lines(bytes: &[u8]) -> String {
    let encoded = base64::encode(bytes);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / 60 + 1);
    for (index, letter) in encoded.chars().enumerate() {
        if index > 0 && index % 60 == 0 {
            lines.push('\n');
        }
        lines.push(letter);
    }
    lines.push('\n');
    lines
}

fn entry(path: &str, kind: &str, sha: &str, size: usize) -> Value {
    let name = path.rsplit('/').next().unwrap_or(path);
    let page = format!("{SITE}/{OWNER}/{REPOSITORY}/blob/main/{path}");
    let url = format!("{API}/repos/{OWNER}/{REPOSITORY}/contents/{path}?ref=main");
    json!({
        "type": kind,
        "size": size,
        "name": name,
        "path": path,
        "sha": sha,
        "url": url,
        "git_url": format!("{API}/repos/{OWNER}/{REPOSITORY}/git/blobs/{sha}"),
        "html_url": page,
        "download_url": null,
        "_links": { "self": url, "git": null, "html": page },
    })
}

/// A file. Of what is larger than 1 MB the content is left out.
pub(super) fn file(path: &str, sha: &str, content: &[u8]) -> Value {
    let mut file = entry(path, "file", sha, content.len());
    match content.len() {
        ..=1_000_000 => merge(&mut file, json!({ "encoding": "base64", "content": lines(content) })),
        _ => merge(&mut file, json!({ "encoding": "none", "content": "" })),
    }
    file
}

/// A folder, as one object.
pub(super) fn folder<'a>(path: &str, files: impl Iterator<Item = (&'a str, &'a str, usize)>) -> Value {
    let mut folder = entry(path, "dir", "0d1ef0a36e5ec7e6f2f0b4a5c5d4b3a291807f6e", 0);
    folder["entries"] = files.map(|(path, sha, size)| entry(path, "file", sha, size)).collect();
    folder
}

pub(super) fn blob(sha: &str, content: &[u8]) -> Value {
    json!({
        "sha": sha,
        "node_id": "B_1",
        "size": content.len(),
        "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/git/blobs/{sha}"),
        "content": lines(content),
        "encoding": "base64",
    })
}

/// The answer to a commit over the contents API.
pub(super) fn commit(sha: &str, message: &str, file: Option<Value>) -> Value {
    let author = json!({ "name": "The Octocat", "email": "octocat@github.example", "date": time(800) });
    let file = file.map(|mut file| {
        for key in ["encoding", "content"] {
            file.as_object_mut().and_then(|file| file.remove(key));
        }
        file
    });
    json!({
        "content": file,
        "commit": {
            "sha": sha,
            "node_id": "C_1",
            "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/git/commits/{sha}"),
            "html_url": format!("{SITE}/{OWNER}/{REPOSITORY}/commit/{sha}"),
            "author": author,
            "committer": author,
            "message": message,
            "tree": { "sha": sha, "url": format!("{API}/repos/{OWNER}/{REPOSITORY}/git/trees/{sha}") },
            "parents": [],
        },
    })
}

pub(super) fn hook(id: u64, active: bool, events: &Value, url: &str) -> Value {
    let here = format!("{API}/repos/{OWNER}/{REPOSITORY}/hooks/{id}");
    json!({
        "type": "Repository",
        "id": id,
        "name": "web",
        "active": active,
        "events": events,
        "config": { "content_type": "json", "insecure_ssl": "0", "url": url, "secret": "********" },
        "created_at": time(900),
        "updated_at": time(900),
        "url": here,
        "test_url": format!("{here}/test"),
        "ping_url": format!("{here}/pings"),
        "deliveries_url": format!("{here}/deliveries"),
        "last_response": { "code": null, "status": "unused", "message": null },
    })
}

pub(super) fn issue_opened(issue: Value) -> Value {
    json!({ "action": "opened", "issue": issue, "repository": repository(0), "sender": owner() })
}

pub(super) fn comment_created(issue: Value, comment: Value) -> Value {
    json!({
        "action": "created",
        "issue": issue,
        "comment": comment,
        "repository": repository(0),
        "sender": owner(),
    })
}

pub(super) fn push() -> Value {
    let person = json!({ "name": "The Octocat", "email": "octocat@github.example", "username": OWNER });
    let commit = |id: &str, message: &str, added: Value, modified: Value| {
        json!({
            "id": id,
            "tree_id": "f9d2a07e9488b91af2641b26b9407fe22a451433",
            "distinct": true,
            "message": message,
            "timestamp": "2026-03-01T10:15:30+01:00",
            "url": format!("{SITE}/{OWNER}/{REPOSITORY}/commit/{id}"),
            "author": person,
            "committer": person,
            "added": added,
            "removed": [],
            "modified": modified,
        })
    };
    let commits = json!([
        commit(
            "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
            "Add a guide",
            json!(["docs/guide.md"]),
            json!([])
        ),
        commit(
            "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
            "Mention the guide",
            json!([]),
            json!(["README.md"])
        ),
    ]);
    json!({
        "ref": "refs/heads/main",
        "before": "9049f1265b7d61be4a8904a9a27120d2064dab3b",
        "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "created": false,
        "deleted": false,
        "forced": false,
        "base_ref": null,
        "compare": format!("{SITE}/{OWNER}/{REPOSITORY}/compare/9049f1265b7d...6113728f27ae"),
        "head_commit": commits[1],
        "commits": commits,
        "repository": repository(0),
        "pusher": { "name": OWNER, "email": "octocat@github.example" },
        "sender": owner(),
    })
}

/// An error as most are.
pub(super) fn problem(status: u16, message: &str) -> Value {
    json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    })
}

/// An error in what was sent.
pub(super) fn invalid(resource: &str, field: &str, code: &str) -> Value {
    let mut problem = problem(422, "Validation Failed");
    problem["errors"] = json!([{ "resource": resource, "field": field, "code": code }]);
    problem
}

/// Puts the members of one object into another.
pub(super) fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
