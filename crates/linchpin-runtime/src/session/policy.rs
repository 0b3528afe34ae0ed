//! What a call allows its requests.

use std::time::Duration;

use linchpin::flow::{Effect, FlowDescriptor, Idempotency, KindInfo};

use crate::runtime::Cancel;

/// What a call allows its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// The key of the flow that makes them.
    pub(crate) flow: &'static str,
    /// What the call is known by, so that its writes carry the same keys when it is made again.
    pub(crate) run: Option<String>,
    /// When the call must be over, and how long it was given.
    pub(crate) deadline: Option<(tokio::time::Instant, Duration)>,
    /// Before which request a dry run stops.
    pub(crate) stop: Stop,
    /// Whether writes carry idempotency keys.
    pub(crate) keyed: bool,
    /// Whether requests may come twice that carry no key.
    pub(crate) repeatable: bool,
    /// Whether what is said and told is kept.
    pub(crate) record: bool,
    /// By what whoever made the call takes it back.
    pub(crate) cancel: Option<Cancel>,
}

impl Policy {
    /// What a flow allows by its nature.
    pub(crate) fn of(flow: &FlowDescriptor) -> Policy {
        // A registration whose answer was lost is made again under the same id, and so becomes one where the service knows keys.
        let keyed = matches!(
            flow.kind,
            KindInfo::Action { idempotency: Some(Idempotency::Key), .. } | KindInfo::WebhookRegister { .. }
        );
        Policy { flow: flow.name, keyed, repeatable: flow.repeatable() && !keyed, ..Policy::default() }
    }
}

/// Before which request a call stops.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Stop {
    /// Before none.
    #[default]
    Never,
    /// Before the first other than GET or HEAD.
    AtWrite,
    /// Before the first.
    AtOnce,
}

impl Stop {
    /// Where a dry run of a flow stops, so that nothing changes at the service.
    pub(crate) fn of(flow: &FlowDescriptor) -> Stop {
        match flow.kind {
            KindInfo::Action { effect: Effect::Read, .. } => Stop::Never,
            KindInfo::Action { .. }
            | KindInfo::WebhookRegister { .. }
            | KindInfo::WebhookDeregister { .. }
            | KindInfo::WebhookRenew { .. } => Stop::AtWrite,
            // Some services kill tokens by a GET.
            KindInfo::Revoke => Stop::AtOnce,
            _ => Stop::Never,
        }
    }

    pub(super) fn is_before(self, safe: bool) -> bool {
        match self {
            Stop::Never => false,
            Stop::AtWrite => !safe,
            Stop::AtOnce => true,
        }
    }
}
