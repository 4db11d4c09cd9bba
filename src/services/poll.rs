//! Polling a booking source: what changed since the cursor, each change recorded as a delivery.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tracing::warn;

use super::{
    Error,
    intake::{Received, receive},
    journal::{Context, Journal},
};
use crate::{
    domain::{
        event,
        failure::CallFailure,
        ids::Version,
        source::{Event, Polling, evolve},
    },
    ports::{event_store::Expected, source::BookingSource},
    reconcile::retry,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
};

/// Pages read in one poll; what is left is read by the next.
const PAGES_MAX: usize = 10_000;
/// Deliveries recorded at the same time: the ledger commits them together.
const RECORDED_AT_ONCE: usize = 64;

/// How a poll ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// It was read to its end; so many deliveries were news.
    Done(u32),
    /// It was not.
    Failed(CallFailure),
    /// It is not time yet, after a failure.
    Waits,
}

/// Polls once.
///
/// # Errors
/// The ledger is not available.
pub async fn poll(journal: &Journal, source: &Arc<dyn BookingSource>) -> Result<Polled, Error> {
    let (polling, version) = load(journal, source).await?;
    let now = journal.clock().now();
    if polling.retry_at.is_some_and(|at| at > now) {
        return Ok(Polled::Waits);
    }
    let (mut page, mut news) = (None, 0_u32);
    for _ in 0..PAGES_MAX {
        let changes = match source.changes(polling.cursor.as_deref(), page.as_deref()).await {
            Ok(changes) => changes,
            Err(failure) => return failed(journal, source, &polling, version, failure).await,
        };
        let name = source.name();
        let received: Vec<Received> = stream::iter(changes.deliveries)
            .map(|delivery| receive(journal, name, delivery, Origin::Poll))
            .buffered(RECORDED_AT_ONCE)
            .try_collect()
            .await?;
        news += u32::try_from(received.iter().filter(|r| **r == Received::New).count()).unwrap_or(u32::MAX);
        page = changes.next;
        if let Some(cursor) = changes.cursor.filter(|_| page.is_none()) {
            if polling.cursor.as_ref() != Some(&cursor) || polling.failures > 0 {
                let fact = Event::PollCompleted { source: name.clone(), cursor, news };
                append(journal, source, version, fact).await?;
            }
            break;
        }
        if page.is_none() {
            break;
        }
    }
    Ok(Polled::Done(news))
}

async fn load(journal: &Journal, source: &Arc<dyn BookingSource>) -> Result<(Polling, Option<Version>), Error> {
    let (mut polling, mut version) = (Polling::default(), None);
    for told in journal.stream(&StreamName::source(source.name()), Version(0)).await? {
        version = Some(told.recorded.version);
        if let event::Event::Source(event) = &told.event {
            polling = evolve(polling, event, told.recorded.event.recorded_at);
        }
    }
    Ok((polling, version))
}

async fn failed(
    journal: &Journal,
    source: &Arc<dyn BookingSource>,
    polling: &Polling,
    version: Option<Version>,
    failure: CallFailure,
) -> Result<Polled, Error> {
    let clock = journal.clock();
    let wait = failure.retry_after_ms.unwrap_or_else(|| retry::backoff_ms(polling.failures, clock.chance()));
    let retry_at = clock.now() + TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(60_000));
    warn!(source = %source.name(), class = failure.class.as_str(), error = failure.summary, "Poll of {} failed", source.name());
    let fact = Event::PollFailed { source: source.name().clone(), failure: failure.clone(), retry_at };
    append(journal, source, version, fact).await?;
    Ok(Polled::Failed(failure))
}

async fn append(
    journal: &Journal,
    source: &Arc<dyn BookingSource>,
    version: Option<Version>,
    fact: Event,
) -> Result<(), Error> {
    let name = source.name();
    let context = Context::root(Actor::new("source", name.to_string()), Origin::Poll, journal.clock().event_id());
    match journal.append(&StreamName::source(name), Expected::after(version), vec![fact], &context).await {
        Ok(_) => Ok(()),
        // Another process polled at the same time, and its word is as good.
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
