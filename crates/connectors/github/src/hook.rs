//! Webhooks, and the events that they deliver.

use linchpin::{prelude::*, serde_json::json};

use crate::{account::Account, choice::repositories, comment::Comment, issue::Issue, repository::FullName};

/// Of what, and where, a webhook tells.
#[fields]
#[derive(Debug, Clone)]
pub struct RepositoryHook {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Event
    pub event: HookEvent,
}

/// What a webhook tells of.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// Issue opened
    IssueOpened,
    /// Issue commented
    IssueCommented,
    /// Pushed
    Pushed,
}

impl HookEvent {
    /// GitHub's word for it.
    fn name(self) -> &'static str {
        match self {
            HookEvent::IssueOpened => "issues",
            HookEvent::IssueCommented => "issue_comment",
            HookEvent::Pushed => "push",
        }
    }
}

/// A webhook that stands.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookId {
    /// Repository
    pub repository: FullName,
    /// Id
    pub id: u64,
}

/// What GitHub says of a webhook.
#[fields]
struct Hook {
    id: u64,
    active: bool,
    config: HookConfig,
}

#[fields]
struct HookConfig {
    /// Webhooks of GitHub's own services have none.
    url: Option<String>,
}

/// Register Webhook
///
/// Lets GitHub tell of an event in a repository. The token needs the right to administer its webhooks.
#[webhook(register, hook = "repository")]
pub async fn register(
    cx: Context,
    url: EventUrl,
    SigningSecret(secret): SigningSecret,
    Options(RepositoryHook { repository, event }): Options<RepositoryHook>,
) -> Result<HookId> {
    let hook = json!({
        "name": "web",
        "active": true,
        "events": [event.name()],
        "config": { "url": *url, "content_type": "json", "insecure_ssl": "0", "secret": secret.expose() },
    });
    let path = path!("/repos/{repository.owner}/{repository.name}/hooks");
    let Hook { id, .. } = cx.post(path).json(&hook).send().await?.json()?;
    Ok(HookId { repository, id })
}

/// Deregister Webhook
///
/// One that is gone already, perhaps with its repository, counts as deregistered.
#[webhook(deregister, hook = "repository")]
pub async fn deregister(cx: Context, Registered(hook): Registered<register>) -> Result<()> {
    let path = path!("/repos/{hook.repository.owner}/{hook.repository.name}/hooks/{hook.id}");
    match cx.delete(path).send().await {
        Err(error) if error.code() != Code::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Check Webhook
///
/// GitHub turns a webhook off when somebody does, not after failures.
#[webhook(check, hook = "repository")]
pub async fn check(cx: Context, Registered(hook): Registered<register>, url: EventUrl) -> Result<HookState> {
    let path = path!("/repos/{hook.repository.owner}/{hook.repository.name}/hooks/{hook.id}");
    let found: Hook = cx.get(path).send().await?.json()?;
    Ok(match found.active {
        true => HookState::at(found.config.url.as_deref().unwrap_or_default(), &url),
        false => HookState::paused(),
    })
}

/// Renew Webhook
///
/// Turns it on again, with the URL and the key of now.
#[webhook(renew, hook = "repository")]
pub async fn renew(
    cx: Context,
    Registered(hook): Registered<register>,
    url: EventUrl,
    SigningSecret(secret): SigningSecret,
) -> Result<HookId> {
    let change = json!({
        "active": true,
        "config": { "url": *url, "content_type": "json", "insecure_ssl": "0", "secret": secret.expose() },
    });
    let path = path!("/repos/{hook.repository.owner}/{hook.repository.name}/hooks/{hook.id}");
    cx.patch(path).json(&change).send().await?;
    Ok(hook)
}

/// List Webhooks
///
/// The webhooks of the repository.
#[webhook(list, hook = "repository")]
pub async fn list(
    cx: Context,
    _ours: EventBase,
    Options(RepositoryHook { repository, .. }): Options<RepositoryHook>,
) -> Result<Vec<Found<register>>> {
    let path = path!("/repos/{repository.owner}/{repository.name}/hooks");
    let mut hooks = cx.get(path).records::<Hook>();
    let mut found = Vec::new();
    while let Some(hook) = hooks.next().await? {
        let Some(url) = hook.config.url else { continue };
        let id = HookId { repository: repository.clone(), id: hook.id };
        found.push(Found::new(id, url).paused(!hook.active));
    }
    Ok(found)
}

/// The repository that a delivery is about; the events name it in one way.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Full name
    #[field(placeholder = "octocat/hello-world")]
    pub full_name: FullName,
}

/// What GitHub delivers when an issue is opened.
#[fields]
#[derive(Debug, Clone)]
pub struct IssueDelivery {
    /// Issue
    pub issue: Issue,
    /// Repository
    pub repository: Subject,
    /// Sender
    pub sender: Account,
}

/// An issue that was opened.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedIssue {
    /// Repository
    pub repository: FullName,
    /// Opened by
    pub opened_by: Account,
    /// Issue
    pub issue: Issue,
}

/// Issue Opened
///
/// Somebody opened an issue in the repository.
#[webhook(event = "issue_opened")]
pub async fn issue_opened(_cx: Context, Payload(p): Payload<IssueDelivery>) -> Result<OpenedIssue> {
    Ok(OpenedIssue { repository: p.repository.full_name, opened_by: p.sender, issue: p.issue })
}

/// What GitHub delivers when a comment is written.
#[fields]
#[derive(Debug, Clone)]
pub struct CommentDelivery {
    /// Issue
    pub issue: Issue,
    /// Comment
    pub comment: Comment,
    /// Repository
    pub repository: Subject,
}

/// A comment that was written on an issue.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct IssueComment {
    /// Repository
    pub repository: FullName,
    /// Issue
    pub issue: Issue,
    /// Comment
    pub comment: Comment,
}

/// Issue Commented
///
/// Somebody wrote a comment on an issue in the repository. Comments on pull requests are passed over.
#[webhook(event = "issue_commented")]
pub async fn issue_commented(
    _cx: Context,
    Payload(p): Payload<CommentDelivery>,
) -> Result<Option<IssueComment>> {
    let CommentDelivery { issue, comment, repository } = p;
    let on_issue = issue.pull_request.is_none();
    Ok(on_issue.then_some(IssueComment { repository: repository.full_name, issue, comment }))
}

/// What GitHub delivers when commits are pushed.
#[fields]
#[derive(Debug, Clone)]
pub struct PushDelivery {
    /// Ref
    ///
    /// The branch or tag: `refs/heads/main`.
    #[field(rename = "ref", placeholder = "refs/heads/main")]
    pub reference: String,
    /// Commits
    pub commits: Vec<DeliveredCommit>,
    /// Repository
    pub repository: Subject,
}

/// A commit as a delivery has it.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveredCommit {
    /// SHA
    pub id: String,
    /// Message
    pub message: String,
    /// Time
    pub timestamp: DateTime,
    /// Page
    pub url: String,
    /// Author
    pub author: CommitAuthor,
    /// Added
    ///
    /// Paths of new files.
    pub added: Option<Vec<String>>,
    /// Removed
    ///
    /// Paths of deleted files.
    pub removed: Option<Vec<String>>,
    /// Modified
    ///
    /// Paths of changed files.
    pub modified: Option<Vec<String>>,
}

/// Who wrote a commit, as Git knows it.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct CommitAuthor {
    /// Name
    pub name: String,
    /// Email
    pub email: Option<String>,
    /// Login
    ///
    /// Where GitHub knows the address.
    pub username: Option<String>,
}

/// A commit that was pushed to a branch.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct PushedCommit {
    /// Repository
    pub repository: FullName,
    /// Branch
    pub branch: String,
    /// Commit
    pub commit: DeliveredCommit,
}

/// Pushed
///
/// Commits that somebody pushed to a branch of the repository, each on its own. Tags are passed over.
#[webhook(event = "pushed")]
pub async fn pushed(_cx: Context, Payload(push): Payload<PushDelivery>) -> Result<Vec<PushedCommit>> {
    let Some(branch) = push.reference.strip_prefix("refs/heads/") else { return Ok(Vec::new()) };
    let repository = push.repository.full_name;
    let pushed = |commit| PushedCommit { repository: repository.clone(), branch: branch.to_owned(), commit };
    Ok(push.commits.into_iter().map(pushed).collect())
}
