//! At least one instance of every event there is, and of every value its parts can have. They are frozen as fixtures.
//!
//! A new event, or a new field, gets an instance here; `SYNCLEDGER_BLESS=1 ./test guards` then freezes it.

use chrono::{DateTime, NaiveDate, Utc};
use syncledger::domain::{
    booking::{self, CancelReason, Cause, Customer, Details, RequestMark},
    calendar::{self, PullMode, PullTally, Window},
    connection,
    entry::{Content, EntryState, Evidence, Observation},
    event::Event,
    failure::{CallFailure, FailureClass},
    ids::{
        BookingId, CalendarKey, ChannelId, ConnectionId, CursorToken, Etag, LinkId, Position, ProfileId,
        RemoteCalendarId, RemoteId, ResourceId, Revision, SourceName, SubjectId,
    },
    operations,
    personal::Personal,
    profile::{self, Conflicts, OnCancel, OnRemoval, Policy},
    program_version::ProgramVersion,
    slot::Slot,
    source,
};

/// Every instance.
pub fn all() -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    events.extend(bookings().into_iter().map(Event::from));
    events.extend(connections().into_iter().map(Event::from));
    events.extend(calendars().into_iter().map(Event::from));
    events.extend(super::instances_link::links().into_iter().map(Event::from));
    events.extend(sources().into_iter().map(Event::from));
    events.extend(profiles().into_iter().map(Event::from));
    events.extend(operations().into_iter().map(Event::from));
    events
}

/// An instant of the day that all instances are about.
pub fn at(time: &str) -> DateTime<Utc> {
    format!("2026-03-07T{time}:00Z").parse().expect("it is a time of day")
}

pub fn booking_id() -> BookingId {
    BookingId::new("uschedule.1001").expect("it is an id")
}

pub fn resource(name: &str) -> ResourceId {
    ResourceId::new(name).expect("it is an id")
}

pub fn calendar() -> CalendarKey {
    CalendarKey { connection: connection(), calendar: RemoteCalendarId::new("bay1@group.calendar.example.com") }
}

pub fn connection() -> ConnectionId {
    ConnectionId::new("loft-bot").expect("it is an id")
}

pub fn link_id() -> LinkId {
    LinkId::of(&booking_id(), &calendar())
}

pub fn profile_id() -> ProfileId {
    ProfileId::new("resource-mirror").expect("it is an id")
}

pub fn etag(text: &str) -> Etag {
    Etag(format!("\"{text}\""))
}

pub fn remote() -> RemoteId {
    RemoteId("sl0a1b2c3d4e5f".into())
}

pub fn slot(from: &str, until: &str) -> Slot {
    Slot::timed(at(from), at(until), "America/Chicago").expect("it is a slot")
}

pub fn text(said: &str) -> Personal {
    Personal::new(subject(), said)
}

fn subject() -> SubjectId {
    SubjectId::new("uschedule.customer.77").expect("it is an id")
}

pub fn content(title: &str) -> Content {
    Content {
        slot: slot("16:00", "17:00"),
        title: text(title),
        description: text("Two players"),
        marked_cancelled: false,
    }
}

pub fn live() -> Observation {
    let content = content("Lesson with Ada");
    let seen = EntryState::Live { etag: etag("2"), updated: Some(at("15:01")), marked: true, content };
    Observation { remote: remote(), seen_at: at("15:02"), seen }
}

pub fn unreadable() -> Observation {
    let seen = EntryState::Unreadable { etag: etag("3"), reason: "it is a recurring series".into() };
    Observation { remote: remote(), seen_at: at("15:02"), seen }
}

pub fn gone(evidence: Evidence) -> Observation {
    let updated = (evidence == Evidence::Tombstone).then(|| at("15:00"));
    Observation { remote: remote(), seen_at: at("15:02"), seen: EntryState::Gone { evidence, updated } }
}

pub fn failure() -> CallFailure {
    let mut failure = CallFailure::new(FailureClass::RateLimited, "429 rateLimitExceeded: too many calls");
    failure.status = Some(429);
    failure.reason = Some("rateLimitExceeded".into());
    failure.retry_after_ms = Some(30_000);
    failure
}

fn cause() -> Cause {
    Cause {
        source_revision: Some(3),
        request: Some(RequestMark { key: "c0ffee".into(), digest: "decade".into() }),
        link: Some(link_id()),
        etag: Some(etag("2")),
    }
}

fn bookings() -> Vec<booking::Event> {
    use booking::Event as E;
    let customer =
        Customer { name: text("Ada L."), email: Some(text("ada@example.org")), phone: Some(text("+1 555 01")) };
    let details = Details { title: text("Lesson"), notes: Some(text("Left-handed")), customer: Some(customer) };
    let forgotten = Details { title: Personal { subject: subject(), text: None }, notes: None, customer: None };
    let days = NaiveDate::from_ymd_opt(2026, 3, 7).zip(NaiveDate::from_ymd_opt(2026, 3, 9));
    let (from, until) = days.expect("they are days");
    let whole_days = Slot::all_day(from, until).expect("it is a slot");
    let registered = |slot: Slot, details: &Details, cause: Cause| E::Registered {
        source: SourceName::new("uschedule").expect("it is an id"),
        source_ref: "1001".into(),
        resource: resource("bay-1"),
        slot,
        details: details.clone(),
        cause,
    };
    let cancelled = |reason| E::Cancelled { reason, cause: Cause::default() };
    vec![
        registered(slot("16:00", "17:00"), &details, cause()),
        registered(whole_days, &forgotten, Cause::default()),
        E::Confirmed { cause: cause() },
        E::Rescheduled { slot: slot("18:00", "19:00"), previous: slot("16:00", "17:00"), cause: cause() },
        E::DetailsChanged { details, cause: cause() },
        E::Reassigned { resource: resource("bay-2"), previous: resource("bay-1"), cause: cause() },
        cancelled(CancelReason::AtSource),
        cancelled(CancelReason::Requested),
        cancelled(CancelReason::RemovedFromCalendar),
        E::Restored { cause: cause() },
        E::ExternalRemovalMarked { link: link_id(), cause: Cause::default() },
    ]
}

fn connections() -> Vec<connection::Event> {
    use connection::Event as E;
    let connection = connection();
    let calendar = calendar().calendar;
    vec![
        E::Authorised {
            connection: connection.clone(),
            provider: "google".into(),
            account: "sync-bot@project.example.com".into(),
            scopes: vec!["calendar.events".into()],
        },
        E::RefreshFailed { connection: connection.clone(), failure: failure(), retry_at: at("15:05") },
        E::Revoked {
            connection: connection.clone(),
            failure: CallFailure::new(FailureClass::AuthRevoked, "400 invalid_grant"),
        },
        E::Reauthorised { connection: connection.clone() },
        E::CalendarSelected { connection: connection.clone(), calendar: calendar.clone() },
        E::CalendarDeselected { connection, calendar },
    ]
}

fn calendars() -> Vec<calendar::Event> {
    let mut events = channels();
    events.extend(pulls());
    events
}

fn channels() -> Vec<calendar::Event> {
    use calendar::Event as E;
    let calendar = calendar();
    let channel = |name: &str| ChannelId::new(name).expect("it is an id");
    vec![
        E::ChannelRequested { calendar: calendar.clone(), channel: channel("ch-1"), token_hash: "ab12".into() },
        E::ChannelOpened {
            calendar: calendar.clone(),
            channel: channel("ch-1"),
            token_hash: "ab12".into(),
            resource: "o3hgv1538sdjfh".into(),
            expires_at: at("23:00"),
            renew_at: at("21:00"),
        },
        E::ChannelRenewed { calendar: calendar.clone(), channel: channel("ch-1"), by: channel("ch-2") },
        E::ChannelClosed { calendar: calendar.clone(), channel: channel("ch-1"), reason: "it was replaced".into() },
        E::ChannelLost {
            calendar: calendar.clone(),
            channel: channel("ch-2"),
            reason: "it ran out".into(),
            retry_at: at("15:05"),
        },
        E::PushUnsupported { calendar: calendar.clone() },
        E::NotificationReceived {
            calendar: calendar.clone(),
            channel: channel("ch-1"),
            number: 7,
            state: "exists".into(),
        },
        E::NotificationRejected { calendar, channel: channel("ch-9"), reason: "the token is another".into() },
    ]
}

fn pulls() -> Vec<calendar::Event> {
    use calendar::Event as E;
    let calendar = calendar();
    let started =
        |mode| E::PullStarted { calendar: self::calendar(), mode, worker: "worker-1".into(), lease_until: at("15:01") };
    vec![
        started(PullMode::Full),
        started(PullMode::Delta),
        E::RemoteEntryObserved { calendar: calendar.clone(), link: link_id(), observation: live() },
        E::RemoteEntryObserved { calendar: calendar.clone(), link: link_id(), observation: unreadable() },
        E::RemoteEntryRemoved {
            calendar: calendar.clone(),
            link: link_id(),
            observation: gone(Evidence::AbsentInCoverage),
            approval: Some("removals-1".into()),
        },
        E::CoverageProven { calendar: calendar.clone(), window: Window { from: at("00:00"), until: at("23:59") } },
        E::CursorAdvanced {
            calendar: calendar.clone(),
            cursor: CursorToken("CPDAlvWDx70CEPDAlvWDx70C".into()),
            fingerprint: "9f86d081".into(),
            tally: PullTally { pages: 2, entries: 300, managed: 12, removals: 1 },
        },
        E::CursorInvalidated { calendar: calendar.clone(), reason: "410 fullSyncRequired".into() },
        E::PullFailed { calendar: calendar.clone(), failure: failure(), retry_at: at("15:05") },
        E::Unavailable {
            calendar: calendar.clone(),
            failure: CallFailure::new(FailureClass::CalendarUnavailable, "404 notFound"),
            retry_at: at("16:05"),
        },
        E::CapabilityChanged { calendar, writable: false, reason: "the access role is reader".into() },
    ]
}

fn sources() -> Vec<source::Event> {
    use source::Event as E;
    let (source, delivery) = (SourceName::new("uschedule").expect("it is an id"), "evt-501".to_owned());
    vec![
        E::DeliveryReceived {
            source: source.clone(),
            delivery: delivery.clone(),
            body: text("{\"id\":\"1001\",\"title\":\"Lesson\"}"),
        },
        E::DeliveryApplied {
            source: source.clone(),
            delivery: delivery.clone(),
            booking: booking_id(),
            changed: true,
            revision: None,
            created: false,
        },
        E::DeliveryApplied {
            source: SourceName::new("nats").expect("it is a name"),
            delivery: "order-501".into(),
            booking: booking_id(),
            changed: true,
            revision: Some(Revision(1)),
            created: true,
        },
        E::DeliveryRefused {
            source: SourceName::new("nats").expect("it is a name"),
            delivery: "order-502".into(),
            reason: "this booking is cancelled: restore it before changing it".into(),
            problem: Some("conflict".into()),
            sender_informed: true,
        },
        E::DeliveryRefused {
            source: source.clone(),
            delivery: delivery.clone(),
            reason: "the booking ends before it starts".into(),
            problem: None,
            sender_informed: false,
        },
        E::DeliveryReprocessed { source: source.clone(), delivery, by: "operator-1".into() },
        E::PollClaimed { source: source.clone(), worker: "worker-1".into(), lease_until: at("15:06") },
        E::PollCompleted { source: source.clone(), cursor: "2026-03-07T15:00:00Z".into(), news: 2 },
        E::PollFailed { source, failure: failure(), retry_at: at("15:05") },
    ]
}

fn profiles() -> Vec<profile::Event> {
    let policy = Policy::resource_mirror;
    let policies = [
        policy(),
        Policy {
            cancel: OnCancel::Mark,
            conflicts: Conflicts::BookingWins,
            remote_removal: OnRemoval::Mark,
            ..policy()
        },
        Policy { cancel: OnCancel::Leave, remote_removal: OnRemoval::Ask, ..policy() },
        Policy { remote_removal: OnRemoval::Ignore, ..policy() },
    ];
    let published = |(version, policy)| profile::Event::Published { profile: profile_id(), version, policy };
    let required = profile::Event::ProgramRequired { profile: profile_id(), least: ProgramVersion::new(0, 2, 0) };
    (1..).zip(policies).map(published).chain([required]).collect()
}

fn operations() -> Vec<operations::Event> {
    use operations::Event as E;
    let approval = "removals-1".to_owned();
    vec![
        E::ApprovalRequested {
            approval: approval.clone(),
            calendar: calendar(),
            removals: 12,
            live: 20,
            links: vec![link_id()],
        },
        E::ApprovalGranted { approval: approval.clone(), by: "operator-1".into() },
        E::ApprovalDenied { approval, by: "operator-1".into() },
        E::ProjectionRebuilt { projection: "links".into(), version: 2, position: Position(1_041), differing: 3 },
        E::MasterKeyRotated { from: "00112233445566aa".into(), to: "8899aabbccddeeff".into() },
        E::CheckpointSealed {
            size: 3,
            root: "quNj5TKnL6TuXQ7JwV0dY7iBwXe0eZo5bB8mG3gqVnM=".into(),
            note: "syncledger/loft\n3\nquNj5TKnL6TuXQ7JwV0dY7iBwXe0eZo5bB8mG3gqVnM=\n\n\u{2014} syncledger/loft rwz+eBzmZa0=\n".into(),
            frontier: vec![
                "dfSGYT0LTDWoDBTmrjcDnlcN3bMhMwtzT/1HDhrMGq4=".into(),
                "rAVuUFdM2V1RqqZ1Pi5K7nQWJ1vbWfYbrDNvDBWT0w4=".into(),
            ],
        },
        E::SubjectErasureRequested { subject: subject(), by: "operator-1".into() },
        E::SubjectErased { subject: subject(), by: "operator-1".into(), erased_at: at("14:05") },
        E::ProgramRequired { least: ProgramVersion::new(0, 2, 0), by: "syncledger 0.2.0".into() },
    ]
}
