//! A server that is killed, and one that comes back with less than it had acknowledged.

use super::world::{STREAM, World};
use crate::support::{
    patience::{some_moments, time_passes},
    size::sized,
};

#[tokio::test]
async fn a_server_that_lost_its_last_messages_gets_them_again() {
    let mut world = World::new();
    world.append(200).await;
    let relay = world.relay().await;
    world.publish(&relay).await;
    let copy = world.server.killed_copy();
    world.server.restart();
    world.append(300).await;
    world.publish(&relay).await;
    world.holds_everything_once().await;
    // kill -9, and its disk is as it was 300 messages ago.
    world.server.set_back(&copy);
    world.server.restart();
    assert_eq!(world.positions().await.len(), 200);
    assert_eq!(world.saved().await, 500);
    // Nothing new happens: it is noticed all the same, after a while.
    for _ in 0..3 {
        world.later(6);
        world.publish(&relay).await;
    }
    world.holds_everything_once().await;
    // A process that starts only now sees it as well.
    world.server.set_back(&copy);
    world.server.restart();
    world.append(10).await;
    world.publish(&world.relay().await).await;
    world.holds_everything_once().await;
}

#[tokio::test]
async fn a_server_that_is_killed_under_way_ends_up_with_everything_once() {
    let mut world = World::new();
    let relay = world.relay().await;
    let (rounds, away_ms) = sized((3, 0), (10, 60_000));
    for round in 0..rounds {
        world.append(600).await;
        // Killed somewhere in the middle, at another place each time.
        let killing = async {
            some_moments(3 + 7 * round).await;
            world.server.kill();
        };
        drop(tokio::join!(relay.step(), killing));
        time_passes(away_ms).await;
        world.server.restart();
    }
    world.later(6);
    world.publish(&relay).await;
    world.holds_everything_once().await;
    println!(
        "{rounds} kills of the server, {away_ms} ms without it each time, {} messages",
        world.positions().await.len()
    );
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_made_and_filled_anew_and_one_that_was_emptied_goes_on() {
    let world = World::new();
    world.append(30).await;
    let relay = world.relay().await;
    world.publish(&relay).await;
    let jetstream = world.jetstream().await;
    jetstream.get_stream(STREAM).await.unwrap().purge().await.unwrap();
    world.append(3).await;
    world.later(6);
    world.publish(&relay).await;
    world.publish(&world.relay().await).await;
    assert_eq!(world.positions().await, [30, 31, 32]);
    jetstream.delete_stream(STREAM).await.unwrap();
    world.later(6);
    world.publish(&relay).await;
    world.holds_everything_once().await;
    // Removed by hand while the server still knows their ids: they are not sent again, and nothing gets stuck.
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    for sequence in 32..=33 {
        stream.delete_message(sequence).await.unwrap();
    }
    world.append(2).await;
    world.publish(&world.relay().await).await;
    assert_eq!(world.positions().await, (0..31).chain(33..35).collect::<Vec<_>>());
}
