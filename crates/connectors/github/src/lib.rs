//! GitHub for linchpin: issues, comments, repositories, search, releases and files, and webhooks that tell what happens to them.
//!
//! | module | flows |
//! | :- | :- |
//! | [`account`] | whose connection it is, and its end |
//! | [`issue`], [`comment`] | what is discussed |
//! | [`repository`], [`search`] | where things are |
//! | [`release`], [`mod@file`] | what is published |
//! | [`hook`] | webhooks and their events |
//! | [`choice`] | choices of fields |

pub mod account;
pub mod choice;
pub mod comment;
pub mod file;
pub mod hook;
pub mod issue;
#[cfg(feature = "mock")]
pub mod mock;
pub mod release;
pub mod repository;
pub mod search;

linchpin::connector!("../../../specs/github.toml");
