//! The tables of read models in memory.

use std::collections::BTreeMap;

use crate::{
    ports::projection_store::{Checkpoint, TableCopy},
    projections::StoredRow,
};

/// A table's rows by key.
pub(super) type Rows = BTreeMap<Vec<String>, StoredRow>;

/// One copy of a projection's table.
#[derive(Debug, Clone)]
pub(super) struct FilledTable {
    pub checkpoint: Checkpoint,
    pub rows: Rows,
}

/// Copies by projection and shelf.
pub(super) type Tables = BTreeMap<(&'static str, TableCopy), FilledTable>;
