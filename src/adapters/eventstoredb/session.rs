//! The batch-append session: one stream of appends to the server, opened anew when it ended.
//!
//! The client ends a session at the first append that the server refuses: every other one in flight is told that the session
//! is closed, or nothing at all. They are sent again, with the same ids at the same place, which the server answers as it
//! did the first time.

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

/// Appends in flight at the server. More wait for their turn.
const IN_FLIGHT_MAX: usize = 1_024;

/// How long opening a session may take.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// How long an append may go without an answer: longer than the ten seconds that the client gives the server for it.
const ANSWER_MAX: Duration = Duration::from_secs(12);

/// The way to append.
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

    /// Sends an append, and waits for the server's word. Dropping it leaves open whether the append is done.
    pub async fn append(
        &self,
        line: &SharedClient,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<EventData>,
    ) -> Result<(), ServerFailure> {
        let _turn = self.turns.acquire().await.map_err(|_| ServerFailure::Broken("it is closed".to_owned()))?;
        let session = self.session(line).await?;
        let answer = call(ANSWER_MAX, session.client.append_to_stream(stream, expected, events)).await;
        match answer {
            Ok(_) => Ok(()),
            Err(trouble) => {
                session.ended.store(true, Ordering::Release);
                // What the server says about an append says nothing about the line, except that the client closes.
                if matches!(&trouble, ServerFailure::Broken(why) if !why.contains("Batch-append stream has been closed"))
                {
                    line.broken(&session.held);
                }
                Err(trouble)
            }
        }
    }

    /// Ends the session: the line under it is gone.
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
