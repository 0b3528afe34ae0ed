//! Secrets at rest: sealed, each bound to its place.

use std::fmt;

/// A sealed text, which only the right key opens, and only at its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub(crate) Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Where a sealed text stands: what it is, and of which record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What it is.
    pub kind: Kind,
    /// The id of its record.
    pub id: String,
}

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The fields of a connection.
    Fields,
    /// The tokens of a connection.
    Grant,
    /// What a revocation needs.
    Revocation,
    /// The secret of an OAuth client; the id is `connector/method`.
    Client,
}
