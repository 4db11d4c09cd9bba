//! P8: what tamper evidence costs, and how fast a ledger is checked. P9: what it takes on the disk.
//!
//! Appending always hashes, so the arm without is the same run without sealing, less the time that hashing its events takes
//! alone on a core, which is more than it takes from a writer that waits for the disk.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use syncledger::{
    adapters::{
        memory::{MemoryCheckpointArchive, MemoryVault},
        sqlite::{Options, SqliteLedger, SqliteSigningKeys},
        system::SystemClock,
    },
    domain::ids::{Position, Version},
    ledger::append::leaf_at,
    ports::{clock::Clock as _, event_store::EventStore as _, upkeep::Upkeep as _},
    record::{
        envelope::{Actor, Origin, leaf_bytes},
        wrap::MasterKey,
    },
    services::{
        audit::{Audit, VerifyOptions},
        journal::{Context, Journal},
    },
};

use crate::{
    lives, p1,
    report::{Arm, Measure, Target},
};

const WRITERS: u64 = 64;
const APPENDS_EACH: u64 = 600;
/// Far more often than a service does.
const SEAL_EVERY: Duration = Duration::from_millis(250);
/// Lives of bookings in the ledger that is checked and weighed: 12 events each.
const BOOKINGS: u64 = 25_000;
/// Events that a core should check in a second.
const VERIFIED: f64 = 300_000.0;

pub fn sealing(runs: usize) -> anyhow::Result<Measure> {
    let what = "durable appends, 64 writers, hashed and sealed four times a second ÷ neither";
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(appended(true)?);
        baseline.push(appended(false)?);
    }
    Ok(Measure::compared(("P8", what, "per second"), Target::AtLeast(0.95), ours, baseline))
}

pub fn verify(runs: usize) -> anyhow::Result<Measure> {
    let what = "events checked per second of processor time by `audit verify` ÷ 300,000";
    let world = World::filled()?;
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(Arm::amount(world.verified()?));
        baseline.push(Arm::amount(VERIFIED));
    }
    Ok(Measure::compared(("P8b", what, "per core and second"), Target::AtLeast(1.0), ours, baseline))
}

pub fn size(runs: usize) -> anyhow::Result<Measure> {
    let what = "bytes on the disk per event ÷ its JSON";
    let world = World::filled()?;
    let (disk, json) = world.weighed()?;
    let arms = |amount: f64| vec![Arm::amount(amount); runs];
    Ok(Measure::compared(("P9", what, "bytes per event"), Target::AtMost(2.0), arms(disk), arms(json)))
}

fn trail(ledger: &SqliteLedger, clock: &Arc<SystemClock>) -> Audit {
    let vault = Arc::new(MemoryVault::new(Arc::<SystemClock>::clone(clock)));
    let journal = Journal::new(Arc::new(ledger.clone()), vault, Arc::<SystemClock>::clone(clock));
    let keys = Arc::new(SqliteSigningKeys::new(ledger, MasterKey::new([7; 32])));
    Audit::new("bench", journal, keys, Arc::new(MemoryCheckpointArchive::default()))
}

async fn opened(folder: &std::path::Path, clock: &Arc<SystemClock>) -> anyhow::Result<SqliteLedger> {
    let options = Options { path: folder.join("ledger.db"), workspace: "bench".to_owned() };
    Ok(SqliteLedger::open(options, Arc::<SystemClock>::clone(clock)).await?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn appended(sealed: bool) -> anyhow::Result<Arm> {
    let folder = p1::folder()?;
    runtime()?.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let ledger = opened(folder.path(), &clock).await?;
        let audit = trail(&ledger, &clock);
        let sealing = tokio::spawn(seal(audit, Arc::clone(&clock), sealed));
        let began = Instant::now();
        let tasks: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(p1::write(ledger.clone(), Arc::clone(&clock), writer, APPENDS_EACH)))
            .collect();
        let mut each = Vec::new();
        for task in tasks {
            each.extend(task.await??);
        }
        let took = began.elapsed();
        sealing.abort();
        let hashing = if sealed { Duration::ZERO } else { hashing(&clock) };
        let arm = Arm::of(took.saturating_sub(hashing), each);
        ledger.close().await;
        Ok(arm)
    })
}

async fn seal(audit: Audit, clock: Arc<SystemClock>, sealed: bool) -> anyhow::Result<()> {
    if !sealed {
        return Ok(());
    }
    loop {
        tokio::time::sleep(SEAL_EVERY).await;
        audit.seal(&Context::root(Actor::new("operator", "bench"), Origin::Admin, clock.event_id())).await?;
    }
}

/// How long hashing as many events takes.
fn hashing(clock: &SystemClock) -> Duration {
    let (event, stream) = (p1::event(clock), p1::stream(0, 0).to_string());
    let began = Instant::now();
    let mut sum = 0_u8;
    for n in 0..WRITERS * APPENDS_EACH {
        sum ^= leaf_at(&stream, Version(n), Position(n), &event)[0];
    }
    std::hint::black_box(sum);
    began.elapsed()
}

/// A ledger of bookings' lives.
struct World {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    clock: Arc<SystemClock>,
}

impl World {
    fn filled() -> anyhow::Result<Self> {
        let world = Self { folder: p1::folder()?, runtime: runtime()?, clock: Arc::new(SystemClock::new()) };
        world.runtime.block_on(async {
            let ledger = opened(world.folder.path(), &world.clock).await?;
            lives::fill(&ledger, &world.clock, BOOKINGS, 500).await?;
            ledger.close().await;
            anyhow::Ok(())
        })?;
        Ok(world)
    }

    fn verified(&self) -> anyhow::Result<f64> {
        self.runtime.block_on(async {
            let ledger = opened(self.folder.path(), &self.clock).await?;
            let audit = trail(&ledger, &self.clock);
            let (before, began) = (processor()?, Instant::now());
            let report = audit.verify(&VerifyOptions::default(), &mut |_, _| {}).await?;
            let (used, took) = (processor()? - before, began.elapsed());
            anyhow::ensure!(report.sound, "{report:?}");
            if std::env::var_os("BENCH_VERBOSE").is_some() {
                eprintln!("{} events in {took:?}, {used:.2} s of processor time", report.events);
            }
            ledger.close().await;
            Ok(report.events as f64 / used)
        })
    }

    fn weighed(&self) -> anyhow::Result<(f64, f64)> {
        self.runtime.block_on(async {
            let ledger = opened(self.folder.path(), &self.clock).await?;
            let (mut at, mut json) = (0, 0);
            loop {
                let page = ledger.read_all(Position(at), 4_096).await?;
                if page.is_empty() {
                    break;
                }
                for it in page {
                    json += leaf_bytes(&it.stream.to_string(), it.version, it.position, &it.event).len();
                    at += 1;
                }
            }
            ledger.close().await;
            let disk = std::fs::metadata(self.folder.path().join("ledger.db"))?.len();
            Ok((disk as f64 / at as f64, json as f64 / at as f64))
        })
    }
}

/// Seconds of processor time that this process has used, in steps of a hundredth.
fn processor() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(") ").ok_or_else(|| anyhow::anyhow!("/proc/self/stat has another form"))?.1;
    let ticks: Result<Vec<f64>, _> = after.split(' ').skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() / 100.0)
}
