//! One durable transaction for a group.

use std::{collections::HashMap, future::Future, time::Duration};

use sqlx::{Executor as _, PgConnection, Row as _};

use super::{
    failure::WriteFailure,
    rows::{decode, insert},
    sql,
};
use crate::{
    domain::ids::Version,
    ledger::grouping::{Append, KnownEnds, PlacedRow, Plan, StoredState, judge_each},
    ports::event_store::Failure,
};

/// How long the writer waits for an answer. The server ends statements earlier; a server that does not even answer that is
/// unreachable.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Waits for the server with a time limit.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, WriteFailure>>) -> Result<T, WriteFailure> {
    let silent = || Err(WriteFailure::Broken(format!("the server has not answered for {} s", ANSWER_MAX.as_secs())));
    tokio::time::timeout(ANSWER_MAX, work).await.unwrap_or_else(|_| silent())
}

/// Writes rows at predicted positions, in one round trip; `false` if the prediction was wrong and nothing was written.
pub(super) async fn write_predicted(
    connection: &mut PgConnection,
    first: u64,
    rows: &[PlacedRow<'_>],
) -> Result<bool, WriteFailure> {
    let written = in_time(async { Ok(insert(first, rows).execute(connection).await?.rows_affected()) }).await;
    match written {
        Ok(written) => Ok(written > 0),
        Err(WriteFailure::Refused(_)) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// Judges a group with queries under the lock, and writes it.
pub(super) async fn write_judged<'a>(
    connection: &mut PgConnection,
    group: &'a [Append],
) -> Result<(KnownEnds, Plan<'a>), WriteFailure> {
    let judged = in_time(judged(connection, group)).await;
    if judged.as_ref().is_err_and(|trouble| !matches!(trouble, WriteFailure::Broken(_))) {
        in_time(async { Ok(connection.execute(sql::ROLLBACK).await?) }).await?;
    }
    judged
}

async fn judged<'a>(connection: &mut PgConnection, group: &'a [Append]) -> Result<(KnownEnds, Plan<'a>), WriteFailure> {
    connection.execute(sql::BEGIN_LOCKED).await?;
    let looked = look(connection, group).await?;
    let plan = judge_each(group, &looked);
    if !plan.rows.is_empty() {
        let written = insert(looked.end, &plan.rows).execute(&mut *connection).await?.rows_affected();
        if written != plan.rows.len() as u64 {
            return Err(WriteFailure::Refused("another program writes to the ledger without its lock".to_owned()));
        }
    }
    connection.execute(sql::COMMIT).await?;
    Ok((KnownEnds::at(looked.end), plan))
}

async fn look(connection: &mut PgConnection, group: &[Append]) -> Result<StoredState, WriteFailure> {
    let names: Vec<&str> = group.iter().map(|a| a.request.name.as_str()).collect();
    let (mut end, mut lasts) = (0, HashMap::new());
    for row in sqlx::query(sql::LASTS).bind(names).fetch_all(&mut *connection).await? {
        end = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
        if let Some(last) = row.try_get::<Option<i64>, _>(2)?.and_then(|last| u64::try_from(last).ok()) {
            lasts.insert(row.try_get(1)?, Version(last));
        }
    }
    let ids: Vec<&[u8]> = group.iter().flat_map(|a| &a.request.events).map(|e| e.id.0.as_bytes().as_slice()).collect();
    let mut found = HashMap::new();
    for row in sqlx::query(sql::BY_IDS).bind(ids).fetch_all(&mut *connection).await? {
        let recorded = decode(&row).map_err(|failure: Failure| WriteFailure::Damaged(failure.to_string()))?;
        found.insert(recorded.event.id, recorded);
    }
    Ok(StoredState { end, lasts, found })
}
