//! The story of a booking: what happened to it and on its calendars, in order, with reasons and root causes.
//!
//! [`collect`] gathers the events, [`compose`] puts them into words; `words.rs` has a sentence for every event.

mod change;
mod link_words;
#[cfg(test)]
mod tests;
mod words;

pub use link_words::withheld;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Error,
    journal::{DecodedEvent, Journal},
};
use crate::{
    domain::{
        booking,
        event::Event,
        ids::{BookingId, EventId, LinkId, Version},
        slot::Slot,
    },
    record::{
        envelope::{StoredEvent, write_time},
        stream::{Category, StreamName},
    },
};

/// Maximum number of causes followed outside the booking's own streams.
const CAUSES_MAX: usize = 10_000;
/// Maximum length of a chain of causes.
const CHAIN_MAX: usize = 64;

/// The story of one booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Story {
    /// Id of the booking.
    pub booking: String,
    /// IANA time zone of its local times.
    pub zone: String,
    /// Present state, in words.
    pub now: String,
    /// What happened, oldest first.
    pub happened: Vec<StoryEntry>,
}

/// One event of the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoryEntry {
    /// When it was recorded, in UTC.
    pub at: String,
    /// The same time in the story's zone, with UTC offset.
    pub local: String,
    /// A sentence.
    pub what: String,
    /// Reasons, both sides of a conflict, and what comes next.
    pub notes: Vec<String>,
    /// Who or what caused it.
    pub root: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its stream.
    pub stream: String,
    /// Its version in the stream.
    pub version: u64,
    /// Its position in the ledger.
    pub position: u64,
    /// Its id.
    pub id: String,
}

/// All events of the story: the booking's own, those of its links, and what caused any of them.
///
/// # Errors
/// `NotFound`; the ledger is not available.
pub async fn collect(journal: &Journal, booking: &BookingId, links: &[LinkId]) -> Result<Vec<DecodedEvent>, Error> {
    let mut all = journal.stream(&StreamName::booking(booking), Version(0)).await?;
    if all.is_empty() {
        return Err(Error::NotFound { what: "booking", id: booking.to_string() });
    }
    for link in links {
        all.extend(journal.stream(&StreamName::link(link), Version(0)).await?);
    }
    let mut known: BTreeSet<EventId> = all.iter().map(|decoded| decoded.recorded.event.id).collect();
    let mut asked: Vec<EventId> = all.iter().filter_map(|decoded| decoded.recorded.event.causation).collect();
    let mut deliveries = BTreeSet::new();
    while let Some(id) = asked.pop() {
        if known.len() >= CAUSES_MAX || !known.insert(id) {
            continue;
        }
        let Some(recorded) = journal.store().find(id).await? else { continue };
        asked.extend(recorded.event.causation);
        if recorded.stream.category == Category::Source {
            // The whole delivery: its outcome is in the same stream.
            deliveries.insert(recorded.stream);
        } else {
            all.push(journal.decode(recorded).await?);
        }
    }
    for delivery in deliveries {
        all.extend(journal.stream(&delivery, Version(0)).await?);
    }
    all.sort_by_key(|decoded| decoded.recorded.position);
    all.dedup_by_key(|decoded| decoded.recorded.position);
    Ok(all)
}

/// Puts the events into words. Pure: the same events always give the same story.
pub fn compose(booking: &BookingId, decoded: &[DecodedEvent]) -> Story {
    let (state, zone) = last_known(booking, decoded);
    let by_id: BTreeMap<EventId, &DecodedEvent> = decoded.iter().map(|t| (t.recorded.event.id, t)).collect();
    let teller = LocalTimes { zone };
    let happened = decoded.iter().map(|t| teller.happening(t, root_of(t, &by_id))).collect();
    let now = match &state {
        None => "Unknown.".to_owned(),
        Some(it) => {
            let status = match it.status {
                booking::Status::Tentative => "tentative",
                booking::Status::Confirmed => "confirmed",
                booking::Status::Cancelled => "cancelled",
            };
            let (slot, resource, title) = (teller.slot(&it.slot), &it.resource, it.details.title.display_text());
            format!("{title:?}, {status}, {slot} on {resource}, revision {}", it.revision)
        }
    };
    Story { booking: booking.to_string(), zone: zone.name().to_owned(), now, happened }
}

/// The booking folded from its events, and the zone it was last booked in.
fn last_known(id: &BookingId, decoded: &[DecodedEvent]) -> (Option<booking::Booking>, Tz) {
    let stream = StreamName::booking(id);
    let mut state = None;
    let mut zone = Tz::UTC;
    for t in decoded.iter().filter(|t| t.recorded.stream == stream) {
        if let Event::Booking(event) = &t.event {
            state = booking::evolve(state, event, t.recorded.event.effective_at);
        }
        if let Some(Slot::Timed { zone: named, .. }) = state.as_ref().map(|s| &s.slot)
            && let Ok(known) = named.parse()
        {
            zone = known;
        }
    }
    (state, zone)
}

/// The first event in the chain of causes, as far as it was collected.
fn root_of<'a>(decoded: &'a DecodedEvent, by_id: &BTreeMap<EventId, &'a DecodedEvent>) -> &'a DecodedEvent {
    let mut at = decoded;
    for _ in 0..CHAIN_MAX {
        match at.recorded.event.causation.and_then(|id| by_id.get(&id)) {
            Some(cause) => at = cause,
            None => break,
        }
    }
    at
}

/// Formats times in the story's zone.
pub(super) struct LocalTimes {
    zone: Tz,
}

impl LocalTimes {
    fn happening(&self, decoded: &DecodedEvent, root: &DecodedEvent) -> StoryEntry {
        let StoredEvent { stream, version, position, event, .. } = &decoded.recorded;
        let (what, mut notes) = self.sentence(decoded);
        let late = event.recorded_at - event.effective_at;
        if matches!(decoded.event, Event::Booking(_)) && late.abs() > TimeDelta::minutes(1) {
            notes.push(format!("took effect at {}", self.time(event.effective_at)));
        }
        StoryEntry {
            at: write_time(event.recorded_at),
            local: self.time(event.recorded_at),
            what,
            notes,
            root: self.root(root),
            kind: event.kind.clone(),
            stream: stream.to_string(),
            version: version.0,
            position: position.0,
            id: event.id.to_string(),
        }
    }

    /// An instant, to the second, with UTC offset.
    pub(super) fn time(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// A slot in the story's zone.
    pub(super) fn slot(&self, slot: &Slot) -> String {
        match slot {
            Slot::AllDay { .. } => slot.to_string(),
            Slot::Timed { starts_at, ends_at, .. } => {
                let (start, end) = (starts_at.with_timezone(&self.zone), ends_at.with_timezone(&self.zone));
                let end_format = if start.date_naive() == end.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
                format!("{} to {} {}", start.format("%Y-%m-%d %H:%M"), end.format(end_format), end.format("%:z"))
            }
        }
    }
}

/// For a terminal: one line per event, its notes below, and the root cause whenever it changes.
impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Booking {} (times in {})", self.booking, self.zone)?;
        writeln!(f, "Now: {}", self.now)?;
        let mut root = "";
        for it in &self.happened {
            if it.root != root {
                writeln!(f, "\n{}", it.root)?;
                root = &it.root;
            }
            writeln!(f, "  {}  {}", it.local, it.what)?;
            for note in &it.notes {
                writeln!(f, "  {:26}    {note}", "")?;
            }
        }
        Ok(())
    }
}
