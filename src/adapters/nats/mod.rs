//! NATS JetStream: the ledger's feed, and the queue that commands come by.
//!
//! `connect.rs` gets in, `streams.rs` sets streams up, `publisher.rs` sends events, `commands.rs` takes commands.

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

/// How long a request may take to be answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Messages whose answer is waited for, over everything that shares a connection.
const UNANSWERED_MAX: usize = 8_192;

/// How to get in.
#[derive(Clone, Default)]
pub enum Access {
    /// Without saying who we are.
    #[default]
    Open,
    /// By user name and password.
    Password(String, Zeroizing<String>),
    /// By a token.
    Token(Zeroizing<String>),
    /// By the seed of an nkey.
    Nkey(Zeroizing<String>),
    /// By the text of a `.creds` file: a JWT and the seed that goes with it.
    Credentials(Zeroizing<String>),
}

/// The servers, and how to get in.
#[derive(Clone, Default)]
pub struct Settings {
    /// Addresses: `nats://host:4222` or `tls://host:4222`, several with commas between them.
    pub servers: String,
    /// Who we are.
    pub access: Access,
    /// PEM text of the certificates that servers are trusted by; the machine's own where there is none.
    pub authorities: Option<String>,
    /// The workspace: part of every subject.
    pub workspace: String,
}

/// What the streams should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The name of the stream of events; that of commands is this and `-commands`.
    pub name: String,
    /// On how many servers each message is kept.
    pub replicas: usize,
    /// How long events are kept; `None`: for ever.
    pub age_max: Option<Duration>,
    /// How many bytes of events are kept.
    pub bytes_max: Option<u64>,
    /// How many events are kept.
    pub messages_max: Option<u64>,
    /// How long message ids are remembered.
    pub duplicate_window: Duration,
}

impl Shape {
    /// What is set up where nothing is said.
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

/// A connection that is kept up: it comes back by itself.
#[derive(Clone)]
pub struct Nats {
    client: async_nats::Client,
    context: Context,
    settings: Settings,
    /// How often the connection was lost.
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

    /// Returns when the connection is lost from now on: what was asked over it will not be answered.
    fn loss(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut lost = self.lost.clone();
        lost.mark_unchanged();
        async move {
            if lost.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The answer, unless the connection is lost before it comes: then in words.
    async fn with_timeout<T>(&self, asked: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            answer = asked => Ok(answer),
            () = self.loss() => Err("the connection was lost".to_owned()),
        }
    }

    /// Why there is no connection now; `None` while there is one.
    fn down(&self) -> Option<String> {
        let connected = self.client.connection_state() == async_nats::connection::State::Connected;
        (!connected).then(|| format!("there is no connection to {}", self.settings.servers))
    }
}
