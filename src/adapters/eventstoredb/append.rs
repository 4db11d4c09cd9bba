//! Appends: judged by the index, sent, and completed when their events arrive in the log.
//!
//! The server is never asked to append without an expected revision: it would detect a repeat only while it remembers
//! the ids. `Any` becomes the last known revision, which the server checks; a refused append reads
//! the stream's revision and is judged again.

use std::{pin::pin, sync::Arc, time::Duration};

use eventstore::{EventData, ExpectedRevision};
use tokio::sync::oneshot;

use super::{failure::ServerFailure, index::End, mapping::to_server, pending::AppendSighting, read, shared::Shared};
use crate::{
    domain::ids::{Position, Version},
    ledger::append::{PlacedEvent, Verdict, judge},
    ports::event_store::{AppendOutcome, ExpectedVersion, Failure},
    record::{
        envelope::{NewEvent, StoredEvent},
        stream::StreamName,
    },
};

/// Attempts when another process is faster. Only `Any` needs more than one.
const ROUNDS_MAX: usize = 100;

/// Time limit for an append, including retries on a new connection.
const APPEND_MAX: Duration = Duration::from_secs(30);

/// How long an acknowledged append may take to arrive before the subscription is checked.
const SEEN_MAX: Duration = Duration::from_secs(5);

/// Delay before an append is sent again: doubles from the first value to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// See the module.
pub(super) async fn append(
    shared: &Shared,
    stream: &StreamName,
    expected: ExpectedVersion,
    events: Vec<NewEvent>,
) -> Result<AppendOutcome, Failure> {
    let name = stream.to_string();
    let events = Arc::new(events);
    let _claim = shared.claims.take(&name, &events).await;
    let (mut look, mut refusals, mut last_failure) = (false, 0, String::new());
    for _ in 0..ROUNDS_MAX {
        let last = match expected_end(shared, &name, expected) {
            ExpectedEnd::At(last) if !look => last,
            ExpectedEnd::At(_) | ExpectedEnd::Unknown => read::last_version(shared, &name).await?,
        };
        let stored = stored_events(shared, &events).await?;
        let standing = |id| stored.iter().find(|it| it.event.id == id).map(PlacedEvent::from);
        let first = match judge(stream, expected, &events, last, standing)? {
            Verdict::Repeated(appended) => return Ok(appended),
            Verdict::Write(first) => first,
        };
        // Refused twice although the stream is as expected: the reason is another one.
        if look && refusals > 2 && expected != ExpectedVersion::Any {
            break;
        }
        match write(shared, &name, first, &events).await? {
            WriteOutcome::Seen(AppendSighting::Stored { position, repeated }) => {
                let version = Version(first.0 + events.len() as u64 - 1);
                return Ok(AppendOutcome { version, position: Position(position), repeated });
            }
            WriteOutcome::Seen(AppendSighting::IdTaken(id)) => return Err(Failure::IdTaken(id)),
            WriteOutcome::Seen(AppendSighting::Displaced) => look = true,
            WriteOutcome::Known => {}
            WriteOutcome::Refused(why) => (look, refusals, last_failure) = (true, refusals + 1, why),
        }
    }
    Err(Failure::Unavailable(format!("the server kept refusing the append: {last_failure}")))
}

/// The assumed last version of a stream, before the server is asked.
enum ExpectedEnd {
    /// This one, according to recent events or the caller. The server verifies it.
    At(Option<Version>),
    /// Unknown.
    Unknown,
}

fn expected_end(shared: &Shared, stream: &str, expected: ExpectedVersion) -> ExpectedEnd {
    let end = shared.index().end_of(stream);
    match (expected, end) {
        (ExpectedVersion::NoStream, End::Unknown) => ExpectedEnd::At(None),
        (ExpectedVersion::Exact(version), End::Unknown) if version.0 < i64::MAX.unsigned_abs() => {
            ExpectedEnd::At(Some(version))
        }
        // Streams only grow: a lower expectation than the known version is wrong, a higher one may be right.
        (ExpectedVersion::NoStream | ExpectedVersion::Any, End::At(last)) => ExpectedEnd::At(Some(Version(last))),
        (ExpectedVersion::Exact(version), End::At(last)) if version.0 <= last => ExpectedEnd::At(Some(Version(last))),
        (ExpectedVersion::NoStream | ExpectedVersion::Any, End::Nowhere) => ExpectedEnd::At(None),
        (ExpectedVersion::Exact(_) | ExpectedVersion::Any, _) => ExpectedEnd::Unknown,
    }
}

/// Those of the events that are already stored, by id.
async fn stored_events(shared: &Shared, events: &[NewEvent]) -> Result<Vec<StoredEvent>, Failure> {
    let mut positions: Vec<u64> = {
        let index = shared.index();
        events.iter().flat_map(|event| index.candidates(event.id)).collect()
    };
    positions.sort_unstable();
    positions.dedup();
    let mut known = Vec::new();
    let mut at = 0;
    while let Some(first) = positions.get(at) {
        let run = positions[at..].iter().zip(*first..).take_while(|(position, next)| **position == *next).count();
        known.extend(read::all(shared, Position(*first), run).await?);
        at += run;
    }
    Ok(known)
}

enum WriteOutcome {
    /// Events arrived in place of the append.
    Seen(AppendSighting),
    /// One of its ids has arrived meanwhile.
    Known,
    /// The server refused it.
    Refused(String),
}

/// Sends an append until it has arrived or was refused.
async fn write(
    shared: &Shared,
    name: &str,
    first: Version,
    events: &Arc<Vec<NewEvent>>,
) -> Result<WriteOutcome, Failure> {
    let Some(seen) = shared.index().await_append(name, first.0, events) else { return Ok(WriteOutcome::Known) };
    // Checked after the wait began, so that a later end is noticed.
    shared.followed()?;
    let _waiting = PendingGuard { shared, name };
    let expected = first.0.checked_sub(1).map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
    let events: Vec<EventData> = events.iter().map(to_server).collect();
    let mut last_failure = String::from("the server did not answer");
    let written =
        tokio::time::timeout(APPEND_MAX, send_until_seen(shared, name, expected, events, seen, &mut last_failure))
            .await;
    match written {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Unavailable(last_failure)),
    }
}

async fn send_until_seen(
    shared: &Shared,
    name: &str,
    expected: ExpectedRevision,
    events: Vec<EventData>,
    mut seen: oneshot::Receiver<AppendSighting>,
    last_failure: &mut String,
) -> Result<WriteOutcome, Failure> {
    let mut broken = shared.broken.subscribe();
    let mut pause = PAUSE.0;
    loop {
        broken.borrow_and_update();
        let mut send = pin!(shared.sessions.append(&shared.line, name, expected, events.clone()));
        let answer = tokio::select! {
            biased;
            it = &mut seen => return seen_or_failed(it),
            () = shared.closed.cancelled() => return Err(Failure::Unavailable("the ledger was closed".to_owned())),
            answer = &mut send => answer,
            _ = broken.changed() => {
                // The server may be gone, and the client reports nothing when a session ends cleanly.
                shared.sessions.drop_session().await;
                Err(ServerFailure::Broken("the connection to the server was lost".to_owned()))
            }
        };
        match answer {
            Ok(()) => match tokio::time::timeout(SEEN_MAX, &mut seen).await {
                Ok(it) => return seen_or_failed(it),
                Err(_) => {
                    "the server acknowledged it, but it has not arrived in the log yet".clone_into(last_failure);
                    shared.missing.notify_one();
                }
            },
            Err(ServerFailure::Refused(why)) => return Ok(WriteOutcome::Refused(why)),
            Err(ServerFailure::Broken(why)) => *last_failure = why,
            Err(other) => return Err(other.into_failure(name)),
        }
        tokio::select! {
            it = &mut seen => return seen_or_failed(it),
            () = shared.closed.cancelled() => return Err(Failure::Unavailable("the ledger was closed".to_owned())),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
        }
    }
}

fn seen_or_failed(seen: Result<AppendSighting, oneshot::error::RecvError>) -> Result<WriteOutcome, Failure> {
    seen.map(WriteOutcome::Seen).map_err(|_| Failure::Unavailable("the log is no longer followed".to_owned()))
}

/// Ends the wait when the call ends.
struct PendingGuard<'a> {
    shared: &'a Shared,
    name: &'a str,
}

impl Drop for PendingGuard<'_> {
    fn drop(&mut self) {
        self.shared.index().pendings.remove(self.name);
    }
}
