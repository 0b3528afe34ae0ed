//! The keys of hooks.

use linchpin::{
    Actor, Code, Error, Result, Secret,
    extract::ConnectionValues,
    manifest::spec::{Hook, SignatureKey},
};

use crate::random;

/// The key for a hook's deliveries: the registration's own, a field of the connection, or the operator's. None where the hook needs
/// none, as for signatures by public keys that the spec has.
///
/// # Errors
///
/// [`Code::ConnectionInvalid`] when it is a field that the connection lacks, [`Code::SignatureInvalid`] when it is the registration's or the
/// operator's and there is none.
pub fn key<'a>(
    hook: &Hook,
    registration: Option<&'a Secret>,
    values: &'a ConnectionValues,
    app: Option<&'a Secret>,
) -> Result<Option<&'a Secret>> {
    let missing = |whose: &str| {
        let message = format!("{whose} of the hook `{}` is missing", hook.key);
        Error::coded(Code::SignatureInvalid, message)
    };
    match hook.signature.as_ref().and_then(|signature| signature.key.as_ref()) {
        Some(SignatureKey::Field(field)) => values.need(field).map(Some),
        Some(SignatureKey::App) => {
            app.map(Some).ok_or_else(|| missing("the operator's key").actor(Actor::Operator))
        }
        Some(SignatureKey::Registration) => {
            registration.map(Some).ok_or_else(|| missing("the key of the registration"))
        }
        _ => Ok(None),
    }
}

/// A key for a new registration: 32 random bytes as hexadecimal.
///
/// # Errors
///
/// [`Code::Failed`] when the system has no random numbers.
pub fn signing_secret() -> Result<Secret> {
    let random: [u8; 32] = random::bytes(Code::Failed, "for a signing secret")?;
    Ok(Secret::new(hex(&random)))
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits =
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

/// The bytes of a hexadecimal text of either case, into a buffer of just their length.
pub(super) fn unhex(text: &[u8], bytes: &mut [u8]) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}
