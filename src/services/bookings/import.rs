//! Bookings of files, observed like those of any other source: importing the same file again changes nothing.
//!
//! Lines about different bookings are carried out at the same time, so that the ledger commits them together; lines about
//! the same booking one after the other, in the order of the files.

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

/// Bookings carried out at the same time: the ledger commits them in few groups.
pub const AT_ONCE: usize = 256;
/// Lines that are looked at together: what two lines say about one booking is carried out in order within these.
const CHUNK_LINES: usize = 4_096;

/// One booking of a file, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands: `bookings.csv:12`.
    pub at: String,
    /// The booking, or why there is none, in words.
    pub outcome: Result<Box<Snapshot>, String>,
    /// What was taken in another sense than written.
    pub note: Option<String>,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The booking is new.
    Registered,
    /// It was known and is different now; the events' names.
    Changed(Vec<&'static str>),
    /// It was so already.
    Unchanged,
    /// It is not imported, for this reason.
    Refused(String),
}

/// A line and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLine {
    /// Where it stands.
    pub at: String,
    /// The booking, where it names one.
    pub booking: Option<BookingId>,
    /// What became of it.
    pub outcome: Outcome,
    /// What was taken in another sense than written.
    pub note: Option<String>,
}

/// How an import ended, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// New bookings.
    pub registered: u64,
    /// Known bookings that are different now.
    pub changed: u64,
    /// Bookings that were so already.
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

/// Imports `lines`, or says what importing them would do (`dry`). `told` hears of each line, in order.
///
/// # Errors
/// The ledger is not available: what was told is imported, and the same import may be made again.
pub async fn import(
    journal: &Journal,
    lines: impl Iterator<Item = Line>,
    dry: bool,
    context: &Context,
    told: &mut (dyn FnMut(&ImportedLine) + Send),
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
            told(imported);
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
                Outcome::Refused("the person it is about was forgotten".into())
            }
            Err(error) => return Err(error),
        };
        done.push((index, ImportedLine { at: line.at, booking: Some(id.clone()), outcome, note: line.note }));
    }
    Ok(done)
}
