//! Search over all of GitHub.

use linchpin::prelude::*;

use crate::{
    issue::Issue,
    repository::{Direction, Repository},
};

/// What to look for among issues and pull requests.
#[fields]
#[derive(Debug, Clone)]
pub struct SearchIssues {
    /// Query
    ///
    /// In GitHub's search syntax, with `is:issue` or `is:pull-request` in it.
    #[field(placeholder = "repo:octocat/hello-world is:issue is:open crash", min_length = 1)]
    pub query: String,
    /// Sort by
    ///
    /// The best match first where nothing is chosen.
    pub sort: Option<IssueOrder>,
    /// Direction
    pub direction: Option<Direction>,
}

/// What found issues are listed by.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueOrder {
    /// Comments
    Comments,
    /// Reactions
    Reactions,
    /// Created
    Created,
    /// Updated
    Updated,
}

/// Search Issues
///
/// Issues and pull requests that match. GitHub finds a thousand at the most.
#[action(read)]
pub async fn search_issues(cx: Context, Input(q): Input<SearchIssues>) -> Result<Records<Issue>> {
    let request = cx.get(path!("/search/issues")).query("q", q.query);
    Ok(request.query("sort", q.sort).query("order", q.direction).records_at("/items"))
}

/// What to look for among repositories.
#[fields]
#[derive(Debug, Clone)]
pub struct SearchRepositories {
    /// Query
    ///
    /// In GitHub's search syntax.
    #[field(placeholder = "language:rust stars:>100", min_length = 1)]
    pub query: String,
    /// Sort by
    ///
    /// The best match first where nothing is chosen.
    pub sort: Option<RepositoryOrder>,
    /// Direction
    pub direction: Option<Direction>,
}

/// What found repositories are listed by.
#[fields(rename_all = "kebab-case")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryOrder {
    /// Stars
    Stars,
    /// Forks
    Forks,
    /// Issues where help is wanted
    HelpWantedIssues,
    /// Updated
    Updated,
}

/// Search Repositories
///
/// Repositories that match. GitHub finds a thousand at the most.
#[action(read)]
pub async fn search_repositories(
    cx: Context,
    Input(q): Input<SearchRepositories>,
) -> Result<Records<Repository>> {
    let request = cx.get(path!("/search/repositories")).query("q", q.query);
    Ok(request.query("sort", q.sort).query("order", q.direction).records_at("/items"))
}
