//! Questions of the workers to the read models. Implemented in `services/sync/read_model_worklist.rs`.

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

/// A link whose entry exists on a calendar, according to the read models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLink {
    /// Id of the link.
    pub link: LinkId,
    /// Id of its booking.
    pub booking: BookingId,
    /// Id of the entry.
    pub remote: RemoteId,
    /// Version of the entry.
    pub etag: Etag,
}

/// Questions to the read models.
#[async_trait]
pub trait Worklist: Send + Sync {
    /// Brings the read models up to the present end of the ledger.
    async fn refresh(&self) -> Result<(), Error>;
    /// Links with a due timer (lease, retry, hold, withholding), longest due first.
    async fn due_links(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<LinkId>, Error>;
    /// The links of a booking.
    async fn links_of_booking(&self, booking: &BookingId) -> Result<Vec<LinkRef>, Error>;
    /// The link that an entry belongs, or belonged, to.
    async fn link_of_entry(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<LinkId>, Error>;
    /// Active bookings of `resource` that overlap `slot`, except one.
    async fn overlapping(&self, resource: &ResourceId, slot: &Slot, but: &BookingId) -> Result<Vec<BookingId>, Error>;
    /// Links whose change waits for this approval.
    async fn held_for(&self, approval: &str) -> Result<Vec<LinkId>, Error>;
    /// Links whose entry exists on this calendar.
    async fn live_links(&self, calendar: &CalendarKey) -> Result<Vec<LiveLink>, Error>;
    /// Links on any calendar whose entry is being created: the outcome is not recorded yet.
    async fn creates_under_way(&self) -> Result<Vec<LinkId>, Error>;
    /// The links of a person's bookings.
    async fn links_of_subject(&self, subject: &SubjectId) -> Result<Vec<LinkRef>, Error>;
    /// Links that wait because access of this connection was revoked.
    async fn withheld_on(&self, connection: &ConnectionId) -> Result<Vec<LinkId>, Error>;
    /// The reactor's position, as last saved.
    async fn load_checkpoint(&self) -> Result<crate::domain::ids::Position, Error>;
    /// Saves the reactor's position; never moves backwards.
    async fn save_checkpoint(&self, position: crate::domain::ids::Position) -> Result<(), Error>;
}
