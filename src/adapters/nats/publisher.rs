//! The feed: one stream, whose sequence numbers are the fence between senders.

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
    ports::publisher::{Failure, Outgoing, Pending, Publisher, Sending, Sequence, Standing, Taken},
    record::{
        cloud_event::{CLOUD_EVENT_JSON, CloudEvent},
        subject,
    },
};

/// Says which position comes next after a message.
const NEXT: &str = "Syncledger-Next";
/// Room for subject and headers below the server's limit of a message, in bytes.
const HEADERS_BYTES: usize = 4_096;

/// The publisher.
#[derive(Clone)]
pub struct NatsPublisher {
    nats: Nats,
    shape: Shape,
}

impl NatsPublisher {
    /// Publishes to the stream of that shape.
    pub fn new(nats: Nats, shape: Shape) -> Self {
        Self { nats, shape }
    }

    fn headers(message: &Outgoing<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let id = message.event.event.id;
        let id = match message.sending {
            Sending::First => id.to_string(),
            Sending::Again(word) => format!("{id}.{word}"),
        };
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SEQUENCE, message.after.0.to_string());
        headers.insert(NEXT, message.next.to_string());
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

    async fn standing(&self) -> Result<Standing, Failure> {
        if let Some(why) = self.nats.down() {
            return Err(Failure::Unavailable(why));
        }
        let name = &self.shape.name;
        let stream = self.nats.context.get_stream(name).await.map_err(|error| match error.kind() {
            GetStreamErrorKind::JetStream(error) => Failure::Refused(format!("stream {name}: {error}")),
            _ => Failure::Unavailable(error.to_string()),
        })?;
        let state = &stream.cached_info().state;
        if state.messages == 0 {
            return Ok(Standing { last: Sequence(state.last_sequence), next: None });
        }
        // By subject, since the very last one may have been removed.
        let message = match stream.get_last_raw_message_by_subject(">").await {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(Standing { last: Sequence(state.last_sequence), next: None });
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
        Ok(Standing { last, next: Some(Position(next)) })
    }

    async fn send(&self, message: Outgoing<'_>) -> Result<Pending, Failure> {
        let workspace = &self.nats.settings.workspace;
        let event = message.event;
        let refused = |error: crate::record::cloud_event::NotJson| Failure::Refused(error.to_string());
        let mut body = CloudEvent::of(workspace, event, true).map_err(refused)?.to_json();
        if body.len() + HEADERS_BYTES > self.nats.client.max_payload() {
            body = CloudEvent::of(workspace, event, false).map_err(refused)?.to_json();
        }
        let publish = PublishMessage::build().payload(body.into()).headers(Self::headers(&message));
        let subject = subject::of_event(workspace, &event.stream, &event.event.kind);
        let pending = self.nats.context.send_publish(subject, publish).await.map_err(|error| failure(&error))?;
        Ok(pending.into_future().map(|answer| taken(answer.as_ref())).boxed())
    }

    async fn describe(&self) -> Result<String, Failure> {
        let standing = self.standing().await;
        let info = self.nats.client.server_info();
        let (name, version) = (&self.shape.name, info.version);
        match standing {
            Ok(Standing { next: Some(next), .. }) => {
                Ok(format!("server {version}; stream {name} goes up to position {next}"))
            }
            Ok(Standing { next: None, .. }) => Ok(format!("server {version}; stream {name} is empty")),
            Err(failure) => Err(failure),
        }
    }
}

use std::future::IntoFuture as _;

fn taken(answer: Result<&async_nats::jetstream::publish::PublishAck, &PublishError>) -> Result<Taken, Failure> {
    match answer {
        Ok(ack) if ack.duplicate => Ok(Taken::Known),
        Ok(ack) => Ok(Taken::Stored(Sequence(ack.sequence))),
        Err(error) => Err(failure(error)),
    }
}

fn failure(error: &PublishError) -> Failure {
    let cause = std::error::Error::source(error);
    let said = cause.map_or_else(|| error.to_string(), ToString::to_string);
    match error.kind() {
        PublishErrorKind::WrongLastSequence => Failure::Moved,
        PublishErrorKind::StreamNotFound => {
            Failure::Refused("no stream takes our subjects: it is gone, or JetStream is off".into())
        }
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
            Failure::Unavailable(format!("no answer: {said}"))
        }
        PublishErrorKind::MaxPayloadExceeded => Failure::Refused(said),
        PublishErrorKind::WrongLastMessageId | PublishErrorKind::Other => {
            let code = cause.and_then(|cause| cause.downcast_ref::<async_nats::jetstream::Error>());
            match code.map(async_nats::jetstream::Error::error_code) {
                Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT) => Failure::Moved,
                // The server is short of something, or has no leader at the moment.
                _ => Failure::Unavailable(said),
            }
        }
    }
}
