//! Reacts to the ledger: every event marks the links it affects; each marked link is then settled once.
//!
//! Catching up makes no calls: the backlog only marks links. What happens then depends on their present state.

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
        calendar, connection,
        event::Event,
        ids::{BookingId, LinkId, Position, RemoteId, SubjectId, Version},
        link::LinkRef,
        operations, source,
    },
    ports::source::BookingSource,
    record::{
        envelope::{Actor, Origin, StoredEvent},
        stream::Category,
    },
    services::{
        Error,
        journal::{Context, DecodedEvent},
        people::forget,
    },
};

/// Events per read.
const BATCH_EVENTS: usize = 500;
/// Links settled at the same time.
const LINKS_AT_ONCE: usize = 16;
/// Links whose last version is remembered, to ignore our own appends.
const REMEMBERED_MAX: usize = 50_000;
/// Due timers per read.
const DUE_MAX: usize = 500;

/// The reactor: one per process.
pub struct Reactor {
    reconciler: Reconciler,
    sources: BTreeMap<crate::domain::ids::SourceName, Arc<dyn BookingSource>>,
    settled: Mutex<BTreeMap<LinkId, Version>>,
    next: Mutex<Option<Position>>,
}

/// Why a link is marked: the newest observation per entry with its marker, and the event that
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
    /// Settles links with `reconciler`; `sources` interpret their deliveries.
    pub fn new(
        reconciler: Reconciler,
        sources: BTreeMap<crate::domain::ids::SourceName, Arc<dyn BookingSource>>,
    ) -> Self {
        Self { reconciler, sources, settled: Mutex::default(), next: Mutex::default() }
    }

    /// Reads all new events, then settles the marked links. Returns the number of
    /// events.
    ///
    /// # Errors
    /// The ledger or the read models are unavailable; the next call reads the same events again.
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

    /// Position of the next event.
    pub fn position(&self) -> Option<Position> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles links whose timer is due. Returns their number.
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
                match recorded.stream.category {
                    // That there is news is enough: what it says is read with the whole stream when the link is decided.
                    Category::Link => self.mark_link(&recorded, &mut marks).await?,
                    Category::Booking => self.mark_booking(&recorded, &mut marks).await?,
                    _ => {
                        let decoded = self.reconciler.journal.decode(recorded).await?;
                        self.mark(decoded, &mut marks).await?;
                    }
                }
            }
            if !full {
                return Ok((marks, next));
            }
        }
    }

    /// Whether it is our own append, which the run that made it has already handled.
    fn is_own_echo(&self, recorded: &StoredEvent) -> bool {
        if recorded.stream.category != Category::Link {
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
            Event::Calendar(calendar::Event::RemoteEntryObserved { link, observation, .. }) => {
                let observation = Some(observation.clone());
                links.push((link.clone(), Trigger { observation, ..Trigger::default() }));
            }
            Event::Calendar(calendar::Event::RemoteEntryRemoved { link, observation, approval, .. }) => {
                let (observation, approval) = (Some(observation.clone()), approval.clone());
                links.push((link.clone(), Trigger { observation, approval }));
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
            // Upcoming entries show the person's data: their wanted content has changed.
            Event::Operations(operations::Event::SubjectErased { subject, .. }) => {
                self.reconciler.worklist.refresh().await?;
                for of in self.reconciler.worklist.links_of_subject(subject).await? {
                    put(marks, of, LinkTriggers::new(Trigger::default(), because.clone()));
                }
            }
            // Access can be revoked before it was ever seen to work.
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
            // Bookings and links are marked by their stream.
            Event::Booking(_)
            | Event::Link(_)
            | Event::Connection(_)
            | Event::Calendar(_)
            | Event::Source(_)
            | Event::Profile(_)
            | Event::Operations(_) => {}
        }
        for (link, trigger) in links {
            if let Some(of) = self.reconciler.link_ref(&link).await? {
                put(marks, of, LinkTriggers::new(trigger, because.clone()));
            }
        }
        Ok(())
    }

    /// Completes an erasure that may have been interrupted. A failure must not keep links from
    /// being settled; the caller was told and asks again.
    async fn forget(&self, subject: &SubjectId, by: &str, because: &StoredEvent) {
        let context = Context::caused_by(Actor::new("reconciler", "reactor"), Origin::Reconciler, because);
        let workspace = &self.reconciler.settings.workspace;
        if let Err(failure) = forget::finish(&self.reconciler.journal, workspace, subject, by, &context).await {
            error!(subject = %subject, error = %failure, "Subject {subject} is not erased yet: run the erasure again");
        }
    }

    /// Marks the link of a stream that has news.
    async fn mark_link(
        &self,
        because: &StoredEvent,
        marks: &mut BTreeMap<LinkId, (LinkRef, LinkTriggers)>,
    ) -> Result<(), Error> {
        let Ok(link) = LinkId::new(because.stream.id.clone()) else { return Ok(()) };
        let of = match marks.get(&link) {
            Some((of, _)) => Some(of.clone()),
            None => self.reconciler.link_ref(&link).await?,
        };
        if let Some(of) = of {
            put(marks, of, LinkTriggers::new(Trigger::default(), because.clone()));
        }
        Ok(())
    }

    async fn mark_booking(
        &self,
        because: &StoredEvent,
        marks: &mut BTreeMap<LinkId, (LinkRef, LinkTriggers)>,
    ) -> Result<(), Error> {
        let Ok(id) = BookingId::new(because.stream.id.clone()) else { return Ok(()) };
        let (Some(booking), _) = self.reconciler.journal.booking(&id).await? else { return Ok(()) };
        let routing = &self.reconciler.routing;
        let mut links = routing.links(&id, &booking.source_ref, &booking.resource);
        for former in &booking.former_resources {
            links.extend(routing.links(&id, &booking.source_ref, former));
        }
        // Links of routes no longer configured. A booking that was just registered has none.
        if because.event.kind != "booking.registered" {
            links.extend(self.reconciler.worklist.links_of_booking(&id).await?);
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
            // One damaged stream must not stop the others; it is reported and left as it is.
            Err(damaged @ Error::Damaged { .. }) => {
                error!(link = %of.link, error = %damaged, "Link {} cannot be read", of.link);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Keeps the newest observation of each entry.
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
