//! A booking source that we poll and write back to.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::deliveries::Delivery;
use crate::domain::{
    booking::Snapshot,
    failure::CallFailure,
    ids::{IdempotencyKey, SourceName},
    slot::Slot,
};

/// A booking at some revision, as its source shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBooking {
    /// The content of the booking.
    pub snapshot: Snapshot,
    /// The source's own revision, ascending; reveals late deliveries.
    pub revision: Option<u64>,
    /// Time of its last change, by the source's clock.
    pub changed_at: DateTime<Utc>,
}

/// One page of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Deliveries, oldest change first.
    pub deliveries: Vec<Delivery>,
    /// Token of the next page; `None` on the last one.
    pub next: Option<String>,
    /// On the last page: cursor for the next poll.
    pub cursor: Option<String>,
}

/// A booking source.
#[async_trait]
pub trait BookingSource: Send + Sync {
    /// Its name in the configuration, events and booking ids.
    fn name(&self) -> &SourceName;

    /// Reads one page of changes since `cursor`, or from the beginning without one.
    async fn changes(&self, cursor: Option<&str>, page: Option<&str>) -> Result<Changes, CallFailure>;

    /// Interprets the body of a delivery. Pure.
    ///
    /// # Errors
    /// What is wrong with it, for support staff, without personal data.
    fn read(&self, body: &str) -> Result<SourceBooking, String>;

    /// Reads a booking; `None` if it does not exist.
    async fn get(&self, source_ref: &str) -> Result<Option<SourceBooking>, CallFailure>;

    /// Moves it to `slot`, if it still has that revision. Returns its new revision.
    async fn reschedule(
        &self,
        source_ref: &str,
        slot: &Slot,
        expect_revision: Option<u64>,
        key: &IdempotencyKey,
    ) -> Result<Option<u64>, CallFailure>;

    /// Cancels it, if it still has that revision. Returns its new revision. Succeeds if already cancelled.
    async fn cancel(
        &self,
        source_ref: &str,
        expect_revision: Option<u64>,
        key: &IdempotencyKey,
    ) -> Result<Option<u64>, CallFailure>;
}
