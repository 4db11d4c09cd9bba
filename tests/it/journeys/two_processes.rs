//! Two services on one ledger: every command is sent once, whoever sends it.

use super::world::{Service, World, free_port};
use crate::support::{
    patience::{eventually, time_passes},
    postgres::{Database, Server},
    size::sized,
};

fn bookings() -> i64 {
    sized(16, 40)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_act_twice() {
    let world = World::start().await;
    let (first, second) = (free_port(), free_port());
    world.deliver_to(first);
    let (one, two) = (world.serve(first).await, world.serve(second).await);
    let booked: Vec<String> = (0..bookings()).map(|n| world.book(n)).collect();
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
    let booked: Vec<String> = (0..bookings()).map(|n| world.book(n)).collect();
    let begun = eventually(async || sent(&world, "POST") >= 5).await;
    assert!(begun, "{}", world.log(first));
    server.stop_at_once();
    time_passes(sized(0, 60_000)).await;
    server.start_again();
    // Nobody starts the services again.
    in_step(&world, [first, second]).await;
    for id in booked.iter().step_by(2) {
        let now = world.now();
        world.uschedule().cancel(id, now).expect("it is booked");
    }
    let begun = eventually(async || sent(&world, "DELETE") >= 3).await;
    assert!(begun, "{}", world.log(second));
    one.kill();
    in_step(&world, [first, second]).await;
    each_was_sent_once(&world);
    drop(two);
    assert_eq!(world.differing(second), [""; 0]);
}

/// What a service had begun when it died is another's to finish once its lease is over: that takes a while.
async fn in_step(world: &World, ports: [u16; 2]) {
    assert!(world.comes_in_step().await, "{:?}\n{}", world.out_of_step(), ports.map(|port| world.log(port)).join("\n"));
}

/// How many different entries were created or removed.
fn sent(world: &World, method: &str) -> usize {
    world.writes().keys().filter(|(m, _)| m == method).count()
}

fn each_was_sent_once(world: &World) {
    let (writes, bookings) = (world.writes(), usize::try_from(bookings()).expect("few"));
    assert_eq!((sent(world, "POST"), sent(world, "DELETE")), (bookings, bookings / 2), "{writes:#?}");
    let twice: Vec<_> = writes.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:#?}");
}
