//! A remote calendar folded from its events, as pulls and channel renewals need it.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::event::{Event, Window};
use crate::domain::ids::{ChannelId, CursorToken};

/// A delta token and the query it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The provider's token.
    pub token: CursorToken,
    /// Fingerprint of the query it belongs to.
    pub fingerprint: String,
}

/// A push channel that was requested and not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// SHA-256 of its token, in hex.
    pub token_hash: String,
    /// The provider's id of the watched resource; `None` until the provider answered.
    pub resource: Option<String>,
    /// Expiry.
    pub expires_at: Option<DateTime<Utc>>,
    /// When to replace it.
    pub renew_at: Option<DateTime<Utc>>,
    /// Whether a newer channel has replaced it.
    pub replaced: bool,
}

/// How long a removal counts towards "too many at once".
pub const REMOVALS_REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// A remote calendar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Cursor for the next pull.
    pub cursor: Option<Cursor>,
    /// The last window that was listed completely, and when.
    pub coverage: Option<(Window, DateTime<Utc>)>,
    /// Channels, oldest first.
    pub channels: Vec<Channel>,
    /// Whether the provider supports no notifications for it.
    pub push_unsupported: bool,
    /// No channel is requested before this time.
    pub channel_retry_at: Option<DateTime<Utc>>,
    /// The process that is pulling, and the end of its lease.
    pub pulling_until: Option<(String, DateTime<Utc>)>,
    /// Not pulled before this time, unless notified.
    pub pull_retry_at: Option<DateTime<Utc>>,
    /// Failed pulls since the last complete one.
    pub pull_failures: u32,
    /// When the last pull was completed.
    pub pulled_at: Option<DateTime<Utc>>,
    /// When the last complete pull began.
    pub pull_began_at: Option<DateTime<Utc>>,
    /// When the provider last reported a change.
    pub notified_at: Option<DateTime<Utc>>,
    /// Times of recent removals.
    pub removals: VecDeque<DateTime<Utc>>,
    began_at: Option<DateTime<Utc>>,
}

impl Calendar {
    /// The channel that notifications are expected on.
    pub fn current_channel(&self) -> Option<&Channel> {
        self.channels.iter().rev().find(|c| !c.replaced && c.resource.is_some())
    }

    /// Whether a change was reported since the last complete pull began.
    pub fn notified(&self) -> bool {
        match (self.notified_at, self.pull_began_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(notified), Some(began)) => notified >= began,
        }
    }
}

/// The calendar after one more event recorded at `at`. Total: every event applies to every state.
pub fn evolve(mut calendar: Calendar, event: &Event, at: DateTime<Utc>) -> Calendar {
    match event {
        Event::ChannelRequested { channel, token_hash, .. } => calendar.channels.push(Channel {
            id: channel.clone(),
            token_hash: token_hash.clone(),
            resource: None,
            expires_at: None,
            renew_at: None,
            replaced: false,
        }),
        Event::ChannelOpened { channel, token_hash, resource, expires_at, renew_at, .. } => {
            calendar.channel_retry_at = None;
            calendar.channels.retain(|c| c.id != *channel);
            calendar.channels.push(Channel {
                id: channel.clone(),
                token_hash: token_hash.clone(),
                resource: Some(resource.clone()),
                expires_at: Some(*expires_at),
                renew_at: Some(*renew_at),
                replaced: false,
            });
        }
        Event::ChannelRenewed { channel, .. } => {
            for known in calendar.channels.iter_mut().filter(|c| c.id == *channel) {
                known.replaced = true;
            }
        }
        Event::ChannelClosed { channel, .. } => calendar.channels.retain(|c| c.id != *channel),
        Event::ChannelLost { channel, retry_at, .. } => {
            calendar.channels.retain(|c| c.id != *channel);
            calendar.channel_retry_at = Some(*retry_at);
        }
        Event::PushUnsupported { .. } => {
            calendar.push_unsupported = true;
            calendar.channels.retain(|c| c.resource.is_some());
        }
        Event::NotificationReceived { .. } => calendar.notified_at = Some(at),
        Event::NotificationRejected { .. } | Event::RemoteEntryObserved { .. } | Event::CapabilityChanged { .. } => {}
        Event::PullStarted { worker, lease_until, .. } => {
            calendar.pulling_until = Some((worker.clone(), *lease_until));
            calendar.began_at = Some(at);
        }
        Event::RemoteEntryRemoved { .. } => {
            calendar.removals.push_back(at);
            while calendar.removals.front().is_some_and(|first| *first < at - REMOVALS_REMEMBERED) {
                calendar.removals.pop_front();
            }
        }
        Event::CoverageProven { window, .. } => calendar.coverage = Some((*window, at)),
        Event::CursorAdvanced { cursor, fingerprint, .. } => {
            calendar.cursor = Some(Cursor { token: cursor.clone(), fingerprint: fingerprint.clone() });
            calendar.pulled_at = Some(at);
            calendar.pull_began_at = calendar.began_at;
            calendar.pulling_until = None;
            calendar.pull_retry_at = None;
            calendar.pull_failures = 0;
        }
        Event::CursorInvalidated { .. } => calendar.cursor = None,
        Event::PullFailed { retry_at, .. } | Event::Unavailable { retry_at, .. } => {
            calendar.pulling_until = None;
            calendar.pull_retry_at = Some(*retry_at);
            calendar.pull_failures += 1;
        }
    }
    calendar
}
