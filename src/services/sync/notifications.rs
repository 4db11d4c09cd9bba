//! A provider's notification that something changed: believed or not, then recorded; what changed is pulled after that.

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

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationOutcome {
    /// It is recorded; the calendar is to be pulled.
    Recorded,
    /// It is not believed.
    Rejected,
}

/// Checks a notification against the channels of `key`, and records it.
///
/// # Errors
/// The ledger is not available: the provider is to send it again.
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
        None => Some("the channel is closed or was never ours"),
        Some(channel) => {
            let hash = token_hash(&notification.token);
            let same = bool::from(hash.as_bytes().ct_eq(channel.token_hash.as_bytes()));
            // Until the provider's answer is recorded only the token tells.
            let resource = channel.resource.as_ref().is_none_or(|r| *r == notification.resource);
            if !same {
                Some("its token is not the channel's")
            } else if !resource {
                Some("it is about another resource than the channel")
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
