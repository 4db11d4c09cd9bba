//! Floor 4: the service over HTTP. One file per resource; `routes.rs` defines every endpoint, `problem.rs` is the only file that
//! knows status codes; `services/access.rs` decides who may do what.

mod approvals;
mod attempts;
mod audit;
pub mod auth;
mod bookings;
mod call;
mod dispatch;
mod events;
mod health;
mod limits;
mod links;
mod lists;
mod meters;
mod metrics;
pub mod openapi;
pub mod problem;
mod resync;
pub mod route;
pub mod routes;
mod serve;
mod story;
mod subjects;
mod webhooks;

use std::sync::Arc;

pub use dispatch::router;
pub use limits::Limits;
pub use serve::serve;

use crate::{
    ports::{
        deliveries::WebhookVerifier, notifications::NotificationReader, projection_store::ProjectionStore,
        tokens::Tokens,
    },
    services::{
        audit::Audit,
        bookings::RequestKeys,
        current_failures::CurrentFailures,
        journal::Journal,
        models::project::Projector,
        relay::Progress,
        sync::{calendars::Calendars, routing::Routing},
    },
};

/// Why appends are not acknowledged at present; `None` if they are.
pub type WriterState = dyn Fn() -> Option<String> + Send + Sync;

/// Everything the API needs.
#[derive(Clone)]
pub struct Api {
    /// Name of the workspace.
    pub workspace: String,
    /// The ledger.
    pub journal: Journal,
    /// The audit trail.
    pub audit: Audit,
    /// The read models.
    pub read_models: Arc<dyn ProjectionStore>,
    /// Keeps the read models up to date.
    pub projector: Projector,
    /// Calendars folded from events, shared with the workers.
    pub calendars: Arc<Calendars>,
    /// Which resources are shown on which calendars.
    pub routing: Arc<Routing>,
    /// The API tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Sources that deliver to `/webhook/uschedule`.
    pub uschedule: Vec<Arc<dyn WebhookVerifier>>,
    /// Reads notifications sent to `/webhook/gcal`; `None` if no calendar uses them.
    pub gcal: Option<Arc<dyn NotificationReader>>,
    /// Limits of time and number.
    pub limits: Limits,
    /// State of the publisher; `None` if nothing is published.
    pub publishing: Option<Progress>,
    /// Failures of the workers.
    pub current_failures: CurrentFailures,
    /// State of the ledger's writer.
    pub writer: Arc<WriterState>,
}

/// The API while it is running.
pub struct Server {
    api: Api,
    meters: meters::Meters,
    keys: RequestKeys,
    document: String,
}

impl std::ops::Deref for Server {
    type Target = Api;
    fn deref(&self) -> &Api {
        &self.api
    }
}
