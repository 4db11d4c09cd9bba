//! Approvals of mass deletions: list, grant, deny.

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

/// Filters of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalsQuery {
    /// `open`, `granted` or `denied`.
    status: Option<String>,
    /// Maximum number of items, 1 to 1,000 [default: 100].
    limit: Option<u32>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// The answer to an approval.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApprovalAnswer {
    /// Id of the approval.
    approval: String,
    /// `true` if granted, `false` if denied.
    granted: bool,
}

/// Lists approvals.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: ApprovalsQuery = call.query()?;
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    lists::answer(&server, &paging, |page| Query::Approvals(query.status.clone(), page)).await
}

/// Grants: the deletions were meant.
pub async fn grant(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer_approval(&server, &call, true).await
}

/// Denies: the deletions were an accident.
pub async fn deny(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer_approval(&server, &call, false).await
}

async fn answer_approval(server: &Server, call: &Call, granted: bool) -> Result<Answer, Problem> {
    let approval = call.param("id").to_owned();
    let context = call.context(Origin::Admin)?;
    approve::answer(&server.journal, &server.workspace, &approval, granted, &context).await?;
    Answer::json(Success::Ok, &ApprovalAnswer { approval, granted })
}
