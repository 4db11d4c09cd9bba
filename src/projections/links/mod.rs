//! The mapping table: which booking is which remote entry, and its state. Seed: `BookingEventMap`.
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
//! The row agrees with the fold in `domain/link/evolve.rs`, which is tested with arbitrary histories. The four
//! timers say when to check a link again if nothing happens; `due_at` is the earliest that applies.

mod settle;
mod words;
mod writes;

use self::writes::LinkRow;
use super::{Column, Projection, Table, Write, flag, int, text};
use crate::{
    domain::{
        event::Event,
        link::{self, Side, Verification, Wait},
    },
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "links",
    version: 3,
    table: Table { columns: COLUMNS, keys: 1, settle: Some(settle::settle), personal: &[] },
    reads: &[Category::Link],
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

/// The seed's value of `last_source`.
pub fn seed_source(last_source: &str) -> &'static str {
    if last_source == "calendar" { "GCAL" } else { "USCHEDULE" }
}

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
    let of = LinkRow { id: &recorded.stream.id, at: recorded.event.recorded_at };
    match event {
        link::Event::SyncRequested { of: joined, .. } => of.requested(joined),
        link::Event::Decided { action, reasons, profile_version, .. } => {
            let decided = of.patch().set("action", words::action(action)).set("reasons", reasons.join("; "));
            vec![decided.set("profile_version", *profile_version).clear(&["withheld", "withheld_until"])]
        }
        link::Event::Withheld { reason, until, .. } => {
            vec![of.patch().set("withheld", words::withheld(reason)).set("withheld_until", *until)]
        }
        link::Event::CommandIssued { command } => of.issued(command),
        link::Event::AttemptSucceeded { command, answer, .. }
        | link::Event::OutcomeVerified { command, outcome: Verification::Done { answer } } => {
            of.answered(command, answer)
        }
        link::Event::OutcomeVerified { command, outcome: Verification::NotDone {} } => of.not_done(command),
        link::Event::AttemptFailed { command, failure, retry_at, .. } => of.failed(command, failure, *retry_at),
        link::Event::Established { .. } => Vec::new(),
        link::Event::Adopted { remote, generation, etag, content, .. } => {
            of.adopted(remote, *generation, etag, content)
        }
        link::Event::EchoRecognised { remote, etag, .. } => of.echoed(remote, etag.as_ref()),
        link::Event::RemoteChangeAccepted { change, changes_booking, .. } => {
            let inbound = changes_booking.then(|| of.patch().set("inbound", "accepted"));
            of.accepted(change, "calendar").into_iter().chain(inbound).collect()
        }
        link::Event::RemoteChangeApplied { .. } => vec![of.patch().clear(&["inbound"])],
        link::Event::RemoteChangeHeld { reason, until, .. } => of.held(reason, *until),
        // The change stays on hold until the next decision uses the answer.
        link::Event::RemoteChangeAnswered { .. } => vec![of.patch()],
        link::Event::RemoteChangeReleased { .. } => vec![of.released()],
        link::Event::RemoteChangeRejected { change, .. } => {
            let rejected = of.without_retry().clear(&["inbound"]);
            of.accepted(change, "booking").into_iter().chain([rejected]).collect()
        }
        link::Event::ConflictDetected { conflict } => of.conflicted(&conflict.theirs),
        link::Event::ConflictResolved { winner: Side::Booking, .. } => of.overruled(),
        link::Event::ConflictResolved { winner: Side::Calendar, .. } => vec![of.resolved()],
        link::Event::DeadLettered { failure, .. } => of.given_up(failure),
        link::Event::Reprocessed { .. } => vec![of.without_retry().set("dead", false)],
        link::Event::Detached { remote, reason } => of.detached(remote, reason),
        link::Event::SupersededLeft { remote, .. } => vec![of.patch().set("superseded", remote.as_str())],
        link::Event::CloneSuspected { remote } => vec![of.patch().set("clone", remote.as_str())],
        link::Event::LookRequested { reason, retry_at } => {
            vec![of.patch().set("look", words::look(*reason)).set("retry_at", *retry_at)]
        }
        link::Event::WaitEnded { wait: Wait::Withheld } => vec![of.patch().clear(&["withheld", "withheld_until"])],
        link::Event::WaitEnded { wait: Wait::Retry } => vec![of.patch().clear(&["retry_at"])],
        link::Event::WaitEnded { wait: Wait::Look } => vec![of.patch(), of.clear_look()],
        link::Event::WaitEnded { wait: Wait::Superseded } => vec![of.patch().clear(&["superseded"])],
    }
}
