//! Links: which booking is which remote entry, and a person's word about changes that wait.

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

/// Which links to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinksQuery {
    /// `ACTIVE`, `CANCELED`, `PENDING`, `WITHHELD`, `FAILED` or `DETACHED`.
    status: Option<String>,
    /// Through this connection.
    connection: Option<String>,
    /// Of this resource.
    resource: Option<String>,
    /// Only those that a person should look at.
    #[serde(default)]
    attention: bool,
    /// At most so many, 1 to 1,000; 100 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What became of a person's word.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HeldChangeReceipt {
    /// The link.
    link: String,
    /// Whether the change is taken over (or the entry put back).
    accepted: bool,
}

/// Links.
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

/// One link.
pub async fn show(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let id = wanted(&call)?;
    let rows = server.read_models.ask(&Query::Link(id)).await?;
    let row = rows.first().ok_or_else(|| Problem::not_found("link", call.param("id")))?;
    Answer::json(Success::Ok, &lists::row_json(row))
}

/// Takes the change that waits over.
pub async fn accept(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer_held(&server, &call, true).await
}

/// Puts the entry back.
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
