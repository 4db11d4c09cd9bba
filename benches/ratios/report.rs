//! What a benchmark found, as a table or as JSON.

use std::{fmt, time::Duration};

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// One arm in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Arm {
    /// What is compared, in the measure's unit: operations per second, unless said otherwise.
    pub amount: f64,
    /// Latency of one operation, where it was taken.
    #[serde(flatten)]
    pub latency: Option<Latency>,
}

/// How long one operation took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Median, in microseconds.
    pub p50_us: f64,
    /// 99th percentile, in microseconds.
    pub p99_us: f64,
}

/// What a ratio should reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
}

impl Target {
    fn met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

impl Arm {
    /// From the time the whole arm took and the time each operation took.
    pub fn of(took: Duration, mut each: Vec<Duration>) -> Self {
        each.sort_unstable();
        let at = |share: f64| each[((each.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
        let latency = Some(Latency { p50_us: at(0.50), p99_us: at(0.99) });
        Self { amount: each.len() as f64 / took.as_secs_f64(), latency }
    }

    /// An amount in the measure's unit.
    pub fn amount(amount: f64) -> Self {
        Self { amount, latency: None }
    }
}

/// Two arms that took turns, and the ratio of their amounts.
#[derive(Debug, Serialize)]
pub struct Measure {
    /// `P1`.
    pub name: &'static str,
    /// What is compared with what.
    pub what: &'static str,
    /// The unit of the amounts.
    pub unit: &'static str,
    /// What the ratio should reach.
    pub target: Target,
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
    /// Rates: runs both arms `runs` times in turns, each first in every other run, after one run that does not count. The
    /// ratio should be at least `target`.
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
        Ok(Self::compared((name, what, "/s"), Target::AtLeast(target), all_ours, all_baseline))
    }

    /// Amounts that were taken already, run by run.
    pub fn compared(
        (name, what, unit): (&'static str, &'static str, &'static str),
        target: Target,
        ours: Vec<Arm>,
        baseline: Vec<Arm>,
    ) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(&baseline).map(|(a, b)| a.amount / b.amount).collect();
        let ratio = median(ratios.iter().copied());
        Self { name, what, unit, target, ours, baseline, ratio, met: target.met(ratio), ratios }
    }
}

/// The measures for a person.
pub fn table(measures: &[Measure]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["", "arm", "amount (spread)", "p50 µs", "p99 µs", "ratio (spread)", "target", ""]);
    for it in measures {
        let ratio = format!("{:.2} ({})", it.ratio, spread(&it.ratios, 2));
        let verdict = if it.met { "met" } else { "missed" };
        table.add_row(row(it, it.name, "ours", &it.ours, [&ratio, &it.target.to_string(), verdict]));
        table.add_row(row(it, "", "baseline", &it.baseline, ["", "", ""]));
    }
    let notes: String =
        measures.iter().map(|it| format!("{}: {}, {} runs\n", it.name, it.what, it.ours.len())).collect();
    format!("{table}\n{notes}")
}

fn row(it: &Measure, name: &str, arm: &str, runs: &[Arm], rest: [&str; 3]) -> Vec<String> {
    let amounts: Vec<f64> = runs.iter().map(|arm| arm.amount).collect();
    let decimals = usize::from(it.unit != "/s");
    let amount = format!("{:.decimals$} {} ({})", median(amounts.iter().copied()), it.unit, spread(&amounts, decimals));
    let latency = |of: fn(&Latency) -> f64| {
        let each: Vec<f64> = runs.iter().filter_map(|arm| arm.latency.as_ref().map(of)).collect();
        if each.is_empty() { String::new() } else { format!("{:.0}", median(each.into_iter())) }
    };
    let (p50, p99) = (latency(|l| l.p50_us), latency(|l| l.p99_us));
    [name, arm, &amount, &p50, &p99].into_iter().chain(rest).map(str::to_owned).collect()
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
