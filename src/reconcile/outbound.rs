//! What the booking wants on the calendar, and the command that makes it so.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    decide::{Decider, Step},
    desired::DesiredEntry,
};
use crate::domain::{
    entry::Content,
    ids::{Generation, RemoteId},
    link::{Event, Operation, Remote, WithholdReason},
};

impl Decider<'_> {
    pub(super) fn outbound(&mut self) -> Step {
        let link = self.link();
        let given_up = link.dead.is_some_and(|at| at >= self.i.booking.revision);
        let waits = link.retry.at.is_some_and(|at| at > self.i.now);
        if link.detached.is_some() || link.held.is_some() || given_up {
            return Step::Rest;
        }
        let wants = self.wants();
        let nothing_to_send = match (&wants, &self.link().remote) {
            (DesiredEntry::Leave, _) | (DesiredEntry::Absent(_), None) => true,
            (DesiredEntry::Present(ours), Some(remote)) => {
                ours.same(&remote.ours) || self.over_and_forgotten(ours, remote)
            }
            (DesiredEntry::Present(_), None) | (DesiredEntry::Absent(_), Some(_)) => false,
        };
        if nothing_to_send && self.link().superseded.is_none() {
            self.end_withholding();
            return Step::Rest;
        }
        if self.i.revoked {
            return self.withhold(WithholdReason::ConnectionRevoked, None);
        }
        if waits {
            return Step::Rest;
        }
        if let Some((remote, generation, etag)) = self.link().superseded.clone() {
            let why = ["an entry of an earlier generation is still on the calendar"];
            return self.send(Operation::Delete { expect: etag }, remote, generation, &why);
        }
        match (wants, self.link().remote.clone()) {
            (DesiredEntry::Present(ours), None) => self.create(ours),
            (DesiredEntry::Present(ours), Some(remote)) => self.update(ours, remote),
            (DesiredEntry::Absent(why), Some(remote)) => {
                let generation = self.link().generation;
                self.send(Operation::Delete { expect: remote.etag }, remote.id, generation, &[why])
            }
            (DesiredEntry::Leave, _) | (DesiredEntry::Absent(_), None) => Step::Rest,
        }
    }

    /// Whether the only difference is erased text, and the booking is over: past entries are not changed, and
    /// the report of the erasure lists them.
    fn over_and_forgotten(&self, ours: &Content, remote: &Remote) -> bool {
        ours.slot.widest().1 < self.i.now && ours.only_erased_from(&remote.ours)
    }

    fn create(&mut self, content: Content) -> Step {
        let policy = &self.i.profile.policy;
        if !policy.create {
            return self.withhold(WithholdReason::DirectionClosed, None);
        }
        // The profile says to record the removal and keep the booking: the entry stays removed.
        let noted = self.i.booking.removal_marked.as_ref() == Some(&self.i.of.link);
        if noted || !self.i.booking.active() {
            self.end_withholding();
            return Step::Rest;
        }
        let (starts, ends) = content.slot.widest();
        if ends < self.i.now - TimeDelta::days(i64::from(policy.window_back_days)) {
            return self.withhold(WithholdReason::Past, None);
        }
        let opens = starts - TimeDelta::days(i64::from(policy.window_ahead_days));
        if opens > self.i.now {
            return self.withhold(WithholdReason::TooFarAhead, Some(opens));
        }
        let generation = self.link().spent.next();
        let why = if generation.0 == 1 {
            "the booking is active and has no entry on this calendar"
        } else {
            "the booking is active and its earlier entry is gone"
        };
        self.send(Operation::Create { content }, (self.i.identity)(generation), generation, &[why])
    }

    /// Sends our side's changes since both agreed, and keeps a person's text where ours did not change.
    fn update(&mut self, ours: Content, remote: Remote) -> Step {
        if !self.i.profile.policy.update {
            return self.withhold(WithholdReason::DirectionClosed, None);
        }
        let mut reasons = Vec::new();
        let mut content = remote.content.clone();
        if !ours.slot.same_time(&remote.ours.slot) {
            reasons.push("the time of the booking differs from the entry");
            content.slot = ours.slot.clone();
        }
        let (words, base) = (ours.clone(), &remote.ours);
        if words.title != base.title || words.description != base.description {
            reasons.push("the booking's texts changed");
        }
        if words.title != base.title {
            content.title = words.title;
        }
        if words.description != base.description {
            content.description = words.description;
        }
        if ours.marked_cancelled != base.marked_cancelled {
            reasons.push("the booking was cancelled or restored");
            content.marked_cancelled = ours.marked_cancelled;
        }
        let generation = self.link().generation;
        let operation = Operation::Update { expect: remote.etag, from: remote.content, content, ours };
        self.send(operation, remote.id, generation, &reasons)
    }

    /// Issues a command, unless the provider wants no calls now. The rate limit is checked last, because it is local:
    /// two processes that stop at different conditions would answer each other's events for ever.
    fn send(&mut self, operation: Operation, remote: RemoteId, generation: Generation, reasons: &[&str]) -> Step {
        match self.i.throttled_until.filter(|until| *until > self.i.now) {
            Some(until) => self.withhold(WithholdReason::RateLimited, Some(until)),
            None => self.issue(operation, remote, generation, reasons),
        }
    }

    /// Records why nothing is sent, once per reason, revision and time limit.
    pub(super) fn withhold(&mut self, reason: WithholdReason, until: Option<DateTime<Utc>>) -> Step {
        let booking_revision = self.i.booking.revision;
        let known = self.link().withheld.as_ref();
        if known.is_none_or(|(why, at, term)| {
            *why != reason || *at != booking_revision || term.is_some_and(|term| term <= self.i.now)
        }) {
            self.push(Event::Withheld { reason, booking_revision, until });
        }
        Step::Rest
    }
}
