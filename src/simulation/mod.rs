//! Floor 5. The whole system in one thread on a virtual clock: real services and adapters, model providers, people who
//! edit, faults, crashes; and the invariants that must hold all the time and at the end (`docs/DESIGN.md`, "Simulation").
//!
//! One seed determines everything: the same plan gives the same trace. Nothing here asks the machine for time or randomness.

mod calm;
mod chance;
mod client;
mod command;
mod driver;
mod ends;
mod ledger;
mod manners;
mod network;
mod notes;
mod parts;
mod people;
mod plan;
mod post;
mod process;
mod report;
mod safety;
mod shrink;
mod trace;
mod turn;
mod weather;
mod world;

use std::collections::BTreeMap;

pub use command::{Error, Progress, Request, Span, run};
pub use notes::Violation;
pub use parts::{AsShipped, Parts};
pub use plan::{Fault, Plan, STEPS};
pub use shrink::shrink;

use driver::Driver;

/// How a simulation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The step at which a rule was broken, and the rules; empty where all held.
    pub violations: Vec<Violation>,
    /// The step of the first violation; the number of steps where it came in the calm after them.
    pub step: u32,
    /// Over everything that happened and every event in the ledger.
    pub hash: String,
    /// What happened, line by line, where it was asked for.
    pub trace: Vec<String>,
    /// What happened how often.
    pub counts: BTreeMap<&'static str, u64>,
    /// Turns taken: each is a place where a process can die.
    pub turns: u64,
}

impl Outcome {
    /// Whether every rule held.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

impl Driver<'_> {
    /// Whether a rule was broken.
    fn broken(&self) -> bool {
        !self.world.notes.open().violations.is_empty()
    }
}

/// Plays `plan` with these parts.
pub fn play(plan: &Plan, parts: &dyn Parts, keep_trace: bool) -> Outcome {
    let mut driver = Driver::new(plan, parts, keep_trace);
    for step in 0..plan.steps {
        if plan.skip.contains(&step) {
            continue;
        }
        driver.chaos(step);
        driver.check();
        if driver.broken() {
            return outcome(driver, step);
        }
    }
    driver.step = plan.steps;
    if let Some(outage) = driver.climate.outage {
        calm::outage(&mut driver, outage);
    }
    if driver.broken() {
        return outcome(driver, plan.steps);
    }
    let began = calm::two_days(&mut driver);
    if !driver.broken() {
        ends::check(&driver, began);
    }
    outcome(driver, plan.steps)
}

fn outcome(mut driver: Driver<'_>, step: u32) -> Outcome {
    weather::count_struck(&driver.world, &driver.climate);
    let turns = driver.turns();
    let leaves = ends::leaves(&driver.world);
    let hash = driver.trace.sealed(&leaves);
    let mut notes = driver.world.notes.open();
    let events = leaves.len() as u64 / 32;
    notes.counts.insert("events", events);
    let (violations, mut counts) = (notes.violations.clone(), notes.counts.clone());
    drop(notes);
    counts.insert("acknowledged", driver.world.notes.open().acknowledged_count);
    Outcome { violations, step, hash, trace: std::mem::take(&mut driver.trace.lines), counts, turns }
}
