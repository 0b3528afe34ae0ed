//! What every xtask of a workspace with connectors calls: specs and compiled flows become manifests.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     linchpin_build::main(linchpin_build::Workspace::new("tracker-app"))
//! }
//! ```
//!
//! `build-manifest` finds every spec, checks each before anything compiles, builds the binary of the named package, asks it
//! for the flows that it has, looks whether the sources have more of them, and writes what it found beside the specs.

mod binary;
mod catalogue;
mod command;
pub mod generate;
mod manifest;
mod pairing;
mod pipeline;
mod scan;
mod table;
mod workspace;

pub use command::{BuildManifest, CheckSpec, Command, Format, main};
pub use manifest::{Built, manifest_for};
pub use workspace::{Layout, Member, Workspace};

/// A wrong command line: told apart from what is wrong in the workspace by the exit code.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}
