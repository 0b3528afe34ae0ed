//! What goes wrong with a file.

use std::path::Path;

use linchpin::{Code, Error};
use rusqlite::ErrorCode;

use crate::store::{RETIRED, key_retired};

/// What SQLite said. Unlike its own error it can be told to several callers.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) code: Option<ErrorCode>,
    pub(super) text: String,
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble { code: error.sqlite_error_code(), text: error.to_string() }
    }
}

impl Trouble {
    pub(super) fn error(self, path: &Path) -> Error {
        let path = path.display();
        let (message, hint) = match self.code {
            Some(ErrorCode::DiskFull) => (
                format!("the disk of the store `{path}` is full"),
                "make room; nothing that was reported as done is lost",
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => (
                format!("the store `{path}` cannot be opened for writing: {}", self.text),
                "its folder and the file itself must be writable",
            ),
            Some(ErrorCode::NotADatabase) => (
                format!("`{path}` is not a store: {}", self.text),
                "name another file; a store is made where there is none",
            ),
            Some(ErrorCode::DatabaseCorrupt) => {
                (format!("the store `{path}` is damaged: {}", self.text), "restore it from a backup")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                format!("another process has kept the store `{path}` to itself for too long"),
                "see which process it is, and try again",
            ),
            Some(ErrorCode::ConstraintViolation) if self.text == RETIRED => return key_retired(path),
            _ => {
                let message = format!("the store `{path}` failed: {}", self.text);
                return Error::coded(Code::StoreFailed, message);
            }
        };
        Error::coded(Code::StoreFailed, message).hint(hint)
    }
}
