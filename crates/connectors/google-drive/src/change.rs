//! What has changed.

use linchpin::{RequestBuilder, prelude::*};

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
    position(&cx, of.drive).await
}

/// Where the changes stand now, of the user or of a shared drive.
pub(crate) async fn position(cx: &Context, drive: Option<String>) -> Result<Position> {
    cx.get(path!("/drive/v3/changes/startPageToken"))
        .query("driveId", drive)
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
    let fields = format!("nextPageToken,{}", changes());
    Ok(cx
        .get(path!("/drive/v3/changes"))
        .query("driveId", q.drive)
        .query("supportsAllDrives", true)
        .query("includeItemsFromAllDrives", true)
        .query("fields", fields)
        .query("pageToken", q.since)
        .records_at("/changes"))
}

/// What Drive is asked to tell of changes.
fn changes() -> String {
    format!("changes(changeType,time,removed,fileId,driveId,file({FIELDS}))")
}

/// Where something changes.
#[fields]
#[derive(Debug, Clone)]
pub struct ChangesIn {
    /// Shared drive
    ///
    /// Without one it is whatever the user can see: My Drive, what is shared with them, and the shared drives that they are a member of.
    #[field(choices = drives)]
    pub drive: Option<String>,
    /// Only My Drive
    ///
    /// Without files that others share.
    #[field(default)]
    pub only_my_drive: bool,
}

impl ChangesIn {
    /// Says so in a request for a list of changes, or for a channel that tells of them.
    pub(crate) fn ask(&self, request: RequestBuilder) -> RequestBuilder {
        request
            .query("driveId", self.drive.as_deref())
            .query("restrictToMyDrive", self.only_my_drive.then_some(true))
            .query("supportsAllDrives", true)
            .query("includeItemsFromAllDrives", true)
    }
}

/// Which changes.
#[fields]
#[derive(Debug, Clone)]
pub struct WatchedChanges {
    /// Where
    #[field(flatten)]
    pub within: ChangesIn,
    /// Removed or not
    pub only: Option<ChangeKind>,
    /// Type
    ///
    /// The media type of the files, as in `application/pdf`. Of what was removed Drive does not say the type.
    pub mime_type: Option<String>,
}

/// What may happen to a file.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Added or changed
    Changed,
    /// Removed
    Removed,
}

impl WatchedChanges {
    fn wants(&self, change: &Change) -> bool {
        let kind = match self.only {
            Some(ChangeKind::Changed) => !change.removed,
            Some(ChangeKind::Removed) => change.removed,
            None => true,
        };
        let found = change.file.as_ref().map(|file| &file.mime_type);
        let mime_type = self.mime_type.as_ref().is_none_or(|wanted| found == Some(wanted));
        change.change_type == "file" && kind && mime_type
    }
}

#[fields(rename_all = "camelCase")]
struct ChangePage {
    changes: Vec<Change>,
    next_page_token: Option<String>,
    new_start_page_token: Option<String>,
}

/// File Changed
///
/// A file or folder was added, changed, moved to the trash, or is no longer to be seen by the user.
///
/// A channel wakes this monitor whenever something has changed; the schedule heals what a channel did not deliver, and may be rarer where
/// one is registered. The cursor is a page token, which does not expire
/// (<https://developers.google.com/workspace/drive/api/reference/rest/v3/changes/getStartPageToken>).
#[monitor(event = "file_changed", every = "5m", dedupe = ["/fileId", "/time"])]
pub async fn file_changed(
    cx: Context,
    Options(watched): Options<WatchedChanges>,
    Cursor(cursor): Cursor<String>,
) -> Result<Polled<Change, String>> {
    let Some(token) = cursor else {
        let position = position(&cx, watched.within.drive).await?;
        return Ok(Polled::new(Vec::new(), position.start_page_token));
    };
    let page = watched
        .within
        .ask(cx.get(path!("/drive/v3/changes")))
        .query("includeRemoved", watched.only != Some(ChangeKind::Changed))
        .query("pageSize", 1000)
        .query("fields", format!("nextPageToken,newStartPageToken,{}", changes()))
        .query("pageToken", token);
    let page: ChangePage = page.send().await.map_err(lost)?.json()?;
    let more = page.next_page_token.is_some();
    let Some(next) = page.next_page_token.or(page.new_start_page_token) else {
        let message = "Google Drive does not say where its changes go on";
        return Err(Error::coded(Code::ResponseMalformed, message));
    };
    let changes = page.changes.into_iter().filter(|change| watched.wants(change)).collect();
    Ok(Polled::new(changes, next).more(more))
}

/// A position that Drive no longer takes is never given up for another one by itself. What is no position gets a 400 with the reason
/// `invalid`; Google says of positions that they do not expire, and nothing of an answer to one that has, for which 410 is usual.
fn lost(error: Error) -> Error {
    let details = error.details();
    let refused = details.status == Some(400) && details.service_code == Some("invalid");
    if !refused && details.status != Some(410) {
        return error;
    }
    let message = "Google Drive does not take the position from which changes are listed any more";
    Error::coded(Code::CursorInvalid, message)
        .hint("`linchpin monitor reset` begins anew; what has changed meanwhile may be missing")
}
