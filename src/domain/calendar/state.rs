//! A remote calendar as its events make it: what pulling and renewing need to know.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::event::{Event, Window};
use crate::domain::ids::{ChannelId, CursorToken};

/// A delta token and the query it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The provider's token.
    pub token: CursorToken,
    /// Of its query.
    pub fingerprint: String,
}

/// A push channel that we asked for and have not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// SHA-256 of its token, in hex.
    pub token_hash: String,
    /// The provider's name for what it watches; `None` until the provider answered.
    pub resource: Option<String>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it is to be replaced.
    pub renew_at: Option<DateTime<Utc>>,
    /// Whether a newer one has taken its place.
    pub replaced: bool,
}

/// How long a removal counts towards "too many at once".
pub const REMOVALS_REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// A remote calendar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Where the next pull asks from.
    pub cursor: Option<Cursor>,
    /// The last window that was listed completely.
    pub coverage: Option<(Window, DateTime<Utc>)>,
    /// Channels, oldest first.
    pub channels: Vec<Channel>,
    /// The provider sends no notifications for it.
    pub push_unsupported: bool,
    /// No channel is asked for before this.
    pub channel_retry_at: Option<DateTime<Utc>>,
    /// Somebody pulls it until then.
    pub pulling_until: Option<(String, DateTime<Utc>)>,
    /// It is not pulled before this, unless notified.
    pub pull_retry_at: Option<DateTime<Utc>>,
    /// Failed pulls since the last that was completed.
    pub pull_failures: u32,
    /// When a pull was last completed.
    pub pulled_at: Option<DateTime<Utc>>,
    /// When the last pull that was completed had begun.
    pub pull_began_at: Option<DateTime<Utc>>,
    /// When the provider last said that something changed.
    pub notified_at: Option<DateTime<Utc>>,
    /// When removals were seen lately.
    pub removals: VecDeque<DateTime<Utc>>,
    began_at: Option<DateTime<Utc>>,
}

impl Calendar {
    /// The channel that notifications are expected on.
    pub fn current_channel(&self) -> Option<&Channel> {
        self.channels.iter().rev().find(|c| !c.replaced && c.resource.is_some())
    }

    /// Whether something was said to have changed since the last completed pull began.
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
