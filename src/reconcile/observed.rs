//! Judges an observation of an entry: an echo, a person's edit, a removal, or inconclusive.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    decide::{Decider, Step},
    desired::{DesiredEntry, desired},
};
use crate::domain::{
    entry::{Content, EntryState, Observation},
    ids::{Etag, Generation, RemoteId},
    link::{
        Conflict, Event, HeldChange, HoldReason, InboundStage, LookReason, Remote, RemoteChange, RemovalPolicy, Side,
        Wait,
    },
    profile::{Conflicts, OnRemoval},
    slot::Slot,
};

/// Changes within this time count as simultaneous.
const TIE: TimeDelta = TimeDelta::seconds(2);

/// Newest wins: the calendar wins only if it is later by more than [`TIE`].
pub(super) fn calendar_is_newer(booking_at: DateTime<Utc>, remote_at: DateTime<Utc>) -> bool {
    remote_at > booking_at + TIE
}

impl Decider<'_> {
    /// Judges the observation and what is on hold. `Some`: nothing else may be decided before that step.
    pub(super) fn observed(&mut self) -> Option<Step> {
        if let Some(step) = self.waiting_change() {
            return Some(step);
        }
        let held = self.link().held.clone();
        let busy_one = held.filter(|h| h.reason == HoldReason::Busy).map(|h| h.observation);
        if busy_one.is_some() {
            self.push(Event::RemoteChangeReleased { reason: "our own call has ended".into() });
        }
        let seen = self.i.observation.cloned();
        // A kept observation comes first, unless the present one says more about the same entry.
        let replaced = |kept: &Observation| {
            seen.as_ref().is_some_and(|seen| seen.remote == kept.remote && seen.seen_at >= kept.seen_at)
        };
        if let Some(kept) = busy_one.filter(|kept| !replaced(kept)) {
            // Whatever was read since, this was not.
            self.fresh = false;
            self.judge(&kept);
            self.fresh = self.i.fresh;
        }
        if let Some(seen) = &seen {
            self.judge(seen);
        }
        self.link().look?;
        let wanted = self.look_target();
        if self.i.fresh && seen.is_some_and(|seen| seen.remote == wanted) {
            // It was just read, and nothing had to be recorded.
            self.push(Event::WaitEnded { wait: Wait::Look });
            self.still_held();
            return None;
        }
        Some(self.look())
    }

    /// A change that is still on hold after a look was judged against the booking as it is now: it is not looked at again before the booking
    /// changes once more.
    fn still_held(&mut self) {
        let revision = self.i.booking.revision;
        if let Some(held) = self.link().held.clone().filter(|held| held.booking_revision != revision) {
            let HeldChange { observation, reason, until, .. } = held;
            self.push(Event::RemoteChangeHeld { observation, reason, booking_revision: revision, until });
        }
    }

    pub(super) fn reject(&mut self, observation: &Observation, reason: &str) {
        if let Some(change) = change_of(observation) {
            self.push(Event::RemoteChangeRejected { change, reason: reason.to_owned() });
        }
    }

    pub(super) fn judge(&mut self, seen: &Observation) {
        if seen.remote != self.current_id() {
            self.another_entry(seen);
            return;
        }
        if self.link().detached.as_ref() == Some(&seen.remote) {
            return;
        }
        // Replaced by an update of ours since: older than what we know, whatever the clocks say.
        if matches!(&seen.seen, EntryState::Live { etag, .. } if self.link().overwritten.contains(etag)) {
            return;
        }
        let ours_now = matches!((&seen.seen, &self.link().remote),
            (EntryState::Live { etag, .. }, Some(remote)) if *etag == remote.etag);
        // An observation from before our last write was answered may be older than that write; likewise, a slower
        // listing may be older than a change that was already accepted or put on hold.
        let newest = self.link().held.as_ref().filter(|held| held.observation.remote == seen.remote);
        let overtaken = newest.is_some_and(|held| seen.seen_at < held.observation.seen_at);
        let old_news = !self.fresh && (overtaken || self.link().wrote_at.is_some_and(|wrote| seen.seen_at <= wrote));
        if old_news && !ours_now {
            self.ask_to_look(LookReason::Doubtful);
            return;
        }
        match &seen.seen {
            EntryState::Live { marked: false, .. } => self.unmarked(&seen.remote),
            EntryState::Live { etag, updated, content, .. } => self.live(seen, etag, *updated, content),
            EntryState::Unreadable { etag, reason } => {
                if self.link().remote.as_ref().is_none_or(|remote| remote.etag != *etag) {
                    self.hold(seen.clone(), HoldReason::Unreadable { reason: reason.clone() }, None);
                }
            }
            EntryState::Gone { evidence, updated } => self.gone(seen, *evidence, *updated),
        }
    }

    /// An entry with our marker but another id: an earlier one of ours, or somebody's copy.
    pub(super) fn another_entry(&mut self, seen: &Observation) {
        let EntryState::Live { etag, marked: true, .. } = &seen.seen else {
            let left = self.link().superseded.as_ref().is_some_and(|(remote, _, _)| *remote == seen.remote);
            // It is gone, or a person removed the marker.
            if left {
                self.push(Event::WaitEnded { wait: Wait::Superseded });
            }
            return;
        };
        let earlier = (1..=self.link().generation.0).map(Generation).find(|g| (self.i.identity)(*g) == seen.remote);
        match earlier {
            Some(generation) => {
                let (remote, etag) = (seen.remote.clone(), etag.clone());
                self.push(Event::SupersededLeft { remote, generation, etag });
            }
            None if !self.link().clones.contains(&seen.remote) => {
                self.push(Event::CloneSuspected { remote: seen.remote.clone() });
            }
            None => {}
        }
    }

    fn unmarked(&mut self, remote: &RemoteId) {
        let reason = if self.link().remote.is_some() {
            "its marker was removed in the calendar: it is no longer managed"
        } else {
            if self.link().held.as_ref().is_some_and(|held| held.observation.remote == *remote) {
                // A person had restored what we deleted, and removed the marker: there is nothing left to ask about.
                self.push(Event::RemoteChangeReleased { reason: "the restored entry is no longer ours".into() });
            }
            // The id we chose belongs to somebody else's entry. The next generation has another id.
            if !self.link().clones.contains(remote) {
                self.push(Event::CloneSuspected { remote: remote.clone() });
            }
            return;
        };
        self.push(Event::Detached { remote: remote.clone(), reason: reason.into() });
    }

    fn live(&mut self, seen: &Observation, etag: &Etag, updated: Option<DateTime<Utc>>, content: &Content) {
        let Some(remote) = self.link().remote.clone() else {
            self.unexpected(seen, etag, content);
            return;
        };
        if self.link().held.as_ref().is_some_and(|held| matches!(held.observation.seen, EntryState::Gone { .. })) {
            self.push(Event::RemoteChangeReleased { reason: "the entry exists again".into() });
        }
        if remote.etag == *etag {
            if self.link().echoed.as_ref() != Some(etag) || self.link().look.is_some() {
                let (remote, etag) = (seen.remote.clone(), Some(etag.clone()));
                self.push(Event::EchoRecognised { remote, etag, by_content: false });
            }
            return;
        }
        if content.same(&remote.content) {
            let (remote, etag) = (seen.remote.clone(), Some(etag.clone()));
            self.push(Event::EchoRecognised { remote, etag, by_content: true });
            return;
        }
        self.edited(seen, &remote, etag, updated, content);
    }

    /// The entry exists although, as far as we knew, it did not.
    fn unexpected(&mut self, seen: &Observation, etag: &Etag, content: &Content) {
        // A removal on its way to the booking was undone before it was applied.
        if let Some(inbound) = self.link().inbound.clone()
            && inbound.stage == InboundStage::Accepted
            && matches!(inbound.change, RemoteChange::Removed { .. })
        {
            let reason = "the entry was restored before its removal was applied".into();
            self.push(Event::RemoteChangeRejected { change: inbound.change, reason });
        }
        let wanted = matches!(self.wants(), DesiredEntry::Present(_)) && self.i.booking.active();
        if !wanted {
            self.hold(seen.clone(), HoldReason::Restored, None);
            return;
        }
        let reason = if self.link().deleted.is_some() {
            "the entry was restored, and the booking is active"
        } else {
            "the entry carries our marker: an earlier create succeeded"
        };
        self.push(Event::Adopted {
            remote: seen.remote.clone(),
            generation: self.link().generation.max(Generation(1)),
            etag: etag.clone(),
            content: content.clone(),
            reason: reason.into(),
        });
    }

    pub(super) fn wants(&self) -> DesiredEntry {
        desired(self.i.booking, self.i.routed, &self.i.profile.policy)
    }

    /// A person's edit: a three-way comparison with the common base.
    fn edited(
        &mut self,
        seen: &Observation,
        base: &Remote,
        etag: &Etag,
        updated: Option<DateTime<Utc>>,
        content: &Content,
    ) {
        let policy = &self.i.profile.policy;
        let change = RemoteChange::Edited { etag: etag.clone(), updated, content: content.clone() };
        let wants = self.wants();
        if let DesiredEntry::Present(ours) = &wants
            && content.same(ours)
        {
            self.accept(change, false);
            return;
        }
        if !policy.inbound {
            let reason = "this profile accepts no changes from the calendar".to_owned();
            self.push(Event::RemoteChangeRejected { change, reason });
            return;
        }
        let their_time = !content.slot.same_time(&base.content.slot);
        let (our_time, our_words) = match &wants {
            DesiredEntry::Present(ours) => (!ours.slot.same_time(&base.ours.slot), !ours.same_text(&base.ours)),
            DesiredEntry::Absent(_) | DesiredEntry::Leave => (true, false),
        };
        let agreed_time = matches!(&wants, DesiredEntry::Present(ours) if ours.slot.same_time(&content.slot));
        if their_time && our_time && !agreed_time {
            self.conflict(seen, change, &wants);
        } else if their_time && !agreed_time {
            self.take_over_time(seen, change, &content.slot);
        } else if our_words && !content.same_text(&base.content) {
            self.push_conflict(seen, change, &wants);
            self.resolved(Side::Booking, "texts come from the booking", Some(etag));
        } else {
            self.accept(change, false);
        }
    }

    fn push_conflict(&mut self, seen: &Observation, theirs: RemoteChange, wants: &DesiredEntry) -> DateTime<Utc> {
        let remote_changed_at = match &theirs {
            RemoteChange::Edited { updated, .. } | RemoteChange::Removed { updated, .. } => {
                updated.unwrap_or(seen.seen_at)
            }
        };
        let ours = match wants {
            DesiredEntry::Present(content) => Some(content.clone()),
            DesiredEntry::Absent(_) | DesiredEntry::Leave => None,
        };
        let booking_changed_at = self.i.booking.changed_at;
        self.push(Event::ConflictDetected {
            conflict: Conflict { booking_changed_at, remote_changed_at, ours, theirs },
        });
        remote_changed_at
    }

    pub(super) fn resolved(&mut self, winner: Side, rule: &str, overrides: Option<&Etag>) {
        self.push(Event::ConflictResolved { winner, rule: rule.to_owned(), overrides: overrides.cloned() });
    }

    /// Both sides moved it, or one moved what the other cancelled.
    pub(super) fn conflict(&mut self, seen: &Observation, change: RemoteChange, wants: &DesiredEntry) {
        let etag = match &change {
            RemoteChange::Edited { etag, .. } => Some(etag.clone()),
            RemoteChange::Removed { .. } => None,
        };
        let remote_at = self.push_conflict(seen, change.clone(), wants);
        let present = matches!(wants, DesiredEntry::Present(_)) && self.i.booking.active();
        let newest = self.i.profile.policy.conflicts == Conflicts::NewestWins;
        if !present {
            self.resolved(Side::Booking, "the booking is cancelled or on another resource", etag.as_ref());
        } else if newest && calendar_is_newer(self.i.booking.changed_at, remote_at) {
            self.resolved(Side::Calendar, "the later change wins: the calendar's", None);
            match &change {
                RemoteChange::Edited { content, .. } => {
                    let slot = content.slot.clone();
                    self.take_over_time(seen, change, &slot);
                }
                RemoteChange::Removed { .. } => self.removal(seen, change),
            }
        } else {
            let rule = if newest { "the later change wins: the booking's" } else { "the booking wins" };
            self.resolved(Side::Booking, rule, etag.as_ref());
        }
    }

    /// A person moved the entry, and only other bookings can prevent it.
    fn take_over_time(&mut self, seen: &Observation, change: RemoteChange, slot: &Slot) {
        let whole_day = matches!(slot, Slot::AllDay { .. }) && matches!(self.i.booking.slot, Slot::Timed { .. });
        if whole_day && self.i.writes_back {
            self.hold(seen.clone(), HoldReason::WholeDay, None);
        } else if !self.i.overlaps.is_empty() {
            self.hold(seen.clone(), HoldReason::Overlap { with: self.i.overlaps.to_vec() }, None);
        } else {
            self.accept(change, true);
        }
    }

    pub(super) fn accept(&mut self, change: RemoteChange, changes_booking: bool) {
        let removal = match (&change, self.i.profile.policy.remote_removal) {
            (RemoteChange::Removed { .. }, OnRemoval::Mark) => Some(RemovalPolicy::Mark),
            (RemoteChange::Removed { .. }, OnRemoval::Cancel | OnRemoval::Ask | OnRemoval::Ignore) => {
                Some(RemovalPolicy::Cancel)
            }
            (RemoteChange::Edited { .. }, _) => None,
        };
        self.push(Event::RemoteChangeAccepted {
            change,
            changes_booking,
            removal: removal.filter(|_| changes_booking),
            booking_revision: self.i.booking.revision,
            booking_slot: self.i.booking.slot.clone(),
        });
    }
}

pub(super) fn change_of(observation: &Observation) -> Option<RemoteChange> {
    match &observation.seen {
        EntryState::Live { etag, updated, content, .. } => {
            Some(RemoteChange::Edited { etag: etag.clone(), updated: *updated, content: content.clone() })
        }
        EntryState::Gone { evidence, updated } => {
            Some(RemoteChange::Removed { evidence: *evidence, updated: *updated })
        }
        EntryState::Unreadable { .. } => None,
    }
}
