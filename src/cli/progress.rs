//! Progress of a replay, on standard error, if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::services::models::rebuild::Step;

/// A progress bar; hidden if standard error is not a terminal.
pub fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} events  {msg}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Updates the bar.
pub fn show(bar: &ProgressBar, step: Step) {
    bar.set_length(step.total);
    bar.set_position(step.done);
    let left = step.left.map(|left| format!(", {} s left", left.num_seconds())).unwrap_or_default();
    bar.set_message(format!("{:.0}/s{left}", step.rate));
}
