//! A ledger that says which version of the program may use it, on every backend.

use std::sync::Arc;

use futures::future::join;
use syncledger::{
    adapters::{memory::MemoryLedger, system::SystemClock},
    domain::{
        ids::{Position, Version},
        operations::Event,
        program_version::ProgramVersion,
    },
    ledger::required_version::{Program, VersionedLedger, required},
    ports::{
        clock::Clock,
        event_store::{EventStore as _, ExpectedVersion, Failure},
    },
    record::{codec, envelope::NewEvent, stream::StreamName},
};

use super::{
    event_store::{Store, event_store_suite},
    eventstoredb::served::Served,
    given::{append, event, folder, open_postgres, open_sqlite, sound, stream},
};
use crate::support::{patience::soon, postgres::Database};

const FIRST: ProgramVersion = ProgramVersion::new(0, 1, 0);
const SECOND: ProgramVersion = ProgramVersion::new(0, 2, 0);
const THIRD: ProgramVersion = ProgramVersion::new(0, 3, 0);

/// It keeps every promise of the ledger that it stands before.
mod contract {
    use super::*;

    async fn open() -> (Store, ()) {
        let ledger = opened(&(Arc::new(MemoryLedger::new()) as Store), &clock(), SECOND).await.unwrap();
        (Arc::new(ledger), ())
    }

    event_store_suite!(open);
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// As a program that needs nothing newer than itself.
async fn opened(store: &Store, clock: &Arc<dyn Clock>, version: ProgramVersion) -> Result<VersionedLedger, Failure> {
    let program = Program { version, needs: version };
    VersionedLedger::open(Arc::clone(store), Arc::clone(clock), "loft", program).await
}

/// An event that 0.1.0 cannot read.
fn of_the_second() -> NewEvent {
    NewEvent { kind: "link.wait_ended".to_owned(), data: r#"{"wait":"retry"}"#.to_owned(), ..event(0) }
}

fn requirement(least: ProgramVersion) -> NewEvent {
    let fact = Event::ProgramRequired { least, by: "an operator".to_owned() }.into();
    let data = codec::to_data(&fact).to_string();
    NewEvent { kind: "operations.program_required".to_owned(), data, ..event(0) }
}

async fn kinds(store: &Store) -> Vec<String> {
    sound(&**store).await.into_iter().map(|it| it.event.kind).collect()
}

#[track_caller]
fn refused<T>(answer: Result<T, Failure>, needed: ProgramVersion, is: ProgramVersion) {
    match answer {
        Err(failure @ Failure::ProgramTooOld { least, version }) if (least, version) == (needed, is) => {
            let said = failure.to_string();
            let begins = format!("this ledger needs syncledger {needed} or later; this is {is}: upgrade this program");
            assert!(said.starts_with(&begins), "{said}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a program of {is} may use a ledger that needs {needed}"),
    }
}

/// Programs of three versions on one ledger.
async fn holds(store: Store) {
    let clock = clock();
    let older = opened(&store, &clock, FIRST).await.unwrap();
    append(&older, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap();
    let newer = opened(&store, &clock, SECOND).await.unwrap();
    append(&newer, "a", ExpectedVersion::Any, &[event(1)]).await.unwrap();
    assert_eq!(required(&*store, "loft").await.unwrap(), None, "there is nothing yet that the older one cannot read");
    assert_eq!(older.read_all(Position(0), 10).await.unwrap().len(), 2);

    // What the older one cannot read comes after the event that says so.
    newer.append(&stream("b"), ExpectedVersion::NoStream, vec![of_the_second()]).await.unwrap();
    newer.append(&stream("b"), ExpectedVersion::Any, vec![of_the_second()]).await.unwrap();
    let ends = ["operations.program_required", "link.wait_ended", "link.wait_ended"];
    assert_eq!(kinds(&store).await[2..], ends);
    assert_eq!(required(&*store, "loft").await.unwrap(), Some(SECOND));

    // The older one reads up to there, and no farther; and it writes no more.
    assert_eq!(older.read_stream(&stream("a"), Version(0), 10).await.unwrap().len(), 2);
    refused(older.read_all(Position(2), 10).await, SECOND, FIRST);
    refused(append(&older, "a", ExpectedVersion::Any, &[event(2)]).await, SECOND, FIRST);
    refused(Err::<(), _>(soon(older.too_old()).await), SECOND, FIRST);
    refused(opened(&store, &clock, FIRST).await, SECOND, FIRST);
    assert_eq!(opened(&store, &clock, SECOND).await.unwrap().required(), Some(SECOND));

    // Two that upgrade at once say it once, and nobody takes it back.
    let (one, two) = (opened(&store, &clock, THIRD).await.unwrap(), opened(&store, &clock, THIRD).await.unwrap());
    let (first, second) = join(one.require(THIRD), two.require(THIRD)).await;
    first.and(second).unwrap();
    one.require(SECOND).await.unwrap();
    let program = StreamName::program("loft");
    assert_eq!(store.read_stream(&program, Version(0), 10).await.unwrap().len(), 2);
    assert_eq!(opened(&store, &clock, THIRD).await.unwrap().required(), Some(THIRD));
    refused(newer.require(SECOND).await, THIRD, SECOND);

    // No program shuts itself out.
    let out = one.append(&program, ExpectedVersion::Any, vec![requirement(ProgramVersion::new(9, 0, 0))]).await;
    assert!(matches!(&out, Err(Failure::Invalid(why)) if why.contains("9.0.0")), "{out:?}");
    append(&one, "a", ExpectedVersion::Any, &[event(3)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    holds(Arc::new(MemoryLedger::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = folder();
    holds(Arc::new(open_sqlite(folder.path()).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let database = Database::new().await;
    holds(Arc::new(open_postgres(&database.url()).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_eventstoredb() {
    let served = Served::start(Arc::new(MemoryLedger::new())).await;
    holds(Arc::new(served.open().await)).await;
}

#[tokio::test]
async fn an_export_of_a_newer_program_is_not_taken() {
    let (store, clock): (Store, _) = (Arc::new(MemoryLedger::new()), clock());
    let newer = opened(&store, &clock, SECOND).await.unwrap();
    newer.append(&stream("b"), ExpectedVersion::NoStream, vec![of_the_second()]).await.unwrap();
    let events = sound(&*store).await;

    let empty: Store = Arc::new(MemoryLedger::new());
    let older = opened(&empty, &clock, FIRST).await.unwrap();
    refused(older.restore(events.clone()).await, SECOND, FIRST);
    assert_eq!(empty.end().await.unwrap(), Position(0));

    let ledger = opened(&empty, &clock, SECOND).await.unwrap();
    ledger.restore(events.clone()).await.unwrap();
    ledger.append(&stream("b"), ExpectedVersion::Any, vec![of_the_second()]).await.unwrap();
    assert_eq!(sound(&*empty).await.len(), events.len() + 1, "what was restored says already what is needed");
}

#[tokio::test]
async fn a_requirement_that_cannot_be_read_keeps_everybody_out() {
    for data in [r#"{"least":"9.0.0-rc.1","by":"x"}"#, r#"{"least":"9.0.0"}"#, r#"{"least":"soon","by":"x"}"#, "{}"] {
        let (store, clock): (Store, _) = (Arc::new(MemoryLedger::new()), clock());
        let ledger = opened(&store, &clock, SECOND).await.unwrap();
        append(&ledger, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap();
        let odd = NewEvent { data: data.to_owned(), ..requirement(SECOND) };
        store.append(&StreamName::program("loft"), ExpectedVersion::NoStream, vec![odd.clone()]).await.unwrap();
        let refusals = [
            opened(&store, &clock, SECOND).await.err(),
            ledger.read_all(Position(0), 10).await.err(),
            append(&ledger, "a", ExpectedVersion::Any, &[event(1)]).await.err(),
        ];
        for refusal in refusals {
            let said = refusal.expect("it is refused").to_string();
            assert!(said.contains("in a form that this one cannot read; this is 0.2.0: upgrade"), "{said}");
        }
        let other = opened(&(Arc::new(MemoryLedger::new()) as Store), &clock, SECOND).await.unwrap();
        let out = other.append(&StreamName::program("loft"), ExpectedVersion::Any, vec![odd]).await;
        assert!(matches!(&out, Err(Failure::Invalid(why)) if why.contains("a version that it cannot read")), "{out:?}");
    }
}

#[tokio::test]
async fn a_requirement_only_rises() {
    let (store, clock): (Store, _) = (Arc::new(MemoryLedger::new()), clock());
    let program = StreamName::program("loft");
    let ledger = opened(&store, &clock, THIRD).await.unwrap();
    ledger.require(THIRD).await.unwrap();
    let lower = ledger.append(&program, ExpectedVersion::Any, vec![requirement(SECOND)]).await;
    assert!(matches!(&lower, Err(Failure::Invalid(why)) if why.contains("can only be raised")), "{lower:?}");
    // Written past the program: the highest counts, and not the last.
    store.append(&program, ExpectedVersion::Any, vec![requirement(SECOND)]).await.unwrap();
    refused(opened(&store, &clock, SECOND).await, THIRD, SECOND);
    assert_eq!(required(&*store, "loft").await.unwrap(), Some(THIRD));
}
