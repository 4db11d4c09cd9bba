//! Bookings over HTTP: lists, one, and every change of one.

mod request;
mod view;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    request::{DetailsChange, NewBooking, Reassignment, SlotBody},
    view::{BookingPage, BookingView},
};
use super::{
    Server,
    auth::API_SOURCE,
    call::{Answer, Call},
    keys::Used,
    lists::{self, Paging},
    problem::{Done, Problem},
};
use crate::{
    domain::{
        booking::{self, Booking, CancelReason, Cause, Command, RequestMark, Snapshot},
        event,
        ids::{BookingId, ResourceId, Revision, SourceName, Version},
    },
    ports::read_models::{BookingFilter, Query},
    record::{envelope::Origin, stream::StreamName},
    services::{Error, execute::execute},
};

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
    let body: NewBooking = call.json()?;
    let mark = call.request_mark(&["create", &canonical(&body)?])?;
    if let Some(answer) = repeated(&server, mark.as_ref()).await? {
        return Ok(answer);
    }
    let source = SourceName::new(API_SOURCE).map_err(|e| Problem::field("source", e.to_string()))?;
    let reference = match (&body.id, &mark) {
        (Some(id), _) => request::reference(id)?,
        // The same key names the same booking: a repetition finds it whatever happened to the answer.
        (None, Some(mark)) => format!("k-{}", mark.key.chars().take(32).collect::<String>()),
        (None, None) => server.journal.clock().event_id().to_string(),
    };
    let id = BookingId::of_source(&source, &reference);
    let (resource, slot, details) = body.checked(&id)?;
    let snapshot = Snapshot {
        source,
        source_ref: reference,
        resource,
        slot,
        details,
        confirmed: body.confirmed,
        cancelled: false,
    };
    carry_out(&server, &call, &id, &Command::Register(snapshot), mark).await
}

/// Settles one.
pub async fn confirm(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    change(&server, &call, "confirm", Command::Confirm).await
}

/// Moves one to another time.
pub async fn reschedule(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let body: SlotBody = call.json()?;
    let slot = body.checked("").map_err(Problem::fields)?;
    change(&server, &call, &format!("reschedule {}", canonical(&body)?), Command::Reschedule(slot)).await
}

/// Moves one to another resource.
pub async fn reassign(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let body: Reassignment = call.json()?;
    let resource = ResourceId::new(&body.resource).map_err(|e| Problem::field("resource", e.to_string()))?;
    change(&server, &call, &format!("reassign {}", canonical(&body)?), Command::Reassign(resource)).await
}

/// Calls one off.
pub async fn cancel(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    change(&server, &call, "cancel", Command::Cancel(CancelReason::Requested)).await
}

/// Calls one on again.
pub async fn restore(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    change(&server, &call, "restore", Command::Restore).await
}

/// Changes words or customer of one; what is not named stays.
pub async fn change_details(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let body: DetailsChange = call.json()?;
    let (_, booking) = wanted(&server, &call).await?;
    let details = body.applied(&booking.details)?;
    change(&server, &call, &format!("details {}", canonical(&body)?), Command::ChangeDetails(details)).await
}

async fn change(server: &Server, call: &Call, asked: &str, command: Command) -> Result<Answer, Problem> {
    let (id, _) = wanted(server, call).await?;
    let mark = call.request_mark(&[asked, id.as_str()])?;
    if let Some(answer) = repeated(server, mark.as_ref()).await? {
        return Ok(answer);
    }
    carry_out(server, call, &id, &command, mark).await
}

/// The booking that the path names, if the caller may see it.
///
/// # Errors
/// `NotFound`.
pub async fn wanted(server: &Server, call: &Call) -> Result<(BookingId, Booking), Problem> {
    let text = call.param("id");
    let not_found = || Problem::not_found("booking", text);
    let id = BookingId::new(text).map_err(|_| not_found())?;
    let (booking, _) = server.journal.booking(&id).await?;
    let booking = booking.ok_or_else(not_found)?;
    // Whether somebody else's booking exists is told to nobody.
    if call.caller()?.may_touch(&booking.source) { Ok((id, booking)) } else { Err(not_found()) }
}

/// The first answer again, where this process knows the key.
async fn repeated(server: &Server, mark: Option<&RequestMark>) -> Result<Option<Answer>, Problem> {
    let Some(mark) = mark else { return Ok(None) };
    match server.keys.find(mark) {
        None => Ok(None),
        Some(used) if used.digest != mark.digest => Err(Error::from(booking::Refusal::KeyReused).into()),
        Some(used) => answer(server, &used.booking, used.revision, used.created).await.map(Some),
    }
}

async fn carry_out(
    server: &Server,
    call: &Call,
    id: &BookingId,
    command: &Command,
    mark: Option<RequestMark>,
) -> Result<Answer, Problem> {
    let cause = Cause { request: mark.clone(), ..Cause::default() };
    let context = call.context(Origin::Api)?;
    let now = server.journal.clock().now();
    let executed = execute(&server.journal, id, command, &cause, now, &context).await?;
    // Nothing happened, and the booking remembers the key: this is a repetition, answered as it was the first time.
    let first = mark.as_ref().and_then(|mark| {
        let known = executed.booking.requests.iter().find(|(known, _)| known.key == mark.key);
        known.map(|(_, revision)| *revision).filter(|_| executed.events.is_empty())
    });
    let creates = matches!(command, Command::Register(_));
    let created = creates && (first.is_some() || executed.events.contains(&"registered"));
    let revision = first.unwrap_or(executed.booking.revision);
    if let Some(mark) = mark {
        let used = Used { digest: mark.digest.clone(), booking: id.clone(), revision, created };
        server.keys.remember(&mark, used);
    }
    answer(server, id, revision, created).await
}

/// The booking as it was at that revision.
async fn answer(server: &Server, id: &BookingId, revision: Revision, created: bool) -> Result<Answer, Problem> {
    let mut state = None;
    for told in server.journal.stream(&StreamName::booking(id), Version(0)).await? {
        if let event::Event::Booking(event) = &told.event {
            state = booking::evolve(state, event, told.recorded.event.effective_at);
        }
        if state.as_ref().is_some_and(|booking| booking.revision >= revision) {
            break;
        }
    }
    let booking = state.ok_or_else(|| Problem::not_found("booking", id.as_str()))?;
    let view = BookingView::of(id, &booking);
    if created {
        Ok(Answer::json(Done::Created, &view)?.at(format!("/api/v1/bookings/{id}")))
    } else {
        Answer::json(Done::Ok, &view)
    }
}

/// One writing for one meaning: fields in the order of the type, defaults filled in.
fn canonical(body: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(body).map_err(|error| Problem::new(super::problem::Kind::Malformed, error.to_string()))
}
