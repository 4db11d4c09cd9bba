//! A complete demo on one machine, without set-up: the service with its ledger in a temporary folder, and an embedded calendar
//! provider and booking system (`adapters/sandbox`), all on localhost. It runs a golf studio's checklist
//! and checks the results in the sandbox.

mod checks;
mod world;

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use checks::Check;
use world::World;

/// Options of the demo.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stop after the checklist.
    pub once: bool,
    /// Print JSON.
    pub json: bool,
    /// Address of the service; `None` for any free port on localhost.
    pub listen: Option<SocketAddr>,
}

/// Runs and prints the checklist; continues to serve unless `once`. Returns whether everything passed.
///
/// # Errors
/// The demo could not be set up.
pub async fn run(options: &Options, stop: CancellationToken) -> anyhow::Result<bool> {
    let world = World::start(options.listen, stop.clone()).await?;
    if !options.json {
        println!(
            "A golf studio with two bays. Bookings are in USchedule, calendars at Google; both run here as sandboxes.\n"
        );
    }
    let mut all = Vec::new();
    for bay in [1, 2] {
        for check in checks::play(&world, bay).await {
            if !options.json {
                print_check(&check);
            }
            all.push(check);
        }
    }
    let passed = all.iter().all(|check| check.passed);
    if options.json {
        let checks: Vec<_> = all
            .iter()
            .map(|c| json!({"name": c.name, "resource": c.resource, "passed": c.passed, "detail": c.detail, "took_ms": c.took.as_millis()}))
            .collect();
        println!("{}", json!({"checks": checks}));
    } else {
        let good = all.iter().filter(|c| c.passed).count();
        println!("\n{good} of {} checks passed. The ledger has {} events.", all.len(), world.events().await?);
    }
    if !options.once {
        world.say_where(options.json).await?;
        stop.cancelled().await;
    }
    world.stop().await;
    Ok(passed)
}

fn print_check(check: &Check) {
    let mark = if check.passed { "passed" } else { "FAILED" };
    let took = Duration::from_millis(u64::try_from(check.took.as_millis()).unwrap_or(0));
    println!("  {mark}  {:<6} {:<66} {:>5} ms", check.resource, check.name, took.as_millis());
    if !check.passed {
        println!("          {}", check.detail);
    }
}
