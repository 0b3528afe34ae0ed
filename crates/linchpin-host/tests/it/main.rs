//! Stores and the vault, from outside. One binary, since linking takes longer than running.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[macro_use]
mod contract;
mod dispatch;
mod full;
mod home;
mod hook;
mod inbox;
mod ingress;
mod lease_model;
mod look;
mod measure;
mod monitor;
mod planted;
mod process;
mod sample;
#[cfg(feature = "postgres")]
mod server;
mod unlock;
mod wake;
