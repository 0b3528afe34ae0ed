//! Runs many connectors for many connections.
//!
//! A [`Host`] makes connections, pings them, keeps their tokens fresh, looks after their webhooks and takes them away. The [`store`] keeps what must outlive a
//! call: connections, their grants, and what is left to do for them. Secrets in it are sealed by the [`vault`], each bound to its
//! row.

mod cells;
mod connect;
mod grants;
mod hook;
mod host;
mod ping;
mod private_file;
mod revoke;
pub mod store;
mod transfer;
pub mod vault;
mod worker;

pub use crate::{
    connect::{Application, Connected, NewConnection},
    hook::{Attended, LiveHook, NewHook},
    host::{DEFAULT_TENANT, Host, HostBuilder, Notice, NoticeKind},
    ping::Pinged,
    revoke::Report,
    worker::Round,
};
