//! The audit trail over HTTP: the newest checkpoint, and proofs for it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    problem::{Kind, Problem, Success},
};
use crate::{domain::ids::EventId, record::checkpoint::write_hash, services::audit::Side};

/// The newest checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LatestCheckpoint {
    /// Number of events it covers.
    size: u64,
    /// RFC 6962 root hash over them, in base64.
    root: String,
    /// The signed note (C2SP tlog-checkpoint).
    checkpoint: String,
    /// Position of the event that records it.
    position: u64,
    /// Public keys of the ledger's checkpoints, past and present; the current one is last.
    keys: Vec<String>,
}

/// Which two sizes of the ledger to compare.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyQuery {
    /// The smaller number of events [default: 1].
    from: Option<u64>,
    /// The larger number of events [default: the size of the newest checkpoint].
    to: Option<u64>,
}

/// Returns the newest checkpoint.
pub async fn checkpoint(server: Arc<Server>, _call: Call) -> Result<Answer, Problem> {
    let Some(latest) = server.audit.latest().await?.0 else {
        return Err(Problem::new(Kind::NotFound, "no checkpoint has been sealed yet"));
    };
    let mut keys = server.audit.keys().known().await.map_err(crate::services::Error::from)?;
    keys.sort_by_key(|key| (key.retired_at.is_none(), key.created_at));
    Answer::json(
        Success::Ok,
        &LatestCheckpoint {
            size: latest.checkpoint.size,
            root: write_hash(&latest.checkpoint.root),
            checkpoint: latest.note,
            position: latest.position.0,
            keys: keys.into_iter().map(|key| key.verifier.to_string()).collect(),
        },
    )
}

/// Proves that an event is in the ledger that the newest checkpoint covers.
pub async fn proof(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let text = call.param("event");
    let id = text.parse().map(EventId);
    let id = id.map_err(|_| Problem::new(Kind::NotFound, format!("there is no event {text:?}")))?;
    Answer::json(Success::Ok, &server.audit.inclusion(id, None).await?)
}

/// Proves that the ledger at one size continues the ledger at another.
pub async fn consistency(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let ConsistencyQuery { from, to } = call.query()?;
    let to = match to {
        Some(to) => to,
        None => match server.audit.latest().await?.0 {
            Some(latest) => latest.checkpoint.size,
            None => return Err(Problem::new(Kind::NotFound, "no checkpoint has been sealed yet")),
        },
    };
    let (from, to) = (Side::Size(from.unwrap_or(1)), Side::Size(to));
    Answer::json(Success::Ok, &server.audit.consistency(&from, &to).await?)
}
