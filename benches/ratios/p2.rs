//! P2: a rebuild of the mapping table, and reading the same ledger with typed parsing and no writes.
//!
//! Both arms read one ledger in one SQLite file: the lives of bookings on one calendar, personal texts sealed. The baseline
//! selects every event in pages and parses each into its type, texts left closed; it maps, stores and compares nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use syncledger::{
    adapters::{
        sqlite::{Options, SqliteLedger, SqliteProjections},
        system::SystemClock,
    },
    domain::{
        booking::{self, Cause, Details},
        entry::Content,
        event::Event,
        ids::{
            BookingId, CalendarKey, ConnectionId, CorrelationId, Etag, Generation, IdempotencyKey, LinkId, Position,
            ProfileId, RemoteCalendarId, RemoteId, ResourceId, Revision, SourceName, SubjectId,
        },
        link::{self, Action, Attempt, CommandId, IssuedCommand, LinkRef, Operation},
        personal::Personal,
        slot::Slot,
    },
    ports::{
        clock::Clock as _,
        event_store::{EventStore, Expected},
        projection_store::ProjectionStore as _,
        vault::Vault as _,
    },
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin},
        sealing::{self, KeyRef},
        stream::StreamName,
    },
    services::{project::Projector, reader, rebuild},
};

use crate::report::{Arm, Measure};

/// Bookings in the ledger; each sees [`LIFE`] events.
const BOOKINGS: u64 = 4_000;

/// Registered, confirmed, requested, decided, issued, succeeded, established, rescheduled, decided, issued, succeeded, echo.
const LIFE: u64 = 12;

const PAGE: usize = 2_000;

pub fn rebuild(runs: usize) -> anyhow::Result<Measure> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let clock = Arc::new(SystemClock::new());
    let path = folder.path().join("ledger.db");
    let (ledger, projector) = runtime.block_on(async {
        let options = Options { path: path.clone(), workspace: "bench".to_owned() };
        let ledger = SqliteLedger::open(options, Arc::<SystemClock>::clone(&clock)).await?;
        fill(&ledger, &clock).await?;
        let models = Arc::new(SqliteProjections::open(&path).await?);
        models.prepare(clock.now()).await?;
        let projector = Projector::new(Arc::new(ledger.clone()), models, clock);
        projector.catch_up(PAGE).await?;
        anyhow::Ok((ledger, projector))
    })?;
    let what = "rebuild of `links`, events/s ÷ select all + typed parse, no writes";
    Measure::of(
        ("P2", what, 0.5),
        runs,
        || {
            runtime.block_on(async {
                let began = Instant::now();
                let options = rebuild::Options { batch: PAGE, examples: 0 };
                let report = projector.rebuild("links", options, &mut |_| {}).await?;
                anyhow::ensure!(report.comparison.is_some_and(|c| c.differing == 0), "the rebuilt table differs");
                Ok(arm(began.elapsed()))
            })
        },
        || {
            runtime.block_on(async {
                let began = Instant::now();
                let mut at = Position(0);
                loop {
                    let page = ledger.read_all(at, PAGE).await?;
                    if page.is_empty() {
                        break;
                    }
                    for recorded in &page {
                        std::hint::black_box(reader::closed(recorded)?);
                    }
                    at = Position(at.0 + page.len() as u64);
                }
                anyhow::ensure!(at.0 == BOOKINGS * LIFE, "the ledger has {at} events");
                Ok(arm(began.elapsed()))
            })
        },
    )
}

/// The rate of one pass; a single event's latency means nothing here, so every event gets the mean.
fn arm(took: Duration) -> Arm {
    let events = (BOOKINGS * LIFE) as u32;
    Arm::of(took, vec![took / events; events as usize])
}

async fn fill(ledger: &SqliteLedger, clock: &Arc<SystemClock>) -> anyhow::Result<()> {
    let vault = syncledger::adapters::memory::MemoryVault::new(Arc::<SystemClock>::clone(clock));
    let now = clock.now();
    // Lives overlap, as they do: forty bookings are under way at a time.
    for first in (0..BOOKINGS).step_by(40) {
        let lives: Vec<_> = (first..first + 40).map(|number| life(number, now)).collect();
        for step in 0..LIFE as usize {
            // Together, so that they share a commit.
            let appends = lives.iter().map(|life| async {
                let (stream, event) = &life[step];
                let sealed = seal(event, clock, &vault).await?;
                ledger.append(stream, Expected::Any, vec![sealed]).await?;
                anyhow::Ok(())
            });
            futures::future::try_join_all(appends).await?;
        }
    }
    Ok(())
}

async fn seal(
    event: &Event,
    clock: &SystemClock,
    vault: &syncledger::adapters::memory::MemoryVault,
) -> anyhow::Result<NewEvent> {
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
