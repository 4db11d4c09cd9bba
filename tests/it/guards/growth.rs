//! Whether a JSON Schema has only grown: old events are valid still, and readers of old events can read new ones.
//!
//! Properties, variants and values may be added; readers are told to pass over what they do not know.

use serde_json::{Value, json};

use super::{caught, nothing_in};

/// What readers who rely on `old` would miss in `new`. Compared are objects as whole documents, references resolved, so that
/// renaming a definition is no change.
pub fn shrunk(path: &str, old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(path, (old, old), (new, new), 0, &mut found);
    found
}

/// A schema within its document.
type In<'a> = (&'a Value, &'a Value);

/// Deeper than any schema of ours; a definition that contains itself ends here.
const DEPTH_MAX: u32 = 24;

fn compare(path: &str, old: In<'_>, new: In<'_>, depth: u32, found: &mut Vec<String>) {
    if depth > DEPTH_MAX {
        return;
    }
    let (old, new) = (resolve(old), resolve(new));
    types(path, old.0, new.0, found);
    properties(path, old, new, depth, found);
    for word in ["items", "additionalProperties"] {
        if let (Some(a), Some(b)) = (old.0.get(word), new.0.get(word)) {
            compare(&format!("{path}.{word}"), (a, old.1), (b, new.1), depth + 1, found);
        }
    }
    for word in ["oneOf", "anyOf"] {
        variants(path, word, old, new, depth, found);
    }
    for name in strings(old.0.get("enum")) {
        if !strings(new.0.get("enum")).contains(&name) {
            found.push(format!("{path}: the value {name} was removed"));
        }
    }
}

fn resolve<'a>((schema, document): In<'a>) -> In<'a> {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| document.pointer(r.strip_prefix('#')?));
    target.map_or((schema, document), |target| resolve((target, document)))
}

fn types(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let (before, after) = (strings(old.get("type")), strings(new.get("type")));
    if before != after && !before.is_empty() {
        found.push(format!("{path}: its type was {before:?} and is {after:?}"));
    }
    if old.get("const").is_some() && old.get("const") != new.get("const") {
        found.push(format!("{path}: its value was {} and is not any more", old["const"]));
    }
}

fn properties(path: &str, old: In<'_>, new: In<'_>, depth: u32, found: &mut Vec<String>) {
    for (name, before) in old.0.get("properties").and_then(Value::as_object).into_iter().flatten() {
        match new.0.get("properties").and_then(|p| p.get(name)) {
            None => found.push(format!("{path}: the property {name} was removed")),
            Some(after) => {
                compare(&format!("{path}.{name}"), (before, old.1), (after, new.1), depth + 1, found);
            }
        }
    }
    if old.0.get("properties").is_some() {
        let required = strings(old.0.get("required"));
        let now = strings(new.0.get("required"));
        let newly = now.iter().filter(|name| !required.contains(name));
        found.extend(newly.map(|name| format!("{path}: the property {name} is newly required: old events lack it")));
        let freed = required.iter().filter(|name| !now.contains(name));
        found.extend(freed.map(|name| format!("{path}: the property {name} may be missing now: readers rely on it")));
    }
}

/// Variants are told apart by their constants (tags), else by their place.
fn variants(path: &str, word: &str, old: In<'_>, new: In<'_>, depth: u32, found: &mut Vec<String>) {
    let list = |schema: In<'_>| schema.0.get(word).and_then(Value::as_array).cloned().unwrap_or_default();
    let after = list(new);
    for (index, before) in list(old).iter().enumerate() {
        let tag = tag_of((before, old.1));
        let twin = match &tag {
            Some(tag) => after.iter().find(|v| tag_of((v, new.1)).as_ref() == Some(tag)),
            None => after.get(index),
        };
        let label = tag.unwrap_or_else(|| index.to_string());
        match twin {
            None => found.push(format!("{path}: the variant {label} was removed")),
            Some(twin) => compare(&format!("{path}[{label}]"), (before, old.1), (twin, new.1), depth + 1, found),
        }
    }
}

fn tag_of(schema: In<'_>) -> Option<String> {
    let (schema, _) = resolve(schema);
    let own = schema.get("const").map(Value::to_string);
    let mut properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    own.or_else(|| properties.find_map(|(n, p)| Some(format!("{n}={}", p.get("const")?))))
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn example() -> Value {
    json!({
        "type": "object",
        "properties": {
            "slot": {"$ref": "#/$defs/Slot"},
            "note": {"type": ["string", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "side": {"enum": ["booking", "calendar"]}
        },
        "required": ["slot"],
        "$defs": {"Slot": {"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "timed"}, "zone": {"type": "string"}}, "required": ["kind", "zone"]},
            {"type": "object", "properties": {"kind": {"const": "all_day"}, "from": {"type": "string"}}, "required": ["kind"]}
        ]}}
    })
}

/// `example` with the value at `pointer` replaced, or taken away.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut schema = example();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer has a parent");
    match (schema.pointer_mut(parent).expect("the parent is there"), value) {
        (Value::Object(parent), Some(value)) => drop(parent.insert(name.to_owned(), value)),
        (Value::Object(parent), None) => drop(parent.remove(name)),
        (Value::Array(parent), Some(value)) => parent.push(value),
        (Value::Array(parent), None) => drop(parent.remove(name.parse().expect("an index"))),
        (other, _) => panic!("{other} has no children"),
    }
    schema
}

#[test]
fn growing_is_allowed() {
    let grown = |pointer: &str, value: Value| nothing_in(&shrunk("x", &example(), &with(pointer, Some(value))));
    nothing_in(&shrunk("x", &example(), &example()));
    grown("/properties/new", json!({"type": "string"}));
    grown("/properties/side", json!({"enum": ["booking", "calendar", "both"]}));
    grown("/$defs/Slot/oneOf/-", json!({"type": "object", "properties": {"kind": {"const": "open"}}}));
    grown("/description", json!("said better"));
    let renamed = example().to_string().replace("Slot", "Time");
    nothing_in(&shrunk("x", &example(), &serde_json::from_str(&renamed).unwrap()));
}

#[test]
fn shrinking_is_caught() {
    let found = |pointer: &str, value: Option<Value>| shrunk("x", &example(), &with(pointer, value));
    caught(&found("/properties/note", None), "the property note was removed");
    caught(&found("/required", Some(json!(["slot", "note"]))), "note is newly required");
    caught(&found("/required", Some(json!([]))), "slot may be missing now");
    caught(&found("/properties/note", Some(json!({"type": "string"}))), "its type was");
    caught(&found("/properties/tags/items", Some(json!({"type": "integer"}))), "x.tags.items: its type was");
    caught(&found("/properties/side", Some(json!({"enum": ["booking"]}))), "the value calendar was removed");
    caught(&found("/$defs/Slot/oneOf/1", None), "the variant kind=\"all_day\" was removed");
    caught(&found("/$defs/Slot/oneOf/0/properties/zone", None), "the property zone was removed");
    caught(&found("/$defs/Slot/oneOf/1/required", Some(json!(["kind", "from"]))), "from is newly required");
}
