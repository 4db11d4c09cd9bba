//! How the service is doing, in numbers and in reasons: what `/health`, the metrics and `doctor` tell.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use tracing::error;

use crate::{
    ledger::required_version::required,
    ports::{event_store::Failure, projection_store::ProjectionStore},
    projections::{
        Row,
        query::{PAGE_ROWS_MAX, Page, Query},
    },
    services::{
        Error,
        current_failures::CurrentFailures,
        journal::Journal,
        models::project::{self, Projector},
        relay::Publishing,
    },
};

/// A projection that is farther behind than this, in seconds, is worth a look.
const LAG_S_MAX: u64 = 60;
/// A timer that is overdue for longer than this: nobody works it off.
const OVERDUE_MAX: TimeDelta = TimeDelta::minutes(5);

/// How it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    Ok,
    /// It works, and somebody should look at something.
    Degraded,
    /// It does not work: requests are better sent elsewhere.
    Failing,
}

/// How far a projection is behind the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lag {
    /// Which projection.
    pub projection: String,
    /// The definition that filled it.
    pub version: u32,
    /// The position that it reads next.
    pub position: u64,
    /// Events that it has not read yet.
    pub events: u64,
    /// How long the oldest of them has waited, in seconds; 0 where there is none.
    pub seconds: u64,
}

/// How polling a source goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceHealth {
    /// The source.
    pub source: String,
    /// When a poll last told anything new.
    pub polled_at: Option<DateTime<Utc>>,
    /// When a poll failed, where none succeeded since.
    pub failed_at: Option<DateTime<Utc>>,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    /// The verdict.
    pub status: Status,
    /// What led to it, in sentences; empty where all is well.
    pub reasons: Vec<String>,
    /// How many events the ledger has.
    pub ledger_end: Option<u64>,
    /// The least version of this program that may serve the ledger; `null` where every version may.
    pub program_required: Option<String>,
    /// Whether appends are acknowledged.
    pub writer: String,
    /// How far every projection is behind.
    pub projections: Vec<Lag>,
    /// The farthest of them, in events.
    pub lag_events_max: u64,
    /// The farthest of them, in seconds.
    pub lag_seconds_max: u64,
    /// How publishing to NATS goes, where that is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishing: Option<Publishing>,
    /// When the first of the open push channels ends.
    pub channel_expires_at: Option<DateTime<Utc>>,
    /// Sources and their last polls.
    pub sources: Vec<SourceHealth>,
    /// Calls without an outcome; counted up to 1,000.
    pub open_commands: u64,
    /// Links whose timer is due; counted up to 1,000.
    pub due_links: u64,
    /// What was given up and waits for somebody.
    pub dead_letters: u64,
    /// Links that somebody should look at, dead letters included.
    pub attention: u64,
    /// Approvals that wait for an operator; counted up to 1,000.
    pub approvals_waiting: u64,
    /// Connections whose grant is gone.
    pub connections_revoked: Vec<String>,
    /// When a call last succeeded.
    pub last_success_at: Option<DateTime<Utc>>,
}

/// Looks at everything. `writer`: why appends are not acknowledged, where they are not. Never fails: what cannot be
/// reached is what the report says.
pub async fn health(
    journal: &Journal,
    read_models: &dyn ProjectionStore,
    projector: &Projector,
    current_failures: &CurrentFailures,
    writer: Option<String>,
) -> Health {
    let now = journal.clock().now();
    let mut health = Health::unknown();
    // The report is open to everybody: what exactly failed is in the log.
    for (name, (since, _)) in current_failures.all() {
        health.raise(Status::Degraded, format!("{name} has failed since {since}; see the log"));
    }
    if let Some(why) = writer {
        health.raise(Status::Failing, format!("the ledger does not take events: {why}"));
        health.writer = format!("failing: {why}");
    }
    match lags(projector).await {
        Ok(found) => health.take(found),
        Err(error) => health.raise(Status::Failing, unreachable(&error)),
    }
    match journal.store().end().await {
        Ok(end) => health.ledger_end = Some(end.0),
        Err(error) => health.raise(Status::Failing, unreachable(&error.into())),
    }
    if let Err(error) = counts(&mut health, read_models, now).await {
        health.raise(Status::Failing, unreachable(&error));
    }
    health
}

/// How far every projection is behind the ledger.
///
/// # Errors
/// The ledger or the read models are not available.
pub async fn lags(projector: &Projector) -> Result<Vec<Lag>, Error> {
    let lags = projector.lag().await.map_err(|error| match error {
        project::Error::Ledger(failure) => Error::Ledger(failure),
        project::Error::Models(failure) => read_models_failed(failure),
        other => Error::ReadModels(other.to_string()),
    })?;
    let shown = |lag: project::Lag| Lag {
        projection: lag.projection.to_owned(),
        version: lag.version,
        position: lag.position.0,
        events: lag.events,
        seconds: u64::try_from(lag.behind.num_seconds()).unwrap_or(0),
    };
    Ok(lags.into_iter().map(shown).collect())
}

async fn counts(health: &mut Health, read_models: &dyn ProjectionStore, now: DateTime<Utc>) -> Result<(), Error> {
    let ask = |query: Query| async move { read_models.ask(&query).await.map_err(read_models_failed) };
    let page = || Page::first(PAGE_ROWS_MAX);
    let summary = ask(Query::Health).await?;
    let summary = summary.first();
    let count = |name: &str| summary.and_then(|r| r.int(name)).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    health.dead_letters = count("dead_letters");
    health.attention = count("attention");
    health.channel_expires_at = summary.and_then(|r| r.time("channel_expires_at"));
    health.last_success_at = summary.and_then(|r| r.time("last_success_at"));
    health.open_commands = ask(Query::OpenCommands(page())).await?.len() as u64;
    health.due_links = ask(Query::DueLinks { now, limit: PAGE_ROWS_MAX }).await?.len() as u64;
    health.approvals_waiting = ask(Query::Approvals(Some("open".into()), page())).await?.len() as u64;
    health.connections_revoked = ask(Query::Connections(page())).await?.iter().filter_map(revoked).collect();
    let cursors = ask(Query::Cursors(page())).await?;
    health.sources = cursors.iter().filter(|row| row.text("kind") == Some("source")).filter_map(polled).collect();
    judge(health, summary.and_then(|r| r.time("oldest_due_at")), now);
    Ok(())
}

fn revoked(row: &Row) -> Option<String> {
    (row.text("status") == Some("revoked")).then(|| row.text("connection").unwrap_or_default().to_owned())
}

fn polled(row: &Row) -> Option<SourceHealth> {
    Some(SourceHealth {
        source: row.text("owner")?.to_owned(),
        polled_at: row.time("advanced_at"),
        failed_at: row.time("failed_at"),
    })
}

fn judge(health: &mut Health, oldest_due_at: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    let mut reasons = Vec::new();
    let mut say = |wrong: bool, why: String| {
        if wrong {
            reasons.push(why);
        }
    };
    say(health.dead_letters > 0, format!("{} dead letters wait: see /api/v1/dead-letters", health.dead_letters));
    say(health.approvals_waiting > 0, format!("{} approvals wait for an operator", health.approvals_waiting));
    for connection in &health.connections_revoked {
        say(true, format!("the grant of connection {connection} is gone: renew it"));
    }
    if let Some(at) = health.channel_expires_at {
        say(at <= now, format!("a push channel ended at {at} and was not replaced"));
    }
    for source in &health.sources {
        if let Some(at) = source.failed_at {
            say(true, format!("source {} could not be polled at {at}, nor since", source.source));
        }
    }
    if let Some(at) = oldest_due_at {
        say(now - at > OVERDUE_MAX, format!("a link has been due since {at}: is the reconciler running?"));
    }
    for why in reasons {
        health.raise(Status::Degraded, why);
    }
}

impl Health {
    fn unknown() -> Self {
        Self {
            status: Status::Ok,
            reasons: Vec::new(),
            ledger_end: None,
            program_required: None,
            writer: "ok".into(),
            projections: Vec::new(),
            lag_events_max: 0,
            lag_seconds_max: 0,
            publishing: None,
            channel_expires_at: None,
            sources: Vec::new(),
            open_commands: 0,
            due_links: 0,
            dead_letters: 0,
            attention: 0,
            approvals_waiting: 0,
            connections_revoked: Vec::new(),
            last_success_at: None,
        }
    }

    /// The same, with what the ledger of `workspace` requires of the program.
    #[must_use]
    pub async fn requiring(mut self, journal: &Journal, workspace: &str) -> Self {
        match required(&**journal.store(), workspace).await {
            Ok(least) => self.program_required = least.map(String::from),
            Err(error) => self.raise(Status::Failing, unreachable(&error.into())),
        }
        self
    }

    /// The same, with how publishing goes.
    #[must_use]
    pub fn publishing(mut self, publishing: Publishing) -> Self {
        if publishing.seconds > LAG_S_MAX {
            let why = format!("publishing is {} events and {} s behind", publishing.events, publishing.seconds);
            self.raise(Status::Degraded, why);
        }
        self.publishing = Some(publishing);
        self
    }

    fn take(&mut self, lags: Vec<Lag>) {
        for lag in lags.iter().filter(|lag| lag.seconds > LAG_S_MAX) {
            let why = format!("projection {} is {} events and {} s behind", lag.projection, lag.events, lag.seconds);
            self.raise(Status::Degraded, why);
        }
        self.lag_events_max = lags.iter().map(|lag| lag.events).max().unwrap_or(0);
        self.lag_seconds_max = lags.iter().map(|lag| lag.seconds).max().unwrap_or(0);
        self.projections = lags;
    }

    fn raise(&mut self, status: Status, why: String) {
        self.status = self.status.max(status);
        self.reasons.push(why);
    }
}

fn unreachable(error: &Error) -> String {
    error!(%error, "What health is told from cannot be reached");
    if let Error::Ledger(Failure::ProgramTooOld { .. }) = error {
        return error.to_string();
    }
    let what = if matches!(error, Error::ReadModels(_)) { "the read models are" } else { "the ledger is" };
    format!("{what} not available; see the log")
}

fn read_models_failed(failure: crate::ports::projection_store::Failure) -> Error {
    match failure {
        // Its text says so already.
        crate::ports::projection_store::Failure::Unavailable(why) => Error::ReadModels(why),
        other => Error::ReadModels(other.to_string()),
    }
}
