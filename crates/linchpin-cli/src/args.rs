//! The commands and their arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    connection::{Auth, Serve, StoreArgs},
    hook::Hook,
    monitor::MonitorArgs,
};

#[derive(Debug, Default, Args)]
pub(crate) struct Global {
    /// How findings, descriptions and errors are written
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Tell on stderr of calls, steps and requests, from this level on
    #[arg(long, global = true, value_enum, value_name = "LEVEL", env = "LINCHPIN_LOG")]
    pub(crate) log: Option<LogLevel>,
}

/// From which level on something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// What may fail later, too.
    Warn,
    /// Each call, step and request, too.
    Info,
    /// What happens in between, too.
    Debug,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> tracing::Level {
        match level {
            LogLevel::Error => tracing::Level::ERROR,
            LogLevel::Warn => tracing::Level::WARN,
            LogLevel::Info => tracing::Level::INFO,
            LogLevel::Debug => tracing::Level::DEBUG,
        }
    }
}

/// How findings, descriptions and errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show connectors, or the flows of one, or one flow
    Describe(Describe),
    /// Run one flow
    ///
    /// The result goes to stdout as JSON, everything else to stderr. Exit codes: 0 ok; 1 the flow failed (invalid input, a
    /// refusal, the author's own error); 2 usage; 3 the service failed (unreachable, deadline, 5xx, 429, a broken answer).
    Run(Box<Run>),
    /// Make, check, refresh and revoke connections
    Auth(Box<Auth>),
    /// Register, check, renew and deregister webhooks; see what was delivered, and hand it on again
    Hook(Box<Hook>),
    /// Turn monitors on and off, and look once
    Monitor(Box<MonitorArgs>),
    /// Take what services deliver, look for monitors, and look after connections and webhooks
    Serve(Box<Serve>),
    /// Explain a code, or list all codes
    Explain(Explain),
    /// Print a completion script
    Completions(Completions),
    /// Make a connector: a crate with a spec, a main, an xtask and a test
    New(New),
    /// What the compiled connectors say of themselves, for build-manifest
    #[command(name = "__descriptors", hide = true)]
    Descriptors,
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// CONNECTOR or CONNECTOR.FLOW; everything without one
    #[arg(value_name = "CONNECTOR[.FLOW]")]
    pub(crate) what: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The flow
    #[arg(value_name = "CONNECTOR.FLOW")]
    pub(crate) flow: String,
    /// The input as a JSON file, `-` for stdin
    #[arg(short, long, value_name = "FILE|-")]
    pub(crate) input: Option<String>,
    /// One field of the input, read by its type; `a.b=` nests, a list takes several, `@FILE` is a file for a field that takes one
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,
    /// The options: a JSON file, or single ones as k=v
    #[arg(long, value_name = "FILE|K=V")]
    pub(crate) options: Vec<String>,
    /// The outputs wanted, by key
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// The connection: TOML or JSON with `method` and `fields`. Fields that it lacks come from LINCHPIN_<CONNECTOR>_<FIELD>
    #[arg(long, value_name = "FILE")]
    pub(crate) auth: Option<PathBuf>,
    /// A connection of the store, in place of `--auth`
    #[arg(long, value_name = "NAME", conflicts_with = "auth")]
    pub(crate) connection: Option<String>,
    /// Whose connection it is
    #[arg(long, default_value = linchpin_host::DEFAULT_TENANT, requires = "connection")]
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// What the call is known by: made again under the same id, its writes carry the same idempotency keys
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
    /// How long the whole call may take, as in `30s` or `5m`
    #[arg(long, value_name = "TIME")]
    pub(crate) deadline: Option<String>,
    /// Check the input, and stop a flow that writes before its first request other than GET or HEAD, one that revokes before any
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Records as JSON Lines, as they come
    #[arg(long)]
    pub(crate) stream: bool,
    /// So many records at the most; 200 unless they are streamed
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Where the file goes that the flow gives, `-` for stdout; by default under its own name into this folder, where nothing is
    /// overwritten
    #[arg(short, long, value_name = "FILE|-")]
    pub(crate) output: Option<PathBuf>,
    /// Show the requests
    #[arg(long)]
    pub(crate) trace: bool,
    /// Write the requests and their answers to this file as an HTTP archive, secrets replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) har: Option<PathBuf>,
    /// For a webhook registration: where the service shall deliver
    #[arg(long, value_name = "URL")]
    pub(crate) event_url: Option<String>,
    /// For webhooks: the file with the key that signs deliveries; a registration makes it if it is not there
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_secret: Option<PathBuf>,
    /// For a webhook deregistration: what the registration printed, as a JSON file
    #[arg(long, value_name = "FILE|-")]
    pub(crate) registered: Option<String>,
    /// For a webhook event: the delivery's body
    #[arg(long, value_name = "FILE|-")]
    pub(crate) payload: Option<String>,
    /// For a webhook event: a header of the delivery
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// For a monitor: where the last look ended, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) cursor: Option<String>,
    /// For a list: from where it is read on, as the error that broke it off told
    #[arg(long, value_name = "POSITION")]
    pub(crate) resume_from: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code, as in LP101; all are listed without one
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The connector's key: lower-case letters, digits and `_`
    pub(crate) key: String,
    /// Where to make it; ./KEY by default
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// A checkout of linchpin to depend on by path; by default the one that this program was built from, if it is still there
    #[arg(long, value_name = "DIR")]
    pub(crate) linchpin: Option<PathBuf>,
}
