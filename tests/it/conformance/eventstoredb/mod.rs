//! The suites on the EventStoreDB backend, through our gateway over memory and over SQLite; and on a
//! server with a log like EventStoreDB's, or a real one where `SYNCLEDGER_TEST_ESDB_URL` names it.

mod fake;
mod pitfalls;
mod real;
pub mod served;
mod tls;

use std::sync::Arc;

use proptest::prelude::*;
use syncledger::{
    adapters::{eventstoredb::EventStoreDbLedger, memory::MemoryLedger},
    ports::{
        event_store::{EventStore as _, ExpectedVersion, Failure},
        upkeep::Upkeep as _,
    },
};
use tempfile::TempDir;

use self::served::Served;
use super::{
    event_store::{Store, event_store_suite},
    given::{append, event, folder, open_sqlite, sound},
    laws::{play, step},
};
use crate::support::patience::{eventually, soon};

/// Over a real server, or over one whose log is like a real one's.
mod over_a_log_of_many {
    use super::{event_store_suite, real::open};

    event_store_suite!(open);
}

/// What stands behind a ledger under test, closed when the test ends.
struct Behind(
    #[expect(dead_code, reason = "it serves as long as it is held")] Served,
    #[expect(dead_code, reason = "as it is")] Option<TempDir>,
);

mod over_memory {
    use super::*;

    async fn open() -> (Store, Behind) {
        let served = Served::start(Arc::new(MemoryLedger::new())).await;
        (Arc::new(served.open().await), Behind(served, None))
    }

    event_store_suite!(open);
}

mod over_sqlite {
    use super::*;

    async fn open() -> (Store, Behind) {
        let folder = folder();
        let served = Served::start(Arc::new(open_sqlite(folder.path()).await)).await;
        (Arc::new(served.open().await), Behind(served, Some(folder)))
    }

    event_store_suite!(open);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_memory_does(steps in proptest::collection::vec(step(), 1..60), reopen_at in 0..60_usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let memory = MemoryLedger::new();
            let (before, after) = steps.split_at(reopen_at.min(steps.len()));
            let expected = [play(&memory, before).await, play(&memory, after).await].concat();
            let served = Served::start(Arc::new(MemoryLedger::new())).await;
            let ledger = served.open().await;
            let mut answers = play(&ledger, before).await;
            ledger.close().await;
            let ledger = served.open().await;
            answers.extend(play(&ledger, after).await);
            prop_assert_eq!(answers, expected);
            prop_assert_eq!(sound(&ledger).await, sound(&memory).await);
            ledger.close().await;
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_is_closed_answers_nothing_and_what_is_opened_has_it_all() {
    let served = Served::start(Arc::new(MemoryLedger::new())).await;
    let ledger = served.open().await;
    let first = [event(0), event(1)];
    append(&ledger, "a", ExpectedVersion::NoStream, &first).await.unwrap();
    let before = sound(&ledger).await;
    ledger.close().await;
    assert!(matches!(append(&ledger, "a", ExpectedVersion::Any, &[event(2)]).await, Err(Failure::Unavailable(_))));
    assert!(matches!(ledger.end().await, Err(Failure::Unavailable(_))));
    let ledger = served.open().await;
    assert_eq!(sound(&ledger).await, before);
    assert_eq!(append(&ledger, "a", ExpectedVersion::NoStream, &first).await.unwrap(), (1, 1, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_ledger() {
    let served = Served::start(Arc::new(MemoryLedger::new())).await;
    let ledgers = [served.open().await, served.open().await];
    let writers = (0..8_u64).map(|writer| {
        let ledger = ledgers[(writer % 2) as usize].clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..25_u64 {
                let to = format!("s{}", (writer + n * n) % 5);
                let one = event(n);
                let (_, position, repeated) =
                    append(&ledger, &to, ExpectedVersion::Any, std::slice::from_ref(&one)).await.unwrap();
                assert!(!repeated);
                acknowledged.push((position, one.id));
            }
            acknowledged
        })
    });
    let mut acknowledged = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        acknowledged.extend(writer.await.unwrap());
    }
    for ledger in &ledgers {
        come_to(ledger, 200).await;
    }
    let all = sound(&ledgers[0]).await;
    assert_eq!(sound(&ledgers[1]).await, all);
    for (position, id) in acknowledged {
        assert_eq!(all[position as usize].event.id, id);
    }
}

/// The same append by two processes at once is one append: one of them wrote it, or it was written before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_by_another_process_is_a_repeat() {
    let served = Served::start(Arc::new(MemoryLedger::new())).await;
    let ledgers = [served.open().await, served.open().await];
    for round in 0..10 {
        let to = format!("a{round}");
        let one = event(round);
        let mut again = one.clone();
        again.recorded_at += chrono::TimeDelta::milliseconds(7);
        let (one, again) = ([one], [again]);
        let (a, b) = tokio::join!(
            append(&ledgers[0], &to, ExpectedVersion::NoStream, &one),
            append(&ledgers[1], &to, ExpectedVersion::NoStream, &again)
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!((a.0, a.1), (b.0, b.1));
        assert!(a.2 != b.2, "{a:?} {b:?}");
        // The same id with other content is no repeat, whoever looks.
        let mut other = one.clone();
        other[0].data = r#"{"n":"other"}"#.to_owned();
        let taken = append(&ledgers[1], &to, ExpectedVersion::NoStream, &other).await;
        assert!(matches!(taken, Err(Failure::IdTaken(id)) if id == one[0].id), "{taken:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_when_the_server_dies() {
    let inner: Store = Arc::new(MemoryLedger::new());
    let mut served = Served::start(Arc::clone(&inner)).await;
    let ledger = served.open().await;
    let writers = (0..6_u64).map(|writer| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..150_u64 {
                let events = [event(n), event(n)];
                let expected = n.checked_sub(1).map_or(ExpectedVersion::NoStream, |n| super::given::exact(2 * n + 1));
                // A line that is broken for long is told to the caller, who repeats itself with the same ids.
                let (version, position, _) = loop {
                    match append(&ledger, &format!("w{writer}"), expected, &events).await {
                        Err(Failure::Unavailable(_)) => {}
                        done => break done.unwrap(),
                    }
                };
                assert_eq!(version, 2 * n + 1);
                acknowledged.push((position, events[1].id));
            }
            acknowledged
        })
    });
    let writers: Vec<_> = writers.collect();
    for at in [200_u64, 700, 1_200] {
        come_to(&ledger, at).await;
        served.kill().await;
        served.restart().await;
    }
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let all = sound(&ledger).await;
    assert_eq!(all.len(), 6 * 150 * 2);
    assert_eq!(all, sound(&*inner).await);
    for (position, id) in acknowledged {
        assert_eq!(all[position as usize].event.id, id);
    }
    assert_eq!(ledger.failing(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_told_and_one_that_is_back_is_found() {
    let mut served = Served::start(Arc::new(MemoryLedger::new())).await;
    let ledger = served.open().await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
    served.kill().await;
    until(|| ledger.failing().is_some()).await;
    // What came by can still be read.
    assert_eq!(sound(&ledger).await.len(), 1);
    assert!(ledger.failing().unwrap().contains(&served.address.to_string()));
    assert!(served.try_open("").await.is_err());
    served.restart().await;
    until(|| ledger.failing().is_none()).await;
    append(&ledger, "a", ExpectedVersion::Any, &[event(1)]).await.unwrap();
    assert_eq!(sound(&ledger).await.len(), 2);
    served.stop().await;
    until(|| ledger.failing().is_some()).await;
}

/// Waits until the ledger has this many events.
async fn come_to(ledger: &EventStoreDbLedger, end: u64) {
    soon(async {
        while ledger.end().await.unwrap().0 < end {
            ledger.wait(syncledger::domain::ids::Position(end - 1)).await;
        }
    })
    .await;
}

/// Waits until that is so.
async fn until(so: impl Fn() -> bool) {
    assert!(eventually(async || so()).await);
}
