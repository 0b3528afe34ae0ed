//! Places for stores, which go away with their test.

use std::{path::PathBuf, sync::Arc};

use linchpin_host::store::{Sqlite, Store};
use tempfile::TempDir;

/// Where stores can be opened again and again.
pub(crate) enum Home {
    Folder(TempDir),
}

impl Home {
    pub(crate) fn sqlite() -> Home {
        Home::Folder(tempfile::tempdir().unwrap())
    }

    /// A handle of its own, as another process would have.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Home::Folder(folder) => Arc::new(Sqlite::open(file(folder)).unwrap()),
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("store.db")
}
