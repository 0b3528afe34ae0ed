//! `linchpin hook`: the life of webhooks.

mod life;

use clap::{Args, Subcommand};

use crate::{
    args::Format,
    catalogue::Catalogue,
    connection::{PublicUrl, StoreArgs, executor, open},
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
        };
        host.settle().await;
        ended
    })
}
