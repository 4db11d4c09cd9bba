//! People whose words stand in the ledger: forgetting them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    problem::{Done, Problem},
};
use crate::{
    domain::ids::SubjectId,
    record::envelope::Origin,
    services::people::{
        forget::{Erased, erase},
        forget_outside::{Left, left},
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
    erased: Erased,
    /// What was not, and where.
    left: Left,
}

/// Forgets a person.
pub async fn forget(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let asked: EraseQuery = call.query()?;
    let subject = SubjectId::new(call.param("id")).map_err(|_| Problem::not_found("subject", call.param("id")))?;
    let context = call.context(Origin::Admin)?;
    let erased = erase(&server.journal, &server.workspace, &subject, asked.unseen, &context).await?;
    // Where read models lag, what they do not know yet is missing in the report, not in the erasure.
    let left = left(&server.journal, &*server.read_models, &subject).await?;
    Answer::json(Done::Ok, &Erasure { erased, left })
}
