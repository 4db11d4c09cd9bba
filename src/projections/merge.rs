//! Applies writes to rows in memory; the same for every store.

use std::collections::BTreeMap;

use super::{
    Cells, Table,
    value::Value,
    write::{Condition, Set, Write, WriteKind},
};
use crate::domain::ids::Position;

/// A row as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Position of the last event that changed it.
    pub position: Position,
    /// Whether it counts as deleted.
    pub removed: bool,
    /// One cell per column of the table, in order.
    pub cells: Vec<Value>,
}

/// The rows affected by a batch: each is read once, changed in memory, and written once.
#[derive(Debug)]
pub struct Drafts<'a> {
    writes: &'a [(Position, Write)],
    rows: BTreeMap<&'a [String], Draft>,
}

impl<'a> Drafts<'a> {
    /// The rows affected by these writes, none of them read yet.
    pub fn of(writes: &'a [(Position, Write)]) -> Self {
        let rows = writes.iter().map(|(_, write)| (write.key.as_slice(), Draft::new(None))).collect();
        Self { writes, rows }
    }

    /// Their keys, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &'a [String]> {
        self.rows.keys().copied()
    }

    /// Adds a row as stored.
    pub fn found(&mut self, table: &Table, row: StoredRow) {
        let key: Vec<String> =
            row.cells[..table.keys].iter().filter_map(|cell| cell.as_text().map(str::to_owned)).collect();
        if let Some(draft) = self.rows.get_mut(key.as_slice()) {
            *draft = Draft::new(Some(row));
        }
    }

    /// Applies the writes; returns the changed rows by ascending key.
    pub fn changed(mut self, table: &Table) -> Vec<StoredRow> {
        for (at, write) in self.writes {
            if let Some(draft) = self.rows.get_mut(write.key.as_slice()) {
                draft.apply(table, *at, write);
            }
        }
        self.rows.into_values().filter_map(Draft::changed).collect()
    }
}

/// A row during a batch.
#[derive(Debug)]
struct Draft {
    /// A write at or before this position is already in the stored row: a second safeguard after the checkpoint.
    floor: Option<Position>,
    row: Option<StoredRow>,
    changed: bool,
}

impl Draft {
    /// From the stored row.
    fn new(stored: Option<StoredRow>) -> Self {
        Self { floor: stored.as_ref().map(|row| row.position), row: stored, changed: false }
    }

    /// The row, if the batch changed it.
    fn changed(self) -> Option<StoredRow> {
        self.row.filter(|_| self.changed)
    }

    /// Applies one write of the event at `at`.
    fn apply(&mut self, table: &Table, at: Position, write: &Write) {
        if self.floor.is_some_and(|floor| at <= floor) || !self.wanted(table, write) {
            return;
        }
        if self.row.as_ref().is_none_or(|row| row.removed) {
            let mut cells: Vec<Value> = write.key.iter().cloned().map(Value::Text).collect();
            cells.resize(table.columns.len(), Value::Null);
            self.row = Some(StoredRow { position: at, removed: false, cells });
        }
        let Some(row) = &mut self.row else { return };
        let set: Vec<(usize, Value)> = write
            .set
            .iter()
            .map(|(column, set)| {
                let value = match set {
                    Set::To(value) => value.clone(),
                    Set::Copy(from) => row.cells[table.place(from)].clone(),
                };
                (table.place(column), value)
            })
            .collect();
        for (index, value) in set {
            row.cells[index] = value;
        }
        row.position = at;
        row.removed = write.act == WriteKind::Remove;
        self.changed = true;
        if let Some(settle) = table.settle {
            settle(&mut Cells { table, cells: &mut row.cells });
        }
    }

    fn wanted(&self, table: &Table, write: &Write) -> bool {
        let existing = self.row.as_ref().filter(|row| !row.removed);
        if existing.is_none() && write.act != WriteKind::Put {
            return false;
        }
        let cell = |column: &str| existing.map_or(&Value::Null, |row| &row.cells[table.place(column)]);
        write.when.iter().all(|condition| match condition {
            Condition::Is(column, value) => cell(column) == value,
            Condition::IsNot(column, value) => cell(column) != value,
            Condition::Same(one, other) => cell(one) == cell(other),
            Condition::Below(column, limit) => match cell(column) {
                Value::Int(number) => number < limit,
                Value::Null => true,
                Value::Bool(_) | Value::Text(_) => false,
            },
        })
    }
}

/// Shown in place of personal texts when rows are compared.
pub const HIDDEN: &str = "[personal]";

impl Table {
    /// The columns in which two rows differ, with both values, without personal texts.
    pub fn differing(&self, one: &StoredRow, two: &StoredRow) -> Vec<(&'static str, Value, Value)> {
        let cells = one.cells.iter().zip(&two.cells);
        let mut columns: Vec<_> = self
            .columns
            .iter()
            .zip(cells)
            .filter(|(_, (one, two))| one != two)
            .map(|(column, (one, two))| {
                let hidden = self.personal.contains(&column.name);
                let text = |value: &Value| {
                    if hidden && *value != Value::Null { Value::from(HIDDEN) } else { value.clone() }
                };
                (column.name, text(one), text(two))
            })
            .collect();
        if one.position != two.position {
            columns.push(("position", one.position.0.into(), two.position.0.into()));
        }
        if one.removed != two.removed {
            columns.push(("removed", one.removed.into(), two.removed.into()));
        }
        columns
    }
}
