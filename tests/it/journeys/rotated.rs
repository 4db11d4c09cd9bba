//! The master key is rotated while a service runs: it goes on, new people included, and the old key opens nothing any more.

use std::fs;

use serde_json::Value;

use super::world::{World, free_port};

fn told(world: &World, port: u16, args: &[&str]) -> Value {
    let out = world.run(port, &[args, &["--json"]].concat());
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_go_on_while_the_master_key_changes() {
    let world = World::start().await;
    let port = free_port();
    world.deliver_to(port);
    let service = world.serve(port).await;
    let file = world.folder.path().join("master.key");
    let mut ids: Vec<String> = (0..3).map(|number| world.book(number)).collect();
    assert!(world.comes_in_step().await, "{}", world.log(port));
    let old = fs::read(&file).expect("it is there");
    let before = told(&world, port, &["key", "status"]);
    assert_eq!(before["file"][0], before["current"]);

    // Interrupted after the fresh key was put into the file: the same command goes on.
    let staged = told(&world, port, &["key", "rotate", "--stage"]);
    assert_eq!((&staged["staged"], &staged["from"]), (&true.into(), &before["current"]));
    ids.push(world.book(4));
    assert!(world.comes_in_step().await, "{}", world.log(port));
    let rotated = told(&world, port, &["key", "rotate", "--by", "kim"]);
    assert_eq!(
        (&rotated["resumed"], &rotated["to"], rotated["rewrapped"].as_u64() >= Some(4)),
        (&true.into(), &staged["to"], true)
    );
    let after = told(&world, port, &["key", "status"]);
    assert_eq!((&after["current"], &after["previous"]), (&staged["to"], &Value::Null));
    assert_eq!(after["file"], serde_json::json!([staged["to"]]));

    // The service never stopped: it learns of people that are new, and of those it knew.
    ids.push(world.book(5));
    let now = world.now();
    world.uschedule().cancel(&ids[0], now).expect("it is booked");
    assert!(world.comes_in_step().await, "{}", world.log(port));
    let again = told(&world, port, &["key", "rotate"]);
    assert_eq!((&again["resumed"], &again["from"]), (&false.into(), &staged["to"]));
    ids.push(world.book(6));
    assert!(world.comes_in_step().await, "{}", world.log(port));
    for id in &ids {
        let shown = told(&world, port, &["bookings", "show", &format!("uschedule.{id}")]);
        assert_eq!(shown["booking"]["customer_name"], "Sam Green");
    }
    let known = world.run(port, &["events", "all", "--type", "operations.master_key_rotated", "--json"]);
    assert_eq!(String::from_utf8_lossy(&known.stdout).lines().count(), 2);
    drop(service);

    fs::write(&file, &old).expect("it can be written");
    let refused = world.run(port, &["bookings", "list"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("which the key file does not contain") && said.contains("master.key"), "{said}");
}
