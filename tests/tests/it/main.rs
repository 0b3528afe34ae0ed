//! Flows against mock servers. One binary, since linking takes longer than running.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod architecture;
mod auth;
mod command;
mod github;
mod oauth;
mod outsider;
