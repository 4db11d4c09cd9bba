//! One durable transaction for a group.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteArguments};

use super::{failure::WriteFailure, inserter::Inserter, rows::decode, sql};
use crate::{
    domain::ids::Version,
    ledger::grouping::{Append, KnownEnds, Plan, StoredState, judge_each},
    ports::event_store::Failure,
};

/// Judges a group with queries under the write lock, and writes it.
///
/// The queries use `connection`, which sees committed data: under the lock, that is everything.
pub(super) async fn write_judged<'a>(
    connection: &mut SqliteConnection,
    inserter: &mut Inserter,
    group: &'a [Append],
) -> Result<(KnownEnds, Plan<'a>), WriteFailure> {
    inserter.begin()?;
    let looked = match look(connection, group).await {
        Ok(looked) => looked,
        Err(looking) => {
            inserter.abandon();
            return Err(match looking {
                LookupFailure::Sql(error) => WriteFailure::of(&error),
                LookupFailure::Row(failure) => WriteFailure::Damaged(failure.to_string()),
            });
        }
    };
    let plan = judge_each(group, &looked);
    inserter.finish(&plan.rows)?;
    Ok((KnownEnds::at(looked.end), plan))
}

/// After an error, ends any open transaction. The rollback's own error means that there was none, or will be
/// repeated by the next statement.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    outcome: Result<(), sqlx::Error>,
) -> Result<(), WriteFailure> {
    let Err(error) = outcome else { return Ok(()) };
    let trouble = WriteFailure::of(&error);
    if !matches!(trouble, WriteFailure::Broken(_)) {
        sqlx::query(sql::ROLLBACK).execute(connection).await.ok();
    }
    Err(trouble)
}

pub(super) async fn end(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let end: i64 = sqlx::query(sql::END).fetch_one(connection).await?.try_get(0)?;
    Ok(u64::try_from(end).unwrap_or(0))
}

enum LookupFailure {
    Sql(sqlx::Error),
    Row(Failure),
}

impl From<sqlx::Error> for LookupFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

async fn look(connection: &mut SqliteConnection, group: &[Append]) -> Result<StoredState, LookupFailure> {
    let end = end(connection).await?;
    let names = one(serde_json::json!(group.iter().map(|a| a.request.name.as_str()).collect::<Vec<_>>()))?;
    let mut lasts = HashMap::new();
    for row in sqlx::query_with(sql::LASTS, names).fetch_all(&mut *connection).await? {
        if let Some(last) = row.try_get::<Option<i64>, _>(1)?.and_then(|last| u64::try_from(last).ok()) {
            lasts.insert(row.try_get(0)?, Version(last));
        }
    }
    let ids: Vec<_> =
        group.iter().flat_map(|a| &a.request.events).map(|e| HEXLOWER.encode(e.id.0.as_bytes())).collect();
    let mut found = HashMap::new();
    for row in sqlx::query_with(sql::BY_IDS, one(serde_json::json!(ids))?).fetch_all(&mut *connection).await? {
        let recorded = decode(&row).map_err(LookupFailure::Row)?;
        found.insert(recorded.event.id, recorded);
    }
    Ok(StoredState { end, lasts, found })
}

/// A list as the only parameter of a statement.
fn one(list: serde_json::Value) -> Result<SqliteArguments, sqlx::Error> {
    let mut all = SqliteArguments::default();
    sqlx::Arguments::add(&mut all, list.to_string()).map_err(sqlx::Error::Encode)?;
    Ok(all)
}
