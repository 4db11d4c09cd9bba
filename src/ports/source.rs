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

/// A booking as a source shows it, at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBooking {
    /// The booking.
    pub snapshot: Snapshot,
    /// The source's own revision of it, ascending; what makes a late delivery visible as late.
    pub revision: Option<u64>,
    /// When it changed last, by the source's clock.
    pub changed_at: DateTime<Utc>,
}

/// One page of what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Deliveries, oldest change first.
    pub deliveries: Vec<Delivery>,
    /// How to get the next page; `None` on the last.
    pub next: Option<String>,
    /// On the last page: where the next poll begins.
    pub cursor: Option<String>,
}

/// A booking source.
#[async_trait]
pub trait BookingSource: Send + Sync {
    /// Its name in configuration, events and booking ids.
    fn name(&self) -> &SourceName;

    /// Reads one page of what changed since `cursor` (from the beginning where there is none).
    async fn changes(&self, cursor: Option<&str>, page: Option<&str>) -> Result<Changes, CallFailure>;

    /// Understands a delivery's body. Pure.
    ///
    /// # Errors
    /// What is wrong with it, in words for a support desk, without personal data.
    fn read(&self, body: &str) -> Result<SourceBooking, String>;

    /// Reads one booking; `None` where there is none.
    async fn get(&self, source_ref: &str) -> Result<Option<SourceBooking>, CallFailure>;

    /// Moves it to `slot`, if it is still at that revision. Answers its revision after that.
    async fn reschedule(
        &self,
        source_ref: &str,
        slot: &Slot,
        expect_revision: Option<u64>,
        key: &IdempotencyKey,
    ) -> Result<Option<u64>, CallFailure>;

    /// Calls it off, if it is still at that revision. Answers its revision after that. One that is off already is off.
    async fn cancel(
        &self,
        source_ref: &str,
        expect_revision: Option<u64>,
        key: &IdempotencyKey,
    ) -> Result<Option<u64>, CallFailure>;
}
