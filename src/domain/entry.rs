//! A remote entry: the part of a provider's calendar item that we read or write, and our marker in it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{BookingId, Etag, Generation, LinkId, RemoteId, ResourceId, SubjectId},
    personal::{ERASED, Personal, nobody},
    slot::Slot,
};

/// Normalised content of a remote entry: what is compared, sent and kept as the common base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// Start and end.
    pub slot: Slot,
    /// The title.
    pub title: Personal,
    /// The description; empty for none.
    pub description: Personal,
    /// Shown as cancelled: a title prefix and `transparent`, since a provider's own `cancelled` means deleted.
    #[serde(default)]
    pub marked_cancelled: bool,
}

impl Content {
    /// Whether both look the same to a person reading the calendar.
    pub fn same(&self, other: &Self) -> bool {
        self.slot.same_time(&other.slot) && self.same_text(other)
    }

    /// The same content with its texts sealed under that subject's key; the replacement for erased text belongs to nobody.
    #[must_use]
    pub fn owned_by(mut self, subject: &SubjectId) -> Self {
        for text in [&mut self.title, &mut self.description] {
            let erased = text.text.as_deref() == Some(ERASED);
            text.subject = if erased { nobody() } else { subject.clone() };
        }
        self
    }

    /// Whether it differs from `base` only by erased text.
    pub fn only_erased_from(&self, base: &Self) -> bool {
        let words = |ours: &Personal, theirs: &Personal| ours == theirs || ours.stands_in_for(theirs);
        self.slot.same_time(&base.slot)
            && self.marked_cancelled == base.marked_cancelled
            && words(&self.title, &base.title)
            && words(&self.description, &base.description)
    }

    /// Whether title, description and cancellation mark are equal, ignoring line endings and white space at both
    /// ends, which providers change.
    pub fn same_text(&self, other: &Self) -> bool {
        self.marked_cancelled == other.marked_cancelled
            && normal(&self.title) == normal(&other.title)
            && normal(&self.description) == normal(&other.description)
    }
}

fn normal(text: &Personal) -> Option<String> {
    text.text
        .as_ref()
        .map(|t| t.replace("\r\n", "\n").lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned())
}

/// Our ids embedded in a remote entry, by which we recognise it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Marker {
    /// The link it belongs to.
    pub link: LinkId,
    /// The generation of the entry within that link.
    pub generation: Generation,
    /// The booking.
    pub booking: BookingId,
    /// The source's own id of the booking (seed: `uscheduleAppointmentId`).
    pub appointment: String,
    /// The resource (seed: `bay`).
    pub resource: ResourceId,
}

/// A remote entry as the provider showed it at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEntry {
    /// The provider's id.
    pub id: RemoteId,
    /// Its version.
    pub etag: Etag,
    /// Time of its last change, by the provider's clock.
    pub updated: Option<DateTime<Utc>>,
    /// Our marker, if it has one.
    pub marker: Option<Marker>,
    /// Its content, that it was deleted, or why it cannot be read.
    pub body: Body,
}

/// The readable content of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It exists.
    Live(Content),
    /// The provider reports it as deleted.
    Deleted,
    /// It exists, but cannot be read; the reason (hidden details, an unknown time zone, a recurring series).
    Unreadable(String),
}

/// How we know that an entry is gone. An error is never evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The provider listed it as deleted.
    Tombstone,
    /// The provider answered 404 or 410 when asked for this id.
    NotFoundById,
    /// It was missing from a complete listing of a window that should contain it.
    AbsentInCoverage,
}

/// What was seen of a link's entry at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// The entry.
    pub remote: RemoteId,
    /// When we saw it.
    pub seen_at: DateTime<Utc>,
    /// What we saw.
    pub seen: EntryState,
}

/// What was seen of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Seen")]
pub enum EntryState {
    /// It exists.
    Live {
        /// Its version.
        etag: Etag,
        /// Time of its last change, by the provider's clock.
        updated: Option<DateTime<Utc>>,
        /// Whether it still has our marker.
        marked: bool,
        /// Its content.
        content: Content,
    },
    /// It exists but cannot be read.
    Unreadable {
        /// Its version.
        etag: Etag,
        /// Why it cannot be read.
        reason: String,
    },
    /// It is gone.
    Gone {
        /// How we know.
        evidence: Evidence,
        /// When it was deleted, if the provider says so.
        updated: Option<DateTime<Utc>>,
    },
}

impl EntryState {
    /// The entry as an observation of that link. Its texts belong to the booking's subject, so that erasing that person
    /// also erases what the calendar showed of them.
    pub fn of(entry: &RemoteEntry, link: &LinkId, subject: &SubjectId) -> Self {
        match &entry.body {
            Body::Live(content) => Self::Live {
                etag: entry.etag.clone(),
                updated: entry.updated,
                marked: entry.marker.as_ref().is_some_and(|marker| marker.link == *link),
                content: content.clone().owned_by(subject),
            },
            Body::Deleted => Self::Gone { evidence: Evidence::Tombstone, updated: entry.updated },
            Body::Unreadable(reason) => Self::Unreadable { etag: entry.etag.clone(), reason: reason.clone() },
        }
    }
}
