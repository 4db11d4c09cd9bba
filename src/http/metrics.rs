//! Metrics for Prometheus. Sync counts come from the read models, so they survive restarts and are the same in
//! every process; only HTTP requests are counted per process.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    Server,
    problem::{Kind, Problem},
};
use crate::{
    domain::failure::FailureClass,
    projections::{Row, query::Query},
    services::{
        operators::health::{Health, Status},
        relay::Role,
    },
};

type Labels = Vec<(&'static str, String)>;
type Ratio = Gauge<f64, AtomicU64>;

/// Failure classes that are retried automatically (`reconcile/retry.rs`).
const RETRIED: [FailureClass; 4] =
    [FailureClass::Transient, FailureClass::RateLimited, FailureClass::UsageLocked, FailureClass::OutcomeUnknown];

/// Counts from the read models.
pub struct Counts {
    attempts: Vec<Row>,
    links: Vec<Row>,
}

/// Reads the counts.
///
/// # Errors
/// The read models are not available.
pub async fn counts(server: &Server) -> Result<Counts, Problem> {
    let attempts = server.read_models.ask(&Query::AttemptCounts).await?;
    let links = server.read_models.ask(&Query::LinkCounts).await?;
    Ok(Counts { attempts, links })
}

/// All metrics in the OpenMetrics text format.
///
/// # Errors
/// `Internal` if formatting fails.
pub fn text(server: &Server, health: &Health, counts: &Counts) -> Result<String, Problem> {
    let mut registry = Registry::with_prefix("syncledger");
    attempts(&mut registry, counts);
    links(&mut registry, counts);
    state(&mut registry, health, server);
    if let Some(publishing) = &health.publishing {
        let published = Counter::<u64>::default();
        published.inc_by(publishing.published);
        registry.register("published", "Messages published by this process", published);
    }
    let meters = &server.meters;
    registry.register("http_requests", "Requests by method, route and status", meters.requests.clone());
    registry.register("http_request_seconds", "Duration of requests", meters.seconds.clone());
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    Ok(text)
}

fn attempts(registry: &mut Registry, counts: &Counts) {
    let (all, retries) = (Family::<Labels, Counter>::default(), Family::<Labels, Counter>::default());
    let mut ended: std::collections::BTreeMap<String, (u32, u32)> = std::collections::BTreeMap::new();
    for row in &counts.attempts {
        let count = row.int("count").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let word = |name: &str| row.text(name).unwrap_or("none").to_owned();
        let (provider, operation) = (("provider", word("provider")), ("operation", word("operation")));
        let class = word("error_class");
        if RETRIED.iter().any(|retried| retried.as_str() == class) {
            retries.get_or_create(&vec![provider.clone(), operation.clone()]).inc_by(count);
        }
        let small = u32::try_from(count).unwrap_or(u32::MAX);
        let (good, bad) = ended.entry(provider.1.clone()).or_default();
        match row.text("status") {
            Some("success") => *good = good.saturating_add(small),
            Some("fail") => *bad = bad.saturating_add(small),
            _ => {}
        }
        let labels =
            vec![provider, ("direction", word("direction")), operation, ("outcome", word("status")), ("class", class)];
        all.get_or_create(&labels).inc_by(count);
    }
    let rates = Family::<Labels, Ratio>::default();
    for (provider, (good, bad)) in ended.into_iter().filter(|(_, (good, bad))| good + bad > 0) {
        let rate = f64::from(good) / (f64::from(good) + f64::from(bad));
        rates.get_or_create(&vec![("provider", provider)]).set(rate);
    }
    registry.register("attempts", "Provider calls by outcome", all);
    registry.register("retries", "Failed attempts that are retried", retries);
    registry.register("sync_success_ratio", "Share of finished attempts that succeeded", rates);
}

fn links(registry: &mut Registry, counts: &Counts) {
    let links = Family::<Labels, Gauge>::default();
    for row in &counts.links {
        let status = row.text("status").unwrap_or("none").to_owned();
        links.get_or_create(&vec![("status", status)]).set(row.int("count").unwrap_or(0));
    }
    registry.register("links", "Bookings on calendars by status", links);
}

fn state(registry: &mut Registry, health: &Health, server: &Server) {
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    gauge("ledger_events", "Events in the ledger", health.ledger_end.unwrap_or(0));
    gauge("open_commands", "Calls without an outcome", health.open_commands);
    gauge("due_links", "Links whose timer is due", health.due_links);
    gauge("dead_letters", "Calls and deliveries given up, waiting for an operator", health.dead_letters);
    gauge("approvals_waiting", "Approvals waiting for an operator", health.approvals_waiting);
    gauge("connections_revoked", "Connections whose access was revoked", health.connections_revoked.len() as u64);
    gauge("up", "1 unless the status is failing", u64::from(health.status != Status::Failing));
    if let Some(publishing) = &health.publishing {
        gauge("publisher_lag_events", "Events not published yet", publishing.events);
        gauge("publisher_lag_seconds", "Age of the oldest event not published yet", publishing.seconds);
        gauge("publisher_active", "1 if this process publishes", u64::from(publishing.role == Role::Active));
        gauge("publisher_failing", "1 if the last attempt to publish failed", u64::from(publishing.failing));
    }
    if let Some(at) = health.last_success_at {
        let age = u64::try_from((server.journal.clock().now() - at).num_seconds()).unwrap_or(0);
        gauge("last_success_age_seconds", "Seconds since the last successful call", age);
    }
    let (events, seconds) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    for lag in &health.projections {
        let labels = vec![("projection", lag.projection.clone())];
        events.get_or_create(&labels).set(i64::try_from(lag.events).unwrap_or(i64::MAX));
        seconds.get_or_create(&labels).set(i64::try_from(lag.seconds).unwrap_or(i64::MAX));
    }
    registry.register("projection_lag_events", "Events not applied to a read model yet", events);
    registry.register("projection_lag_seconds", "Age of the oldest event not applied yet", seconds);
}
