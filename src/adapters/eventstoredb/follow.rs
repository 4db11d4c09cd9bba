//! Follows the server's log and maintains the index.
//!
//! It subscribes to all our categories, starting at our last event. Not at the last checkpoint: servers have sent
//! checkpoints beyond events still to come (KurrentDB issue 4970), and a skipped event would
//! shift every position after it. The client's own resubscription is off, because it gives up after some attempts. A
//! subscription without messages for some time is restarted, because a dead one looks the same.

use std::{sync::Arc, time::Duration};

use eventstore::{StreamPosition, SubscriptionEvent, SubscriptionFilter};
use tracing::{error, info, warn};

use super::{
    failure::ServerFailure,
    index::IndexFailure,
    mapping::prefixes,
    shared::Shared,
    spin_guard::{SpinAborted, SpinGuard},
};

/// How long a subscription may be silent before it is restarted.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Delay before subscribing again: doubles from the first value to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Foreign events between two checkpoints of a filtered subscription.
const CHECKPOINT_EVENTS: u32 = 1_000;

/// Why a subscription ended.
enum End {
    /// The ledger is being closed.
    Closed,
    /// It was silent, or an event is missing; there is no known error.
    Silent,
    /// The connection was lost.
    Broken(String),
    /// The index accepts no more events.
    Over(IndexFailure),
}

/// Follows the log until the ledger is closed.
pub(super) async fn follow(shared: Arc<Shared>) {
    let mut pause = PAUSE.0;
    loop {
        let seen = shared.index().seen();
        match subscription(&shared).await {
            End::Closed => return,
            End::Silent => continue,
            End::Over(why) => {
                error!("The ledger's log is no longer followed: {why}");
                shared.end_for(why.to_string());
                return;
            }
            End::Broken(why) => {
                warn!("The ledger's log is not being followed: {why}");
                shared.set_failing(Some(format!("the connection to {} is lost: {why}", shared.line.address.redacted)));
            }
        }
        // Appends in flight may have been lost with the connection.
        shared.broken.send_modify(|count| *count += 1);
        if shared.index().seen() != seen {
            pause = PAUSE.0;
        }
        tokio::select! {
            () = shared.closed.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
        }
    }
}

async fn subscription(shared: &Shared) -> End {
    let held = match shared.line.client() {
        Ok(held) => held,
        Err(trouble) => return End::Broken(trouble.to_string()),
    };
    let from = match shared.index().seen() {
        None => StreamPosition::Start,
        Some(seen) => StreamPosition::Position(seen.wire()),
    };
    let filter = prefixes().fold(SubscriptionFilter::on_stream_name(), SubscriptionFilter::add_prefix);
    let options = shared.line.subscribe().position(from).filter(filter.max(CHECKPOINT_EVENTS));
    let mut subscription = held.client.subscribe_to_all(&options).await;
    let watch = SpinGuard::new();
    let end = loop {
        // In all other cases the subscription is dropped: its future is not cancel-safe.
        let next = tokio::select! {
            () = shared.closed.cancelled() => return End::Closed,
            () = shared.missing.notified() => return End::Silent,
            next = tokio::time::timeout(SILENCE_MAX, watch.over(subscription.next_subscription_event())) => next,
        };
        match next {
            Err(_) => return End::Silent,
            Ok(Err(SpinAborted)) => break End::Broken("the server ended the subscription without an error".to_owned()),
            Ok(Ok(Err(error))) => break End::Broken(ServerFailure::from(error).to_string()),
            Ok(Ok(Ok(message))) => {
                if let Err(end) = handle_message(shared, message) {
                    break end;
                }
            }
        }
    };
    shared.line.broken(&held);
    end
}

fn handle_message(shared: &Shared, message: SubscriptionEvent) -> Result<(), End> {
    match message {
        SubscriptionEvent::EventAppeared(mut event) => {
            // For a link, the link itself: links are not resolved.
            let Some(event) = event.link.take().or(event.event) else { return Ok(()) };
            let end = {
                let mut index = shared.index();
                let before = index.end();
                index.take(&event).map_err(End::Over)?;
                let end = index.end();
                if end > before {
                    index.recent.push(before, event);
                }
                end
            };
            shared.end.send_replace(end);
        }
        SubscriptionEvent::Confirmed(_) => {
            if shared.set_failing(None).is_some() {
                info!("The ledger's log is followed again");
            }
        }
        SubscriptionEvent::Checkpoint(_)
        | SubscriptionEvent::FirstStreamPosition(_)
        | SubscriptionEvent::LastStreamPosition(_)
        | SubscriptionEvent::LastAllPosition(_)
        | SubscriptionEvent::CaughtUp
        | SubscriptionEvent::FellBehind => {}
    }
    Ok(())
}
