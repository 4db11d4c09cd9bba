//! The log of all calls. Seed: `SyncAttemptLog`. Table: `projections/attempts.sql`.
//!
//! | seed | here |
//! |---|---|
//! | `attempt_id` | `attempt`: the command's id; for a pull, its calendar and correlation |
//! | `connection_id` | `connection`; for commands joined from `links` when asked |
//! | `direction` `pull` / `push` | `direction`; a change written back to the booking's source is a `pull` |
//! | `operation` `list_changes` / `upsert` / `delete` / `resync` | `list_changes`, `resync` (a full listing), `create`, `update`, `delete`, `write_back_update`, `write_back_cancel` |
//! | `status` `success` / `fail` | `status`: these, `running`, and `unknown` until the outcome was looked up |
//! | `error_class` | `error_group`: the seed's three; `error_class`: our finer one |
//! | `error_summary`, `started_at`, `finished_at`, `correlation_id` | `error_summary`, `started_at`, `finished_at`, `correlation` |
//!
//! The events of one pull share a correlation id.

use super::{Cells, Column, Condition, Projection, Table, Value, Write, flag, int, text};
use crate::{
    domain::{
        calendar::{self, PullMode},
        event::Event,
        failure::{CallFailure, FailureClass},
        ids::CalendarKey,
        link::{self, CommandId, IssuedCommand, Verification},
    },
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "attempts",
    version: 1,
    table: Table { columns: COLUMNS, keys: 1, settle: Some(settle), personal: &[] },
    reads: &[Category::Link, Category::Calendar],
    project,
};

const COLUMNS: &[Column] = &[
    text("attempt"),
    text("link"),
    int("number"),
    text("connection"),
    text("calendar"),
    text("direction"),
    text("operation"),
    text("status"),
    text("error_class"),
    text("error_group"),
    text("error_summary"),
    int("error_status"),
    text("error_reason"),
    text("retry_at"),
    flag("verified"),
    text("remote"),
    int("generation"),
    int("booking_revision"),
    text("worker"),
    text("started_at"),
    text("finished_at"),
    text("correlation"),
    int("entries"),
    int("removals"),
];

fn settle(row: &mut Cells<'_>) {
    // The list is ordered by start time, so every attempt has one.
    if !row.filled("started_at") {
        let end = row.get("finished_at").clone();
        row.set("started_at", end);
    }
}

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    match event {
        Event::Link(event) => of_link(recorded, event),
        Event::Calendar(event) => of_calendar(recorded, event),
        Event::Booking(_) | Event::Connection(_) | Event::Source(_) | Event::Profile(_) | Event::Operations(_) => {
            Vec::new()
        }
    }
}

fn of_link(recorded: &StoredEvent, event: &link::Event) -> Vec<Write> {
    let at = recorded.event.recorded_at;
    match event {
        link::Event::CommandIssued { command } => vec![issued(recorded, command)],
        link::Event::AttemptSucceeded { command, operation, .. } => {
            vec![succeeded(tried(recorded, command, operation)).set("finished_at", at)]
        }
        link::Event::AttemptFailed { command, operation, failure, retry_at, .. } => {
            vec![failed(tried(recorded, command, operation), failure).set("retry_at", *retry_at).set("finished_at", at)]
        }
        link::Event::OutcomeVerified { command, outcome } => {
            let write = Write::patch([&command.0]).set("verified", true).set("finished_at", at);
            vec![match outcome {
                Verification::Done { .. } => succeeded(write),
                Verification::NotDone {} => write.set("status", "fail"),
            }]
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

fn issued(recorded: &StoredEvent, command: &IssuedCommand) -> Write {
    tried(recorded, &command.id, command.operation.name())
        .set("status", "running")
        .set("remote", command.remote.as_str())
        .set("generation", command.generation.0)
        .set("booking_revision", command.booking_revision.0)
        .set("worker", command.worker.as_str())
        .set("correlation", recorded.event.correlation.as_str())
        .set("started_at", recorded.event.recorded_at)
}

fn tried(recorded: &StoredEvent, command: &CommandId, operation: &str) -> Write {
    let number = command.0.rsplit_once(':').and_then(|(_, number)| number.parse::<i64>().ok());
    let direction = if operation.starts_with("write_back") { "pull" } else { "push" };
    Write::put([&command.0])
        .set("link", recorded.stream.id.as_str())
        .set("number", number)
        .set("direction", direction)
        .set("operation", operation)
}

fn succeeded(write: Write) -> Write {
    let write = write.set("status", "success");
    write.clear(&["error_class", "error_group", "error_summary", "error_status", "error_reason", "retry_at"])
}

fn failed(write: Write, failure: &CallFailure) -> Write {
    let status = if failure.class == FailureClass::OutcomeUnknown { "unknown" } else { "fail" };
    write
        .set("status", status)
        .set("error_class", failure.class.as_str())
        .set("error_group", group(failure.class))
        .set("error_summary", failure.summary.as_str())
        .set("error_status", failure.status.map(u32::from))
        .set("error_reason", failure.reason.as_deref())
}

/// The seed's name for a failure class.
fn group(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Transient | FailureClass::OutcomeUnknown => "transient",
        FailureClass::RateLimited | FailureClass::UsageLocked => "rate_limited",
        FailureClass::AuthRevoked
        | FailureClass::Unauthorised
        | FailureClass::ScopeMissing
        | FailureClass::Forbidden
        | FailureClass::OperatorNeeded
        | FailureClass::NonRetryable
        | FailureClass::CursorExpired
        | FailureClass::Stale
        | FailureClass::Gone
        | FailureClass::IdentityTaken
        | FailureClass::CalendarUnavailable
        | FailureClass::RejectedBySource
        | FailureClass::PushUnsupported
        | FailureClass::WindowTooWide => "non_retryable",
    }
}

fn of_calendar(recorded: &StoredEvent, event: &calendar::Event) -> Vec<Write> {
    let at = recorded.event.recorded_at;
    match event {
        calendar::Event::PullStarted { calendar, mode, worker, .. } => {
            let operation = match mode {
                PullMode::Full => "resync",
                PullMode::Delta => "list_changes",
            };
            vec![
                pull(recorded, calendar)
                    .set("operation", operation)
                    .set("status", "running")
                    .set("worker", worker.as_str())
                    .set("started_at", at),
            ]
        }
        calendar::Event::CursorAdvanced { calendar, tally, .. } => ended(recorded, calendar, |write| {
            succeeded(write).set("entries", tally.entries).set("removals", tally.removals)
        }),
        calendar::Event::PullFailed { calendar, failure, retry_at }
        | calendar::Event::Unavailable { calendar, failure, retry_at } => {
            ended(recorded, calendar, |write| failed(write, failure).set("retry_at", *retry_at))
        }
        calendar::Event::ChannelRequested { .. }
        | calendar::Event::ChannelOpened { .. }
        | calendar::Event::ChannelRenewed { .. }
        | calendar::Event::ChannelClosed { .. }
        | calendar::Event::ChannelLost { .. }
        | calendar::Event::PushUnsupported { .. }
        | calendar::Event::NotificationReceived { .. }
        | calendar::Event::NotificationRejected { .. }
        | calendar::Event::RemoteEntryObserved { .. }
        | calendar::Event::RemoteEntryRemoved { .. }
        | calendar::Event::CoverageProven { .. }
        | calendar::Event::CursorInvalidated { .. }
        | calendar::Event::CapabilityChanged { .. } => Vec::new(),
    }
}

fn pull_id(recorded: &StoredEvent) -> String {
    format!("{}:{}", recorded.stream.id, recorded.event.correlation)
}

fn pull(recorded: &StoredEvent, calendar: &CalendarKey) -> Write {
    Write::put([&pull_id(recorded)])
        .set("connection", calendar.connection.as_str())
        .set("calendar", calendar.calendar.as_str())
        .set("direction", "pull")
        .set("correlation", recorded.event.correlation.as_str())
}

fn ended(recorded: &StoredEvent, calendar: &CalendarKey, outcome: impl Fn(Write) -> Write) -> Vec<Write> {
    let write = pull(recorded, calendar).set("finished_at", recorded.event.recorded_at);
    let named = Write::patch([&pull_id(recorded)]).when(Condition::Is("operation", Value::Null));
    vec![outcome(write), named.set("operation", "list_changes")]
}
