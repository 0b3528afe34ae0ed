//! Google Drive for linchpin: files, whose contents are streamed, folders, shared drives, permissions and changes.
//!
//! | module | flows |
//! | :- | :- |
//! | [`account`] | whose connection it is; the runtime ends it by the revocation endpoint |
//! | [`mod@file`] | what is known of files and folders |
//! | [`content`] | what is in files: up, down and exported |
//! | [`permission`] | who may see what |
//! | [`drive`], [`change`] | shared drives, and what has changed |
//! | [`channel`] | channels, by which Google tells that something has changed |
//! | [`choice`] | choices of fields |

pub mod account;
pub mod change;
pub mod channel;
pub mod choice;
pub mod content;
pub mod drive;
pub mod file;
#[cfg(feature = "mock")]
pub mod mock;
pub mod permission;

linchpin::connector!("../../../specs/google_drive.toml");
