//! Appends: every expectation, repeats, and what is refused.

use chrono::{DateTime, Utc};
use eventstore::{AppendToStreamOptions, CurrentRevision, Error, EventData, ExpectedRevision, ReadStreamOptions};
use serde_json::json;
use syncledger::{
    domain::ids::{EventId, Version},
    record::{metadata, stream::StreamName},
    services::external_events::Accept,
};
use uuid::Uuid;

use super::world::{BACKENDS, Backend, World, confirmed, expecting, fill, ids, json_of, some};
use crate::conformance::given::event_of;

const STREAM: &str = "booking-api.1";

#[tokio::test(flavor = "multi_thread")]
async fn every_expectation_is_held() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        let append = async |expected, ids| client.append_to_stream(STREAM, &expecting(expected), some(ids)).await;
        let wrong = |result: eventstore::Result<eventstore::WriteResult>| match result {
            Err(Error::WrongExpectedVersion { expected, current }) => (expected, current),
            other => panic!("{backend:?}: {other:?}"),
        };
        // Both sides are told: a client that misses one falls over.
        let nothing = wrong(append(ExpectedRevision::StreamExists, 1..2).await);
        assert_eq!(nothing, (ExpectedRevision::StreamExists, CurrentRevision::NoStream));
        let nothing = wrong(append(ExpectedRevision::Exact(0), 1..2).await);
        assert_eq!(nothing, (ExpectedRevision::Exact(0), CurrentRevision::NoStream));

        let first = append(ExpectedRevision::NoStream, 1..3).await.unwrap();
        assert_eq!((first.next_expected_version, first.position.commit, first.position.prepare), (1, 1, 1));
        let third = append(ExpectedRevision::Exact(1), 3..4).await.unwrap();
        assert_eq!(third.next_expected_version, 2);
        append(ExpectedRevision::StreamExists, 4..5).await.unwrap();
        append(ExpectedRevision::Any, 5..6).await.unwrap();

        let there = wrong(append(ExpectedRevision::NoStream, 6..7).await);
        assert_eq!(there, (ExpectedRevision::NoStream, CurrentRevision::Current(4)));
        let moved = wrong(append(ExpectedRevision::Exact(1), 6..7).await);
        assert_eq!(moved, (ExpectedRevision::Exact(1), CurrentRevision::Current(4)));
        assert_eq!(ids(&client, STREAM, &ReadStreamOptions::default()).await.unwrap(), [1, 2, 3, 4, 5]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_append_is_answered_as_the_first() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        for expected in [ExpectedRevision::NoStream, ExpectedRevision::Any, ExpectedRevision::StreamExists] {
            let first = client.append_to_stream(STREAM, &expecting(expected), some(1..3)).await.unwrap();
            assert_eq!((first.next_expected_version, first.position.commit), (1, 1), "{backend:?} {expected:?}");
            fill(&client, "booking-api.2", 100..101).await;
        }
        assert_eq!(world.end().await, 3);
        // The same id with other content, or at another place, is another fact.
        let other = EventData::json("booking.restored", &json!({})).unwrap().id(Uuid::from_u128(1));
        let taken = client.append_to_stream(STREAM, &AppendToStreamOptions::default(), other).await;
        assert!(matches!(taken, Err(Error::ResourceAlreadyExists)), "{taken:?}");
        let elsewhere = client.append_to_stream("booking-api.2", &AppendToStreamOptions::default(), confirmed(1)).await;
        assert!(matches!(elsewhere, Err(Error::ResourceAlreadyExists)), "{elsewhere:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_is_written_by_us_and_read_by_them() {
    let world = World::start(Backend::Sqlite, Accept::Known).await;
    let client = world.client("integration");
    let said = json!({"effective_at": "2026-11-20T12:00:00.5Z", "$correlationId": "order 7", "$causationId": Uuid::from_u128(9)});
    let event = confirmed(1).metadata_as_json(&said).unwrap();
    client.append_to_stream(STREAM, &expecting(ExpectedRevision::NoStream), event).await.unwrap();
    let mut events = world.client("auditor").read_stream(STREAM, &ReadStreamOptions::default()).await.unwrap();
    let event = events.next().await.unwrap().unwrap();
    let event = event.get_original_event();
    assert_eq!((event.event_type.as_str(), event.is_json, &event.data[..]), ("booking.confirmed", true, &b"{}"[..]));
    let envelope = json_of(&event.custom_metadata);
    assert_eq!(envelope["effective_at"], "2026-11-20T12:00:00.500000Z");
    assert_eq!(
        (&envelope["$correlationId"], &envelope["schema"], &envelope["origin"]),
        (&"order 7".into(), &1.into(), &"api".into())
    );
    assert_eq!(envelope["actor"]["kind"], "token");
    assert!(envelope["actor"]["id"].as_str().unwrap().starts_with("tok_"));
    // The whole time stands in the metadata only.
    let recorded_at: DateTime<Utc> = envelope["recorded_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(event.metadata["created"], (recorded_at.timestamp_micros() * 10).to_string());
    assert_eq!(envelope["leaf"].as_str().unwrap().len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_ledger_that_is_kept_here_reads_what_it_wrote() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Any).await;
        let client = world.client("admin");
        let mut event = event_of(EventId(Uuid::from_u128(1)), r#"{ "any" : [1.0, "é"] }"#);
        event.kind = "booking.not_of_this_version".into();
        event.schema = 9;
        let sent = EventData::binary(event.kind.clone(), event.data.clone().into()).id(event.id.0);
        let sent = sent.metadata(metadata::write(&event).into());
        let refused = client.append_to_stream(STREAM, &AppendToStreamOptions::default(), sent).await;
        assert!(matches!(refused, Err(Error::Grpc { .. })), "it is not said to be JSON: {refused:?}");
        let sent = EventData::json(event.kind.clone(), &json!({})).unwrap().id(event.id.0);
        let sent = sent.metadata(metadata::write(&event).into());
        event.data = "{}".into();
        client.append_to_stream(STREAM, &AppendToStreamOptions::default(), sent).await.unwrap();
        let mut events = client.read_stream(STREAM, &ReadStreamOptions::default()).await.unwrap();
        let read = events.next().await.unwrap().unwrap();
        let read = read.get_original_event();
        let envelope = metadata::read(&read.custom_metadata).unwrap();
        let data = String::from_utf8(read.data.to_vec()).unwrap();
        let again = envelope.event(EventId(read.id), read.event_type.clone(), data).unwrap();
        assert_eq!(again, event);
        let stored =
            world.journal.store().read_stream(&StreamName::parse(STREAM).unwrap(), Version(0), 9).await.unwrap();
        assert_eq!(stored[0].event, event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_here_is_refused_with_a_reason() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let client = world.client("admin");
    let data = json!({});
    let json = |kind: &str| EventData::json(kind, &data).unwrap();
    let cases = [
        (STREAM, json("booking.unheard_of"), "unknown variant"),
        (STREAM, json("link.detached"), "cannot be read"),
        ("link-x", json("booking.confirmed"), "does not belong in stream"),
        (STREAM, EventData::json("booking.confirmed", &[1]).unwrap(), "not a JSON object"),
        (STREAM, EventData::binary("booking.confirmed", vec![1].into()), "content type"),
        (STREAM, json("booking.confirmed").metadata_as_json(&json!({"who": 1})).unwrap(), "unknown field `who`"),
        (STREAM, json("booking.confirmed").metadata_as_json(&json!({"origin": "admin"})).unwrap(), "leave them out"),
        ("booking-a b", json("booking.confirmed"), "contains a character"),
        ("orders", json("booking.confirmed"), "is not a stream name"),
        ("$$booking-api.1", json("booking.confirmed"), "are not supported"),
    ];
    for (stream, event, part) in cases {
        let refused = client.append_to_stream(stream, &AppendToStreamOptions::default(), event).await;
        match refused {
            Err(Error::Grpc { code, message }) => {
                assert_eq!(code, tonic::Code::InvalidArgument, "{message}");
                assert!(message.contains(part), "{part}: {message}");
            }
            other => panic!("{part}: {other:?}"),
        }
    }
    let none = client.append_to_stream(STREAM, &AppendToStreamOptions::default(), Vec::new()).await;
    assert!(matches!(none, Err(Error::Grpc { .. })), "{none:?}");
    let many = client.append_to_stream(STREAM, &AppendToStreamOptions::default(), some(1..1_002)).await;
    assert!(matches!(many, Err(Error::Grpc { .. })), "{many:?}");
    let deleted = client.delete_stream(STREAM, &eventstore::DeleteStreamOptions::default()).await;
    assert!(matches!(deleted, Err(Error::UnsupportedFeature)), "{deleted:?}");
    let tombstone = client.tombstone_stream(STREAM, &eventstore::TombstoneStreamOptions::default()).await;
    assert!(matches!(tombstone, Err(Error::UnsupportedFeature)), "{tombstone:?}");
    assert_eq!(world.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_texts_are_sealed_and_a_repeat_is_still_a_repeat() {
    let world = World::start(Backend::Sqlite, Accept::Known).await;
    let client = world.client("admin");
    let frozen = include_str!("../../fixtures/events/booking.registered.v1.json");
    let event = EventData::json("booking.registered", &plain_data(frozen)).unwrap().id(Uuid::from_u128(1));
    let options = expecting(ExpectedRevision::NoStream);
    // The booking of one system is not passed off as another's.
    let elsewhere = client.append_to_stream(STREAM, &options, event.clone()).await;
    assert!(
        matches!(&elsewhere, Err(Error::Grpc { message, .. }) if message.contains("\"1001\" of uschedule does not belong")),
        "{elsewhere:?}"
    );
    let own = "booking-uschedule.1001";
    let first = client.append_to_stream(own, &options, event.clone()).await.unwrap();
    let again = client.append_to_stream(own, &options, event).await.unwrap();
    assert_eq!(first.position, again.position);
    let stored = world.journal.store().read_stream(&StreamName::parse(own).unwrap(), Version(0), 9).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert!(
        !stored[0].event.data.contains("Rivera") && stored[0].event.data.contains("\"sealed\""),
        "{}",
        stored[0].event.data
    );
    // What was sealed by somebody else under a key of ours does not open, and would stop whoever reads it.
    let forged = json_of(stored[0].event.data.as_bytes());
    let forged = EventData::json("booking.registered", &forged).unwrap().id(Uuid::from_u128(2));
    let refused = client.append_to_stream("booking-api.2", &options, forged).await;
    assert!(
        matches!(&refused, Err(Error::Grpc { message, .. }) if message.contains("cannot be decrypted")),
        "{refused:?}"
    );
}

/// The data of a frozen event, with a person's name in plain.
fn plain_data(frozen: &str) -> serde_json::Value {
    let mut data = json_of(frozen.as_bytes())["instances"][0].take();
    let found = unseal(&mut data);
    assert!(found, "the event has a text of a person's: {data}");
    data
}

fn unseal(value: &mut serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(object) if object.contains_key("subject") => {
            let subject = object["subject"].clone();
            *value = json!({"subject": subject, "text": "Rivera"});
            true
        }
        serde_json::Value::Object(object) => object.values_mut().map(unseal).fold(false, |a, b| a | b),
        serde_json::Value::Array(items) => items.iter_mut().map(unseal).fold(false, |a, b| a | b),
        _ => false,
    }
}
