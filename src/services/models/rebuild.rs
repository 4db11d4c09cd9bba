//! Fills a new copy of a projection's table, then swaps it in. Makes no calls and appends nothing, and the live
//! table stays in use meanwhile.

use chrono::{DateTime, TimeDelta, Utc};

use super::project::{Error, Projector};
use crate::{
    domain::ids::Position,
    ports::projection_store::{Comparison, Failure, TableCopy},
    projections::{self, Projection},
};

/// Attempts to catch up with a live table that keeps changing, before it is swapped in regardless.
const TRIES_MAX: u32 = 50;

/// Options of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Events per transaction.
    pub batch: usize,
    /// Maximum number of differing rows to show.
    pub examples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch: 2_000, examples: 10 }
    }
}

/// Progress of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Events replayed.
    pub done: u64,
    /// Events in total, at present.
    pub total: u64,
    /// Events per second so far; 0 before the clock has moved.
    pub rate: f64,
    /// Remaining time at that rate; `None` without a rate.
    pub left: Option<TimeDelta>,
}

/// Result of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Name of the projection.
    pub projection: &'static str,
    /// Version of its definition.
    pub version: u32,
    /// The position it reached.
    pub position: Position,
    /// Events replayed.
    pub facts: u64,
    /// Duration.
    pub took: TimeDelta,
    /// Comparison of the live with the replayed table; `None` if the live one kept changing.
    pub comparison: Option<Comparison>,
}

impl Projector {
    /// Rebuilds a projection. `on_progress` is called after every batch.
    ///
    /// # Errors
    /// A store is unavailable, or an event cannot be read; the live table is unchanged.
    pub async fn rebuild(
        &self,
        name: &str,
        options: Options,
        on_progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Report, Error> {
        let projection = projections::named(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let mut replay = Replay::start(self, projection, TableCopy::Next, options).await?;
        let rebuilt = async {
            let mut tries = 0;
            loop {
                let comparison = replay.replay_and_compare(on_progress).await?;
                tries += 1;
                if comparison.is_none() && tries < TRIES_MAX {
                    continue;
                }
                // A busy live table is swapped in the end: it falls back by the few events that came while
                // we waited for the lock, which are projected again at once.
                let behind_max = if tries < TRIES_MAX { 0 } else { options.batch as u64 };
                match self.models.swap(projection, behind_max, self.clock.now()).await {
                    Ok(()) => return Ok(replay.report(comparison)),
                    Err(Failure::Moved { stored: Some(_), .. }) if tries < 2 * TRIES_MAX => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
        };
        let rebuilt = rebuilt.await;
        // After `Moved` the copy belongs to another rebuild. Otherwise the first error matters more than the leftover copy,
        // which the next rebuild drops.
        if rebuilt.as_ref().is_err_and(|error| !matches!(error, Error::Models(Failure::Moved { .. }))) {
            self.models.discard(projection, TableCopy::Next).await.ok();
        }
        rebuilt
    }
}

/// A replay into a copy of the live table.
pub(super) struct Replay<'a> {
    projector: &'a Projector,
    projection: &'static Projection,
    table_copy: TableCopy,
    options: Options,
    at: Position,
    began: DateTime<Utc>,
}

impl<'a> Replay<'a> {
    pub(super) async fn start(
        projector: &'a Projector,
        projection: &'static Projection,
        table_copy: TableCopy,
        options: Options,
    ) -> Result<Self, Error> {
        let began = projector.clock.now();
        projector.models.begin(projection, table_copy, began).await?;
        Ok(Self { projector, projection, table_copy, options, at: Position(0), began })
    }

    /// Replays up to the live table's position and compares both; `None` if that moved meanwhile.
    pub(super) async fn replay_and_compare(
        &mut self,
        on_progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Option<Comparison>, Error> {
        let models = &self.projector.models;
        let live = models
            .checkpoints()
            .await?
            .into_iter()
            .find(|checkpoint| {
                checkpoint.projection == self.projection.name && checkpoint.table_copy == TableCopy::Live
            })
            .ok_or(Failure::Moved { projection: self.projection.name, stored: None })?;
        self.replay(live.position, on_progress).await?;
        let comparison = models.compare(self.projection, self.table_copy, self.options.examples).await?;
        Ok(Some(comparison).filter(|comparison| comparison.live == comparison.other))
    }

    async fn replay(&mut self, until: Position, on_progress: &mut (dyn FnMut(Step) + Send)) -> Result<(), Error> {
        let projector = self.projector;
        while self.at < until {
            let most = usize::try_from(until.0 - self.at.0).unwrap_or(usize::MAX).min(self.options.batch.max(1));
            let facts = projector.ledger.read_all(self.at, most).await?;
            let (batches, stopped) = projector.batches(&[self.projection], self.table_copy, self.at, &facts);
            if let Some(stop) = stopped.into_iter().next() {
                return Err(stop.poison.into());
            }
            if facts.is_empty() {
                return Ok(());
            }
            let now = projector.clock.now();
            projector.models.apply(batches, now).await?;
            self.at = Position(self.at.0 + facts.len() as u64);
            on_progress(step(self.at.0, until.0, now - self.began));
        }
        Ok(())
    }

    pub(super) fn report(&self, comparison: Option<Comparison>) -> Report {
        Report {
            projection: self.projection.name,
            version: self.projection.version,
            position: self.at,
            facts: self.at.0,
            took: self.projector.clock.now() - self.began,
            comparison,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts beyond 2^52 do not occur")]
pub(super) fn step(done: u64, total: u64, took: TimeDelta) -> Step {
    let seconds = took.as_seconds_f64();
    let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
    let left = (rate > 0.0).then(|| {
        let left_ms = (total.saturating_sub(done)) as f64 / rate * 1_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds are enough")]
        let left_ms = left_ms as i64;
        TimeDelta::milliseconds(left_ms)
    });
    Step { done, total, rate, left }
}
