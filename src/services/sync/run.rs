//! The loops of a running service: when each step runs, and what happens when it fails.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info};

use super::{authorise, poll::Poller, pull::Puller, react::Reactor, watch::Watcher};
use crate::{
    domain::ids::{Position, SourceName},
    services::{
        Error,
        commands::Commands,
        current_failures::CurrentFailures,
        models::project::Projector,
        relay::{NextStep, Relay},
    },
};

/// Events projected per step.
const PROJECT_FACTS: usize = 2_000;
/// How often timers of links are checked.
const TICK: Duration = Duration::from_millis(500);
/// How often calendars are checked if nothing was recorded.
const CALENDARS: Duration = Duration::from_secs(1);
/// How often push channels are checked.
const CHANNELS: Duration = Duration::from_secs(5);
/// How often credentials are tested.
const PROBES: Duration = Duration::from_secs(300);
/// First and longest delay after a failed step.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Longest delay of loops that only wait for a server to come back.
const PAUSE_FEED: Duration = Duration::from_secs(2);
/// Time that loops get to finish their step when the service stops.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The loops of a service.
pub struct Workers {
    /// Keeps the read models up to date.
    pub projector: Projector,
    /// Settles links.
    pub reactor: Arc<Reactor>,
    /// Pulls calendars.
    pub puller: Puller,
    /// Keeps push channels open.
    pub watcher: Watcher,
    /// Polls sources.
    pub pollers: Vec<Arc<Poller>>,
    /// How often a calendar is pulled without a notification: push is not fully reliable.
    pub pull_every: TimeDelta,
    /// Publishes events, if configured.
    pub relay: Option<Arc<Relay>>,
    /// Receives commands, if configured.
    pub commands: Option<Arc<Commands>>,
    /// Present failures.
    pub current_failures: CurrentFailures,
}

impl Workers {
    /// Runs until `stop`; every loop finishes its current step.
    pub async fn run(self, stop: CancellationToken) {
        let workers = Arc::new(self);
        let tracker = TaskTracker::new();
        for (name, step) in LOOPS {
            if matches!(step, Loop::Publish) && workers.relay.is_none()
                || matches!(step, Loop::Take) && workers.commands.is_none()
            {
                continue;
            }
            let (workers, stop) = (Arc::clone(&workers), stop.clone());
            tracker.spawn(async move { workers.repeat(name, step, stop).await });
        }
        for poller in workers.pollers.clone() {
            let (workers, stop) = (Arc::clone(&workers), stop.clone());
            tracker.spawn(async move { workers.poll_source(&poller, stop).await });
        }
        tracker.close();
        stop.cancelled().await;
        info!("Stopping: waiting for running steps");
        if timeout(STOP_WITHIN, tracker.wait()).await.is_err() {
            error!(
                "Some steps did not finish within {} s; they will be resumed at the next start",
                STOP_WITHIN.as_secs()
            );
        }
    }

    async fn repeat(self: Arc<Self>, name: &'static str, step: Loop, stop: CancellationToken) {
        let longest = if matches!(step, Loop::Publish | Loop::Take) { PAUSE_FEED } else { PAUSE.1 };
        let mut pause = PAUSE.0;
        while !stop.is_cancelled() {
            let outcome = match step {
                Loop::Project => self.project().await.map_err(|error| error.to_string()),
                Loop::React => self.react().await.map_err(|error| error.to_string()),
                Loop::Pull => self.pull().await.map_err(|error| error.to_string()),
                Loop::Watch => self.watch().await.map_err(|error| error.to_string()),
                Loop::Probe => self.probe().await.map_err(|error| error.to_string()),
                Loop::Publish => self.publish().await,
                Loop::Take => self.take().await,
            };
            let now = self.puller.journal.clock().now();
            match outcome {
                Ok(wait) => {
                    self.current_failures.note(name, now, None);
                    pause = PAUSE.0;
                    self.rest(wait, &stop).await;
                }
                Err(failure) => {
                    // A server that is down for a night is logged once.
                    let known = longest == PAUSE_FEED && self.current_failures.known(name, &failure);
                    if !known {
                        let ms = pause.as_millis();
                        error!(worker = name, error = failure, "{name} failed; retrying in {ms} ms");
                    }
                    self.current_failures.note(name, now, Some(failure));
                    self.rest(Wait::For(pause), &stop).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    async fn rest(&self, wait: Wait, stop: &CancellationToken) {
        let ledger = self.puller.journal.store();
        let until: futures::future::BoxFuture<'_, ()> = match wait {
            Wait::No => return,
            Wait::For(time) => Box::pin(sleep(time)),
            Wait::UntilEvent(next, most) => Box::pin(async move { drop(timeout(most, ledger.wait(next)).await) }),
        };
        tokio::select! {
            () = until => {}
            () = stop.cancelled() => {}
        }
    }

    async fn project(&self) -> Result<Wait, Error> {
        let step = self
            .projector
            .project_once(PROJECT_FACTS)
            .await
            .map_err(|failure| Error::ReadModels(failure.to_string()))?;
        if let Some(stop) = step.stopped.first() {
            let now = self.puller.journal.clock().now();
            self.current_failures.note(
                "projection",
                now,
                Some(format!("{} has stopped: {}", stop.projection, stop.poison)),
            );
        }
        Ok(if step.facts > 0 || step.overtaken { Wait::No } else { Wait::UntilEvent(step.reached, TICK) })
    }

    async fn react(&self) -> Result<Wait, Error> {
        let taken = self.reactor.react().await?;
        let due = self.reactor.tick().await?;
        let next = self.reactor.position().unwrap_or(Position(0));
        Ok(if taken > 0 || due > 0 {
            Wait::UntilEvent(next, Duration::from_millis(50))
        } else {
            Wait::UntilEvent(next, TICK)
        })
    }

    async fn pull(&self) -> Result<Wait, Error> {
        let next = self.puller.journal.store().end().await?;
        for key in self.puller.routing.calendars() {
            self.puller.pull_due(&key, self.pull_every).await?;
        }
        Ok(Wait::UntilEvent(next, CALENDARS))
    }

    async fn watch(&self) -> Result<Wait, Error> {
        for key in self.watcher.routing.calendars() {
            self.watcher.tend(&key).await?;
        }
        Ok(Wait::For(CHANNELS))
    }

    async fn probe(&self) -> Result<Wait, Error> {
        for (id, provider) in &self.puller.routing.providers {
            authorise::probe(&self.puller.journal, id, provider).await?;
        }
        Ok(Wait::For(PROBES))
    }

    async fn publish(&self) -> Result<Wait, String> {
        let Some(relay) = &self.relay else { return Ok(Wait::For(PAUSE.1)) };
        Ok(match relay.step().await.map_err(|error| error.to_string())? {
            NextStep::Now => Wait::No,
            NextStep::After(time) => Wait::For(time),
            NextStep::AtPosition(next) => Wait::UntilEvent(next, CALENDARS),
        })
    }

    /// Waits for commands.
    async fn take(&self) -> Result<Wait, String> {
        let Some(commands) = &self.commands else { return Ok(Wait::For(PAUSE.1)) };
        commands.step().await.map(|_| Wait::No).map_err(|error| error.to_string())
    }

    async fn poll_source(self: Arc<Self>, poller: &Poller, stop: CancellationToken) {
        let name = format!("poll {}", SourceName::as_str(poller.source().name()));
        let every = poller.every().to_std().unwrap_or(PAUSE.1);
        while !stop.is_cancelled() {
            let outcome = poller.poll().await;
            let now = self.puller.journal.clock().now();
            self.current_failures.note(&name, now, outcome.err().map(|failure| failure.to_string()));
            self.rest(Wait::For(every), &stop).await;
        }
        // So that another process, or this one after a restart, need not wait for the claim to expire.
        if let Err(failure) = poller.give_up().await {
            info!("Could not release the claim on {}, which will expire: {failure}", poller.source().name());
        }
    }
}

#[derive(Clone, Copy)]
enum Loop {
    Project,
    React,
    Pull,
    Watch,
    Probe,
    Publish,
    Take,
}

const LOOPS: [(&str, Loop); 7] = [
    ("projector", Loop::Project),
    ("reactor", Loop::React),
    ("puller", Loop::Pull),
    ("watcher", Loop::Watch),
    ("connections", Loop::Probe),
    ("publisher", Loop::Publish),
    ("commands", Loop::Take),
];

enum Wait {
    No,
    For(Duration),
    UntilEvent(Position, Duration),
}
