//! A link, a booking and a policy in memory, moved by the real core: what the shell does, without the world.

use chrono::{DateTime, TimeDelta, Utc};
use syncledger::{
    domain::{
        booking::{self, Booking, CancelReason, Cause, Command, Details, Snapshot},
        entry::{Content, EntryState, Evidence, Observation},
        failure::{CallFailure, FailureClass},
        ids::*,
        link::{self, Attempt, Event, IssuedCommand, Link, LinkRef, Operation, Verification},
        operations::Approval,
        personal::Personal,
        profile::{Policy, Profile},
        slot::Slot,
    },
    reconcile::{Decision, Inputs, Step, decide, retry},
};

pub struct Stage {
    pub now: DateTime<Utc>,
    pub policy: Policy,
    pub booking: Option<Booking>,
    pub link: Option<Link>,
    pub routed: bool,
    pub overlaps: Vec<BookingId>,
    pub approval: Option<Approval>,
    pub revoked: bool,
    /// Until when the provider wants no calls.
    pub limited_until: Option<DateTime<Utc>>,
    pub writes_back: bool,
    pub forgotten: bool,
    pub pending: Step,
    pub out: String,
}

pub struct Decided {
    pub facts: Vec<Event>,
    pub step: Step,
}

impl Decided {
    pub fn is_rest_without_facts(&self) -> bool {
        self.facts.is_empty() && self.step == Step::Rest
    }
}

pub fn person() -> SubjectId {
    SubjectId::new("customer.7").expect("a plain name")
}

pub fn words(text: &str) -> Personal {
    Personal::new(person(), text)
}

impl Stage {
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            policy: Policy::resource_mirror(),
            booking: None,
            link: None,
            routed: true,
            overlaps: Vec::new(),
            approval: None,
            revoked: false,
            limited_until: None,
            writes_back: true,
            forgotten: false,
            pending: Step::Rest,
            out: String::new(),
        }
    }

    pub fn say(&mut self, line: impl AsRef<str>) {
        self.out.push_str(line.as_ref());
        self.out.push('\n');
    }

    pub fn of() -> LinkRef {
        let booking = BookingId::of_source(&SourceName::new("uschedule").expect("plain"), "1001");
        let calendar = CalendarKey {
            connection: ConnectionId::new("loft-bot").expect("plain"),
            calendar: RemoteCalendarId::new("bay1@group.calendar.google.com"),
        };
        LinkRef {
            link: LinkId::of(&booking, &calendar),
            booking,
            appointment: "1001".into(),
            calendar,
            resource: ResourceId::new("bay-1").expect("plain"),
            profile: ProfileId::new("resource-mirror").expect("plain"),
        }
    }

    pub fn snapshot(slot: Slot, title: &str) -> Snapshot {
        Snapshot {
            source: SourceName::new("uschedule").expect("plain"),
            source_ref: "1001".into(),
            resource: ResourceId::new("bay-1").expect("plain"),
            slot,
            details: Details { title: words(title), notes: None, customer: None },
            confirmed: true,
            cancelled: false,
        }
    }

    /// Carries out a command on the booking, then reconciles.
    pub fn command(&mut self, command: &Command, cause: &Cause) -> Result<(), String> {
        let events = booking::decide(self.booking.as_ref(), command, cause).map_err(|refusal| refusal.to_string())?;
        for event in events {
            self.say(format!("    booking.{}", event.name()));
            self.booking = booking::evolve(self.booking.take(), &event, self.now);
        }
        Ok(())
    }

    pub fn cancel(&mut self) -> Result<(), String> {
        self.command(&Command::Cancel(CancelReason::AtSource), &Cause::default())
    }

    fn inputs_decide(&self, seen: Option<&Observation>, fresh: bool) -> Option<Decision> {
        let booking = self.booking.as_ref()?;
        let of = Self::of();
        let profile = Profile { id: of.profile.clone(), version: 1, policy: self.policy.clone() };
        let identity = |generation: Generation| RemoteId(format!("entry-g{generation}"));
        Some(decide(&Inputs {
            link: self.link.as_ref(),
            of: &of,
            booking,
            routed: self.routed && booking.resource == of.resource,
            observation: seen,
            fresh,
            source_read: fresh && seen.is_none(),
            overlaps: &self.overlaps,
            approval: self.approval.map(|stand| ("removals-1", stand)),
            revoked: self.revoked,
            throttled_until: self.limited_until,
            source_throttled_until: None,
            writes_back: self.writes_back,
            profile: &profile,
            identity: &identity,
            worker: "worker-1",
            lease: TimeDelta::seconds(60),
            now: self.now,
        }))
    }

    pub fn decide_only(&mut self) -> Decided {
        self.inputs_decide(None, false)
            .map_or(Decided { facts: Vec::new(), step: Step::Rest }, |d| Decided { facts: d.facts, step: d.step })
    }

    /// A link at rest has no timer in the past, unless it was news that was decided on: its timers come right after.
    fn rest(&mut self, decided_on_news: bool) -> Result<(), String> {
        match self.link.as_ref().and_then(Link::due_at) {
            Some(due) if due <= self.now && !decided_on_news => Err(format!("it rests, and was due at {due}")),
            Some(due) => {
                self.say(format!("    → rest{}", at(Some(due))));
                Ok(())
            }
            None => {
                self.say("    → rest");
                Ok(())
            }
        }
    }

    /// Decides, records, and goes on as far as no answer from outside is needed.
    pub fn settle(&mut self, seen: Option<Observation>, fresh: bool) -> Result<(), String> {
        let (mut seen, mut fresh) = (seen, fresh);
        for _ in 0..12 {
            let Some(decision) = self.inputs_decide(seen.as_ref(), fresh) else { return Ok(()) };
            for fact in &decision.facts {
                self.say(format!("    {}", told(fact)));
                self.link = link::evolve(self.link.take(), fact, self.now);
                self.reread();
            }
            let decided_on_news = seen.is_some();
            (seen, fresh) = (None, false);
            self.pending = decision.step.clone();
            match decision.step {
                Step::ChangeBooking(command, cause) => {
                    self.say("    → apply to the booking");
                    self.command(&command, &cause)?;
                }
                Step::Rest => return self.rest(decided_on_news),
                Step::Call(command) => {
                    self.say(format!(
                        "    → call {} {} key {}",
                        command.operation.name(),
                        command.remote,
                        &command.key.as_str()[..8]
                    ));
                    return Ok(());
                }
                Step::Verify(command) => {
                    self.say(format!("    → find out how {} ended", command.id));
                    return Ok(());
                }
                Step::Look(remote, _) => {
                    self.say(format!("    → read {remote}"));
                    return Ok(());
                }
                Step::ReadSource => {
                    self.say("    → read the booking at its source");
                    return Ok(());
                }
            }
        }
        Err("no rest after twelve rounds".into())
    }

    fn flying(&self) -> Result<IssuedCommand, String> {
        self.link
            .as_ref()
            .and_then(|link| link.in_flight.as_ref())
            .map(|flight| flight.command.clone())
            .ok_or_else(|| "nothing was sent that could be answered".to_owned())
    }

    fn record(&mut self, facts: Vec<Event>) {
        for fact in facts {
            self.say(format!("    {}", told(&fact)));
            self.link = link::evolve(self.link.take(), &fact, self.now);
            self.reread();
        }
    }

    /// Words of a forgotten person are dropped on their way into the ledger.
    fn reread(&mut self) {
        if let Some(remote) = self.link.as_mut().filter(|_| self.forgotten).and_then(|link| link.remote.as_mut()) {
            wordless(&mut remote.content);
            wordless(&mut remote.ours);
        }
    }

    pub fn answer_ok(&mut self, etag: &str, revision: Option<u64>) -> Result<(), String> {
        let command = self.flying()?;
        let answer = match &command.operation {
            Operation::Create { content } | Operation::Update { content, .. } => {
                let content = content.clone().owned_by(&person());
                Attempt::Entry { etag: Etag(etag.into()), updated: Some(self.now), content }
            }
            Operation::Delete { .. } => Attempt::Deleted { already_absent: false },
            Operation::WriteBackUpdate { .. } | Operation::WriteBackCancel { .. } => {
                Attempt::WrittenBack { source_revision: revision }
            }
        };
        let operation = command.operation.name().to_owned();
        self.record(vec![Event::AttemptSucceeded { command: command.id, operation, answer }]);
        self.now += TimeDelta::milliseconds(500);
        self.settle(None, false)
    }

    pub fn answer_failure(&mut self, class: FailureClass, retry_after_ms: Option<u64>) -> Result<(), String> {
        let command = self.flying()?;
        let failure = CallFailure { retry_after_ms, ..CallFailure::new(class, class.as_str()) };
        let before = self.link.as_ref().map(|l| l.retry.clone()).unwrap_or_default();
        let verdict = retry::after(&failure, &before, self.policy.attempts_max, self.now, 400);
        let operation = command.operation.name().to_owned();
        let mut facts = vec![Event::AttemptFailed {
            command: command.id.clone(),
            operation,
            failure: failure.clone(),
            retry_at: verdict.retry_at,
            counts: verdict.counts,
        }];
        if verdict.dead {
            let booking_revision = self.booking.as_ref().map(|b| b.revision).unwrap_or_default();
            facts.push(Event::DeadLettered { command: command.id, failure, booking_revision });
        }
        self.record(facts);
        self.settle(None, false)
    }

    /// The entry cannot be read: what the service records then.
    pub fn look_fails(&mut self) -> Result<(), String> {
        let Step::Look(_, reason) = self.pending.clone() else { return Err("nothing was to be read".into()) };
        let failed = self.link.as_ref().map_or(0, |link| link.looks_failed);
        let wait =
            TimeDelta::milliseconds(i64::try_from(retry::backoff_ms(failed.max(1), 400)).expect("hours at most"));
        self.record(vec![Event::LookRequested { reason, retry_at: Some(self.now + wait) }]);
        self.settle(None, false)
    }

    /// How the command ended is found out, from the entry or the source as it is now. What was read of the entry is decided on next.
    pub fn verified(&mut self, done: bool, etag: &str) -> Result<(), String> {
        let command = self.flying()?;
        let seen = self.shown(&command, done, etag);
        let outcome = match (&command.operation, done) {
            (Operation::Create { content } | Operation::Update { content, .. }, true) => Verification::Done {
                answer: Attempt::Entry { etag: Etag(etag.into()), updated: None, content: content.clone() },
            },
            (Operation::Delete { .. }, true) => {
                Verification::Done { answer: Attempt::Deleted { already_absent: false } }
            }
            (_, true) => Verification::Done { answer: Attempt::WrittenBack { source_revision: None } },
            (_, false) => Verification::NotDone {},
        };
        self.record(vec![Event::OutcomeVerified { command: command.id, outcome }]);
        let fresh = seen.is_some();
        self.settle(seen, fresh)
    }

    /// What the entry of a command shows that was or was not carried out; nothing for one at the source.
    fn shown(&self, command: &IssuedCommand, done: bool, etag: &str) -> Option<Observation> {
        let live = |etag: Etag, content: &Content| EntryState::Live {
            etag,
            updated: Some(self.now),
            marked: true,
            content: content.clone().owned_by(&person()),
        };
        let gone = EntryState::Gone { evidence: Evidence::NotFoundById, updated: None };
        let present = || self.link.as_ref()?.remote.clone().filter(|remote| remote.id == command.remote);
        let seen = match (&command.operation, done) {
            (Operation::Create { content } | Operation::Update { content, .. }, true) => {
                live(Etag(etag.into()), content)
            }
            (Operation::Create { .. }, false) | (Operation::Delete { .. }, true) => gone,
            (Operation::Update { .. } | Operation::Delete { .. }, false) => {
                let remote = present()?;
                live(remote.etag, &remote.content)
            }
            (Operation::WriteBackUpdate { .. } | Operation::WriteBackCancel { .. }, _) => return None,
        };
        Some(Observation { remote: command.remote.clone(), seen_at: self.now, seen })
    }

    pub fn person_answers(&mut self, accept: bool) -> Result<(), String> {
        self.record(vec![Event::RemoteChangeAnswered { accept, by: "token-1".into() }]);
        self.settle(None, false)
    }

    /// The person's key is destroyed: the ledger, folded anew, tells the same without their words.
    pub fn forget(&mut self) -> Result<(), String> {
        if let Some(booking) = &mut self.booking {
            gone(&mut booking.details.title);
        }
        if let Some(link) = &mut self.link {
            if let Some(remote) = &mut link.remote {
                wordless(&mut remote.content);
                wordless(&mut remote.ours);
            }
            if let Some(flight) = &mut link.in_flight {
                match &mut flight.command.operation {
                    Operation::Create { content } => wordless(content),
                    Operation::Update { from, content, ours, .. } => {
                        [from, content, ours].into_iter().for_each(wordless);
                    }
                    Operation::Delete { .. }
                    | Operation::WriteBackUpdate { .. }
                    | Operation::WriteBackCancel { .. } => {}
                }
            }
            if let Some(held) = &mut link.held
                && let EntryState::Live { content, .. } = &mut held.observation.seen
            {
                wordless(content);
            }
        }
        self.forgotten = true;
        self.settle(None, false)
    }

    pub fn reprocess(&mut self) -> Result<(), String> {
        self.record(vec![Event::Reprocessed { by: "token-1".into() }]);
        self.settle(None, false)
    }
}

fn gone(text: &mut Personal) {
    if text.subject == person() {
        text.text = None;
    }
}

fn wordless(content: &mut Content) {
    gone(&mut content.title);
    gone(&mut content.description);
}

/// A fact in one line, with what a reviewer wants to see of it.
pub fn told(fact: &Event) -> String {
    let name = fact.name();
    match fact {
        Event::Decided { action, reasons, .. } => format!("{name}: {action:?}, because {}", reasons.join(" and ")),
        Event::Withheld { reason, until, .. } => format!("{name}: {reason:?}{}", at(*until)),
        Event::CommandIssued { command } => {
            format!("{name}: {} {}", command.operation.name(), operation(&command.operation))
        }
        Event::AttemptSucceeded { operation, .. } => format!("{name}: {operation}"),
        Event::AttemptFailed { operation, failure, retry_at, counts, .. } => {
            let counted = if *counts { "counts" } else { "does not count" };
            format!("{name}: {operation}, {}, {counted}{}", failure.class.as_str(), at(*retry_at))
        }
        Event::OutcomeVerified { outcome, .. } => match outcome {
            Verification::Done { .. } => format!("{name}: it had been carried out"),
            Verification::NotDone {} => format!("{name}: it had not been carried out"),
        },
        Event::Adopted { etag, reason, .. } => format!("{name}: {etag}, {reason}"),
        Event::EchoRecognised { etag, by_content, .. } => {
            let by = if *by_content { "by content" } else { "by etag" };
            format!("{name}: {} {by}", etag.as_ref().map_or("the deletion", |e| e.as_str()))
        }
        Event::RemoteChangeAccepted { change, changes_booking, removal, .. } => {
            format!(
                "{name}: {}{}{}",
                changed(change),
                if *changes_booking { ", changes the booking" } else { "" },
                removal.map_or_else(String::new, |r| format!(" ({r:?})"))
            )
        }
        Event::RemoteChangeHeld { reason, until, .. } => format!("{name}: {reason:?}{}", at(*until)),
        Event::RemoteChangeReleased { reason } => format!("{name}: {reason}"),
        Event::RemoteChangeRejected { change, reason } => format!("{name}: {}, {reason}", changed(change)),
        Event::ConflictDetected { conflict } => format!(
            "{name}: booking {} / calendar {} ({})",
            conflict.booking_changed_at.format("%H:%M:%S"),
            conflict.remote_changed_at.format("%H:%M:%S"),
            changed(&conflict.theirs)
        ),
        Event::ConflictResolved { winner, rule, .. } => format!("{name}: {winner:?} wins, {rule}"),
        Event::Detached { reason, .. } => format!("{name}: {reason}"),
        Event::SupersededLeft { remote, .. } | Event::CloneSuspected { remote } => format!("{name}: {remote}"),
        Event::LookRequested { reason, .. } => format!("{name}: {reason:?}"),
        Event::WaitEnded { wait } => format!("{name}: {wait:?}"),
        Event::DeadLettered { failure, .. } => format!("{name}: {}", failure.class.as_str()),
        _ => name.to_owned(),
    }
}

fn at(until: Option<DateTime<Utc>>) -> String {
    until.map_or_else(String::new, |until| format!(", until {}", until.format("%m-%d %H:%M:%S%.3f")))
}

fn changed(change: &link::RemoteChange) -> String {
    match change {
        link::RemoteChange::Edited { content, .. } => content_line(content),
        link::RemoteChange::Removed { evidence, .. } => format!("removed ({evidence:?})"),
    }
}

fn operation(operation: &Operation) -> String {
    match operation {
        Operation::Create { content } => content_line(content),
        Operation::Update { expect, content, .. } => format!("if {expect}: {}", content_line(content)),
        Operation::Delete { expect } => format!("if {expect}"),
        Operation::WriteBackUpdate { slot, .. } => slot.to_string(),
        Operation::WriteBackCancel { .. } => String::new(),
    }
}

pub fn content_line(content: &Content) -> String {
    let mark = if content.marked_cancelled { " [cancelled]" } else { "" };
    format!("{:?} {}{mark}", content.title.display_text(), content.slot)
}

pub fn observation(remote: &str, seen_at: DateTime<Utc>, seen: EntryState) -> Observation {
    Observation { remote: RemoteId(remote.into()), seen_at, seen }
}
