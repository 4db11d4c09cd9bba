//! Deliveries from booking sources: recorded first, interpreted afterwards.
//!
//! Each delivery has its own stream, created once, so a repeated delivery is detected. One that cannot be
//! interpreted or applied is refused with a reason, stays visible, and can be retried.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    domain::{
        booking::{Cause, Command},
        event,
        ids::{BookingId, SourceName, Version},
        personal::Personal,
        source::Event,
    },
    ports::{deliveries::Delivery, event_store::ExpectedVersion, source::BookingSource},
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        bookings::execute::execute,
        commands,
        journal::{Context, DecodedEvent, Journal},
    },
};

/// Whether a delivery is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Recorded now.
    New,
    /// Already recorded.
    Repeated,
    /// About an erased person: nothing of it is recorded.
    Ignored,
}

/// Records a delivery. When this returns, it is durable.
///
/// # Errors
/// The ledger is not available.
pub async fn receive(
    journal: &Journal,
    source: &SourceName,
    delivery: Delivery,
    origin: Origin,
) -> Result<DeliveryOutcome, Error> {
    let stream = StreamName::delivery(source, &delivery.id);
    let context = Context::root(Actor::new("source", source.to_string()), origin, journal.clock().event_id());
    let body = Personal::new(delivery.subject, delivery.body);
    let fact = Event::DeliveryReceived { source: source.clone(), delivery: delivery.id, body };
    match journal.append(&stream, ExpectedVersion::NoStream, vec![fact], &context).await {
        Ok(_) => Ok(DeliveryOutcome::New),
        Err(error) if error.is_conflict() => Ok(DeliveryOutcome::Repeated),
        Err(Error::Vault(crate::ports::vault::Failure::Forgotten(_))) => Ok(DeliveryOutcome::Ignored),
        Err(error) => Err(error),
    }
}

/// Interprets and applies a recorded delivery. Idempotent.
///
/// # Errors
/// The ledger is not available: call it again.
pub async fn apply(
    journal: &Journal,
    sources: &BTreeMap<SourceName, Arc<dyn BookingSource>>,
    decoded: &DecodedEvent,
) -> Result<Option<BookingId>, Error> {
    let (source, delivery, body) = match &decoded.event {
        // A command is carried out by whoever received it, and redelivered if that fails.
        event::Event::Source(Event::DeliveryReceived { source, .. }) if source.as_str() == commands::SOURCE => {
            return Ok(None);
        }
        event::Event::Source(Event::DeliveryReprocessed { source, delivery, .. })
            if source.as_str() == commands::SOURCE =>
        {
            let text = first_body(journal, source, delivery).await?.and_then(|body| body.text);
            commands::reprocessed(journal, text.as_deref(), &decoded.recorded).await?;
            return Ok(None);
        }
        event::Event::Source(Event::DeliveryReceived { source, delivery, body }) => (source, delivery, body.clone()),
        event::Event::Source(Event::DeliveryReprocessed { source, delivery, .. }) => {
            match first_body(journal, source, delivery).await? {
                Some(body) => (source, delivery, body),
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let origin = decoded.recorded.event.origin;
    let actor = Actor::new("source", source.to_string());
    let context = Context::caused_by(actor, origin, &decoded.recorded);
    let outcome = carry_out(journal, sources, source, &body, &context).await?;
    let booking = outcome.as_ref().ok().map(|(booking, _)| booking.clone());
    let fact = match outcome {
        Ok((booking, changed)) => {
            let (source, delivery) = (source.clone(), delivery.clone());
            Event::DeliveryApplied { source, delivery, booking, changed, revision: None, created: false }
        }
        Err(reason) => {
            let (source, delivery) = (source.clone(), delivery.clone());
            Event::DeliveryRefused { source, delivery, reason, problem: None, sender_informed: false }
        }
    };
    let stream = StreamName::delivery(source, delivery);
    let expected = ExpectedVersion::Exact(decoded.recorded.version);
    match journal.append(&stream, expected, vec![fact], &context).await {
        Ok(_) => Ok(booking),
        // Another process was first; carrying it out twice has changed nothing.
        Err(error) if error.is_conflict() => Ok(booking),
        Err(error) => Err(error),
    }
}

async fn first_body(journal: &Journal, source: &SourceName, delivery: &str) -> Result<Option<Personal>, Error> {
    let decoded = journal.stream(&StreamName::delivery(source, delivery), Version(0)).await?;
    Ok(decoded.into_iter().find_map(|t| match t.event {
        event::Event::Source(Event::DeliveryReceived { body, .. }) => Some(body),
        _ => None,
    }))
}

/// `Err`: why it is refused.
async fn carry_out(
    journal: &Journal,
    sources: &BTreeMap<SourceName, Arc<dyn BookingSource>>,
    source: &SourceName,
    body: &Personal,
    context: &Context,
) -> Result<Result<(BookingId, bool), String>, Error> {
    let Some(reader) = sources.get(source) else {
        return Ok(Err(format!("source {source} is not configured")));
    };
    let Some(text) = &body.text else {
        return Ok(Err("the person it is about was erased".into()));
    };
    let shown = match reader.read(text) {
        Ok(shown) => shown,
        Err(reason) => return Ok(Err(reason)),
    };
    let booking = BookingId::of_source(source, &shown.snapshot.source_ref);
    let cause = Cause { source_revision: shown.revision, ..Cause::default() };
    let command = Command::Observe(shown.snapshot);
    match execute(journal, &booking, &command, &cause, shown.changed_at, context).await {
        Ok(executed) => Ok(Ok((booking, !executed.events.is_empty()))),
        Err(Error::Refused(refusal)) => Ok(Err(refusal.to_string())),
        Err(Error::Vault(crate::ports::vault::Failure::Forgotten(_))) => {
            Ok(Err("the person it is about was erased".into()))
        }
        Err(error) => Err(error),
    }
}

/// Requests a retry of a refused delivery.
///
/// # Errors
/// `NotFound`; `Invalid` if it was not refused.
pub async fn reprocess(journal: &Journal, source: &SourceName, delivery: &str, context: &Context) -> Result<(), Error> {
    let stream = StreamName::delivery(source, delivery);
    let decoded = journal.stream(&stream, Version(0)).await?;
    let Some(last) = decoded.last() else {
        return Err(Error::NotFound { what: "delivery", id: format!("{source}.{delivery}") });
    };
    if !matches!(last.event, event::Event::Source(Event::DeliveryRefused { .. })) {
        return Err(Error::Invalid(format!("delivery {delivery} was not refused: there is nothing to retry")));
    }
    let (source, delivery, by) = (source.clone(), delivery.to_owned(), context.actor.id.clone());
    let fact = Event::DeliveryReprocessed { source, delivery, by };
    journal.append(&stream, ExpectedVersion::Exact(last.recorded.version), vec![fact], context).await?;
    Ok(())
}
