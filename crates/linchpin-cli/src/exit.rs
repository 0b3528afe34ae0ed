//! How a command ends.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use linchpin::{Code, Error};
use serde::Serialize;
use serde_json::json;

use crate::args::Format;

/// How a command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// 0: it did what was asked.
    Ok,
    /// 1: the flow or check failed: invalid input, a refusal, the author's own error.
    Failed,
    /// 2: the command was wrong: arguments, an unknown connector or flow, an unreadable file.
    Usage,
    /// 3: the service failed: unreachable, deadline, 5xx, 429, a broken answer.
    Service,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Service => 3,
        })
    }
}

impl Exit {
    /// How a command ends that an error ended.
    pub fn of(error: &Error) -> Exit {
        match error.code() {
            Code::Unreachable
            | Code::DeadlineExceeded
            | Code::ResponseTooLarge
            | Code::ResponseMalformed
            | Code::RateLimited
            | Code::ServiceFailed
            | Code::PagingStuck
            | Code::PagingElsewhere => Exit::Service,
            _ => Exit::Failed,
        }
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The command was wrong.
    Usage {
        /// What was wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// A flow failed.
    Flow(Error),
    /// Whoever read stdout has seen enough, as `head` does: nobody's failure.
    Closed,
}

impl Failure {
    /// The command was wrong.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Failure {
        match self {
            Failure::Usage { message, .. } => Failure::Usage { message, help: Some(text.into()) },
            other => other,
        }
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Usage { .. } => Exit::Usage,
            Failure::Flow(error) => Exit::of(error),
            Failure::Closed => Exit::Ok,
        }
    }

    /// Tells it on stderr.
    pub fn print(&self, format: Format) {
        let text = match (self, format) {
            (Failure::Usage { message, help }, Format::Human) => {
                let help = help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
                format!("error: {message}{help}\n")
            }
            (Failure::Usage { message, help }, Format::Json) => {
                format!("{}\n", json!({ "error": { "code": "usage", "message": message, "help": help } }))
            }
            (Failure::Closed, _) => return,
            (Failure::Flow(error), Format::Human) => human(error),
            (Failure::Flow(error), Format::Json) => format!("{}\n", json!({ "error": as_json(error) })),
        };
        // Nobody is left to tell when stderr is gone.
        drop(io::stderr().write_all(text.as_bytes()));
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Flow(error)
    }
}

fn human(error: &Error) -> String {
    let details = error.details();
    let mut text = format!("error[{}]: {}\n", error.code().as_str(), error.message());
    for violation in details.violations {
        text.push_str(&format!("  - {violation}\n"));
    }
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    };
    line("status", details.status.map(|status| status.to_string()));
    line("service code", details.service_code.map(str::to_owned));
    line("request id", details.request_id.map(str::to_owned));
    line("retry after", details.retry_after.map(|wait| format!("{} s", wait.as_secs())));
    // Whole, but a terminal must not take it for orders.
    line("position", details.position.map(|place| place.replace(char::is_control, " ")));
    line("who must act", Some(error.who_must_act().as_str().to_owned()));
    line("help", details.hint.map(str::to_owned));
    text.push_str(&format!("  explained by: linchpin explain {}\n", error.code().as_str()));
    text
}

/// An error for programs.
pub(crate) fn as_json(error: &Error) -> serde_json::Value {
    let details = error.details();
    let violations: Vec<_> = details
        .violations
        .iter()
        .map(|violation| {
            json!({ "pointer": violation.pointer, "label": violation.label, "problem": violation.problem })
        })
        .collect();
    json!({
        "code": error.code().as_str(),
        "message": error.message(),
        "actor": error.who_must_act().as_str(),
        "status": details.status,
        "service_code": details.service_code,
        "request_id": details.request_id,
        "retry_after_seconds": details.retry_after.map(|wait| wait.as_secs()),
        "position": details.position,
        "help": details.hint,
        "violations": violations,
    })
}

/// Writes data to stdout.
///
/// # Errors
///
/// When stdout is closed or full: whoever reads it then has not got everything. [`Failure::Closed`] where they want no more.
pub(crate) fn write_stdout(data: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(data).and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::usage(format!("stdout cannot be written: {error}")),
    })
}

/// Tells something beside the data on stderr: as text, or under a name as JSON.
pub(crate) fn note(format: Format, name: &str, value: impl fmt::Display + Serialize) {
    let text = match format {
        Format::Human => format!("{value}\n"),
        Format::Json => format!("{}\n", json!({ name: value })),
    };
    // Nobody is left to tell when stderr is gone.
    drop(io::stderr().write_all(text.as_bytes()));
}
