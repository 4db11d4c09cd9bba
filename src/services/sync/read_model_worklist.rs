//! The worklist based on the read models, and the reactor's checkpoint in the checkpoint store.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::worklist::{LiveLink, Worklist};
use crate::{
    domain::{
        ids::{
            BookingId, CalendarKey, ConnectionId, Etag, LinkId, Position, ProfileId, RemoteCalendarId, RemoteId,
            ResourceId, SubjectId,
        },
        link::LinkRef,
        slot::Slot,
    },
    ports::{
        checkpoints::Checkpoints,
        projection_store::{self, ProjectionStore},
    },
    projections::{
        Row, Value,
        bookings::slot_of,
        query::{PAGE_ROWS_MAX, Page, Query},
    },
    services::{Error, models::project::Projector},
};

/// Events projected per step to bring the read models up to date.
const STEP_FACTS: usize = 1_000;
/// Name of the reactor's checkpoint.
const REACTOR: &str = "reactor";

/// The worklist.
#[derive(Clone)]
pub struct ReadModelWorklist {
    models: Arc<dyn ProjectionStore>,
    projector: Projector,
    checkpoints: Arc<dyn Checkpoints>,
}

impl ReadModelWorklist {
    /// Reads `models`, which `projector` keeps up to date.
    pub fn new(models: Arc<dyn ProjectionStore>, projector: Projector, checkpoints: Arc<dyn Checkpoints>) -> Self {
        Self { models, projector, checkpoints }
    }

    async fn ask(&self, query: &Query) -> Result<Vec<Row>, Error> {
        self.models.ask(query).await.map_err(|e| unavailable(&e))
    }

    /// All rows of a paged answer.
    async fn all(&self, query: impl Fn(Page) -> Query) -> Result<Vec<Row>, Error> {
        let mut all = Vec::new();
        let mut page = Page::first(PAGE_ROWS_MAX);
        loop {
            let query = query(page.clone());
            let rows = self.ask(&query).await?;
            let full = rows.len() >= PAGE_ROWS_MAX as usize;
            let after = rows.last().map(|row| {
                query.order().iter().map(|column| row.text(column).unwrap_or_default().to_owned()).collect()
            });
            all.extend(rows);
            match after {
                Some(after) if full => page = Page { after: Some(after), limit: PAGE_ROWS_MAX },
                _ => return Ok(all),
            }
        }
    }
}

fn unavailable(failure: &projection_store::Failure) -> Error {
    Error::ReadModels(failure.to_string())
}

fn link_ids(rows: &[Row]) -> Vec<LinkId> {
    rows.iter().filter_map(|row| LinkId::new(row.text("link")?).ok()).collect()
}

fn link_ref(row: &Row) -> Option<LinkRef> {
    Some(LinkRef {
        link: LinkId::new(row.text("link")?).ok()?,
        booking: BookingId::new(row.text("booking")?).ok()?,
        appointment: row.text("appointment")?.to_owned(),
        calendar: CalendarKey {
            connection: ConnectionId::new(row.text("connection")?).ok()?,
            calendar: RemoteCalendarId::new(row.text("calendar")?),
        },
        resource: ResourceId::new(row.text("resource")?).ok()?,
        profile: ProfileId::new(row.text("profile")?).ok()?,
    })
}

#[async_trait]
impl Worklist for ReadModelWorklist {
    async fn refresh(&self) -> Result<(), Error> {
        self.projector.catch_up(STEP_FACTS).await.map(drop).map_err(|e| Error::ReadModels(e.to_string()))
    }

    async fn due_links(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<LinkId>, Error> {
        let limit = u32::try_from(limit).unwrap_or(PAGE_ROWS_MAX);
        Ok(link_ids(&self.ask(&Query::DueLinks { now, limit }).await?))
    }

    async fn links_of_booking(&self, booking: &BookingId) -> Result<Vec<LinkRef>, Error> {
        Ok(self.ask(&Query::LinksOfBooking(booking.clone())).await?.iter().filter_map(link_ref).collect())
    }

    async fn link_of_entry(&self, calendar: &CalendarKey, remote: &RemoteId) -> Result<Option<LinkId>, Error> {
        let query = Query::LinkOfEntry { calendar: calendar.clone(), remote: remote.clone() };
        Ok(link_ids(&self.ask(&query).await?).into_iter().next())
    }

    async fn overlapping(&self, resource: &ResourceId, slot: &Slot, but: &BookingId) -> Result<Vec<BookingId>, Error> {
        let (from, until) = slot.widest();
        let (resource, excluding) = (resource.clone(), Some(but.clone()));
        let rows = self.ask(&Query::BookingsOverlapping { resource, from, until, excluding }).await?;
        let met = rows.iter().filter(|row| slot_of(row).is_some_and(|other| other.overlaps(slot)));
        Ok(met.filter_map(|row| BookingId::new(row.text("booking")?).ok()).collect())
    }

    async fn held_for(&self, approval: &str) -> Result<Vec<LinkId>, Error> {
        Ok(link_ids(&self.all(|page| Query::LinksHeldForApproval(approval.to_owned(), page)).await?))
    }

    async fn live_links(&self, calendar: &CalendarKey) -> Result<Vec<LiveLink>, Error> {
        let rows = self.all(|page| Query::LinksOfCalendar(calendar.clone(), page)).await?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some(LiveLink {
                    link: LinkId::new(row.text("link")?).ok()?,
                    booking: BookingId::new(row.text("booking")?).ok()?,
                    remote: RemoteId(row.text("remote")?.to_owned()),
                    etag: Etag(row.text("etag")?.to_owned()),
                })
            })
            .collect())
    }

    async fn creates_under_way(&self) -> Result<Vec<LinkId>, Error> {
        let mut open = self.all(Query::OpenCommands).await?;
        open.retain(|row| row.text("operation") == Some("create"));
        Ok(link_ids(&open))
    }

    async fn links_of_subject(&self, subject: &SubjectId) -> Result<Vec<LinkRef>, Error> {
        let mut links = Vec::new();
        for row in crate::services::people::forget_outside::of_subject(&*self.models, subject).await? {
            if let Some(booking) = row.text("booking").and_then(|id| BookingId::new(id).ok()) {
                links.extend(self.links_of_booking(&booking).await?);
            }
        }
        Ok(links)
    }

    async fn withheld_on(&self, connection: &ConnectionId) -> Result<Vec<LinkId>, Error> {
        let rows = self.all(|page| Query::LinksOfConnection(connection.clone(), page)).await?;
        let waiting: Vec<Row> = rows.into_iter().filter(|row| *row.get("withheld") != Value::Null).collect();
        Ok(link_ids(&waiting))
    }

    async fn load_checkpoint(&self) -> Result<Position, Error> {
        self.checkpoints.load(REACTOR).await.map_err(|e| Error::ReadModels(e.to_string()))
    }

    async fn save_checkpoint(&self, position: Position) -> Result<(), Error> {
        self.checkpoints.save(REACTOR, position).await.map_err(|e| Error::ReadModels(e.to_string()))
    }
}
