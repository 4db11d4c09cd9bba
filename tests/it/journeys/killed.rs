//! `kill -9` in a stream of imports and webhooks, again and again: nothing acknowledged is missing, no entry is there
//! twice, and every read model is what a replay makes it.

use std::{collections::BTreeSet, fs, process::Stdio};

use super::world::{World, free_port};
use crate::support::{patience::some_moments, postgres::Database, size::sized};

const PER_ROUND: i64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled() {
    killed(&World::start().await, sized(8, 50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_postgres() {
    let database = Database::new().await;
    killed(&World::on_postgres(&database).await, sized(4, 50)).await;
}

async fn killed(world: &World, kills: i64) {
    let port = free_port();
    world.deliver_to(port);
    let mut imported = BTreeSet::new();
    let mut number = 0;
    for round in 0..kills {
        let service = world.serve(port).await;
        let file = world.folder.path().join(format!("round-{round}.csv"));
        fs::write(&file, csv(world, round)).expect("it can be written");
        let mut import = std::process::Command::new(env!("CARGO_BIN_EXE_syncledger"))
            .arg("--config")
            .arg(world.config(port))
            .args(["bookings", "import", "--json"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        for _ in 0..PER_ROUND {
            world.book(number);
            number += 1;
        }
        // From at once to a little later, so that the kill strikes every stage.
        some_moments(u64::try_from(round * 37 % 400).expect("small")).await;
        service.kill();
        if round % 3 == 0 {
            import.kill().expect("a child can be killed");
            import.wait().expect("a killed child ends");
        } else if import.wait_with_output().expect("it ends").status.success() {
            imported.extend((0..PER_ROUND).map(|n| format!("import.k{round}-{n}")));
        }
    }
    let acknowledged = i64::try_from(imported.len()).expect("few");
    assert!(acknowledged * 5 > kills * PER_ROUND, "imports were acknowledged: {imported:?}");
    let service = world.serve(port).await;
    assert!(world.comes_in_step().await, "{:?}\n{}", world.out_of_step(), tail(&world.log(port)));
    for id in &imported {
        let out = world.run(port, &["bookings", "show", id, "--json"]);
        assert!(out.status.success(), "{id} was acknowledged and is missing: {}", String::from_utf8_lossy(&out.stderr));
    }
    let delivered = world.uschedule().appointments().count();
    assert_eq!(i64::try_from(delivered).expect("small"), kills * PER_ROUND);
    println!("{kills} kills, {delivered} appointments, {acknowledged} acknowledged imports");
    let listed = world.run(port, &["projections", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    drop(service);
    let names: Vec<String> = names(&listed);
    assert!(names.len() >= 8, "{listed:#}");
    for name in names {
        let out = world.run(port, &["projections", "diff", &name]);
        assert!(
            out.status.success(),
            "{name}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

fn names(listed: &serde_json::Value) -> Vec<String> {
    let rows = listed.as_array().or_else(|| listed["projections"].as_array());
    let name = |row: &serde_json::Value| row["projection"].as_str().or(row["name"].as_str()).map(str::to_owned);
    rows.into_iter().flatten().filter_map(name).collect()
}

fn csv(world: &World, round: i64) -> String {
    let mut text = "id,resource,starts_at,ends_at,zone,title\n".to_owned();
    for n in 0..PER_ROUND {
        let starts = world.now() + chrono::TimeDelta::days(30) + chrono::TimeDelta::hours(round * PER_ROUND + n);
        let ends = starts + chrono::TimeDelta::minutes(30);
        let line = format!("k{round}-{n},court-9,{},{},UTC,Import {n}\n", starts.to_rfc3339(), ends.to_rfc3339());
        text.push_str(&line);
    }
    text
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
