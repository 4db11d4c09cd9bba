//! Processes tell each other of what they wrote, so that nobody has to ask all the time. A notification that is lost costs
//! a moment: whoever waits also looks by itself.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::watch, task::AbortHandle};

use super::{event_store::stored_end, failure::told, sql};

/// Between two notifications of one process. A busy ledger commits more often than anyone wants to be woken.
const NOTIFY_PAUSE: Duration = Duration::from_millis(20);

/// Before the next attempt to listen.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// The two tasks. They end with the last handle of the ledger.
pub(super) struct Listening(Vec<AbortHandle>);

impl Listening {
    /// Starts them: one raises `end` when others wrote, one tells others when `written` rises.
    pub(super) fn start(pool: &PgPool, end: &watch::Sender<u64>, written: watch::Receiver<u64>) -> Self {
        let listening = tokio::spawn(listen(pool.clone(), end.clone())).abort_handle();
        let telling = tokio::spawn(tell(pool.clone(), written)).abort_handle();
        Self(vec![listening, telling])
    }

    pub(super) fn end(&self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.end();
    }
}

async fn listen(pool: PgPool, end: watch::Sender<u64>) {
    loop {
        let why = match until_it_breaks(&pool, &end).await {
            // The connection was lost and is there again.
            Ok(()) => continue,
            Err(error) => told(&error),
        };
        if pool.is_closed() {
            return;
        }
        tracing::debug!("Not listening for what other processes write: {why}");
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

async fn until_it_breaks(pool: &PgPool, end: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(sql::CHANNEL).await?;
    loop {
        // First a look, then the wait: what was notified before we listened is not told again.
        stored_end(pool, end).await.ok();
        if listener.try_recv().await?.is_none() {
            return Ok(());
        }
        // Many may have come at once: one look serves them all.
        while listener.next_buffered().is_some() {}
    }
}

async fn tell(pool: PgPool, mut written: watch::Receiver<u64>) {
    while written.changed().await.is_ok() {
        sqlx::query(sql::NOTIFY).bind(sql::CHANNEL).execute(&pool).await.ok();
        tokio::time::sleep(NOTIFY_PAUSE).await;
    }
}
