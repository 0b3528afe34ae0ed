//! Who is in groups.

use linchpin::prelude::*;

use crate::{
    PAGE,
    choice::{groups, members, users},
    group::GroupOf,
    user::User,
};

/// List Members
///
/// The users in a group.
#[action(read)]
pub async fn list_members(cx: Context, Input(of): Input<GroupOf>) -> Result<Records<User>> {
    Ok(cx.get(path!("/api/v1/groups/{of.group}/users")).query("limit", PAGE).records())
}

/// Who comes into which group.
#[fields]
#[derive(Debug, Clone)]
pub struct NewMember {
    /// Group
    #[field(choices = groups, placeholder = "00g1emaKYZTWRYYRRTSK", min_length = 1)]
    pub group: String,
    /// User
    ///
    /// Their id.
    #[field(choices = users, placeholder = "00ub0oNGTSWTBKOLGLNR", min_length = 1)]
    pub user: String,
}

/// Add Member
///
/// Puts a user into a group that is kept in Okta, if they are not in it already.
#[action(create, idempotency = "natural")]
pub async fn add_member(cx: Context, Input(new): Input<NewMember>) -> Result<()> {
    cx.put(path!("/api/v1/groups/{new.group}/users/{new.user}")).send().await.map(drop)
}

/// Who leaves which group.
#[fields]
#[derive(Debug, Clone)]
pub struct OldMember {
    /// Group
    #[field(choices = groups, placeholder = "00g1emaKYZTWRYYRRTSK", min_length = 1)]
    pub group: String,
    /// User
    ///
    /// Their id.
    #[field(choices = members, depends_on(group), placeholder = "00ub0oNGTSWTBKOLGLNR", min_length = 1)]
    pub user: String,
}

/// Remove Member
///
/// Takes a user out of a group that is kept in Okta, if they are in it.
#[action(delete, idempotency = "natural")]
pub async fn remove_member(cx: Context, Input(old): Input<OldMember>) -> Result<()> {
    cx.delete(path!("/api/v1/groups/{old.group}/users/{old.user}")).send().await.map(drop)
}
