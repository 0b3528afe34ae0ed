//! What the runtime promises, against services on loopback. One binary, for the sake of link time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod answer;
mod auth;
mod call;
mod file;
mod limit;
mod paging;
mod prefetch;
mod redirect;
mod retry;
mod service;
mod stream;
mod time;
mod tracker;
mod write;
