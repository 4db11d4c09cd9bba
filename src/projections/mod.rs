//! Floor 1: read models. Each maps events to rows, purely; the shell stores rows and checkpoints.
//!
//! One projection is one table. The mapping is in `<name>.rs` here, the table and its queries in `projections/<name>.sql`.
//! A changed table needs `version + 1`: it is dropped, created and replayed, so read models have no migrations.

pub mod approvals;
pub mod attempts;
pub mod bookings;
pub mod calendars;
pub mod channels;
pub mod connections;
pub mod cursors;
pub mod dead_letters;
pub mod deliveries;
pub mod entries;
pub mod links;
mod merge;
pub mod open_commands;
pub mod query;
pub mod query_statements;
pub mod statements;
mod table;
mod table_copy;
mod value;
mod write;

pub use merge::{Drafts, HIDDEN, StoredRow};
pub use table::{Cells, Column, Projection, Table};
pub use table_copy::TableCopy;
pub use value::{Kind, Row, Value};
pub use write::{Condition, Set, Write, WriteKind};

use table::{flag, int, text};

/// All read models.
pub static ALL: [&Projection; 12] = [
    &bookings::PROJECTION,
    &links::PROJECTION,
    &entries::PROJECTION,
    &attempts::PROJECTION,
    &open_commands::PROJECTION,
    &dead_letters::PROJECTION,
    &connections::PROJECTION,
    &calendars::PROJECTION,
    &channels::PROJECTION,
    &cursors::PROJECTION,
    &approvals::PROJECTION,
    &deliveries::PROJECTION,
];

/// The read model with this name.
pub fn named(name: &str) -> Option<&'static Projection> {
    ALL.into_iter().find(|p| p.name == name)
}
