//! A sentence for every event in a booking's story, except those of links, which are in `link_words.rs`.

use super::{DecodedEvent, LocalTimes};
use crate::{
    domain::{
        booking::{self, CancelReason},
        calendar, connection,
        entry::{EntryState, Evidence},
        event::Event,
        operations, profile,
        program_version::ProgramVersion,
        source,
    },
    record::envelope::{NewEvent, Origin},
};

/// A sentence, and the notes below it.
pub(super) type Sentence = (String, Vec<String>);

fn plain(what: impl Into<String>) -> Sentence {
    (what.into(), Vec::new())
}

impl LocalTimes {
    /// The sentence for an event.
    pub(super) fn sentence(&self, decoded: &DecodedEvent) -> Sentence {
        match &decoded.event {
            Event::Booking(event) => self.booking(event),
            Event::Link(event) => self.link(event),
            Event::Calendar(event) => self.calendar(event),
            Event::Source(event) => delivery(event),
            Event::Operations(event) => operation(event),
            Event::Connection(event) => connection(event),
            Event::Profile(profile::Event::Published { .. }) => plain("A policy was published."),
            Event::Profile(profile::Event::ProgramRequired { least, .. }) => program_required(*least),
        }
    }

    fn booking(&self, event: &booking::Event) -> Sentence {
        match event {
            booking::Event::Registered { source, source_ref, resource, slot, details, .. } => {
                let (title, slot) = (details.title.display_text(), self.slot(slot));
                plain(format!("Booking registered: {title:?} on {resource}, {slot} (id {source_ref} in {source})."))
            }
            booking::Event::Confirmed { .. } => plain("Booking confirmed."),
            booking::Event::Rescheduled { slot, previous, cause } => {
                let what = format!("Booking moved from {} to {}.", self.slot(previous), self.slot(slot));
                let note = cause.link.as_ref().map(|link| format!("as changed in the calendar entry of link {link}"));
                (what, note.into_iter().collect())
            }
            booking::Event::DetailsChanged { details, .. } => {
                plain(format!("Details of the booking changed; its title is {:?}.", details.title.display_text()))
            }
            booking::Event::Reassigned { resource, previous, .. } => {
                plain(format!("Booking moved from {previous} to {resource}."))
            }
            booking::Event::Cancelled { reason, .. } => plain(match reason {
                CancelReason::AtSource => "Booking cancelled at its source.",
                CancelReason::Requested => "Booking cancelled on request.",
                CancelReason::RemovedFromCalendar => "Booking cancelled, because its calendar entry was removed.",
            }),
            booking::Event::Restored { .. } => plain("Booking restored."),
            booking::Event::ExternalRemovalMarked { link, .. } => {
                plain(format!("The calendar entry of link {link} was removed; the booking is kept."))
            }
        }
    }

    fn calendar(&self, event: &calendar::Event) -> Sentence {
        match event {
            calendar::Event::RemoteEntryObserved { calendar, observation, .. } => {
                let what = format!("Calendar {}: {}", calendar.calendar, self.seen(&observation.seen));
                (what, vec![format!("entry {}", observation.remote)])
            }
            calendar::Event::RemoteEntryRemoved { calendar, observation, approval, .. } => {
                let what = format!("Calendar {}: {}", calendar.calendar, self.seen(&observation.seen));
                let mut notes = vec![format!("entry {}", observation.remote)];
                notes.extend(approval.as_ref().map(|a| format!("many deletions at once: waiting for approval {a}")));
                (what, notes)
            }
            calendar::Event::NotificationReceived { calendar, .. } => {
                plain(format!("Calendar {} reported a change.", calendar.calendar))
            }
            other => plain(format!("Calendar: {}.", other.name().replace('_', " "))),
        }
    }

    /// An observation, as a sentence.
    pub(super) fn seen(&self, seen: &EntryState) -> String {
        match seen {
            EntryState::Live { marked: false, .. } => "the entry exists, but without our marker.".to_owned(),
            EntryState::Live { content, updated, .. } => {
                let changed = updated.map(|at| format!(", changed {}", self.time(at))).unwrap_or_default();
                format!("the entry says {:?}, {}{changed}.", content.title.display_text(), self.slot(&content.slot))
            }
            EntryState::Unreadable { reason, .. } => format!("the entry cannot be read: {reason}."),
            EntryState::Gone { evidence, updated } => {
                let how = match evidence {
                    Evidence::Tombstone => "the calendar lists it as deleted",
                    Evidence::NotFoundById => "the calendar has no entry with this id",
                    Evidence::AbsentInCoverage => "it was missing from a complete listing",
                };
                let when = updated.map(|at| format!(", removed {}", self.time(at))).unwrap_or_default();
                format!("the entry is gone ({how}{when}).")
            }
        }
    }

    /// Who or what was the root cause.
    pub(super) fn root(&self, decoded: &DecodedEvent) -> String {
        match &decoded.event {
            Event::Source(source::Event::DeliveryReceived { source, delivery, .. }) => {
                let how = if decoded.recorded.event.origin == Origin::Webhook { "A webhook of" } else { "A poll of" };
                format!("{how} {source} (delivery {delivery})")
            }
            Event::Source(source::Event::DeliveryReprocessed { delivery, by, .. }) => {
                format!("Operator {by} retried delivery {delivery}")
            }
            Event::Calendar(
                calendar::Event::RemoteEntryObserved { calendar, .. }
                | calendar::Event::RemoteEntryRemoved { calendar, .. },
            ) => {
                format!("An observation on calendar {}", calendar.calendar)
            }
            Event::Operations(operations::Event::ApprovalGranted { by, approval }) => {
                format!("Operator {by} granted approval {approval}")
            }
            Event::Operations(operations::Event::ApprovalDenied { by, approval }) => {
                format!("Operator {by} denied approval {approval}")
            }
            _ => who(&decoded.recorded.event),
        }
    }
}

/// Who acted, if the event itself says no more.
fn who(event: &NewEvent) -> String {
    let id = &event.actor.id;
    match event.origin {
        Origin::Api => format!("A request to our API ({} {id})", event.actor.kind),
        Origin::Webhook => format!("A webhook of {id}"),
        Origin::Poll => format!("A poll of {id}"),
        Origin::Provider => format!("The calendar ({id})"),
        Origin::Device => format!("Device {id}"),
        Origin::Reconciler => format!("The reconciler ({id})"),
        Origin::Admin => format!("Operator {id}"),
        Origin::Import => format!("An import ({id})"),
    }
}

fn delivery(event: &source::Event) -> Sentence {
    match event {
        source::Event::DeliveryReceived { source, delivery, .. } => {
            plain(format!("{source} sent the booking (delivery {delivery})."))
        }
        source::Event::DeliveryApplied { delivery, changed: true, .. } => {
            plain(format!("Delivery {delivery} was applied."))
        }
        source::Event::DeliveryApplied { delivery, changed: false, .. } => {
            plain(format!("Delivery {delivery} changed nothing: it was already known, or outdated."))
        }
        source::Event::DeliveryRefused { delivery, reason, .. } => {
            (format!("Delivery {delivery} was refused."), vec![reason.clone()])
        }
        source::Event::DeliveryReprocessed { delivery, by, .. } => {
            plain(format!("{by} requested a retry of delivery {delivery}."))
        }
        source::Event::PollClaimed { source, worker, .. } => plain(format!("{worker} now polls {source}.")),
        source::Event::PollCompleted { source, .. } => plain(format!("A poll of {source} was completed.")),
        source::Event::PollFailed { source, failure, .. } => {
            (format!("A poll of {source} failed."), vec![failure.to_string()])
        }
    }
}

fn operation(event: &operations::Event) -> Sentence {
    match event {
        operations::Event::ApprovalRequested { approval, calendar, removals, live, .. } => plain(format!(
            "{removals} of {live} entries disappeared from {} at once: approval {approval} was requested.",
            calendar.calendar
        )),
        operations::Event::ApprovalGranted { approval, by } => plain(format!("{by} granted approval {approval}.")),
        operations::Event::ApprovalDenied { approval, by } => plain(format!("{by} denied approval {approval}.")),
        operations::Event::ProjectionRebuilt { projection, .. } => plain(format!("Table {projection} was rebuilt.")),
        operations::Event::MasterKeyRotated { .. } => plain("The master key was rotated.".to_owned()),
        operations::Event::CheckpointSealed { size, .. } => plain(format!("The first {size} events were sealed.")),
        operations::Event::SubjectErasureRequested { subject, by } => {
            plain(format!("{by} requested the erasure of {subject}."))
        }
        operations::Event::SubjectErased { subject, .. } => plain(format!("{subject} was erased.")),
        operations::Event::ProgramRequired { least, .. } => program_required(*least),
    }
}

fn program_required(least: ProgramVersion) -> Sentence {
    plain(format!("The ledger needs syncledger {least} or later from now on."))
}

fn connection(event: &connection::Event) -> Sentence {
    match event {
        connection::Event::Revoked { connection, failure } => {
            (format!("Access of connection {connection} was revoked."), vec![failure.to_string()])
        }
        connection::Event::Reauthorised { connection } => plain(format!("Connection {connection} works again.")),
        connection::Event::Authorised { connection, .. } => plain(format!("Connection {connection} was authorised.")),
        other => plain(format!("Connection: {}.", other.name().replace('_', " "))),
    }
}
