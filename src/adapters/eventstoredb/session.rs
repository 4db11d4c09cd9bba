//! The batch-append session: one stream of appends to the server, reopened when it ends.
//!
//! The client ends a session at the first append the server refuses: all others in flight fail with a closed session,
//! or get no answer at all. They are sent again with the same ids and versions, which the server answers like
//! the first time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use eventstore::{BatchAppendClient, EventData, ExpectedRevision};
use tokio::sync::{Mutex, Semaphore};

use super::{
    failure::{ServerFailure, call},
    shared_client::{ClientHandle, SharedClient},
};

/// Maximum number of appends in flight. More wait for their turn.
const IN_FLIGHT_MAX: usize = 1_024;

/// Time limit for opening a session.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// Time limit for an answer: longer than the ten seconds that the client gives the server.
const ANSWER_MAX: Duration = Duration::from_secs(12);

/// Sends appends through the present session.
pub(super) struct Sessions {
    current: Mutex<Option<Arc<Session>>>,
    turns: Semaphore,
}

struct Session {
    client: BatchAppendClient,
    held: ClientHandle,
    ended: AtomicBool,
}

impl Sessions {
    pub fn new() -> Self {
        Self { current: Mutex::new(None), turns: Semaphore::new(IN_FLIGHT_MAX) }
    }

    /// Sends an append and waits for the answer. If dropped, it is unknown whether the append was done.
    pub async fn append(
        &self,
        line: &SharedClient,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<EventData>,
    ) -> Result<(), ServerFailure> {
        let _turn = self.turns.acquire().await.map_err(|_| ServerFailure::Broken("the ledger is closed".to_owned()))?;
        let session = self.session(line).await?;
        let answer = call(ANSWER_MAX, session.client.append_to_stream(stream, expected, events)).await;
        match answer {
            Ok(_) => Ok(()),
            Err(trouble) => {
                session.ended.store(true, Ordering::Release);
                // A refusal of an append says nothing about the connection, except when the client closes it.
                if matches!(&trouble, ServerFailure::Broken(why) if !why.contains("Batch-append stream has been closed"))
                {
                    line.broken(&session.held);
                }
                Err(trouble)
            }
        }
    }

    /// Ends the session after its connection was lost.
    pub async fn drop_session(&self) {
        self.current.lock().await.take();
    }

    async fn session(&self, line: &SharedClient) -> Result<Arc<Session>, ServerFailure> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref().filter(|session| !session.ended.load(Ordering::Acquire)) {
            return Ok(Arc::clone(session));
        }
        let held = line.client()?;
        let options = line.append();
        let client = call(OPEN_MAX, held.client.batch_append(&options)).await.inspect_err(|trouble| {
            if matches!(trouble, ServerFailure::Broken(_)) {
                line.broken(&held);
            }
        })?;
        let session = Arc::new(Session { client, held, ended: AtomicBool::new(false) });
        *current = Some(Arc::clone(&session));
        Ok(session)
    }
}
