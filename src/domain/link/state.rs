//! The state of a link. Folded from its events in `src/domain/link/evolve.rs`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::event::{
    Conflict, HoldReason, IssuedCommand, LinkRef, LookReason, RemoteChange, RemovalPolicy, Side, WithholdReason,
};
use crate::domain::{
    entry::{Content, Observation},
    failure::CallFailure,
    ids::{Etag, Generation, RemoteId, Revision},
    slot::Slot,
};

/// The remote entry as far as we know: the common base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its id.
    pub id: RemoteId,
    /// Its version.
    pub etag: Etag,
    /// Its content.
    pub content: Content,
    /// Our side's content when both last agreed. Differs from `content` where a person's text was kept.
    pub ours: Content,
}

/// A command that was issued and has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The command.
    pub command: IssuedCommand,
    /// Whether its outcome is known to be unknown.
    pub unknown: bool,
}

/// Failures since the last success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// Nothing is sent before this time.
    pub at: Option<DateTime<Utc>>,
    /// Number that counts towards the profile's maximum number of attempts.
    pub counted: u32,
    /// Total number.
    pub failures: u32,
    /// The last of them.
    pub last: Option<CallFailure>,
    /// Whether that was a call to the booking's source, and not to the provider.
    pub at_source: bool,
}

/// A person's accepted change that has not reached the booking yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The change.
    pub change: RemoteChange,
    /// For a removal: its effect.
    pub removal: Option<RemovalPolicy>,
    /// The booking's revision when it was accepted.
    pub booking_revision: Revision,
    /// The booking's time when it was accepted.
    pub booking_slot: Slot,
    /// Its progress.
    pub stage: InboundStage,
}

/// Progress of an accepted change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundStage {
    /// Not sent to the source yet.
    Accepted,
    /// The source accepted it as this revision; the booking is next.
    WrittenBack(Option<u64>),
}

/// A person's change on hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldChange {
    /// What was seen.
    pub observation: Observation,
    /// Why it is on hold.
    pub reason: HoldReason,
    /// The booking's revision at that time.
    pub booking_revision: Revision,
    /// When to check again.
    pub until: Option<DateTime<Utc>>,
    /// An operator's answer: `true` accepts it, `false` restores the entry.
    pub answer: Option<bool>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The booking and the calendar.
    pub of: LinkRef,
    /// The last generation for which a create was issued; 0 before the first.
    pub generation: Generation,
    /// The last generation whose id is used up at the provider; the next create uses the one after it.
    pub spent: Generation,
    /// The entry, if it exists as far as we know.
    pub remote: Option<Remote>,
    /// The call in progress; at most one.
    pub in_flight: Option<InFlight>,
    /// Number of commands issued.
    pub commands: u64,
    /// Failures since the last success.
    pub retry: Retry,
    /// The booking's revision at which it was given up.
    pub dead: Option<Revision>,
    /// The entry that is no longer managed.
    pub detached: Option<RemoteId>,
    /// An accepted change on its way to the booking.
    pub inbound: Option<Inbound>,
    /// A change on hold.
    pub held: Option<HeldChange>,
    /// A conflict that is not resolved yet.
    pub conflict: Option<Conflict>,
    /// Why the entry must be read by its id first.
    pub look: Option<LookReason>,
    /// The entry to read, if it is one of an earlier generation.
    pub look_at: Option<RemoteId>,
    /// How often reading it has failed since then.
    pub looks_failed: u32,
    /// Why nothing is sent, as last recorded.
    pub withheld: Option<(WithholdReason, Revision, Option<DateTime<Utc>>)>,
    /// An entry of an earlier generation that must be removed.
    pub superseded: Option<(RemoteId, Generation, Etag)>,
    /// Known copies.
    pub clones: BTreeSet<RemoteId>,
    /// When we last learned the entry's state, from the answer to a write or a change accepted as the base: earlier
    /// observations prove nothing.
    pub wrote_at: Option<DateTime<Utc>>,
    /// Versions that our own updates have replaced, the newest last: whoever shows one of them saw the entry before. Unlike times, this
    /// holds if a clock is set back.
    pub overwritten: Vec<Etag>,
    /// Our own version whose echo was recognised.
    pub echoed: Option<Etag>,
    /// The entry we deleted, and whether the echo of that was recognised.
    pub deleted: Option<(RemoteId, bool)>,
    /// The side that changed last.
    pub last_source: Option<Side>,
}

impl Link {
    /// When to check it again if nothing happens: the earliest timer that applies. `None`: never.
    ///
    /// A call in progress is decided first, then a read, and neither is made while the provider wants no calls: timers
    /// behind one of them do not apply yet.
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        let withheld_until = self.withheld.as_ref().and_then(|(_, _, until)| *until);
        let next = match (&self.in_flight, self.look) {
            (Some(flight), _) => Some(self.retry.at.unwrap_or(flight.command.lease_until)),
            (None, Some(_)) => self.retry.at,
            (None, None) => {
                let held_until = self.held.as_ref().and_then(|held| held.until);
                return [self.retry.at, held_until, withheld_until].into_iter().flatten().min();
            }
        };
        let limited = matches!(self.withheld, Some((WithholdReason::RateLimited, _, _)));
        next.max(withheld_until.filter(|_| limited))
    }

    /// A link about which nothing else is known.
    pub(super) fn new(of: LinkRef) -> Self {
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
            look_at: None,
            looks_failed: 0,
            withheld: None,
            superseded: None,
            clones: BTreeSet::new(),
            overwritten: Vec::new(),
            wrote_at: None,
            echoed: None,
            deleted: None,
            last_source: None,
        }
    }
}
