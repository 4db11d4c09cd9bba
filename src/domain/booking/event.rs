//! What can have happened to a booking.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{Etag, LinkId, ResourceId, SourceName},
    personal::Personal,
    slot::Slot,
};

/// A fact about a booking. Type: `booking.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// It became known to us.
    Registered {
        /// The system it comes from.
        source: SourceName,
        /// That system's own id of it.
        source_ref: String,
        /// What is booked.
        resource: ResourceId,
        /// When.
        slot: Slot,
        /// What and for whom.
        details: Details,
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
    /// It is settled.
    Confirmed {
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
    /// It takes place at another time.
    Rescheduled {
        /// The new time.
        slot: Slot,
        /// The time before.
        previous: Slot,
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
    /// Its words or its customer changed.
    DetailsChanged {
        /// All of them, as they are now.
        details: Details,
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
    /// It takes place on another resource.
    Reassigned {
        /// The new resource.
        resource: ResourceId,
        /// The resource before.
        previous: ResourceId,
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
    /// It does not take place.
    Cancelled {
        /// Why.
        reason: CancelReason,
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
    /// It takes place after all.
    Restored {
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
    /// Its entry was removed from a calendar, and the profile says to note that instead of cancelling.
    ExternalRemovalMarked {
        /// The link whose entry was removed.
        link: LinkId,
        /// What led to it.
        #[serde(default)]
        cause: Cause,
    },
}

/// Why a booking was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// Its source says so.
    AtSource,
    /// Somebody asked for it through us.
    Requested,
    /// Its entry was removed from the calendar.
    RemovedFromCalendar,
}

/// Words and people. All texts are sealed under one subject's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Details {
    /// What is booked, in words.
    pub title: Personal,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Personal>,
    /// For whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
}

impl Details {
    /// Whether they are about a person who was forgotten, and `told` is about the same: that is not taken over again.
    pub fn forgotten_as(&self, told: &Self) -> bool {
        self.title.text.is_none() && self.title.subject == told.title.subject
    }
}

/// A customer as the source named them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    /// Name.
    pub name: Personal,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal>,
    /// Phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal>,
}

/// What led to a change, as far as deciding needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The source's own revision that this brings us to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_revision: Option<u64>,
    /// The request that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestMark>,
    /// The link whose remote entry was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// The version of that entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Etag>,
}

/// A request with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestMark {
    /// Hash of the key and of who sent it.
    pub key: String,
    /// Hash of what was asked.
    pub digest: String,
}

impl Event {
    /// The last part of the event's type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "registered",
            Self::Confirmed { .. } => "confirmed",
            Self::Rescheduled { .. } => "rescheduled",
            Self::DetailsChanged { .. } => "details_changed",
            Self::Reassigned { .. } => "reassigned",
            Self::Cancelled { .. } => "cancelled",
            Self::Restored { .. } => "restored",
            Self::ExternalRemovalMarked { .. } => "external_removal_marked",
        }
    }

    /// What led to it.
    pub fn cause(&self) -> &Cause {
        match self {
            Self::Registered { cause, .. }
            | Self::Confirmed { cause }
            | Self::Rescheduled { cause, .. }
            | Self::DetailsChanged { cause, .. }
            | Self::Reassigned { cause, .. }
            | Self::Cancelled { cause, .. }
            | Self::Restored { cause }
            | Self::ExternalRemovalMarked { cause, .. } => cause,
        }
    }
}
