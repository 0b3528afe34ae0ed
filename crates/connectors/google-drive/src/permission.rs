//! Who may see and change files.

use linchpin::{prelude::*, serde_json::json};

use crate::file::FileOf;

const FIELDS: &str = "id,type,role,emailAddress,domain,displayName,expirationTime,deleted";

/// To whom a permission is given.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantee {
    /// A user
    User,
    /// A group
    Group,
    /// Everybody of a domain
    Domain,
    /// Anyone
    Anyone,
}

/// What a permission allows.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Owner
    Owner,
    /// Organizer of a shared drive
    Organizer,
    /// Organizer of files
    FileOrganizer,
    /// Writer
    Writer,
    /// Commenter
    Commenter,
    /// Reader
    Reader,
}

/// A permission.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Permission {
    /// Id
    pub id: String,
    /// For whom
    #[field(rename = "type")]
    pub grantee: Grantee,
    /// Role
    pub role: Role,
    /// Address
    ///
    /// Of a user or group.
    pub email_address: Option<String>,
    /// Domain
    pub domain: Option<String>,
    /// Name
    pub display_name: Option<String>,
    /// Expires
    pub expiration_time: Option<DateTime>,
    /// Deleted
    ///
    /// Whether the account is gone.
    #[field(default)]
    pub deleted: bool,
}

/// List Permissions
///
/// Who may see or change a file.
#[action(read)]
pub async fn list_permissions(cx: Context, Input(of): Input<FileOf>) -> Result<Records<Permission>> {
    let fields = format!("nextPageToken,permissions({FIELDS})");
    Ok(cx
        .get(path!("/drive/v3/files/{of.file}/permissions"))
        .query("supportsAllDrives", true)
        .query("fields", fields)
        .records_at("/permissions"))
}

/// What to allow whom.
#[fields]
#[derive(Debug, Clone)]
pub struct Share {
    /// File
    pub file: String,
    /// For whom
    pub grantee: Grantee,
    /// Role
    pub role: Role,
    /// Address or domain
    ///
    /// Of the user, the group or the domain; nothing for anyone.
    pub to: Option<String>,
    /// Tell them
    ///
    /// Whether Google sends users and groups a message.
    #[field(default)]
    pub notify: bool,
}

/// Share File
///
/// Allows somebody to see or change a file. Ownership is not given away by this.
#[action(create, idempotency = "none")]
pub async fn share_file(cx: Context, Input(share): Input<Share>) -> Result<Permission> {
    let mut body = json!({ "type": share.grantee, "role": share.role });
    let named = match share.grantee {
        Grantee::User | Grantee::Group => Some("emailAddress"),
        Grantee::Domain => Some("domain"),
        Grantee::Anyone => None,
    };
    match (named, share.to) {
        (Some(field), Some(to)) => body[field] = to.into(),
        (None, None) => {}
        (Some(_), None) => return Err(Error::new("whom the file is shared with is missing: give `to`")),
        (None, Some(_)) => {
            return Err(Error::new("a file that anyone may see is shared with nobody: leave `to` out"));
        }
    }
    let told = matches!(share.grantee, Grantee::User | Grantee::Group);
    cx.post(path!("/drive/v3/files/{share.file}/permissions"))
        .query("sendNotificationEmail", told.then_some(share.notify))
        .query("supportsAllDrives", true)
        .query("fields", FIELDS)
        .json(&body)
        .send()
        .await?
        .json()
}

/// Which permission to take back.
#[fields]
#[derive(Debug, Clone)]
pub struct Unshare {
    /// File
    pub file: String,
    /// Permission
    ///
    /// Its id.
    pub permission: String,
}

/// Unshare File
///
/// Takes a permission back.
#[action(delete, idempotency = "natural")]
pub async fn unshare_file(cx: Context, Input(q): Input<Unshare>) -> Result<()> {
    let path = path!("/drive/v3/files/{q.file}/permissions/{q.permission}");
    cx.delete(path).query("supportsAllDrives", true).send().await.map(drop)
}
