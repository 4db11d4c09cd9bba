//! Processes notify each other about new events, so that nobody polls all the time. A lost notification causes only
//! a short delay, since waiters also check on their own.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::watch, task::AbortHandle};

use super::{end::stored_end, failure::describe, sql};

/// Minimum time between two notifications of a process. A busy ledger commits more often than waking others is useful.
const NOTIFY_PAUSE: Duration = Duration::from_millis(20);

/// Delay before the next attempt to listen.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// The two tasks. They end with the last handle of the ledger.
pub(super) struct Listener(Vec<AbortHandle>);

impl Listener {
    /// Starts them: one raises `end` when others wrote, one notifies others when `written` grows.
    /// `name` identifies this process, to ignore its own notifications.
    pub(super) fn start(pool: &PgPool, end: &watch::Sender<u64>, written: watch::Receiver<u64>, name: String) -> Self {
        let listening = tokio::spawn(listen(pool.clone(), end.clone(), name.clone())).abort_handle();
        let telling = tokio::spawn(notify_others(pool.clone(), written, name)).abort_handle();
        Self(vec![listening, telling])
    }

    pub(super) fn end(&self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end();
    }
}

async fn listen(pool: PgPool, end: watch::Sender<u64>, name: String) {
    loop {
        let why = match until_it_breaks(&pool, &end, &name).await {
            // The connection was lost and is back.
            Ok(()) => continue,
            Err(error) => describe(&error),
        };
        if pool.is_closed() {
            return;
        }
        tracing::debug!("Not listening for events of other processes: {why}");
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

async fn until_it_breaks(pool: &PgPool, end: &watch::Sender<u64>, name: &str) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(sql::CHANNEL).await?;
    // Notifications sent before we listened are not repeated.
    let mut news = true;
    loop {
        if news {
            stored_end(pool, end).await.ok();
        }
        let Some(first) = listener.try_recv().await? else { return Ok(()) };
        news = first.payload() != name;
        // Several may have arrived: one check covers them all.
        while let Some(next) = listener.next_buffered() {
            news |= next.payload() != name;
        }
    }
}

async fn notify_others(pool: PgPool, mut written: watch::Receiver<u64>, name: String) {
    while written.changed().await.is_ok() {
        sqlx::query(sql::NOTIFY).bind(sql::CHANNEL).bind(name.as_str()).execute(&pool).await.ok();
        tokio::time::sleep(NOTIFY_PAUSE).await;
    }
}
