//! A server that takes deliveries and hands them on: `linchpin hook listen`, and the greater part of `linchpin serve`.

use std::{io, path::PathBuf, sync::Arc};

use clap::Args;
use linchpin::Secret;
use linchpin_host::{
    EventStream, Forward, Host, Lines, Sink,
    inbox::InboxPolicy,
    ingress::{Ingress, IngressPolicy, Proxies, ServeLimits},
};
use linchpin_runtime::{Cancel, webhook::Fetcher};
use tokio::net::TcpListener;

use crate::{
    connection::{PublicUrl, StoreArgs},
    exit::Failure,
    local,
};

/// Where and how deliveries are taken.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListenArgs {
    /// The address to listen at; behind a proxy that speaks TLS, since this server does not
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8787")]
    pub(crate) listen: String,
    /// A proxy whose word about the original request is taken, by its address or network
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) trusted_proxy: Vec<String>,
}

/// Who is told of events.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SinkArgs {
    /// Post events to this URL, signed as Standard Webhooks says
    #[arg(long, value_name = "URL", requires = "forward_key", conflicts_with = "stdout")]
    pub(crate) forward: Option<String>,
    /// The file with the key that signs them, `whsec_` and base64; several lines are several keys, all of which sign
    #[arg(long, value_name = "FILE")]
    pub(crate) forward_key: Option<PathBuf>,
    /// Write events to stdout as JSON Lines
    #[arg(long)]
    pub(crate) stdout: bool,
    /// The file with the token for the stream of events at /events, which is where they go unless another way is named; made if it is
    /// not there
    #[arg(long, value_name = "FILE", conflicts_with_all = ["forward", "stdout"])]
    pub(crate) stream_token: Option<PathBuf>,
}

/// A server that is about to listen.
pub(crate) struct Server {
    listener: TcpListener,
    ingress: Ingress,
    host: Host,
    sink: Arc<dyn Sink>,
    inbox: linchpin_host::inbox::Inbox,
}

impl Server {
    /// Begins to listen, so that what cannot be had is said at once.
    pub(crate) async fn new(
        host: &Host,
        store: &StoreArgs,
        listen: &ListenArgs,
        public: &PublicUrl,
        sink: &SinkArgs,
    ) -> Result<Server, Failure> {
        let listener = TcpListener::bind(&listen.listen).await.map_err(|error| {
            Failure::usage(format!("nobody can listen at `{}`: {error}", listen.listen))
                .help("name another address by `--listen HOST:PORT`")
        })?;
        let at = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
        let mut policy = IngressPolicy::default();
        policy.public_url = public.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
        policy.proxies = Proxies::new(&listen.trusted_proxy)?;
        let inbox = host.inbox(InboxPolicy::default());
        let fetcher = match &store.base_url {
            Some(url) => Fetcher::at(host.runtime(), url)?,
            None => Fetcher::new(host.runtime()),
        };
        let hooks = Arc::new(host.stored_hooks());
        let mut ingress = Ingress::new(hooks, inbox.clone(), fetcher, host.clock().clone(), policy);
        let base = public.public_url.clone().unwrap_or_else(|| format!("http://{at}"));
        let sink: Arc<dyn Sink> = if sink.stdout {
            Arc::new(Lines::new(io::stdout()))
        } else if let (Some(url), Some(file)) = (&sink.forward, &sink.forward_key) {
            eprintln!("events go to {url}, signed as Standard Webhooks says");
            Arc::new(Forward::new(host.runtime().clone(), host.clock().clone(), url, &keys(file)?)?)
        } else {
            let stream = EventStream::new();
            let token = token(sink.stream_token.as_deref(), store)?;
            ingress = ingress.stream(stream.clone(), token);
            Arc::new(stream)
        };
        eprintln!("taking deliveries at http://{at}; services reach it by {base}");
        Ok(Server { listener, ingress, host: host.clone(), sink, inbox })
    }

    /// Takes deliveries and hands them on until it is cancelled; then lets what is under way end.
    pub(crate) async fn run(self, stop: &Cancel) {
        let Server { listener, ingress, host, sink, inbox } = self;
        let serving = linchpin_host::ingress::serve(listener, ingress.router(), ServeLimits::default(), stop);
        tokio::join!(serving, host.hand_on(&inbox, sink, stop));
    }
}

/// The keys in a file, one on a line.
pub(crate) fn keys(file: &std::path::Path) -> Result<Vec<Secret>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("`{}` cannot be read: {error}", file.display())))?;
    let keys: Vec<Secret> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new).collect();
    if keys.is_empty() {
        return Err(Failure::usage(format!("`{}` has no key", file.display())));
    }
    Ok(keys)
}

/// The token of the stream: of the file, which is made if it is not there.
fn token(file: Option<&std::path::Path>, store: &StoreArgs) -> Result<Secret, Failure> {
    let file = match file {
        Some(file) => file.to_owned(),
        None => crate::connection::beside_store(store, "events.token")?,
    };
    let (token, made) = local::secret_file(&file)?;
    let verb = if made { "was made" } else { "is" };
    eprintln!("events are streamed at /events to who has the token, which {verb} in {}", file.display());
    Ok(token)
}
