//! Every flow of the GitHub connector against a GitHub on loopback.

mod account;
mod choice;
mod comment;
mod fault;
mod file;
mod hook;
mod issue;
mod list;
mod release;
mod world;

use self::world::World;

/// The repository in which everything happens, as inputs name it.
const HERE: &str = "octocat/hello-world";
