//! Bookings over HTTP: lists, one, and every change of one. What they may say is `services/bookings/`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Server,
    call::{Answer, Call},
    lists::{self, Paging},
    problem::{Done, Problem},
};
pub use crate::services::bookings::{
    request::{DetailsChange, NewBooking, Reassignment, SlotBody},
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
        Asked, Asker,
        ask::{self, shown},
        request, view,
    },
};

/// A page of bookings.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BookingPage {
    /// The bookings.
    pub items: Vec<BookingView>,
    /// What to ask with as `cursor` for the next page; `null` on the last.
    pub next: Option<String>,
}

/// Which bookings to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BookingsQuery {
    /// `tentative`, `confirmed` or `cancelled`.
    status: Option<booking::Status>,
    /// Of this resource.
    resource: Option<String>,
    /// From this source.
    source: Option<String>,
    /// That end after this instant.
    from: Option<String>,
    /// That begin before this instant.
    until: Option<String>,
    /// At most so many, 1 to 1,000; 100 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Bookings by when they begin.
pub async fn list(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let asked: BookingsQuery = call.query()?;
    let own = call.caller()?.only_source().map(str::to_owned);
    let filter = BookingFilter {
        status: asked.status.map(|status| view::word(&status)),
        resource: asked.resource,
        source: own.or(asked.source),
        from: asked.from.as_deref().map(|text| request::instant("from", text)).transpose().map_err(one)?,
        until: asked.until.as_deref().map(|text| request::instant("until", text)).transpose().map_err(one)?,
    };
    let paging = Paging { limit: asked.limit, cursor: asked.cursor };
    let (rows, next) = lists::page(&server, &paging, |page| Query::Bookings(filter.clone(), page)).await?;
    Answer::json(Done::Ok, &BookingPage { items: rows.iter().map(BookingView::of_row).collect(), next })
}

fn one(error: super::problem::FieldError) -> Problem {
    Problem::fields(vec![error])
}

/// One booking, as the ledger has it now.
pub async fn show(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let (id, booking) = wanted(&server, &call).await?;
    Answer::json(Done::Ok, &BookingView::of(&id, &booking))
}

/// Creates one.
pub async fn create(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let asked = Asked::Create(call.json()?);
    ask(&server, &call, asked).await
}

/// Settles one.
pub async fn confirm(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    ask(&server, &call, Asked::Confirm).await
}

/// Moves one to another time.
pub async fn reschedule(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let asked = Asked::Reschedule(call.json()?);
    ask(&server, &call, asked).await
}

/// Moves one to another resource.
pub async fn reassign(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let asked = Asked::Reassign(call.json()?);
    ask(&server, &call, asked).await
}

/// Calls one off.
pub async fn cancel(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    ask(&server, &call, Asked::Cancel).await
}

/// Calls one on again.
pub async fn restore(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    ask(&server, &call, Asked::Restore).await
}

/// Changes words or customer of one; what is not named stays.
pub async fn change_details(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let asked = Asked::ChangeDetails(call.json()?);
    ask(&server, &call, asked).await
}

async fn ask(server: &Server, call: &Call, asked: Asked) -> Result<Answer, Problem> {
    let asker = Asker { context: call.context(Origin::Api)?, only: call.caller()?.only_source(), key: call.key()? };
    let done = ask::ask(&server.journal, &server.keys, call.param("id"), &asked, &asker).await?;
    let view = shown(&server.journal, &done.booking, done.revision).await?;
    if done.created {
        Ok(Answer::json(Done::Created, &view)?.at(format!("/api/v1/bookings/{}", done.booking)))
    } else {
        Answer::json(Done::Ok, &view)
    }
}

/// The booking that the path names, if the caller may see it.
///
/// # Errors
/// `NotFound`.
pub async fn wanted(server: &Server, call: &Call) -> Result<(BookingId, Booking), Problem> {
    Ok(ask::wanted(&server.journal, call.param("id"), call.caller()?.only_source()).await?)
}
