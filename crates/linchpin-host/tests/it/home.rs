//! Places for stores, which go away with their test.

use std::{path::PathBuf, sync::Arc};

use linchpin_host::store::{self, Store};
#[cfg(feature = "postgres")]
use linchpin_testing::Database;
use tempfile::TempDir;

/// Where stores can be opened again and again.
pub(crate) enum Home {
    /// A folder with a file of SQLite.
    Folder(TempDir),
    /// A database on the server.
    #[cfg(feature = "postgres")]
    Database(Database),
}

impl Home {
    pub(crate) fn sqlite() -> Home {
        Home::Folder(tempfile::tempdir().unwrap())
    }

    /// `None` when there is no server here.
    #[cfg(feature = "postgres")]
    pub(crate) fn postgres() -> Option<Home> {
        Database::new().map(Home::Database)
    }

    /// A handle of its own, as another process would have.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.place()).await.unwrap()
    }

    pub(crate) fn place(&self) -> String {
        match self {
            Home::Folder(folder) => file(folder).display().to_string(),
            #[cfg(feature = "postgres")]
            Home::Database(database) => database.url().to_owned(),
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("store.db")
}
