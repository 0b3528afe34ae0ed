//! Accounts, and the connection's own.

use linchpin::{prelude::*, serde_json::json};

use crate::Connection;

/// A user, organisation or app.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Id
    pub id: u64,
    /// Login
    ///
    /// The name in URLs and mentions.
    pub login: String,
    /// Type
    ///
    /// `User`, `Organization` or `Bot`.
    #[field(rename = "type")]
    pub kind: String,
    /// Page
    pub html_url: String,
}

/// Authping
///
/// Asks GitHub whose token it is. Classic tokens have scopes; fine-grained ones have permissions, which GitHub does not tell.
#[authping]
pub async fn authping(cx: Context) -> Result<Identity> {
    let response = cx.get(path!("/user")).send().await?;
    let account: Account = response.json()?;
    let scopes = response.header("x-oauth-scopes").unwrap_or_default();
    let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
    let mut identity = Identity::new(account.id, account.login).scopes(scopes);
    // `2026-12-31 23:59:59 UTC`, for tokens that expire.
    let expires = response.header("github-authentication-token-expiration");
    identity.expires_at = expires.and_then(|when| when.replace(" UTC", "Z").parse().ok());
    Ok(identity)
}

/// Revoke
///
/// Kills the token for good. GitHub takes no credentials here, only the token itself.
#[revoke]
pub async fn revoke(cx: Context, connection: Connection) -> Result<Revoked> {
    let credentials = json!({ "credentials": [connection.token.expose()] });
    cx.post(path!("/credentials/revoke")).unauthenticated().json(&credentials).send().await?;
    Ok(Revoked::done())
}
