//! The OpenAPI 3.1 document, generated from the route table and its types: `GET /openapi.json`.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    auth,
    lists::HIDDEN_COLUMNS,
    problem::{Document, Kind, PROBLEM_JSON},
    route::{Access, Route, SchemaOf, Shape},
};
use crate::projections::{self, Kind as CellKind};

/// The OpenAPI document.
pub fn document(table: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Document>().to_value();
    let mut paths: Map<String, Value> = Map::new();
    for route in table {
        let operation = operation(route, &mut generator, &problem);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.verb.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "syncledger",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An event-sourced sync ledger: keeps bookings and calendars in sync, with a verifiable history. \
                Errors are RFC 9457 problem documents. Lists come from read models, which may be a moment behind the ledger.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components(&mut generator),
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API token from `syncledger token create --role R`. Its role decides what it may do.",
            }},
        },
    })
}

/// The named schemas. A choice of plain words is an `enum`: generators of clients read a list of constants as so many types.
fn components(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut components = generator.take_definitions(true);
    components.values_mut().for_each(words_to_enum);
    components
}

fn words_to_enum(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let choices = object.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let words: Vec<Value> = choices.iter().filter_map(|choice| choice.get("const").cloned()).collect();
    if words.is_empty() || words.len() != choices.len() {
        return;
    }
    let meaning = |choice: &Value| {
        let (word, meaning) = (choice["const"].as_str()?, choice["description"].as_str()?);
        Some(format!("`{word}`: {meaning}"))
    };
    let about = object.get("description").and_then(Value::as_str).map(str::to_owned);
    let lines: Vec<String> = about.into_iter().chain(choices.iter().filter_map(meaning)).collect();
    object.remove("oneOf");
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), Value::Array(words));
    object.insert("description".to_owned(), json!(lines.join("\n\n")));
}

fn operation(route: &Route, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "description": access(route.access),
        "parameters": parameters(route, generator),
        "responses": responses(route, generator, problem),
        "security": [],
    });
    if let Access::Roles(roles) = route.access {
        operation["security"] = json!([{"token": []}]);
        operation["x-roles"] = roles.iter().map(|role| auth::name(*role)).collect();
    }
    if let Some(body) = route.body {
        let schema = body(generator).to_value();
        operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    operation
}

fn access(access: Access) -> String {
    match access {
        Access::Closed => "Not accessible.".into(),
        Access::Open => "No token needed.".into(),
        Access::Signed(how) => how.into(),
        Access::Roles(roles) => {
            let names: Vec<&str> = roles.iter().map(|role| auth::name(*role)).collect();
            format!("Needs a token with one of these roles: {}.", names.join(", "))
        }
    }
}

fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = route
        .params()
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if route.keyed {
        let description = "Makes retries safe: the same key with the same request returns the first response; with \
            a different request it is rejected. Recommended for every write.";
        let schema = json!({"type": "string", "minLength": 1, "maxLength": 255});
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "description": description, "schema": schema,
        }));
    }
    if let Some(query) = route.query {
        parameters.extend(fields(query, generator));
    }
    Value::Array(parameters)
}

/// The fields of a query type, as parameters.
fn fields(query: SchemaOf, generator: &mut SchemaGenerator) -> Vec<Value> {
    let reference = query(generator).to_value();
    let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    let definitions = generator.definitions_mut();
    let Some(schema) = definitions.remove(&name) else { return Vec::new() };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|s| s.remove("description")).unwrap_or_else(|| json!(""));
            let required = required.contains(&name.as_str());
            json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema})
        })
        .collect()
}

fn responses(route: &Route, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut responses = Map::new();
    for (done, shape) in &route.answers {
        let (media, schema) = match shape {
            Shape::Json(schema) => ("application/json", schema(generator).to_value()),
            Shape::Text(media) => (*media, json!({"type": "string"})),
            Shape::Row(name) => ("application/json", row(name)),
            Shape::Page(name) => ("application/json", page(name)),
        };
        let status = done.status();
        let description = status.canonical_reason().unwrap_or_default();
        let content = json!({media: {"schema": schema}});
        responses.insert(status.as_str().to_owned(), json!({"description": description, "content": content}));
    }
    for kind in problems(route) {
        let status = kind.status();
        let content = json!({PROBLEM_JSON: {"schema": problem}});
        let response = json!({"description": kind.title(), "content": content});
        responses.entry(status.as_str().to_owned()).or_insert(response);
    }
    let content = json!({PROBLEM_JSON: {"schema": problem}});
    responses.insert("default".into(), json!({"description": "Any other error", "content": content}));
    Value::Object(responses)
}

/// The errors that a route of this kind can return.
fn problems(route: &Route) -> Vec<Kind> {
    let mut kinds = vec![Kind::Internal, Kind::Unavailable];
    match route.access {
        Access::Roles(_) => kinds.extend([Kind::Unauthorised, Kind::Forbidden]),
        Access::Signed(_) => kinds.extend([Kind::Malformed, Kind::Unauthorised, Kind::TooLarge]),
        Access::Open | Access::Closed => {}
    }
    if route.body.is_some() {
        kinds.extend([Kind::Malformed, Kind::TooLarge, Kind::TooSlow, Kind::UnsupportedMedia, Kind::Invalid]);
    }
    if route.query.is_some() {
        kinds.extend([Kind::Malformed, Kind::Invalid]);
    }
    if route.params().next().is_some() {
        kinds.push(Kind::NotFound);
    }
    if route.verb != super::route::Verb::Get {
        kinds.push(Kind::Conflict);
    }
    if route.keyed {
        kinds.push(Kind::Invalid);
    }
    kinds
}

fn page(name: &str) -> Value {
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": row(name)},
            "next": {
                "type": ["string", "null"],
                "description": "Pass this as `cursor` to get the next page; null on the last one.",
            },
        },
    })
}

/// A row's schema follows from its table. Columns may be added, but never removed.
fn row(name: &str) -> Value {
    let columns = projections::named(name).map(|projection| projection.table.columns).unwrap_or_default();
    let visible = columns.iter().filter(|column| !HIDDEN_COLUMNS.contains(&column.name));
    let properties: Map<String, Value> = visible
        .map(|column| {
            let kind = match column.kind {
                CellKind::Text => "string",
                CellKind::Int => "integer",
                CellKind::Bool => "boolean",
            };
            (column.name.to_owned(), json!({"type": [kind, "null"]}))
        })
        .collect();
    json!({"type": "object", "properties": properties})
}
