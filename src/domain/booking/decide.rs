//! The rules of a booking: from its state and a command to events.

use super::{
    command::{Command, Snapshot},
    event::{CancelReason, Cause, Event},
    state::{Booking, Status},
};

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such booking.
    #[error("there is no such booking")]
    Unknown,
    /// It already exists, with different content.
    #[error("this booking already exists with different content: change it instead of creating it")]
    Exists,
    /// It is cancelled.
    #[error("this booking is cancelled: restore it before changing it")]
    Cancelled,
    /// The `Idempotency-Key` was used with a different request.
    #[error("this Idempotency-Key was already used for a different request: use a new key")]
    KeyReused,
}

/// The events that `command` causes in `state`. No events: nothing has to change.
///
/// # Errors
/// [`Refusal`]: why the command is refused.
pub fn decide(state: Option<&Booking>, command: &Command, cause: &Cause) -> Result<Vec<Event>, Refusal> {
    if let (Some(booking), Some(request)) = (state, &cause.request)
        && let Some((known, _)) = booking.requests.iter().find(|(mark, _)| mark.key == request.key)
    {
        return if known.digest == request.digest { Ok(Vec::new()) } else { Err(Refusal::KeyReused) };
    }
    let cause = cause.clone();
    let booking = match (state, command) {
        (None, Command::Register(snapshot) | Command::Observe(snapshot)) => return Ok(register(snapshot, cause)),
        (None, _) => return Err(Refusal::Unknown),
        (Some(booking), _) => booking,
    };
    if outrun(booking, command, &cause) {
        return Ok(Vec::new());
    }
    match command {
        Command::Register(snapshot) => {
            if differences(booking, snapshot, &cause).is_empty() {
                Ok(Vec::new())
            } else {
                Err(Refusal::Exists)
            }
        }
        Command::Observe(snapshot) => Ok(observe(booking, snapshot, cause)),
        Command::Confirm if booking.status == Status::Confirmed => Ok(Vec::new()),
        Command::Confirm => active(booking).map(|()| vec![Event::Confirmed { cause }]),
        Command::Reschedule(slot) | Command::AcceptRemoteSlot { slot, .. } => {
            active(booking)?;
            let cause = remote_cause(command, cause);
            Ok(if booking.slot == *slot {
                Vec::new()
            } else {
                vec![Event::Rescheduled { slot: slot.clone(), previous: booking.slot.clone(), cause }]
            })
        }
        Command::ChangeDetails(details) => {
            active(booking)?;
            Ok(if booking.details == *details {
                Vec::new()
            } else {
                vec![Event::DetailsChanged { details: details.clone(), cause }]
            })
        }
        Command::Reassign(resource) => {
            active(booking)?;
            Ok(if booking.resource == *resource {
                Vec::new()
            } else {
                vec![Event::Reassigned { resource: resource.clone(), previous: booking.resource.clone(), cause }]
            })
        }
        Command::Cancel(_) | Command::AcceptRemoteRemoval { .. } if !booking.active() => Ok(Vec::new()),
        Command::Cancel(reason) => Ok(vec![Event::Cancelled { reason: *reason, cause }]),
        Command::AcceptRemoteRemoval { .. } => {
            let cause = remote_cause(command, cause);
            Ok(vec![Event::Cancelled { reason: CancelReason::RemovedFromCalendar, cause }])
        }
        Command::Restore if booking.active() => Ok(Vec::new()),
        Command::Restore => Ok(vec![Event::Restored { cause }]),
        Command::MarkExternalRemoval { link } => {
            let link = link.clone();
            Ok(vec![Event::ExternalRemovalMarked { link, cause: remote_cause(command, cause) }])
        }
    }
}

/// Whether the source has moved on since it took over what a person did to an entry: what it showed after that contains it.
/// This happens if two processes apply two write-backs of one booking and the earlier comes last.
fn outrun(booking: &Booking, command: &Command, cause: &Cause) -> bool {
    matches!(command, Command::AcceptRemoteSlot { .. } | Command::AcceptRemoteRemoval { .. })
        && cause.source_revision.is_some()
        && cause.source_revision < booking.source_revision
}

fn active(booking: &Booking) -> Result<(), Refusal> {
    if booking.active() { Ok(()) } else { Err(Refusal::Cancelled) }
}

fn remote_cause(command: &Command, cause: Cause) -> Cause {
    match command {
        Command::AcceptRemoteSlot { link, etag, .. } => {
            Cause { link: Some(link.clone()), etag: Some(etag.clone()), ..cause }
        }
        Command::AcceptRemoteRemoval { link } | Command::MarkExternalRemoval { link } => {
            Cause { link: Some(link.clone()), ..cause }
        }
        Command::Register(_)
        | Command::Observe(_)
        | Command::Confirm
        | Command::Reschedule(_)
        | Command::ChangeDetails(_)
        | Command::Reassign(_)
        | Command::Cancel(_)
        | Command::Restore => cause,
    }
}

fn register(snapshot: &Snapshot, cause: Cause) -> Vec<Event> {
    let mut events = vec![Event::Registered {
        source: snapshot.source.clone(),
        source_ref: snapshot.source_ref.clone(),
        resource: snapshot.resource.clone(),
        slot: snapshot.slot.clone(),
        details: snapshot.details.clone(),
        cause: cause.clone(),
    }];
    if snapshot.confirmed {
        events.push(Event::Confirmed { cause: cause.clone() });
    }
    if snapshot.cancelled {
        events.push(Event::Cancelled { reason: CancelReason::AtSource, cause });
    }
    events
}

/// An observation may be older than what we know: a late or repeated delivery changes nothing.
fn observe(booking: &Booking, snapshot: &Snapshot, cause: Cause) -> Vec<Event> {
    if let (Some(known), Some(observed)) = (booking.source_revision, cause.source_revision)
        && observed <= known
    {
        return Vec::new();
    }
    let events = differences(booking, snapshot, &cause);
    if events.is_empty() && cause.source_revision > booking.source_revision {
        // Changed and changed back at the source: the newer revision must be remembered, or a late delivery of the one in
        // between would look new.
        return vec![Event::DetailsChanged { details: booking.details.clone(), cause }];
    }
    events
}

fn differences(booking: &Booking, snapshot: &Snapshot, cause: &Cause) -> Vec<Event> {
    let mut events = Vec::new();
    let cause = || cause.clone();
    if !booking.active() && !snapshot.cancelled {
        events.push(Event::Restored { cause: cause() });
    }
    if booking.resource != snapshot.resource {
        let (resource, previous) = (snapshot.resource.clone(), booking.resource.clone());
        events.push(Event::Reassigned { resource, previous, cause: cause() });
    }
    if booking.slot != snapshot.slot {
        let (slot, previous) = (snapshot.slot.clone(), booking.slot.clone());
        events.push(Event::Rescheduled { slot, previous, cause: cause() });
    }
    if booking.details != snapshot.details && !booking.details.forgotten_as(&snapshot.details) {
        events.push(Event::DetailsChanged { details: snapshot.details.clone(), cause: cause() });
    }
    if snapshot.confirmed && !booking.was_confirmed {
        events.push(Event::Confirmed { cause: cause() });
    }
    if snapshot.cancelled && booking.active() {
        events.push(Event::Cancelled { reason: CancelReason::AtSource, cause: cause() });
    }
    events
}
