//! A TOML document as a tree that keeps the order of the file and the place of everything.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::diagnostic::Diagnostic;
use crate::rules;
use crate::source::{Source, Spans, join};

/// A value with its place.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) value: Value,
}

/// A value as TOML has it.
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    /// Nothing for a number that does not fit.
    Integer(Option<i64>),
    Float(f64),
    Bool(bool),
    Time,
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Default for Value {
    fn default() -> Value {
        Value::Table(Vec::new())
    }
}

impl Value {
    /// What messages call a value of this type.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Bool(_) => "true or false",
            Value::Time => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The value of a key, where this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a table; nothing for other values.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }
}

/// Reads a document: its tree, its places, and what is not TOML in it.
pub(super) fn read(path: &str, text: &str) -> (Arc<Source>, Node, Vec<Diagnostic>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut spans = BTreeMap::from([(String::new(), Spans { key: 0..0, value: 0..0 })]);
    let value = Value::Table(entries("", table.get_ref(), &mut Some(&mut spans)));
    let source = Arc::new(Source { path: path.to_owned(), text: text.to_owned(), spans });
    let diagnostics = errors
        .iter()
        .map(|error| {
            let at = source.location(error.span().unwrap_or(0..0));
            Diagnostic::new(&rules::LP100, format!("not TOML: {}", first_line(error.message())))
                .label(at, "here")
                .help("the format is described at https://toml.io")
        })
        .collect();
    (source, Node { path: String::new(), value }, diagnostics)
}

/// Reads a document in which nobody will ask for a place: its tree, without paths.
pub(super) fn read_without_places(text: &str) -> Option<Node> {
    let table = DeTable::parse(text).ok()?;
    Some(Node { path: String::new(), value: Value::Table(entries("", table.get_ref(), &mut None)) })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Where every value stands, by its path.
type Places<'a> = Option<&'a mut BTreeMap<String, Spans>>;

fn entries(path: &str, table: &DeTable<'_>, places: &mut Places<'_>) -> Vec<(String, Node)> {
    let mut sorted: Vec<_> = table.iter().collect();
    // The parser sorts by name; users should see the order of the file.
    sorted.sort_by_key(|(key, value)| key.span().start.min(value.span().start));
    sorted
        .into_iter()
        .map(|(key, value)| {
            let path = if places.is_some() { join(path, key.get_ref()) } else { String::new() };
            (key.get_ref().to_string(), node(path, key.span(), value, places))
        })
        .collect()
}

fn node(path: String, key: Range<usize>, value: &Spanned<DeValue<'_>>, places: &mut Places<'_>) -> Node {
    if let Some(places) = places {
        places.insert(path.clone(), Spans { key, value: value.span() });
    }
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(integer(number)),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let path = if places.is_some() { join(&path, &index.to_string()) } else { String::new() };
                list.push(node(path, item.span(), item, places));
            }
            Value::List(list)
        }
        DeValue::Table(table) => Value::Table(entries(&path, table, places)),
    };
    Node { path, value }
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
