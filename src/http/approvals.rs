//! Approvals: what waits for an operator's word, and the word.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    lists::{self, Paging},
    problem::{Problem, Success},
};
use crate::{projections::query::Query, record::envelope::Origin, services::sync::approve};

/// Which approvals to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalsQuery {
    /// `open`, `granted` or `denied`.
    status: Option<String>,
    /// At most so many, 1 to 1,000; 100 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// An approval's answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApprovalAnswer {
    /// Which.
    approval: String,
    /// Yes or no.
    granted: bool,
}

/// Approvals.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: ApprovalsQuery = call.query()?;
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    lists::answer(&server, &paging, |page| Query::Approvals(query.status.clone(), page)).await
}

/// Yes: it was meant.
pub async fn grant(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer_approval(&server, &call, true).await
}

/// No: it was not meant.
pub async fn deny(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer_approval(&server, &call, false).await
}

async fn answer_approval(server: &Server, call: &Call, granted: bool) -> Result<Answer, Problem> {
    let approval = call.param("id").to_owned();
    let context = call.context(Origin::Admin)?;
    approve::answer(&server.journal, &server.workspace, &approval, granted, &context).await?;
    Answer::json(Success::Ok, &ApprovalAnswer { approval, granted })
}
