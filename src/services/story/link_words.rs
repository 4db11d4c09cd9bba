//! A sentence for every event of a link.

use super::{LocalTimes, words::Sentence};
use crate::domain::link::{
    Action, Attempt, Conflict, Event, HoldReason, IssuedCommand, LookReason, Operation, RemovalPolicy, Side,
    Verification, Wait, WithholdReason,
};

impl LocalTimes {
    /// The sentence for an event of a link.
    pub(super) fn link(&self, event: &Event) -> Sentence {
        match event {
            Event::SyncRequested { of, reason } => {
                let (booking, calendar) = (&of.resource, &of.calendar.calendar);
                (format!("Linked to calendar {calendar} (resource {booking})."), vec![reason.clone()])
            }
            Event::Decided { action, reasons, profile, profile_version, .. } => {
                let mut notes: Vec<String> = reasons.iter().map(|reason| format!("because {reason}")).collect();
                notes.push(format!("under profile {profile} version {profile_version}"));
                (format!("Decided to {}.", doing(*action)), notes)
            }
            Event::Withheld { reason, until, .. } => {
                let note = until.map(|at| format!("checked again {}", self.time(at)));
                (format!("Nothing is sent: {}.", withheld(reason)), note.into_iter().collect())
            }
            Event::CommandIssued { command } => self.issued(command),
            Event::AttemptSucceeded { command, answer, .. } => {
                (format!("Done (command {command}): {}.", self.answer(answer)), Vec::new())
            }
            Event::AttemptFailed { command, operation, failure, retry_at, counts } => {
                let mut notes = vec![failure.to_string()];
                notes.extend(retry_at.map(|at| format!("next attempt {}", self.time(at))));
                if !counts {
                    notes.push("does not count as an attempt".to_owned());
                }
                (format!("Failed: {} (command {command}).", operation.replace('_', " ")), notes)
            }
            Event::OutcomeVerified { command, outcome } => {
                let found = match outcome {
                    Verification::Done { answer } => format!("carried out: {}", self.answer(answer)),
                    Verification::NotDone {} => "not carried out".to_owned(),
                };
                (format!("Checked the outcome of command {command}: {found}."), Vec::new())
            }
            Event::Established { remote, generation } => {
                (format!("The entry exists: {remote} (generation {generation})."), Vec::new())
            }
            Event::Adopted { remote, content, reason, .. } => {
                (format!("Adopted entry {remote}: {}.", self.content(content)), vec![reason.clone()])
            }
            Event::DeadLettered { command, failure, .. } => {
                let next = "nothing more is sent until the booking changes or an operator retries it";
                (format!("Given up (command {command})."), vec![failure.to_string(), next.to_owned()])
            }
            Event::Reprocessed { by } => (format!("{by} requested a retry."), Vec::new()),
            Event::Detached { remote, reason } => {
                (format!("Entry {remote} is no longer managed; it is left as it is."), vec![reason.clone()])
            }
            Event::SupersededLeft { remote, generation, .. } => {
                (format!("Entry {remote} of generation {generation} still exists; it will be deleted."), Vec::new())
            }
            Event::CloneSuspected { remote } => (
                format!("Entry {remote} also carries our marker: somebody made a copy. It is left as it is."),
                Vec::new(),
            ),
            Event::LookRequested { reason, .. } => {
                (format!("The entry will be read first: {}.", look(*reason)), Vec::new())
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

    /// Events about changes made in the calendar.
    fn inbound(&self, event: &Event) -> Sentence {
        match event {
            Event::EchoRecognised { by_content, .. } => {
                let how = if *by_content { "it has the content we wrote" } else { "it has the version we wrote" };
                (format!("The calendar shows our own change ({how}): nothing to do."), Vec::new())
            }
            Event::RemoteChangeAccepted { change, changes_booking, removal, .. } => {
                let mut notes = vec![self.change(change)];
                notes.extend(removal.map(|removal| match removal {
                    RemovalPolicy::Cancel => "the booking will be cancelled".to_owned(),
                    RemovalPolicy::Mark => "the booking is kept and marked".to_owned(),
                }));
                if !changes_booking {
                    notes.push("the booking itself does not change".to_owned());
                }
                ("The change made in the calendar was accepted.".to_owned(), notes)
            }
            Event::RemoteChangeApplied { booking_revision } => {
                (format!("The change was applied to the booking (revision {booking_revision})."), Vec::new())
            }
            Event::RemoteChangeHeld { observation, reason, until, .. } => {
                let mut notes = vec![self.seen(&observation.seen)];
                notes.extend(until.map(|at| format!("checked again {}", self.time(at))));
                (format!("The change made in the calendar is on hold: {}.", held(reason)), notes)
            }
            Event::RemoteChangeAnswered { accept, by } => {
                let answer =
                    if *accept { "accepted the change" } else { "rejected the change: the entry will be restored" };
                (format!("{by} {answer}."), Vec::new())
            }
            Event::RemoteChangeReleased { reason } => {
                ("The change is no longer on hold.".to_owned(), vec![reason.clone()])
            }
            Event::RemoteChangeRejected { change, reason } => {
                let notes = vec![self.change(change), reason.clone()];
                ("The change made in the calendar was rejected.".to_owned(), notes)
            }
            Event::ConflictDetected { conflict } => self.conflict(conflict),
            Event::ConflictResolved { winner, rule, .. } => {
                let side = match winner {
                    Side::Booking => "the booking",
                    Side::Calendar => "the calendar",
                };
                (format!("Conflict resolved: {side} wins."), vec![format!("rule: {rule}")])
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
        ("Conflict: both sides changed since they last agreed.".to_owned(), notes)
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
            Operation::WriteBackUpdate { slot, .. } => {
                (format!("Sending the new time to the source, {} (command {id}).", self.slot(slot)), Vec::new())
            }
            Operation::WriteBackCancel { .. } => {
                (format!("Sending the cancellation to the source (command {id})."), Vec::new())
            }
        }
    }

    fn answer(&self, answer: &Attempt) -> String {
        match answer {
            Attempt::Entry { etag, content, .. } => {
                format!("the entry says {} (version {etag})", self.content(content))
            }
            Attempt::Deleted { already_absent: false } => "the entry was deleted".to_owned(),
            Attempt::Deleted { already_absent: true } => "the entry was already gone".to_owned(),
            Attempt::WrittenBack { source_revision: Some(revision) } => {
                format!("the source accepted it as its revision {revision}")
            }
            Attempt::WrittenBack { source_revision: None } => "the source accepted it".to_owned(),
        }
    }
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "create the entry",
        Action::Update => "change the entry",
        Action::Delete => "delete the entry",
        Action::WriteBackUpdate => "send the new time to the source",
        Action::WriteBackCancel => "send the cancellation to the source",
        Action::ApplyToBooking => "apply the change to the booking",
    }
}

/// Why nothing is sent, in words.
pub fn withheld(reason: &WithholdReason) -> &'static str {
    match reason {
        WithholdReason::Past => "it ended before the profile's window",
        WithholdReason::TooFarAhead => "it starts after the profile's window",
        WithholdReason::DirectionClosed => "the profile does not send this to the calendar",
        WithholdReason::ConnectionRevoked => "the connection's access was revoked",
        WithholdReason::RateLimited => "the provider asked us to wait",
    }
}

fn held(reason: &HoldReason) -> String {
    match reason {
        HoldReason::Busy => "one of our own calls is in progress".to_owned(),
        HoldReason::Grace => "waiting in case the deletion is undone".to_owned(),
        HoldReason::Overlap { with } => {
            let with: Vec<&str> = with.iter().map(crate::domain::ids::BookingId::as_str).collect();
            format!("the new time overlaps {}; an operator decides", with.join(", "))
        }
        HoldReason::MassRemoval { approval } => {
            format!("many entries were deleted at once; an operator decides on approval {approval}")
        }
        HoldReason::WholeDay => "the source does not support whole days; an operator decides".to_owned(),
        HoldReason::Restored => {
            "the entry was restored although the booking is cancelled; an operator decides".to_owned()
        }
        HoldReason::Unreadable { reason } => format!("the entry cannot be read ({reason})"),
        HoldReason::OperatorDecision => "the profile lets an operator decide about deletions".to_owned(),
    }
}

fn look(reason: LookReason) -> &'static str {
    match reason {
        LookReason::Stale => "it changed after we read it",
        LookReason::Gone => "it was missing when we wrote",
        LookReason::IdentityTaken => "the id we chose is taken",
        LookReason::Doubtful => "the last observation may be older than our last write",
        LookReason::GraceOver => "the waiting time after a deletion is over",
        LookReason::OperatorRequest => "requested by an operator",
    }
}

fn wait_ended(wait: Wait) -> &'static str {
    match wait {
        Wait::Withheld => "There is nothing left to send.",
        Wait::Retry => "There is nothing left to retry.",
        Wait::Look => "The entry was read and has not changed.",
        Wait::Superseded => "The earlier entry that was to be deleted is gone, or no longer managed.",
    }
}
