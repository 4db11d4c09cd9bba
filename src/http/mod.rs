//! Floor 4: the service over HTTP. One file per resource; `routes.rs` is the only way in, `problem.rs` the only place that
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

/// Why appends are not acknowledged at the moment; `None` while they are.
pub type WriterState = dyn Fn() -> Option<String> + Send + Sync;

/// What the API is built from.
#[derive(Clone)]
pub struct Api {
    /// The workspace's name.
    pub workspace: String,
    /// The ledger.
    pub journal: Journal,
    /// The audit trail.
    pub audit: Audit,
    /// The read models.
    pub read_models: Arc<dyn ProjectionStore>,
    /// Keeps them in step.
    pub projector: Projector,
    /// Folded calendars, shared with the workers.
    pub calendars: Arc<Calendars>,
    /// Where things go.
    pub routing: Arc<Routing>,
    /// Who may call.
    pub tokens: Arc<dyn Tokens>,
    /// Sources that deliver to `/webhook/uschedule`.
    pub uschedule: Vec<Arc<dyn WebhookVerifier>>,
    /// Reads the notifications that reach `/webhook/gcal`; `None` where no calendar has them.
    pub gcal: Option<Arc<dyn NotificationReader>>,
    /// How long and how many.
    pub limits: Limits,
    /// How publishing goes; `None` where nothing is published.
    pub publishing: Option<Progress>,
    /// What fails in the workers.
    pub current_failures: CurrentFailures,
    /// How the ledger's writer is doing.
    pub writer: Arc<WriterState>,
}

/// The API while it serves.
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
