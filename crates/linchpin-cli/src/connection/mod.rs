//! `linchpin auth`: the life of a connection. And `linchpin serve`, which looks after all of them.

mod callback;
#[cfg(feature = "keyring")]
mod keyring;
mod login;
mod serve;
pub(crate) mod show;

use std::{io::IsTerminal, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use linchpin::{Connector, Secret};
use linchpin_host::{
    DEFAULT_TENANT, Host, Notice, NoticeKind,
    store::{self, Filter, State},
    vault::{self, KeySource, Keys, Vault},
};
use linchpin_runtime::OAuthClient;
use serde_json::json;

pub(crate) use self::{
    serve::{Serve, asked_to_stop, serve},
    show::table,
};
use crate::{
    args::Format,
    catalogue::Catalogue,
    egress::EgressArgs,
    exit::{Exit, Failure, write_stdout},
};

/// Where connections are kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// The store: a file, or a database as postgres://USER:PASSWORD@HOST/DATABASE. By default `linchpin/store.db` in the user's
    /// data folder
    #[arg(long, global = true, value_name = "PATH|URL", env = "LINCHPIN_STORE", hide_env_values = true)]
    pub(crate) store: Option<String>,
    /// The file with the store's keys, unless LINCHPIN_KEY has them; by default beside the store, made at first use
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Keep the store's keys in the keyring of the operating system, whatever LINCHPIN_KEY has; made at first use
    #[cfg(feature = "keyring")]
    #[arg(long, global = true, conflicts_with = "key_file")]
    pub(crate) keyring: bool,
    /// For a mock of a service: in place of the spec's base URL, and leave to go to exactly this scheme, host and port
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    #[command(flatten)]
    pub(crate) egress: EgressArgs,
}

/// Where services deliver.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PublicUrl {
    /// Where services reach this installation from outside, as in https://hooks.example; event URLs stand under it
    #[arg(long, global = true, value_name = "URL", env = "LINCHPIN_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,
}

/// Which connection.
#[derive(Debug, Clone, Args)]
pub(crate) struct Named {
    /// The connection's name
    pub(crate) name: String,
    /// Whose it is
    #[arg(long, default_value = DEFAULT_TENANT)]
    pub(crate) tenant: String,
}

/// The life of a connection.
#[derive(Debug, Args)]
pub(crate) struct Auth {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) verb: AuthVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuthVerb {
    /// Make a connection, or authorize one anew
    ///
    /// What the form wants comes from `--auth`, from LINCHPIN_<CONNECTOR>_<FIELD> in the environment, from `--field`, and at a
    /// terminal from questions. Where the service wants a person's consent, a browser is opened and its answer awaited on
    /// loopback.
    Login(login::Login),
    /// List connections
    List(show::List),
    /// Show one connection with its history; never a secret
    Show(Named),
    /// Ask the service whether a connection works, and whose it is
    Ping(Named),
    /// Exchange a connection's tokens for new ones
    Refresh(Named),
    /// Take connections away, and kill their tokens at the service
    ///
    /// What the service does not do is kept, sealed, and tried again by `serve` and `drain`.
    Revoke(Revoke),
    /// Take a connection away at once, and leave the killing of its tokens to `serve` and `drain`
    Delete(Named),
    /// Do one round of what `serve` does: revocations, exchanges that keep grants alive, webhooks, pings
    Drain,
    /// Give up on a revocation: its tokens may stay alive at the service
    GiveUp {
        /// The revocation's id, as `auth list` shows it
        id: String,
    },
    /// Keep the id and secret of the OAuth client that you registered with a service
    Client(login::Client),
    /// Write connections as JSON, their secrets sealed, for `import` into another store
    Export(Export),
    /// Take connections of an export in
    ///
    /// The key of the store that they come from must be given too: behind the current one in LINCHPIN_KEY or where the
    /// keys are kept.
    Import {
        /// The export, `-` for stdin
        #[arg(value_name = "FILE|-")]
        file: String,
    },
    /// Seal the store under a new key
    ///
    /// With LINCHPIN_KEY, put the new key first, a comma, and the old one behind it.
    RotateKey,
}

/// What to take away.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The connection's name
    #[arg(required_unless_present_any = ["all", "owner"])]
    pub(crate) name: Option<String>,
    /// Whose it is
    #[arg(long, default_value = DEFAULT_TENANT)]
    pub(crate) tenant: String,
    /// All connections of the tenant
    #[arg(long, conflicts_with = "name")]
    pub(crate) all: bool,
    /// All connections of this owner, whatever their tenant
    #[arg(long, conflicts_with_all = ["name", "all"])]
    pub(crate) owner: Option<String>,
}

/// What to write.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only this connection
    pub(crate) name: Option<String>,
    /// Whose they are
    #[arg(long, default_value = DEFAULT_TENANT)]
    pub(crate) tenant: String,
}

/// An executor for one command.
pub(crate) fn executor() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("no executor can be had: {error}")))
}

pub(crate) fn auth(catalogue: &Catalogue, args: &Auth, format: Format) -> Result<Exit, Failure> {
    executor()?.block_on(async {
        let host = open(catalogue.connectors(), &args.store, &PublicUrl::default()).await?;
        let ended = run(catalogue, &host, &args.verb, format).await;
        // What a token endpoint is about to answer must still be stored.
        host.settle().await;
        ended
    })
}

async fn run(catalogue: &Catalogue, host: &Host, verb: &AuthVerb, format: Format) -> Result<Exit, Failure> {
    match verb {
        AuthVerb::Login(args) => login::login(catalogue, host, args, format).await,
        AuthVerb::List(args) => show::list(host, args, format).await,
        AuthVerb::Show(named) => show::show(host, named, format).await,
        AuthVerb::Ping(named) => {
            let pinged = host.ping(&named.tenant, &named.name).await?;
            show::pinged(&pinged.connection, pinged.outcome.as_ref().err(), format)?;
            pinged.outcome?;
            Ok(Exit::Ok)
        }
        AuthVerb::Refresh(named) => {
            let connection = host.connection(&named.tenant, &named.name).await?;
            connection.refresh(host.runtime()).await?;
            let expires = connection.grant().await?.and_then(|kept| kept.grant?.expires);
            let until = expires.map(|time| time.to_string());
            match format {
                Format::Json => print(&json!({ "name": named.name, "expires_at": until }))?,
                Format::Human => eprintln!(
                    "`{}` has new tokens, good {}",
                    named.name,
                    until.map_or("for as long as the service likes".to_owned(), |time| format!(
                        "until {time}"
                    ))
                ),
            }
            Ok(Exit::Ok)
        }
        AuthVerb::Revoke(args) => {
            let reports = match (&args.name, &args.owner) {
                (Some(name), _) => vec![host.revoke(&args.tenant, name).await?],
                (None, Some(owner)) => {
                    host.revoke_all(Filter { owner: Some(owner.clone()), ..Filter::default() }).await?
                }
                (None, None) => {
                    host.revoke_all(Filter { tenant: Some(args.tenant.clone()), ..Filter::default() }).await?
                }
            };
            show::reports(&reports, format)?;
            Ok(if reports.iter().all(|report| report.done) { Exit::Ok } else { Exit::Service })
        }
        AuthVerb::Delete(named) => {
            host.delete(&named.tenant, &named.name).await?;
            match format {
                Format::Json => print(&json!({ "name": named.name, "deleted": true }))?,
                Format::Human => eprintln!(
                    "`{}` is gone here; `linchpin auth drain` or `linchpin serve` kills its tokens at the service",
                    named.name
                ),
            }
            Ok(Exit::Ok)
        }
        AuthVerb::Drain => {
            let round = host.round().await?;
            show::round(&round, format)?;
            Ok(if round.revocations.iter().all(|report| report.done) { Exit::Ok } else { Exit::Service })
        }
        AuthVerb::GiveUp { id } => match host.give_up(id).await? {
            true => Ok(Exit::Ok),
            false => Err(Failure::usage(format!("there is no revocation `{id}`"))
                .help("`linchpin auth list --revocations` shows those that there are")),
        },
        AuthVerb::Export(args) => {
            let which = Filter { tenant: Some(args.tenant.clone()), ..Filter::default() };
            let rows = match &args.name {
                Some(name) => vec![host.kept(&args.tenant, name).await?],
                None => host.connections(which).await?,
            };
            let text = host.export(rows).await?;
            write_stdout(format!("{text}\n").as_bytes())?;
            Ok(Exit::Ok)
        }
        AuthVerb::Import { file } => {
            let taken = host.import(&read(file)?).await?;
            let names: Vec<&str> = taken.iter().map(|row| row.name.as_str()).collect();
            match format {
                Format::Json => print(&json!({ "imported": names }))?,
                Format::Human => eprintln!("taken in: {}", names.join(", ")),
            }
            Ok(Exit::Ok)
        }
        AuthVerb::Client(args) => login::client(catalogue, host, args).await,
        AuthVerb::RotateKey => {
            let sealed = vault::rotate(&**host.store(), host.vault()).await?;
            match format {
                Format::Json => print(&json!({ "sealed_anew": sealed }))?,
                Format::Human => eprintln!("{sealed} records are sealed under the new key"),
            }
            Ok(Exit::Ok)
        }
    }
}

/// The text of a file, `-` for stdin.
pub(crate) fn read(file: &str) -> Result<String, Failure> {
    let text = match file {
        "-" => std::io::read_to_string(std::io::stdin()),
        file => std::fs::read_to_string(file),
    };
    text.map_err(|error| Failure::usage(format!("`{file}` cannot be read: {error}")))
}

/// Writes one JSON value to stdout.
pub(crate) fn print(value: &serde_json::Value) -> Result<(), Failure> {
    write_stdout(format!("{value:#}\n").as_bytes())
}

/// Opens the store, and makes a host over it that knows the connectors.
pub(crate) async fn open(
    connectors: &[Connector],
    args: &StoreArgs,
    public: &PublicUrl,
) -> Result<Host, Failure> {
    let place = match &args.store {
        Some(place) => place.clone(),
        None => default_store()?.to_string_lossy().into_owned(),
    };
    let keys = match (std::env::var(vault::KEY_VARIABLE), &args.key_file) {
        #[cfg(feature = "keyring")]
        _ if args.keyring => {
            let data = default_store()?;
            KeySource::Home(Arc::new(keyring::Keyring::of(&place, data.parent().unwrap_or(&data))?))
        }
        (_, Some(file)) => KeySource::File(file.clone()),
        (Ok(keys), None) => KeySource::Given(keys.parse::<Keys>()?),
        (Err(_), None) if place.contains("://") => {
            let folder = default_store()?;
            KeySource::beside(&folder)
        }
        (Err(_), None) => KeySource::beside(place.as_ref()),
    };
    let store = store::open(&place).await?;
    let vault = Vault::unlock(&*store, keys).await?;
    if let Some(home) = vault.made() {
        eprintln!("note: the store's key was made: {home}; keep a copy of it apart from the store");
    }
    let mut builder = Host::builder_shared(store, vault).connectors(connectors.iter().cloned()).notices(tell);
    builder = builder.runtime(args.egress.runtime()?);
    builder = builder.clock(std::sync::Arc::new(crate::pause::SpokenClock(crate::args::Format::Human)));
    if let Some(url) = &public.public_url {
        builder = builder.public_url(url);
    }
    for connector in connectors {
        if let Some(client) = client(connector) {
            builder = builder.client(connector.key(), client);
        }
        if let Some(url) = &args.base_url {
            builder = builder.base_url(connector.key(), url);
        }
    }
    Ok(builder.build()?)
}

/// The OAuth client of a connector, where the environment has one.
pub(crate) fn client(connector: &Connector) -> Option<OAuthClient> {
    let variable =
        |name: &str| std::env::var(format!("LINCHPIN_{}_CLIENT_{name}", connector.key().to_uppercase())).ok();
    let id = variable("ID")?;
    Some(OAuthClient { id, secret: variable("SECRET").map(Secret::new) })
}

/// A file beside the store; in the user's data folder where that is on a server.
pub(crate) fn beside_store(args: &StoreArgs, name: &str) -> Result<PathBuf, Failure> {
    let store = match &args.store {
        Some(place) if !place.contains("://") => PathBuf::from(place),
        _ => default_store()?,
    };
    Ok(store.with_file_name(name))
}

/// `linchpin/store.db` in the user's data folder.
fn default_store() -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy as _;
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Failure::usage(format!("there is no data folder for the store: {error}")).help("give `--store PATH`")
    })?;
    Ok(base.data_dir().join("linchpin").join("store.db"))
}

/// Says what a connection's owner must act on; what was asked for by command is told there.
fn tell(notice: &Notice) {
    let what = match notice.kind {
        NoticeKind::State(state @ (State::NeedsReauthorization | State::Failing)) => {
            format!("is now {}", state.as_str())
        }
        NoticeKind::MonitorStopped => "has a monitor that needs you".to_owned(),
        NoticeKind::DeadLetter => "has a dead letter".to_owned(),
        NoticeKind::HookFailing => "has trouble with a webhook".to_owned(),
        NoticeKind::HookUnheard => "has a webhook that nobody listens to".to_owned(),
        NoticeKind::HookGap => "may have missed events".to_owned(),
        NoticeKind::HookLeft => "may have left a webhook at the service".to_owned(),
        _ => return,
    };
    let owner = notice.owner.as_ref().map(|owner| format!(" (owner: {owner})")).unwrap_or_default();
    eprintln!("note: `{}`{owner} {what}: {}", notice.name, notice.reason);
}

/// Whether a person can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A connection of the store for one call of a flow, with the host that must outlive it.
pub(crate) async fn stored(
    connector: &Connector,
    args: &StoreArgs,
    tenant: &str,
    name: &str,
) -> Result<(Arc<Host>, linchpin_runtime::Connection), Failure> {
    let host = open(std::slice::from_ref(connector), args, &PublicUrl::default()).await?;
    let row = host.kept(tenant, name).await?;
    if row.connector != connector.key() {
        let message =
            format!("`{name}` is a connection of `{}`, not of `{}`", row.connector, connector.key());
        return Err(Failure::usage(message));
    }
    let connection = host.connection(tenant, name).await?;
    Ok((Arc::new(host), connection))
}
