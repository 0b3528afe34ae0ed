//! Entries of the inbox become events, and the sink takes them.

use std::{sync::Arc, time::Duration};

use linchpin::{
    Code, Error, Result,
    flow::{FlowDescriptor, KindInfo},
    serde_json::{self, value::RawValue},
    shape::Shape,
};
use linchpin_runtime::{Cancel, Invocation, Output};
use tokio::time::Instant;

use crate::{
    event::{self, Event, EventData},
    host::{Host, Notice, NoticeKind},
    inbox::{DeliveryHead, Handle, Head, Inbox, InboxPolicy, RecordHead},
    recent::Recent,
    sink::Sink,
    store::{self, Entry},
};

/// For how long a connection counts as it was last read, so that the store is not asked for it with every delivery.
const FRESH: Duration = Duration::from_secs(1);

/// So many connections are remembered.
const REMEMBERED: usize = 10_000;

/// Runs event flows for deliveries, and gives what they make of them to a sink.
struct Handling {
    host: Host,
    sink: Arc<dyn Sink>,
    recent: Recent<String, Arc<store::Connection>>,
}

impl Handle for Handling {
    async fn handle(&self, entry: &Entry) -> Result<()> {
        match &*Head::read(&entry.what)? {
            Head::Delivery(head) => self.delivery(entry, head).await,
            Head::Record(head) => self.record(entry, head).await,
        }
    }

    async fn gave_up(&self, entry: &Entry, error: &Error) {
        let Ok(head) = Head::read(&entry.what) else { return };
        let Ok(Some(row)) = self.host.store().connection(head.connection()).await else { return };
        let (code, number) = (error.code().as_str(), entry.number);
        self.host.0.tell(&Notice {
            tenant: row.tenant,
            name: row.name,
            owner: row.owner,
            kind: NoticeKind::DeadLetter,
            reason: format!("the delivery {number} could not be handed on, {code}: {}", error.message()),
        });
    }

    async fn ready(&self) {
        self.sink.ready().await;
    }
}

impl Host {
    /// A way into the inbox of the host's store, and out of it.
    pub fn inbox(&self, policy: InboxPolicy) -> Inbox {
        Inbox::new(self.store().clone(), self.clock().clone(), policy)
    }

    /// Hands what is in an inbox on to a sink, until it is cancelled: event flows make events of deliveries, for the connection that
    /// each came by.
    pub async fn hand_on(&self, inbox: &Inbox, sink: Arc<dyn Sink>, stop: &Cancel) {
        let handed = inbox.dispatch(
            Arc::new(Handling { host: self.clone(), sink, recent: Recent::new(FRESH, REMEMBERED) }),
            stop,
        );
        // What looks of this process find need not wait for the inbox to be looked through.
        let told = async {
            loop {
                self.0.found.notified().await;
                inbox.wake();
            }
        };
        tokio::select! {
            () = handed => {}
            () = told => {}
        }
    }
}

impl Handling {
    async fn delivery(&self, entry: &Entry, head: &DeliveryHead) -> Result<()> {
        let row = self.row(&head.connection).await?;
        let mut events = Vec::with_capacity(head.events.len());
        for event in &head.events {
            if self.host.only_wakes(&head.connector, event)? {
                Box::pin(self.host.wake(&row, event, &entry.what.source)).await?;
            } else {
                events.push(event);
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        let connection = self.host.ready(&row).await?;
        for event in events {
            let flow = serves(connection.connector().flows(), event).ok_or_else(|| {
                let message = format!("`{}` has no flow that serves the event `{event}`", head.connector);
                Error::coded(Code::EventMismatch, message).actor(linchpin::Actor::Author)
            })?;
            let run = event::id(&[&entry.what.source, &entry.what.identity, event]);
            let mut invocation = Invocation::new(&connection, flow)
                .delivery(head.delivery(&entry.what))
                .run_id(&run)
                .typed(true);
            if let Some(options) = &head.options
                && flow.shape_of(linchpin::flow::Slot::Options).is_some()
            {
                invocation = invocation.options(options.as_str());
            }
            let ran = self.host.runtime().run(invocation).await.map_err(Error::from)?;
            let values = values(flow, ran.output)?;
            let owner = [&*entry.what.source, "/", &entry.what.identity].concat();
            let options = head.options.as_deref().unwrap_or("{}");
            // Whoever comes first hands a record on, this or the look of a monitor; and does so again when it is tried again.
            let first = self.host.claim_delivered(&row, event, options, &owner, &values).await?;
            let firsts = values.into_iter().enumerate().zip(first).filter(|(_, first)| *first);
            for ((index, data), _) in firsts {
                // By its place, since a flow that is run again makes the same of the same.
                let id = if index == 0 { run.clone() } else { event::id(&[&run, &index.to_string()]) };
                self.sink
                    .take(&Event {
                        id,
                        kind: [&*head.connector, ".", event].concat(),
                        received: entry.what.received,
                        tenant: row.tenant.clone(),
                        connection: row.name.clone(),
                        source: entry.what.source.clone(),
                        subscription: None,
                        data,
                    })
                    .await?;
            }
        }
        Ok(())
    }

    async fn record(&self, entry: &Entry, head: &RecordHead) -> Result<()> {
        let row = self.row(&head.connection).await?;
        let json = String::from_utf8(entry.what.body.to_vec()).ok();
        let data = json.and_then(|json| RawValue::from_string(json).ok()).ok_or_else(|| {
            let message = format!("the record `{}` is no JSON", entry.what.identity);
            Error::coded(Code::StoreFailed, message)
        })?;
        let RecordHead { connector, event, subscription, .. } = head;
        self.sink
            .take(&Event {
                id: event::id(&[&entry.what.source, &entry.what.identity, event]),
                kind: format!("{connector}.{event}"),
                received: entry.what.received,
                tenant: row.tenant.clone(),
                connection: row.name.clone(),
                source: entry.what.source.clone(),
                subscription: Some(subscription.clone()),
                data: data.into(),
            })
            .await
    }

    /// A connection as it is now, or was a moment ago.
    async fn row(&self, id: &str) -> Result<Arc<store::Connection>> {
        let changes = self.host.0.changes.count();
        if let Some(row) = self.recent.get(id, changes) {
            return Ok(row);
        }
        let read = Instant::now();
        let row = self.host.store().connection(id).await?.ok_or_else(|| {
            Error::coded(Code::ConnectionUnknown, "the connection that this came by has been taken away")
        })?;
        let row = Arc::new(row);
        self.recent.put(id.to_owned(), read, changes, row.clone());
        Ok(row)
    }
}

/// The flow that serves an event.
fn serves(flows: &[&'static FlowDescriptor], event: &str) -> Option<&'static FlowDescriptor> {
    let serves = |flow: &&FlowDescriptor| matches!(flow.kind, KindInfo::WebhookEvent { event: served } if served == event);
    flows.iter().copied().find(serves)
}

/// The events that an event flow gave: one, none where it gave nothing, or several.
fn values(flow: &FlowDescriptor, output: Output) -> Result<Vec<EventData>> {
    let shape = (flow.result)().shape.map(|shape| shape());
    let json = match output {
        // One that cannot be nothing is one.
        Output::Typed(value) if matches!(shape, Some(Shape::Struct(_))) => {
            return Ok(vec![EventData::typed(value)]);
        }
        Output::Typed(value) => value.to_json()?,
        Output::Value(json) => json,
        _ => return Ok(Vec::new()),
    };
    let unread = |error: serde_json::Error| {
        let message = format!("the result of `{}` cannot be read: {error}", flow.name);
        Error::coded(Code::OutputInvalid, message)
    };
    match shape {
        Some(Shape::List { .. }) => serde_json::from_str(&json).map_err(unread),
        _ if json == "null" => Ok(Vec::new()),
        _ => Ok(vec![RawValue::from_string(json).map_err(unread)?.into()]),
    }
}
