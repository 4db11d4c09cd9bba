//! What a read model is made of: a table, and the mapping that fills it.

use super::{Kind, Value, Write};
use crate::{
    domain::event::Event,
    record::{envelope::StoredEvent, stream::Category},
};

/// A read model: a table, and the mapping from events to its rows.
#[derive(Debug)]
pub struct Projection {
    /// Name of the projection and its table: a plural.
    pub name: &'static str,
    /// Raised with every change of the table or the mapping; the table is then rebuilt.
    pub version: u32,
    /// The table.
    pub table: Table,
    /// The stream categories it reads. Events of other streams are neither decoded nor passed to it.
    pub reads: &'static [Category],
    /// The mapping. Pure; an event that does not concern this table gives no writes. Personal texts are sealed, as
    /// `record::sealing::close` writes them.
    pub project: fn(&StoredEvent, &Event) -> Vec<Write>,
}

/// A table: its columns, of which the first `keys` are the primary key. The shell adds `position` and `removed`.
#[derive(Debug)]
pub struct Table {
    /// Columns in the order of the `create` statement.
    pub columns: &'static [Column],
    /// Number of key columns. Keys are texts.
    pub keys: usize,
    /// Sets columns derived from others of the same row. Runs after every write.
    pub settle: Option<fn(&mut Cells<'_>)>,
    /// Columns with sealed personal texts. Never used in filters or sort orders.
    pub personal: &'static [&'static str],
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type. Every column except the key's may be null.
    pub kind: Kind,
}

/// A row's cells by column name, for [`Table::settle`].
pub struct Cells<'a> {
    pub(super) table: &'a Table,
    pub(super) cells: &'a mut [Value],
}

impl Cells<'_> {
    /// The cell of a column.
    pub fn get(&self, column: &str) -> &Value {
        &self.cells[self.table.place(column)]
    }

    /// Its text, if it is a text.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.get(column).as_text()
    }

    /// Whether it is not null.
    pub fn filled(&self, column: &str) -> bool {
        *self.get(column) != Value::Null
    }

    /// Whether it is `true`.
    pub fn is_true(&self, column: &str) -> bool {
        *self.get(column) == Value::Bool(true)
    }

    /// Sets it.
    pub fn set(&mut self, column: &str, value: impl Into<Value>) {
        let index = self.table.place(column);
        self.cells[index] = value.into();
    }
}

impl Table {
    /// The index of a column. Names are constants next to the table; a test covers every column of every mapping.
    pub fn place(&self, column: &str) -> usize {
        self.columns.iter().position(|c| c.name == column).expect("a mapping names only columns of its own table")
    }

    /// The key's columns.
    pub fn key_columns(&self) -> &'static [Column] {
        &self.columns[..self.keys]
    }
}

/// A text column.
pub(super) const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

/// An integer column.
pub(super) const fn int(name: &'static str) -> Column {
    Column { name, kind: Kind::Int }
}

/// A boolean column.
pub(super) const fn flag(name: &'static str) -> Column {
    Column { name, kind: Kind::Bool }
}
