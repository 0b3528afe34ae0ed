//! What a service says of registered webhooks.

use std::fmt;

use linchpin_macros::fields;

use crate::{
    DateTime, Result,
    flow::{Flow, Gives, not_json},
    shape::FieldType,
};

/// How a registered webhook is at the service: what a `#[webhook(check)]` flow gives.
///
/// ```
/// use linchpin::{EventUrl, HookState, HookStatus};
///
/// let ours = EventUrl("https://hooks.example/in/1".into());
/// assert_eq!(HookState::at("https://hooks.example/in/1", &ours).status, HookStatus::Healthy);
/// let moved = HookState::at("https://old.example/in/1", &ours);
/// assert_eq!((moved.status, moved.url.as_deref()), (HookStatus::Elsewhere, Some("https://old.example/in/1")));
/// ```
#[fields]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookState {
    /// Status
    pub status: HookStatus,
    /// Delivers to
    ///
    /// Where it is another URL than the registered one.
    pub url: Option<String>,
    /// Expires
    pub expires: Option<DateTime>,
}

/// How a registered webhook is.
#[fields]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookStatus {
    /// Healthy
    Healthy,
    /// Paused: there, but the service does not deliver
    Paused,
    /// Elsewhere: it delivers to another URL
    Elsewhere,
    /// Missing
    Missing,
}

impl HookState {
    fn of(status: HookStatus) -> HookState {
        HookState { status, url: None, expires: None }
    }

    /// It is there, and delivers to our URL.
    pub fn healthy() -> HookState {
        HookState::of(HookStatus::Healthy)
    }

    /// It is there, and the service has stopped delivering: after failures, or because somebody turned it off.
    pub fn paused() -> HookState {
        HookState::of(HookStatus::Paused)
    }

    /// The service has it no more. A check that fails with [`Code::NotFound`](crate::Code::NotFound) means the same.
    pub fn missing() -> HookState {
        HookState::of(HookStatus::Missing)
    }

    /// It is there, and delivers to this URL in place of ours.
    pub fn elsewhere(url: impl Into<String>) -> HookState {
        HookState { url: Some(url.into()), ..HookState::of(HookStatus::Elsewhere) }
    }

    /// [Healthy](HookState::healthy) when the service delivers to our URL, else [elsewhere](HookState::elsewhere).
    pub fn at(found: &str, ours: &str) -> HookState {
        if found == ours { HookState::healthy() } else { HookState::elsewhere(found) }
    }

    /// Adds when it stops delivering unless it is renewed.
    #[must_use]
    pub fn expires(mut self, at: DateTime) -> HookState {
        self.expires = Some(at);
        self
    }
}

/// A webhook that a service lists, with what the registering flow `F` would have given for it: what a `#[webhook(list)]` flow gives.
///
/// Others than those of this installation may be among them; the host looks at the URL and leaves them alone.
pub struct Found<F: Flow>
where
    F::Output: Gives,
{
    /// What the registration gave, or would have given.
    pub registered: <F::Output as Gives>::Value,
    /// Where it delivers.
    pub url: String,
    /// Whether the service has stopped delivering to it.
    pub paused: bool,
}

impl<F: Flow> Found<F>
where
    F::Output: Gives,
{
    /// A webhook that delivers to a URL.
    pub fn new(registered: <F::Output as Gives>::Value, url: impl Into<String>) -> Found<F> {
        Found { registered, url: url.into(), paused: false }
    }

    /// Says whether the service has stopped delivering to it.
    #[must_use]
    pub fn paused(mut self, paused: bool) -> Found<F> {
        self.paused = paused;
        self
    }

    pub(crate) fn into_listed(self) -> Result<Listed>
    where
        <F::Output as Gives>::Value: FieldType,
    {
        let registered = serde_json::to_value(&self.registered).map_err(not_json)?;
        Ok(Listed { registered, url: self.url, paused: self.paused })
    }
}

impl<F: Flow> fmt::Debug for Found<F>
where
    F::Output: Gives,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Found({} at {})", F::DESCRIPTOR.name, self.url)
    }
}

/// A [`Found`] without its type, as it crosses the edge.
#[fields]
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Registration
    pub registered: serde_json::Value,
    /// Delivers to
    pub url: String,
    /// Paused
    pub paused: bool,
}
