//! Links: which booking is which remote entry, and answers to changes that are waiting.

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
    domain::ids::LinkId,
    projections::query::{LinkFilter, Query},
    record::envelope::Origin,
    services::operators::answer::answer,
};

/// Filters of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinksQuery {
    /// `ACTIVE`, `CANCELED`, `PENDING`, `WITHHELD`, `FAILED` or `DETACHED`.
    status: Option<String>,
    /// Only through this connection.
    connection: Option<String>,
    /// Only for this resource.
    resource: Option<String>,
    /// Only links that need attention.
    #[serde(default)]
    attention: bool,
    /// Maximum number of items, 1 to 1,000 [default: 100].
    limit: Option<u32>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// The answer to a change that was waiting.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HeldChangeReceipt {
    /// Id of the link.
    link: String,
    /// `true` if the change is accepted, `false` if the entry is restored.
    accepted: bool,
}

/// Lists links.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: LinksQuery = call.query()?;
    let filter = LinkFilter {
        status: query.status,
        connection: query.connection,
        resource: query.resource,
        attention: query.attention,
    };
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    lists::answer(&server, &paging, |page| Query::Links(filter.clone(), page)).await
}

/// Returns one link.
pub async fn show(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let id = wanted(&call)?;
    let rows = server.read_models.ask(&Query::Link(id)).await?;
    let row = rows.first().ok_or_else(|| Problem::not_found("link", call.param("id")))?;
    Answer::json(Success::Ok, &lists::row_json(row))
}

/// Accepts the change that is waiting.
pub async fn accept(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer_held(&server, &call, true).await
}

/// Rejects the change and restores the entry.
pub async fn reject(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer_held(&server, &call, false).await
}

async fn answer_held(server: &Server, call: &Call, accept: bool) -> Result<Answer, Problem> {
    let id = wanted(call)?;
    answer(&server.journal, &id, accept, &call.context(Origin::Admin)?).await?;
    Answer::json(Success::Accepted, &HeldChangeReceipt { link: id.to_string(), accepted: accept })
}

fn wanted(call: &Call) -> Result<LinkId, Problem> {
    LinkId::new(call.param("id")).map_err(|_| Problem::not_found("link", call.param("id")))
}
