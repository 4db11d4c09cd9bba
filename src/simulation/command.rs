//! `syncledger simulate`: runs seeds on all cores, reports results, and shrinks each violation to the shortest script found.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Outcome,
    parts::AsShipped,
    plan::{Fault, Plan, STEPS},
    play,
    report::{self, Summary},
};
use crate::ports::clock::Clock;

/// How many seeds are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// That many.
    Seeds(u64),
    /// As many as can be begun in that time.
    For(TimeDelta),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The first seed. The others follow it one by one.
    pub seed: u64,
    /// How many.
    pub span: Span,
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
    /// Seeds played at the same time, each on a thread of its own. Changes how long it takes, and nothing else.
    pub cores: usize,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            seed: 0,
            span: Span::Seeds(20),
            steps: STEPS,
            without: Vec::new(),
            skip: BTreeSet::new(),
            trace: false,
            json: false,
            cores: 1,
        }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Seeds played.
    pub done: u64,
    /// Seeds that broke a rule.
    pub broken: u64,
    /// Time gone by.
    pub took: TimeDelta,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such fault.
    #[error("there is no fault {0:?}; there are: {names}", names = names())]
    UnknownFault(String),
    /// No seed is asked for.
    #[error("no seed would be played: ask for at least one, or for a longer time")]
    NoSeeds,
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

fn names() -> String {
    Fault::ALL.map(|(_, name)| name).join(", ")
}

/// Plays what is asked for and writes the summary to `out`; `report` is called after every seed. `clock` is the machine's:
/// it says how long it took, and nothing of what is simulated. Answers whether every rule held: exit code 0, else 1.
///
/// # Errors
/// [`Error`]: exit code 2.
pub fn run(
    request: &Request,
    clock: &dyn Clock,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<bool, Error> {
    let without = request
        .without
        .iter()
        .map(|name| Fault::named(name).ok_or_else(|| Error::UnknownFault(name.clone())))
        .collect::<Result<BTreeSet<_>, _>>()?;
    if matches!(request.span, Span::Seeds(0)) || matches!(request.span, Span::For(time) if time <= TimeDelta::zero()) {
        return Err(Error::NoSeeds);
    }
    let template = Plan { seed: 0, steps: request.steps, without, skip: request.skip.clone(), crash_at_turn: None };
    let began = clock.now();
    let mut tally =
        Tally { request, began, out, progress, next: 0, early: BTreeMap::new(), played: Summary::default() };
    let begun = AtomicU64::new(0);
    let written = thread::scope(|scope| {
        let (send, outcomes) = mpsc::channel();
        for _ in 0..request.cores.max(1) {
            let (send, begun, template) = (send.clone(), &begun, &template);
            scope.spawn(move || draw(request, clock, began, begun, template, &send));
        }
        drop(send);
        // Threads end by themselves when nobody receives any more.
        outcomes.into_iter().try_for_each(|(nth, plan, outcome)| tally.take(clock, nth, plan, outcome))
    });
    written?;
    let mut summary = tally.played;
    summary.took = clock.now() - began;
    report::write(request, &summary, &AsShipped, out)?;
    Ok(summary.broken.is_empty())
}

type Played = (u64, Plan, Outcome);

/// Plays the next seed that nobody has begun, until there is none.
fn draw(
    request: &Request,
    clock: &dyn Clock,
    began: DateTime<Utc>,
    begun: &AtomicU64,
    template: &Plan,
    send: &mpsc::Sender<Played>,
) {
    loop {
        if matches!(request.span, Span::For(time) if clock.now() - began >= time) {
            return;
        }
        let nth = begun.fetch_add(1, Ordering::Relaxed);
        if matches!(request.span, Span::Seeds(seeds) if nth >= seeds) {
            return;
        }
        let plan = Plan { seed: request.seed.wrapping_add(nth), ..template.clone() };
        let outcome = play(&plan, &AsShipped, request.trace);
        if send.send((nth, plan, outcome)).is_err() {
            return;
        }
    }
}

/// Takes outcomes in the order of their seeds, in whatever order they come.
struct Tally<'a> {
    request: &'a Request,
    began: DateTime<Utc>,
    out: &'a mut dyn Write,
    progress: &'a mut dyn FnMut(Progress),
    next: u64,
    early: BTreeMap<u64, (Plan, Outcome)>,
    played: Summary,
}

impl Tally<'_> {
    fn take(&mut self, clock: &dyn Clock, nth: u64, plan: Plan, outcome: Outcome) -> io::Result<()> {
        self.early.insert(nth, (plan, outcome));
        while let Some((plan, outcome)) = self.early.remove(&self.next) {
            self.next += 1;
            if self.request.trace {
                for line in &outcome.trace {
                    writeln!(self.out, "{line}")?;
                }
                writeln!(self.out, "seed {} ended with trace {}", plan.seed, outcome.hash)?;
            }
            self.played.add(plan, outcome);
        }
        let took = clock.now() - self.began;
        (self.progress)(Progress { done: self.played.seeds, broken: self.played.broken.len() as u64, took });
        Ok(())
    }
}
