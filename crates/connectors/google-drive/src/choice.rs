//! Choices of fields.

use std::collections::BTreeMap;

use linchpin::prelude::*;

use crate::{
    drive::Drive,
    file::{FOLDER, file, found, quoted},
};

/// As many choices as a list that unfolds can hold; whoever types gets others.
const MOST: usize = 100;

/// Shared Drives
///
/// Shared drives that the user is a member of.
#[helper]
pub async fn drives(cx: Context, Input(query): Input<ChoiceQuery>) -> Result<Choices> {
    let drives = cx.get(path!("/drive/v3/drives")).query("fields", "nextPageToken,drives(id,name)");
    let drives: Records<Drive> = drives.records_at("/drives");
    let found = drives.filter(move |drive| query.matches(&drive.name)).take(MOST).await?;
    Ok(found.into_iter().map(|drive| Choice::new(drive.id, drive.name)).collect())
}

/// A question about the folders of one drive.
#[fields]
#[derive(Debug, Clone)]
pub struct FolderQuery {
    /// Shared drive
    pub drive: Option<String>,
    /// What the user has typed so far.
    #[field(flatten)]
    pub query: ChoiceQuery,
}

/// Folders
///
/// Folders of the chosen shared drive, or those of the user.
#[helper]
pub async fn folders(cx: Context, Input(q): Input<FolderQuery>) -> Result<Choices> {
    let mut terms = vec![format!("mimeType = {}", quoted(FOLDER)), "trashed = false".to_owned()];
    terms.extend(q.query.search.map(|search| format!("name contains {}", quoted(search.trim()))));
    let folders = found(&cx, terms.join(" and "), q.drive, None).take(MOST).await?;
    Ok(folders.into_iter().map(|folder| Choice::new(folder.id, folder.name)).collect())
}

/// A question about one file.
#[fields]
#[derive(Debug, Clone)]
pub struct ExportQuery {
    /// File
    pub file: String,
    /// What the user has typed so far.
    #[field(flatten)]
    pub query: ChoiceQuery,
}

#[fields(rename_all = "camelCase")]
struct About {
    export_formats: BTreeMap<String, Vec<String>>,
}

/// Export Types
///
/// The media types into which the chosen document can be turned.
#[helper]
pub async fn export_types(cx: Context, Input(q): Input<ExportQuery>) -> Result<Choices> {
    let file = file(&cx, &q.file).await?;
    let about = cx.get(path!("/drive/v3/about")).query("fields", "exportFormats").send().await?;
    let mut about: About = about.json()?;
    let types = about.export_formats.remove(&file.mime_type).unwrap_or_default();
    Ok(types.into_iter().filter(|kind| q.query.matches(kind)).map(|kind| Choice::new(&kind, &kind)).collect())
}
