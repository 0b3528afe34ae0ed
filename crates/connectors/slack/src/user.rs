//! People and bots.

use linchpin::prelude::*;

use crate::choice::users;

/// A user.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Id
    pub id: String,
    /// Name
    pub name: String,
    /// Full name
    pub real_name: Option<String>,
    /// Bot
    pub is_bot: bool,
    /// Admin
    pub is_admin: Option<bool>,
    /// Deleted
    ///
    /// Whether the account is closed.
    pub deleted: Option<bool>,
    /// Time zone
    pub tz: Option<String>,
    /// Profile
    pub profile: Profile,
}

/// What a user says of themselves.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Display name
    pub display_name: Option<String>,
    /// E-mail
    ///
    /// For connections with the scope `users:read.email`.
    pub email: Option<String>,
    /// Title
    pub title: Option<String>,
}

/// A user as Slack gives them.
#[fields]
struct One {
    user: User,
}

/// List Users
///
/// Everybody who is or was in the workspace, bots among them.
#[action(read)]
pub async fn list_users(cx: Context) -> Result<Records<User>> {
    Ok(cx.get(path!("/users.list")).records_at("/members"))
}

/// Which user.
#[fields]
#[derive(Debug, Clone)]
pub struct UserOf {
    /// User
    #[field(choices = users, placeholder = "U012AB3CD")]
    pub user: String,
}

/// Get User
#[action(read)]
pub async fn get_user(cx: Context, Input(of): Input<UserOf>) -> Result<User> {
    Ok(cx.get(path!("/users.info")).query("user", of.user).send().await?.json::<One>()?.user)
}

/// Whose address it is.
#[fields]
#[derive(Debug, Clone)]
pub struct FindUser {
    /// E-mail
    #[field(placeholder = "grace@example.com", min_length = 3)]
    pub email: String,
}

/// Find User
///
/// The user with an e-mail address.
#[action(read)]
pub async fn find_user(cx: Context, Input(q): Input<FindUser>) -> Result<User> {
    Ok(cx.get(path!("/users.lookupByEmail")).query("email", q.email).send().await?.json::<One>()?.user)
}
