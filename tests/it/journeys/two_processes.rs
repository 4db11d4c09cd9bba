//! Two services on one ledger: every command is sent once, whoever sends it.

use std::time::Duration;

use super::world::{Service, World, free_port};
use crate::support::postgres::{Database, Server};

const BOOKINGS: i64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_act_twice() {
    let world = World::start().await;
    let (first, second) = (free_port(), free_port());
    world.deliver_to(first);
    let (one, two) = (world.serve(first).await, world.serve(second).await);
    let booked: Vec<String> = (0..BOOKINGS).map(|n| world.book(n)).collect();
    in_step(&world, [first, second]).await;
    for id in booked.iter().step_by(2) {
        let now = world.now();
        world.uschedule().cancel(id, now).expect("it is booked");
    }
    in_step(&world, [first, second]).await;
    drop((one, two));
    each_was_sent_once(&world);
}

/// The database goes away in the middle of the bookings, and one service in the middle of the cancellations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_act_twice_whoever_dies() {
    let server = Server::start();
    let database = Database::within(server.url()).await;
    let world = World::on_postgres(&database).await;
    let (first, second) = (free_port(), free_port());
    world.deliver_to(first);
    let one: Service = world.serve(first).await;
    let two: Service = world.serve(second).await;
    let booked: Vec<String> = (0..BOOKINGS).map(|n| world.book(n)).collect();
    let begun = world.until(Duration::from_secs(60), async || world.writes().len() >= 8).await;
    assert!(begun, "{}", world.log(first));
    server.stop_at_once();
    server.start_again();
    // Nobody starts the services again.
    in_step(&world, [first, second]).await;
    for id in booked.iter().step_by(2) {
        let now = world.now();
        world.uschedule().cancel(id, now).expect("it is booked");
    }
    let begun = world.until(Duration::from_secs(60), async || world.writes().len() >= 40 + 5).await;
    assert!(begun, "{}", world.log(second));
    one.kill();
    in_step(&world, [first, second]).await;
    each_was_sent_once(&world);
    drop(two);
    assert_eq!(world.differing(second), [""; 0]);
}

/// What a service had begun when it died is another's to finish once its lease is over: that takes a while.
async fn in_step(world: &World, ports: [u16; 2]) {
    let in_step = world.until(Duration::from_secs(240), async || world.out_of_step().is_empty()).await;
    assert!(in_step, "{:?}\n{}", world.out_of_step(), ports.map(|port| world.log(port)).join("\n"));
}

fn each_was_sent_once(world: &World) {
    let writes = world.writes();
    let count = |method: &str| writes.keys().filter(|(m, _)| m == method).count();
    assert_eq!(count("POST"), 40, "{writes:#?}");
    assert_eq!(count("DELETE"), 20, "{writes:#?}");
    let twice: Vec<_> = writes.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:#?}");
}
