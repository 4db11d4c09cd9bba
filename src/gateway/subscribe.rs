//! Subscriptions: all existing events, then all new ones.
//!
//! They never end cleanly. Some clients treat the end of a subscription as a pause and reconnect at once, for ever; so
//! a subscription always ends with an error.

use super::{
    answers::{Answers, ClientGone},
    event::{answer, timestamp},
    limits::PAGE_EVENTS,
    read_request::{ReadRequest, Start},
    refusal::Refusal,
    source::Source,
    wire::streams::{ReadResp, read_resp},
};
use crate::ports::{clock::Clock, event_store::EventStore};

/// Progress of a subscriber.
struct Progress<'a> {
    source: &'a Source,
    /// The next version or position to read.
    at: u64,
    /// Events examined since the last checkpoint was sent.
    unreported: u64,
    live: bool,
}

/// Responds with events until the client is gone.
pub(super) async fn follow(
    store: &dyn EventStore,
    clock: &dyn Clock,
    asked: &ReadRequest,
    answers: &Answers,
) -> Result<(), ClientGone> {
    let source = answers.or_end(source(asked)).await?;
    let at = answers.or_end(first(store, asked, source).await).await?;
    let subscription_id = clock.event_id().to_string();
    let confirmation = read_resp::SubscriptionConfirmation { subscription_id };
    answers.send(ReadResp { content: Some(read_resp::Content::Confirmation(confirmation)) }).await?;
    let mut progress = Progress { source, at, unreported: 0, live: false };
    loop {
        // Read before the page: an event appended in between ends the wait at once.
        let end = answers.or_end(store.end().await.map_err(Refusal::from)).await?;
        let page = answers.or_end(source.page(store, progress.at, PAGE_EVENTS).await).await?;
        let full = page.len() == PAGE_EVENTS;
        if full && progress.live {
            progress.live = false;
            answers.send(progress.fell_behind(clock)).await?;
        }
        for recorded in page {
            let place = source.place(&recorded);
            progress.at = place + 1;
            let wanted = match &asked.filter {
                Some(filter) => answers.or_end(filter.wants(&recorded)).await?,
                None => true,
            };
            if wanted {
                answers.send(answer(recorded, asked.ids)).await?;
            }
            progress.unreported += 1;
            if asked.filter.as_ref().is_some_and(|filter| progress.unreported >= filter.checkpoint_every) {
                answers.send(progress.checkpoint(clock)).await?;
            }
        }
        if full {
            tokio::task::yield_now().await;
            continue;
        }
        if !progress.live {
            if asked.filter.is_some() && progress.unreported > 0 {
                answers.send(progress.checkpoint(clock)).await?;
            }
            progress.live = true;
            answers.send(progress.caught_up(clock)).await?;
        }
        store.wait(end).await;
    }
}

fn source(asked: &ReadRequest) -> Result<&Source, Refusal> {
    asked.source.as_ref().ok_or_else(|| {
        let advice =
            "stream names are <category>-<id>, such as booking-api.1001; for a whole category, subscribe to $all with a filter";
        Refusal::Invalid(format!("there can be no stream named {:?}: {advice}", asked.stream_name()))
    })
}

/// The first version or position to read.
async fn first(store: &dyn EventStore, asked: &ReadRequest, source: &Source) -> Result<u64, Refusal> {
    let after = |last: Option<u64>| last.map_or(0, |place| place.saturating_add(1));
    match asked.start {
        Start::Beginning => Ok(0),
        Start::End => Ok(after(source.last(store).await?)),
        Start::At(place) => {
            // Waiting there would skip every event up to it, so report an error instead.
            if *source == Source::All && source.last(store).await?.is_none_or(|last| place > last) {
                let why = "is after the end of this ledger: it was restored from a backup, or the position belongs to another ledger";
                return Err(Refusal::Invalid(format!("position {place} {why}")));
            }
            Ok(after(Some(place)))
        }
    }
}

impl Progress<'_> {
    fn reached(&self) -> Option<u64> {
        self.at.checked_sub(1)
    }

    fn position(&self) -> Option<read_resp::Position> {
        let place = self.reached().filter(|_| *self.source == Source::All)?;
        Some(read_resp::Position { commit_position: place, prepare_position: place })
    }

    fn revision(&self) -> Option<i64> {
        let place = self.reached().filter(|_| *self.source != Source::All)?;
        i64::try_from(place).ok()
    }

    /// Everything up to here was examined: a subscriber that continues after it misses nothing.
    fn checkpoint(&mut self, clock: &dyn Clock) -> ReadResp {
        self.unreported = 0;
        let place = self.reached().unwrap_or(0);
        let timestamp = Some(timestamp(clock.now()));
        let checkpoint = read_resp::Checkpoint { commit_position: place, prepare_position: place, timestamp };
        ReadResp { content: Some(read_resp::Content::Checkpoint(checkpoint)) }
    }

    fn caught_up(&self, clock: &dyn Clock) -> ReadResp {
        let caught_up = read_resp::CaughtUp {
            timestamp: Some(timestamp(clock.now())),
            stream_revision: self.revision(),
            position: self.position(),
        };
        ReadResp { content: Some(read_resp::Content::CaughtUp(caught_up)) }
    }

    fn fell_behind(&self, clock: &dyn Clock) -> ReadResp {
        let fell_behind = read_resp::FellBehind {
            timestamp: Some(timestamp(clock.now())),
            stream_revision: self.revision(),
            position: self.position(),
        };
        ReadResp { content: Some(read_resp::Content::FellBehind(fell_behind)) }
    }
}
