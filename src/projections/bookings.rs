//! Present bookings: lists, single bookings, and overlaps with a slot. Table: `projections/bookings.sql`.
//!
//! The only read model with personal texts. They are stored sealed, as in the events: projecting needs no
//! key, nothing readable is written to disk, and a table filled before a person was erased equals one filled afterwards. They
//! are decrypted when read: `src/services/models/texts.rs`.

use chrono::{DateTime, Utc};

use super::{Column, Kind, Projection, Row, Table, Write, int, text};
use crate::{
    domain::{
        booking::{self, CancelReason, Details},
        event::Event,
        personal,
        slot::Slot,
    },
    record::{envelope::StoredEvent, stream::Category},
};

/// The read model.
pub static PROJECTION: Projection = Projection {
    name: "bookings",
    version: 2,
    table: Table {
        columns: COLUMNS,
        keys: 1,
        settle: None,
        personal: &["title", "notes", "customer_name", "customer_email", "customer_phone"],
    },
    reads: &[Category::Booking],
    project,
};

const COLUMNS: &[Column] = &[
    text("booking"),
    text("source"),
    text("source_ref"),
    text("resource"),
    text("starts_at"),
    text("ends_at"),
    text("from_day"),
    text("until_day"),
    text("zone"),
    text("blocks_from"),
    text("blocks_until"),
    text("status"),
    text("cancel_reason"),
    Column { name: "was_confirmed", kind: Kind::Bool },
    int("revision"),
    int("source_revision"),
    text("subject"),
    text("title"),
    text("notes"),
    text("customer_name"),
    text("customer_email"),
    text("customer_phone"),
    text("removal_marked_at"),
    text("registered_at"),
    text("changed_at"),
];

fn project(recorded: &StoredEvent, event: &Event) -> Vec<Write> {
    match event {
        Event::Booking(event) => of_booking(recorded, event),
        Event::Connection(_)
        | Event::Calendar(_)
        | Event::Link(_)
        | Event::Source(_)
        | Event::Profile(_)
        | Event::Operations(_) => Vec::new(),
    }
}

fn of_booking(recorded: &StoredEvent, event: &booking::Event) -> Vec<Write> {
    let id = recorded.stream.id.as_str();
    let patch = || changed(Write::patch([id]), recorded, event);
    match event {
        booking::Event::Registered { source, source_ref, resource, slot, details, .. } => {
            // A booking is registered once; if it happens again, only the number of changes increases.
            let put = Write::put([id])
                .when(super::Condition::Is("status", super::Value::Null))
                .set("source", source.as_str())
                .set("source_ref", source_ref.as_str())
                .set("resource", resource.as_str())
                .set("status", "tentative")
                .set("was_confirmed", false)
                .set("registered_at", recorded.event.effective_at);
            vec![with_details(with_slot(put, slot), details), patch()]
        }
        // Confirming a cancelled booking does not restore it; it only sets the status it would be restored to.
        booking::Event::Confirmed { .. } => vec![
            patch().set("was_confirmed", true),
            Write::patch([id]).when(super::Condition::IsNot("status", "cancelled".into())).set("status", "confirmed"),
        ],
        booking::Event::Rescheduled { slot, .. } => vec![with_slot(patch(), slot)],
        booking::Event::DetailsChanged { details, .. } => vec![with_details(patch(), details)],
        booking::Event::Reassigned { resource, .. } => vec![patch().set("resource", resource.as_str())],
        booking::Event::Cancelled { reason, .. } => {
            vec![patch().set("status", "cancelled").set("cancel_reason", reason_word(*reason))]
        }
        booking::Event::Restored { .. } => vec![
            patch().set("status", "tentative").clear(&["cancel_reason"]),
            Write::patch([id]).when(super::Condition::Is("was_confirmed", true.into())).set("status", "confirmed"),
        ],
        booking::Event::ExternalRemovalMarked { .. } => {
            vec![patch().set("removal_marked_at", recorded.event.recorded_at)]
        }
    }
}

/// Every event of a booking is one revision of it, and the first event begins its stream.
fn changed(write: Write, recorded: &StoredEvent, event: &booking::Event) -> Write {
    let write = write.set("revision", recorded.version.0 + 1).set("changed_at", recorded.event.effective_at);
    match event.cause().source_revision {
        Some(revision) => write.set("source_revision", revision),
        None => write,
    }
}

/// `blocks_from` and `blocks_until` are the instants that the slot could cover in any time zone, since whole days have none.
fn with_slot(write: Write, slot: &Slot) -> Write {
    let (from, until) = slot.widest();
    let write = write.set("blocks_from", from).set("blocks_until", until);
    match slot {
        Slot::Timed { starts_at, ends_at, zone } => write
            .set("starts_at", *starts_at)
            .set("ends_at", *ends_at)
            .set("zone", zone.as_str())
            .clear(&["from_day", "until_day"]),
        Slot::AllDay { from, until } => {
            write.set("from_day", *from).set("until_day", *until).clear(&["starts_at", "ends_at", "zone"])
        }
    }
}

fn with_details(write: Write, details: &Details) -> Write {
    let customer = details.customer.as_ref();
    write
        .set("subject", details.title.subject.as_str())
        .set("title", sealed(Some(&details.title)))
        .set("notes", sealed(details.notes.as_ref()))
        .set("customer_name", sealed(customer.map(|c| &c.name)))
        .set("customer_email", sealed(customer.and_then(|c| c.email.as_ref())))
        .set("customer_phone", sealed(customer.and_then(|c| c.phone.as_ref())))
}

/// The sealed text in the event.
fn sealed(text: Option<&personal::Personal>) -> Option<String> {
    text.and_then(|text| text.text.clone())
}

fn reason_word(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::AtSource => "at_source",
        CancelReason::Requested => "requested",
        CancelReason::RemovedFromCalendar => "removed_from_calendar",
    }
}

/// The slot of a row of `bookings`.
pub fn slot_of(row: &Row) -> Option<Slot> {
    let at = |name: &str| row.text(name)?.parse::<DateTime<Utc>>().ok();
    let day = |name: &str| row.text(name)?.parse().ok();
    match (at("starts_at"), at("ends_at")) {
        (Some(starts_at), Some(ends_at)) => {
            Some(Slot::Timed { starts_at, ends_at, zone: row.text("zone").unwrap_or("UTC").to_owned() })
        }
        _ => Some(Slot::AllDay { from: day("from_day")?, until: day("until_day")? }),
    }
}
