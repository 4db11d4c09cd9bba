//! What the stock client does that surprises: each held here, so that a new version of it is noticed.

use std::time::Duration;

use eventstore::{
    BatchAppendOptions, Error, ExpectedRevision, ReadStreamOptions, RetryOptions, StreamPosition,
    SubscribeToAllOptions, SubscriptionEvent, SubscriptionFilter,
};
use syncledger::services::external_events::Accept;

use super::world::{BACKENDS, Backend, World, fill, some};
use crate::support::patience::soon;

/// 1. A subscription that ends without an error makes it spin: ours never do.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_ends_subscriptions_with_an_error() {
    for backend in BACKENDS {
        let mut world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        fill(&client, "booking-api.1", 0..2).await;
        let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
        let mut subscription = client.subscribe_to_all(&options).await;
        loop {
            if let SubscriptionEvent::CaughtUp = soon(subscription.next_subscription_event()).await.unwrap() {
                break;
            }
        }
        world.stop.cancel();
        match soon(subscription.next_subscription_event()).await {
            Err(Error::ServerError(said)) => assert!(said.contains("shutting down"), "{said}"),
            other => panic!("{other:?}"),
        }
        soon(&mut world.task).await.unwrap();
    }
}

/// 2. The first refused append ends a batch session for good: open another, and send the same ids again.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_conflict_a_batch_session_is_over_and_a_new_one_repeats_safely() {
    let world = World::start(Backend::Sqlite, Accept::Known).await;
    let client = world.client("admin");
    let batch = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
    let before = soon(batch.append_to_stream("booking-api.1", ExpectedRevision::NoStream, some(0..2))).await.unwrap();
    let conflict = soon(batch.append_to_stream("booking-api.1", ExpectedRevision::NoStream, some(2..3))).await;
    match conflict {
        Err(Error::Grpc { code, message }) => {
            assert_eq!((code, message.as_str()), (tonic::Code::AlreadyExists, "WrongExpectedVersion"));
        }
        other => panic!("{other:?}"),
    }
    let after = soon(batch.append_to_stream("booking-api.2", ExpectedRevision::Any, some(3..4))).await;
    assert!(matches!(after, Err(Error::ServerError(_))), "the session outlives an error now: {after:?}");
    let batch = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
    let again = soon(batch.append_to_stream("booking-api.1", ExpectedRevision::NoStream, some(0..2))).await.unwrap();
    assert_eq!(again, before);
    soon(batch.append_to_stream("booking-api.2", ExpectedRevision::Any, some(3..4))).await.unwrap();
    assert_eq!(world.end().await, 3);
}

/// 3. `created` is cut to the second: the whole time is in the metadata.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_time_is_in_the_metadata_only() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let client = world.client("admin");
    fill(&client, "booking-api.1", 0..1).await;
    let mut events = client.read_stream("booking-api.1", &ReadStreamOptions::default()).await.unwrap();
    let event = events.next().await.unwrap().unwrap();
    let event = event.get_original_event();
    let ticks: i64 = event.metadata["created"].parse().unwrap();
    assert_eq!((event.created.timestamp(), event.created.timestamp_subsec_nanos()), (ticks / 10_000_000, 0));
    let envelope = syncledger::record::metadata::read(&event.custom_metadata).unwrap();
    assert_eq!(envelope.recorded_at.unwrap().timestamp_micros(), ticks / 10);
}

/// 4. It comes back only where it is told to, and then after the last event it saw, whatever checkpoints there were.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_comes_back_misses_nothing() {
    let world = World::start(Backend::Sqlite, Accept::Known).await;
    let client = world.client("admin");
    fill(&client, "booking-api.1", 0..1).await;
    fill(&client, "booking-x.1", 10..14).await;
    let filter = SubscriptionFilter::on_stream_name().add_prefix("booking-api.").max(2);
    let retry = RetryOptions::default().retry_forever().retry_delay(Duration::from_millis(50));
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter);
    let mut subscription = client.subscribe_to_all(&options.retry_options(retry)).await;
    loop {
        if let SubscriptionEvent::CaughtUp = soon(subscription.next_subscription_event()).await.unwrap() {
            break;
        }
    }
    world.stop.cancel();
    let world = world.again().await;
    fill(&world.client("admin"), "booking-api.1", 1..2).await;
    let mut told = Vec::new();
    loop {
        match soon(subscription.next_subscription_event()).await.unwrap() {
            SubscriptionEvent::EventAppeared(event) => {
                told.push(event.get_original_event().id.as_u128().to_string());
                break;
            }
            SubscriptionEvent::Checkpoint(position) => told.push(format!("checkpoint {}", position.commit)),
            _ => {}
        }
    }
    // From event 0 again, not from the checkpoint at 4; the event is there all the same, and once.
    assert_eq!(told, ["checkpoint 2", "checkpoint 4", "1"]);
}
