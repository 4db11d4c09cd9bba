//! Storage of read models: rows and checkpoints, changed in one transaction.
//!
//! Contract, tested by `tests/it/projections/`: a batch is applied only if the projection is at its first position, so of
//! two processes that project into one store the slower one rolls back and reads again; a write that is already in
//! the row changes nothing; a copy being filled is never visible in the live one.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    domain::ids::Position,
    projections::{Projection, Row, Value, Write, query::Query, statements::StatementBook},
};

pub use crate::projections::TableCopy;

/// Progress of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the projection.
    pub projection: &'static str,
    /// Live table or copy.
    pub table_copy: TableCopy,
    /// Version of its definition.
    pub version: u32,
    /// The position it reads next, which is the number of events applied.
    pub position: Position,
    /// When it got there.
    pub updated_at: DateTime<Utc>,
}

impl Checkpoint {
    /// A checkpoint from a row of `table`; `None` for a copy unknown to this program, which belongs to another version and is
    /// left alone.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn from_row(
        table: &str,
        book: &StatementBook,
        name: &str,
        version: i64,
        position: i64,
        updated_at: &str,
    ) -> Result<Option<Self>, Failure> {
        let damaged = |reason: String| Failure::Corrupt { table: table.to_owned(), reason };
        let Some((projection, table_copy)) = book.copy_named(name) else { return Ok(None) };
        let version = u32::try_from(version).map_err(|_| damaged(format!("{version} is not a version")))?;
        let position = u64::try_from(position).map_err(|_| damaged("a position is negative".to_owned()))?;
        let updated_at = DateTime::parse_from_rfc3339(updated_at).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(Self {
            projection,
            table_copy,
            version,
            position: Position(position),
            updated_at: updated_at.to_utc(),
        }))
    }
}

/// The writes of a range of events to one table.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The projection.
    pub projection: &'static Projection,
    /// Live table or copy.
    pub table_copy: TableCopy,
    /// First position (the projection's present checkpoint).
    pub from: Position,
    /// Position after the last one.
    pub to: Position,
    /// The writes with the positions of their events, ascending.
    pub writes: Vec<(Position, Write)>,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The projection has another checkpoint than expected: another process was first. Read the checkpoint again.
    #[error("projection {projection} is at {stored:?}, not at the start of the batch")]
    Moved {
        /// The projection.
        projection: &'static str,
        /// Its checkpoint; `None` if that copy does not exist.
        stored: Option<Position>,
    },
    /// The store is unavailable. Nothing was changed; retrying is safe.
    #[error("the read models are not available: {0}")]
    Unavailable(String),
    /// A stored row is invalid: rebuild the projection.
    #[error("the read model {table} is damaged: {reason}")]
    Corrupt {
        /// The table.
        table: String,
        /// What is wrong.
        reason: String,
    },
}

/// Comparison of two copies of a table at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Checkpoint of the live copy.
    pub live: Position,
    /// Checkpoint of the other copy. Rows are compared only if both are equal.
    pub other: Position,
    /// Rows of the live copy, including removed ones.
    pub rows: u64,
    /// Rows that differ.
    pub differing: u64,
    /// The first differing rows by key.
    pub examples: Vec<Difference>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: Vec<String>,
    /// How it differs.
    pub what: RowDifference,
}

/// How a row differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowDifference {
    /// Missing from the live copy.
    MissingInLive,
    /// Only in the live copy.
    OnlyInLive,
    /// Columns with different values: name, live, other. Personal texts are not shown.
    Columns(Vec<(&'static str, Value, Value)>),
}

/// The read models.
#[async_trait]
pub trait ProjectionStore: Send + Sync {
    /// Prepares every table. One that is missing or has another definition version is created empty at
    /// position 0; returns the names of these.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prepare(&self, now: DateTime<Utc>) -> Result<Vec<&'static str>, Failure>;

    /// The checkpoints of all copies of all projections.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure>;

    /// Applies all batches and their checkpoints in one transaction.
    ///
    /// # Errors
    /// `Moved` for the first batch that does not begin at its projection's checkpoint, or whose copy has another
    /// definition version; then none is applied.
    async fn apply(&self, batches: Vec<Batch>, now: DateTime<Utc>) -> Result<(), Failure>;

    /// The rows for `query`, from live copies.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn ask(&self, query: &Query) -> Result<Vec<Row>, Failure>;

    /// Creates an empty copy next to the live one, at position 0; replaces a leftover copy.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn begin(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        now: DateTime<Utc>,
    ) -> Result<(), Failure>;

    /// Drops a copy.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn discard(&self, projection: &'static Projection, table_copy: TableCopy) -> Result<(), Failure>;

    /// Compares a copy with the live one at one moment, and returns at most `examples` differing rows.
    ///
    /// # Errors
    /// `Moved` if the copy does not exist.
    async fn compare(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        examples: usize,
    ) -> Result<Comparison, Failure>;

    /// Replaces the live copy by [`TableCopy::Next`] with its checkpoint, in one transaction. It may be `behind_max`
    /// events behind the live one; these are projected again.
    ///
    /// # Errors
    /// `Moved` if the live copy is further ahead than that: catch up first.
    async fn swap(&self, projection: &'static Projection, behind_max: u64, now: DateTime<Utc>) -> Result<(), Failure>;
}
