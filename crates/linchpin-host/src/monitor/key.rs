//! What tells records apart: the values at the pointers of `dedupe`, in one text.

use linchpin::{Code, Error, Result};
use linchpin_runtime::webhook::raw_at;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// A key that is longer is known by its digest: it stands in an index.
const LONGEST: usize = 200;

/// The key of a record. Numbers count as they are written, so that no two are taken for one.
///
/// # Errors
///
/// [`Code::RecordUnidentified`] where nothing is at the first pointer, or something other than a text, a number or a truth value at any;
/// behind the first there may be `null`.
pub(crate) fn of(pointers: &[String], record: &RawValue) -> Result<String> {
    let mut parts = Vec::new();
    for (index, pointer) in pointers.iter().enumerate() {
        let refused = |what: &str| {
            let message = format!("a record has {what} at `{pointer}`, by which it is told apart");
            Error::coded(Code::RecordUnidentified, message)
        };
        let found = raw_at(record, pointer).ok_or_else(|| refused("nothing"))?;
        match found.get().as_bytes() {
            // As any other writes it, whatever its escapes are.
            [b'"', ..] => {
                let text: String = serde_json::from_str(found.get()).map_err(|_| refused("no text"))?;
                parts.push(serde_json::Value::from(text).to_string());
            }
            [b'n', ..] if index == 0 => return Err(refused("`null`")),
            [b'{', ..] => return Err(refused("an object")),
            [b'[', ..] => return Err(refused("a list")),
            _ => parts.push(found.get().to_owned()),
        }
    }
    let key = format!("[{}]", parts.join(","));
    if key.len() <= LONGEST {
        return Ok(key);
    }
    let digest = Sha256::digest(&key);
    Ok(digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pointers: &[&str], record: &str) -> Result<String> {
        let pointers: Vec<String> = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
        of(&pointers, &RawValue::from_string(record.to_owned()).unwrap())
    }

    #[test]
    fn keys_are_what_is_written() {
        assert_eq!(key(&["/id"], r#"{"id":7}"#).unwrap(), "[7]");
        assert_eq!(key(&["/id"], r#"{"id":"7"}"#).unwrap(), r#"["7"]"#);
        assert_eq!(key(&["/id"], r#"{"id":"\u0041"}"#).unwrap(), r#"["A"]"#);
        assert_eq!(key(&["/a~1b/1/x", "/t"], r#"{"a/b":[0,{"x":true}],"t":null}"#).unwrap(), "[true,null]");
        // Numbers that a floating-point number would take for one.
        let large = |last: u8| key(&["/id"], &format!(r#"{{"id":1234567890123456789{last}}}"#)).unwrap();
        assert_ne!(large(1), large(2));
        // Texts do not run into one another.
        let two = |a: &str, b: &str| key(&["/a", "/b"], &format!(r#"{{"a":"{a}","b":"{b}"}}"#)).unwrap();
        assert_ne!(two("x,y", "z"), two("x", "y,z"));
    }

    #[test]
    fn a_long_key_is_known_by_its_digest() {
        let long = |last: char| key(&["/id"], &format!(r#"{{"id":"{}{last}"}}"#, "x".repeat(300))).unwrap();
        assert_eq!(long('a').len(), "sha256:".len() + 64);
        assert_ne!(long('a'), long('b'));
    }

    #[test]
    fn a_record_without_one_is_told_with_its_pointer() {
        for (record, what) in [
            ("{}", "nothing"),
            (r#"{"meta":{"id":null}}"#, "`null`"),
            (r#"{"meta":{"id":{"x":1}}}"#, "an object"),
            (r#"{"meta":{"id":[1]}}"#, "a list"),
            ("7", "nothing"),
        ] {
            let error = key(&["/meta/id"], record).unwrap_err();
            assert_eq!(error.code(), Code::RecordUnidentified);
            assert!(error.message().contains("`/meta/id`") && error.message().contains(what), "{error}");
        }
    }
}
