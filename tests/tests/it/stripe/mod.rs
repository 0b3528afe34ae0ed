//! Every flow of the Stripe connector against a Stripe on loopback.

mod account;
mod billing;
mod catalogue;
mod choice;
mod customer;
mod endpoint;
mod fault;
mod hook;
mod list;
mod payment;
mod world;
mod write;

use self::world::World;
