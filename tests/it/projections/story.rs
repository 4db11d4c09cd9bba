//! One booking's story, as the tables tell it; and what happens to what cannot be read, and to who is forgotten.

use chrono::TimeDelta;
use syncledger::{
    domain::{
        booking::{self, CancelReason, Cause, Customer, Details},
        calendar::{self, PullMode, PullTally, Window},
        connection,
        entry::Content,
        failure::{CallFailure, FailureClass},
        ids::*,
        link::{self, *},
        personal::Personal,
        slot::Slot,
        source,
    },
    ports::{clock::Clock as _, projection_store::ProjectionStore, vault::Vault as _},
    projections::query::{AttemptFilter, BookingFilter, LinkFilter, Page, Query},
    record::stream::StreamName,
    services::models::{project::StoppedProjection, rebuild::Options},
};

use super::{
    choices::noon,
    world::{Place, World, ask, memory, on_every_database, positions, shown},
};

pub fn booking() -> BookingId {
    BookingId::new("uschedule.1001").unwrap()
}

pub fn calendar() -> CalendarKey {
    CalendarKey { connection: ConnectionId::new("bot").unwrap(), calendar: RemoteCalendarId::new("bay1@group.example") }
}

fn subject() -> SubjectId {
    SubjectId::new("uschedule.customer-7").unwrap()
}

fn slot(hours: i64) -> Slot {
    let start = noon() + TimeDelta::hours(hours);
    Slot::timed(start, start + TimeDelta::hours(1), "America/Chicago").unwrap()
}

fn content(hours: i64) -> Content {
    let text = |text: &str| Personal::new(subject(), text);
    Content { slot: slot(hours), title: text("Lesson"), description: text(""), marked_cancelled: false }
}

fn command(number: u32, operation: Operation) -> IssuedCommand {
    IssuedCommand {
        id: CommandId(format!("{}:{number}", LinkId::of(&booking(), &calendar()))),
        operation,
        remote: RemoteId("e1".to_owned()),
        generation: Generation(1),
        key: IdempotencyKey(format!("k{number}")),
        booking_revision: Revision(1),
        lease_until: noon() + TimeDelta::hours(9),
        worker: "worker-1".to_owned(),
    }
}

fn succeeded(command: &IssuedCommand, etag: &str, hours: i64) -> link::Event {
    link::Event::AttemptSucceeded {
        command: command.id.clone(),
        operation: command.operation.name().to_owned(),
        answer: Attempt::Entry { etag: Etag(etag.to_owned()), updated: None, content: content(hours) },
    }
}

fn failed(command: &IssuedCommand, class: FailureClass, retry_minutes: Option<i64>) -> link::Event {
    link::Event::AttemptFailed {
        command: command.id.clone(),
        operation: command.operation.name().to_owned(),
        failure: CallFailure::new(class, "503 backendError"),
        retry_at: retry_minutes.map(|minutes| noon() + TimeDelta::minutes(minutes)),
        counts: true,
    }
}

/// Registered, mirrored, moved; the update fails, is tried again, and ends up unknown.
pub async fn decode(world: &World) {
    let at_booking = StreamName::booking(&booking());
    let at_link = StreamName::link(&LinkId::of(&booking(), &calendar()));
    let at_calendar = StreamName::calendar(&calendar());
    let bot = StreamName::connection(&calendar().connection);
    let person = |text: &str| Personal::new(subject(), text);
    world
        .record(
            &bot,
            connection::Event::Authorised {
                connection: calendar().connection,
                provider: "google".to_owned(),
                account: "bot@example.com".to_owned(),
                scopes: vec!["calendar.events".to_owned()],
            },
        )
        .await;
    let selected =
        connection::Event::CalendarSelected { connection: calendar().connection, calendar: calendar().calendar };
    world.record(&bot, selected).await;
    let registered = booking::Event::Registered {
        source: SourceName::new("uschedule").unwrap(),
        source_ref: "1001".to_owned(),
        resource: ResourceId::new("bay-1").unwrap(),
        slot: slot(24),
        details: Details {
            title: person("Lesson"),
            notes: Some(person("left-handed")),
            customer: Some(Customer { name: person("Ann"), email: Some(person("ann@example.com")), phone: None }),
        },
        cause: Cause { source_revision: Some(1), ..Cause::default() },
    };
    world.record(&at_booking, registered).await;
    let of = LinkRef {
        link: LinkId::of(&booking(), &calendar()),
        booking: booking(),
        appointment: "1001".to_owned(),
        calendar: calendar(),
        resource: ResourceId::new("bay-1").unwrap(),
        profile: ProfileId::new("resource-mirror").unwrap(),
    };
    world.record(&at_link, link::Event::SyncRequested { of, reason: "registered".to_owned() }).await;
    let create = command(1, Operation::Create { content: content(24) });
    world.record(&at_link, link::Event::CommandIssued { command: create.clone() }).await;
    world.record(&at_link, succeeded(&create, "\"1\"", 24)).await;
    let established = link::Event::Established { remote: RemoteId("e1".to_owned()), generation: Generation(1) };
    world.record(&at_link, established).await;
    let moved = booking::Event::Rescheduled { slot: slot(26), previous: slot(24), cause: Cause::default() };
    world.record(&at_booking, moved).await;
    for (number, class, retry) in [(2, FailureClass::Transient, 30), (3, FailureClass::OutcomeUnknown, 40)] {
        let (expect, from) = (Etag("\"1\"".to_owned()), content(24));
        let update = command(number, Operation::Update { expect, from, content: content(26), ours: content(26) });
        world.record(&at_link, link::Event::CommandIssued { command: update.clone() }).await;
        world.record(&at_link, failed(&update, class, Some(retry))).await;
    }
    let pull = calendar::Event::PullStarted {
        calendar: calendar(),
        mode: PullMode::Full,
        worker: "worker-1".to_owned(),
        lease_until: noon() + TimeDelta::minutes(5),
    };
    world.record(&at_calendar, pull).await;
    let window = Window { from: noon() - TimeDelta::days(1), until: noon() + TimeDelta::days(90) };
    world.record(&at_calendar, calendar::Event::CoverageProven { calendar: calendar(), window }).await;
    let advanced = calendar::Event::CursorAdvanced {
        calendar: calendar(),
        cursor: CursorToken("t1".to_owned()),
        fingerprint: "f1".to_owned(),
        tally: PullTally { pages: 1, entries: 1, managed: 1, removals: 0 },
    };
    world.record(&at_calendar, advanced).await;
}

async fn tables(world: &World, models: &dyn ProjectionStore) -> String {
    let all = || Page::first(100);
    let queries = [
        ("bookings", Query::Bookings(BookingFilter::default(), all())),
        ("links", Query::Links(LinkFilter::default(), all())),
        ("due an hour later", Query::DueLinks { now: noon() + TimeDelta::hours(1), limit: 10 }),
        ("attempts", Query::Attempts(AttemptFilter::default(), all())),
        ("open commands", Query::OpenCommands(all())),
        ("connections", Query::Connections(all())),
        ("calendars", Query::Calendars(all())),
        ("cursors", Query::Cursors(all())),
        ("attempts counted", Query::AttemptCounts),
        ("health", Query::Health),
    ];
    let mut told = String::new();
    for (name, query) in queries {
        let rows = ask(models, query.clone()).await;
        let rows = world.journal().open_rows(&query, rows).await.unwrap();
        told.push_str(&format!("== {name}\n{}\n", shown(&rows)));
    }
    told
}

#[tokio::test]
async fn the_tables_tell_the_story() {
    let (world, models) = (World::new(), memory().await);
    decode(&world).await;
    world.projector(models.clone()).catch_up(4).await.unwrap();
    insta::assert_snapshot!(tables(&world, &*models).await);
}

#[tokio::test]
async fn a_cancelled_booking_leaves_the_mapping_canceled_and_meets_nothing() {
    let (world, models) = (World::new(), memory().await);
    decode(&world).await;
    let projector = world.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    let overlapping = Query::BookingsOverlapping {
        resource: ResourceId::new("bay-1").unwrap(),
        from: noon() + TimeDelta::minutes(26 * 60 + 59),
        until: noon() + TimeDelta::hours(30),
        excluding: None,
    };
    assert_eq!(ask(&*models, overlapping.clone()).await.len(), 1);
    let at_link = StreamName::link(&LinkId::of(&booking(), &calendar()));
    let cancelled = booking::Event::Cancelled { reason: CancelReason::AtSource, cause: Cause::default() };
    world.record(&StreamName::booking(&booking()), cancelled).await;
    let verified = link::Event::OutcomeVerified {
        command: command(3, Operation::Delete { expect: Etag(String::new()) }).id,
        outcome: Verification::NotDone {},
    };
    world.record(&at_link, verified).await;
    let delete = command(4, Operation::Delete { expect: Etag("\"1\"".to_owned()) });
    world.record(&at_link, link::Event::CommandIssued { command: delete.clone() }).await;
    let answer = Attempt::Deleted { already_absent: false };
    let deleted = link::Event::AttemptSucceeded { command: delete.id, operation: "delete".to_owned(), answer };
    world.record(&at_link, deleted).await;
    projector.catch_up(100).await.unwrap();
    let link = ask(&*models, Query::LinksOfBooking(booking())).await.remove(0);
    assert_eq!((link.text("status"), link.text("phase"), link.text("due_at")), (Some("CANCELED"), Some("idle"), None));
    assert_eq!(ask(&*models, overlapping).await, []);
    assert_eq!(ask(&*models, Query::LinksOfCalendar(calendar(), Page::first(9))).await, []);
    assert_eq!(ask(&*models, Query::OpenCommands(Page::first(9))).await, []);
    // The entry is still known: its tombstone comes without a marker.
    let entry = Query::LinkOfEntry { calendar: calendar(), remote: RemoteId("e1".to_owned()) };
    assert_eq!(ask(&*models, entry).await[0].text("role"), Some("ours"));
}

#[tokio::test]
async fn what_cannot_be_read_stops_those_who_need_it_and_nobody_else() {
    let (world, models) = (World::new(), memory().await);
    let projector = world.projector(models.clone());
    decode(&world).await;
    let poisoned = projector.catch_up(100).await.unwrap().reached;
    let stream = StreamName::link(&LinkId::of(&booking(), &calendar()));
    world.append_raw(&stream, world.clock.event_id(), "link.beamed_up", "{}".to_owned()).await;
    let refused = source::Event::DeliveryRefused {
        source: SourceName::new("uschedule").unwrap(),
        delivery: "d1".to_owned(),
        reason: "no such bay".to_owned(),
        problem: None,
        sender_informed: false,
    };
    world.record(&StreamName::delivery(&SourceName::new("uschedule").unwrap(), "d1"), refused).await;
    let progress = projector.catch_up(100).await.unwrap();
    let stopped: Vec<_> = progress.stopped.iter().map(|stop| (stop.projection, stop.poison.position)).collect();
    let needs_links = ["attempts", "dead_letters", "entries", "links", "open_commands"];
    assert_eq!(stopped, needs_links.map(|name| (name, poisoned)));
    let StoppedProjection { poison, .. } = &progress.stopped[0];
    assert!(poison.reason.contains("link.beamed_up"), "{poison}");
    for (name, position) in positions(&*models).await {
        let behind = needs_links.contains(&name);
        assert_eq!(position.0, if behind { poisoned.0 } else { poisoned.0 + 2 }, "{name}");
    }
    assert_eq!(ask(&*models, Query::Deliveries(Some("refused".to_owned()), Page::first(9))).await.len(), 1);
    let lag = projector.lag().await.unwrap();
    let links = lag.iter().find(|lag| lag.projection == "links").unwrap();
    assert_eq!((links.events, links.behind), (2, TimeDelta::seconds(1)));
}

on_every_database!(who_is_forgotten_reads_as_nothing_and_every_replay_is_the_same, a_zero_byte_stops_nobody);

/// PostgreSQL has no zero byte in its texts; a person's paste may.
async fn a_zero_byte_stops_nobody(place: Place) {
    let (world, models) = (World::new(), place.open().await);
    decode(&world).await;
    let title = Personal::new(subject(), "Les\0son");
    let changed = booking::Event::DetailsChanged {
        details: Details { title, notes: None, customer: None },
        cause: Cause::default(),
    };
    world.record(&StreamName::booking(&booking()), changed).await;
    world.projector(models.clone()).catch_up(100).await.unwrap();
    let query = Query::Booking(booking());
    let row = world.journal().open_rows(&query, ask(&*models, query.clone()).await).await.unwrap().remove(0);
    assert_eq!(row.text("title"), Some("Les\0son"));
}

async fn who_is_forgotten_reads_as_nothing_and_every_replay_is_the_same(place: Place) {
    let (world, models) = (World::new(), place.open().await);
    decode(&world).await;
    let projector = world.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    let journal = world.journal();
    let query = Query::Booking(booking());
    let shut = ask(&*models, query.clone()).await;
    assert!(shut[0].text("title").is_some_and(|text| text.ends_with(subject().as_str()) && !text.contains("Lesson")));
    let open = journal.open_rows(&query, shut.clone()).await.unwrap();
    assert_eq!((open[0].text("title"), open[0].text("customer_name")), (Some("Lesson"), Some("Ann")));
    let page = Page::first(9);
    let of_subject = ask(&*models, Query::BookingsOfSubject(subject(), page.clone())).await;
    assert_eq!((of_subject.len(), of_subject[0].text("booking")), (1, Some(booking().as_str())));
    world.vault.destroy(&subject(), world.clock.now()).await.unwrap();
    let forgotten = journal.open_rows(&query, shut.clone()).await.unwrap().remove(0);
    for column in ["title", "notes", "customer_name", "customer_email", "customer_phone"] {
        assert_eq!(forgotten.text(column), None);
    }
    assert_eq!(ask(&*models, query).await, shut, "a row says the same before and after");
    let report = projector.diff("bookings", Options::default(), &mut |_| {}).await.unwrap();
    assert!(report.clean(), "{report:?}");
}
