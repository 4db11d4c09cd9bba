//! Read models in memory: tables are sorted maps. The reference for other stores, used by the simulation.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    read_models::answer,
    tables::{FilledTable, Rows, Tables},
};
use crate::{
    adapters::shared::table_rules,
    domain::ids::Position,
    ports::projection_store::{
        Batch, Checkpoint, Comparison, Difference, Failure, ProjectionStore, RowDifference, TableCopy,
    },
    projections::{Drafts, Projection, Row, StoredRow, Table, query::Query},
};

/// Read models that live as long as the process.
#[derive(Debug, Default)]
pub struct MemoryProjections(Mutex<Tables>);

impl MemoryProjections {
    /// Rows of a live table last changed by events at or after `from`, including removed ones, by key: to compare
    /// with other stores.
    pub fn rows(&self, projection: &Projection, from: Position) -> Vec<StoredRow> {
        let tables = self.tables();
        let filled = tables.get(&(projection.name, TableCopy::Live));
        let rows = filled.into_iter().flat_map(|filled| filled.rows.values());
        rows.filter(|row| row.position >= from).cloned().collect()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty(projection: &'static Projection, table_copy: TableCopy, now: DateTime<Utc>) -> FilledTable {
    let checkpoint = Checkpoint {
        projection: projection.name,
        table_copy,
        version: projection.version,
        position: Position(0),
        updated_at: now,
    };
    FilledTable { checkpoint, rows: Rows::new() }
}

fn moved(projection: &'static Projection, filled: Option<&FilledTable>) -> Failure {
    Failure::Moved { projection: projection.name, stored: filled.map(|f| f.checkpoint.position) }
}

#[async_trait]
impl ProjectionStore for MemoryProjections {
    async fn prepare(&self, now: DateTime<Utc>) -> Result<Vec<&'static str>, Failure> {
        let mut tables = self.tables();
        let known: Vec<Checkpoint> = tables.values().map(|filled| filled.checkpoint.clone()).collect();
        let outdated = table_rules::outdated(&known, |_| true);
        for projection in &outdated {
            tables.insert((projection.name, TableCopy::Live), empty(projection, TableCopy::Live, now));
        }
        Ok(outdated.into_iter().map(|projection| projection.name).collect())
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        Ok(self.tables().values().map(|filled| filled.checkpoint.clone()).collect())
    }

    async fn apply(&self, batches: Vec<Batch>, now: DateTime<Utc>) -> Result<(), Failure> {
        let mut tables = self.tables();
        // All are checked before the first is applied: all or none.
        for batch in &batches {
            let filled = tables.get(&(batch.projection.name, batch.table_copy));
            let is_current = |checkpoint: &Checkpoint| {
                checkpoint.position == batch.from && checkpoint.version == batch.projection.version
            };
            if !filled.is_some_and(|filled| is_current(&filled.checkpoint)) {
                return Err(moved(batch.projection, filled));
            }
        }
        for batch in batches {
            let Some(filled) = tables.get_mut(&(batch.projection.name, batch.table_copy)) else { continue };
            fill(&batch.projection.table, &mut filled.rows, &batch);
            filled.checkpoint.position = batch.to;
            filled.checkpoint.updated_at = now;
        }
        Ok(())
    }

    async fn ask(&self, query: &Query) -> Result<Vec<Row>, Failure> {
        Ok(answer(&self.tables(), query))
    }

    async fn begin(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        self.tables().insert((projection.name, table_copy), empty(projection, table_copy, now));
        Ok(())
    }

    async fn discard(&self, projection: &'static Projection, table_copy: TableCopy) -> Result<(), Failure> {
        self.tables().remove(&(projection.name, table_copy));
        Ok(())
    }

    async fn compare(
        &self,
        projection: &'static Projection,
        table_copy: TableCopy,
        examples: usize,
    ) -> Result<Comparison, Failure> {
        let tables = self.tables();
        let copy = |table_copy| {
            let filled = tables.get(&(projection.name, table_copy));
            filled.ok_or_else(|| moved(projection, filled))
        };
        let (live, other) = (copy(TableCopy::Live)?, copy(table_copy)?);
        let keys: BTreeSet<_> = live.rows.keys().chain(other.rows.keys()).collect();
        let mut found = Comparison {
            live: live.checkpoint.position,
            other: other.checkpoint.position,
            rows: live.rows.len() as u64,
            differing: 0,
            examples: Vec::new(),
        };
        if found.live != found.other {
            return Ok(found);
        }
        for key in keys {
            let what = match (live.rows.get(key), other.rows.get(key)) {
                (Some(one), Some(two)) if one == two => continue,
                (Some(one), Some(two)) => RowDifference::Columns(projection.table.differing(one, two)),
                (Some(_), None) => RowDifference::OnlyInLive,
                (None, _) => RowDifference::MissingInLive,
            };
            found.differing += 1;
            if found.examples.len() < examples {
                found.examples.push(Difference { key: key.clone(), what });
            }
        }
        Ok(found)
    }

    async fn swap(&self, projection: &'static Projection, behind_max: u64, now: DateTime<Utc>) -> Result<(), Failure> {
        let mut tables = self.tables();
        let at = |table_copy| tables.get(&(projection.name, table_copy)).map(|filled| filled.checkpoint.position);
        if table_rules::replaces(at(TableCopy::Live), at(TableCopy::Next), behind_max).is_none() {
            return Err(moved(projection, tables.get(&(projection.name, TableCopy::Live))));
        }
        if let Some(mut next) = tables.remove(&(projection.name, TableCopy::Next)) {
            next.checkpoint.table_copy = TableCopy::Live;
            next.checkpoint.updated_at = now;
            tables.insert((projection.name, TableCopy::Live), next);
        }
        Ok(())
    }
}

fn fill(table: &Table, rows: &mut Rows, batch: &Batch) {
    let mut drafts = Drafts::of(&batch.writes);
    let stored: Vec<StoredRow> = drafts.keys().filter_map(|key| rows.get(key).cloned()).collect();
    for row in stored {
        drafts.found(table, row);
    }
    for row in drafts.changed(table) {
        let key = row.cells[..table.keys].iter().filter_map(|cell| cell.as_text().map(str::to_owned)).collect();
        rows.insert(key, row);
    }
}
