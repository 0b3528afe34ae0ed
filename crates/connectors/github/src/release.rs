//! Releases.

use linchpin::prelude::*;

use crate::{account::Account, choice::repositories, repository::FullName};

/// A release.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Id
    pub id: u64,
    /// Tag
    pub tag_name: String,
    /// Target
    ///
    /// The branch or commit from which the tag was made.
    pub target_commitish: String,
    /// Name
    pub name: Option<String>,
    /// Notes
    ///
    /// Markdown.
    pub body: Option<String>,
    /// Draft
    pub draft: bool,
    /// Prerelease
    pub prerelease: bool,
    /// Author
    pub author: Account,
    /// Files
    pub assets: Vec<Asset>,
    /// Page
    pub html_url: String,
    /// Created
    pub created_at: DateTime,
    /// Published
    ///
    /// Nothing for a draft.
    pub published_at: Option<DateTime>,
}

/// A file of a release.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Id
    pub id: u64,
    /// Name
    pub name: String,
    /// Media type
    pub content_type: String,
    /// Size
    ///
    /// In bytes.
    pub size: u64,
    /// Downloads
    ///
    /// How many there were.
    pub download_count: u64,
    /// Address
    ///
    /// Where browsers download it.
    pub browser_download_url: String,
}

/// Whose releases.
#[fields]
#[derive(Debug, Clone)]
pub struct ReleasesOf {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
}

/// List Releases
///
/// Releases of a repository, the newest first; drafts only for those who may push.
#[action(read)]
pub async fn list_releases(cx: Context, Input(q): Input<ReleasesOf>) -> Result<Records<Release>> {
    Ok(cx.get(path!("/repos/{q.repository.owner}/{q.repository.name}/releases")).records())
}

/// Get Latest Release
///
/// The newest release that is neither a draft nor a prerelease.
#[action(read)]
pub async fn get_latest_release(cx: Context, Input(q): Input<ReleasesOf>) -> Result<Release> {
    cx.get(path!("/repos/{q.repository.owner}/{q.repository.name}/releases/latest")).send().await?.json()
}

/// A release to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewRelease {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Tag
    ///
    /// Made with the release if there is none of this name.
    #[field(placeholder = "v1.0.0", min_length = 1)]
    pub tag_name: String,
    /// Target
    ///
    /// The branch or commit from which a new tag is made; the default branch where nothing is given.
    pub target_commitish: Option<String>,
    /// Name
    pub name: Option<String>,
    /// Notes
    ///
    /// Markdown.
    pub body: Option<String>,
    /// Draft
    #[field(default)]
    pub draft: bool,
    /// Prerelease
    #[field(default)]
    pub prerelease: bool,
    /// Generate notes
    ///
    /// Lets GitHub write a name and notes; a name or notes of yours come first.
    #[field(default)]
    pub generate_release_notes: bool,
}

/// Create Release
///
/// Makes a release, with its tag if there is none yet, and returns it.
#[action(create, idempotency = "none")]
pub async fn create_release(cx: Context, Input(new): Input<NewRelease>) -> Result<Release> {
    let path = path!("/repos/{new.repository.owner}/{new.repository.name}/releases");
    cx.post(path).json_without(&new, &["repository"]).send().await?.json()
}

/// What to change of a release; what is not given stays.
#[fields]
#[derive(Debug, Clone)]
pub struct ReleaseChange {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Release
    ///
    /// Its id.
    pub release: u64,
    /// Tag
    pub tag_name: Option<String>,
    /// Name
    pub name: Option<String>,
    /// Notes
    ///
    /// Markdown.
    pub body: Option<String>,
    /// Draft
    ///
    /// `false` publishes a draft.
    pub draft: Option<bool>,
    /// Prerelease
    pub prerelease: Option<bool>,
}

/// Update Release
#[action(update, idempotency = "natural")]
pub async fn update_release(cx: Context, Input(change): Input<ReleaseChange>) -> Result<Release> {
    let path = path!("/repos/{change.repository.owner}/{change.repository.name}/releases/{change.release}");
    cx.patch(path).json_without(&change, &["repository", "release"]).send().await?.json()
}

/// Which release to delete.
#[fields]
#[derive(Debug, Clone)]
pub struct DeleteRelease {
    /// Repository
    #[field(choices = repositories, placeholder = "octocat/hello-world")]
    pub repository: FullName,
    /// Release
    ///
    /// Its id.
    pub release: u64,
}

/// Delete Release
///
/// Deletes a release and its files. The tag stays.
#[action(delete, idempotency = "natural")]
pub async fn delete_release(cx: Context, Input(q): Input<DeleteRelease>) -> Result<()> {
    cx.delete(path!("/repos/{q.repository.owner}/{q.repository.name}/releases/{q.release}")).send().await?;
    Ok(())
}
