//! The AsyncAPI 3.0 document of published events and accepted commands, generated from their types. File:
//! `schemas/asyncapi.v1.json`; the data of events is described by the files next to it.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    bookings::{
        BODY_BYTES_MAX, KEY_BYTES_MAX,
        bodies::{DetailsChange, NewBooking, Reassignment, SlotBody},
        view::BookingView,
    },
    problem::{Document, PROBLEM_JSON},
};
use crate::record::{
    cloud_event::{CLOUD_EVENT_JSON, CloudEvent, schema as data_schema},
    schema,
    stream::Category,
    subject::ROOT,
};

/// Path of the document under `schemas/`.
pub const PATH: &str = "asyncapi.v1.json";

/// Parts of the document.
struct Parts {
    generator: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
}

/// The AsyncAPI document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|s| s.definitions_path = "/components/schemas".into());
    let mut parts = Parts {
        generator: settings.into_generator(),
        channels: Map::new(),
        operations: Map::new(),
        messages: Map::new(),
        schemas: Map::new(),
    };
    parts.events();
    parts.commands();
    parts.replies();
    let mut schemas = parts.generator.take_definitions(true);
    schemas.append(&mut parts.schemas);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "syncledger",
            "version": "1",
            "description": "Events of the ledger, published in order, and commands on bookings. Each part of a subject is one \
                token: every byte but A-Z a-z 0-9 - _ ~ including the dot, is written as % and two upper-case hex digits. \
                Delivery is at least once: detect duplicates by event id. Personal data in events is encrypted with \
                the person's key, and nobody can read it once the ledger has destroyed that key.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"nats": {
            "host": "127.0.0.1:4222",
            "protocol": "nats",
            "description": "NATS with JetStream, 2.12 or later; nats.url of the configuration.",
        }},
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {"messages": parts.messages, "schemas": schemas},
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn reference(to: &str) -> Value {
    json!({"$ref": to})
}

/// JSON pointers write slashes as `~1`; no name of ours has any.
fn message(name: &str) -> Value {
    reference(&format!("#/components/messages/{name}"))
}

impl Parts {
    fn schema<T: JsonSchema>(&mut self) -> Value {
        self.generator.subschema_for::<T>().to_value()
    }

    fn events(&mut self) {
        let envelope = self.schema::<CloudEvent<'static>>();
        let headers = json!({
            "type": "object",
            "properties": {
                "Nats-Msg-Id": text("The event's id; if republished while the server still remembered it, the id, a dot and a word."),
                "Nats-Expected-Last-Sequence": text("Sequence number of the previous message; keeps the order."),
                "Syncledger-Sender": text("The process that sent it."),
                "Syncledger-Next": text("The position published after this message."),
                "Content-Type": {"const": CLOUD_EVENT_JSON},
            },
            "required": ["Nats-Msg-Id", "Syncledger-Next", "Content-Type"],
        });
        let files = schema::all();
        for category in Category::ALL {
            let category = category.as_str();
            let mut messages = Map::new();
            for (path, data) in files.iter().filter(|(path, _)| path.starts_with(&format!("{category}/"))) {
                let kind = data["title"].as_str().unwrap_or_default();
                let version =
                    path.rsplit_once(".v").and_then(|(_, v)| v.strip_suffix(".json")?.parse().ok()).unwrap_or(1);
                let properties = json!({
                    "type": {"const": kind},
                    "dataschema": {"const": data_schema(kind, version)},
                    "data": reference(path),
                });
                let described = json!({
                    "name": kind,
                    "title": kind,
                    "summary": data["description"],
                    "contentType": CLOUD_EVENT_JSON,
                    "headers": headers,
                    "payload": {"allOf": [envelope, {"type": "object", "properties": properties}]},
                });
                self.messages.insert(kind.to_owned(), described);
                messages.insert(kind.to_owned(), message(kind));
            }
            if messages.is_empty() {
                continue;
            }
            let channel = json!({
                "address": format!("{ROOT}.{{workspace}}.{category}.{{id}}.{{name}}"),
                "title": format!("Events of streams {category}-<id>"),
                "parameters": {
                    "workspace": {"description": "The ledger's workspace, as a token."},
                    "id": {"description": "The stream's id, as a token: api%2E1001."},
                    "name": {"description": "The event's type without its category, such as rescheduled."},
                },
                "messages": messages,
            });
            self.channels.insert(category.to_owned(), channel);
            let operation = json!({
                "action": "send",
                "channel": reference(&format!("#/channels/{category}")),
                "summary": format!("Publishes every event of streams {category}-<id>, once and in order"),
            });
            self.operations.insert(format!("publish_{category}"), operation);
        }
    }

    fn commands(&mut self) {
        let create = self.schema::<NewBooking>();
        self.command("create", "Creates a booking", create);
        let bodies = [
            ("reschedule", "Moves a booking to another time", self.definition::<SlotBody>()),
            ("reassign", "Moves a booking to another resource", self.definition::<Reassignment>()),
            (
                "change_details",
                "Changes title, notes or customer of a booking; fields left out stay as they are",
                self.definition::<DetailsChange>(),
            ),
            ("confirm", "Confirms a tentative booking", json!({})),
            ("cancel", "Cancels a booking", json!({})),
            ("restore", "Restores a cancelled booking", json!({})),
        ];
        for (verb, summary, body) in bodies {
            let name = format!("{verb}_command");
            let named = about_a_booking(body);
            self.schemas.insert(name.clone(), named);
            self.command(verb, summary, reference(&format!("#/components/schemas/{name}")));
        }
    }

    /// A type's own schema instead of a reference to it.
    fn definition<T: JsonSchema>(&mut self) -> Value {
        let reference = self.schema::<T>();
        let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        self.generator.definitions().get(name).cloned().unwrap_or_else(|| json!({}))
    }

    fn command(&mut self, verb: &str, summary: &str, payload: Value) {
        let name = format!("command.{verb}");
        let described = json!({
            "name": name,
            "title": name,
            "summary": summary,
            "description": format!("At most {BODY_BYTES_MAX} bytes."),
            "contentType": "application/json",
            "headers": {"type": "object", "properties": {
                "Idempotency-Key": {
                    "type": "string",
                    "maxLength": KEY_BYTES_MAX,
                    "description": "Makes retries safe: the same key with the same command returns the first answer; with \
                        a different command it is refused. Defaults to Nats-Msg-Id; without either, only the queue's own redeliveries are detected.",
                },
                "Nats-Msg-Id": text("Used by JetStream: within the duplicate window the same id is accepted once."),
                "Reply-To": text("Where to send the answer: an inbox of the sender (_INBOX…). JetStream itself only acknowledges storing, on the reply \
                    subject of the message."),
                "X-Request-Id": text("The sender's correlation id; recorded in all resulting events."),
            }},
            "payload": payload,
        });
        self.messages.insert(name.clone(), described);
        let channel = format!("commands_{verb}");
        self.channels.insert(
            channel.clone(),
            json!({
                "address": format!("{ROOT}.{{workspace}}.commands.booking.{verb}"),
                "parameters": {"workspace": {"description": "The ledger's workspace, as a token."}},
                "messages": {name.clone(): message(&name)},
            }),
        );
        let operation = json!({
            "action": "receive",
            "channel": reference(&format!("#/channels/{channel}")),
            "summary": summary,
            "reply": {
                "channel": reference("#/channels/replies"),
                "address": {"location": "$message.header#/Reply-To"},
            },
        });
        self.operations.insert(format!("take_{verb}"), operation);
    }

    fn replies(&mut self) {
        let headers = json!({"type": "object", "properties": {
            "Syncledger-Status": text("The status, as an HTTP status code."),
            "Idempotency-Key": text("The command's key."),
        }});
        let booking = self.schema::<BookingView>();
        let problem = self.schema::<Document>();
        let answers = [
            ("reply.booking", "The booking after the command", "application/json", booking),
            ("reply.problem", "Why the command failed (RFC 9457)", PROBLEM_JSON, problem),
        ];
        let mut messages = Map::new();
        for (name, summary, media, payload) in answers {
            messages.insert(name.to_owned(), message(name));
            let described = json!({
                "name": name, "title": name, "summary": summary, "contentType": media, "headers": headers, "payload": payload,
            });
            self.messages.insert(name.to_owned(), described);
        }
        self.channels.insert("replies".to_owned(), json!({"address": null, "messages": messages}));
    }
}

/// The schema of a body, plus the booking it is about.
fn about_a_booking(mut body: Value) -> Value {
    body["type"] = json!("object");
    body["additionalProperties"] = json!(false);
    body["properties"]["booking"] = text("The booking's id.");
    let mut required: Vec<Value> = body["required"].as_array().cloned().unwrap_or_default();
    required.insert(0, json!("booking"));
    body["required"] = json!(required);
    body
}
