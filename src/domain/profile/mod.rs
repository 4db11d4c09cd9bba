//! A profile: a versioned policy document. Data, not code; there are presets for common uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ids::ProfileId, program_version::ProgramVersion};

/// An event of a profile. Type: `profile.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// A policy was published and applies from now on.
    Published {
        /// Id of the profile.
        profile: ProfileId,
        /// Counted from 1.
        version: u64,
        /// The policy.
        policy: Policy,
    },
    /// The ledger has events that an older program cannot read. Every program reads this stream when it starts, so that one from before
    /// `operations.program_required` existed (0.1.0) meets an event it does not know, and does not start.
    ProgramRequired {
        /// Id of the profile.
        profile: ProfileId,
        /// The least version that can read the ledger: `0.2.0`.
        #[schemars(with = "String")]
        least: ProgramVersion,
    },
}

impl Event {
    /// The last part of the event type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Published { .. } => "published",
            Self::ProgramRequired { .. } => "program_required",
        }
    }
}

/// A policy with its name and version, as cited by decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Id of the profile.
    pub id: ProfileId,
    /// Counted from 1.
    pub version: u64,
    /// The policy.
    pub policy: Policy,
}

/// The rules for syncing with a calendar.
// Fields added by a newer program are ignored here; unknown keys are refused in the configuration
// (`src/config/profile.rs`). A new field needs a default, so that policies published before can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// New bookings become entries.
    pub create: bool,
    /// Changes of a booking are sent to its entry.
    pub update: bool,
    /// What cancelling a booking does to its entry.
    pub cancel: OnCancel,
    /// Whether a person's changes to our entries are accepted.
    pub inbound: bool,
    /// Who wins when both sides changed.
    pub conflicts: Conflicts,
    /// What the removal of one of our entries means.
    pub remote_removal: OnRemoval,
    /// How long to wait in case a removal is undone, in seconds.
    pub removal_grace_s: u32,
    /// More removals than this within an hour wait for an approval.
    pub removals_max: u32,
    /// A larger share than this of a calendar's entries waits too, in percent, if it is more than three removals.
    pub removals_share_max: u32,
    /// Bookings that ended longer ago than this are not put on the calendar, in days.
    pub window_back_days: u32,
    /// Bookings that start later than this are not put on the calendar yet, in days.
    pub window_ahead_days: u32,
    /// Failed attempts before a command is given up. Rate limits and unknown outcomes do not count.
    pub attempts_max: u32,
    /// Template for an entry's title, with `{title}`, `{notes}`, `{customer}`, `{resource}` and `{appointment}`.
    pub title: String,
    /// Template for an entry's description, with the same placeholders.
    pub description: String,
}

/// What cancelling a booking does to its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnCancel {
    /// The entry is deleted.
    Delete,
    /// The entry's title is marked, and it no longer blocks time.
    Mark,
    /// The entry is left as it is.
    Leave,
}

/// Who wins when both sides changed since the common base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflicts {
    /// The later change wins; within two seconds, the booking wins.
    NewestWins,
    /// The booking wins.
    BookingWins,
}

/// What the removal of one of our entries means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRemoval {
    /// The booking is cancelled.
    Cancel,
    /// The booking is kept and marked.
    Mark,
    /// An operator decides.
    Ask,
    /// Nothing: the link is detached, and the entry is never put back.
    Ignore,
}

impl Policy {
    /// Preset for a resource shown on one calendar: the booking is the source of truth, edits of our entries
    /// flow back, and the last change wins.
    pub fn resource_mirror() -> Self {
        Self {
            create: true,
            update: true,
            cancel: OnCancel::Delete,
            inbound: true,
            conflicts: Conflicts::NewestWins,
            remote_removal: OnRemoval::Cancel,
            removal_grace_s: 120,
            removals_max: 10,
            removals_share_max: 50,
            window_back_days: 1,
            window_ahead_days: 90,
            attempts_max: 8,
            title: "{title}".into(),
            description: "{notes}".into(),
        }
    }

    /// The preset with this name.
    pub fn preset(name: &str) -> Option<Self> {
        (name == "resource-mirror").then(Self::resource_mirror)
    }
}
