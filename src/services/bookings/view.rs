//! A booking in responses: the same whether read from the ledger or the read model.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    domain::{
        booking::{Booking, CancelReason, Status},
        ids::BookingId,
        personal::{ERASED, Personal},
        slot::Slot,
    },
    projections::Row,
};

/// A booking.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Booking")]
pub struct BookingView {
    /// Id of the booking.
    pub id: String,
    /// The system it comes from.
    pub source: String,
    /// That system's own id of it.
    pub reference: String,
    /// Id of the resource.
    pub resource: String,
    /// Start and end.
    pub slot: Option<Slot>,
    /// Tentative, confirmed or cancelled.
    pub status: Option<Status>,
    /// Why it was cancelled; `null` if it is not.
    pub cancelled_for: Option<CancelReason>,
    /// Title, notes and customer.
    pub details: DetailsView,
    /// Number of changes.
    pub revision: u64,
    /// Time of the last change, as reported by its source.
    pub changed_at: Option<DateTime<Utc>>,
}

/// Title, notes and customer. Texts of an erased person read `[erased]`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BookingDetails")]
pub struct DetailsView {
    /// Title.
    pub title: String,
    /// Notes, free text.
    pub notes: Option<String>,
    /// Customer.
    pub customer: Option<CustomerView>,
}

/// A customer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Customer")]
pub struct CustomerView {
    /// Name.
    pub name: String,
    /// Email address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
}

impl BookingView {
    /// From a folded booking.
    pub fn of(id: &BookingId, booking: &Booking) -> Self {
        let words = |text: &Personal| text.display_text().to_owned();
        let customer = booking.details.customer.as_ref().map(|customer| CustomerView {
            name: words(&customer.name),
            email: customer.email.as_ref().map(words),
            phone: customer.phone.as_ref().map(words),
        });
        Self {
            id: id.to_string(),
            source: booking.source.to_string(),
            reference: booking.source_ref.clone(),
            resource: booking.resource.to_string(),
            slot: Some(booking.slot.clone()),
            status: Some(booking.status),
            cancelled_for: booking.cancelled_for,
            details: DetailsView {
                title: words(&booking.details.title),
                notes: booking.details.notes.as_ref().map(words),
                customer,
            },
            revision: booking.revision.0,
            changed_at: Some(booking.changed_at),
        }
    }

    /// From a row of the read model.
    pub fn of_row(row: &Row) -> Self {
        let text = |name: &str| row.text(name).map(str::to_owned);
        let cancelled = row.text("status") == Some("cancelled");
        let customer = text("customer_name").map(|name| CustomerView {
            name,
            email: text("customer_email"),
            phone: text("customer_phone"),
        });
        Self {
            id: text("booking").unwrap_or_default(),
            source: text("source").unwrap_or_default(),
            reference: text("source_ref").unwrap_or_default(),
            resource: text("resource").unwrap_or_default(),
            slot: slot(row),
            status: read(row.text("status")),
            cancelled_for: read(row.text("cancel_reason").filter(|_| cancelled)),
            details: DetailsView {
                title: text("title").unwrap_or_else(|| ERASED.to_owned()),
                notes: text("notes"),
                customer,
            },
            revision: row.int("revision").and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            changed_at: row.time("changed_at"),
        }
    }
}

fn slot(row: &Row) -> Option<Slot> {
    if let (Some(starts_at), Some(ends_at)) = (row.time("starts_at"), row.time("ends_at")) {
        return Slot::timed(starts_at, ends_at, row.text("zone").unwrap_or("UTC")).ok();
    }
    Slot::all_day(row.text("from_day")?.parse().ok()?, row.text("until_day")?.parse().ok()?).ok()
}

fn read<T: DeserializeOwned>(word: Option<&str>) -> Option<T> {
    serde_json::from_value(Value::String(word?.to_owned())).ok()
}

/// The serialised name of a value.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}
