//! The second half: all faults end, and within two days everything must come to rest.

use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;

use super::{
    chance::Chance,
    driver::Driver,
    notes::Notes,
    plan::Outage,
    process::Loop,
    safety::{entries_by_link, link_stream},
    weather,
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

/// How long it is calm.
const CALM: TimeDelta = TimeDelta::hours(48);
/// How long something stays broken before that, in some worlds.
const OUTAGE: TimeDelta = TimeDelta::hours(12);
/// Rounds at one instant after which something is said to go in circles.
const ROUNDS_MAX: u32 = 300;

/// Heals everything and lets two days pass. Answers when they began.
pub(super) fn two_days(driver: &mut Driver<'_>) -> DateTime<Utc> {
    weather::heal(&driver.world);
    driver.say("everything is healed");
    driver.finish_all();
    // Whoever slept through a lease or a retry is wide awake again.
    driver.check();
    let began = driver.world.now();
    let until = began + CALM;
    let mut chance = Chance::new(driver.plan.seed ^ 0x0CA1);
    let mut next_visit = 0;
    while driver.world.now() < until && !driver.broken() {
        let mut asked_at = rest(driver);
        let hour = (driver.world.now() - began).num_hours();
        if hour >= next_visit && next_visit < 20 {
            next_visit = hour + 1;
            if let Err(what) = driver.whole(0, Loop::Seal) {
                driver.world.notes.open().broken("progress", what);
            }
            if operator(driver, &mut chance) {
                asked_at = rest(driver);
            }
        }
        // Timers are met one by one in any case; a slice is how long it may be quiet between them.
        let slice = match hour {
            0 => TimeDelta::minutes(30),
            1..=5 => TimeDelta::hours(2),
            6..=23 => TimeDelta::hours(6),
            _ => TimeDelta::hours(12),
        };
        advance(driver, asked_at, slice, until);
    }
    rest(driver);
    driver.check();
    began
}

/// Calls on one entry or appointment in an outage of [`OUTAGE`]: some in its first minutes, then fewer and fewer.
const CALLS_MAX: u64 = 40;

/// Something stays broken for half a day: whatever meets it goes on trying, less and less often.
pub(super) fn outage(driver: &mut Driver<'_>, outage: Outage) {
    driver.finish_all();
    weather::heal(&driver.world);
    weather::cut(&driver.world, outage);
    driver.say(&format!("broken for half a day: {outage:?}"));
    driver.world.notes.open().count("outages");
    driver.world.notes.open().calls.clear();
    let until = driver.world.now() + OUTAGE;
    while driver.world.now() < until && !driver.broken() {
        let asked_at = rest(driver);
        few_calls(&mut driver.world.notes.open(), outage);
        advance(driver, asked_at, TimeDelta::hours(2), until);
    }
}

/// I10: what fails is tried less and less often.
fn few_calls(notes: &mut Notes, outage: Outage) {
    let on_one =
        |path: &str| path.split('/').skip_while(|part| *part != "events" && *part != "appointments").count() > 1;
    let often = notes.calls.iter().find(|((_, path), calls)| on_one(path) && **calls > CALLS_MAX);
    if let Some(((method, path), _)) = often {
        let what =
            format!("{method} {path} is sent more than {CALLS_MAX} times in half a day of {outage:?} being broken");
        notes.broken("I10", what);
    }
}

/// Every loop of every process, until nothing happens any more: first those that ask the outside for news, then those that
/// react to them, until nobody has anything to add. Answers when they were last asked to react.
fn rest(driver: &mut Driver<'_>) -> DateTime<Utc> {
    let mut asked_at = driver.world.now();
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
        if !all(driver, &loops) {
            return asked_at;
        }
        asked_at = driver.world.now();
        let news = ledger_end(driver);
        let projections: Vec<_> = (0..driver.processes.len()).map(|process| (process, Loop::CatchUp)).collect();
        let reactions: Vec<_> = (0..driver.processes.len()).map(|process| (process, Loop::React)).collect();
        if !(all(driver, &projections) && all(driver, &reactions)) {
            return asked_at;
        }
        driver.check();
        if driver.broken() {
            return asked_at;
        }
        // What is notified at the very instant at which a pull began counts as news: time has to pass.
        driver.world.clock.advance(TimeDelta::milliseconds(1));
        let end = ledger_end(driver);
        let projected = block_on(driver.world.models.checkpoints()).unwrap_or_default();
        if end == news && !driver.mail() && projected.iter().all(|checkpoint| checkpoint.position == end) {
            return asked_at;
        }
    }
    driver.world.notes.open().broken("progress", format!("{ROUNDS_MAX} rounds at one instant, and still no rest"));
    asked_at
}

fn ledger_end(driver: &Driver<'_>) -> Position {
    block_on(driver.world.ledger.end()).unwrap_or_default()
}

/// One whole step of each of these loops; whether all of them succeeded.
fn all(driver: &mut Driver<'_>, loops: &[(usize, Loop)]) -> bool {
    loops.iter().all(|(process, which)| match driver.whole(*process, *which) {
        Ok(()) => true,
        Err(what) => {
            driver.world.notes.open().broken("progress", what);
            false
        }
    })
}

/// To the next timer, or by `slice`. A timer that was over when everybody was last asked to react, at `asked_at`, should not
/// be there any more; a call that nobody answers takes its time, and another may be over by now.
fn advance(driver: &mut Driver<'_>, asked_at: DateTime<Utc>, slice: TimeDelta, until: DateTime<Utc>) {
    let now = driver.world.now();
    let links = driver.safety.links.iter().filter_map(|(id, link)| Some((id, link.as_ref()?.due_at()?)));
    let next = links.min_by_key(|(_, due)| *due).map(|(id, due)| (id.clone(), due));
    if let Some((link, due)) = next.as_ref().filter(|(_, due)| *due <= asked_at) {
        let what = format!("{link} was due at {due}; it was {asked_at}, and nobody did anything about it");
        driver.world.notes.open().broken("timers", what);
        return;
    }
    let next = next.map_or(now + slice, |(_, due)| due.clamp(now, now + slice));
    driver.world.clock.set(next.min(until).max(now + TimeDelta::milliseconds(1)));
    driver.say("time passes");
}

/// An operator looks at what waits for a word, and says one. Some of them let things lie. Whether anything was said.
fn operator(driver: &mut Driver<'_>, chance: &mut Chance) -> bool {
    let before = ledger_end(driver);
    let journal = driver.world.journal();
    let context =
        |journal: &Journal| Context::root(Actor::new("operator", "olga"), Origin::Admin, journal.clock().event_id());
    let approvals = block_on(approve::approvals(&journal, WORKSPACE)).unwrap_or_default();
    for (name, stand) in approvals {
        if stand == operations::Approval::Open {
            let grant = truly_gone(driver, &name);
            driver.world.notes.open().count(if grant { "approvals_granted" } else { "approvals_denied" });
            let context = context(&journal);
            let answered = block_on(approve::answer(&journal, WORKSPACE, &name, grant, &context));
            driver.say(&format!("operator says {grant} to {name}: {}", answered.is_ok()));
        }
    }
    let links: Vec<(String, bool, bool)> = driver
        .safety
        .links
        .iter()
        .filter_map(|(id, link)| {
            let link = link.as_ref()?;
            let waits = link.held.as_ref().is_some_and(|held| asks(&held.reason) && held.answer.is_none());
            (link.dead.is_some() || waits).then(|| (id.clone(), link.dead.is_some(), waits))
        })
        .collect();
    for (id, dead, waits) in links {
        if dead || waits {
            let appointment =
                driver.safety.links.get(&id).and_then(Option::as_ref).map(|link| link.of.appointment.clone());
            driver.world.notes.open().act(&appointment.unwrap_or_default());
        }
        if dead {
            say(driver, &id, link::Event::Reprocessed { by: "olga".into() });
        }
        if waits && chance.permille(600) {
            let accept = chance.permille(500);
            say(driver, &id, link::Event::RemoteChangeAnswered { accept, by: "olga".into() });
        }
    }
    ledger_end(driver) != before
}

/// What an operator finds who looks at the calendar: whether all the entries that are said to be gone are gone.
fn truly_gone(driver: &Driver<'_>, approval: &str) -> bool {
    let links = driver.safety.approvals.get(approval).cloned().unwrap_or_default();
    let standing = entries_by_link(&driver.world, &driver.world.notes.open());
    !links.iter().any(|link| standing.contains_key(link))
}

/// Whether a person is asked.
fn asks(reason: &link::HoldReason) -> bool {
    matches!(
        reason,
        link::HoldReason::Overlap { .. }
            | link::HoldReason::WholeDay
            | link::HoldReason::BroughtBack
            | link::HoldReason::AskFirst
    )
}

fn say(driver: &mut Driver<'_>, link: &str, fact: link::Event) {
    let journal = driver.world.journal();
    let Some(stream) = link_stream(link) else { return };
    let name = fact.name();
    let context = Context::root(Actor::new("operator", "olga"), Origin::Admin, journal.clock().event_id());
    let last = block_on(driver.world.ledger.last(&stream)).ok().flatten().map(|last| last.version);
    let appended = append(&journal, &stream, last, fact, &context);
    driver.say(&format!("operator: {name} on {link}: {appended}"));
}

fn append(journal: &Journal, stream: &StreamName, last: Option<Version>, fact: link::Event, context: &Context) -> bool {
    block_on(journal.append(stream, ExpectedVersion::after(last), vec![event::Event::Link(fact)], context)).is_ok()
}
