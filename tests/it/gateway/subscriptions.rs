//! Subscriptions: what is there, then what comes.

use eventstore::{
    Position, StreamPosition, SubscribeToAllOptions, SubscribeToStreamOptions, Subscription, SubscriptionEvent,
    SubscriptionFilter,
};
use syncledger::services::external_events::Accept;

use super::world::{BACKENDS, Backend, World, fill};
use crate::support::patience::soon;

/// A word per thing that a subscription says.
async fn next(subscription: &mut Subscription) -> String {
    match soon(subscription.next_subscription_event()).await {
        Ok(SubscriptionEvent::Confirmed(_)) => "confirmed".into(),
        Ok(SubscriptionEvent::EventAppeared(event)) => event.get_original_event().id.as_u128().to_string(),
        Ok(SubscriptionEvent::Checkpoint(position)) => format!("checkpoint {}", position.commit),
        Ok(SubscriptionEvent::CaughtUp) => "caught up".into(),
        Ok(SubscriptionEvent::FellBehind) => "fell behind".into(),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("error: {error}"),
    }
}

async fn expect(subscription: &mut Subscription, words: &[&str]) {
    for word in words {
        assert_eq!(next(subscription).await, *word);
    }
}

fn at(place: u64) -> StreamPosition<Position> {
    StreamPosition::Position(Position { commit: place, prepare: place })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_catches_up_and_goes_live() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        fill(&client, "booking-api.1", 0..3).await;
        let from = |position| SubscribeToAllOptions::default().position(position);
        let mut whole = client.subscribe_to_all(&from(StreamPosition::Start)).await;
        let mut later = client.subscribe_to_all(&from(at(1))).await;
        let mut new = client.subscribe_to_all(&from(StreamPosition::End)).await;
        expect(&mut whole, &["confirmed", "0", "1", "2", "caught up"]).await;
        expect(&mut later, &["confirmed", "2", "caught up"]).await;
        expect(&mut new, &["confirmed", "caught up"]).await;
        fill(&client, "booking-api.2", 10..12).await;
        fill(&client, "booking-api.1", 12..13).await;
        for subscription in [&mut whole, &mut later, &mut new] {
            expect(subscription, &["10", "11", "12"]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_followed_even_before_it_begins() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        let from = |position| SubscribeToStreamOptions::default().start_from(position);
        let mut early = client.subscribe_to_stream("booking-api.1", &from(StreamPosition::Start)).await;
        expect(&mut early, &["confirmed", "caught up"]).await;
        fill(&client, "booking-api.2", 90..95).await;
        fill(&client, "booking-api.1", 0..3).await;
        expect(&mut early, &["0", "1", "2"]).await;
        // From a revision: after it.
        let mut later = client.subscribe_to_stream("booking-api.1", &from(StreamPosition::Position(1))).await;
        expect(&mut later, &["confirmed", "2", "caught up"]).await;
        let mut new = client.subscribe_to_stream("booking-api.1", &from(StreamPosition::End)).await;
        expect(&mut new, &["confirmed", "caught up"]).await;
        fill(&client, "booking-api.1", 3..4).await;
        expect(&mut early, &["3"]).await;
        expect(&mut later, &["3"]).await;
        expect(&mut new, &["3"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_subscription_is_told_how_far_it_is() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        fill(&client, "booking-api.1", 0..5).await;
        fill(&client, "booking-x.1", 10..12).await;
        fill(&client, "booking-api.1", 5..8).await;
        let filters = [
            SubscriptionFilter::on_stream_name().add_prefix("link-").add_prefix("booking-x."),
            SubscriptionFilter::on_stream_name().regex(r"^booking-x\.\d$"),
            SubscriptionFilter::on_stream_name().regex(r"^(?!booking-api\.)"),
        ];
        for filter in filters {
            let options = SubscribeToAllOptions::default().position(StreamPosition::Start).filter(filter.max(4));
            let mut subscription = client.subscribe_to_all(&options).await;
            let told = ["confirmed", "checkpoint 3", "10", "11", "checkpoint 7", "checkpoint 9", "caught up"];
            expect(&mut subscription, &told).await;
        }
        // Live, what is passed over counts as well.
        let filter = SubscriptionFilter::on_event_type().add_prefix("link.").max(2);
        let options = SubscribeToAllOptions::default().position(at(9)).filter(filter);
        let mut subscription = client.subscribe_to_all(&options).await;
        expect(&mut subscription, &["confirmed", "caught up"]).await;
        fill(&client, "booking-api.3", 20..23).await;
        expect(&mut subscription, &["checkpoint 11"]).await;
        fill(&client, "booking-api.3", 23..24).await;
        expect(&mut subscription, &["checkpoint 13"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_way_is_caught_up_with_while_others_append() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        fill(&client, "booking-api.1", 0..900).await;
        let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
        let mut subscription = client.subscribe_to_all(&options).await;
        let other = world.client("admin");
        let appending = tokio::spawn(async move {
            for n in 0..50 {
                fill(&other, "booking-api.2", 1_000 + n * 20..1_000 + (n + 1) * 20).await;
            }
        });
        let mut seen = Vec::new();
        while seen.len() < 1_900 {
            let event = soon(subscription.next()).await.unwrap();
            seen.push(event.get_original_event().position.commit);
        }
        assert_eq!(seen, (0..1_900).collect::<Vec<_>>(), "{backend:?}: each once, in order");
        appending.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_silent_for_ever_is_refused() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let client = world.client("auditor");
    fill(&world.client("admin"), "booking-api.1", 0..3).await;
    for name in ["$ce-booking", "$et-booking.confirmed", "orders"] {
        let mut subscription = client.subscribe_to_stream(name, &SubscribeToStreamOptions::default()).await;
        let said = next(&mut subscription).await;
        assert!(said.contains("subscribe to $all with a filter"), "{said}");
    }
    let mut beyond = client.subscribe_to_all(&SubscribeToAllOptions::default().position(at(3))).await;
    let said = next(&mut beyond).await;
    assert!(said.contains("after the end of this ledger"), "{said}");
    let filter = SubscriptionFilter::on_event_type().regex("(");
    let mut wrong = client.subscribe_to_all(&SubscribeToAllOptions::default().filter(filter)).await;
    let said = next(&mut wrong).await;
    assert!(said.contains("invalid regular expression"), "{said}");
}
