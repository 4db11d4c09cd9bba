//! Push notifications from a provider: authenticated, recorded, and followed by a pull of the calendar.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::{calendars::Calendars, watch::token_hash};
use crate::{
    domain::{calendar::Event, ids::CalendarKey},
    ports::event_store::ExpectedVersion,
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        Error,
        journal::{Context, Journal},
    },
};

pub use crate::ports::notifications::Notification;

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationOutcome {
    /// Recorded; the calendar must be pulled.
    Recorded,
    /// Not authentic.
    Rejected,
}

/// Checks a notification against the channels of `key`, and records it.
///
/// # Errors
/// The ledger is not available: the provider should send it again.
pub async fn record_notification(
    journal: &Journal,
    calendars: &Arc<Calendars>,
    key: &CalendarKey,
    notification: &Notification,
) -> Result<NotificationOutcome, Error> {
    let (calendar, _) = calendars.load(journal, key).await?;
    let known = calendar.channels.iter().find(|c| c.id == notification.channel);
    let now = journal.clock().now();
    let reason = match known {
        None => Some("the channel is closed or unknown"),
        Some(channel) => {
            let hash = token_hash(&notification.token);
            let same = bool::from(hash.as_bytes().ct_eq(channel.token_hash.as_bytes()));
            // Until the provider's answer is recorded, only the token can be checked.
            let resource = channel.resource.as_ref().is_none_or(|r| *r == notification.resource);
            if !same {
                Some("its token does not match the channel")
            } else if !resource {
                Some("its resource does not match the channel")
            } else if channel.expires_at.is_some_and(|at| at <= now) {
                Some("the channel has expired")
            } else {
                None
            }
        }
    };
    let context = Context::root(Actor::new("calendar", key.to_string()), Origin::Provider, journal.clock().event_id());
    let (calendar, channel) = (key.clone(), notification.channel.clone());
    let fact = match reason {
        Some(reason) => Event::NotificationRejected { calendar, channel, reason: reason.into() },
        None => Event::NotificationReceived {
            calendar,
            channel,
            number: notification.number,
            state: notification.state.clone(),
        },
    };
    journal.append(&StreamName::calendar(key), ExpectedVersion::Any, vec![fact], &context).await?;
    Ok(if reason.is_none() { NotificationOutcome::Recorded } else { NotificationOutcome::Rejected })
}
