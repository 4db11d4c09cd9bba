//! Two services on one ledger: every command is sent once, whoever sends it.

use std::{collections::BTreeMap, time::Duration};

use syncledger::adapters::sandbox::model::Model as _;

use super::world::{World, free_port};

const BOOKINGS: i64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_act_twice() {
    let world = World::start().await;
    let (first, second) = (free_port(), free_port());
    world.deliver_to(first);
    let one = world.serve(first).await;
    let two = world.serve(second).await;
    let booked: Vec<String> = (0..BOOKINGS).map(|n| world.book(n)).collect();
    let in_step = world.until(Duration::from_secs(60), async || world.out_of_step().is_empty()).await;
    assert!(in_step, "{:?}\n{}\n{}", world.out_of_step(), world.log(first), world.log(second));
    for id in booked.iter().step_by(2) {
        let now = world.now();
        world.uschedule().cancel(id, now).expect("it is booked");
    }
    let in_step = world.until(Duration::from_secs(60), async || world.out_of_step().is_empty()).await;
    assert!(in_step, "{:?}\n{}\n{}", world.out_of_step(), world.log(first), world.log(second));
    drop((one, two));
    let mut writes: BTreeMap<(String, String), u32> = BTreeMap::new();
    for call in world.google().desk().calls.all() {
        let created = call.method == "POST" && call.url.split('?').next().is_some_and(|u| u.ends_with("/events"));
        if created || call.method == "DELETE" {
            let what = if created { call.body["id"].to_string() } else { call.url.clone() };
            *writes.entry((call.method.clone(), what)).or_default() += 1;
        }
    }
    let count = |method: &str| writes.keys().filter(|(m, _)| m == method).count();
    assert_eq!(count("POST"), 40, "{writes:#?}");
    assert_eq!(count("DELETE"), 20, "{writes:#?}");
    let twice: Vec<_> = writes.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:#?}");
}
