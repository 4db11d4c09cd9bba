//! Planted parts with many methods: read models that skip batches, a worklist that saves its checkpoint too early.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use syncledger::{
    domain::{ids::*, link::LinkRef, slot::Slot},
    ports::{
        event_store::EventStore,
        projection_store::{Batch, Checkpoint, Comparison, Failure, ProjectionStore, TableCopy},
    },
    projections::{Projection, Row, query::Query},
    services::{
        Error,
        sync::worklist::{LiveLink, Worklist},
    },
};

/// Read models that omit the writes of every seventh batch, but save its checkpoint.
pub struct SkippingModels {
    inner: Arc<dyn ProjectionStore>,
    batches: AtomicU64,
}

impl SkippingModels {
    pub fn new(inner: Arc<dyn ProjectionStore>) -> Self {
        Self { inner, batches: AtomicU64::new(0) }
    }
}

#[async_trait]
impl ProjectionStore for SkippingModels {
    async fn prepare(&self, now: DateTime<Utc>) -> Result<Vec<&'static str>, Failure> {
        self.inner.prepare(now).await
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        self.inner.checkpoints().await
    }

    async fn apply(&self, mut batches: Vec<Batch>, now: DateTime<Utc>) -> Result<(), Failure> {
        if self.batches.fetch_add(1, Ordering::Relaxed) % 7 == 6 {
            batches.iter_mut().for_each(|batch| batch.writes.clear());
        }
        self.inner.apply(batches, now).await
    }

    async fn ask(&self, query: &Query) -> Result<Vec<Row>, Failure> {
        self.inner.ask(query).await
    }

    async fn begin(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        self.inner.begin(projection, table_copy, now).await
    }

    async fn discard(&self, projection: &'static Projection, table_copy: TableCopy) -> Result<(), Failure> {
        self.inner.discard(projection, table_copy).await
    }

    async fn compare(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        examples: usize,
    ) -> Result<Comparison, Failure> {
        self.inner.compare(projection, table_copy, examples).await
    }

    async fn swap(&self, projection: &'static Projection, behind_max: u64, now: DateTime<Utc>) -> Result<(), Failure> {
        self.inner.swap(projection, behind_max, now).await
    }
}

/// The bug of a worklist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Skew {
    /// It saves the end of the ledger as its checkpoint before the work is done.
    Hasty,
    /// Nothing is ever due.
    Deaf,
}

/// A worklist with a bug.
pub struct SkewedWorklist {
    inner: Arc<dyn Worklist>,
    ledger: Arc<dyn EventStore>,
    skew: Skew,
}

impl SkewedWorklist {
    pub fn hasty(inner: Arc<dyn Worklist>, ledger: Arc<dyn EventStore>) -> Self {
        Self { inner, ledger, skew: Skew::Hasty }
    }

    pub fn deaf(inner: Arc<dyn Worklist>, ledger: Arc<dyn EventStore>) -> Self {
        Self { inner, ledger, skew: Skew::Deaf }
    }
}

#[async_trait]
impl Worklist for SkewedWorklist {
    async fn refresh(&self) -> Result<(), Error> {
        self.inner.refresh().await
    }

    async fn due_links(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<LinkId>, Error> {
        if self.skew == Skew::Deaf { Ok(Vec::new()) } else { self.inner.due_links(now, limit).await }
    }

    async fn links_of_booking(&self, booking: &BookingId) -> Result<Vec<LinkRef>, Error> {
        self.inner.links_of_booking(booking).await
    }

    async fn link_of_entry(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<LinkId>, Error> {
        self.inner.link_of_entry(calendar, remote).await
    }

    async fn overlapping(&self, resource: &ResourceId, slot: &Slot, but: &BookingId) -> Result<Vec<BookingId>, Error> {
        self.inner.overlapping(resource, slot, but).await
    }

    async fn held_for(&self, approval: &str) -> Result<Vec<LinkId>, Error> {
        self.inner.held_for(approval).await
    }

    async fn live_links(&self, calendar: &CalendarKey) -> Result<Vec<LiveLink>, Error> {
        self.inner.live_links(calendar).await
    }

    async fn creates_under_way(&self) -> Result<Vec<LinkId>, Error> {
        self.inner.creates_under_way().await
    }

    async fn links_of_subject(&self, subject: &SubjectId) -> Result<Vec<LinkRef>, Error> {
        self.inner.links_of_subject(subject).await
    }

    async fn withheld_on(&self, connection: &ConnectionId) -> Result<Vec<LinkId>, Error> {
        self.inner.withheld_on(connection).await
    }

    async fn load_checkpoint(&self) -> Result<Position, Error> {
        let from = self.inner.load_checkpoint().await?;
        if self.skew == Skew::Hasty {
            self.inner.save_checkpoint(self.ledger.end().await?).await?;
        }
        Ok(from)
    }

    async fn save_checkpoint(&self, position: Position) -> Result<(), Error> {
        self.inner.save_checkpoint(position).await
    }
}
