//! One page of a list: its items and the way to the next, read in one pass over the body.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

/// Where in a page the items and the cursor stand, as unescaped tokens of JSON pointers.
#[derive(Debug)]
pub(crate) struct Wanted {
    items: Vec<String>,
    cursor: Option<Vec<String>>,
}

impl Wanted {
    pub(crate) fn new(items: &str, cursor: Option<&str>) -> Wanted {
        Wanted { items: tokens(items), cursor: cursor.map(tokens) }
    }
}

fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// What was found in a page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// `None` when there is nothing at the pointer.
    pub(crate) items: Option<Vec<T>>,
    pub(crate) cursor: Option<String>,
}

/// Reads a page.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8], wanted: &Wanted) -> serde_json::Result<Page<T>> {
    let mut page = Page { items: None, cursor: None };
    let mut json = serde_json::Deserializer::from_slice(body);
    Level { items: Some(&wanted.items), cursor: wanted.cursor.as_deref(), page: &mut page }
        .deserialize(&mut json)?;
    json.end()?;
    Ok(page)
}

/// One object on the way to what is wanted: the rest of each pointer that leads through it.
struct Level<'a, T> {
    items: Option<&'a [String]>,
    cursor: Option<&'a [String]>,
    page: &'a mut Page<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Level<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.items.is_some_and(<[String]>::is_empty) {
            self.page.items = Option::deserialize(deserializer)?;
            Ok(())
        } else if self.cursor.is_some_and(<[String]>::is_empty) {
            self.page.cursor = Cursor::deserialize(deserializer)?.0;
            Ok(())
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Level<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the items of a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (items, cursor) = (self.items.unwrap_or_default(), self.cursor.unwrap_or_default());
        let (items_key, cursor_key) = (items.first(), cursor.first());
        while let Some((to_items, to_cursor)) = map.next_key_seed(Either(items_key, cursor_key))? {
            if to_items || to_cursor {
                map.next_value_seed(Level {
                    items: to_items.then(|| &items[1..]),
                    cursor: to_cursor.then(|| &cursor[1..]),
                    page: self.page,
                })?;
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

/// Whether a key is the next token of either pointer.
struct Either<'a>(Option<&'a String>, Option<&'a String>);

impl<'de> DeserializeSeed<'de> for Either<'_> {
    type Value = (bool, bool);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(bool, bool), D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Either<'_> {
    type Value = (bool, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(bool, bool), E> {
        Ok((self.0.is_some_and(|wanted| wanted == key), self.1.is_some_and(|wanted| wanted == key)))
    }
}

/// A cursor as services write them: a text, a whole number, or null at the end.
struct Cursor(Option<String>);

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        struct TextOrNumber(PhantomData<()>);
        impl Visitor<'_> for TextOrNumber {
            type Value = Cursor;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a cursor: a text, a whole number or null")
            }

            fn visit_str<E>(self, text: &str) -> Result<Cursor, E> {
                Ok(Cursor(Some(text.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Cursor, E> {
                Ok(Cursor(Some(number.to_string())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Cursor, E> {
                Ok(Cursor(Some(number.to_string())))
            }

            // Some services end their lists with `false`.
            fn visit_bool<E: serde::de::Error>(self, more: bool) -> Result<Cursor, E> {
                if more {
                    return Err(E::invalid_type(serde::de::Unexpected::Bool(true), &self));
                }
                Ok(Cursor(None))
            }

            fn visit_unit<E>(self) -> Result<Cursor, E> {
                Ok(Cursor(None))
            }
        }
        deserializer.deserialize_any(TextOrNumber(PhantomData))
    }
}

/// The target of `rel="next"` in a `Link` header (RFC 8288 §3), if it has one.
pub(crate) fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, mut parameters) = after.split_once('>')?;
        let mut next = None;
        // Parameters go on to a comma outside quotes, which begins the next link. Only the first `rel` counts (§3.3).
        while let Some(after) = parameters.trim_start().strip_prefix(';') {
            let after = after.trim_start();
            let name_end = after.find(['=', ';', ',']).unwrap_or(after.len());
            let (name, after) = after.split_at(name_end);
            let (value, after) = match after.strip_prefix('=') {
                Some(after) => parameter_value(after.trim_start()),
                None => (String::new(), after),
            };
            if name.trim().eq_ignore_ascii_case("rel") && next.is_none() {
                next = Some(value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next")));
            }
            parameters = after;
        }
        if next == Some(true) {
            return Some(target.trim().to_owned());
        }
        rest = parameters;
    }
}

pub(crate) fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_cursor_come_from_one_pass() {
        let body = br#"{"meta": {"next": 17, "x": [1]}, "data": {"items": [1, 2], "y": {}}}"#;
        let page: Page<u8> = read(body, &Wanted::new("/data/items", Some("/meta/next"))).unwrap();
        assert_eq!((page.items, page.cursor), (Some(vec![1, 2]), Some("17".into())));

        let page: Page<u8> =
            read(br#"{"a": {"n": null, "i": []}}"#, &Wanted::new("/a/i", Some("/a/n"))).unwrap();
        assert_eq!((page.items, page.cursor), (Some(vec![]), None));

        let page: Page<u8> = read(b"[3]", &Wanted::new("", None)).unwrap();
        assert_eq!(page.items, Some(vec![3]));

        let page: Page<u8> = read(br#"{"items": null}"#, &Wanted::new("/items", None)).unwrap();
        assert_eq!(page.items, None);
    }

    #[test]
    fn next_links_are_found_in_every_spelling() {
        for header in [
            r#"<https://a/b?page=2>; rel="next""#,
            r#"<https://a/b?page=1>; rel="prev", <https://a/b?page=2>; rel="next""#,
            r#"<https://a/b?page=2>;rel=next"#,
            r#"<https://a/b?page=2>; title="a, b; rel=\"prev\""; REL="last Next""#,
            r#"<https://a/,?x>; rel=prev , <https://a/b?page=2> ; foo ; rel = "next" ; rel="prev""#,
        ] {
            assert_eq!(next_link(header).as_deref(), Some("https://a/b?page=2"), "{header}");
        }
        for header in
            ["", "<a", "<a>", r#"<a>; rel="prev""#, r#"<a>; rel="prev"; rel="next""#, r#"<a>; rel="nex"#]
        {
            assert_eq!(next_link(header), None, "{header}");
        }
    }
}
