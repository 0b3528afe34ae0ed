//! What an event carries.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use linchpin::{
    Code, Error, Result,
    flow::ErasedValue,
    serde_json::{self, value::RawValue},
    shape::FieldType,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

/// What an event's flow made of a delivery, or a monitor found: as the type that the flow gave, or as JSON. It is written as JSON only
/// for who asks.
///
/// ```
/// use linchpin::prelude::*;
/// use linchpin_host::{Event, Sink, handler};
///
/// #[fields]
/// struct Issue {
///     number: u64,
/// }
///
/// let sink = handler(|event: &Event| {
///     let issue = event.data.read::<Issue>();
///     async move {
///         println!("issue {}", issue?.number);
///         Ok(())
///     }
/// });
/// # fn is_sink(_: impl Sink) {}
/// # is_sink(sink);
/// ```
#[derive(Clone)]
pub struct EventData(Form);

#[derive(Clone)]
enum Form {
    Json(Box<RawValue>),
    /// With its JSON, once somebody has asked for it.
    Typed(Arc<dyn ErasedValue>, OnceLock<Box<RawValue>>),
}

impl EventData {
    pub(crate) fn typed(value: Arc<dyn ErasedValue>) -> EventData {
        EventData(Form::Typed(value, OnceLock::new()))
    }

    /// As JSON.
    ///
    /// # Errors
    ///
    /// [`Code::OutputInvalid`] when the type that the flow gave cannot be written.
    pub fn json(&self) -> Result<&RawValue> {
        let (value, json) = match &self.0 {
            Form::Json(json) => return Ok(json),
            Form::Typed(value, json) => (value, json),
        };
        if let Some(json) = json.get() {
            return Ok(json);
        }
        let written = RawValue::from_string(value.to_json()?).map_err(|error| {
            Error::coded(Code::OutputInvalid, format!("what the event's flow gave is no JSON: {error}"))
        })?;
        Ok(json.get_or_init(|| written))
    }

    /// As a type: the very value where the flow gave this type, else what its JSON reads as.
    ///
    /// # Errors
    ///
    /// [`Code::OutputInvalid`] when it is nothing of that type.
    pub fn read<T: FieldType>(&self) -> Result<Arc<T>> {
        if let Form::Typed(value, _) = &self.0
            && let Ok(value) = (value.clone() as Arc<dyn Any + Send + Sync>).downcast()
        {
            return Ok(value);
        }
        let read = serde_json::from_str(self.json()?.get());
        read.map(Arc::new).map_err(|error| {
            let wanted = std::any::type_name::<T>();
            Error::coded(Code::OutputInvalid, format!("the event's data is no `{wanted}`: {error}"))
        })
    }
}

impl From<Box<RawValue>> for EventData {
    fn from(json: Box<RawValue>) -> EventData {
        EventData(Form::Json(json))
    }
}

impl fmt::Debug for EventData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EventData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.json() {
            Ok(json) => f.write_str(json.get()),
            Err(error) => write!(f, "({error})"),
        }
    }
}

impl Serialize for EventData {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        self.json().map_err(S::Error::custom)?.serialize(to)
    }
}

impl<'de> Deserialize<'de> for EventData {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<EventData, D::Error> {
        Box::deserialize(from).map(|json: Box<RawValue>| json.into())
    }
}

#[cfg(test)]
mod tests {
    use linchpin::fields;

    use super::*;

    #[fields]
    #[derive(Debug, PartialEq)]
    struct Issue {
        number: u64,
    }

    #[fields]
    #[derive(Debug, PartialEq)]
    struct Other {
        number: f64,
    }

    #[test]
    fn what_a_flow_gave_is_had_as_it_is_and_as_what_its_json_reads_as() {
        let given = Arc::new(Issue { number: 7 });
        let data = EventData::typed(given.clone());
        assert!(Arc::ptr_eq(&data.read::<Issue>().unwrap(), &given));
        assert_eq!(*data.read::<Other>().unwrap(), Other { number: 7.0 });
        assert_eq!(data.json().unwrap().get(), r#"{"number":7}"#);
        let error = data.read::<Vec<String>>().unwrap_err();
        assert!(error.message().contains("Vec<"), "{error}");

        let kept: EventData = serde_json::from_str(&serde_json::to_string(&data).unwrap()).unwrap();
        assert_eq!(*kept.read::<Issue>().unwrap(), *given);
        assert_eq!(kept.to_string(), data.to_string());
    }
}
