//! Rebuilding, comparing, several projectors at once, and what a crash leaves: on every store.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures::executor::block_on;
use syncledger::{
    domain::{ids::*, link},
    ports::projection_store::{Batch, Failure, ProjectionStore, RowDifference, TableCopy},
    projections::{
        self, Value, Write,
        query::{LinkFilter, Page, Query},
    },
    record::stream::StreamName,
    services::models::{project::Error, rebuild::Options},
};

use super::{
    choices::{Choices, noon},
    laws::of,
    story,
    world::{Place, World, ask, memory, on_every_database, positions, shown},
};

fn options() -> Options {
    Options { batch: 10, examples: 5 }
}

async fn chaos(world: &World, facts: usize) {
    let numbers: Vec<u16> = (0..20_000_u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u16).collect();
    let mut choices = Choices::new(&numbers);
    for _ in 0..facts {
        let (stream, event) = choices.fact();
        world.record(&stream, event).await;
    }
}

fn links() -> Query {
    Query::Links(LinkFilter::default(), Page::first(1_000))
}

/// Changes a cell behind everybody's back.
async fn tamper(place: &Place, statement: &'static str) {
    assert_eq!(place.run(statement).await, 1);
}

on_every_database!(
    a_tampered_row_is_found_and_a_rebuild_puts_it_right,
    a_row_too_many_and_a_row_too_few_are_found,
    a_rebuild_is_not_noticed_by_those_who_ask,
    redelivery_changes_nothing,
    two_projectors_on_one_database_come_to_the_same_tables,
    another_version_of_a_definition_starts_over_and_names_that_are_unknown_are_refused,
    a_process_with_another_definition_leaves_the_table_alone,
    a_replay_that_meets_what_it_cannot_read_leaves_the_live_table_alone,
    tables_that_are_ahead_of_a_restored_ledger_are_filled_anew,
);

async fn a_tampered_row_is_found_and_a_rebuild_puts_it_right(place: Place) {
    let (world, models) = (World::new(), place.open().await);
    story::decode(&world).await;
    let projector = world.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    let before = ask(&*models, links()).await;
    assert!(projector.diff("links", options(), &mut |_| {}).await.unwrap().clean());

    tamper(&place, "UPDATE links SET etag = 'forged', dead = TRUE").await;
    tamper(&place, "UPDATE bookings SET title = 'Something else'").await;
    let report = projector.diff("links", options(), &mut |_| {}).await.unwrap();
    assert!(!report.clean());
    let comparison = report.comparison.unwrap();
    assert_eq!((comparison.rows, comparison.differing), (1, 1));
    assert_eq!(comparison.examples[0].key, [LinkId::of(&story::booking(), &story::calendar()).to_string()]);
    let expected = RowDifference::Columns(vec![
        ("etag", Value::from("forged"), Value::from("\"1\"")),
        ("dead", Value::Bool(true), Value::Bool(false)),
    ]);
    assert_eq!(comparison.examples[0].what, expected);
    // What a person wrote is never shown, only that it differs.
    let report = projector.diff("bookings", options(), &mut |_| {}).await.unwrap();
    let told = format!("{:?}", report.comparison.unwrap().examples);
    assert!(told.contains("title") && !told.contains("Something else") && !told.contains("Lesson"), "{told}");

    let mut steps = Vec::new();
    let report = projector.rebuild("links", options(), &mut |step| steps.push(step.done)).await.unwrap();
    assert_eq!(report.comparison.unwrap().differing, 1);
    assert_eq!(steps, [10, 15]);
    assert_eq!(ask(&*models, links()).await, before);
    assert!(projector.diff("links", options(), &mut |_| {}).await.unwrap().clean());
    // As often as one likes: tables change names, indexes keep theirs.
    for _ in 0..5 {
        projector.rebuild("links", options(), &mut |_| {}).await.unwrap();
    }
    assert_eq!(ask(&*models, links()).await, before);
}

async fn a_row_too_many_and_a_row_too_few_are_found(place: Place) {
    let (world, models) = (World::new(), place.open().await);
    story::decode(&world).await;
    let projector = world.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    tamper(&place, "UPDATE connections SET connection = 'bot-x'").await;
    let found = projector.diff("connections", options(), &mut |_| {}).await.unwrap().comparison.unwrap();
    let told: Vec<_> = found.examples.into_iter().map(|example| (example.key.join("/"), example.what)).collect();
    let expected = [("bot".to_owned(), RowDifference::MissingInLive), ("bot-x".to_owned(), RowDifference::OnlyInLive)];
    assert_eq!((found.differing, told), (2, expected.to_vec()));
}

/// Somebody asks all the time and somebody projects all the time, while the table is rebuilt again and again.
async fn a_rebuild_is_not_noticed_by_those_who_ask(place: Place) {
    let (world, models) = (Arc::new(World::new()), place.open().await);
    story::decode(&world).await;
    let projector = world.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let asking = tokio::spawn({
        let (models, over, asked) = (models.clone(), over.clone(), asked.clone());
        async move {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(ask(&*models, Query::LinksOfBooking(story::booking())).await.len(), 1);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let projecting = tokio::spawn({
        let (world, over) = (world.clone(), over.clone());
        let projector = world.projector(models.clone());
        async move {
            let stream = StreamName::link(&LinkId::of(&story::booking(), &story::calendar()));
            while !over.load(Ordering::Relaxed) {
                world.record(&stream, link::Event::Reprocessed { by: "ann".to_owned() }).await;
                projector.catch_up(100).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    for _ in 0..5 {
        let report = projector.rebuild("links", options(), &mut |_| {}).await.unwrap();
        assert!(report.comparison.is_none_or(|comparison| comparison.differing == 0));
    }
    over.store(true, Ordering::Relaxed);
    asking.await.unwrap();
    projecting.await.unwrap();
    assert!(asked.load(Ordering::Relaxed) > 0);
    projector.catch_up(100).await.unwrap();
    assert!(projector.diff("links", options(), &mut |_| {}).await.unwrap().clean());
}

async fn redelivery(models: Arc<dyn ProjectionStore>) {
    let world = World::new();
    let joined = link::Event::SyncRequested { of: of(), reason: "there is one at least".to_owned() };
    world.record(&StreamName::link(&of().link), joined).await;
    chaos(&world, 59).await;
    let projector = world.projector(models.clone());
    projector.catch_up(9).await.unwrap();
    let before = ask(&*models, links()).await;
    assert!(!before.is_empty());
    let link = LinkId::new(before[0].text("link").unwrap()).unwrap();
    // The same batch again does not begin where the projection stands …
    let projection = projections::named("links").unwrap();
    let write = |etag: &str| Write::put([link.as_str()]).set("etag", etag);
    let batch = |from, to, at, etag| Batch {
        projection,
        table_copy: TableCopy::Live,
        from: Position(from),
        to: Position(to),
        writes: vec![(Position(at), write(etag))],
    };
    let again = models.apply(vec![batch(50, 60, 55, "old")], noon()).await;
    assert!(matches!(again, Err(Failure::Moved { projection: "links", stored: Some(Position(60)) })), "{again:?}");
    // … and a write that is behind its row counts for nothing even where it does.
    let row_at = before[0].int("position").unwrap() as u64;
    models.apply(vec![batch(60, 61, row_at, "old")], noon()).await.unwrap();
    assert_eq!(ask(&*models, links()).await, before);
    // One batch that is turned down takes the others of its transaction with it, checkpoints included.
    let other =
        Batch { projection: projections::named("connections").unwrap(), writes: Vec::new(), ..batch(60, 61, 0, "") };
    let together = models.apply(vec![other, batch(60, 62, 61, "new")], noon()).await;
    assert!(matches!(together, Err(Failure::Moved { projection: "links", .. })), "{together:?}");
    let positions = positions(&*models).await;
    assert!(positions.contains(&("connections", Position(60))), "{positions:?}");
    assert_eq!(ask(&*models, links()).await, before);
}

#[test]
fn redelivery_changes_nothing_in_memory() {
    block_on(async { redelivery(memory().await).await });
}

async fn redelivery_changes_nothing(place: Place) {
    redelivery(place.open().await).await;
}

async fn two_projectors_on_one_database_come_to_the_same_tables(place: Place) {
    let (world, one) = (Arc::new(World::new()), place.open().await);
    // A second process has connections of its own.
    let two = place.open().await;
    let alone = memory().await;
    let recording = tokio::spawn({
        let world = world.clone();
        async move {
            chaos(&world, 200).await;
        }
    });
    let project = |models: Arc<dyn ProjectionStore>| {
        let projector = world.projector(models);
        tokio::spawn(async move {
            let mut overtaken = 0;
            loop {
                let progress = projector.project_once(3).await.unwrap();
                overtaken += u32::from(progress.overtaken);
                if progress.reached == Position(200) {
                    return overtaken;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let (first, second) = (project(one.clone()), project(two.clone()));
    recording.await.unwrap();
    let overtaken = first.await.unwrap() + second.await.unwrap();
    assert!(overtaken > 0, "the two never met: the test shows nothing");
    world.projector(alone.clone()).catch_up(1_000).await.unwrap();
    for query in super::laws::every_query() {
        assert_eq!(shown(&ask(&*one, query.clone()).await), shown(&ask(&*alone, query.clone()).await), "{query:?}");
    }
}

async fn another_version_of_a_definition_starts_over_and_names_that_are_unknown_are_refused(place: Place) {
    let (world, models) = (World::new(), place.open().await);
    story::decode(&world).await;
    let projector = world.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    let before = ask(&*models, links()).await;
    assert_eq!(models.prepare(noon()).await.unwrap(), [""; 0]);
    tamper(&place, "UPDATE projection_checkpoints SET version = 99 WHERE name = 'links'").await;
    assert_eq!(models.prepare(noon()).await.unwrap(), ["links"]);
    assert_eq!(ask(&*models, links()).await, []);
    projector.catch_up(100).await.unwrap();
    assert_eq!(ask(&*models, links()).await, before);
    let unknown = projector.rebuild("lynx", options(), &mut |_| {}).await;
    assert!(matches!(unknown, Err(Error::Unknown(name)) if name == "lynx"));
}

async fn tables_that_are_ahead_of_a_restored_ledger_are_filled_anew(place: Place) {
    let (lost, models) = (World::new(), place.open().await);
    chaos(&lost, 60).await;
    let projector = lost.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    assert_eq!(projector.start_over().await.unwrap(), [""; 0]);
    // What is left of the ledger goes on otherwise than before.
    let (restored, alone) = (World::new(), memory().await);
    chaos(&restored, 40).await;
    let projector = restored.projector(models.clone());
    assert_eq!(projector.start_over().await.unwrap().len(), projections::ALL.len());
    story::decode(&restored).await;
    projector.catch_up(100).await.unwrap();
    restored.projector(alone.clone()).catch_up(100).await.unwrap();
    for query in super::laws::every_query() {
        assert_eq!(shown(&ask(&*models, query.clone()).await), shown(&ask(&*alone, query.clone()).await), "{query:?}");
    }
}

async fn a_process_with_another_definition_leaves_the_table_alone(place: Place) {
    let models = place.open().await;
    tamper(&place, "UPDATE projection_checkpoints SET version = 99 WHERE name = 'links'").await;
    let projection = projections::named("links").unwrap();
    let batch =
        Batch { projection, table_copy: TableCopy::Live, from: Position(0), to: Position(1), writes: Vec::new() };
    let refused = models.apply(vec![batch], noon()).await;
    assert!(matches!(refused, Err(Failure::Moved { projection: "links", .. })), "{refused:?}");
}

async fn a_replay_that_meets_what_it_cannot_read_leaves_the_live_table_alone(place: Place) {
    let (world, models) = (World::new(), place.open().await);
    story::decode(&world).await;
    let projector = world.projector(models.clone());
    projector.catch_up(100).await.unwrap();
    let before = ask(&*models, links()).await;
    // The live table went past it with a program that knew it.
    let stream = StreamName::link(&LinkId::of(&story::booking(), &story::calendar()));
    let id = syncledger::ports::clock::Clock::event_id(&*world.clock);
    world.append_raw(&stream, id, "link.beamed_up", "{}".to_owned()).await;
    let projection = projections::named("links").unwrap();
    let past =
        Batch { projection, table_copy: TableCopy::Live, from: Position(15), to: Position(16), writes: Vec::new() };
    models.apply(vec![past], noon()).await.unwrap();
    let refused = projector.rebuild("links", options(), &mut |_| {}).await;
    assert!(matches!(refused, Err(Error::Poison(poison)) if poison.position == Position(15)));
    assert_eq!(ask(&*models, links()).await, before);
    assert!(models.checkpoints().await.unwrap().iter().all(|checkpoint| checkpoint.table_copy == TableCopy::Live));
}
