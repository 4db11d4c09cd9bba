//! How the ledger's tables are made, step by step, and the format they are in.

use std::sync::LazyLock;

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

/// The steps, in order.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let one = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        one(1, "ledger", include_str!("../../../migrations/postgres/0001_ledger.sql")),
        one(2, "checkpoints", include_str!("../../../migrations/postgres/0002_checkpoints.sql")),
        one(3, "signing keys", include_str!("../../../migrations/postgres/0003_signing_keys.sql")),
        one(4, "master key", include_str!("../../../migrations/postgres/0004_master_key.sql")),
    ])
});

/// Format of stored events supported by this program.
pub(super) const FORMAT: i64 = 1;
