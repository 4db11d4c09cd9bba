//! People whose words stand in the ledger: forgetting them.

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

/// How to forget somebody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseQuery {
    /// Also where nothing was ever recorded about them: then nothing ever will be.
    #[serde(default)]
    unseen: bool,
}

/// What was done, and what is out of reach.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Erasure {
    /// What was done.
    erased: ErasureOutcome,
    /// What was not, and where.
    left: RemainingCopies,
}

/// Forgets a person.
pub async fn forget(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: EraseQuery = call.query()?;
    let subject = SubjectId::new(call.param("id")).map_err(|_| Problem::not_found("subject", call.param("id")))?;
    let context = call.context(Origin::Admin)?;
    let erased = erase(&server.journal, &server.workspace, &subject, query.unseen, &context).await?;
    // Where read models lag, what they do not know yet is missing in the report, not in the erasure.
    let left = remaining_copies(&server.journal, &*server.read_models, &subject).await?;
    Answer::json(Success::Ok, &Erasure { erased, left })
}
