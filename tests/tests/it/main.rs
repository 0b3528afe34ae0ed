//! Flows against mock servers. One binary, since linking takes longer than running.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod auth;
mod command;
mod description;
mod drive;
mod edge;
mod github;
mod host;
mod oauth;
mod okta;
mod outsider;
mod slack;
