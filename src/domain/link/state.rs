//! What is known of a link. How its events make it: `src/domain/link/evolve.rs`.

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
pub struct HeldChange {
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
    pub held: Option<HeldChange>,
    /// Both sides changed; not resolved yet.
    pub conflict: Option<Conflict>,
    /// The entry is to be read by its id first.
    pub look: Option<LookReason>,
    /// Which entry that is, where it is not the one that the link has now but one of an earlier generation.
    pub look_at: Option<RemoteId>,
    /// How often reading it has failed since then.
    pub looks_failed: u32,
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
    /// When it is to be looked at again though nothing happens: the earliest timer that counts. `None`: never.
    ///
    /// A call under way is decided on first, then a look, and neither is made while the other side wants no calls: what
    /// stands behind one of them is not waited for yet.
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

    /// A link about which nothing is known yet but what it joins.
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
            wrote_at: None,
            echoed: None,
            deleted: None,
            last_source: None,
        }
    }
}
