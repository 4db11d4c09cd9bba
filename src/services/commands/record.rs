//! What of a command stands in the ledger.

use super::{
    SOURCE,
    incoming::{IncomingCommand, source},
};
use crate::{
    domain::{
        event,
        ids::{BookingId, Revision, Version, short_hash},
        personal::Personal,
        source::Event,
    },
    ports::{event_store::ExpectedVersion, vault},
    record::{
        envelope::{Actor, Origin, StoredEvent},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, DecodedEvent, Journal},
        problem::{FieldError, Kind, Problem},
    },
};

/// Where a command stands.
pub(super) enum DeliveryState {
    /// It was recorded, and nothing became of it yet.
    Open(Box<StoredEvent>),
    /// It was carried out.
    Applied {
        /// The booking.
        booking: BookingId,
        /// Its revision after that.
        revision: Revision,
        /// Whether it was created.
        created: bool,
    },
    /// It was refused.
    Refused(Problem),
    /// Its key was used for another.
    Other,
}

/// On whose behalf.
pub(super) fn actor() -> Actor {
    Actor::new(SOURCE, "commands")
}

/// Records a command, unless it is there.
pub(super) async fn receive(journal: &Journal, incoming: &IncomingCommand) -> Result<DeliveryState, Error> {
    let stream = incoming.stream();
    let mut context = Context::root(actor(), Origin::Api, journal.clock().event_id());
    if let Some(correlation) = &incoming.correlation {
        context.correlation.0.clone_from(correlation);
    }
    match journal.append(&stream, ExpectedVersion::NoStream, vec![received(incoming, true)], &context).await {
        Err(Error::Vault(vault::Failure::Forgotten(_))) => {
            // Nothing of a person who was forgotten is written down anew.
            let facts = vec![received(incoming, false)];
            match journal.append(&stream, ExpectedVersion::NoStream, facts, &context).await {
                Err(error) if !error.is_conflict() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Err(error) if !error.is_conflict() => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let told = journal.stream(&stream, Version(0)).await?;
    delivery_state(&told, incoming).ok_or_else(|| Error::Damaged {
        stream: stream.to_string(),
        version: 0,
        reason: "it does not begin with a command".to_owned(),
    })
}

fn received(incoming: &IncomingCommand, whole: bool) -> Event {
    let text = whole.then(|| serde_json::to_string(incoming).expect("a command is made of texts and numbers"));
    let body = Personal { subject: incoming.subject(), text };
    Event::DeliveryReceived { source: source(), delivery: incoming.delivery(), body }
}

fn delivery_state(told: &[DecodedEvent], incoming: &IncomingCommand) -> Option<DeliveryState> {
    let event::Event::Source(Event::DeliveryReceived { body, .. }) = &told.first()?.event else { return None };
    if let Some(text) = &body.text {
        let first: IncomingCommand = serde_json::from_str(text).ok()?;
        if !first.repeats(incoming) {
            return Some(DeliveryState::Other);
        }
    }
    Some(match &told.last()?.event {
        event::Event::Source(Event::DeliveryApplied { booking, revision: Some(revision), created, .. }) => {
            DeliveryState::Applied { booking: booking.clone(), revision: *revision, created: *created }
        }
        event::Event::Source(Event::DeliveryRefused { reason, problem, .. }) => {
            let kind = problem.as_deref().and_then(Kind::named).unwrap_or(Kind::Conflict);
            DeliveryState::Refused(Problem::new(kind, reason.clone()))
        }
        _ => DeliveryState::Open(Box::new(told.last()?.recorded.clone())),
    })
}

/// Notes that it was carried out.
pub(super) async fn apply(
    journal: &Journal,
    incoming: &IncomingCommand,
    last: &StoredEvent,
    done: &crate::services::bookings::RequestOutcome,
) -> Result<(), Error> {
    let fact = Event::DeliveryApplied {
        source: source(),
        delivery: incoming.delivery(),
        booking: done.booking.clone(),
        changed: done.changed,
        revision: Some(done.revision),
        created: done.created,
    };
    settle(journal, &incoming.stream(), last, fact).await
}

/// Notes that it was refused. `told`: its sender was told, and nobody else need look.
pub(super) async fn refuse(
    journal: &Journal,
    incoming: &IncomingCommand,
    last: &StoredEvent,
    problem: &Problem,
    told: bool,
) -> Result<(), Error> {
    settle(journal, &incoming.stream(), last, refused(incoming, problem, told)).await
}

/// Notes that a command cannot be tried again: what it said is gone.
pub(super) async fn forgotten(journal: &Journal, last: &StoredEvent) -> Result<(), Error> {
    let delivery = last.stream.id.strip_prefix(SOURCE).and_then(|id| id.strip_prefix('.')).unwrap_or(&last.stream.id);
    let fact = Event::DeliveryRefused {
        source: source(),
        delivery: delivery.to_owned(),
        reason: "the person it is about was forgotten".to_owned(),
        problem: Some(Kind::Conflict.name().to_owned()),
        told: true,
    };
    settle(journal, &last.stream, last, fact).await
}

/// Notes a command under a key that was used for another, beside that one: nobody waits for its answer.
pub(super) async fn refuse_apart(
    journal: &Journal,
    incoming: &IncomingCommand,
    problem: &Problem,
) -> Result<(), Error> {
    let apart = IncomingCommand {
        key: format!("~{}", short_hash(&[&incoming.key, &incoming.verb, &incoming.body], 32)),
        ..incoming.clone()
    };
    let context = Context::root(actor(), Origin::Api, journal.clock().event_id());
    let facts = vec![received(&apart, true), refused(&apart, problem, false)];
    match journal.append(&apart.stream(), ExpectedVersion::NoStream, facts, &context).await {
        // It was noted before; or it is about a person who was forgotten, and nothing of it is kept.
        Err(error) if error.is_conflict() => Ok(()),
        Err(Error::Vault(vault::Failure::Forgotten(_))) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

fn refused(incoming: &IncomingCommand, problem: &Problem, told: bool) -> Event {
    Event::DeliveryRefused {
        source: source(),
        delivery: incoming.delivery(),
        reason: reason(problem),
        problem: Some(problem.kind.name().to_owned()),
        told,
    }
}

async fn settle(journal: &Journal, stream: &StreamName, last: &StoredEvent, fact: Event) -> Result<(), Error> {
    let context = Context::caused_by(actor(), Origin::Api, last);
    match journal.append(stream, ExpectedVersion::Exact(last.version), vec![fact], &context).await {
        // Another process was first; carrying it out twice has changed nothing.
        Err(error) if !error.is_conflict() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Why, without anything that the sender wrote: it may be about a person, and this stands in the ledger for ever.
fn reason(problem: &Problem) -> String {
    let plain = |error: &FieldError| {
        let known = |b: u8| b.is_ascii_lowercase() || b"._-[]".contains(&b) || b.is_ascii_digit();
        let usual = error.field.len() <= 60 && error.field.bytes().all(|b| known(b.to_ascii_lowercase()));
        if usual { error.field.clone() } else { "a field that is not known".to_owned() }
    };
    match problem.kind {
        Kind::Invalid if problem.errors.iter().any(|error| error.field != "Idempotency-Key") => {
            format!("it says what cannot be: {}", problem.errors.iter().map(plain).collect::<Vec<_>>().join(", "))
        }
        Kind::Invalid if problem.errors.is_empty() => "it says what cannot be".to_owned(),
        Kind::NotFound => "there is no such booking, or no such command".to_owned(),
        Kind::Malformed
        | Kind::Unauthorised
        | Kind::Forbidden
        | Kind::MethodNotAllowed
        | Kind::TooSlow
        | Kind::Conflict
        | Kind::TooLarge
        | Kind::UnsupportedMedia
        | Kind::Invalid
        | Kind::Internal
        | Kind::Unavailable => problem.detail.clone(),
    }
}
