//! The lives of bookings on one calendar: what a ledger holds after a while.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use syncledger::{
    adapters::{memory::MemoryVault, system::SystemClock},
    domain::{
        booking::{self, Cause, Details},
        entry::Content,
        event::Event,
        ids::{
            BookingId, CalendarKey, ConnectionId, CorrelationId, Etag, Generation, IdempotencyKey, LinkId, ProfileId,
            RemoteCalendarId, RemoteId, ResourceId, Revision, SourceName, SubjectId,
        },
        link::{self, Action, Attempt, CommandId, IssuedCommand, LinkRef, Operation},
        personal::Personal,
        slot::Slot,
    },
    ports::{
        clock::Clock as _,
        event_store::{EventStore, ExpectedVersion},
        vault::Vault as _,
    },
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin},
        sealing::{self, KeyRef},
        stream::StreamName,
    },
};

/// Registered, confirmed, requested, decided, issued, succeeded, established, rescheduled, decided, issued, succeeded, echo.
pub const LIFE: u64 = 12;

/// Appends the lives of so many bookings, personal texts sealed. Lives overlap, as they do: `at_once` are under way at a time.
pub async fn fill(
    ledger: &dyn EventStore,
    clock: &Arc<SystemClock>,
    bookings: u64,
    at_once: usize,
) -> anyhow::Result<()> {
    let vault = MemoryVault::new(Arc::<SystemClock>::clone(clock));
    let now = clock.now();
    for first in (0..bookings).step_by(at_once) {
        let last = bookings.min(first + at_once as u64);
        let lives: Vec<_> = (first..last).map(|number| life(number, now)).collect();
        for step in 0..LIFE as usize {
            // Together, so that they share a commit.
            let appends = lives.iter().map(|life| async {
                let (stream, event) = &life[step];
                let sealed = seal(event, clock, &vault).await?;
                ledger.append(stream, ExpectedVersion::Any, vec![sealed]).await?;
                anyhow::Ok(())
            });
            futures::future::try_join_all(appends).await?;
        }
    }
    Ok(())
}

async fn seal(event: &Event, clock: &SystemClock, vault: &MemoryVault) -> anyhow::Result<NewEvent> {
    let mut data = codec::to_data(event);
    let id = clock.event_id();
    let mut keys = std::collections::HashMap::new();
    for subject in sealing::plain_subjects(&data) {
        keys.insert(subject.to_string(), vault.key_or_new(&subject).await?);
    }
    let key_of = |subject: &str| keys.get(subject).map(|key| KeyRef { id: &key.id, bytes: &key.bytes });
    let mut nonce = || {
        let mut bytes = [0; 24];
        clock.fill(&mut bytes);
        bytes
    };
    sealing::seal(&mut data, id, &key_of, &mut nonce)?;
    Ok(NewEvent {
        id,
        kind: event.kind(),
        schema: 1,
        recorded_at: clock.now(),
        effective_at: clock.now(),
        actor: Actor::new("reconciler", "worker-1"),
        origin: Origin::Reconciler,
        correlation: CorrelationId("delivery.uschedule.0123456789abcdef".to_owned()),
        causation: Some(clock.event_id()),
        data: data.to_string(),
    })
}

/// Everything that happens to one booking and its link.
fn life(number: u64, now: DateTime<Utc>) -> Vec<(StreamName, Event)> {
    let usable = "made of letters and digits";
    let source = SourceName::new("uschedule").expect(usable);
    let booking = BookingId::of_source(&source, &format!("{number:06}"));
    let connection = ConnectionId::new("loft-bot").expect(usable);
    let calendar = CalendarKey { connection, calendar: RemoteCalendarId::new("bay1@group.calendar.google.com") };
    let link = LinkId::of(&booking, &calendar);
    let resource = ResourceId::new("bay-1").expect(usable);
    let profile = ProfileId::new("resource-mirror").expect(usable);
    let subject = SubjectId::new(format!("uschedule.customer.{number}")).expect(usable);
    let text = |text: &str| Personal::new(subject.clone(), text);
    let slot = |hours: i64| {
        let start = now + TimeDelta::hours(hours);
        Slot::timed(start, start + TimeDelta::hours(1), "America/Chicago").expect("an hour")
    };
    let content = |hours| Content {
        slot: slot(hours),
        title: text("Lesson with Ann Example"),
        description: text("left-handed, brings own clubs"),
        marked_cancelled: false,
    };
    let (etag, remote) = (|n: u32| Etag(format!("\"345{number:06}{n}\"")), RemoteId(format!("sl{number:024}")));
    let command = |n: u32, operation: Operation| IssuedCommand {
        id: CommandId(format!("{link}:{n}")),
        operation,
        remote: remote.clone(),
        generation: Generation(1),
        key: IdempotencyKey(format!("{link}:1:{n}")),
        booking_revision: Revision(u64::from(n)),
        lease_until: now + TimeDelta::minutes(2),
        worker: "worker-1".to_owned(),
    };
    let decided = |action, n: u32| link::Event::Decided {
        action,
        reasons: vec!["the booking says something else than the entry".to_owned()],
        booking_revision: Revision(u64::from(n)),
        etag: None,
        profile: profile.clone(),
        profile_version: 1,
    };
    let succeeded = |n: u32, operation: &str, hours| link::Event::AttemptSucceeded {
        command: CommandId(format!("{link}:{n}")),
        operation: operation.to_owned(),
        answer: Attempt::Entry { etag: etag(n), updated: Some(now), content: content(hours) },
    };
    let of = LinkRef {
        link: link.clone(),
        booking: booking.clone(),
        appointment: format!("{number:06}"),
        calendar,
        resource: resource.clone(),
        profile: profile.clone(),
    };
    let registered = booking::Event::Registered {
        source,
        source_ref: format!("{number:06}"),
        resource,
        slot: slot(24),
        details: Details { title: text("Lesson"), notes: Some(text("left-handed")), customer: None },
        cause: Cause::default(),
    };
    let update = Operation::Update { expect: etag(1), from: content(24), content: content(26), ours: content(26) };
    let moved = booking::Event::Rescheduled { slot: slot(26), previous: slot(24), cause: Cause::default() };
    let at_booking = |event: booking::Event| (StreamName::booking(&booking), Event::from(event));
    let at_link = |event: link::Event| (StreamName::link(&link), Event::from(event));
    vec![
        at_booking(registered),
        at_booking(booking::Event::Confirmed { cause: Cause::default() }),
        at_link(link::Event::SyncRequested { of, reason: "the booking was registered".to_owned() }),
        at_link(decided(Action::Create, 1)),
        at_link(link::Event::CommandIssued { command: command(1, Operation::Create { content: content(24) }) }),
        at_link(succeeded(1, "create", 24)),
        at_link(link::Event::Established { remote: remote.clone(), generation: Generation(1) }),
        at_booking(moved),
        at_link(decided(Action::Update, 2)),
        at_link(link::Event::CommandIssued { command: command(2, update) }),
        at_link(succeeded(2, "update", 26)),
        at_link(link::Event::EchoRecognised { remote: remote.clone(), etag: Some(etag(2)), by_content: false }),
    ]
}
