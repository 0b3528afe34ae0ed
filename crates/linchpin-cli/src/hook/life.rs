//! Registering webhooks, looking after them, and taking them back.

use std::collections::HashMap;

use clap::Args;
use linchpin::flow::{FlowDescriptor, KindInfo, Slot};
use linchpin_host::{
    Attended, DEFAULT_TENANT, Host, NewHook, options_flow,
    store::{Filter, Hook, HookFilter},
};
use serde_json::{Value, json};

use crate::{
    args::Format,
    connection::{print, table},
    exit::{Exit, Failure},
    input,
};

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The connection's name
    #[arg(value_name = "CONNECTION")]
    connection: String,
    /// The key of the hook in the connector's spec; may be left out where there is one only
    #[arg(value_name = "HOOK")]
    hook: Option<String>,
    /// The options of the registration as a JSON file, `-` for stdin
    #[arg(long, value_name = "FILE|-")]
    options: Option<String>,
    /// One option, read by its type; `a.b=` nests
    #[arg(long, value_name = "OPTION=VALUE")]
    set: Vec<String>,
    /// Whose connection it is
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
}

/// Which webhook.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The webhook's id as `hook list` shows it, or as much of it as no other has
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Renew {
    #[command(flatten)]
    named: Named,
    /// With a new signing key; the old one counts for another day
    #[arg(long)]
    rotate_key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only those of this connector
    #[arg(long)]
    connector: Option<String>,
}

pub(crate) async fn register(host: &Host, args: &Register, format: Format) -> Result<Exit, Failure> {
    let row = host.kept(&args.tenant, &args.connection).await?;
    let hook = match &args.hook {
        Some(hook) => hook.clone(),
        None => only_hook(host, &row.connector)?,
    };
    let new = NewHook {
        tenant: args.tenant.clone(),
        connection: args.connection.clone(),
        options: options(host, args, &row.connector, &hook)?,
        hook,
    };
    let hook = host.hook_register(new).await?;
    for event in host.hook_unheard(&hook).await? {
        let monitors = host.connectors().find(|known| known.key() == hook.connector).into_iter();
        let finds = |flow: &&&FlowDescriptor| matches!(flow.kind, KindInfo::Monitor { event: found, .. } if found == event);
        let flow =
            monitors.flat_map(|connector| connector.flows()).find(finds).map_or("FLOW", |flow| flow.name);
        eprintln!(
            "note: deliveries of `{event}` only say that there is news; `linchpin monitor on {} {flow}` has somebody look for it",
            args.connection
        );
    }
    show(host, &hook, format).await?;
    if hook.routing.is_some() && !host.app_hook_is_on(&hook.connector, &hook.hook).await? {
        let name = format!("{}.{}", hook.connector, hook.hook);
        eprintln!(
            "nothing comes before `linchpin hook app {name} --signing-key FILE` has turned the app's URL on"
        );
    }
    Ok(Exit::Ok)
}

fn only_hook(host: &Host, connector: &str) -> Result<String, Failure> {
    let connector = host.connectors().find(|known| known.key() == connector);
    let Some(connector) = connector else { return Ok(String::new()) };
    match &connector.spec()?.hooks[..] {
        [only] => Ok(only.key.clone()),
        hooks => {
            let keys: Vec<String> = hooks.iter().map(|hook| format!("`{}`", hook.key)).collect();
            let message = format!("`{}` has {} webhooks", connector.key(), hooks.len());
            Err(Failure::usage(message).help(format!("name one of {}", keys.join(", "))))
        }
    }
}

/// The options, single ones read by the types of the flow that takes them.
fn options(host: &Host, args: &Register, connector: &str, hook: &str) -> Result<String, Failure> {
    let connector = host.connectors().find(|known| known.key() == connector);
    let flow = connector.and_then(|connector| options_flow(connector, hook));
    let shape = flow.and_then(|flow| flow.shape_of(Slot::Options));
    input::build(args.options.as_deref(), &args.set, shape, &mut Vec::new())
}

pub(crate) async fn deregister(host: &Host, args: &Named, format: Format) -> Result<Exit, Failure> {
    let id = find(host, &args.id).await?;
    let attended = host.hook_deregister(&id).await?;
    if let (Format::Human, Ok(()), Some(_)) = (format, &attended.outcome, &attended.hook) {
        eprintln!("it is off here; `linchpin serve` goes on having the service lose it");
    }
    told(host, attended, &id, format).await
}

pub(crate) async fn check(host: &Host, args: &Named, format: Format) -> Result<Exit, Failure> {
    let id = find(host, &args.id).await?;
    let attended = host.hook_check(&id).await?;
    told(host, attended, &id, format).await
}

pub(crate) async fn renew(host: &Host, args: &Renew, format: Format) -> Result<Exit, Failure> {
    let id = find(host, &args.named.id).await?;
    let attended = host.hook_renew(&id, args.rotate_key).await?;
    told(host, attended, &id, format).await
}

pub(crate) async fn list(host: &Host, args: &List, format: Format) -> Result<Exit, Failure> {
    let which = HookFilter {
        tenant: args.tenant.clone(),
        connector: args.connector.clone(),
        ..HookFilter::default()
    };
    let found = host.hooks(which).await?;
    let names = names(host).await?;
    match format {
        Format::Json => print(&found.iter().map(|hook| value(hook, &names)).collect())?,
        Format::Human if found.is_empty() => {
            eprintln!("there are no webhooks; `linchpin hook register CONNECTION` makes one");
        }
        Format::Human => {
            let heads = ["ID", "CONNECTION", "CONNECTOR", "HOOK", "STAGE", "SINCE", "EXPIRES", "PROBLEM"];
            let mut rows = vec![heads.map(str::to_owned).to_vec()];
            rows.extend(found.iter().map(|hook| {
                vec![
                    hook.id.clone(),
                    names.get(&hook.connection).unwrap_or(&hook.connection).clone(),
                    hook.connector.clone(),
                    hook.hook.clone(),
                    hook.stage.as_str().to_owned(),
                    hook.since.to_string(),
                    hook.expires.map(|time| time.to_string()).unwrap_or_default(),
                    hook.problem.as_ref().map(|(_, words)| words.clone()).unwrap_or_default(),
                ]
            }));
            table(rows)?;
        }
    }
    Ok(Exit::Ok)
}

/// The id of the one webhook whose id begins so.
pub(super) async fn find(host: &Host, id: &str) -> Result<String, Failure> {
    let all = host.hooks(HookFilter::default()).await?;
    let mut fitting = all.into_iter().filter(|hook| hook.id.starts_with(id));
    match (fitting.next(), fitting.next()) {
        (Some(hook), None) => Ok(hook.id),
        (Some(_), Some(_)) => {
            let message = format!("several webhooks have an id that begins with `{id}`");
            Err(Failure::usage(message).help("give more of it"))
        }
        // Says so by its code.
        (None, _) => Ok(id.to_owned()),
    }
}

async fn told(host: &Host, attended: Attended, id: &str, format: Format) -> Result<Exit, Failure> {
    attended.outcome?;
    match (attended.hook, format) {
        (Some(hook), format) => show(host, &hook, format).await?,
        (None, Format::Json) => print(&json!({ "id": id, "stage": "gone" }))?,
        (None, Format::Human) => eprintln!("the webhook `{id}` is gone, here and at the service"),
    }
    Ok(Exit::Ok)
}

async fn show(host: &Host, hook: &Hook, format: Format) -> Result<(), Failure> {
    let names = names(host).await?;
    match format {
        Format::Json => print(&value(hook, &names)),
        Format::Human => {
            let name = names.get(&hook.connection).unwrap_or(&hook.connection);
            let expires = hook.expires.map(|time| format!(", expires {time}")).unwrap_or_default();
            eprintln!("{}: `{}` of `{name}`, {}{expires}", hook.id, hook.hook, hook.stage.as_str());
            Ok(())
        }
    }
}

/// The names of connections by their ids.
async fn names(host: &Host) -> Result<HashMap<String, String>, Failure> {
    let all = host.connections(Filter::default()).await?;
    Ok(all.into_iter().map(|row| (row.id, row.name)).collect())
}

fn value(hook: &Hook, names: &HashMap<String, String>) -> Value {
    let time = |time: Option<linchpin::DateTime>| time.map(|time| time.to_string());
    json!({
        "id": hook.id,
        "tenant": hook.tenant,
        "connection": names.get(&hook.connection),
        "connector": hook.connector,
        "hook": hook.hook,
        "stage": hook.stage.as_str(),
        "since": hook.since.to_string(),
        "created_at": hook.created.to_string(),
        "expires_at": time(hook.expires),
        "next_at": time(hook.next),
        "seen_at": time(hook.seen),
        "attempts": hook.attempts,
        "problem": hook.problem.as_ref().map(|(code, message)| json!({ "code": code, "message": message })),
    })
}
