//! Laws of projecting, over arbitrary histories.

use std::sync::LazyLock;

use chrono::TimeDelta;
use futures::executor::block_on;
use proptest::{collection::vec, prelude::*};
use syncledger::{
    domain::{
        booking,
        event::Event,
        ids::*,
        link::{self, LinkRef, Side},
    },
    ports::projection_store::TableCopy,
    projections::{
        ALL, Row,
        query::{AttemptFilter, BookingFilter, LinkFilter, Page, Query},
    },
    record::{envelope::write_time, stream::StreamName},
    services::models::rebuild::Options,
};

use super::{
    choices::{Choices, noon},
    world::{Place, World, ask, memory},
};

pub fn of() -> LinkRef {
    let booking = BookingId::new("uschedule.100").unwrap();
    let connection = ConnectionId::new("bot").unwrap();
    let calendar = CalendarKey { connection, calendar: RemoteCalendarId::new("bay1@group.example") };
    LinkRef {
        link: LinkId::of(&booking, &calendar),
        booking,
        appointment: "100".to_owned(),
        calendar,
        resource: ResourceId::new("bay-1").unwrap(),
        profile: ProfileId::new("resource-mirror").unwrap(),
    }
}

/// What the row says, and what the fold says, in the same words.
fn told(row: Option<&Row>, link: Option<&link::Link>) -> (Vec<String>, Vec<String>) {
    let (Some(row), Some(link)) = (row, link) else {
        return (vec![row.is_some().to_string()], vec![link.is_some().to_string()]);
    };
    let text = |column: &str| format!("{column} {:?}", row.text(column));
    let columns = [
        "remote",
        "etag",
        "command",
        "operation",
        "command_remote",
        "lease_until",
        "retry_at",
        "held_until",
        "withheld_until",
        "detached",
        "superseded",
        "last_source",
    ];
    let mut theirs: Vec<String> = columns.map(text).to_vec();
    let flags = [
        row.text("held").is_some(),
        row.text("withheld").is_some(),
        row.text("conflict").is_some(),
        row.text("look").is_some(),
        row.text("inbound").is_some(),
        row.flag("dead"),
        row.flag("outcome_unknown"),
    ];
    theirs.push(format!("{} {flags:?}", row.int("generation").unwrap()));

    let flight = link.in_flight.as_ref();
    let remote = link.remote.as_ref();
    let values = [
        remote.map(|r| r.id.to_string()),
        remote.map(|r| r.etag.to_string()),
        flight.map(|f| f.command.id.to_string()),
        flight.map(|f| f.command.operation.name().to_owned()),
        flight.map(|f| f.command.remote.to_string()),
        flight.map(|f| write_time(f.command.lease_until)),
        link.retry.at.map(write_time),
        link.held.as_ref().and_then(|held| held.until).map(write_time),
        link.withheld.as_ref().and_then(|(_, _, until)| *until).map(write_time),
        link.detached.as_ref().map(ToString::to_string),
        link.superseded.as_ref().map(|(id, _, _)| id.to_string()),
        link.last_source.map(|side| if side == Side::Booking { "booking" } else { "calendar" }.to_owned()),
    ];
    let mut ours: Vec<String> =
        columns.iter().zip(values).map(|(column, value)| format!("{column} {:?}", value.as_deref())).collect();
    let flags = [
        link.held.is_some(),
        link.withheld.is_some(),
        link.conflict.is_some(),
        link.look.is_some(),
        link.inbound.is_some(),
        link.dead.is_some(),
        flight.is_some_and(|f| f.unknown),
    ];
    ours.push(format!("{} {flags:?}", link.generation.0));
    (theirs, ours)
}

pub fn every_query() -> Vec<Query> {
    let all = || Page::first(1_000);
    let calendar = of().calendar;
    vec![
        Query::Bookings(BookingFilter::default(), all()),
        Query::Bookings(BookingFilter { resource: Some("bay-1".to_owned()), ..BookingFilter::default() }, all()),
        Query::Bookings(BookingFilter { from: Some(noon() + TimeDelta::hours(1)), ..BookingFilter::default() }, all()),
        Query::Bookings(BookingFilter { until: Some(noon() + TimeDelta::hours(1)), ..BookingFilter::default() }, all()),
        Query::Booking(of().booking),
        Query::BookingsOverlapping {
            resource: of().resource,
            from: noon() + TimeDelta::minutes(40),
            until: noon() + TimeDelta::minutes(90),
            excluding: Some(of().booking),
        },
        Query::Links(LinkFilter::default(), all()),
        Query::Links(LinkFilter { status: Some("ACTIVE".to_owned()), ..LinkFilter::default() }, all()),
        Query::Links(LinkFilter { attention: true, ..LinkFilter::default() }, all()),
        Query::Link(of().link),
        Query::DueLinks { now: noon() + TimeDelta::minutes(100), limit: 2 },
        Query::LinksOfBooking(of().booking),
        Query::LinkOfEntry { calendar: calendar.clone(), remote: RemoteId("entry-1".to_owned()) },
        Query::LinksOfCalendar(calendar.clone(), all()),
        Query::LinksOfConnection(calendar.connection, all()),
        Query::LinksHeldForApproval("a-1".to_owned(), all()),
        Query::OpenCommands(all()),
        Query::Channel(ChannelId::new("channel-1").unwrap()),
        Query::Channels(all()),
        Query::Attempts(AttemptFilter::default(), all()),
        Query::Attempts(AttemptFilter { status: Some("fail".to_owned()), ..AttemptFilter::default() }, all()),
        Query::Attempts(AttemptFilter { connection: Some("bot".to_owned()), ..AttemptFilter::default() }, all()),
        Query::Attempt("l:1".to_owned()),
        Query::Connections(all()),
        Query::Calendars(all()),
        Query::Cursors(all()),
        Query::DeadLetters(all()),
        Query::Approvals(None, all()),
        Query::Approvals(Some("open".to_owned()), all()),
        Query::Deliveries(None, all()),
        Query::AttemptCounts,
        Query::LinkCounts,
        Query::Health,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// The mapping's row says what the fold says, whatever happened.
    #[test]
    fn the_mapping_agrees_with_the_fold(numbers in vec(any::<u16>(), 300..900)) {
        block_on(async {
            let (world, models) = (World::new(), memory().await);
            let projector = world.projector(models.clone());
            let stream = StreamName::link(&of().link);
            let mut choices = Choices::new(&numbers);
            let mut link = None;
            for step in 0..40 {
                let flying = link.as_ref().and_then(|l: &link::Link| l.in_flight.as_ref()).map(|f| f.command.clone());
                let event = match step {
                    2 => link::Event::SyncRequested { of: of(), reason: "new".to_owned() },
                    _ => choices.link_event(&of(), flying.as_ref()),
                };
                world.record(&stream, event.clone()).await;
                let at = syncledger::ports::clock::Clock::now(&*world.clock);
                link = link::evolve(link, &event, at);
                projector.catch_up(10).await.unwrap();
                let rows = ask(&*models, Query::Link(of().link)).await;
                let (theirs, ours) = told(rows.first(), link.as_ref());
                prop_assert_eq!(theirs, ours, "after {:?}", event);
            }
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// The same for bookings.
    #[test]
    fn the_list_of_bookings_agrees_with_the_fold(numbers in vec(any::<u16>(), 200..400)) {
        block_on(async {
            let (world, models) = (World::new(), memory().await);
            let stream = StreamName::booking(&of().booking);
            // The first choice is zero: a booking's stream begins with its registration.
            let numbers: Vec<u16> = [0, 0].into_iter().chain(numbers).collect();
            let mut choices = Choices::new(&numbers);
            let mut folded = None;
            for _ in 0..20 {
                let event = choices.booking_event();
                world.record(&stream, event.clone()).await;
                folded = booking::evolve(folded, &event, syncledger::ports::clock::Clock::now(&*world.clock));
            }
            world.projector(models.clone()).catch_up(6).await.unwrap();
            let query = Query::Booking(of().booking);
            let rows = ask(&*models, query.clone()).await;
            let row = world.journal().open_rows(&query, rows).await.unwrap().remove(0);
            let booking = folded.unwrap();
            let status = match booking.status {
                booking::Status::Tentative => "tentative",
                booking::Status::Confirmed => "confirmed",
                booking::Status::Cancelled => "cancelled",
            };
            prop_assert_eq!(row.text("status"), Some(status));
            prop_assert_eq!(row.text("resource"), Some(booking.resource.as_str()));
            prop_assert_eq!(row.int("revision"), Some(booking.revision.0 as i64));
            prop_assert_eq!(row.text("title"), booking.details.title.text.as_deref());
            prop_assert_eq!(row.text("subject"), Some(booking.details.title.subject.as_str()));
            prop_assert_eq!(row.text("cancel_reason").is_some(), booking.cancelled_for.is_some());
            prop_assert_eq!(row.text("removal_marked_at").is_some(), booking.removal_marked.is_some());
            prop_assert_eq!(row.time("blocks_from"), Some(booking.slot.widest().0));
            prop_assert_eq!(row.time("changed_at"), Some(booking.changed_at));
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// All stores answer every question alike, page by page, whatever happened and however it was batched; and what they hold
    /// is what a replay from zero gives.
    #[test]
    fn every_store_answers_alike(numbers in vec(any::<u16>(), 800..1600), batch in 1_usize..40) {
        let (runtime, postgres) = &*POSTGRES;
        runtime.block_on(async {
            let (world, memory) = (World::new(), memory().await);
            let mut choices = Choices::new(&numbers);
            for _ in 0..100 {
                let (stream, event): (StreamName, Event) = choices.fact();
                world.record(&stream, event).await;
            }
            world.projector(memory.clone()).catch_up(7).await.unwrap();
            let sqlite = Place::sqlite();
            // One database for all cases: it is filled anew.
            postgres.run("UPDATE projection_checkpoints SET version = 0").await;
            for place in [&sqlite, postgres] {
                let models = place.open().await;
                let projector = world.projector(models.clone());
                projector.catch_up(batch).await.unwrap();
                for query in every_query() {
                    let (one, two) = (ask(&*memory, query.clone()).await, ask(&*models, query.clone()).await);
                    prop_assert_eq!(&one, &two, "{:?}", query);
                    for page in pages_after(&query, &one) {
                        let (one, two) = (ask(&*memory, page.clone()).await, ask(&*models, page.clone()).await);
                        prop_assert_eq!(one, two, "{:?}", page);
                    }
                }
                // Tables are made and dropped for it: not all of them, each time.
                for projection in ALL.into_iter().cycle().skip(batch).take(2) {
                    let options = Options { batch: 1_000, examples: 3 };
                    let report = projector.diff(projection.name, options, &mut |_| {}).await.unwrap();
                    prop_assert!(report.clean(), "{:?}", report);
                }
                let shelves: Vec<_> = models.checkpoints().await.unwrap().into_iter().map(|c| c.table_copy).collect();
                prop_assert!(shelves.iter().all(|table_copy| *table_copy == TableCopy::Live));
            }
            Ok(())
        })?;
    }
}

/// A database that serves all cases, and the runtime that its server is asked from.
static POSTGRES: LazyLock<(tokio::runtime::Runtime, Place)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = runtime.block_on(async {
        let place = Place::postgres().await;
        place.open().await;
        place
    });
    (runtime, place)
});

/// The same question from the middle of its answer on, two rows at a time.
fn pages_after(query: &Query, rows: &[Row]) -> Vec<Query> {
    let Some(row) = rows.get(rows.len() / 3) else { return Vec::new() };
    let after: Option<Vec<String>> = query.order().iter().map(|column| row.text(column).map(str::to_owned)).collect();
    let page = Page { after, limit: 2 };
    let asked = match query {
        Query::Bookings(filter, _) => Query::Bookings(filter.clone(), page),
        Query::Links(filter, _) => Query::Links(filter.clone(), page),
        Query::LinksOfCalendar(calendar, _) => Query::LinksOfCalendar(calendar.clone(), page),
        Query::LinksOfConnection(connection, _) => Query::LinksOfConnection(connection.clone(), page),
        Query::Attempts(filter, _) => Query::Attempts(filter.clone(), page),
        Query::Connections(_) => Query::Connections(page),
        Query::Calendars(_) => Query::Calendars(page),
        Query::Cursors(_) => Query::Cursors(page),
        Query::Channels(_) => Query::Channels(page),
        Query::DeadLetters(_) => Query::DeadLetters(page),
        Query::Deliveries(status, _) => Query::Deliveries(status.clone(), page),
        Query::OpenCommands(_) => Query::OpenCommands(page),
        Query::Approvals(status, _) => Query::Approvals(status.clone(), page),
        _ => return Vec::new(),
    };
    vec![asked]
}
