//! What the outcome of a command means: the events that record it.

use super::retry::FailureVerdict;
use crate::domain::{
    booking::Snapshot,
    entry::{Content, EntryState, Evidence},
    failure::CallFailure,
    ids::{Etag, Revision},
    link::{Attempt, Event, IssuedCommand, Operation, Verification},
};

/// The provider or the source answered.
pub fn answered(command: &IssuedCommand, answer: Attempt) -> Vec<Event> {
    let operation = command.operation.name().to_owned();
    let succeeded = Event::AttemptSucceeded { command: command.id.clone(), operation, answer };
    [succeeded].into_iter().chain(established(command)).collect()
}

/// The call failed, and `verdict` says whether and when it is repeated.
pub fn failed(
    command: &IssuedCommand,
    failure: CallFailure,
    verdict: FailureVerdict,
    booking_revision: Revision,
) -> Vec<Event> {
    let (id, operation) = (command.id.clone(), command.operation.name().to_owned());
    let dead =
        verdict.dead.then(|| Event::DeadLettered { command: id.clone(), failure: failure.clone(), booking_revision });
    let failed =
        Event::AttemptFailed { command: id, operation, failure, retry_at: verdict.retry_at, counts: verdict.counts };
    [failed].into_iter().chain(dead).collect()
}

/// It was found out how a command without an answer ended.
pub fn verified(command: &IssuedCommand, outcome: Verification) -> Vec<Event> {
    let done = matches!(outcome, Verification::Done { .. });
    let verified = Event::OutcomeVerified { command: command.id.clone(), outcome };
    [verified].into_iter().chain(established(command).filter(|_| done)).collect()
}

fn established(command: &IssuedCommand) -> Option<Event> {
    let created = matches!(command.operation, Operation::Create { .. });
    created.then(|| Event::Established { remote: command.remote.clone(), generation: command.generation })
}

/// Whether the entry, read by its id, shows that the command was carried out.
pub fn shown_by_entry(command: &IssuedCommand, seen: &EntryState) -> Verification {
    let done = |etag, updated, content: &Content| Verification::Done {
        answer: Attempt::Entry { etag, updated, content: content.clone() },
    };
    match (&command.operation, seen) {
        (Operation::Create { content }, EntryState::Live { etag, updated, marked: true, content: now }) => {
            // Created, and edited since: the base is the created content, so that the edit is recognised.
            let (etag, base) = if now.same(content) { (etag.clone(), now) } else { (base_etag(), content) };
            done(etag, *updated, base)
        }
        // Its id is used up: it was created and deleted since.
        (Operation::Create { content }, EntryState::Gone { evidence: Evidence::Tombstone, updated }) => {
            done(base_etag(), *updated, content)
        }
        (Operation::Update { content, .. }, EntryState::Live { etag, updated, marked: true, content: now })
            if now.same(content) =>
        {
            done(etag.clone(), *updated, now)
        }
        (Operation::Delete { .. }, EntryState::Gone { .. }) => {
            Verification::Done { answer: Attempt::Deleted { already_absent: false } }
        }
        (
            Operation::Create { .. }
            | Operation::Update { .. }
            | Operation::Delete { .. }
            | Operation::WriteBackUpdate { .. }
            | Operation::WriteBackCancel { .. },
            EntryState::Live { .. } | EntryState::Unreadable { .. } | EntryState::Gone { .. },
        ) => Verification::NotDone {},
    }
}

/// Whether the booking, as its source has it now, shows that a write-back was carried out. `revision` is the source's.
pub fn shown_by_source(operation: &Operation, source: Option<&Snapshot>, revision: Option<u64>) -> Verification {
    let done = match (operation, source) {
        (Operation::WriteBackUpdate { slot, .. }, Some(now)) => !now.cancelled && now.slot.same_time(slot),
        (Operation::WriteBackCancel { .. }, Some(now)) => now.cancelled,
        (_, None) | (Operation::Create { .. } | Operation::Update { .. } | Operation::Delete { .. }, Some(_)) => false,
    };
    if done {
        Verification::Done { answer: Attempt::WrittenBack { source_revision: revision } }
    } else {
        Verification::NotDone {}
    }
}

/// Placeholder for the version after a create, before somebody changed the entry: equal to no version of a provider.
fn base_etag() -> Etag {
    Etag("(as created)".into())
}
