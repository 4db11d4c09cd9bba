//! Seeds, and the checks on the simulation itself.

use syncledger::simulation::{AsShipped, Plan, play};

#[test]
fn explore() {
    let from: u64 = std::env::var("FROM").ok().and_then(|t| t.parse().ok()).unwrap_or(0);
    let n: u64 = std::env::var("N").ok().and_then(|t| t.parse().ok()).unwrap_or(20);
    let calm = std::env::var("CALM").is_ok();
    let mut kinds: std::collections::BTreeMap<String, Vec<u64>> = Default::default();
    let start = std::time::Instant::now();
    let mut counts: std::collections::BTreeMap<&str, u64> = Default::default();
    for seed in from..from + n {
        let mut plan = Plan::new(seed);
        if calm {
            plan = plan.calm();
        }
        let o = play(&plan, &AsShipped, n == 1);
        if n == 1 {
            for l in &o.trace {
                println!("{l}");
            }
        }
        for v in o.violations.iter().take(2) {
            let w: String = v.what.chars().take(600).collect();
            println!("seed {seed} step {} {}: {w}", o.step, v.invariant);
            kinds.entry(v.invariant.into()).or_default().push(seed);
        }
        for (k, v) in o.counts {
            *counts.entry(k).or_default() += v;
        }
    }
    println!("{kinds:?}\n{counts:?}\n{:?} per seed", start.elapsed() / u32::try_from(n).unwrap());
}
