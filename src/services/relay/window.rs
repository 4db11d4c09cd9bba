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
        publisher::{Failure, Outgoing, Pending, Publisher, Sending, Sequence, Taken},
    },
    record::envelope::Recorded,
};

/// Events read at once.
const PAGE_EVENTS: usize = 500;
/// How long answers are waited for whose outcome does not matter any more.
const DRAIN: Duration = Duration::from_secs(1);

/// What to send, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch<'a> {
    /// The first position.
    pub from: Position,
    /// The position to stop before.
    pub until: Position,
    /// The feed's last message.
    pub after: Sequence,
    /// The most messages on their way.
    pub window: usize,
    /// Why.
    pub sending: &'a Sending,
    /// What messages say comes next; `None`: the position after their own.
    pub carry: Option<Position>,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// The first position that was not acknowledged.
    pub next: Position,
    /// The feed's last message, as far as acknowledged.
    pub last: Sequence,
    /// What ended it.
    pub ended: Ended,
}

/// What ended a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// There was no more.
    Done,
    /// The feed knows the message at `next` already.
    Known,
    /// A message was not taken.
    Failed(Failure),
}

/// Messages on their way, the oldest first.
struct Window<'p> {
    publisher: &'p dyn Publisher,
    under_way: VecDeque<(Sequence, Pending)>,
    sent: Sent,
}

/// Sends `stretch`. `acknowledged` is called with the position after each message that was taken.
///
/// # Errors
/// The ledger is not available.
pub(super) async fn send(
    store: &dyn EventStore,
    publisher: &dyn Publisher,
    stretch: Stretch<'_>,
    acknowledged: &mut (dyn FnMut(Position) + Send),
) -> Result<Sent, event_store::Failure> {
    let sent = Sent { next: stretch.from, last: stretch.after, ended: Ended::Done };
    let mut window = Window { publisher, under_way: VecDeque::with_capacity(stretch.window), sent };
    let (mut at, mut after) = (stretch.from, stretch.after);
    'pages: while at < stretch.until {
        let room = usize::try_from(stretch.until.0 - at.0).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
        let page = store.read_all(at, room).await?;
        if page.is_empty() {
            break;
        }
        for event in &page {
            if window.under_way.len() >= stretch.window && !window.settle(acknowledged).await {
                break 'pages;
            }
            if let Err(failure) = window.push(event, after, &stretch).await {
                // Those before it may still be taken.
                while !window.under_way.is_empty() && window.settle(acknowledged).await {}
                if window.sent.ended == Ended::Done {
                    window.sent.ended = Ended::Failed(failure);
                }
                break 'pages;
            }
            after = after.next();
            at = event.position.next();
        }
    }
    while window.sent.ended == Ended::Done && !window.under_way.is_empty() {
        window.settle(acknowledged).await;
    }
    let rest = window.under_way.drain(..).map(|(_, pending)| pending);
    drop(timeout(DRAIN, join_all(rest)).await);
    Ok(window.sent)
}

impl Window<'_> {
    /// Puts one more on its way.
    async fn push(&mut self, event: &Recorded, after: Sequence, stretch: &Stretch<'_>) -> Result<(), Failure> {
        let next = stretch.carry.unwrap_or(event.position.next());
        let pending = self.publisher.send(Outgoing { event, next, after, sending: stretch.sending }).await?;
        self.under_way.push_back((after.next(), pending));
        Ok(())
    }

    /// Waits for the oldest. `false`: no more.
    async fn settle(&mut self, acknowledged: &mut (dyn FnMut(Position) + Send)) -> bool {
        let Some((expected, pending)) = self.under_way.pop_front() else { return true };
        self.sent.ended = match pending.await {
            Ok(Taken::Stored(sequence)) => {
                self.sent.next = self.sent.next.next();
                self.sent.last = sequence;
                acknowledged(self.sent.next);
                if sequence == expected { Ended::Done } else { Ended::Failed(Failure::Moved) }
            }
            Ok(Taken::Known) => Ended::Known,
            Err(failure) => Ended::Failed(failure),
        };
        self.sent.ended == Ended::Done
    }
}
