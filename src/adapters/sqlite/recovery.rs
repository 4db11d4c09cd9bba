//! After a failure, nothing is acknowledged until the ledger can be trusted again.

use std::{thread, time::Duration};

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::sync::mpsc;

use super::{connection, failure::describe, inserter::Inserter, job::Job, sql, thread::Thread, transact::end};
use crate::{ledger::grouping::KnownEnds, ports::event_store::Failure};

/// Delays between attempts to reopen, doubling from the first value to the last.
const REOPEN_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

impl Thread {
    /// Sets the state first, so that a caller that gets the failure can see it there as well.
    pub(super) fn stop(&mut self, why: &str) {
        tracing::error!(ledger.failure = why, "The ledger no longer acknowledges events: {why}");
        let mut state = self.shared_state.get();
        state.failures += 1;
        state.failing = Some(why.to_owned());
        self.known = None;
    }

    /// Reopens until the ledger can be trusted again. Nothing is acknowledged meanwhile.
    pub(super) async fn recover(&mut self) {
        let mut pause = REOPEN_PAUSE.0;
        loop {
            self.inserter = None;
            if let Some(connection) = self.connection.take() {
                connection.close().await.ok();
            }
            match self.reopen().await {
                Ok((connection, inserter, end)) => {
                    (self.connection, self.inserter) = (Some(connection), Some(inserter));
                    self.known = Some(KnownEnds::at(end));
                    self.shared_state.get().failing = None;
                    tracing::info!(ledger.end = end, "The ledger acknowledges events again, from position {end}");
                    return;
                }
                Err(still) => {
                    tracing::error!(ledger.failure = still, "The ledger cannot be reopened yet: {still}");
                    self.shared_state.get().failing = Some(still.clone());
                    if self.refuse_queued(&still) {
                        return;
                    }
                }
            }
            thread::sleep(pause);
            pause = (pause * 2).min(REOPEN_PAUSE.1);
        }
    }

    async fn reopen(&self) -> Result<(SqliteConnection, Inserter, u64), String> {
        let mut connection = connection::writer(&self.path).await.map_err(|e| describe(&e))?;
        let moved = sqlx::query(sql::TRUNCATE_LOG).fetch_one(&mut connection).await.map_err(|e| describe(&e))?;
        let frames = |index| moved.try_get::<i64, _>(index).map_err(|e| describe(&e));
        // A reader may prevent truncating the log; what matters is that everything is in the file.
        // Both are -1 while another process is running a checkpoint.
        if frames(1)? < 0 || frames(1)? != frames(2)? {
            return Err("the write-ahead log cannot be written to the file yet".to_owned());
        }
        let end = end(&mut connection).await.map_err(|e| describe(&e))?;
        connection::begin_to_write(&mut connection).await.map_err(|e| describe(&e))?;
        if end < self.acknowledged {
            return Err(format!("{} events were acknowledged, but the file has only {end}", self.acknowledged));
        }
        let inserter = Inserter::open(&self.path).map_err(|trouble| trouble.message().to_owned())?;
        Ok((connection, inserter, end))
    }

    /// Answers everything in the queue; `true` if no more can arrive.
    fn refuse_queued(&mut self, why: &str) -> bool {
        loop {
            match self.queue.try_recv() {
                Ok(Job::Append(append)) => {
                    append.reply.send(Err(Failure::Unavailable(why.to_owned()))).ok();
                }
                Ok(Job::Restore(restore)) => {
                    restore.reply.send(Err(Failure::Unavailable(why.to_owned()))).ok();
                }
                Ok(Job::Work(_, done)) => {
                    done.send(Err(why.to_owned())).ok();
                }
                Ok(Job::TruncateLog(done)) => {
                    done.send(Err(why.to_owned())).ok();
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
