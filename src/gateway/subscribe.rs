//! Subscriptions: everything that is there, then everything that comes.
//!
//! They never end cleanly. Some clients take the end of a subscription for a pause and ask again at once, for ever; so
//! whatever ends one, the last word is an error.

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

/// How far a subscriber has been served.
struct Progress<'a> {
    source: &'a Source,
    /// The next place to read.
    at: u64,
    /// Events looked through since the subscriber last heard how far that is.
    unreported: u64,
    live: bool,
}

/// Answers with events until the client goes away.
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
        // Asked for before the page: what comes between the two ends the waiting at once.
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
            "streams are <category>-<id>, as in booking-api.1001; for all of a kind subscribe to $all with a filter";
        Refusal::Invalid(format!("nothing ever stands in a stream named {:?}: {advice}", asked.stream_name()))
    })
}

/// The first place to read.
async fn first(store: &dyn EventStore, asked: &ReadRequest, source: &Source) -> Result<u64, Refusal> {
    let after = |last: Option<u64>| last.map_or(0, |place| place.saturating_add(1));
    match asked.start {
        Start::Beginning => Ok(0),
        Start::End => Ok(after(source.last(store).await?)),
        Start::At(place) => {
            // Waiting there would pass over every event up to it: better to say so than to be silent for long.
            if *source == Source::All && source.last(store).await?.is_none_or(|last| place > last) {
                let why =
                    "lies after the end of this ledger: was it restored, or does the position come from another one?";
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

    /// Everything up to here was looked through: a subscriber who begins after it misses nothing.
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
