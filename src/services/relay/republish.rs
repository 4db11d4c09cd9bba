//! Publishes a range of the ledger again with the same event ids, on an operator's request.

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

/// Attempts without progress while another process publishes at the same time.
const ROUNDS_MAX: u32 = 32;

/// The range to publish again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First position.
    pub from: Position,
    /// End position (exclusive).
    pub until: Position,
}

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepublishReport {
    /// Messages accepted by the feed.
    pub sent: u64,
    /// Those whose id the feed still remembered: they have a new message id and the same event id.
    pub renamed: u64,
    /// The feed's last message.
    pub last: Sequence,
}

/// How to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepublishOptions<'a> {
    /// Maximum number of unacknowledged messages.
    pub window: usize,
    /// Makes message ids unique if the feed remembers the old ones.
    pub word: &'a str,
    /// Checkpoint of the publisher.
    pub checkpoint: Position,
}

/// Publishes `range` again. The publisher of a running service may continue meanwhile.
///
/// # Errors
/// As [`super::Relay::step`]; messages sent stay sent.
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
        // The publisher's next position stays the same, unless the feed contains events that the ledger does not have.
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
            // Later events were sent later, so the feed remembers them as well.
            SendEnd::Duplicate => sending = SendReason::Again(manner.word.to_owned()),
            SendEnd::Failed(Failure::Moved) if rounds < ROUNDS_MAX => {}
            SendEnd::Failed(Failure::Moved) => return Err(Error::Busy { next }),
            SendEnd::Failed(failure) => return Err(failure.into()),
        }
    }
}
