//! What a remote entry says: the part of a provider's calendar item that we read or write, and the marker in it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{BookingId, Etag, Generation, LinkId, RemoteId, ResourceId, SubjectId},
    personal::{ERASED, Personal, nobody},
    slot::Slot,
};

/// The content of a remote entry, normalised: what is compared, sent and kept as the common base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// When.
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
    /// Whether both say the same to a person looking at the calendar.
    pub fn same(&self, other: &Self) -> bool {
        self.slot.same_time(&other.slot) && self.same_text(other)
    }

    /// The same content, its texts sealed under that subject's key; the word for a forgotten text is about nobody.
    #[must_use]
    pub fn owned_by(mut self, subject: &SubjectId) -> Self {
        for text in [&mut self.title, &mut self.description] {
            let erased = text.text.as_deref() == Some(ERASED);
            text.subject = if erased { nobody() } else { subject.clone() };
        }
        self
    }

    /// Whether it differs from `base` in nothing but forgotten words.
    pub fn only_erased_from(&self, base: &Self) -> bool {
        let words = |ours: &Personal, theirs: &Personal| ours == theirs || ours.stands_in_for(theirs);
        self.slot.same_time(&base.slot)
            && self.marked_cancelled == base.marked_cancelled
            && words(&self.title, &base.title)
            && words(&self.description, &base.description)
    }

    /// Whether title, description and cancellation mark are the same. White space at the ends and line ends do not
    /// count: providers change them.
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

/// Our identifiers embedded in a remote entry, by which we know it is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Marker {
    /// The link it belongs to.
    pub link: LinkId,
    /// Which remote entry of that link.
    pub generation: Generation,
    /// The booking.
    pub booking: BookingId,
    /// The source's own id of the booking (seed: `uscheduleAppointmentId`).
    pub appointment: String,
    /// The resource (seed: `bay`).
    pub resource: ResourceId,
}

/// A remote entry as the provider showed it at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEntry {
    /// The provider's id.
    pub id: RemoteId,
    /// Its version at the provider.
    pub etag: Etag,
    /// When it changed last, by the provider's clock.
    pub updated: Option<DateTime<Utc>>,
    /// Ours, if it says so.
    pub marker: Option<Marker>,
    /// `None` where it is deleted, or where the provider shows too little to tell (a hidden private entry).
    pub body: Body,
}

/// What there is to see of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It is there.
    Live(Content),
    /// The provider says that it was deleted.
    Deleted,
    /// It is there, but not in a form we can read (details hidden, a zone we do not know, a recurring series).
    Unreadable(String),
}

/// How we know that an entry is gone. An error is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The provider listed it as deleted.
    Tombstone,
    /// The provider answered 404 or 410 to a read of that very id.
    NotFoundById,
    /// It was missing from a complete listing of a window that it should have been in.
    AbsentInCoverage,
}

/// An observation: what was seen of one link's entry at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// The entry.
    pub remote: RemoteId,
    /// When we saw it.
    pub seen_at: DateTime<Utc>,
    /// What we saw.
    pub seen: EntryState,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Seen")]
pub enum EntryState {
    /// It is there.
    Live {
        /// Its version.
        etag: Etag,
        /// When it changed last, by the provider's clock.
        updated: Option<DateTime<Utc>>,
        /// Whether our marker is still in it.
        marked: bool,
        /// What it says.
        content: Content,
    },
    /// It is there and cannot be read.
    Unreadable {
        /// Its version.
        etag: Etag,
        /// What hinders.
        reason: String,
    },
    /// It is gone.
    Gone {
        /// How we know.
        evidence: Evidence,
        /// When it was deleted, where the provider tells.
        updated: Option<DateTime<Utc>>,
    },
}

impl EntryState {
    /// What an entry shows of that link. Its texts are of the booking's own subject, so that forgetting that person forgets
    /// what the calendar said of them too.
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
