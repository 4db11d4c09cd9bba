//! Bookings over HTTP: lists, single bookings, and changes. Request bodies are in `services/bookings/`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    lists::{self, Paging},
    problem::{Problem, Success},
};
pub use crate::services::bookings::{
    bodies::{DetailsChange, NewBooking, Reassignment, SlotBody},
    view::BookingView,
};
use crate::{
    domain::{
        booking::{self, Booking},
        ids::BookingId,
    },
    projections::query::{BookingFilter, Query},
    record::envelope::Origin,
    services::bookings::{
        BookingRequest, Requester, bodies,
        handle::{self, view_at},
        view,
    },
};

/// A page of bookings.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BookingPage {
    /// The bookings.
    pub items: Vec<BookingView>,
    /// Pass this as `cursor` to get the next page; `null` on the last one.
    pub next: Option<String>,
}

/// Filters of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BookingsQuery {
    /// `tentative`, `confirmed` or `cancelled`.
    status: Option<booking::Status>,
    /// Only on this resource.
    resource: Option<String>,
    /// Only from this source.
    source: Option<String>,
    /// Only bookings that end after this time (RFC 3339).
    from: Option<String>,
    /// Only bookings that begin before this time (RFC 3339).
    until: Option<String>,
    /// Maximum number of items, 1 to 1,000 [default: 100].
    limit: Option<u32>,
    /// `next` of the previous page.
    cursor: Option<String>,
}

/// Lists bookings by start time.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let request: BookingsQuery = call.query()?;
    let own = call.caller()?.only_source().map(str::to_owned);
    let filter = BookingFilter {
        status: request.status.map(|status| view::word(&status)),
        resource: request.resource,
        source: own.or(request.source),
        from: request.from.as_deref().map(|text| bodies::instant("from", text)).transpose().map_err(one)?,
        until: request.until.as_deref().map(|text| bodies::instant("until", text)).transpose().map_err(one)?,
    };
    let paging = Paging { limit: request.limit, cursor: request.cursor };
    let (rows, next) = lists::page(&server, &paging, |page| Query::Bookings(filter.clone(), page)).await?;
    Answer::json(Success::Ok, &BookingPage { items: rows.iter().map(BookingView::of_row).collect(), next })
}

fn one(error: super::problem::FieldError) -> Problem {
    Problem::fields(vec![error])
}

/// Returns one booking, up to date with the ledger.
pub async fn show(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let (id, booking) = visible_booking(&server, &call).await?;
    Answer::json(Success::Ok, &BookingView::of(&id, &booking))
}

/// Creates a booking.
pub async fn create(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let request = BookingRequest::Create(call.json()?);
    answer(&server, &call, request).await
}

/// Confirms a booking.
pub async fn confirm(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call, BookingRequest::Confirm).await
}

/// Moves a booking to another time.
pub async fn reschedule(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let request = BookingRequest::Reschedule(call.json()?);
    answer(&server, &call, request).await
}

/// Moves a booking to another resource.
pub async fn reassign(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let request = BookingRequest::Reassign(call.json()?);
    answer(&server, &call, request).await
}

/// Cancels a booking.
pub async fn cancel(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call, BookingRequest::Cancel).await
}

/// Restores a cancelled booking.
pub async fn restore(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    answer(&server, &call, BookingRequest::Restore).await
}

/// Changes title, notes or customer of a booking; fields left out stay as they are.
pub async fn change_details(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let request = BookingRequest::ChangeDetails(call.json()?);
    answer(&server, &call, request).await
}

async fn answer(server: &Server, call: &Call, request: BookingRequest) -> Result<Answer, Problem> {
    let requester =
        Requester { context: call.context(Origin::Api)?, only: call.caller()?.only_source(), key: call.key()? };
    let done = handle::handle(&server.journal, &server.keys, call.param("id"), &request, &requester).await?;
    let view = view_at(&server.journal, &done.booking, done.revision).await?;
    if done.created {
        Ok(Answer::json(Success::Created, &view)?.at(format!("/api/v1/bookings/{}", done.booking)))
    } else {
        Answer::json(Success::Ok, &view)
    }
}

/// The booking named in the path, if the caller may see it.
///
/// # Errors
/// `NotFound`.
pub async fn visible_booking(server: &Server, call: &Call) -> Result<(BookingId, Booking), Problem> {
    Ok(handle::visible_booking(&server.journal, call.param("id"), call.caller()?.only_source()).await?)
}
