//! Events of a booking.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{Etag, LinkId, ResourceId, SourceName},
    personal::Personal,
    slot::Slot,
};

/// An event of a booking. Type: `booking.<variant in snake case>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Event {
    /// The booking became known.
    Registered {
        /// The system it comes from.
        source: SourceName,
        /// That system's own id of it.
        source_ref: String,
        /// The resource.
        resource: ResourceId,
        /// Start and end.
        slot: Slot,
        /// Title, notes and customer.
        details: Details,
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
    /// The booking was confirmed.
    Confirmed {
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
    /// The booking was moved to another time.
    Rescheduled {
        /// The new time.
        slot: Slot,
        /// The previous time.
        previous: Slot,
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
    /// Title, notes or customer changed.
    DetailsChanged {
        /// All details after the change.
        details: Details,
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
    /// The booking was moved to another resource.
    Reassigned {
        /// The new resource.
        resource: ResourceId,
        /// The previous resource.
        previous: ResourceId,
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
    /// The booking was cancelled.
    Cancelled {
        /// The reason.
        reason: CancelReason,
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
    /// The cancelled booking was restored.
    Restored {
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
    /// Its entry was removed from a calendar, and the profile says to record that instead of cancelling.
    ExternalRemovalMarked {
        /// The link whose entry was removed.
        link: LinkId,
        /// What caused it.
        #[serde(default)]
        cause: Cause,
    },
}

/// Why a booking was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// Cancelled at its source.
    AtSource,
    /// Cancelled through our API.
    Requested,
    /// Its entry was removed from the calendar.
    RemovedFromCalendar,
}

/// Title, notes and customer. All texts are sealed under one subject's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Details {
    /// Title.
    pub title: Personal,
    /// Notes, free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Personal>,
    /// Customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
}

impl Details {
    /// Whether these details were erased and `other` is about the same person: then `other` is not recorded again.
    pub fn forgotten_as(&self, other: &Self) -> bool {
        self.title.text.is_none() && self.title.subject == other.title.subject
    }
}

/// A customer as the source named them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    /// Name.
    pub name: Personal,
    /// Email address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal>,
    /// Phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal>,
}

/// The cause of a change, as far as decisions need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The source's revision after this change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_revision: Option<u64>,
    /// The request that caused it.
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
    /// Hash of the key and its sender.
    pub key: String,
    /// Hash of the request's content.
    pub digest: String,
}

impl Event {
    /// The last part of the event type.
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

    /// What caused it.
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
