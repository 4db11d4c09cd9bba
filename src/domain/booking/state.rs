//! A booking folded from its events.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{CancelReason, Details, Event, RequestMark};
use crate::domain::{
    ids::{LinkId, ResourceId, Revision, SourceName},
    slot::Slot,
};

/// How many requests a booking remembers, so that retries get the same answer.
pub const REQUESTS_REMEMBERED_MAX: usize = 256;

/// Status of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BookingStatus")]
pub enum Status {
    /// Requested, not confirmed.
    Tentative,
    /// Confirmed.
    Confirmed,
    /// Cancelled.
    Cancelled,
}

/// A booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The system it comes from.
    pub source: SourceName,
    /// That system's own id of it.
    pub source_ref: String,
    /// The resource.
    pub resource: ResourceId,
    /// Previous resources: there may be entries left to remove.
    pub former_resources: BTreeSet<ResourceId>,
    /// Start and end.
    pub slot: Slot,
    /// Title, notes and customer.
    pub details: Details,
    /// Status.
    pub status: Status,
    /// Whether it was confirmed before it was cancelled.
    pub was_confirmed: bool,
    /// Why it is cancelled; `None` if it is not.
    pub cancelled_for: Option<CancelReason>,
    /// The link whose entry was removed in its calendar while the booking was kept.
    pub removal_marked: Option<LinkId>,
    /// Number of changes.
    pub revision: Revision,
    /// The newest known revision at its source.
    pub source_revision: Option<u64>,
    /// Time of the last change, as reported by its origin; compared by "newest wins".
    pub changed_at: DateTime<Utc>,
    /// Requests that were carried out, each with the resulting revision.
    pub requests: VecDeque<(RequestMark, Revision)>,
}

impl Booking {
    /// Whether it is not cancelled.
    pub fn active(&self) -> bool {
        self.status != Status::Cancelled
    }
}

/// The booking after one more event that took effect at `at`. Total: every event applies to every state.
pub fn evolve(state: Option<Booking>, event: &Event, at: DateTime<Utc>) -> Option<Booking> {
    let mut booking = match (state, event) {
        (None, Event::Registered { source, source_ref, resource, slot, details, .. }) => Booking {
            source: source.clone(),
            source_ref: source_ref.clone(),
            resource: resource.clone(),
            former_resources: BTreeSet::new(),
            slot: slot.clone(),
            details: details.clone(),
            status: Status::Tentative,
            was_confirmed: false,
            cancelled_for: None,
            removal_marked: None,
            revision: Revision(0),
            source_revision: None,
            changed_at: at,
            requests: VecDeque::new(),
        },
        (None, _) => return None,
        (Some(booking), _) => booking,
    };
    booking.revision = booking.revision.next();
    booking.changed_at = booking.changed_at.max(at);
    booking.source_revision = booking.source_revision.max(event.cause().source_revision);
    if let Some(request) = &event.cause().request {
        booking.requests.retain(|(mark, _)| mark.key != request.key);
        booking.requests.push_back((request.clone(), booking.revision));
        if booking.requests.len() > REQUESTS_REMEMBERED_MAX {
            booking.requests.pop_front();
        }
    }
    match event {
        Event::Registered { .. } => {}
        Event::ExternalRemovalMarked { link, .. } => booking.removal_marked = Some(link.clone()),
        Event::Confirmed { .. } => {
            booking.was_confirmed = true;
            if booking.active() {
                booking.status = Status::Confirmed;
            }
        }
        Event::Rescheduled { slot, .. } => booking.slot = slot.clone(),
        Event::DetailsChanged { details, .. } => booking.details = details.clone(),
        Event::Reassigned { resource, .. } => {
            booking.former_resources.insert(booking.resource.clone());
            booking.former_resources.remove(resource);
            booking.resource = resource.clone();
        }
        Event::Cancelled { reason, .. } => {
            booking.status = Status::Cancelled;
            booking.cancelled_for = Some(*reason);
        }
        Event::Restored { .. } => {
            booking.status = if booking.was_confirmed { Status::Confirmed } else { Status::Tentative };
            booking.cancelled_for = None;
        }
    }
    Some(booking)
}
