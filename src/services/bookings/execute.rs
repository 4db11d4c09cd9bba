//! A command on a booking: load, decide, append; again where somebody else was first.

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

/// How often a command is decided anew because somebody else was first.
const ROUNDS_MAX: usize = 16;

/// What a command led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The booking after it.
    pub booking: Booking,
    /// The types of the events that it led to; empty where everything was so already.
    pub events: Vec<&'static str>,
}

/// Carries out `command`.
///
/// # Errors
/// `Refused` where a rule says no; `Busy` where others were first again and again.
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
