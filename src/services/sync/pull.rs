//! Pulls a calendar: changes since the cursor, or the whole window. A listing is complete or has no effect.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};

use super::{
    calendars::{Calendars, claim},
    reconciler::Settings,
    routing::Routing,
    throttle::Throttle,
    worklist::{LiveLink, Worklist},
};
use crate::{
    domain::{
        calendar::{Calendar, Cursor, Event, PullMode, PullTally, REMOVALS_REMEMBERED, Window},
        entry::{Body, EntryState, Evidence, Observation, RemoteEntry},
        event,
        failure::{CallFailure, FailureClass},
        ids::{CalendarKey, CursorToken, LinkId, SubjectId, short_hash},
        link::Operation,
        operations,
        profile::Policy,
    },
    ports::{
        event_store::{APPEND_EVENTS_MAX, ExpectedVersion},
        provider::{CalendarProvider, ListFrom},
    },
    reconcile::{mass_removal, retry},
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, Journal},
    },
};

/// Maximum number of pages per listing; with at most 2,500 entries each, enough for five million.
const PAGES_MAX: u32 = 2_000;
/// Margin listed beyond the profile's window on both sides, so that an entry at the edge does not come and go.
const MARGIN: TimeDelta = TimeDelta::hours(48);
/// How long a pull is reserved for one process.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// Result of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullOutcome {
    /// Complete.
    Done(PullTally),
    /// Failed; nothing of it counts.
    Failed(CallFailure),
    /// Another process pulls it, or it is not due.
    Waiting,
}

/// Pulls calendars.
#[derive(Clone)]
pub struct Puller {
    /// The ledger.
    pub journal: Journal,
    /// Questions to the read models.
    pub worklist: Arc<dyn Worklist>,
    /// Which resources are shown on which calendars.
    pub routing: Arc<Routing>,
    /// Rate limits.
    pub throttle: Arc<Throttle>,
    /// Cached calendars.
    pub calendars: Arc<Calendars>,
    /// Settings of this worker.
    pub settings: Settings,
}

struct Listing {
    entries: Vec<RemoteEntry>,
    cursor: CursorToken,
    mode: PullMode,
    window: Window,
    pages: u32,
    /// Time before the first page was requested: the listing is at least as new as this.
    asked_at: DateTime<Utc>,
}

impl Puller {
    /// Pulls one calendar.
    ///
    /// # Errors
    /// The ledger or the read models are not available.
    pub async fn pull(&self, key: &CalendarKey) -> Result<PullOutcome, Error> {
        self.pull_where(key, |_, _| true).await
    }

    /// Pulls a calendar if a notification arrived, or if its last pull was longer than `every` ago.
    ///
    /// # Errors
    /// As [`Puller::pull`].
    pub async fn pull_due(&self, key: &CalendarKey, every: TimeDelta) -> Result<PullOutcome, Error> {
        let due = |calendar: &Calendar, now| calendar.pulled_at.is_none_or(|at| at + every <= now);
        self.pull_where(key, |calendar, now| calendar.notified() || due(calendar, now)).await
    }

    /// Decides by the state that it then claims, so that of two processes only one pulls.
    async fn pull_where(
        &self,
        key: &CalendarKey,
        wanted: impl Fn(&Calendar, DateTime<Utc>) -> bool + Send,
    ) -> Result<PullOutcome, Error> {
        let Some(provider) = self.routing.providers.get(&key.connection) else { return Ok(PullOutcome::Waiting) };
        let Some(profile) = self.routing.profile_of(key) else { return Ok(PullOutcome::Waiting) };
        let (calendar, version) = self.calendars.load(&self.journal, key).await?;
        let now = self.journal.clock().now();
        let pulled_by_other = calendar
            .pulling_until
            .as_ref()
            .is_some_and(|(worker, until)| *until > now && *worker != self.settings.worker);
        let early = calendar.pull_retry_at.is_some_and(|at| at > now);
        let closed = self.throttle.closed_until(key.connection.as_str(), now).is_some();
        if pulled_by_other || early || closed || !wanted(&calendar, now) {
            return Ok(PullOutcome::Waiting);
        }
        let cursor = calendar.cursor.clone().filter(|c| c.fingerprint == provider.query_fingerprint());
        let context =
            Context::root(Actor::new("reconciler", "puller"), Origin::Provider, self.journal.clock().event_id());
        let started = Event::PullStarted {
            calendar: key.clone(),
            mode: if cursor.is_some() { PullMode::Delta } else { PullMode::Full },
            worker: self.settings.worker.clone(),
            lease_until: now + LEASE,
        };
        if !claim(&self.journal, key, version, started, &context).await? {
            return Ok(PullOutcome::Waiting);
        }
        match self.list(key, provider, cursor, &profile.policy, &context).await? {
            Ok(listing) => {
                let policy = profile.policy.clone();
                self.take_in(key, provider, listing, &calendar, &policy, &context).await.map(PullOutcome::Done)
            }
            Err(failure) => self.failed(key, &calendar, failure, &context).await,
        }
    }

    async fn append(&self, key: &CalendarKey, facts: Vec<Event>, context: &Context) -> Result<(), Error> {
        let stream = StreamName::calendar(key);
        let mut facts = facts.into_iter().peekable();
        while facts.peek().is_some() {
            let part: Vec<Event> = facts.by_ref().take(APPEND_EVENTS_MAX).collect();
            self.journal.append(&stream, ExpectedVersion::Any, part, context).await?;
        }
        Ok(())
    }

    /// Reads all pages. If the cursor is no longer valid, makes a full listing.
    async fn list(
        &self,
        key: &CalendarKey,
        provider: &Arc<dyn CalendarProvider>,
        cursor: Option<Cursor>,
        policy: &Policy,
        context: &Context,
    ) -> Result<Result<Listing, CallFailure>, Error> {
        let now = self.journal.clock().now();
        let window = Window {
            from: now - TimeDelta::days(i64::from(policy.window_back_days)) - MARGIN,
            until: now + TimeDelta::days(i64::from(policy.window_ahead_days)) + MARGIN,
        };
        if let Some(cursor) = cursor {
            match self.pages(key, provider, &ListFrom::Cursor(cursor.token), PullMode::Delta, window).await {
                Err(failure) if failure.class == FailureClass::CursorExpired => {
                    let reason = failure.summary;
                    let fact = Event::CursorInvalidated { calendar: key.clone(), reason };
                    self.append(key, vec![fact], context).await?;
                }
                other => return Ok(other),
            }
        }
        Ok(self.pages(key, provider, &ListFrom::Window(window), PullMode::Full, window).await)
    }

    async fn pages(
        &self,
        key: &CalendarKey,
        provider: &Arc<dyn CalendarProvider>,
        from: &ListFrom,
        mode: PullMode,
        window: Window,
    ) -> Result<Listing, CallFailure> {
        let asked_at = self.journal.clock().now();
        let (mut entries, mut next, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            self.throttle.count_call(key.connection.as_str(), self.journal.clock().now());
            let page = provider.list(key, from, next.as_deref()).await?;
            pages += 1;
            entries.extend(page.entries);
            match (page.next, page.cursor) {
                (Some(_), _) if pages >= PAGES_MAX => {
                    let why = format!("the listing has more than {PAGES_MAX} pages");
                    return Err(CallFailure::new(FailureClass::NonRetryable, why));
                }
                (Some(page), _) => next = Some(page),
                (None, Some(cursor)) => return Ok(Listing { entries, cursor, mode, window, pages, asked_at }),
                (None, None) => {
                    let why = "the last page has no token for the next listing";
                    return Err(CallFailure::new(FailureClass::Transient, why));
                }
            }
        }
    }

    /// Records a complete listing, the cursor last, so that after a crash the same listing is read again.
    async fn take_in(
        &self,
        key: &CalendarKey,
        provider: &Arc<dyn CalendarProvider>,
        listing: Listing,
        before: &Calendar,
        policy: &Policy,
        context: &Context,
    ) -> Result<PullTally, Error> {
        self.worklist.refresh().await?;
        // In this order: one that is answered in between is a live link by then.
        let creates = self.worklist.creates_under_way().await?;
        let live = self.worklist.live_links(key).await?;
        let mut observed = Vec::new();
        let mut removed = Vec::new();
        for entry in &listing.entries {
            let Some(link) = self.link_of(key, entry).await? else { continue };
            let Some(subject) = self.subject_of(&link).await? else { continue };
            let seen = EntryState::of(entry, &link, &subject);
            let observation = Observation { remote: entry.id.clone(), seen_at: listing.asked_at, seen };
            match &observation.seen {
                EntryState::Gone { .. } => removed.push((link, observation)),
                EntryState::Live { .. } | EntryState::Unreadable { .. } => {
                    // A full listing contains everything: only news is recorded.
                    let known = live.iter().any(|l| l.link == link && l.remote == entry.id && l.etag == entry.etag);
                    if listing.mode == PullMode::Delta || !known {
                        observed.push((link, observation));
                    }
                }
            }
        }
        if listing.mode == PullMode::Full {
            let ours = live.iter().map(|live| &live.link).chain(&creates).collect();
            removed.extend(absent(key, &listing, ours, provider.lists_beyond_window(), self).await?);
        }
        let counted = removed.iter().filter(|(link, o)| live.iter().any(|l| l.link == *link && l.remote == o.remote));
        let removals = counted.count();
        let approval = self.guard(key, &live, &removed, removals, before, policy, context).await?;
        let tally = PullTally {
            pages: listing.pages,
            entries: u32::try_from(listing.entries.len()).unwrap_or(u32::MAX),
            managed: u32::try_from(observed.len() + removed.len()).unwrap_or(u32::MAX),
            removals: u32::try_from(removals).unwrap_or(u32::MAX),
        };
        let mut facts: Vec<Event> = observed
            .into_iter()
            .map(|(link, observation)| Event::RemoteEntryObserved { calendar: key.clone(), link, observation })
            .collect();
        facts.extend(removed.into_iter().map(|(link, observation)| Event::RemoteEntryRemoved {
            calendar: key.clone(),
            link,
            observation,
            approval: approval.clone(),
        }));
        if listing.mode == PullMode::Full {
            facts.push(Event::CoverageProven { calendar: key.clone(), window: listing.window });
        }
        facts.push(Event::CursorAdvanced {
            calendar: key.clone(),
            cursor: listing.cursor,
            fingerprint: provider.query_fingerprint(),
            tally,
        });
        self.append(key, facts, context).await?;
        info!(calendar = %key, entries = tally.entries, managed = tally.managed, "Pulled {key}");
        Ok(tally)
    }

    /// The link of an entry, by its marker, or because it had one before. Nothing is kept of other people's entries.
    async fn link_of(&self, key: &CalendarKey, entry: &RemoteEntry) -> Result<Option<LinkId>, Error> {
        match &entry.marker {
            Some(marker) => Ok(Some(marker.link.clone())),
            None => self.worklist.link_of_entry(key, &entry.id).await,
        }
    }

    /// The subject of the entry's texts. `None`: the marker names a link that this ledger does not have, so the entry
    /// belongs to another ledger.
    async fn subject_of(&self, link: &LinkId) -> Result<Option<SubjectId>, Error> {
        let (Some(link), _) = self.journal.link(link).await? else { return Ok(None) };
        let (booking, _) = self.journal.booking(&link.of.booking).await?;
        Ok(booking.map(|booking| booking.details.title.subject))
    }

    /// Holds back too many removals at once until an operator decides.
    #[expect(clippy::too_many_arguments, reason = "all of them are what the rule compares")]
    async fn guard(
        &self,
        key: &CalendarKey,
        live: &[LiveLink],
        removed: &[(LinkId, Observation)],
        removals: usize,
        before: &Calendar,
        policy: &Policy,
        context: &Context,
    ) -> Result<Option<String>, Error> {
        let now = self.journal.clock().now();
        let lately = before.removals.iter().filter(|at| **at > now - REMOVALS_REMEMBERED).count();
        if !mass_removal::needs_approval(removals, lately, live.len(), policy) {
            return Ok(None);
        }
        let approval = format!("removals-{}", short_hash(&[context.correlation.as_str()], 12));
        warn!(calendar = %key, removals, live = live.len(), approval, "{removals} entries disappeared at once: waiting for approval {approval}");
        let fact = operations::Event::ApprovalRequested {
            approval: approval.clone(),
            calendar: key.clone(),
            removals: u32::try_from(removals).unwrap_or(u32::MAX),
            live: u32::try_from(live.len()).unwrap_or(u32::MAX),
            links: removed.iter().take(100).map(|(link, _)| link.clone()).collect(),
        };
        let stream = StreamName::operations(&self.settings.workspace);
        self.journal.append(&stream, ExpectedVersion::Any, vec![event::Event::Operations(fact)], context).await?;
        Ok(Some(approval))
    }

    async fn failed(
        &self,
        key: &CalendarKey,
        calendar: &Calendar,
        failure: CallFailure,
        context: &Context,
    ) -> Result<PullOutcome, Error> {
        let clock = self.journal.clock();
        let unreachable = failure.class == FailureClass::CalendarUnavailable;
        let failures = if unreachable { calendar.pull_failures + 4 } else { calendar.pull_failures };
        let wait = failure.retry_after_ms.unwrap_or_else(|| retry::backoff_ms(failures, clock.chance()));
        let retry_at = clock.now() + TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(60_000));
        warn!(calendar = %key, class = failure.class.as_str(), error = failure.summary, "Pull of {key} failed");
        self.throttle.failed(key.connection.as_str(), &failure, Some(retry_at), clock.now());
        super::authorise::note_failure(&self.journal, &key.connection, &failure).await?;
        let fact = if unreachable {
            Event::Unavailable { calendar: key.clone(), failure: failure.clone(), retry_at }
        } else {
            Event::PullFailed { calendar: key.clone(), failure: failure.clone(), retry_at }
        };
        self.append(key, vec![fact], context).await?;
        Ok(PullOutcome::Failed(failure))
    }
}

/// Our entries that a complete listing should contain but does not: those in the window, and those after it where the listing
/// goes `beyond` its end. An entry that is being created counts: if it was deleted meanwhile, no later listing says so.
async fn absent(
    key: &CalendarKey,
    listing: &Listing,
    ours: BTreeSet<&LinkId>,
    beyond: bool,
    puller: &Puller,
) -> Result<Vec<(LinkId, Observation)>, Error> {
    let listed: BTreeSet<&str> =
        listing.entries.iter().filter(|e| !matches!(e.body, Body::Deleted)).map(|e| e.id.as_str()).collect();
    let mut absent = Vec::new();
    for id in ours {
        let (Some(link), _) = puller.journal.link(id).await? else { continue };
        if link.of.calendar != *key {
            continue;
        }
        let creating = link.in_flight.as_ref().and_then(|flight| match &flight.command.operation {
            Operation::Create { content } => Some((&flight.command.remote, content)),
            Operation::Update { .. }
            | Operation::Delete { .. }
            | Operation::WriteBackUpdate { .. }
            | Operation::WriteBackCancel { .. } => None,
        });
        let present = link.remote.as_ref().map(|remote| (&remote.id, &remote.content));
        let Some((remote, content)) = creating.or(present).filter(|(remote, _)| !listed.contains(remote.as_str()))
        else {
            continue;
        };
        let (starts, ends) = content.slot.widest();
        if starts >= listing.window.from && (beyond || ends <= listing.window.until) {
            let seen = EntryState::Gone { evidence: Evidence::AbsentInCoverage, updated: None };
            let observation = Observation { remote: remote.clone(), seen_at: listing.asked_at, seen };
            absent.push((id.clone(), observation));
        }
    }
    Ok(absent)
}
