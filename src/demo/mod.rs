//! The main job on one machine, with nothing to set up: the service with its ledger in a temporary folder, a calendar
//! provider and a booking system of its own (`adapters/sandbox`), all on loopback. It plays a golf studio's check-list
//! and shows, from what the sandbox holds, what passed.

mod checks;
mod world;

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use checks::Check;
use world::World;

/// What to play.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stop after the check-list.
    pub once: bool,
    /// Print for programs.
    pub json: bool,
    /// Where the service listens; `None` for any free port on loopback.
    pub listen: Option<SocketAddr>,
}

/// Plays the check-list and prints it; goes on serving unless `once`. `true` where everything passed.
///
/// # Errors
/// The world could not be set up.
pub async fn run(options: &Options, stop: CancellationToken) -> anyhow::Result<bool> {
    let world = World::start(options.listen, stop.clone()).await?;
    if !options.json {
        println!("A golf studio with two bays. Bookings in USchedule, calendars at Google; both are sandboxes here.\n");
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
        println!("\n{good} of {} checks passed. The ledger holds {} events.", all.len(), world.events().await?);
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
