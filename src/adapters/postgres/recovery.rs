//! After a failure, nothing is acknowledged until the ledger can be trusted again.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::sync::mpsc;

use super::{end::committed_end, failure::WriteFailure, job::Job, session, sql, task::Task, transact::in_time};
use crate::{ledger::grouping::KnownEnds, ports::event_store::Failure};

/// Delays between connection attempts, doubling from the first value to the last.
const CONNECT_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

impl Task {
    /// Sets the state first, so that a caller that gets the failure can see it there as well.
    pub(super) fn stop(&mut self, why: &str) {
        tracing::error!(ledger.failure = why, "The ledger no longer acknowledges events: {why}");
        let mut state = self.shared_state.get();
        state.failures += 1;
        state.failing = Some(why.to_owned());
        self.known = None;
    }

    /// Reconnects until the ledger can be trusted again. Nothing is acknowledged meanwhile.
    pub(super) async fn recover(&mut self) {
        let mut pause = CONNECT_PAUSE.0;
        loop {
            if let Some(connection) = self.connection.take() {
                // Closed without a message: the server may not be listening.
                connection.close_hard().await.ok();
            }
            match in_time(self.reconnect()).await {
                Ok((connection, end)) => {
                    self.connection = Some(connection);
                    self.known = Some(KnownEnds::at(end));
                    self.shared_state.get().failing = None;
                    tracing::info!(ledger.end = end, "The ledger acknowledges events again, from position {end}");
                    return;
                }
                Err(still) => {
                    let still = still.message();
                    tracing::warn!(ledger.failure = still, "The ledger is still unavailable: {still}");
                    self.shared_state.get().failing = Some(still.to_owned());
                    if self.refuse_queued(still) {
                        return;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(CONNECT_PAUSE.1);
        }
    }

    async fn reconnect(&self) -> Result<(PgConnection, u64), WriteFailure> {
        let mut connection = session::writer(&self.server).await.map_err(WriteFailure::Broken)?;
        // The old session may still be working on our last group on the server. Then it holds the lock: once we have it,
        // that group is either committed or gone.
        connection.execute(sql::BEGIN_LOCKED).await?;
        let end = committed_end(&mut connection).await?;
        connection.execute(sql::ROLLBACK).await?;
        if end < self.acknowledged {
            let message = format!("{} events were acknowledged, but the database has only {end}", self.acknowledged);
            return Err(WriteFailure::Broken(message));
        }
        Ok((connection, end))
    }

    /// Answers everything in the queue; `true` if no more can arrive.
    fn refuse_queued(&mut self, why: &str) -> bool {
        loop {
            match self.queue.try_recv() {
                Ok(Job::Append(append)) => {
                    append.reply.send(Err(Failure::Unavailable(why.to_owned()))).ok();
                }
                Ok(Job::Close(done)) => {
                    self.queue.close();
                    done.send(()).ok();
                }
                Err(mpsc::error::TryRecvError::Empty) => return false,
                Err(mpsc::error::TryRecvError::Disconnected) => return true,
            }
        }
    }
}
