//! Log messages about links: actions, directions and ids, but never titles, names or addresses.

use tracing::{info, warn};

use crate::{
    domain::link::{Event, LinkRef, Operation},
    services::journal::Context,
};

/// Logs an event of a link.
pub fn link(of: &LinkRef, fact: &Event, context: &Context) {
    let correlation = context.correlation.as_str();
    let (appointment, calendar, link) = (of.appointment.as_str(), of.calendar.calendar.as_str(), of.link.as_str());
    match fact {
        Event::CommandIssued { command } => {
            let (action, direction) = action(&command.operation);
            let (remote, command) = (command.remote.as_str(), command.id.to_string());
            info!(
                action,
                direction, appointment, calendar, remote, link, command, correlation, "Sending {action} of {link}"
            );
        }
        Event::AttemptSucceeded { command, operation, .. } => {
            let command = command.to_string();
            info!(operation, appointment, calendar, link, command, correlation, "Done: {operation} of {link}");
        }
        Event::AttemptFailed { command, operation, failure, .. } => {
            let (command, class, error) = (command.to_string(), failure.class.as_str(), failure.summary.as_str());
            warn!(
                operation,
                appointment, calendar, link, command, class, error, correlation, "Failed: {operation} of {link}"
            );
        }
        Event::DeadLettered { failure, .. } => {
            let (class, error) = (failure.class.as_str(), failure.summary.as_str());
            warn!(appointment, calendar, link, class, error, correlation, "Given up: {link}");
        }
        Event::CloneSuspected { remote } => {
            let remote = remote.as_str();
            warn!(appointment, calendar, remote, link, correlation, "Another entry carries the marker of {link}");
        }
        _ => info!(fact = fact.name(), appointment, calendar, link, correlation, "{} on {link}", fact.name()),
    }
}

fn action(operation: &Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::Create { .. } => ("create", "booking_to_calendar"),
        Operation::Update { .. } => ("update", "booking_to_calendar"),
        Operation::Delete { .. } => ("cancel", "booking_to_calendar"),
        Operation::WriteBackUpdate { .. } => ("update", "calendar_to_booking"),
        Operation::WriteBackCancel { .. } => ("cancel", "calendar_to_booking"),
    }
}
