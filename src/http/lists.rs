//! Lists from the read models: paging, rows as JSON, and lists without logic of their own.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{
    Server,
    call::{Answer, Call},
    problem::{Problem, Success},
};
use crate::{
    projections::{
        Row, Value,
        query::{PAGE_ROWS_MAX, Page, Query},
    },
    services::operators::health,
};

/// Default number of rows per page.
const PAGE_ROWS: u32 = 100;
/// Columns that are not shown: bookkeeping, and what could help to forge a notification.
pub const HIDDEN_COLUMNS: [&str; 3] = ["position", "removed", "token_hash"];

/// Paging of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Maximum number of items, 1 to 1,000 [default: 100].
    pub limit: Option<u32>,
    /// `next` of the previous page.
    pub cursor: Option<String>,
}

/// A page of rows.
#[derive(Debug, Serialize)]
struct Rows {
    items: Vec<Json>,
    next: Option<String>,
}

impl Paging {
    fn page(&self, columns: usize) -> Result<Page, Problem> {
        let limit = self.limit.unwrap_or(PAGE_ROWS);
        if !(1..=PAGE_ROWS_MAX).contains(&limit) {
            return Err(Problem::field("limit", format!("must be a number from 1 to {PAGE_ROWS_MAX}")));
        }
        let unfit = || Problem::field("cursor", "must be `next` of the previous page, or left out");
        let after = match &self.cursor {
            None => None,
            Some(text) => {
                let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| unfit())?;
                let after: Vec<String> = serde_json::from_slice(&bytes).map_err(|_| unfit())?;
                Some(after).filter(|after| after.len() == columns).ok_or_else(unfit)?.into()
            }
        };
        Ok(Page { after, limit })
    }
}

/// A page of rows, and the cursor of the next one.
///
/// # Errors
/// `limit` or `cursor` is invalid, or the read models are not available.
pub async fn page(
    server: &Server,
    paging: &Paging,
    query: impl Fn(Page) -> Query,
) -> Result<(Vec<Row>, Option<String>), Problem> {
    let order = query(Page::first(1)).order();
    let page = paging.page(order.len())?;
    let limit = page.limit as usize;
    let query = query(page);
    let rows = server.read_models.ask(&query).await?;
    let rows = server.journal.open_rows(&query, rows).await?;
    let next = rows.last().filter(|_| rows.len() >= limit).map(|last| {
        let after: Vec<&str> = order.iter().map(|column| last.text(column).unwrap_or_default()).collect();
        BASE64URL_NOPAD.encode(Json::from(after).to_string().as_bytes())
    });
    Ok((rows, next))
}

/// A row as JSON.
pub fn row_json(row: &Row) -> Json {
    let mut object = Map::new();
    for (name, value) in row.cells().filter(|(name, _)| !HIDDEN_COLUMNS.contains(name)) {
        let json = match value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::from(*flag),
            Value::Int(number) => Json::from(*number),
            Value::Text(text) => Json::from(text.as_str()),
        };
        object.insert(name.to_owned(), json);
    }
    Json::Object(object)
}

/// A page of rows as a response.
///
/// # Errors
/// As [`page`].
pub async fn answer(server: &Server, paging: &Paging, query: impl Fn(Page) -> Query) -> Result<Answer, Problem> {
    let (rows, next) = page(server, paging, query).await?;
    Answer::json(Success::Ok, &Rows { items: rows.iter().map(row_json).collect(), next })
}

/// Lists dead letters: what was given up and needs an operator.
pub async fn dead_letters(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call.query()?, Query::DeadLetters).await
}

/// Lists connections.
pub async fn connections(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call.query()?, Query::Connections).await
}

/// Lists remote calendars.
pub async fn calendars(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call.query()?, Query::Calendars).await
}

/// Lists push channels.
pub async fn channels(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call.query()?, Query::Channels).await
}

/// Lists the sync cursors of calendars.
pub async fn cursors(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call.query()?, Query::Cursors).await
}

/// Filters of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveriesQuery {
    /// `received`, `applied` or `refused`.
    status: Option<String>,
    /// Maximum number of items, 1 to 1,000 [default: 100].
    limit: Option<u32>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// Lists deliveries from sources.
pub async fn deliveries(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let query: DeliveriesQuery = call.query()?;
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    answer(&server, &paging, |page| Query::Deliveries(query.status.clone(), page)).await
}

/// The read models and how far each is behind.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProjectionList {
    /// The read models.
    items: Vec<health::Lag>,
}

/// Lists read models and how far each is behind.
pub async fn projections(server: Arc<Server>, _: Call) -> Result<Answer, Problem> {
    Answer::json(Success::Ok, &ProjectionList { items: health::lags(&server.projector).await? })
}
