//! Ledger → feed: every event is published once, in order, by one process at a time.
//!
//! The feed itself is what is believed: its last message says which position comes next, and takes nothing but behind the
//! message that the sender names. So a feed that lost its end is healed by going on from what it has, two processes cannot both
//! publish, and nothing hangs on how long a server remembers ids. The checkpoint is what was acknowledged: by it a loss is
//! seen, and it is where an emptied feed goes on.

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

/// Messages on their way at once, where nothing else is said.
pub const WINDOW: usize = 512;
/// The most events of one step.
const STEP_EVENTS: u64 = 20_000;
/// A feed that has not moved for so long although there is something to publish: its sender is gone.
const TAKE_OVER: TimeDelta = TimeDelta::seconds(5);
/// How often an idle feed is looked at: it may have lost something.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(5);
/// How often one that stands by looks.
const STANDBY: Duration = Duration::from_secs(1);

/// Why publishing did not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger gave no answer.
    #[error(transparent)]
    Ledger(#[from] event_store::Failure),
    /// The checkpoint cannot be kept.
    #[error(transparent)]
    Checkpoints(#[from] checkpoints::Unavailable),
    /// The feed.
    #[error("the feed: {0}")]
    Feed(publisher::Failure),
    /// The feed holds what the ledger does not have.
    #[error(
        "the feed goes up to position {feed}, the ledger ends at {ledger}: it was restored from an older copy, or two ledgers publish \
         as one workspace. Nothing is published until `syncledger nats republish --from N` says from where on the ledger counts"
    )]
    Ahead {
        /// What the feed says comes next.
        feed: Position,
        /// Where the ledger ends.
        ledger: Position,
    },
    /// Somebody else sent at the same time, again and again.
    #[error("others publish at the same time; {next} is the first position that was not sent")]
    Busy {
        /// Where to go on.
        next: Position,
    },
}

impl From<publisher::Failure> for Error {
    fn from(failure: publisher::Failure) -> Self {
        Self::Feed(failure)
    }
}

/// When the next step is worth taking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// At once.
    Now,
    /// After a while.
    After(Duration),
    /// When there is an event at this position.
    AtPosition(Position),
}

/// Publishes.
pub struct Relay {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    checkpoints: Arc<dyn Checkpoints>,
    publisher: Arc<dyn Publisher>,
    /// The checkpoint's name.
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

/// Where we believe that the feed stands.
#[derive(Debug, Clone, Copy)]
enum FeedPlace {
    /// We publish: the next position, and the message that it follows.
    Active(Position, Sequence),
    /// Another does: what it had reached, and since when.
    Standby(FeedState, DateTime<Utc>),
}

impl Relay {
    /// A relay from `store` to `publisher`. `worker` names its checkpoint: one for each feed.
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

    /// With so many messages on their way at once.
    #[must_use]
    pub fn window(mut self, messages: usize) -> Self {
        self.window = messages.max(1);
        self
    }

    /// How it goes, for whoever tells it.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// One step: publishes what there is, or looks whether the one that publishes still does.
    ///
    /// # Errors
    /// The ledger, its checkpoints or the feed give no answer. Nothing is lost; take the step again.
    pub async fn step(&self) -> Result<NextStep, Error> {
        let mut state = self.state.lock().await;
        let outcome = self.advance(&mut state).await;
        if let Err(error) = &outcome {
            // Whatever was believed of the feed is looked at anew.
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

    /// The position to go on with.
    async fn next(&self, standing: FeedState) -> Result<Position, Error> {
        let saved = self.checkpoints.load(&self.worker).await?;
        let next = match standing.next {
            Some(next) => next,
            // Never written to: a new one, or one that was made anew.
            None if standing.last == Sequence(0) => Position(0),
            // Emptied, by its limits or by an operator: what was in it had been published.
            None => saved,
        };
        let end = self.store.end().await?;
        if next > end {
            return Err(Error::Ahead { feed: next, ledger: end });
        }
        if next < saved {
            warn!("The feed has lost what it had taken, from position {next} up to {saved}: publishing it again");
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

    /// There is nothing to publish. Now and then it is looked whether the feed still has what it had.
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

    /// The feed knows a message that we took for new: another process sent it, or it was removed from the feed by hand.
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
        info!("Position {} was published before, and is not published again", sent.next);
        Ok((Some(FeedPlace::Active(sent.next.next(), standing.last)), NextStep::Now))
    }

    /// The feed does not stand where we left it.
    async fn moved(
        &self,
        state: &mut State,
        ours: Position,
        now: DateTime<Utc>,
    ) -> Result<(Option<FeedPlace>, NextStep), Error> {
        let standing = self.feed_state(state).await?;
        let next = self.next(standing).await?;
        // Of two that got into each other's way, the one whose message is the last goes on.
        if next > ours && !standing.ours {
            info!("Another process publishes: standing by from position {next} on");
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
        info!("The process that published does not any more: going on from position {next}");
        Ok((Some(FeedPlace::Active(next, standing.last)), NextStep::Now))
    }
}
