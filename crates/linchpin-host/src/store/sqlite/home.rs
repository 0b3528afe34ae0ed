//! Where stores of tests are.

use std::path::PathBuf;

use linchpin::{Code, Error};

use super::Sqlite;

/// A folder for one store, which goes with its test.
pub(super) struct Home(pub(super) tempfile::TempDir);

impl Home {
    pub(super) fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    pub(super) fn open(&self) -> Sqlite {
        Sqlite::open(self.path()).unwrap()
    }

    /// The error of opening, which must say where.
    pub(super) fn refused(&self) -> Error {
        let error = Sqlite::open(self.path()).unwrap_err();
        assert_eq!(error.code(), Code::StoreFailed, "{error}");
        assert!(error.to_string().contains(&*self.path().display().to_string()), "{error}");
        assert!(error.details().hint.is_some(), "{error:?}");
        error
    }

    pub(super) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

/// Puts a note of so many bytes, as a job of the writer.
pub(super) fn put(
    name: &str,
    length: usize,
) -> impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()> + use<> {
    let name = name.to_owned();
    move |connection| {
        let value = vec![7_u8; length];
        connection.execute("insert into note (name, value) values (?1, ?2)", (name, value)).map(|_| ())
    }
}
