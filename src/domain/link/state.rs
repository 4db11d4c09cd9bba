//! A link as its events make it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::event::{
    Attempt, CommandId, Conflict, Event, HoldReason, IssuedCommand, LinkRef, LookReason, Operation, RemoteChange,
    RemovalPolicy, Side, Verified, WithholdReason,
};
use crate::domain::{
    entry::{Content, Observation},
    failure::{CallFailure, FailureClass},
    ids::{Etag, Generation, RemoteId, Revision},
    slot::Slot,
};

/// The remote entry, as far as we know: the common base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its id.
    pub id: RemoteId,
    /// Its version.
    pub etag: Etag,
    /// What it says.
    pub content: Content,
    /// What our side said when both were last in step. Differs from `content` where a person's words were left standing.
    pub ours: Content,
}

/// A command that was issued and has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The command.
    pub command: IssuedCommand,
    /// Whether it is known that nobody knows how it ended.
    pub unknown: bool,
}

/// Failures since the last success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// Nothing is sent before this.
    pub at: Option<DateTime<Utc>>,
    /// How many counted against the profile's number of attempts.
    pub counted: u32,
    /// How many there were in all.
    pub failures: u32,
    /// The last of them.
    pub last: Option<CallFailure>,
}

/// A person's change that was taken over and has yet to reach the booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The change.
    pub change: RemoteChange,
    /// For a removal: what it does.
    pub removal: Option<RemovalPolicy>,
    /// The booking's revision when it was accepted.
    pub booking_revision: Revision,
    /// The booking's time when it was accepted.
    pub booking_slot: Slot,
    /// How far it has come.
    pub stage: InboundStage,
}

/// How far an accepted change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundStage {
    /// The source does not know yet.
    Accepted,
    /// The source took it, as this revision; the booking is to follow.
    WrittenBack(Option<u64>),
}

/// A person's change that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What was seen.
    pub observation: Observation,
    /// Why it waits.
    pub reason: HoldReason,
    /// The booking's revision when it was held.
    pub booking_revision: Revision,
    /// When it is looked at again.
    pub until: Option<DateTime<Utc>>,
    /// A person's word: take it over, or put the entry back.
    pub answer: Option<bool>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it joins.
    pub of: LinkRef,
    /// The last generation for which a create was issued; 0 before the first.
    pub generation: Generation,
    /// The last generation whose id is used up at the provider; the next create takes the one after it.
    pub spent: Generation,
    /// The entry, where there is one as far as we know.
    pub remote: Option<Remote>,
    /// The one call under way.
    pub in_flight: Option<InFlight>,
    /// How many commands were issued.
    pub commands: u64,
    /// Failures since the last success.
    pub retry: Retry,
    /// Given up at this revision of the booking.
    pub dead: Option<Revision>,
    /// The entry that is not ours any more.
    pub detached: Option<RemoteId>,
    /// A taken-over change on its way to the booking.
    pub inbound: Option<Inbound>,
    /// A change that waits.
    pub held: Option<Held>,
    /// Both sides changed; not resolved yet.
    pub conflict: Option<Conflict>,
    /// The entry is to be read by its id first.
    pub look: Option<LookReason>,
    /// Why nothing is sent, as it was last recorded.
    pub withheld: Option<(WithholdReason, Revision, Option<DateTime<Utc>>)>,
    /// An entry of an earlier generation that is to be removed.
    pub superseded: Option<(RemoteId, Generation, Etag)>,
    /// Copies that were noted.
    pub clones: BTreeSet<RemoteId>,
    /// When we last came to know the entry anew, by a write that was answered or a change that was taken as the base: what
    /// was seen before that proves nothing.
    pub wrote_at: Option<DateTime<Utc>>,
    /// Our own version whose echo was recognised.
    pub echoed: Option<Etag>,
    /// The entry we deleted, and whether the echo of that was recognised.
    pub deleted: Option<(RemoteId, bool)>,
    /// Which side changed last.
    pub last_source: Option<Side>,
}

impl Link {
    fn new(of: LinkRef) -> Self {
        Self {
            of,
            generation: Generation(0),
            spent: Generation(0),
            remote: None,
            in_flight: None,
            commands: 0,
            retry: Retry::default(),
            dead: None,
            detached: None,
            inbound: None,
            held: None,
            conflict: None,
            look: None,
            withheld: None,
            superseded: None,
            clones: BTreeSet::new(),
            wrote_at: None,
            echoed: None,
            deleted: None,
            last_source: None,
        }
    }

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
                    Operation::Delete { .. } | Operation::WriteBackSlot { .. } | Operation::WriteBackCancel { .. } => {
                        content.clone()
                    }
                };
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
                if self.superseded.as_ref().is_some_and(|(id, _, _)| *id == command.remote) {
                    self.superseded = None;
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

    fn accepted(&mut self, change: &RemoteChange, at: DateTime<Utc>) {
        self.wrote_at = Some(at);
        self.held = None;
        self.conflict = None;
        self.look = None;
        self.last_source = Some(Side::Calendar);
        match change {
            RemoteChange::Edited { etag, content, .. } => self.rebase(etag, content),
            RemoteChange::Removed { .. } => {
                self.remote = None;
                self.deleted = None;
            }
        }
    }

    /// Takes their version and time as the base; the words of our side stay what they were, so that a person's words are
    /// neither overwritten now nor mistaken for ours later.
    fn rebase(&mut self, etag: &Etag, content: &Content) {
        if let Some(remote) = &mut self.remote {
            remote.etag = etag.clone();
            remote.content = content.clone();
            remote.ours.slot = content.slot.clone();
        }
    }
}

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
            link.retry.at = None;
            link.look = None;
            link.in_flight = Some(InFlight { command: command.clone(), unknown: false });
        }
        Event::AttemptSucceeded { command, answer, .. }
        | Event::OutcomeVerified { command, outcome: Verified::Done { answer } } => {
            if let Some(command) = link.flying(command) {
                link.answered(&command, answer, at);
            }
        }
        Event::OutcomeVerified { command, outcome: Verified::NotDone {} } => {
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
            link.look = None;
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
            link.look = None;
            link.held = Some(Held {
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
            link.look = None;
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
            link.retry.at = *retry_at;
        }
    }
    Some(link)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only three classes say something about the entry itself")]
fn failed(link: &mut Link, failure: &CallFailure, retry_at: Option<DateTime<Utc>>, counts: bool) {
    use FailureClass as F;
    link.retry.failures += 1;
    link.retry.counted += u32::from(counts);
    link.retry.at = retry_at;
    link.retry.last = Some(failure.clone());
    if failure.class == F::OutcomeUnknown {
        if let Some(flight) = &mut link.in_flight {
            flight.unknown = true;
        }
        return;
    }
    let Some(flight) = link.in_flight.take() else { return };
    // A refusal by the source concerns the source's copy; the entry itself needs no second look.
    if flight.command.operation.at_source() {
        return;
    }
    match failure.class {
        F::Stale => link.look = Some(LookReason::Stale),
        F::Gone => link.look = Some(LookReason::Gone),
        F::IdentityTaken => {
            link.spent = link.spent.max(flight.command.generation);
            link.look = Some(LookReason::IdentityTaken);
        }
        _ => {}
    }
}

fn echo(link: &mut Link, remote: &RemoteId, etag: Option<&Etag>, at: DateTime<Utc>) {
    link.look = None;
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
