//! A booking as its events make it.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{CancelReason, Details, Event, RequestMark};
use crate::domain::{
    ids::{LinkId, ResourceId, Revision, SourceName},
    slot::Slot,
};

/// How many requests a booking remembers, so that a repeated one gets the same answer.
pub const REQUESTS_REMEMBERED_MAX: usize = 256;

/// Where a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked for, not settled.
    Tentative,
    /// Settled.
    Confirmed,
    /// Called off.
    Cancelled,
}

/// A booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The system it comes from.
    pub source: SourceName,
    /// That system's own id of it.
    pub source_ref: String,
    /// What is booked.
    pub resource: ResourceId,
    /// Resources that it was on before: there may be entries to remove.
    pub former_resources: BTreeSet<ResourceId>,
    /// When.
    pub slot: Slot,
    /// What and for whom.
    pub details: Details,
    /// Where it stands.
    pub status: Status,
    /// Whether it was settled before it was cancelled.
    pub was_confirmed: bool,
    /// Why it was cancelled, while it is.
    pub cancelled_for: Option<CancelReason>,
    /// The link whose entry was removed in its calendar, while the booking stays.
    pub removal_marked: Option<LinkId>,
    /// How often it changed.
    pub revision: Revision,
    /// The newest revision at its source that we know of.
    pub source_revision: Option<u64>,
    /// When it changed last, as far as the origin tells: what "newest wins" compares.
    pub changed_at: DateTime<Utc>,
    /// Requests that were carried out, with the revision each led to.
    pub requests: VecDeque<(RequestMark, Revision)>,
}

impl Booking {
    /// Whether it takes place.
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
