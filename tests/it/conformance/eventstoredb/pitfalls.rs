//! What the client and real servers have been seen to do, one test each. The numbers are those of
//! `docs/operating/eventstoredb.md`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use syncledger::{
    adapters::eventstoredb::EventStoreDbLedger,
    domain::ids::Position,
    ports::{
        event_store::{EventStore as _, ExpectedVersion, Failure},
        upkeep::Upkeep as _,
    },
};

use super::{
    super::given::{append, event, exact, sound, stream},
    come_to,
    fake::Fake,
    until,
};
use crate::support::patience::{eventually_blocking, soon};

/// 1: the client spins on a subscription that ends without an error; it is stopped, and another one is begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_ends_without_a_word_is_begun_again() {
    let fake = Fake::start().await;
    let ledger = fake.open().await;
    fake.faults.end_cleanly.store(true, Ordering::SeqCst);
    for n in 0..5 {
        append(&ledger, "a", ExpectedVersion::Any, &[event(n)]).await.unwrap();
    }
    until(|| fake.faults.subscriptions.load(Ordering::SeqCst) > 3).await;
    fake.faults.end_cleanly.store(false, Ordering::SeqCst);
    append(&ledger, "a", exact(4), &[event(5)]).await.unwrap();
    until(|| ledger.failing().is_none()).await;
    assert_eq!(sound(&ledger).await.len(), 6);
    let subscriptions = fake.faults.subscriptions.load(Ordering::SeqCst);
    assert!(every_thread_is_free().await, "a thread spins");
    assert_eq!(fake.faults.subscriptions.load(Ordering::SeqCst), subscriptions, "it begins again and again");
}

/// Whether both threads of the runtime can be had at once: one that spins in a poll is never given back.
async fn every_thread_is_free() -> bool {
    let arrived = Arc::new(AtomicUsize::new(0));
    let meet = |arrived: Arc<AtomicUsize>| async move {
        arrived.fetch_add(1, Ordering::SeqCst);
        eventually_blocking(|| arrived.load(Ordering::SeqCst) == 2)
    };
    let (one, two) = (tokio::spawn(meet(Arc::clone(&arrived))), tokio::spawn(meet(arrived)));
    one.await.unwrap() && two.await.unwrap()
}

/// 2: one append that is refused closes the session; the others are sent again and nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_append_does_not_fail_its_neighbours() {
    let fake = Fake::start().await;
    let (ours, theirs) = (fake.open().await, fake.open().await);
    append(&ours, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap();
    let writers = (0..20_u64).map(|n| {
        let (ours, theirs) = (ours.clone(), theirs.clone());
        tokio::spawn(async move {
            for step in 0..10 {
                // Both believe in the same end, so that one of them is refused by the server itself.
                let last = ExpectedVersion::after(theirs.last(&stream("a")).await.unwrap().map(|it| it.version));
                let (one, two) = ([event(n)], [event(n)]);
                let (a, b) = tokio::join!(append(&ours, "a", last, &one), append(&theirs, "a", last, &two));
                for answer in [a, b] {
                    assert!(matches!(answer, Ok((_, _, false)) | Err(Failure::Conflict { .. })), "{answer:?}");
                }
                append(&ours, &format!("b{n}"), ExpectedVersion::Any, &[event(step)]).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    come_to(&theirs, ours.end().await.unwrap().0).await;
    assert_eq!(sound(&ours).await, sound(&theirs).await);
    assert!(fake.faults.sessions.load(Ordering::SeqCst) > 2, "no append was refused: this tested nothing");
}

/// 2b: an answer that never comes is replaced by the event itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_without_an_answer_is_known_by_its_events() {
    let fake = Fake::start().await;
    let ledger = fake.open().await;
    fake.faults.swallow.store(3, Ordering::SeqCst);
    for n in 0..5 {
        assert_eq!(append(&ledger, "a", ExpectedVersion::Any, &[event(n)]).await.unwrap(), (n, n, false));
    }
    assert_eq!(sound(&ledger).await.len(), 5);
}

/// 3: times are ours, to the microsecond, whatever the client makes of the server's.
#[tokio::test]
async fn times_are_those_of_the_envelope() {
    let fake = Fake::start().await;
    let ledger = fake.open().await;
    let one = event(0);
    append(&ledger, "a", ExpectedVersion::NoStream, std::slice::from_ref(&one)).await.unwrap();
    let kept = ledger.last(&stream("a")).await.unwrap().unwrap();
    assert_eq!(kept.event, one);
    assert_eq!(kept.event.recorded_at.timestamp_subsec_micros(), 123_456);
}

/// 4: an event that a subscription passes over is missed at the stream's next one, and nothing is acknowledged any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_passed_over_is_noticed() {
    let fake = Fake::start().await;
    let (ledger, other) = (fake.open().await, fake.open().await);
    append(&ledger, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap();
    come_to(&other, 1).await;
    let mut events = [event(1), event(2)];
    events[0].data = r#"{"n":"passed over"}"#.to_owned();
    fake.skip_next(&events[0].data);
    // Written by one of them; whose subscription passes over it is chance. The other has it all.
    for ledger in [&ledger, &other] {
        match append(ledger, "a", ExpectedVersion::Any, &events).await {
            Ok((version, position, _)) => assert_eq!((version, position), (2, 2)),
            Err(Failure::Unavailable(why)) => assert!(
                why.contains("not being followed") || why.contains("no longer followed") || why.contains("is missing")
            ),
            Err(other) => panic!("{other}"),
        }
    }
    until(|| ledger.failing().is_some() || other.failing().is_some()).await;
    let (blind, whole) = if ledger.failing().is_some() { (&ledger, &other) } else { (&other, &ledger) };
    assert!(blind.failing().unwrap().contains("revision 1 of booking-a is missing"), "{:?}", blind.failing());
    assert_eq!(blind.end().await.unwrap(), Position(1), "no position is given out after a gap");
    assert!(matches!(append(blind, "b", ExpectedVersion::Any, &[event(9)]).await, Err(Failure::Unavailable(_))));
    come_to(whole, 3).await;
    assert_eq!(sound(&fake.open().await).await.len() as u64, whole.end().await.unwrap().0);
}

/// 5: what others write into our categories counts, and is no event of ours when it is read.
#[tokio::test]
async fn an_event_that_is_not_ours_counts_and_is_damage() {
    let fake = Fake::start().await;
    let ledger = fake.open().await;
    append(&ledger, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap();
    fake.write("orders-7", b"{}");
    fake.write("booking-theirs", b"{}");
    append(&ledger, "a", exact(0), &[event(1)]).await.unwrap();
    for ledger in [ledger, fake.open().await] {
        assert_eq!(ledger.end().await.unwrap(), Position(3));
        assert_eq!(ledger.last(&stream("a")).await.unwrap().unwrap().position, Position(2));
        for damaged in [ledger.read_all(Position(0), 9).await.map(drop), ledger.last(&stream("theirs")).await.map(drop)]
        {
            let told = damaged.unwrap_err().to_string();
            assert!(told.contains("position 1 (revision 0 of \"booking-theirs\""), "{told}");
        }
        assert_eq!(ledger.read_all(Position(2), 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_scavenged_stream_is_damage() {
    let fake = Fake::start().await;
    let ledger = fake.open().await;
    append(&ledger, "b", ExpectedVersion::NoStream, &[event(0)]).await.unwrap();
    append(&ledger, "a", ExpectedVersion::NoStream, &[event(0), event(1)]).await.unwrap();
    let (origin, mark) = (ledger.origin().await.unwrap(), ledger.mark());
    assert!(ledger.bears(mark) && ledger.bears(0) && origin != 0);
    // One that has indexed the events, and has to ask the server for them.
    let ledger = fake.open().await;
    assert!(ledger.bears(mark));
    fake.scavenge("booking-a");
    assert!(matches!(ledger.read_all(Position(0), 9).await, Err(Failure::Corrupt { .. })));
    let options = syncledger::adapters::eventstoredb::Options {
        url: format!("esdb://{}?tls=false", fake.address),
        password: None,
    };
    let told = EventStoreDbLedger::open(&options).await.err().unwrap().to_string();
    assert!(told.contains("revision 0 of booking-a is missing"), "{told}");
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_told() {
    let fake = Fake::start().await;
    let ledger = fake.open().await;
    let refuse = |code, message: &str| *fake.faults.refuse.lock().unwrap() = Some((code, message.to_owned()));
    refuse(3, "Maximum Append Size of 1048576 Exceeded.");
    let told = append(&ledger, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap_err();
    assert!(matches!(&told, Failure::Invalid(why) if why.contains("Maximum Append Size")), "{told}");
    refuse(7, "Access Denied");
    let told = append(&ledger, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap_err();
    assert!(matches!(&told, Failure::Unavailable(why) if why.contains("credentials")), "{told}");
    refuse(9, "StreamDeleted");
    let told = append(&ledger, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap_err();
    assert!(matches!(&told, Failure::Corrupt { .. }), "{told}");
    refuse(9, "InvalidTransaction");
    let told = soon(append(&ledger, "a", ExpectedVersion::NoStream, &[event(0)])).await;
    assert!(matches!(told, Err(Failure::Unavailable(_))), "{told:?}");
}
