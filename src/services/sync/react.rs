//! Reacting to the ledger: every event marks the links that it concerns; each marked link is brought into step once.
//!
//! Catching up calls nobody: the backlog only marks. What is done after that depends on where things stand now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt as _, stream};
use tracing::error;

use super::{
    intake,
    reconciler::{Reconciler, Trigger},
};
use crate::{
    domain::{
        booking, calendar, connection,
        event::Event,
        ids::{BookingId, LinkId, Position, RemoteId, SubjectId, Version},
        link::LinkRef,
        operations, source,
    },
    ports::source::BookingSource,
    record::envelope::{Actor, Origin, StoredEvent},
    services::{
        Error,
        journal::{Context, DecodedEvent},
        people::forget,
    },
};

/// Events looked at in one go.
const BATCH_EVENTS: usize = 500;
/// Links brought into step at the same time.
const LINKS_AT_ONCE: usize = 16;
/// Links whose last version is remembered, to leave out echoes of our own appends.
const REMEMBERED_MAX: usize = 50_000;
/// Due timers taken up in one go.
const DUE_MAX: usize = 500;

/// The reactor: one per process.
pub struct Reactor {
    reconciler: Reconciler,
    sources: BTreeMap<crate::domain::ids::SourceName, Arc<dyn BookingSource>>,
    settled: Mutex<BTreeMap<LinkId, Version>>,
    next: Mutex<Option<Position>>,
}

/// Why a link is marked: the newest observation in the backlog of each entry that bears its marker, and the event that
/// marked it last.
struct LinkTriggers {
    triggers: Vec<Trigger>,
    because: StoredEvent,
}

impl LinkTriggers {
    fn new(trigger: Trigger, because: StoredEvent) -> Self {
        Self { triggers: if trigger.observation.is_some() { vec![trigger] } else { Vec::new() }, because }
    }
}

impl Reactor {
    /// Reacts by means of `reconciler`; `sources` understand their deliveries.
    pub fn new(
        reconciler: Reconciler,
        sources: BTreeMap<crate::domain::ids::SourceName, Arc<dyn BookingSource>>,
    ) -> Self {
        Self { reconciler, sources, settled: Mutex::default(), next: Mutex::default() }
    }

    /// Takes in everything up to the end of the ledger, then brings the marked links into step. Answers how many events
    /// were taken in.
    ///
    /// # Errors
    /// The ledger or the read models are not available; the same events are taken in again by the next call.
    pub async fn react(&self) -> Result<u64, Error> {
        let known = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let from = match known {
            Some(position) => position,
            None => self.reconciler.worklist.load_checkpoint().await?,
        };
        let (marks, next) = self.take_in(from).await?;
        self.settle_all(marks).await?;
        if next > from {
            self.reconciler.worklist.save_checkpoint(next).await?;
        }
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        Ok(next.0 - from.0)
    }

    /// Where the next event is expected.
    pub fn position(&self) -> Option<Position> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings links into step whose timer is due. Answers how many there were.
    ///
    /// # Errors
    /// As [`Reactor::react`].
    pub async fn tick(&self) -> Result<usize, Error> {
        let clock = self.reconciler.journal.clock();
        let due = self.reconciler.worklist.due_links(clock.now(), DUE_MAX).await?;
        let count = due.len();
        let outcomes: Vec<Result<(), Error>> = stream::iter(due)
            .map(|link| async move {
                let Some(of) = self.reconciler.link_ref(&link).await? else { return Ok(()) };
                let store = self.reconciler.journal.store();
                let Some(last) = store.last(&crate::record::stream::StreamName::link(&link)).await? else {
                    return Ok(());
                };
                let context = Context::caused_by(Actor::new("reconciler", "timer"), Origin::Reconciler, &last);
                self.settle(&of, &Trigger::default(), &context).await
            })
            .buffer_unordered(LINKS_AT_ONCE)
            .collect()
            .await;
        outcomes.into_iter().collect::<Result<Vec<()>, Error>>()?;
        Ok(count)
    }

    async fn take_in(&self, from: Position) -> Result<(BTreeMap<LinkId, (LinkRef, LinkTriggers)>, Position), Error> {
        let mut marks = BTreeMap::new();
        let mut next = from;
        loop {
            let page = self.reconciler.journal.store().read_all(next, BATCH_EVENTS).await?;
            let full = page.len() == BATCH_EVENTS;
            for recorded in page {
                next = recorded.position.next();
                if !concerns_links(&recorded.event.kind) {
                    continue;
                }
                if self.is_own_echo(&recorded) {
                    continue;
                }
                let decoded = self.reconciler.journal.decode(recorded).await?;
                self.mark(decoded, &mut marks).await?;
            }
            if !full {
                return Ok((marks, next));
            }
        }
    }

    /// Our own appends, which the run that made them took into account already.
    fn is_own_echo(&self, recorded: &StoredEvent) -> bool {
        if recorded.stream.category != crate::record::stream::Category::Link {
            return false;
        }
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        LinkId::new(recorded.stream.id.clone())
            .is_ok_and(|link| settled.get(&link).is_some_and(|version| recorded.version <= *version))
    }

    async fn mark(
        &self,
        decoded: DecodedEvent,
        marks: &mut BTreeMap<LinkId, (LinkRef, LinkTriggers)>,
    ) -> Result<(), Error> {
        let because = decoded.recorded.clone();
        let mut links: Vec<(LinkId, Trigger)> = Vec::new();
        match &decoded.event {
            Event::Booking(event) => {
                let Ok(id) = BookingId::new(because.stream.id.clone()) else { return Ok(()) };
                return self.mark_booking(&id, event, &because, marks).await;
            }
            Event::Calendar(calendar::Event::RemoteEntryObserved { link, observation, .. }) => {
                let observation = Some(observation.clone());
                links.push((link.clone(), Trigger { observation, ..Trigger::default() }));
            }
            Event::Calendar(calendar::Event::RemoteEntryRemoved { link, observation, approval, .. }) => {
                let (observation, approval) = (Some(observation.clone()), approval.clone());
                links.push((link.clone(), Trigger { observation, approval }));
            }
            Event::Link(_) => {
                if let Ok(link) = LinkId::new(because.stream.id.clone()) {
                    links.push((link, Trigger::default()));
                }
            }
            Event::Operations(
                operations::Event::ApprovalGranted { approval, .. }
                | operations::Event::ApprovalDenied { approval, .. },
            ) => {
                self.reconciler.worklist.refresh().await?;
                let held = self.reconciler.worklist.held_for(approval).await?;
                links.extend(held.into_iter().map(|link| (link, Trigger::default())));
            }
            Event::Operations(operations::Event::SubjectErasureRequested { subject, by }) => {
                self.forget(subject, by, &because).await;
            }
            // Entries that are still to come show the person's words: what they should show has changed.
            Event::Operations(operations::Event::SubjectErased { subject, .. }) => {
                self.reconciler.worklist.refresh().await?;
                for of in self.reconciler.worklist.links_of_subject(subject).await? {
                    put(marks, of, LinkTriggers::new(Trigger::default(), because.clone()));
                }
            }
            // A grant can have been gone before it was ever seen to work.
            Event::Connection(
                connection::Event::Reauthorised { connection } | connection::Event::Authorised { connection, .. },
            ) => {
                self.reconciler.worklist.refresh().await?;
                let waiting = self.reconciler.worklist.withheld_on(connection).await?;
                links.extend(waiting.into_iter().map(|link| (link, Trigger::default())));
            }
            Event::Source(source::Event::DeliveryReceived { .. } | source::Event::DeliveryReprocessed { .. }) => {
                intake::apply(&self.reconciler.journal, &self.sources, &decoded).await?;
            }
            Event::Connection(_) | Event::Calendar(_) | Event::Source(_) | Event::Profile(_) | Event::Operations(_) => {
            }
        }
        for (link, trigger) in links {
            if let Some(of) = self.reconciler.link_ref(&link).await? {
                put(marks, of, LinkTriggers::new(trigger, because.clone()));
            }
        }
        Ok(())
    }

    /// Finishes an erasure that somebody began and may not have ended. What cannot be done now must not keep links from
    /// being brought into step; whoever asked was told, and asks again.
    async fn forget(&self, subject: &SubjectId, by: &str, because: &StoredEvent) {
        let context = Context::caused_by(Actor::new("reconciler", "reactor"), Origin::Reconciler, because);
        let workspace = &self.reconciler.settings.workspace;
        if let Err(failure) = forget::finish(&self.reconciler.journal, workspace, subject, by, &context).await {
            error!(subject = %subject, error = %failure, "Subject {subject} is not forgotten yet: erase it again");
        }
    }

    async fn mark_booking(
        &self,
        id: &BookingId,
        event: &booking::Event,
        because: &StoredEvent,
        marks: &mut BTreeMap<LinkId, (LinkRef, LinkTriggers)>,
    ) -> Result<(), Error> {
        let (Some(booking), _) = self.reconciler.journal.booking(id).await? else { return Ok(()) };
        let routing = &self.reconciler.routing;
        let mut links = routing.links(id, &booking.source_ref, &booking.resource);
        for former in &booking.former_resources {
            links.extend(routing.links(id, &booking.source_ref, former));
        }
        // Links under routes that configuration does not have any more. A booking that was just registered has none.
        if !matches!(event, booking::Event::Registered { .. }) {
            links.extend(self.reconciler.worklist.links_of_booking(id).await?);
        }
        for of in links {
            put(marks, of, LinkTriggers::new(Trigger::default(), because.clone()));
        }
        Ok(())
    }

    async fn settle_all(&self, marks: BTreeMap<LinkId, (LinkRef, LinkTriggers)>) -> Result<(), Error> {
        let outcomes: Vec<Result<(), Error>> = stream::iter(marks.into_values())
            .map(|(of, mark)| async move {
                let context =
                    Context::caused_by(Actor::new("reconciler", "reactor"), Origin::Reconciler, &mark.because);
                if mark.triggers.is_empty() {
                    return self.settle(&of, &Trigger::default(), &context).await;
                }
                for trigger in &mark.triggers {
                    self.settle(&of, trigger, &context).await?;
                }
                Ok(())
            })
            .buffer_unordered(LINKS_AT_ONCE)
            .collect()
            .await;
        outcomes.into_iter().collect()
    }

    async fn settle(&self, of: &LinkRef, trigger: &Trigger, context: &Context) -> Result<(), Error> {
        match self.reconciler.settle(of, trigger, context).await {
            Ok(done) => {
                if let Some(version) = done.version {
                    let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
                    if settled.len() >= REMEMBERED_MAX {
                        settled.clear();
                    }
                    settled.insert(of.link.clone(), version);
                }
                Ok(())
            }
            // One damaged stream must not stop all others; it is reported, and stays as it is.
            Err(damaged @ Error::Damaged { .. }) => {
                error!(link = %of.link, error = %damaged, "Link {} cannot be read", of.link);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The newest observation of an entry stands, but none is forgotten for one of another entry, or for a mark without one.
fn put(marks: &mut BTreeMap<LinkId, (LinkRef, LinkTriggers)>, of: LinkRef, mut mark: LinkTriggers) {
    if let Some((_, known)) = marks.remove(&of.link) {
        let about = |trigger: &Trigger| trigger.observation.as_ref().map(|seen| seen.remote.clone());
        let newer: Vec<Option<RemoteId>> = mark.triggers.iter().map(about).collect();
        let mut triggers: Vec<Trigger> =
            known.triggers.into_iter().filter(|trigger| !newer.contains(&about(trigger))).collect();
        triggers.append(&mut mark.triggers);
        mark.triggers = triggers;
    }
    marks.insert(of.link.clone(), (of, mark));
}

fn concerns_links(kind: &str) -> bool {
    let category = kind.split('.').next().unwrap_or_default();
    matches!(category, "booking" | "link" | "operations" | "connection")
        || matches!(
            kind,
            "calendar.remote_entry_observed"
                | "calendar.remote_entry_removed"
                | "source.delivery_received"
                | "source.delivery_reprocessed"
        )
}
