//! Opens the ledger: tests the connection, and reads the whole log once to build the index.

use std::{sync::Arc, time::Duration};

use eventstore::StreamPosition;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tracing::info;

use super::{
    address::{Address, Options},
    event_store::EventStoreDbLedger,
    failure::{OpenFailure, ServerFailure, call},
    follow::follow,
    index::{Index, IndexFailure},
    shared::Shared,
    shared_client::SharedClient,
};

/// How long the server may be silent while the log is read.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Time limit for the first answer: the client tries several nodes, several times.
const REACHED_MAX: Duration = Duration::from_secs(60);

/// Events between two progress messages.
const PROGRESS_EVENTS: u64 = 250_000;

impl EventStoreDbLedger {
    /// Opens the ledger on a server. Needs a tokio runtime.
    ///
    /// Reads the whole log once to locate every event: some seconds per million events.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open(options: &Options) -> Result<Self, OpenFailure> {
        let address = Address::read(options)?;
        let server = address.redacted.clone();
        // Checked before the client exists, because afterwards there is always one.
        let foreign = CryptoProvider::get_default().is_some();
        let (line, reads) = (SharedClient::new(address.clone()), SharedClient::new(address));
        let mut index = Index::default();
        match indexed(&reads, &mut index).await {
            Ok(()) => {}
            Err(IndexingFailure::Server(ServerFailure::Denied)) => return Err(OpenFailure::Denied { server }),
            Err(IndexingFailure::Server(trouble)) => {
                let mut reason = trouble.to_string();
                if foreign && reason.contains("no connection to the server") {
                    reason.push_str(
                        ". A TLS provider was installed for the whole process, which the EventStoreDB client \
                         does not support: this is a bug in the program",
                    );
                }
                return Err(OpenFailure::Server { server, reason });
            }
            Err(IndexingFailure::Index(broken)) => {
                return Err(OpenFailure::Damaged { server, reason: broken.to_string() });
            }
        }
        info!(ledger.end = index.end(), "Opened the ledger on {server} at position {}", index.end());
        let shared = Arc::new(Shared::new(line, reads, index));
        tokio::spawn(follow(Arc::clone(&shared)));
        Ok(Self(shared))
    }
}

enum IndexingFailure {
    Server(ServerFailure),
    Index(IndexFailure),
}

impl From<ServerFailure> for IndexingFailure {
    fn from(trouble: ServerFailure) -> Self {
        Self::Server(trouble)
    }
}

/// Reads the log from its start to its present end.
async fn indexed(line: &SharedClient, index: &mut Index) -> Result<(), IndexingFailure> {
    let held = line.client()?;
    let options = line.read_all().position(StreamPosition::Start);
    let mut answer = call(REACHED_MAX, held.client.read_all(&options)).await?;
    let mut next_report = PROGRESS_EVENTS;
    while let Some(event) = call(ANSWER_MAX, answer.next()).await? {
        index.take(event.get_original_event()).map_err(IndexingFailure::Index)?;
        if index.end() >= next_report {
            info!(ledger.end = index.end(), "Reading the ledger: {} events so far", index.end());
            next_report += PROGRESS_EVENTS;
        }
    }
    Ok(())
}
