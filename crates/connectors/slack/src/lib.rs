//! Slack for linchpin: messages, channels, people and reactions, and what happens to them.
//!
//! | module | flows |
//! | :- | :- |
//! | [`account`] | whose connection it is, and its end |
//! | [`message`], [`schedule`], [`reaction`] | what is said, now and later |
//! | [`channel`], [`user`] | where, and by whom |
//! | [`event`] | what Slack tells of by itself |
//! | [`choice`] | choices of fields |

pub mod account;
mod call;
pub mod channel;
pub mod choice;
pub mod event;
pub mod message;
#[cfg(feature = "mock")]
pub mod mock;
pub mod reaction;
pub mod schedule;
pub mod user;

linchpin::connector!("../../../specs/slack.toml");
