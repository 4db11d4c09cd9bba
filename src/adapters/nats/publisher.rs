//! The feed: a stream whose sequence numbers keep two senders apart.

use async_nats::{
    HeaderMap,
    jetstream::{
        ErrorCode,
        context::{GetStreamErrorKind, PublishError, PublishErrorKind},
        message::PublishMessage,
        stream::LastRawMessageErrorKind,
    },
};
use async_trait::async_trait;
use futures::FutureExt as _;

use super::{Nats, Shape, streams};
use crate::{
    domain::ids::Position,
    ports::publisher::{Failure, FeedState, OutgoingMessage, Pending, PublishOutcome, Publisher, SendReason, Sequence},
    record::{
        cloud_event::{CLOUD_EVENT_JSON, CloudEvent},
        subject,
    },
};

/// Header with the position that follows a message.
const NEXT: &str = "Syncledger-Next";
/// Header with the process that sent a message.
const SENDER: &str = "Syncledger-Sender";
/// Space for subject and headers within the server's message limit, in bytes.
const HEADERS_BYTES: usize = 4_096;

/// The publisher.
#[derive(Clone)]
pub struct NatsPublisher {
    nats: Nats,
    shape: Shape,
    sender: String,
}

impl NatsPublisher {
    /// Publishes to the stream with that configuration, as `sender`: a different name per process.
    pub fn new(nats: Nats, shape: Shape, sender: impl Into<String>) -> Self {
        Self { nats, shape, sender: sender.into() }
    }

    fn headers(&self, message: &OutgoingMessage<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let id = message.event.event.id;
        let id = match message.sending {
            SendReason::First => id.to_string(),
            SendReason::Again(word) => format!("{id}.{word}"),
        };
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SEQUENCE, message.after.0.to_string());
        headers.insert(NEXT, message.next.to_string());
        headers.insert(SENDER, self.sender.as_str());
        headers.insert("Content-Type", CLOUD_EVENT_JSON);
        headers
    }
}

#[async_trait]
impl Publisher for NatsPublisher {
    async fn prepare(&self) -> Result<Vec<String>, Failure> {
        let wanted = streams::events(&self.nats.settings.workspace, &self.shape);
        self.nats.set_up(wanted).await.map_err(|failure| match failure {
            streams::Failure::Unavailable(why) => Failure::Unavailable(why),
            streams::Failure::Refused(why) => Failure::Refused(why),
        })
    }

    async fn feed_state(&self) -> Result<FeedState, Failure> {
        if let Some(why) = self.nats.down() {
            return Err(Failure::Unavailable(why));
        }
        let name = &self.shape.name;
        let asked = self.nats.with_timeout(self.nats.context.get_stream(name)).await.map_err(Failure::Unavailable)?;
        let stream = asked.map_err(|error| match error.kind() {
            GetStreamErrorKind::JetStream(error) => Failure::Refused(format!("stream {name}: {error}")),
            _ => Failure::Unavailable(error.to_string()),
        })?;
        let state = &stream.cached_info().state;
        let empty = FeedState { last: Sequence(state.last_sequence), next: None, ours: false };
        if state.messages == 0 {
            return Ok(empty);
        }
        // By subject, because the very last message may have been deleted.
        let asked = self.nats.with_timeout(stream.get_last_raw_message_by_subject(">")).await;
        let message = match asked.map_err(Failure::Unavailable)? {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(empty);
            }
            Err(error) => return Err(Failure::Unavailable(error.to_string())),
        };
        let next = message.headers.get(NEXT).and_then(|text| text.as_str().parse().ok());
        let Some(next) = next else {
            let why = format!(
                "message {} of stream {name} is not ours: nobody else may write to our subjects",
                message.sequence
            );
            return Err(Failure::Refused(why));
        };
        let last = Sequence(message.sequence.max(state.last_sequence));
        let ours = message.headers.get(SENDER).is_some_and(|sender| sender.as_str() == self.sender);
        Ok(FeedState { last, next: Some(Position(next)), ours })
    }

    async fn send(&self, message: OutgoingMessage<'_>) -> Result<Pending, Failure> {
        let workspace = &self.nats.settings.workspace;
        let event = message.event;
        let refused = |error: crate::record::cloud_event::NotJson| Failure::Refused(error.to_string());
        let mut body = CloudEvent::of(workspace, event, true).map_err(refused)?.to_json();
        if body.len() + HEADERS_BYTES > self.nats.client.max_payload() {
            body = CloudEvent::of(workspace, event, false).map_err(refused)?.to_json();
        }
        let publish = PublishMessage::build().payload(body.into()).headers(self.headers(&message));
        let subject = subject::of_event(workspace, &event.stream, &event.event.kind);
        let pending = self.nats.context.send_publish(subject, publish).await.map_err(|error| failure(&error))?;
        let lost = self.nats.loss();
        let answered = async move {
            tokio::select! {
                biased;
                answer = pending.into_future() => publish_outcome(answer.as_ref()),
                () = lost => Err(Failure::Unavailable("the connection was lost".to_owned())),
            }
        };
        Ok(answered.boxed())
    }

    async fn describe(&self) -> Result<String, Failure> {
        let standing = self.feed_state().await;
        let info = self.nats.client.server_info();
        let (name, version) = (&self.shape.name, info.version);
        match standing {
            Ok(FeedState { next: Some(next), .. }) => {
                Ok(format!("server {version}; stream {name} goes up to position {next}"))
            }
            Ok(FeedState { next: None, .. }) => Ok(format!("server {version}; stream {name} is empty")),
            Err(failure) => Err(failure),
        }
    }
}

use std::future::IntoFuture as _;

fn publish_outcome(
    answer: Result<&async_nats::jetstream::publish::PublishAck, &PublishError>,
) -> Result<PublishOutcome, Failure> {
    match answer {
        Ok(ack) if ack.duplicate => Ok(PublishOutcome::Duplicate),
        Ok(ack) => Ok(PublishOutcome::Stored(Sequence(ack.sequence))),
        Err(error) => Err(failure(error)),
    }
}

fn failure(error: &PublishError) -> Failure {
    let cause = std::error::Error::source(error);
    let message = cause.map_or_else(|| error.to_string(), ToString::to_string);
    match error.kind() {
        PublishErrorKind::WrongLastSequence => Failure::Moved,
        PublishErrorKind::StreamNotFound => {
            Failure::Refused("no stream has our subjects: it was deleted, or JetStream is disabled".into())
        }
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
            Failure::Unavailable(format!("no answer: {message}"))
        }
        PublishErrorKind::MaxPayloadExceeded => Failure::Refused(message),
        PublishErrorKind::WrongLastMessageId | PublishErrorKind::Other => {
            let code = cause.and_then(|cause| cause.downcast_ref::<async_nats::jetstream::Error>());
            match code.map(async_nats::jetstream::Error::error_code) {
                Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT) => Failure::Moved,
                // The server lacks a resource, or has no leader at present.
                _ => Failure::Unavailable(message),
            }
        }
    }
}
