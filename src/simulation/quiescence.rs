//! The quiet phase at the end: all faults are cleared, and within two days the system must become quiet.

use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;

use super::{
    chance::Chance,
    driver::Driver,
    fault_injection,
    observations::Observations,
    plan::Outage,
    process::Loop,
    step_checks::{entries_by_link, link_stream},
    world::{self, BAYS, WORKSPACE},
};
use crate::{
    domain::{
        event,
        ids::{Position, Version},
        link, operations,
    },
    ports::{event_store::ExpectedVersion, projection_store::ProjectionStore as _},
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        journal::{Context, Journal},
        sync::approve,
    },
};

/// Length of the quiet phase.
const CALM: TimeDelta = TimeDelta::hours(48);
/// Length of the outage before it, for some seeds.
const OUTAGE: TimeDelta = TimeDelta::hours(12);
/// Maximum number of rounds at one instant; more count as an endless loop.
const ROUNDS_MAX: u32 = 300;

/// Clears all faults and lets two days pass. Returns the start of the two days.
pub(super) fn run_two_days(driver: &mut Driver<'_>) -> DateTime<Utc> {
    fault_injection::clear_faults(&driver.world);
    driver.log("all faults are cleared");
    driver.finish_all();
    // Steps that had stalled longer than a lease or a retry time have ended.
    driver.check();
    let began = driver.world.now();
    let until = began + CALM;
    let mut chance = Chance::new(driver.plan.seed ^ 0x0CA1);
    let mut next_visit = 0;
    while driver.world.now() < until && !driver.has_violations() {
        let mut reacted_at = run_until_quiet(driver);
        let hour = (driver.world.now() - began).num_hours();
        if hour >= next_visit && next_visit < 20 {
            next_visit = hour + 1;
            if let Err(what) = driver.run_loop(0, Loop::Seal) {
                driver.world.observations.lock().add_violation("progress", what);
            }
            if answer_open_items(driver, &mut chance) {
                reacted_at = run_until_quiet(driver);
            }
        }
        // The clock stops at every timer in any case; a slice is the longest advance between timers.
        let slice = match hour {
            0 => TimeDelta::minutes(30),
            1..=5 => TimeDelta::hours(2),
            6..=23 => TimeDelta::hours(6),
            _ => TimeDelta::hours(12),
        };
        advance(driver, reacted_at, slice, until);
    }
    run_until_quiet(driver);
    driver.check();
    began
}

/// Maximum number of calls on one entry or appointment during [`OUTAGE`]: some in the first minutes, then fewer and fewer.
const CALLS_MAX: u64 = 40;

/// Runs an outage of half a day: failed calls must be retried less and less often.
pub(super) fn run_outage(driver: &mut Driver<'_>, outage: Outage) {
    driver.finish_all();
    fault_injection::clear_faults(&driver.world);
    fault_injection::start_outage(&driver.world, outage);
    driver.log(&format!("outage of half a day: {outage:?}"));
    driver.world.observations.lock().count("outages");
    driver.world.observations.lock().calls.clear();
    let until = driver.world.now() + OUTAGE;
    while driver.world.now() < until && !driver.has_violations() {
        let reacted_at = run_until_quiet(driver);
        check_call_count(&mut driver.world.observations.lock(), outage);
        advance(driver, reacted_at, TimeDelta::hours(2), until);
    }
}

/// I10: a failed call is retried less and less often.
fn check_call_count(observations: &mut Observations, outage: Outage) {
    let on_one =
        |path: &str| path.split('/').skip_while(|part| *part != "events" && *part != "appointments").count() > 1;
    let often = observations.calls.iter().find(|((_, path), calls)| on_one(path) && **calls > CALLS_MAX);
    if let Some(((method, path), _)) = often {
        let what =
            format!("{method} {path} was sent more than {CALLS_MAX} times in an outage of half a day ({outage:?})");
        observations.add_violation("I10", what);
    }
}

/// Runs every loop of every process until nothing happens any more: first those that fetch changes from outside, then those
/// that react to them, until no event is added. Returns when the loops last reacted.
fn run_until_quiet(driver: &mut Driver<'_>) -> DateTime<Utc> {
    let mut reacted_at = driver.world.now();
    for round in 0..ROUNDS_MAX {
        driver.deliver_all();
        let mut loops = Vec::new();
        for process in 0..driver.processes.len() {
            let wanted = |at: &usize| driver.processes[process].wants_pull(&world::calendar_key(BAYS[*at].1));
            loops.extend((0..BAYS.len()).filter(wanted).map(|at| (process, Loop::Pull(at))));
            loops.push((process, Loop::Watch));
            if round == 0 {
                loops.extend([(process, Loop::Probe), (process, Loop::Poll)]);
            }
        }
        if !run_all(driver, &loops) {
            return reacted_at;
        }
        reacted_at = driver.world.now();
        let end_before = ledger_end(driver);
        let projections: Vec<_> = (0..driver.processes.len()).map(|process| (process, Loop::CatchUp)).collect();
        let reactions: Vec<_> = (0..driver.processes.len()).map(|process| (process, Loop::React)).collect();
        if !(run_all(driver, &projections) && run_all(driver, &reactions)) {
            return reacted_at;
        }
        driver.check();
        if driver.has_violations() {
            return reacted_at;
        }
        // A notification at the instant at which a pull began counts as newer than the pull: time has to pass.
        driver.world.clock.advance(TimeDelta::milliseconds(1));
        let end = ledger_end(driver);
        let projected = block_on(driver.world.models.checkpoints()).unwrap_or_default();
        if end == end_before
            && !driver.has_deliveries()
            && projected.iter().all(|checkpoint| checkpoint.position == end)
        {
            return reacted_at;
        }
    }
    driver
        .world
        .observations
        .lock()
        .add_violation("progress", format!("{ROUNDS_MAX} rounds at one instant, and the system is still not quiet"));
    reacted_at
}

fn ledger_end(driver: &Driver<'_>) -> Position {
    block_on(driver.world.ledger.end()).unwrap_or_default()
}

/// Runs one step of each of these loops to its end. Returns whether all of them succeeded.
fn run_all(driver: &mut Driver<'_>, loops: &[(usize, Loop)]) -> bool {
    loops.iter().all(|(process, which)| match driver.run_loop(*process, *which) {
        Ok(()) => true,
        Err(what) => {
            driver.world.observations.lock().add_violation("progress", what);
            false
        }
    })
}

/// Advances the clock to the next timer, or by `slice`. A timer that was due when the loops last reacted, at `reacted_at`,
/// should have been handled; a call without an answer takes time, so another timer may be due by now.
fn advance(driver: &mut Driver<'_>, reacted_at: DateTime<Utc>, slice: TimeDelta, until: DateTime<Utc>) {
    let now = driver.world.now();
    let links = driver.checks.links.iter().filter_map(|(id, link)| Some((id, link.as_ref()?.due_at()?)));
    let next = links.min_by_key(|(_, due)| *due).map(|(id, due)| (id.clone(), due));
    if let Some((link, due)) = next.as_ref().filter(|(_, due)| *due <= reacted_at) {
        let what = format!("{link} was due at {due}; at {reacted_at} nothing had been done about it");
        driver.world.observations.lock().add_violation("timers", what);
        return;
    }
    let next = next.map_or(now + slice, |(_, due)| due.clamp(now, now + slice));
    driver.world.clock.set(next.min(until).max(now + TimeDelta::milliseconds(1)));
    driver.log("time passes");
}

/// An operator answers open approvals, held changes and dead letters, some of them not. Returns whether any was answered.
fn answer_open_items(driver: &mut Driver<'_>, chance: &mut Chance) -> bool {
    let before = ledger_end(driver);
    let journal = driver.world.journal();
    let context =
        |journal: &Journal| Context::root(Actor::new("operator", "olga"), Origin::Admin, journal.clock().event_id());
    let approvals = block_on(approve::approvals(&journal, WORKSPACE)).unwrap_or_default();
    for (name, state) in approvals {
        if state == operations::Approval::Open {
            let grant = entries_are_gone(driver, &name);
            driver.world.observations.lock().count(if grant { "approvals_granted" } else { "approvals_denied" });
            let context = context(&journal);
            let answered = block_on(approve::answer(&journal, WORKSPACE, &name, grant, &context));
            driver.log(&format!("operator answers {grant} to {name}: {}", answered.is_ok()));
        }
    }
    let links: Vec<(String, bool, bool)> = driver
        .checks
        .links
        .iter()
        .filter_map(|(id, link)| {
            let link = link.as_ref()?;
            let waits = link.held.as_ref().is_some_and(|held| needs_answer(&held.reason) && held.answer.is_none());
            (link.dead.is_some() || waits).then(|| (id.clone(), link.dead.is_some(), waits))
        })
        .collect();
    for (id, dead, waits) in links {
        if dead || waits {
            let appointment =
                driver.checks.links.get(&id).and_then(Option::as_ref).map(|link| link.of.appointment.clone());
            driver.world.observations.lock().count_action(&appointment.unwrap_or_default());
        }
        if dead {
            record_answer(driver, &id, link::Event::Reprocessed { by: "olga".into() });
        }
        if waits && chance.permille(600) {
            let accept = chance.permille(500);
            record_answer(driver, &id, link::Event::RemoteChangeAnswered { accept, by: "olga".into() });
        }
    }
    ledger_end(driver) != before
}

/// What an operator sees in the calendar: whether all entries of an approval are really gone.
fn entries_are_gone(driver: &Driver<'_>, approval: &str) -> bool {
    let links = driver.checks.approvals.get(approval).cloned().unwrap_or_default();
    let live_entries = entries_by_link(&driver.world, &driver.world.observations.lock());
    !links.iter().any(|link| live_entries.contains_key(link))
}

/// Whether a held change waits for an operator's answer.
fn needs_answer(reason: &link::HoldReason) -> bool {
    matches!(
        reason,
        link::HoldReason::Overlap { .. }
            | link::HoldReason::WholeDay
            | link::HoldReason::Restored
            | link::HoldReason::OperatorDecision
    )
}

fn record_answer(driver: &mut Driver<'_>, link: &str, fact: link::Event) {
    let journal = driver.world.journal();
    let Some(stream) = link_stream(link) else { return };
    let name = fact.name();
    let context = Context::root(Actor::new("operator", "olga"), Origin::Admin, journal.clock().event_id());
    let last = block_on(driver.world.ledger.last(&stream)).ok().flatten().map(|last| last.version);
    let appended = append(&journal, &stream, last, fact, &context);
    driver.log(&format!("operator: {name} on {link}: {appended}"));
}

fn append(journal: &Journal, stream: &StreamName, last: Option<Version>, fact: link::Event, context: &Context) -> bool {
    block_on(journal.append(stream, ExpectedVersion::after(last), vec![event::Event::Link(fact)], context)).is_ok()
}
