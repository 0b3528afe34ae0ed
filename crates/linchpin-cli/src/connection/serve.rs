//! `linchpin serve`: takes deliveries and looks after connections until it is told to stop.

use clap::Args;
use linchpin_host::Round;
use linchpin_runtime::Cancel;

use super::{PublicUrl, StoreArgs, executor, open, show};
use crate::{
    catalogue::Catalogue,
    exit::{Exit, Failure},
    hook::listen::{ListenArgs, Server, SinkArgs},
};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) public: PublicUrl,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) sink: SinkArgs,
}

pub(crate) fn serve(catalogue: &Catalogue, args: &Serve) -> Result<Exit, Failure> {
    executor()?.block_on(async {
        let host = open(catalogue.connectors(), &args.store, &args.public).await?;
        let server = Server::new(&host, &args.store, &args.listen, &args.public, &args.sink).await?;
        let stop = asked_to_stop();
        eprintln!("looking after the connections of the store; stop with Ctrl-C or SIGTERM");
        let work = host.work(&stop, |round| match round {
            Ok(round) if round == Round { looks: round.looks, ..Round::default() } => {}
            Ok(round) => {
                for report in round.revocations.iter().filter(|report| !report.done) {
                    let problem = report.attempt.problem.as_deref().unwrap_or_default();
                    eprintln!("the tokens of `{}` are still alive at the service: {problem}", report.name);
                }
                for look in &round.failed_looks {
                    let (code, message) = (look.code.as_str(), &look.message);
                    eprintln!("`{}` of `{}` failed with {code}: {message}", look.flow, look.connection);
                }
                eprintln!("{}", show::summary(&round));
            }
            Err(error) => eprintln!("error[{}]: {error}", error.code().as_str()),
        });
        tokio::join!(work, server.run(&stop));
        Ok(Exit::Ok)
    })
}

/// Is cancelled when somebody asks the process to stop.
pub(crate) fn asked_to_stop() -> Cancel {
    let stop = Cancel::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        stopped().await;
        eprintln!("stopping: what is under way is finished first");
        asked.cancel();
    });
    stop
}

/// Until somebody asks the process to stop.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Without the signal there is Ctrl-C.
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
