//! Health report, as numbers and reasons, for `/health`, the metrics and `doctor`.

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

/// A projection further behind than this, in seconds, is reported.
const LAG_S_MAX: u64 = 60;
/// A timer overdue for longer than this means that nobody handles it.
const OVERDUE_MAX: TimeDelta = TimeDelta::minutes(5);

/// Overall health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HealthStatus")]
pub enum Status {
    /// All is well.
    Ok,
    /// Works, but something needs attention.
    Degraded,
    /// Does not work: send requests elsewhere.
    Failing,
}

/// How far a projection is behind the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lag {
    /// Name of the projection.
    pub projection: String,
    /// Version of the definition that filled it.
    pub version: u32,
    /// The position it reads next.
    pub position: u64,
    /// Events not applied yet.
    pub events: u64,
    /// Age of the oldest of them, in seconds; 0 if there are none.
    pub seconds: u64,
}

/// Polling of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceHealth {
    /// Name of the source.
    pub source: String,
    /// When a poll last brought anything new.
    pub polled_at: Option<DateTime<Utc>>,
    /// When polling last failed, if no poll has succeeded since.
    pub failed_at: Option<DateTime<Utc>>,
}

/// The health report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    /// Overall health.
    pub status: Status,
    /// The reasons, in sentences; empty if all is well.
    pub reasons: Vec<String>,
    /// Number of events in the ledger.
    pub ledger_end: Option<u64>,
    /// The least version of this program that may serve the ledger; `null` where every version may.
    pub program_required: Option<String>,
    /// `ok`, or why appends are not acknowledged.
    pub writer: String,
    /// How far each projection is behind.
    pub projections: Vec<Lag>,
    /// The largest lag, in events.
    pub lag_events_max: u64,
    /// The largest lag, in seconds.
    pub lag_seconds_max: u64,
    /// State of publishing to NATS, if configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishing: Option<Publishing>,
    /// When the first of the open push channels expires.
    pub channel_expires_at: Option<DateTime<Utc>>,
    /// Sources and their latest polls.
    pub sources: Vec<SourceHealth>,
    /// Calls without an outcome; counted up to 1,000.
    pub open_commands: u64,
    /// Links whose timer is due; counted up to 1,000.
    pub due_links: u64,
    /// Dead letters: calls and deliveries given up, waiting for an operator.
    pub dead_letters: u64,
    /// Links that need attention, dead letters included.
    pub attention: u64,
    /// Approvals waiting for an operator; counted up to 1,000.
    pub approvals_waiting: u64,
    /// Connections whose access was revoked.
    pub connections_revoked: Vec<String>,
    /// When a call last succeeded.
    pub last_success_at: Option<DateTime<Utc>>,
}

/// Checks everything. `writer` says why appends are not acknowledged, if so. Never fails: anything
/// unavailable is part of the report.
pub async fn health(
    journal: &Journal,
    read_models: &dyn ProjectionStore,
    projector: &Projector,
    current_failures: &CurrentFailures,
    writer: Option<String>,
) -> Health {
    let now = journal.clock().now();
    let mut health = Health::unknown();
    // The report is public: error details are only in the log.
    for (name, (since, _)) in current_failures.all() {
        health.raise(Status::Degraded, format!("{name} has been failing since {since}; see the log"));
    }
    if let Some(why) = writer {
        health.raise(Status::Failing, format!("the ledger does not accept events: {why}"));
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

/// How far each projection is behind the ledger.
///
/// # Errors
/// The ledger or the read models are not available.
pub async fn lags(projector: &Projector) -> Result<Vec<Lag>, Error> {
    let lags = projector.lag().await.map_err(|error| match error {
        project::Error::Ledger(failure) => Error::Ledger(failure),
        project::Error::Models(failure) => read_models_failed(failure),
        other => Error::ReadModels(other.to_string()),
    })?;
    let to_lag = |lag: project::Lag| Lag {
        projection: lag.projection.to_owned(),
        version: lag.version,
        position: lag.position.0,
        events: lag.events,
        seconds: u64::try_from(lag.behind.num_seconds()).unwrap_or(0),
    };
    Ok(lags.into_iter().map(to_lag).collect())
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
    say(health.dead_letters > 0, format!("{} dead letters are waiting; see /api/v1/dead-letters", health.dead_letters));
    say(health.approvals_waiting > 0, format!("{} approvals are waiting for an operator", health.approvals_waiting));
    for connection in &health.connections_revoked {
        say(true, format!("access of connection {connection} was revoked: grant it again"));
    }
    if let Some(at) = health.channel_expires_at {
        say(at <= now, format!("a push channel expired at {at} and was not replaced"));
    }
    for source in &health.sources {
        if let Some(at) = source.failed_at {
            say(true, format!("polling source {} failed at {at} and has not succeeded since", source.source));
        }
    }
    if let Some(at) = oldest_due_at {
        say(now - at > OVERDUE_MAX, format!("a link has been due since {at}: check that the reconciler is running"));
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

    /// Adds the state of publishing.
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
    error!(%error, "A store needed for the health report is unavailable");
    if let Error::Ledger(Failure::ProgramTooOld { .. }) = error {
        return error.to_string();
    }
    let what = if matches!(error, Error::ReadModels(_)) { "the read models are" } else { "the ledger is" };
    format!("{what} not available; see the log")
}

fn read_models_failed(failure: crate::ports::projection_store::Failure) -> Error {
    match failure {
        // Its message already says so.
        crate::ports::projection_store::Failure::Unavailable(why) => Error::ReadModels(why),
        other => Error::ReadModels(other.to_string()),
    }
}
