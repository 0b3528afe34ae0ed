//! Issues and their labels.

use linchpin::{prelude::*, serde_json::json};

use crate::{
    account::Account,
    choice::{labels, repositories},
    repository::{Direction, FullName},
};

/// An issue.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Issue {
    /// Id
    pub id: u64,
    /// Number
    ///
    /// Counts within the repository.
    pub number: u64,
    /// Title
    pub title: String,
    /// Body
    ///
    /// Markdown.
    pub body: Option<String>,
    /// State
    pub state: IssueState,
    /// Reason
    ///
    /// Why it is in this state.
    pub state_reason: Option<StateReason>,
    /// Author
    ///
    /// Nothing where the account is gone.
    pub user: Option<Account>,
    /// Labels
    pub labels: Vec<Label>,
    /// Assignees
    pub assignees: Option<Vec<Account>>,
    /// Milestone
    pub milestone: Option<Milestone>,
    /// Locked
    pub locked: bool,
    /// Comments
    ///
    /// How many there are.
    pub comments: u64,
    /// Page
    pub html_url: String,
    /// Pull request
    ///
    /// Only where the issue is a pull request.
    pub pull_request: Option<PullRequest>,
    /// Created
    pub created_at: DateTime,
    /// Updated
    pub updated_at: DateTime,
    /// Closed
    pub closed_at: Option<DateTime>,
}

/// What an issue that is a pull request says of it.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct PullRequest {
    /// Page
    pub html_url: Option<String>,
    /// Merged
    pub merged_at: Option<DateTime>,
}

/// A label.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Id
    pub id: u64,
    /// Name
    pub name: String,
    /// Colour
    ///
    /// Six hexadecimal digits.
    pub color: String,
    /// Description
    pub description: Option<String>,
}

/// A milestone.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Milestone {
    /// Number
    pub number: u64,
    /// Title
    pub title: String,
    /// State
    pub state: IssueState,
    /// Due
    pub due_on: Option<DateTime>,
}

/// Whether an issue or milestone is open.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueState {
    /// Open
    Open,
    /// Closed
    Closed,
}

/// Which issues are listed.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueFilter {
    /// Open
    Open,
    /// Closed
    Closed,
    /// All
    All,
}

/// Why an issue is in its state.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateReason {
    /// Completed
    Completed,
    /// Not planned
    NotPlanned,
    /// Duplicate
    Duplicate,
    /// Reopened
    Reopened,
}

/// What issues are listed by.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueSort {
    /// Created
    Created,
    /// Updated
    Updated,
    /// Comments
    Comments,
}

/// Which issues to list, and in which order.
#[fields]
#[derive(Debug, Clone)]
pub struct ListIssues {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// State
    ///
    /// Open issues where nothing is chosen.
    pub state: Option<IssueFilter>,
    /// Labels
    ///
    /// Only issues that have all of them.
    #[field(choices = labels, depends_on(repository))]
    pub labels: Option<Vec<String>>,
    /// Assignee
    ///
    /// A login; `none` for issues without one, `*` for issues with any.
    pub assignee: Option<String>,
    /// Updated since
    pub since: Option<DateTime>,
    /// Pull requests too
    ///
    /// GitHub counts pull requests as issues.
    #[field(default)]
    pub pull_requests: bool,
    /// Sort by
    #[field(group = "Order")]
    pub sort: Option<IssueSort>,
    /// Direction
    #[field(group = "Order")]
    pub direction: Option<Direction>,
}

/// List Issues
///
/// Issues of a repository, the newest first unless another order is chosen.
#[action(read)]
pub async fn list_issues(cx: Context, Input(q): Input<ListIssues>) -> Result<Records<Issue>> {
    let issues = cx
        .get(path!("/repos/{q.repository.owner}/{q.repository.name}/issues"))
        .query("state", q.state)
        .query("labels", q.labels.map(|labels| labels.join(",")))
        .query("assignee", q.assignee)
        .query("since", q.since)
        .query("sort", q.sort)
        .query("direction", q.direction)
        .records::<Issue>();
    Ok(issues.filter(move |issue| q.pull_requests || issue.pull_request.is_none()))
}

/// Which issue to get.
#[fields]
#[derive(Debug, Clone)]
pub struct GetIssue {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Number
    pub number: u64,
}

/// Get Issue
#[action(read)]
pub async fn get_issue(cx: Context, Input(q): Input<GetIssue>) -> Result<Issue> {
    let path = path!("/repos/{q.repository.owner}/{q.repository.name}/issues/{q.number}");
    cx.get(path).send().await?.json()
}

/// An issue to be opened.
#[fields]
#[derive(Debug, Clone)]
pub struct NewIssue {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Title
    #[field(min_length = 1)]
    pub title: String,
    /// Body
    ///
    /// Markdown.
    pub body: Option<String>,
    /// Labels
    ///
    /// Without the right to push, GitHub leaves them out and says nothing.
    #[field(choices = labels, depends_on(repository))]
    pub labels: Option<Vec<String>>,
    /// Assignees
    ///
    /// Logins.
    pub assignees: Option<Vec<String>>,
    /// Milestone
    ///
    /// Its number.
    pub milestone: Option<u64>,
}

/// Create Issue
///
/// Opens an issue in a repository and returns it.
#[action(create, idempotency = "none")]
pub async fn create_issue(cx: Context, Input(new): Input<NewIssue>) -> Result<Issue> {
    let path = path!("/repos/{new.repository.owner}/{new.repository.name}/issues");
    cx.post(path).json_without(&new, &["repository"]).send().await?.json()
}

/// What to change of an issue; what is not given stays.
#[fields]
#[derive(Debug, Clone)]
pub struct IssueChange {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Number
    pub number: u64,
    /// Title
    pub title: Option<String>,
    /// Body
    ///
    /// Markdown.
    pub body: Option<String>,
    /// State
    pub state: Option<IssueState>,
    /// Reason
    ///
    /// Why the state changes; means nothing without a state.
    pub state_reason: Option<StateReason>,
    /// Labels
    ///
    /// Take the place of all that the issue has.
    #[field(choices = labels, depends_on(repository))]
    pub labels: Option<Vec<String>>,
    /// Assignees
    ///
    /// Logins; take the place of all that the issue has.
    pub assignees: Option<Vec<String>>,
    /// Milestone
    ///
    /// Its number.
    pub milestone: Option<u64>,
}

/// Update Issue
///
/// Changes an issue, closes it or opens it again, and returns it.
#[action(update, idempotency = "natural")]
pub async fn update_issue(cx: Context, Input(change): Input<IssueChange>) -> Result<Issue> {
    let path = path!("/repos/{change.repository.owner}/{change.repository.name}/issues/{change.number}");
    cx.patch(path).json_without(&change, &["repository", "number"]).send().await?.json()
}

/// Which labels an issue gets.
#[fields]
#[derive(Debug, Clone)]
pub struct AddLabels {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Number
    pub number: u64,
    /// Labels
    #[field(choices = labels, depends_on(repository), min_length = 1)]
    pub labels: Vec<String>,
}

/// Add Labels
///
/// Adds labels to an issue beside those it has, and returns all.
#[action(update, idempotency = "natural")]
pub async fn add_labels(cx: Context, Input(add): Input<AddLabels>) -> Result<Vec<Label>> {
    let path = path!("/repos/{add.repository.owner}/{add.repository.name}/issues/{add.number}/labels");
    cx.post(path).json(&json!({ "labels": add.labels })).send().await?.json()
}
