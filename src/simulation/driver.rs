//! The scheduler: chooses which process runs next, what people do, which faults occur, and which process crashes.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    chance::Chance,
    client,
    deliveries::{self, PendingDelivery},
    fault_injection,
    parts::Parts,
    people,
    plan::{Conditions, Fault, Plan},
    process::{Loop, Process, Step},
    step_checks::StepChecks,
    trace::Trace,
    turn::{Turn, take_turn},
    world::{BAYS, World, lock},
};
use crate::adapters::memory::projections::MemoryProjections;

/// Maximum number of turns of one step; more count as an endless loop.
pub(super) const TURNS_MAX: u64 = 200_000;

/// A running step of a process.
struct Task {
    id: u64,
    process: usize,
    which: Loop,
    step: Step,
    began: DateTime<Utc>,
    pending: Option<PendingDelivery>,
}

/// Drives one simulation.
pub(super) struct Driver<'a> {
    pub plan: &'a Plan,
    pub conditions: Conditions,
    parts: &'a dyn Parts,
    pub world: World,
    pub processes: Vec<Arc<Process>>,
    tasks: Vec<Task>,
    deliveries: Vec<PendingDelivery>,
    pub trace: Trace,
    pub checks: StepChecks,
    pub step: u32,
    turns: u64,
    incarnations: u32,
    tasks_begun: u64,
}

impl<'a> Driver<'a> {
    /// A world with its processes, before the first step.
    pub fn new(plan: &'a Plan, parts: &'a dyn Parts, keep_trace: bool) -> Self {
        let conditions = plan.conditions();
        let world = World::new(plan, &conditions, parts);
        let mut driver = Self {
            plan,
            parts,
            world,
            processes: Vec::new(),
            tasks: Vec::new(),
            deliveries: Vec::new(),
            trace: Trace::new(keep_trace),
            checks: StepChecks::new(keep_trace),
            step: 0,
            turns: 0,
            incarnations: 0,
            tasks_begun: 0,
            conditions,
        };
        {
            let mut ledger_faults = lock(&driver.world.ledger_faults);
            ledger_faults.unavailable_permille = driver.conditions.rate(Fault::LedgerDown);
            ledger_faults.lost_answer_permille = driver.conditions.rate(Fault::LedgerAnswerLost);
        }
        for _ in 0..driver.conditions.processes {
            let process = driver.start_process();
            driver.processes.push(process);
        }
        driver
    }

    /// Runs the checks after a step.
    pub fn check(&mut self) {
        self.checks.check(&self.world);
        let lines = std::mem::take(&mut self.checks.trace_lines);
        if self.trace.keep {
            self.trace.lines.extend(lines);
        }
    }

    /// Adds a line to the trace, with the step and the time.
    pub fn log(&mut self, line: &str) {
        self.trace.add(self.step, self.world.now(), line);
    }

    fn start_process(&mut self) -> Arc<Process> {
        self.incarnations += 1;
        Process::start(&self.world, self.parts, &format!("worker-{}", self.incarnations))
    }

    /// One step of random activity.
    pub fn run_step(&mut self, step: u32) {
        self.step = step;
        let mut chance = Chance::of_step(self.plan.seed, u64::from(step));
        for (fault, rate) in self.conditions.rates.clone() {
            if chance.permille(rate) {
                self.inject(fault, &mut chance);
            }
        }
        match chance.below(100) {
            0..=2 => self.send_request(&mut chance),
            3..=11 => {
                let what = people::customer(&self.world, &mut chance);
                self.log(&what);
            }
            12..=21 => {
                let what = people::person(&self.world, &mut chance);
                self.log(&what);
            }
            22..=33 => self.pass_time(&mut chance),
            34..=47 => self.deliver_one(&mut chance),
            48..=59 if self.processes.len() > 1 => self.race(&mut chance),
            _ => self.run_some(&mut chance),
        }
    }

    /// The host application sends a request to one of the processes.
    fn send_request(&mut self, chance: &mut Chance) {
        let (request, what) = client::next_request(&self.world, chance);
        self.log(&what);
        let process = usize::try_from(chance.below(self.processes.len() as u64)).unwrap_or(0);
        let step = client::send(&self.processes[process], &self.world.observations, request);
        self.add(process, Loop::Receive(self.tasks_begun), step, None);
    }

    /// Two processes react to the same events, turn by turn.
    fn race(&mut self, chance: &mut Chance) {
        self.log("two processes race");
        let ids = [self.begin(0, Loop::React), self.begin(1, Loop::React)];
        for _ in 0..chance.between(10, 80) {
            let Some(id) = chance.pick(&ids) else { return };
            self.run(*id, 1 + chance.below(2), &mut Vec::new());
        }
    }

    fn inject(&mut self, fault: Fault, chance: &mut Chance) {
        match fault {
            Fault::Crash => {
                let process = usize::try_from(chance.below(self.processes.len() as u64)).unwrap_or(0);
                self.crash(process);
            }
            Fault::ModelsLost => self.lose_models(),
            Fault::Forged => {
                let (sender, request) = deliveries::forged_request(&self.world, chance);
                let Some(process) = self.processes.first() else { return };
                let step = deliveries::deliver_forged(process, &self.world.observations, sender, request);
                self.world.observations.lock().count(Fault::Forged.name());
                self.log(&format!("forged notification of {sender:?}"));
                self.add(0, Loop::Receive(self.tasks_begun), step, None);
            }
            _ => {
                if let Some(what) = fault_injection::inject(&self.world, fault, chance) {
                    self.log(&format!("fault: {what}"));
                }
            }
        }
    }

    /// A process crashes: its running steps stop and its memory is lost. A new process replaces it.
    pub fn crash(&mut self, process: usize) {
        self.world.observations.lock().count(Fault::Crash.name());
        self.replace(process);
    }

    /// Ends a process with everything that it was doing, and starts another in its place.
    fn replace(&mut self, process: usize) {
        let (dead, live): (Vec<Task>, Vec<Task>) =
            std::mem::take(&mut self.tasks).into_iter().partition(|task| task.process == process);
        self.tasks = live;
        for task in &dead {
            self.world.observations.lock().count("steps_cut_short");
            if let Some(pending) = &task.pending {
                deliveries::report_status(&self.world, pending, None);
            }
        }
        drop(dead);
        let successor = self.start_process();
        let line = format!("{} ends, {} replaces it", self.processes[process].name, successor.name);
        self.processes[process] = successor;
        self.log(&line);
        self.checks.recheck_acknowledged();
    }

    fn lose_models(&mut self) {
        self.world.models = Arc::new(MemoryProjections::default());
        self.world.observations.lock().count(Fault::ModelsLost.name());
        self.log("the read models are lost");
        for process in 0..self.processes.len() {
            self.replace(process);
        }
    }

    fn pass_time(&mut self, chance: &mut Chance) {
        let ms = match chance.below(10) {
            0..=5 => chance.between(0, 20_000),
            6..=8 => chance.between(20_000, 300_000),
            _ => chance.between(300_000, 7_200_000),
        };
        let by = TimeDelta::milliseconds(ms);
        if self.conditions.rate(Fault::Stall) == 0 {
            // No call lasts as long as a lease: running steps are finished first.
            let then = self.world.now() + by;
            let overdue = self.tasks.iter().any(|task| then - task.began > TimeDelta::seconds(30));
            if overdue {
                self.finish_all();
            }
        } else if !self.tasks.is_empty() && by > TimeDelta::minutes(1) {
            self.world.observations.lock().count(Fault::Stall.name());
        }
        self.world.clock.advance(by);
        self.log(&format!("time passes: {}.{:03} s", ms / 1_000, ms % 1_000));
    }

    fn deliver_one(&mut self, chance: &mut Chance) {
        self.deliveries.extend(deliveries::take_due(&self.world));
        if self.deliveries.is_empty() {
            return;
        }
        let at = usize::try_from(chance.below(self.deliveries.len() as u64)).unwrap_or(0);
        let pending = self.deliveries.remove(at);
        let process = usize::try_from(chance.below(self.processes.len() as u64)).unwrap_or(0);
        self.deliver(pending, process);
    }

    fn deliver(&mut self, pending: PendingDelivery, process: usize) {
        self.log(&format!("notification of {:?}, attempt {}", pending.sender, pending.delivery.attempt));
        let step = deliveries::deliver(&self.processes[process], pending.sender, pending.delivery.request.clone());
        self.add(process, Loop::Receive(self.tasks_begun), step, Some(pending));
    }

    fn run_some(&mut self, chance: &mut Chance) {
        let process = usize::try_from(chance.below(self.processes.len() as u64)).unwrap_or(0);
        let open: Vec<u64> = self.tasks.iter().filter(|task| task.process == process).map(|task| task.id).collect();
        let id = match chance.pick(&open) {
            Some(id) if chance.permille(500) => *id,
            _ => self.begin(process, some_loop(chance)),
        };
        let turns = if chance.permille(550) { u64::MAX } else { 1 + chance.below(12) };
        self.run(id, turns, &mut Vec::new());
    }

    /// Begins a step of a loop, or returns the one that is running.
    fn begin(&mut self, process: usize, which: Loop) -> u64 {
        let running = self.tasks.iter().find(|task| task.process == process && task.which == which);
        match running {
            Some(task) => task.id,
            None => {
                let step = self.processes[process].begin(which);
                self.add(process, which, step, None)
            }
        }
    }

    fn add(&mut self, process: usize, which: Loop, step: Step, pending: Option<PendingDelivery>) -> u64 {
        self.tasks_begun += 1;
        let (id, began) = (self.tasks_begun, self.world.now());
        self.tasks.push(Task { id, process, which, step, began, pending });
        id
    }

    /// Gives a task up to `turns` turns and returns its result if it ends. `waiting` contains the tasks that wait for it.
    fn run(&mut self, id: u64, turns: u64, waiting: &mut Vec<u64>) -> Option<Result<String, String>> {
        let mut taken = 0;
        while taken < turns {
            taken += 1;
            self.turns += 1;
            let task = self.tasks.iter_mut().find(|task| task.id == id)?;
            let (process, which) = (task.process, task.which);
            let turn = take_turn(&mut task.step);
            if self.plan.crash_at_turn == Some(self.turns) {
                (0..self.processes.len()).for_each(|process| self.crash(process));
                return None;
            }
            match turn {
                Turn::Done(result) => {
                    self.finish_task(id, &result);
                    return Some(result);
                }
                Turn::Yielded => {}
                Turn::Blocked => self.unblock(id, process, waiting),
            }
            if taken > TURNS_MAX {
                self.world
                    .observations
                    .lock()
                    .add_violation("progress", format!("{which:?} takes more than {TURNS_MAX} turns"));
                return None;
            }
        }
        let task = self.tasks.iter().find(|task| task.id == id)?;
        let line = format!("{} {:?} paused after {taken} turns", self.processes[task.process].name, task.which);
        self.log(&line);
        None
    }

    /// Gives each other step of that process a turn: one of them holds the lock that this one waits for.
    fn unblock(&mut self, id: u64, process: usize, waiting: &mut Vec<u64>) {
        waiting.push(id);
        let others: Vec<u64> = self.tasks.iter().filter(|task| task.process == process).map(|task| task.id).collect();
        for other in others {
            if !waiting.contains(&other) {
                self.run(other, 1, waiting);
            }
        }
        waiting.pop();
    }

    fn finish_task(&mut self, id: u64, result: &Result<String, String>) {
        let Some(at) = self.tasks.iter().position(|task| task.id == id) else { return };
        let result_text = match result {
            Ok(result_text) => result_text.clone(),
            Err(failure) => format!("failed: {failure}"),
        };
        let task = self.tasks.remove(at);
        if let Some(pending) = &task.pending {
            deliveries::report_status(&self.world, pending, result_text.parse().ok());
        }
        let line = format!("{} {:?}: {result_text}", self.processes[task.process].name, task.which);
        self.log(&line);
    }

    /// Runs every step to its end.
    pub fn finish_all(&mut self) {
        while let Some(id) = self.tasks.first().map(|task| task.id) {
            self.run(id, u64::MAX, &mut Vec::new());
            // A step that does not end is a violation already.
            self.tasks.retain(|task| task.id != id);
        }
    }

    /// Delivers all notifications that are due.
    pub fn deliver_all(&mut self) {
        self.deliveries.extend(deliveries::take_due(&self.world));
        for pending in std::mem::take(&mut self.deliveries) {
            self.deliver(pending, 0);
            self.finish_all();
        }
    }

    /// Whether a notification is due.
    pub fn has_deliveries(&mut self) -> bool {
        self.deliveries.extend(deliveries::take_due(&self.world));
        !self.deliveries.is_empty()
    }

    /// Runs one step of a loop to its end; returns a description of a failure.
    pub fn run_loop(&mut self, process: usize, which: Loop) -> Result<(), String> {
        let id = self.begin(process, which);
        match self.run(id, u64::MAX, &mut Vec::new()) {
            Some(Err(failure)) => Err(format!("{which:?} failed after all faults were cleared: {failure}")),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// The number of turns so far.
    pub fn turns(&self) -> u64 {
        self.turns
    }
}

fn some_loop(chance: &mut Chance) -> Loop {
    match chance.below(64) {
        63 => Loop::Seal,
        n => match n / 4 {
            0..=1 => Loop::Project,
            2..=7 => Loop::React,
            8..=11 => Loop::Pull(usize::try_from(chance.below(BAYS.len() as u64)).unwrap_or(0)),
            12 => Loop::Watch,
            13 => Loop::Probe,
            _ => Loop::Poll,
        },
    }
}
