//! Forms: nested names, and parts that may be files.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    FileRef, Result, file,
    request::{Part, QueryValue, media_type, push_pair},
};

/// How the items of a list are named in a form with nested names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListNames {
    /// By their place: `a[0]=x&a[1]=y`.
    Numbered,
    /// All alike: `a[]=x&a[]=y`.
    Alike,
}

/// The pairs of a JSON text under nested names, encoded. `null` and what has nothing in it are left out; numbers stay as they are written.
pub(crate) fn nested(json: &str, lists: ListNames) -> serde_json::Result<String> {
    let mut pairs = String::new();
    let Members(members) = serde_json::from_str(json)?;
    for (name, value) in members {
        push(&mut pairs, &name, value.get(), lists)?;
    }
    Ok(pairs)
}

fn push(pairs: &mut String, name: &str, json: &str, lists: ListNames) -> serde_json::Result<()> {
    match json.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json)?;
            for (key, value) in members {
                push(pairs, &format!("{name}[{key}]"), value.get(), lists)?;
            }
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            for (place, value) in items.into_iter().enumerate() {
                let name = match lists {
                    ListNames::Numbered => format!("{name}[{place}]"),
                    ListNames::Alike => format!("{name}[]"),
                };
                push(pairs, &name, value.get(), lists)?;
            }
        }
        Some(b'"') => push_pair(pairs, name, &serde_json::from_str::<String>(json)?),
        Some(b'n') | None => {}
        Some(_) => push_pair(pairs, name, json),
    }
    Ok(())
}

/// The members of an object in their order, as raw text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a struct or a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The parts of a `multipart/form-data` body (RFC 7578), for [`RequestBuilder::multipart`](crate::RequestBuilder::multipart).
///
/// ```
/// # fn example(cx: linchpin::Context, file: linchpin::FileRef) -> linchpin::RequestBuilder {
/// use linchpin::{form::Multipart, path};
///
/// let parts = Multipart::new().text("purpose", "evidence").text("expires", None::<u64>).file("file", &file);
/// cx.post(path!("/files")).multipart(parts)
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "parts are sent by `.multipart(..)` of a request"]
pub struct Multipart(Vec<(Cow<'static, str>, Content)>);

/// What a part holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Text(String),
    File(FileRef),
}

impl Multipart {
    /// No parts yet.
    pub fn new() -> Multipart {
        Multipart::default()
    }

    /// Adds a text; `None` adds nothing, a list repeats the name.
    pub fn text(mut self, name: impl Into<Cow<'static, str>>, value: impl QueryValue) -> Multipart {
        let name = name.into();
        value.each(&mut |text| self.0.push((name.clone(), Content::Text(text.into_owned()))));
        self
    }

    /// Adds a file, which is read while it goes up, with its name and its media type.
    pub fn file(mut self, name: impl Into<Cow<'static, str>>, file: &FileRef) -> Multipart {
        self.0.push((name.into(), Content::File(file.clone())));
        self
    }

    /// The boundary and the pieces of the body.
    pub(crate) fn into_body(self) -> Result<(String, Vec<Part>)> {
        let parts = self.0.into_iter().map(|(name, content)| {
            let mut head = format!("Content-Disposition: form-data; name=\"{}\"", escaped(&name));
            if let Content::File(file) = &content {
                // Services take a part without a file name for no file.
                let name = if file.name().is_empty() { file.file_name() } else { file.name().to_owned() };
                let media_type = media_type(file)?;
                head.push_str(&format!("; filename=\"{}\"\r\nContent-Type: ", escaped(&name)));
                head.push_str(media_type.to_str().unwrap_or_default());
            }
            Ok((head, content))
        });
        Ok(body(parts.collect::<Result<Vec<_>>>()?))
    }
}

/// A name as it stands between quotes in a part's head, as browsers write it.
fn escaped(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

/// The boundary and the pieces of a multipart body (RFC 2046 §5.1.1) of these heads and contents.
pub(crate) fn body(parts: impl IntoIterator<Item = (String, Content)>) -> (String, Vec<Part>) {
    // Random, so that no file can hold it.
    let boundary = file::random_hex();
    let mut pieces = Vec::new();
    let mut text = String::new();
    for (head, content) in parts {
        text.push_str(&format!("--{boundary}\r\n{head}\r\n\r\n"));
        match content {
            Content::Text(value) => text.push_str(&value),
            Content::File(file) => {
                pieces.push(Part::Bytes(std::mem::take(&mut text).into()));
                pieces.push(Part::File(file));
            }
        }
        text.push_str("\r\n");
    }
    text.push_str(&format!("--{boundary}--\r\n"));
    pieces.push(Part::Bytes(text.into()));
    (boundary, pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_becomes_pairs_with_nested_names() {
        let json = r#"{"amount": 1099, "rate": 0.10, "id": 123456789012345678901234567890, "name": "",
            "off": null, "items": [{"price": "p&1", "tags": ["a", "b"]}, {"price": null}], "none": [], "meta": {"a b": true}}"#;
        assert_eq!(
            nested(json, ListNames::Numbered).unwrap().replace("%5B", "[").replace("%5D", "]"),
            "amount=1099&rate=0.10&id=123456789012345678901234567890&name=&items[0][price]=p%261\
             &items[0][tags][0]=a&items[0][tags][1]=b&meta[a%20b]=true"
        );
        let alike = nested(r#"{"a": ["x", "y"], "b": [{"c": 1}]}"#, ListNames::Alike).unwrap();
        assert_eq!(alike, "a%5B%5D=x&a%5B%5D=y&b%5B%5D%5Bc%5D=1");
        assert_eq!(nested("{}", ListNames::Alike).unwrap(), "");
        for no_form in ["[1]", "7", "\"a\""] {
            assert!(nested(no_form, ListNames::Numbered).is_err(), "{no_form}");
        }
    }

    #[test]
    fn parts_stand_one_after_the_other() {
        let file = FileRef::from_bytes("a\"b\r\nc\\é.txt", "the bytes").typed("text/plain");
        let parts = Multipart::new()
            .text("a\nb", "x\r\n--y")
            .text("no", None::<u8>)
            .text("l", vec![1, 2])
            .file("f", &file);
        let (boundary, pieces) = parts.file("g", &FileRef::from_bytes("", "")).into_body().unwrap();
        let pieces: Vec<String> = pieces
            .iter()
            .map(|piece| match piece {
                Part::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap().replace(&boundary, "b"),
                Part::File(file) => format!("<{}>", file.name()),
            })
            .collect();
        let disposition = "Content-Disposition: form-data;";
        assert_eq!(
            pieces[0],
            format!(
                "--b\r\n{disposition} name=\"a%0Ab\"\r\n\r\nx\r\n--y\r\n--b\r\n{disposition} name=\"l\"\r\n\r\n1\r\n--b\r\n{disposition} name=\"l\"\r\n\r\n2\r\n--b\r\n{disposition} name=\"f\"; filename=\"a%22b%0D%0Ac\\é.txt\"\r\nContent-Type: text/plain\r\n\r\n"
            )
        );
        assert_eq!(
            pieces[2],
            format!(
                "\r\n--b\r\n{disposition} name=\"g\"; filename=\"download\"\r\nContent-Type: application/octet-stream\r\n\r\n"
            )
        );
        assert_eq!(pieces[4], "\r\n--b--\r\n");
        assert!(Multipart::new().file("f", &file.typed("a\r\nb")).into_body().is_err());
    }
}
