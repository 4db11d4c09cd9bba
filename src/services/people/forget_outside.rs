//! What forgetting a person does not reach: copies of their words that stand outside the ledger, as far as it knows of them.

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

/// Copies that an erasure cannot reach, whoever was forgotten.
pub const OUTSIDE: [&str; 4] = [
    "backups and archived database logs made before now hold the wrapped key: it opens only under the master key of then; \
     rotate the master key to close them for good",
    "what was published or exported holds ciphertext only, and nothing can open it any more",
    "the booking's source, and mails that a calendar provider has sent, are not ours to change",
    "words that people typed into calendar entries themselves stay there",
];

/// An entry at a provider that shows (or may show) the person's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RemainingEntry {
    /// The booking.
    pub booking: String,
    /// The connection.
    pub connection: String,
    /// The calendar.
    pub calendar: String,
    /// The entry.
    pub entry: String,
}

/// Where words of a person stood when they were forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RemainingCopies {
    /// Their bookings.
    pub bookings: u64,
    /// Entries of bookings that are not over: the service replaces their words.
    pub upcoming: Vec<RemainingEntry>,
    /// Entries of bookings that are over: they are left as they are. Remove them at the provider if they must go.
    pub past: Vec<RemainingEntry>,
    /// What else is out of reach.
    pub outside: Vec<&'static str>,
}

/// Looks it up in the read models, which should be up to date.
///
/// # Errors
/// They are not available.
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
            let shown = RemainingEntry {
                booking: id.to_string(),
                connection: text("connection"),
                calendar: text("calendar"),
                entry: entry.to_owned(),
            };
            if over { left.past.push(shown) } else { left.upcoming.push(shown) }
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
