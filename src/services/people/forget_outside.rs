//! What erasing a person does not reach: copies of their data outside the ledger, as far as they are known.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    domain::ids::SubjectId,
    ports::projection_store::ProjectionStore,
    projections::{
        Row,
        bookings::slot_of,
        query::{PAGE_ROWS_MAX, Page, Query},
    },
    services::{Error, journal::Journal},
};

/// Copies that no erasure can reach.
pub const OUTSIDE: [&str; 4] = [
    "backups and archived database logs from before now contain the wrapped key, which only the master key of that time opens; \
     rotate the master key to make them unreadable for good",
    "published and exported events contain only ciphertext, which nobody can decrypt any more",
    "we cannot change the booking's source, or emails that a calendar provider has sent",
    "text that people typed into calendar entries themselves stays there",
];

/// A provider's entry that shows, or may show, the person's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RemainingEntry {
    /// Id of the booking.
    pub booking: String,
    /// Id of the connection.
    pub connection: String,
    /// Id of the calendar.
    pub calendar: String,
    /// Id of the entry.
    pub entry: String,
}

/// Where a person's data remained after the erasure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RemainingCopies {
    /// Number of their bookings.
    pub bookings: u64,
    /// Entries of bookings that are not over: the service replaces their text.
    pub upcoming: Vec<RemainingEntry>,
    /// Entries of past bookings: left unchanged. Delete them at the provider if they must go.
    pub past: Vec<RemainingEntry>,
    /// Other copies out of reach.
    pub outside: Vec<&'static str>,
}

/// Looks them up in the read models, which should be up to date.
///
/// # Errors
/// The read models are unavailable.
pub async fn remaining_copies(
    journal: &Journal,
    models: &dyn ProjectionStore,
    subject: &SubjectId,
) -> Result<RemainingCopies, Error> {
    let now = journal.clock().now();
    let mut left = RemainingCopies { outside: OUTSIDE.to_vec(), ..RemainingCopies::default() };
    for booking in of_subject(models, subject).await? {
        left.bookings += 1;
        let Some(id) = booking.text("booking").and_then(|id| crate::domain::ids::BookingId::new(id).ok()) else {
            continue;
        };
        let over = slot_of(&booking).is_some_and(|slot| slot.widest().1 < now);
        for link in ask(models, &Query::LinksOfBooking(id.clone())).await? {
            let Some(entry) = link.text("remote") else { continue };
            let text = |name: &str| link.text(name).unwrap_or_default().to_owned();
            let remaining = RemainingEntry {
                booking: id.to_string(),
                connection: text("connection"),
                calendar: text("calendar"),
                entry: entry.to_owned(),
            };
            if over { left.past.push(remaining) } else { left.upcoming.push(remaining) }
        }
    }
    Ok(left)
}

async fn ask(models: &dyn ProjectionStore, query: &Query) -> Result<Vec<Row>, Error> {
    models.ask(query).await.map_err(|e| Error::ReadModels(e.to_string()))
}

/// The bookings of a person.
///
/// # Errors
/// The read models are not available.
pub async fn of_subject(models: &dyn ProjectionStore, subject: &SubjectId) -> Result<Vec<Row>, Error> {
    let mut all: Vec<Row> = Vec::new();
    loop {
        let after = all.last().and_then(|row| row.text("booking")).map(|last| vec![last.to_owned()]);
        let page = Page { after, limit: PAGE_ROWS_MAX };
        let rows = ask(models, &Query::BookingsOfSubject(subject.clone(), page)).await?;
        let full = rows.len() >= PAGE_ROWS_MAX as usize;
        all.extend(rows);
        if !full {
            return Ok(all);
        }
    }
}
