//! linchpin at the work by which connector frameworks are measured side by side.
//!
//! | command | what it does |
//! | :- | :- |
//! | `w1 --base URL` | a process that calls `get_user` once, JSON in and out |
//! | `w2 --base URL --n N --conc C` | `N` such calls in one process, `C` at a time; with `--typed` none of them goes through JSON at the edge |
//! | `w3 --base URL --records N` | streams `records` to stdout as JSON Lines |
//! | `w5 --app FILE --out FILE --reps R` | makes descriptors of an app's actions, and checks and writes their manifest, `R` times |
//!
//! The service, its users and its records are those of the measuring program; the token is `rig-token`. Everything runs on
//! one thread. `w2` and `w5` print one line that says what was done and what it took.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use linchpin::{
    Connector, describe,
    extract::ConnectionValues,
    manifest::descriptor::{self, ConnectorDescriptor, FlowDescriptor, FlowKind, ResultShape},
    prelude::*,
    schema::{self, Side},
    serde_json::{self, Map, Value, json},
};
use linchpin_build::{generate, manifest_for};
use linchpin_runtime::{Invocation, Output, Runtime};
use tokio::task::JoinSet;

linchpin::connector!("examples/rig.toml");

/// What a user pays for.
#[fields]
struct Plan {
    /// Name
    name: String,
    /// Seats
    seats: u32,
}

/// A user.
#[fields]
struct User {
    /// Id
    id: u64,
    /// Login
    login: String,
    /// Name
    name: String,
    /// Email
    email: String,
    /// Active
    active: bool,
    /// Score
    score: f64,
    /// Created
    created_at: String,
    /// Plan
    plan: Plan,
    /// Tags
    tags: Vec<String>,
    /// Biography
    bio: String,
}

/// Which user.
#[fields]
struct UserOf {
    /// Id
    id: u64,
}

/// A record.
#[fields]
struct Record {
    /// Id
    id: u64,
    /// Name
    name: String,
    /// Email
    email: String,
    /// Active
    active: bool,
    /// Score
    score: f64,
    /// Created
    created_at: String,
    /// Note
    note: String,
}

/// Which records.
#[fields]
struct ListRecords {
    /// Total
    ///
    /// How many the service shall have.
    total: u64,
}

/// Whose token it is.
#[authping]
async fn authping(cx: Context) -> Result<Identity> {
    let user: User = cx.get(path!("/users/1")).send().await?.json()?;
    Ok(Identity::new(user.id.to_string(), user.name))
}

/// Get User
#[action(read)]
async fn get_user(cx: Context, Input(of): Input<UserOf>) -> Result<User> {
    cx.get(path!("/users/{of.id}")).send().await?.json()
}

/// List Records
#[action(read)]
async fn records(cx: Context, Input(q): Input<ListRecords>) -> Result<Records<Record>> {
    Ok(cx.get(path!("/records")).query("total", q.total).records())
}

type Outcome<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match env::args().nth(1).as_deref() {
        Some("w1") => runtime.block_on(one_call()),
        Some("w2") => runtime.block_on(many_calls()),
        Some("w3") => runtime.block_on(stream()),
        Some("w5") => manifests(),
        _ => Err("the first argument is `w1`, `w2`, `w3` or `w5`".into()),
    }
}

/// What stands behind a flag.
fn argument(flag: &str) -> Outcome<String> {
    let given = env::args().skip_while(|argument| argument != flag).nth(1);
    given.ok_or_else(|| format!("`{flag}` and its value are missing").into())
}

fn number(flag: &str) -> Outcome<usize> {
    argument(flag)?.parse().map_err(|error| format!("`{flag}` takes a whole number: {error}").into())
}

/// A connection to the service at `--base`.
fn connect() -> Outcome<linchpin_runtime::Connection> {
    let token = Secret::new("rig-token");
    let values = ConnectionValues { fields: BTreeMap::from([("token".into(), token)]), ..Default::default() };
    Ok(linchpin_runtime::Connection::with_base_url(&connector(), values, &argument("--base")?)?)
}

async fn one_call() -> Outcome<()> {
    let caller = Caller { runtime: Runtime::new(), connection: connect()? };
    Ok(writeln!(io::stdout(), "{}", caller.json(1).await?)?)
}

async fn many_calls() -> Outcome<()> {
    let (count, at_once) = (number("--n")?, number("--conc")?);
    let typed = env::args().any(|argument| argument == "--typed");
    let caller = Caller { runtime: Runtime::new(), connection: connect()? };
    caller.many(count / 20, at_once, typed).await?;
    let meter = Meter::start()?;
    let sum = caller.many(count, at_once, typed).await?;
    meter.report(count, sum)
}

/// Calls `get_user`.
#[derive(Clone)]
struct Caller {
    runtime: Runtime,
    connection: linchpin_runtime::Connection,
}

impl Caller {
    /// The user as JSON, by an input that is JSON.
    async fn json(&self, id: u64) -> Outcome<String> {
        let call = Invocation::named(&self.connection, "get_user")?.input(format!(r#"{{"id":{id}}}"#));
        match self.runtime.run(call).await?.output {
            Output::Value(user) => Ok(user),
            other => Err(format!("`get_user` gave {other:?}").into()),
        }
    }

    /// The id that came back.
    async fn id(&self, id: u64, typed: bool) -> Outcome<u64> {
        if typed {
            let (user, _) = self.runtime.call::<get_user>(&self.connection, UserOf { id }).await?;
            return Ok(user.id);
        }
        let user = self.json(id).await?;
        // The field that comes first; to read the others is no part of the call.
        let id = user.strip_prefix(r#"{"id":"#).and_then(|rest| rest.split(',').next());
        Ok(id.ok_or("a user without an id")?.parse()?)
    }

    /// Makes so many calls, so many at once; gives the sum of the ids that came back.
    async fn many(&self, count: usize, at_once: usize, typed: bool) -> Outcome<u64> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..at_once.max(1) {
            let (caller, next) = (self.clone(), next.clone());
            callers.spawn(async move {
                let mut sum = 0;
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return Outcome::Ok(sum);
                    }
                    sum += caller.id(index as u64 % 1000 + 1, typed).await?;
                }
            });
        }
        callers.join_all().await.into_iter().sum()
    }
}

async fn stream() -> Outcome<()> {
    let (runtime, connection) = (Runtime::new(), connect()?);
    let input = json!({ "total": number("--records")? }).to_string();
    let call = Invocation::named(&connection, "records")?.input(input);
    let mut records = match runtime.run(call).await?.output {
        Output::Records(records) => records,
        other => return Err(format!("`records` gave {other:?}").into()),
    };
    let mut out = io::stdout().lock();
    while let Some(batch) = records.next_batch(usize::MAX).await? {
        out.write_all(batch.lines)?;
    }
    Ok(out.flush()?)
}

/// An app as it is defined in a file, as far as a manifest says it.
#[fields]
struct App {
    creates: BTreeMap<String, Create>,
}

#[fields]
struct Create {
    key: String,
    display: Display,
    operation: Operation,
}

#[fields]
struct Display {
    label: String,
    description: String,
}

#[fields(rename_all = "camelCase")]
struct Operation {
    input_fields: Vec<AppField>,
    output_fields: Vec<AppField>,
}

#[fields(rename_all = "camelCase")]
struct AppField {
    key: String,
    label: String,
    #[field(rename = "type")]
    kind: String,
    #[field(default)]
    required: bool,
    help_text: Option<String>,
}

fn manifests() -> Outcome<()> {
    let (app, out, repetitions) = (argument("--app")?, argument("--out")?, number("--reps")?);
    let meter = Meter::start()?;
    let mut actions = 0;
    for _ in 0..repetitions {
        let App { creates } = serde_json::from_slice(&fs::read(&app)?)?;
        actions += creates.len() as u64;
        let described = described(&connector(), creates.into_values(), &app)?;
        let built = manifest_for(SPEC.path, SPEC.text, &described);
        let Some(text) = built.text else {
            let errors = built.found.iter().filter(|found| found.is_error());
            return Err(errors.map(|found| found.message.as_str()).collect::<Vec<_>>().join("\n").into());
        };
        generate::write(Path::new(&out), &text)?;
    }
    meter.report(repetitions, actions)
}

/// The connector as its binary would describe it if it had these actions as well.
fn described(
    connector: &Connector,
    creates: impl Iterator<Item = Create>,
    file: &str,
) -> Outcome<ConnectorDescriptor> {
    let mut described = describe::connector(connector).ok_or("the connector was built by hand")?;
    described.flows.extend((1..).zip(creates).map(|(line, create)| action(create, file, line)));
    described.flows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(described)
}

fn action(create: Create, file: &str, line: u32) -> FlowDescriptor {
    let Create { key, display, operation } = create;
    FlowDescriptor {
        key,
        kind: FlowKind::Action,
        title: display.label,
        description: display.description,
        documented: true,
        effect: Some(descriptor::Effect::Create),
        idempotency: Some(descriptor::Idempotency::None),
        hook: None,
        event: None,
        registered_by: None,
        every: None,
        dedupe: Vec::new(),
        overlap: false,
        since: false,
        options: schema::schema(None, Side::Given),
        input: object(operation.input_fields, Side::Given),
        output: object(operation.output_fields, Side::Made),
        result: ResultShape::Value,
        cursor: None,
        next_cursor: None,
        unconnected: false,
        place: descriptor::Place { file: file.to_owned(), line, column: 1 },
    }
}

/// The schema that a struct with these fields would have.
fn object(fields: Vec<AppField>, side: Side) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields {
        let (kind, card) = match field.kind.as_str() {
            "integer" => ("integer", "Number"),
            "number" => ("number", "Number"),
            "boolean" => ("boolean", "True/False"),
            "datetime" => ("string", "Date & Time"),
            _ => ("string", "Text"),
        };
        let mut form = Map::from_iter([("label".into(), field.label.into()), ("type".into(), card.into())]);
        if let Some(help) = field.help_text {
            form.insert("help".into(), help.into());
        }
        let mut property = Map::from_iter([("type".into(), kind.into()), ("x-linchpin".into(), form.into())]);
        if field.kind == "datetime" {
            property.insert("format".into(), "date-time".into());
        }
        if field.required {
            required.push(Value::from(field.key.as_str()));
        }
        properties.insert(field.key, property.into());
    }
    let mut object =
        Map::from_iter([("type".into(), "object".into()), ("properties".into(), properties.into())]);
    if !required.is_empty() {
        object.insert("required".into(), required.into());
    }
    if side == Side::Given {
        object.insert("additionalProperties".into(), false.into());
    }
    object.into()
}

/// What a stretch of work takes.
struct Meter {
    since: Instant,
    before: f64,
}

impl Meter {
    fn start() -> Outcome<Meter> {
        Ok(Meter { since: Instant::now(), before: cpu_seconds()? })
    }

    /// Prints the line that the measuring program reads.
    fn report(self, calls: usize, checksum: u64) -> Outcome<()> {
        let (wall, cpu) = (self.since.elapsed().as_secs_f64(), cpu_seconds()? - self.before);
        let line = json!({
            "calls": calls, "wall_s": wall, "cpu_s": cpu, "peak_kb": peak_kilobytes()?, "checksum": checksum,
        });
        Ok(writeln!(io::stdout(), "{line}")?)
    }
}

/// What this thread, which is all of the process, has taken of a processor so far.
fn cpu_seconds() -> Outcome<f64> {
    // The kernel counts up when a thread gives way.
    thread::yield_now();
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

/// The most memory that the process has had.
fn peak_kilobytes() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    Ok(peak.ok_or("`/proc/self/status` has no `VmHWM`")?.parse()?)
}
