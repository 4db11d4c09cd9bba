//! P5 and P6: what a service and a rebuild take of memory, and how long a start takes, with a large ledger and with a small one.
//!
//! The program itself runs, as a child, on a ledger that was filled and projected before. Memory is what the kernel says:
//! `VmRSS` of a service that is ready and has been asked a few things, `VmHWM` of a rebuild.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    thread::sleep,
    time::{Duration, Instant},
};

use syncledger::{adapters::system::SystemClock, app, config::Config};
use tempfile::TempDir;

use crate::{
    lives::{LIFE, fill},
    report::{Arm, Measure, Target},
};

/// Events of the two ledgers.
const EVENTS: (u64, u64) = (1_000_000, 10_000);

/// Facts projected at once.
const PAGE: usize = 2_000;

/// How much more a rebuild may take of memory, whatever the size of the ledger.
const REBUILD_MORE_MIB: f64 = 64.0;

/// How long a start may take before it counts as failed.
const READY_WITHIN: Duration = Duration::from_secs(60);

pub fn memory(runs: usize) -> anyhow::Result<Measure> {
    let what = "memory of a ready service with 1,000,000 events ÷ with 10,000";
    let taken = |world: &World| Ok(Arm::amount(Service::start(world)?.memory_mib()?));
    both(("P5", what, "MiB"), Target::AtMost(1.3), runs, taken)
}

pub fn start(runs: usize) -> anyhow::Result<Measure> {
    let what = "start until ready with 1,000,000 events ÷ with 10,000";
    let taken = |world: &World| Ok(Arm::amount(Service::start(world)?.ready_ms));
    both(("P6", what, "ms"), Target::AtMost(1.5), runs, taken)
}

pub fn rebuild(runs: usize) -> anyhow::Result<Measure> {
    let (large, small) = worlds()?;
    let what = "peak memory of a rebuild of `links` with 1,000,000 events ÷ (with 10,000, and 64 MiB)";
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(Arm::amount(rebuilt(large)?));
        baseline.push(Arm::amount(rebuilt(small)? + REBUILD_MORE_MIB));
    }
    Ok(Measure::compared(("P5b", what, "MiB"), Target::AtMost(1.0), ours, baseline))
}

fn both(
    names: (&'static str, &'static str, &'static str),
    target: Target,
    runs: usize,
    taken: impl Fn(&World) -> anyhow::Result<Arm>,
) -> anyhow::Result<Measure> {
    let (large, small) = worlds()?;
    // The first start after the filling moves the log into the file; it does not count.
    taken(large)?;
    taken(small)?;
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(taken(large)?);
        baseline.push(taken(small)?);
    }
    Ok(Measure::compared(names, target, ours, baseline))
}

/// A ledger with its read models, and the configuration that names it.
struct World {
    folder: TempDir,
    file: PathBuf,
}

/// Both ledgers, filled once for all benchmarks of a run.
fn worlds() -> anyhow::Result<(&'static World, &'static World)> {
    static WORLDS: OnceLock<(World, World)> = OnceLock::new();
    if WORLDS.get().is_none() {
        eprintln!("filling a ledger with {} events and one with {} …", EVENTS.0, EVENTS.1);
        WORLDS.set((World::filled(EVENTS.0)?, World::filled(EVENTS.1)?)).ok();
    }
    let (large, small) = WORLDS.get().expect("it was just set");
    Ok((large, small))
}

impl World {
    fn filled(events: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let file = folder.path().join("syncledger.toml");
        fs::write(&file, "workspace = \"bench\"\n[logging]\nfilter = \"warn\"\n")?;
        let config = Config::load(Some(&file), &std::collections::BTreeMap::new())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let stores = app::open(&config).await?;
            let clock = Arc::new(SystemClock::new());
            fill(stores.journal.store().as_ref(), &clock, events.div_ceil(LIFE), 400).await?;
            stores.projector.catch_up(PAGE).await?;
            stores.worklist.save_checkpoint(stores.journal.store().end().await?).await?;
            stores.ledger.close().await;
            anyhow::Ok(())
        })?;
        Ok(Self { folder, file })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncledger"));
        command.arg("--config").arg(&self.file).current_dir(self.folder.path());
        command.stdout(Stdio::null()).stdin(Stdio::null());
        command
    }
}

/// A running service.
struct Service {
    child: Child,
    address: SocketAddr,
    ready_ms: f64,
}

impl Service {
    fn start(world: &World) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let began = Instant::now();
        let child = world.command().arg("serve").env("SYNCLEDGER__LISTEN", address.to_string()).spawn()?;
        let mut service = Self { child, address, ready_ms: 0.0 };
        while !service.healthy() {
            anyhow::ensure!(began.elapsed() < READY_WITHIN, "the service is not ready after {READY_WITHIN:?}");
            sleep(Duration::from_millis(1));
        }
        service.ready_ms = began.elapsed().as_secs_f64() * 1e3;
        Ok(service)
    }

    fn healthy(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200"))
        };
        ask().unwrap_or(false)
    }

    /// What it holds of memory once its workers have looked around.
    fn memory_mib(&self) -> anyhow::Result<f64> {
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            anyhow::ensure!(self.healthy(), "the service stopped answering");
            sleep(Duration::from_millis(50));
        }
        status_mib(self.child.id(), "VmRSS:").ok_or_else(|| anyhow::anyhow!("the service ended"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The peak of memory of `projections rebuild links`.
fn rebuilt(world: &World) -> anyhow::Result<f64> {
    let mut child = world.command().args(["projections", "rebuild", "links"]).stderr(Stdio::null()).spawn()?;
    let mut peak: f64 = 0.0;
    loop {
        // The high-water mark only rises: the last one seen is short by what the last few milliseconds took.
        peak = status_mib(child.id(), "VmHWM:").unwrap_or(0.0).max(peak);
        if let Some(status) = child.try_wait()? {
            anyhow::ensure!(status.success(), "the rebuild failed");
            return Ok(peak);
        }
        sleep(Duration::from_millis(5));
    }
}

fn status_mib(process: u32, line: &str) -> Option<f64> {
    let status = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status")).ok()?;
    let kib: f64 = status.lines().find_map(|l| l.strip_prefix(line))?.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}
