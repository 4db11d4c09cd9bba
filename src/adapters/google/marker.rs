//! Our ids in an entry's private extended properties: the seed's three, and those our ledger needs.

use serde_json::{Map, Value, json};

use crate::domain::{
    entry::Marker,
    failure::{CallFailure, FailureClass},
    ids::{BookingId, Generation, LinkId, ResourceId},
};

const APPOINTMENT: &str = "uscheduleAppointmentId";
const MANAGED: &str = "loftSyncManaged";
const BAY: &str = "bay";
const LINK: &str = "syncledgerLink";
const BOOKING: &str = "syncledgerBooking";
const GENERATION: &str = "syncledgerGeneration";
/// Only if `bay` does not determine the resource: a resource named `7`, for example, is not `bay-7`.
const RESOURCE: &str = "syncledgerResource";

/// Google silently truncates longer values.
const VALUE_BYTES_MAX: usize = 1024;

/// The private properties of `marker`.
///
/// # Errors
/// A value is longer than Google stores.
pub(super) fn properties(marker: &Marker) -> Result<Value, CallFailure> {
    if marker.appointment.is_empty() || marker.appointment.len() > VALUE_BYTES_MAX {
        let summary = "the source's id of the booking is empty or too long for an extended property (1024 bytes)";
        return Err(CallFailure::new(FailureClass::NonRetryable, summary));
    }
    let bay = bay(&marker.resource);
    let mut private = json!({
        APPOINTMENT: marker.appointment,
        MANAGED: "true",
        BAY: bay,
        LINK: marker.link.as_str(),
        BOOKING: marker.booking.as_str(),
        GENERATION: marker.generation.to_string(),
    });
    if resource_of_bay(bay).as_ref() != Some(&marker.resource) {
        private[RESOURCE] = json!(marker.resource.as_str());
    }
    Ok(private)
}

/// The marker in an entry's private properties. `None` if there is none, or if a part is missing or
/// invalid: such an entry is not managed.
pub(super) fn read(entry: &Value) -> Option<Marker> {
    let private = entry.get("extendedProperties")?.get("private")?.as_object()?;
    if text(private, MANAGED)? != "true" {
        return None;
    }
    let generation = text(private, GENERATION)?.parse::<u64>().ok().filter(|g| *g > 0)?;
    let resource = match text(private, RESOURCE) {
        Some(resource) => ResourceId::new(resource).ok()?,
        None => resource_of_bay(text(private, BAY)?)?,
    };
    Some(Marker {
        link: LinkId::new(text(private, LINK)?).ok()?,
        generation: Generation(generation),
        booking: BookingId::new(text(private, BOOKING)?).ok()?,
        appointment: text(private, APPOINTMENT)?.to_owned(),
        resource,
    })
}

fn text<'a>(private: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    private.get(key)?.as_str().filter(|value| !value.is_empty())
}

fn numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The seed's `bay`: `1` for the resource `bay-1`, and any other resource unchanged.
fn bay(resource: &ResourceId) -> &str {
    resource.as_str().strip_prefix("bay-").filter(|rest| numeric(rest)).unwrap_or(resource.as_str())
}

fn resource_of_bay(bay: &str) -> Option<ResourceId> {
    if numeric(bay) { ResourceId::new(format!("bay-{bay}")).ok() } else { ResourceId::new(bay).ok() }
}
