//! Every flow of the Okta connector against an Okta on loopback.

mod account;
mod choice;
mod command;
mod fault;
mod grant;
mod group;
mod home;
mod hook;
mod hybrid;
mod list;
mod served;
mod user;
mod world;

use self::world::World;
