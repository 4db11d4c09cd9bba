//! Commands without an outcome: at most one per link, so the link is the key.
//! Table: `projections/open_commands.sql`.

use super::{Column, Condition, Projection, Table, Write, flag, int, text};
use crate::{
    domain::{event::Event, failure::FailureClass, link},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "open_commands",
    version: 1,
    table: Table { columns: COLUMNS, keys: 1, settle: None, personal: &[] },
    reads: &[Category::Link],
    project,
};

const COLUMNS: &[Column] = &[
    text("link"),
    text("command"),
    text("operation"),
    text("remote"),
    int("generation"),
    text("worker"),
    flag("outcome_unknown"),
    text("issued_at"),
    text("lease_until"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    match event {
        Event::Link(event) => of_link(recorded, event),
        Event::Booking(_)
        | Event::Connection(_)
        | Event::Calendar(_)
        | Event::Source(_)
        | Event::Profile(_)
        | Event::Operations(_) => Vec::new(),
    }
}

fn of_link(recorded: &StoredEvent, event: &link::Event) -> Vec<Write> {
    let link = recorded.stream.id.as_str();
    let this = |command: &link::CommandId| Condition::Is("command", command.0.as_str().into());
    match event {
        link::Event::CommandIssued { command } => vec![
            Write::put([link])
                .set("command", command.id.0.as_str())
                .set("operation", command.operation.name())
                .set("remote", command.remote.as_str())
                .set("generation", command.generation.0)
                .set("worker", command.worker.as_str())
                .set("outcome_unknown", false)
                .set("issued_at", recorded.event.recorded_at)
                .set("lease_until", command.lease_until),
        ],
        link::Event::AttemptFailed { command, failure, .. } => match failure.class == FailureClass::OutcomeUnknown {
            true => vec![Write::patch([link]).when(this(command)).set("outcome_unknown", true)],
            false => vec![Write::remove([link]).when(this(command))],
        },
        link::Event::AttemptSucceeded { command, .. } | link::Event::OutcomeVerified { command, .. } => {
            vec![Write::remove([link]).when(this(command))]
        }
        link::Event::SyncRequested { .. }
        | link::Event::Decided { .. }
        | link::Event::Withheld { .. }
        | link::Event::Established { .. }
        | link::Event::Adopted { .. }
        | link::Event::EchoRecognised { .. }
        | link::Event::RemoteChangeAccepted { .. }
        | link::Event::RemoteChangeApplied { .. }
        | link::Event::RemoteChangeHeld { .. }
        | link::Event::RemoteChangeReleased { .. }
        | link::Event::RemoteChangeRejected { .. }
        | link::Event::ConflictDetected { .. }
        | link::Event::ConflictResolved { .. }
        | link::Event::DeadLettered { .. }
        | link::Event::Reprocessed { .. }
        | link::Event::Detached { .. }
        | link::Event::SupersededLeft { .. }
        | link::Event::CloneSuspected { .. }
        | link::Event::RemoteChangeAnswered { .. }
        | link::Event::LookRequested { .. }
        | link::Event::WaitEnded { .. } => Vec::new(),
    }
}
