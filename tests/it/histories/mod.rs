//! Random histories, and every backend ends with the same streams, the same read models and the same root.
//!
//! A history is a list of appends: facts of every kind, with right and wrong expectations, repeats of what was appended
//! before, and ids that are taken. It is made up against the ledger in memory, which tells how each append ends, and is
//! then told to every other backend, several appends at once where a backend takes them in their order.

mod backends;
mod root;

use std::{collections::BTreeSet, ops::Range};

use backends::{Backend, all, first};
use futures::future::join_all;
use root::root;
use syncledger::{
    domain::ids::Position,
    ports::event_store::{AppendOutcome, EventStore as _, ExpectedVersion, Failure},
    projections::ALL,
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};

use crate::{
    projections::{choices::Choices, world::World},
    support::size::sized,
};

/// Appends of one history.
const CALLS: usize = 18;
/// Appends that are under way at once.
const AT_ONCE: usize = 9;

/// Histories of each of the four tests.
fn quarter(number: u64) -> Range<u64> {
    let each = sized(30, 125);
    number * each..(number + 1) * each
}

#[tokio::test]
async fn the_first_quarter_is_the_same_everywhere() {
    are_the_same(quarter(0)).await;
}

#[tokio::test]
async fn the_second_quarter_is_the_same_everywhere() {
    are_the_same(quarter(1)).await;
}

#[tokio::test]
async fn the_third_quarter_is_the_same_everywhere() {
    are_the_same(quarter(2)).await;
}

#[tokio::test]
async fn the_last_quarter_is_the_same_everywhere() {
    are_the_same(quarter(3)).await;
}

/// One append.
#[derive(Clone)]
struct Call {
    stream: StreamName,
    expected: ExpectedVersion,
    events: Vec<NewEvent>,
}

type Outcome = Result<AppendOutcome, String>;

/// One history after the other on the same stores: a store is dear to make.
async fn are_the_same(histories: Range<u64>) {
    let world = World::new();
    let (memory, others) = (first(&world).await, all(&world).await);
    let played = histories.end - histories.start;
    let least = u32::try_from(played).unwrap() * 2 / 5;
    let mut from = Position(0);
    let mut leaves = Vec::new();
    let mut met = Met::default();
    for history in histories {
        let (calls, outcomes) = made_up(&world, history, &mut met).await;
        let streams: BTreeSet<String> = calls.iter().map(|call| call.stream.to_string()).collect();
        let batch = 1 + usize::try_from(history % 40).unwrap();
        let told = told_by(&memory, &streams, from, batch).await;
        leaves.extend(told.facts.iter().map(|fact| fact.leaf));
        let sealed = root(&leaves);
        for other in &others {
            let (name, at_once) = (other.name, if other.in_order { AT_ONCE } else { 1 });
            let mut same = Vec::new();
            for some in calls.chunks(at_once) {
                same.extend(join_all(some.iter().map(|call| append(other, call))).await);
            }
            assert_eq!(same, outcomes, "history {history}: appends to {name}");
            let theirs = told_by(other, &streams, from, 41 - batch).await;
            theirs.must_be(&told, &format!("history {history} as {name} tells it"));
            let mut all: Vec<[u8; 32]> = leaves[..leaves.len() - told.facts.len()].to_vec();
            all.extend(theirs.facts.iter().map(|fact| fact.leaf));
            assert_eq!(root(&all), sealed, "history {history}: the root on {name}");
        }
        from = Position(from.0 + told.facts.len() as u64);
    }
    met.everything(least);
    // Once more as a whole: nothing that a later history did changed what an earlier one had left.
    let all = told_by(&memory, &BTreeSet::new(), Position(0), 1_000).await;
    for other in &others {
        let theirs = told_by(other, &BTreeSet::new(), Position(0), 1_000).await;
        theirs.must_be(&all, &format!("all of it as {} tells it", other.name));
    }
    println!("{played} histories of {CALLS} appends, {} events, on memory and {} more", all.facts.len(), others.len());
}

async fn append(backend: &Backend, call: &Call) -> Outcome {
    outcome(backend.ledger.append(&call.stream, call.expected, call.events.clone()).await)
}

fn outcome(result: Result<AppendOutcome, Failure>) -> Outcome {
    result.map_err(|failure| match failure {
        Failure::Conflict { .. } | Failure::IdTaken(_) | Failure::Invalid(_) => failure.to_string(),
        Failure::Unavailable(_) | Failure::Corrupt { .. } | Failure::ProgramTooOld { .. } => panic!("{failure}"),
    })
}

/// What a backend holds of a history.
#[derive(Debug, PartialEq)]
struct Told {
    facts: Vec<StoredEvent>,
    streams: Vec<Vec<StoredEvent>>,
    rows: Vec<(&'static str, Vec<String>)>,
}

impl Told {
    /// Shows the first thing that differs, not all of it.
    fn must_be(&self, expected: &Self, what: &str) {
        for (ours, theirs) in self.facts.iter().zip(&expected.facts) {
            assert_eq!(ours, theirs, "{what}");
        }
        assert_eq!(self.facts.len(), expected.facts.len(), "{what}: how many facts");
        for ((table, ours), (_, theirs)) in self.rows.iter().zip(&expected.rows) {
            assert_eq!(ours, theirs, "{what}: table {table}");
        }
        assert!(self == expected, "{what}: a stream read by itself");
    }
}

async fn told_by(backend: &Backend, streams: &BTreeSet<String>, from: Position, batch: usize) -> Told {
    let mut facts = backend.ledger.read_all(from, 1_000).await.unwrap();
    while let Some(more) = facts.last().map(|last| last.position.next()) {
        let page = backend.ledger.read_all(more, 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        facts.extend(page);
    }
    let mut told = Vec::new();
    for stream in streams {
        let stream = StreamName::parse(stream).unwrap();
        told.push(backend.ledger.read_stream(&stream, syncledger::domain::ids::Version(0), 1_000).await.unwrap());
    }
    backend.projector.catch_up(batch).await.unwrap();
    let mut rows = Vec::new();
    for projection in ALL {
        let shown = backend.tables.rows(projection, from).await.into_iter().map(|row| format!("{row:?}"));
        rows.push((projection.name, shown.collect()));
    }
    Told { facts, streams: told, rows }
}

/// Which ends of an append were met: a property over histories that never clash would show little.
#[derive(Default)]
struct Met {
    appended: u32,
    repeated: u32,
    conflicts: u32,
    taken: u32,
}

impl Met {
    fn note(&mut self, outcome: &Outcome) {
        let count = match outcome {
            Ok(AppendOutcome { repeated: false, .. }) => &mut self.appended,
            Ok(AppendOutcome { repeated: true, .. }) => &mut self.repeated,
            Err(told) if told.contains("already recorded") => &mut self.taken,
            Err(_) => &mut self.conflicts,
        };
        *count += 1;
    }

    fn everything(&self, least: u32) {
        let Self { appended, repeated, conflicts, taken } = self;
        let all = [appended, repeated, conflicts, taken];
        assert!(
            all.into_iter().all(|count| *count >= least),
            "{appended} appended, {repeated} repeated, {conflicts} conflicts, {taken} taken"
        );
    }
}

async fn made_up(world: &World, history: u64, met: &mut Met) -> (Vec<Call>, Vec<Outcome>) {
    let numbers: Vec<u16> = (0..4_000_u64).map(|at| (mixed(history << 20 | at) >> 48) as u16).collect();
    let mut choices = Choices::called(&numbers, format!("h{history}-"));
    let (mut calls, mut outcomes): (Vec<Call>, Vec<Outcome>) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        let call = next(world, &mut choices, &calls).await;
        let ended = outcome(world.ledger.append(&call.stream, call.expected, call.events.clone()).await);
        met.note(&ended);
        calls.push(call);
        outcomes.push(ended);
    }
    (calls, outcomes)
}

async fn next(world: &World, choices: &mut Choices<'_>, before: &[Call]) -> Call {
    let earlier = if before.is_empty() { None } else { before.get(choices.one_of(before.len())).cloned() };
    match (choices.one_of(10), earlier) {
        // An answer was lost, and the caller tries again.
        (0 | 1, Some(call)) => call,
        // The same ids, and something besides.
        (2, Some(mut call)) => {
            call.events.push(fact(world, choices).await.1);
            call
        }
        // The same ids elsewhere.
        (3, Some(call)) => Call { stream: fact(world, choices).await.0, ..call },
        _ => {
            let (stream, event) = fact(world, choices).await;
            let mut events = vec![event];
            for _ in 0..choices.one_of(3) {
                let (other, event) = fact(world, choices).await;
                if other.category == stream.category {
                    events.push(event);
                }
            }
            let last = world.ledger.last(&stream).await.unwrap().map(|last| last.version);
            let expected = match choices.one_of(6) {
                0 => ExpectedVersion::NoStream,
                1 => ExpectedVersion::Exact(syncledger::domain::ids::Version(choices.one_of(4) as u64)),
                2 | 3 => ExpectedVersion::after(last),
                _ => ExpectedVersion::Any,
            };
            Call { stream, expected, events }
        }
    }
}

async fn fact(world: &World, choices: &mut Choices<'_>) -> (StreamName, NewEvent) {
    let (stream, event) = choices.fact();
    (stream, world.sealed(&event).await)
}

/// SplitMix64: the same numbers on every machine.
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
