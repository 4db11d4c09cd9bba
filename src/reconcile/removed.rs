//! An entry that is gone: the evidence, and what it means for the booking.

use chrono::{DateTime, TimeDelta, Utc};

use super::{decide::Decider, desired::DesiredEntry};
use crate::domain::{
    entry::{Evidence, Observation},
    link::{Event, HoldReason, LookReason, RemoteChange},
    operations::Approval,
    profile::OnRemoval,
};

impl Decider<'_> {
    /// Judges that the entry is gone.
    pub(super) fn gone(&mut self, seen: &Observation, evidence: Evidence, updated: Option<DateTime<Utc>>) {
        if self.link().remote.is_none() {
            if self.link().held.as_ref().is_some_and(|held| held.observation.remote == seen.remote) {
                // A person had restored what we deleted, and it is gone again: there is nothing left to ask about.
                self.push(Event::RemoteChangeReleased { reason: "the restored entry is gone again".into() });
            }
            if self.link().deleted == Some((seen.remote.clone(), false)) {
                self.push(Event::EchoRecognised { remote: seen.remote.clone(), etag: None, by_content: false });
            }
            return;
        }
        // A listing can lack an entry for many reasons, so a linked entry is read by its id first.
        if evidence == Evidence::AbsentInCoverage && !self.fresh {
            self.ask_to_look(LookReason::Doubtful);
            return;
        }
        let change = RemoteChange::Removed { evidence, updated };
        let DesiredEntry::Present(ours) = self.wants() else {
            self.accept(change, false);
            return;
        };
        if !self.i.booking.active() {
            self.accept(change, false);
            return;
        }
        let moved = self.link().remote.as_ref().is_some_and(|base| !ours.slot.same_time(&base.ours.slot));
        let judged =
            self.link().held.as_ref().is_some_and(|held| {
                held.reason == HoldReason::Grace && held.booking_revision == self.i.booking.revision
            });
        // While a removal waits, which side was later has already been decided.
        if moved && !judged {
            self.conflict(seen, change, &DesiredEntry::Present(ours));
        } else {
            self.removal(seen, change);
        }
    }

    /// A person removed the entry of an active booking: applies the profile.
    pub(super) fn removal(&mut self, seen: &Observation, change: RemoteChange) {
        match self.i.approval {
            Some((_, Approval::Denied)) => {
                self.reject(seen, "an operator denied these removals");
                return;
            }
            Some((name, Approval::Open)) => {
                self.hold(seen.clone(), HoldReason::MassRemoval { approval: name.to_owned() }, None);
                return;
            }
            Some((_, Approval::Granted)) | None => {}
        }
        let approved = self.i.approval.is_some();
        match self.i.profile.policy.remote_removal {
            OnRemoval::Ignore => self.push(Event::Detached {
                remote: seen.remote.clone(),
                reason: "it was removed in the calendar, and this profile ignores removals".into(),
            }),
            OnRemoval::Ask => self.hold(seen.clone(), HoldReason::OperatorDecision, None),
            OnRemoval::Cancel | OnRemoval::Mark => {
                let grace = TimeDelta::seconds(i64::from(self.i.profile.policy.removal_grace_s));
                let waited = self.link().held.as_ref().filter(|h| h.reason == HoldReason::Grace).and_then(|h| h.until);
                match waited {
                    Some(until) if until <= self.i.now && self.fresh => self.accept(change, true),
                    // Seen again while waiting: the end of the waiting time stays the same.
                    Some(until) => self.hold(seen.clone(), HoldReason::Grace, Some(until)),
                    None if approved || grace.is_zero() => self.accept(change, true),
                    None => self.hold(seen.clone(), HoldReason::Grace, Some(self.i.now + grace)),
                }
            }
        }
    }
}
