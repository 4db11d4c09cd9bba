//! JSON Schemas of everything stored, generated from the types. Files: `schemas/`.
//!
//! `SYNCLEDGER_BLESS=1 ./test guards::` writes them; `tests/it/guards/schemas.rs` checks that they are current and only ever grow.

use std::collections::BTreeMap;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{envelope, upcast};
use crate::domain::{booking, calendar, connection, link, operations, profile, source};

/// All schemas by path under `schemas/`, including `index.json`.
pub fn all() -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    add::<booking::Event>("booking", &mut files);
    add::<connection::Event>("connection", &mut files);
    add::<calendar::Event>("calendar", &mut files);
    add::<link::Event>("link", &mut files);
    add::<source::Event>("source", &mut files);
    add::<profile::Event>("profile", &mut files);
    add::<operations::Event>("operations", &mut files);
    let index: Vec<Value> = files
        .iter()
        .map(|(path, schema)| json!({"type": schema["title"], "schema": path, "description": schema["description"]}))
        .collect();
    files.insert("index.json".into(), json!({"events": index}));
    files.insert("envelope.v1.json".into(), envelope_schema());
    files
}

/// The event types of one aggregate with their descriptions, in source order.
fn add<E: JsonSchema>(category: &str, files: &mut BTreeMap<String, Value>) {
    let whole = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<E>().to_value();
    let defs = whole.get("$defs").cloned().unwrap_or_else(|| json!({}));
    for variant in whole.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = variant.pointer("/properties/type/const").and_then(Value::as_str) else { continue };
        let kind = format!("{category}.{name}");
        let version = upcast::current(&kind);
        let schema = one(&kind, variant, &defs);
        files.insert(format!("{category}/{name}.v{version}.json"), schema);
    }
}

fn one(kind: &str, variant: &Value, defs: &Value) -> Value {
    let mut schema = variant.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.remove("type");
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name != "type");
    }
    // Removed so that readers do not fail on fields added later.
    schema.remove("additionalProperties");
    schema.remove("unevaluatedProperties");
    let mut used = Map::new();
    collect(&Value::Object(schema.clone()), defs, &mut used);
    if !used.is_empty() {
        schema.insert("$defs".into(), Value::Object(used));
    }
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!(kind));
    Value::Object(schema)
}

/// The definitions that `value` refers to, directly and indirectly.
fn collect(value: &Value, defs: &Value, used: &mut Map<String, Value>) {
    match value {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"))
                && !used.contains_key(name)
                && let Some(definition) = defs.get(name)
            {
                used.insert(name.to_owned(), definition.clone());
                collect(definition, defs, used);
            }
            object.values().for_each(|v| collect(v, defs, used));
        }
        Value::Array(items) => items.iter().for_each(|v| collect(v, defs, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The envelope, as shown by `events read --json` and in exports.
fn envelope_schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let origin = generator.subschema_for::<envelope::Origin>();
    let actor = generator.subschema_for::<envelope::Actor>();
    let defs = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "envelope",
        "description": "A stored event. The leaf hash is SHA-256 over a zero byte and the JSON object of \
            all other fields in this order, with `data` as text.",
        "type": "object",
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "UUIDv7."},
            "stream": {"type": "string", "description": "<category>-<id>."},
            "version": {"type": "integer", "minimum": 0, "description": "Index in the stream, from 0."},
            "position": {"type": "integer", "minimum": 0, "description": "Index in the ledger: without gaps, in commit order."},
            "type": {"type": "string", "description": "<category>.<name>; the data's schema is schemas/<category>/<name>.v<schema>.json."},
            "schema": {"type": "integer", "minimum": 1, "description": "Version of the data's schema."},
            "recorded_at": {"type": "string", "format": "date-time", "description": "When it was recorded."},
            "effective_at": {"type": "string", "format": "date-time", "description": "When it happened, as reported by its origin."},
            "actor": actor,
            "origin": origin,
            "correlation": {"type": "string", "description": "Shared by all events that follow from one action."},
            "causation": {"type": ["string", "null"], "format": "uuid", "description": "The event that caused it."},
            "data": {"type": "object", "description": "According to the type's schema."},
            "leaf": {"type": "string", "description": "RFC 6962 leaf hash, in hex."}
        },
        "required": ["id", "stream", "version", "position", "type", "schema", "recorded_at", "effective_at", "actor", "origin", "correlation", "data", "leaf"],
        "$defs": defs
    })
}
