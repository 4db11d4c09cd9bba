//! The report of a run: counters of faults and events, and violations, each with its shortest script.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use chrono::TimeDelta;
use serde_json::json;

use super::{
    Outcome,
    command::Request,
    parts::Parts,
    plan::{Fault, Plan},
    rules::sentence,
    shrink::shrink,
};

/// Maximum number of seeds per rule that are shrunk: another seed may give a shorter script.
const SHRUNK_MAX: usize = 3;
/// Maximum number of seeds per rule that are listed.
const LISTED_MAX: usize = 20;

/// The totals of a run.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Number of seeds.
    pub seeds: u64,
    /// Number of steps of all seeds.
    pub steps: u64,
    /// Counters by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// The seeds that broke a rule.
    pub broken: Vec<(Plan, Outcome)>,
    /// Duration of the run.
    pub took: TimeDelta,
}

impl Summary {
    /// Adds the outcome of a seed.
    pub fn add(&mut self, plan: Plan, outcome: Outcome) {
        self.seeds += 1;
        self.steps += u64::from(outcome.step);
        for (what, count) in &outcome.counts {
            *self.counts.entry(*what).or_insert(0) += count;
        }
        if !outcome.holds() {
            self.broken.push((plan, outcome));
        }
    }

    fn by_rule(&self) -> BTreeMap<&'static str, Vec<&(Plan, Outcome)>> {
        let mut rules: BTreeMap<&'static str, Vec<&(Plan, Outcome)>> = BTreeMap::new();
        for played in &self.broken {
            if let Some(first) = played.1.violations.first() {
                rules.entry(first.invariant).or_default().push(played);
            }
        }
        rules
    }

    fn counted(&self, faults: bool) -> BTreeMap<&'static str, u64> {
        let of_kind = |(name, _): &(&&'static str, &u64)| Fault::named(name).is_some() == faults;
        self.counts.iter().filter(of_kind).map(|(name, count)| (*name, *count)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people; counts beyond 2^52 do not occur")]
    fn steps_per_core_s(&self, cores: usize) -> f64 {
        let seconds = self.took.as_seconds_f64() * cores.max(1) as f64;
        if seconds > 0.0 { self.steps as f64 / seconds } else { 0.0 }
    }
}

/// Writes the summary as JSON, or as text with the shortest script of each broken rule.
///
/// # Errors
/// The output cannot be written.
pub(super) fn write(request: &Request, summary: &Summary, parts: &dyn Parts, out: &mut dyn Write) -> io::Result<()> {
    if request.json { as_json(request, summary, parts, out) } else { as_text(request, summary, parts, out) }
}

fn as_json(request: &Request, summary: &Summary, parts: &dyn Parts, out: &mut dyn Write) -> io::Result<()> {
    let violations: Vec<_> = summary
        .broken
        .iter()
        .flat_map(|(plan, outcome)| outcome.violations.iter().map(move |v| (plan.seed, outcome.step, v)))
        .map(|(seed, step, v)| json!({"seed": seed, "step": step, "invariant": v.invariant, "what": v.what}))
        .collect();
    let rules = summary.by_rule().into_iter().map(|(rule, played)| {
        let seeds: Vec<u64> = played.iter().map(|(plan, _)| plan.seed).collect();
        let found = shortest(&played, parts);
        let (replay, script) = found.map(|(plan, outcome)| (replay(&plan), outcome.trace)).unzip();
        json!({"rule": rule, "says": sentence(rule), "seeds": seeds, "replay": replay, "script": script})
    });
    let fields = json!({
        "rules_broken": rules.collect::<Vec<_>>(),
        "seeds": summary.seeds, "first_seed": request.seed, "steps": request.steps,
        "took_ms": summary.took.num_milliseconds(), "cores": request.cores,
        "steps_per_core_s": summary.steps_per_core_s(request.cores).round(),
        "faults": summary.counted(true), "counts": summary.counted(false), "violations": violations,
    });
    writeln!(out, "{fields}")
}

fn as_text(request: &Request, summary: &Summary, parts: &dyn Parts, out: &mut dyn Write) -> io::Result<()> {
    let seeds = if summary.seeds == 1 { "seed" } else { "seeds" };
    writeln!(
        out,
        "{} {seeds}, the first {}, {} steps each, in {:.1} s: {:.0} steps per second and core",
        summary.seeds,
        request.seed,
        request.steps,
        summary.took.as_seconds_f64(),
        summary.steps_per_core_s(request.cores)
    )?;
    let line = |counts: BTreeMap<&'static str, u64>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    writeln!(out, "faults: {}", line(summary.counted(true)))?;
    writeln!(out, "counts: {}", line(summary.counted(false)))?;
    if summary.broken.is_empty() {
        writeln!(out, "every rule held")?;
        if request.random && summary.seeds >= 100 {
            // With no failure in n independent tries, a rate above 3/n would have shown with 95 % probability.
            writeln!(out, "at 95 % confidence, fewer than 1 in {} seeds breaks a rule", summary.seeds / 3)?;
        }
        return Ok(());
    }
    for (rule, played) in summary.by_rule() {
        broken_rule(rule, &played, summary.seeds, parts, out)?;
    }
    writeln!(out, "rules were broken")
}

/// Writes the seeds that broke a rule, their violations, and the shortest script found.
fn broken_rule(
    rule: &str,
    played: &[&(Plan, Outcome)],
    of: u64,
    parts: &dyn Parts,
    out: &mut dyn Write,
) -> io::Result<()> {
    let seeds: Vec<String> = played.iter().take(LISTED_MAX).map(|(plan, _)| plan.seed.to_string()).collect();
    let more = if played.len() > LISTED_MAX { ", …" } else { "" };
    writeln!(
        out,
        "\n{rule} ({}): broken by {} of {of}: seeds {}{more}",
        sentence(rule),
        played.len(),
        seeds.join(", ")
    )?;
    for (plan, outcome) in played.iter().take(LISTED_MAX) {
        for violation in &outcome.violations {
            writeln!(out, "seed {} step {}: {}: {}", plan.seed, outcome.step, violation.invariant, violation.what)?;
        }
    }
    let Some((plan, outcome)) = shortest(played, parts) else { return Ok(()) };
    writeln!(out, "the shortest script found:")?;
    for line in &outcome.trace {
        writeln!(out, "{line}")?;
    }
    for violation in &outcome.violations {
        writeln!(out, "{}: {}", violation.invariant, violation.what)?;
    }
    writeln!(out, "replay: {}", replay(&plan))
}

/// The shortest script found for the seeds that broke a rule.
fn shortest(played: &[&(Plan, Outcome)], parts: &dyn Parts) -> Option<(Plan, Outcome)> {
    let shrunk = played.iter().take(SHRUNK_MAX).map(|(plan, outcome)| shrink(plan, outcome, parts));
    shrunk.min_by_key(|(plan, _)| plan.steps_played())
}

/// The command that repeats a plan.
fn replay(plan: &Plan) -> String {
    let mut command = format!("syncledger simulate --seed {} --seeds 1 --steps {} --trace", plan.seed, plan.steps);
    for fault in &plan.without {
        command.push_str(&format!(" --without {}", fault.name()));
    }
    for step in &plan.skip {
        command.push_str(&format!(" --skip {step}"));
    }
    command
}
