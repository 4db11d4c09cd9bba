//! Compares a live table with a full replay of the ledger.

use super::{
    project::{Error, Projector},
    rebuild::{Options, Replay, Report, Step},
};
use crate::{ports::projection_store::TableCopy, projections};

/// Attempts to catch a live table while it does not change.
const TRIES_MAX: u32 = 50;

impl Report {
    /// Whether the live and the replayed table are equal.
    pub fn clean(&self) -> bool {
        self.comparison.as_ref().is_some_and(|comparison| comparison.differing == 0)
    }
}

impl Projector {
    /// Replays a projection into a temporary table, compares it with the live one, and drops it.
    ///
    /// # Errors
    /// A store is unavailable, or an event cannot be read.
    pub async fn diff(
        &self,
        name: &str,
        options: Options,
        on_progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Report, Error> {
        let projection = projections::named(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let mut replay = Replay::start(self, projection, TableCopy::Check, options).await?;
        let mut found = Ok(None);
        for _ in 0..TRIES_MAX {
            found = replay.replay_and_compare(on_progress).await;
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
