//! A sentence for every fact about a link.

use super::{LocalTimes, words::Sentence};
use crate::domain::link::{
    Action, Attempt, Conflict, Event, HoldReason, IssuedCommand, LookReason, Operation, RemovalPolicy, Side,
    Verification, Wait, WithholdReason,
};

impl LocalTimes {
    /// What a fact about a link says.
    pub(super) fn link(&self, event: &Event) -> Sentence {
        match event {
            Event::SyncRequested { of, reason } => {
                let (booking, calendar) = (&of.resource, &of.calendar.calendar);
                (format!("To be kept in step with calendar {calendar} (resource {booking})."), vec![reason.clone()])
            }
            Event::Decided { action, reasons, profile, profile_version, .. } => {
                let mut notes: Vec<String> = reasons.iter().map(|reason| format!("because {reason}")).collect();
                notes.push(format!("under profile {profile} version {profile_version}"));
                (format!("Decided to {}.", doing(*action)), notes)
            }
            Event::Withheld { reason, until, .. } => {
                let note = until.map(|at| format!("looked at again {}", self.time(at)));
                (format!("Nothing is sent: {}.", withheld(reason)), note.into_iter().collect())
            }
            Event::CommandIssued { command } => self.issued(command),
            Event::AttemptSucceeded { command, answer, .. } => {
                (format!("Done (command {command}): {}.", self.answer(answer)), Vec::new())
            }
            Event::AttemptFailed { command, operation, failure, retry_at, counts } => {
                let mut notes = vec![failure.to_string()];
                notes.extend(retry_at.map(|at| format!("tried again {}", self.time(at))));
                if !counts {
                    notes.push("does not count against the number of attempts".to_owned());
                }
                (format!("Failed: {} (command {command}).", operation.replace('_', " ")), notes)
            }
            Event::OutcomeVerified { command, outcome } => {
                let found = match outcome {
                    Verification::Done { answer } => format!("it was carried out: {}", self.answer(answer)),
                    Verification::NotDone {} => "it was not carried out".to_owned(),
                };
                (format!("Looked up how command {command} had ended: {found}."), Vec::new())
            }
            Event::Established { remote, generation } => {
                (format!("The entry exists: {remote} (generation {generation})."), Vec::new())
            }
            Event::Adopted { remote, content, reason, .. } => {
                (format!("Entry {remote} is taken as ours: {}.", self.content(content)), vec![reason.clone()])
            }
            Event::DeadLettered { command, failure, .. } => {
                let next = "it stays so until the booking changes or somebody has it tried again";
                (format!("Given up (command {command})."), vec![failure.to_string(), next.to_owned()])
            }
            Event::Reprocessed { by } => (format!("{by} asked for another try."), Vec::new()),
            Event::Detached { remote, reason } => {
                (format!("Entry {remote} is not ours any more; it is left alone."), vec![reason.clone()])
            }
            Event::SupersededLeft { remote, generation, .. } => {
                (format!("Entry {remote} of generation {generation} still stands; it will be removed."), Vec::new())
            }
            Event::CloneSuspected { remote } => {
                (format!("Entry {remote} bears our mark too: a copy somebody made. It is left alone."), Vec::new())
            }
            Event::LookRequested { reason, .. } => {
                (format!("The entry is to be read by its id first: {}.", look(*reason)), Vec::new())
            }
            Event::WaitEnded { wait } => (wait_ended(*wait).to_owned(), Vec::new()),
            Event::EchoRecognised { .. }
            | Event::RemoteChangeAccepted { .. }
            | Event::RemoteChangeApplied { .. }
            | Event::RemoteChangeHeld { .. }
            | Event::RemoteChangeAnswered { .. }
            | Event::RemoteChangeReleased { .. }
            | Event::RemoteChangeRejected { .. }
            | Event::ConflictDetected { .. }
            | Event::ConflictResolved { .. } => self.inbound(event),
        }
    }

    /// Facts about what people did in the calendar.
    fn inbound(&self, event: &Event) -> Sentence {
        match event {
            Event::EchoRecognised { by_content, .. } => {
                let how = if *by_content { "it says what we wrote" } else { "its version is the one that we wrote" };
                (format!("What was seen is our own change ({how}): nothing to do."), Vec::new())
            }
            Event::RemoteChangeAccepted { change, changes_booking, removal, .. } => {
                let mut notes = vec![self.change(change)];
                notes.extend(removal.map(|removal| match removal {
                    RemovalPolicy::Cancel => "the booking is to be cancelled".to_owned(),
                    RemovalPolicy::Mark => "the booking stays, with a mark".to_owned(),
                }));
                if !changes_booking {
                    notes.push("the booking itself does not change by it".to_owned());
                }
                ("Somebody's change in the calendar is taken over.".to_owned(), notes)
            }
            Event::RemoteChangeApplied { booking_revision } => {
                (format!("The change has reached the booking (revision {booking_revision})."), Vec::new())
            }
            Event::RemoteChangeHeld { observation, reason, until, .. } => {
                let mut notes = vec![self.seen(&observation.seen)];
                notes.extend(until.map(|at| format!("looked at again {}", self.time(at))));
                (format!("Somebody's change in the calendar waits: {}.", held(reason)), notes)
            }
            Event::RemoteChangeAnswered { accept, by } => {
                let answer = if *accept { "to take the change over" } else { "to put the entry back" };
                (format!("{by} said {answer}."), Vec::new())
            }
            Event::RemoteChangeReleased { reason } => ("The change waits no longer.".to_owned(), vec![reason.clone()]),
            Event::RemoteChangeRejected { change, reason } => {
                let notes = vec![self.change(change), reason.clone()];
                ("Somebody's change in the calendar is not taken over.".to_owned(), notes)
            }
            Event::ConflictDetected { conflict } => self.conflict(conflict),
            Event::ConflictResolved { winner, rule, .. } => {
                let side = match winner {
                    Side::Booking => "the booking",
                    Side::Calendar => "the calendar",
                };
                (format!("Conflict settled: {side} stands."), vec![format!("rule: {rule}")])
            }
            other => (format!("{}.", other.name().replace('_', " ")), Vec::new()),
        }
    }

    fn conflict(&self, conflict: &Conflict) -> Sentence {
        let ours = conflict.ours.as_ref().map_or_else(|| "no entry".to_owned(), |content| self.content(content));
        let notes = vec![
            format!("booking, changed {}: {ours}", self.time(conflict.booking_changed_at)),
            format!("calendar, changed {}: {}", self.time(conflict.remote_changed_at), self.change(&conflict.theirs)),
        ];
        ("Both sides changed since they were last in step: a conflict.".to_owned(), notes)
    }

    fn issued(&self, command: &IssuedCommand) -> Sentence {
        let id = &command.id;
        match &command.operation {
            Operation::Create { content } => {
                let notes = vec![self.content(content)];
                (format!("Sending: create entry {} (command {id}).", command.remote), notes)
            }
            Operation::Update { from, content, .. } => {
                let notes = self.difference(from, content);
                (format!("Sending: change entry {} (command {id}).", command.remote), notes)
            }
            Operation::Delete { .. } => {
                (format!("Sending: delete entry {} (command {id}).", command.remote), Vec::new())
            }
            Operation::WriteBackSlot { slot, .. } => {
                (format!("Telling the source the new time, {} (command {id}).", self.slot(slot)), Vec::new())
            }
            Operation::WriteBackCancel { .. } => {
                (format!("Telling the source that the booking is called off (command {id})."), Vec::new())
            }
        }
    }

    fn answer(&self, answer: &Attempt) -> String {
        match answer {
            Attempt::Entry { etag, content, .. } => {
                format!("the entry says {} (version {etag})", self.content(content))
            }
            Attempt::Deleted { already_absent: false } => "the entry is deleted".to_owned(),
            Attempt::Deleted { already_absent: true } => "the entry had been gone already".to_owned(),
            Attempt::WrittenBack { source_revision: Some(revision) } => {
                format!("the source took it, as its revision {revision}")
            }
            Attempt::WrittenBack { source_revision: None } => "the source took it".to_owned(),
        }
    }
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "create the entry",
        Action::Update => "change the entry",
        Action::Delete => "delete the entry",
        Action::WriteBackUpdate => "tell the source the new time",
        Action::WriteBackCancel => "tell the source of the cancellation",
        Action::ApplyToBooking => "carry the change over to the booking",
    }
}

/// Why nothing is sent, in words.
pub fn withheld(reason: &WithholdReason) -> &'static str {
    match reason {
        WithholdReason::Past => "it ended before the profile's window",
        WithholdReason::TooFarAhead => "it starts after the profile's window",
        WithholdReason::DirectionClosed => "the profile does not send this to the calendar",
        WithholdReason::ConnectionRevoked => "the connection's grant is gone",
        WithholdReason::RateLimited => "we were asked to wait with all calls",
    }
}

fn held(reason: &HoldReason) -> String {
    match reason {
        HoldReason::Busy => "a call of ours is under way".to_owned(),
        HoldReason::Grace => "a removal counts only if it still stands after a while".to_owned(),
        HoldReason::Overlap { with } => {
            let with: Vec<&str> = with.iter().map(crate::domain::ids::BookingId::as_str).collect();
            format!("the new time meets {}; a person decides", with.join(", "))
        }
        HoldReason::MassRemoval { approval } => {
            format!("many entries vanished at once; an operator answers approval {approval}")
        }
        HoldReason::WholeDay => "the source takes no whole days; a person decides".to_owned(),
        HoldReason::BroughtBack => {
            "the entry was brought back while the booking is cancelled; a person decides".to_owned()
        }
        HoldReason::Unreadable { reason } => format!("the entry cannot be read ({reason})"),
        HoldReason::AskFirst => "the profile says that a person decides about removals".to_owned(),
    }
}

fn look(reason: LookReason) -> &'static str {
    match reason {
        LookReason::Stale => "it had changed since we read it",
        LookReason::Gone => "it was not there when we wrote",
        LookReason::IdentityTaken => "the id that we chose is taken",
        LookReason::Doubtful => "what we saw may be older than our last write",
        LookReason::GraceOver => "a removal's grace is over",
        LookReason::Asked => "an operator asked for it",
    }
}

fn wait_ended(wait: Wait) -> &'static str {
    match wait {
        Wait::Withheld => "There is nothing to send any more, so nothing is withheld.",
        Wait::Retry => "There is nothing to try again any more.",
        Wait::Look => "The entry was read and is as it was known to be.",
        Wait::Superseded => "The earlier entry that was to be removed is gone, or is not ours any more.",
    }
}
