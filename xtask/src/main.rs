//! This workspace's own tasks: `cargo xtask help` lists them.

mod compile_cost;
mod generate;
mod tidy;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use clap::{CommandFactory, Parser, error::ErrorKind};
use linchpin_build::{Workspace, generate::Mode};

/// The tasks of this workspace
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
enum Xtask {
    #[command(flatten)]
    Linchpin(linchpin_build::Command),
    /// Write the published JSON Schemas and the tables of README.md
    Generate {
        /// Write nothing; fail with a diff when something is stale
        #[arg(long)]
        check: bool,
    },
    /// Look for what breaks the rules of the house that rustc does not know
    Tidy,
    /// Measure what a flow costs to compile, and how much of that the attribute adds
    CompileCost(compile_cost::Options),
}

fn main() -> ExitCode {
    let task = match Xtask::try_parse() {
        Ok(task) => task,
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand => {
            eprint!("{}\n{}", error.render(), Xtask::command().render_help());
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    let done = match task {
        Xtask::Linchpin(command) => return command.run(&Workspace::new("linchpin-app")),
        Xtask::Generate { check } => generate::command(if check { Mode::Check } else { Mode::Write }),
        Xtask::Tidy => tidy::command(),
        Xtask::CompileCost(options) => compile_cost::command(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The cargo that started this process, in the workspace's folder.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// What a command prints, or what it complains of.
fn output(command: &mut Command) -> Result<String> {
    let out = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    if !out.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&out.stderr));
    }
    String::from_utf8(out.stdout).with_context(|| format!("{command:?} printed something that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Xtask::command().debug_assert();
    }

    #[test]
    fn an_unknown_task_is_told_apart() {
        let error = Xtask::try_parse_from(["cargo xtask", "generat"]).expect_err("no such task");
        assert_eq!(error.kind(), ErrorKind::InvalidSubcommand);
    }
}
