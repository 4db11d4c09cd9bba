//! Reads in both directions, from everywhere, across pages.

use eventstore::{Error, Position, ReadAllOptions, ReadEvent, ReadStreamOptions, StreamPosition};
use syncledger::services::external_events::Accept;

use super::world::{BACKENDS, Backend, World, all, fill, ids};

const STREAM: &str = "booking-api.1";

fn of(from: u64, count: usize) -> ReadStreamOptions {
    ReadStreamOptions::default().position(StreamPosition::Position(from)).max_count(count)
}

fn start() -> ReadStreamOptions {
    ReadStreamOptions::default().position(StreamPosition::Start)
}

fn end() -> ReadStreamOptions {
    ReadStreamOptions::default().position(StreamPosition::End)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_from_everywhere() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        fill(&client, "booking-api.0", 900..903).await;
        fill(&client, STREAM, 0..10).await;
        let read = async |options: ReadStreamOptions| ids(&client, STREAM, &options).await.unwrap();
        assert_eq!(read(start()).await, (0..10).collect::<Vec<_>>(), "{backend:?}");
        assert_eq!(read(start().max_count(3)).await, [0, 1, 2]);
        assert_eq!(read(of(4, 3)).await, [4, 5, 6]);
        assert_eq!(read(of(8, 9)).await, [8, 9]);
        assert_eq!(read(of(10, 9)).await, Vec::<u128>::new());
        assert_eq!(read(end().forwards()).await, Vec::<u128>::new());
        assert_eq!(read(end().backwards()).await, (0..10).rev().collect::<Vec<_>>());
        assert_eq!(read(end().backwards().max_count(1)).await, [9]);
        assert_eq!(read(of(4, 3).backwards()).await, [4, 3, 2]);
        assert_eq!(read(of(1, 9).backwards()).await, [1, 0]);
        assert_eq!(read(of(99, 2).backwards()).await, [9, 8]);
        assert_eq!(read(start().backwards()).await, [0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_ledger_is_read_across_pages() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        for n in 0..6 {
            fill(&client, &format!("booking-api.{}", n % 2), n * 100..(n + 1) * 100).await;
        }
        let at = |n| StreamPosition::Position(Position { commit: n, prepare: n });
        let read = async |options: ReadAllOptions| all(&client, &options).await.unwrap();
        let options = || ReadAllOptions::default().max_count(10_000);
        assert_eq!(read(options().position(StreamPosition::Start)).await, (0..600).collect::<Vec<_>>(), "{backend:?}");
        let back = read(options().position(StreamPosition::End).backwards()).await;
        assert_eq!(back, (0..600).rev().collect::<Vec<_>>());
        assert_eq!(read(options().position(at(598))).await, [598, 599]);
        assert_eq!(read(options().position(at(300)).backwards().max_count(2)).await, [300, 299]);
        assert_eq!(read(options().position(at(600))).await, Vec::<u128>::new());
        assert_eq!(read(options().position(StreamPosition::End).forwards()).await, Vec::<u128>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_events_is_not_found_whatever_its_name() {
    let world = World::start(Backend::Sqlite, Accept::Known).await;
    let client = world.client("auditor");
    for name in [STREAM, "$$booking-api.1", "$ce-booking", "orders", "booking-"] {
        for options in [start(), end().forwards(), end().backwards(), of(3, 3)] {
            let read = ids(&client, name, &options).await;
            assert!(matches!(read, Err(Error::ResourceNotFound)), "{name}: {read:?}");
        }
    }
    assert_eq!(all(&client, &ReadAllOptions::default()).await.unwrap(), Vec::<u128>::new());
    let metadata = client.get_stream_metadata(STREAM, &ReadStreamOptions::default()).await.unwrap();
    assert!(format!("{metadata:?}").contains("NotFound"), "{metadata:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_understands_it_is_told_where_the_stream_ends() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let client = world.client("admin");
    fill(&client, STREAM, 0..5).await;
    for options in [start().max_count(2), start(), end().forwards(), end().backwards(), of(9, 9)] {
        let mut read = client.read_stream(STREAM, &options).await.unwrap();
        let mut last = None;
        while let Some(event) = read.next_read_event().await.unwrap() {
            if let ReadEvent::LastStreamPosition(position) = event {
                last = Some(position);
            }
        }
        assert_eq!(last, Some(4));
    }
}
