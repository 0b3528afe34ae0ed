//! What processes that share a store have in common while they work.

use std::sync::Arc;

use linchpin::{Result, flow::BoxFuture};
use linchpin_runtime::{Cell, Cells};

use crate::store::Store;

/// The cells of a store.
#[derive(Debug)]
pub(crate) struct StoredCells(pub(crate) Arc<dyn Store>);

impl Cells for StoredCells {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Cell>> {
        self.0.cell(name)
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        old: Option<&'a [u8]>,
        new: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<bool>> {
        self.0.cell_swap(name, old, new)
    }
}
