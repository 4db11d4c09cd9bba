//! P2: a rebuild of the mapping table, and reading the same ledger with typed parsing and no writes.
//!
//! Both arms read one ledger in one SQLite file: the lives of bookings on one calendar, personal texts sealed. The baseline
//! selects every event in pages and parses each into its type, texts left closed; it maps, stores and compares nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use syncledger::{
    adapters::{
        sqlite::{Options, SqliteLedger, SqliteProjections},
        system::SystemClock,
    },
    domain::ids::Position,
    ports::{clock::Clock as _, event_store::EventStore as _, projection_store::ProjectionStore as _},
    services::models::{project::Projector, reader, rebuild},
};

use crate::{
    lives::{LIFE, fill},
    report::{Arm, Measure},
};

/// Bookings in the ledger; each sees [`LIFE`] events.
const BOOKINGS: u64 = 4_000;

const PAGE: usize = 2_000;

pub fn rebuild(runs: usize) -> anyhow::Result<Measure> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let clock = Arc::new(SystemClock::new());
    let path = folder.path().join("ledger.db");
    let (ledger, projector) = runtime.block_on(async {
        let options = Options { path: path.clone(), workspace: "bench".to_owned() };
        let ledger = SqliteLedger::open(options, Arc::<SystemClock>::clone(&clock)).await?;
        fill(&ledger, &clock, BOOKINGS, 40).await?;
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
