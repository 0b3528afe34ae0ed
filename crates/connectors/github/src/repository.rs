//! Repositories.

use std::{fmt, str::FromStr};

use linchpin::{
    prelude::*,
    serde::{Deserialize, Deserializer, Serialize, Serializer, de},
    shape::{FieldType, Shape},
};

use crate::{account::Account, choice::repositories};

/// A repository by its owner and its name: `octocat/hello-world`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullName {
    /// The account that it belongs to.
    pub owner: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for FullName {
    type Err = Error;

    fn from_str(text: &str) -> Result<FullName> {
        match text.split_once('/') {
            Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(FullName { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(Error::new(format!("`{text}` is not an owner and a name, as in `octocat/hello-world`"))),
        }
    }
}

impl Serialize for FullName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FullName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FullName, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl FieldType for FullName {
    fn shape() -> Shape {
        Shape::Text
    }
}

/// A repository.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// Id
    pub id: u64,
    /// Name
    pub name: String,
    /// Full name
    pub full_name: FullName,
    /// Owner
    ///
    /// Search results lack it where the account is gone.
    pub owner: Option<Account>,
    /// Private
    pub private: bool,
    /// Fork
    pub fork: bool,
    /// Archived
    ///
    /// Whether it can only be read.
    pub archived: bool,
    /// Description
    pub description: Option<String>,
    /// Page
    pub html_url: String,
    /// Default branch
    pub default_branch: String,
    /// Language
    pub language: Option<String>,
    /// Topics
    pub topics: Option<Vec<String>>,
    /// Stars
    pub stargazers_count: u64,
    /// Forks
    pub forks_count: u64,
    /// Open issues
    ///
    /// Pull requests count as issues.
    pub open_issues_count: u64,
    /// Created
    pub created_at: Option<DateTime>,
    /// Updated
    pub updated_at: Option<DateTime>,
    /// Pushed
    pub pushed_at: Option<DateTime>,
}

/// What repositories are listed by.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositorySort {
    /// Created
    Created,
    /// Updated
    Updated,
    /// Pushed
    Pushed,
    /// Name
    FullName,
}

/// Which repositories are listed.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// All
    All,
    /// Public
    Public,
    /// Private
    Private,
}

/// Ascending or descending.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending
    Asc,
    /// Descending
    Desc,
}

/// Which repositories to list, and in which order.
#[fields]
#[derive(Debug, Clone)]
pub struct ListRepositories {
    /// Visibility
    ///
    /// All where nothing is chosen.
    pub visibility: Option<Visibility>,
    /// Sort by
    ///
    /// The name where nothing is chosen.
    pub sort: Option<RepositorySort>,
    /// Direction
    pub direction: Option<Direction>,
}

/// List Repositories
///
/// Repositories that the connection's account owns, collaborates on, or sees as a member of an organisation.
#[action(read)]
pub async fn list_repositories(
    cx: Context,
    Input(q): Input<ListRepositories>,
) -> Result<Records<Repository>> {
    let request = cx.get(path!("/user/repos")).query("visibility", q.visibility);
    Ok(request.query("sort", q.sort).query("direction", q.direction).records())
}

/// Which repository to get.
#[fields]
#[derive(Debug, Clone)]
pub struct GetRepository {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
}

/// Get Repository
#[action(read)]
pub async fn get_repository(cx: Context, Input(q): Input<GetRepository>) -> Result<Repository> {
    cx.get(path!("/repos/{q.repository.owner}/{q.repository.name}")).send().await?.json()
}
