//! Checks specs and flows against the rules.

#[cfg(test)]
#[cfg(feature = "check")]
pub(crate) mod example;
#[cfg(feature = "check")]
mod field;
mod hook;
#[cfg(feature = "check")]
mod join;
mod outcome;
#[cfg(feature = "check")]
mod schedule;
mod spec;

#[cfg(feature = "check")]
pub use join::join;
pub(crate) use spec::alone;

use crate::diagnostic::Diagnostic;
use crate::spec::Parsed;

/// Everything that the rules of specs alone have to say: the same as [`Parsed::diagnostics`], sorted.
pub fn spec(parsed: &Parsed) -> Vec<Diagnostic> {
    parsed.diagnostics.clone()
}

/// Whether a text is fit for a label: letters, digits, inner blanks and a few marks.
pub(crate) fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "-_/'&().,".contains(c))
}

/// The remedy where [`is_label`] does not hold.
pub(crate) const LABEL_HELP: &str = "use letters, digits, inner blanks and `-_/'&().,`";
