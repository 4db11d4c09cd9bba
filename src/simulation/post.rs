//! Notifications in transit: delivered in any order, twice, late or never; and forged ones.

use std::sync::Arc;

use super::{
    chance::Chance,
    notes::Notebook,
    process::{Process, Step},
    world::{self, BAYS, SECRET, World, open},
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

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// The calendar provider.
    Google,
    /// The booking source.
    USchedule,
}

/// A notification on its way.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub sender: Sender,
    pub delivery: Delivery,
}

/// Takes what is due out of the models.
pub(super) fn collect(world: &World) -> Vec<Letter> {
    let now = world.now();
    let of = |sender: Sender| move |delivery| Letter { sender, delivery };
    let mut letters: Vec<Letter> =
        open(&world.google).take_deliveries(now).into_iter().map(of(Sender::Google)).collect();
    letters.extend(open(&world.uschedule).take_deliveries(now).into_iter().map(of(Sender::USchedule)));
    letters
}

/// Tells the model how it went.
pub(super) fn settled(world: &World, letter: &Letter, status: Option<u16>) {
    let now = world.now();
    match letter.sender {
        Sender::Google => open(&world.google).delivered(&letter.delivery, status, now),
        Sender::USchedule => open(&world.uschedule).delivered(&letter.delivery, status, now),
    }
}

/// Hands a notification to a process; the step answers the status.
pub(super) fn hand_over(process: &Arc<Process>, sender: Sender, request: Request) -> Step {
    let process = Arc::clone(process);
    match sender {
        Sender::Google => Box::pin(async move { Ok(heard(&process, &request).await.0.to_string()) }),
        Sender::USchedule => Box::pin(async move { Ok(received(&process, &request).await.to_string()) }),
    }
}

/// Hands over something that nobody sent, and notes where it is believed.
pub(super) fn hand_over_forged(process: &Arc<Process>, notes: &Notebook, sender: Sender, request: Request) -> Step {
    let (process, notes) = (Arc::clone(process), notes.clone());
    Box::pin(async move {
        let believed = match sender {
            Sender::Google => heard(&process, &request).await.1 == Some(NotificationOutcome::Recorded),
            Sender::USchedule => received(&process, &request).await < 300,
        };
        if believed {
            notes.open().broken("forgery", format!("a forged notification of {sender:?} was believed"));
        }
        Ok("0".into())
    })
}

async fn heard(process: &Process, request: &Request) -> (u16, Option<NotificationOutcome>) {
    let Ok(said) = push::PushHeaders::from_headers(|name| request.header_value(name)) else { return (400, None) };
    let notification = Notification {
        channel: said.channel,
        token: said.token.unwrap_or_default(),
        resource: said.resource,
        state: said.state.as_str().to_owned(),
        number: said.number,
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
        Ok(heard) => (if heard == NotificationOutcome::Recorded { 204 } else { 401 }, Some(heard)),
        Err(_) => (503, None),
    }
}

async fn received(process: &Process, request: &Request) -> u16 {
    let now = process.journal.clock().now();
    let header = |name: &str| request.header_value(name);
    let Ok(believed) = webhook::accept(&world::source_name(), &[Secret::new(SECRET)], header, &request.body, now)
    else {
        return 401;
    };
    let received = intake::receive(&process.journal, &world::source_name(), believed.delivery, Origin::Webhook).await;
    if received.is_ok() { 202 } else { 503 }
}

/// A notification that nobody sent: a guessed token, a channel that is not there, a wrong signature.
pub(super) fn forged(world: &World, chance: &mut Chance) -> (Sender, Request) {
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
    let google = open(&world.google);
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
