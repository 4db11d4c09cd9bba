//! Events and ids on the wire, both ways. The metadata's keys are `record/metadata.rs`'s.

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

/// The only type of content there is.
const JSON: &str = "application/json";

/// How a reader wants ids written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// As text.
    Text,
    /// As two numbers.
    Numbers,
}

/// An id as the reader wants it.
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

/// An id as it came; `None` where there is none, or it is no UUID.
pub(super) fn read_id(id: Option<&wire::Uuid>) -> Option<Uuid> {
    match id?.value.as_ref()? {
        wire::uuid::Value::String(text) => Uuid::parse_str(text).ok(),
        wire::uuid::Value::Structured(bits) => Some(Uuid::from_u64_pair(
            bits.most_significant_bits.cast_unsigned(),
            bits.least_significant_bits.cast_unsigned(),
        )),
    }
}

/// A stored event as an answer to a read.
pub(super) fn answer(recorded: StoredEvent, ids: Ids) -> ReadResp {
    let position = recorded.position.0;
    let custom = metadata::write_recorded(&recorded);
    let said = [
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
        metadata: said.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
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

/// A time as the wire has it.
pub(super) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(i32::MAX);
    Timestamp { seconds: at.timestamp(), nanos }
}

/// An event of an append as it came.
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
    /// How many bytes it has in all that is of any length.
    pub(super) fn bytes(&self) -> usize {
        let map: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.data.len() + self.custom.len() + map
    }

    /// The event that is proposed.
    ///
    /// # Errors
    /// `Invalid` names it and says what is wrong.
    pub(super) fn proposed(mut self) -> Result<ProposedEvent, Refusal> {
        let Some(id) = read_id(self.id.as_ref()) else {
            return Err(Refusal::Invalid("an event has no id that is a UUID".to_owned()));
        };
        let invalid = |why: String| Refusal::Invalid(format!("event {id}: {why}"));
        let Some(kind) = self.metadata.remove("type") else { return Err(invalid("it says no type".to_owned())) };
        match self.metadata.get("content-type").map(String::as_str) {
            Some(JSON) => {}
            Some(other) => return Err(invalid(format!("its content type is {other:?}; this ledger keeps {JSON}"))),
            None => return Err(invalid(format!("it says no content-type: send {JSON}"))),
        }
        if self.data.len() > EVENT_BYTES_MAX {
            return Err(invalid(format!("its data has {} bytes; {EVENT_BYTES_MAX} are allowed", self.data.len())));
        }
        let data = String::from_utf8(self.data.into()).map_err(|_| invalid("its data is not UTF-8".to_owned()))?;
        let metadata = metadata::read(&self.custom).map_err(|error| invalid(error.to_string()))?;
        Ok(ProposedEvent { id: EventId(id), kind, metadata, data })
    }
}
