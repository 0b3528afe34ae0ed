//! Connections, reports and rounds, for people and for programs. Never a secret.

use clap::Args;
use comfy_table::{Table, presets};
use linchpin::Error;
use linchpin_host::{
    DEFAULT_TENANT, Host, Report, Round,
    store::{Change, Connection, Filter, Revocation, State, TokenFate},
};
use serde_json::{Value, json};

use super::{Named, print};
use crate::{
    args::Format,
    exit::{Exit, Failure, write_stdout},
};

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this tenant
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Only those of this connector
    #[arg(long)]
    pub(crate) connector: Option<String>,
    /// Only those of this owner
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// Only those in this state
    #[arg(long, value_parser = ["active", "needs_reauthorization", "failing", "revoked"])]
    pub(crate) state: Option<String>,
    /// What is still to be revoked at services, in place of connections
    #[arg(long, conflicts_with_all = ["tenant", "connector", "owner", "state"])]
    pub(crate) revocations: bool,
}

pub(crate) async fn list(host: &Host, args: &List, format: Format) -> Result<Exit, Failure> {
    if args.revocations {
        let left = host.store().revocations().await?;
        return revocations(&left, format).map(|()| Exit::Ok);
    }
    let states = [State::Active, State::NeedsReauthorization, State::Failing, State::Revoked];
    let filter = Filter {
        tenant: args.tenant.clone(),
        connector: args.connector.clone(),
        owner: args.owner.clone(),
        state: args.state.as_ref().and_then(|word| states.into_iter().find(|state| state.as_str() == word)),
        account: None,
    };
    let found = host.connections(filter).await?;
    match format {
        Format::Json => print(&found.iter().map(brief).collect())?,
        Format::Human => {
            let tenants = found.iter().any(|row| row.tenant != DEFAULT_TENANT);
            let mut rows = vec![vec!["NAME", "CONNECTOR", "METHOD", "ACCOUNT", "STATE", "SINCE", "OWNER"]];
            let since: Vec<String> = found.iter().map(|row| row.since.to_string()).collect();
            for (row, since) in found.iter().zip(&since) {
                rows.push(vec![
                    &row.name,
                    &row.connector,
                    &row.method,
                    row.identity.as_ref().map_or("", |account| &account.label),
                    row.state.as_str(),
                    since,
                    row.owner.as_deref().unwrap_or(""),
                ]);
            }
            if tenants {
                rows[0].push("TENANT");
                rows[1..].iter_mut().zip(&found).for_each(|(cells, row)| cells.push(&row.tenant));
            }
            match found.is_empty() {
                true => eprintln!("there are no connections; `linchpin auth login CONNECTOR` makes one"),
                false => table(rows)?,
            }
        }
    }
    Ok(Exit::Ok)
}

fn revocations(left: &[Revocation], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let all = left.iter().map(|revocation| {
                json!({
                    "id": revocation.id,
                    "name": revocation.name,
                    "tenant": revocation.tenant,
                    "connector": revocation.connector,
                    "deleted_at": revocation.created.to_string(),
                    "attempts": revocation.attempts,
                    "next_at": revocation.next.map(|time| time.to_string()),
                    "problem": revocation.last.as_ref().and_then(|last| last.problem.clone()),
                })
            });
            print(&all.collect())
        }
        Format::Human if left.is_empty() => {
            eprintln!("nothing is left to revoke");
            Ok(())
        }
        Format::Human => {
            let mut rows =
                vec![["ID", "NAME", "CONNECTOR", "ATTEMPTS", "NEXT", "PROBLEM"].map(str::to_owned).to_vec()];
            rows.extend(left.iter().map(|revocation| {
                vec![
                    revocation.id.clone(),
                    revocation.name.clone(),
                    revocation.connector.clone(),
                    revocation.attempts.to_string(),
                    revocation.next.map(|time| time.to_string()).unwrap_or_default(),
                    revocation.last.as_ref().and_then(|last| last.problem.clone()).unwrap_or_default(),
                ]
            }));
            table(rows)
        }
    }
}

pub(crate) fn table<T: ToString>(rows: Vec<Vec<T>>) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for row in rows {
        table.add_row(row.iter().map(T::to_string));
    }
    write_stdout(format!("{}\n", table.trim_fmt()).as_bytes())
}

/// A connection for programs.
fn brief(row: &Connection) -> Value {
    json!({
        "id": row.id,
        "tenant": row.tenant,
        "name": row.name,
        "connector": row.connector,
        "method": row.method,
        "owner": row.owner,
        "account": row.identity.as_ref().map(|account| json!({ "id": account.id, "label": account.label })),
        "scopes": row.scopes,
        "state": row.state.as_str(),
        "since": row.since.to_string(),
        "created_at": row.created.to_string(),
        "ping": row.ping.as_ref().map(|ping| json!({
            "at": ping.at.to_string(),
            "milliseconds": ping.millis,
            "expires_at": ping.expires.map(|time| time.to_string()),
            "problem": ping.problem.as_ref().map(|(code, message)| json!({ "code": code, "message": message })),
        })),
        "next_ping_at": row.next_ping.map(|time| time.to_string()),
    })
}

pub(crate) async fn show(host: &Host, named: &Named, format: Format) -> Result<Exit, Failure> {
    let row = host.kept(&named.tenant, &named.name).await?;
    let history = host.store().history(&row.id).await?;
    let grant = host.store().grant(&row.id).await?;
    match format {
        Format::Json => {
            let mut value = brief(&row);
            value["history"] = history.iter().map(change).collect();
            value["grant"] = match &grant {
                Some(grant) => json!({
                    "generation": grant.generation,
                    "expires_at": grant.expires.map(|time| time.to_string()),
                    "failures": grant.failures,
                    "retry_at": grant.retry_at.map(|time| time.to_string()),
                }),
                None => Value::Null,
            };
            print(&value)?;
        }
        Format::Human => {
            let mut text = human(&row);
            if let Some(grant) = grant {
                let until = grant.expires.map(|time| format!(", good until {time}")).unwrap_or_default();
                text.push_str(&format!("  tokens: generation {}{until}\n", grant.generation));
            }
            for change in history {
                text.push_str(&format!("  {}  {}: {}\n", change.at, change.state.as_str(), change.reason));
            }
            write_stdout(text.as_bytes())?;
        }
    }
    Ok(Exit::Ok)
}

fn change(change: &Change) -> Value {
    json!({ "at": change.at.to_string(), "state": change.state.as_str(), "reason": change.reason })
}

fn human(row: &Connection) -> String {
    let mut text = format!("{}: {} by {}, {}\n", row.name, row.connector, row.method, row.state.as_str());
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    };
    line("account", row.identity.as_ref().map(|account| format!("{} ({})", account.label, account.id)));
    line("scopes", Some(row.scopes.join(" ")));
    line("owner", row.owner.clone());
    line("tenant", Some(row.tenant.clone()).filter(|tenant| tenant != DEFAULT_TENANT));
    if let Some(ping) = &row.ping {
        let said = match &ping.problem {
            Some((code, message)) => format!("{}, {code}: {message}", ping.at),
            None => format!("{}, answered in {} ms", ping.at, ping.millis),
        };
        line("last ping", Some(said));
        line("credentials expire", ping.expires.map(|time| time.to_string()));
    }
    text
}

pub(crate) fn made(row: &Connection, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => print(&brief(row)),
        Format::Human => write_stdout(human(row).as_bytes()),
    }
}

pub(crate) fn pinged(row: &Connection, error: Option<&Error>, format: Format) -> Result<(), Failure> {
    match (format, error) {
        // The error itself is told where errors are told.
        (_, Some(_)) => Ok(()),
        (format, None) => made(row, format),
    }
}

fn fate(fate: TokenFate) -> &'static str {
    match fate {
        TokenFate::Revoked => "revoked",
        TokenFate::AlreadyGone => "already gone",
        TokenFate::Refused => "refused by the service",
        TokenFate::Unreachable => "not reached",
        TokenFate::NoWay => "the service has no way to revoke it",
        _ => "unknown",
    }
}

fn report(report: &Report) -> Value {
    let tokens = report.attempt.tokens.iter();
    json!({
        "tenant": report.tenant,
        "name": report.name,
        "done": report.done,
        "tokens": tokens.map(|(name, fate)| (name.clone(), json!(fate))).collect::<serde_json::Map<_, _>>(),
        "problem": report.attempt.problem,
    })
}

pub(crate) fn reports(reports: &[Report], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print(&reports.iter().map(report).collect());
    }
    let mut text = String::new();
    for report in reports {
        text.push_str(&format!("{}: gone here\n", report.name));
        for (token, outcome) in &report.attempt.tokens {
            text.push_str(&format!("  {}: {}\n", token.replace('_', " "), fate(*outcome)));
        }
        if let Some(problem) = &report.attempt.problem {
            text.push_str(&format!("  {problem}\n"));
        }
        if !report.done {
            text.push_str("  it is tried again by `linchpin serve` and `linchpin auth drain`\n");
        }
    }
    write_stdout(text.as_bytes())
}

pub(crate) fn round(round: &Round, format: Format) -> Result<(), Failure> {
    let counts = |(good, bad): (usize, usize)| json!({ "good": good, "bad": bad });
    match format {
        Format::Json => print(&json!({
            "pings": counts(round.pings),
            "keep_alives": counts(round.keep_alives),
            "looks": counts((round.looks, round.failed_looks.len())),
            "hooks": counts(round.hooks),
            "revocations": round.revocations.iter().map(report).collect::<Value>(),
        })),
        Format::Human => {
            reports(&round.revocations, format)?;
            eprintln!("{}", summary(round));
            Ok(())
        }
    }
}

/// A round in one line.
pub(crate) fn summary(round: &Round) -> String {
    let done = round.revocations.iter().filter(|report| report.done).count();
    format!(
        "pings: {} answered, {} not; kept alive: {}, failed: {}; webhooks: {} well, {} not; revocations: {done} done, {} left; looks: {}, failed: {}",
        round.pings.0,
        round.pings.1,
        round.keep_alives.0,
        round.keep_alives.1,
        round.hooks.0,
        round.hooks.1,
        round.revocations.len() - done,
        round.looks,
        round.failed_looks.len()
    )
}
