//! A booking source: its deliveries, and the progress of polling it.
//!
//! Every delivery has its own stream, created once, so a repeated delivery is detected and changes nothing.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    failure::CallFailure,
    ids::{BookingId, Revision, SourceName},
    personal::Personal,
};

/// An event of a source. Type: `source.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// A delivery about a booking arrived, by webhook or poll. First event of the delivery's stream.
    DeliveryReceived {
        /// The source.
        source: SourceName,
        /// The source's id of the delivery; for a poll, the booking's id and revision.
        delivery: String,
        /// The delivered JSON, unchanged and sealed.
        body: Personal,
    },
    /// The delivery was applied to a booking.
    DeliveryApplied {
        /// The source.
        source: SourceName,
        /// The source's id of the delivery.
        delivery: String,
        /// The booking.
        booking: BookingId,
        /// Whether anything changed.
        changed: bool,
        /// The booking's revision afterwards, if the sender gets an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<Revision>,
        /// Whether it created the booking.
        #[serde(default, skip_serializing_if = "is_false")]
        created: bool,
    },
    /// The delivery cannot be applied. It stays visible and can be retried.
    DeliveryRefused {
        /// The source.
        source: SourceName,
        /// The source's id of the delivery.
        delivery: String,
        /// The reason, without personal data.
        reason: String,
        /// Kind of the problem document sent as an answer, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
        /// Whether the sender got the reason and has to act, so that no operator needs to.
        #[serde(rename = "told", default, skip_serializing_if = "is_false")]
        sender_informed: bool,
    },
    /// An operator requested a retry.
    DeliveryReprocessed {
        /// The source.
        source: SourceName,
        /// The source's id of the delivery.
        delivery: String,
        /// The operator.
        by: String,
    },
    /// A process claimed the polling of a source; no other process polls until the lease ends.
    PollClaimed {
        /// The source.
        source: SourceName,
        /// The process that polls.
        worker: String,
        /// End of the lease. In the past if the process released it.
        lease_until: DateTime<Utc>,
    },
    /// A poll was completed, and everything in it is recorded.
    PollCompleted {
        /// The source.
        source: SourceName,
        /// The next poll requests changes since this cursor.
        cursor: String,
        /// Number of listed bookings that were new.
        news: u32,
    },
    /// A poll failed.
    PollFailed {
        /// The source.
        source: SourceName,
        /// What went wrong.
        failure: CallFailure,
        /// When to retry.
        retry_at: DateTime<Utc>,
    },
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Event {
    /// The last part of the event type.
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

/// Progress of polling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polling {
    /// The next poll requests changes since this cursor.
    pub cursor: Option<String>,
    /// When the last poll was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// Failed polls since then.
    pub failures: u32,
    /// No poll before this time.
    pub retry_at: Option<DateTime<Utc>>,
    /// The process that polls, and the end of its lease.
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
