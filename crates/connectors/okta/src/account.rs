//! Whose connection it is, and its end.

use linchpin::prelude::*;

use crate::{Connection, user::User};

/// An org, as Okta tells of it.
#[fields(rename_all = "camelCase")]
struct Org {
    id: String,
    subdomain: Option<String>,
    company_name: Option<String>,
}

/// Authping
///
/// Asks Okta which admin made the token. No user stands behind a service app: its org is asked for, and the app is known by its client.
#[authping]
pub async fn authping(cx: Context, connection: Connection) -> Result<Identity> {
    let Some(client) = connection.client_id else {
        let user: User = cx.get(path!("/api/v1/users/me")).send().await?.json()?;
        return Ok(Identity::new(user.id, user.profile.login));
    };
    let org: Org = cx.get(path!("/api/v1/org")).send().await?.json()?;
    let name = org.company_name.or(org.subdomain).unwrap_or(connection.domain);
    Ok(Identity::new(format!("{}/{client}", org.id), format!("{client} in {name}")))
}

/// Revoke
///
/// Kills the API token. The tokens of a service app are revoked at Okta's endpoint for that; its key stays good until an admin takes
/// it away.
#[revoke]
pub async fn revoke(cx: Context, connection: Connection) -> Result<Revoked> {
    if connection.token.is_none() {
        return Ok(Revoked::at_endpoint());
    }
    cx.delete(path!("/api/v1/api-tokens/current")).send().await?;
    Ok(Revoked::done())
}
