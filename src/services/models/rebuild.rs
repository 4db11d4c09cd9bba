//! Fills a projection's table anew beside the live one, and swaps. Nobody is called, nothing is appended, and the live
//! table goes on being asked and projected meanwhile.

use chrono::{DateTime, TimeDelta, Utc};

use super::project::{Error, Projector};
use crate::{
    domain::ids::Position,
    ports::projection_store::{Comparison, Failure, TableCopy},
    projections::{self, Projection},
};

/// How often the new table is brought up to a live one that moves on, before it is swapped in as it is.
const TRIES_MAX: u32 = 50;

/// How to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Facts per transaction.
    pub batch: usize,
    /// Rows that differ to be shown, at most.
    pub examples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch: 2_000, examples: 10 }
    }
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Facts replayed.
    pub done: u64,
    /// Facts in all, as of now.
    pub total: u64,
    /// Facts per second so far; 0 before the clock has moved.
    pub rate: f64,
    /// Time left at that rate; `None` while there is no rate.
    pub left: Option<TimeDelta>,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The projection.
    pub projection: &'static str,
    /// The definition's version.
    pub version: u32,
    /// Up to where.
    pub position: Position,
    /// Facts replayed.
    pub facts: u64,
    /// How long it took.
    pub took: TimeDelta,
    /// The live table against the replayed one; `None` where the live one never stood still long enough.
    pub comparison: Option<Comparison>,
}

impl Projector {
    /// Rebuilds the projection of that name. `told` is called after every batch.
    ///
    /// # Errors
    /// Where anything gives no answer, or a fact cannot be read; the live table is what it was.
    pub async fn rebuild(
        &self,
        name: &str,
        options: Options,
        told: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Report, Error> {
        let projection = projections::named(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let mut replay = Replay::start(self, projection, TableCopy::Next, options).await?;
        let rebuilt = async {
            let mut tries = 0;
            loop {
                let comparison = replay.compared(told).await?;
                tries += 1;
                if comparison.is_none() && tries < TRIES_MAX {
                    continue;
                }
                // A live table that never stands still is caught in the end: it goes back by the few facts that came while
                // we waited for the lock, and they are projected again at once.
                let behind_max = if tries < TRIES_MAX { 0 } else { options.batch as u64 };
                match self.models.swap(projection, behind_max, self.clock.now()).await {
                    Ok(()) => return Ok(replay.report(comparison)),
                    Err(Failure::Moved { stored: Some(_), .. }) if tries < 2 * TRIES_MAX => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
        };
        let rebuilt = rebuilt.await;
        // After `Moved` the copy is another rebuild's. Otherwise what went wrong matters more than what is left over, which
        // the next rebuild throws away.
        if rebuilt.as_ref().is_err_and(|error| !matches!(error, Error::Models(Failure::Moved { .. }))) {
            self.models.discard(projection, TableCopy::Next).await.ok();
        }
        rebuilt
    }
}

/// A replay into a copy beside the live one.
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

    /// Replays up to where the live table stands, and compares both; `None` where that moved on meanwhile.
    pub(super) async fn compared(&mut self, told: &mut (dyn FnMut(Step) + Send)) -> Result<Option<Comparison>, Error> {
        let models = &self.projector.models;
        let live = models
            .checkpoints()
            .await?
            .into_iter()
            .find(|checkpoint| {
                checkpoint.projection == self.projection.name && checkpoint.table_copy == TableCopy::Live
            })
            .ok_or(Failure::Moved { projection: self.projection.name, stored: None })?;
        self.replay(live.position, told).await?;
        let comparison = models.compare(self.projection, self.table_copy, self.options.examples).await?;
        Ok(Some(comparison).filter(|comparison| comparison.live == comparison.other))
    }

    async fn replay(&mut self, until: Position, told: &mut (dyn FnMut(Step) + Send)) -> Result<(), Error> {
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
            told(step(self.at.0, until.0, now - self.began));
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
