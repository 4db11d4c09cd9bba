//! Publishes a range of the ledger in order, with many unacknowledged messages.
//!
//! Every message names the one before it, so after a rejected message nothing is accepted: the acknowledged messages are
//! a range without gaps, whatever fails.

use std::{collections::VecDeque, time::Duration};

use futures::future::join_all;
use tokio::time::timeout;

use crate::{
    domain::ids::Position,
    ports::{
        event_store::{self, EventStore},
        publisher::{Failure, OutgoingMessage, Pending, PublishOutcome, Publisher, SendReason, Sequence},
    },
    record::envelope::StoredEvent,
};

/// Events per read.
const PAGE_EVENTS: usize = 500;
/// How long to wait for acknowledgements that no longer matter.
const DRAIN: Duration = Duration::from_secs(1);

/// What to send, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct SendRange<'a> {
    /// First position.
    pub from: Position,
    /// End position (exclusive).
    pub until: Position,
    /// The feed's last message.
    pub after: Sequence,
    /// Maximum number of unacknowledged messages.
    pub window: usize,
    /// The reason for sending.
    pub sending: &'a SendReason,
    /// The next position written into messages; `None`: the position after their own.
    pub carry: Option<Position>,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SendResult {
    /// The first position that was not acknowledged.
    pub next: Position,
    /// The feed's last acknowledged message.
    pub last: Sequence,
    /// Why it ended.
    pub ended: SendEnd,
}

/// Why a range ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendEnd {
    /// Everything was sent.
    Done,
    /// The feed already knows the message at `next`.
    Duplicate,
    /// A message was rejected.
    Failed(Failure),
}

/// Unacknowledged messages, oldest first.
struct Window<'p> {
    publisher: &'p dyn Publisher,
    under_way: VecDeque<(Sequence, Pending)>,
    sent: SendResult,
}

/// Sends `stretch`. `acknowledged` is called with the position after each accepted message.
///
/// # Errors
/// The ledger is not available.
pub(super) async fn send(
    store: &dyn EventStore,
    publisher: &dyn Publisher,
    stretch: SendRange<'_>,
    acknowledged: &mut (dyn FnMut(Position) + Send),
) -> Result<SendResult, event_store::Failure> {
    let sent = SendResult { next: stretch.from, last: stretch.after, ended: SendEnd::Done };
    let mut window = Window { publisher, under_way: VecDeque::with_capacity(stretch.window), sent };
    let read = async |at: Position| {
        let room = usize::try_from(stretch.until.0.saturating_sub(at.0)).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
        if room == 0 { Ok(Vec::new()) } else { store.read_all(at, room).await }
    };
    let mut page = read(stretch.from).await?;
    let mut after = stretch.after;
    while let Some(last) = page.last() {
        // Read the next page while this one is being sent.
        let (went, next) =
            tokio::join!(window.push_all(&page, &mut after, &stretch, &mut *acknowledged), read(last.position.next()));
        page = next?;
        if !went {
            break;
        }
    }
    while window.sent.ended == SendEnd::Done && !window.under_way.is_empty() {
        window.settle(acknowledged).await;
    }
    let rest = window.under_way.drain(..).map(|(_, pending)| pending);
    drop(timeout(DRAIN, join_all(rest)).await);
    Ok(window.sent)
}

impl Window<'_> {
    /// Sends a page, waiting for acknowledgements when the window is full. `false`: stop.
    async fn push_all(
        &mut self,
        page: &[StoredEvent],
        after: &mut Sequence,
        stretch: &SendRange<'_>,
        acknowledged: &mut (dyn FnMut(Position) + Send),
    ) -> bool {
        for event in page {
            if self.under_way.len() >= stretch.window && !self.settle(acknowledged).await {
                return false;
            }
            if let Err(failure) = self.push(event, *after, stretch).await {
                // Earlier messages may still be accepted.
                while !self.under_way.is_empty() && self.settle(acknowledged).await {}
                if self.sent.ended == SendEnd::Done {
                    self.sent.ended = SendEnd::Failed(failure);
                }
                return false;
            }
            *after = after.next();
        }
        true
    }

    /// Sends one message.
    async fn push(&mut self, event: &StoredEvent, after: Sequence, stretch: &SendRange<'_>) -> Result<(), Failure> {
        let next = stretch.carry.unwrap_or(event.position.next());
        let pending = self.publisher.send(OutgoingMessage { event, next, after, sending: stretch.sending }).await?;
        self.under_way.push_back((after.next(), pending));
        Ok(())
    }

    /// Waits for the oldest acknowledgement. `false`: stop.
    async fn settle(&mut self, acknowledged: &mut (dyn FnMut(Position) + Send)) -> bool {
        let Some((expected, pending)) = self.under_way.pop_front() else { return true };
        self.sent.ended = match pending.await {
            Ok(PublishOutcome::Stored(sequence)) => {
                self.sent.next = self.sent.next.next();
                self.sent.last = sequence;
                acknowledged(self.sent.next);
                if sequence == expected { SendEnd::Done } else { SendEnd::Failed(Failure::Moved) }
            }
            Ok(PublishOutcome::Duplicate) => SendEnd::Duplicate,
            Err(failure) => SendEnd::Failed(failure),
        };
        self.sent.ended == SendEnd::Done
    }
}
