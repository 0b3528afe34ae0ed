//! Runs flows: one flow for one connection, through one pipeline.
//!
//! A call is checked against the flow's schema before any request. Each request then goes the same way: its URL is built
//! from the connection, its host is judged, credentials are added, it is sent, its answer is judged by the spec's outcome
//! rules, and what happened is noted in a [`Trace`]. tokio and reqwest live here and nowhere else.

mod body;
mod charset;
mod check;
mod client;
mod clock;
mod coding;
mod conditional;
mod connection;
mod egress;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod har;
mod idempotency;
mod invocation;
mod jwt;
mod limit;
mod login;
mod nearest;
mod oauth;
pub mod observe;
mod outcome;
mod page;
mod post;
mod random;
mod refresh;
mod retry;
mod runtime;
mod scrub;
mod session;
mod share;
mod signing;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod stages;
mod steps;
mod stream;
mod template;
mod trace;
mod transfer;
pub mod webhook;

pub use crate::{
    client::Resolver,
    clock::{Clock, SystemClock},
    connection::{Connection, ConnectionBuilder, Way},
    grant::{Failure, Grant, GrantStore, Kept, Lease, MemoryGrant},
    invocation::{Invocation, ResultCheck},
    login::{DeviceLogin, Login},
    oauth::OAuthClient,
    post::Posted,
    refresh::RefreshPolicy,
    runtime::{Cancel, Failed, Output, Ran, Runtime, RuntimeBuilder, catch_panic},
    session::Planned,
    share::{Cell, Cells},
    signing::{Outgoing, Signer},
    stream::{Batch, RecordStream},
    trace::{Entry, Trace},
};
