//! Questions to the read models, which are brought up to date first.

use super::CliError;
use crate::{
    app::Stores,
    projections::{
        Row,
        query::{PAGE_ROWS_MAX, Page, Query},
    },
};

/// Facts projected per step before a question is answered.
const STEP_FACTS: usize = 2_000;

/// Brings the read models up to the end of the ledger.
pub async fn refresh(stores: &Stores) -> Result<(), CliError> {
    let progress = stores.projector.catch_up(STEP_FACTS).await?;
    match progress.stopped.first() {
        None => Ok(()),
        Some(stopped) => {
            Err(CliError::refused(format!("projection {} has stopped: {}", stopped.projection, stopped.poison)))
        }
    }
}

/// All rows of a short answer, without paging.
pub async fn rows(stores: &Stores, query: &Query) -> Result<Vec<Row>, CliError> {
    let rows = stores.models.ask(query).await.map_err(CliError::refused)?;
    Ok(stores.journal.open_rows(query, rows).await?)
}

/// The first `limit` rows of a paged answer.
pub async fn first(stores: &Stores, limit: usize, query: impl Fn(Page) -> Query) -> Result<Vec<Row>, CliError> {
    let mut all: Vec<Row> = Vec::new();
    let mut after = None;
    loop {
        let most = u32::try_from(limit - all.len()).unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
        let query = query(Page { after: after.take(), limit: most });
        let page = rows(stores, &query).await?;
        let full = page.len() >= most as usize;
        after = page
            .last()
            .map(|row| query.order().iter().map(|column| row.text(column).unwrap_or_default().to_owned()).collect());
        all.extend(page);
        if !full || all.len() >= limit || after.is_none() {
            return Ok(all);
        }
    }
}

/// All rows of a paged answer.
pub async fn all(stores: &Stores, query: impl Fn(Page) -> Query) -> Result<Vec<Row>, CliError> {
    first(stores, usize::MAX, query).await
}
