//! `linchpin hook`: the life of webhooks, and what they delivered.

mod inbox;
mod life;
pub(crate) mod listen;
mod send;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use linchpin::serde_json::json;
use linchpin_host::Host;

use self::listen::{Server, SinkArgs};
use crate::{
    args::Format,
    catalogue::Catalogue,
    connection::{PublicUrl, StoreArgs, asked_to_stop, executor, open, print},
    exit::{Exit, Failure},
};

/// Webhooks.
#[derive(Debug, Args)]
pub(crate) struct Hook {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) public: PublicUrl,
    #[command(subcommand)]
    pub(crate) verb: HookVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HookVerb {
    /// Have a service deliver events for a connection
    Register(life::Register),
    /// Have a service stop delivering; what it does not do now is tried again by `serve`
    Deregister(life::Named),
    /// Ask a service how a webhook is, and mend what is wrong with it
    Check(life::Named),
    /// Renew a webhook before it expires
    Renew(life::Renew),
    /// List webhooks; never a secret
    List(life::List),
    /// Keep the key with which a service signs what it delivers to an app, turn the one URL of the app on, and print it
    App(App),
    /// List what was delivered, and what monitors found
    Deliveries(inbox::Deliveries),
    /// Show one delivery, with its body
    Show(inbox::Numbered),
    /// Hand deliveries on again
    Replay(inbox::Replay),
    /// Take deliveries away that were handed on, or are dead letters
    Purge(inbox::Purge),
    /// Send a delivery as the service would, or a wrong one
    Send(Box<send::Send>),
    /// Take deliveries, and write events to stdout as JSON Lines
    Listen(listen::ListenArgs),
}

/// The one URL of an app.
#[derive(Debug, Args)]
pub(crate) struct App {
    /// The hook
    #[arg(value_name = "CONNECTOR.HOOK")]
    hook: String,
    /// The file with the key that the service signs with; several lines are several keys that count. Not for keys that the service
    /// publishes
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
}

async fn app(host: &Host, args: &App, format: Format) -> Result<Exit, Failure> {
    let (connector, hook) = args.hook.split_once('.').ok_or_else(|| {
        Failure::usage(format!("`{}` is no hook", args.hook)).help("write `CONNECTOR.HOOK`")
    })?;
    let keys = args.signing_key.as_deref().map(listen::keys).transpose()?.unwrap_or_default();
    let url = host.app_hook_on(connector, hook, &keys).await?;
    match (format, url) {
        (Format::Json, url) => print(&json!({ "hook": args.hook, "url": url }))?,
        (Format::Human, Some(url)) => eprintln!("give the service this URL: {url}"),
        (Format::Human, None) => {
            eprintln!("it is on; where it has one URL, `--public-url URL` says which to give the service");
        }
    }
    Ok(Exit::Ok)
}

pub(crate) fn hook(catalogue: &Catalogue, args: &Hook, format: Format) -> Result<Exit, Failure> {
    executor()?.block_on(async {
        let host = open(catalogue.connectors(), &args.store, &args.public).await?;
        let ended = match &args.verb {
            HookVerb::Register(args) => life::register(&host, args, format).await,
            HookVerb::Deregister(args) => life::deregister(&host, args, format).await,
            HookVerb::Check(args) => life::check(&host, args, format).await,
            HookVerb::Renew(args) => life::renew(&host, args, format).await,
            HookVerb::List(args) => life::list(&host, args, format).await,
            HookVerb::App(args) => app(&host, args, format).await,
            HookVerb::Deliveries(args) => inbox::deliveries(&host, args, format).await,
            HookVerb::Show(args) => inbox::show(&host, args).await,
            HookVerb::Replay(args) => inbox::replay(&host, args, format).await,
            HookVerb::Purge(args) => inbox::purge(&host, args, format).await,
            HookVerb::Send(args) => send::send(&host, args, format).await,
            HookVerb::Listen(listen) => {
                let sink = SinkArgs { stdout: true, ..SinkArgs::default() };
                let server = Server::new(&host, &args.store, listen, &args.public, &sink).await?;
                server.run(&asked_to_stop()).await;
                Ok(Exit::Ok)
            }
        };
        host.settle().await;
        ended
    })
}
