//! The queue of commands: a work queue with one durable consumer, shared by all processes of a ledger.

use std::{sync::Mutex, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{
        AckKind, Message,
        consumer::{AckPolicy, Consumer, pull},
    },
};
use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::time::timeout;

use super::{ANSWER_WITHIN, Nats, Shape, streams};
use crate::{
    ports::commands::{CommandMessage, CommandQueue, QueuedCommand, Reply, Unavailable},
    record::subject,
};

/// Name of the consumer.
const CONSUMER: &str = "syncledger";
/// A command not acknowledged within this time is redelivered.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// Maximum number of delivered and unacknowledged commands, over all processes.
const HANDED_OUT_MAX: i64 = 1_024;
/// Prefix of subjects for answers. Other subjects might be ones that only we may write to.
const INBOX: &str = "_INBOX";

/// The queue.
pub struct NatsCommands {
    nats: Nats,
    shape: Shape,
    consumer: Mutex<Option<Consumer<pull::Config>>>,
}

impl NatsCommands {
    /// Receives commands from the stream with that configuration.
    pub fn new(nats: Nats, shape: Shape) -> Self {
        Self { nats, shape, consumer: Mutex::default() }
    }

    fn stream(&self) -> String {
        streams::commands(&self.nats.settings.workspace, &self.shape).name
    }

    fn known(&self) -> Option<Consumer<pull::Config>> {
        self.consumer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn remember(&self, consumer: Option<Consumer<pull::Config>>) {
        *self.consumer.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = consumer;
    }

    async fn consumer(&self) -> Result<Consumer<pull::Config>, Unavailable> {
        if let Some(why) = self.nats.down() {
            return Err(Unavailable(why));
        }
        if let Some(consumer) = self.known() {
            return Ok(consumer);
        }
        let stream = self.nats.context.get_stream(self.stream()).await.map_err(unavailable)?;
        let consumer = match stream.get_consumer(CONSUMER).await {
            // An operator's changes are kept.
            Ok(consumer) => consumer,
            Err(_) => stream.create_consumer(wanted()).await.map_err(unavailable)?,
        };
        self.remember(Some(consumer.clone()));
        Ok(consumer)
    }

    async fn fetch(&self, limit: usize, wait: Duration) -> Result<Vec<Message>, Unavailable> {
        let consumer = self.consumer().await?;
        let mut taken = Vec::new();
        let mut batch = consumer.fetch().max_messages(limit).messages().await.map_err(unavailable)?;
        while let Some(message) = batch.next().await {
            taken.push(message.map_err(unavailable)?);
        }
        if taken.is_empty() {
            // Only one: a batch would wait until it is full.
            let mut batch = consumer.batch().max_messages(1).expires(wait).messages().await.map_err(unavailable)?;
            while let Some(message) = batch.next().await {
                taken.push(message.map_err(unavailable)?);
            }
        }
        Ok(taken)
    }
}

fn wanted() -> pull::Config {
    pull::Config {
        durable_name: Some(CONSUMER.to_owned()),
        description: Some("The ledger's services".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: SETTLE_WITHIN,
        max_ack_pending: HANDED_OUT_MAX,
        // Unlimited: commands are given up by us, visibly.
        max_deliver: -1,
        ..pull::Config::default()
    }
}

#[async_trait]
impl CommandQueue for NatsCommands {
    async fn prepare(&self) -> Result<Vec<String>, Unavailable> {
        let wanted = streams::commands(&self.nats.settings.workspace, &self.shape);
        let differing = self.nats.set_up(wanted).await.map_err(|failure| match failure {
            streams::Failure::Unavailable(why) | streams::Failure::Refused(why) => Unavailable(why),
        })?;
        self.consumer().await?;
        Ok(differing)
    }

    async fn take(&self, limit: usize, wait: Duration) -> Result<Vec<Box<dyn QueuedCommand>>, Unavailable> {
        let fetched = match timeout(wait + ANSWER_WITHIN, self.fetch(limit, wait)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Unavailable("the queue does not answer".to_owned())),
        };
        if fetched.is_err() {
            self.remember(None);
        }
        let prefix = format!("{}.{}.commands.", subject::ROOT, subject::token(&self.nats.settings.workspace));
        let handed = fetched?.into_iter().map(|message| {
            let read = read(&prefix, &message);
            Box::new(NatsQueuedCommand { client: self.nats.client.clone(), read, message }) as Box<dyn QueuedCommand>
        });
        Ok(handed.collect())
    }

    async fn waiting(&self) -> Result<u64, Unavailable> {
        if let Some(why) = self.nats.down() {
            return Err(Unavailable(why));
        }
        let stream = self.nats.context.get_stream(self.stream()).await.map_err(unavailable)?;
        Ok(stream.cached_info().state.messages)
    }
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(error.to_string())
}

fn read(prefix: &str, message: &Message) -> CommandMessage {
    let header = |name: &str| header(message.headers.as_ref(), name);
    let info = message.info().ok();
    // The queue's own number and the time: numbers restart with a new queue.
    let number =
        info.as_ref().map(|info| format!("{}@{}", info.stream_sequence, info.published.unix_timestamp_nanos()));
    let key = header("Idempotency-Key").or_else(|| header("Nats-Msg-Id")).or(number).unwrap_or_default();
    CommandMessage {
        verb: message.subject.strip_prefix(prefix).unwrap_or(&message.subject).to_owned(),
        key,
        body: message.payload.to_vec(),
        reply_to: header("Reply-To").filter(|subject| inbox(subject)),
        correlation: header("X-Request-Id"),
        deliveries: info.and_then(|info| u64::try_from(info.delivered).ok()).unwrap_or(1),
    }
}

fn header(headers: Option<&HeaderMap>, name: &str) -> Option<String> {
    // Header names as sent; NATS does not normalise case, and clients differ.
    let headers = headers?;
    let wanted = |known: &str| known.eq_ignore_ascii_case(name);
    let (_, values) = headers.iter().find(|(known, _)| wanted(known.as_ref()))?;
    values.first().map(|value| value.as_str().to_owned()).filter(|value| !value.is_empty())
}

fn inbox(subject: &str) -> bool {
    subject.starts_with(INBOX)
        && subject.len() <= 256
        && subject
            .split('.')
            .all(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && !b"*>".contains(&b)))
}

struct NatsQueuedCommand {
    client: async_nats::Client,
    read: CommandMessage,
    message: Message,
}

#[async_trait]
impl QueuedCommand for NatsQueuedCommand {
    fn message(&self) -> &CommandMessage {
        &self.read
    }

    async fn reply(&self, reply: Reply) -> Result<(), Unavailable> {
        let Some(subject) = &self.read.reply_to else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert("Syncledger-Status", reply.status.to_string());
        headers.insert("Content-Type", reply.media);
        headers.insert("Idempotency-Key", reply.key);
        self.client.publish_with_headers(subject.clone(), headers, reply.body.into()).await.map_err(unavailable)
    }

    async fn settle(&self) -> Result<(), Unavailable> {
        self.message.double_ack().await.map_err(unavailable)
    }

    async fn retry(&self, after: Duration) -> Result<(), Unavailable> {
        self.message.ack_with(AckKind::Nak(Some(after))).await.map_err(unavailable)
    }
}
