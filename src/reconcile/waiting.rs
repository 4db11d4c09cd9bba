//! A change that waits: for its time, for an approval, for a person's answer.

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
    /// A change that waits: for its time, for an approval, for a person.
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
                    Some(Approval::Denied) => {
                        self.reject(&held.observation, "an operator said that these removals were not meant");
                        None
                    }
                    // A long time may have passed: it counts only if the entry is still gone.
                    Some(Approval::Granted) if !seen_now => Some(self.look_for(LookReason::GraceOver)),
                    Some(Approval::Granted | Approval::Open) | None => None,
                }
            }
            HoldReason::Grace if !seen_now && held.until.is_none_or(|until| until <= self.i.now) => {
                Some(self.look_for(LookReason::GraceOver))
            }
            // The booking changed meanwhile: who wins is to be judged anew, on the entry as it is now.
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
            (_, None) => self.push(Event::RemoteChangeReleased { reason: "a person looked at it".into() }),
            (_, Some(change)) if held.reason == HoldReason::BroughtBack && self.link().remote.is_none() => {
                self.answered_about_brought_back(&held.observation.remote, change, accept);
            }
            (false, Some(_)) => self.reject(&held.observation, "a person turned it down"),
            (true, Some(change)) => self.accept(change, true),
        }
    }

    /// The booking stays cancelled either way: its source calls nothing on again. What is asked is whether the entry may
    /// stand; one that may not has to be known again, or it could not be removed.
    fn answered_about_brought_back(&mut self, remote: &RemoteId, change: RemoteChange, may_stand: bool) {
        let remote = remote.clone();
        match change {
            RemoteChange::Edited { etag, content, .. } if !may_stand => {
                let generation = self.link().generation.max(Generation(1));
                let reason = "a person said that the entry which was brought back is to go".into();
                self.push(Event::Adopted { remote, generation, etag, content, reason });
            }
            RemoteChange::Edited { .. } | RemoteChange::Removed { .. } => {
                let reason = "a person said that the entry may stand although the booking is cancelled".into();
                self.push(Event::Detached { remote, reason });
            }
        }
    }
}
