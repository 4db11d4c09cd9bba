//! Floor 5. The whole system in one thread on a virtual clock: real services and adapters, model providers, people who
//! edit, faults, crashes; and the invariants that must hold after every step and at the end (`docs/DESIGN.md`, "Simulation").
//!
//! One seed determines everything: the same plan gives the same trace. Nothing here asks the machine for time or randomness.

mod call_rules;
mod canaries;
mod chance;
mod client;
mod command;
mod deliveries;
mod driver;
mod fault_injection;
mod final_checks;
mod ledger;
mod network;
mod observations;
mod parts;
mod people;
mod plan;
mod process;
mod quiescence;
mod report;
mod rules;
mod shrink;
mod step_checks;
mod trace;
mod turn;
mod world;

use std::collections::BTreeMap;

pub use command::{Error, Progress, Request, Span, run};
pub use observations::Violation;
pub use parts::{AsShipped, Parts};
pub use plan::{Fault, Plan, STEPS};
pub use rules::RULES;
pub use shrink::shrink;

use driver::Driver;

/// The result of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The violations found; empty if every rule held.
    pub violations: Vec<Violation>,
    /// The step of the first violation; the number of steps if it occurred in the quiet phase after them.
    pub step: u32,
    /// A hash over the trace and every event in the ledger.
    pub hash: String,
    /// The lines of the trace, if requested.
    pub trace: Vec<String>,
    /// Counters by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// The number of turns: a process can crash at each of them.
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
    fn has_violations(&self) -> bool {
        !self.world.observations.lock().violations.is_empty()
    }
}

/// Runs `plan` with these parts.
pub fn play(plan: &Plan, parts: &dyn Parts, keep_trace: bool) -> Outcome {
    let mut driver = Driver::new(plan, parts, keep_trace);
    for step in 0..plan.steps {
        if plan.skip.contains(&step) {
            continue;
        }
        driver.run_step(step);
        driver.check();
        if driver.has_violations() {
            return outcome(driver, step);
        }
    }
    driver.step = plan.steps;
    if let Some(outage) = driver.conditions.outage {
        quiescence::run_outage(&mut driver, outage);
    }
    if driver.has_violations() {
        return outcome(driver, plan.steps);
    }
    let began = quiescence::run_two_days(&mut driver);
    if !driver.has_violations() {
        final_checks::check(&driver, began);
    }
    outcome(driver, plan.steps)
}

fn outcome(mut driver: Driver<'_>, step: u32) -> Outcome {
    fault_injection::count_injected(&driver.world, &driver.conditions);
    let turns = driver.turns();
    let leaves = final_checks::ledger_leaves(&driver.world);
    let hash = driver.trace.hash_with(&leaves);
    let mut observations = driver.world.observations.lock();
    let events = leaves.len() as u64 / 32;
    observations.counts.insert("events", events);
    let (violations, mut counts) = (observations.violations.clone(), observations.counts.clone());
    drop(observations);
    counts.insert("acknowledged", driver.world.observations.lock().acknowledged_count);
    Outcome { violations, step, hash, trace: std::mem::take(&mut driver.trace.lines), counts, turns }
}
