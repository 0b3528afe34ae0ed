//! Random numbers, or why there are none.

use linchpin::{Actor, Code, Error, Result};

/// Random bytes; `what` says what for, as in `for an idempotency key`.
pub(crate) fn bytes<const N: usize>(code: Code, what: &str) -> Result<[u8; N]> {
    let mut random = [0; N];
    getrandom::fill(&mut random).map_err(|error| {
        Error::coded(code, format!("no random numbers can be had {what}: {error}")).actor(Actor::Operator)
    })?;
    Ok(random)
}
