//! What is in files. It is streamed, and never whole in memory.

use linchpin::{prelude::*, serde_json::json};

use crate::{
    choice::{drives, export_types, folders},
    file::{DriveFile, FIELDS, FileOf, file},
};

/// How the media types of Google's own documents begin.
const OWN: &str = "application/vnd.google-apps.";

/// A file and what is in it.
#[fields]
#[derive(Debug)]
pub struct Content {
    /// File
    pub file: DriveFile,
    /// Content
    pub content: FileRef,
}

/// A file to be made.
#[fields]
#[derive(Debug)]
pub struct NewFile {
    /// Content
    pub content: FileRef,
    /// Name
    ///
    /// That of the content where nothing is given.
    pub name: Option<String>,
    /// Description
    pub description: Option<String>,
    /// Shared drive
    #[field(choices = drives)]
    pub drive: Option<String>,
    /// Folder
    ///
    /// Where it is made; at the top where nothing is given.
    #[field(choices = folders, depends_on(drive))]
    pub folder: Option<String>,
}

/// Upload File
///
/// Makes a file with its content in one request. Drive takes several of one name.
#[action(create, idempotency = "none")]
pub async fn upload_file(cx: Context, Input(new): Input<NewFile>) -> Result<DriveFile> {
    let name = new.name.unwrap_or_else(|| new.content.name().to_owned());
    let mut metadata = json!({ "name": name });
    if let Some(description) = new.description {
        metadata["description"] = description.into();
    }
    if let Some(parent) = new.folder.or(new.drive) {
        metadata["parents"] = json!([parent]);
    }
    cx.post(path!("/upload/drive/v3/files"))
        .query("uploadType", "multipart")
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .related(&metadata, &new.content)
        .send()
        .await?
        .json()
}

/// A new content for a file.
#[fields]
#[derive(Debug)]
pub struct Replacement {
    /// File
    pub file: String,
    /// Content
    pub content: FileRef,
}

/// Replace Content
///
/// Gives a file another content. Its name stays; Drive keeps the old content as a revision for a while.
#[action(update, idempotency = "natural")]
pub async fn replace_content(cx: Context, Input(with): Input<Replacement>) -> Result<DriveFile> {
    cx.patch(path!("/upload/drive/v3/files/{with.file}"))
        .query("uploadType", "media")
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .upload(&with.content)
        .send()
        .await?
        .json()
}

/// Download File
///
/// The content of a file. Google's own documents have none: they are [exported](export_file).
#[action(read)]
pub async fn download_file(cx: Context, Input(of): Input<FileOf>) -> Result<Content> {
    let file = file(&cx, &of.file).await?;
    if file.mime_type.starts_with(OWN) {
        let message = format!("`{}` is {}, which has no content of its own", file.name, file.mime_type);
        return Err(Error::new(message).hint("export it with `export_file`"));
    }
    let content = cx
        .get(path!("/drive/v3/files/{of.file}"))
        .query("alt", "media")
        .query("supportsAllDrives", true)
        .download()
        .await?;
    let content = content.named(&file.name).typed(&file.mime_type);
    Ok(Content { file, content })
}

/// What to export, and as what.
#[fields]
#[derive(Debug, Clone)]
pub struct Export {
    /// File
    ///
    /// The id of a document of Google's own.
    pub file: String,
    /// Type
    ///
    /// The media type into which it is turned.
    #[field(choices = export_types, depends_on(file), placeholder = "application/pdf")]
    pub mime_type: String,
}

/// Export File
///
/// A document of Google's own, turned into a file that others can read. Drive exports up to 10 MB.
#[action(read)]
pub async fn export_file(cx: Context, Input(wanted): Input<Export>) -> Result<Content> {
    let file = file(&cx, &wanted.file).await?;
    let exported = cx.get(path!("/drive/v3/files/{wanted.file}/export")).query("mimeType", &wanted.mime_type);
    let content = exported.download().await?;
    let content = content.named(named(&file.name, &wanted.mime_type)).typed(&wanted.mime_type);
    Ok(Content { file, content })
}

/// The name of a document with the ending that its new type has.
fn named(name: &str, mime_type: &str) -> String {
    const ENDINGS: [(&str, &str); 10] = [
        ("application/pdf", "pdf"),
        ("application/rtf", "rtf"),
        ("application/zip", "zip"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
        ("text/csv", "csv"),
        ("text/plain", "txt"),
        ("text/html", "html"),
        ("image/png", "png"),
    ];
    match ENDINGS.iter().find(|(known, _)| *known == mime_type) {
        Some((_, ending)) => format!("{name}.{ending}"),
        None => name.to_owned(),
    }
}
