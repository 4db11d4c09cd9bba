//! Events as JSON and back. The type is in the envelope, the rest in the data.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::upcast;
use crate::domain::event::Event;

/// Data that does not match its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {kind} (schema version {schema}) cannot be read: {reason}")]
pub struct DecodeError {
    /// The type.
    pub kind: String,
    /// The version.
    pub schema: u16,
    /// Why it cannot be read.
    pub reason: String,
}

/// An event's data, with plain personal texts.
pub fn to_data(event: &Event) -> Value {
    match event {
        Event::Booking(event) => untyped(event),
        Event::Connection(event) => untyped(event),
        Event::Calendar(event) => untyped(event),
        Event::Link(event) => untyped(event),
        Event::Source(event) => untyped(event),
        Event::Profile(event) => untyped(event),
        Event::Operations(event) => untyped(event),
    }
}

/// The fields of the one variant that an event is; serde writes them under its name.
fn untyped(event: &impl Serialize) -> Value {
    let named = serde_json::to_value(event).expect("events are structs of strings, numbers and times");
    let Value::Object(named) = named else { return Value::Object(Map::new()) };
    named.into_iter().next().map_or_else(|| Value::Object(Map::new()), |(_, data)| data)
}

/// The event of that type, from data with plain or erased personal texts.
///
/// # Errors
/// [`DecodeError`] if the type or its version is unknown, or a field is missing.
pub fn from_data(kind: &str, schema: u16, data: Value) -> Result<Event, DecodeError> {
    let fail = |reason: &str| DecodeError { kind: kind.to_owned(), schema, reason: reason.to_owned() };
    let Value::Object(data) = data else { return Err(fail("its data is not a JSON object")) };
    let data = upcast::lift(kind, schema, data)
        .ok_or_else(|| fail("the event was written by a newer version of this program"))?;
    let (category, name) = kind.split_once('.').ok_or_else(|| fail("its type has no category"))?;
    let event = match category {
        "booking" => typed(name, data).map(Event::Booking),
        "connection" => typed(name, data).map(Event::Connection),
        "calendar" => typed(name, data).map(Event::Calendar),
        "link" => typed(name, data).map(Event::Link),
        "source" => typed(name, data).map(Event::Source),
        "profile" => typed(name, data).map(Event::Profile),
        "operations" => typed(name, data).map(Event::Operations),
        _ => return Err(fail("unknown category")),
    };
    event.map_err(|e| fail(&e.to_string()))
}

/// The event of that type, from its stored text, which holds no personal texts (see [`sealing::holds_texts`]): without a tree of JSON
/// values in between, which takes twice as long.
///
/// [`sealing::holds_texts`]: super::sealing::holds_texts
///
/// # Errors
/// As [`from_data`], and if the text is not JSON.
pub fn from_text(kind: &str, schema: u16, data: &str) -> Result<Event, DecodeError> {
    if schema == upcast::current(kind)
        && let Some((category, name)) = kind.split_once('.')
        && let Ok(event) = typed_text(category, &format!("{{\"{name}\":{data}}}"))
    {
        return Ok(event);
    }
    // An older version, or an error; or a field given twice, of which the last counts.
    let data = serde_json::from_str(data);
    from_data(kind, schema, data.map_err(|e| DecodeError { kind: kind.to_owned(), schema, reason: e.to_string() })?)
}

fn typed_text(category: &str, named: &str) -> Result<Event, serde_json::Error> {
    match category {
        "booking" => serde_json::from_str(named).map(Event::Booking),
        "connection" => serde_json::from_str(named).map(Event::Connection),
        "calendar" => serde_json::from_str(named).map(Event::Calendar),
        "link" => serde_json::from_str(named).map(Event::Link),
        "source" => serde_json::from_str(named).map(Event::Source),
        "profile" => serde_json::from_str(named).map(Event::Profile),
        "operations" => serde_json::from_str(named).map(Event::Operations),
        _ => Err(serde::de::Error::custom("unknown category")),
    }
}

/// Goes straight to the fields of the variant of that name: a tag among the fields would have all of them read twice.
fn typed<T: DeserializeOwned>(name: &str, data: Map<String, Value>) -> Result<T, serde_json::Error> {
    serde_json::from_value(Value::Object(Map::from_iter([(name.to_owned(), Value::Object(data))])))
}
