//! Page and sync tokens: opaque to callers, plain JSON inside.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Google,
    errors::{error, invalid},
};
use crate::ports::transport::Response;

/// Where a listing goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PageToken {
    /// The query it belongs to.
    pub fingerprint: String,
    /// The sort key and making of the last entry given: the next page starts after it.
    pub after: (i64, u64),
    /// The change up to which the listing's delta will begin.
    pub since: u64,
    /// Whether the page before was empty: two in a row would never end.
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
    /// Tokens of an older generation have been expired by hand.
    pub generation: u64,
    /// When it was given out.
    pub issued_at: DateTime<Utc>,
}

pub(super) fn encode(token: &impl Serialize) -> String {
    BASE64URL_NOPAD.encode(&serde_json::to_vec(token).unwrap_or_default())
}

pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()?).ok()
}

impl Google {
    /// Reads a sync token. One that is no token is 400; one that is not good any more, or belongs to another calendar,
    /// is 410; one of another query is 400, since the caller broke the rule that the query stays the same.
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
