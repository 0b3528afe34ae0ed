//! Runs many connectors for many connections.
//!
//! A [`Host`] makes connections, pings them, keeps their tokens fresh, looks after their webhooks and takes them away. The [`store`] keeps what must outlive a
//! call: connections, their grants, and what is left to do for them. Secrets in it are sealed by the [`vault`], each bound to its
//! row.

mod cells;
mod connect;
mod event;
mod grants;
mod handling;
mod hook;
mod host;
pub mod inbox;
pub mod ingress;
mod monitor;
mod observe;
mod ping;
mod private_file;
mod recent;
mod revoke;
mod sink;
pub mod store;
mod transfer;
pub mod vault;
mod worker;

pub use crate::{
    connect::{Application, Connected, NewConnection},
    event::{Event, EventData},
    hook::{Attended, LiveHook, NewHook, StoredHooks, options_flow},
    host::{DEFAULT_TENANT, Host, HostBuilder, Notice, NoticeKind},
    monitor::{Looked, MonitorEvent, MonitorKey},
    ping::Pinged,
    revoke::Report,
    sink::{EventStream, Forward, Handler, Lines, Sink, handler},
    worker::{LookProblem, Round},
};
