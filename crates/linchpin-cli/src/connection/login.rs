//! `linchpin auth login`: from the form to a connection that works.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use console::Term;
use indicatif::ProgressBar;
use linchpin::{
    Connector, Secret,
    extract::ConnectionValues,
    manifest::spec::{AuthMethod, ConnectionField, ConnectionFieldKind},
};
use linchpin_host::{Application, Connected, DEFAULT_TENANT, Host, NewConnection};
use linchpin_runtime::{Grant, OAuthClient, Way};

use super::{callback::Callback, can_ask, read, show};
use crate::{
    args::Format,
    auth,
    catalogue::Catalogue,
    exit::{Exit, Failure},
};

/// How long a browser is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The connector; not needed with `--again`
    #[arg(required_unless_present = "again")]
    pub(crate) connector: Option<String>,
    /// The connection's name; the connector's key by default
    #[arg(long, conflicts_with = "again")]
    pub(crate) name: Option<String>,
    /// Authorize a connection that is there anew; its fields stay unless others are given
    #[arg(long, value_name = "NAME")]
    pub(crate) again: Option<String>,
    /// Whose it is
    #[arg(long, default_value = DEFAULT_TENANT)]
    pub(crate) tenant: String,
    /// Whom to tell when it needs attention
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// The authentication method, where the connector has several
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// A field of the form that is no secret
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) field: Vec<String>,
    /// The form: TOML or JSON with `method` and `fields`
    #[arg(long, value_name = "FILE")]
    pub(crate) auth: Option<PathBuf>,
    /// Print the address in place of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Where the browser shall come back to, as registered with the service; on loopback, any free port by default. One that is
    /// elsewhere is not listened on: paste the address that the browser ends at
    #[arg(long, value_name = "URL")]
    pub(crate) redirect_uri: Option<String>,
    /// Keep the connection without asking the service whether it works
    #[arg(long)]
    pub(crate) unchecked: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// The connector
    pub(crate) connector: String,
    /// The authentication method, where the connector has several
    #[arg(long, default_value = "")]
    pub(crate) method: String,
    /// The client's id
    #[arg(long)]
    pub(crate) id: String,
    /// The file with the client's secret, `-` for stdin; asked for at a terminal. Not for a public client
    #[arg(long, value_name = "FILE|-")]
    pub(crate) secret: Option<String>,
    /// The client has no secret
    #[arg(long, conflicts_with = "secret")]
    pub(crate) public: bool,
}

pub(crate) async fn login(
    catalogue: &Catalogue,
    host: &Host,
    args: &Login,
    format: Format,
) -> Result<Exit, Failure> {
    let application = apply(catalogue, host, args).await?;
    let grant = match application.way() {
        Way::Browser => Some(browser(host, &application, args).await?),
        Way::Device => Some(device(host, &application).await?),
        _ => None,
    };
    if let Some(grant) = grant {
        application.take(&grant).await?;
    }
    let made = match args.unchecked {
        true => application.finish_unchecked().await?,
        false => application.finish().await?,
    };
    told(&made, format)
}

fn told(made: &Connected, format: Format) -> Result<Exit, Failure> {
    if let [first, ..] = &made.twins[..] {
        eprintln!("note: `{first}` is a connection to the same account");
    }
    show::made(&made.connection, format)?;
    Ok(Exit::Ok)
}

async fn apply(catalogue: &Catalogue, host: &Host, args: &Login) -> Result<Application, Failure> {
    let (connector, name) = match (&args.again, &args.connector) {
        (Some(name), given) => {
            let row = host.kept(&args.tenant, name).await?;
            if let Some(given) = given.as_ref().filter(|given| **given != row.connector) {
                let message = format!("`{name}` is a connection of `{}`, not of `{given}`", row.connector);
                return Err(Failure::usage(message));
            }
            (catalogue.connector(&row.connector)?, name.clone())
        }
        (None, Some(key)) => {
            let connector = catalogue.connector(key)?;
            (connector, args.name.clone().unwrap_or_else(|| key.clone()))
        }
        (None, None) => return Err(Failure::usage("no connector is named")),
    };
    let given = args.auth.is_some() || !args.field.is_empty() || args.method.is_some();
    if args.again.is_some() && !given {
        return Ok(host.apply_again(&args.tenant, &name, None).await?);
    }
    let values = form(connector, args)?;
    if args.again.is_some() {
        return Ok(host.apply_again(&args.tenant, &name, Some(values)).await?);
    }
    let new = NewConnection {
        tenant: args.tenant.clone(),
        name,
        connector: connector.key().to_owned(),
        owner: args.owner.clone(),
        values,
    };
    Ok(host.apply(new).await?)
}

/// The form, filled in from all that there is.
fn form(connector: &Connector, args: &Login) -> Result<ConnectionValues, Failure> {
    let spec = connector.spec()?;
    // The method that is named decides which fields the environment is asked for.
    let named = format!("LINCHPIN_{}_METHOD", connector.key().to_uppercase());
    let environment = |name: &str| match &args.method {
        Some(method) if name == named => Some(method.clone()),
        _ => std::env::var(name).ok(),
    };
    let mut values = auth::connection(connector, args.auth.as_deref(), &environment)?;
    if let Some(method) = &args.method {
        values.method.clone_from(method);
    }
    if values.method.is_empty() && spec.auth.len() > 1 && can_ask() {
        values.method.clone_from(&ask_method(&spec.auth)?.key);
    }
    let method = spec.auth.iter().find(|method| method.key == values.method);
    for given in &args.field {
        let Some((key, value)) = given.split_once('=') else {
            return Err(Failure::usage(format!("`--field {given}` has no `=`")).help("write FIELD=VALUE"));
        };
        let field = method.and_then(|method| method.fields.iter().find(|field| field.key == key));
        if field.is_some_and(|field| field.secret) {
            let name = format!("LINCHPIN_{}_{}", connector.key().to_uppercase(), key.to_uppercase());
            let message = format!("`{key}` is secret, and arguments are seen by everybody on this machine");
            return Err(Failure::usage(message)
                .help(format!("give it in the `--auth` file, in `{name}`, or at a terminal when asked")));
        }
        values.fields.insert(key.to_owned(), Secret::new(value));
    }
    if can_ask()
        && let Some(method) = method
    {
        for field in &method.fields {
            let known = values.get(&field.key).is_some_and(|value| !value.expose().is_empty());
            if !known && !field.optional && field.default.is_none() {
                values.fields.insert(field.key.clone(), ask_field(field)?);
            }
        }
    }
    Ok(values)
}

fn terminal(error: &std::io::Error) -> Failure {
    Failure::usage(format!("the terminal cannot be read: {error}"))
}

fn ask_method(methods: &[AuthMethod]) -> Result<&AuthMethod, Failure> {
    let term = Term::stderr();
    eprintln!("How shall the connection authenticate?");
    for (index, method) in methods.iter().enumerate() {
        eprintln!("  {}. {} ({})", index + 1, method.name, method.key);
    }
    loop {
        eprint!("Number or key: ");
        let answer = term.read_line().map_err(|error| terminal(&error))?;
        let answer = answer.trim();
        let numbered = answer.parse::<usize>().ok().and_then(|number| methods.get(number.checked_sub(1)?));
        if let Some(method) = numbered.or_else(|| methods.iter().find(|method| method.key == answer)) {
            return Ok(method);
        }
        eprintln!("there is no such method");
    }
}

fn ask_field(field: &ConnectionField) -> Result<Secret, Failure> {
    let term = Term::stderr();
    if let Some(help) = &field.help {
        eprintln!("{help}");
    }
    if let ConnectionFieldKind::Choice(choices) = &field.kind {
        eprintln!("one of: {}", choices.join(", "));
    }
    loop {
        eprint!("{}: ", field.label);
        let answer = match field.secret {
            true => term.read_secure_line(),
            false => term.read_line(),
        };
        let answer = answer.map_err(|error| terminal(&error))?;
        if !answer.trim().is_empty() {
            return Ok(Secret::new(answer.trim()));
        }
        eprintln!("a value is needed");
    }
}

/// A login in a browser, whose answer comes back on loopback, or is pasted.
async fn browser(host: &Host, application: &Application, args: &Login) -> Result<Grant, Failure> {
    let own = match &args.redirect_uri {
        None => Some((0, "/callback".to_owned())),
        Some(uri) => loopback(uri),
    };
    let Some((port, path)) = own else {
        let redirect = args.redirect_uri.as_deref().unwrap_or_default();
        let login = application.login(redirect)?;
        show_address(login.url(), args.no_browser);
        eprint!("Address at which the browser ended: ");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|error| terminal(&error))?;
        return Ok(login.finish(host.runtime(), &line).await?);
    };
    let callback = Callback::listen(port, &path).await?;
    let redirect = match &args.redirect_uri {
        Some(uri) => uri.clone(),
        None => format!("http://127.0.0.1:{}{path}", callback.port()?),
    };
    let login = application.login(&redirect)?;
    show_address(login.url(), args.no_browser);
    let waiting = spinner("waiting for the browser");
    let state = login.state().to_owned();
    let query = tokio::time::timeout(PATIENCE, callback.wait(&state)).await;
    waiting.finish_and_clear();
    let query = query.map_err(|_| {
        Failure::usage("nobody came back from the browser within 10 minutes").help("start the login again")
    })??;
    Ok(login.finish(host.runtime(), &query).await?)
}

/// Port and path of an address on loopback.
fn loopback(uri: &str) -> Option<(u16, String)> {
    let rest = uri.strip_prefix("http://127.0.0.1:").or_else(|| uri.strip_prefix("http://localhost:"))?;
    let (port, path) =
        rest.split_once('/').map_or((rest, String::new()), |(port, path)| (port, path.to_owned()));
    Some((port.parse().ok()?, format!("/{path}")))
}

fn show_address(url: &str, no_browser: bool) {
    if no_browser || !can_ask() || open::that_detached(url).is_err() {
        eprintln!("Open this address in a browser:\n\n  {url}\n");
    } else {
        eprintln!("A browser is opened. If it is not, open this address:\n\n  {url}\n");
    }
}

async fn device(host: &Host, application: &Application) -> Result<Grant, Failure> {
    let login = application.device_login().await?;
    let (page, complete) = login.urls();
    eprintln!("Open this address in a browser:\n\n  {page}\n\nand enter the code {}", login.user_code());
    if let Some(complete) = complete {
        eprintln!("\nor open this one, which has the code already:\n\n  {complete}");
    }
    let waiting = spinner("waiting for the code to be entered");
    let grant = login.finish(host.runtime()).await;
    waiting.finish_and_clear();
    Ok(grant?)
}

/// Shows that something is waited for, where a person looks.
fn spinner(text: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(text);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

pub(crate) async fn client(catalogue: &Catalogue, host: &Host, args: &Client) -> Result<Exit, Failure> {
    let connector = catalogue.connector(&args.connector)?;
    let secret = match (&args.secret, args.public) {
        (_, true) => None,
        (Some(file), false) => Some(read(file)?),
        (None, false) if can_ask() => {
            eprint!("Client secret: ");
            Some(Term::stderr().read_secure_line().map_err(|error| terminal(&error))?)
        }
        (None, false) => {
            return Err(Failure::usage("the client's secret is missing").help(
                "give `--secret FILE`, `--secret -` for stdin, or `--public` for a client without one",
            ));
        }
    };
    let client = OAuthClient { id: args.id.clone(), secret: secret.map(|secret| Secret::new(secret.trim())) };
    host.keep_client(connector.key(), &args.method, &client).await?;
    eprintln!("the OAuth client of `{}` is kept, sealed", connector.key());
    Ok(Exit::Ok)
}
