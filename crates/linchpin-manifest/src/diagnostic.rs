//! What is told about a spec or a flow: plain data, rendered elsewhere.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use crate::rules::Rule;
use crate::source::Source;

/// One problem, with every place that takes part in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The rule's stable code, as in `LP101`.
    pub code: &'static str,
    /// Whether it stops the build.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The places; the primary one first.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Vec<String>,
}

/// Whether a problem stops the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It does.
    Error,
    /// It is told, and the build goes on.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A place, and what it has to do with the problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The place.
    pub location: Location,
    /// What stands beside it; may be empty.
    pub text: String,
    /// Whether the problem is here, or only has to do with it.
    pub primary: bool,
}

/// A stretch of one line of a file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Location {
    /// The file's path.
    pub file: String,
    /// The line, from 1; 0 for a file as a whole.
    pub line: u32,
    /// The column of the first character, from 1.
    pub column: u32,
    /// The last line: the same one.
    pub end_line: u32,
    /// The column behind the last character.
    pub end_column: u32,
    /// The file's text, where it is known.
    pub source: Option<Arc<Source>>,
    /// The bytes in that text.
    pub span: Range<usize>,
}

impl Location {
    /// A place in a file whose text is not known.
    pub fn point(file: &str, line: u32, column: u32) -> Location {
        Location {
            file: file.to_owned(),
            line,
            column,
            end_line: line,
            end_column: column,
            source: None,
            span: 0..0,
        }
    }

    /// A file as a whole.
    pub fn file(file: &str) -> Location {
        Location::point(file, 0, 0)
    }
}

impl Diagnostic {
    /// A problem against a rule, without places yet.
    pub fn new(rule: &'static Rule, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: rule.code,
            severity: rule.severity,
            message: message.into(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn label(mut self, location: Location, text: impl Into<String>) -> Diagnostic {
        let primary = self.labels.is_empty();
        self.labels.push(Label { location, text: text.into(), primary });
        self
    }

    /// Adds a remedy.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Whether it stops the build.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn order(&self, other: &Diagnostic) -> Ordering {
        fn key(diagnostic: &Diagnostic) -> (&str, u32, u32, &str, &str) {
            let place = diagnostic.labels.first().map(|label| &label.location);
            let (file, line, column) = place.map_or(("", 0, 0), |at| (&at.file, at.line, at.column));
            (file, line, column, diagnostic.code, &diagnostic.message)
        }
        key(self).cmp(&key(other))
    }
}

/// Sorts by file, line, column and code, and drops what is told twice.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(Diagnostic::order);
    diagnostics.dedup();
}
