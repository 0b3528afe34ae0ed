//! Points in time as Slack writes them.

use std::fmt;

use linchpin::{
    prelude::*,
    serde::{Deserialize, Deserializer, Serialize, Serializer, de},
    shape::{FieldType, Shape},
};

/// A point in time that Slack counts in seconds after 1970; with us it is RFC 3339, as any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub DateTime);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        struct EitherForm;
        impl de::Visitor<'_> for EitherForm {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds after 1970, or a date and time as a text")
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Seconds, E> {
                let time = seconds.checked_mul(1000).and_then(DateTime::from_unix_millis);
                time.map(Seconds).ok_or_else(|| E::custom("no calendar has so many seconds"))
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                self.visit_i64(i64::try_from(seconds).unwrap_or(i64::MAX))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
                match text.parse::<i64>() {
                    Ok(seconds) => self.visit_i64(seconds),
                    Err(_) => text.parse().map(Seconds).map_err(E::custom),
                }
            }
        }
        deserializer.deserialize_any(EitherForm)
    }
}

impl FieldType for Seconds {
    fn shape() -> Shape {
        Shape::DateTime
    }
}
