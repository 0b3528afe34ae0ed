//! Digests of files.

use std::{fmt, str::FromStr};

use sha2::Digest as _;

use crate::{Code, Error, value::base64};

/// The SHA-256 of a file, by which it is known to be the one that was meant.
///
/// ```
/// use linchpin::digest::Digest;
///
/// let digest = Digest::of(b"abc");
/// assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
/// assert_eq!("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD".parse(), Ok(digest));
/// assert_eq!("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// A text is neither the hexadecimal nor the base64 form of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestError;

impl Digest {
    /// The digest of bytes that are all there.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(sha2::Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads it as services write it: in hexadecimal digits, or base64.
    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let hex = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
        let bytes = match text.len() {
            64 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => (0..32).map(hex).collect(),
            _ => base64::decode(text),
        };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Digest).ok_or(DigestError)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no SHA-256, neither in hexadecimal digits nor in base64")
    }
}

impl std::error::Error for DigestError {}

impl From<DigestError> for Error {
    fn from(error: DigestError) -> Error {
        Error::coded(Code::ResponseMalformed, format!("a digest cannot be read: {error}")).caused_by(error)
    }
}

/// The SHA-256 of bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Hash(sha2::Sha256);

impl Hash {
    /// Nothing yet.
    pub fn new() -> Hash {
        Hash::default()
    }

    /// Adds a piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all so far.
    pub fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}
