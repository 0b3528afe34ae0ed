//! Choices of fields.

use linchpin::prelude::*;

use crate::{
    issue::Label,
    repository::{FullName, Repository},
};

/// As many choices as a list that unfolds can hold; whoever types gets others.
const MOST: usize = 100;

/// Repositories
///
/// Repositories that the connection can see, those last pushed to first.
#[helper]
pub async fn repositories(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let repositories = cx.get(path!("/user/repos")).query("sort", "pushed").records::<Repository>();
    let names = repositories.map(|repository| repository.full_name.to_string());
    let found = names.filter(move |name| query.matches(name)).take(MOST).await?;
    Ok(found.into_iter().map(|name| Choice::new(&name, &name)).collect())
}

/// A question about one repository.
#[fields]
#[derive(Debug, Clone)]
pub struct LabelQuery {
    /// Repository
    pub repository: FullName,
    /// What the user has typed so far.
    #[field(flatten)]
    pub query: ChoiceQuery,
}

/// Labels
///
/// Labels of the chosen repository.
#[helper]
pub async fn labels(
    cx: Context,
    Input(LabelQuery { repository, query }): Input<LabelQuery>,
) -> Result<Choices> {
    let labels = cx.get(path!("/repos/{repository.owner}/{repository.name}/labels")).records::<Label>();
    let found = labels.filter(move |label| query.matches(&label.name)).take(MOST).await?;
    Ok(found.into_iter().map(|label| Choice::new(&label.name, &label.name)).collect())
}
