//! A change on hold: until a time, an approval, or an operator's answer.

use super::{
    decide::{Decider, Step},
    observed::change_of,
};
use crate::domain::{
    ids::{Generation, RemoteId},
    link::{Event, HeldChange, HoldReason, LookReason, RemoteChange},
    operations::Approval,
};

impl Decider<'_> {
    /// Judges a change on hold.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else holds a change, it waits on")]
    pub(super) fn waiting_change(&mut self) -> Option<Step> {
        let held = self.link().held.clone()?;
        match (&held.reason, held.answer) {
            (HoldReason::Busy, _) => return None,
            (_, Some(accept)) => {
                self.answered_by_person(&held, accept);
                return None;
            }
            (_, None) => {}
        }
        let seen_now = self.i.observation.is_some();
        match &held.reason {
            HoldReason::MassRemoval { approval } if self.i.approval.is_some_and(|(name, _)| name == approval) => {
                match self.i.approval.map(|(_, stand)| stand) {
                    // A long time may have passed: the answer is about the entry as it is now. Denied without a look, an entry that is there
                    // again would get a second one.
                    Some(Approval::Granted | Approval::Denied) if !seen_now => {
                        Some(self.look_for(LookReason::GraceOver))
                    }
                    Some(Approval::Granted | Approval::Denied | Approval::Open) | None => None,
                }
            }
            HoldReason::Grace if !seen_now && held.until.is_none_or(|until| until <= self.i.now) => {
                Some(self.look_for(LookReason::GraceOver))
            }
            // The booking changed meanwhile: the conflict must be judged again with the entry as it is now.
            _ if !seen_now && held.booking_revision != self.i.booking.revision => {
                Some(self.look_for(LookReason::Doubtful))
            }
            _ => None,
        }
    }

    fn look_for(&mut self, reason: LookReason) -> Step {
        self.ask_to_look(reason);
        self.look()
    }

    fn answered_by_person(&mut self, held: &HeldChange, accept: bool) {
        match (accept, change_of(&held.observation)) {
            (_, None) => self.push(Event::RemoteChangeReleased { reason: "an operator answered".into() }),
            (_, Some(change)) if held.reason == HoldReason::Restored && self.link().remote.is_none() => {
                self.answered_about_restored(&held.observation.remote, change, accept);
            }
            (false, Some(_)) => self.reject(&held.observation, "an operator rejected it"),
            (true, Some(change)) => self.accept(change, true),
        }
    }

    /// The booking stays cancelled in either case: its source restores nothing. The question is whether the entry may
    /// stay; to remove it, it must first be known again.
    fn answered_about_restored(&mut self, remote: &RemoteId, change: RemoteChange, keep: bool) {
        let remote = remote.clone();
        match change {
            RemoteChange::Edited { etag, content, .. } if !keep => {
                let generation = self.link().generation.max(Generation(1));
                let reason = "an operator decided to remove the restored entry".into();
                self.push(Event::Adopted { remote, generation, etag, content, reason });
            }
            RemoteChange::Edited { .. } | RemoteChange::Removed { .. } => {
                let reason = "an operator decided to keep the entry although the booking is cancelled".into();
                self.push(Event::Detached { remote, reason });
            }
        }
    }
}
