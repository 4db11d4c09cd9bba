//! Seeds that must hold, and the checks on the simulation itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use syncledger::{
    adapters::memory::VirtualClock,
    simulation::{AsShipped, Fault, Plan, RULES, Request, Span, play, run, shrink},
};

use crate::support::size::sized;

/// With fewer seeds, some fault or counter is missing.
const SEEDS: u64 = 30;

fn hold(seeds: impl Iterator<Item = Plan>) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for plan in seeds {
        let outcome = play(&plan, &AsShipped, false);
        let seed = plan.seed;
        assert!(outcome.holds(), "seed {seed} step {}: {:?}", outcome.step, outcome.violations);
        for (what, count) in outcome.counts {
            *counts.entry(what).or_insert(0) += count;
        }
    }
    counts
}

/// Every fault occurs, and every rule has something to check.
#[test]
fn seeds_hold_and_miss_nothing() {
    let counts = hold((0..SEEDS).map(Plan::new));
    let faults = Fault::ALL.map(|(_, name)| name);
    let antecedents = [
        "acknowledged",
        "adoptions",
        "approvals_asked_for",
        "checkpoints",
        "events_searched",
        "keys_refused",
        "outages",
        "pauses_asked_for",
        "requests_answered_again",
        "writes_counted",
        "bookings_compared",
        "commands",
        "conflicts",
        "copies",
        "deletions",
        "detached",
        "echoes",
        "edits_accepted",
        "edits_held",
        "edits_of_time",
        "edits_of_words",
        "edits_written_over",
        "excused_detached",
        "excused_held",
        "markers_stripped",
        "outcomes_unknown",
        "outcomes_verified",
        "steps_cut_short",
        "tables_compared",
        "undeletions",
        "unmanaged",
        "writes_carried_out",
        "written_back",
    ];
    let missing: Vec<_> = faults.iter().chain(&antecedents).filter(|what| !counts.contains_key(*what)).collect();
    assert!(missing.is_empty(), "never happened in {SEEDS} seeds: {missing:?}\n{counts:?}");
}

#[test]
fn seeds_without_faults_hold() {
    hold((100..100 + sized(3, 100)).map(|seed| Plan::new(seed).without_faults()));
}

/// Seeds that once broke a rule, and by what.
#[test]
fn seeds_that_found_something_hold() {
    let calm = [
        0, // an answer about a brought-back entry left it standing
        2, // of two observations of one link in one batch the first was lost
    ];
    hold(calm.into_iter().map(|seed| Plan::new(seed).without_faults()));
    hold(FOUND.into_iter().map(Plan::new));
}

/// 4: a grant that was gone before it was ever seen to work woke nobody when it came · 5: a slow listing's old version
/// counted as an edit back · 6: two processes withheld for different reasons, without end · 13: a removal that waits was
/// judged anew with every look, without end.
const FOUND: [u64; 4] = [4, 5, 6, 13];

/// A process may die at any turn: before and after every effect.
#[test]
fn a_crash_at_any_turn_changes_nothing_in_the_end() {
    let mut plan = Plan::new(11).without_faults();
    plan.steps = 60;
    let turns = play(&plan, &AsShipped, false).turns;
    assert!(turns > 200, "only {turns} turns to die at");
    let stride = usize::try_from(turns / sized(12, 200)).unwrap();
    for turn in (1..turns).step_by(stride) {
        let outcome = play(&Plan { crash_at_turn: Some(turn), ..plan.clone() }, &AsShipped, false);
        assert!(outcome.holds(), "a crash at turn {turn}: {:?}", outcome.violations);
        assert!(outcome.counts.contains_key("crash"), "nobody died at turn {turn}");
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let hash = |seed| play(&Plan { steps: 120, ..Plan::new(seed) }, &AsShipped, false).hash;
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}

#[test]
fn a_summary_says_what_was_done() {
    let clock = VirtualClock::new(0, DateTime::<Utc>::UNIX_EPOCH);
    let request = Request { span: Span::Seeds(2), steps: 20, json: true, ..Request::default() };
    let (mut out, mut heard) = (Vec::new(), 0);
    assert!(run(&request, &clock, &mut out, &mut |progress| heard = progress.done).unwrap());
    assert_eq!(heard, 2);
    let said: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&said["seeds"], said["violations"].as_array().map(Vec::len)), (&2.into(), Some(0)));
    let unknown = Request { without: vec!["nonsense".into()], ..request };
    assert!(run(&unknown, &clock, &mut Vec::new(), &mut |_| {}).is_err());
    let none = Request { span: Span::Seeds(0), ..Request::default() };
    assert!(run(&none, &clock, &mut Vec::new(), &mut |_| {}).is_err(), "no seed is no proof");
}

/// The output does not depend on the number of threads.
#[test]
fn the_number_of_cores_changes_nothing_that_is_simulated() {
    let clock = VirtualClock::new(0, DateTime::<Utc>::UNIX_EPOCH);
    let printed = |cores| {
        let request = Request { span: Span::Seeds(6), steps: 60, trace: true, cores, ..Request::default() };
        let mut out = Vec::new();
        run(&request, &clock, &mut out, &mut |_| {}).unwrap();
        String::from_utf8(out).unwrap()
    };
    let alone = printed(1);
    assert!(alone.contains("seed 5 ended with trace"));
    assert_eq!(alone, printed(4));
}

#[test]
fn a_violation_shrinks_to_a_short_script() {
    let parts = super::planted::Planted(super::planted::Bug::MarkerIgnored);
    let (plan, outcome) = (0..30)
        .map(|seed| Plan { steps: 100, ..Plan::new(seed) })
        .map(|plan| (plan.clone(), play(&plan, &parts, false)))
        .find(|(_, outcome)| !outcome.holds())
        .expect("the planted bug is found");
    let (short, again) = shrink(&plan, &outcome, &parts);
    assert_eq!(again.violations[0].invariant, outcome.violations[0].invariant);
    let played = |plan: &Plan| plan.steps as usize - plan.skip.len();
    assert!(played(&short) * 2 < played(&plan), "{} steps are left of {}", played(&short), played(&plan));
    assert_eq!(play(&short, &parts, true), again, "the script plays the same again");
}

/// What a report calls a rule is explained, and what is explained is checked somewhere.
#[test]
fn every_rule_that_can_be_broken_says_what_it_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/simulation");
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for after in text.split("add_violation(").skip(1) {
            let name = after.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            names.extend(name.map(str::to_owned));
        }
    }
    assert_eq!(names, RULES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn what_would_run_nothing_is_refused_and_threads_are_no_more_than_seeds() {
    let clock = VirtualClock::new(0, DateTime::<Utc>::UNIX_EPOCH);
    let played = |request: &Request| run(request, &clock, &mut Vec::new(), &mut |_| {});
    for (seeds, steps) in [(0, 5), (5, 0)] {
        let request = Request { span: Span::Seeds(seeds), steps, ..Request::default() };
        assert!(played(&request).unwrap_err().to_string().starts_with("nothing would be run"));
    }
    let request = Request { span: Span::Seeds(1), steps: 1, cores: usize::MAX, ..Request::default() };
    assert!(played(&request).unwrap());
}
