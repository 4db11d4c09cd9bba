//! Batch appends, as the stock client sends them.

use eventstore::{BatchAppendOptions, Error, ExpectedRevision, ReadStreamOptions};
use futures::future::join_all;
use syncledger::services::external_events::Accept;

use super::world::{BACKENDS, Backend, World, confirmed, fill, ids, some};
use crate::support::patience::soon;

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_all_written_each_stream_in_its_order() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("admin");
        let batch = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
        let streams = ["booking-api.1", "booking-api.2", "booking-api.3", "booking-api.4"];
        // Each expects the one before it: out of order they would be refused.
        let appends = (0..200_u64).map(|n| {
            let stream = streams[(n % 4) as usize];
            let version = n / 4;
            let expected = version.checked_sub(1).map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
            batch.append_to_stream(stream, expected, vec![confirmed(u128::from(n))])
        });
        let written = soon(join_all(appends)).await;
        for (n, result) in written.into_iter().enumerate() {
            let result = result.unwrap();
            assert_eq!(result.current_revision(), Some(n as u64 / 4), "{backend:?}");
            assert_eq!(result.stream_name(), streams[n % 4]);
            assert!(result.current_position().is_some() && result.expected_version().is_some());
        }
        let first = ids(&client, streams[0], &ReadStreamOptions::default().max_count(1_000)).await.unwrap();
        assert_eq!(first, (0..200).step_by(4).collect::<Vec<u128>>());
        assert_eq!(world.end().await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_repeated_is_answered_as_the_first() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let client = world.client("integration");
        let batch = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
        let append = || batch.append_to_stream("booking-api.1", ExpectedRevision::NoStream, some(1..4));
        let first = soon(append()).await.unwrap();
        fill(&client, "booking-api.1", 10..12).await;
        let again = soon(append()).await.unwrap();
        assert_eq!(first, again);
        assert_eq!((again.current_revision(), again.current_position().unwrap().commit), (Some(2), 2));
        let exists = soon(batch.append_to_stream("booking-api.1", ExpectedRevision::StreamExists, some(20..21))).await;
        assert_eq!(exists.unwrap().expected_version(), Some(ExpectedRevision::StreamExists));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_stand_in_the_answer_with_their_code() {
    let world = World::start(Backend::Memory, Accept::Known).await;
    let client = world.client("integration");
    let cases = [
        ("booking-api.1", ExpectedRevision::Exact(7), tonic::Code::AlreadyExists, "WrongExpectedVersion"),
        ("booking-api.1", ExpectedRevision::StreamExists, tonic::Code::AlreadyExists, "WrongExpectedVersion"),
        ("nowhere", ExpectedRevision::Any, tonic::Code::InvalidArgument, "is not a stream name"),
        ("booking-other.1", ExpectedRevision::Any, tonic::Code::PermissionDenied, "may not append"),
        ("link-x", ExpectedRevision::Any, tonic::Code::PermissionDenied, "may not append"),
    ];
    for (stream, expected, wanted, part) in cases {
        // The stock client does not outlive an error.
        let batch = client.batch_append(&BatchAppendOptions::default()).await.unwrap();
        match soon(batch.append_to_stream(stream, expected, some(1..2))).await {
            Err(Error::Grpc { code, message }) => {
                assert_eq!(code, wanted, "{message}");
                assert!(message.contains(part), "{part}: {message}");
            }
            other => panic!("{part}: {other:?}"),
        }
    }
    assert_eq!(world.end().await, 0);
}
