//! A profile: a versioned policy document. Data, not code: presets ship for every kind of user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::ProfileId;

/// A fact about a profile. Type: `profile.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// The policy is this from now on.
    Published {
        /// Which profile.
        profile: ProfileId,
        /// Counted from 1.
        version: u64,
        /// The policy.
        policy: Policy,
    },
}

impl Event {
    /// The last part of the event's type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Published { .. } => "published",
        }
    }
}

/// A policy with its name and version, as decisions cite it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Which.
    pub id: ProfileId,
    /// Counted from 1.
    pub version: u64,
    /// What it says.
    pub policy: Policy,
}

/// What may be sent to a calendar.
// Fields that a newer program added are passed over: it is the configuration that refuses what it does not know
// (`src/config/profile.rs`). A field that is added needs a default, so that what was published before can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// New bookings become entries.
    pub create: bool,
    /// Changes of a booking reach its entry.
    pub update: bool,
    /// What a cancelled booking does to its entry.
    pub cancel: OnCancel,
    /// Whether a person's change of an entry of ours is taken over.
    pub inbound: bool,
    /// Who wins when both sides changed.
    pub conflicts: Conflicts,
    /// What the removal of an entry of ours means.
    pub remote_removal: OnRemoval,
    /// How long a removal must stand before it counts, in seconds.
    pub removal_grace_s: u32,
    /// More removals at once than this wait for an approval …
    pub removals_max: u32,
    /// … and so does a larger share than this of a calendar's entries, in percent, from three removals on.
    pub removals_share_max: u32,
    /// Bookings that ended longer ago than this are not put on the calendar, in days.
    pub window_back_days: u32,
    /// Bookings that start later than this are not put on the calendar yet, in days.
    pub window_ahead_days: u32,
    /// Attempts that may fail before the command is given up. Rate limits and unknown outcomes do not count.
    pub attempts_max: u32,
    /// An entry's title. `{title}`, `{notes}`, `{customer}`, `{resource}` and `{appointment}` stand for the booking's own.
    pub title: String,
    /// An entry's description, likewise.
    pub description: String,
}

/// What a cancelled booking does to its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnCancel {
    /// It is deleted.
    Delete,
    /// Its title says so, and it does not block time any more.
    Mark,
    /// It is left as it is.
    Leave,
}

/// Who wins when both sides changed since the common base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflicts {
    /// The later change; within two seconds of each other, the booking.
    NewestWins,
    /// The booking.
    BookingWins,
}

/// What the removal of an entry of ours means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRemoval {
    /// The booking is cancelled.
    Cancel,
    /// The booking stays, with a mark.
    Mark,
    /// A person decides.
    Ask,
    /// Nothing: the entry is put back when the booking changes next.
    Ignore,
}

impl Policy {
    /// The preset for one resource mirrored to one calendar: the booking is the source of truth, edits of managed entries
    /// flow back, the last write wins.
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

    /// The presets by name.
    pub fn preset(name: &str) -> Option<Self> {
        (name == "resource-mirror").then(Self::resource_mirror)
    }
}
