//! What linchpin knows of a type whose values cross the edge of a flow.

use std::collections::{BTreeMap, HashMap};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Error as _, MapAccess},
    ser::SerializeMap,
};
use serde_json::Value;

use crate::flow::FlowDescriptor;

/// How a type looks at the edge: enough for its JSON Schema, its form and its check, as plain constant data.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Shape {
    /// A text.
    Text,
    /// True or false.
    Bool,
    /// A whole number within these bounds.
    Integer {
        /// The smallest value of the type.
        min: i128,
        /// The largest value of the type; of a `u128` what an `i128` holds.
        max: i128,
    },
    /// Any number.
    Number,
    /// A point in time: RFC 3339.
    DateTime,
    /// A file: see [`File`](crate::File).
    File,
    /// A file that is not in memory, by its handle: see [`FileRef`](crate::FileRef).
    FileRef,
    /// Any JSON value.
    Any,
    /// An object with any keys and values of one type.
    Map(ShapeFn),
    /// A list.
    List(ShapeFn),
    /// A value that may be absent.
    Optional(ShapeFn),
    /// An object with known fields.
    Struct(&'static StructShape),
    /// One of a fixed set of texts.
    Choice(&'static [ChoiceInfo]),
}

/// Gives a shape when asked, so that types may contain themselves.
pub type ShapeFn = fn() -> Shape;

/// The known fields of an object.
#[derive(Debug)]
pub struct StructShape {
    /// The type's path, which tells it from others.
    pub id: &'static str,
    /// The fields in the order of the source.
    pub fields: &'static [FieldInfo],
}

/// One field of an object, with what its form needs.
#[derive(Debug, Clone, Copy)]
pub struct FieldInfo {
    /// Its key in JSON.
    pub name: &'static str,
    /// What forms show.
    pub label: &'static str,
    /// A sentence or more under the field; empty where there is none.
    pub help: &'static str,
    /// Its type.
    pub shape: ShapeFn,
    /// Whether the fields of its type stand directly in this object.
    pub flatten: bool,
    /// The value where none is given.
    pub default: Option<fn() -> Value>,
    /// The group under which forms show it.
    pub group: Option<&'static str>,
    /// Whether its value is hidden in forms, traces and errors.
    pub secret: bool,
    /// An example shown in the empty field.
    pub placeholder: Option<&'static str>,
    /// The helper that gives its choices.
    pub choices: Option<fn() -> &'static FlowDescriptor>,
    /// The fields whose values the helper needs.
    pub depends_on: &'static [&'static str],
    /// Bounds beyond those of its type.
    pub bounds: Bounds,
}

/// Bounds of a field's value beyond those of its type.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The smallest number.
    pub min: Option<f64>,
    /// The largest number.
    pub max: Option<f64>,
    /// The fewest characters of a text, or items of a list.
    pub min_length: Option<u64>,
    /// The most characters of a text, or items of a list.
    pub max_length: Option<u64>,
    /// A regular expression that a text must match somewhere, as in JSON Schema.
    pub pattern: Option<&'static str>,
}

impl Bounds {
    /// No bounds.
    pub const NONE: Bounds =
        Bounds { min: None, max: None, min_length: None, max_length: None, pattern: None };
}

impl FieldInfo {
    /// Whether an object without this field is refused.
    pub fn required(&self) -> bool {
        self.default.is_none() && !self.flatten && !matches!((self.shape)(), Shape::Optional(_))
    }
}

/// One value of a fixed set.
#[derive(Debug, Clone, Copy)]
pub struct ChoiceInfo {
    /// The text in JSON.
    pub value: &'static str,
    /// What forms show.
    pub label: &'static str,
}

/// A type whose values may cross the edge of a flow.
///
/// `#[fields]` implements it for structs and for enums of plain variants. Texts, numbers, truth values, [`DateTime`](crate::DateTime),
/// [`Number`](crate::Number), [`File`](crate::File), [`FileRef`](crate::FileRef), `serde_json::Value`, and lists, maps and options of all of these have it too.
///
/// A type with serde code of its own can be given one by hand:
///
/// ```
/// use linchpin::shape::{FieldType, Shape};
///
/// /// Sent as `"12.50 EUR"`.
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Price(String);
///
/// impl FieldType for Price {
///     fn shape() -> Shape {
///         Shape::Text
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "linchpin does not know `{Self}` as the type of a field",
    label = "not known to linchpin",
    note = "put `#[fields]` on `{Self}`, or use a type that linchpin knows: texts, numbers, `bool`, `DateTime`, `File`, `serde_json::Value`, and `Option`, `Vec`, `Box` or maps of these"
)]
pub trait FieldType: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// How the type looks at the edge.
    fn shape() -> Shape;

    /// The value where the field is absent, if absence is a value of the type.
    #[doc(hidden)]
    fn absent() -> Option<Self> {
        None
    }

    /// Reads the field from an object that is being read.
    // Not inlined: one copy for all fields of a type, in place of one for each field, halves what a struct costs to compile.
    #[doc(hidden)]
    #[inline(never)]
    fn put<'de, A: MapAccess<'de>>(
        slot: &mut Option<Self>,
        name: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if slot.is_some() {
            return Err(A::Error::duplicate_field(name));
        }
        *slot = Some(map.next_value()?);
        Ok(())
    }

    /// Sees to it that the field is there once the object has been read, and says whether it is.
    #[doc(hidden)]
    #[inline(never)]
    fn fill(slot: &mut Option<Self>) -> bool {
        if slot.is_none() {
            *slot = Self::absent();
        }
        slot.is_some()
    }

    /// Writes the field into an object that is being written.
    #[doc(hidden)]
    #[inline(never)]
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry(name, self)
    }
}

/// A type with fields: what `#[fields]` makes of a struct.
///
/// Only such types are inputs, options and flattened fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct with `#[fields]`",
    label = "needs fields",
    note = "put `#[fields]` on a struct with named fields and use that; group several values in one struct"
)]
pub trait Fields: FieldType {
    /// A value of which some fields have been read.
    #[doc(hidden)]
    type Partial: Default + 'static;

    /// Whether keys that are no fields are kept.
    #[doc(hidden)]
    const OPEN: bool = false;

    /// The place of a key among the fields, those of flattened fields behind its own.
    #[doc(hidden)]
    fn index_of(key: &str, guess: usize) -> Option<usize>;

    /// How many places there are.
    #[doc(hidden)]
    fn count() -> usize;

    /// Reads the value of the key at a place.
    #[doc(hidden)]
    fn accept<'de, A: MapAccess<'de>>(
        partial: &mut Self::Partial,
        index: usize,
        map: &mut A,
    ) -> Result<(), A::Error>;

    /// Reads the value of a key that is no field; asked only where [`OPEN`](Fields::OPEN).
    #[doc(hidden)]
    fn accept_other<'de, A: MapAccess<'de>>(
        _partial: &mut Self::Partial,
        _key: &mut String,
        map: &mut A,
    ) -> Result<(), A::Error> {
        serial::pass_over(map)
    }

    /// Sees to it that every field is there once the object has been read; names one that is not.
    #[doc(hidden)]
    fn complete(partial: &mut Self::Partial) -> Result<(), &'static str>;

    /// Makes the value of what is complete.
    #[doc(hidden)]
    fn finish(partial: Self::Partial) -> Option<Self>;

    /// As `accept`, for a struct whose fields stand in another's.
    #[doc(hidden)]
    fn accept_flat<'de, A: MapAccess<'de>>(
        slot: &mut FlatSlot,
        index: usize,
        map: &mut A,
    ) -> Result<(), A::Error> {
        Self::accept(slot.partial::<Self>(), index, map)
    }

    /// As `accept_other`, for a struct whose fields stand in another's.
    #[doc(hidden)]
    fn accept_other_flat<'de, A: MapAccess<'de>>(
        slot: &mut FlatSlot,
        key: &mut String,
        map: &mut A,
    ) -> Result<(), A::Error> {
        Self::accept_other(slot.partial::<Self>(), key, map)
    }

    /// As `complete`, for a struct whose fields stand in another's.
    #[doc(hidden)]
    fn complete_flat(slot: &mut FlatSlot) -> Result<(), &'static str> {
        Self::complete(slot.partial::<Self>())
    }

    /// As `finish`, for a struct whose fields stand in another's.
    #[doc(hidden)]
    fn finish_flat(slot: &mut FlatSlot) -> Option<Self> {
        Self::finish(std::mem::take(slot.partial::<Self>()))
    }

    /// Writes every field into an object.
    #[doc(hidden)]
    fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

/// Where a flattened field gathers what has been read of it. It does not name the field's type, so that a type that does not fit
/// is reported once, where it stands.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct FlatSlot(Option<Box<dyn std::any::Any>>);

impl FlatSlot {
    fn partial<T: Fields>(&mut self) -> &mut T::Partial {
        let slot = &mut self.0;
        if !slot.as_ref().is_some_and(|partial| partial.is::<T::Partial>()) {
            *slot = None;
        }
        let partial = slot.get_or_insert_with(|| Box::new(T::Partial::default()));
        partial.downcast_mut().expect("a slot that was just filled with this type")
    }
}

/// What `#[fields]` calls to read and write; nothing here is for people.
#[doc(hidden)]
pub mod serial {
    use std::fmt;

    use serde::{
        Deserializer, Serializer,
        de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
        ser::SerializeMap,
    };

    use super::{ChoiceInfo, Fields};

    /// The place of `key` in `names`; the fields usually come in the order of the type, so the guess is tried first.
    pub fn index_in(names: &[&str], key: &str, guess: usize) -> Option<usize> {
        match names.get(guess) {
            Some(name) if *name == key => Some(guess),
            _ => names.iter().position(|name| *name == key),
        }
    }

    // A crate compiles what is generic here anew for each of its types, so of that there is little: what can be one copy for
    // all types is a function of its own, and an error is handed on by `match`, which is less than `?` becomes.

    /// Writes a struct.
    pub fn write<T: Fields, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.serialize_map(None) {
            Ok(mut map) => match value.write_fields(&mut map) {
                Ok(()) => map.end(),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Reads a struct.
    pub fn read<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let mut partial = T::Partial::default();
        match deserializer.deserialize_map(Object::<T>(&mut partial)) {
            Ok(()) => match T::finish(partial) {
                Some(whole) => Ok(whole),
                None => Err(lost()),
            },
            Err(error) => Err(error),
        }
    }

    // Gives nothing: a deserializer moves what a visitor gives several times, and each time sees to it that it is dropped.
    struct Object<'a, T: Fields>(&'a mut T::Partial);

    impl<'de, T: Fields> Visitor<'de> for Object<'_, T> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            read_fields(&mut self, &mut map, T::OPEN)
        }
    }

    /// Any struct, as it is read from an `A`.
    trait Target<'de, A: MapAccess<'de>> {
        fn index_of(&self, key: &str, guess: usize) -> Option<usize>;
        fn accept(&mut self, index: usize, map: &mut A) -> Result<(), A::Error>;
        fn accept_other(&mut self, key: &mut String, map: &mut A) -> Result<(), A::Error>;
        fn complete(&mut self) -> Result<(), &'static str>;
    }

    impl<'de, A: MapAccess<'de>, T: Fields> Target<'de, A> for Object<'_, T> {
        fn index_of(&self, key: &str, guess: usize) -> Option<usize> {
            T::index_of(key, guess)
        }

        fn accept(&mut self, index: usize, map: &mut A) -> Result<(), A::Error> {
            T::accept(self.0, index, map)
        }

        fn accept_other(&mut self, key: &mut String, map: &mut A) -> Result<(), A::Error> {
            T::accept_other(self.0, key, map)
        }

        fn complete(&mut self) -> Result<(), &'static str> {
            T::complete(self.0)
        }
    }

    /// Reads an object to its end.
    #[inline(never)]
    fn read_fields<'de, A: MapAccess<'de>>(
        target: &mut dyn Target<'de, A>,
        map: &mut A,
        open: bool,
    ) -> Result<(), A::Error> {
        let mut guess = 0;
        loop {
            let index_of = |key: &str| target.index_of(key, guess);
            match map.next_key_seed(KeySeed { index_of: &index_of, open })? {
                Some(Some(Key::Field(index))) => {
                    target.accept(index, map)?;
                    guess = index + 1;
                }
                Some(Some(Key::Other(mut key))) => target.accept_other(&mut key, map)?,
                Some(None) => pass_over(map)?,
                None => return target.complete().map_err(serde::de::Error::missing_field),
            }
        }
    }

    enum Key {
        Field(usize),
        Other(String),
    }

    struct KeySeed<'a> {
        index_of: &'a dyn Fn(&str) -> Option<usize>,
        open: bool,
    }

    impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
        type Value = Option<Key>;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Key>, D::Error> {
            deserializer.deserialize_identifier(self)
        }
    }

    impl Visitor<'_> for KeySeed<'_> {
        type Value = Option<Key>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a field name")
        }

        fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Option<Key>, E> {
            Ok(match (self.index_of)(key) {
                Some(index) => Some(Key::Field(index)),
                None => self.open.then(|| Key::Other(key.to_owned())),
            })
        }

        // As some formats have names.
        fn visit_bytes<E: serde::de::Error>(self, key: &[u8]) -> Result<Option<Key>, E> {
            match std::str::from_utf8(key) {
                Ok(key) => self.visit_str(key),
                Err(_) => Ok(None),
            }
        }
    }

    /// Reads one of a fixed set of texts: its place.
    pub fn read_choice<'de, D: Deserializer<'de>>(
        choices: &'static [ChoiceInfo],
        deserializer: D,
    ) -> Result<usize, D::Error> {
        struct OneOf(&'static [ChoiceInfo]);
        impl Visitor<'_> for OneOf {
            type Value = usize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of ")?;
                for (index, choice) in self.0.iter().enumerate() {
                    write!(f, "{}`{}`", if index == 0 { "" } else { ", " }, choice.value)?;
                }
                Ok(())
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<usize, E> {
                self.0
                    .iter()
                    .position(|choice| choice.value == text)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(OneOf(choices))
    }

    /// Passes over a value.
    #[inline(never)]
    pub fn pass_over<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }

    /// What a struct is read as when a field that was seen to is not there, which cannot be.
    #[cold]
    pub fn lost<E: serde::de::Error>() -> E {
        E::custom("a field was lost")
    }

    /// What a choice is read as, for an index that cannot be.
    pub fn no_such_choice<E: serde::de::Error>() -> E {
        E::custom("no such choice")
    }
}

macro_rules! scalar {
    ($($type:ty => $shape:expr;)+) => {
        $(#[diagnostic::do_not_recommend]
        impl FieldType for $type {
            fn shape() -> Shape { $shape }
        })+
    };
}

macro_rules! integer {
    ($($type:ty)+) => {
        scalar! { $($type => Shape::Integer { min: <$type>::MIN as i128, max: <$type>::MAX as i128 };)+ }
    };
}

integer! { i8 i16 i32 i64 i128 u8 u16 u32 u64 isize usize }

scalar! {
    bool => Shape::Bool;
    u128 => Shape::Integer { min: 0, max: i128::MAX };
    f32 => Shape::Number;
    f64 => Shape::Number;
    String => Shape::Text;
    Value => Shape::Any;
}

impl<T: FieldType> FieldType for Box<T> {
    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: FieldType> FieldType for Vec<T> {
    fn shape() -> Shape {
        Shape::List(T::shape)
    }
}

impl<T: FieldType> FieldType for Option<T> {
    fn shape() -> Shape {
        Shape::Optional(T::shape)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    #[inline(never)]
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        match self {
            Some(value) => map.serialize_entry(name, value),
            None => Ok(()),
        }
    }
}

macro_rules! map {
    ($($map:ident)+) => {
        $(
            impl<T: FieldType> FieldType for $map<String, T> {
                fn shape() -> Shape {
                    Shape::Map(T::shape)
                }
            }

            impl<T: FieldType> Fields for $map<String, T> {
                type Partial = $map<String, T>;
                const OPEN: bool = true;

                fn index_of(_key: &str, _guess: usize) -> Option<usize> {
                    None
                }

                fn count() -> usize {
                    0
                }

                fn accept<'de, A: MapAccess<'de>>(
                    _partial: &mut Self::Partial,
                    _index: usize,
                    map: &mut A,
                ) -> Result<(), A::Error> {
                    serial::pass_over(map)
                }

                fn accept_other<'de, A: MapAccess<'de>>(
                    partial: &mut Self::Partial,
                    key: &mut String,
                    map: &mut A,
                ) -> Result<(), A::Error> {
                    partial.insert(std::mem::take(key), map.next_value()?);
                    Ok(())
                }

                fn complete(_partial: &mut Self::Partial) -> Result<(), &'static str> {
                    Ok(())
                }

                fn finish(partial: Self::Partial) -> Option<Self> {
                    Some(partial)
                }

                fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                    self.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))
                }
            }
        )+
    };
}

map! { BTreeMap HashMap }

/// The fields of a flow that takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct Nothing {}

#[diagnostic::do_not_recommend]
impl FieldType for Nothing {
    fn shape() -> Shape {
        Shape::Struct(&StructShape { id: "linchpin::Nothing", fields: &[] })
    }
}
