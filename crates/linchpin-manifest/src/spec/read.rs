//! Checks a document against the grammar: keys, types, and the form of every text.

use std::fmt;
use std::sync::Arc;

use super::format::Format;
use super::grammar::{self, Key, Shape, Tagged, Word};
use super::tree::{Node, Value};
use crate::diagnostic::Diagnostic;
use crate::rules;
use crate::source::Source;

/// Every problem that the document has with the grammar.
pub(super) fn check(source: &Arc<Source>, root: &Node) -> Vec<Diagnostic> {
    let mut walk = Walk { source, found: Vec::new() };
    if let Value::Table(entries) = &root.value {
        walk.keys(format_args!("the spec"), root, entries, &[grammar::ROOT.keys]);
    }
    walk.found
}

struct Walk<'a> {
    source: &'a Arc<Source>,
    found: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node, shape: &Shape) {
        match (shape, &node.value) {
            (Shape::Text(format), Value::Text(text)) => self.text(node, *format, text, false),
            (Shape::Word(words), Value::Text(text)) => self.word(node, words, text),
            (Shape::Integer { least, most }, Value::Integer(number)) => {
                self.integer(node, *number, *least, *most);
            }
            (Shape::Bool, Value::Bool(_)) | (Shape::Literal, Value::Text(_) | Value::Bool(_)) => {}
            (Shape::Literal, Value::Float(number)) if number.is_finite() => {}
            (Shape::Literal, Value::Float(_)) => self.integer(node, None, i64::MIN, i64::MAX),
            (Shape::Literal, Value::Integer(number)) => self.integer(node, *number, i64::MIN, i64::MAX),
            (Shape::Status, Value::Integer(number)) if number.is_some_and(|n| (100..600).contains(&n)) => {}
            (Shape::Status, Value::Integer(number)) => {
                let shown = number.map_or("the number".to_owned(), |number| format!("`{number}`"));
                self.found.push(
                    Diagnostic::new(&rules::LP125, format!("{shown} is not a status"))
                        .label(self.source.value(&node.path), "")
                        .help("codes go from 100 to 599; a class is written as in \"4xx\""),
                );
            }
            (Shape::Status, Value::Text(text)) => self.text(node, Format::StatusClass, text, false),
            (Shape::List(item) | Shape::OneOrList(item), Value::List(nodes)) => {
                for node in nodes {
                    self.value(node, item);
                }
            }
            (Shape::OneOrList(item), _) => self.value(node, item),
            (Shape::OrTable(_, table), Value::Table(_)) => self.value(node, &Shape::Table(table)),
            (Shape::OrTable(plain, _), _) => self.value(node, plain),
            (Shape::Map { keys, values }, Value::Table(entries)) => {
                for (key, node) in entries {
                    self.text(node, *keys, key, true);
                    self.value(node, values);
                }
            }
            (Shape::Table(table), Value::Table(entries)) => {
                self.keys(format_args!("`{}`", Dotted(&node.path)), node, entries, &[table.keys]);
            }
            (Shape::Tagged(tagged), Value::Table(entries)) => self.tagged(node, entries, tagged),
            (shape, value) => {
                let wanted = wanted(shape);
                self.found.push(
                    Diagnostic::new(
                        &rules::LP103,
                        format!("`{}` must be {wanted}, and is {}", Dotted(&node.path), value.word()),
                    )
                    .label(self.source.value(&node.path), format!("expected {wanted}"))
                    .help(remedy(shape, value)),
                );
            }
        }
    }

    fn text(&mut self, node: &Node, format: Format, text: &str, key: bool) {
        if let Err(fault) = format.check(&Dotted(&node.path), text) {
            let at = if key { self.source.key(&node.path) } else { self.source.value(&node.path) };
            self.found.push(Diagnostic::new(fault.rule, fault.message).label(at, "").help(fault.help));
        }
    }

    fn word(&mut self, node: &Node, words: &[Word], text: &str) {
        if words.iter().any(|(word, _)| *word == text) {
            return;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.unknown_word(node, &known, text);
    }

    fn unknown_word(&mut self, node: &Node, known: &[&str], text: &str) {
        let mut diagnostic =
            Diagnostic::new(&rules::LP104, format!("`{text}` is not known as `{}`", Dotted(&node.path)))
                .label(self.source.value(&node.path), "");
        if let Some(near) = nearest(text, known) {
            diagnostic = diagnostic.help(format!("did you mean \"{near}\"?"));
        }
        self.found.push(diagnostic.help(format!("known are {}", list(known))));
    }

    fn integer(&mut self, node: &Node, number: Option<i64>, least: i64, most: i64) {
        if number.is_some_and(|number| (least..=most).contains(&number)) {
            return;
        }
        let diagnostic = if node.path == "/schema" {
            Diagnostic::new(&rules::LP105, "this build does not read this version of specs")
                .help(format!("it reads `schema = {}`", grammar::SCHEMA))
        } else {
            let range = match (least, most) {
                (i64::MIN, i64::MAX) => "that fits into 64 bits".to_owned(),
                (least, i64::MAX) => format!("of at least {least}"),
                (least, most) => format!("from {least} to {most}"),
            };
            Diagnostic::new(&rules::LP107, format!("`{}` is out of range", Dotted(&node.path)))
                .help(format!("write a number {range}"))
        };
        self.found.push(diagnostic.label(self.source.value(&node.path), ""));
    }

    fn tagged(&mut self, node: &Node, entries: &[(String, Node)], tagged: &Tagged) {
        let name = Dotted(&node.path);
        let words: Vec<&str> = tagged.variants.iter().map(|variant| variant.word).collect();
        let every: Vec<&[Key]> = std::iter::once(tagged.common)
            .chain(tagged.variants.iter().map(|variant| variant.keys))
            .collect();
        let given = entries.iter().find(|(key, _)| key == tagged.tag).map(|(_, node)| node);
        let word = match given.map(|node| (node, &node.value)) {
            Some((_, Value::Text(word))) => word,
            Some((node, value)) => {
                self.found.push(
                    Diagnostic::new(
                        &rules::LP103,
                        format!("`{}` must be a text, and is {}", Dotted(&node.path), value.word()),
                    )
                    .label(self.source.value(&node.path), "expected a text")
                    .help(format!("known are {}", list(&words))),
                );
                return self.some_keys(format_args!("`{name}`"), entries, &every, tagged.tag);
            }
            None => {
                self.found.push(
                    Diagnostic::new(&rules::LP102, format!("`{name}` has no `{}`", tagged.tag))
                        .label(self.source.key(&node.path), "")
                        .help(format!("add `{} = \"..\"`; known are {}", tagged.tag, list(&words))),
                );
                return self.some_keys(format_args!("`{name}`"), entries, &every, tagged.tag);
            }
        };
        match tagged.variants.iter().find(|variant| variant.word == word) {
            Some(variant) => {
                let owner = format_args!("`{name}` with `{} = \"{word}\"`", tagged.tag);
                self.keys_but(owner, node, entries, &[tagged.common, variant.keys], Some(tagged.tag));
            }
            None => {
                if let Some(given) = given {
                    self.unknown_word(given, &words, word);
                }
                self.some_keys(format_args!("`{name}`"), entries, &every, tagged.tag);
            }
        }
    }

    /// Where it is not known what else must stand there, what is known of the keys is checked.
    fn some_keys(
        &mut self,
        owner: fmt::Arguments<'_>,
        entries: &[(String, Node)],
        known: &[&[Key]],
        tag: &str,
    ) {
        for (name, node) in entries.iter().filter(|(name, _)| name != tag) {
            let mut keys = known.iter().flat_map(|keys| keys.iter()).filter(|key| key.name == name);
            match (keys.next(), keys.next()) {
                (Some(key), None) => self.value(node, &key.shape),
                (Some(_), Some(_)) => {}
                (None, _) => self.unknown_key(owner, name, node, known, Some(tag)),
            }
        }
    }

    fn keys(&mut self, owner: fmt::Arguments<'_>, node: &Node, entries: &[(String, Node)], known: &[&[Key]]) {
        self.keys_but(owner, node, entries, known, None);
    }

    fn keys_but(
        &mut self,
        owner: fmt::Arguments<'_>,
        node: &Node,
        entries: &[(String, Node)],
        known: &[&[Key]],
        tag: Option<&str>,
    ) {
        for (name, node) in entries.iter().filter(|(name, _)| Some(name.as_str()) != tag) {
            match known.iter().flat_map(|keys| keys.iter()).find(|key| key.name == name) {
                Some(key) => self.value(node, &key.shape),
                None => self.unknown_key(owner, name, node, known, tag),
            }
        }
        for key in known.iter().flat_map(|keys| keys.iter()).filter(|key| key.required) {
            if !entries.iter().any(|(name, _)| name == key.name) {
                self.found.push(
                    Diagnostic::new(&rules::LP102, format!("{owner} has no `{}`", key.name))
                        .label(self.source.key(&node.path), "")
                        .help(format!("add {}: {}", example(key), lower(key.doc))),
                );
            }
        }
    }

    fn unknown_key(
        &mut self,
        owner: fmt::Arguments<'_>,
        name: &str,
        node: &Node,
        known: &[&[Key]],
        tag: Option<&str>,
    ) {
        let mut names: Vec<&str> = tag.into_iter().collect();
        names.extend(known.iter().flat_map(|keys| keys.iter()).map(|key| key.name));
        let mut diagnostic = Diagnostic::new(&rules::LP101, format!("{owner} knows no `{name}`"))
            .label(self.source.key(&node.path), "unknown key");
        if let Some(near) = nearest(name, &names) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        names.sort_unstable();
        names.dedup();
        self.found.push(diagnostic.help(format!("known are {}", list(&names))));
    }
}

/// A path as users write it, `http.outcome[0].when`, made when it is shown.
struct Dotted<'a>(&'a str);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.split('/').skip(1).enumerate() {
            let step = step.replace("~1", "/").replace("~0", "~");
            if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
                write!(f, "[{step}]")?;
                continue;
            }
            if index > 0 {
                f.write_str(".")?;
            }
            let bare =
                !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            if bare { f.write_str(&step)? } else { write!(f, "\"{step}\"")? }
        }
        Ok(())
    }
}

/// Several words as a message lists them.
pub(crate) fn list(words: &[&str]) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = match word.chars().count() {
        0 => return None,
        1..=3 => 1,
        4..=7 => 2,
        8..=60 => 3,
        _ => return None,
    };
    known
        .iter()
        .map(|other| (distance(word, other), *other))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, other)| other)
}

/// How many letters must be added, dropped, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = last[j] + usize::from(x != *y);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if j > 0 && previous == Some(*y) && b[j - 1] == x {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
        previous = Some(x);
    }
    last[b.len()]
}

fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text(_) | Shape::Word(_) => "a text",
        Shape::Integer { .. } => "a whole number",
        Shape::Bool => "true or false",
        Shape::Literal => "a text, a number, or true or false",
        Shape::Status => "a status code or a class of them",
        Shape::List(_) => "a list",
        Shape::OneOrList(item) | Shape::OrTable(item, _) => wanted(item),
        Shape::Map { .. } | Shape::Table(_) | Shape::Tagged(_) => "a table",
    }
}

fn remedy(shape: &Shape, value: &Value) -> String {
    match (shape, value) {
        (Shape::Text(_), Value::Integer(Some(number))) => format!("put it in quotes: \"{number}\""),
        (Shape::Text(_), Value::Bool(value)) => format!("put it in quotes: \"{value}\""),
        (Shape::Text(_) | Shape::Word(_), _) => "write a text in quotes".to_owned(),
        (Shape::Integer { .. }, Value::Text(text)) if text.parse::<i64>().is_ok() => {
            format!("leave out the quotes: {text}")
        }
        (Shape::Integer { .. }, _) => "write a whole number without quotes".to_owned(),
        (Shape::Bool, _) => "write `true` or `false` without quotes".to_owned(),
        (Shape::Literal, _) => "compare with one plain value".to_owned(),
        (Shape::Status, _) => "write a code, as in 403, a list of them, or a class, as in \"4xx\"".to_owned(),
        (Shape::List(_), Value::Text(text)) => format!("put it in brackets: [\"{text}\"]"),
        (Shape::List(Shape::Table(_)), _) => {
            "write each one under a header in double brackets, as in `[[http.outcome]]`".to_owned()
        }
        (Shape::List(_), _) => "write a list in brackets".to_owned(),
        (Shape::OneOrList(item) | Shape::OrTable(item, _), value) => remedy(item, value),
        (Shape::Map { .. } | Shape::Table(_) | Shape::Tagged(_), Value::List(_)) => {
            "write a header in single brackets, or `{ key = value }`".to_owned()
        }
        (Shape::Map { .. } | Shape::Table(_) | Shape::Tagged(_), _) => {
            "write keys under a header in brackets, or `{ key = value }`".to_owned()
        }
    }
}

fn example(key: &Key) -> String {
    match &key.shape {
        Shape::Integer { least, .. } => format!("`{} = {least}`", key.name),
        Shape::Table(_) | Shape::Tagged(_) | Shape::Map { .. } => format!("`{} = {{ .. }}`", key.name),
        Shape::Word([(word, _), ..]) => format!("`{} = \"{word}\"`", key.name),
        _ => format!("`{} = \"..\"`", key.name),
    }
}

/// A sentence of the grammar as the end of a message.
fn lower(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) if !sentence.starts_with("JSON") => first.to_lowercase().chain(chars).collect(),
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_users_write_them() {
        assert_eq!(Dotted("/http/outcome/0/when/body/~1a").to_string(), "http.outcome[0].when.body.\"/a\"");
    }

    #[test]
    fn near_words_are_found() {
        assert_eq!(nearest("timout", &["timeout", "hosts"]), Some("timeout"));
        assert_eq!(nearest("hsots", &["timeout", "hosts"]), Some("hosts"));
        assert_eq!(nearest("colour", &["timeout", "hosts"]), None);
        assert_eq!(nearest("", &["a"]), None);
    }
}
