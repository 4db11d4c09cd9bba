//! Page and sync tokens: opaque to callers, plain JSON inside.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Google,
    errors::{error, invalid},
};
use crate::ports::transport::Response;

/// Where a listing continues.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PageToken {
    /// The query it belongs to.
    pub fingerprint: String,
    /// Sort key and creation number of the last entry returned: the next page starts after it.
    pub after: (i64, u64),
    /// The change after which the listing's delta will begin.
    pub since: u64,
    /// Whether the previous page was empty: two in a row would never end.
    pub was_empty: bool,
}

/// Where the next delta starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SyncToken {
    /// The calendar it belongs to.
    pub of: String,
    /// The query it belongs to.
    pub fingerprint: String,
    /// The last change that was listed.
    pub since: u64,
    /// Tokens of older generations have been invalidated.
    pub generation: u64,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
}

pub(super) fn encode(token: &impl Serialize) -> String {
    BASE64URL_NOPAD.encode(&serde_json::to_vec(token).unwrap_or_default())
}

pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()?).ok()
}

impl Google {
    /// Parses a sync token. An invalid one is 400; one that has expired, or belongs to another calendar,
    /// is 410; one of another query is 400, because the query must stay the same.
    pub(super) fn valid_sync_token(
        &self,
        text: &str,
        of: &str,
        fingerprint: &str,
        now: DateTime<Utc>,
    ) -> Result<SyncToken, Response> {
        let token: SyncToken = decode(text).ok_or_else(|| invalid("Invalid sync token value."))?;
        let expired = token.generation != self.sync_generation || token.issued_at < now - self.settings.tombstone_life;
        if expired || token.of != of {
            return Err(error(410, "fullSyncRequired"));
        }
        if token.fingerprint != fingerprint {
            return Err(invalid("The sync token belongs to a query with other parameters."));
        }
        Ok(token)
    }
}
