//! Runs a command on a booking: load, decide, append; retries on a conflict.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        booking::{self, Booking, Cause, Command},
        ids::BookingId,
    },
    ports::event_store::ExpectedVersion,
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Attempts when others change the booking at the same time.
const ROUNDS_MAX: usize = 16;

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The booking afterwards.
    pub booking: Booking,
    /// Types of the appended events; empty if nothing had to change.
    pub events: Vec<&'static str>,
}

/// Carries out `command`.
///
/// # Errors
/// `Refused` if a rule says no; `Busy` after too many conflicts.
pub async fn execute(
    journal: &Journal,
    id: &BookingId,
    command: &Command,
    cause: &Cause,
    effective_at: DateTime<Utc>,
    context: &Context,
) -> Result<Execution, Error> {
    let stream = StreamName::booking(id);
    for _ in 0..ROUNDS_MAX {
        let (state, version) = journal.booking(id).await?;
        let events = booking::decide(state.as_ref(), command, cause)?;
        let mut after = state;
        for event in &events {
            after = booking::evolve(after, event, effective_at);
        }
        let names = events.iter().map(booking::Event::name).collect();
        let booking = after.ok_or(booking::Refusal::Unknown)?;
        if events.is_empty() {
            return Ok(Execution { booking, events: names });
        }
        match journal.append_at(&stream, ExpectedVersion::after(version), events, effective_at, context).await {
            Ok(_) => return Ok(Execution { booking, events: names }),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Busy)
}
