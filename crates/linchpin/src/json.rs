//! JSON texts: read and written whole, and where in them something stands.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Deserializer, Serializer, de::SliceRead, value::RawValue};

use crate::{Error, Result};

// serde_json's own functions are compiled anew for each type; of these that is little.

/// Reads a text, always from bytes, so that a type is compiled for one kind of reader; `wrong` is told what does not fit.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8], wrong: &dyn Misfit) -> Result<T> {
    let mut reader = Deserializer::from_slice(text);
    match T::deserialize(&mut reader) {
        Ok(value) => match end(reader, text, wrong) {
            Ok(()) => Ok(value),
            Err(error) => Err(error),
        },
        Err(error) => Err(wrong.misfit(text, error)),
    }
}

fn end(mut reader: Deserializer<SliceRead<'_>>, text: &[u8], wrong: &dyn Misfit) -> Result<()> {
    reader.end().map_err(|error| wrong.misfit(text, error))
}

/// Who says what is wrong with a text that is not of the type it is read as.
pub(crate) trait Misfit {
    fn misfit(&self, text: &[u8], error: serde_json::Error) -> Error;
}

/// Writes a value.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    write(&value)
}

/// Writes a value as text.
pub(crate) fn to_string<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    write_text(&value)
}

/// A value of any type that can be written.
trait Written {
    fn write(&self, writer: &mut Serializer<&mut Vec<u8>>) -> serde_json::Result<()>;
}

impl<T: Serialize + ?Sized> Written for &T {
    fn write(&self, writer: &mut Serializer<&mut Vec<u8>>) -> serde_json::Result<()> {
        self.serialize(writer)
    }
}

fn write(value: &dyn Written) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(128);
    value.write(&mut Serializer::new(&mut text))?;
    Ok(text)
}

fn write_text(value: &dyn Written) -> serde_json::Result<String> {
    String::from_utf8(write(value)?).map_err(serde::ser::Error::custom)
}

/// The unescaped tokens of a JSON pointer (RFC 6901).
pub(crate) fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// A text with a value, which is JSON, at the place that the tokens lead to, and with the objects on the way there. Every other
/// value stays as it is written.
pub(crate) fn put(text: &str, tokens: &[String], value: String) -> serde_json::Result<String> {
    let Some((first, rest)) = tokens.split_first() else { return Ok(value) };
    let mut members: BTreeMap<String, &RawValue> =
        serde_json::from_str::<Option<_>>(text)?.unwrap_or_default();
    let inner = members.get(first).map_or("null", |inner| inner.get());
    let inner = RawValue::from_string(put(inner, rest, value)?)?;
    members.insert(first.clone(), &inner);
    to_string(&members)
}

/// Whether there is anything but null at the place that the tokens lead to.
pub(crate) fn has(text: &str, tokens: &[String]) -> bool {
    let Some((first, rest)) = tokens.split_first() else { return text.trim() != "null" };
    let members: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(text).unwrap_or_default();
    members.is_some_and(|members| members.get(first).is_some_and(|inner| has(inner.get(), rest)))
}

/// The JSON pointer to the value in which the text's `line` and `column` fall, both from 1 as serde_json counts them.
///
/// Reads only as far as that place, so it is as safe on broken JSON as on good.
pub fn path_at(json: &[u8], line: usize, column: usize) -> String {
    let mut end = 0;
    for _ in 1..line.max(1) {
        end += json[end..].iter().position(|byte| *byte == b'\n').map_or(json.len() - end, |at| at + 1);
    }
    let end = (end + column.saturating_sub(1)).min(json.len());

    enum Level {
        List(usize),
        Object(String),
    }
    let mut levels: Vec<Level> = Vec::new();
    let mut key = None;
    let mut at = 0;
    while at < end {
        match json[at] {
            b'"' => {
                let from = at + 1;
                at += 1;
                while at < json.len() && json[at] != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                let to = at.min(json.len());
                key = Some(String::from_utf8_lossy(&json[from..to]).into_owned());
            }
            b':' => {
                if let (Some(Level::Object(name)), Some(key)) = (levels.last_mut(), key.take()) {
                    *name = key;
                }
            }
            b',' => {
                if let Some(Level::List(index)) = levels.last_mut() {
                    *index += 1;
                }
            }
            b'[' => levels.push(Level::List(0)),
            b'{' => levels.push(Level::Object(String::new())),
            // The last byte that the parser looked at may be the bracket that ends the value in question.
            b']' | b'}' if at + 1 < end => {
                levels.pop();
            }
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for level in levels {
        path.push('/');
        match level {
            Level::List(index) => path.push_str(&index.to_string()),
            Level::Object(name) => path.push_str(&name.replace('~', "~0").replace('/', "~1")),
        }
    }
    path
}

/// The JSON pointer to what went wrong; of a field that is missing, to the object that lacks it.
pub fn place(json: &[u8], error: &serde_json::Error) -> String {
    if !error.to_string().starts_with("missing field") {
        return path_at(json, error.line(), error.column());
    }
    // The parser stands behind the value of the object's last key.
    let mut path = path_at(json, error.line(), error.column() + 1);
    path.truncate(path.rfind('/').unwrap_or_default());
    path
}

/// What serde_json says went wrong, without the line and column that it puts behind.
pub fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<T: serde::de::DeserializeOwned>(json: &str) -> String {
        super::place(json.as_bytes(), &serde_json::from_str::<T>(json).err().unwrap())
    }

    #[test]
    fn a_missing_field_is_missed_in_its_object() {
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            #[serde(rename = "inner")]
            _inner: Vec<Inner>,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Inner {
            #[serde(rename = "id")]
            _id: u8,
        }
        assert_eq!(
            place::<Outer>(r#"{"name": "x", "inner": [{"id": 1}, {"name": [2]}], "more": 1}"#),
            "/inner/1"
        );
        assert_eq!(place::<Outer>(r#"{"name": {}}"#), "");
        assert_eq!(place::<Outer>("{}"), "");
        assert_eq!(place::<Outer>(r#"{"inner": [{}]}"#), "/inner/0");
    }

    #[test]
    fn a_wrong_type_is_found_where_it_stands() {
        type Nested = std::collections::BTreeMap<String, Vec<std::collections::BTreeMap<String, u8>>>;
        assert_eq!(place::<Nested>("{\"a\": [{\"b\": 1},\n {\"c/d\": \"x\"}]}"), "/a/1/c~1d");
        assert_eq!(place::<Vec<u8>>("[1, 2, 300]"), "/2");
        assert_eq!(place::<u8>("\"x\""), "");
    }

    #[test]
    fn broken_text_never_panics() {
        let text = "{\"a\": [\"\\\", {\"b\": [1,2,\"\\u00";
        for end in 0..text.len() {
            for column in 0..text.len() + 3 {
                path_at(&text.as_bytes()[..end], 1, column);
                path_at(&text.as_bytes()[..end], 3, column);
            }
        }
    }
}
