//! A booking source: what it delivered, and how far polling it has come.
//!
//! Every delivery has a stream of its own, created once: a replayed delivery finds it there and changes nothing.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    failure::CallFailure,
    ids::{BookingId, Revision, SourceName},
    personal::Personal,
};

/// A fact about a source. Type: `source.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// It told us about a booking, by webhook or because we asked. First event of the delivery's stream.
    DeliveryReceived {
        /// The source.
        source: SourceName,
        /// Its own id of the delivery; for a poll, the booking's id and revision.
        delivery: String,
        /// What it said, as it said it: the booking's JSON, sealed.
        body: Personal,
    },
    /// The delivery led to these bookings' being as they are.
    DeliveryApplied {
        /// The source.
        source: SourceName,
        /// Its own id of the delivery.
        delivery: String,
        /// The booking.
        booking: BookingId,
        /// Whether that changed anything.
        changed: bool,
        /// The booking's revision after that, where the sender is answered with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<Revision>,
        /// Whether the booking was created by it.
        #[serde(default, skip_serializing_if = "is_false")]
        created: bool,
    },
    /// The delivery cannot be carried out. It stays here, and can be reprocessed.
    DeliveryRefused {
        /// The source.
        source: SourceName,
        /// Its own id of the delivery.
        delivery: String,
        /// Why, in words, without personal data.
        reason: String,
        /// What kind of problem it is, by the name in problem documents, where the sender is answered with one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
        /// Whether the sender was told and has to see to it: then nobody else need look.
        #[serde(default, skip_serializing_if = "is_false")]
        told: bool,
    },
    /// An operator asked for another try.
    DeliveryReprocessed {
        /// The source.
        source: SourceName,
        /// Its own id of the delivery.
        delivery: String,
        /// Who.
        by: String,
    },
    /// A process took polling upon itself; until then no other polls.
    PollClaimed {
        /// The source.
        source: SourceName,
        /// The process.
        worker: String,
        /// Then any may take it. In the past where the process gave it up.
        lease_until: DateTime<Utc>,
    },
    /// A poll was read to its end, and everything in it is recorded.
    PollCompleted {
        /// The source.
        source: SourceName,
        /// The next poll asks for what changed since then.
        cursor: String,
        /// How many bookings it listed that were news.
        news: u32,
    },
    /// A poll was not completed.
    PollFailed {
        /// The source.
        source: SourceName,
        /// What went wrong.
        failure: CallFailure,
        /// When it is tried again.
        retry_at: DateTime<Utc>,
    },
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Event {
    /// The last part of the event's type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DeliveryReceived { .. } => "delivery_received",
            Self::DeliveryApplied { .. } => "delivery_applied",
            Self::DeliveryRefused { .. } => "delivery_refused",
            Self::DeliveryReprocessed { .. } => "delivery_reprocessed",
            Self::PollClaimed { .. } => "poll_claimed",
            Self::PollCompleted { .. } => "poll_completed",
            Self::PollFailed { .. } => "poll_failed",
        }
    }
}

/// How far polling has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polling {
    /// The next poll asks for what changed since then.
    pub cursor: Option<String>,
    /// When the last poll was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// Polls that failed since then.
    pub failures: u32,
    /// No poll before this.
    pub retry_at: Option<DateTime<Utc>>,
    /// Which process polls, and until when no other does.
    pub claim: Option<(String, DateTime<Utc>)>,
}

/// Polling after one more event recorded at `at`. Total: every event applies to every state.
pub fn evolve(mut polling: Polling, event: &Event, at: DateTime<Utc>) -> Polling {
    match event {
        Event::PollClaimed { worker, lease_until, .. } => polling.claim = Some((worker.clone(), *lease_until)),
        Event::PollCompleted { cursor, .. } => {
            polling.cursor = Some(cursor.clone());
            polling.completed_at = Some(at);
            polling.failures = 0;
            polling.retry_at = None;
        }
        Event::PollFailed { retry_at, .. } => {
            polling.failures += 1;
            polling.retry_at = Some(*retry_at);
        }
        Event::DeliveryReceived { .. }
        | Event::DeliveryApplied { .. }
        | Event::DeliveryRefused { .. }
        | Event::DeliveryReprocessed { .. } => {}
    }
    polling
}
