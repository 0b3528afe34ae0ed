//! XML as the values of types.

use quick_xml::{Reader, events::Event};
use serde::de::DeserializeOwned;

use crate::{line::one_line, value::number_from_text};

/// So deep elements stand in each other at the most: types may be nested in themselves, and the stack is not endless.
const DEEPEST: usize = 128;

/// Reads a document; says what is wrong with it, as the end of a sentence.
///
/// Entities are the five of XML itself: what a document type declares is neither expanded nor fetched.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    check(text)?;
    let read = number_from_text(|| quick_xml::de::from_str(text));
    read.map_err(|error| format!("is not what the flow expects: {}", one_line(&error.to_string(), 200)))
}

/// Whether it is XML at all, and no deeper than it may be.
fn check(text: &str) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let mut depth = 0usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) if depth == DEEPEST => {
                return Err(format!("is XML with more than {DEEPEST} elements in each other"));
            }
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) if depth > 0 => return Err("is XML that breaks off".to_owned()),
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX).min(text.len());
                let line = 1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
                return Err(format!("is not XML: {} in line {line}", one_line(&error.to_string(), 200)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Number, fields};

    #[fields(crate = "crate")]
    #[derive(Debug, PartialEq)]
    struct Order {
        #[field(rename = "@id")]
        id: u64,
        note: Option<String>,
        total: Number,
        #[field(default)]
        item: Vec<Item>,
    }

    #[fields(crate = "crate")]
    #[derive(Debug, PartialEq)]
    struct Item {
        name: String,
    }

    /// Elements of one type in each other.
    #[derive(Debug, serde::Deserialize)]
    struct Deep {
        #[serde(rename = "a")]
        _inner: Option<Box<Deep>>,
    }

    #[test]
    fn a_document_becomes_a_value() {
        let text = "<?xml version=\"1.0\"?>\n<order id=\"7\"><item><name>a &amp; b</name></item><total>0.10</total><!-- x --><item><name><![CDATA[<c>]]></name></item><other><deep/></other></order>";
        let names = ["a & b", "<c>"].map(|name| Item { name: name.into() });
        let order = Order { id: 7, note: None, total: "0.10".parse().unwrap(), item: names.into() };
        assert_eq!(read::<Order>(text), Ok(order));
    }

    #[test]
    fn what_is_no_such_document_is_said_to_be_none() {
        for (text, problem) in [
            ("<order id=\"7\">\n<total>1</totl></order>", "is not XML: "),
            ("<order id=\"7\"><total>1</total>", "is XML that breaks off"),
            ("<order id=\"7\"></order>", "is not what the flow expects: missing field `total`"),
            ("<order id=\"x\"><total>1</total></order>", "is not what the flow expects: "),
            ("<order id=\"7\"><total>many</total></order>", "is not what the flow expects: "),
            ("", "is not what the flow expects: "),
        ] {
            let error = read::<Order>(text).unwrap_err();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
    }

    #[test]
    fn entities_are_neither_expanded_nor_fetched() {
        for declared in ["<!ENTITY x \"y\">", "<!ENTITY x SYSTEM \"file:///etc/passwd\">"] {
            let text = format!("<!DOCTYPE item [{declared}]><item><name>&x;</name></item>");
            let error = read::<Item>(&text).unwrap_err();
            assert!(error.contains("entity"), "{error}");
        }
    }

    #[test]
    fn elements_stand_in_each_other_so_far_and_no_further() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read::<Deep>(&nested(DEEPEST)).is_ok());
        assert_eq!(
            read::<Deep>(&nested(100_000)).unwrap_err(),
            "is XML with more than 128 elements in each other"
        );
    }
}
