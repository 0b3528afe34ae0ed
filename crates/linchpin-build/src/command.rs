//! The command line of an xtask.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use linchpin_manifest::{Diagnostic, render};

use crate::{
    Usage, Workspace,
    binary::{self, Flags},
    catalogue::Catalogue,
    generate::Mode,
    pipeline::{self, Outcome, Request},
    table,
};

/// What linchpin adds to an xtask. An xtask with commands of its own flattens it into them.
///
/// ```
/// #[derive(clap::Parser)]
/// enum Xtask {
///     #[command(flatten)]
///     Linchpin(linchpin_build::Command),
///     /// Waters the plants
///     Water,
/// }
/// ```
#[derive(Debug, Clone, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Check every spec, join it with its registered flows, and write its manifest
    BuildManifest(BuildManifest),
    /// Check specs by themselves: works when nothing compiles
    CheckSpec(CheckSpec),
}

/// The arguments of `build-manifest`.
#[derive(Debug, Clone, Args)]
#[non_exhaustive]
pub struct BuildManifest {
    /// Write nothing; fail with a diff when a manifest is missing or stale
    #[arg(long)]
    pub check: bool,
    /// How findings are told: `json` and `sarif` go to stdout
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Only the connectors with these keys
    #[arg(long = "spec", value_name = "KEY", num_args = 1..)]
    pub specs: Vec<String>,
    /// Build without the network
    #[arg(long)]
    pub offline: bool,
    /// Build only with the Cargo.lock as it is
    #[arg(long)]
    pub locked: bool,
}

/// The arguments of `check-spec`.
#[derive(Debug, Clone, Args)]
#[non_exhaustive]
pub struct CheckSpec {
    /// The specs; without any, all of the workspace
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How findings are told: `json` and `sarif` go to stdout
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How findings are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As rustc would show them
    #[default]
    Human,
    /// As one JSON object
    Json,
    /// As a SARIF log
    Sarif,
}

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of this workspace")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// A whole xtask: reads the command line and does what it says.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     linchpin_build::main(linchpin_build::Workspace::new("tracker-app"))
/// }
/// ```
pub fn main(workspace: Workspace) -> ExitCode {
    CommandLine::parse().command.run(&workspace)
}

impl Command {
    /// Does what the command says: 0 is well, 1 are findings or stale manifests, 2 is a wrong command line.
    pub fn run(&self, workspace: &Workspace) -> ExitCode {
        let done = match self {
            Command::BuildManifest(arguments) => build_manifest(workspace, arguments),
            Command::CheckSpec(arguments) => check_spec(workspace, arguments),
        };
        match done {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                complain(&format!("error: {error:#}\n"));
                ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
            }
        }
    }
}

fn build_manifest(workspace: &Workspace, arguments: &BuildManifest) -> Result<bool> {
    let layout = workspace.layout()?;
    let mode = if arguments.check { Mode::Check } else { Mode::Write };
    let request = Request { mode, only: &arguments.specs, package: &workspace.package };
    let flags = Flags { offline: arguments.offline, locked: arguments.locked };
    let outcome = pipeline::build(&layout, &request, &mut || binary::descriptors(workspace, &layout, flags))?;
    report(&outcome.found, arguments.format);
    if arguments.format == Format::Human {
        for row in outcome.rows.iter().filter(|_| mode == Mode::Check) {
            tell(&row.ensured.diff);
        }
        if !outcome.rows.is_empty() {
            tell(&table::render(&outcome.rows));
        }
        summary(&outcome, mode);
    }
    Ok(!outcome.failed())
}

fn check_spec(workspace: &Workspace, arguments: &CheckSpec) -> Result<bool> {
    let catalogue = if arguments.files.is_empty() {
        let layout = workspace.layout()?;
        Catalogue::find(&layout, &pipeline::scan(&layout)?)?
    } else {
        Catalogue::of(&arguments.files).map_err(|error| Usage(format!("{error:#}")))?
    };
    let count = catalogue.specs.len();
    let outcome = pipeline::check_specs(catalogue);
    report(&outcome.found, arguments.format);
    if arguments.format == Format::Human {
        summary(&outcome, Mode::Check);
        if !outcome.failed() {
            tell(&format!("{} checked\n", counted(count, "spec")));
        }
    }
    Ok(!outcome.failed())
}

/// Findings for people go to stderr, those for machines to stdout.
fn report(found: &[Diagnostic], format: Format) {
    match format {
        Format::Human => {
            let colour =
                io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
            complain(&render::human(found, colour));
        }
        Format::Json => tell(&render::json(found)),
        Format::Sarif => tell(&render::sarif(found)),
    }
}

fn summary(outcome: &Outcome, mode: Mode) {
    let errors = outcome.found.iter().filter(|found| found.is_error()).count();
    let warnings = outcome.found.len() - errors;
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(counted(errors, "error"));
    }
    if warnings > 0 {
        parts.push(counted(warnings, "warning"));
    }
    if parts.is_empty() {
        return;
    }
    let end = if errors > 0 && mode == Mode::Write { "; nothing was written" } else { "" };
    complain(&format!("{}{end}\n", parts.join(", ")));
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Data. A reader that went away wants no more of it.
fn tell(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Everything else.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
