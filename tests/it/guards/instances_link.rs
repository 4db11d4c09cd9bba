//! Instances of every fact about a link: see `tests/it/guards/instances.rs`.

use syncledger::domain::{
    entry::Evidence,
    failure::{CallFailure, FailureClass},
    ids::{Generation, IdempotencyKey, Revision},
    link::{
        Action, Attempt, CommandId, Conflict, Event as E, HoldReason, IssuedCommand, LinkRef, LookReason, Operation,
        RemoteChange, RemovalPolicy, Side, Verification, Wait, WithholdReason,
    },
};

use super::instances::{
    at, booking_id, calendar, content, etag, failure, gone, link_id, live, profile_id, remote, resource, slot,
    unreadable,
};

/// Every class of failure.
const CLASSES: [FailureClass; 18] = {
    use FailureClass as F;
    [
        F::Transient,
        F::OutcomeUnknown,
        F::RateLimited,
        F::UsageLocked,
        F::AuthRevoked,
        F::Unauthorised,
        F::ScopeMissing,
        F::Forbidden,
        F::OperatorNeeded,
        F::NonRetryable,
        F::CursorExpired,
        F::Stale,
        F::Gone,
        F::IdentityTaken,
        F::CalendarUnavailable,
        F::RejectedBySource,
        F::PushUnsupported,
        F::WindowTooWide,
    ]
};

/// Every instance.
pub fn links() -> Vec<E> {
    [begun(), commands(), attempts(), remote_changes(), conflicts(), ends()].concat()
}

fn command_id() -> CommandId {
    CommandId(format!("{}:1", link_id()))
}

fn edited() -> RemoteChange {
    RemoteChange::Edited { etag: etag("2"), updated: Some(at("15:01")), content: content("Lesson with Ada") }
}

fn removed(evidence: Evidence) -> RemoteChange {
    RemoteChange::Removed { evidence, updated: None }
}

fn begun() -> Vec<E> {
    let of = LinkRef {
        link: link_id(),
        booking: booking_id(),
        appointment: "1001".into(),
        calendar: calendar(),
        resource: resource("bay-1"),
        profile: profile_id(),
    };
    let actions = [
        Action::Create,
        Action::Update,
        Action::Delete,
        Action::WriteBackUpdate,
        Action::WriteBackCancel,
        Action::ApplyToBooking,
    ];
    let decided = actions.into_iter().map(|action| E::Decided {
        action,
        reasons: vec!["the booking takes place and has no entry on this calendar".into()],
        booking_revision: Revision(1),
        etag: (action != Action::Create).then(|| etag("1")),
        profile: profile_id(),
        profile_version: 1,
    });
    let reasons = [
        (WithholdReason::Past, None),
        (WithholdReason::TooFarAhead, Some(at("15:05"))),
        (WithholdReason::DirectionClosed, None),
        (WithholdReason::ConnectionRevoked, None),
        (WithholdReason::RateLimited, Some(at("15:05"))),
    ];
    let withheld =
        reasons.into_iter().map(|(reason, until)| E::Withheld { reason, booking_revision: Revision(1), until });
    let reason = "the booking's resource is routed to this calendar".into();
    std::iter::once(E::SyncRequested { of, reason }).chain(decided).chain(withheld).collect()
}

fn commands() -> Vec<E> {
    let slot = slot("18:00", "19:00");
    let operations = [
        Operation::Create { content: content("Lesson") },
        Operation::Update {
            expect: etag("1"),
            from: content("Lesson"),
            content: content("Lesson with Ada"),
            ours: content("Lesson"),
        },
        Operation::Delete { expect: etag("1") },
        Operation::WriteBackUpdate { slot, expect_revision: Some(3) },
        Operation::WriteBackCancel { expect_revision: None },
    ];
    let command = |operation| IssuedCommand {
        id: command_id(),
        operation,
        remote: remote(),
        generation: Generation(1),
        key: IdempotencyKey("5feceb66ffc86f38d952786c6d696c79c2dbc239".into()),
        booking_revision: Revision(2),
        lease_until: at("15:01"),
        worker: "worker-1".into(),
    };
    operations.into_iter().map(|operation| E::CommandIssued { command: command(operation) }).collect()
}

fn answers() -> Vec<Attempt> {
    vec![
        Attempt::Entry { etag: etag("1"), updated: Some(at("15:00")), content: content("Lesson") },
        Attempt::Entry { etag: etag("1"), updated: None, content: content("Lesson") },
        Attempt::Deleted { already_absent: true },
        Attempt::WrittenBack { source_revision: Some(4) },
    ]
}

fn attempts() -> Vec<E> {
    let command = command_id();
    let succeeded = answers().into_iter().map(|answer| E::AttemptSucceeded {
        command: command_id(),
        operation: "create".into(),
        answer,
    });
    let failed = CLASSES.into_iter().map(|class| E::AttemptFailed {
        command: command_id(),
        operation: "update".into(),
        failure: CallFailure::new(class, format!("as {} is", class.as_str())),
        retry_at: (class == FailureClass::Transient).then(|| at("15:05")),
        counts: class == FailureClass::Transient,
    });
    let done = Verification::Done { answer: answers().remove(0) };
    let verified =
        [done, Verification::NotDone {}].map(|outcome| E::OutcomeVerified { command: command.clone(), outcome });
    succeeded.chain(failed).chain(verified).collect()
}

fn remote_changes() -> Vec<E> {
    let accepted = |change, removal: Option<RemovalPolicy>| E::RemoteChangeAccepted {
        change,
        changes_booking: removal.is_some(),
        removal,
        booking_revision: Revision(2),
        booking_slot: slot("16:00", "17:00"),
    };
    let held = |observation, reason| E::RemoteChangeHeld {
        observation,
        until: (reason == HoldReason::Grace).then(|| at("15:04")),
        reason,
        booking_revision: Revision(2),
    };
    vec![
        accepted(edited(), None),
        accepted(removed(Evidence::Tombstone), Some(RemovalPolicy::Cancel)),
        accepted(removed(Evidence::NotFoundById), Some(RemovalPolicy::Mark)),
        E::RemoteChangeApplied { booking_revision: Revision(3) },
        held(live(), HoldReason::Busy),
        held(gone(Evidence::Tombstone), HoldReason::Grace),
        held(live(), HoldReason::Overlap { with: vec![booking_id()] }),
        held(gone(Evidence::AbsentInCoverage), HoldReason::MassRemoval { approval: "removals-1".into() }),
        held(live(), HoldReason::WholeDay),
        held(live(), HoldReason::Restored),
        held(unreadable(), HoldReason::Unreadable { reason: "it is a recurring series".into() }),
        held(gone(Evidence::NotFoundById), HoldReason::OperatorDecision),
        E::RemoteChangeAnswered { accept: true, by: "operator-1".into() },
        E::RemoteChangeReleased { reason: "it was undone".into() },
        E::RemoteChangeRejected { change: edited(), reason: "the booking's source does not take it".into() },
        E::RemoteChangeRejected { change: removed(Evidence::AbsentInCoverage), reason: "it was not meant".into() },
    ]
}

fn conflicts() -> Vec<E> {
    let conflict = |theirs| Conflict {
        booking_changed_at: at("15:00"),
        remote_changed_at: at("15:01"),
        ours: matches!(theirs, RemoteChange::Edited { .. }).then(|| content("Lesson")),
        theirs,
    };
    let resolved =
        |winner, overrides| E::ConflictResolved { winner, rule: "the later change stands".into(), overrides };
    vec![
        E::ConflictDetected { conflict: conflict(edited()) },
        E::ConflictDetected { conflict: conflict(removed(Evidence::Tombstone)) },
        resolved(Side::Booking, Some(etag("2"))),
        resolved(Side::Calendar, None),
    ]
}

fn ends() -> Vec<E> {
    let look =
        |reason| E::LookRequested { reason, retry_at: (reason == LookReason::OperatorRequest).then(|| at("15:05")) };
    let looks = [
        LookReason::Stale,
        LookReason::Gone,
        LookReason::IdentityTaken,
        LookReason::Doubtful,
        LookReason::GraceOver,
        LookReason::OperatorRequest,
    ];
    let (remote, generation) = (remote(), Generation(1));
    let mut events = vec![
        E::Established { remote: remote.clone(), generation },
        E::Adopted {
            remote: remote.clone(),
            generation,
            etag: etag("1"),
            content: content("Lesson"),
            reason: "it bears our marker".into(),
        },
        E::EchoRecognised { remote: remote.clone(), etag: Some(etag("1")), by_content: true },
        E::EchoRecognised { remote: remote.clone(), etag: None, by_content: false },
        E::DeadLettered { command: command_id(), failure: failure(), booking_revision: Revision(2) },
        E::Reprocessed { by: "operator-1".into() },
        E::Detached { remote: remote.clone(), reason: "its marker was removed".into() },
        E::SupersededLeft { remote: remote.clone(), generation, etag: etag("1") },
        E::CloneSuspected { remote },
        E::WaitEnded { wait: Wait::Withheld },
        E::WaitEnded { wait: Wait::Retry },
        E::WaitEnded { wait: Wait::Look },
        E::WaitEnded { wait: Wait::Superseded },
    ];
    events.extend(looks.map(look));
    events
}
