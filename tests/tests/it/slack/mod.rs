//! Every flow of the Slack connector against a Slack on loopback.

mod account;
mod channel;
mod choice;
mod event;
mod fault;
mod grant;
mod list;
mod message;
mod world;

use self::world::World;
