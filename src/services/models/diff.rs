//! Holds a live table against a replay from zero: what should be there by the ledger, and what is.

use super::{
    project::{Error, Projector},
    rebuild::{Options, Replay, Report, Step},
};
use crate::{ports::projection_store::TableCopy, projections};

/// How often a live table that moves on is followed.
const TRIES_MAX: u32 = 50;

impl Report {
    /// Whether live and replayed table were found equal.
    pub fn clean(&self) -> bool {
        self.comparison.as_ref().is_some_and(|comparison| comparison.differing == 0)
    }
}

impl Projector {
    /// Replays the projection of that name into a table of its own, compares, and throws that away again.
    ///
    /// # Errors
    /// Where anything gives no answer, or a fact cannot be read.
    pub async fn diff(
        &self,
        name: &str,
        options: Options,
        told: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Report, Error> {
        let projection = projections::named(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let mut replay = Replay::start(self, projection, TableCopy::Check, options).await?;
        let mut found = Ok(None);
        for _ in 0..TRIES_MAX {
            found = replay.compared(told).await;
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        let report = found.map(|comparison| replay.report(comparison));
        let discarded = self.models.discard(projection, TableCopy::Check).await;
        let report = report?;
        discarded?;
        Ok(report)
    }
}
