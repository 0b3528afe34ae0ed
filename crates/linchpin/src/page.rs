//! One page of a list: its items and what it says of the rest, read in one pass over the body.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::json;

/// Where in a page the items stand, and what it says of the rest, as unescaped tokens of JSON pointers.
#[derive(Debug)]
pub(crate) struct Wanted {
    items: Vec<String>,
    told: [Option<Vec<String>>; TOLD],
}

/// How many things a page can say of the rest.
const TOLD: usize = 2;

impl Wanted {
    pub(crate) fn new(items: &str, told: [Option<&str>; TOLD]) -> Wanted {
        Wanted { items: json::tokens(items), told: told.map(|pointer| pointer.map(json::tokens)) }
    }
}

/// What a page says at a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Text(String),
    /// A whole number, as it is written.
    Number(String),
    Flag(bool),
}

impl Told {
    /// A cursor; none where the list ends.
    pub(crate) fn cursor(self) -> Result<Option<Told>, &'static str> {
        match self {
            Told::Text(text) if text.is_empty() => Ok(None),
            // Some services end their lists with `false`.
            Told::Flag(false) => Ok(None),
            Told::Flag(true) => Err("`true`, where a cursor was expected"),
            told => Ok(Some(told)),
        }
    }

    /// A flag, also where it is a number or a text.
    pub(crate) fn flag(&self) -> Result<bool, &'static str> {
        match self {
            Told::Flag(flag) => Ok(*flag),
            Told::Text(text) | Told::Number(text) => match text.as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err("neither `true` nor `false`"),
            },
        }
    }

    /// How many there are; none where it is no number.
    pub(crate) fn count(&self) -> Option<u64> {
        match self {
            Told::Text(text) | Told::Number(text) => text.parse().ok(),
            Told::Flag(_) => None,
        }
    }
}

/// What was found in a page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// `None` when there is nothing at the pointer.
    pub(crate) items: Option<Vec<T>>,
    pub(crate) told: [Option<Told>; TOLD],
}

/// Reads a page.
pub(crate) fn read<'de, T: Deserialize<'de>>(
    body: &'de [u8],
    wanted: &Wanted,
) -> serde_json::Result<Page<T>> {
    let mut page = Page { items: None, told: [None, None] };
    let mut json = serde_json::Deserializer::from_slice(body);
    let told = [wanted.told[0].as_deref(), wanted.told[1].as_deref()];
    Level { items: Some(&wanted.items), told, page: &mut page }.deserialize(&mut json)?;
    json.end()?;
    Ok(page)
}

/// What stands at a pointer into the last item of a page that has been read already.
pub(crate) fn of_last_item(body: &[u8], items: &str, pointer: &str) -> serde_json::Result<Option<Told>> {
    let page = read::<&RawValue>(body, &Wanted::new(items, [None, None]))?;
    let Some(last) = page.items.as_deref().and_then(<[_]>::last) else { return Ok(None) };
    let mut found: Page<IgnoredAny> = Page { items: None, told: [None, None] };
    let tokens = json::tokens(pointer);
    let mut json = serde_json::Deserializer::from_str(last.get());
    Level { items: None, told: [Some(&tokens), None], page: &mut found }.deserialize(&mut json)?;
    let [told, _] = found.told;
    Ok(told)
}

/// One object on the way to what is wanted: the rest of each pointer that leads through it.
struct Level<'a, T> {
    items: Option<&'a [String]>,
    told: [Option<&'a [String]>; TOLD],
    page: &'a mut Page<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Level<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.items.is_some_and(<[String]>::is_empty) {
            self.page.items = Option::deserialize(deserializer)?;
            return Ok(());
        }
        let here = self.told.map(|told| told.is_some_and(<[String]>::is_empty));
        if here.contains(&true) {
            let Scalar(told) = Scalar::deserialize(deserializer)?;
            for (place, _) in self.page.told.iter_mut().zip(here).filter(|(_, here)| *here) {
                place.clone_from(&told);
            }
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Level<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the items of a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let keys = Keys { items: first(self.items), told: self.told.map(first) };
        while let Some((to_items, to_told)) = map.next_key_seed(&keys)? {
            if to_items || to_told.contains(&true) {
                let mut told = [None; TOLD];
                for (at, pointer) in self.told.iter().enumerate() {
                    told[at] = pointer.filter(|_| to_told[at]).map(|pointer| &pointer[1..]);
                }
                let items = self.items.filter(|_| to_items).map(|items| &items[1..]);
                map.next_value_seed(Level { items, told, page: self.page })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn first(pointer: Option<&[String]>) -> Option<&str> {
    pointer?.first().map(String::as_str)
}

/// Of which pointers a key is the next token.
struct Keys<'a> {
    items: Option<&'a str>,
    told: [Option<&'a str>; TOLD],
}

impl<'de> DeserializeSeed<'de> for &Keys<'_> {
    type Value = (bool, [bool; TOLD]);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for &Keys<'_> {
    type Value = (bool, [bool; TOLD]);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok((self.items == Some(key), self.told.map(|wanted| wanted == Some(key))))
    }
}

/// A text, a whole number, true or false; none for null.
struct Scalar(Option<Told>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(Plain)
    }
}

struct Plain;

impl Visitor<'_> for Plain {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, true, false or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(Some(Told::Text(text.to_owned()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar(Some(Told::Number(number.to_string()))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar(Some(Told::Number(number.to_string()))))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar(Some(Told::Flag(flag))))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_what_is_told_come_from_one_pass() {
        let body = br#"{"meta": {"next": 17, "x": [1], "more": true}, "data": {"items": [1, 2], "y": {}}}"#;
        let wanted = Wanted::new("/data/items", [Some("/meta/next"), Some("/meta/more")]);
        let page: Page<u8> = read(body, &wanted).unwrap();
        assert_eq!(page.items, Some(vec![1, 2]));
        assert_eq!(page.told, [Some(Told::Number("17".into())), Some(Told::Flag(true))]);

        let page: Page<u8> =
            read(br#"{"a": {"n": null, "i": []}}"#, &Wanted::new("/a/i", [Some("/a/n"), None])).unwrap();
        assert_eq!((page.items, page.told), (Some(vec![]), [None, None]));

        let page: Page<u8> = read(b"[3]", &Wanted::new("", [None, None])).unwrap();
        assert_eq!(page.items, Some(vec![3]));

        let page: Page<u8> = read(br#"{"items": null}"#, &Wanted::new("/items", [None, None])).unwrap();
        assert_eq!(page.items, None);
    }

    #[test]
    fn the_last_item_is_looked_into() {
        let last = |body: &str, pointer| of_last_item(body.as_bytes(), "/data", pointer).unwrap();
        let body = r#"{"data": [{"id": "a"}, {"id": "b", "of": {"n": 7}}]}"#;
        assert_eq!(last(body, "/id"), Some(Told::Text("b".into())));
        assert_eq!(last(body, "/of/n"), Some(Told::Number("7".into())));
        assert_eq!(last(body, "/no"), None);
        assert_eq!(last(r#"{"data": ["x", "y"]}"#, ""), Some(Told::Text("y".into())));
        assert_eq!(last(r#"{"data": []}"#, "/id"), None);
    }
}
