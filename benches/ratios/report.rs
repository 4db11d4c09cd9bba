//! What a benchmark found, as a table or as JSON.

use std::time::Duration;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// One arm in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Arm {
    /// Operations per second.
    pub per_second: f64,
    /// Median latency of one operation, in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the latency, in microseconds.
    pub p99_us: f64,
}

impl Arm {
    /// From the time the whole arm took and the time each operation took.
    pub fn of(took: Duration, mut each: Vec<Duration>) -> Self {
        each.sort_unstable();
        let at = |share: f64| each[((each.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
        Self { per_second: each.len() as f64 / took.as_secs_f64(), p50_us: at(0.50), p99_us: at(0.99) }
    }
}

/// Two arms that took turns, and the ratio of their rates.
#[derive(Debug, Serialize)]
pub struct Measure {
    /// `P1`.
    pub name: &'static str,
    /// What is compared with what.
    pub what: &'static str,
    /// What the ratio should reach.
    pub target: f64,
    /// Ours, per run.
    pub ours: Vec<Arm>,
    /// The baseline, per run.
    pub baseline: Vec<Arm>,
    /// Per run.
    pub ratios: Vec<f64>,
    /// The median of the ratios.
    pub ratio: f64,
    /// Whether it reaches the target.
    pub met: bool,
}

impl Measure {
    /// Runs both arms `runs` times in turns, each first in every other run, after one run that does not count.
    pub fn of(
        (name, what, target): (&'static str, &'static str, f64),
        runs: usize,
        mut ours: impl FnMut() -> anyhow::Result<Arm>,
        mut baseline: impl FnMut() -> anyhow::Result<Arm>,
    ) -> anyhow::Result<Self> {
        baseline()?;
        ours()?;
        let (mut all_ours, mut all_baseline) = (Vec::new(), Vec::new());
        for run in 0..runs {
            let (a, b) = if run % 2 == 0 {
                let b = baseline()?;
                (ours()?, b)
            } else {
                (ours()?, baseline()?)
            };
            all_ours.push(a);
            all_baseline.push(b);
        }
        let ratios: Vec<f64> = all_ours.iter().zip(&all_baseline).map(|(a, b)| a.per_second / b.per_second).collect();
        let ratio = median(ratios.iter().copied());
        Ok(Self { name, what, target, ours: all_ours, baseline: all_baseline, ratio, met: ratio >= target, ratios })
    }
}

/// The measures for a person.
pub fn table(measures: &[Measure]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["", "arm", "per second (spread)", "p50 µs", "p99 µs", "ratio (spread)", "target", ""]);
    for it in measures {
        let ratio = format!("{:.2} ({})", it.ratio, spread(&it.ratios, 2));
        let verdict = if it.met { "met" } else { "missed" };
        table.add_row(row(it.name, "ours", &it.ours, [&ratio, &format!("≥ {}", it.target), verdict]));
        table.add_row(row("", "baseline", &it.baseline, ["", "", ""]));
    }
    let notes: String =
        measures.iter().map(|it| format!("{}: {}, {} runs\n", it.name, it.what, it.ours.len())).collect();
    format!("{table}\n{notes}")
}

fn row(name: &str, arm: &str, runs: &[Arm], rest: [&str; 3]) -> Vec<String> {
    let rates: Vec<f64> = runs.iter().map(|arm| arm.per_second).collect();
    let rate = format!("{:.0} ({})", median(rates.iter().copied()), spread(&rates, 0));
    let p50 = format!("{:.0}", median(runs.iter().map(|arm| arm.p50_us)));
    let p99 = format!("{:.0}", median(runs.iter().map(|arm| arm.p99_us)));
    [name, arm, &rate, &p50, &p99].into_iter().chain(rest).map(str::to_owned).collect()
}

fn spread(values: &[f64], decimals: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{least:.decimals$}–{most:.decimals$}")
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
