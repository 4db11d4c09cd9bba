//! Notifications in transit, which are delivered in any order, twice, late or never; and forged notifications.

use std::sync::Arc;

use super::{
    canaries,
    chance::Chance,
    observations::SharedObservations,
    process::{Process, Step},
    world::{self, BAYS, World, lock},
};
use crate::{
    adapters::{
        google::push,
        sandbox::{model::Model, outbox::Delivery, uschedule::signature},
        uschedule::{Secret, webhook},
    },
    ports::{notifications::Notification, transport::Request},
    record::envelope::Origin,
    services::sync::{
        intake,
        notifications::{self, NotificationOutcome},
    },
};

/// The sender of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// The calendar provider.
    Google,
    /// The booking source.
    USchedule,
}

/// A notification in transit.
#[derive(Debug, Clone)]
pub(super) struct PendingDelivery {
    pub sender: Sender,
    pub delivery: Delivery,
}

/// Takes the notifications that are due out of the models.
pub(super) fn take_due(world: &World) -> Vec<PendingDelivery> {
    let now = world.now();
    let pending = |sender: Sender| move |delivery| PendingDelivery { sender, delivery };
    let mut due: Vec<PendingDelivery> =
        lock(&world.google).take_deliveries(now).into_iter().map(pending(Sender::Google)).collect();
    due.extend(lock(&world.uschedule).take_deliveries(now).into_iter().map(pending(Sender::USchedule)));
    due
}

/// Reports the status of a delivery to the model that sent it.
pub(super) fn report_status(world: &World, pending: &PendingDelivery, status: Option<u16>) {
    let now = world.now();
    match pending.sender {
        Sender::Google => lock(&world.google).delivered(&pending.delivery, status, now),
        Sender::USchedule => lock(&world.uschedule).delivered(&pending.delivery, status, now),
    }
}

/// Delivers a notification to a process; the step returns the status.
pub(super) fn deliver(process: &Arc<Process>, sender: Sender, request: Request) -> Step {
    let process = Arc::clone(process);
    match sender {
        Sender::Google => Box::pin(async move { Ok(receive_google(&process, &request).await.0.to_string()) }),
        Sender::USchedule => Box::pin(async move { Ok(receive_uschedule(&process, &request).await.to_string()) }),
    }
}

/// Delivers a forged notification; it is a violation if it is accepted.
pub(super) fn deliver_forged(
    process: &Arc<Process>,
    observations: &SharedObservations,
    sender: Sender,
    request: Request,
) -> Step {
    let (process, observations) = (Arc::clone(process), observations.clone());
    Box::pin(async move {
        let accepted = match sender {
            Sender::Google => receive_google(&process, &request).await.1 == Some(NotificationOutcome::Recorded),
            Sender::USchedule => receive_uschedule(&process, &request).await < 300,
        };
        if accepted {
            observations.lock().add_violation("forgery", format!("a forged notification of {sender:?} was accepted"));
        }
        Ok("0".into())
    })
}

async fn receive_google(process: &Process, request: &Request) -> (u16, Option<NotificationOutcome>) {
    let Ok(headers) = push::PushHeaders::from_headers(|name| request.header_value(name)) else { return (400, None) };
    let notification = Notification {
        channel: headers.channel,
        token: headers.token.unwrap_or_default(),
        resource: headers.resource,
        state: headers.state.as_str().to_owned(),
        number: headers.number,
    };
    let mut key = world::calendar_key(BAYS[0].1);
    for (_, calendar) in BAYS {
        let candidate = world::calendar_key(calendar);
        match process.calendars.load(&process.journal, &candidate).await {
            Ok((calendar, _)) if calendar.channels.iter().any(|c| c.id == notification.channel) => key = candidate,
            Ok(_) => {}
            Err(_) => return (503, None),
        }
    }
    match notifications::record_notification(&process.journal, &process.calendars, &key, &notification).await {
        Ok(outcome) => (if outcome == NotificationOutcome::Recorded { 204 } else { 401 }, Some(outcome)),
        Err(_) => (503, None),
    }
}

async fn receive_uschedule(process: &Process, request: &Request) -> u16 {
    let now = process.journal.clock().now();
    let header = |name: &str| request.header_value(name);
    let Ok(accepted) =
        webhook::accept(&world::source_name(), &[Secret::new(canaries::SECRET)], header, &request.body, now)
    else {
        return 401;
    };
    let received = intake::receive(&process.journal, &world::source_name(), accepted.delivery, Origin::Webhook).await;
    if received.is_ok() { 202 } else { 503 }
}

/// A forged notification: a guessed token, an unknown channel or a wrong signature.
pub(super) fn forged_request(world: &World, chance: &mut Chance) -> (Sender, Request) {
    let now = world.now();
    if chance.permille(400) {
        let body = r#"{"id":"whd_x","type":"appointment.cancelled","created_at":"2026-01-01T00:00:00Z","data":{"appointment":{}}}"#;
        let signed = signature("a guess", "whd_x", now.timestamp(), body);
        let mut request = Request::new("POST", "https://sync.sandbox.example/webhook/uschedule")
            .header("x-uschedule-delivery", "whd_x")
            .header("x-uschedule-timestamp", now.timestamp().to_string())
            .header("x-uschedule-signature", signed);
        request.body = body.into();
        return (Sender::USchedule, request);
    }
    let google = lock(&world.google);
    let live = google.live_channels(now);
    let channel = live.first().map_or("no-such-channel", |(id, _, _)| id);
    let request = Request::new("POST", world::PUSH_ADDRESS)
        .header("x-goog-channel-id", channel)
        .header("x-goog-channel-token", "a guess")
        .header("x-goog-resource-id", "res0000000000000000")
        .header("x-goog-resource-state", "exists")
        .header("x-goog-message-number", "7");
    (Sender::Google, request)
}
