//! A person's accepted change on its way to the booking's source and to the booking.

use super::{
    decide::{Decider, Step},
    observed::calendar_is_newer,
};
use crate::domain::{
    booking::{Cause, Command},
    failure::FailureClass,
    ids::{Etag, Generation},
    link::{Conflict, Event, Inbound, InboundStage, Operation, RemoteChange, RemovalPolicy, Side, WithholdReason},
    profile::Conflicts,
};

impl Decider<'_> {
    /// The next step of an accepted change. `Some`: nothing is sent to the calendar before it.
    pub(super) fn inbound(&mut self) -> Option<Step> {
        let inbound = self.link().inbound.clone()?;
        if self.arrived(&inbound) {
            self.push(Event::RemoteChangeApplied { booking_revision: self.i.booking.revision });
            return None;
        }
        if self.refused_by_source(&inbound) || self.overtaken(&inbound) {
            return None;
        }
        let link = self.i.of.link.clone();
        let revision = match inbound.stage {
            InboundStage::WrittenBack(revision) => revision,
            InboundStage::Accepted if self.i.writes_back && inbound.removal != Some(RemovalPolicy::Mark) => {
                return Some(self.write_back(&inbound));
            }
            InboundStage::Accepted => None,
        };
        let cause = Cause { source_revision: revision, ..Cause::default() };
        let command = match (&inbound.change, inbound.removal) {
            (RemoteChange::Edited { etag, content, .. }, _) => {
                Command::AcceptRemoteSlot { slot: content.slot.clone(), link, etag: etag.clone() }
            }
            (RemoteChange::Removed { .. }, Some(RemovalPolicy::Mark)) => Command::MarkExternalRemoval { link },
            (RemoteChange::Removed { .. }, _) => Command::AcceptRemoteRemoval { link },
        };
        Some(Step::ChangeBooking(command, cause))
    }

    /// Whether the booking already has the change.
    fn arrived(&self, inbound: &Inbound) -> bool {
        let booking = self.i.booking;
        match (&inbound.change, inbound.removal) {
            (RemoteChange::Edited { content, .. }, _) => booking.active() && booking.slot.same_time(&content.slot),
            (RemoteChange::Removed { .. }, Some(RemovalPolicy::Mark)) => {
                booking.removal_marked.as_ref() == Some(&self.i.of.link) || !booking.active()
            }
            (RemoteChange::Removed { .. }, _) => !booking.active(),
        }
    }

    fn refused_by_source(&mut self, inbound: &Inbound) -> bool {
        let retry = &self.link().retry;
        let Some(said) = retry.last.clone().filter(|_| retry.at_source) else { return false };
        if !matches!(said.class, FailureClass::RejectedBySource | FailureClass::Gone)
            || inbound.stage != InboundStage::Accepted
        {
            return false;
        }
        let reason = format!("the booking's source does not accept it: {}", said.summary);
        self.push(Event::RemoteChangeRejected { change: inbound.change.clone(), reason });
        true
    }

    /// The booking changed after the change was accepted and before it was applied: a conflict after all.
    fn overtaken(&mut self, inbound: &Inbound) -> bool {
        let booking = self.i.booking;
        let untouched = booking.active() && booking.slot.same_time(&inbound.booking_slot);
        let written = matches!(inbound.stage, InboundStage::WrittenBack(revision)
            if booking.source_revision.is_none_or(|known| revision.is_none_or(|r| known < r)));
        // Once the source has accepted it, the booking follows the source, whose answer is newer than our state.
        if untouched || written {
            return false;
        }
        let (remote_changed_at, overrides): (_, Option<&Etag>) = match &inbound.change {
            RemoteChange::Edited { updated, etag, .. } => (updated.unwrap_or(booking.changed_at), Some(etag)),
            RemoteChange::Removed { updated, .. } => (updated.unwrap_or(booking.changed_at), None),
        };
        let calendar_wins = booking.active()
            && self.i.profile.policy.conflicts == Conflicts::NewestWins
            && calendar_is_newer(booking.changed_at, remote_changed_at);
        if calendar_wins {
            return false;
        }
        let conflict = Conflict {
            booking_changed_at: booking.changed_at,
            remote_changed_at,
            ours: None,
            theirs: inbound.change.clone(),
        };
        self.push(Event::ConflictDetected { conflict });
        self.resolved(Side::Booking, "the booking changed before the calendar's change was applied", overrides);
        true
    }

    fn write_back(&mut self, inbound: &Inbound) -> Step {
        if self.link().dead.is_some_and(|at| at >= self.i.booking.revision) {
            return Step::Rest;
        }
        if self.link().retry.at.is_some_and(|at| at > self.i.now) {
            return Step::Rest;
        }
        if let Some(until) = self.i.source_throttled_until.filter(|until| *until > self.i.now) {
            return self.withhold(WithholdReason::RateLimited, Some(until));
        }
        // The source has a newer revision (412): its present state decides.
        let retry = &self.link().retry;
        let stale = retry.at_source && retry.last.as_ref().is_some_and(|f| f.class == FailureClass::Stale);
        if stale && self.i.booking.revision == inbound.booking_revision && !self.i.source_read {
            return Step::ReadSource;
        }
        let expect_revision = self.i.booking.source_revision;
        let (operation, why) = match &inbound.change {
            RemoteChange::Edited { content, .. } => (
                Operation::WriteBackUpdate { slot: content.slot.clone(), expect_revision },
                "a person moved the entry in the calendar",
            ),
            RemoteChange::Removed { .. } => {
                (Operation::WriteBackCancel { expect_revision }, "a person removed the entry from the calendar")
            }
        };
        let (remote, generation) = (self.current_id(), self.link().generation.max(Generation(1)));
        self.issue(operation, remote, generation, &[why, "the booking's source must be updated first"])
    }
}
