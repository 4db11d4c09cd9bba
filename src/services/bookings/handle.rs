//! Carries out a client's request about a booking; the same for HTTP and NATS.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    API_SOURCE,
    bodies::{self, DetailsChange, NewBooking, Reassignment, SlotBody},
    execute::execute,
    keys::{KeyUse, RequestKeys},
    view::BookingView,
};
use crate::{
    domain::{
        booking::{self, Booking, CancelReason, Cause, Command, Details, RequestMark, Snapshot},
        event,
        ids::{BookingId, ResourceId, Revision, SourceName, SubjectId, Version, short_hash},
        personal::Personal,
    },
    record::stream::StreamName,
    services::{
        Error,
        journal::{Context, Journal},
        problem::{Kind, Problem},
    },
};

/// The requests.
#[derive(Debug)]
pub enum BookingRequest {
    /// Create a booking.
    Create(NewBooking),
    /// Confirm it.
    Confirm,
    /// Move it to another time.
    Reschedule(SlotBody),
    /// Move it to another resource.
    Reassign(Reassignment),
    /// Change its title, notes or customer.
    ChangeDetails(DetailsChange),
    /// Cancel it.
    Cancel,
    /// Restore it.
    Restore,
}

impl BookingRequest {
    /// Checks the request without reading the ledger.
    ///
    /// # Errors
    /// Names every invalid field.
    pub fn check(&self) -> Result<(), Problem> {
        let source = || SourceName::new(API_SOURCE).map_err(|e| Problem::field("source", e.to_string()));
        match self {
            Self::Create(body) => {
                let reference = body.id.as_deref().map_or(Ok("none".to_owned()), bodies::reference)?;
                body.checked(&BookingId::of_source(&source()?, &reference)).map(drop)
            }
            Self::Reschedule(body) => body.checked("").map(drop).map_err(Problem::fields),
            Self::Reassign(body) => {
                ResourceId::new(&body.resource).map(drop).map_err(|e| Problem::field("resource", e.to_string()))
            }
            Self::ChangeDetails(body) => {
                let subject = SubjectId::new(API_SOURCE).map_err(|e| Problem::field("source", e.to_string()))?;
                let known = Details { title: Personal::new(subject, "known"), notes: None, customer: None };
                body.applied(&known).map(drop)
            }
            Self::Confirm | Self::Cancel | Self::Restore => Ok(()),
        }
    }
}

/// Who is asking.
#[derive(Debug, Clone)]
pub struct Requester {
    /// Actor, origin and correlation id to record.
    pub context: Context,
    /// The only source whose bookings the caller may see and change; `None` for all.
    pub only: Option<&'static str>,
    /// Hash of the idempotency key and its sender, if there is one.
    pub key: Option<String>,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOutcome {
    /// Id of the booking.
    pub booking: BookingId,
    /// Its revision afterwards, or after the first request with the same key.
    pub revision: Revision,
    /// Whether this request created it.
    pub created: bool,
    /// Whether this request changed anything.
    pub changed: bool,
}

/// Why a request failed.
#[derive(Debug)]
pub enum RequestFailure {
    /// The request itself is invalid.
    Invalid(Problem),
    /// A rule refused it, or something it needs is unavailable.
    Failed(Error),
}

impl From<Problem> for RequestFailure {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem)
    }
}

impl From<Error> for RequestFailure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<RequestFailure> for Problem {
    fn from(not: RequestFailure) -> Self {
        match not {
            RequestFailure::Invalid(problem) => problem,
            RequestFailure::Failed(error) => error.into(),
        }
    }
}

/// The mark of a request with this key hash. `asked` is the operation and its body.
pub fn mark(key: Option<&String>, asked: &[&str]) -> Option<RequestMark> {
    key.map(|key| RequestMark { key: key.clone(), digest: short_hash(asked, 64) })
}

/// Carries out the request on booking `id`, which is ignored for a creation.
///
/// # Errors
/// [`RequestFailure`].
pub async fn handle(
    journal: &Journal,
    keys: &RequestKeys,
    id: &str,
    asked: &BookingRequest,
    requester: &Requester,
) -> Result<RequestOutcome, RequestFailure> {
    let (asked_as, command) = match asked {
        BookingRequest::Create(body) => return create(journal, keys, body, requester).await,
        BookingRequest::Confirm => ("confirm".to_owned(), Command::Confirm),
        BookingRequest::Reschedule(body) => {
            let slot = body.checked("").map_err(Problem::fields)?;
            (format!("reschedule {}", canonical(body)?), Command::Reschedule(slot))
        }
        BookingRequest::Reassign(body) => {
            let resource = ResourceId::new(&body.resource).map_err(|e| Problem::field("resource", e.to_string()))?;
            (format!("reassign {}", canonical(body)?), Command::Reassign(resource))
        }
        BookingRequest::ChangeDetails(body) => {
            let (_, booking) = visible_booking(journal, id, requester.only).await?;
            let details = body.applied(&booking.details)?;
            (format!("details {}", canonical(body)?), Command::ChangeDetails(details))
        }
        BookingRequest::Cancel => ("cancel".to_owned(), Command::Cancel(CancelReason::Requested)),
        BookingRequest::Restore => ("restore".to_owned(), Command::Restore),
    };
    let (id, _) = visible_booking(journal, id, requester.only).await?;
    let mark = mark(requester.key.as_ref(), &[&asked_as, id.as_str()]);
    if let Some(done) = repeated(keys, mark.as_ref())? {
        return Ok(done);
    }
    carry_out(journal, keys, &id, &command, mark, requester).await
}

async fn create(
    journal: &Journal,
    keys: &RequestKeys,
    body: &NewBooking,
    requester: &Requester,
) -> Result<RequestOutcome, RequestFailure> {
    let mark = mark(requester.key.as_ref(), &["create", &canonical(body)?]);
    if let Some(done) = repeated(keys, mark.as_ref())? {
        return Ok(done);
    }
    let source = SourceName::new(API_SOURCE).map_err(|e| Problem::field("source", e.to_string()))?;
    let reference = match (&body.id, &mark) {
        (Some(id), _) => bodies::reference(id)?,
        // The same key gives the same id: a retry finds the booking even if the first response was lost.
        (None, Some(mark)) => format!("k-{}", mark.key.chars().take(32).collect::<String>()),
        (None, None) => journal.clock().event_id().to_string(),
    };
    let id = BookingId::of_source(&source, &reference);
    let (resource, slot, details) = body.checked(&id)?;
    let confirmed = body.confirmed;
    let snapshot = Snapshot { source, source_ref: reference, resource, slot, details, confirmed, cancelled: false };
    carry_out(journal, keys, &id, &Command::Register(snapshot), mark, requester).await
}

/// The booking with this id, if the caller may see it.
///
/// # Errors
/// `NotFound`.
pub async fn visible_booking(
    journal: &Journal,
    id: &str,
    only: Option<&str>,
) -> Result<(BookingId, Booking), RequestFailure> {
    let not_found = || Problem::not_found("booking", id);
    let known = BookingId::new(id).map_err(|_| not_found())?;
    let (booking, _) = journal.booking(&known).await?;
    let booking = booking.ok_or_else(not_found)?;
    // The same answer as for an unknown booking, so that it reveals nothing.
    if only.is_none_or(|only| only == booking.source.as_str()) { Ok((known, booking)) } else { Err(not_found().into()) }
}

/// The result of the first request with this key, if this process remembers it.
fn repeated(keys: &RequestKeys, mark: Option<&RequestMark>) -> Result<Option<RequestOutcome>, RequestFailure> {
    let Some(mark) = mark else { return Ok(None) };
    match keys.find(mark) {
        None => Ok(None),
        Some(used) if used.digest != mark.digest => Err(Error::from(booking::Refusal::KeyReused).into()),
        Some(KeyUse { booking, revision, created, .. }) => {
            Ok(Some(RequestOutcome { booking, revision, created, changed: false }))
        }
    }
}

async fn carry_out(
    journal: &Journal,
    keys: &RequestKeys,
    id: &BookingId,
    command: &Command,
    mark: Option<RequestMark>,
    requester: &Requester,
) -> Result<RequestOutcome, RequestFailure> {
    let cause = Cause { request: mark.clone(), ..Cause::default() };
    let now: DateTime<Utc> = journal.clock().now();
    let executed = execute(journal, id, command, &cause, now, &requester.context).await?;
    // Nothing changed and the booking remembers the key, so this is a retry: return the first result.
    let first = mark.as_ref().and_then(|mark| {
        let known = executed.booking.requests.iter().find(|(known, _)| known.key == mark.key);
        known.map(|(_, revision)| *revision).filter(|_| executed.events.is_empty())
    });
    let creates = matches!(command, Command::Register(_));
    let created = creates && (first.is_some() || executed.events.contains(&"registered"));
    let revision = first.unwrap_or(executed.booking.revision);
    if let Some(mark) = mark {
        let used = KeyUse { digest: mark.digest.clone(), booking: id.clone(), revision, created };
        keys.remember(&mark, used);
    }
    Ok(RequestOutcome { booking: id.clone(), revision, created, changed: !executed.events.is_empty() })
}

/// The booking as it was at a revision.
///
/// # Errors
/// `NotFound`; errors of the ledger.
pub async fn view_at(journal: &Journal, id: &BookingId, revision: Revision) -> Result<BookingView, RequestFailure> {
    let mut state = None;
    for decoded in journal.stream(&StreamName::booking(id), Version(0)).await? {
        if let event::Event::Booking(event) = &decoded.event {
            state = booking::evolve(state, event, decoded.recorded.event.effective_at);
        }
        if state.as_ref().is_some_and(|booking| booking.revision >= revision) {
            break;
        }
    }
    let booking = state.ok_or_else(|| Problem::not_found("booking", id.as_str()))?;
    Ok(BookingView::of(id, &booking))
}

/// Canonical text of a body: fields in the type's order, defaults filled in.
fn canonical(body: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(body).map_err(|error| Problem::new(Kind::Malformed, error.to_string()))
}
