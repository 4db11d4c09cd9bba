//! Erasing a person's data.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    problem::{Problem, Success},
};
use crate::{
    domain::ids::SubjectId,
    record::envelope::Origin,
    services::people::{
        forget::{ErasureOutcome, erase},
        forget_outside::{RemainingCopies, remaining_copies},
    },
};

/// Options of an erasure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseQuery {
    /// Record the erasure even if nothing is known about them, so that they can never be added later.
    #[serde(default)]
    unseen: bool,
}

/// What was erased, and what is out of our reach.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Erasure {
    /// What was erased.
    erased: ErasureOutcome,
    /// Copies that were not erased, and where they are.
    left: RemainingCopies,
}

/// Erases a person's data.
pub async fn forget(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: EraseQuery = call.query()?;
    let subject = SubjectId::new(call.param("id")).map_err(|_| Problem::not_found("subject", call.param("id")))?;
    let context = call.context(Origin::Admin)?;
    let erased = erase(&server.journal, &server.workspace, &subject, query.unseen, &context).await?;
    // If the read models are behind, entries may be missing from the report, but the erasure is complete.
    let left = remaining_copies(&server.journal, &*server.read_models, &subject).await?;
    Answer::json(Success::Ok, &Erasure { erased, left })
}
