//! Ledger to read models: reads new events, maps them, and stores rows and checkpoints in one transaction.
//!
//! An unreadable event is never skipped. The projections that depend on it stop there and report it; the others
//! continue.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use tracing::warn;

use super::reader::{UnreadableEvent, closed};
use crate::{
    domain::ids::Position,
    ports::{
        clock::Clock,
        event_store::{self, EventStore},
        projection_store::{self, Batch, Checkpoint, ProjectionStore, TableCopy},
    },
    projections::{self, ALL, Projection},
    record::envelope::StoredEvent,
};

/// Why projecting stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger is unavailable.
    #[error(transparent)]
    Ledger(#[from] event_store::Failure),
    /// The read models are unavailable.
    #[error(transparent)]
    Models(#[from] projection_store::Failure),
    /// An event that this projection depends on cannot be read.
    #[error(transparent)]
    Poison(#[from] UnreadableEvent),
    /// No such projection.
    #[error("there is no projection {0:?}")]
    Unknown(String),
}

/// A projection that stopped at an unreadable event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedProjection {
    /// Name of the projection.
    pub projection: &'static str,
    /// The event it cannot read.
    pub poison: UnreadableEvent,
}

/// The result of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of events read; 0 once everything is projected or stopped.
    pub facts: usize,
    /// Position of the slowest projection that has not stopped.
    pub reached: Position,
    /// Another process projected at the same time; its work counts, and this step was rolled back.
    pub overtaken: bool,
    /// Projections that stopped.
    pub stopped: Vec<StoppedProjection>,
}

/// How far a projection is behind the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// Name of the projection.
    pub projection: &'static str,
    /// Version of its definition.
    pub version: u32,
    /// The position it reads next.
    pub position: Position,
    /// Number of events not applied yet.
    pub events: u64,
    /// Age of the first of them.
    pub behind: TimeDelta,
}

/// Keeps the read models up to date with the ledger.
#[derive(Clone)]
pub struct Projector {
    pub(super) ledger: Arc<dyn EventStore>,
    pub(super) models: Arc<dyn ProjectionStore>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Projector {
    /// A projector from `ledger` into `models`. Call [`ProjectionStore::prepare`] before its first step.
    pub fn new(ledger: Arc<dyn EventStore>, models: Arc<dyn ProjectionStore>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, models, clock }
    }

    /// Empties projections that have applied more events than the ledger has, and returns their names: the ledger was
    /// restored from an older backup. Otherwise they would skip that many future events. Call it at start.
    ///
    /// # Errors
    /// A store is unavailable.
    pub async fn start_over(&self) -> Result<Vec<&'static str>, Error> {
        let mut emptied = Vec::new();
        let checkpoints = self.models.checkpoints().await?;
        for checkpoint in checkpoints.into_iter().filter(|c| c.table_copy == TableCopy::Live && c.position.0 > 0) {
            // The end known to this process may be older than the checkpoint, so the last event itself is checked.
            let last = Position(checkpoint.position.0 - 1);
            if checkpoint.position <= self.ledger.end().await? || !self.ledger.read_all(last, 1).await?.is_empty() {
                continue;
            }
            let projection = projections::named(checkpoint.projection)
                .ok_or_else(|| Error::Unknown(checkpoint.projection.to_owned()))?;
            let (name, position) = (checkpoint.projection, checkpoint.position);
            warn!(projection = name, "{name} has applied {position} events but the ledger has fewer: rebuilding it");
            self.models.begin(projection, TableCopy::Live, self.clock.now()).await?;
            emptied.push(name);
        }
        Ok(emptied)
    }

    /// One step: at most `limit` events per projection. Repeat until no events are read, then wait for the ledger.
    ///
    /// # Errors
    /// A store is unavailable. The step is atomic; call it again.
    pub async fn project_once(&self, limit: usize) -> Result<Progress, Error> {
        let mut progress = Progress { reached: Position(u64::MAX), ..Progress::default() };
        for (from, group) in groups(self.models.checkpoints().await?) {
            let facts = self.ledger.read_all(from, limit).await?;
            let (batches, stopped) = self.batches(&group, TableCopy::Live, from, &facts);
            let moves = batches.iter().any(|batch| batch.to > from);
            for batch in &batches {
                if !stopped.iter().any(|stop| stop.projection == batch.projection.name) {
                    progress.reached = progress.reached.min(batch.to);
                }
            }
            progress.stopped.extend(stopped);
            if !moves {
                continue;
            }
            let batches = batches.into_iter().filter(|batch| batch.to > from).collect();
            match self.models.apply(batches, self.clock.now()).await {
                Ok(()) => progress.facts += facts.len(),
                Err(projection_store::Failure::Moved { .. }) => progress.overtaken = true,
                Err(failure) => return Err(failure.into()),
            }
        }
        if progress.reached.0 == u64::MAX {
            progress.reached = Position(0);
        }
        Ok(progress)
    }

    /// Projects until nothing readable is left.
    ///
    /// # Errors
    /// As [`Projector::project_once`].
    pub async fn catch_up(&self, limit: usize) -> Result<Progress, Error> {
        loop {
            let progress = self.project_once(limit).await?;
            if progress.facts == 0 && !progress.overtaken {
                return Ok(progress);
            }
        }
    }

    /// How far each projection is behind the ledger.
    ///
    /// # Errors
    /// A store is unavailable.
    pub async fn lag(&self) -> Result<Vec<Lag>, Error> {
        let end = self.ledger.end().await?;
        let now = self.clock.now();
        let mut lags = Vec::new();
        for checkpoint in self.models.checkpoints().await?.into_iter().filter(|c| c.table_copy == TableCopy::Live) {
            let waiting = match checkpoint.position < end {
                true => self.ledger.read_all(checkpoint.position, 1).await?.pop(),
                false => None,
            };
            lags.push(Lag {
                projection: checkpoint.projection,
                version: checkpoint.version,
                position: checkpoint.position,
                events: end.0.saturating_sub(checkpoint.position.0),
                behind: waiting.map_or(TimeDelta::zero(), |fact| (now - fact.event.recorded_at).max(TimeDelta::zero())),
            });
        }
        Ok(lags)
    }

    /// The writes of these projections for `facts`, which begin at `from`.
    pub(super) fn batches(
        &self,
        group: &[&'static Projection],
        table_copy: TableCopy,
        from: Position,
        facts: &[StoredEvent],
    ) -> (Vec<Batch>, Vec<StoppedProjection>) {
        let to = Position(from.0 + facts.len() as u64);
        let mut open: Vec<Batch> =
            group.iter().map(|projection| Batch { projection, table_copy, from, to, writes: Vec::new() }).collect();
        let (mut done, mut stopped) = (Vec::new(), Vec::new());
        for fact in facts {
            // Decoded at most once, and only if needed.
            let mut event = None;
            let mut at = 0;
            while let Some(batch) = open.get_mut(at) {
                let projection = batch.projection;
                if !projection.reads.contains(&fact.stream.category) {
                    at += 1;
                    continue;
                }
                let event = event.get_or_insert_with(|| closed(fact));
                match event {
                    Ok(event) => {
                        let writes = (projection.project)(fact, event);
                        batch.writes.extend(writes.into_iter().map(|write| (fact.position, write)));
                        at += 1;
                    }
                    Err(poison) => {
                        stopped.push(StoppedProjection { projection: projection.name, poison: poison.clone() });
                        let mut batch = open.remove(at);
                        batch.to = fact.position;
                        done.push(batch);
                    }
                }
            }
        }
        done.append(&mut open);
        (done, stopped)
    }
}

/// The live projections by position. Those at the same position share every read and every decoded event.
fn groups(checkpoints: Vec<Checkpoint>) -> BTreeMap<Position, Vec<&'static Projection>> {
    let mut groups: BTreeMap<Position, Vec<&'static Projection>> = BTreeMap::new();
    for checkpoint in checkpoints.into_iter().filter(|checkpoint| checkpoint.table_copy == TableCopy::Live) {
        let projection = ALL.into_iter().find(|p| p.name == checkpoint.projection && p.version == checkpoint.version);
        if let Some(projection) = projection {
            groups.entry(checkpoint.position).or_default().push(projection);
        }
    }
    groups
}
