//! Polls a booking source for changes since the cursor; each change is recorded as a delivery.
//!
//! Only one process polls a source: it claims the source in its stream, for a few periods at a time.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _, lock::Mutex, stream};
use tracing::warn;

use super::{
    intake::{DeliveryOutcome, receive},
    throttle::Throttle,
};
use crate::{
    domain::{
        event,
        failure::CallFailure,
        ids::Version,
        source::{Event, Polling, evolve},
    },
    ports::{event_store::ExpectedVersion, source::BookingSource},
    reconcile::retry,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Maximum number of pages per poll; the next poll reads the rest.
const PAGES_MAX: usize = 10_000;
/// Length of a claim in periods. It is renewed when half over, which is one event for every other poll.
const CLAIM_PERIODS: i32 = 3;
/// Maximum length of a claim beyond one period: this is how long a source is not polled after its process was killed.
const CLAIM_BEYOND_MAX: TimeDelta = TimeDelta::minutes(5);
/// Deliveries recorded at the same time, which the ledger commits as a group.
const RECORDED_AT_ONCE: usize = 64;

/// Result of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollOutcome {
    /// Complete; the number of new deliveries.
    Done(u32),
    /// Failed.
    Failed(CallFailure),
    /// Another process polls it, or it is backing off after a failure.
    Waiting,
}

/// Polls one source.
pub struct Poller {
    journal: Journal,
    source: Arc<dyn BookingSource>,
    throttle: Arc<Throttle>,
    worker: String,
    every: TimeDelta,
    /// The source's stream, folded as far as it was read, since it grows long.
    folded: Mutex<(Polling, Option<Version>)>,
}

impl Poller {
    /// Polls `source` as `worker`, which calls [`Poller::poll`] at this interval.
    pub fn new(
        journal: Journal,
        source: Arc<dyn BookingSource>,
        throttle: Arc<Throttle>,
        worker: String,
        every: TimeDelta,
    ) -> Self {
        Self { journal, source, throttle, worker, every, folded: Mutex::default() }
    }

    /// The source.
    pub fn source(&self) -> &Arc<dyn BookingSource> {
        &self.source
    }

    /// The polling interval.
    pub fn every(&self) -> TimeDelta {
        self.every
    }

    /// Polls once.
    ///
    /// # Errors
    /// The ledger is not available.
    pub async fn poll(&self) -> Result<PollOutcome, Error> {
        let polling = self.load().await?;
        if polling.retry_at.is_some_and(|at| at > self.journal.clock().now()) {
            return Ok(PollOutcome::Waiting);
        }
        let (mut page, mut news) = (None, 0_u32);
        for _ in 0..PAGES_MAX {
            // A listing may take longer than a claim.
            if !self.holds().await? {
                return Ok(PollOutcome::Waiting);
            }
            let (credential, now) = (self.source.name().as_str(), self.journal.clock().now());
            if self.throttle.closed_until(credential, now).is_some() {
                return Ok(PollOutcome::Waiting);
            }
            self.throttle.count_call(credential, now);
            let changes = match self.source.changes(polling.cursor.as_deref(), page.as_deref()).await {
                Ok(changes) => changes,
                Err(failure) => return self.failed(failure).await,
            };
            let name = self.source.name();
            let received: Vec<DeliveryOutcome> = stream::iter(changes.deliveries)
                .map(|delivery| receive(&self.journal, name, delivery, Origin::Poll))
                .buffered(RECORDED_AT_ONCE)
                .try_collect()
                .await?;
            news += u32::try_from(received.iter().filter(|r| **r == DeliveryOutcome::New).count()).unwrap_or(u32::MAX);
            page = changes.next;
            if let Some(cursor) = changes.cursor.filter(|_| page.is_none()) {
                if polling.cursor.as_ref() != Some(&cursor) || polling.failures > 0 {
                    self.append(Event::PollCompleted { source: name.clone(), cursor, news }).await?;
                }
                break;
            }
            if page.is_none() {
                break;
            }
        }
        Ok(PollOutcome::Done(news))
    }

    /// Releases the claim, so that another process can poll.
    ///
    /// # Errors
    /// The ledger is not available.
    pub async fn give_up(&self) -> Result<(), Error> {
        let polling = self.load().await?;
        let now = self.journal.clock().now();
        if polling.claim.is_some_and(|(worker, until)| worker == self.worker && until > now) {
            self.append(self.claim(now)).await?;
        }
        Ok(())
    }

    /// Whether this process may poll now: its claim is valid, or it just made one.
    async fn holds(&self) -> Result<bool, Error> {
        let polling = self.load().await?;
        let now = self.journal.clock().now();
        let lease = (self.every * CLAIM_PERIODS).min(self.every + CLAIM_BEYOND_MAX);
        match polling.claim {
            Some((worker, until)) if worker == self.worker && until > now + lease / 2 => Ok(true),
            Some((worker, until)) if worker != self.worker && until > now => Ok(false),
            Some(_) | None => self.append(self.claim(now + lease)).await,
        }
    }

    fn claim(&self, lease_until: DateTime<Utc>) -> Event {
        Event::PollClaimed { source: self.source.name().clone(), worker: self.worker.clone(), lease_until }
    }

    async fn failed(&self, failure: CallFailure) -> Result<PollOutcome, Error> {
        let polling = self.folded.lock().await.0.clone();
        let (clock, name) = (self.journal.clock(), self.source.name());
        let wait = failure.retry_after_ms.unwrap_or_else(|| retry::backoff_ms(polling.failures, clock.chance()));
        let retry_at = clock.now() + TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(60_000));
        warn!(source = %name, class = failure.class.as_str(), error = failure.summary, "Poll of {name} failed");
        self.throttle.failed(name.as_str(), &failure, None, clock.now());
        self.append(Event::PollFailed { source: name.clone(), failure: failure.clone(), retry_at }).await?;
        Ok(PollOutcome::Failed(failure))
    }

    /// Polling state up to the end of the source's stream.
    async fn load(&self) -> Result<Polling, Error> {
        let mut folded = self.folded.lock().await;
        let (mut polling, mut version) = folded.clone();
        let from = version.map_or(Version(0), Version::next);
        for decoded in self.journal.stream(&StreamName::source(self.source.name()), from).await? {
            version = Some(decoded.recorded.version);
            if let event::Event::Source(event) = &decoded.event {
                polling = evolve(polling, event, decoded.recorded.event.recorded_at);
            }
        }
        *folded = (polling.clone(), version);
        Ok(polling)
    }

    /// Appends if nobody else did since the stream was last read; `false` if somebody did, in which case they poll.
    async fn append(&self, fact: Event) -> Result<bool, Error> {
        let (name, now) = (self.source.name(), self.journal.clock().now());
        let context =
            Context::root(Actor::new("source", name.to_string()), Origin::Poll, self.journal.clock().event_id());
        let mut folded = self.folded.lock().await;
        let (stream, expected, facts) =
            (StreamName::source(name), ExpectedVersion::after(folded.1), vec![fact.clone()]);
        match self.journal.append(&stream, expected, facts, &context).await {
            Ok(appended) => {
                *folded = (evolve(folded.0.clone(), &fact, now), Some(appended.version));
                Ok(true)
            }
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
