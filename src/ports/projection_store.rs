//! Where read models are kept: rows and how far each projection has come, changed together or not at all.
//!
//! Contract, held by `tests/it/projections/`: a batch counts only if the projection stands where the batch begins, so of
//! two processes that project into one store the slower takes its batch back and reads anew; a write that is already in
//! the row changes nothing; the copy beside the live one never shows through.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    domain::ids::Position,
    projections::{Projection, Row, Value, Write, query::Query, statements::StatementBook},
};

pub use crate::projections::TableCopy;

/// How far a projection has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The projection.
    pub projection: &'static str,
    /// Which copy.
    pub table_copy: TableCopy,
    /// The definition that filled it.
    pub version: u32,
    /// The position that is read next: so many facts are in the table.
    pub position: Position,
    /// When it came that far.
    pub updated_at: DateTime<Utc>,
}

impl Checkpoint {
    /// A checkpoint from a row of `table`; `None` for a copy that this program does not know: it is another version's, and
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
        let version = u32::try_from(version).map_err(|_| damaged(format!("{version} is no version")))?;
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

/// What a run of facts does to one table.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The projection.
    pub projection: &'static Projection,
    /// Which copy.
    pub table_copy: TableCopy,
    /// Where the projection stands before it.
    pub from: Position,
    /// Where it stands after it.
    pub to: Position,
    /// The writes with the positions of their facts, ascending.
    pub writes: Vec<(Position, Write)>,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The projection does not stand where the caller believed: another process was there. Read the checkpoint anew.
    #[error("projection {projection} stands at {stored:?}, not where the batch begins")]
    Moved {
        /// The projection.
        projection: &'static str,
        /// Where it stands; `None` where that copy is not there.
        stored: Option<Position>,
    },
    /// The store cannot be reached. Nothing was changed; trying again is safe.
    #[error("the read models are not available: {0}")]
    Unavailable(String),
    /// What is stored is not what was written: rebuild the projection.
    #[error("the read model {table} is damaged: {reason}")]
    Corrupt {
        /// The table.
        table: String,
        /// What is wrong.
        reason: String,
    },
}

/// What two copies of one table have in common, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Where the live copy stood.
    pub live: Position,
    /// Where the other stood. Rows are compared only where both stood at the same position.
    pub other: Position,
    /// Rows of the live copy, removed ones included.
    pub rows: u64,
    /// Rows that are not the same on both sides.
    pub differing: u64,
    /// The first of them by key.
    pub examples: Vec<Difference>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: Vec<String>,
    /// What is wrong with it.
    pub what: RowDifference,
}

/// How a row differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowDifference {
    /// It is not in the live copy.
    MissingInLive,
    /// It is in the live copy only.
    OnlyInLive,
    /// These columns hold something else: name, live, other. Personal texts are not shown.
    Columns(Vec<(&'static str, Value, Value)>),
}

/// The read models.
#[async_trait]
pub trait ProjectionStore: Send + Sync {
    /// Makes every table ready. One whose definition has another version, or that is not there, is created empty, at
    /// position 0; their names are answered.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prepare(&self, now: DateTime<Utc>) -> Result<Vec<&'static str>, Failure>;

    /// How far every copy of every projection has come.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure>;

    /// Applies all batches and moves their checkpoints, in one transaction.
    ///
    /// # Errors
    /// `Moved` for the first batch that does not begin where its projection stands, or whose copy was filled by another
    /// version's definition; then none is applied.
    async fn apply(&self, batches: Vec<Batch>, now: DateTime<Utc>) -> Result<(), Failure>;

    /// The rows that answer `query`, from live copies.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`.
    async fn ask(&self, query: &Query) -> Result<Vec<Row>, Failure>;

    /// Creates an empty copy beside the live one, at position 0; one that was left over is thrown away.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn begin(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        now: DateTime<Utc>,
    ) -> Result<(), Failure>;

    /// Throws a copy beside the live one away.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn discard(&self, projection: &'static Projection, table_copy: TableCopy) -> Result<(), Failure>;

    /// Compares a copy with the live one as of one moment, and shows at most `examples` rows that differ.
    ///
    /// # Errors
    /// `Moved` where that copy is not there.
    async fn compare(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        examples: usize,
    ) -> Result<Comparison, Failure>;

    /// Puts [`TableCopy::Next`] in the live copy's place, with its checkpoint, in one transaction. The next may be `behind_max`
    /// facts behind the live one, which then are projected again.
    ///
    /// # Errors
    /// `Moved` where the live copy has come farther than that: bring the next up first.
    async fn swap(&self, projection: &'static Projection, behind_max: u64, now: DateTime<Utc>) -> Result<(), Failure>;
}
