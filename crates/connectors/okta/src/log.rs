//! What happened in an org.

use std::time::{SystemTime, UNIX_EPOCH};

use linchpin::prelude::*;

/// As many events of a page as Okta gives.
pub(crate) const EVENTS: u32 = 1000;

/// Something that happened.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct LogEvent {
    /// Id
    pub uuid: String,
    /// When
    pub published: DateTime,
    /// Type
    ///
    /// As in `user.session.start`.
    pub event_type: String,
    /// Message
    pub display_message: Option<String>,
    /// Severity
    ///
    /// `DEBUG`, `INFO`, `WARN` or `ERROR`.
    pub severity: String,
    /// Outcome
    pub outcome: Option<Outcome>,
    /// Actor
    ///
    /// Who did it.
    pub actor: Option<Party>,
    /// Targets
    ///
    /// To whom or what.
    pub target: Option<Vec<Party>>,
    /// Client
    ///
    /// From where.
    pub client: Option<Client>,
}

/// How something ended.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Result
    ///
    /// `SUCCESS`, `FAILURE`, `ALLOW`, `DENY` and others.
    pub result: Option<String>,
    /// Reason
    pub reason: Option<String>,
}

/// Somebody or something that has a part in an event.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Party {
    /// Id
    pub id: Option<String>,
    /// Type
    #[field(rename = "type")]
    pub kind: Option<String>,
    /// Other id
    ///
    /// The login of a user.
    pub alternate_id: Option<String>,
    /// Name
    pub display_name: Option<String>,
}

/// Where a request came from.
#[fields(rename_all = "camelCase")]
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Address
    pub ip_address: Option<String>,
    /// Device
    pub device: Option<String>,
    /// Zone
    pub zone: Option<String>,
}

/// Which events to list, and in which order.
#[fields]
#[derive(Debug, Clone)]
pub struct ListEvents {
    /// Since
    ///
    /// Seven days before the end where nothing is chosen.
    pub since: Option<DateTime>,
    /// Until
    ///
    /// Now where nothing is chosen.
    pub until: Option<DateTime>,
    /// Filter
    #[field(placeholder = "eventType eq \"user.session.start\" and outcome.result eq \"FAILURE\"")]
    pub filter: Option<String>,
    /// Keywords
    ///
    /// Up to ten, each of which must be somewhere in the event.
    pub keywords: Option<String>,
    /// Order
    #[field(default = Order::NewestFirst)]
    pub order: Order,
}

/// Which events come first.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first
    NewestFirst,
    /// Oldest first
    OldestFirst,
}

/// List Events
///
/// Events of the System Log, which Okta keeps for ninety days.
#[action(read)]
pub async fn list_events(cx: Context, Input(q): Input<ListEvents>) -> Result<Records<LogEvent>> {
    // Oldest first and without an end Okta would name a next page for ever, for events that are still to come.
    let (order, until) = match q.order {
        Order::NewestFirst => ("DESCENDING", q.until),
        Order::OldestFirst => ("ASCENDING", q.until.or_else(now)),
    };
    let request = cx.get(path!("/api/v1/logs")).query("since", q.since).query("until", until);
    let request = request.query("filter", q.filter).query("q", q.keywords).query("sortOrder", order);
    Ok(request.query("limit", EVENTS).records())
}

fn now() -> Option<DateTime> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    DateTime::from_unix_millis(i64::try_from(since_1970.as_millis()).ok()?)
}
