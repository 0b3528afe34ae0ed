//! What the runtime promises, against services on loopback. One binary, for the sake of link time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod answer;
mod auth;
mod body;
mod call;
mod conditional;
mod fetcher;
mod file;
mod limit;
mod model;
mod paging;
mod prefetch;
mod redirect;
mod retry;
mod service;
mod stream;
mod time;
mod tracker;
mod vectors;
mod webhook;
mod write;
