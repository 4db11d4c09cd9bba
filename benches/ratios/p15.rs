//! P15: simulated steps per core and second, every check included.
//!
//! The baseline is an older program where `SYNCLEDGER_BEFORE` names one: the same seeds, on one core. Otherwise it is a yardstick of
//! the same kind of work: an event is parsed, written again and hashed, as often as a second allows; a simulated step is
//! held against a hundred of them.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use sha2::{Digest as _, Sha256};
use syncledger::simulation::{AsShipped, Plan, STEPS, play};

use crate::report::{Arm, Measure};

/// Seeds per run.
const SEEDS: u64 = 8;
/// The first of them: any will do.
const FIRST: u64 = 4_000_000;
/// Events of the yardstick that count as one step.
const EVENTS_PER_STEP: f64 = 100.0;
/// Events per run of the yardstick.
const EVENTS: u32 = 100_000;

const EVENT: &str = r#"{"command":{"booking_revision":3,"content":{"description":{"sealed":"bm9uY2Ugb2YgMjQgYnl0ZXMgYW5kIHRleHQ"},
"marked_cancelled":false,"slot":{"kind":"timed","starts_at":"2026-11-02T03:30:00Z","ends_at":"2026-11-02T05:00:00Z","zone":"America/Chicago"}},
"expect":"\"3560000000000034\"","generation":1,"id":"uschedule.appt_000005.b3e1ee05:2","key":"uschedule.appt_000005.b3e1ee05:2",
"lease_until":"2026-10-23T20:50:37.476Z","op":"update","remote":"sltl6i5jspdstppamkfe05gepq0nmcfjtcesnciq","worker":"worker-1"}}"#;

pub fn simulation(runs: usize) -> anyhow::Result<Measure> {
    let before = std::env::var("SYNCLEDGER_BEFORE").ok();
    let (what, target) = match before {
        Some(_) => ("simulated steps per core ÷ those of the program that SYNCLEDGER_BEFORE names", 10.0),
        None => ("simulated steps per core ÷ (events parsed, written and hashed ÷ 100)", 1.0),
    };
    Measure::of(("P15", what, target), runs, ours, || match &before {
        Some(program) => older(program),
        None => yardstick(),
    })
}

fn steps(began: Instant) -> Arm {
    Arm::amount(SEEDS as f64 * f64::from(STEPS) / began.elapsed().as_secs_f64())
}

fn ours() -> anyhow::Result<Arm> {
    let began = Instant::now();
    for seed in FIRST..FIRST + SEEDS {
        let outcome = play(&Plan::new(seed), &AsShipped, false);
        anyhow::ensure!(outcome.holds(), "seed {seed}: {:?}", outcome.violations);
    }
    Ok(steps(began))
}

/// An older program may break a rule, and then ends with 1 and plays no further: seeds are played one by one.
fn older(program: &str) -> anyhow::Result<Arm> {
    let began = Instant::now();
    for seed in FIRST..FIRST + SEEDS {
        let (seed, mut play) = (seed.to_string(), Command::new(program));
        play.args(["simulate", "--seeds", "1", "--seed", &seed]).stdout(Stdio::null());
        let status = play.status()?;
        anyhow::ensure!(matches!(status.code(), Some(0 | 1)), "{program} simulate ended with {status}");
    }
    Ok(steps(began))
}

fn yardstick() -> anyhow::Result<Arm> {
    let began = Instant::now();
    let mut hash = Sha256::new();
    for _ in 0..EVENTS {
        let event: serde_json::Value = serde_json::from_str(EVENT)?;
        hash.update(event.to_string());
    }
    std::hint::black_box(hash.finalize());
    Ok(Arm::amount(f64::from(EVENTS) / EVENTS_PER_STEP / began.elapsed().as_secs_f64()))
}
