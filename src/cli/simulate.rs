//! `simulate`: the whole loop under a virtual clock, with faults and crashes.

use indicatif::{ProgressBar, ProgressStyle};

use super::Stop;
use crate::{
    app::machine,
    simulation::{self, Request},
};

/// What to simulate.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 20)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Steps of chaos for each seed
    #[arg(long, value_name = "K", default_value_t = simulation::STEPS)]
    steps: u32,
    /// A fault that shall not happen; may be given several times
    #[arg(long, value_name = "FAULT")]
    without: Vec<String>,
    /// A step to leave out; may be given several times
    #[arg(long, value_name = "STEP")]
    skip: Vec<u32>,
    /// Print everything that happens; one seed where no number is given
    #[arg(long)]
    trace: bool,
}

/// Plays the seeds. Stops with a refusal where a rule was broken.
pub(super) fn run(arguments: &Arguments, json: bool) -> Result<(), Stop> {
    // A seed that was named is to be replayed, alone.
    let seeds = if arguments.seed.is_some() && arguments.seeds == 20 { 1 } else { arguments.seeds };
    let request = Request {
        seed: arguments.seed.unwrap_or(0),
        seeds,
        steps: arguments.steps,
        without: arguments.without.clone(),
        skip: arguments.skip.iter().copied().collect(),
        trace: arguments.trace,
        json,
    };
    let bar = ProgressBar::new(seeds);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} seeds, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let clock = machine::clock();
    let mut out = std::io::stdout().lock();
    let held = simulation::run(&request, &clock, &mut out, &mut |progress| bar.set_position(progress.done));
    bar.finish_and_clear();
    match held {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stop::refused("a rule was broken")),
        Err(wrong @ simulation::Error::UnknownFault(_)) => Err(Stop::usage(wrong)),
        Err(simulation::Error::Output(failure)) => Err(failure.into()),
    }
}
