//! Values against shapes: every violation in one walk over the text, without a tree of it in memory.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
};

use linchpin::{
    DateTime, Violation,
    shape::{Bounds, ChoiceInfo, FieldInfo, Shape, StructShape},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::nearest;

pub(crate) use linchpin::schema::Side;

/// Checks a JSON text against a shape; `label` names the whole of it.
pub(crate) fn json(shape: Shape, json: &str, side: Side, label: &str) -> Vec<Violation> {
    given(shape, json, side, label, &mut Vec::new())
}

/// As [`json`]; the values of secret fields are added to `secrets`, and no violation shows them.
pub(crate) fn given(
    shape: Shape,
    json: &str,
    side: Side,
    label: &str,
    secrets: &mut Vec<String>,
) -> Vec<Violation> {
    let mut walk = Walk { side, violations: Vec::new(), path: Vec::new(), secrets };
    let mut text = serde_json::Deserializer::from_str(json);
    let place =
        Place { shape, bounds: &Bounds::NONE, label, secret: false, required: false, walk: &mut walk };
    let read = place.deserialize(&mut text).and_then(|()| text.end());
    let mut violations = walk.violations;
    if let Err(error) = read {
        // What stood before the mistake was judged already; the mistake itself comes first.
        let pointer = linchpin::json::path_at(json.as_bytes(), error.line(), error.column());
        let words = linchpin::json::without_place(&error);
        let problem = format!("is not JSON: {words} at line {} column {}", error.line(), error.column());
        violations.insert(0, Violation { pointer, label: label.to_owned(), problem });
    }
    violations
}

/// The names of an object's fields, unless it takes others too.
pub(crate) fn closed_names(of: &'static StructShape) -> Option<Vec<&'static str>> {
    let mut names = Vec::new();
    collect(of, &mut names).then_some(names)
}

fn collect(of: &'static StructShape, names: &mut Vec<&'static str>) -> bool {
    of.fields.iter().all(|field| match (field.flatten, (field.shape)()) {
        (true, Shape::Struct(flat)) => collect(flat, names),
        (true, _) => false,
        (false, _) => {
            names.push(field.name);
            true
        }
    })
}

/// Whether a value that was written out of its type can still fail to fit: by bounds and patterns of its fields.
pub(crate) fn has_bounds(shape: Shape) -> bool {
    fn look(shape: Shape, seen: &mut Vec<&'static str>) -> bool {
        match shape {
            Shape::Map(of) | Shape::List(of) | Shape::Optional(of) => look(of(), seen),
            Shape::Struct(of) => {
                if seen.contains(&of.id) {
                    return false;
                }
                seen.push(of.id);
                of.fields.iter().any(|field| {
                    let Bounds { min, max, min_length, max_length, pattern } = field.bounds;
                    min.is_some()
                        || max.is_some()
                        || min_length.is_some()
                        || max_length.is_some()
                        || pattern.is_some()
                        || look((field.shape)(), seen)
                })
            }
            _ => false,
        }
    }
    look(shape, &mut Vec::new())
}

/// What a walk finds.
struct Walk<'w> {
    side: Side,
    violations: Vec<Violation>,
    path: Vec<Step>,
    secrets: &'w mut Vec<String>,
}

enum Step {
    Key(Cow<'static, str>),
    Index(usize),
}

impl Walk<'_> {
    fn violate(&mut self, label: &str, problem: impl Into<String>) {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        self.violations.push(Violation { pointer, label: label.to_owned(), problem: problem.into() });
    }

    fn violate_at(&mut self, key: Cow<'static, str>, label: &str, problem: impl Into<String>) {
        self.path.push(Step::Key(key));
        self.violate(label, problem);
        self.path.pop();
    }
}

/// One value in the text, and what it must be.
struct Place<'a, 'w> {
    shape: Shape,
    bounds: &'a Bounds,
    label: &'a str,
    secret: bool,
    /// Whether an empty text is as good as none.
    required: bool,
    walk: &'a mut Walk<'w>,
}

impl<'de> DeserializeSeed<'de> for Place<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::Any => IgnoredAny::deserialize(deserializer).map(drop),
            Shape::Integer { .. } | Shape::Number => {
                // As written: a floating-point number would lose digits, and is not large enough.
                let raw = <&RawValue>::deserialize(deserializer)?;
                self.number(raw.get());
                Ok(())
            }
            Shape::Optional(of) => match of() {
                shape @ (Shape::Integer { .. } | Shape::Number) => {
                    let raw = <&RawValue>::deserialize(deserializer)?;
                    if raw.get() != "null" {
                        Place { shape, ..self }.number(raw.get());
                    }
                    Ok(())
                }
                Shape::Any => IgnoredAny::deserialize(deserializer).map(drop),
                _ => deserializer.deserialize_any(self),
            },
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl Place<'_, '_> {
    /// The shape of a value that is there.
    fn present(&self) -> Shape {
        let mut shape = self.shape;
        while let Shape::Optional(of) = shape {
            shape = of();
        }
        shape
    }

    fn violate(self, problem: impl Into<String>) {
        self.walk.violate(self.label, problem);
    }

    fn mistyped(self, found: &str) {
        let wanted = wanted(self.present());
        self.violate(format!("must be {wanted}, not {found}"));
    }

    fn number(self, text: &str) {
        let found = match text.as_bytes().first() {
            Some(b'"') => "a text",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "true or false",
            Some(b'n') if self.required => return self.violate("is missing"),
            Some(b'n') => "null",
            _ => "",
        };
        if !found.is_empty() {
            return self.mistyped(found);
        }
        if self.secret {
            self.walk.secrets.push(text.to_owned());
        }
        if let Shape::Integer { min, max } = self.shape {
            if text.contains(['.', 'e', 'E']) {
                return self.mistyped("a number with a fraction or an exponent");
            }
            // Of a `u128` the shape knows only what an `i128` holds.
            let beyond = min == 0 && max == i128::MAX && text.parse::<u128>().is_ok();
            if !text.parse::<i128>().is_ok_and(|number| (min..=max).contains(&number)) && !beyond {
                return self.violate(format!("must be a whole number from {min} to {max}"));
            }
        }
        let value: f64 = text.parse().unwrap_or(f64::NAN);
        if let Some(min) = self.bounds.min.filter(|min| value < *min) {
            self.violate(format!("must be at least {min}"));
        } else if let Some(max) = self.bounds.max.filter(|max| value > *max) {
            self.violate(format!("must be at most {max}"));
        }
    }

    fn text(self, text: &str) {
        if self.secret && !text.is_empty() {
            self.walk.secrets.push(text.to_owned());
        }
        match self.present() {
            Shape::Text => {}
            Shape::DateTime => {
                if text.parse::<DateTime>().is_err() {
                    return self.violate("must be a date and time such as `2026-03-01T09:00:00Z`");
                }
            }
            Shape::Choice(choices) => {
                if choices.iter().all(|choice| choice.value != text) {
                    let problem = not_a_choice(text, choices, self.secret);
                    return self.violate(problem);
                }
            }
            _ => return self.mistyped("a text"),
        }
        let Bounds { min_length, max_length, pattern, .. } = *self.bounds;
        if text.is_empty() && self.required && min_length != Some(0) && self.walk.side == Side::Given {
            return self.violate("is empty");
        }
        if min_length.is_some() || max_length.is_some() {
            let length = text.chars().count() as u64;
            if let Some(problem) = misfit(length, min_length, max_length, "character") {
                self.walk.violate(self.label, problem);
            }
        }
        if let Some(pattern) = pattern {
            match pattern_matches(pattern, text) {
                Some(true) => {}
                Some(false) => self.violate(format!("must match the pattern `{pattern}`")),
                None => self.violate(format!("has a pattern that is not a regular expression: `{pattern}`")),
            }
        }
    }
}

fn misfit(length: u64, min: Option<u64>, max: Option<u64>, what: &str) -> Option<String> {
    let plural = |number: u64| if number == 1 { "" } else { "s" };
    match (min, max) {
        (Some(min), _) if length < min => Some(format!("must have at least {min} {what}{}", plural(min))),
        (_, Some(max)) if length > max => Some(format!("must have at most {max} {what}{}", plural(max))),
        _ => None,
    }
}

fn not_a_choice(text: &str, choices: &[ChoiceInfo], secret: bool) -> String {
    let all: Vec<String> = choices.iter().map(|choice| format!("`{}`", choice.value)).collect();
    let all = all.join(", ");
    match nearest::nearest(text, choices.iter().map(|choice| choice.value)) {
        Some(meant) if !secret => format!("must be one of {all}; did you mean `{meant}`?"),
        _ => format!("must be one of {all}"),
    }
}

fn wanted(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "a text",
        Shape::Bool => "true or false",
        Shape::Integer { .. } => "a whole number",
        Shape::Number => "a number",
        Shape::DateTime => "a date and time as a text",
        Shape::File => "a file: an object with `name` and `content`",
        Shape::FileRef => "a file: an object with the handle of one in `file`",
        Shape::Map(_) | Shape::Struct(_) => "an object",
        Shape::List(_) => "a list",
        Shape::Choice(_) => "one of a set of texts",
        _ => "something else",
    }
}

/// Whether a text has a match of a pattern somewhere; `None` when the pattern is no regular expression.
///
/// Patterns are part of the program, so that keeping every one compiled is bounded.
fn pattern_matches(pattern: &'static str, text: &str) -> Option<bool> {
    static COMPILED: RwLock<Option<HashMap<&'static str, Option<regex::Regex>>>> = RwLock::new(None);
    let known = COMPILED.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = known.as_ref().and_then(|compiled| compiled.get(pattern)) {
        return regex.as_ref().map(|regex| regex.is_match(text));
    }
    drop(known);
    let regex = regex::Regex::new(pattern).ok();
    let matches = regex.as_ref().map(|regex| regex.is_match(text));
    COMPILED.write().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(pattern, regex);
    matches
}

impl<'de> Visitor<'de> for Place<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(wanted(self.present()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        if !matches!(self.present(), Shape::Bool) {
            self.mistyped("true or false");
        }
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.mistyped("a number");
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.mistyped("a number");
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.mistyped("a number");
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        match self.shape {
            Shape::Optional(_) => {}
            _ if self.required => self.violate("is missing"),
            _ => self.mistyped("null"),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Shape::List(of) = self.present() else {
            self.mistyped("a list");
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let (label, secret) = (self.label, self.secret);
        let mut count = 0;
        loop {
            self.walk.path.push(Step::Index(count));
            let walk = &mut *self.walk;
            let place = Place { shape: of(), bounds: &Bounds::NONE, label, secret, required: false, walk };
            let item = seq.next_element_seed(place);
            self.walk.path.pop();
            if item?.is_none() {
                break;
            }
            count += 1;
        }
        let Bounds { min_length, max_length, .. } = *self.bounds;
        if let Some(problem) = misfit(count as u64, min_length, max_length, "item") {
            self.violate(problem);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.present() {
            Shape::Struct(of) => self.object(of, map),
            Shape::File => self.object(&FILE, map),
            Shape::FileRef => self.object(&FILE_REF, map),
            Shape::Map(of) => {
                let (label, secret) = (self.label, self.secret);
                while let Some(key) = map.next_key::<String>()? {
                    self.walk.path.push(Step::Key(key.into()));
                    let walk = &mut *self.walk;
                    let place =
                        Place { shape: of(), bounds: &Bounds::NONE, label, secret, required: false, walk };
                    let value = map.next_value_seed(place);
                    self.walk.path.pop();
                    value?;
                }
                Ok(())
            }
            _ => {
                self.mistyped("an object");
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }
}

/// A field by its key, with its place among all fields, flattened ones in line.
fn find(of: &'static StructShape, key: &str, place: &mut usize) -> Option<&'static FieldInfo> {
    for field in of.fields {
        if field.flatten {
            if let Shape::Struct(flat) = (field.shape)()
                && let Some(found) = find(flat, key, place)
            {
                return Some(found);
            }
        } else {
            if field.name == key {
                return Some(field);
            }
            *place += 1;
        }
    }
    None
}

/// The type of further keys, where an object takes any.
fn others(of: &'static StructShape) -> Option<Shape> {
    of.fields.iter().filter(|field| field.flatten).find_map(|field| match (field.shape)() {
        Shape::Map(of) => Some(of()),
        Shape::Struct(flat) => others(flat),
        _ => None,
    })
}

fn each(of: &'static StructShape, take: &mut dyn FnMut(&'static FieldInfo)) {
    for field in of.fields {
        match (field.flatten, (field.shape)()) {
            (true, Shape::Struct(flat)) => each(flat, take),
            (true, _) => {}
            (false, _) => take(field),
        }
    }
}

/// A key of an object: the field with its place, or another key.
enum Key {
    Field(&'static FieldInfo, usize),
    Other(String),
}

struct KeyOf(&'static StructShape);

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        let mut place = 0;
        Ok(match find(self.0, key, &mut place) {
            Some(field) => Key::Field(field, place),
            None => Key::Other(key.to_owned()),
        })
    }
}

impl Place<'_, '_> {
    fn object<'de, A: MapAccess<'de>>(self, of: &'static StructShape, mut map: A) -> Result<(), A::Error> {
        let walk = self.walk;
        let mut seen: Vec<bool> = Vec::with_capacity(of.fields.len());
        while let Some(key) = map.next_key_seed(KeyOf(of))? {
            match key {
                Key::Field(field, at) => {
                    if seen.len() <= at {
                        seen.resize(at + 1, false);
                    }
                    if std::mem::replace(&mut seen[at], true) {
                        walk.violate_at(field.name.into(), field.label, "is given twice");
                    }
                    walk.path.push(Step::Key(field.name.into()));
                    let place = Place {
                        shape: (field.shape)(),
                        bounds: &field.bounds,
                        label: if field.label.is_empty() { field.name } else { field.label },
                        secret: field.secret || self.secret,
                        required: field.required(),
                        walk,
                    };
                    let value = map.next_value_seed(place);
                    walk.path.pop();
                    value?;
                }
                Key::Other(key) => match others(of) {
                    Some(shape) => {
                        walk.path.push(Step::Key(key.clone().into()));
                        let place = Place {
                            shape,
                            bounds: &Bounds::NONE,
                            label: &key,
                            secret: self.secret,
                            required: false,
                            walk,
                        };
                        let value = map.next_value_seed(place);
                        walk.path.pop();
                        value?;
                    }
                    None => {
                        map.next_value::<IgnoredAny>()?;
                        if walk.side == Side::Given {
                            let names = closed_names(of).unwrap_or_default();
                            let problem = format!("is not a field; {}", nearest::remedy(&key, names));
                            walk.violate_at(key.clone().into(), &key, problem);
                        }
                    }
                },
            }
        }
        let mut place = 0;
        each(of, &mut |field| {
            if field.required() && !seen.get(place).copied().unwrap_or_default() {
                walk.violate_at(field.name.into(), field.label, "is missing");
            }
            place += 1;
        });
        Ok(())
    }
}

const fn part_of_file(name: &'static str, label: &'static str, shape: fn() -> Shape) -> FieldInfo {
    FieldInfo {
        name,
        label,
        help: "",
        shape,
        flatten: false,
        default: None,
        group: None,
        secret: false,
        placeholder: None,
        choices: None,
        depends_on: &[],
        bounds: Bounds { min_length: Some(0), ..Bounds::NONE },
    }
}

/// How a [`linchpin::File`] looks in JSON.
static FILE: StructShape = StructShape {
    id: "linchpin::File",
    fields: &[
        part_of_file("name", "Name", || Shape::Text),
        part_of_file("media_type", "Media type", || Shape::Optional(|| Shape::Text)),
        part_of_file("content", "Content", || Shape::Text),
    ],
};

/// How a [`linchpin::FileRef`] looks in JSON.
static FILE_REF: StructShape = StructShape {
    id: "linchpin::FileRef",
    fields: &[
        part_of_file("file", "File", || Shape::Text),
        part_of_file("name", "Name", || Shape::Optional(|| Shape::Text)),
        part_of_file("type", "Type", || Shape::Optional(|| Shape::Text)),
        part_of_file("size", "Size", || Shape::Optional(|| Shape::Integer { min: 0, max: u64::MAX as i128 })),
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use linchpin::{DateTime, File, FileRef, Number, fields, schema, shape::FieldType};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Something of everything.
    #[fields]
    struct Everything {
        text: String,
        #[field(min_length = 2, max_length = 4)]
        short: Option<String>,
        #[field(pattern = "^[a-z]+$")]
        lower: Option<String>,
        small: u8,
        #[field(min = 1, max = 10)]
        ranged: Option<i64>,
        number: Option<Number>,
        flag: Option<bool>,
        #[field(max_length = 2)]
        list: Vec<u8>,
        choice: Option<Choice>,
        inner: Option<Inner>,
        map: Option<BTreeMap<String, u8>>,
        file: Option<File>,
        large: Option<FileRef>,
        any: Option<Value>,
        #[field(default)]
        defaulted: u16,
    }

    #[fields]
    enum Choice {
        One,
        Two,
    }

    #[fields]
    struct Inner {
        id: u64,
        next: Option<Box<Inner>>,
    }

    #[fields]
    struct Dated {
        at: DateTime,
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-20i64..400).prop_map(Value::from),
            Just(json!(1.5)),
            prop_oneof![Just("one"), Just("two"), Just("abc"), Just("ABC"), Just("a"), Just("abcde")]
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 12, 3, |inner| {
            let key = prop_oneof![
                Just("id"),
                Just("next"),
                Just("name"),
                Just("content"),
                Just("file"),
                Just("size"),
                Just("other")
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            Just("text"),
            Just("short"),
            Just("lower"),
            Just("small"),
            Just("ranged"),
            Just("number"),
            Just("flag"),
            Just("list"),
            Just("choice"),
            Just("inner"),
            Just("map"),
            Just("file"),
            Just("large"),
            Just("any"),
            Just("defaulted"),
            Just("unknown"),
        ];
        let changes = prop::collection::vec((key, prop::option::of(value())), 0..4);
        changes.prop_map(|changes| {
            let mut object = json!({ "text": "x", "small": 7, "list": [1] });
            for (key, value) in changes {
                match value {
                    Some(value) => object[key] = value,
                    None => drop(object.as_object_mut().unwrap().remove(key)),
                }
            }
            object
        })
    }

    proptest! {
        /// The check by shape and the published JSON Schema accept the same objects.
        #[test]
        fn the_walker_and_the_schema_agree(object in object()) {
            thread_local! {
                static SCHEMA: jsonschema::Validator = {
                    let schema = schema::schema(Some(Everything::shape()), schema::Side::Given);
                    jsonschema::validator_for(&schema).unwrap()
                };
            }
            let found = given(Everything::shape(), &object.to_string(), Side::Given, "the input", &mut Vec::new());
            let valid = SCHEMA.with(|schema| schema.is_valid(&object));
            prop_assert_eq!(found.is_empty(), valid, "{}: {:?}", object, found);
        }
    }

    #[test]
    fn what_the_schema_only_notes_is_checked_too() {
        let found = |json: &str| given(Dated::shape(), json, Side::Given, "the input", &mut Vec::new());
        assert_eq!(found(r#"{"at":"2026-03-01T09:00:00Z"}"#), []);
        for wrong in [r#"{"at":"tomorrow"}"#, r#"{"at":""}"#, r#"{"at":null}"#, "{}", "[]", "{"] {
            assert_eq!(found(wrong).len(), 1, "{wrong}");
        }
    }
}
