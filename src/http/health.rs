//! `GET /health`, `GET /metrics` and `GET /openapi.json`: endpoints for machines.

use std::sync::Arc;

use super::{
    Server,
    call::{Answer, Call},
    problem::{Problem, Success},
};
use crate::services::operators::health::{self, Health, Status};

/// Returns the health report.
pub async fn show(server: Arc<Server>, _: Call) -> Result<Answer, Problem> {
    let report = report(&server).await;
    let done = if report.status == Status::Failing { Success::Failing } else { Success::Ok };
    Answer::json(done, &report)
}

/// Returns the metrics.
pub async fn metrics(server: Arc<Server>, _: Call) -> Result<Answer, Problem> {
    let report = report(&server).await;
    let counts = super::metrics::counts(&server).await?;
    let text = super::metrics::text(&server, &report, &counts)?;
    Ok(Answer::text("application/openmetrics-text; version=1.0.0; charset=utf-8", text))
}

async fn report(server: &Server) -> Health {
    let models = server.read_models.as_ref();
    let report =
        health::health(&server.journal, models, &server.projector, &server.current_failures, (server.writer)()).await;
    let report = report.requiring(&server.journal, &server.workspace).await;
    match &server.publishing {
        Some(progress) => {
            report.publishing(progress.snapshot(&**server.journal.store(), &**server.journal.clock()).await)
        }
        None => report,
    }
}

/// Returns the OpenAPI document.
pub fn openapi(server: Arc<Server>, _: Call) -> std::future::Ready<Result<Answer, Problem>> {
    std::future::ready(Ok(Answer::text("application/json", server.document.clone())))
}
