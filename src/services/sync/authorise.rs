//! Connections: whether access works, and what is recorded when it does not.

use std::sync::Arc;

use chrono::TimeDelta;
use tracing::{error, info};

use crate::{
    domain::{
        connection::Event,
        failure::{CallFailure, FailureClass},
        ids::ConnectionId,
    },
    ports::{event_store::ExpectedVersion, provider::CalendarProvider},
    reconcile::retry,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, Journal},
    },
};

fn context(journal: &Journal) -> Context {
    Context::root(Actor::new("reconciler", "connections"), Origin::Reconciler, journal.clock().event_id())
}

/// Tests the credential. Returns whether it works.
///
/// # Errors
/// The ledger is not available.
pub async fn probe(journal: &Journal, id: &ConnectionId, provider: &Arc<dyn CalendarProvider>) -> Result<bool, Error> {
    let (state, version) = journal.connection(id).await?;
    let stream = StreamName::connection(id);
    let fact = match provider.authorise().await {
        Ok(_) if state.authorised && !state.revoked && state.refresh_failures == 0 => return Ok(true),
        Ok(account) if !state.authorised => {
            info!(connection = %id, "Connection {id} is authorised");
            let provider = provider.name().to_owned();
            Event::Authorised { connection: id.clone(), provider, account: account.name, scopes: account.scopes }
        }
        Ok(_) => {
            info!(connection = %id, "Connection {id} works again");
            Event::Reauthorised { connection: id.clone() }
        }
        Err(failure) if failure.class == FailureClass::AuthRevoked => {
            note_failure(journal, id, &failure).await?;
            return Ok(false);
        }
        Err(failure) => {
            error!(connection = %id, class = failure.class.as_str(), "Checking connection {id} failed");
            let clock = journal.clock();
            let wait = retry::backoff_ms(state.refresh_failures.max(4), clock.chance());
            let retry_at = clock.now() + TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(60_000));
            Event::RefreshFailed { connection: id.clone(), failure, retry_at }
        }
    };
    let works = !matches!(fact, Event::RefreshFailed { .. });
    match journal.append(&stream, ExpectedVersion::after(version), vec![fact], &context(journal)).await {
        Ok(_) => Ok(works),
        Err(error) if error.is_conflict() => Ok(works),
        Err(error) => Err(error),
    }
}

/// Records that access was revoked, if the failure says so and it is not recorded yet.
///
/// # Errors
/// The ledger is not available.
pub async fn note_failure(journal: &Journal, id: &ConnectionId, failure: &CallFailure) -> Result<(), Error> {
    if failure.class != FailureClass::AuthRevoked {
        return Ok(());
    }
    let (state, version) = journal.connection(id).await?;
    if state.revoked {
        return Ok(());
    }
    error!(connection = %id, "Access of connection {id} was revoked: grant it again");
    let fact = Event::Revoked { connection: id.clone(), failure: failure.clone() };
    let stream = StreamName::connection(id);
    match journal.append(&stream, ExpectedVersion::after(version), vec![fact], &context(journal)).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}
