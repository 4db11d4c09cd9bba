//! The scheduler: which process runs next, what people and faults do meanwhile, and which process dies.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    chance::Chance,
    client,
    parts::Parts,
    people,
    plan::{Climate, Fault, Plan},
    post::{self, Letter},
    process::{Loop, Process, Step},
    safety::Safety,
    trace::Trace,
    turn::{Turn, take_turn},
    weather,
    world::{BAYS, World, open},
};
use crate::adapters::memory::projections::MemoryProjections;

/// The most turns that one step may take before something is said to go in circles.
pub(super) const TURNS_MAX: u64 = 200_000;

/// A step of a process that is under way.
struct Task {
    id: u64,
    process: usize,
    which: Loop,
    step: Step,
    began: DateTime<Utc>,
    letter: Option<Letter>,
}

/// Drives one simulation.
pub(super) struct Driver<'a> {
    pub plan: &'a Plan,
    pub climate: Climate,
    parts: &'a dyn Parts,
    pub world: World,
    pub processes: Vec<Arc<Process>>,
    tasks: Vec<Task>,
    letters: Vec<Letter>,
    pub trace: Trace,
    pub safety: Safety,
    pub step: u32,
    turns: u64,
    incarnations: u32,
    tasks_begun: u64,
}

impl<'a> Driver<'a> {
    /// A world with its processes, before the first step.
    pub fn new(plan: &'a Plan, parts: &'a dyn Parts, keep_trace: bool) -> Self {
        let climate = plan.climate();
        let world = World::new(plan, &climate, parts);
        let mut driver = Self {
            plan,
            parts,
            world,
            processes: Vec::new(),
            tasks: Vec::new(),
            letters: Vec::new(),
            trace: Trace::new(keep_trace),
            safety: Safety::new(keep_trace),
            step: 0,
            turns: 0,
            incarnations: 0,
            tasks_begun: 0,
            climate,
        };
        {
            let mut trouble = open(&driver.world.trouble);
            trouble.down = driver.climate.rate(Fault::LedgerDown);
            trouble.answer_lost = driver.climate.rate(Fault::LedgerAnswerLost);
        }
        for _ in 0..driver.climate.processes {
            let process = driver.birth();
            driver.processes.push(process);
        }
        driver
    }

    /// Looks at what is new.
    pub fn check(&mut self) {
        self.safety.check(&self.world);
        let news = std::mem::take(&mut self.safety.news);
        if self.trace.keep {
            self.trace.lines.extend(news);
        }
    }

    /// A line of the trace, with the step and the time.
    pub fn say(&mut self, line: &str) {
        self.trace.say(self.step, self.world.now(), line);
    }

    fn birth(&mut self) -> Arc<Process> {
        self.incarnations += 1;
        Process::start(&self.world, self.parts, &format!("worker-{}", self.incarnations))
    }

    /// One step of chaos.
    pub fn chaos(&mut self, step: u32) {
        self.step = step;
        let mut chance = Chance::of_step(self.plan.seed, u64::from(step));
        for (fault, rate) in self.climate.rates.clone() {
            if chance.permille(rate) {
                self.strike(fault, &mut chance);
            }
        }
        match chance.below(100) {
            0..=2 => self.application(&mut chance),
            3..=11 => {
                let what = people::customer(&self.world, &mut chance);
                self.say(&what);
            }
            12..=21 => {
                let what = people::person(&self.world, &mut chance);
                self.say(&what);
            }
            22..=33 => self.pass_time(&mut chance),
            34..=47 => self.hand_over(&mut chance),
            48..=59 if self.processes.len() > 1 => self.race(&mut chance),
            _ => self.run_some(&mut chance),
        }
    }

    /// The host application sends a request to one of the processes.
    fn application(&mut self, chance: &mut Chance) {
        let (order, what) = client::next(&self.world, chance);
        self.say(&what);
        let process = usize::try_from(chance.below(self.processes.len() as u64)).unwrap_or(0);
        let step = client::send(&self.processes[process], &self.world.notes, order);
        self.add(process, Loop::Receive(self.tasks_begun), step, None);
    }

    /// Two processes react to the same news, turn by turn.
    fn race(&mut self, chance: &mut Chance) {
        self.say("two processes race");
        let ids = [self.begin(0, Loop::React), self.begin(1, Loop::React)];
        for _ in 0..chance.between(10, 80) {
            let Some(id) = chance.pick(&ids) else { return };
            self.run(*id, 1 + chance.below(2), &mut Vec::new());
        }
    }

    fn strike(&mut self, fault: Fault, chance: &mut Chance) {
        match fault {
            Fault::Crash => {
                let process = usize::try_from(chance.below(self.processes.len() as u64)).unwrap_or(0);
                self.crash(process);
            }
            Fault::ModelsLost => self.lose_models(),
            Fault::Forged => {
                let (sender, request) = post::forged(&self.world, chance);
                let Some(process) = self.processes.first() else { return };
                let step = post::hand_over_forged(process, &self.world.notes, sender, request);
                self.world.notes.open().count(Fault::Forged.name());
                self.say(&format!("forged notification of {sender:?}"));
                self.add(0, Loop::Receive(self.tasks_begun), step, None);
            }
            _ => {
                if let Some(what) = weather::strike(&self.world, fault, chance) {
                    self.say(&format!("weather: {what}"));
                }
            }
        }
    }

    /// A process dies: what it was doing stops where it is, and what it knew is gone. Another takes its place.
    pub fn crash(&mut self, process: usize) {
        let (dead, live): (Vec<Task>, Vec<Task>) =
            std::mem::take(&mut self.tasks).into_iter().partition(|task| task.process == process);
        self.tasks = live;
        for task in &dead {
            self.world.notes.open().count("steps_cut_short");
            if let Some(letter) = &task.letter {
                post::settled(&self.world, letter, None);
            }
        }
        drop(dead);
        self.world.notes.open().count(Fault::Crash.name());
        let born = self.birth();
        let line = format!("crash: {} dies, {} takes its place", self.processes[process].name, born.name);
        self.processes[process] = born;
        self.say(&line);
        self.safety.recheck_all();
    }

    fn lose_models(&mut self) {
        self.world.models = Arc::new(MemoryProjections::default());
        self.world.notes.open().count(Fault::ModelsLost.name());
        self.say("the read models are lost");
        for process in 0..self.processes.len() {
            self.crash(process);
        }
    }

    fn pass_time(&mut self, chance: &mut Chance) {
        let ms = match chance.below(10) {
            0..=5 => chance.between(0, 20_000),
            6..=8 => chance.between(20_000, 300_000),
            _ => chance.between(300_000, 7_200_000),
        };
        let by = TimeDelta::milliseconds(ms);
        if self.climate.rate(Fault::Stall) == 0 {
            // No call lasts as long as a lease: whoever is in the middle of something comes to its end first.
            let then = self.world.now() + by;
            let overdue = self.tasks.iter().any(|task| then - task.began > TimeDelta::seconds(30));
            if overdue {
                self.finish_all();
            }
        } else if !self.tasks.is_empty() && by > TimeDelta::minutes(1) {
            self.world.notes.open().count(Fault::Stall.name());
        }
        self.world.clock.advance(by);
        self.say(&format!("time passes: {}.{:03} s", ms / 1_000, ms % 1_000));
    }

    fn hand_over(&mut self, chance: &mut Chance) {
        self.letters.extend(post::collect(&self.world));
        if self.letters.is_empty() {
            return;
        }
        let at = usize::try_from(chance.below(self.letters.len() as u64)).unwrap_or(0);
        let letter = self.letters.remove(at);
        let process = usize::try_from(chance.below(self.processes.len() as u64)).unwrap_or(0);
        self.post(letter, process);
    }

    fn post(&mut self, letter: Letter, process: usize) {
        self.say(&format!("notification of {:?}, attempt {}", letter.sender, letter.delivery.attempt));
        let step = post::hand_over(&self.processes[process], letter.sender, letter.delivery.request.clone());
        self.add(process, Loop::Receive(self.tasks_begun), step, Some(letter));
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

    /// Begins a step of a loop, or answers the one that is under way.
    fn begin(&mut self, process: usize, which: Loop) -> u64 {
        let known = self.tasks.iter().find(|task| task.process == process && task.which == which);
        match known {
            Some(task) => task.id,
            None => {
                let step = self.processes[process].begin(which);
                self.add(process, which, step, None)
            }
        }
    }

    fn add(&mut self, process: usize, which: Loop, step: Step, letter: Option<Letter>) -> u64 {
        self.tasks_begun += 1;
        let (id, began) = (self.tasks_begun, self.world.now());
        self.tasks.push(Task { id, process, which, step, began, letter });
        id
    }

    /// Gives a task so many turns; answers its result where it came to its end. `waiting` are those that wait for it.
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
                    self.ended(id, &result);
                    return Some(result);
                }
                Turn::Moved => {}
                Turn::Blocked => self.unblock(id, process, waiting),
            }
            if taken > TURNS_MAX {
                self.world.notes.open().broken("progress", format!("{which:?} takes more than {TURNS_MAX} turns"));
                return None;
            }
        }
        let task = self.tasks.iter().find(|task| task.id == id)?;
        let line = format!("{} {:?} rests after {taken} turns", self.processes[task.process].name, task.which);
        self.say(&line);
        None
    }

    /// Moves the other steps of that process on, one of which holds what this one waits for.
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

    fn ended(&mut self, id: u64, result: &Result<String, String>) {
        let Some(at) = self.tasks.iter().position(|task| task.id == id) else { return };
        let said = match result {
            Ok(said) => said.clone(),
            Err(failure) => format!("failed: {failure}"),
        };
        let task = self.tasks.remove(at);
        if let Some(letter) = &task.letter {
            post::settled(&self.world, letter, said.parse().ok());
        }
        let line = format!("{} {:?}: {said}", self.processes[task.process].name, task.which);
        self.say(&line);
    }

    /// Every step under way comes to its end.
    pub fn finish_all(&mut self) {
        while let Some(id) = self.tasks.first().map(|task| task.id) {
            self.run(id, u64::MAX, &mut Vec::new());
            // One that does not end has been noted as such.
            self.tasks.retain(|task| task.id != id);
        }
    }

    /// Delivers whatever is due.
    pub fn deliver_all(&mut self) {
        self.letters.extend(post::collect(&self.world));
        for letter in std::mem::take(&mut self.letters) {
            self.post(letter, 0);
            self.finish_all();
        }
    }

    /// Whether a notification is on its way that would arrive now.
    pub fn mail(&mut self) -> bool {
        self.letters.extend(post::collect(&self.world));
        !self.letters.is_empty()
    }

    /// One whole step of a loop; a failure is answered in words.
    pub fn whole(&mut self, process: usize, which: Loop) -> Result<(), String> {
        let id = self.begin(process, which);
        match self.run(id, u64::MAX, &mut Vec::new()) {
            Some(Err(failure)) => Err(format!("{which:?} failed although nothing is wrong any more: {failure}")),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// How many turns were taken.
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
