//! `linchpin run`: one flow, locally.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use indicatif::ProgressBar;
use linchpin::{
    Actor, Code, Connector, Delivery, Error, Secret,
    flow::{FlowDescriptor, KindInfo, Slot},
    http::{HeaderMap, HeaderName, HeaderValue},
};
use linchpin_runtime::{
    Clock as _, Connection, Invocation, Output, Planned, RecordStream, ResultCheck, Runtime, SystemClock,
    Trace,
    webhook::{Fetcher, Guard, Judged},
};

use serde_json::{Map, Value, json};

use crate::{
    args::{Format, Run},
    auth,
    catalogue::Catalogue,
    connection::{client, executor, stored},
    exit::{Exit, Failure, note, write_stdout},
    input, json, local,
    local::Saver,
    pause::SpokenClock,
};

/// So many records at the most unless they are streamed.
const LIMIT: usize = 200;

pub(crate) fn run(catalogue: &Catalogue, args: &Run, format: Format) -> Result<Exit, Failure> {
    let (connector, flow) = catalogue.flow(&args.flow)?;
    executor()?.block_on(async {
        let (host, connection) = match &args.connection {
            Some(name) => {
                let (host, connection) = stored(connector, &args.store, &args.tenant, name).await?;
                (Some(host), connection)
            }
            None => (None, given(connector, args, format)?),
        };
        let runtime = match &host {
            Some(host) => host.runtime().clone(),
            None => args.store.egress.runtime()?,
        };
        let invocation = invocation(connector, &connection, flow, args, format, &runtime).await?;
        // Before the service is asked for anything that could then not be written down.
        let har = args.har.as_deref().map(Archive::create).transpose()?;
        let invocation = invocation.record(har.is_some());
        let (trace, mut ended) = match runtime.run(invocation).await {
            Ok(ran) => (ran.trace, show(ran.output, &mut Saver::new(args, &ran.files), args, format).await),
            Err(failed) => (failed.trace, Err(Failure::Flow(failed.error))),
        };
        // What a token endpoint is about to answer must still be stored.
        connection.settle().await;
        if args.trace {
            print_trace(&trace, format);
        }
        if let Some(har) = har {
            har.write(&trace)?;
        }
        if args.stream {
            ended = ended.map_err(with_way_on);
        }
        ended
    })
}

/// The options that arguments give, read by their types: a JSON file, and single ones as k=v.
pub(crate) fn options(given: &[String], flow: &FlowDescriptor) -> Result<Option<String>, Failure> {
    if given.is_empty() {
        return Ok(None);
    }
    let (single, files): (Vec<String>, Vec<String>) =
        given.iter().cloned().partition(|option| option.contains('=') && !Path::new(option).exists());
    if files.len() > 1 {
        return Err(Failure::usage("`--options` takes one file").help("give further options as k=v"));
    }
    let file = files.first().map(String::as_str);
    input::build(file, &single, flow.shape_of(Slot::Options), &mut Vec::new()).map(Some)
}

/// The file that gets the requests and their answers.
struct Archive<'a> {
    path: &'a Path,
    file: fs::File,
}

impl Archive<'_> {
    fn create(path: &Path) -> Result<Archive<'_>, Failure> {
        let file = fs::File::create(path).map_err(|error| Archive::unwritable(path, &error))?;
        Ok(Archive { path, file })
    }

    fn write(mut self, trace: &Trace) -> Result<(), Failure> {
        let written = self.file.write_all(trace.har().as_bytes());
        written.map_err(|error| Archive::unwritable(self.path, &error))
    }

    fn unwritable(path: &Path, error: &io::Error) -> Failure {
        Failure::usage(format!("`--har {}`: {error}", path.display()))
    }
}

/// The records of a stream before its error are written, so that the rest can be had.
fn with_way_on(failure: Failure) -> Failure {
    match failure {
        Failure::Flow(error) if error.details().hint.is_none() => match error.details().position {
            Some(position) => {
                let quoted = position.replace('\'', r"'\''");
                let hint = format!("the same command with `--resume-from '{quoted}'` reads on from there");
                Failure::Flow(error.hint(hint))
            }
            None => Failure::Flow(error),
        },
        other => other,
    }
}

/// The connection of a file or the environment.
fn given(connector: &Connector, args: &Run, format: Format) -> Result<Connection, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let values = auth::connection(connector, args.auth.as_deref(), &variable)?;
    let mut builder = Connection::builder(connector, values).clock(Arc::new(SpokenClock(format)));
    if let Some(url) = &args.store.base_url {
        builder = builder.base_url(url);
    }
    if let Some(client) = client(connector) {
        builder = builder.client(client);
    }
    builder.build().map_err(misuse)
}

/// A base URL that cannot be one is a wrong argument, not a flow that failed.
fn misuse(error: Error) -> Failure {
    match error.who_must_act() {
        Actor::Operator if error.code() == Code::ConnectionInvalid => Failure::usage(error.message()),
        _ => error.into(),
    }
}

async fn invocation(
    connector: &Connector,
    connection: &Connection,
    flow: &'static FlowDescriptor,
    args: &Run,
    format: Format,
    runtime: &Runtime,
) -> Result<Invocation, Failure> {
    let mut invocation = Invocation::new(connection, flow).dry_run(args.dry_run).check(ResultCheck::Strict);
    if args.input.is_some() || !args.set.is_empty() {
        let shape = flow.shape_of(Slot::Input);
        let mut files = Vec::new();
        invocation = invocation.input(input::build(args.input.as_deref(), &args.set, shape, &mut files)?);
        invocation = files.into_iter().fold(invocation, Invocation::file);
    }
    if let Some(options) = options(&args.options, flow)? {
        invocation = invocation.options(options);
    }
    if !args.select.is_empty() {
        invocation = invocation.selected(args.select.clone());
    }
    if let Some(id) = &args.run_id {
        invocation = invocation.run_id(id.clone());
    }
    if let Some(text) = &args.deadline {
        invocation = invocation.deadline(deadline(text)?);
    }
    if let Some(url) = &args.event_url {
        invocation = invocation.event_url(url.clone());
    }
    if let Some(file) = &args.registered {
        invocation = invocation.registered(input::read(file)?);
    }
    if let Some(cursor) = &args.cursor {
        invocation = invocation.cursor(cursor.clone());
    }
    if let Some(position) = &args.resume_from {
        invocation = invocation.resume_from(position.clone());
    }
    let secret = args.signing_secret.as_deref().map(|file| signing_secret(file, flow, format)).transpose()?;
    if let Some(file) = &args.payload {
        let delivery = Delivery {
            url: args.event_url.clone().unwrap_or_default(),
            headers: headers(&args.header)?,
            body: input::read(file)?.into(),
            ..Delivery::default()
        };
        if let Some(secret) = &secret {
            verify(connector, flow, secret, &delivery, runtime).await?;
        }
        invocation = invocation.delivery(delivery);
    }
    if let Some(secret) = secret {
        invocation = invocation.signing_secret(secret);
    }
    Ok(invocation)
}

fn deadline(text: &str) -> Result<Duration, Failure> {
    linchpin_manifest::spec::unit::parse_duration(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no time")).help("write a number and a unit, as in `30s` or `5m`")
    })
}

/// The key in a file; a registration makes the file when it is not there.
fn signing_secret(file: &Path, flow: &FlowDescriptor, format: Format) -> Result<Secret, Failure> {
    if !file.exists() && !matches!(flow.kind, KindInfo::WebhookRegister { .. }) {
        return Err(Failure::usage(format!("`{}` is not there", file.display())));
    }
    let (secret, made) = local::secret_file(file)?;
    if made {
        note(format, "note", format!("the key that signs deliveries is in {}", file.display()));
    }
    Ok(secret)
}

fn headers(given: &[String]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for line in given {
        let parsed = line.split_once(':').and_then(|(name, value)| {
            Some((
                HeaderName::from_bytes(name.trim().as_bytes()).ok()?,
                HeaderValue::from_str(value.trim()).ok()?,
            ))
        });
        let Some((name, value)) = parsed else {
            return Err(Failure::usage(format!("`{line}` is no header")).help("write `Name: value`"));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

/// Refuses a delivery that does not prove where it comes from, or is none.
async fn verify(
    connector: &Connector,
    flow: &FlowDescriptor,
    secret: &Secret,
    delivery: &Delivery,
    runtime: &Runtime,
) -> Result<(), Failure> {
    let KindInfo::WebhookEvent { event } = flow.kind else { return Ok(()) };
    let spec = connector.spec()?;
    let hook = spec.events.iter().find(|known| known.key == event).and_then(|event| event.hook.as_deref());
    let Some(hook) = hook.and_then(|key| spec.hooks.iter().find(|hook| hook.key == key)) else {
        return Ok(());
    };
    let (guard, fetcher) = (Guard::new(hook)?, Fetcher::new(runtime));
    match guard.judge(&fetcher, delivery, std::slice::from_ref(secret), SystemClock.now()).await? {
        Judged::Delivery => Ok(()),
        Judged::Handshake(_) => Err(Failure::usage("the payload is a handshake, and no event")),
    }
}

async fn show(output: Output, saver: &mut Saver<'_>, args: &Run, format: Format) -> Result<Exit, Failure> {
    match output {
        Output::Value(text) => {
            saver.save().await?;
            let text = if format == Format::Json { text } else { json::indent(&text) };
            saver.print(format!("{text}\n").as_bytes())?;
        }
        Output::Records(records) if args.stream => stream(records, saver, args.limit).await?,
        Output::Records(records) => list(records, saver, args.limit.unwrap_or(LIMIT), format).await?,
        Output::Planned(planned) => print_planned(&planned, format)?,
        _ if format == Format::Json => saver.print(b"null\n")?,
        _ => {}
    }
    Ok(Exit::Ok)
}

/// Records as one array.
async fn list(
    mut records: RecordStream,
    saver: &mut Saver<'_>,
    limit: usize,
    format: Format,
) -> Result<(), Failure> {
    let mut array = b"[".to_vec();
    let mut count = 0;
    while count < limit
        && let Some(batch) = records.next_batch(limit - count).await?
    {
        for line in batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            array.extend_from_slice(if count == 0 { b"\n  " } else { b",\n  " });
            array.extend_from_slice(line);
            count += 1;
        }
        saver.save().await?;
    }
    array.extend_from_slice(if count == 0 { b"]\n" } else { b"\n]\n" });
    saver.print(&array)?;
    if count == limit && limit > 0 && records.next_batch(1).await?.is_some() {
        let text = "there are more: give `--limit N` or `--stream`";
        note(format, "note", format!("these are the first {count} records; {text}"));
    }
    Ok(())
}

/// Records as JSON Lines, as they come.
async fn stream(
    mut records: RecordStream,
    saver: &mut Saver<'_>,
    limit: Option<usize>,
) -> Result<(), Failure> {
    // Drawn only where a person looks and the records go elsewhere: at one terminal both would be written over each other.
    let progress = match io::stdout().is_terminal() {
        true => ProgressBar::hidden(),
        false => ProgressBar::new_spinner(),
    };
    let mut count = 0;
    let limit = limit.unwrap_or(usize::MAX);
    while count < limit
        && let Some(batch) = records.next_batch(limit - count).await?
    {
        count += batch.count;
        saver.save().await?;
        saver.print(batch.lines)?;
        progress.set_message(format!("{count} records"));
        progress.tick();
    }
    progress.finish_and_clear();
    Ok(())
}

fn print_planned(planned: &Planned, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let headers: Map<String, Value> =
            planned.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let Planned { method, url, body, .. } = planned;
        let planned = json!({ "method": method, "url": url, "headers": headers, "body": body });
        return write_stdout(format!("{:#}\n", json!({ "planned": planned })).as_bytes());
    }
    eprintln!("dry run: stopped before this request; nothing was changed\n");
    eprintln!("{} {}", planned.method, planned.url);
    for (name, value) in &planned.headers {
        eprintln!("{name}: {value}");
    }
    if let Some(body) = &planned.body {
        eprintln!("\n{body}");
    }
    Ok(())
}

fn print_trace(trace: &Trace, format: Format) {
    for entry in trace.entries() {
        if format == Format::Human {
            eprintln!("{entry}");
            continue;
        }
        let entry = json!({
            "method": entry.method,
            "url": entry.url,
            "status": entry.status,
            "milliseconds": u64::try_from(entry.time.as_millis()).unwrap_or(u64::MAX),
            "sent": entry.sent,
            "received": entry.received,
            "error": entry.error.map(|code| code.as_str()),
        });
        note(format, "request", entry);
    }
}
