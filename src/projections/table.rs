//! What a read model is made of: a table, and the mapping that fills it.

use super::{Kind, Value, Write};
use crate::{
    domain::event::Event,
    record::{envelope::StoredEvent, stream::Category},
};

/// A read model: a table, and which facts become which rows of it.
#[derive(Debug)]
pub struct Projection {
    /// Its name and its table's: a plural.
    pub name: &'static str,
    /// Raised with every change of the table or of the mapping: the table is then filled anew.
    pub version: u32,
    /// The table.
    pub table: Table,
    /// The streams it depends on. Facts of other streams are neither decoded nor shown to it.
    pub reads: &'static [Category],
    /// The mapping. Pure; what is not about this table gives no writes. Personal texts reach it closed, as
    /// `record::sealing::close` writes them.
    pub project: fn(&StoredEvent, &Event) -> Vec<Write>,
}

/// A table: its columns, of which the first `keys` are the primary key. The shell adds `position` and `removed`.
#[derive(Debug)]
pub struct Table {
    /// Columns in the order of the `create` statement.
    pub columns: &'static [Column],
    /// How many of them are the key. Keys are texts.
    pub keys: usize,
    /// Fills the columns that follow from others of the same row. Runs after every write.
    pub settle: Option<fn(&mut Cells<'_>)>,
    /// The columns that hold a person's texts, sealed. Nothing filters or sorts by them.
    pub personal: &'static [&'static str],
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds. Every column but the key's may be empty.
    pub kind: Kind,
}

/// A row's cells by column name, for [`Table::settle`].
pub struct Cells<'a> {
    pub(super) table: &'a Table,
    pub(super) cells: &'a mut [Value],
}

impl Cells<'_> {
    /// The cell of that column.
    pub fn get(&self, column: &str) -> &Value {
        &self.cells[self.table.place(column)]
    }

    /// Its text, if it holds one.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.get(column).as_text()
    }

    /// Whether it holds anything.
    pub fn filled(&self, column: &str) -> bool {
        *self.get(column) != Value::Null
    }

    /// Whether it holds `true`.
    pub fn is_true(&self, column: &str) -> bool {
        *self.get(column) == Value::Bool(true)
    }

    /// Fills it.
    pub fn set(&mut self, column: &str, value: impl Into<Value>) {
        let index = self.table.place(column);
        self.cells[index] = value.into();
    }
}

impl Table {
    /// The place of a column. Names are constants beside the table; a test names every column of every mapping.
    pub fn place(&self, column: &str) -> usize {
        self.columns.iter().position(|c| c.name == column).expect("a mapping names only columns of its own table")
    }

    /// The key's columns.
    pub fn key_columns(&self) -> &'static [Column] {
        &self.columns[..self.keys]
    }
}

/// A column of texts.
pub(super) const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

/// A column of whole numbers.
pub(super) const fn int(name: &'static str) -> Column {
    Column { name, kind: Kind::Int }
}

/// A column of yes and no.
pub(super) const fn flag(name: &'static str) -> Column {
    Column { name, kind: Kind::Bool }
}
