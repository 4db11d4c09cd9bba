//! One link at a time: load, decide, record, then carry out the decided step; repeated until there is nothing to do.

mod act;

use std::sync::Arc;

use chrono::TimeDelta;

use super::{log, routing::Routing, throttle::Throttle, worklist::Worklist};
use crate::{
    domain::{
        booking::Booking,
        entry::Observation,
        event::Event,
        ids::{Generation, LinkId, Version},
        link::{self, Event as LinkEvent, Link, LinkRef},
        operations::{Approval, Approvals},
        profile::Profile,
    },
    ports::{event_store::ExpectedVersion, provider::CalendarProvider, source::BookingSource},
    reconcile::{self, Decision, Inputs, Step},
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Maximum number of steps for one link in one run.
const STEPS_MAX: usize = 24;

/// Why a link is checked.
#[derive(Debug, Clone, Default)]
pub struct Trigger {
    /// An observation of its entry.
    pub observation: Option<Observation>,
    /// The approval that the observed removal waits for.
    pub approval: Option<String>,
}

/// Result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleOutcome {
    /// The last version of the link's stream that was considered.
    pub version: Option<Version>,
    /// Number of commands sent.
    pub calls: u32,
}

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this process among others on the same ledger.
    pub worker: String,
    /// How long a command is reserved for its sender: longer than any call may take.
    pub lease: TimeDelta,
    /// Name of the workspace.
    pub workspace: String,
}

/// Settles links.
#[derive(Clone)]
pub struct Reconciler {
    /// The ledger.
    pub journal: Journal,
    /// Questions to the read models.
    pub worklist: Arc<dyn Worklist>,
    /// Which resources are shown on which calendars.
    pub routing: Arc<Routing>,
    /// Rate limits.
    pub throttle: Arc<Throttle>,
    /// Settings of this worker.
    pub settings: Settings,
}

/// Inputs of one decision.
struct Round<'a> {
    of: &'a LinkRef,
    link: Option<Link>,
    version: Option<Version>,
    booking: Booking,
    profile: &'a Profile,
    provider: &'a Arc<dyn CalendarProvider>,
    source: Option<&'a Arc<dyn BookingSource>>,
}

/// What was read before a decision.
#[derive(Clone, Copy, Default)]
struct Reads<'a> {
    /// What was seen of the entry.
    observation: Option<&'a Observation>,
    /// Whether that was just read, and nobody has recorded anything since.
    fresh: bool,
    /// Whether the booking was just read at its source.
    source: bool,
}

/// Result of reading the entry.
enum LookOutcome {
    /// What was seen, and the version of the link from which on it may be outdated; `None` if it may be outdated already.
    Observed(Option<Observation>, Option<Version>),
    Failed,
}

impl Reconciler {
    /// Brings one link in sync, as far as possible now.
    ///
    /// # Errors
    /// The ledger or the read models are unavailable; nothing is lost, and the call can be repeated.
    pub async fn settle(&self, of: &LinkRef, trigger: &Trigger, context: &Context) -> Result<SettleOutcome, Error> {
        let mut seen = trigger.observation.clone();
        // The version of the link at which its entry was just read.
        let mut read_at = None;
        let mut source_read = false;
        let mut calls = 0;
        let mut version = None;
        for _ in 0..STEPS_MAX {
            let Some(round) = self.load(of).await? else { break };
            // If another process has recorded something since, it may have written to the entry after it was read.
            let fresh = read_at.is_some() && read_at == round.version;
            let reads = Reads { observation: seen.as_ref(), fresh, source: source_read };
            let decision = self.gather_and_decide(&round, reads, trigger.approval.as_deref()).await?;
            version = match self.record(&round, &decision, context).await {
                Ok(version) => version,
                // Another process was first: decide again with what it recorded.
                Err(error) if error.is_conflict() => continue,
                Err(error) => return Err(error),
            };
            (seen, read_at, source_read) = (None, None, false);
            match decision.step {
                Step::Rest => break,
                Step::Call(command) => {
                    calls += 1;
                    version = Some(self.call(&round, command, context).await?);
                }
                Step::Verify(command) => match self.verify(&round, command, version, context).await? {
                    LookOutcome::Observed(observation, at) => (seen, read_at) = (observation, at),
                    LookOutcome::Failed => break,
                },
                Step::Look(remote, reason) => match self.look(&round, &remote, reason, version, context).await? {
                    LookOutcome::Observed(observation, at) => (seen, read_at) = (observation, at),
                    LookOutcome::Failed => break,
                },
                Step::ReadSource => {
                    self.read_source(&round, context).await?;
                    source_read = true;
                }
                Step::ChangeBooking(command, cause) => self.change_booking(&round, &command, &cause, context).await?,
            }
        }
        Ok(SettleOutcome { version, calls })
    }

    /// What would be done now, without doing it.
    ///
    /// # Errors
    /// As [`Reconciler::settle`].
    pub async fn plan(&self, of: &LinkRef) -> Result<Option<Decision>, Error> {
        let Some(round) = self.load(of).await? else { return Ok(None) };
        Ok(Some(self.gather_and_decide(&round, Reads::default(), None).await?))
    }

    async fn load<'a>(&'a self, of: &'a LinkRef) -> Result<Option<Round<'a>>, Error> {
        let (Some(booking), _) = self.journal.booking(&of.booking).await? else { return Ok(None) };
        let (link, version) = self.journal.link(&of.link).await?;
        let Some(provider) = self.routing.providers.get(&of.calendar.connection) else { return Ok(None) };
        let Some(profile) = self.routing.profiles.get(&of.profile) else { return Ok(None) };
        let source = self.routing.sources.get(&booking.source);
        Ok(Some(Round { of, link, version, booking, profile, provider, source }))
    }

    /// Gathers what the decision needs, and has the core decide.
    async fn gather_and_decide(
        &self,
        round: &Round<'_>,
        reads: Reads<'_>,
        approval: Option<&str>,
    ) -> Result<Decision, Error> {
        let now = self.journal.clock().now();
        let held_for = match round.link.as_ref().and_then(|l| l.held.as_ref()).map(|h| &h.reason) {
            Some(link::HoldReason::MassRemoval { approval }) => Some(approval.clone()),
            _ => None,
        };
        let approval = match approval.map(str::to_owned).or(held_for) {
            Some(name) => Some((self.approval(&name).await?, name)),
            None => None,
        };
        let overlaps = match reconcile::candidate_slot(round.link.as_ref(), reads.observation) {
            Some(slot) => self.worklist.overlapping(&round.booking.resource, slot, &round.of.booking).await?,
            None => Vec::new(),
        };
        let link_id = round.of.link.clone();
        let identity = |generation: Generation| round.provider.identity(&link_id, generation);
        let connection = round.of.calendar.connection.as_str();
        Ok(reconcile::decide(&Inputs {
            link: round.link.as_ref(),
            of: round.of,
            booking: &round.booking,
            routed: self.routing.leads(&round.booking.resource, &round.of.calendar),
            observation: reads.observation,
            fresh: reads.fresh,
            source_read: reads.source,
            overlaps: &overlaps,
            approval: approval.as_ref().map(|(stand, name)| (name.as_str(), *stand)),
            revoked: self.journal.connection(&round.of.calendar.connection).await?.0.revoked,
            throttled_until: self.throttle.closed_until(connection, now),
            source_throttled_until: self.throttle.closed_until(round.booking.source.as_str(), now),
            writes_back: round.source.is_some(),
            profile: round.profile,
            identity: &identity,
            worker: &self.settings.worker,
            lease: self.settings.lease,
            now,
        }))
    }

    async fn approval(&self, name: &str) -> Result<Approval, Error> {
        let approvals: Approvals = super::approve::approvals(&self.journal, &self.settings.workspace).await?;
        Ok(approvals.get(name).copied().unwrap_or(Approval::Open))
    }

    async fn record(
        &self,
        round: &Round<'_>,
        decision: &Decision,
        context: &Context,
    ) -> Result<Option<Version>, Error> {
        if decision.facts.is_empty() {
            return Ok(round.version);
        }
        let stream = StreamName::link(&round.of.link);
        let facts = decision.facts.clone();
        for fact in &facts {
            log::link(round.of, fact, context);
        }
        let appended = self.journal.append(&stream, ExpectedVersion::after(round.version), facts, context).await?;
        Ok(Some(appended.version))
    }

    /// The booking and calendar of a link, read from its own stream.
    ///
    /// # Errors
    /// As [`Reconciler::settle`].
    pub async fn link_ref(&self, link: &LinkId) -> Result<Option<LinkRef>, Error> {
        let first = self.journal.store().read_stream(&StreamName::link(link), Version(0), 1).await?;
        let Some(first) = first.into_iter().next() else { return Ok(None) };
        match self.journal.decode(first).await?.event {
            Event::Link(LinkEvent::SyncRequested { of, .. }) => Ok(Some(of)),
            _ => Ok(None),
        }
    }
}
