//! What has changed.

use linchpin::prelude::*;

use crate::{
    choice::drives,
    file::{DriveFile, FIELDS},
};

/// A place in the stream of changes.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// Token
    ///
    /// From which later changes are listed.
    pub start_page_token: String,
}

/// Of what.
#[fields]
#[derive(Debug, Clone)]
pub struct PositionOf {
    /// Shared drive
    #[field(choices = drives)]
    pub drive: Option<String>,
}

/// Get Changes Position
///
/// Where the changes stand now: what happens later is listed from here.
#[action(read)]
pub async fn get_changes_position(cx: Context, Input(of): Input<PositionOf>) -> Result<Position> {
    cx.get(path!("/drive/v3/changes/startPageToken"))
        .query("driveId", of.drive)
        .query("supportsAllDrives", true)
        .send()
        .await?
        .json()
}

/// A change of a file or a shared drive.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Kind
    ///
    /// `file` or `drive`.
    pub change_type: String,
    /// Time
    pub time: DateTime,
    /// Removed
    ///
    /// Whether the file is deleted, or no longer to be seen by the user.
    #[field(default)]
    pub removed: bool,
    /// File
    ///
    /// Its id.
    pub file_id: Option<String>,
    /// Shared drive
    ///
    /// Its id.
    pub drive_id: Option<String>,
    /// File now
    pub file: Option<DriveFile>,
}

/// Since when.
#[fields]
#[derive(Debug, Clone)]
pub struct ListChanges {
    /// Token
    ///
    /// The position to begin at.
    pub since: String,
    /// Shared drive
    #[field(choices = drives)]
    pub drive: Option<String>,
}

/// List Changes
///
/// What has happened since a position, the oldest first.
#[action(read)]
pub async fn list_changes(cx: Context, Input(q): Input<ListChanges>) -> Result<Records<Change>> {
    let fields = format!("nextPageToken,changes(changeType,time,removed,fileId,driveId,file({FIELDS}))");
    Ok(cx
        .get(path!("/drive/v3/changes"))
        .query("driveId", q.drive)
        .query("supportsAllDrives", true)
        .query("includeItemsFromAllDrives", true)
        .query("fields", fields)
        .query("pageToken", q.since)
        .records_at("/changes"))
}
