//! What was delivered: seen, handed on again, taken away.

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, ValueEnum};
use linchpin::{DateTime, serde_json};
use linchpin_host::{
    Host,
    inbox::Head,
    store::{Entries, EntryState, Summary},
};
use serde_json::{Value, json};

use super::life::find;
use crate::{
    args::Format,
    connection::{print, table},
    exit::{Exit, Failure},
};

/// So many entries one step looks at.
const PAGE: usize = 200;

/// How an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhichState {
    /// It waits to be handed on
    Waiting,
    /// It was handed on
    Done,
    /// It could not be handed on
    Dead,
}

impl From<WhichState> for EntryState {
    fn from(state: WhichState) -> EntryState {
        match state {
            WhichState::Waiting => EntryState::Waiting,
            WhichState::Done => EntryState::Done,
            WhichState::Dead => EntryState::Dead,
        }
    }
}

/// Which deliveries to list.
#[derive(Debug, Args)]
pub(crate) struct Deliveries {
    /// Only those of this webhook or monitor, by its id or as much of it as no other has
    #[arg(long, value_name = "ID")]
    hook: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<WhichState>,
    /// So many at the most, the newest first
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Which delivery.
#[derive(Debug, Args)]
pub(crate) struct Numbered {
    /// Its number, as `hook deliveries` shows it
    number: i64,
}

/// What to hand on again.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The numbers of deliveries, as `hook deliveries` shows them
    #[arg(required_unless_present = "dead")]
    numbers: Vec<i64>,
    /// Every dead letter
    #[arg(long, conflicts_with = "numbers")]
    dead: bool,
    /// With `--dead`: only those of this webhook or monitor
    #[arg(long, value_name = "ID", requires = "dead")]
    hook: Option<String>,
}

/// What to take away.
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// In which state
    #[arg(long, value_enum)]
    state: WhichState,
    /// Only those that came so long ago at least, as in `7d`
    #[arg(long, value_name = "TIME", default_value = "0s")]
    older_than: String,
}

pub(crate) async fn deliveries(host: &Host, args: &Deliveries, format: Format) -> Result<Exit, Failure> {
    let source = source(host, args.hook.as_deref()).await?;
    let which = Entries { source, state: args.state.map(Into::into), most: args.limit, ..Entries::default() };
    let found = host.store().inbox_list(which).await?;
    match format {
        Format::Json => print(&found.iter().map(value).collect::<Vec<_>>().into())?,
        Format::Human if found.is_empty() => eprintln!("there are none"),
        Format::Human => {
            let heads = ["NUMBER", "RECEIVED", "FROM", "ID", "STATE", "TRIES", "NEXT", "PROBLEM"];
            let mut rows = vec![heads.map(str::to_owned).to_vec()];
            rows.extend(found.iter().map(|entry| {
                vec![
                    entry.number.to_string(),
                    entry.received.to_string(),
                    entry.source.clone(),
                    entry.identity.clone(),
                    entry.state.as_str().to_owned(),
                    entry.attempts.to_string(),
                    entry.due.map(|time| time.to_string()).unwrap_or_default(),
                    entry.problem.clone().unwrap_or_default(),
                ]
            }));
            table(rows)?;
        }
    }
    Ok(Exit::Ok)
}

pub(crate) async fn show(host: &Host, args: &Numbered) -> Result<Exit, Failure> {
    let Some((entry, summary)) = host.store().inbox_entry(args.number).await? else {
        return Err(unknown(args.number));
    };
    let mut shown = value(&summary);
    shown["head"] = match &*Head::read(&entry.what)? {
        Head::Delivery(head) => serde_json::to_value(head),
        Head::Record(head) => serde_json::to_value(head),
        _ => Ok(Value::Null),
    }
    .unwrap_or_default();
    match std::str::from_utf8(&entry.what.body) {
        Ok(text) => match serde_json::from_str::<Value>(text) {
            Ok(body) => shown["body"] = body,
            Err(_) => shown["body"] = text.into(),
        },
        Err(_) => shown["body_base64"] = STANDARD.encode(&entry.what.body).into(),
    }
    print(&shown)?;
    Ok(Exit::Ok)
}

pub(crate) async fn replay(host: &Host, args: &Replay, format: Format) -> Result<Exit, Failure> {
    let mut again = Vec::new();
    let now = host.clock().now();
    for &number in &args.numbers {
        if !host.store().inbox_replay(number, now).await? {
            return Err(unknown(number));
        }
        again.push(number);
    }
    if args.dead {
        let source = source(host, args.hook.as_deref()).await?;
        loop {
            let state = Some(EntryState::Dead);
            let which = Entries { source: source.clone(), state, most: PAGE, ..Entries::default() };
            let dead = host.store().inbox_list(which).await?;
            if dead.is_empty() {
                break;
            }
            for entry in dead {
                host.store().inbox_replay(entry.number, now).await?;
                again.push(entry.number);
            }
        }
    }
    match format {
        Format::Json => print(&json!({ "replayed": again }))?,
        Format::Human => eprintln!("{} to be handed on again, by `linchpin serve`", again.len()),
    }
    Ok(Exit::Ok)
}

pub(crate) async fn purge(host: &Host, args: &Purge, format: Format) -> Result<Exit, Failure> {
    if args.state == WhichState::Waiting {
        return Err(Failure::usage("what waits is not lost by command")
            .help("let it be handed on, or become a dead letter first"));
    }
    let time = linchpin_manifest::spec::unit::parse_duration(&args.older_than)
        .ok_or_else(|| Failure::usage("`--older-than` is no time").help("write it as in `7d` or `12h`"))?;
    let millis = host.clock().now().unix_millis();
    let before = millis.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)).saturating_add(1);
    let before = DateTime::from_unix_millis(before).unwrap_or_else(|| host.clock().now());
    let mut gone = 0;
    loop {
        match host.store().inbox_purge(args.state.into(), before, PAGE).await? {
            0 => break,
            some => gone += some,
        }
    }
    match format {
        Format::Json => print(&json!({ "purged": gone }))?,
        Format::Human => eprintln!("{gone} taken away"),
    }
    Ok(Exit::Ok)
}

/// The id of a hook or monitor, by as much of it as no other has.
async fn source(host: &Host, id: Option<&str>) -> Result<Option<String>, Failure> {
    match id {
        Some(id) => find(host, id).await.map(Some),
        None => Ok(None),
    }
}

fn unknown(number: i64) -> Failure {
    Failure::usage(format!("there is no delivery {number}"))
        .help("`linchpin hook deliveries` shows those that there are")
}

fn value(entry: &Summary) -> Value {
    json!({
        "number": entry.number,
        "source": entry.source,
        "identity": entry.identity,
        "received_at": entry.received.to_string(),
        "state": entry.state.as_str(),
        "attempts": entry.attempts,
        "next_at": entry.due.map(|time| time.to_string()),
        "problem": entry.problem,
        "size": entry.size,
    })
}
