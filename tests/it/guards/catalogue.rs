//! `docs/EVENTS.md`: every event with its meaning, stream, schema and the tables it changes. Generated.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::DateTime;
use syncledger::{
    domain::{
        event::Event,
        ids::{CorrelationId, EventId, Position, Version},
    },
    projections,
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin, StoredEvent},
        schema,
        stream::{Category, StreamName},
        upcast,
    },
};
use uuid::Uuid;

use super::{blessing, instances, nothing_in, read, write};

const PATH: &str = "docs/EVENTS.md";

const HEAD: &str = "# Events\n\n\
    Generated from the types by `SYNCLEDGER_BLESS=1 ./test guards`; do not edit.\n\n\
    A type's name is permanent and derivable everywhere: type `link.established`, stream `link-<id>`, schema\n\
    `schemas/link/established.v1.json`, fixture `tests/fixtures/events/link.established.v1.json`, NATS subject\n\
    `syncledger.<workspace>.link.<id>.established`.\n";

/// Which tables each type changes: found by showing every frozen instance to every projection.
fn projected() -> BTreeMap<String, Vec<&'static str>> {
    let mut by_kind: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for event in instances::all() {
        let recorded = recorded(&event);
        let category = recorded.stream.category;
        let tables = by_kind.entry(event.kind()).or_default();
        for projection in projections::ALL {
            let changes = projection.reads.contains(&category) && !(projection.project)(&recorded, &event).is_empty();
            if changes && !tables.contains(&projection.name) {
                tables.push(projection.name);
            }
        }
    }
    by_kind
}

fn recorded(event: &Event) -> StoredEvent {
    let category =
        Category::ALL.into_iter().find(|c| c.as_str() == event.category()).expect("every event has a category");
    let at = DateTime::from_timestamp(1_772_900_000, 0).expect("it is a time");
    StoredEvent {
        stream: StreamName { category, id: "x".into() },
        version: Version(0),
        position: Position(0),
        event: NewEvent {
            id: EventId(Uuid::from_u128(1)),
            kind: event.kind(),
            schema: upcast::current(&event.kind()),
            recorded_at: at,
            effective_at: at,
            actor: Actor::new("operator", "x"),
            origin: Origin::Admin,
            correlation: CorrelationId("x".into()),
            causation: None,
            data: codec::to_data(event).to_string(),
        },
        leaf: [0; 32],
    }
}

fn catalogue() -> String {
    let all = schema::all();
    let projected = projected();
    let mut text = HEAD.to_owned();
    let mut category = String::new();
    for entry in all["index.json"]["events"].as_array().into_iter().flatten() {
        let field = |name: &str| entry[name].as_str().unwrap_or_default().replace('\n', " ");
        let (kind, schema) = (field("type"), field("schema"));
        let (of, _) = kind.split_once('.').expect("a type has a category");
        if of != category {
            category = of.to_owned();
            let subject = format!("syncledger.<workspace>.{of}.<id>.…");
            write!(text, "\n## {of}\n\nStream `{of}-<id>`, NATS subject `{subject}`.\n\n").expect("a string takes it");
            text.push_str("| event | meaning | schema | changes |\n|---|---|---|---|\n");
        }
        let tables =
            projected.get(&kind).filter(|t| !t.is_empty()).map_or("–".to_owned(), |tables| tables.join(", "));
        let meaning = field("description").replace('|', "\\|");
        writeln!(text, "| `{kind}` | {meaning} | `schemas/{schema}` | {tables} |").expect("a string takes it");
    }
    text
}

#[test]
fn the_catalogue_of_events_is_fresh() {
    let fresh = catalogue();
    if blessing() {
        write(PATH, &fresh);
    }
    let same = read(PATH).is_some_and(|text| text == fresh);
    assert!(same, "{PATH} is not what the types say: run SYNCLEDGER_BLESS=1 ./test guards");
}

#[test]
fn the_catalogue_lists_every_event_with_its_meaning() {
    let text = catalogue();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), projected().len());
    let bare = rows.iter().filter(|row| row.split(" | ").nth(1).is_none_or(|meaning| meaning.len() < 5));
    nothing_in(&bare.map(|row| format!("no meaning: {row}")).collect::<Vec<_>>());
    let established = rows.iter().find(|row| row.contains("`link.established`")).expect("it is listed");
    assert!(established.contains("entries"), "{established}");
}
