//! The way out of the network: what is allowed inside, which authorities are trusted, and which proxy is used.

use std::{fs, path::PathBuf};

use clap::Args;
use linchpin::Error;
use linchpin_runtime::Runtime;

use crate::exit::Failure;

/// Under what the help lists them.
const HEADING: &str = "The way out";

/// The way out.
#[derive(Debug, Clone, Args)]
pub(crate) struct EgressArgs {
    /// Let connectors' hosts be inside: in a network as 10.0.0.0/8, at an address, or, for a host's exact name, wherever it is
    #[arg(long, global = true, help_heading = HEADING, value_name = "NETWORK|HOST", env = "LINCHPIN_ALLOW", value_delimiter = ',')]
    allow: Vec<String>,
    /// Trust the certificates in this PEM file beside those of the system
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE", env = "LINCHPIN_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Send everything through this proxy: http://USER:PASSWORD@HOST:PORT. Those of the environment are not used
    #[arg(long, global = true, help_heading = HEADING, value_name = "URL", env = "LINCHPIN_PROXY", hide_env_values = true)]
    proxy: Option<String>,
    /// Hosts and networks that are reached without the proxy, between commas
    #[arg(long, global = true, help_heading = HEADING, value_name = "HOSTS", env = "LINCHPIN_PROXY_EXCEPT")]
    proxy_except: Option<String>,
}

impl EgressArgs {
    /// A runtime that goes this way.
    pub(crate) fn runtime(&self) -> Result<Runtime, Failure> {
        let unfit = |argument: &str| {
            let argument = argument.to_owned();
            move |error: Error| Failure::usage(format!("`--{argument}`: {}", error.message()))
        };
        let mut builder = Runtime::builder();
        for place in &self.allow {
            builder = builder.allow(place).map_err(unfit("allow"))?;
        }
        if let Some(file) = &self.ca_file {
            let pem = fs::read_to_string(file)
                .map_err(|error| Failure::usage(format!("`--ca-file {}`: {error}", file.display())))?;
            builder = builder.trust(&pem).map_err(unfit("ca-file"))?;
        }
        if let Some(url) = &self.proxy {
            let except = self.proxy_except.as_deref().unwrap_or_default();
            builder = builder.proxy(url, except).map_err(unfit("proxy"))?;
        }
        Ok(builder.build())
    }
}
