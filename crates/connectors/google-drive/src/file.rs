//! Files and folders, without what is in them.

use std::fmt;

use linchpin::{
    prelude::*,
    serde::{Deserialize, Deserializer, Serialize, Serializer, de},
    serde_json::json,
    shape::{FieldType, Shape},
};

use crate::choice::{drives, folders};

/// What Drive is asked to tell of a file.
pub(crate) const FIELDS: &str = "id,name,mimeType,description,size,md5Checksum,parents,driveId,createdTime,modifiedTime,trashed,starred,shared,ownedByMe,webViewLink";

/// The media type of folders.
pub const FOLDER: &str = "application/vnd.google-apps.folder";

/// A number of bytes. Drive writes it as a text in JSON; here it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct TextOrNumber;
        impl de::Visitor<'_> for TextOrNumber {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes")
            }

            fn visit_u64<E>(self, size: u64) -> Result<Size, E> {
                Ok(Size(size))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map(Size).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

impl FieldType for Size {
    fn shape() -> Shape {
        u64::shape()
    }
}

/// A file or folder.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct DriveFile {
    /// Id
    pub id: String,
    /// Name
    pub name: String,
    /// Type
    ///
    /// The media type; one that begins with `application/vnd.google-apps.` belongs to a folder, a shortcut or a document of Google's
    /// own, which has no content but can be exported.
    pub mime_type: String,
    /// Description
    pub description: Option<String>,
    /// Size
    ///
    /// In bytes; nothing for folders.
    pub size: Option<Size>,
    /// MD5
    ///
    /// Of the content, in hexadecimal.
    #[field(rename = "md5Checksum")]
    pub md5_checksum: Option<String>,
    /// Folders
    ///
    /// Ids of the folders it is in: one at the most.
    #[field(default)]
    pub parents: Vec<String>,
    /// Shared drive
    ///
    /// Its id, where the file is in one.
    pub drive_id: Option<String>,
    /// Created
    pub created_time: Option<DateTime>,
    /// Modified
    pub modified_time: Option<DateTime>,
    /// Trashed
    #[field(default)]
    pub trashed: bool,
    /// Starred
    #[field(default)]
    pub starred: bool,
    /// Shared
    #[field(default)]
    pub shared: bool,
    /// Owned by me
    ///
    /// Nothing for files in shared drives.
    pub owned_by_me: Option<bool>,
    /// Page
    pub web_view_link: Option<String>,
}

/// How files are ordered.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Name
    #[field(rename = "name_natural")]
    Name,
    /// Modified last
    #[field(rename = "modifiedTime desc")]
    ModifiedLast,
    /// Created last
    #[field(rename = "createdTime desc")]
    CreatedLast,
    /// Largest
    #[field(rename = "quotaBytesUsed desc")]
    Largest,
}

/// Which files.
#[fields]
#[derive(Debug, Clone)]
pub struct ListFiles {
    /// Shared drive
    ///
    /// My Drive and what is shared with me where nothing is given.
    #[field(choices = drives)]
    pub drive: Option<String>,
    /// Folder
    ///
    /// Only what is directly in it.
    #[field(choices = folders, depends_on(drive))]
    pub folder: Option<String>,
    /// Name contains
    pub name: Option<String>,
    /// Type
    #[field(placeholder = "application/pdf")]
    pub mime_type: Option<String>,
    /// Trashed
    ///
    /// Those in the bin in place of the others.
    #[field(default)]
    pub trashed: bool,
    /// Order
    pub order: Option<Order>,
}

/// What stands between quotes in Drive's query language.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A list of files by a query of Drive's, in one shared drive or in the user's own.
pub(crate) fn found(
    cx: &Context,
    query: String,
    drive: Option<String>,
    order: Option<Order>,
) -> Records<DriveFile> {
    let corpora = if drive.is_some() { "drive" } else { "user" };
    cx.get(path!("/drive/v3/files"))
        .query("q", query)
        .query("corpora", corpora)
        .query("driveId", drive)
        .query("orderBy", order)
        .query("supportsAllDrives", true)
        .query("includeItemsFromAllDrives", true)
        .query("fields", format!("nextPageToken,files({FIELDS})"))
        .records()
}

/// List Files
///
/// Files and folders, page by page.
#[action(read)]
pub async fn list_files(cx: Context, Input(q): Input<ListFiles>) -> Result<Records<DriveFile>> {
    let mut terms = vec![format!("trashed = {}", q.trashed)];
    terms.extend(q.folder.map(|folder| format!("{} in parents", quoted(&folder))));
    terms.extend(q.name.map(|name| format!("name contains {}", quoted(&name))));
    terms.extend(q.mime_type.map(|kind| format!("mimeType = {}", quoted(&kind))));
    Ok(found(&cx, terms.join(" and "), q.drive, q.order))
}

/// What to look for.
#[fields]
#[derive(Debug, Clone)]
pub struct SearchFiles {
    /// Text
    ///
    /// Looked for in names, descriptions and contents.
    #[field(min_length = 1)]
    pub text: String,
    /// Shared drive
    #[field(choices = drives)]
    pub drive: Option<String>,
}

/// Search Files
///
/// Files that contain a text, the most relevant first.
#[action(read)]
pub async fn search_files(cx: Context, Input(q): Input<SearchFiles>) -> Result<Records<DriveFile>> {
    let query = format!("fullText contains {} and trashed = false", quoted(&q.text));
    Ok(found(&cx, query, q.drive, None))
}

/// Which file.
#[fields]
#[derive(Debug, Clone)]
pub struct FileOf {
    /// File
    ///
    /// The id of a file or folder.
    #[field(placeholder = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs")]
    pub file: String,
}

pub(crate) async fn file(cx: &Context, id: &str) -> Result<DriveFile> {
    cx.get(path!("/drive/v3/files/{id}"))
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .send()
        .await?
        .json()
}

/// Get File
///
/// What is known of a file or folder.
#[action(read)]
pub async fn get_file(cx: Context, Input(of): Input<FileOf>) -> Result<DriveFile> {
    file(&cx, &of.file).await
}

/// A folder to be made.
#[fields]
#[derive(Debug, Clone)]
pub struct NewFolder {
    /// Name
    #[field(min_length = 1)]
    pub name: String,
    /// Shared drive
    #[field(choices = drives)]
    pub drive: Option<String>,
    /// Folder
    ///
    /// Where it is made; at the top where nothing is given.
    #[field(choices = folders, depends_on(drive))]
    pub folder: Option<String>,
}

/// Create Folder
///
/// Makes a folder. Drive takes several of one name.
#[action(create, idempotency = "none")]
pub async fn create_folder(cx: Context, Input(new): Input<NewFolder>) -> Result<DriveFile> {
    let parents: Vec<String> = new.folder.or(new.drive).into_iter().collect();
    let mut body = json!({ "name": new.name, "mimeType": FOLDER });
    if !parents.is_empty() {
        body["parents"] = parents.into();
    }
    cx.post(path!("/drive/v3/files"))
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .json(&body)
        .send()
        .await?
        .json()
}

/// What to copy.
#[fields]
#[derive(Debug, Clone)]
pub struct CopyFile {
    /// File
    pub file: String,
    /// Name
    ///
    /// One like `Copy of ..` where nothing is given.
    pub name: Option<String>,
    /// Folder
    ///
    /// That of the original where nothing is given.
    #[field(choices = folders)]
    pub folder: Option<String>,
}

/// Copy File
///
/// Copies a file; folders cannot be copied.
#[action(create, idempotency = "none")]
pub async fn copy_file(cx: Context, Input(copy): Input<CopyFile>) -> Result<DriveFile> {
    let mut body = json!({});
    if let Some(name) = copy.name {
        body["name"] = name.into();
    }
    if let Some(folder) = copy.folder {
        body["parents"] = json!([folder]);
    }
    cx.post(path!("/drive/v3/files/{copy.file}/copy"))
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .json(&body)
        .send()
        .await?
        .json()
}

/// What to change of a file; what is not given stays.
#[fields]
#[derive(Debug, Clone)]
pub struct FileChange {
    /// File
    pub file: String,
    /// Name
    pub name: Option<String>,
    /// Description
    pub description: Option<String>,
    /// Starred
    pub starred: Option<bool>,
}

/// Update File
///
/// Changes what is known of a file or folder. [Move File](move_file) changes where it is.
#[action(update, idempotency = "natural")]
pub async fn update_file(cx: Context, Input(change): Input<FileChange>) -> Result<DriveFile> {
    cx.patch(path!("/drive/v3/files/{change.file}"))
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .json_without(&change, &["file"])
        .send()
        .await?
        .json()
}

/// What to move, and where.
#[fields]
#[derive(Debug, Clone)]
pub struct MoveFile {
    /// File
    pub file: String,
    /// Shared drive
    ///
    /// In which the folder is.
    #[field(choices = drives)]
    pub drive: Option<String>,
    /// Folder
    #[field(choices = folders, depends_on(drive))]
    pub folder: String,
}

/// Move File
///
/// Takes a file or folder out of the folder it is in, and puts it into another.
#[action(update, idempotency = "natural")]
pub async fn move_file(cx: Context, Input(to): Input<MoveFile>) -> Result<DriveFile> {
    let now = file(&cx, &to.file).await?;
    if now.parents == [to.folder.as_str()] {
        return Ok(now);
    }
    let left: Vec<String> = now.parents.into_iter().filter(|parent| *parent != to.folder).collect();
    cx.patch(path!("/drive/v3/files/{to.file}"))
        .query("addParents", &to.folder)
        .query("removeParents", Some(left.join(",")).filter(|left| !left.is_empty()))
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .json(&json!({}))
        .send()
        .await?
        .json()
}

async fn trashed(cx: &Context, id: &str, trashed: bool) -> Result<DriveFile> {
    cx.patch(path!("/drive/v3/files/{id}"))
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .json(&json!({ "trashed": trashed }))
        .send()
        .await?
        .json()
}

/// Trash File
///
/// Puts a file, or a folder with all that is in it, into the bin, from which it can be restored.
#[action(update, idempotency = "natural")]
pub async fn trash_file(cx: Context, Input(of): Input<FileOf>) -> Result<DriveFile> {
    trashed(&cx, &of.file, true).await
}

/// Restore File
///
/// Takes a file out of the bin.
#[action(update, idempotency = "natural")]
pub async fn restore_file(cx: Context, Input(of): Input<FileOf>) -> Result<DriveFile> {
    trashed(&cx, &of.file, false).await
}

/// Delete File
///
/// Deletes a file for good, or a folder with all that is in it, past the bin.
#[action(delete, idempotency = "natural")]
pub async fn delete_file(cx: Context, Input(of): Input<FileOf>) -> Result<()> {
    cx.delete(path!("/drive/v3/files/{of.file}")).query("supportsAllDrives", true).send().await.map(drop)
}
