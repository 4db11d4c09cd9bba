//! Stored events, frozen: what was written once is read for ever. Files: `tests/fixtures/events/`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use syncledger::{
    domain::{event::Event, ids::EventId},
    record::{codec, schema, sealing, upcast},
};
use uuid::Uuid;

use super::{BESIDE, ROOT, blessing, caught, instances, nothing_in, read, write};

/// Where the frozen events stand.
const FOLDER: &str = "tests/fixtures/events";

/// The key that every text in them is sealed under.
const KEY: sealing::KeyRef<'_> = sealing::KeyRef { id: "fixture-key", bytes: &[7; 32] };

/// The id of every event in them.
const ID: EventId = EventId(Uuid::from_u128(0x0195_6f2a_0000_7000_8000_0000_0000_0001));

/// One type at one version: the data of its instances, as stored.
pub struct Fixture {
    /// Its file.
    pub path: String,
    /// `booking.rescheduled`.
    pub kind: String,
    /// The version of the data.
    pub schema: u16,
    /// The data of each instance, texts sealed.
    pub stored: Vec<Value>,
}

/// Every frozen event.
pub fn frozen() -> Vec<Fixture> {
    let entries = std::fs::read_dir(std::path::Path::new(ROOT).join(FOLDER));
    let names = entries.into_iter().flatten().map(|e| e.expect("readable").file_name().to_string_lossy().into_owned());
    let names = names.filter(|name| !name.starts_with(BESIDE));
    let mut fixtures: Vec<Fixture> = names.map(|name| parse(&format!("{FOLDER}/{name}"))).collect();
    fixtures.sort_by(|a, b| a.path.cmp(&b.path));
    fixtures
}

fn parse(path: &str) -> Fixture {
    let text = read(path).expect("the fixture is UTF-8");
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    Fixture {
        path: path.to_owned(),
        kind: file["type"].as_str().expect("it has a type").to_owned(),
        schema: u16::try_from(file["schema"].as_u64().expect("it has a version")).expect("the version is small"),
        stored: file["instances"].as_array().expect("it has instances").clone(),
    }
}

fn path_of(kind: &str, schema: u16) -> String {
    format!("{FOLDER}/{kind}.v{schema}.json")
}

/// An event's data as it would be stored. The nonce counts the texts, so that the same event gives the same bytes.
fn stored(event: &Event) -> Value {
    let mut data = codec::to_data(event);
    let mut texts = 0;
    let mut nonce = || {
        texts += 1;
        [texts; 24]
    };
    sealing::seal(&mut data, ID, &|_| Some(KEY), &mut nonce).expect("there is a key");
    data
}

/// A stored event as the program reads it: with its key, or with every text forgotten.
pub fn decoded(kind: &str, schema: u16, stored: &Value, forgotten: bool) -> Result<Event, String> {
    let mut data = stored.clone();
    sealing::open(&mut data, ID, &|_| (!forgotten).then_some(KEY)).map_err(|e| e.to_string())?;
    codec::from_data(kind, schema, data).map_err(|e| e.to_string())
}

/// What is wrong with one frozen event: it must decode, be of its type, and lose nothing on the way back.
fn unreadable(fixture: &Fixture) -> Vec<String> {
    let mut found = Vec::new();
    for (index, stored) in fixture.stored.iter().enumerate() {
        let label = format!("{}[{index}]", fixture.path);
        for forgotten in [false, true] {
            match decoded(&fixture.kind, fixture.schema, stored, forgotten) {
                Err(reason) => found.push(format!("{label}: does not decode: {reason}")),
                Ok(event) if event.kind() != fixture.kind => found.push(format!("{label}: is a {}", event.kind())),
                Ok(event) if !forgotten && fixture.schema == upcast::current(&fixture.kind) => {
                    found.extend(lost("", stored, &self::stored(&event)).map(|what| format!("{label}: loses {what}")));
                }
                Ok(_) => {}
            }
        }
    }
    found
}

/// The first thing in `before` that `after` does not say, by its path. A `null` may become nothing.
fn lost(path: &str, before: &Value, after: &Value) -> Option<String> {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(name, value)| {
            let path = format!("{path}/{name}");
            match b.get(name) {
                // Nonces count the texts, and with an older shape there are others: what matters is what opens.
                _ if ["nonce", "sealed"].contains(&name.as_str()) => None,
                None if value.is_null() => None,
                None => Some(path),
                Some(other) => lost(&path, value, other),
            }
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| lost(&format!("{path}/{i}"), a, b))
        }
        _ => (before != after).then(|| path.to_owned()),
    }
}

/// Instances by type, as they would be stored now.
fn present() -> BTreeMap<String, Vec<Value>> {
    let mut present: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in instances::all() {
        present.entry(event.kind()).or_default().push(stored(&event));
    }
    present
}

/// Adds the instances that are new. What is frozen is never changed or taken away.
fn freeze() {
    for (kind, instances) in present() {
        let schema = upcast::current(&kind);
        let path = path_of(&kind, schema);
        let mut all = read(&path).map_or_else(Vec::new, |_| parse(&path).stored);
        all.extend(instances.into_iter().filter(|new| !all.contains(new)).collect::<Vec<_>>());
        let file = json!({"type": kind, "schema": schema, "instances": all});
        write(&path, &format!("{}\n", serde_json::to_string_pretty(&file).expect("it is JSON")));
    }
}

#[test]
fn every_frozen_event_is_read_for_ever() {
    if blessing() {
        freeze();
    }
    let frozen = frozen();
    assert!(frozen.len() >= 60, "only {} types are frozen", frozen.len());
    nothing_in(&frozen.iter().flat_map(unreadable).collect::<Vec<_>>());
}

#[test]
fn every_event_there_is_is_frozen() {
    if blessing() {
        freeze();
    }
    let frozen: BTreeMap<String, Fixture> = frozen().into_iter().map(|f| (f.path.clone(), f)).collect();
    let present = present();
    let mut found = Vec::new();
    for kind in kinds() {
        let path = path_of(&kind, upcast::current(&kind));
        let Some(fixture) = frozen.get(&path) else {
            found.push(format!("{kind}: give it an instance in tests/it/guards/instances.rs, and bless"));
            continue;
        };
        let missing = present.get(&kind).into_iter().flatten().any(|new| !fixture.stored.contains(new));
        if missing {
            found.push(format!("{path} lacks an instance of today's shape: run SYNCLEDGER_BLESS=1 ./test guards"));
        }
    }
    nothing_in(&found);
}

/// Every type that has a schema.
fn kinds() -> BTreeSet<String> {
    let all = schema::all();
    let index = all["index.json"]["events"].as_array().expect("the index lists events").clone();
    index.iter().map(|e| e["type"].as_str().expect("it has a type").to_owned()).collect()
}

#[test]
fn every_value_that_a_part_can_have_is_frozen_somewhere() {
    let mut said = BTreeSet::new();
    for fixture in frozen() {
        fixture.stored.iter().for_each(|data| strings(data, &mut said));
    }
    let mut constants = BTreeSet::new();
    for (path, schema) in schema::all() {
        if path.contains('/') {
            named_values(&schema, &mut constants);
        }
    }
    assert!(constants.len() > 50, "the schemas name only {} values", constants.len());
    nothing_in(&constants.difference(&said).map(|value| format!("no frozen event says {value:?}")).collect::<Vec<_>>());
}

fn strings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|v| strings(v, found)),
        Value::Object(object) => object.values().for_each(|v| strings(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Tags and enumerated values.
fn named_values(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|v| named_values(v, found)),
        Value::Object(object) => {
            for word in ["const", "enum"] {
                object.get(word).into_iter().for_each(|v| strings(v, found));
            }
            object.values().for_each(|v| named_values(v, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn an_event_that_cannot_be_read_is_caught() {
    let fixture =
        |kind: &str, data: Value| Fixture { path: "x".into(), kind: kind.into(), schema: 1, stored: vec![data] };
    let found = |kind: &str, data: Value| unreadable(&fixture(kind, data));
    let cancelled = json!({"reason": "requested", "cause": {}});
    nothing_in(&found("booking.cancelled", cancelled.clone()));
    assert!(found("booking.cancelled", json!({"cause": {}}))[0].contains("does not decode"));
    assert!(found("booking.cancelled", json!({"reason": "boredom"}))[0].contains("does not decode"));
    assert!(found("booking.evaporated", cancelled.clone())[0].contains("does not decode"));
    let newer = Fixture { schema: 2, ..fixture("booking.cancelled", cancelled) };
    assert!(unreadable(&newer)[0].contains("does not decode"));
    caught(&found("booking.cancelled", json!({"reason": "requested", "by": "Ada"})), "loses /by");
}

/// The data as a newer program may write it: with a field more in every object.
fn grown(data: &Value) -> Value {
    match data {
        // What a text is sealed with is no place for more.
        Value::Object(object) if object.contains_key("sealed") => data.clone(),
        Value::Object(object) => {
            let mut object: serde_json::Map<String, Value> =
                object.iter().map(|(k, v)| (k.clone(), grown(v))).collect();
            object.insert("added_later".into(), json!({"by": "a newer program"}));
            Value::Object(object)
        }
        Value::Array(items) => Value::Array(items.iter().map(grown).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => data.clone(),
    }
}

#[test]
fn a_field_that_a_newer_program_added_is_passed_over() {
    let mut found = Vec::new();
    for Fixture { path, kind, schema, stored } in frozen() {
        for stored in stored {
            let read = decoded(&kind, schema, &stored, false).expect("it is read without it");
            match decoded(&kind, schema, &grown(&stored), false) {
                Ok(newer) if newer == read => {}
                Ok(newer) => found.push(format!("{path}: reads as {newer:?}")),
                Err(why) => found.push(format!("{path}: {why}")),
            }
        }
    }
    nothing_in(&found);
}

#[test]
fn a_text_that_does_not_open_is_caught() {
    let event = instances::all().into_iter().find(|e| e.kind() == "booking.details_changed").expect("it is there");
    let mut data = stored(&event);
    assert!(decoded("booking.details_changed", 1, &data, false).is_ok_and(|read| read == event));
    data["details"]["title"]["key"] = json!("another");
    assert!(
        decoded("booking.details_changed", 1, &data, false).is_ok_and(|read| read != event),
        "it reads as forgotten"
    );
    data["details"]["title"]["key"] = json!(KEY.id);
    data["details"]["title"]["subject"] = json!("somebody.else");
    assert!(decoded("booking.details_changed", 1, &data, false).is_err());
}
