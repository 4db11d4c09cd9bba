//! What can be asked of a booking.

use super::event::{CancelReason, Details};
use crate::domain::{
    ids::{Etag, LinkId, ResourceId, SourceName},
    slot::Slot,
};

/// A request to change a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create it. Refused where it exists.
    Register(Snapshot),
    /// What a source says the booking is, whole: becomes the events that lead from what we know to that.
    Observe(Snapshot),
    /// Settle it.
    Confirm,
    /// Move it to another time.
    Reschedule(Slot),
    /// Change words or customer.
    ChangeDetails(Details),
    /// Move it to another resource.
    Reassign(ResourceId),
    /// Call it off.
    Cancel(CancelReason),
    /// Call it on again.
    Restore,
    /// A remote entry was moved, and that was accepted (and written back where the source needs it).
    AcceptRemoteSlot {
        /// The new time.
        slot: Slot,
        /// Whose entry.
        link: LinkId,
        /// Its version.
        etag: Etag,
    },
    /// A remote entry was removed, and that was accepted as a cancellation.
    AcceptRemoteRemoval {
        /// Whose entry.
        link: LinkId,
    },
    /// A remote entry was removed, and the profile says only to note it.
    MarkExternalRemoval {
        /// Whose entry.
        link: LinkId,
    },
}

/// A booking as a source shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The system it comes from.
    pub source: SourceName,
    /// That system's own id of it.
    pub source_ref: String,
    /// What is booked.
    pub resource: ResourceId,
    /// When.
    pub slot: Slot,
    /// What and for whom.
    pub details: Details,
    /// Whether it is settled (or still tentative).
    pub confirmed: bool,
    /// Whether it was called off.
    pub cancelled: bool,
}
