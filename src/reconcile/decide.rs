//! The decision about one link: events to record, then one step.
//!
//! In order: at most one call at a time; observations; an accepted change on its way to the booking; what the booking wants.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    booking::{self, Booking},
    entry::{EntryState, Observation},
    ids::{BookingId, Generation, IdempotencyKey, RemoteId, short_hash},
    link::{
        Action, CommandId, Event, HoldReason, IssuedCommand, Link, LinkRef, LookReason, Operation, RemoteChange, Wait,
        WithholdReason, evolve,
    },
    operations::Approval,
    profile::Profile,
    slot::Slot,
};

/// All inputs of a decision.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The link, if it has a stream.
    pub link: Option<&'a Link>,
    /// The booking and the calendar.
    pub of: &'a LinkRef,
    /// The booking.
    pub booking: &'a Booking,
    /// Whether the booking's resource has a route to this calendar.
    pub routed: bool,
    /// The observation of the entry that triggered the decision, if any.
    pub observation: Option<&'a Observation>,
    /// Whether the observation was just read by the entry's id, and nobody has recorded anything since.
    pub fresh: bool,
    /// Whether the booking was just read at its source.
    pub source_read: bool,
    /// Other active bookings on the same resource that overlap the time of [`candidate_slot`].
    pub overlaps: &'a [BookingId],
    /// The approval that a removal (observed or on hold) waits for, and its status.
    pub approval: Option<(&'a str, Approval)>,
    /// Whether the connection's access was revoked.
    pub revoked: bool,
    /// Until when the provider wants no calls through this connection.
    pub throttled_until: Option<DateTime<Utc>>,
    /// Until when the booking's source wants no calls.
    pub source_throttled_until: Option<DateTime<Utc>>,
    /// Whether the booking's source accepts changes.
    pub writes_back: bool,
    /// The policy.
    pub profile: &'a Profile,
    /// The provider's ids for this link.
    pub identity: &'a dyn Fn(Generation) -> RemoteId,
    /// The deciding process, for the lease of a command.
    pub worker: &'a str,
    /// How long a command is reserved for its sender.
    pub lease: TimeDelta,
    /// Current time.
    pub now: DateTime<Utc>,
}

/// Events to record, then one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// To append to the link's stream at the version that was the input.
    pub facts: Vec<Event>,
    /// To carry out afterwards.
    pub step: Step,
}

/// What to do once the events are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing. A timer or an event will wake the link.
    Rest,
    /// Send this command; its intent is the last of the events.
    Call(IssuedCommand),
    /// Find out how this command ended.
    Verify(IssuedCommand),
    /// Read the entry by its id, and decide again with the observation.
    Look(RemoteId, LookReason),
    /// Read the booking at its source, record it, and decide again.
    ReadSource,
    /// Apply the accepted change to the booking.
    ChangeBooking(booking::Command, booking::Cause),
}

/// The time that an observation, or the change on hold, would move the booking to; overlaps are looked up for it.
pub fn candidate_slot<'a>(link: Option<&'a Link>, observation: Option<&'a Observation>) -> Option<&'a Slot> {
    let observation = observation.or_else(|| link?.held.as_ref().map(|held| &held.observation))?;
    match &observation.seen {
        EntryState::Live { content, .. } => Some(&content.slot),
        EntryState::Unreadable { .. } | EntryState::Gone { .. } => None,
    }
}

/// Decides. Total: every input has a decision.
pub fn decide(inputs: &Inputs<'_>) -> Decision {
    let mut decider = Decider { i: *inputs, fresh: inputs.fresh, link: inputs.link.cloned(), facts: Vec::new() };
    let step = decider.run();
    Decision { facts: decider.facts, step }
}

pub(super) struct Decider<'a> {
    pub(super) i: Inputs<'a>,
    /// Whether what is being judged was just read: not so for an observation that was kept during a call.
    pub(super) fresh: bool,
    link: Option<Link>,
    facts: Vec<Event>,
}

impl Decider<'_> {
    fn run(&mut self) -> Step {
        let step = self.step();
        if step == Step::Rest {
            self.end_waits();
        }
        step
    }

    /// A link at rest must have no overdue timer: one that is due but needs no action is ended.
    fn end_waits(&mut self) {
        let (now, Some(link)) = (self.i.now, &self.link) else { return };
        let over = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= now);
        if !over(link.due_at()) {
            return;
        }
        let withheld = over(link.withheld.as_ref().and_then(|(_, _, until)| *until));
        if over(link.retry.at) {
            self.push(Event::WaitEnded { wait: Wait::Retry });
        }
        if withheld {
            self.end_withholding();
        }
    }

    /// Ends the withholding, because nothing is kept from being sent.
    pub(super) fn end_withholding(&mut self) {
        if self.link().withheld.is_some() {
            self.push(Event::WaitEnded { wait: Wait::Withheld });
        }
    }

    fn step(&mut self) -> Step {
        if self.link.is_none() {
            let wanted = self.i.routed && self.i.booking.active();
            if !wanted {
                return Step::Rest;
            }
            let reason = "the booking's resource is routed to this calendar".to_owned();
            self.push(Event::SyncRequested { of: self.i.of.clone(), reason });
        }
        if let Some(step) = self.call_under_way() {
            return step;
        }
        if let Some(step) = self.observed() {
            return step;
        }
        if let Some(step) = self.inbound() {
            return step;
        }
        self.outbound()
    }

    /// The link including the events decided so far.
    pub(super) fn link(&self) -> &Link {
        self.link.as_ref().expect("run() starts the link before anything else looks at it")
    }

    pub(super) fn push(&mut self, event: Event) {
        self.link = evolve(self.link.take(), &event, self.i.now);
        self.facts.push(event);
    }

    /// While a call is in progress nothing else is decided, and observations are kept for later.
    fn call_under_way(&mut self) -> Option<Step> {
        let flight = self.link().in_flight.clone()?;
        let known = self.link().held.as_ref().map(|held| &held.observation);
        match self.i.observation.cloned() {
            // Another entry with our marker says nothing about the call; keeping it would replace the observation that does.
            Some(seen) if seen.remote != self.current_id() => self.another_entry(&seen),
            Some(seen) if known.is_none_or(|known| *known != seen && known.seen_at <= seen.seen_at) => {
                self.hold(seen, HoldReason::Busy, None);
            }
            Some(_) | None => {}
        }
        let waiting = if flight.unknown {
            self.link().retry.at.is_some_and(|at| at > self.i.now)
        } else {
            flight.command.lease_until > self.i.now
        };
        let throttled = match flight.command.operation.at_source() {
            true => self.i.source_throttled_until,
            false => self.i.throttled_until,
        };
        Some(match throttled.filter(|until| *until > self.i.now) {
            _ if waiting => Step::Rest,
            Some(until) => self.withhold(WithholdReason::RateLimited, Some(until)),
            None => Step::Verify(flight.command),
        })
    }

    /// Puts a change on hold, unless it already is for the same reason and no read was requested.
    pub(super) fn hold(&mut self, observation: Observation, reason: HoldReason, until: Option<DateTime<Utc>>) {
        let booking_revision = self.i.booking.revision;
        if let Some(held) = &self.link().held
            && self.link().look.is_none()
            && held.observation.seen == observation.seen
            && held.reason == reason
            && held.booking_revision == booking_revision
        {
            return;
        }
        self.push(Event::RemoteChangeHeld { observation, reason, booking_revision, until });
    }

    pub(super) fn ask_to_look(&mut self, reason: LookReason) {
        // One read serves all reasons. Requesting it again would reset its failure count.
        if self.link().look.is_none() {
            self.push(Event::LookRequested { reason, retry_at: None });
        }
    }

    /// Reads the entry; the same conditions prevent reading as prevent writing.
    pub(super) fn look(&mut self) -> Step {
        if self.i.revoked {
            return self.withhold(WithholdReason::ConnectionRevoked, None);
        }
        if self.link().retry.at.is_some_and(|at| at > self.i.now) {
            return Step::Rest;
        }
        match self.i.throttled_until.filter(|until| *until > self.i.now) {
            Some(until) => self.withhold(WithholdReason::RateLimited, Some(until)),
            None => Step::Look(self.look_target(), self.link().look.unwrap_or(LookReason::Doubtful)),
        }
    }

    /// The entry that a look is for.
    pub(super) fn look_target(&self) -> RemoteId {
        self.link().look_at.clone().unwrap_or_else(|| self.current_id())
    }

    /// The id of the present entry, or of the next one to create.
    pub(super) fn current_id(&self) -> RemoteId {
        match &self.link().remote {
            Some(remote) => remote.id.clone(),
            None => (self.i.identity)(self.link().generation.max(Generation(1))),
        }
    }

    /// Records the decision and the intent, and makes the call the next step.
    pub(super) fn issue(
        &mut self,
        operation: Operation,
        remote: RemoteId,
        generation: Generation,
        reasons: &[&str],
    ) -> Step {
        let action = match &operation {
            Operation::Create { .. } => Action::Create,
            Operation::Update { .. } => Action::Update,
            Operation::Delete { .. } => Action::Delete,
            Operation::WriteBackUpdate { .. } => Action::WriteBackUpdate,
            Operation::WriteBackCancel { .. } => Action::WriteBackCancel,
        };
        self.decided(action, reasons);
        let id = CommandId(format!("{}:{}", self.i.of.link, self.link().commands + 1));
        let command = IssuedCommand {
            key: self.key(&operation, &remote),
            id,
            operation,
            remote,
            generation,
            booking_revision: self.i.booking.revision,
            lease_until: self.i.now + self.i.lease,
            worker: self.i.worker.to_owned(),
        };
        self.push(Event::CommandIssued { command: command.clone() });
        Step::Call(command)
    }

    pub(super) fn decided(&mut self, action: Action, reasons: &[&str]) {
        self.push(Event::Decided {
            action,
            reasons: reasons.iter().map(|r| (*r).to_owned()).collect(),
            booking_revision: self.i.booking.revision,
            etag: self.link().remote.as_ref().map(|r| r.etag.clone()),
            profile: self.i.profile.id.clone(),
            profile_version: self.i.profile.version,
        });
    }

    /// The same intention always has the same key, and a different one has a different key.
    fn key(&self, operation: &Operation, remote: &RemoteId) -> IdempotencyKey {
        let link = self.i.of.link.as_str();
        let revision = self.i.booking.revision.to_string();
        let base = self.link().inbound.as_ref().map_or_else(String::new, |inbound| match &inbound.change {
            RemoteChange::Edited { etag, .. } => etag.to_string(),
            RemoteChange::Removed { updated, .. } => updated.map_or_else(String::new, |at| at.to_rfc3339()),
        });
        // A source answers a key with its first answer for ever. At another revision the same change is a new
        // intention: otherwise the first answer would be believed and nothing done.
        let at_source = self.i.booking.source_revision.map_or_else(String::new, |revision| revision.to_string());
        let parts: &[&str] = match operation {
            Operation::Create { .. } => &[link, "create", remote.as_str()],
            Operation::Update { expect, .. } => &[link, "update", remote.as_str(), expect.as_str(), &revision],
            Operation::Delete { expect } => &[link, "delete", remote.as_str(), expect.as_str()],
            Operation::WriteBackUpdate { slot, .. } => {
                &[link, "write back", remote.as_str(), &base, &slot.to_string(), &at_source]
            }
            Operation::WriteBackCancel { .. } => &[link, "write back cancel", remote.as_str(), &base, &at_source],
        };
        IdempotencyKey(short_hash(parts, 40))
    }
}
