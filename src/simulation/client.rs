//! I9 from outside: a host application that books over the API, repeats its requests at any process, and sometimes reuses an
//! idempotency key for another request.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    canaries,
    chance::Chance,
    observations::SharedObservations,
    people,
    process::{Process, Step},
    world::{BAYS, World},
};
use crate::{
    domain::ids::Revision,
    record::envelope::{Actor, Origin},
    services::{
        bookings::{
            BookingRequest, RequestFailure, RequestOutcome, Requester,
            bodies::{DetailsBody, NewBooking, SlotBody},
            handle,
        },
        journal::Context,
        problem::Problem,
    },
};

/// A request with its idempotency key.
#[derive(Debug, Clone)]
pub(super) struct ClientRequest {
    key: String,
    action: ClientAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ClientAction {
    Create { resource: String, starts_at: DateTime<Utc>, title: String },
    Reschedule { booking: String, starts_at: DateTime<Utc> },
    Cancel { booking: String },
}

/// The answer to the first request with a key that changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientAnswer {
    action: ClientAction,
    booking: String,
    revision: Revision,
    created: bool,
}

impl ClientAnswer {
    /// The id of the booking.
    pub fn booking(&self) -> &str {
        &self.booking
    }
}

fn slot(starts_at: DateTime<Utc>) -> SlotBody {
    let text = |at: DateTime<Utc>| Some(at.to_rfc3339());
    let (starts_at, ends_at) = (text(starts_at), text(starts_at + TimeDelta::hours(1)));
    SlotBody { kind: None, starts_at, ends_at, zone: Some("America/Chicago".into()), from: None, until: None }
}

impl ClientAction {
    /// The booking that it changes; `None` if it creates one.
    fn target(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Reschedule { booking, .. } | Self::Cancel { booking } => Some(booking),
        }
    }

    fn to_request(&self) -> (String, BookingRequest) {
        match self {
            Self::Create { resource, starts_at, title } => {
                let details = DetailsBody { title: title.clone(), notes: None, customer: None };
                let (resource, slot) = (resource.clone(), slot(*starts_at));
                (
                    String::new(),
                    BookingRequest::Create(NewBooking { id: None, resource, slot, details, confirmed: true }),
                )
            }
            Self::Reschedule { booking, starts_at } => (booking.clone(), BookingRequest::Reschedule(slot(*starts_at))),
            Self::Cancel { booking } => (booking.clone(), BookingRequest::Cancel),
        }
    }
}

/// The application's next request: a new one, a repeated one, or a new one with a key that was used before.
pub(super) fn next_request(world: &World, chance: &mut Chance) -> (ClientRequest, String) {
    let (starts_at, _) = people::time(chance, world.now());
    let mut observations = world.observations.lock();
    let known = chance.pick(&observations.requests).cloned();
    let bookings: Vec<String> = observations.answers.values().map(|answer| answer.booking.clone()).collect();
    if let (Some(known), 0..=3) = (&known, chance.below(10)) {
        observations.count("requests_repeated");
        return (known.clone(), format!("the application repeats {known:?}"));
    }
    let action = match (chance.pick(&bookings).cloned(), chance.below(10)) {
        (Some(booking), 0..=3) => ClientAction::Reschedule { booking, starts_at },
        (Some(booking), 4) => ClientAction::Cancel { booking },
        _ => ClientAction::Create {
            resource: BAYS[usize::from(chance.permille(400))].0.to_owned(),
            starts_at,
            title: format!("{} {}", canaries::TITLE, chance.below(1_000)),
        },
    };
    // A booking stores the keys of the requests that changed it. Nothing checks whether another booking has the key.
    let reused = known
        .filter(|known| chance.permille(300) && known.action != action && known.action.target() == action.target());
    let fresh = reused.is_none();
    let key = reused.map_or_else(|| format!("key-{}", observations.requests.len()), |known| known.key);
    let request = ClientRequest { key, action };
    if fresh {
        observations.requests.push(request.clone());
    }
    let description = format!("the application sends {request:?}");
    (request, description)
}

/// Sends a request to a process and compares the answer with the earlier one.
pub(super) fn send(process: &Arc<Process>, observations: &SharedObservations, request: ClientRequest) -> Step {
    let (process, observations) = (Arc::clone(process), observations.clone());
    Box::pin(async move {
        let clock = process.journal.clock();
        let context = Context::root(Actor::new("client", "app"), Origin::Api, clock.event_id());
        let requester = Requester { context, only: None, key: Some(request.key.clone()) };
        let (id, body) = request.action.to_request();
        let done = handle(&process.journal, &process.keys, &id, &body, &requester).await;
        Ok(check_answer(&observations, &request, done))
    })
}

/// The same key with the same request gets the same answer; the same key with another request is refused. Only one process
/// remembers a request that changed nothing, so such a request is not checked.
fn check_answer(
    observations: &SharedObservations,
    request: &ClientRequest,
    done: Result<RequestOutcome, RequestFailure>,
) -> String {
    let mut observations = observations.lock();
    let known = observations.answers.get(&request.key).cloned();
    match done {
        Ok(done) => {
            let booking = done.booking.to_string();
            let (revision, created) = (done.revision, done.created);
            let answer = ClientAnswer { action: request.action.clone(), booking: booking.clone(), revision, created };
            match known {
                Some(known) if known.action != request.action => {
                    observations.add_violation(
                        "I9",
                        format!("{request:?} was carried out, but its key was used before for {:?}", known.action),
                    );
                }
                Some(known) if known != answer => {
                    observations.add_violation(
                        "I9",
                        format!("{request:?} was answered with {known:?} before, and now with {answer:?}"),
                    );
                }
                Some(_) => observations.count("requests_answered_again"),
                None if done.changed => drop(observations.answers.insert(request.key.clone(), answer)),
                None => {}
            }
            if done.changed {
                observations.count_action(booking.strip_prefix("api.").unwrap_or(&booking));
            }
            format!("done: {booking}")
        }
        Err(failure) => {
            if known.is_some_and(|known| known.action != request.action) {
                observations.count("keys_refused");
            }
            format!("not done: {:?}", Problem::from(failure))
        }
    }
}
