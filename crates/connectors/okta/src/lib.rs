//! Okta for linchpin: users, groups and their members, apps, the System Log, and the events of all of them.
//!
//! | module | flows |
//! | :- | :- |
//! | [`account`] | whose connection it is, and its end |
//! | [`user`], [`lifecycle`] | who is in the org, and what becomes of them |
//! | [`group`], [`member`] | groups, and who is in them |
//! | [`app`], [`log`] | what people sign in to, and what happened |
//! | [`hook`], [`watch`] | event hooks and monitors: what happens, as it happens |
//! | [`choice`] | choices of fields |

pub mod account;
pub mod app;
pub mod choice;
pub mod group;
pub mod hook;
pub mod lifecycle;
pub mod log;
pub mod member;
#[cfg(feature = "mock")]
pub mod mock;
pub mod user;
pub mod watch;

linchpin::connector!("../../../specs/okta.toml");

/// As many records of a page as Okta recommends; without a word some lists have ten, others thousands.
const PAGE: u32 = 200;
