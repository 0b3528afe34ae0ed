//! Groups.

use std::collections::BTreeMap;

use linchpin::{
    prelude::*,
    serde_json::{Value, json},
};

use crate::{PAGE, choice::groups};

/// A group.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Id
    pub id: String,
    /// Type
    ///
    /// `OKTA_GROUP` for those that are kept here, `APP_GROUP` for those of an app, `BUILT_IN` for the one with everybody in it.
    #[field(rename = "type")]
    pub kind: String,
    /// Created
    pub created: DateTime,
    /// Updated
    pub last_updated: DateTime,
    /// Members changed
    pub last_membership_updated: Option<DateTime>,
    /// Profile
    pub profile: GroupProfile,
}

/// What an org says of a group.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct GroupProfile {
    /// Name
    pub name: String,
    /// Description
    pub description: Option<String>,
    /// Other attributes
    ///
    /// The org's own, and those of the directory that the group comes from.
    #[field(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Which groups to list.
#[fields]
#[derive(Debug, Clone)]
pub struct ListGroups {
    /// Search
    ///
    /// An expression over any attribute. Okta takes a while to find what has just changed.
    #[field(placeholder = "profile.name sw \"West\"")]
    pub search: Option<String>,
    /// Filter
    ///
    /// An expression over `id`, `type`, `lastUpdated` and `lastMembershipUpdated`.
    #[field(placeholder = "type eq \"OKTA_GROUP\"")]
    pub filter: Option<String>,
}

/// List Groups
#[action(read)]
pub async fn list_groups(cx: Context, Input(q): Input<ListGroups>) -> Result<Records<Group>> {
    let request = cx.get(path!("/api/v1/groups")).query("search", q.search).query("filter", q.filter);
    Ok(request.query("limit", PAGE).records())
}

/// Which group.
#[fields]
#[derive(Debug, Clone)]
pub struct GroupOf {
    /// Group
    #[field(choices = groups, placeholder = "00g1emaKYZTWRYYRRTSK", min_length = 1)]
    pub group: String,
}

/// Get Group
#[action(read)]
pub async fn get_group(cx: Context, Input(of): Input<GroupOf>) -> Result<Group> {
    cx.get(path!("/api/v1/groups/{of.group}")).send().await?.json()
}

/// A group to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// Name
    #[field(placeholder = "West Coast Users", min_length = 1, max_length = 255)]
    pub name: String,
    /// Description
    pub description: Option<String>,
}

/// Create Group
#[action(create, idempotency = "none")]
pub async fn create_group(cx: Context, Input(new): Input<NewGroup>) -> Result<Group> {
    cx.post(path!("/api/v1/groups")).json(&json!({ "profile": new })).send().await?.json()
}

/// What to change of a group; what is not given stays.
#[fields]
#[derive(Debug, Clone)]
pub struct GroupChange {
    /// Group
    #[field(choices = groups, placeholder = "00g1emaKYZTWRYYRRTSK", min_length = 1)]
    pub group: String,
    /// Name
    #[field(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// Description
    pub description: Option<String>,
}

/// Update Group
///
/// Changes a group that is kept in Okta, and returns it.
#[action(update, idempotency = "natural")]
pub async fn update_group(cx: Context, Input(change): Input<GroupChange>) -> Result<Group> {
    // Okta can only take a whole profile, and forgets what is not in it.
    let of = GroupOf { group: change.group.clone() };
    let mut profile = get_group(cx.clone(), Input(of)).await?.profile;
    if let Some(name) = change.name {
        profile.name = name;
    }
    profile.description = change.description.or(profile.description);
    let request = cx.put(path!("/api/v1/groups/{change.group}"));
    request.json(&json!({ "profile": profile })).send().await?.json()
}

/// Delete Group
#[action(delete, idempotency = "natural")]
pub async fn delete_group(cx: Context, Input(of): Input<GroupOf>) -> Result<()> {
    cx.delete(path!("/api/v1/groups/{of.group}")).send().await.map(drop)
}
