//! Arbitrary facts from a list of numbers: small pools of names, so that they meet.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use syncledger::{
    domain::{
        booking::{self, CancelReason, Cause, Customer, Details},
        calendar::{self, PullMode, PullTally, Window},
        connection,
        entry::{Content, EntryState, Evidence, Observation},
        event::Event,
        failure::{CallFailure, FailureClass},
        ids::*,
        link::{self, *},
        operations,
        personal::Personal,
        slot::Slot,
        source,
    },
    record::stream::StreamName,
};

/// Answers "one of so many?" from a fixed list, and 0 after its end.
pub struct Choices<'a> {
    numbers: std::slice::Iter<'a, u16>,
    called: String,
}

pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("in range")
}

const CLASSES: [FailureClass; 7] = [
    FailureClass::Transient,
    FailureClass::OutcomeUnknown,
    FailureClass::RateLimited,
    FailureClass::Stale,
    FailureClass::Gone,
    FailureClass::IdentityTaken,
    FailureClass::AuthRevoked,
];

impl<'a> Choices<'a> {
    pub fn new(numbers: &'a [u16]) -> Self {
        Self::called(numbers, String::new())
    }

    /// Bookings, connections, deliveries and approvals have this in their names: those of another story are others.
    pub fn called(numbers: &'a [u16], called: String) -> Self {
        Self { numbers: numbers.iter(), called }
    }
}

impl Choices<'_> {
    pub fn one_of(&mut self, many: usize) -> usize {
        usize::from(self.numbers.next().copied().unwrap_or(0)) % many
    }

    fn yes(&mut self) -> bool {
        self.one_of(2) == 1
    }

    fn time(&mut self) -> DateTime<Utc> {
        noon() + TimeDelta::minutes(self.one_of(200) as i64)
    }

    fn maybe_time(&mut self) -> Option<DateTime<Utc>> {
        self.yes().then(|| self.time())
    }

    fn booking(&mut self) -> BookingId {
        BookingId::new(format!("uschedule.{}{}", self.called.clone(), 100 + self.one_of(4))).expect("usable")
    }

    fn resource(&mut self) -> ResourceId {
        ResourceId::new(["bay-1", "bay-2"][self.one_of(2)]).expect("usable")
    }

    fn connection(&mut self) -> ConnectionId {
        ConnectionId::new(format!("{}{}", self.called.clone(), ["bot", "bot-2"][self.one_of(2)])).expect("usable")
    }

    fn calendar(&mut self) -> CalendarKey {
        let calendar = RemoteCalendarId::new(["bay1@group.example", "bay2@group.example"][self.one_of(2)]);
        CalendarKey { connection: self.connection(), calendar }
    }

    fn link(&mut self) -> LinkRef {
        let (booking, calendar) = (self.booking(), self.calendar());
        LinkRef {
            link: LinkId::of(&booking, &calendar),
            appointment: booking.as_str().replace("uschedule.", ""),
            booking,
            calendar,
            resource: self.resource(),
            profile: ProfileId::new("resource-mirror").expect("usable"),
        }
    }

    fn remote(&mut self) -> RemoteId {
        RemoteId(format!("entry-{}", self.one_of(3)))
    }

    fn etag(&mut self) -> Etag {
        Etag(format!("\"{}\"", self.one_of(5)))
    }

    fn slot(&mut self) -> Slot {
        let start = self.time();
        if self.one_of(4) == 0 {
            let from = NaiveDate::from_ymd_opt(2026, 6, 1 + self.one_of(20) as u32).expect("a day");
            return Slot::all_day(from, from.succ_opt().expect("a day")).expect("a slot");
        }
        let minutes = 30 + self.one_of(90) as i64;
        Slot::timed(start, start + TimeDelta::minutes(minutes), "America/Chicago").expect("a slot")
    }

    fn personal(&mut self) -> Personal {
        let subject = SubjectId::new(format!("person-{}", self.one_of(3))).expect("usable");
        Personal::new(subject, ["Range \"hour\"", "Lesson\nwith café", "Simulator"][self.one_of(3)])
    }

    fn content(&mut self) -> Content {
        let (slot, title, description) = (self.slot(), self.personal(), self.personal());
        Content { slot, title, description, marked_cancelled: self.one_of(4) == 0 }
    }

    fn failure(&mut self) -> CallFailure {
        CallFailure::new(CLASSES[self.one_of(CLASSES.len())], "the calendar said no")
    }

    fn command(&mut self) -> CommandId {
        CommandId(format!("l:{}", self.one_of(3)))
    }

    fn operation(&mut self) -> Operation {
        match self.one_of(5) {
            0 => Operation::Create { content: self.content() },
            1 => Operation::Update {
                expect: self.etag(),
                from: self.content(),
                content: self.content(),
                ours: self.content(),
            },
            2 => Operation::Delete { expect: self.etag() },
            3 => Operation::WriteBackUpdate { slot: self.slot(), expect_revision: None },
            _ => Operation::WriteBackCancel { expect_revision: Some(3) },
        }
    }

    fn answer(&mut self) -> Attempt {
        match self.one_of(3) {
            0 => Attempt::Entry { etag: self.etag(), updated: None, content: self.content() },
            1 => Attempt::Deleted { already_absent: self.yes() },
            _ => Attempt::WrittenBack { source_revision: Some(4) },
        }
    }

    fn change(&mut self) -> RemoteChange {
        match self.yes() {
            true => RemoteChange::Edited { etag: self.etag(), updated: None, content: self.content() },
            false => RemoteChange::Removed { evidence: Evidence::Tombstone, updated: None },
        }
    }

    fn observation(&mut self) -> Observation {
        let (remote, seen_at) = (self.remote(), self.time());
        let seen = match self.one_of(3) {
            0 => EntryState::Live { etag: self.etag(), updated: None, marked: self.yes(), content: self.content() },
            1 => EntryState::Unreadable { etag: self.etag(), reason: "a series".to_owned() },
            _ => EntryState::Gone { evidence: Evidence::NotFoundById, updated: None },
        };
        Observation { remote, seen_at, seen }
    }

    fn hold(&mut self) -> HoldReason {
        match self.one_of(5) {
            0 => HoldReason::Busy,
            1 => HoldReason::Grace,
            2 => HoldReason::Overlap { with: vec![self.booking()] },
            3 => HoldReason::MassRemoval { approval: "a-1".to_owned() },
            _ => HoldReason::OperatorDecision,
        }
    }

    /// The command in flight, if the caller knows one, most of the time.
    pub fn link_event(&mut self, of: &LinkRef, flying: Option<&IssuedCommand>) -> link::Event {
        let command = |choices: &mut Self| match flying {
            Some(flying) if choices.one_of(6) > 0 => (flying.id.clone(), flying.operation.name().to_owned()),
            _ => (choices.command(), "update".to_owned()),
        };
        match self.one_of(23) {
            0 => link::Event::SyncRequested { of: of.clone(), reason: "asked".to_owned() },
            1 => link::Event::Decided {
                action: Action::Update,
                reasons: vec!["it moved".to_owned(), "it is ours".to_owned()],
                booking_revision: Revision(2),
                etag: None,
                profile: of.profile.clone(),
                profile_version: 1,
            },
            2 => link::Event::Withheld {
                reason: WithholdReason::TooFarAhead,
                booking_revision: Revision(1),
                until: self.maybe_time(),
            },
            3..=5 => link::Event::CommandIssued {
                command: IssuedCommand {
                    id: self.command(),
                    operation: self.operation(),
                    remote: self.remote(),
                    generation: Generation(self.one_of(4) as u64),
                    key: IdempotencyKey("k".to_owned()),
                    booking_revision: Revision(2),
                    lease_until: self.time(),
                    worker: "w".to_owned(),
                },
            },
            6 | 7 => {
                let (command, operation) = command(self);
                link::Event::AttemptSucceeded { command, operation, answer: self.answer() }
            }
            8 | 9 => {
                let (command, operation) = command(self);
                let (failure, retry_at) = (self.failure(), self.maybe_time());
                link::Event::AttemptFailed { command, operation, failure, retry_at, counts: true }
            }
            10 => {
                let outcome = match self.yes() {
                    true => Verification::Done { answer: self.answer() },
                    false => Verification::NotDone {},
                };
                link::Event::OutcomeVerified { command: command(self).0, outcome }
            }
            11 => link::Event::Adopted {
                remote: self.remote(),
                generation: Generation(self.one_of(4) as u64),
                etag: self.etag(),
                content: self.content(),
                reason: "it says what we want".to_owned(),
            },
            12 => link::Event::EchoRecognised {
                remote: self.remote(),
                etag: self.yes().then(|| self.etag()),
                by_content: false,
            },
            13 => link::Event::RemoteChangeAccepted {
                change: self.change(),
                changes_booking: self.yes(),
                removal: None,
                booking_revision: Revision(2),
                booking_slot: self.slot(),
            },
            14 => link::Event::RemoteChangeHeld {
                observation: self.observation(),
                reason: self.hold(),
                booking_revision: Revision(2),
                until: self.maybe_time(),
            },
            15 => match self.one_of(3) {
                0 => link::Event::RemoteChangeReleased { reason: "decided".to_owned() },
                1 => link::Event::RemoteChangeApplied { booking_revision: Revision(3) },
                _ => link::Event::Established { remote: self.remote(), generation: Generation(1) },
            },
            16 => link::Event::RemoteChangeRejected { change: self.change(), reason: "no".to_owned() },
            17 => link::Event::ConflictDetected {
                conflict: Conflict {
                    booking_changed_at: self.time(),
                    remote_changed_at: self.time(),
                    ours: None,
                    theirs: self.change(),
                },
            },
            18 => link::Event::ConflictResolved {
                winner: if self.yes() { Side::Booking } else { Side::Calendar },
                rule: "newest".to_owned(),
                overrides: None,
            },
            19 => match self.yes() {
                true => link::Event::DeadLettered {
                    command: self.command(),
                    failure: self.failure(),
                    booking_revision: Revision(2),
                },
                false => link::Event::Reprocessed { by: "ann".to_owned() },
            },
            20 => match self.one_of(3) {
                0 => link::Event::Detached { remote: self.remote(), reason: "no marker".to_owned() },
                1 => {
                    link::Event::SupersededLeft { remote: self.remote(), generation: Generation(1), etag: self.etag() }
                }
                _ => link::Event::CloneSuspected { remote: self.remote() },
            },
            21 => link::Event::LookRequested { reason: LookReason::OperatorRequest, retry_at: self.maybe_time() },
            _ => link::Event::WaitEnded {
                wait: [Wait::Withheld, Wait::Retry, Wait::Look, Wait::Superseded][self.one_of(4)],
            },
        }
    }

    fn details(&mut self) -> Details {
        let (title, name) = (self.personal(), self.personal());
        let customer = self.yes().then_some(Customer { name, email: None, phone: None });
        Details { title, notes: None, customer }
    }

    pub fn booking_event(&mut self) -> booking::Event {
        let cause = Cause { source_revision: self.yes().then(|| self.one_of(9) as u64), ..Cause::default() };
        match self.one_of(8) {
            0 => booking::Event::Registered {
                source: SourceName::new("uschedule").expect("usable"),
                source_ref: "100".to_owned(),
                resource: self.resource(),
                slot: self.slot(),
                details: self.details(),
                cause,
            },
            1 => booking::Event::Confirmed { cause },
            2 => booking::Event::Rescheduled { slot: self.slot(), previous: self.slot(), cause },
            3 => booking::Event::DetailsChanged { details: self.details(), cause },
            4 => booking::Event::Reassigned { resource: self.resource(), previous: self.resource(), cause },
            5 => booking::Event::Cancelled { reason: CancelReason::AtSource, cause },
            6 => booking::Event::Restored { cause },
            _ => booking::Event::ExternalRemovalMarked { link: self.link().link, cause },
        }
    }

    fn calendar_event(&mut self) -> calendar::Event {
        let calendar = self.calendar();
        let channel = ChannelId::new(format!("channel-{}", self.one_of(3))).expect("usable");
        let reason = "because".to_owned();
        match self.one_of(16) {
            0 => calendar::Event::ChannelRequested { calendar, channel, token_hash: "aa".to_owned() },
            1 => calendar::Event::ChannelOpened {
                calendar,
                channel,
                token_hash: "aa".to_owned(),
                resource: "res".to_owned(),
                expires_at: self.time(),
                renew_at: self.time(),
            },
            2 => calendar::Event::ChannelRenewed { calendar, by: channel.clone(), channel },
            3 => calendar::Event::ChannelClosed { calendar, channel, reason },
            4 => calendar::Event::ChannelLost { calendar, channel, reason, retry_at: self.time() },
            5 => calendar::Event::PushUnsupported { calendar },
            6 => {
                let state = "exists".to_owned();
                calendar::Event::NotificationReceived { calendar, channel, number: self.one_of(99) as u64, state }
            }
            7 => calendar::Event::NotificationRejected { calendar, channel, reason },
            8 => calendar::Event::PullStarted {
                calendar,
                mode: if self.yes() { PullMode::Full } else { PullMode::Delta },
                worker: "w".to_owned(),
                lease_until: self.time(),
            },
            9 => calendar::Event::RemoteEntryObserved {
                calendar,
                link: self.link().link,
                observation: self.observation(),
            },
            10 => calendar::Event::RemoteEntryRemoved {
                calendar,
                link: self.link().link,
                observation: self.observation(),
                approval: None,
            },
            11 => calendar::Event::CoverageProven { calendar, window: Window { from: noon(), until: self.time() } },
            12 => calendar::Event::CursorAdvanced {
                calendar,
                cursor: CursorToken(format!("token-{}", self.one_of(9))),
                fingerprint: "f".to_owned(),
                tally: PullTally { pages: 1, entries: self.one_of(9) as u32, managed: 1, removals: 0 },
            },
            13 => calendar::Event::CursorInvalidated { calendar, reason },
            14 => calendar::Event::PullFailed { calendar, failure: self.failure(), retry_at: self.time() },
            _ => match self.yes() {
                true => calendar::Event::Unavailable { calendar, failure: self.failure(), retry_at: self.time() },
                false => calendar::Event::CapabilityChanged { calendar, writable: self.yes(), reason },
            },
        }
    }

    fn connection_event(&mut self) -> connection::Event {
        let connection = self.connection();
        match self.one_of(6) {
            0 => connection::Event::Authorised {
                connection,
                provider: "google".to_owned(),
                account: "bot@example.com".to_owned(),
                scopes: vec!["calendar.events".to_owned(), "calendar.readonly".to_owned()],
            },
            1 => connection::Event::RefreshFailed { connection, failure: self.failure(), retry_at: self.time() },
            2 => connection::Event::Revoked { connection, failure: self.failure() },
            3 => connection::Event::Reauthorised { connection },
            4 => connection::Event::CalendarSelected { connection, calendar: self.calendar().calendar },
            _ => connection::Event::CalendarDeselected { connection, calendar: self.calendar().calendar },
        }
    }

    fn source_event(&mut self) -> (StreamName, source::Event) {
        let source = SourceName::new("uschedule").expect("usable");
        let delivery = format!("{}d-{}", self.called.clone(), self.one_of(3));
        let stream = StreamName::delivery(&source, &delivery);
        let event = match self.one_of(7) {
            0 => source::Event::DeliveryReceived { source, delivery, body: self.personal() },
            1 => source::Event::DeliveryApplied {
                source,
                delivery,
                booking: self.booking(),
                changed: self.yes(),
                revision: None,
                created: self.yes(),
            },
            2 => source::Event::DeliveryRefused {
                source,
                delivery,
                reason: "no such bay".to_owned(),
                problem: None,
                sender_informed: self.yes(),
            },
            3 => source::Event::DeliveryReprocessed { source, delivery, by: "ann".to_owned() },
            4 => {
                let (stream, cursor) = (StreamName::source(&source), format!("c-{}", self.one_of(9)));
                return (stream, source::Event::PollCompleted { source, cursor, news: 1 });
            }
            5 => {
                let (stream, worker) = (StreamName::source(&source), format!("worker-{}", self.one_of(2)));
                return (stream, source::Event::PollClaimed { source, worker, lease_until: self.time() });
            }
            _ => {
                let (stream, failure) = (StreamName::source(&source), self.failure());
                return (stream, source::Event::PollFailed { source, failure, retry_at: self.time() });
            }
        };
        (stream, event)
    }

    fn operations_event(&mut self) -> operations::Event {
        let approval = format!("{}a-{}", self.called.clone(), self.one_of(2));
        match self.one_of(4) {
            0 | 1 => operations::Event::ApprovalRequested {
                approval,
                calendar: self.calendar(),
                removals: 11,
                live: 20,
                links: vec![self.link().link],
            },
            2 => operations::Event::ApprovalGranted { approval, by: "ann".to_owned() },
            _ => operations::Event::ApprovalDenied { approval, by: "bob".to_owned() },
        }
    }

    /// Any fact at all, in the stream it belongs to.
    pub fn fact(&mut self) -> (StreamName, Event) {
        match self.one_of(10) {
            0..=3 => {
                let of = self.link();
                (StreamName::link(&of.link), self.link_event(&of, None).into())
            }
            4 | 5 => (StreamName::booking(&self.booking()), self.booking_event().into()),
            6 | 7 => {
                let event = self.calendar_event();
                let of = self.calendar();
                (StreamName::calendar(&of), event.into())
            }
            8 => match self.yes() {
                true => (StreamName::connection(&self.connection()), self.connection_event().into()),
                false => (StreamName::operations("loft"), self.operations_event().into()),
            },
            _ => {
                let (stream, event) = self.source_event();
                (stream, event.into())
            }
        }
    }
}
