//! Shared drives.

use linchpin::prelude::*;

use crate::file::quoted;

/// A shared drive.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Drive {
    /// Id
    ///
    /// Also that of its top folder.
    pub id: String,
    /// Name
    pub name: String,
    /// Created
    pub created_time: Option<DateTime>,
    /// Hidden
    #[field(default)]
    pub hidden: bool,
}

/// Which shared drives.
#[fields]
#[derive(Debug, Clone)]
pub struct ListDrives {
    /// Name contains
    pub name: Option<String>,
}

/// List Shared Drives
///
/// The shared drives that the user is a member of.
#[action(read)]
pub async fn list_drives(cx: Context, Input(q): Input<ListDrives>) -> Result<Records<Drive>> {
    Ok(cx
        .get(path!("/drive/v3/drives"))
        .query("q", q.name.map(|name| format!("name contains {}", quoted(&name))))
        .query("fields", "nextPageToken,drives(id,name,createdTime,hidden)")
        .records_at("/drives"))
}
