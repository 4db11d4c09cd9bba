//! Events of a remote calendar.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    entry::Observation,
    failure::CallFailure,
    ids::{CalendarKey, ChannelId, CursorToken, LinkId},
};

/// A time range of a calendar, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Start.
    pub from: DateTime<Utc>,
    /// End (exclusive).
    pub until: DateTime<Utc>,
}

/// How a pull lists entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PullMode {
    /// Everything in the window.
    Full,
    /// Changes since the cursor.
    Delta,
}

/// Counts of a pull.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullTally {
    /// Pages read.
    pub pages: u32,
    /// Entries listed.
    pub entries: u32,
    /// Entries that are ours.
    pub managed: u32,
    /// Removals of our entries.
    pub removals: u32,
}

/// An event of a remote calendar. Type: `calendar.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// A push channel is about to be requested, with an id that we chose: if the answer is lost, its notifications can
    /// still be recognised.
    ChannelRequested {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// SHA-256 of the token that its notifications will carry, in hex.
        token_hash: String,
    },
    /// The provider accepted a push channel.
    ChannelOpened {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// SHA-256 of the token that its notifications carry, in hex.
        token_hash: String,
        /// The provider's id of the watched resource.
        resource: String,
        /// Expiry, as answered by the provider.
        expires_at: DateTime<Utc>,
        /// When to replace it: at 80 % of its lifetime.
        renew_at: DateTime<Utc>,
    },
    /// A channel was replaced by a newer one, which was opened before this one is stopped.
    ChannelRenewed {
        /// The calendar.
        calendar: CalendarKey,
        /// The old channel.
        channel: ChannelId,
        /// The new channel.
        by: ChannelId,
    },
    /// The provider stopped a channel at our request, or no longer knew it.
    ChannelClosed {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// The reason.
        reason: String,
    },
    /// A channel expired without a replacement, or could not be opened.
    ChannelLost {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// The reason.
        reason: String,
        /// When to open another one.
        retry_at: DateTime<Utc>,
    },
    /// The provider does not support notifications for this calendar. It is polled; that is not an error.
    PushUnsupported {
        /// The calendar.
        calendar: CalendarKey,
    },
    /// The provider reported a change.
    NotificationReceived {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel it came through.
        channel: ChannelId,
        /// The provider's message number; ascending, with gaps.
        number: u64,
        /// `sync` for the first one, `exists` or `not_exists` afterwards.
        state: String,
    },
    /// A notification was not authentic.
    NotificationRejected {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel it named.
        channel: ChannelId,
        /// The reason.
        reason: String,
    },
    /// A listing begins. Until the lease ends, no other process pulls this calendar.
    PullStarted {
        /// The calendar.
        calendar: CalendarKey,
        /// Full or delta.
        mode: PullMode,
        /// The process that pulls.
        worker: String,
        /// End of its lease.
        lease_until: DateTime<Utc>,
    },
    /// One of our entries was listed for the first time, or differs from the last listing.
    RemoteEntryObserved {
        /// The calendar.
        calendar: CalendarKey,
        /// The link of the entry.
        link: LinkId,
        /// What was seen.
        observation: Observation,
    },
    /// One of our entries is gone, with evidence.
    RemoteEntryRemoved {
        /// The calendar.
        calendar: CalendarKey,
        /// The link of the entry.
        link: LinkId,
        /// What was seen.
        observation: Observation,
        /// The approval that this pull's removals wait for, if there were too many at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<String>,
    },
    /// The window was listed completely: an entry inside it that was not listed does not exist.
    CoverageProven {
        /// The calendar.
        calendar: CalendarKey,
        /// The window.
        window: Window,
    },
    /// The last page is stored; the next pull starts from this cursor.
    CursorAdvanced {
        /// The calendar.
        calendar: CalendarKey,
        /// The provider's delta token.
        cursor: CursorToken,
        /// Fingerprint of the query that the token belongs to. A token is never used with a different query.
        fingerprint: String,
        /// The counts.
        tally: PullTally,
    },
    /// The delta token is no longer valid; the next pull lists everything.
    CursorInvalidated {
        /// The calendar.
        calendar: CalendarKey,
        /// The reason.
        reason: String,
    },
    /// A listing failed. None of it counts.
    PullFailed {
        /// The calendar.
        calendar: CalendarKey,
        /// What went wrong.
        failure: CallFailure,
        /// When to retry.
        retry_at: DateTime<Utc>,
    },
    /// The calendar itself cannot be reached. That says nothing about its entries.
    Unavailable {
        /// The calendar.
        calendar: CalendarKey,
        /// What went wrong.
        failure: CallFailure,
        /// When to retry.
        retry_at: DateTime<Utc>,
    },
    /// Our permissions on it changed.
    CapabilityChanged {
        /// Whether we may write.
        calendar: CalendarKey,
        /// The reason.
        writable: bool,
        /// Why, in words.
        reason: String,
    },
}

impl Event {
    /// The last part of the event type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ChannelRequested { .. } => "channel_requested",
            Self::ChannelOpened { .. } => "channel_opened",
            Self::ChannelRenewed { .. } => "channel_renewed",
            Self::ChannelClosed { .. } => "channel_closed",
            Self::ChannelLost { .. } => "channel_lost",
            Self::PushUnsupported { .. } => "push_unsupported",
            Self::NotificationReceived { .. } => "notification_received",
            Self::NotificationRejected { .. } => "notification_rejected",
            Self::PullStarted { .. } => "pull_started",
            Self::RemoteEntryObserved { .. } => "remote_entry_observed",
            Self::RemoteEntryRemoved { .. } => "remote_entry_removed",
            Self::CoverageProven { .. } => "coverage_proven",
            Self::CursorAdvanced { .. } => "cursor_advanced",
            Self::CursorInvalidated { .. } => "cursor_invalidated",
            Self::PullFailed { .. } => "pull_failed",
            Self::Unavailable { .. } => "unavailable",
            Self::CapabilityChanged { .. } => "capability_changed",
        }
    }
}
