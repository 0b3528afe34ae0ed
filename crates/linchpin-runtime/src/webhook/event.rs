//! Which events a delivery is, and whether a registration wants them.

use std::collections::HashMap;

use linchpin::{
    Actor, Code, Delivery, Error, Result,
    manifest::spec::{DeliveryMatch, DeliveryPlace, Event, Spec},
};
use serde_json::Value;

use super::place::{any, plain};
use crate::outcome::{self, value_at};

/// The events of a hook that a delivery is, and that a registration with these options wants, in the order of the spec. Of a hook
/// whose deliveries hold several things that happened, `delivery` is one of [`items`](super::Guard::items).
///
/// Of an event with a `filter` it wants the deliveries whose value at each place is the option's, or one of the option's where that is a
/// list; of a place with a step `*` any of its values may be. An option that is missing, null or an empty list filters nothing.
pub fn events<'s>(spec: &'s Spec, hook: &str, delivery: &Delivery, options: &Value) -> Vec<&'s Event> {
    let mut body = Body { delivery, known: HashMap::new() };
    let of_hook = spec.events.iter().filter(|event| event.hook.as_deref() == Some(hook));
    of_hook.filter(|event| body.matches(&event.matching) && body.wanted(&event.filter, options)).collect()
}

/// Checks that a delivery is of the event that a flow serves.
pub(crate) fn check_event(spec: &Spec, key: &str, delivery: &Delivery) -> Result<()> {
    let Some(event) = spec.events.iter().find(|event| event.key == key) else {
        let message = format!("the spec has no event `{key}`");
        return Err(Error::coded(Code::EventMismatch, message).actor(Actor::Author));
    };
    if matches(&event.matching, delivery) {
        return Ok(());
    }
    let message = format!(
        "the delivery is not of the event `{key}`; its headers, query or body are not those of `[event.{key}] match`"
    );
    Err(Error::coded(Code::EventMismatch, message))
}

/// Whether a request looks like this.
pub(super) fn matches(wanted: &DeliveryMatch, delivery: &Delivery) -> bool {
    Body { delivery, known: HashMap::new() }.matches(wanted)
}

/// A delivery's body, in which a place is looked up once, however many events ask for it.
struct Body<'d, 's> {
    delivery: &'d Delivery,
    known: HashMap<&'s str, Option<Value>>,
}

impl<'s> Body<'_, 's> {
    fn at(&mut self, pointer: &'s str) -> Option<&Value> {
        let body = &self.delivery.body;
        self.known.entry(pointer).or_insert_with(|| value_at(body, pointer)).as_ref()
    }

    fn matches(&mut self, wanted: &'s DeliveryMatch) -> bool {
        let delivery = self.delivery;
        outcome::headers_match(&wanted.headers, &delivery.headers)
            && wanted.query.iter().all(|(name, value)| delivery.query(name).as_deref() == Some(value))
            && wanted
                .body
                .iter()
                .all(|(pointer, literal)| self.at(pointer).is_some_and(|value| outcome::is(value, literal)))
    }

    fn wanted(&mut self, filter: &'s [(DeliveryPlace, String)], options: &Value) -> bool {
        filter.iter().all(|(place, option)| {
            let option = match options.get(option) {
                None | Some(Value::Null) => return true,
                Some(Value::Array(any)) if any.is_empty() => return true,
                Some(Value::Array(any)) => any.as_slice(),
                Some(one) => std::slice::from_ref(one),
            };
            let found: Vec<String> = match place {
                DeliveryPlace::Header(name) => {
                    self.delivery.header(name).map(str::to_owned).into_iter().collect()
                }
                DeliveryPlace::Query(name) => {
                    self.delivery.query(name).map(String::from).into_iter().collect()
                }
                DeliveryPlace::Body(pointer) if pointer.split('/').any(|step| step == "*") => {
                    self.at("").map(|body| any(body, pointer)).unwrap_or_default()
                }
                DeliveryPlace::Body(pointer) => {
                    self.at(pointer).cloned().and_then(plain).into_iter().collect()
                }
            };
            found.iter().any(|found| option.iter().any(|one| is_text(one, found)))
        })
    }
}

/// Whether an option's value is a text, or written as this text.
fn is_text(option: &Value, text: &str) -> bool {
    match option {
        Value::String(option) => option == text,
        other => plain(other.clone()).as_deref() == Some(text),
    }
}
