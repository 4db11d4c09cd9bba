//! Dead letters: links whose last command failed permanently, and refused deliveries.
//! Table: `projections/dead_letters.sql`.

use super::{Column, Projection, Table, Write, int, text};
use crate::{
    domain::{event::Event, link, source},
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "dead_letters",
    version: 1,
    table: Table { columns: COLUMNS, keys: 2, settle: None, personal: &[] },
    reads: &[Category::Link, Category::Source],
    project,
};

const COLUMNS: &[Column] = &[
    text("kind"),
    text("letter"),
    text("command"),
    text("source"),
    text("delivery"),
    text("error_class"),
    text("error_summary"),
    int("booking_revision"),
    text("dead_at"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    match event {
        Event::Link(event) => of_link(recorded, event),
        Event::Source(event) => of_source(recorded, event),
        Event::Booking(_) | Event::Connection(_) | Event::Calendar(_) | Event::Profile(_) | Event::Operations(_) => {
            Vec::new()
        }
    }
}

fn of_link(recorded: &StoredEvent, event: &link::Event) -> Vec<Write> {
    let key = ["link", recorded.stream.id.as_str()];
    match event {
        link::Event::DeadLettered { command, failure, booking_revision } => vec![
            Write::put(key)
                .set("command", command.0.as_str())
                .set("error_class", failure.class.as_str())
                .set("error_summary", failure.summary.as_str())
                .set("booking_revision", booking_revision.0)
                .set("dead_at", recorded.event.recorded_at),
        ],
        link::Event::SyncRequested { .. }
        | link::Event::Reprocessed { .. }
        | link::Event::AttemptSucceeded { .. }
        | link::Event::OutcomeVerified { outcome: link::Verification::Done { .. }, .. } => vec![Write::remove(key)],
        link::Event::OutcomeVerified { outcome: link::Verification::NotDone {}, .. }
        | link::Event::Decided { .. }
        | link::Event::Withheld { .. }
        | link::Event::CommandIssued { .. }
        | link::Event::AttemptFailed { .. }
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
        | link::Event::Detached { .. }
        | link::Event::SupersededLeft { .. }
        | link::Event::CloneSuspected { .. }
        | link::Event::RemoteChangeAnswered { .. }
        | link::Event::LookRequested { .. }
        | link::Event::WaitEnded { .. } => Vec::new(),
    }
}

fn of_source(recorded: &StoredEvent, event: &source::Event) -> Vec<Write> {
    // Each delivery has its own stream, so the stream's id identifies it.
    let key = ["delivery", recorded.stream.id.as_str()];
    match event {
        source::Event::DeliveryRefused { sender_informed: true, .. } => vec![Write::remove(key)],
        source::Event::DeliveryRefused { source, delivery, reason, sender_informed: false, .. } => vec![
            Write::put(key)
                .set("source", source.as_str())
                .set("delivery", delivery.as_str())
                .set("error_class", "refused")
                .set("error_summary", reason.as_str())
                .set("dead_at", recorded.event.recorded_at),
        ],
        source::Event::DeliveryReprocessed { .. } | source::Event::DeliveryApplied { .. } => vec![Write::remove(key)],
        source::Event::DeliveryReceived { .. }
        | source::Event::PollClaimed { .. }
        | source::Event::PollCompleted { .. }
        | source::Event::PollFailed { .. } => Vec::new(),
    }
}
