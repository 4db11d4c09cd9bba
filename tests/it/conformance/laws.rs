//! The same history of appends gives the same answers and the same ledger on every backend: memory is the reference.

use proptest::{collection::vec, prelude::*};
use syncledger::{
    adapters::memory::MemoryLedger,
    ports::{
        event_store::{EventStore, ExpectedVersion, Failure},
        upkeep::Upkeep as _,
    },
    record::envelope::NewEvent,
};

use super::given::{append, exact, folder, numbered, open_postgres, open_sqlite, sound};
use crate::support::postgres::Database;

#[derive(Debug, Clone)]
pub struct Step {
    stream: u8,
    expected: ExpectedVersion,
    events: Vec<(u8, u8)>,
}

/// Few streams, ids and contents, so that repeats, conflicts and taken ids are common.
pub fn step() -> impl Strategy<Value = Step> {
    let expected = prop_oneof![Just(ExpectedVersion::Any), Just(ExpectedVersion::NoStream), (0..6_u64).prop_map(exact)];
    let events = vec((0..30_u8, prop_oneof![4 => Just(0_u8), 1 => Just(1)]), 1..4);
    (0..3_u8, expected, events).prop_map(|(stream, expected, events)| Step { stream, expected, events })
}

/// What the caller is told, in a form that can be compared.
fn told(answer: Result<(u64, u64, bool), Failure>) -> String {
    match answer {
        Ok((version, position, repeated)) => format!("{version} {position} {repeated}"),
        Err(failure) => failure.to_string(),
    }
}

pub async fn play(store: &dyn EventStore, steps: &[Step]) -> Vec<String> {
    let mut answers = Vec::new();
    for step in steps {
        let events: Vec<NewEvent> =
            step.events.iter().map(|(id, n)| numbered(u128::from(*id), &format!("{{\"n\":{n}}}"))).collect();
        answers.push(told(append(store, &step.stream.to_string(), step.expected, &events).await));
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_as_memory_does(steps in vec(step(), 1..60), reopen_at in 0..60_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let memory = MemoryLedger::new();
            let folder = folder();
            let (before, after) = steps.split_at(reopen_at.min(steps.len()));
            let expected = [play(&memory, before).await, play(&memory, after).await].concat();
            // The writer knows things after a while that it has to look up after opening: both must give the same.
            let sqlite = open_sqlite(folder.path()).await;
            let mut answers = play(&sqlite, before).await;
            sqlite.close().await;
            let sqlite = open_sqlite(folder.path()).await;
            answers.extend(play(&sqlite, after).await);
            prop_assert_eq!(answers, expected);
            prop_assert_eq!(sound(&sqlite).await, sound(&memory).await);
            sqlite.close().await;
            Ok(())
        })?;
    }
}

proptest! {
    // A database is made for each.
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn postgres_answers_as_memory_does(steps in vec(step(), 1..60), reopen_at in 0..60_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let memory = MemoryLedger::new();
            let database = Database::new().await;
            let (before, after) = steps.split_at(reopen_at.min(steps.len()));
            let expected = [play(&memory, before).await, play(&memory, after).await].concat();
            let postgres = open_postgres(&database.url()).await;
            let mut answers = play(&postgres, before).await;
            postgres.close().await;
            let postgres = open_postgres(&database.url()).await;
            answers.extend(play(&postgres, after).await);
            prop_assert_eq!(answers, expected);
            prop_assert_eq!(sound(&postgres).await, sound(&memory).await);
            postgres.close().await;
            Ok(())
        })?;
    }
}
