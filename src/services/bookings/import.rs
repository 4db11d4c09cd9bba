//! Imports bookings from files, as observations of a source: importing the same file again changes nothing.
//!
//! Lines about different bookings are processed at the same time, so that the ledger commits them in groups; lines about
//! the same booking are processed in the order of the files.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use super::execute::execute;
use crate::{
    domain::{
        booking::{self, Cause, Command, Event, Snapshot},
        ids::BookingId,
    },
    ports::vault,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Bookings processed at the same time, which the ledger commits in a few groups.
pub const AT_ONCE: usize = 256;
/// Lines read ahead; lines about the same booking keep their order within these.
const CHUNK_LINES: usize = 4_096;

/// One line of a file: a booking, or why it is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// File and line, such as `bookings.csv:12`.
    pub at: String,
    /// The booking, or the reason it is refused.
    pub outcome: Result<Box<Snapshot>, String>,
    /// What was interpreted differently from how it was written.
    pub note: Option<String>,
}

/// The outcome of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The booking is new.
    Registered,
    /// The booking changed; the event types.
    Changed(Vec<&'static str>),
    /// The booking is the same as before.
    Unchanged,
    /// Not imported, for this reason.
    Refused(String),
}

/// A line and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLine {
    /// File and line.
    pub at: String,
    /// Id of the booking, if the line names one.
    pub booking: Option<BookingId>,
    /// Its outcome.
    pub outcome: Outcome,
    /// What was interpreted differently from how it was written.
    pub note: Option<String>,
}

/// Totals of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// New bookings.
    pub registered: u64,
    /// Changed bookings.
    pub changed: u64,
    /// Bookings that are the same as before.
    pub unchanged: u64,
    /// Lines that were not imported.
    pub refused: u64,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Registered => self.registered += 1,
            Outcome::Changed(_) => self.changed += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Refused(_) => self.refused += 1,
        }
    }
}

/// Imports `lines`, or reports what would be imported (`dry`). `on_progress` is called for each line, in order.
///
/// # Errors
/// The ledger is not available: what was reported is imported, and the import can be repeated.
pub async fn import(
    journal: &Journal,
    lines: impl Iterator<Item = Line>,
    dry: bool,
    context: &Context,
    on_progress: &mut (dyn FnMut(&ImportedLine) + Send),
) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let mut lines = lines.peekable();
    while lines.peek().is_some() {
        let chunk: Vec<Line> = lines.by_ref().take(CHUNK_LINES).collect();
        let mut done: BTreeMap<usize, ImportedLine> = BTreeMap::new();
        let mut groups: BTreeMap<BookingId, Vec<(usize, Line, Box<Snapshot>)>> = BTreeMap::new();
        for (index, mut line) in chunk.into_iter().enumerate() {
            match std::mem::replace(&mut line.outcome, Err(String::new())) {
                Ok(snapshot) => {
                    let id = BookingId::of_source(&snapshot.source, &snapshot.source_ref);
                    groups.entry(id).or_default().push((index, line, snapshot));
                }
                Err(reason) => {
                    let outcome = Outcome::Refused(reason);
                    done.insert(index, ImportedLine { at: line.at, booking: None, outcome, note: line.note });
                }
            }
        }
        let mut running = stream::iter(groups)
            .map(|(id, lines)| async move { group(journal, &id, lines, dry, context).await })
            .buffer_unordered(AT_ONCE);
        let mut stopped = None;
        while let Some(finished) = running.next().await {
            match finished {
                Ok(finished) => done.extend(finished),
                Err(error) => stopped = Some(error),
            }
        }
        for imported in done.values() {
            tally.count(&imported.outcome);
            on_progress(imported);
        }
        if let Some(error) = stopped {
            return Err(error);
        }
    }
    Ok(tally)
}

/// The lines about one booking, in order.
async fn group(
    journal: &Journal,
    id: &BookingId,
    lines: Vec<(usize, Line, Box<Snapshot>)>,
    dry: bool,
    context: &Context,
) -> Result<Vec<(usize, ImportedLine)>, Error> {
    let mut would_be = if dry { journal.booking(id).await?.0 } else { None };
    let now = journal.clock().now();
    let mut done = Vec::with_capacity(lines.len());
    for (index, line, snapshot) in lines {
        let command = Command::Observe(*snapshot);
        let cause = Cause::default();
        let events = if dry {
            let decided = booking::decide(would_be.as_ref(), &command, &cause).map_err(Error::from);
            for event in decided.iter().flatten() {
                would_be = booking::evolve(would_be, event, now);
            }
            decided.map(|events| events.iter().map(Event::name).collect())
        } else {
            execute(journal, id, &command, &cause, now, context).await.map(|executed| executed.events)
        };
        let outcome = match events {
            Ok(events) if events.is_empty() => Outcome::Unchanged,
            Ok(events) if events.first() == Some(&"registered") => Outcome::Registered,
            Ok(events) => Outcome::Changed(events),
            Err(Error::Refused(refusal)) => Outcome::Refused(refusal.to_string()),
            Err(Error::Vault(vault::Failure::Forgotten(_))) => {
                Outcome::Refused("the person it is about was erased".into())
            }
            Err(error) => return Err(error),
        };
        done.push((index, ImportedLine { at: line.at, booking: Some(id.clone()), outcome, note: line.note }));
    }
    Ok(done)
}
