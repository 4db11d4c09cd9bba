//! The schemas are fresh (equal what the types say), only ever grow, and are true (every frozen event conforms).

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use syncledger::{record::schema, services::asyncapi};

use super::{
    ROOT, blessing, caught,
    fixtures::{self, Fixture},
    growth::shrunk,
    nothing_in, read,
    source::files,
    write,
};

/// The schemas of the latest release by path: what others rely on.
const RELEASED: &str = "schemas/released.json";

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).expect("it is JSON"))
}

/// Every schema file as it stands.
fn standing() -> BTreeMap<String, String> {
    let paths = files().into_iter().filter(|path| path.starts_with("schemas/") && path != RELEASED);
    paths.map(|path| (path["schemas/".len()..].to_owned(), read(&path).expect("it is UTF-8"))).collect()
}

fn stale(standing: &BTreeMap<String, String>, types: &BTreeMap<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, schema) in types {
        if standing.get(path) != Some(&pretty(schema)) {
            found.push(format!("schemas/{path} is not what the type says: run SYNCLEDGER_BLESS=1 ./test guards"));
        }
    }
    let orphans = standing.keys().filter(|path| !types.contains_key(*path));
    found.extend(orphans.map(|path| format!("schemas/{path} belongs to no type")));
    found
}

/// What readers of the released schemas would miss.
fn broken(released: &BTreeMap<String, Value>, types: &BTreeMap<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, old) in released {
        match types.get(path) {
            // An old version keeps its file and its upcaster; it has no type any more.
            None if read(&format!("schemas/{path}")).is_some() => {}
            None => found.push(format!("schemas/{path} was released and is gone")),
            Some(new) => found.extend(shrunk(path, old, new)),
        }
    }
    found
}

/// Every file that is generated: the schemas, and the document that refers to them.
fn generated() -> BTreeMap<String, Value> {
    let mut files = schema::all();
    files.insert(asyncapi::PATH.to_owned(), asyncapi::document());
    files
}

fn released() -> BTreeMap<String, Value> {
    read(RELEASED).map_or_else(BTreeMap::new, |text| serde_json::from_str(&text).expect("it is JSON"))
}

/// Schemas of single events: not the index, which only lists them.
fn events(types: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    types.iter().filter(|(path, _)| *path != "index.json").map(|(p, s)| (p.clone(), s.clone())).collect()
}

#[test]
fn the_schemas_are_what_the_types_say() {
    let types = generated();
    if blessing() {
        // Refuses to shrink before anything is written.
        nothing_in(&broken(&released(), &types));
        for path in standing().keys().filter(|path| !types.contains_key(*path)) {
            fs::remove_file(Path::new(ROOT).join("schemas").join(path)).expect("the file can be removed");
        }
        types.iter().for_each(|(path, schema)| write(&format!("schemas/{path}"), &pretty(schema)));
    }
    nothing_in(&stale(&standing(), &types));
}

#[test]
fn the_schemas_only_ever_grow() {
    let types = events(&schema::all());
    let mut released = released();
    nothing_in(&broken(&released, &types));
    if blessing() {
        for (path, schema) in types {
            released.entry(path).or_insert(schema);
        }
        write(RELEASED, &pretty(&json!(released)));
    }
    assert!(!released.is_empty(), "{RELEASED} is missing: run SYNCLEDGER_BLESS=1 ./test guards");
}

/// Frozen events whose data is not as their schema says.
fn untrue(fixture: &Fixture, schema: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap_or_else(|e| panic!("{}: {e}", fixture.path));
    let checked = fixture.stored.iter().enumerate().filter_map(|(i, data)| Some((i, validator.validate(data).err()?)));
    checked.map(|(i, e)| format!("{}[{i}] at {}: {e}", fixture.path, e.instance_path())).collect()
}

#[test]
fn every_frozen_event_conforms_to_its_schema() {
    let types = schema::all();
    let mut found = Vec::new();
    for fixture in fixtures::frozen() {
        let (category, name) = fixture.kind.split_once('.').expect("a type has a category");
        match types.get(&format!("{category}/{name}.v{}.json", fixture.schema)) {
            Some(schema) => found.extend(untrue(&fixture, schema)),
            None => found.push(format!("{}: there is no such schema", fixture.path)),
        }
    }
    nothing_in(&found);
}

#[test]
fn no_frozen_event_says_what_its_schema_does_not_name() {
    let types = schema::all();
    let mut found = Vec::new();
    for fixture in fixtures::frozen() {
        let path = format!("{}.v{}.json", fixture.kind.replacen('.', "/", 1), fixture.schema);
        let mut names = Vec::new();
        property_names(&types[&path], &mut names);
        for data in &fixture.stored {
            let mut used = Vec::new();
            object_keys(data, &mut used);
            used.retain(|key| !names.contains(key));
            found.extend(used.into_iter().map(|key| format!("{}: {key} is not in the schema", fixture.path)));
        }
    }
    nothing_in(&found);
}

fn property_names(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|v| property_names(v, found)),
        Value::Object(object) => {
            let named = object.get("properties").and_then(Value::as_object).into_iter().flatten();
            found.extend(named.map(|(name, _)| name.clone()));
            object.values().for_each(|v| property_names(v, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object_keys(data: &Value, found: &mut Vec<String>) {
    match data {
        Value::Array(items) => items.iter().for_each(|v| object_keys(v, found)),
        Value::Object(object) => {
            found.extend(object.keys().cloned());
            object.values().for_each(|v| object_keys(v, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_stale_or_broken_schema_is_caught() {
    let map = |schema: Value| BTreeMap::from([("booking/confirmed.v1.json".to_owned(), schema)]);
    let schema = json!({"type": "object", "properties": {"cause": {"type": "object"}}});
    let file = |text: &str| BTreeMap::from([("booking/confirmed.v1.json".to_owned(), text.to_owned())]);
    nothing_in(&stale(&file(&pretty(&schema)), &map(schema.clone())));
    caught(&stale(&file("{}"), &map(schema.clone())), "is not what the type says");
    caught(&stale(&file(&pretty(&schema)), &BTreeMap::new()), "belongs to no type");
    nothing_in(&broken(&map(schema.clone()), &map(schema.clone())));
    caught(&broken(&map(schema), &map(json!({"type": "object", "properties": {}}))), "cause was removed");
    let gone = BTreeMap::from([("booking/evaporated.v1.json".to_owned(), json!({}))]);
    caught(&broken(&gone, &BTreeMap::new()), "was released and is gone");
}

#[test]
fn an_event_against_its_schema_is_caught() {
    let types = schema::all();
    let fixture =
        |data: Value| Fixture { path: "x".into(), kind: "link.established".into(), schema: 1, stored: vec![data] };
    let found = |data: Value| untrue(&fixture(data), &types["link/established.v1.json"]);
    nothing_in(&found(json!({"remote": "r", "generation": 1})));
    caught(&found(json!({"remote": "r"})), "generation");
    caught(&found(json!({"remote": "r", "generation": "1"})), "generation");
}
