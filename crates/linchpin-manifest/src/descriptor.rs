//! What a compiled connector says of itself: the answer that `linchpin-build` gets from the built binary.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every connector of a binary, as it describes itself; sorted by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descriptors {
    /// The version of this format; see [`Descriptors::VERSION`].
    pub descriptors_version: u32,
    /// The connectors.
    pub connectors: Vec<ConnectorDescriptor>,
}

impl Descriptors {
    /// The version that this build writes and reads.
    pub const VERSION: u32 = 1;
}

/// One connector as compiled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectorDescriptor {
    /// The package that says `connector!`.
    pub package: String,
    /// The folder of the package's `Cargo.toml`, as the compiler saw it.
    pub package_dir: String,
    /// The spec's path as `connector!` states it, relative to `package_dir`.
    pub spec_path: String,
    /// The spec's text as compiled in.
    pub spec_text: String,
    /// Where `connector!` stands.
    pub place: Place,
    /// The registered flows, sorted by key.
    pub flows: Vec<FlowDescriptor>,
}

/// One flow as compiled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowDescriptor {
    /// The function's name.
    pub key: String,
    /// What kind of flow it is.
    pub kind: FlowKind,
    /// The first line of the doc comment, or the name in title case.
    pub title: String,
    /// The rest of the doc comment; empty where there is none.
    pub description: String,
    /// Whether the function has a doc comment.
    pub documented: bool,
    /// Whether it has none of the connection's credentials.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unconnected: bool,
    /// What an action does at the service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub effect: Option<Effect>,
    /// What repeating an action does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idempotency: Option<Idempotency>,
    /// The hook that a webhook flow serves; of an event the spec says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hook: Option<String>,
    /// The event that a webhook event flow or a monitor serves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<String>,
    /// The flow whose registration it takes, or lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub registered_by: Option<String>,
    /// A monitor's schedule, as in `5m`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub every: Option<String>,
    /// A monitor's JSON pointers to what tells records apart.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dedupe: Vec<String>,
    /// Whether a monitor takes the time from which its first look wants records.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub since: bool,
    /// Whether a monitor takes how far its looks reach back.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub overlap: bool,
    /// JSON Schema 2020-12 of the design-time options, with card metadata under `x-linchpin`.
    pub options: Value,
    /// JSON Schema of the run-time inputs; for a webhook event, of the payload.
    pub input: Value,
    /// JSON Schema of one result or one record.
    pub output: Value,
    /// Whether the flow gives one value or a stream of records.
    pub result: ResultShape,
    /// JSON Schema of a monitor's cursor as the parameter has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<Value>,
    /// JSON Schema of a monitor's cursor as the result has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_cursor: Option<Value>,
    /// Where the function stands.
    pub place: Place,
}

/// A place in the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, as the compiler was given it: relative to the workspace, or absolute.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// The kinds of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowKind {
    /// A card that users see.
    Action,
    /// Checks that a connection works, and whose it is.
    Authping,
    /// Kills a connection's tokens at the service.
    Revoke,
    /// Tells the service where to deliver.
    WebhookRegister,
    /// Takes that back.
    WebhookDeregister,
    /// Asks the service how a registration is.
    WebhookCheck,
    /// Keeps a registration from expiring, and mends it.
    WebhookRenew,
    /// Lists what is registered at the service.
    WebhookList,
    /// Checks that a delivery comes from the service.
    WebhookVerify,
    /// Shapes a delivery into an event.
    WebhookEvent,
    /// Called by other flows, and by cards for their choices.
    Helper,
    /// Looks for news on a schedule.
    Monitor,
}

/// What an action does at the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Makes something new.
    Create,
    /// Changes what is there.
    Update,
    /// Takes something away.
    Delete,
}

/// What repeating an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// A key that the service honours makes a repetition harmless.
    Key,
    /// Repeating changes nothing more.
    Natural,
    /// Never repeated.
    None,
}

/// What a flow gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultShape {
    /// Nothing.
    Nothing,
    /// One value.
    Value,
    /// A stream of records.
    Records,
}
