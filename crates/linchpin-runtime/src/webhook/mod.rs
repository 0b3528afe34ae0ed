//! Deliveries: whether they prove where they come from, what they ask, whom they are for and which events they are.
//!
//! A [`Guard`] is made once for a hook and judges its deliveries by what the spec says. It reads nothing but the delivery; the
//! few schemes whose keys are published ask a [`Fetcher`] for them.

mod detached;
mod event;
mod fetcher;
mod guard;
mod handshake;
mod key;
mod place;
mod scrub;
mod sns;
mod token;

pub(crate) use self::event::check_event;
pub use self::{
    event::events,
    fetcher::Fetcher,
    guard::{Guard, Judged, Reply},
    key::{key, signing_secret},
    place::raw_at,
};

use std::borrow::Cow;

use linchpin::{Code, Error};

/// The refusal of a delivery that does not prove where it comes from.
fn refusal(message: impl Into<Cow<'static, str>>) -> Error {
    Error::coded(Code::SignatureInvalid, message)
}

/// The longest header, query parameter or other value that is looked at, in bytes.
const LONGEST_VALUE: usize = 8 << 10;
