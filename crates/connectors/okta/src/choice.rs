//! Choices of fields.

use linchpin::{prelude::*, request::RequestBuilder};

use crate::{PAGE, group::Group, user::User};

/// As many choices as a list that unfolds can hold; whoever types gets others.
const MOST: usize = 100;

/// Users
///
/// Users who are not deactivated, by the beginning of a name or address.
#[helper]
pub async fn users(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let found = search(cx.get(path!("/api/v1/users")), query).records::<User>().take(MOST).await?;
    Ok(found.into_iter().map(person).collect())
}

/// Groups
///
/// Groups, by the beginning of their names.
#[helper]
pub async fn groups(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let found = search(cx.get(path!("/api/v1/groups")), query).records::<Group>().take(MOST).await?;
    Ok(found.into_iter().map(|group| Choice::new(group.id, group.profile.name)).collect())
}

/// A question about one group.
#[fields]
#[derive(Debug, Clone)]
pub struct InGroup {
    /// Group
    #[field(min_length = 1)]
    pub group: String,
    /// What the user has typed so far.
    #[field(flatten)]
    pub query: ChoiceQuery,
}

/// Members
///
/// The users in the chosen group.
#[helper]
pub async fn members(cx: Context, Input(InGroup { group, query }): Input<InGroup>) -> Result<Choices> {
    // Okta cannot search among them.
    let members = cx.get(path!("/api/v1/groups/{group}/users")).query("limit", PAGE).records::<User>();
    let found = members.map(person).filter(move |choice| query.matches(&choice.label)).take(MOST).await?;
    Ok(found.into_iter().collect())
}

/// Lets Okta look for what somebody has typed.
fn search(request: RequestBuilder, query: ChoiceQuery) -> RequestBuilder {
    request.query("q", query.search.filter(|typed| !typed.is_empty())).query("limit", MOST)
}

/// A user by name and login.
fn person(user: User) -> Choice {
    let names = [user.profile.first_name, user.profile.last_name];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let label = match name.as_str() {
        "" => user.profile.login,
        name => format!("{name} ({})", user.profile.login),
    };
    Choice::new(user.id, label)
}
