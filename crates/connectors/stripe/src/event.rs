//! What happened in an account.

use linchpin::{prelude::*, serde_json::Value};

/// Something that happened.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Id
    pub id: String,
    /// Type
    ///
    /// As in `payment_intent.succeeded`.
    #[field(rename = "type")]
    pub kind: String,
    /// Data
    pub data: EventData,
    /// Version
    ///
    /// The version of Stripe's API that the data is of.
    pub api_version: Option<String>,
    /// Request
    ///
    /// What it comes from.
    pub request: Option<Cause>,
    /// Live
    pub livemode: bool,
    /// Created
    pub created: Seconds,
}

/// What an event is about.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct EventData {
    /// Object
    ///
    /// As it was right then.
    pub object: Value,
    /// Before
    ///
    /// The former values of what changed.
    pub previous_attributes: Option<Value>,
}

/// The request that an event comes from.
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Id
    ///
    /// Nothing where it happened by itself.
    pub id: Option<String>,
    /// Idempotency key
    pub idempotency_key: Option<String>,
}

/// Which events to list.
#[fields]
#[derive(Debug, Clone, Default)]
pub struct ListEvents {
    /// Types
    ///
    /// Up to twenty, as in `invoice.paid`; all where nothing is said.
    #[field(default, max_length = 20)]
    pub types: Vec<String>,
    /// Since
    pub created_since: Option<Seconds>,
    /// Before
    pub created_before: Option<Seconds>,
}

/// List Events
///
/// Events of the last thirty days, the newest first.
#[action(read)]
pub async fn list_events(cx: Context, Input(q): Input<ListEvents>) -> Result<Records<Event>> {
    let request = cx.get(path!("/v1/events")).query("types[]", q.types);
    let request = request.query("created[gte]", q.created_since).query("created[lt]", q.created_before);
    Ok(request.records())
}
