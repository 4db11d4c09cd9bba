//! The service: listens, and runs its workers, until it is told to stop.

use std::sync::Arc;

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    adapters::{google::push::PushReader, uschedule},
    app::{self, App, Stores},
    config::{Config, SourceKind},
    http::{self, Api, Limits},
    ports::webhooks::WebhookVerifier,
};

/// A service that runs.
pub struct Service {
    /// What it keeps.
    pub stores: Stores,
    /// Ends when it was told to stop and has.
    pub task: JoinHandle<anyhow::Result<()>>,
}

/// Starts the service on `listener`. It runs until `stop`.
///
/// # Errors
/// What cannot be opened, and what to do about it.
pub async fn start(config: &Config, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<Service> {
    let app = App::open(config).await?;
    let address = listener.local_addr()?;
    let limits = Limits::default();
    let feed = app::nats::open(config, &app.stores).await?;
    let publishing = feed.as_ref().map(|feed| feed.progress.clone());
    let router = http::router(Api { publishing, ..api(&app, config, limits) });
    let workers = app.workers(config, feed.as_ref());
    let stores = app.stores.clone();
    info!(%address, workspace = config.workspace, "Serving at http://{address}");
    let task = tokio::spawn(async move {
        let listening = {
            let stop = stop.clone();
            tokio::spawn(
                async move { http::serve(listener, router, limits, async move { stop.cancelled().await }).await },
            )
        };
        workers.run(stop).await;
        listening.await?;
        app.stores.ledger.close().await;
        info!("Stopped");
        Ok(())
    });
    Ok(Service { stores, task })
}

fn api(app: &App, config: &Config, limits: Limits) -> Api {
    let mut verifiers: Vec<Arc<dyn WebhookVerifier>> = Vec::new();
    for source in &config.sources {
        let SourceKind::Uschedule { webhook_secret, .. } = &source.kind;
        if let Some(secret) = webhook_secret {
            let secrets = vec![uschedule::Secret::new(secret.reveal())];
            verifiers.push(Arc::new(uschedule::Verifier::new(source.name.clone(), secrets)));
        }
    }
    let ledger = Arc::clone(&app.stores.ledger);
    Api {
        workspace: config.workspace.clone(),
        journal: app.stores.journal.clone(),
        read_models: Arc::clone(&app.stores.models),
        projector: app.stores.projector.clone(),
        calendars: Arc::clone(&app.calendars),
        routing: Arc::clone(&app.routing),
        tokens: Arc::clone(&app.stores.tokens),
        uschedule: verifiers,
        gcal: Some(Arc::new(PushReader)),
        limits,
        publishing: None,
        troubles: app.troubles.clone(),
        writer: Arc::new(move || ledger.failing()),
    }
}
