//! The log of attempts, and retries of those given up.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    lists::{self, Paging},
    problem::{Problem, Success},
};
use crate::{
    projections::query::{AttemptFilter, Query},
    record::envelope::Origin,
    services::operators::reprocess::{ReprocessTarget, reprocess},
};

/// Filters of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttemptsQuery {
    /// `running`, `success`, `fail` or `unknown`.
    status: Option<String>,
    /// Only failed ones: the same as `status=fail`.
    #[serde(default)]
    failed: bool,
    /// Only for this link.
    link: Option<String>,
    /// Only through this connection.
    connection: Option<String>,
    /// `push` or `pull`.
    direction: Option<String>,
    /// Maximum number of items, 1 to 1,000 [default: 100].
    limit: Option<u32>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// What is retried.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReprocessReceipt {
    /// `link` or `delivery`.
    kind: &'static str,
    /// Id of the link or delivery.
    id: String,
}

/// Lists attempts, newest first.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: AttemptsQuery = call.query()?;
    let status = if query.failed { Some("fail".to_owned()) } else { query.status };
    let filter = AttemptFilter { status, link: query.link, connection: query.connection, direction: query.direction };
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    lists::answer(&server, &paging, |page| Query::Attempts(filter.clone(), page)).await
}

/// One attempt.
pub async fn show(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let rows = server.read_models.ask(&Query::Attempt(call.param("id").to_owned())).await?;
    let row = rows.first().ok_or_else(|| Problem::not_found("attempt", call.param("id")))?;
    Answer::json(Success::Ok, &lists::row_json(row))
}

/// Retries what was given up.
pub async fn retry(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let done = reprocess(&server.journal, call.param("id"), &call.context(Origin::Admin)?).await?;
    let retried = match done {
        ReprocessTarget::Link(link) => ReprocessReceipt { kind: "link", id: link.to_string() },
        ReprocessTarget::Delivery(id) => ReprocessReceipt { kind: "delivery", id },
    };
    Answer::json(Success::Accepted, &retried)
}
