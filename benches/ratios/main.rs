//! Ratios against a baseline that the same run measures: `cargo bench -- [p1 p1b …] [--runs N] [--json]`.
//!
//! Absolute figures vary from machine to machine and from hour to hour; a ratio of two arms that take turns does not.
//! A new benchmark is a module with `fn measure(runs: usize) -> Measure`, and a line in [`ALL`].
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time, and its arguments are its own")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "rates and percentiles are read by people"
)]

mod lives;
mod p1;
mod p15;
mod p1c;
mod p2;
mod p5;
mod p7;
mod p8;
mod report;

use std::process::ExitCode;

use report::Measure;

/// How often each arm runs, unless told otherwise.
const RUNS: usize = 7;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Benchmark = (&'static str, fn(usize) -> anyhow::Result<Measure>);

const ALL: [Benchmark; 12] = [
    ("p1", p1::many_writers),
    ("p1b", p1::one_writer),
    ("p1c", p1c::many_writers),
    ("p2", p2::rebuild),
    ("p5", p5::memory),
    ("p5b", p5::rebuild),
    ("p6", p5::start),
    ("p7", p7::relay),
    ("p8", p8::sealing),
    ("p8b", p8::verify),
    ("p9", p8::size),
    ("p15", p15::simulation),
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let (mut wanted, mut runs, mut json) = (Vec::new(), RUNS, false);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo says so by itself.
            "--bench" => {}
            "--json" => json = true,
            "--runs" => runs = arguments.next().unwrap_or_default().parse()?,
            name if ALL.iter().any(|(known, _)| *known == name) => wanted.push(argument),
            other => anyhow::bail!("{other:?} is no benchmark; there are {}", ALL.map(|(name, _)| name).join(", ")),
        }
    }
    anyhow::ensure!(runs >= 5, "a ratio needs at least 5 runs");
    let mut measures = Vec::new();
    for (name, measure) in ALL {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            eprintln!("{name}: {runs} runs of each arm …");
            measures.push(measure(runs)?);
        }
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&measures)?);
    } else {
        println!("{}", report::table(&measures));
    }
    Ok(())
}
