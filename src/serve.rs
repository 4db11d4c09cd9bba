//! The service: listens and runs its workers until it is stopped.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    adapters::{google::push::PushReader, uschedule},
    app::{self, App, Stores},
    config::{self, Config, SourceKind},
    gateway::{self, Gateway, TlsAcceptor},
    http::{self, Api, Limits},
    ledger::required_version::VersionedLedger,
    ports::deliveries::WebhookVerifier,
    services::{audit, external_events::Accept},
};

/// A running service.
pub struct Service {
    /// Its stores.
    pub stores: Stores,
    /// Address of the gateway, if there is one.
    pub gateway: Option<SocketAddr>,
    /// Completes after the service has stopped.
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
    let gateway = match &config.gateway {
        Some(settings) => Some(BoundGateway::open(settings, &app, stop.clone()).await?),
        None => None,
    };
    let gateway_address = gateway.as_ref().map(|gateway| gateway.address);
    let workers = app.workers(config, feed.as_ref());
    let stores = app.stores.clone();
    let versions = Arc::clone(&stores.versions);
    let (audit, every, current_failures) =
        (stores.audit.clone(), config.audit.seal_every, app.current_failures.clone());
    info!(%address, workspace = config.workspace, "Serving at http://{address}");
    let task = tokio::spawn(async move {
        let listening = {
            let stop = stop.clone();
            tokio::spawn(
                async move { http::serve(listener, router, limits, async move { stop.cancelled().await }).await },
            )
        };
        let gateway = gateway.map(|gateway| tokio::spawn(gateway.serve()));
        let sealing = every.map(|every| tokio::spawn(audit::run(audit, every, current_failures, stop.clone())));
        let refusal = tokio::spawn(until_too_old(versions, stop.clone()));
        workers.run(stop).await;
        listening.await?;
        if let Some(gateway) = gateway {
            gateway.await?;
        }
        if let Some(sealing) = sealing {
            sealing.await?;
        }
        app.stores.ledger.close().await;
        info!("Stopped");
        refusal.await?
    });
    Ok(Service { stores, gateway: gateway_address, task })
}

/// Stops the service where a newer program has begun to write what this one cannot read, and says so.
async fn until_too_old(versions: Arc<VersionedLedger>, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        refusal = versions.too_old() => {
            error!("Stopping: {refusal}");
            stop.cancel();
            Err(refusal.into())
        }
        () = stop.cancelled() => Ok(()),
    }
}

/// The gateway, before it starts serving.
struct BoundGateway {
    listener: TcpListener,
    address: SocketAddr,
    gateway: Gateway,
    tls: Option<TlsAcceptor>,
}

impl BoundGateway {
    async fn open(settings: &config::Gateway, app: &App, stop: CancellationToken) -> anyhow::Result<Self> {
        let tls = match &settings.tls {
            Some(config::GatewayTls { certificate, key }) => {
                let file = certificate.display();
                let chain = std::fs::read(certificate).with_context(|| format!("gateway.tls_cert_file {file}"))?;
                let acceptor = gateway::acceptor(&chain, key.reveal().as_bytes());
                Some(acceptor.map_err(|wrong| anyhow::anyhow!("gateway.tls_cert_file {file}: {wrong}"))?)
            }
            None => None,
        };
        let wanted = settings.listen;
        let listener = TcpListener::bind(wanted)
            .await
            .with_context(|| format!("the gateway cannot listen on {wanted}. Is another service running there?"))?;
        let address = listener.local_addr()?;
        let gateway = Gateway {
            journal: app.stores.journal.clone(),
            tokens: Arc::clone(&app.stores.tokens),
            accept: match settings.accept {
                config::Accept::Known => Accept::Known,
                config::Accept::Any => Accept::Any,
            },
            limits: gateway::Limits::default(),
            instance: app.stores.clock.event_id(),
            stop,
        };
        info!(%address, tls = tls.is_some(), "The gateway serves at esdb://{address}");
        Ok(Self { listener, address, gateway, tls })
    }

    async fn serve(self) {
        gateway::serve(self.listener, self.gateway, self.tls).await;
    }
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
        audit: app.stores.audit.clone(),
        read_models: Arc::clone(&app.stores.models),
        projector: app.stores.projector.clone(),
        calendars: Arc::clone(&app.calendars),
        routing: Arc::clone(&app.routing),
        tokens: Arc::clone(&app.stores.tokens),
        uschedule: verifiers,
        gcal: Some(Arc::new(PushReader)),
        limits,
        publishing: None,
        current_failures: app.current_failures.clone(),
        writer: Arc::new(move || ledger.failing()),
    }
}
