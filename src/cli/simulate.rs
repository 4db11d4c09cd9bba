//! `simulate`: the whole system on a virtual clock, with injected faults and crashes.

use chrono::TimeDelta;
use indicatif::{ProgressBar, ProgressStyle};

use super::CliError;
use crate::{
    app::machine,
    ports::clock::Clock as _,
    simulation::{self, Request, Span},
};

/// Number of seeds if none is given.
const SEEDS: u64 = 20;

/// Arguments of `simulate`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// Number of seeds to run [default: 20, or 1 with --seed]
    #[arg(long, value_name = "N", conflicts_with = "time")]
    seeds: Option<u64>,
    /// Keep running seeds for this long, such as 90s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<TimeDelta>,
    /// First seed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Choose the first seed at random; it is printed
    #[arg(long, conflicts_with = "seed")]
    from_entropy: bool,
    /// Steps of random activity per seed
    #[arg(long, value_name = "K", default_value_t = simulation::STEPS)]
    steps: u32,
    /// Number of seeds to run in parallel [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    cores: Option<u16>,
    /// Disable this fault; `--help` lists them. Repeatable
    #[arg(long, value_name = "FAULT")]
    without: Vec<String>,
    /// Leave this step out: the number at the beginning of a line of --trace. Repeatable
    #[arg(long, value_name = "NUMBER")]
    skip: Vec<u32>,
    /// Print everything that happens
    #[arg(long)]
    trace: bool,
}

/// What is checked and which faults there are, for the long help.
pub(super) fn details() -> String {
    let rules = simulation::RULES.map(|(name, sentence)| format!("  {name}: {sentence}"));
    let faults = simulation::Fault::ALL.map(|(_, name)| name);
    format!(
        "Each seed is one run: bookings, people who edit calendars, faults and crashes on a virtual clock, then two quiet days without \
         faults. These rules are checked after every step or at the end:\n{}\n\nFaults, of which each seed has its own selection:\n  {}",
        rules.join("\n"),
        faults.join(", ")
    )
}

fn time(text: &str) -> Result<TimeDelta, String> {
    let time = crate::config::duration(text).and_then(|time| TimeDelta::from_std(time).ok());
    time.ok_or_else(|| "expected a number and a unit, such as 90s, 10m or 2h".to_owned())
}

/// Runs the seeds. Returns a refusal if a rule was broken.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<(), CliError> {
    let clock = machine::clock();
    let span = match (arguments.time, arguments.seeds) {
        (Some(time), _) => Span::For(time),
        (None, Some(seeds)) => Span::Seeds(seeds),
        // An explicit seed is run alone, to reproduce a failure.
        (None, None) => Span::Seeds(if arguments.seed.is_some() { 1 } else { SEEDS }),
    };
    let request = Request {
        // 32 bits, so that people can read it aloud.
        seed: arguments.seed.unwrap_or(if arguments.from_entropy { clock.chance() >> 32 } else { 0 }),
        span,
        steps: arguments.steps,
        without: arguments.without.clone(),
        skip: arguments.skip.iter().copied().collect(),
        trace: arguments.trace,
        random: arguments.from_entropy,
        json,
        cores: arguments.cores.map_or_else(machine::cores, usize::from).max(1),
    };
    let bar = bar(span);
    let mut out = std::io::stdout().lock();
    let held = simulation::run(&request, &clock, &mut out, &mut |progress| {
        match span {
            Span::Seeds(_) => bar.set_position(progress.done),
            Span::For(_) => bar.set_position(u64::try_from(progress.took.num_milliseconds()).unwrap_or(0)),
        }
        bar.set_message(format!("{} seeds, {} broken", progress.done, progress.broken));
    });
    bar.finish_and_clear();
    match held {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::refused("a rule was broken")),
        Err(simulation::Error::Output(failure)) => Err(failure.into()),
        Err(wrong @ (simulation::Error::UnknownFault(_) | simulation::Error::NoSeeds)) => Err(CliError::usage(wrong)),
    }
}

fn bar(span: Span) -> ProgressBar {
    let length = match span {
        Span::Seeds(seeds) => seeds,
        Span::For(time) => u64::try_from(time.num_milliseconds()).unwrap_or(0),
    };
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
