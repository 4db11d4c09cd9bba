//! `/openapi.json`: made from the table, so it is complete; and what it says is held against what is answered.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use syncledger::http::{openapi, routes::table};

use super::world::World;

#[tokio::test]
async fn the_document_has_every_route_and_every_reference_leads_somewhere() {
    let document = World::new().await.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    for route in table() {
        let operation = &document["paths"][route.path][route.verb.as_str().to_lowercase()];
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{} is missing", route.path));
        assert!(operations.insert(id.to_owned()), "{id} is there twice");
        assert!(!operation["summary"].as_str().expect("a summary").is_empty());
        let named: BTreeSet<&str> = operation["parameters"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|p| p["in"] == "path")
            .filter_map(|p| p["name"].as_str())
            .collect();
        assert_eq!(named, route.params().collect::<BTreeSet<_>>(), "{}", route.path);
        let success = operation["responses"].as_object().expect("responses").keys().any(|code| code.starts_with('2'));
        assert!(success && operation["responses"]["default"].is_object(), "{id}");
    }
    let operations_in_paths: usize = document["paths"].as_object().expect("paths").values().map(count).sum();
    assert_eq!(operations_in_paths, operations.len());
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn count(path: &Value) -> usize {
    path.as_object().map_or(0, serde_json::Map::len)
}

fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            into.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|inner| collect(inner, into));
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, into)),
        _ => {}
    }
}

/// A name with a number says that two types have the same name; a list of constants is a choice of words.
#[test]
fn components_have_names_of_their_own_and_choices_are_enums() {
    let document = openapi::document(&table());
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "{name}");
        let constants = schema["oneOf"].as_array().is_some_and(|all| all.iter().all(|one| one.get("const").is_some()));
        assert!(!constants, "{name}: {schema}");
    }
    assert_eq!(
        document["components"]["schemas"]["BookingStatus"]["enum"],
        json!(["tentative", "confirmed", "cancelled"])
    );
}

#[test]
fn every_schema_in_the_document_is_one() {
    let document = openapi::document(&table());
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for name in schemas.keys() {
        let schema = whole(&document, &format!("#/components/schemas/{name}"));
        jsonschema::meta::validate(&schema).unwrap_or_else(|e| panic!("{name}: {e}"));
        jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

/// A schema of the document that stands on its own.
fn whole(document: &Value, reference: &str) -> Value {
    json!({"$ref": reference, "components": document["components"]})
}

#[tokio::test]
async fn answers_are_what_the_document_says() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await;
    let body = json!({
        "id": "1", "resource": "bay-1",
        "slot": {"starts_at": "2026-05-29T15:00:00Z", "ends_at": "2026-05-29T16:00:00Z", "zone": "America/Chicago"},
        "details": {"title": "Golf", "customer": {"name": "Ana"}},
    });
    let created = world.ask("POST", "/api/v1/bookings", "operator", Some(&body)).await;
    world.project().await;
    let mut told = vec![("post", "/api/v1/bookings", created.status, created.json())];
    let refused = world.ask("POST", "/api/v1/bookings", "operator", Some(&json!({}))).await;
    told.push(("post", "/api/v1/bookings", refused.status, refused.json()));
    for path in
        ["/health", "/api/v1/bookings", "/api/v1/links", "/api/v1/attempts", "/api/v1/events", "/api/v1/projections"]
    {
        told.push(("get", path, 200, world.get(path).await));
    }
    for (method, path, status, answer) in told {
        let response = &document["paths"][path][method]["responses"][status.to_string()];
        let media = response["content"].as_object().and_then(|c| c.values().next()).expect("a body");
        let mut schema = media["schema"].clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let errors: Vec<String> =
            validator.iter_errors(&answer).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {path} {status}: {errors:?}\n{answer}");
    }
}

#[test]
fn a_validator_that_is_not_ours_finds_nothing_wrong() {
    let file = tempfile::Builder::new().suffix(".json").tempfile().expect("a file");
    std::fs::write(file.path(), openapi::document(&table()).to_string()).expect("written");
    let script = "import json, sys\nfrom openapi_spec_validator import OpenAPIV31SpecValidator as V\n\
        errors = [e.message for e in V(json.load(open(sys.argv[1]))).iter_errors()]\nprint(\"\\n\".join(errors) or \"valid\")";
    let python = crate::sandbox::support::python();
    let output = std::process::Command::new(python).args(["-c", script]).arg(file.path()).output().expect("python");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out.trim(), "valid", "{err}");
}
