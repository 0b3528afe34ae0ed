//! Places for stores, which go away with their test.

use std::{path::PathBuf, sync::Arc};

use linchpin_host::store::{self, Store};
use tempfile::TempDir;

/// Where stores can be opened again and again.
pub(crate) enum Home {
    /// A folder with a file of SQLite.
    Folder(TempDir),
    /// A database on the server.
    #[cfg(feature = "postgres")]
    Database(String),
}

impl Home {
    pub(crate) fn sqlite() -> Home {
        Home::Folder(tempfile::tempdir().unwrap())
    }

    /// `None` when there is no server here.
    #[cfg(feature = "postgres")]
    pub(crate) async fn postgres() -> Option<Home> {
        super::server::database().await.map(Home::Database)
    }

    /// A handle of its own, as another process would have.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.place()).await.unwrap()
    }

    pub(crate) fn place(&self) -> String {
        match self {
            Home::Folder(folder) => file(folder).display().to_string(),
            #[cfg(feature = "postgres")]
            Home::Database(url) => url.clone(),
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("store.db")
}
