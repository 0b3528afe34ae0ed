//! What stands for another object: its id, or the object itself where that was asked for.

use std::{fmt, marker::PhantomData};

use linchpin::{
    prelude::*,
    serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{self, value::MapAccessDeserializer},
    },
    shape::{FieldType, Shape},
};

/// Another object: its id, or in its place the object, where it was asked for by `expand`.
#[derive(Debug, Clone, PartialEq)]
pub enum Expandable<T> {
    /// Its id.
    Id(String),
    /// The object.
    Object(Box<T>),
}

impl<T: Serialize> Serialize for Expandable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Expandable::Id(id) => serializer.serialize_str(id),
            Expandable::Object(object) => object.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Expandable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expandable<T>, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Either<T> {
            type Value = Expandable<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id or an object")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Expandable<T>, E> {
                Ok(Expandable::Id(id.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Expandable<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
                    .map(|object| Expandable::Object(Box::new(object)))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T: FieldType> FieldType for Expandable<T> {
    // Objects hold each other, and a shape cannot say "either".
    fn shape() -> Shape {
        Shape::Any
    }
}
