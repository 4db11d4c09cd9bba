//! Events and ids in the wire format, both ways. Metadata keys are defined in `record/metadata.rs`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use prost::bytes::Bytes;
use uuid::Uuid;

use super::{
    refusal::Refusal,
    wire::{
        self, StreamIdentifier, Timestamp,
        streams::{ReadResp, append_req, batch_append_req, read_resp},
    },
};
use crate::{
    domain::ids::EventId,
    ports::event_store::EVENT_BYTES_MAX,
    record::{envelope::StoredEvent, metadata},
    services::external_events::ProposedEvent,
};

/// The only supported content type.
const JSON: &str = "application/json";

/// Requested format of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// As text.
    Text,
    /// As two numbers.
    Numbers,
}

/// An id in the requested format.
pub(super) fn write_id(id: Uuid, how: Ids) -> wire::Uuid {
    let value = match how {
        Ids::Text => wire::uuid::Value::String(id.to_string()),
        Ids::Numbers => {
            let (most, least) = id.as_u64_pair();
            wire::uuid::Value::Structured(wire::uuid::Structured {
                most_significant_bits: most.cast_signed(),
                least_significant_bits: least.cast_signed(),
            })
        }
    };
    wire::Uuid { value: Some(value) }
}

/// A received id; `None` if it is missing or not a UUID.
pub(super) fn read_id(id: Option<&wire::Uuid>) -> Option<Uuid> {
    match id?.value.as_ref()? {
        wire::uuid::Value::String(text) => Uuid::parse_str(text).ok(),
        wire::uuid::Value::Structured(bits) => Some(Uuid::from_u64_pair(
            bits.most_significant_bits.cast_unsigned(),
            bits.least_significant_bits.cast_unsigned(),
        )),
    }
}

/// A stored event as a read response.
pub(super) fn answer(recorded: StoredEvent, ids: Ids) -> ReadResp {
    let position = recorded.position.0;
    let custom = metadata::write_recorded(&recorded);
    let fields = [
        ("type", recorded.event.kind),
        ("content-type", JSON.to_owned()),
        ("created", ticks(recorded.event.recorded_at).to_string()),
    ];
    let event = read_resp::read_event::RecordedEvent {
        id: Some(write_id(recorded.event.id.0, ids)),
        stream_identifier: Some(StreamIdentifier { stream_name: recorded.stream.to_string().into_bytes() }),
        stream_revision: recorded.version.0,
        prepare_position: position,
        commit_position: position,
        metadata: fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        custom_metadata: Bytes::from(custom),
        data: Bytes::from(recorded.event.data),
    };
    let event = read_resp::ReadEvent {
        event: Some(event),
        link: None,
        position: Some(read_resp::read_event::Position::CommitPosition(position)),
    };
    ReadResp { content: Some(read_resp::Content::Event(event)) }
}

/// Units of 100 ns since 1970; 0 before that.
fn ticks(at: DateTime<Utc>) -> u64 {
    u64::try_from(at.timestamp_micros()).unwrap_or(0).saturating_mul(10)
}

/// A time in the wire format.
pub(super) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(i32::MAX);
    Timestamp { seconds: at.timestamp(), nanos }
}

/// An event of an append as received.
pub(super) struct ReceivedEvent {
    id: Option<wire::Uuid>,
    metadata: HashMap<String, String>,
    custom: Bytes,
    data: Bytes,
}

impl From<append_req::ProposedMessage> for ReceivedEvent {
    fn from(it: append_req::ProposedMessage) -> Self {
        Self { id: it.id, metadata: it.metadata, custom: it.custom_metadata, data: it.data }
    }
}

impl From<batch_append_req::ProposedMessage> for ReceivedEvent {
    fn from(it: batch_append_req::ProposedMessage) -> Self {
        Self { id: it.id, metadata: it.metadata, custom: it.custom_metadata, data: it.data }
    }
}

impl ReceivedEvent {
    /// Its size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let map: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.data.len() + self.custom.len() + map
    }

    /// The proposed event.
    ///
    /// # Errors
    /// `Invalid`, with the event and what is wrong.
    pub(super) fn proposed(mut self) -> Result<ProposedEvent, Refusal> {
        let Some(id) = read_id(self.id.as_ref()) else {
            return Err(Refusal::Invalid("an event has no valid id (a UUID)".to_owned()));
        };
        let invalid = |why: String| Refusal::Invalid(format!("event {id}: {why}"));
        let Some(kind) = self.metadata.remove("type") else { return Err(invalid("it has no type".to_owned())) };
        match self.metadata.get("content-type").map(String::as_str) {
            Some(JSON) => {}
            Some(other) => return Err(invalid(format!("its content type is {other:?}; send {JSON}"))),
            None => return Err(invalid(format!("it has no content-type: send {JSON}"))),
        }
        if self.data.len() > EVENT_BYTES_MAX {
            return Err(invalid(format!("its data has {} bytes; the maximum is {EVENT_BYTES_MAX}", self.data.len())));
        }
        let data = String::from_utf8(self.data.into()).map_err(|_| invalid("its data is not UTF-8".to_owned()))?;
        let metadata = metadata::read(&self.custom).map_err(|error| invalid(error.to_string()))?;
        Ok(ProposedEvent { id: EventId(id), kind, metadata, data })
    }
}
