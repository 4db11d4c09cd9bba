//! Commands on a booking.

use super::event::{CancelReason, Details};
use crate::domain::{
    ids::{Etag, LinkId, ResourceId, SourceName},
    slot::Slot,
};

/// A command on a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create it. Refused if it exists.
    Register(Snapshot),
    /// The complete booking as its source shows it: gives the events that lead from the known state to this one.
    Observe(Snapshot),
    /// Confirm it.
    Confirm,
    /// Move it to another time.
    Reschedule(Slot),
    /// Change title, notes or customer.
    ChangeDetails(Details),
    /// Move it to another resource.
    Reassign(ResourceId),
    /// Cancel it.
    Cancel(CancelReason),
    /// Restore it.
    Restore,
    /// Accept that a remote entry was moved (after writing it back, if the source needs that).
    AcceptRemoteSlot {
        /// The new time.
        slot: Slot,
        /// The link of the entry.
        link: LinkId,
        /// Version of the entry.
        etag: Etag,
    },
    /// Accept that a remote entry was removed, as a cancellation.
    AcceptRemoteRemoval {
        /// The link of the entry.
        link: LinkId,
    },
    /// Record that a remote entry was removed, without cancelling, as the profile says.
    MarkExternalRemoval {
        /// The link of the entry.
        link: LinkId,
    },
}

/// A booking as its source shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The system it comes from.
    pub source: SourceName,
    /// That system's own id of it.
    pub source_ref: String,
    /// The resource.
    pub resource: ResourceId,
    /// Start and end.
    pub slot: Slot,
    /// Title, notes and customer.
    pub details: Details,
    /// Whether it is confirmed; otherwise tentative.
    pub confirmed: bool,
    /// Whether it is cancelled.
    pub cancelled: bool,
}
