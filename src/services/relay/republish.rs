//! A range of the ledger sent to the feed again, with the same event ids, because somebody asked for it.

use super::{
    Error,
    window::{self, SendEnd, SendRange},
};
use crate::{
    domain::ids::Position,
    ports::{
        event_store::EventStore,
        publisher::{Failure, Publisher, SendReason, Sequence},
    },
};

/// How often it is tried anew without getting on because somebody else sends at the same time.
const ROUNDS_MAX: u32 = 32;

/// What to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first position.
    pub from: Position,
    /// The position to stop before.
    pub until: Position,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepublishReport {
    /// Messages that the feed took.
    pub sent: u64,
    /// Those of them whose id the feed still remembered: they bear another message id, and the same event id.
    pub renamed: u64,
    /// The feed's last message now.
    pub last: Sequence,
}

/// How to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepublishOptions<'a> {
    /// The most messages on their way at once.
    pub window: usize,
    /// Makes message ids new where the feed remembers the old ones.
    pub word: &'a str,
    /// The publisher's checkpoint.
    pub checkpoint: Position,
}

/// Sends `range` again. The publisher of a running service may go on meanwhile.
///
/// # Errors
/// As [`super::Relay::step`]; what was sent stays sent.
pub async fn republish(
    store: &dyn EventStore,
    publisher: &dyn Publisher,
    range: Range,
    manner: RepublishOptions<'_>,
    acknowledged: &mut (dyn FnMut(Position) + Send),
) -> Result<RepublishReport, Error> {
    let (mut sending, mut next, mut done) =
        (SendReason::First, range.from, RepublishReport { sent: 0, renamed: 0, last: Sequence(0) });
    let mut rounds = 0;
    loop {
        let standing = publisher.feed_state().await?;
        done.last = standing.last;
        if next >= range.until {
            return Ok(done);
        }
        // What comes next for the publisher does not change by this, unless the feed holds what the ledger does not have.
        let end = store.end().await?;
        let carry = match standing.next {
            Some(theirs) => Some(theirs).filter(|theirs| *theirs <= end),
            None if standing.last == Sequence(0) => Some(Position(0)),
            None => Some(manner.checkpoint),
        };
        let (after, window) = (standing.last, manner.window);
        let stretch = SendRange { from: next, until: range.until, after, window, sending: &sending, carry };
        let sent = window::send(store, publisher, stretch, acknowledged).await?;
        let count = sent.next.0 - next.0;
        done.sent += count;
        if sending != SendReason::First {
            done.renamed += count;
        }
        rounds = if count == 0 { rounds + 1 } else { 0 };
        next = sent.next;
        done.last = sent.last;
        match sent.ended {
            SendEnd::Done => return Ok(done),
            // Whatever comes later in the ledger was sent later, and is remembered as well.
            SendEnd::Duplicate => sending = SendReason::Again(manner.word.to_owned()),
            SendEnd::Failed(Failure::Moved) if rounds < ROUNDS_MAX => {}
            SendEnd::Failed(Failure::Moved) => return Err(Error::Busy { next }),
            SendEnd::Failed(failure) => return Err(failure.into()),
        }
    }
}
