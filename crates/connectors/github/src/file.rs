//! Files in repositories.

use linchpin::{prelude::*, value::base64};

use crate::{choice::repositories, repository::FullName};

/// Where a file stands.
#[fields]
#[derive(Debug, Clone)]
pub struct FileAt {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Path
    #[field(placeholder = "docs/guide.md")]
    pub path: String,
    /// Branch
    ///
    /// Or, to read, a tag or commit. The default branch where nothing is given.
    pub branch: Option<String>,
}

/// A file and what it holds.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// Path
    pub path: String,
    /// SHA
    ///
    /// The blob's, which tells this content from any other.
    pub sha: String,
    /// Size
    ///
    /// In bytes.
    pub size: u64,
    /// Page
    pub html_url: Option<String>,
    /// File
    pub file: File,
    /// Text
    ///
    /// The content, where it is UTF-8.
    pub text: Option<String>,
}

/// A commit that changed a file.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct FileCommit {
    /// Commit
    pub commit: Commit,
    /// File
    ///
    /// Nothing where the commit deleted it.
    pub content: Option<CommittedFile>,
}

/// A commit.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// SHA
    pub sha: String,
    /// Message
    pub message: String,
    /// Page
    pub html_url: String,
}

/// A file after a commit.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct CommittedFile {
    /// Path
    pub path: String,
    /// SHA
    ///
    /// The blob's.
    pub sha: String,
    /// Size
    ///
    /// In bytes.
    pub size: u64,
    /// Page
    pub html_url: String,
}

/// What GitHub says stands at a path. Of a large file the content is missing.
#[fields]
struct Entry {
    #[field(rename = "type")]
    kind: String,
    name: Option<String>,
    sha: String,
    size: Option<u64>,
    html_url: Option<String>,
    encoding: Option<String>,
    content: Option<String>,
}

/// Content by its SHA.
#[fields]
struct Blob {
    content: String,
}

/// What a commit does to one file.
#[fields]
struct Change {
    message: String,
    content: Option<String>,
    sha: Option<String>,
    branch: Option<String>,
}

/// What stands at a path; folders too come as one object.
async fn entry(cx: &Context, at: &FileAt) -> Result<Entry> {
    let FileAt { repository, path, branch } = at;
    cx.get(path!("/repos/{repository.owner}/{repository.name}/contents/{*path}"))
        .query("ref", branch.as_ref())
        .header("Accept", "application/vnd.github.object+json")
        .send()
        .await?
        .json()
}

/// Get File
///
/// A file's content, of up to 100 MB.
#[action(read)]
pub async fn get_file(cx: Context, Input(at): Input<FileAt>) -> Result<Content> {
    let entry = entry(&cx, &at).await?;
    if entry.kind != "file" {
        return Err(Error::new(format!("`{}` is not a file but a {}", at.path, entry.kind)));
    }
    let encoded = match (entry.encoding.as_deref(), entry.content) {
        (Some("base64"), Some(content)) => content,
        // GitHub leaves out what is larger than 1 MB.
        _ => {
            let path = path!("/repos/{at.repository.owner}/{at.repository.name}/git/blobs/{entry.sha}");
            cx.get(path).send().await?.json::<Blob>()?.content
        }
    };
    let content = base64::decode(&encoded)
        .ok_or_else(|| Error::coded(Code::ResponseMalformed, format!("`{}` is not base64", at.path)))?;
    Ok(Content {
        sha: entry.sha,
        size: entry.size.unwrap_or(content.len() as u64),
        html_url: entry.html_url,
        text: String::from_utf8(content.clone()).ok(),
        file: File {
            name: entry.name.unwrap_or_else(|| at.path.clone()),
            media_type: None,
            content: content.into(),
        },
        path: at.path,
    })
}

/// File SHA
///
/// The SHA of what stands at a path; nothing where nothing does.
#[helper]
pub async fn file_sha(cx: Context, Input(at): Input<FileAt>) -> Result<Option<String>> {
    match entry(&cx, &at).await {
        Ok(entry) => Ok(Some(entry.sha)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file to be written.
#[fields]
#[derive(Debug, Clone)]
pub struct PutFile {
    /// Where the file stands.
    #[field(flatten)]
    pub at: FileAt,
    /// Message
    ///
    /// That of the commit.
    #[field(min_length = 1)]
    pub message: String,
    /// Text
    ///
    /// The new content as text.
    pub text: Option<String>,
    /// File
    ///
    /// The new content as bytes, in place of a text.
    pub file: Option<File>,
    /// SHA
    ///
    /// That of the content to be replaced: if it has become another, nothing is written. Where none is given, whatever
    /// stands there is replaced.
    pub sha: Option<String>,
}

/// Put File
///
/// Creates a file, or replaces its content, with one commit.
// Repeated, it would replace whatever somebody wrote in between.
#[action(update, idempotency = "none")]
pub async fn put_file(cx: Context, Input(put): Input<PutFile>) -> Result<FileCommit> {
    let content = match (put.text, put.file) {
        (Some(text), None) => base64::encode(text.as_bytes()),
        (None, Some(file)) => base64::encode(&file.content),
        _ => return Err(Error::new("the new content is either a text or a file")),
    };
    let sha = match put.sha {
        None => cx.call::<file_sha>(put.at.clone()).await?,
        given => given,
    };
    let FileAt { repository, path, branch } = put.at;
    let change = Change { message: put.message, content: Some(content), sha, branch };
    let path = path!("/repos/{repository.owner}/{repository.name}/contents/{*path}");
    cx.put(path).json(&change).send().await?.json()
}

/// A file to be deleted.
#[fields]
#[derive(Debug, Clone)]
pub struct DeleteFile {
    /// Where the file stands.
    #[field(flatten)]
    pub at: FileAt,
    /// Message
    ///
    /// That of the commit.
    #[field(min_length = 1)]
    pub message: String,
    /// SHA
    ///
    /// That of the content to be deleted: if it has become another, nothing is deleted. Where none is given, whatever
    /// stands there is deleted.
    pub sha: Option<String>,
}

/// Delete File
///
/// Deletes a file with one commit.
#[action(delete, idempotency = "natural")]
pub async fn delete_file(cx: Context, Input(delete): Input<DeleteFile>) -> Result<FileCommit> {
    let sha = match delete.sha {
        None => cx.call::<file_sha>(delete.at.clone()).await?,
        given => given,
    };
    let FileAt { repository, path, branch } = delete.at;
    let Some(sha) = sha else {
        return Err(Error::coded(Code::NotFound, format!("there is no file `{path}`")));
    };
    let change = Change { message: delete.message, content: None, sha: Some(sha), branch };
    let path = path!("/repos/{repository.owner}/{repository.name}/contents/{*path}");
    cx.delete(path).json(&change).send().await?.json()
}
