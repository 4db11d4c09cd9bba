//! PostgreSQL, through sqlx: for more than one process or machine.

mod projection_compare;
mod projection_rows;
mod projection_sql;
mod projections;

pub use projections::PostgresProjections;
