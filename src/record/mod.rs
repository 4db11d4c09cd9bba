//! Floor 1: how facts are written down: streams, envelopes, sealing of personal data, versions, schemas.

pub mod envelope;
pub mod stream;
