//! Connections that mean no good, or do not know better.

use std::time::Duration;

use eventstore::{ReadAllOptions, StreamPosition};
use syncledger::{gateway::Limits, services::external_events::Accept};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::world::{Backend, World, all, fill};
use crate::support::patience::soon;

/// Whether the other side has closed the connection; what it says until then does not matter.
async fn closed(stream: &mut TcpStream) {
    let mut bytes = [0; 1_024];
    while !matches!(soon(stream.read(&mut bytes)).await, Ok(0) | Err(_)) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_something_else_is_shown_out() {
    let limits = Limits { greeting_time: Duration::from_millis(300), connections: 2, ..Limits::default() };
    let world = World::with(Backend::Memory, Accept::Known, limits, None).await;
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    let mut slow = TcpStream::connect(world.address).await.unwrap();
    slow.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    closed(&mut silent).await;
    closed(&mut slow).await;
    let mut other = TcpStream::connect(world.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    closed(&mut other).await;
    // Their places are free again.
    fill(&world.client("admin"), "booking-api.1", 0..1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_takes_nothing_keeps_nobody_waiting() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let client = world.client("admin");
    for n in 0..10 {
        fill(&client, "booking-api.1", n * 1_000..(n + 1) * 1_000).await;
    }
    let options = ReadAllOptions::default().position(StreamPosition::Start).max_count(100_000);
    let slow = world.client("auditor");
    let mut untouched = slow.read_all(&options).await.unwrap();
    fill(&client, "booking-api.2", 50_000..50_001).await;
    assert_eq!(soon(all(&world.client("auditor"), &options)).await.unwrap().len(), 10_001);
    let mut count = 0;
    while soon(untouched.next()).await.unwrap().is_some() {
        count += 1;
    }
    assert!(count >= 10_000, "{count}");
}
