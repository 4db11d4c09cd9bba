//! A link after one more event.

use chrono::{DateTime, Utc};

use super::{
    event::{Attempt, CommandId, Event, IssuedCommand, LookReason, Operation, RemoteChange, Side, Verification, Wait},
    state::{HeldChange, InFlight, Inbound, InboundStage, Link, Remote, Retry},
};
use crate::domain::{
    entry::Content,
    failure::{CallFailure, FailureClass},
    ids::{Etag, RemoteId},
};

/// The link after one more event recorded at `at`. Total: every event applies to every state.
pub fn evolve(state: Option<Link>, event: &Event, at: DateTime<Utc>) -> Option<Link> {
    let mut link = match (state, event) {
        (None, Event::SyncRequested { of, .. }) => Link::new(of.clone()),
        (None, _) => return None,
        (Some(link), _) => link,
    };
    match event {
        Event::SyncRequested { of, .. } => {
            link.of = of.clone();
            link.dead = None;
            link.retry = Retry::default();
        }
        Event::Decided { .. } => link.withheld = None,
        Event::Withheld { reason, booking_revision, until } => {
            link.withheld = Some((reason.clone(), *booking_revision, *until));
        }
        Event::CommandIssued { command } => {
            link.commands += 1;
            link.generation = link.generation.max(command.generation);
            link.clear_look();
            link.retry.at = None;
            link.in_flight = Some(InFlight { command: command.clone(), unknown: false });
        }
        Event::AttemptSucceeded { command, answer, .. }
        | Event::OutcomeVerified { command, outcome: Verification::Done { answer } } => {
            if let Some(command) = link.flying(command) {
                link.answered(&command, answer, at);
            }
        }
        Event::OutcomeVerified { command, outcome: Verification::NotDone {} } => {
            if link.flying(command).is_some() {
                link.in_flight = None;
            }
        }
        Event::AttemptFailed { command, failure, retry_at, counts, .. } => {
            if link.flying(command).is_some() {
                failed(&mut link, failure, *retry_at, *counts);
            }
        }
        Event::Established { .. } => {}
        Event::Adopted { remote, generation, etag, content, .. } => {
            link.generation = link.generation.max(*generation);
            link.spent = link.spent.max(*generation);
            link.remote = Some(Remote {
                id: remote.clone(),
                etag: etag.clone(),
                content: content.clone(),
                ours: content.clone(),
            });
            link.held = None;
            link.clear_look();
            link.deleted = None;
            link.wrote_at = Some(at);
        }
        Event::EchoRecognised { remote, etag, .. } => echo(&mut link, remote, etag.as_ref(), at),
        Event::RemoteChangeAccepted { change, changes_booking, removal, booking_revision, booking_slot } => {
            link.accepted(change, at);
            if *changes_booking {
                link.inbound = Some(Inbound {
                    change: change.clone(),
                    removal: *removal,
                    booking_revision: *booking_revision,
                    booking_slot: booking_slot.clone(),
                    stage: InboundStage::Accepted,
                });
            }
        }
        Event::RemoteChangeApplied { .. } => link.inbound = None,
        Event::RemoteChangeHeld { observation, reason, booking_revision, until } => {
            link.clear_look();
            link.held = Some(HeldChange {
                observation: observation.clone(),
                reason: reason.clone(),
                booking_revision: *booking_revision,
                until: *until,
                answer: None,
            });
        }
        Event::RemoteChangeAnswered { accept, .. } => {
            if let Some(held) = &mut link.held {
                held.answer = Some(*accept);
            }
        }
        Event::RemoteChangeReleased { .. } => link.held = None,
        Event::RemoteChangeRejected { change, .. } => {
            link.accepted(change, at);
            link.inbound = None;
            link.retry = Retry::default();
            link.last_source = Some(Side::Booking);
        }
        Event::ConflictDetected { conflict } => link.conflict = Some(conflict.clone()),
        Event::ConflictResolved { winner: Side::Booking, .. } => {
            link.inbound = None;
            link.retry = Retry::default();
            if let Some(conflict) = link.conflict.take() {
                link.accepted(&conflict.theirs, at);
            }
            link.last_source = Some(Side::Booking);
        }
        Event::ConflictResolved { winner: Side::Calendar, .. } => link.conflict = None,
        Event::DeadLettered { booking_revision, .. } => {
            link.dead = Some(*booking_revision);
            link.retry.at = None;
        }
        Event::Reprocessed { .. } => {
            link.dead = None;
            link.retry = Retry::default();
        }
        Event::Detached { remote, .. } => {
            link.detached = Some(remote.clone());
            link.remote = None;
            link.held = None;
            link.clear_look();
            link.inbound = None;
        }
        Event::SupersededLeft { remote, generation, etag } => {
            link.superseded = Some((remote.clone(), *generation, etag.clone()));
        }
        Event::CloneSuspected { remote } => {
            link.clones.insert(remote.clone());
        }
        Event::LookRequested { reason, retry_at } => {
            link.look = Some(*reason);
            link.looks_failed = if retry_at.is_some() { link.looks_failed.saturating_add(1) } else { 0 };
            link.retry.at = *retry_at;
        }
        Event::WaitEnded { wait: Wait::Withheld } => link.withheld = None,
        Event::WaitEnded { wait: Wait::Retry } => link.retry.at = None,
        Event::WaitEnded { wait: Wait::Look } => link.clear_look(),
        Event::WaitEnded { wait: Wait::Superseded } => link.superseded = None,
    }
    Some(link)
}

/// Replaced versions that are remembered: as many as a slow listing may be behind.
const OVERWRITTEN_MAX: usize = 8;

impl Link {
    fn flying(&self, id: &CommandId) -> Option<IssuedCommand> {
        self.in_flight.as_ref().filter(|f| f.command.id == *id).map(|f| f.command.clone())
    }

    fn answered(&mut self, command: &IssuedCommand, answer: &Attempt, at: DateTime<Utc>) {
        self.in_flight = None;
        self.retry = Retry::default();
        self.dead = None;
        match (answer, &command.operation) {
            (Attempt::Entry { etag, content, .. }, operation) => {
                let ours = match operation {
                    Operation::Update { ours, .. } => ours.clone(),
                    Operation::Create { content } => content.clone(),
                    Operation::Delete { .. }
                    | Operation::WriteBackUpdate { .. }
                    | Operation::WriteBackCancel { .. } => content.clone(),
                };
                if let Operation::Update { expect, .. } = operation
                    && expect != etag
                {
                    self.overwritten.push(expect.clone());
                    let older = self.overwritten.len().saturating_sub(OVERWRITTEN_MAX);
                    self.overwritten.drain(..older);
                }
                self.wrote_at = Some(at);
                self.last_source = Some(Side::Booking);
                self.deleted = None;
                self.spent = self.spent.max(command.generation);
                self.remote =
                    Some(Remote { id: command.remote.clone(), etag: etag.clone(), content: content.clone(), ours });
            }
            (Attempt::Deleted { .. }, _) => {
                self.wrote_at = Some(at);
                self.last_source = Some(Side::Booking);
                if self.is_superseded(&command.remote) {
                    self.superseded.take_if(|(id, _, _)| *id == command.remote);
                } else {
                    self.remote = None;
                    self.deleted = Some((command.remote.clone(), false));
                }
            }
            (Attempt::WrittenBack { source_revision }, _) => {
                if let Some(inbound) = &mut self.inbound {
                    inbound.stage = InboundStage::WrittenBack(*source_revision);
                }
            }
        }
    }

    /// Whether `remote` is an entry of an earlier generation. It stays one after [`Wait::Superseded`] ended: a command on it may
    /// still be in flight.
    fn is_superseded(&self, remote: &RemoteId) -> bool {
        self.superseded.as_ref().is_some_and(|(id, _, _)| id == remote)
            || self.remote.as_ref().is_some_and(|present| present.id != *remote)
    }

    /// The entry has been read; any timer for reading it again ends.
    fn clear_look(&mut self) {
        if self.look.take().is_some() {
            self.looks_failed = 0;
            self.look_at = None;
            self.retry.at = None;
        }
    }

    fn accepted(&mut self, change: &RemoteChange, at: DateTime<Utc>) {
        self.wrote_at = Some(at);
        self.held = None;
        self.conflict = None;
        self.clear_look();
        self.last_source = Some(Side::Calendar);
        match change {
            RemoteChange::Edited { etag, content, .. } => self.rebase(etag, content),
            RemoteChange::Removed { .. } => {
                self.remote = None;
                self.deleted = None;
            }
        }
    }

    /// Takes the calendar's version and time as the base, but keeps our side's text, so that a person's text is
    /// neither overwritten now nor mistaken for ours later.
    fn rebase(&mut self, etag: &Etag, content: &Content) {
        if let Some(remote) = &mut self.remote {
            remote.etag = etag.clone();
            remote.content = content.clone();
            remote.ours.slot = content.slot.clone();
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only three classes say something about the entry itself")]
fn failed(link: &mut Link, failure: &CallFailure, retry_at: Option<DateTime<Utc>>, counts: bool) {
    use FailureClass as F;
    link.retry.failures += 1;
    link.retry.counted += u32::from(counts);
    link.retry.at = retry_at;
    link.retry.last = Some(failure.clone());
    link.retry.at_source = link.in_flight.as_ref().is_some_and(|flight| flight.command.operation.at_source());
    if failure.class == F::OutcomeUnknown {
        if let Some(flight) = &mut link.in_flight {
            flight.unknown = true;
        }
        return;
    }
    let Some(flight) = link.in_flight.take() else { return };
    // A refusal by the source concerns the source's copy; the entry itself need not be read again.
    if flight.command.operation.at_source() {
        return;
    }
    let reason = match failure.class {
        F::Stale => LookReason::Stale,
        F::Gone => LookReason::Gone,
        F::IdentityTaken => {
            link.spent = link.spent.max(flight.command.generation);
            LookReason::IdentityTaken
        }
        _ => return,
    };
    let superseded = link.is_superseded(&flight.command.remote);
    link.look = Some(reason);
    link.look_at = superseded.then_some(flight.command.remote);
}

fn echo(link: &mut Link, remote: &RemoteId, etag: Option<&Etag>, at: DateTime<Utc>) {
    link.clear_look();
    match (etag, &mut link.remote) {
        (Some(etag), Some(known)) if known.id == *remote => {
            if known.etag != *etag {
                link.wrote_at = Some(at);
            }
            known.etag = etag.clone();
            link.echoed = Some(etag.clone());
            link.held = None;
        }
        (Some(_), _) => {}
        (None, _) => {
            if let Some((id, echoed)) = &mut link.deleted
                && id == remote
            {
                *echoed = true;
            }
        }
    }
}
