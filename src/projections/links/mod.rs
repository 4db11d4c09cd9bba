//! The mapping table: which booking is which remote entry, and what is going on with it. Seed: `BookingEventMap`.
//! Table: `projections/links.sql`.
//!
//! | seed | here |
//! |---|---|
//! | `uscheduleAppointmentId` | `appointment` |
//! | `googleCalendarId` | `connection`, `calendar` |
//! | `googleEventId` | `remote` |
//! | `lastSyncedAt` | `last_synced_at` |
//! | `lastSource` `USCHEDULE` / `GCAL` | `last_source` `booking` / `calendar` ([`seed_source`]) |
//! | `version` or `etag` | `etag` |
//! | `status` `ACTIVE` / `CANCELED` | `status`: these, and `PENDING`, `WITHHELD`, `FAILED`, `DETACHED` |
//!
//! The row agrees with the fold in `domain/link/state.rs`; a property test holds that over arbitrary histories. The four
//! timers say when a link is to be looked at again though nothing happens; `due_at` is the earliest that counts.

mod settle;
mod words;

use super::{Column, Condition, Projection, Table, Value, Write, flag, int, text};
use crate::{
    domain::{
        entry::Content,
        event::Event,
        failure::FailureClass,
        link::{self, Attempt, IssuedCommand, RemoteChange, Side, Verified},
    },
    record::{
        envelope::Recorded,
        stream::{Category, StreamName},
    },
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "links",
    version: 1,
    table: Table { columns: COLUMNS, keys: 1, settle: Some(settle::settle), personal: None },
    reads: &[Category::Link],
    texts: false,
    project,
};

const COLUMNS: &[Column] = &[
    text("link"),
    text("booking"),
    text("appointment"),
    text("connection"),
    text("calendar"),
    text("resource"),
    text("profile"),
    int("generation"),
    text("remote"),
    text("etag"),
    flag("marked_cancelled"),
    flag("was_there"),
    text("status"),
    text("phase"),
    text("last_source"),
    text("last_synced_at"),
    text("command"),
    text("operation"),
    text("command_remote"),
    int("command_generation"),
    flag("outcome_unknown"),
    text("lease_until"),
    text("retry_at"),
    text("held"),
    text("held_words"),
    text("approval"),
    text("held_until"),
    text("withheld"),
    text("withheld_until"),
    text("due_at"),
    text("inbound"),
    text("conflict"),
    text("conflict_etag"),
    flag("conflict_cancelled"),
    text("look"),
    flag("dead"),
    text("failure_class"),
    text("failure_summary"),
    text("detached"),
    text("detached_words"),
    text("superseded"),
    text("clone"),
    text("attention"),
    text("attention_words"),
    text("action"),
    text("reasons"),
    int("profile_version"),
    text("changed_at"),
];

/// The seed's word for `last_source`.
pub fn seed_source(last_source: &str) -> &'static str {
    if last_source == "calendar" { "GCAL" } else { "USCHEDULE" }
}

fn project(recorded: &Recorded, event: &Event) -> Vec<Write> {
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

const FLIGHT: &[&str] =
    &["command", "operation", "command_remote", "command_generation", "outcome_unknown", "lease_until"];
const HELD: &[&str] = &["held", "held_words", "approval", "held_until"];
const CONFLICT: &[&str] = &["conflict", "conflict_etag", "conflict_cancelled"];
const RETRY: &[&str] = &["retry_at", "failure_class", "failure_summary"];
const REMOTE: &[&str] = &["remote", "etag", "marked_cancelled"];

fn of_link(recorded: &Recorded, event: &link::Event) -> Vec<Write> {
    let StreamName { id, .. } = &recorded.stream;
    let at = recorded.event.recorded_at;
    let patch = || Write::patch([id]).set("changed_at", at);
    match event {
        link::Event::SyncRequested { of, .. } => vec![
            Write::put([id])
                .set("changed_at", at)
                .set("booking", of.booking.as_str())
                .set("appointment", of.appointment.as_str())
                .set("connection", of.calendar.connection.as_str())
                .set("calendar", of.calendar.calendar.as_str())
                .set("resource", of.resource.as_str())
                .set("profile", of.profile.as_str())
                .set("dead", false)
                .clear(RETRY),
            patch().when(Condition::Is("generation", Value::Null)).set("generation", 0_i64),
        ],
        link::Event::Decided { action, reasons, profile_version, .. } => vec![
            patch()
                .set("action", words::action(action))
                .set("reasons", reasons.join("; "))
                .set("profile_version", *profile_version)
                .clear(&["withheld", "withheld_until"]),
        ],
        link::Event::Withheld { reason, until, .. } => {
            vec![patch().set("withheld", words::withheld(reason)).set("withheld_until", *until)]
        }
        link::Event::CommandIssued { command } => issued(id, recorded, command),
        link::Event::AttemptSucceeded { command, answer, .. }
        | link::Event::OutcomeVerified { command, outcome: Verified::Done { answer } } => {
            answered(recorded, &command.0, answer)
        }
        link::Event::OutcomeVerified { command, outcome: Verified::NotDone {} } => {
            vec![patch().when(in_flight(&command.0)).clear(FLIGHT)]
        }
        link::Event::AttemptFailed { command, operation, failure, retry_at, .. } => {
            let failed = patch()
                .when(in_flight(&command.0))
                .set("retry_at", *retry_at)
                .set("failure_class", failure.class.as_str())
                .set("failure_summary", failure.summary.as_str());
            vec![match failure.class {
                FailureClass::OutcomeUnknown => failed.set("outcome_unknown", true),
                class => looking(failed.clear(FLIGHT), class, operation),
            }]
        }
        link::Event::Established { .. } => Vec::new(),
        link::Event::Adopted { remote, generation, etag, content, .. } => vec![
            at_least(id, generation.0),
            present(patch(), content)
                .set("remote", remote.as_str())
                .set("etag", etag.as_str())
                .set("last_synced_at", at)
                .clear(HELD)
                .clear(&["look"]),
        ],
        link::Event::EchoRecognised { remote, etag, .. } => {
            let mut writes = vec![patch().clear(&["look"])];
            if let Some(etag) = etag {
                let known = patch().when(Condition::Is("remote", remote.as_str().into()));
                writes.push(known.set("etag", etag.as_str()).clear(HELD));
            }
            writes
        }
        link::Event::RemoteChangeAccepted { change, changes_booking, .. } => {
            let mut writes = accepted(recorded, change, "calendar");
            if *changes_booking {
                writes.push(patch().set("inbound", "accepted"));
            }
            writes
        }
        link::Event::RemoteChangeApplied { .. } => vec![patch().clear(&["inbound"])],
        link::Event::RemoteChangeHeld { reason, until, .. } => {
            let (word, words, approval) = words::held(reason);
            vec![
                patch()
                    .set("held", word)
                    .set("held_words", words)
                    .set("approval", approval)
                    .set("held_until", *until)
                    .clear(&["look"]),
            ]
        }
        // The change still waits until the next decision takes the answer up.
        link::Event::RemoteChangeAnswered { .. } => vec![patch()],
        link::Event::RemoteChangeReleased { .. } => vec![patch().clear(HELD)],
        link::Event::RemoteChangeRejected { change, .. } => {
            let mut writes = accepted(recorded, change, "booking");
            writes.push(patch().clear(&["inbound"]).clear(RETRY));
            writes
        }
        link::Event::ConflictDetected { conflict } => vec![match &conflict.theirs {
            RemoteChange::Edited { etag, content, .. } => patch()
                .set("conflict", "edited")
                .set("conflict_etag", etag.as_str())
                .set("conflict_cancelled", content.marked_cancelled),
            RemoteChange::Removed { .. } => {
                patch().clear(&["conflict_etag", "conflict_cancelled"]).set("conflict", "removed")
            }
        }],
        link::Event::ConflictResolved { winner: Side::Booking, .. } => overruled(recorded),
        link::Event::ConflictResolved { winner: Side::Calendar, .. } => vec![patch().clear(CONFLICT)],
        link::Event::DeadLettered { failure, .. } => vec![
            patch()
                .set("dead", true)
                .clear(&["retry_at"])
                .set("failure_class", failure.class.as_str())
                .set("failure_summary", failure.summary.as_str()),
        ],
        link::Event::Reprocessed { .. } => vec![patch().set("dead", false).clear(RETRY)],
        link::Event::Detached { remote, reason } => vec![
            patch()
                .set("detached", remote.as_str())
                .set("detached_words", reason.as_str())
                .clear(REMOTE)
                .clear(HELD)
                .clear(&["look", "inbound"]),
        ],
        link::Event::SupersededLeft { remote, .. } => vec![patch().set("superseded", remote.as_str())],
        link::Event::CloneSuspected { remote } => vec![patch().set("clone", remote.as_str())],
        link::Event::LookRequested { reason, retry_at } => {
            vec![patch().set("look", words::look(*reason)).set("retry_at", *retry_at)]
        }
    }
}

fn in_flight(command: &str) -> Condition {
    Condition::Is("command", command.into())
}

/// A delete of an older generation's entry does not turn the count back.
fn at_least(id: &str, generation: u64) -> Write {
    let number = i64::try_from(generation).unwrap_or(i64::MAX);
    Write::patch([id]).when(Condition::Below("generation", number)).set("generation", number)
}

fn present(write: Write, content: &Content) -> Write {
    write.set("marked_cancelled", content.marked_cancelled).set("was_there", true)
}

fn issued(id: &str, recorded: &Recorded, command: &IssuedCommand) -> Vec<Write> {
    vec![
        at_least(id, command.generation.0),
        Write::patch([id])
            .set("changed_at", recorded.event.recorded_at)
            .set("command", command.id.0.as_str())
            .set("operation", command.operation.name())
            .set("command_remote", command.remote.as_str())
            .set("command_generation", command.generation.0)
            .set("outcome_unknown", false)
            .set("lease_until", command.lease_until)
            .clear(&["retry_at", "look"]),
    ]
}

fn answered(recorded: &Recorded, command: &str, answer: &Attempt) -> Vec<Write> {
    let id = &recorded.stream.id;
    let at = recorded.event.recorded_at;
    let flying = || Write::patch([id]).when(in_flight(command));
    let landed = |write: Write| write.set("changed_at", at).set("dead", false).clear(RETRY).clear(FLIGHT);
    let wrote = |write: Write| landed(write).set("last_source", "booking").set("last_synced_at", at);
    match answer {
        Attempt::Entry { etag, content, .. } => {
            vec![present(wrote(flying().copy("remote", "command_remote")), content).set("etag", etag.as_str())]
        }
        // The first of the two that fits ends the flight, so that the second does not fit any more.
        Attempt::Deleted { .. } => vec![
            wrote(flying().when(Condition::Same("superseded", "command_remote")).clear(&["superseded"])),
            wrote(flying().clear(REMOTE)),
        ],
        Attempt::WrittenBack { .. } => vec![
            flying().when(Condition::Is("inbound", "accepted".into())).set("inbound", "written_back"),
            landed(flying()),
        ],
    }
}

/// A refusal by the source concerns the source's copy; the entry itself needs no second look.
fn looking(write: Write, class: FailureClass, operation: &str) -> Write {
    if operation.starts_with("write_back") {
        return write;
    }
    match class {
        FailureClass::Stale => write.set("look", "stale"),
        FailureClass::Gone => write.set("look", "gone"),
        FailureClass::IdentityTaken => write.set("look", "identity_taken"),
        FailureClass::Transient
        | FailureClass::OutcomeUnknown
        | FailureClass::RateLimited
        | FailureClass::UsageLocked
        | FailureClass::AuthRevoked
        | FailureClass::Unauthorised
        | FailureClass::ScopeMissing
        | FailureClass::Forbidden
        | FailureClass::OperatorNeeded
        | FailureClass::NonRetryable
        | FailureClass::CursorExpired
        | FailureClass::CalendarUnavailable
        | FailureClass::RejectedBySource
        | FailureClass::PushUnsupported
        | FailureClass::WindowTooWide => write,
    }
}

/// Their version becomes the common base, whoever's words stand from now on.
fn accepted(recorded: &Recorded, change: &RemoteChange, last_source: &str) -> Vec<Write> {
    let id = &recorded.stream.id;
    let at = recorded.event.recorded_at;
    let seen = Write::patch([id])
        .set("changed_at", at)
        .set("last_source", last_source)
        .set("last_synced_at", at)
        .clear(HELD)
        .clear(CONFLICT)
        .clear(&["look"]);
    match change {
        RemoteChange::Edited { etag, content, .. } => {
            let known = Write::patch([id]).when(Condition::IsNot("remote", Value::Null));
            vec![seen, present(known, content).set("etag", etag.as_str())]
        }
        RemoteChange::Removed { .. } => vec![seen.clear(REMOTE)],
    }
}

/// The booking's side stands: what was seen of theirs is the base that it overrides.
fn overruled(recorded: &Recorded) -> Vec<Write> {
    let id = &recorded.stream.id;
    let patch = || Write::patch([id]);
    vec![
        patch()
            .when(Condition::Is("conflict", "edited".into()))
            .when(Condition::IsNot("remote", Value::Null))
            .copy("etag", "conflict_etag")
            .copy("marked_cancelled", "conflict_cancelled"),
        patch().when(Condition::Is("conflict", "removed".into())).clear(REMOTE),
        patch().when(Condition::IsNot("conflict", Value::Null)).clear(HELD).clear(CONFLICT).clear(&["look"]),
        patch()
            .set("changed_at", recorded.event.recorded_at)
            .set("last_source", "booking")
            .clear(&["inbound"])
            .clear(RETRY),
    ]
}
