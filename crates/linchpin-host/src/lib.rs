//! Runs many connectors for many connections.
//!
//! The [`store`] keeps what must outlive a call: connections, their grants, and what is left to do for them. Secrets in it are
//! sealed by the [`vault`], each bound to its row.

mod private_file;
pub mod store;
pub mod vault;
