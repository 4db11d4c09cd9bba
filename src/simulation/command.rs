//! `syncledger simulate`: seeds one after the other, what came of them, and the shortest script of one that broke a rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use chrono::TimeDelta;
use serde_json::json;

use super::{
    Outcome,
    parts::AsShipped,
    plan::{Fault, Plan, STEPS},
    play,
    shrink::shrink,
};
use crate::ports::clock::Clock;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Steps of chaos for each.
    pub steps: u32,
    /// Faults that do not happen, by name.
    pub without: Vec<String>,
    /// Steps that are left out.
    pub skip: BTreeSet<u32>,
    /// Whether everything that happens is printed.
    pub trace: bool,
    /// Whether the summary is printed as JSON.
    pub json: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self { seed: 0, seeds: 20, steps: STEPS, without: Vec::new(), skip: BTreeSet::new(), trace: false, json: false }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Seeds played.
    pub done: u64,
    /// Seeds in all.
    pub of: u64,
    /// Seeds per second; 0 before the clock has moved.
    pub rate: f64,
    /// Time left at that rate.
    pub left: Option<TimeDelta>,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such fault.
    #[error("there is no fault {0:?}; there are: {names}", names = names())]
    UnknownFault(String),
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

fn names() -> String {
    Fault::ALL.map(|(_, name)| name).join(", ")
}

/// Plays what is asked for and writes the summary to `out`; `told` hears after every seed. `clock` is the machine's: it
/// tells how fast it goes, and nothing of what is simulated. Answers whether every rule held: exit code 0, else 1.
///
/// # Errors
/// [`Error`]: exit code 2.
pub fn run(
    request: &Request,
    clock: &dyn Clock,
    out: &mut dyn Write,
    told: &mut dyn FnMut(Progress),
) -> Result<bool, Error> {
    let without = request
        .without
        .iter()
        .map(|name| Fault::named(name).ok_or_else(|| Error::UnknownFault(name.clone())))
        .collect::<Result<BTreeSet<_>, _>>()?;
    let (began, mut counts, mut broken) = (clock.now(), BTreeMap::new(), Vec::new());
    for done in 0..request.seeds {
        let plan = Plan {
            seed: request.seed + done,
            steps: request.steps,
            without: without.clone(),
            skip: request.skip.clone(),
            crash_at_turn: None,
        };
        let outcome = play(&plan, &AsShipped, request.trace);
        for (what, count) in &outcome.counts {
            *counts.entry(*what).or_insert(0) += count;
        }
        if request.trace {
            for line in &outcome.trace {
                writeln!(out, "{line}")?;
            }
            writeln!(out, "seed {} ended with trace {}", plan.seed, outcome.hash)?;
        }
        if !outcome.holds() {
            broken.push((plan, outcome));
        }
        told(progress(done + 1, request.seeds, clock.now() - began));
    }
    summary(request, &counts, &broken, out)?;
    if let (Some((plan, outcome)), false) = (broken.first(), request.json) {
        script(plan, outcome, out)?;
    }
    Ok(broken.is_empty())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts beyond 2^52 do not occur")]
fn progress(done: u64, of: u64, took: TimeDelta) -> Progress {
    let seconds = took.as_seconds_f64();
    let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
    let left = (rate > 0.0).then(|| {
        #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds are enough")]
        let ms = ((of - done) as f64 / rate * 1_000.0) as i64;
        TimeDelta::milliseconds(ms)
    });
    Progress { done, of, rate, left }
}

fn summary(
    request: &Request,
    counts: &BTreeMap<&'static str, u64>,
    broken: &[(Plan, Outcome)],
    out: &mut dyn Write,
) -> Result<(), Error> {
    let faults: BTreeMap<_, _> = counts.iter().filter(|(name, _)| Fault::named(name).is_some()).collect();
    let others: BTreeMap<_, _> = counts.iter().filter(|(name, _)| Fault::named(name).is_none()).collect();
    if request.json {
        let violations: Vec<_> = broken
            .iter()
            .flat_map(|(plan, outcome)| outcome.violations.iter().map(move |v| (plan.seed, outcome.step, v)))
            .map(|(seed, step, v)| json!({"seed": seed, "step": step, "invariant": v.invariant, "what": v.what}))
            .collect();
        let said = json!({
            "seeds": request.seeds, "first_seed": request.seed, "steps": request.steps,
            "faults": faults, "counts": others, "violations": violations,
        });
        writeln!(out, "{said}")?;
        return Ok(());
    }
    writeln!(out, "{} seeds from {} on, {} steps each", request.seeds, request.seed, request.steps)?;
    let line = |counts: &BTreeMap<&&'static str, &u64>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    writeln!(out, "faults: {}", line(&faults))?;
    writeln!(out, "counts: {}", line(&others))?;
    for (plan, outcome) in broken {
        for violation in &outcome.violations {
            writeln!(out, "seed {} step {}: {}: {}", plan.seed, outcome.step, violation.invariant, violation.what)?;
        }
    }
    writeln!(out, "{}", if broken.is_empty() { "every rule held" } else { "rules were broken" })?;
    Ok(())
}

/// The shortest script found for a violation, and how to play it again.
fn script(plan: &Plan, outcome: &Outcome, out: &mut dyn Write) -> Result<(), Error> {
    let (plan, outcome) = shrink(plan, outcome, &AsShipped);
    writeln!(out, "\nthe shortest script found:")?;
    for line in &outcome.trace {
        writeln!(out, "{line}")?;
    }
    for violation in &outcome.violations {
        writeln!(out, "{}: {}", violation.invariant, violation.what)?;
    }
    write!(out, "replay: syncledger simulate --seed {} --seeds 1 --steps {} --trace", plan.seed, plan.steps)?;
    for fault in &plan.without {
        write!(out, " --without {}", fault.name())?;
    }
    for step in &plan.skip {
        write!(out, " --skip {step}")?;
    }
    writeln!(out)?;
    Ok(())
}
