//! What becomes of users: from the activation to the end, and what keeps them out meanwhile.

use linchpin::prelude::*;

use crate::{
    choice::users,
    user::{User, UserOf},
};

/// Activate User
///
/// Lets a staged or deactivated user in. Okta sends them a mail with the link by which they sign in for the first time; it is not
/// returned, since whoever has it can be that user.
#[action(update, idempotency = "none")]
pub async fn activate_user(cx: Context, Input(of): Input<UserOf>) -> Result<()> {
    let request = cx.post(path!("/api/v1/users/{of.user}/lifecycle/activate"));
    request.query("sendEmail", true).send().await.map(drop)
}

/// Deactivate User
///
/// Takes a user out of all apps, which may destroy what they have there, and keeps them from signing in. Needed before a user can be
/// deleted.
#[action(delete, idempotency = "natural")]
pub async fn deactivate_user(cx: Context, Input(of): Input<UserOf>) -> Result<()> {
    cx.post(path!("/api/v1/users/{of.user}/lifecycle/deactivate")).send().await.map(drop)
}

/// Suspend User
///
/// Keeps an active user from signing in. Groups and apps stay as they are.
#[action(update, idempotency = "natural")]
pub async fn suspend_user(cx: Context, Input(of): Input<UserOf>) -> Result<()> {
    cx.post(path!("/api/v1/users/{of.user}/lifecycle/suspend")).send().await.map(drop)
}

/// Unsuspend User
///
/// Lets a suspended user in again.
#[action(update, idempotency = "natural")]
pub async fn unsuspend_user(cx: Context, Input(of): Input<UserOf>) -> Result<()> {
    cx.post(path!("/api/v1/users/{of.user}/lifecycle/unsuspend")).send().await.map(drop)
}

/// Unlock User
///
/// Lets a user in again who was locked out, as after too many wrong passwords. The password stays.
#[action(update, idempotency = "natural")]
pub async fn unlock_user(cx: Context, Input(of): Input<UserOf>) -> Result<()> {
    cx.post(path!("/api/v1/users/{of.user}/lifecycle/unlock")).send().await.map(drop)
}

/// Expire Password
///
/// Makes a user choose another password at the next login, and returns the user.
#[action(update, idempotency = "natural")]
pub async fn expire_password(cx: Context, Input(of): Input<UserOf>) -> Result<User> {
    cx.post(path!("/api/v1/users/{of.user}/lifecycle/expire_password")).send().await?.json()
}

/// Whose password is reset.
#[fields]
#[derive(Debug, Clone)]
pub struct PasswordReset {
    /// User
    ///
    /// An id or a login.
    #[field(choices = users, placeholder = "isaac.brock@example.com", min_length = 1)]
    pub user: String,
    /// End sessions
    ///
    /// Whether the user is signed out everywhere.
    #[field(default)]
    pub revoke_sessions: bool,
}

/// Reset Password
///
/// Takes a user's password away, and lets Okta send them a mail with the link by which they choose another. Until then they cannot
/// sign in.
#[action(update, idempotency = "none")]
pub async fn reset_password(cx: Context, Input(reset): Input<PasswordReset>) -> Result<()> {
    let request = cx.post(path!("/api/v1/users/{reset.user}/lifecycle/reset_password"));
    let request = request.query("sendEmail", true).query("revokeSessions", reset.revoke_sessions);
    request.send().await.map(drop)
}

/// Reset Factors
///
/// Makes a user enrol anew with whatever they prove themselves by beside the password.
#[action(update, idempotency = "natural")]
pub async fn reset_factors(cx: Context, Input(of): Input<UserOf>) -> Result<()> {
    cx.post(path!("/api/v1/users/{of.user}/lifecycle/reset_factors")).send().await.map(drop)
}

/// Whose sessions end.
#[fields]
#[derive(Debug, Clone)]
pub struct EndSessions {
    /// User
    ///
    /// Their id.
    #[field(choices = users, placeholder = "00ub0oNGTSWTBKOLGLNR", min_length = 1)]
    pub user: String,
    /// Tokens too
    ///
    /// Whether the OAuth tokens die that apps have of the user.
    #[field(default)]
    pub oauth_tokens: bool,
}

/// End Sessions
///
/// Signs a user out everywhere.
#[action(delete, idempotency = "natural")]
pub async fn end_sessions(cx: Context, Input(of): Input<EndSessions>) -> Result<()> {
    let request = cx.delete(path!("/api/v1/users/{of.user}/sessions"));
    request.query("oauthTokens", of.oauth_tokens).send().await.map(drop)
}
