//! Reads. Streams are read directly; a position is looked up in the index, after waiting until it is complete enough.

use std::{sync::Arc, time::Duration};

use eventstore::{Client, ReadAllOptions, ReadStreamOptions, RecordedEvent, StreamPosition};

use super::{
    failure::{ServerFailure, call},
    index::End,
    log_position::LogPosition,
    mapping::{is_ours, log_position, recorded},
    shared::Shared,
};
use crate::{
    domain::ids::{EventId, Position, Version},
    ports::event_store::Failure,
    record::{envelope::StoredEvent, stream::StreamName},
};

/// How long the server may take for the next event of an answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// How long the index may take to reach an event that was read.
const SEEN_MAX: Duration = Duration::from_secs(15);

/// Attempts of a read when the connection is lost, and the delay between them.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// Positions looked up at once.
const PLACES: u64 = 4_096;

/// Minimum number of events requested, because foreign events are between ours.
const ASKED_MIN: usize = 64;

/// See [`EventStore::read_stream`](crate::ports::event_store::EventStore::read_stream).
pub(super) async fn stream(
    shared: &Shared,
    stream: &StreamName,
    from: Version,
    limit: usize,
) -> Result<Vec<StoredEvent>, Failure> {
    if limit == 0 || i64::try_from(from.0).is_err() {
        return Ok(Vec::new());
    }
    let name = stream.to_string();
    if let Some(recent) = recent_of(shared, &name, from.0, limit) {
        return recent.iter().map(|(position, event)| recorded(event, Position(*position))).collect();
    }
    let events = of_stream(shared, &name, StreamPosition::Position(from.0), limit).await?;
    let mut found = Vec::with_capacity(events.len());
    for (event, version) in events.iter().zip(from.0..) {
        if event.revision != version {
            return Err(vanished(&format!("version {version} of {name}")));
        }
        found.push(placed(shared, event).await?);
    }
    Ok(found)
}

/// See [`EventStore::last`](crate::ports::event_store::EventStore::last).
pub(super) async fn last(shared: &Shared, stream: &StreamName) -> Result<Option<StoredEvent>, Failure> {
    let name = stream.to_string();
    let end = shared.index().end_of(&name);
    let recent = match end {
        End::At(last) => recent_of(shared, &name, last, 1),
        End::Nowhere => return Ok(None),
        End::Unknown => None,
    };
    if let Some((position, event)) = recent.as_ref().and_then(|recent| recent.first()) {
        return recorded(event, Position(*position)).map(Some);
    }
    match last_event(shared, &name).await? {
        Some(event) => placed(shared, &event).await.map(Some),
        None => Ok(None),
    }
}

/// Events of a stream that are in the index, which contains at least this process's own
/// appends. Callers append at the version they read, so reading too little leads to a conflict.
fn recent_of(shared: &Shared, stream: &str, from: u64, limit: usize) -> Option<Vec<(u64, Arc<RecordedEvent>)>> {
    let index = shared.index();
    match index.end_of(stream) {
        End::Nowhere => Some(Vec::new()),
        End::At(last) if from > last => Some(Vec::new()),
        End::At(_) | End::Unknown => index.recent.of_stream(stream, from, limit),
    }
}

/// The last version of a stream on the server, after the index has reached it.
pub(super) async fn last_version(shared: &Shared, stream: &str) -> Result<Option<Version>, Failure> {
    let Some(event) = last_event(shared, stream).await? else { return Ok(None) };
    position_of(shared, log_position(&event)).await?;
    Ok(Some(Version(event.revision)))
}

/// See [`EventStore::find`](crate::ports::event_store::EventStore::find).
pub(super) async fn find(shared: &Shared, id: EventId) -> Result<Option<StoredEvent>, Failure> {
    let candidates = shared.index().candidates(id);
    for position in candidates {
        let at = all(shared, Position(position), 1).await?;
        if let Some(found) = at.into_iter().find(|it| it.event.id == id) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// See [`EventStore::read_all`](crate::ports::event_store::EventStore::read_all).
pub(super) async fn all(shared: &Shared, from: Position, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
    let mut found = Vec::new();
    while found.len() < limit {
        let next = from.0.saturating_add(found.len() as u64);
        let recent: Vec<Arc<RecordedEvent>> = {
            let index = shared.index();
            (next..next.saturating_add(PLACES)).take(limit - found.len()).map_while(|at| index.recent.at(at)).collect()
        };
        if !recent.is_empty() {
            for (event, position) in recent.iter().zip(next..) {
                found.push(recorded(event, Position(position))?);
            }
            continue;
        }
        let places: Vec<LogPosition> = {
            let index = shared.index();
            (next..next.saturating_add(PLACES)).take(limit - found.len()).map_while(|at| index.log_at(at)).collect()
        };
        let Some(first) = places.first() else { break };
        let events = from_log(shared, *first, places.len()).await?;
        let ours: Vec<RecordedEvent> = events.into_iter().filter(|event| is_ours(&event.stream_id)).collect();
        if ours.is_empty() {
            return Err(vanished(&format!("position {next}")));
        }
        for ((event, place), position) in ours.iter().zip(&places).zip(next..) {
            if log_position(event) != *place {
                return Err(vanished(&format!("position {position}")));
            }
            found.push(recorded(event, Position(position))?);
        }
    }
    Ok(found)
}

fn vanished(at: &str) -> Failure {
    Failure::Corrupt {
        at: at.to_owned(),
        reason: "the server no longer has it: streams of a ledger must not be truncated, deleted or scavenged. \
                 Restore the server from its backup"
            .to_owned(),
    }
}

/// An event with its position.
async fn placed(shared: &Shared, event: &RecordedEvent) -> Result<StoredEvent, Failure> {
    let position = position_of(shared, log_position(event)).await?;
    recorded(event, Position(position))
}

/// The position of a place, once the index has reached it.
async fn position_of(shared: &Shared, log: LogPosition) -> Result<u64, Failure> {
    let mut end = shared.end.subscribe();
    let comes = async {
        loop {
            end.borrow_and_update();
            {
                let index = shared.index();
                if let Some(position) = index.position_of(log) {
                    return Ok(position);
                }
                if index.seen().is_some_and(|seen| log <= seen) {
                    let at = format!("place {} of the server's log", log.commit);
                    let reason = "it is in its stream, but did not arrive in $all; restart to rebuild the index";
                    return Err(Failure::Corrupt { at, reason: reason.to_owned() });
                }
            }
            if end.changed().await.is_err() {
                return Err(Failure::Unavailable("the ledger is closed".to_owned()));
            }
        }
    };
    tokio::time::timeout(SEEN_MAX, comes).await.unwrap_or_else(|_| {
        shared.missing.notify_one();
        let why = shared.failing().unwrap_or_else(|| "an event has not arrived in time".to_owned());
        Err(Failure::Unavailable(why))
    })
}

async fn last_event(shared: &Shared, stream: &str) -> Result<Option<RecordedEvent>, Failure> {
    let events = of_stream(shared, stream, StreamPosition::End, 1).await?;
    Ok(events.into_iter().next())
}

/// Events of a stream: forwards from a revision, or backwards from the end.
async fn of_stream(
    shared: &Shared,
    stream: &str,
    from: StreamPosition<u64>,
    limit: usize,
) -> Result<Vec<RecordedEvent>, Failure> {
    let question = Question::Stream(stream, shared.reads.read_stream().position(from).max_count(limit));
    match read_with_retries(shared, &question).await {
        Ok(events) => Ok(events),
        Err(ServerFailure::NotFound) => Ok(Vec::new()),
        Err(trouble) => Err(trouble.into_failure(stream)),
    }
}

/// The event at `first`, and up to `count` events or a few more from there, including foreign ones.
async fn from_log(shared: &Shared, first: LogPosition, count: usize) -> Result<Vec<RecordedEvent>, Failure> {
    let asked = if count == 1 { 1 } else { count.max(ASKED_MIN) };
    let options = shared.reads.read_all().position(StreamPosition::Position(first.wire())).max_count(asked);
    read_with_retries(shared, &Question::All(options)).await.map_err(|trouble| trouble.into_failure("$all"))
}

/// What to read.
enum Question<'a> {
    Stream(&'a str, ReadStreamOptions),
    All(ReadAllOptions),
}

/// Reads, and retries on a new connection if it was lost.
async fn read_with_retries(shared: &Shared, question: &Question<'_>) -> Result<Vec<RecordedEvent>, ServerFailure> {
    let mut tries = 1;
    loop {
        let held = shared.reads.client()?;
        match read_once(&held.client, question).await {
            Err(ServerFailure::Broken(why)) => {
                shared.reads.broken(&held);
                if tries >= TRIES || shared.closed.is_cancelled() {
                    return Err(ServerFailure::Broken(why));
                }
            }
            done => return done,
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read_once(client: &Client, question: &Question<'_>) -> Result<Vec<RecordedEvent>, ServerFailure> {
    let mut answer = match question {
        Question::Stream(stream, options) => call(ANSWER_MAX, client.read_stream(*stream, options)).await?,
        Question::All(options) => call(ANSWER_MAX, client.read_all(options)).await?,
    };
    let mut events = Vec::new();
    while let Some(mut event) = call(ANSWER_MAX, answer.next()).await? {
        // For a link, the link itself: links are not resolved.
        events.extend(event.link.take().or(event.event));
    }
    Ok(events)
}
