//! I9 from outside: a host application that books over the API, repeats its requests at any process, and at times uses a key
//! for another request.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    chance::Chance,
    notes::Notebook,
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

/// A request as it is sent, and sent again.
#[derive(Debug, Clone)]
pub(super) struct Order {
    key: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Create { resource: String, starts_at: DateTime<Utc>, title: String },
    Reschedule { booking: String, starts_at: DateTime<Utc> },
    Cancel { booking: String },
}

/// What was answered to the first request under a key that changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    what: What,
    booking: String,
    revision: Revision,
    created: bool,
}

impl Answered {
    /// The booking that it is about.
    pub fn booking(&self) -> &str {
        &self.booking
    }
}

fn slot(starts_at: DateTime<Utc>) -> SlotBody {
    let text = |at: DateTime<Utc>| Some(at.to_rfc3339());
    let (starts_at, ends_at) = (text(starts_at), text(starts_at + TimeDelta::hours(1)));
    SlotBody { kind: None, starts_at, ends_at, zone: Some("America/Chicago".into()), from: None, until: None }
}

impl What {
    /// The booking that it changes; `None` where it makes one.
    fn of(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Reschedule { booking, .. } | Self::Cancel { booking } => Some(booking),
        }
    }

    fn asked(&self) -> (String, BookingRequest) {
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

/// The application's next request: a new one, one that it sent before, or a new one under a key that it used before.
pub(super) fn next(world: &World, chance: &mut Chance) -> (Order, String) {
    let (starts_at, _) = people::time(chance, world.now());
    let mut notes = world.notes.open();
    let known = chance.pick(&notes.orders).cloned();
    let bookings: Vec<String> = notes.answered.values().map(|answered| answered.booking.clone()).collect();
    if let (Some(known), 0..=3) = (&known, chance.below(10)) {
        notes.count("requests_repeated");
        return (known.clone(), format!("the application repeats {known:?}"));
    }
    let what = match (chance.pick(&bookings).cloned(), chance.below(10)) {
        (Some(booking), 0..=3) => What::Reschedule { booking, starts_at },
        (Some(booking), 4) => What::Cancel { booking },
        _ => What::Create {
            resource: BAYS[usize::from(chance.permille(400))].0.to_owned(),
            starts_at,
            title: format!("Swing lesson {}", chance.below(1_000)),
        },
    };
    // A booking remembers the keys that changed it. A key that is used for another booking is not looked for.
    let reused = known.filter(|known| chance.permille(300) && known.what != what && known.what.of() == what.of());
    let fresh = reused.is_none();
    let key = reused.map_or_else(|| format!("key-{}", notes.orders.len()), |known| known.key);
    let order = Order { key, what };
    if fresh {
        notes.orders.push(order.clone());
    }
    let said = format!("the application sends {order:?}");
    (order, said)
}

/// Hands a request to a process, and compares the answer with what was answered before.
pub(super) fn send(process: &Arc<Process>, notes: &Notebook, order: Order) -> Step {
    let (process, notes) = (Arc::clone(process), notes.clone());
    Box::pin(async move {
        let clock = process.journal.clock();
        let context = Context::root(Actor::new("client", "app"), Origin::Api, clock.event_id());
        let requester = Requester { context, only: None, key: Some(order.key.clone()) };
        let (id, asked) = order.what.asked();
        let done = handle(&process.journal, &process.keys, &id, &asked, &requester).await;
        Ok(judge(&notes, &order, done))
    })
}

/// Same key and same request: the same answer. Same key and another request: none. A request that changed nothing is
/// remembered by its process only, so nothing is concluded from it.
fn judge(notes: &Notebook, order: &Order, done: Result<RequestOutcome, RequestFailure>) -> String {
    let mut notes = notes.open();
    let known = notes.answered.get(&order.key).cloned();
    match done {
        Ok(done) => {
            let booking = done.booking.to_string();
            let (revision, created) = (done.revision, done.created);
            let answered = Answered { what: order.what.clone(), booking: booking.clone(), revision, created };
            match known {
                Some(known) if known.what != order.what => {
                    notes.broken("I9", format!("{order:?} is carried out, and its key stood for {:?}", known.what));
                }
                Some(known) if known != answered => {
                    notes.broken("I9", format!("{order:?} was answered {known:?}, and is now answered {answered:?}"));
                }
                Some(_) => notes.count("requests_answered_again"),
                None if done.changed => drop(notes.answered.insert(order.key.clone(), answered)),
                None => {}
            }
            if done.changed {
                notes.act(booking.strip_prefix("api.").unwrap_or(&booking));
            }
            format!("done: {booking}")
        }
        Err(not) => {
            if known.is_some_and(|known| known.what != order.what) {
                notes.count("keys_refused");
            }
            format!("not done: {:?}", Problem::from(not))
        }
    }
}
