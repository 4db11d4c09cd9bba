//! Shrinks a plan that violates an invariant to a shorter one that violates the same invariant.

use super::{Outcome, Plan, parts::Parts, plan::Fault, play};

/// Maximum number of runs to shrink one plan.
const PLAYS_MAX: u32 = 120;

struct Shrinking<'a> {
    parts: &'a dyn Parts,
    invariant: &'static str,
    plays: u32,
    best: (Plan, Outcome),
}

impl Shrinking<'_> {
    /// Accepts `plan` if it still breaks the same rule.
    fn try_plan(&mut self, plan: Plan) -> bool {
        if self.plays >= PLAYS_MAX {
            return false;
        }
        self.plays += 1;
        let outcome = play(&plan, self.parts, true);
        let same = outcome.violations.first().is_some_and(|violation| violation.invariant == self.invariant);
        if same {
            self.best = (plan, outcome);
        }
        same
    }

    fn without_faults(&mut self) {
        let faults: Vec<Fault> = self.best.0.conditions().rates.iter().map(|(fault, _)| *fault).collect();
        for fault in faults {
            let mut plan = self.best.0.clone();
            plan.without.insert(fault);
            self.try_plan(plan);
        }
    }

    /// Disables ranges of steps, large ones first.
    fn without_steps(&mut self) {
        let mut run = (self.best.0.steps / 2).max(1);
        loop {
            let mut from = 0;
            while from < self.best.0.steps {
                let mut plan = self.best.0.clone();
                let known = plan.skip.len();
                plan.skip.extend(from..(from + run).min(plan.steps));
                if plan.skip.len() > known {
                    self.try_plan(plan);
                }
                from += run;
            }
            if run == 1 || self.plays >= PLAYS_MAX {
                return;
            }
            run = (run / 2).max(1);
        }
    }
}

/// The shortest plan found that breaks the rule that `outcome` broke first, with its trace.
pub fn shrink(plan: &Plan, outcome: &Outcome, parts: &dyn Parts) -> (Plan, Outcome) {
    let Some(violation) = outcome.violations.first() else { return (plan.clone(), outcome.clone()) };
    let mut shrinking =
        Shrinking { parts, invariant: violation.invariant, plays: 0, best: (plan.clone(), outcome.clone()) };
    if outcome.step < plan.steps {
        let mut shorter = plan.clone();
        shorter.steps = outcome.step + 1;
        shrinking.try_plan(shorter);
    }
    shrinking.without_faults();
    shrinking.without_steps();
    shrinking.best
}
