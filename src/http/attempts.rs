//! The log of attempts, and another try at what was given up.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    lists::{self, Paging},
    problem::{Done, Problem},
};
use crate::{
    projections::query::{AttemptFilter, Query},
    record::envelope::Origin,
    services::operators::reprocess::{Reprocessed, reprocess},
};

/// Which attempts to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttemptsQuery {
    /// `running`, `success`, `fail` or `unknown`.
    status: Option<String>,
    /// Only those that failed: the same as `status=fail`.
    #[serde(default)]
    failed: bool,
    /// Of this link.
    link: Option<String>,
    /// Through this connection.
    connection: Option<String>,
    /// `push` or `pull`.
    direction: Option<String>,
    /// At most so many, 1 to 1,000; 100 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What is tried again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Retried {
    /// `link` or `delivery`.
    kind: &'static str,
    /// Which one.
    id: String,
}

/// Attempts, the newest first.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let asked: AttemptsQuery = call.query()?;
    let status = if asked.failed { Some("fail".to_owned()) } else { asked.status };
    let filter = AttemptFilter { status, link: asked.link, connection: asked.connection, direction: asked.direction };
    let paging = Paging { limit: asked.limit, cursor: asked.cursor };
    lists::answer(&server, &paging, |page| Query::Attempts(filter.clone(), page)).await
}

/// One attempt.
pub async fn show(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let rows = server.read_models.ask(&Query::Attempt(call.param("id").to_owned())).await?;
    let row = rows.first().ok_or_else(|| Problem::not_found("attempt", call.param("id")))?;
    Answer::json(Done::Ok, &lists::shown(row))
}

/// Tries again what was given up.
pub async fn again(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let done = reprocess(&server.journal, call.param("id"), &call.context(Origin::Admin)?).await?;
    let retried = match done {
        Reprocessed::Link(link) => Retried { kind: "link", id: link.to_string() },
        Reprocessed::Delivery(id) => Retried { kind: "delivery", id },
    };
    Answer::json(Done::Accepted, &retried)
}
