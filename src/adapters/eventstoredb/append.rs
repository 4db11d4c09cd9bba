//! An append: judged by what the index knows, sent, and answered when its events came by in the log.
//!
//! The server is never asked to append at whatever place is free: it would recognise a repeat only as long as it remembers the
//! ids. `Any` becomes the end that is known, with the server's expected revision as the last word; who is refused looks
//! where the stream ends now and is judged again.

use std::{pin::pin, sync::Arc, time::Duration};

use eventstore::{EventData, ExpectedRevision};
use tokio::sync::oneshot;

use super::{failure::Trouble, index::End, mapping::to_server, pending::Seen, read, shared::Shared};
use crate::{
    domain::ids::{Position, Version},
    ledger::append::{Standing, Verdict, judge},
    ports::event_store::{Appended, Expected, Failure},
    record::{
        envelope::{NewEvent, Recorded},
        stream::StreamName,
    },
};

/// How often an append is judged again because another process was faster. Only `Any` meets that more than once.
const ROUNDS_MAX: usize = 100;

/// How long an append may take, repetitions over a broken line included.
const APPEND_MAX: Duration = Duration::from_secs(30);

/// How long an acknowledged append may take to come by before the subscription is suspected.
const SEEN_MAX: Duration = Duration::from_secs(5);

/// The pause before an append is sent again: doubled from the first to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// See the module.
pub(super) async fn append(
    shared: &Shared,
    stream: &StreamName,
    expected: Expected,
    events: Vec<NewEvent>,
) -> Result<Appended, Failure> {
    let name = stream.to_string();
    let events = Arc::new(events);
    let _claim = shared.claims.take(&name, &events).await;
    let (mut look, mut refusals, mut told) = (false, 0, String::new());
    for _ in 0..ROUNDS_MAX {
        let last = match assumed(shared, &name, expected) {
            Assumed::At(last) if !look => last,
            Assumed::At(_) | Assumed::Unknown => read::last_version(shared, &name).await?,
        };
        let stored = known(shared, &events).await?;
        let standing = |id| stored.iter().find(|it| it.event.id == id).map(Standing::from);
        let first = match judge(stream, expected, &events, last, standing)? {
            Verdict::Repeated(appended) => return Ok(appended),
            Verdict::Write(first) => first,
        };
        // Refused twice where the look says that all is well: it is not about the place.
        if look && refusals > 2 && expected != Expected::Any {
            break;
        }
        match write(shared, &name, first, &events).await? {
            Written::Seen(Seen::Stands { position, repeated }) => {
                let version = Version(first.0 + events.len() as u64 - 1);
                return Ok(Appended { version, position: Position(position), repeated });
            }
            Written::Seen(Seen::Taken(id)) => return Err(Failure::IdTaken(id)),
            Written::Seen(Seen::Lost) => look = true,
            Written::Known => {}
            Written::Refused(why) => (look, refusals, told) = (true, refusals + 1, why),
        }
    }
    Err(Failure::Unavailable(format!("the server refused the append again and again: {told}")))
}

/// Where a stream ends, before the server was asked.
enum Assumed {
    /// There: by what came by lately, or by the caller's word. The server checks it in the end.
    At(Option<Version>),
    /// Nobody knows.
    Unknown,
}

fn assumed(shared: &Shared, stream: &str, expected: Expected) -> Assumed {
    let end = shared.index().end_of(stream);
    match (expected, end) {
        (Expected::NoStream, End::Unknown) => Assumed::At(None),
        (Expected::Exact(version), End::Unknown) if version.0 < i64::MAX.unsigned_abs() => Assumed::At(Some(version)),
        // Streams only grow: who expects less than came by is wrong already, and who expects more may know more.
        (Expected::NoStream | Expected::Any, End::At(last)) => Assumed::At(Some(Version(last))),
        (Expected::Exact(version), End::At(last)) if version.0 <= last => Assumed::At(Some(Version(last))),
        (Expected::NoStream | Expected::Any, End::Nowhere) => Assumed::At(None),
        (Expected::Exact(_) | Expected::Any, _) => Assumed::Unknown,
    }
}

/// Those of the events' ids that are stored, as they stand.
async fn known(shared: &Shared, events: &[NewEvent]) -> Result<Vec<Recorded>, Failure> {
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

enum Written {
    /// Something came by at the append's place.
    Seen(Seen),
    /// One of its ids has come by meanwhile.
    Known,
    /// The server said no.
    Refused(String),
}

/// Sends an append until it came by, or was refused.
async fn write(shared: &Shared, name: &str, first: Version, events: &Arc<Vec<NewEvent>>) -> Result<Written, Failure> {
    let Some(seen) = shared.index().await_append(name, first.0, events) else { return Ok(Written::Known) };
    // Looked at after the wait began: from here on an end ends it.
    shared.followed()?;
    let _waiting = Waiting { shared, name };
    let expected = first.0.checked_sub(1).map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
    let events: Vec<EventData> = events.iter().map(to_server).collect();
    let mut told = String::from("the server did not answer");
    let written = tokio::time::timeout(APPEND_MAX, sent(shared, name, expected, events, seen, &mut told)).await;
    match written {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Unavailable(told)),
    }
}

async fn sent(
    shared: &Shared,
    name: &str,
    expected: ExpectedRevision,
    events: Vec<EventData>,
    mut seen: oneshot::Receiver<Seen>,
    told: &mut String,
) -> Result<Written, Failure> {
    let mut broken = shared.broken.subscribe();
    let mut pause = PAUSE.0;
    loop {
        broken.borrow_and_update();
        let mut send = pin!(shared.sessions.append(&shared.line, name, expected, events.clone()));
        let answer = tokio::select! {
            biased;
            it = &mut seen => return came_by(it),
            () = shared.closed.cancelled() => return Err(Failure::Unavailable("it was closed meanwhile".to_owned())),
            answer = &mut send => answer,
            _ = broken.changed() => {
                // The server may be gone, and the client tells nobody in flight when a session ends in peace.
                shared.sessions.drop_session().await;
                Err(Trouble::Broken("the line to the server broke".to_owned()))
            }
        };
        match answer {
            Ok(()) => match tokio::time::timeout(SEEN_MAX, &mut seen).await {
                Ok(it) => return came_by(it),
                Err(_) => {
                    "the server acknowledged it, but it has not come by yet".clone_into(told);
                    shared.missing.notify_one();
                }
            },
            Err(Trouble::Refused(why)) => return Ok(Written::Refused(why)),
            Err(Trouble::Broken(why)) => *told = why,
            Err(other) => return Err(other.into_failure(name)),
        }
        tokio::select! {
            it = &mut seen => return came_by(it),
            () = shared.closed.cancelled() => return Err(Failure::Unavailable("it was closed meanwhile".to_owned())),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE.1),
        }
    }
}

fn came_by(seen: Result<Seen, oneshot::error::RecvError>) -> Result<Written, Failure> {
    seen.map(Written::Seen).map_err(|_| Failure::Unavailable("the log is not followed any more".to_owned()))
}

/// Ends the wait with the call, however it ends.
struct Waiting<'a> {
    shared: &'a Shared,
    name: &'a str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.index().pendings.remove(self.name);
    }
}
