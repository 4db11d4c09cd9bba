//! What the workers ask of the read models. Implemented over the projection store in `services/sync/read_model_worklist.rs`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    domain::{
        ids::{BookingId, CalendarKey, ConnectionId, Etag, LinkId, RemoteId, ResourceId, SubjectId},
        link::LinkRef,
        slot::Slot,
    },
    services::Error,
};

/// A link whose entry stands on a calendar, as the mapping says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLink {
    /// The link.
    pub link: LinkId,
    /// Its booking.
    pub booking: BookingId,
    /// The entry.
    pub remote: RemoteId,
    /// Its version.
    pub etag: Etag,
}

/// Questions about the mapping.
#[async_trait]
pub trait Worklist: Send + Sync {
    /// Brings the read models up to the end of the ledger as it is at the call.
    async fn refresh(&self) -> Result<(), Error>;
    /// Links with a timer that is due (lease, retry, hold, withholding), longest due first.
    async fn due_links(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<LinkId>, Error>;
    /// The links that a booking has.
    async fn links_of_booking(&self, booking: &BookingId) -> Result<Vec<LinkRef>, Error>;
    /// The link that an entry belongs (or belonged) to.
    async fn link_of_entry(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<LinkId>, Error>;
    /// Active bookings of `resource` that meet `slot`, but for one.
    async fn overlapping(&self, resource: &ResourceId, slot: &Slot, but: &BookingId) -> Result<Vec<BookingId>, Error>;
    /// Links whose change waits for that approval.
    async fn held_for(&self, approval: &str) -> Result<Vec<LinkId>, Error>;
    /// Links whose entry stands on that calendar.
    async fn live_links(&self, calendar: &CalendarKey) -> Result<Vec<LiveLink>, Error>;
    /// The links of a person's bookings.
    async fn links_of_subject(&self, subject: &SubjectId) -> Result<Vec<LinkRef>, Error>;
    /// Links that wait because the grant of that connection was gone.
    async fn withheld_on(&self, connection: &ConnectionId) -> Result<Vec<LinkId>, Error>;
    /// How far the reconciler has come, as it was last saved.
    async fn load_checkpoint(&self) -> Result<crate::domain::ids::Position, Error>;
    /// Saves how far the reconciler has come; never backwards.
    async fn save_checkpoint(&self, position: crate::domain::ids::Position) -> Result<(), Error>;
}
