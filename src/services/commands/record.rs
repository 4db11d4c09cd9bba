//! How commands are recorded in the ledger.

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

/// The recorded state of a command.
pub(super) enum DeliveryState {
    /// Recorded, without outcome.
    Open(Box<StoredEvent>),
    /// Carried out.
    Applied {
        /// Id of the booking.
        booking: BookingId,
        /// Its revision afterwards.
        revision: Revision,
        /// Whether the command created it.
        created: bool,
    },
    /// Refused.
    Refused(Problem),
    /// Its key was used for a different command.
    Other,
}

/// The actor of recorded commands.
pub(super) fn actor() -> Actor {
    Actor::new(SOURCE, "commands")
}

/// Records a command, unless it is already recorded.
pub(super) async fn receive(journal: &Journal, incoming: &IncomingCommand) -> Result<DeliveryState, Error> {
    let stream = incoming.stream();
    let mut context = Context::root(actor(), Origin::Api, journal.clock().event_id());
    if let Some(correlation) = &incoming.correlation {
        context.correlation.0.clone_from(correlation);
    }
    match journal.append(&stream, ExpectedVersion::NoStream, vec![received(incoming, true)], &context).await {
        Err(Error::Vault(vault::Failure::Forgotten(_))) => {
            // Data of an erased person is not recorded again.
            let facts = vec![received(incoming, false)];
            match journal.append(&stream, ExpectedVersion::NoStream, facts, &context).await {
                Err(error) if !error.is_conflict() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Err(error) if !error.is_conflict() => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let events = journal.stream(&stream, Version(0)).await?;
    delivery_state(&events, incoming).ok_or_else(|| Error::Damaged {
        stream: stream.to_string(),
        version: 0,
        reason: "the stream does not begin with a command".to_owned(),
    })
}

fn received(incoming: &IncomingCommand, whole: bool) -> Event {
    let text = whole.then(|| serde_json::to_string(incoming).expect("a command is made of texts and numbers"));
    let body = Personal { subject: incoming.subject(), text };
    Event::DeliveryReceived { source: source(), delivery: incoming.delivery(), body }
}

fn delivery_state(events: &[DecodedEvent], incoming: &IncomingCommand) -> Option<DeliveryState> {
    let event::Event::Source(Event::DeliveryReceived { body, .. }) = &events.first()?.event else { return None };
    if let Some(text) = &body.text {
        let first: IncomingCommand = serde_json::from_str(text).ok()?;
        if !first.repeats(incoming) {
            return Some(DeliveryState::Other);
        }
    }
    Some(match &events.last()?.event {
        event::Event::Source(Event::DeliveryApplied { booking, revision: Some(revision), created, .. }) => {
            DeliveryState::Applied { booking: booking.clone(), revision: *revision, created: *created }
        }
        event::Event::Source(Event::DeliveryRefused { reason, problem, .. }) => {
            let kind = problem.as_deref().and_then(Kind::named).unwrap_or(Kind::Conflict);
            DeliveryState::Refused(Problem::new(kind, reason.clone()))
        }
        _ => DeliveryState::Open(Box::new(events.last()?.recorded.clone())),
    })
}

/// Records that it was carried out.
pub(super) async fn applied(
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

/// Records that it was refused. `sender_informed`: the sender received the reason, so no operator needs to look.
pub(super) async fn refuse(
    journal: &Journal,
    incoming: &IncomingCommand,
    last: &StoredEvent,
    problem: &Problem,
    sender_informed: bool,
) -> Result<(), Error> {
    settle(journal, &incoming.stream(), last, refused(incoming, problem, sender_informed)).await
}

/// Records that a command cannot be retried, because its content was erased.
pub(super) async fn refuse_erased(journal: &Journal, last: &StoredEvent) -> Result<(), Error> {
    let delivery = last.stream.id.strip_prefix(SOURCE).and_then(|id| id.strip_prefix('.')).unwrap_or(&last.stream.id);
    let fact = Event::DeliveryRefused {
        source: source(),
        delivery: delivery.to_owned(),
        reason: "the person it is about was erased".to_owned(),
        problem: Some(Kind::Conflict.name().to_owned()),
        sender_informed: true,
    };
    settle(journal, &last.stream, last, fact).await
}

/// Records a command whose key was used for a different one, next to that one: nobody waits for its response.
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
        // Already recorded; or it is about an erased person, and nothing of it is kept.
        Err(error) if error.is_conflict() => Ok(()),
        Err(Error::Vault(vault::Failure::Forgotten(_))) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

fn refused(incoming: &IncomingCommand, problem: &Problem, sender_informed: bool) -> Event {
    Event::DeliveryRefused {
        source: source(),
        delivery: incoming.delivery(),
        reason: reason(problem),
        problem: Some(problem.kind.name().to_owned()),
        sender_informed,
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

/// The reason without anything the sender wrote, which may be personal data: this stays in the ledger for ever.
fn reason(problem: &Problem) -> String {
    let plain = |error: &FieldError| {
        let known = |b: u8| b.is_ascii_lowercase() || b"._-[]".contains(&b) || b.is_ascii_digit();
        let usual = error.field.len() <= 60 && error.field.bytes().all(|b| known(b.to_ascii_lowercase()));
        if usual { error.field.clone() } else { "an unknown field".to_owned() }
    };
    match problem.kind {
        Kind::Invalid if problem.errors.iter().any(|error| error.field != "Idempotency-Key") => {
            format!("invalid values: {}", problem.errors.iter().map(plain).collect::<Vec<_>>().join(", "))
        }
        Kind::Invalid if problem.errors.is_empty() => "invalid values".to_owned(),
        Kind::NotFound => "no such booking or command".to_owned(),
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
