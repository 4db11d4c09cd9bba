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

/// Maximum number of threads, however many cores are asked for.
const THREADS_MAX: usize = 256;

/// How many seeds to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// A fixed number of seeds.
    Seeds(u64),
    /// All seeds that can be started within this time.
    For(TimeDelta),
}

/// The options of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The first seed. The others are the numbers after it.
    pub seed: u64,
    /// How many seeds to run.
    pub span: Span,
    /// Steps of random activity per seed.
    pub steps: u32,
    /// Names of disabled faults.
    pub without: Vec<String>,
    /// Disabled steps.
    pub skip: BTreeSet<u32>,
    /// Whether to print everything that happens.
    pub trace: bool,
    /// Whether the first seed was chosen at random, so that the result says something about all seeds.
    pub random: bool,
    /// Whether to print the summary as JSON.
    pub json: bool,
    /// Number of threads, each of which runs one seed at a time. Changes only the duration of the run.
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
            random: false,
            json: false,
            cores: 1,
        }
    }
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Number of finished seeds.
    pub done: u64,
    /// Number of seeds that broke a rule.
    pub broken: u64,
    /// Time since the start of the run.
    pub took: TimeDelta,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A disabled fault does not exist.
    #[error("there is no fault {0:?}; there are: {names}", names = names())]
    UnknownFault(String),
    /// The request contains no seed.
    #[error("nothing would be run: give at least one seed and one step, or a longer time")]
    NoSeeds,
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

fn names() -> String {
    Fault::ALL.map(|(_, name)| name).join(", ")
}

/// Runs the seeds and writes the summary to `out`; `progress` is called after every seed. `clock` is the machine's: it
/// measures the duration of the run and does not influence the simulation. Returns whether every rule held.
///
/// # Errors
/// [`Error`]
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
    if request.steps == 0
        || matches!(request.span, Span::Seeds(0))
        || matches!(request.span, Span::For(time) if time <= TimeDelta::zero())
    {
        return Err(Error::NoSeeds);
    }
    let template = Plan { seed: 0, steps: request.steps, without, skip: request.skip.clone(), crash_at_turn: None };
    let began = clock.now();
    let mut tally =
        Tally { request, began, out, progress, next: 0, pending: BTreeMap::new(), summary: Summary::default() };
    let next_seed = AtomicU64::new(0);
    let written = thread::scope(|scope| {
        let (send, outcomes) = mpsc::channel();
        for _ in 0..threads(request) {
            let (send, next_seed, template) = (send.clone(), &next_seed, &template);
            scope.spawn(move || play_seeds(request, clock, began, next_seed, template, &send));
        }
        drop(send);
        // The threads end when the receiver is dropped.
        outcomes.into_iter().try_for_each(|(nth, plan, outcome)| tally.add(clock, nth, plan, outcome))
    });
    written?;
    let mut summary = tally.summary;
    summary.took = clock.now() - began;
    report::write(request, &summary, &AsShipped, out)?;
    Ok(summary.broken.is_empty())
}

/// One thread per core, and none without a seed.
fn threads(request: &Request) -> usize {
    let seeds = match request.span {
        Span::Seeds(seeds) => usize::try_from(seeds).unwrap_or(usize::MAX),
        Span::For(_) => usize::MAX,
    };
    request.cores.min(seeds).clamp(1, THREADS_MAX)
}

type NumberedOutcome = (u64, Plan, Outcome);

/// Runs the next seed until none is left.
fn play_seeds(
    request: &Request,
    clock: &dyn Clock,
    began: DateTime<Utc>,
    next_seed: &AtomicU64,
    template: &Plan,
    send: &mpsc::Sender<NumberedOutcome>,
) {
    loop {
        if matches!(request.span, Span::For(time) if clock.now() - began >= time) {
            return;
        }
        let nth = next_seed.fetch_add(1, Ordering::Relaxed);
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

/// Adds outcomes to the summary in the order of their seeds, whatever the order in which they finish.
struct Tally<'a> {
    request: &'a Request,
    began: DateTime<Utc>,
    out: &'a mut dyn Write,
    progress: &'a mut dyn FnMut(Progress),
    next: u64,
    pending: BTreeMap<u64, (Plan, Outcome)>,
    summary: Summary,
}

impl Tally<'_> {
    fn add(&mut self, clock: &dyn Clock, nth: u64, plan: Plan, outcome: Outcome) -> io::Result<()> {
        self.pending.insert(nth, (plan, outcome));
        while let Some((plan, outcome)) = self.pending.remove(&self.next) {
            self.next += 1;
            if self.request.trace {
                for line in &outcome.trace {
                    writeln!(self.out, "{line}")?;
                }
                writeln!(self.out, "seed {} ended with trace {}", plan.seed, outcome.hash)?;
            }
            self.summary.add(plan, outcome);
        }
        let took = clock.now() - self.began;
        (self.progress)(Progress { done: self.summary.seeds, broken: self.summary.broken.len() as u64, took });
        Ok(())
    }
}
