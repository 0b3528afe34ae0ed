//! The connection's own account.

use linchpin::prelude::*;

#[fields]
struct About {
    user: User,
}

/// A user, as Drive shows one.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Name
    pub display_name: String,
    /// Address
    ///
    /// Nothing where the user does not show it.
    pub email_address: Option<String>,
    /// Id
    ///
    /// As permissions name the user.
    pub permission_id: Option<String>,
}

/// Authping
///
/// Asks Drive whose tokens they are.
#[authping]
pub async fn authping(cx: Context) -> Result<Identity> {
    let fields = "user(displayName,emailAddress,permissionId)";
    let About { user } = cx.get(path!("/drive/v3/about")).query("fields", fields).send().await?.json()?;
    let label = user.email_address.unwrap_or(user.display_name);
    let id = user.permission_id.ok_or_else(|| Error::new("Drive does not say who the user is"))?;
    Ok(Identity::new(id, label))
}
