//! NATS JetStream: the ledger's feed, and the queue of commands.
//!
//! `connect.rs` connects, `streams.rs` creates streams, `publisher.rs` publishes events, `commands.rs` receives commands.

mod commands;
mod connect;
mod publisher;
mod streams;

use std::time::Duration;

use async_nats::jetstream::{Context, context::ContextBuilder};
use tokio::sync::watch;
use zeroize::Zeroizing;

pub use commands::NatsCommands;
pub use publisher::NatsPublisher;

/// Time limit for a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Maximum number of requests waiting for answers, per connection.
const UNANSWERED_MAX: usize = 8_192;

/// How to log in.
#[derive(Clone, Default)]
pub enum Access {
    /// Without credentials.
    #[default]
    Open,
    /// User name and password.
    Password(String, Zeroizing<String>),
    /// A token.
    Token(Zeroizing<String>),
    /// Seed of an nkey.
    Nkey(Zeroizing<String>),
    /// Content of a `.creds` file: a JWT and its seed.
    Credentials(Zeroizing<String>),
}

/// Servers and login.
#[derive(Clone, Default)]
pub struct Settings {
    /// Addresses: `nats://host:4222` or `tls://host:4222`, separated by commas.
    pub servers: String,
    /// Login.
    pub access: Access,
    /// Trusted certificates in PEM format; those of the machine if `None`.
    pub authorities: Option<String>,
    /// The workspace, part of every subject.
    pub workspace: String,
}

/// Configuration of the streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Name of the stream of events; that of commands has the suffix `-commands`.
    pub name: String,
    /// Number of servers that keep each message.
    pub replicas: usize,
    /// Maximum age of events; `None` means unlimited.
    pub age_max: Option<Duration>,
    /// Maximum size of all events, in bytes.
    pub bytes_max: Option<u64>,
    /// Maximum number of events.
    pub messages_max: Option<u64>,
    /// How long message ids are remembered.
    pub duplicate_window: Duration,
}

impl Shape {
    /// The default configuration.
    pub fn of(workspace: &str) -> Self {
        Self {
            name: format!("syncledger-{}", crate::record::subject::token(workspace)),
            replicas: 1,
            age_max: None,
            bytes_max: None,
            messages_max: None,
            duplicate_window: Duration::from_secs(120),
        }
    }
}

/// A connection that reconnects automatically.
#[derive(Clone)]
pub struct Nats {
    client: async_nats::Client,
    context: Context,
    settings: Settings,
    /// Number of lost connections.
    lost: watch::Receiver<u64>,
}

impl Nats {
    fn of(client: async_nats::Client, settings: Settings, lost: watch::Receiver<u64>) -> Self {
        let context = ContextBuilder::new()
            .timeout(ANSWER_WITHIN)
            .ack_timeout(ANSWER_WITHIN)
            .max_ack_inflight(UNANSWERED_MAX)
            .build(client.clone());
        Self { client, context, settings, lost }
    }

    /// Returns when the connection is lost: pending requests will not be answered.
    fn loss(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut lost = self.lost.clone();
        lost.mark_unchanged();
        async move {
            if lost.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The answer, or a message if the connection is lost first.
    async fn with_timeout<T>(&self, asked: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            answer = asked => Ok(answer),
            () = self.loss() => Err("the connection was lost".to_owned()),
        }
    }

    /// Why there is no connection now; `None` if there is one.
    fn down(&self) -> Option<String> {
        let connected = self.client.connection_state() == async_nats::connection::State::Connected;
        (!connected).then(|| format!("there is no connection to {}", self.settings.servers))
    }
}
