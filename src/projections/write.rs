//! What a fact does to a table, as data: it can be printed and compared before anything is stored.
//!
//! A write states what the row holds afterwards, never a difference (`x = x + 1`), so that applying it again changes
//! nothing. Where a fact speaks of "the command under way" without repeating it, the write is conditional on the row.

use super::value::{Value, storable};

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which row.
    pub key: Vec<String>,
    /// What is done.
    pub act: WriteKind,
    /// All must hold on the row as the writes before left it; a row that is not there holds nothing.
    pub when: Vec<Condition>,
    /// What its columns hold afterwards. Columns that are not named stay.
    pub set: Vec<(&'static str, Set)>,
}

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// Changed, or added where it is not there. A removed row starts empty again.
    Put,
    /// Changed, if it is there.
    Patch,
    /// Flagged as removed, if it is there. Never deleted: the row's position keeps an old write from raising it again.
    Remove,
}

/// What a column holds after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// This.
    To(Value),
    /// What that column held before the write.
    Copy(&'static str),
}

/// What must hold for a write to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The column holds this.
    Is(&'static str, Value),
    /// The column holds something else than this.
    IsNot(&'static str, Value),
    /// Both columns hold the same.
    Same(&'static str, &'static str),
    /// The column holds a number below this, or nothing.
    Below(&'static str, i64),
}

impl Write {
    fn new<const N: usize>(act: WriteKind, key: [&str; N]) -> Self {
        Self { key: key.map(storable).to_vec(), act, when: Vec::new(), set: Vec::new() }
    }

    /// Changes or adds the row.
    pub fn put<const N: usize>(key: [&str; N]) -> Self {
        Self::new(WriteKind::Put, key)
    }

    /// Changes the row if it is there.
    pub fn patch<const N: usize>(key: [&str; N]) -> Self {
        Self::new(WriteKind::Patch, key)
    }

    /// Flags the row as removed if it is there.
    pub fn remove<const N: usize>(key: [&str; N]) -> Self {
        Self::new(WriteKind::Remove, key)
    }

    /// The column holds this afterwards.
    #[must_use]
    pub fn set(mut self, column: &'static str, value: impl Into<Value>) -> Self {
        self.set.push((column, Set::To(value.into())));
        self
    }

    /// These columns hold nothing afterwards.
    #[must_use]
    pub fn clear(mut self, columns: &[&'static str]) -> Self {
        self.set.extend(columns.iter().map(|column| (*column, Set::To(Value::Null))));
        self
    }

    /// `column` holds afterwards what `from` held before.
    #[must_use]
    pub fn copy(mut self, column: &'static str, from: &'static str) -> Self {
        self.set.push((column, Set::Copy(from)));
        self
    }

    /// Counts only where this holds.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.when.push(condition);
        self
    }
}
