//! Ledger to feed: publishes every event once, in order, from one process at a time.
//!
//! The feed itself decides: its last message names the next position, and it accepts a message only after the one that
//! the sender names. So a feed that lost its end is repaired by continuing from what it has, two processes cannot both
//! publish, and nothing depends on how long a server remembers ids. The checkpoint stores what was acknowledged: it
//! reveals losses, and is where publishing continues if the feed was emptied.

mod report;
mod republish;
mod window;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use tracing::{info, warn};

pub use report::{Progress, Publishing, Role};
pub use republish::{Range, RepublishOptions, RepublishReport, republish};

use self::window::{SendEnd, SendRange, SendResult};
use crate::{
    domain::ids::Position,
    ports::{
        checkpoints::{self, Checkpoints},
        clock::Clock,
        event_store::{self, EventStore},
        publisher::{self, FeedState, Publisher, SendReason, Sequence},
    },
};

/// Default number of unacknowledged messages.
pub const WINDOW: usize = 512;
/// Maximum number of events per step.
const STEP_EVENTS: u64 = 20_000;
/// If a feed with events to publish has not moved for this long, its publisher is gone.
const TAKE_OVER: TimeDelta = TimeDelta::seconds(5);
/// How often an idle feed is checked for lost messages.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(5);
/// How often a standby process checks.
const STANDBY: Duration = Duration::from_secs(1);

/// Why publishing stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger is unavailable.
    #[error(transparent)]
    Ledger(#[from] event_store::Failure),
    /// The checkpoint cannot be stored.
    #[error(transparent)]
    Checkpoints(#[from] checkpoints::Unavailable),
    /// The feed failed.
    #[error("the feed: {0}")]
    Feed(publisher::Failure),
    /// The feed contains events that the ledger does not have.
    #[error(
        "the feed is at position {feed}, but the ledger ends at {ledger}: it was restored from an older backup, or two ledgers publish \
         as one workspace. Nothing is published until you run `syncledger nats republish --from N`"
    )]
    Ahead {
        /// The next position according to the feed.
        feed: Position,
        /// End of the ledger.
        ledger: Position,
    },
    /// Another process keeps publishing at the same time.
    #[error("another process is publishing at the same time; {next} is the first position not sent")]
    Busy {
        /// Where to continue.
        next: Position,
    },
}

impl From<publisher::Failure> for Error {
    fn from(failure: publisher::Failure) -> Self {
        Self::Feed(failure)
    }
}

/// When to run the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// At once.
    Now,
    /// After this time.
    After(Duration),
    /// When there is an event at this position.
    AtPosition(Position),
}

/// Publishes the ledger.
pub struct Relay {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    checkpoints: Arc<dyn Checkpoints>,
    publisher: Arc<dyn Publisher>,
    /// Name of the checkpoint.
    worker: String,
    window: usize,
    progress: Progress,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    prepared: bool,
    at: Option<FeedPlace>,
    looked_at: Option<DateTime<Utc>>,
}

/// State of the feed, as last seen.
#[derive(Debug, Clone, Copy)]
enum FeedPlace {
    /// We publish: the next position, and the message it follows.
    Active(Position, Sequence),
    /// Another process publishes: its last state, and since when.
    Standby(FeedState, DateTime<Utc>),
}

impl Relay {
    /// A relay from `store` to `publisher`. `worker` names the checkpoint: one per feed.
    pub fn new(
        store: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
        checkpoints: Arc<dyn Checkpoints>,
        publisher: Arc<dyn Publisher>,
        worker: impl Into<String>,
    ) -> Self {
        let (worker, progress, state) = (worker.into(), Progress::default(), Mutex::default());
        Self { store, clock, checkpoints, publisher, worker, window: WINDOW, progress, state }
    }

    /// Sets the number of unacknowledged messages.
    #[must_use]
    pub fn window(mut self, messages: usize) -> Self {
        self.window = messages.max(1);
        self
    }

    /// Progress, for health and metrics.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// One step: publishes new events, or checks whether the active publisher is still alive.
    ///
    /// # Errors
    /// The ledger, its checkpoints or the feed are unavailable. Nothing is lost; run the step again.
    pub async fn step(&self) -> Result<NextStep, Error> {
        let mut state = self.state.lock().await;
        let outcome = self.advance(&mut state).await;
        if let Err(error) = &outcome {
            // Forget the feed's last known state and read it again.
            state.at = None;
            state.prepared &= !matches!(error, Error::Feed(publisher::Failure::Refused(_)));
            self.progress.failed();
        }
        outcome
    }

    async fn advance(&self, state: &mut State) -> Result<NextStep, Error> {
        if !state.prepared {
            for differs in self.publisher.prepare().await? {
                warn!("NATS: {differs}");
            }
            state.prepared = true;
        }
        let now = self.clock.now();
        let at = match state.at {
            Some(at) => at,
            None => {
                let standing = self.feed_state(state).await?;
                FeedPlace::Active(self.next(standing).await?, standing.last)
            }
        };
        let (at, rest) = match at {
            FeedPlace::Active(next, last) => self.publish(state, next, last, now).await?,
            FeedPlace::Standby(seen, since) => self.stand_by(state, seen, since, now).await?,
        };
        state.at = at;
        Ok(rest)
    }

    async fn feed_state(&self, state: &mut State) -> Result<FeedState, Error> {
        state.looked_at = Some(self.clock.now());
        Ok(self.publisher.feed_state().await?)
    }

    /// The position to continue from.
    async fn next(&self, standing: FeedState) -> Result<Position, Error> {
        let saved = self.checkpoints.load(&self.worker).await?;
        let next = match standing.next {
            Some(next) => next,
            // Never written to, or recreated.
            None if standing.last == Sequence(0) => Position(0),
            // Emptied by its limits or an operator: its events had been published.
            None => saved,
        };
        let end = self.store.end().await?;
        if next > end {
            return Err(Error::Ahead { feed: next, ledger: end });
        }
        if next < saved {
            warn!("The feed has lost positions {next} to {saved}: publishing them again");
        }
        Ok(next)
    }

    async fn publish(
        &self,
        state: &mut State,
        next: Position,
        last: Sequence,
        now: DateTime<Utc>,
    ) -> Result<(Option<FeedPlace>, NextStep), Error> {
        self.progress.set_role(Role::Active, next);
        let until = Position(next.0.saturating_add(STEP_EVENTS));
        let stretch =
            SendRange { from: next, until, after: last, window: self.window, sending: &SendReason::First, carry: None };
        let progress = &self.progress;
        let sent =
            window::send(&*self.store, &*self.publisher, stretch, &mut |next| progress.acknowledged(next)).await?;
        if sent.next > next {
            self.checkpoints.save(&self.worker, sent.next).await?;
        }
        match &sent.ended {
            SendEnd::Done if sent.next > next => {
                Ok((Some(FeedPlace::Active(sent.next, sent.last)), NextStep::AtPosition(sent.next)))
            }
            SendEnd::Done => self.idle(state, next, last, now).await,
            SendEnd::Duplicate => self.known(state, &sent, now).await,
            SendEnd::Failed(publisher::Failure::Moved) => self.moved(state, sent.next, now).await,
            SendEnd::Failed(failure) => Err(failure.clone().into()),
        }
    }

    /// Nothing to publish; checks at intervals that the feed has lost nothing.
    async fn idle(
        &self,
        state: &mut State,
        next: Position,
        last: Sequence,
        now: DateTime<Utc>,
    ) -> Result<(Option<FeedPlace>, NextStep), Error> {
        let rest = NextStep::AtPosition(next);
        if state.looked_at.is_some_and(|at| now - at < LOOK_EVERY) {
            return Ok((Some(FeedPlace::Active(next, last)), rest));
        }
        if self.feed_state(state).await?.last == last {
            return Ok((Some(FeedPlace::Active(next, last)), rest));
        }
        self.moved(state, next, now).await
    }

    /// The feed already knows a message we thought new: another process sent it, or an operator deleted it from the feed.
    async fn known(
        &self,
        state: &mut State,
        sent: &SendResult,
        now: DateTime<Utc>,
    ) -> Result<(Option<FeedPlace>, NextStep), Error> {
        let standing = self.feed_state(state).await?;
        if standing.next.is_some_and(|theirs| theirs > sent.next) {
            return self.moved(state, sent.next, now).await;
        }
        info!("Position {} was already published; skipping it", sent.next);
        Ok((Some(FeedPlace::Active(sent.next.next(), standing.last)), NextStep::Now))
    }

    /// The feed is not where we left it.
    async fn moved(
        &self,
        state: &mut State,
        ours: Position,
        now: DateTime<Utc>,
    ) -> Result<(Option<FeedPlace>, NextStep), Error> {
        let standing = self.feed_state(state).await?;
        let next = self.next(standing).await?;
        // If two processes collide, the one whose message is last continues.
        if next > ours && !standing.ours {
            info!("Another process is publishing: standing by from position {next}");
            self.progress.set_role(Role::Standby, next);
            return Ok((Some(FeedPlace::Standby(standing, now)), NextStep::After(STANDBY)));
        }
        Ok((Some(FeedPlace::Active(next, standing.last)), NextStep::Now))
    }

    async fn stand_by(
        &self,
        state: &mut State,
        seen: FeedState,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(Option<FeedPlace>, NextStep), Error> {
        let standing = self.feed_state(state).await?;
        let next = self.next(standing).await?;
        self.progress.set_role(Role::Standby, next);
        let moves = standing.last != seen.last;
        let waits = next < self.store.end().await?;
        if moves || !waits {
            return Ok((Some(FeedPlace::Standby(standing, now)), NextStep::After(STANDBY)));
        }
        if now - since < TAKE_OVER {
            return Ok((Some(FeedPlace::Standby(seen, since)), NextStep::After(STANDBY)));
        }
        info!("The active publisher has stopped: continuing from position {next}");
        Ok((Some(FeedPlace::Active(next, standing.last)), NextStep::Now))
    }
}
