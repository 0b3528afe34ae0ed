//! The `linchpin` binary: the bundled connectors and the tour.

mod tour;

use std::process::ExitCode;

use linchpin_cli::Cli;

fn main() -> ExitCode {
    let connectors = [
        linchpin_github::connector(),
        linchpin_google_drive::connector(),
        linchpin_okta::connector(),
        linchpin_slack::connector(),
        linchpin_stripe::connector(),
    ];
    Cli::new(connectors).command(tour::command(), tour::run).run(std::env::args_os()).into()
}
