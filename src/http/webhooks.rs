//! Incoming webhooks: signed deliveries from sources, and notifications from providers. Each is authenticated, recorded and
//! then answered; the effects follow after the response.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Server,
    call::{Answer, Call},
    problem::{Kind, Problem, Success},
};
use crate::{
    domain::ids::{CalendarKey, ChannelId, ConnectionId, RemoteCalendarId},
    ports::webhooks::{Headers, Refusal},
    projections::query::Query,
    record::envelope::Origin,
    services::sync::{
        intake::{DeliveryOutcome, receive},
        notifications::{NotificationOutcome, record_notification},
    },
};

/// Maximum size of a delivery, in bytes.
pub const DELIVERY_BYTES_MAX: usize = 256 * 1024;

/// The answer to a delivery.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeliveryReceipt {
    /// The sender's id of the delivery.
    delivery: String,
    /// Whether it was recorded before; then nothing more happens.
    duplicate: bool,
}

/// The answer to a notification.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NotificationReceipt {
    /// Always `true`: it is recorded.
    recorded: bool,
}

/// Receives a delivery from USchedule.
pub async fn uschedule(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let now = server.journal.clock().now();
    let read = |name: &str| call.header(name);
    let headers: &Headers<'_> = &read;
    let mut refusal = Refusal::NotAuthentic("no source is configured for this webhook".into());
    for verifier in &server.uschedule {
        match verifier.verify(headers, &call.body, now) {
            Ok(delivery) => {
                let id = delivery.id.clone();
                let received = receive(&server.journal, verifier.source(), delivery, Origin::Webhook).await?;
                let duplicate = received == DeliveryOutcome::Repeated;
                let done = if duplicate { Success::Ok } else { Success::Accepted };
                return Answer::json(done, &DeliveryReceipt { delivery: id, duplicate });
            }
            Err(why) => refusal = why,
        }
    }
    Err(refusal.into())
}

/// Receives a notification from Google. Only headers are read, never a body.
pub async fn gcal(server: Arc<Server>, call: Call) -> Result<Answer, Problem> {
    let unknown = || Problem::new(Kind::NotFound, "unknown channel");
    let Some(reader) = &server.gcal else { return Err(unknown()) };
    let read = |name: &str| call.header(name);
    let notification = reader.read(&read)?;
    let key = calendar_of(&server, &notification.channel).await?.ok_or_else(unknown)?;
    match record_notification(&server.journal, &server.calendars, &key, &notification).await? {
        NotificationOutcome::Recorded => Answer::json(Success::Accepted, &NotificationReceipt { recorded: true }),
        NotificationOutcome::Rejected => {
            Err(Problem::new(Kind::Unauthorised, "this notification could not be authenticated"))
        }
    }
}

/// The calendar that a channel watches. The read model may be a moment behind, and the first notification comes at once, so an
/// unknown channel is looked up in the streams of all routed calendars.
async fn calendar_of(server: &Server, channel: &ChannelId) -> Result<Option<CalendarKey>, Problem> {
    let rows = server.read_models.ask(&Query::Channel(channel.clone())).await?;
    let known = rows.first().and_then(|row| {
        let connection = ConnectionId::new(row.text("connection")?).ok()?;
        Some(CalendarKey { connection, calendar: RemoteCalendarId::new(row.text("calendar")?) })
    });
    if known.is_some() {
        return Ok(known);
    }
    for key in server.routing.calendars() {
        let (calendar, _) = server.calendars.load(&server.journal, &key).await?;
        if calendar.channels.iter().any(|known| known.id == *channel) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}
