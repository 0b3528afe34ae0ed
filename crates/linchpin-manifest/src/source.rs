//! A file's text, and where in it each value stands.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Location;

/// A file's text with the places of its values.
///
/// A value is asked for by its path, which is a JSON pointer from the root of the file: `/auth/token/kind`,
/// `/http/outcome/0/when`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// The file's path, as messages show it.
    pub path: String,
    /// The whole text.
    pub text: String,
    pub(crate) spans: BTreeMap<String, Spans>,
}

/// Where a value and its key stand, in bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    /// The key; for an item of a list, the item.
    pub key: Range<usize>,
    /// The value; for a table with a header, the header.
    pub value: Range<usize>,
}

impl fmt::Debug for Source {
    /// Only the path: places hold their source, and nobody wants to read the whole text with each of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// A file without known values: of Rust, say.
    pub fn plain(path: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { path: path.into(), text: text.into(), spans: BTreeMap::new() })
    }

    /// Where the value at this path stands.
    pub fn spans(&self, path: &str) -> Option<&Spans> {
        self.spans.get(path)
    }

    /// Every known value with its path, in the order of the paths.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Spans)> {
        self.spans.iter().map(|(path, spans)| (path.as_str(), spans))
    }

    /// The place of the value at this path; of its nearest parent where the file has no such value.
    pub fn value(self: &Arc<Self>, path: &str) -> Location {
        self.nearest(path, |spans| spans.value.clone())
    }

    /// The place of the key at this path; of its nearest parent where the file has no such value.
    pub fn key(self: &Arc<Self>, path: &str) -> Location {
        self.nearest(path, |spans| spans.key.clone())
    }

    fn nearest(self: &Arc<Self>, path: &str, pick: fn(&Spans) -> Range<usize>) -> Location {
        if let Some(spans) = self.spans.get(path) {
            return self.location(pick(spans));
        }
        let mut path = path;
        while let Some((parent, _)) = path.rsplit_once('/') {
            if let Some(spans) = self.spans.get(parent) {
                return self.location(spans.key.clone());
            }
            path = parent;
        }
        self.location(0..0)
    }

    /// The place of a stretch of bytes, trimmed to its first line.
    pub fn location(self: &Arc<Self>, span: Range<usize>) -> Location {
        let text = &self.text;
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |at| start + at);
        let end = if end > line_end { start + text[start..line_end].trim_end().len() } else { end };
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = count(text[..line_start].matches('\n').count() + 1);
        Location {
            file: self.path.clone(),
            line,
            column: count(text[line_start..start].chars().count() + 1),
            end_line: line,
            end_column: count(text[line_start..end].chars().count() + 1),
            source: Some(Arc::clone(self)),
            span: start..end,
        }
    }

    /// The place of the word that begins at a line and column, both from 1.
    pub fn word(self: &Arc<Self>, line: u32, column: u32) -> Location {
        let nth = (line.max(1) - 1) as usize;
        let mut at = 0;
        for (index, text) in self.text.split_inclusive('\n').enumerate() {
            if index == nth {
                let skipped: usize =
                    text.chars().take((column.max(1) - 1) as usize).map(char::len_utf8).sum();
                let start = at + skipped;
                let word: usize = self.text[start..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .map(char::len_utf8)
                    .sum();
                return self.location(start..start + word.max(1));
            }
            at += text.len();
        }
        let mut location = Location::point(&self.path, line, column);
        location.source = None;
        location
    }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Adds a key to a path, escaped as RFC 6901 says.
pub(crate) fn join(path: &str, key: &str) -> String {
    if key.contains(['~', '/']) {
        return format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    }
    [path, "/", key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_trimmed_to_its_first_line() {
        let source = Source::plain("a.toml", "one = 1\n  two = [\n 3 ]\n");
        let place = source.location(10..22);
        assert_eq!((place.line, place.column, place.end_line, place.end_column), (2, 3, 2, 10));
    }

    #[test]
    fn columns_count_characters() {
        let source = Source::plain("a.toml", "\u{e9}\u{e9} = 1");
        assert_eq!(source.location(7..8).column, 6);
    }

    #[test]
    fn a_span_outside_the_text_is_no_panic() {
        let source = Source::plain("a.toml", "\u{e9}");
        for start in 0..5 {
            for end in 0..5 {
                source.location(start..end);
            }
            source.word(start as u32, 9);
        }
    }

    #[test]
    fn a_word_is_found_by_line_and_column() {
        let source = Source::plain("a.rs", "//\npub async fn create_issue() {}\n");
        let place = source.word(2, 14);
        assert_eq!(&source.text[place.span.clone()], "create_issue");
    }
}
