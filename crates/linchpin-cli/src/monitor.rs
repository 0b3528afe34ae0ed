//! `linchpin monitor`: what looks for news on a schedule.

use clap::{Args, Subcommand};
use linchpin_host::{
    DEFAULT_TENANT, Host, Looked, MonitorEvent, MonitorKey,
    store::{Monitor, MonitorFilter, OwnSchedule, RunMode, Subscription},
};
use linchpin_runtime::Invocation;
use serde_json::{Value, json, value::RawValue};

use crate::{
    args::Format,
    catalogue::Catalogue,
    connection::{PublicUrl, StoreArgs, executor, open, print, show},
    exit::{Exit, Failure, write_stdout},
    run,
};

/// What looks for news on a schedule.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) verb: MonitorVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MonitorVerb {
    /// Turn a monitor on; `linchpin serve` looks for it. One that was on before goes on from its cursor
    On(On),
    /// Turn a monitor off; it keeps its cursor
    Off(Off),
    /// List monitors
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Look once now, and print what was handed on as JSON Lines
    ///
    /// A monitor that was never turned on is tried out, as with `--dry-run`: nothing is handed on or kept.
    Run(Run),
    /// Begin anew, as at the first run or from a cursor, and go on where the monitor stands still; what was handed on stays known
    Reset(Reset),
}

/// Which monitor.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The connection's name
    connection: String,
    /// The monitor's function
    flow: String,
    /// The options: a JSON file, or single ones as k=v
    #[arg(long, value_name = "FILE|K=V")]
    options: Vec<String>,
    /// Whose connection it is
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
}

#[derive(Debug, Args)]
pub(crate) struct On {
    #[command(flatten)]
    which: Which,
    /// Under which name; whoever has another name gets events of their own from the same looks
    #[arg(long = "as", value_name = "NAME", default_value = "default")]
    name: String,
    /// What is an event: each record, a look that finds none, or every look
    #[arg(long, value_parser = ["each", "none", "every"], default_value = "each")]
    mode: String,
    /// How often to look, in place of what the connector says, as in `5m`
    #[arg(long, value_name = "TIME", conflicts_with = "cron")]
    every: Option<String>,
    /// When to look, in place of what the connector says, as in `0 9 * * mon-fri`
    #[arg(long, value_name = "CRON")]
    cron: Option<String>,
    /// What of the first look is handed on, in place of what the connector says: `now` for nothing, `last 10`, `since 7d` or
    /// `since 2026-01-01T00:00:00Z`
    #[arg(long, value_name = "WHAT")]
    first_run: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Off {
    #[command(flatten)]
    which: Which,
    /// Under which name it was turned on
    #[arg(long = "as", value_name = "NAME", default_value = "default")]
    name: String,
    /// Forget the cursor and what was handed on, when nobody else wants it
    #[arg(long)]
    forget: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    which: Which,
    /// Hand nothing on and keep nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Reset {
    #[command(flatten)]
    which: Which,
    /// Where the next look begins, as JSON; as at the first run by default
    #[arg(long, value_name = "JSON")]
    cursor: Option<String>,
}

pub(crate) fn monitor(catalogue: &Catalogue, args: &MonitorArgs, format: Format) -> Result<Exit, Failure> {
    executor()?.block_on(async {
        let host = open(catalogue.connectors(), &args.store, &PublicUrl::default()).await?;
        let ended = act(&host, &args.verb, format).await;
        // What a token endpoint is about to answer must still be stored.
        host.settle().await;
        ended
    })
}

async fn act(host: &Host, verb: &MonitorVerb, format: Format) -> Result<Exit, Failure> {
    match verb {
        MonitorVerb::On(on) => {
            let key = key(host, &on.which).await?;
            let subscription = Subscription {
                name: on.name.clone(),
                mode: RunMode::named(&on.mode).unwrap_or_default(),
                schedule: match (&on.every, &on.cron) {
                    (Some(every), _) => Some(OwnSchedule::Every(every.clone())),
                    (None, Some(cron)) => Some(OwnSchedule::Cron(cron.clone())),
                    (None, None) => None,
                },
                first_run: on.first_run.clone(),
            };
            let monitor = host.monitor_on(&key, subscription).await?;
            match format {
                Format::Json => print(&described(&monitor))?,
                Format::Human => eprintln!("`{}` is on; `linchpin serve` looks for it", key.flow),
            }
        }
        MonitorVerb::Off(off) => {
            let monitor = host.monitor_of(&key(host, &off.which).await?).await?;
            if !host.monitor_off(&monitor.id, &off.name, off.forget).await? {
                let message = format!("`{}` is not on as `{}`", monitor.flow, off.name);
                return Err(Failure::usage(message).help("`linchpin monitor list` shows as what it is"));
            }
            match format {
                Format::Json => print(&json!({ "id": monitor.id, "off": off.name }))?,
                Format::Human => eprintln!("`{}` is off as `{}`", monitor.flow, off.name),
            }
        }
        MonitorVerb::List { tenant } => {
            let which = MonitorFilter { tenant: tenant.clone(), ..MonitorFilter::default() };
            list(&host.monitors(which).await?, format)?;
        }
        MonitorVerb::Run(args) => {
            let key = key(host, &args.which).await?;
            let known = match args.dry_run {
                true => None,
                false => match host.monitor_of(&key).await {
                    Ok(monitor) if !monitor.subscriptions.is_empty() => Some(monitor.id),
                    Ok(_) => None,
                    Err(error) if error.code() == linchpin::Code::MonitorUnknown => None,
                    Err(error) => return Err(error.into()),
                },
            };
            let looked = match &known {
                Some(id) => host.monitor_run(id).await?,
                None => host.monitor_try(&key).await?,
            };
            return told(looked, format);
        }
        MonitorVerb::Reset(reset) => {
            let monitor = host.monitor_of(&key(host, &reset.which).await?).await?;
            let monitor = host.monitor_reset(&monitor.id, reset.cursor.clone()).await?;
            match format {
                Format::Json => print(&described(&monitor))?,
                Format::Human => eprintln!("`{}` begins anew", monitor.flow),
            }
        }
    }
    Ok(Exit::Ok)
}

/// The monitor that arguments name, its options read by their types.
async fn key(host: &Host, which: &Which) -> Result<MonitorKey, Failure> {
    let connection = host.connection(&which.tenant, &which.connection).await?;
    let flow = Invocation::named(&connection, &which.flow)?.flow();
    let options = run::options(&which.options, flow)?.unwrap_or_else(|| "{}".to_owned());
    Ok(MonitorKey {
        tenant: which.tenant.clone(),
        connection: which.connection.clone(),
        flow: flow.name.to_owned(),
        options,
    })
}

/// Prints the events of a look, and how it went.
fn told(looked: Looked, format: Format) -> Result<Exit, Failure> {
    for event in &looked.events {
        write_stdout(format!("{}\n", line(event)).as_bytes())?;
    }
    let what = match (looked.committed, looked.monitor.id.is_empty()) {
        (true, _) => "handed on",
        (false, true) => "found, and not handed on: the monitor was never turned on",
        (false, false) => "found, and not handed on",
    };
    match format {
        Format::Json => {
            let summary = json!({
                "events": looked.events.len(),
                "pages": looked.pages,
                "handed_on": looked.committed,
                "cursor": raw(&looked.cursor),
            });
            eprintln!("{summary}");
        }
        Format::Human => {
            eprintln!(
                "events: {} {what}; pages: {}; cursor: {}",
                looked.events.len(),
                looked.pages,
                looked.cursor
            );
        }
    }
    match looked.problem {
        Some(error) => Err(error.into()),
        None => Ok(Exit::Ok),
    }
}

fn line(event: &MonitorEvent) -> String {
    let data: Box<RawValue> = RawValue::from_string(event.json.clone()).unwrap_or_default();
    // Keys in this order, numbers as they are.
    let name = |text: &str| Value::from(text).to_string();
    format!(
        r#"{{"subscription":{},"mode":{},"identity":{},"data":{}}}"#,
        name(&event.subscription),
        name(event.mode.as_str()),
        name(&event.identity),
        data.get()
    )
}

fn raw(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
}

fn described(monitor: &Monitor) -> Value {
    let time = |time: Option<linchpin::DateTime>| time.map(|time| time.to_string());
    json!({
        "id": monitor.id,
        "tenant": monitor.tenant,
        "connection": monitor.name,
        "connector": monitor.connector,
        "flow": monitor.flow,
        "options": raw(&monitor.options),
        "state": state(monitor),
        "cursor": monitor.cursor.as_deref().map(raw),
        "next_at": time(monitor.due),
        "last_at": time(monitor.last_run),
        "last_found": monitor.last_found,
        "wakes": monitor.wakes,
        "failures": monitor.failures,
        "problem": monitor.problem.as_ref().map(|(code, message)| json!({ "code": code, "message": message })),
        "subscriptions": monitor.subscriptions,
    })
}

fn state(monitor: &Monitor) -> &'static str {
    match monitor {
        Monitor { stopped: true, .. } => "stopped",
        _ if monitor.subscriptions.is_empty() => "off",
        Monitor { paused: true, .. } => "paused",
        Monitor { failures: 1.., .. } => "failing",
        _ => "on",
    }
}

fn list(monitors: &[Monitor], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => print(&monitors.iter().map(described).collect()),
        Format::Human if monitors.is_empty() => {
            eprintln!("there are no monitors; `linchpin monitor on CONNECTION FLOW` turns one on");
            Ok(())
        }
        Format::Human => {
            let heads = ["CONNECTION", "FLOW", "OPTIONS", "AS", "STATE", "LAST", "NEXT", "PROBLEM"];
            let mut rows = vec![heads.map(str::to_owned).to_vec()];
            let time =
                |time: Option<linchpin::DateTime>| time.map(|time| time.to_string()).unwrap_or_default();
            rows.extend(monitors.iter().map(|monitor| {
                let names: Vec<String> = monitor
                    .subscriptions
                    .iter()
                    .map(|one| format!("{} ({})", one.name, one.mode.as_str()))
                    .collect();
                let problem = monitor.problem.as_ref();
                vec![
                    monitor.name.clone(),
                    monitor.flow.clone(),
                    monitor.options.clone(),
                    names.join(", "),
                    state(monitor).to_owned(),
                    time(monitor.last_run),
                    time(monitor.due),
                    problem.map(|(code, message)| format!("{code}: {message}")).unwrap_or_default(),
                ]
            }));
            show::table(rows)
        }
    }
}
