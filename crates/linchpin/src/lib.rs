//! Connectors to other people's APIs, written as annotated Rust functions.
//!
//! A connector is one crate and one spec. The spec says what is simply true of the service: where it is, how it authenticates, how it
//! pages, what its errors mean. The crate holds behaviour: functions, each with an attribute that says what kind of flow it is.
//!
//! | attribute | the function |
//! | :- | :- |
//! | [`macro@action`] | is a card that users see: it reads, creates, updates or deletes |
//! | [`macro@authping`] | checks that a connection works, and whose it is |
//! | [`macro@revoke`] | kills a connection's tokens at the service |
//! | [`macro@webhook`] | registers, checks, renews or deregisters a webhook, or shapes its deliveries into events |
//! | [`macro@helper`] | is called by other flows, and gives fields their choices |
//! | [`macro@monitor`] | looks for news on a schedule |
//!
//! The function stays exactly what its author wrote; a descriptor is registered beside it. This crate knows no HTTP client and no
//! executor: a runtime stands behind [`Context`].

// `#[fields]` in this crate names the crate as everywhere else.
extern crate self as linchpin;

pub mod connector;
pub mod context;
pub mod describe;
pub mod digest;
mod error;
pub mod extract;
pub mod file;
pub mod flow;
pub mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hook;
pub mod json;
pub mod line;
mod link;
mod page;
mod paging;
pub mod records;
pub mod request;
mod rows;
pub mod schema;
mod secret;
pub mod shape;
pub mod value;
#[cfg(feature = "xml")]
mod xml;

pub use bytes;
pub use http;
pub use linchpin_manifest as manifest;
pub use serde;
pub use serde_json;

#[doc = include_str!("doc/action.md")]
pub use linchpin_macros::action;
#[doc = include_str!("doc/authping.md")]
pub use linchpin_macros::authping;
#[doc = include_str!("doc/connector.md")]
pub use linchpin_macros::connector;
#[doc = include_str!("doc/fields.md")]
pub use linchpin_macros::fields;
#[doc = include_str!("doc/helper.md")]
pub use linchpin_macros::helper;
#[doc = include_str!("doc/monitor.md")]
pub use linchpin_macros::monitor;
#[doc = include_str!("doc/path.md")]
pub use linchpin_macros::path;
#[doc = include_str!("doc/revoke.md")]
pub use linchpin_macros::revoke;
#[doc = include_str!("doc/webhook.md")]
pub use linchpin_macros::webhook;

pub use crate::{
    connector::Connector,
    context::{Context, Unconnected},
    error::{Actor, Code, Details, Error, Result, Violation},
    extract::{
        Cursor, EventBase, EventUrl, Input, Look, Options, Overlap, Payload, Registered, Selected,
        SigningSecret, Since, Tokens,
    },
    file::FileRef,
    hook::{Found, HookState, HookStatus},
    records::Records,
    request::{RequestBuilder, Response},
    secret::Secret,
    value::{
        Choice, ChoiceQuery, Choices, DateTime, DateTimeError, Delivery, File, Identity, Number, NumberError,
        Polled, RevokeOutcome, Revoked, Seconds,
    },
};

/// What a connector's sources begin with: `use linchpin::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Actor, Choice, ChoiceQuery, Choices, Code, Context, Cursor, DateTime, Delivery, Error, EventBase,
        EventUrl, File, FileRef, Found, HookState, HookStatus, Identity, Input, Look, Number, Options,
        Overlap, Payload, Polled, Records, Registered, Result, Revoked, Seconds, Secret, Selected,
        SigningSecret, Since, Unconnected, action, authping, fields, helper, monitor, path, revoke, webhook,
    };
}

/// What generated code names; nothing here is for people, and all of it may change with any version.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use serde;

    pub use crate::{
        Connector, Context, Error, Result, Secret,
        connector::{ConnectorInfo, Hooks, Owner, Registration, SpecFile},
        extract::FirstParameter,
        extract::{Call, Parameter, ParameterInfo},
        flow::{
            BoxFuture, ChoiceSource, Effect, Flow, FlowDescriptor, FromContext, Helper, Idempotency,
            KindInfo, Produced, Registers, RegistersAs, ResultInfo, Returns, Slot, kind,
        },
        request::{Path, PathPiece, PathValue, build_path},
        shape::{Bounds, ChoiceInfo, FieldInfo, FieldType, Fields, FlatSlot, Shape, StructShape, serial},
        value::Choices,
    };

    /// Who registers here.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __linchpin_owner {
        () => {
            $crate::__private::Owner {
                package: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                // Doc tests have no name of their own; rustc's module path begins with the crate's.
                krate: ::core::module_path!(),
            }
        };
    }
    pub use crate::__linchpin_owner as owner;

    /// The descriptor of a helper that gives choices.
    pub fn choice_source<F: ChoiceSource>() -> &'static FlowDescriptor {
        F::DESCRIPTOR
    }

    /// Fails to compile when two parameters take the same place.
    #[track_caller]
    pub const fn once(slots: &[Slot]) {
        let mut at = 0;
        while at < slots.len() {
            let mut other = at + 1;
            while other < slots.len() {
                assert!(
                    slots[at] as u8 != slots[other] as u8,
                    "two parameters of this flow take the same thing; group the fields of both in one struct"
                );
                assert!(
                    !slots[at].holds(slots[other]) && !slots[other].holds(slots[at]),
                    "`Look` is `Cursor`, `Since` and `Overlap` in one; take it, or some of them"
                );
                other += 1;
            }
            at += 1;
        }
    }

    /// Fails to compile when a helper without a connection takes one by another parameter.
    #[track_caller]
    pub const fn unconnected(connected: bool, slots: &[Slot]) {
        let mut at = 0;
        while at < slots.len() {
            assert!(
                connected || !matches!(slots[at], Slot::Connection | Slot::Config | Slot::Context),
                "a helper that takes `Unconnected` has nothing of the connection; take this parameter away, or take `Context` in its place"
            );
            at += 1;
        }
    }

    /// Runs a flow: takes its parameters out of the call, calls it, and makes of its result what the runtime takes.
    ///
    /// In a generic function the future is `Send` because [`Flow::call`] says so. Written out beside the flow, rustc
    /// would look into the author's function once more, and report one that is not `Send` twice.
    pub fn run<F: Flow>(
        mut call: Call,
        take: fn(&mut Call) -> Result<F::Args>,
        produce: fn(F::Output) -> Result<Produced>,
    ) -> BoxFuture<'static, Result<Produced>> {
        Box::pin(async move {
            let args = take(&mut call)?;
            produce(F::call(call.cx, args).await)
        })
    }

    /// The default of a field as JSON.
    pub fn default_json<T: FieldType>(default: T) -> serde_json::Value {
        serde_json::to_value(default).unwrap_or(serde_json::Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use crate::{__private::unconnected, flow::Slot};

    #[test]
    fn a_helper_without_a_connection_takes_nothing_that_may_hold_its_secrets() {
        for slot in [Slot::Connection, Slot::Config, Slot::Context] {
            unconnected(true, &[slot]);
            assert!(std::panic::catch_unwind(|| unconnected(false, &[slot])).is_err(), "{slot:?}");
        }
        unconnected(false, &[Slot::Input]);
    }
}
