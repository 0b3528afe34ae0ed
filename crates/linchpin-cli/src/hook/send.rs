//! `linchpin hook send`: a delivery as the service would send it, or a wrong one.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use linchpin::{
    Connector, DateTime, Delivery, Secret,
    flow::{FlowDescriptor, KindInfo, Slot},
    http::{HeaderName, HeaderValue, Method},
    manifest::spec::{DeliveryPlace, Event, Hook, HookScope, Literal},
    serde_json::{Map, Value, json},
    shape::Shape,
};
use linchpin_host::{
    DEFAULT_TENANT, Host,
    store::{HookFilter, Stage},
};
use linchpin_runtime::webhook::Guard;

use super::{life::find, listen::keys};
use crate::{
    args::Format,
    connection::print,
    exit::{Exit, Failure},
    input,
};

/// How long the other side may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How deep a sample goes: types may contain themselves.
const DEPTH: usize = 8;

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The event
    #[arg(value_name = "CONNECTOR.EVENT")]
    event: String,
    /// To a registered webhook, under its key: its id, or as much of it as no other has
    #[arg(long, value_name = "ID", required_unless_present = "url")]
    hook: Option<String>,
    /// To this URL, under the key of `--signing-key`
    #[arg(long, value_name = "URL", conflicts_with = "hook", requires = "signing_key")]
    url: Option<String>,
    /// The file with the key that signs; of a scheme with public keys the private one
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Whom it is for, of those who share the URL of an app: the name of a connection for which the webhook is registered. Not needed
    /// where there is only one
    #[arg(long, value_name = "NAME", conflicts_with = "hook")]
    connection: Option<String>,
    /// Whose connection that is
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
    /// Whom it is for, as the service says it; several parts with `/` between
    #[arg(long, value_name = "KEY", conflicts_with_all = ["hook", "connection"])]
    routing_key: Option<String>,
    /// Where the server listens, in place of its public URL, which is still what is signed
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8787", conflicts_with = "url")]
    via: String,
    /// The body as a JSON file, `-` for stdin; made up from the types of the event's flow by default
    #[arg(long, value_name = "FILE|-")]
    payload: Option<String>,
    /// A further header
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// What tells the delivery apart; one that is new by default
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Send it wrong, to see that it is refused
    #[arg(long, value_enum)]
    wrong: Option<Wrong>,
    /// Print the request and send nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wrong {
    /// It bears no signature
    Unsigned,
    /// It is signed under another key
    Key,
    /// Its body was changed behind the signature
    Tampered,
    /// It is a day old
    Stale,
}

pub(crate) async fn send(host: &Host, args: &Send, format: Format) -> Result<Exit, Failure> {
    let (connector, event, hook, flow) = lookup(host, &args.event)?;
    let (target, signed_url, key, routing) = target(host, args).await?;
    let now = host.clock().now();
    let id = match &args.id {
        Some(id) => id.clone(),
        None => format!("linchpin-{}", now.unix_millis()),
    };
    let body = match &args.payload {
        Some(file) => input::read(file)?,
        None => unaddressed(hook, wrapped(hook, sample(event, flow), &id)).to_string(),
    };
    let mut unsigned = unsigned(event, args, body, signed_url)?;
    let guard = Guard::new(hook)?;
    let routing = match routing {
        Some(routing) => Some(routing),
        None => addressee(host, args, connector.key(), hook, guard.routing_key(&unsigned)).await?,
    };
    if let Some(routing) = routing {
        guard.address(&mut unsigned, &routing)?;
        if guard.routing_key(&unsigned).as_ref() != Some(&routing) {
            let help = "take it out of the payload, or say nothing else";
            return Err(Failure::usage(format!("the delivery cannot be for `{routing}`")).help(help));
        }
    }
    let delivery = signed(&guard, &key, unsigned, &id, now, args.wrong)?;
    if args.dry_run {
        print(&shown(&target, &delivery))?;
        return Ok(Exit::Ok);
    }
    let target = with_query(&target, &delivery.url);
    let posted = host.runtime().post(&target, delivery.headers, delivery.body, TIMEOUT, now).await?;
    match format {
        Format::Json => print(&json!({ "event": args.event, "id": id, "status": posted.status }))?,
        Format::Human => eprintln!("`{}` of {}: answered {}", args.event, connector.key(), posted.status),
    }
    let taken = (200..300).contains(&posted.status);
    Ok(if taken { Exit::Ok } else { Exit::Service })
}

type Found<'h> = (&'h Connector, &'h Event, &'h Hook, Option<&'static FlowDescriptor>);

fn lookup<'h>(host: &'h Host, name: &str) -> Result<Found<'h>, Failure> {
    let (connector, key) = name
        .split_once('.')
        .ok_or_else(|| Failure::usage(format!("`{name}` is no event")).help("write `CONNECTOR.EVENT`"))?;
    let connector = host
        .connectors()
        .find(|known| known.key() == connector)
        .ok_or_else(|| Failure::usage(format!("there is no connector `{connector}`")))?;
    let spec = connector.spec()?;
    let event = spec.events.iter().find(|event| event.key == key).ok_or_else(|| {
        let known: Vec<String> = spec.events.iter().map(|event| format!("`{}`", event.key)).collect();
        let failure = Failure::usage(format!("`{}` has no event `{key}`", connector.key()));
        failure.help(format!("it has {}", known.join(", ")))
    })?;
    let hook = event.hook.as_ref().and_then(|hook| spec.hooks.iter().find(|known| known.key == *hook));
    let hook = hook.ok_or_else(|| {
        Failure::usage(format!("`{name}` comes by no webhook")).help("`linchpin monitor run` looks for it")
    })?;
    let serves = |flow: &&&'static FlowDescriptor| matches!(flow.kind, KindInfo::WebhookEvent { event } if event == key);
    Ok((connector, event, hook, connector.flows().iter().find(serves).copied()))
}

/// Where it is sent to, the URL that is signed, the key, and what says whom it is for where many share the URL.
async fn target(host: &Host, args: &Send) -> Result<(String, String, Secret, Option<String>), Failure> {
    let given = args.signing_key.as_deref().map(keys).transpose()?.and_then(|keys| keys.into_iter().next());
    if let Some(url) = &args.url {
        let key = given.ok_or_else(|| Failure::usage("there is no key to sign with"))?;
        return Ok((url.clone(), url.clone(), key, None));
    }
    let id = find(host, args.hook.as_deref().unwrap_or_default()).await?;
    let live = host.hook_live(&id).await?.ok_or_else(|| {
        Failure::usage(format!("there is no webhook `{id}` that is on"))
            .help("`linchpin hook list` shows them")
    })?;
    let key = given.or_else(|| live.keys.first().cloned()).ok_or_else(|| {
        let help =
            "give the key that signs by `--signing-key`; that of an app is kept by `linchpin hook app`";
        Failure::usage("the key of this webhook is not here").help(help)
    })?;
    let target = format!("{}{}", args.via.trim_end_matches('/'), live.path);
    Ok((target, live.url, key, live.hook.routing))
}

/// The routing key of whom a delivery to a URL is for, where many share it: the one that is asked for, that the payload has, or that is the
/// only one.
async fn addressee(
    host: &Host,
    args: &Send,
    connector: &str,
    hook: &Hook,
    given: Option<String>,
) -> Result<Option<String>, Failure> {
    let name = format!("{connector}.{}", hook.key);
    if !hook.is_app() {
        if args.connection.is_none() && args.routing_key.is_none() {
            return Ok(None);
        }
        let message = format!("each registration of `{name}` has a URL of its own");
        return Err(Failure::usage(message).help("leave `--connection` and `--routing-key` out"));
    }
    if let Some(key) = args.routing_key.clone().or(given.filter(|_| args.connection.is_none())) {
        return Ok(Some(key));
    }
    let connection = match &args.connection {
        Some(name) => Some(host.kept(&args.tenant, name).await?.id),
        None => None,
    };
    let (connector, hook) = (Some(connector.to_owned()), Some(hook.key.clone()));
    let which = HookFilter { connector, hook, connection, ..HookFilter::default() };
    let rows = host.hooks(which).await?.into_iter().filter(|row| row.stage != Stage::Deregistering);
    let mut keys: Vec<String> = rows.filter_map(|row| row.routing).collect();
    keys.sort();
    keys.dedup();
    match (keys.len(), &args.connection) {
        (1, _) => Ok(keys.pop()),
        (0, connection) => {
            let whom = match connection {
                Some(name) => format!("not registered for `{name}`"),
                None => "registered for no connection".to_owned(),
            };
            let message = format!("`{name}` is {whom}, so that nobody would get the delivery");
            let help = "`linchpin hook register` registers it; where it is registered elsewhere, `--routing-key KEY` says whom it is for";
            Err(Failure::usage(message).help(help))
        }
        _ => {
            let message = format!("`{name}` is registered for several accounts, which share the URL");
            let help = "say whom the delivery is for by `--connection NAME` or `--routing-key KEY`";
            Err(Failure::usage(message).help(help))
        }
    }
}

/// A sample without the addressee that was made up with the rest.
fn unaddressed(hook: &Hook, mut body: Value) -> Value {
    if let HookScope::App { route, .. } = &hook.scope {
        for place in route {
            if let DeliveryPlace::Body(pointer) = place
                && let Some(made_up) = body.pointer_mut(pointer)
            {
                *made_up = Value::Null;
            }
        }
    }
    body
}

fn unsigned(event: &Event, args: &Send, body: String, url: String) -> Result<Delivery, Failure> {
    let mut delivery = Delivery { method: Method::POST, url, body: body.into(), ..Delivery::default() };
    let given = args.header.iter().map(|line| match line.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Failure::usage(format!("`{line}` is no header")).help("write `Name: value`")),
    });
    let json = ("content-type".to_owned(), "application/json".to_owned());
    let matched = event.matching.headers.iter().cloned();
    for header in std::iter::once(json).chain(matched).map(Ok).chain(given) {
        let (name, value) = header?;
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Failure::usage(format!("`{name}` is no header name")))?;
        let value = HeaderValue::from_str(&value)
            .map_err(|_| Failure::usage(format!("the value of `{name}` is none of a header")))?;
        delivery.headers.insert(name, value);
    }
    for (name, value) in &event.matching.query {
        let separator = if delivery.url.contains('?') { '&' } else { '?' };
        delivery.url = format!("{}{separator}{name}={value}", delivery.url);
    }
    Ok(delivery)
}

fn signed(
    guard: &Guard,
    key: &Secret,
    unsigned: Delivery,
    id: &str,
    now: DateTime,
    wrong: Option<Wrong>,
) -> Result<Delivery, Failure> {
    let day_ago = DateTime::from_unix_millis(now.unix_millis() - 24 * 3600 * 1000).unwrap_or(now);
    let mut delivery = match wrong {
        Some(Wrong::Unsigned) => return Ok(unsigned),
        Some(Wrong::Key) => guard.sign(&Secret::new(format!("{}0", key.expose())), unsigned, id, now)?,
        Some(Wrong::Stale) => guard.sign(key, unsigned, id, day_ago)?,
        Some(Wrong::Tampered) | None => guard.sign(key, unsigned, id, now)?,
    };
    if wrong == Some(Wrong::Tampered) {
        let mut body = delivery.body.to_vec();
        body.push(b' ');
        delivery.body = body.into();
    }
    Ok(delivery)
}

/// A URL with the query that the signing may have added to another.
fn with_query(url: &str, signed: &str) -> String {
    match (url.contains('?'), signed.split_once('?')) {
        (false, Some((_, query))) => format!("{url}?{query}"),
        _ => url.to_owned(),
    }
}

fn shown(target: &str, delivery: &Delivery) -> Value {
    let headers: Map<String, Value> = delivery
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    json!({
        "method": delivery.method.as_str(),
        "url": with_query(target, &delivery.url),
        "headers": headers,
        "body": String::from_utf8_lossy(&delivery.body),
    })
}

/// A body that the event's flow can read and that the spec takes for the event.
fn sample(event: &Event, flow: Option<&'static FlowDescriptor>) -> Value {
    let shape = flow.and_then(|flow| flow.shape_of(Slot::Payload));
    let mut body = shape.map_or_else(|| json!({}), |shape| value(shape, DEPTH));
    for (pointer, literal) in &event.matching.body {
        let literal = match literal {
            Literal::Text(text) => json!(text),
            Literal::Integer(number) => json!(number),
            Literal::Float(number) => json!(number),
            Literal::Bool(truth) => json!(truth),
        };
        put(&mut body, pointer, literal);
    }
    body
}

/// What happened as the service delivers it: alone, or in a list.
fn wrapped(hook: &Hook, mut what: Value, id: &str) -> Value {
    let Some(items) = &hook.items else { return what };
    if let Some(pointer) = &items.id {
        put(&mut what, pointer, json!(id));
    }
    let mut body = json!({});
    put(&mut body, &items.at, json!([what]));
    body
}

/// The smallest value of a shape that has everything it must have.
fn value(shape: Shape, depth: usize) -> Value {
    match shape {
        Shape::Text => json!("text"),
        Shape::Bool => json!(true),
        Shape::Integer { min, .. } => json!(if min > 1 { u64::try_from(min).unwrap_or(1) } else { 1 }),
        Shape::Number => json!(1.5),
        Shape::DateTime => json!("2026-01-01T00:00:00Z"),
        Shape::Any | Shape::Optional(_) => Value::Null,
        Shape::Map(_) | Shape::File | Shape::FileRef => json!({}),
        Shape::List(item) if depth > 0 => json!([value(item(), depth - 1)]),
        Shape::List(_) => json!([]),
        Shape::Choice(choices) => choices.first().map_or(Value::Null, |choice| json!(choice.value)),
        Shape::Struct(fields) => {
            let mut object = Map::new();
            for field in fields.fields {
                match ((field.shape)(), field.flatten) {
                    (shape, true) => {
                        if let Value::Object(inner) = value(shape, depth.saturating_sub(1)) {
                            object.extend(inner);
                        }
                    }
                    (shape, false) if field.required() && depth > 0 => {
                        let made = match (shape, field.placeholder) {
                            (Shape::Text, Some(example)) => json!(example),
                            (shape, _) => value(shape, depth - 1),
                        };
                        object.insert(field.name.to_owned(), made);
                    }
                    _ => {}
                }
            }
            Value::Object(object)
        }
        _ => Value::Null,
    }
}

/// Puts a value where a pointer says, making the objects on the way.
fn put(body: &mut Value, pointer: &str, literal: Value) {
    let mut here = body;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let index = step.parse::<usize>().ok().filter(|&index| here.is_array() && index < 100);
        if index.is_none() && !here.is_object() {
            *here = json!({});
        }
        here = match (here, index) {
            (Value::Array(items), Some(index)) => {
                items.resize(items.len().max(index + 1), Value::Null);
                &mut items[index]
            }
            (Value::Object(object), _) => object.entry(step).or_insert(Value::Null),
            _ => return,
        };
    }
    *here = literal;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_made_up_for_nobody() {
        let spec = linchpin::manifest::spec::read_checked(
            "[hook.events]\nscope = \"app\"\nroute = { body = [\"/team/id\", \"/to/0/user\"], connection = \"{account}\" }",
        );
        let body = json!({ "team": { "id": "text", "name": "text" }, "to": [] });
        let wanted = json!({ "team": { "id": null, "name": "text" }, "to": [] });
        assert_eq!(unaddressed(&spec.unwrap().hooks[0], body), wanted);
    }

    #[test]
    fn what_a_match_wants_is_put_where_it_wants_it() {
        let mut body = json!({ "issue": { "id": 1 }, "list": [1] });
        put(&mut body, "/action", json!("opened"));
        put(&mut body, "/issue/state", json!("open"));
        put(&mut body, "/list/1/a~1b", json!(7));
        let wanted =
            json!({ "issue": { "id": 1, "state": "open" }, "list": [1, { "a/b": 7 }], "action": "opened" });
        assert_eq!(body, wanted);
    }

    #[test]
    fn the_query_of_what_was_signed_goes_along() {
        assert_eq!(with_query("http://a/in/t", "https://b/in/t?x=1"), "http://a/in/t?x=1");
        assert_eq!(with_query("http://a/in/t?y=2", "https://b/in/t?x=1"), "http://a/in/t?y=2");
    }
}
