//! The people of an org.

use std::collections::BTreeMap;

use linchpin::{
    prelude::*,
    serde_json::{Value, json},
};

use crate::{
    PAGE,
    choice::{groups, users},
    group::Group,
};

/// A user.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Id
    pub id: String,
    /// Status
    ///
    /// `STAGED`, `PROVISIONED`, `ACTIVE`, `RECOVERY`, `LOCKED_OUT`, `PASSWORD_EXPIRED`, `SUSPENDED` or `DEPROVISIONED`, which is what
    /// Okta calls a deactivated one.
    pub status: String,
    /// On the way to
    ///
    /// The status that the user will have when Okta has done what was asked.
    pub transitioning_to_status: Option<String>,
    /// Created
    pub created: DateTime,
    /// Activated
    pub activated: Option<DateTime>,
    /// Status changed
    pub status_changed: Option<DateTime>,
    /// Last login
    pub last_login: Option<DateTime>,
    /// Updated
    pub last_updated: DateTime,
    /// Password changed
    pub password_changed: Option<DateTime>,
    /// Profile
    pub profile: Profile,
}

/// What an org knows of a user.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Login
    pub login: String,
    /// E-mail
    ///
    /// Nothing for users of directories that have none.
    pub email: Option<String>,
    /// First name
    pub first_name: Option<String>,
    /// Last name
    pub last_name: Option<String>,
    /// Other attributes
    ///
    /// Those that Okta knows beside these, and the org's own.
    #[field(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Which users to list, and in which order.
#[fields]
#[derive(Debug, Clone)]
pub struct ListUsers {
    /// Search
    ///
    /// An expression over any attribute, as in `profile.department eq "Sales" and status eq "ACTIVE"`. Okta takes a while to find what
    /// has just changed.
    #[field(placeholder = "profile.lastName sw \"Ho\"")]
    pub search: Option<String>,
    /// Filter
    ///
    /// An expression over `status`, `lastUpdated`, `id`, `profile.login`, `profile.email`, `profile.firstName` and
    /// `profile.lastName`, which is up to date.
    #[field(placeholder = "lastUpdated gt \"2026-01-01T00:00:00.000Z\"")]
    pub filter: Option<String>,
    /// Sort by
    ///
    /// Any attribute, as in `profile.lastName`; with a search only.
    #[field(group = "Order")]
    pub sort_by: Option<String>,
    /// Direction
    #[field(group = "Order")]
    pub direction: Option<Direction>,
}

/// Which end of an order comes first.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending
    Asc,
    /// Descending
    Desc,
}

/// List Users
///
/// Users of the org. Without a search or filter those that are deactivated are left out.
#[action(read)]
pub async fn list_users(cx: Context, Input(q): Input<ListUsers>) -> Result<Records<User>> {
    let request = cx.get(path!("/api/v1/users")).query("search", q.search).query("filter", q.filter);
    let request = request.query("sortBy", q.sort_by).query("sortOrder", q.direction);
    Ok(request.query("limit", PAGE).records())
}

/// Which user.
#[fields]
#[derive(Debug, Clone)]
pub struct UserOf {
    /// User
    ///
    /// An id or a login.
    #[field(choices = users, placeholder = "isaac.brock@example.com", min_length = 1)]
    pub user: String,
}

/// Get User
#[action(read)]
pub async fn get_user(cx: Context, Input(of): Input<UserOf>) -> Result<User> {
    cx.get(path!("/api/v1/users/{of.user}")).send().await?.json()
}

/// Attributes that are set.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// E-mail
    #[field(placeholder = "isaac.brock@example.com", min_length = 5, max_length = 100)]
    pub email: Option<String>,
    /// First name
    #[field(min_length = 1, max_length = 50)]
    pub first_name: Option<String>,
    /// Last name
    #[field(min_length = 1, max_length = 50)]
    pub last_name: Option<String>,
    /// Display name
    pub display_name: Option<String>,
    /// Title
    pub title: Option<String>,
    /// Department
    pub department: Option<String>,
    /// Mobile phone
    #[field(max_length = 100)]
    pub mobile_phone: Option<String>,
    /// Second e-mail
    pub second_email: Option<String>,
    /// Other attributes
    ///
    /// By the names that the org's profile has for them; `null` takes one away.
    pub other: Option<BTreeMap<String, Value>>,
}

impl Attributes {
    /// As a profile has them.
    fn into_profile(self, login: Option<String>) -> BTreeMap<String, Value> {
        let known = [
            ("login", login),
            ("email", self.email),
            ("firstName", self.first_name),
            ("lastName", self.last_name),
            ("displayName", self.display_name),
            ("title", self.title),
            ("department", self.department),
            ("mobilePhone", self.mobile_phone),
            ("secondEmail", self.second_email),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let mut profile = self.other.unwrap_or_default();
        profile.extend(known);
        profile
    }
}

/// A user to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Login
    #[field(placeholder = "isaac.brock@example.com", min_length = 5, max_length = 100)]
    pub login: String,
    /// Profile
    ///
    /// An e-mail address is needed, and in most orgs both names.
    pub profile: Attributes,
    /// Password
    ///
    /// Without one, an activated user gets a mail with a link to choose it.
    #[field(secret)]
    pub password: Option<String>,
    /// Choose another password
    ///
    /// Whether the user must do so at the first login.
    #[field(default)]
    pub change_password: bool,
    /// Groups
    ///
    /// Ids of groups that the user is in from the beginning.
    #[field(choices = groups)]
    pub groups: Option<Vec<String>>,
    /// Activate
    ///
    /// Whether the user can sign in at once, and gets mail about it; otherwise they are staged.
    #[field(default)]
    pub activate: bool,
}

/// Create User
///
/// Makes a user and returns them; unless you say otherwise they are not activated yet.
#[action(create, idempotency = "none")]
pub async fn create_user(cx: Context, Input(new): Input<NewUser>) -> Result<User> {
    let mut body = json!({ "profile": new.profile.into_profile(Some(new.login)) });
    if let Some(password) = new.password {
        body["credentials"] = json!({ "password": { "value": password } });
    }
    if let Some(groups) = new.groups {
        body["groupIds"] = groups.into();
    }
    let request = cx.post(path!("/api/v1/users")).query("activate", new.activate);
    let request = request.query("nextLogin", new.change_password.then_some("changePassword"));
    request.json(&body).send().await?.json()
}

/// What to change of a user; what is not given stays.
#[fields]
#[derive(Debug, Clone)]
pub struct UserChange {
    /// User
    ///
    /// An id or a login.
    #[field(choices = users, placeholder = "isaac.brock@example.com", min_length = 1)]
    pub user: String,
    /// Login
    #[field(min_length = 5, max_length = 100)]
    pub login: Option<String>,
    /// Profile
    pub profile: Attributes,
}

/// Update User
///
/// Changes a user's profile and returns the user.
#[action(update, idempotency = "natural")]
pub async fn update_user(cx: Context, Input(change): Input<UserChange>) -> Result<User> {
    // By POST what is not named stays; by PUT it would be taken away.
    let request = cx.post(path!("/api/v1/users/{change.user}"));
    let body = json!({ "profile": change.profile.into_profile(change.login) });
    request.json(&body).send().await?.json()
}

/// Delete User
///
/// Deletes a deactivated user for good.
#[action(delete, idempotency = "natural")]
pub async fn delete_user(cx: Context, Input(of): Input<UserOf>) -> Result<()> {
    let user = get_user(cx.clone(), Input(of)).await?;
    // Okta would only deactivate others, and delete them when it is asked once more.
    if user.status != "DEPROVISIONED" {
        let message =
            format!("`{}` is not deactivated, and only then can a user be deleted", user.profile.login);
        return Err(Error::coded(Code::Rejected, message).hint("call `deactivate_user` first"));
    }
    cx.delete(path!("/api/v1/users/{user.id}")).send().await.map(drop)
}

/// List User Groups
///
/// The groups that a user is in.
#[action(read)]
pub async fn list_user_groups(cx: Context, Input(of): Input<UserOf>) -> Result<Records<Group>> {
    Ok(cx.get(path!("/api/v1/users/{of.user}/groups")).records())
}
