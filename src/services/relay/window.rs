//! Sending a stretch of the ledger with many messages on their way at once, in order.
//!
//! Every message names the one before it, so that behind one that was not taken nothing is taken: what was acknowledged is a
//! stretch without holes, whatever fails.

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

/// Events read at once.
const PAGE_EVENTS: usize = 500;
/// How long answers are waited for whose outcome does not matter any more.
const DRAIN: Duration = Duration::from_secs(1);

/// What to send, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct SendRange<'a> {
    /// The first position.
    pub from: Position,
    /// The position to stop before.
    pub until: Position,
    /// The feed's last message.
    pub after: Sequence,
    /// The most messages on their way.
    pub window: usize,
    /// Why.
    pub sending: &'a SendReason,
    /// What messages say comes next; `None`: the position after their own.
    pub carry: Option<Position>,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SendResult {
    /// The first position that was not acknowledged.
    pub next: Position,
    /// The feed's last message, as far as acknowledged.
    pub last: Sequence,
    /// What ended it.
    pub ended: SendEnd,
}

/// What ended a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendEnd {
    /// There was no more.
    Done,
    /// The feed knows the message at `next` already.
    Duplicate,
    /// A message was not taken.
    Failed(Failure),
}

/// Messages on their way, the oldest first.
struct Window<'p> {
    publisher: &'p dyn Publisher,
    under_way: VecDeque<(Sequence, Pending)>,
    sent: SendResult,
}

/// Sends `stretch`. `acknowledged` is called with the position after each message that was taken.
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
        // The next page is read while this one is on its way.
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
    /// Puts a page on its way, and settles what makes room for it. `false`: no more.
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
                // Those before it may still be taken.
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

    /// Puts one more on its way.
    async fn push(&mut self, event: &StoredEvent, after: Sequence, stretch: &SendRange<'_>) -> Result<(), Failure> {
        let next = stretch.carry.unwrap_or(event.position.next());
        let pending = self.publisher.send(OutgoingMessage { event, next, after, sending: stretch.sending }).await?;
        self.under_way.push_back((after.next(), pending));
        Ok(())
    }

    /// Waits for the oldest. `false`: no more.
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
