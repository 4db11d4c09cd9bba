//! The effect of an event on a table, as data: it can be printed and compared before it is stored.
//!
//! A write states the new content of the row, never a difference (`x = x + 1`), so that applying it twice changes
//! nothing. If an event refers to "the command in progress" without naming it, the write is conditional on the row.

use super::value::{Value, storable};

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Key of the row.
    pub key: Vec<String>,
    /// What to do.
    pub act: WriteKind,
    /// All must hold for the row after the previous writes; in a missing row all columns are null.
    pub when: Vec<Condition>,
    /// New values of columns. Other columns keep theirs.
    pub set: Vec<(&'static str, Set)>,
}

/// What to do with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// Change it, or add it if it is missing. A removed row starts empty again.
    Put,
    /// Change it, if it exists.
    Patch,
    /// Mark it as removed, if it exists. Never deleted: the row's position keeps an older write from restoring it.
    Remove,
}

/// New value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// This value.
    To(Value),
    /// The value that another column had before the write.
    Copy(&'static str),
}

/// A condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The column has this value.
    Is(&'static str, Value),
    /// The column has another value.
    IsNot(&'static str, Value),
    /// Both columns have the same value.
    Same(&'static str, &'static str),
    /// The column is a number below this, or null.
    Below(&'static str, i64),
}

impl Write {
    fn new<const N: usize>(act: WriteKind, key: [&str; N]) -> Self {
        Self { key: key.map(storable).to_vec(), act, when: Vec::new(), set: Vec::new() }
    }

    /// Changes or adds a row.
    pub fn put<const N: usize>(key: [&str; N]) -> Self {
        Self::new(WriteKind::Put, key)
    }

    /// Changes a row if it exists.
    pub fn patch<const N: usize>(key: [&str; N]) -> Self {
        Self::new(WriteKind::Patch, key)
    }

    /// Marks a row as removed if it exists.
    pub fn remove<const N: usize>(key: [&str; N]) -> Self {
        Self::new(WriteKind::Remove, key)
    }

    /// Sets a column.
    #[must_use]
    pub fn set(mut self, column: &'static str, value: impl Into<Value>) -> Self {
        self.set.push((column, Set::To(value.into())));
        self
    }

    /// Sets columns to null.
    #[must_use]
    pub fn clear(mut self, columns: &[&'static str]) -> Self {
        self.set.extend(columns.iter().map(|column| (*column, Set::To(Value::Null))));
        self
    }

    /// Sets `column` to the value that `from` had before.
    #[must_use]
    pub fn copy(mut self, column: &'static str, from: &'static str) -> Self {
        self.set.push((column, Set::Copy(from)));
        self
    }

    /// Applies only under this condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.when.push(condition);
        self
    }
}
