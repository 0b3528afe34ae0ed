//! Specs: one TOML file per connector.

mod decode;
mod format;
mod grammar;
mod model;
mod read;
mod template;
mod tree;
pub mod unit;

use std::sync::Arc;

use crate::diagnostic::{self, Diagnostic};
use crate::source::Source;

pub use model::*;

#[cfg(all(test, feature = "check"))]
pub(crate) use decode::title_case;
#[cfg(feature = "model")]
pub(crate) use {
    format::Format,
    grammar::{Key, ROOT, Shape, Table, Tagged},
};
#[cfg(feature = "check")]
pub(crate) use {format::is_pointer, template::is_key};
pub(crate) use {
    format::is_token,
    read::{list, nearest},
};

/// A spec as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parsed {
    /// The text, and where in it each value stands.
    pub source: Arc<Source>,
    /// The spec; nothing where a diagnostic is an error.
    pub spec: Option<Spec>,
    /// Everything that the rules of specs alone have to say, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// What could be read, with defaults in place of what could not: what the joint rules look at.
    pub(crate) draft: Spec,
}

/// Reads a spec and checks it against every rule of specs alone; `path` is what messages call the file.
///
/// ```
/// let parsed = linchpin_manifest::spec::parse("specs/tracker.toml", "schema = 1\nkye = \"tracker\"\n");
/// assert!(parsed.spec.is_none());
/// assert!(parsed.diagnostics.iter().any(|diagnostic| diagnostic.message == "the spec knows no `kye`"));
/// ```
pub fn parse(path: &str, text: &str) -> Parsed {
    let (source, tree, mut diagnostics) = tree::read(path, text);
    // What is behind a syntax error may be missing for no other reason, so nothing more is said then.
    let draft = decode::spec(&tree);
    if diagnostics.is_empty() {
        diagnostics.extend(read::check(&source, &tree));
        let clean = diagnostics.is_empty();
        diagnostics.extend(crate::check::alone(&source, &draft, clean));
    }
    diagnostic::sort(&mut diagnostics);
    let usable = !diagnostics.iter().any(Diagnostic::is_error);
    Parsed { source, spec: usable.then(|| draft.clone()), diagnostics, draft }
}
