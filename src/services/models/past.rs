//! Read models as of a past time: the beginning of the ledger, projected into temporary tables.
//!
//! It includes all events before the first one recorded after the requested time. The clocks of several processes may
//! differ slightly, so an event recorded earlier can follow one recorded later; the order of the ledger decides,
//! and the result is a state that the ledger really had.

use std::{str::FromStr, sync::Arc};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::{
    project::{Error, Projector},
    rebuild::{Step, step},
};
use crate::{
    domain::ids::Position,
    ports::{
        clock::Clock,
        event_store::{EventStore, Failure},
        projection_store::TableCopy,
    },
    projections::Projection,
    record::envelope::StoredEvent,
};

/// Events replayed per transaction.
const BATCH_FACTS: usize = 2_000;

/// A point in the ledger's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After everything recorded up to this instant, inclusive.
    Instant(DateTime<Utc>),
    /// After the event at this position.
    Position(Position),
}

/// Accepted formats, for error messages.
pub const AS_OF: &str = "expected a time (2026-05-03T10:00, 2026-05-03T10:00:00+09:00; UTC if no offset is given) or \
                         position:1234";

impl FromStr for AsOf {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(position) = text.strip_prefix("position:") {
            return position.parse().map(|position| Self::Position(Position(position))).map_err(|_| AS_OF);
        }
        instant(text).map(Self::Instant).ok_or(AS_OF)
    }
}

/// An instant; without offset it is UTC, and a day alone is its beginning.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let with_offset = ["%Y-%m-%dT%H:%M%:z", "%Y-%m-%d %H:%M%:z", "%Y-%m-%d %H:%M:%S%.f%:z"];
    if let Some(at) = with_offset.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()) {
        return Some(at.to_utc());
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let at = naive.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let at = at.or_else(|| text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN)));
    at.map(|at| at.and_utc())
}

impl AsOf {
    /// Whether an event is included, given that all events before it are.
    fn covers(&self, recorded: &StoredEvent) -> bool {
        match self {
            Self::Instant(at) => recorded.event.recorded_at <= *at,
            Self::Position(last) => recorded.position <= *last,
        }
    }
}

/// End of the past state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Number of events included: the position after the last one.
    pub events: Position,
    /// When the last one was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
}

/// Reads the ledger up to that point and passes on every page.
async fn walk(
    ledger: &Arc<dyn EventStore>,
    clock: &Arc<dyn Clock>,
    as_of: &AsOf,
    on_progress: &mut (dyn FnMut(Step) + Send),
    mut page: impl AsyncFnMut(Position, &[StoredEvent]) -> Result<(), Error>,
) -> Result<Reach, Error> {
    let (began, end) = (clock.now(), ledger.end().await?);
    let mut reach = Reach::default();
    loop {
        let mut facts = ledger.read_all(reach.events, BATCH_FACTS).await?;
        let read = facts.len();
        let covered = facts.iter().take_while(|fact| as_of.covers(fact)).count();
        facts.truncate(covered);
        page(reach.events, &facts).await?;
        if let Some(last) = facts.last() {
            reach = Reach { events: last.position.next(), recorded_at: Some(last.event.recorded_at) };
        }
        on_progress(step(reach.events.0, end.0.max(reach.events.0), clock.now() - began));
        if covered < read || read == 0 {
            return Ok(reach);
        }
    }
}

/// Finds the end of the past state, without projecting.
///
/// # Errors
/// The ledger is not available.
pub async fn reach(
    ledger: &Arc<dyn EventStore>,
    clock: &Arc<dyn Clock>,
    as_of: &AsOf,
    on_progress: &mut (dyn FnMut(Step) + Send),
) -> Result<Reach, Failure> {
    match walk(ledger, clock, as_of, on_progress, async |_, _| Ok(())).await {
        Ok(reach) => Ok(reach),
        Err(Error::Ledger(failure)) => Err(failure),
        Err(other) => Err(Failure::Unavailable(other.to_string())),
    }
}

impl Projector {
    /// Projects the ledger as of that point into empty tables of a temporary store.
    ///
    /// # Errors
    /// The ledger is not available, or an event cannot be read.
    pub async fn replay_as_of(
        &self,
        tables: &[&'static Projection],
        as_of: &AsOf,
        on_progress: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Reach, Error> {
        self.models.prepare(self.clock.now()).await?;
        walk(&self.ledger, &self.clock, as_of, on_progress, async |from, facts| {
            let (batches, stopped) = self.batches(tables, TableCopy::Live, from, facts);
            if let Some(stop) = stopped.into_iter().next() {
                return Err(stop.poison.into());
            }
            Ok(self.models.apply(batches, self.clock.now()).await?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_and_without_offset() {
        let at = |text: &str| AsOf::Instant(text.parse().unwrap());
        for (written, meant) in [
            ("2026-05-03T10:00", at("2026-05-03T10:00:00Z")),
            ("2026-05-03 10:00:30.5", at("2026-05-03T10:00:30.5Z")),
            ("2026-05-03T10:00Z", at("2026-05-03T10:00:00Z")),
            ("2026-05-03T10:00+09:00", at("2026-05-03T01:00:00Z")),
            ("2026-05-03T10:00:00-05:00", at("2026-05-03T15:00:00Z")),
            ("2026-05-03", at("2026-05-03T00:00:00Z")),
            ("position:12", AsOf::Position(Position(12))),
        ] {
            assert_eq!(written.parse(), Ok(meant), "{written}");
        }
        for wrong in ["", "yesterday", "position:", "position:-1", "2026-13-01", "10:00", "2026-05-03T25:00"] {
            assert_eq!(wrong.parse::<AsOf>(), Err(AS_OF), "{wrong}");
        }
    }
}
