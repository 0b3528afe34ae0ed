//! Comments on issues and pull requests.

use linchpin::{prelude::*, serde_json::json};

use crate::{account::Account, choice::repositories, repository::FullName};

/// A comment.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// Id
    pub id: u64,
    /// Body
    ///
    /// Markdown.
    pub body: Option<String>,
    /// Author
    ///
    /// Nothing where the account is gone.
    pub user: Option<Account>,
    /// Page
    pub html_url: String,
    /// Created
    pub created_at: DateTime,
    /// Updated
    pub updated_at: DateTime,
}

/// Which comments to list.
#[fields]
#[derive(Debug, Clone)]
pub struct ListComments {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Number
    ///
    /// That of the issue or pull request.
    pub number: u64,
    /// Updated since
    pub since: Option<DateTime>,
}

/// List Comments
///
/// Comments on an issue or pull request, the oldest first.
#[action(read)]
pub async fn list_comments(cx: Context, Input(q): Input<ListComments>) -> Result<Records<Comment>> {
    let path = path!("/repos/{q.repository.owner}/{q.repository.name}/issues/{q.number}/comments");
    Ok(cx.get(path).query("since", q.since).records())
}

/// A comment to be written.
#[fields]
#[derive(Debug, Clone)]
pub struct NewComment {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Number
    ///
    /// That of the issue or pull request.
    pub number: u64,
    /// Body
    ///
    /// Markdown.
    #[field(min_length = 1)]
    pub body: String,
}

/// Create Comment
///
/// Comments on an issue or pull request and returns the comment.
#[action(create, idempotency = "none")]
pub async fn create_comment(cx: Context, Input(new): Input<NewComment>) -> Result<Comment> {
    let path = path!("/repos/{new.repository.owner}/{new.repository.name}/issues/{new.number}/comments");
    cx.post(path).json(&json!({ "body": new.body })).send().await?.json()
}

/// What a comment becomes.
#[fields]
#[derive(Debug, Clone)]
pub struct CommentChange {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Comment
    ///
    /// Its id.
    pub comment: u64,
    /// Body
    ///
    /// Markdown.
    #[field(min_length = 1)]
    pub body: String,
}

/// Update Comment
#[action(update, idempotency = "natural")]
pub async fn update_comment(cx: Context, Input(change): Input<CommentChange>) -> Result<Comment> {
    let CommentChange { repository, comment, body } = change;
    let path = path!("/repos/{repository.owner}/{repository.name}/issues/comments/{comment}");
    cx.patch(path).json(&json!({ "body": body })).send().await?.json()
}

/// Which comment to delete.
#[fields]
#[derive(Debug, Clone)]
pub struct DeleteComment {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Comment
    ///
    /// Its id.
    pub comment: u64,
}

/// Delete Comment
#[action(delete, idempotency = "natural")]
pub async fn delete_comment(cx: Context, Input(q): Input<DeleteComment>) -> Result<()> {
    let path = path!("/repos/{q.repository.owner}/{q.repository.name}/issues/comments/{q.comment}");
    cx.delete(path).send().await?;
    Ok(())
}
