//! `/health` and `/metrics`: what they say, and that it is true.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use syncledger::{
    domain::{
        connection,
        failure::{CallFailure, FailureClass},
        ids::ConnectionId,
    },
    http::{Api, router},
    ports::projection_store::{Batch, Checkpoint, Comparison, Failure, ProjectionStore, TableCopy},
    projections::{Projection, Row, query::Query},
    record::stream::StreamName,
    services::models::project::Projector,
};

use super::world::World;

#[tokio::test]
async fn a_quiet_service_is_healthy() {
    let world = World::new().await;
    let said = world.ask("GET", "/health", "", None).await;
    assert_eq!(said.status, 200);
    let mut report = said.json();
    let lags = report.as_object_mut().and_then(|r| r.remove("projections")).expect("a list");
    assert_eq!(lags.as_array().map(Vec::len), Some(syncledger::projections::ALL.len()));
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).expect("JSON"));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let mut world = World::new().await;
    let connection = ConnectionId::new("loft-bot").expect("plain");
    let gone = CallFailure::new(FailureClass::AuthRevoked, "invalid_grant");
    let fact = connection::Event::Revoked { connection: connection.clone(), failure: gone };
    world.record(&StreamName::connection(&connection), vec![fact.into()]).await;
    world.project().await;
    let report = world.get("/health").await;
    assert_eq!((&report["status"], &report["connections_revoked"]), (&json!("degraded"), &json!(["loft-bot"])));
    super::hooks::deliver(&world, "1001").await;
    world.clock.advance(TimeDelta::seconds(61));
    let report = world.get("/health").await;
    assert_eq!((&report["lag_events_max"], &report["lag_seconds_max"]), (&json!(1), &json!(61)));
    assert!(report["reasons"].to_string().contains("1 events and 61 s behind"), "{report}");
    let writer = Arc::new(|| Some("the disk is full".to_owned()));
    world.router = router(Api { writer, ..world.api.clone() });
    let said = world.ask("GET", "/health", "", None).await;
    assert_eq!((said.status, said.json()["status"].clone()), (503, json!("failing")));
    assert!(said.json()["reasons"].to_string().contains("the disk is full"));
}

/// Read models that nobody can reach.
struct Away;

#[async_trait]
impl ProjectionStore for Away {
    async fn prepare(&self, _: DateTime<Utc>) -> Result<Vec<&'static str>, Failure> {
        Err(away())
    }
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        Err(away())
    }
    async fn apply(&self, _: Vec<Batch>, _: DateTime<Utc>) -> Result<(), Failure> {
        Err(away())
    }
    async fn ask(&self, _: &Query) -> Result<Vec<Row>, Failure> {
        Err(away())
    }
    async fn begin(&self, _: &'static Projection, _: TableCopy, _: DateTime<Utc>) -> Result<(), Failure> {
        Err(away())
    }
    async fn discard(&self, _: &'static Projection, _: TableCopy) -> Result<(), Failure> {
        Err(away())
    }
    async fn compare(&self, _: &'static Projection, _: TableCopy, _: usize) -> Result<Comparison, Failure> {
        Err(away())
    }
    async fn swap(&self, _: &'static Projection, _: u64, _: DateTime<Utc>) -> Result<(), Failure> {
        Err(away())
    }
}

fn away() -> Failure {
    Failure::Unavailable("postgres://someone:hunter2@db/x refused".into())
}

#[tokio::test]
async fn without_read_models_lists_say_so_and_writes_go_on() {
    let mut world = World::new().await;
    let models: Arc<dyn ProjectionStore> = Arc::new(Away);
    let projector = Projector::new(world.ledger.clone(), models.clone(), world.clock.clone());
    world.router = router(Api { read_models: models, projector, ..world.api.clone() });
    for path in ["/api/v1/bookings", "/api/v1/links", "/api/v1/projections"] {
        let said = world.ask("GET", path, "admin", None).await;
        assert_eq!((said.status, said.header("retry-after")), (503, "5"), "{path}: {said:?}");
        assert!(!said.problem().to_string().contains("hunter2"), "what exactly failed is for the log");
    }
    let said = world.ask("GET", "/health", "", None).await;
    assert_eq!((said.status, said.json()["status"].clone()), (503, json!("failing")));
    assert!(!said.text.contains("hunter2"), "{said:?}");
    let body = json!({"id": "1", "resource": "bay-1", "slot": {"from": "2026-06-01", "until": "2026-06-02"}, "details": {"title": "x"}});
    assert_eq!(world.ask("POST", "/api/v1/bookings", "operator", Some(&body)).await.status, 201);
    assert_eq!(world.ask("GET", "/api/v1/bookings/api.1", "operator", None).await.status, 200);
}

#[tokio::test]
async fn metrics_count_what_the_ledger_says() {
    let world = World::new().await;
    super::lists::fail_once(&world).await;
    world.ask("GET", "/api/v1/nothing", "", None).await;
    let said = world.ask("GET", "/metrics", "", None).await;
    assert_eq!(said.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        "syncledger_attempts_total{provider=\"google\",direction=\"pull\",operation=\"write_back_cancel\",outcome=\"fail\",\
         class=\"transient\"} 1",
        "syncledger_retries_total{provider=\"google\",operation=\"write_back_cancel\"} 1",
        "syncledger_sync_success_ratio{provider=\"google\"} 0.0",
        "syncledger_dead_letters 0",
        "syncledger_open_commands 0",
        "syncledger_up 1",
        "syncledger_projection_lag_events{projection=\"links\"} 0",
        "syncledger_http_requests_total{method=\"GET\",route=\"(none)\",status=\"404\"} 1",
        "# EOF",
    ] {
        assert!(said.text.lines().any(|l| l == line), "{line}\n is not in\n{}", said.text);
    }
    // What a client makes up does not become a label: there would be no end of them.
    for path in ["/a", "/b", "/api/v1/bookings/x1", "/api/v1/bookings/x2"] {
        world.ask("BREW", path, "", None).await;
    }
    let text = world.ask("GET", "/metrics", "", None).await.text;
    assert!(!text.contains("BREW") && !text.contains("x1"), "{text}");
    // After a restart, and in every other process, syncs are counted the same.
    let restarted = router(world.api.clone());
    let again = World { router: restarted, ..World::new().await };
    let text = again.ask("GET", "/metrics", "", None).await.text;
    assert!(text.contains("outcome=\"fail\",class=\"transient\"} 1"), "{text}");
}
