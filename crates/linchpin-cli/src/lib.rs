//! Turns a list of connectors into a command line.
//!
//! ```no_run
//! # mod tracker { pub fn connector() -> linchpin::Connector { unimplemented!() } }
//! fn main() -> std::process::ExitCode {
//!     linchpin_cli::main([tracker::connector()])
//! }
//! ```

mod args;
mod auth;
mod catalogue;
mod connection;
mod describe;
mod egress;
mod exit;
mod explain;
mod hook;
mod input;
mod json;
mod local;
mod monitor;
mod pause;
mod run;
mod scaffold;
mod telemetry;
mod terminal;

use std::{ffi::OsString, process::ExitCode};

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _, Subcommand as _};
use linchpin::Connector;

pub use crate::{
    args::Format,
    exit::{Exit, Failure},
};
use crate::{
    args::{Global, Verb},
    catalogue::Catalogue,
};

/// Runs the command line of these connectors with the arguments of the process.
pub fn main(connectors: impl IntoIterator<Item = Connector>) -> ExitCode {
    Cli::new(connectors).run(std::env::args_os()).into()
}

/// A command line: the connectors it serves, and commands beyond linchpin's own.
#[derive(Debug)]
pub struct Cli {
    catalogue: Catalogue,
    extras: Vec<Extra>,
}

/// What an extra command does.
pub type Run = fn(&ArgMatches, Format) -> Result<Exit, Failure>;

#[derive(Debug)]
struct Extra {
    command: Command,
    run: Run,
}

impl Cli {
    /// A command line over these connectors.
    pub fn new(connectors: impl IntoIterator<Item = Connector>) -> Cli {
        Cli { catalogue: Catalogue::new(connectors), extras: Vec::new() }
    }

    /// Adds a command.
    #[must_use]
    pub fn command(mut self, command: Command, run: Run) -> Cli {
        self.extras.push(Extra { command, run });
        self
    }

    /// Runs with these arguments, the program's name first. Data goes to stdout, everything else to stderr.
    pub fn run(&self, args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Exit {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let matches = match self.definition().try_get_matches_from(&args) {
            Ok(matches) => matches,
            // Help and versions are no mistakes, and go to stdout.
            Err(error) if !error.use_stderr() => {
                drop(error.print());
                return Exit::Ok;
            }
            Err(error) => {
                match wants_json(&args) {
                    true => misuse(&error).print(Format::Json),
                    false => drop(error.print()),
                }
                return Exit::Usage;
            }
        };
        let global = Global::from_arg_matches(&matches).unwrap_or_default();
        let format = global.format;
        let told = telemetry::start(global.log.map(Into::into));
        match told.and_then(|_telemetry| self.dispatch(&matches, format)) {
            Ok(exit) => exit,
            Err(failure) => {
                failure.print(format);
                failure.exit()
            }
        }
    }

    fn definition(&self) -> Command {
        let command = Command::new("linchpin")
            .version(env!("CARGO_PKG_VERSION"))
            .about("Runs connectors: typed flows over other people's APIs")
            .subcommand_required(true)
            .arg_required_else_help(true);
        let command = Verb::augment_subcommands(Global::augment_args(command));
        self.extras.iter().fold(command, |command, extra| command.subcommand(extra.command.clone()))
    }

    fn dispatch(&self, matches: &ArgMatches, format: Format) -> Result<Exit, Failure> {
        if let Some((name, matches)) = matches.subcommand()
            && let Some(extra) = self.extras.iter().find(|extra| extra.command.get_name() == name)
        {
            return (extra.run)(matches, format);
        }
        let verb = Verb::from_arg_matches(matches).map_err(|error| Failure::usage(error.to_string()))?;
        match verb {
            Verb::Describe(args) => describe::describe(&self.catalogue, &args, format),
            Verb::Run(args) => run::run(&self.catalogue, &args, format),
            Verb::Explain(args) => explain::explain(args.code.as_deref(), format),
            Verb::Completions(args) => {
                let mut script = Vec::new();
                clap_complete::generate(args.shell, &mut self.definition(), "linchpin", &mut script);
                if format == Format::Json {
                    let (shell, text) = (args.shell.to_string(), String::from_utf8_lossy(&script));
                    script =
                        format!("{:#}\n", serde_json::json!({ "shell": shell, "script": text })).into_bytes();
                }
                exit::write_stdout(&script)?;
                Ok(Exit::Ok)
            }
            Verb::New(args) => scaffold::new(&args, format),
            Verb::Auth(args) => connection::auth(&self.catalogue, &args, format),
            Verb::Monitor(args) => monitor::monitor(&self.catalogue, &args, format),
            Verb::Hook(args) => hook::hook(&self.catalogue, &args, format),
            Verb::Serve(args) => connection::serve(&self.catalogue, &args),
            Verb::Descriptors => describe::descriptors(&self.catalogue),
        }
    }
}

/// Whether the arguments ask for JSON, also where they are wrong.
fn wants_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--format=json")
        || args.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// What clap says of wrong arguments, without its usage text.
fn misuse(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let message = paragraphs.next().unwrap_or_default();
    let failure = Failure::usage(message.strip_prefix("error: ").unwrap_or(&message));
    match paragraphs.find_map(|text| text.strip_prefix("tip: ").map(str::to_owned)) {
        Some(tip) => failure.help(tip),
        None => failure,
    }
}
