//! What is published, by whom, and in what order.

use std::collections::BTreeSet;

use async_nats::jetstream;
use syncledger::{
    domain::ids::Position,
    ports::{
        event_store::EventStore as _,
        publisher::{Failure, OutgoingMessage, PublishOutcome, Publisher as _, SendReason, Sequence},
    },
    record::{
        stream::{Category, StreamName},
        subject,
    },
    services::relay::{NextStep, Range, RepublishOptions, Role, republish},
};

use super::world::{STREAM, World, body, header, position};
use crate::support::patience::time_passes;

#[tokio::test]
async fn every_event_is_published_once_in_the_ledgers_order() {
    let world = World::new();
    world.append(1_500).await;
    let relay = world.relay().await;
    world.publish(&relay).await;
    world.append(3).await;
    world.publish(&relay).await;
    world.holds_everything_once().await;
    assert_eq!(world.saved().await, 1_503);
    let told = relay.progress().snapshot(&*world.ledger, &*world.clock).await;
    assert_eq!((told.role, told.position, told.events, told.published), (Role::Active, Some(1_503), 0, 1_503));
    // Started anew, it publishes nothing again.
    let again = world.relay().await;
    world.publish(&again).await;
    world.holds_everything_once().await;
}

#[tokio::test]
async fn an_event_is_a_cloud_event_on_the_subject_of_its_stream() {
    let world = World::new();
    for id in ["uschedule.1001", "a b *.>", "予約~2"] {
        let stream = StreamName { category: Category::Booking, id: id.to_owned() };
        world.append_to(&stream, "booking.rescheduled", r#"{"slot":{"a":1},"big":12345678901234567890}"#.into()).await;
    }
    let relay = world.relay().await;
    world.publish(&relay).await;
    let recorded = world.ledger.read_all(Position(0), 10).await.unwrap();
    let messages = world.messages().await;
    assert_eq!(messages[0].subject.as_str(), "syncledger.loft.booking.uschedule%2E1001.rescheduled");
    for (message, recorded) in messages.iter().zip(&recorded) {
        let (workspace, stream, name) = subject::read_event(&message.subject).unwrap();
        assert_eq!((workspace.as_str(), &stream, name.as_str()), ("loft", &recorded.stream, "rescheduled"));
        assert_eq!(header(message, "Nats-Msg-Id"), recorded.event.id.to_string());
        assert_eq!(header(message, "Content-Type"), "application/cloudevents+json");
        let event = body(message);
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"], recorded.event.id.to_string());
        assert_eq!(event["source"], "urn:syncledger:loft");
        assert_eq!(event["type"], "booking.rescheduled");
        assert_eq!(event["subject"], recorded.stream.to_string());
        assert_eq!(event["dataschema"], "urn:syncledger:schema:booking/rescheduled.v1");
        assert_eq!(event["datacontenttype"], "application/json");
        assert_eq!(event["position"], recorded.position.to_string());
        assert_eq!(event["streamversion"], "0");
        assert_eq!(event["correlationid"], "delivery-1");
        assert_eq!(event["causationid"], recorded.event.causation.unwrap().to_string());
        assert_eq!(event["time"], "2026-05-28T20:26:40.000000Z");
        // Names of attributes are lower-case letters and digits, at most twenty.
        for name in event.as_object().unwrap().keys() {
            assert!(name.len() <= 20 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        }
        let text = String::from_utf8(message.payload.to_vec()).unwrap();
        assert!(text.contains(&format!(r#""data":{}"#, recorded.event.data)), "the data is the stored text: {text}");
    }
}

#[tokio::test]
async fn an_event_that_is_too_large_for_the_server_says_where_its_data_is() {
    let world = World::new();
    world.append(1).await;
    let stream = StreamName { category: Category::Booking, id: "x".into() };
    world.append_to(&stream, "booking.confirmed", format!(r#"{{"a":"{}"}}"#, "x".repeat(1_048_500))).await;
    world.append(1).await;
    let relay = world.relay().await;
    world.publish(&relay).await;
    world.holds_everything_once().await;
    let large = body(&world.messages().await[1]);
    assert_eq!((large["dataref"].as_str(), large.get("data")), (Some("/api/v1/events?from=1&to=1"), None));
}

#[tokio::test]
async fn two_processes_publish_as_one_and_the_second_takes_over() {
    let world = World::new();
    world.append(400).await;
    let (one, two) = (world.relay().await, world.relay().await);
    let (first, second) = tokio::join!(one.step(), two.step());
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    for _ in 0..20 {
        world.append(20).await;
        let (first, second) = tokio::join!(one.step(), two.step());
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    }
    let mut roles = BTreeSet::new();
    for relay in [&one, &two] {
        roles.insert(format!("{:?}", relay.progress().snapshot(&*world.ledger, &*world.clock).await.role));
    }
    assert_eq!(roles.len(), 2, "one publishes and one stands by: {roles:?}");
    // Whoever published stops; the other notices.
    let one_is_active = one.progress().snapshot(&*world.ledger, &*world.clock).await.role == Role::Active;
    let left = if one_is_active { two } else { one };
    world.append(10).await;
    for _ in 0..20 {
        world.later(1);
        left.step().await.unwrap();
    }
    world.holds_everything_once().await;
    assert_eq!(left.progress().snapshot(&*world.ledger, &*world.clock).await.role, Role::Active);
}

#[tokio::test]
async fn nothing_is_taken_behind_a_message_that_was_not() {
    let world = World::new();
    world.append(3).await;
    let publisher = world.publisher().await;
    publisher.prepare().await.unwrap();
    let events = world.ledger.read_all(Position(0), 3).await.unwrap();
    let send = |n: usize, after: u64| {
        let event = &events[n];
        publisher.send(OutgoingMessage {
            event,
            next: event.position.next(),
            after: Sequence(after),
            sending: &SendReason::First,
        })
    };
    // The first names a message that is not there.
    let answers = [send(0, 7).await.unwrap(), send(1, 8).await.unwrap(), send(2, 9).await.unwrap()];
    for answer in answers {
        assert_eq!(answer.await, Err(Failure::Moved));
    }
    assert_eq!(send(0, 0).await.unwrap().await, Ok(PublishOutcome::Stored(Sequence(1))));
    assert_eq!(send(0, 1).await.unwrap().await, Ok(PublishOutcome::Duplicate));
    assert_eq!(world.positions().await, [0]);
}

#[tokio::test]
async fn a_range_is_sent_again_inside_and_outside_of_the_duplicate_window() {
    let world = World::new();
    world.append(100).await;
    let relay = world.relay().await;
    world.publish(&relay).await;
    let publisher = world.publisher().await;
    let manner = |word| RepublishOptions { window: 16, word, checkpoint: Position(100) };
    let range = Range { from: Position(10), until: Position(30) };
    let mut heard = Vec::new();
    let done =
        republish(&*world.ledger, &*publisher, range, manner("again-1"), &mut |next| heard.push(next.0)).await.unwrap();
    // The server remembers their ids: they go under others.
    assert_eq!((done.sent, done.renamed), (20, 20));
    assert_eq!(heard, (11..=30).collect::<Vec<_>>());
    // One that forgets quickly takes them under their own.
    let jetstream = world.jetstream().await;
    let mut config = jetstream.get_stream(STREAM).await.unwrap().cached_info().config.clone();
    config.duplicate_window = std::time::Duration::from_millis(100);
    jetstream.update_stream(config).await.unwrap();
    time_passes(400).await;
    let done = republish(&*world.ledger, &*publisher, range, manner("again-2"), &mut |_| {}).await.unwrap();
    assert_eq!((done.sent, done.renamed), (20, 0));
    let messages = world.messages().await;
    let expected: Vec<u64> = (0..100).chain(10..30).chain(10..30).collect();
    assert_eq!(messages.iter().map(position).collect::<Vec<_>>(), expected);
    // The same ids of events all three times.
    assert_eq!(body(&messages[10])["id"], body(&messages[100])["id"]);
    assert_eq!(body(&messages[10]), body(&messages[120]));
    assert_eq!(header(&messages[120], "Nats-Msg-Id"), header(&messages[10], "Nats-Msg-Id"));
    // The publisher goes on where it was.
    world.append(5).await;
    world.publish(&relay).await;
    world.publish(&world.relay().await).await;
    assert_eq!(world.positions().await[140..], [100, 101, 102, 103, 104]);
}

#[tokio::test]
async fn what_an_operator_changed_stays_and_is_told() {
    let world = World::new();
    world.append(3).await;
    world.publish(&world.relay().await).await;
    let jetstream = world.jetstream().await;
    let config = || async { jetstream.get_stream(STREAM).await.unwrap().cached_info().config.clone() };
    // As we set it: it follows our configuration.
    let mut shape = super::world::shape();
    shape.messages_max = Some(1_000);
    let nats = syncledger::adapters::nats::Nats::connect_now(super::world::settings(&world.server)).await.unwrap();
    let publisher = syncledger::adapters::nats::NatsPublisher::new(nats, shape, "test");
    assert_eq!(publisher.prepare().await, Ok(vec![]));
    assert_eq!(config().await.max_messages, 1_000);
    // Changed by hand: it stays.
    jetstream.update_stream(jetstream::stream::Config { max_messages: 2_000, ..config().await }).await.unwrap();
    let differs = publisher.prepare().await.unwrap();
    assert!(differs.len() == 1 && differs[0].contains("max_msgs is 2000, but configured as 1000"), "{differs:?}");
    assert_eq!(config().await.max_messages, 2_000);
    // A stream that cannot do is refused.
    jetstream
        .update_stream(jetstream::stream::Config { subjects: vec!["other".into()], ..config().await })
        .await
        .unwrap();
    let refused = publisher.prepare().await.unwrap_err().to_string();
    assert!(refused.contains("has the subjects other"), "{refused}");
}

#[tokio::test]
async fn a_feed_that_is_ahead_of_the_ledger_is_not_written_to() {
    let mut world = World::new();
    world.append(20).await;
    world.publish(&world.relay().await).await;
    // The ledger comes back from an older copy.
    world.ledger = std::sync::Arc::default();
    world.append(5).await;
    let relay = world.relay().await;
    let error = relay.step().await.unwrap_err().to_string();
    assert!(error.contains("is at position 20, but the ledger ends at 5"), "{error}");
    let manner = RepublishOptions { window: 16, word: "again", checkpoint: Position(0) };
    let range = Range { from: Position(3), until: Position(5) };
    republish(&*world.ledger, &*world.publisher().await, range, manner, &mut |_| {}).await.unwrap();
    world.append(2).await;
    assert!(matches!(relay.step().await, Ok(NextStep::AtPosition(Position(7)))));
    assert_eq!(world.positions().await[20..], [3, 4, 5, 6]);
}
