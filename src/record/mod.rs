//! Floor 1: how events are stored: streams, envelopes, sealing of personal data, versions, schemas.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod checkpoint;
pub mod cloud_event;
pub mod codec;
pub mod envelope;
pub mod event_ids;
pub mod export;
pub mod leaf;
pub mod merkle;
pub mod metadata;
pub mod note;
pub mod schema;
pub mod sealing;
pub mod signing;
pub mod since;
pub mod stream;
pub mod subject;
pub mod upcast;
pub mod wrap;
