//! What can have happened on a remote calendar.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    entry::Observation,
    failure::CallFailure,
    ids::{CalendarKey, ChannelId, CursorToken, LinkId},
};

/// A window of a calendar, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub until: DateTime<Utc>,
}

/// How a pull asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PullMode {
    /// Everything in the window.
    Full,
    /// What changed since the cursor.
    Delta,
}

/// What a pull found, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullTally {
    /// Pages read.
    pub pages: u32,
    /// Entries listed.
    pub entries: u32,
    /// Of those, ours.
    pub managed: u32,
    /// Removals among ours.
    pub removals: u32,
}

/// A fact about a remote calendar. Type: `calendar.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// A push channel is about to be asked for, under an id that we chose: should the answer be lost, its notifications are
    /// known for ours.
    ChannelRequested {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// SHA-256 of the token that its notifications will bear, in hex.
        token_hash: String,
    },
    /// The provider sends notifications to this channel.
    ChannelOpened {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// SHA-256 of the token that its notifications bear, in hex.
        token_hash: String,
        /// The provider's name for what is watched.
        resource: String,
        /// When it ends, as the provider answered.
        expires_at: DateTime<Utc>,
        /// When it is to be replaced: at 80 % of its life.
        renew_at: DateTime<Utc>,
    },
    /// A channel was replaced by a newer one, which was opened before this one is stopped.
    ChannelRenewed {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel before.
        channel: ChannelId,
        /// The channel that takes its place.
        by: ChannelId,
    },
    /// The provider was asked to stop a channel, and did, or had forgotten it.
    ChannelClosed {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// Why, in words.
        reason: String,
    },
    /// A channel ended without being replaced, or could not be opened.
    ChannelLost {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel.
        channel: ChannelId,
        /// Why, in words.
        reason: String,
        /// When another is asked for.
        retry_at: DateTime<Utc>,
    },
    /// The provider sends no notifications for this calendar. It is polled; that is no fault.
    PushUnsupported {
        /// The calendar.
        calendar: CalendarKey,
    },
    /// The provider says that something changed.
    NotificationReceived {
        /// The calendar.
        calendar: CalendarKey,
        /// By which channel.
        channel: ChannelId,
        /// The provider's number of it; they ascend, with gaps.
        number: u64,
        /// `sync` for the first, `exists` or `not_exists` after that.
        state: String,
    },
    /// A notification was not believed.
    NotificationRejected {
        /// The calendar.
        calendar: CalendarKey,
        /// The channel that it named.
        channel: ChannelId,
        /// Why, in words.
        reason: String,
    },
    /// A listing begins. Until the lease ends no other process pulls this calendar.
    PullStarted {
        /// The calendar.
        calendar: CalendarKey,
        /// How it asks.
        mode: PullMode,
        /// Who pulls.
        worker: String,
        /// Until when it is theirs alone.
        lease_until: DateTime<Utc>,
    },
    /// An entry of ours is there and differs from what a listing showed before, or is seen for the first time.
    RemoteEntryObserved {
        /// The calendar.
        calendar: CalendarKey,
        /// Whose entry.
        link: LinkId,
        /// What was seen.
        observation: Observation,
    },
    /// An entry of ours is gone, by evidence.
    RemoteEntryRemoved {
        /// The calendar.
        calendar: CalendarKey,
        /// Whose entry.
        link: LinkId,
        /// What was seen.
        observation: Observation,
        /// The approval that removals of this pull wait for, where there were too many at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<String>,
    },
    /// The window was listed completely: inside it, what is not there does not exist.
    CoverageProven {
        /// The calendar.
        calendar: CalendarKey,
        /// The window.
        window: Window,
    },
    /// The last page is stored; the next pull asks from here.
    CursorAdvanced {
        /// The calendar.
        calendar: CalendarKey,
        /// The provider's delta token.
        cursor: CursorToken,
        /// Of the query that the token belongs to. A token is never used with another query.
        fingerprint: String,
        /// What was found.
        tally: PullTally,
    },
    /// The delta token cannot be used any more; the next pull lists everything.
    CursorInvalidated {
        /// The calendar.
        calendar: CalendarKey,
        /// Why, in words.
        reason: String,
    },
    /// A listing was not completed. Nothing of it counts.
    PullFailed {
        /// The calendar.
        calendar: CalendarKey,
        /// What went wrong.
        failure: CallFailure,
        /// When it is tried again.
        retry_at: DateTime<Utc>,
    },
    /// The calendar itself cannot be reached. That says nothing about its entries.
    Unavailable {
        /// The calendar.
        calendar: CalendarKey,
        /// What went wrong.
        failure: CallFailure,
        /// When it is tried again.
        retry_at: DateTime<Utc>,
    },
    /// What we may do on it changed.
    CapabilityChanged {
        /// The calendar.
        calendar: CalendarKey,
        /// Whether we may write.
        writable: bool,
        /// Why, in words.
        reason: String,
    },
}

impl Event {
    /// The last part of the event's type.
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
