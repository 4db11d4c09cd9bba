//! The AsyncAPI document, held against what is really sent and taken.

use serde_json::{Value, json};
use syncledger::{record::schema, services::asyncapi};

use super::world::{World, body};
use crate::guards::fixtures;

const BASE: &str = "https://syncledger.test/schemas/";

/// The document, and the files beside it that it refers to.
fn registry() -> jsonschema::Registry<'static> {
    let mut registry = jsonschema::Registry::new();
    for (path, schema) in schema::all() {
        registry = registry.add(format!("{BASE}{path}"), schema).unwrap();
    }
    registry.add(format!("{BASE}{}", asyncapi::PATH), asyncapi::document()).unwrap().prepare().unwrap()
}

/// A validator for a part of the document.
fn validator(registry: &jsonschema::Registry<'static>, pointer: &str) -> jsonschema::Validator {
    let part = json!({"$ref": format!("{BASE}{}#{pointer}", asyncapi::PATH)});
    jsonschema::options().with_registry(registry).build(&part).unwrap_or_else(|e| panic!("{pointer}: {e}"))
}

fn errors(validator: &jsonschema::Validator, instance: &Value) -> Vec<String> {
    validator.iter_errors(instance).map(|e| format!("{} at {}", e, e.instance_path())).collect()
}

#[tokio::test]
async fn every_message_that_is_published_conforms_to_the_document() {
    let world = World::new();
    let mut kinds = Vec::new();
    for fixture in fixtures::frozen() {
        let category = fixture.kind.split_once('.').unwrap().0;
        let stream = syncledger::record::stream::StreamName::parse(&format!("{category}-x.1")).unwrap();
        for data in &fixture.stored {
            world.append_to(&stream, &fixture.kind, data.to_string()).await;
            kinds.push(fixture.kind.clone());
        }
    }
    let relay = world.relay().await;
    world.publish(&relay).await;
    let registry = registry();
    let messages = world.messages().await;
    assert_eq!(messages.len(), kinds.len());
    for (message, kind) in messages.iter().zip(&kinds) {
        let conforms = validator(&registry, &format!("/components/messages/{kind}/payload"));
        assert_eq!(errors(&conforms, &body(message)), Vec::<String>::new(), "{kind}");
    }
    // What would not be as described is found.
    let conforms = validator(&registry, &format!("/components/messages/{}/payload", kinds[0]));
    let mut wrong = body(&messages[0]);
    wrong["data"] = json!("no object");
    assert!(!errors(&conforms, &wrong).is_empty());
    let mut wrong = body(&messages[0]);
    wrong["type"] = json!("booking.evaporated");
    assert!(!errors(&conforms, &wrong).is_empty());
}

#[test]
fn commands_and_answers_are_described() {
    let registry = registry();
    let ok: [(&str, Value); 4] = [
        (
            "create",
            json!({"resource": "bay-1", "slot": {"from": "2027-03-01", "until": "2027-03-02"}, "details": {"title": "x"}}),
        ),
        ("reschedule", json!({"booking": "api.1", "from": "2027-03-01", "until": "2027-03-02"})),
        ("change_details", json!({"booking": "api.1", "customer": null, "title": "x"})),
        ("cancel", json!({"booking": "api.1"})),
    ];
    for (verb, body) in &ok {
        let conforms = validator(&registry, &format!("/components/messages/command.{verb}/payload"));
        assert_eq!(errors(&conforms, body), Vec::<String>::new(), "{verb}");
        let mut unknown = body.clone();
        unknown["evaporate"] = json!(true);
        assert!(!errors(&conforms, &unknown).is_empty(), "{verb}");
    }
    let conforms = validator(&registry, "/components/messages/command.confirm/payload");
    assert!(!errors(&conforms, &json!({})).is_empty(), "a command names its booking");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = asyncapi::document();
    let files = schema::all();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let found = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => files.contains_key(&reference),
        };
        assert!(found, "{reference} leads nowhere");
    }
    for verb in syncledger::services::commands::VERBS {
        assert!(document["operations"][format!("take_{verb}")].is_object(), "{verb} is not described");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|v| collect(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| collect(v, found)),
        _ => {}
    }
}
