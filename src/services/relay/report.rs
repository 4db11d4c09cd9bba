//! Progress of publishing, for `/health` and the metrics.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{domain::ids::Position, ports::clock::Clock, ports::event_store::EventStore};

/// This process's role in publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Not connected to the feed yet.
    #[default]
    Starting,
    /// Publishing.
    Active,
    /// Another process publishes; this one takes over if that one stops.
    Standby,
}

/// State of publishing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Publishing {
    /// Role of this process.
    pub role: Role,
    /// The position published next; `null` until the feed was reached.
    pub position: Option<u64>,
    /// Events not published yet.
    pub events: u64,
    /// Age of the oldest of them, in seconds; 0 if there are none.
    pub seconds: u64,
    /// Messages published by this process since it started.
    pub published: u64,
    /// Whether the last attempt failed.
    pub failing: bool,
}

/// Shared state of the publisher.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<PublishingState>>);

#[derive(Debug, Clone, Default)]
struct PublishingState {
    role: Role,
    next: Option<Position>,
    published: u64,
    failing: bool,
}

impl Progress {
    pub(super) fn set_role(&self, role: Role, next: Position) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (known.role, known.next, known.failing) = (role, Some(next), false);
    }

    pub(super) fn acknowledged(&self, next: Position) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.next = Some(next);
        known.published += 1;
    }

    pub(super) fn failed(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failing = true;
    }

    /// The present state. If the ledger is unavailable, the backlog is reported as 0; that failure is reported elsewhere.
    pub async fn snapshot(&self, store: &dyn EventStore, clock: &dyn Clock) -> Publishing {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let next = known.next.unwrap_or_default();
        let end = store.end().await.unwrap_or(next);
        let waiting = match next < end {
            true => store.read_all(next, 1).await.ok().and_then(|mut page| page.pop()),
            false => None,
        };
        let behind = waiting.map_or(TimeDelta::zero(), |event| clock.now() - event.event.recorded_at);
        Publishing {
            role: known.role,
            position: known.next.map(|position| position.0),
            events: end.0.saturating_sub(next.0),
            seconds: u64::try_from(behind.num_seconds()).unwrap_or(0),
            published: known.published,
            failing: known.failing,
        }
    }
}
