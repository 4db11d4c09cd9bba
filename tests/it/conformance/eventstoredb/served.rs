//! A server for the adapter: our gateway, on a thread of its own, over a ledger that outlives it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use syncledger::{
    adapters::{
        eventstoredb::{EventStoreDbLedger, OpenFailure, Options},
        memory::{MemoryTokens, MemoryVault},
        system::SystemClock,
    },
    gateway::{self, Gateway, Limits, TlsAcceptor},
    ports::{clock::Clock as _, tokens::Role},
    services::{external_events::Accept, journal::Journal, operators::tokens},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

use super::super::event_store::Store;

/// A gateway that can be killed and started again at the same address.
pub struct Served {
    gateway: Gateway,
    tls: Option<TlsAcceptor>,
    pub address: SocketAddr,
    secret: String,
    runtime: Option<Runtime>,
}

impl Served {
    pub async fn start(store: Store) -> Self {
        Self::with(store, None).await
    }

    pub async fn with(store: Store, tls: Option<TlsAcceptor>) -> Self {
        let clock = Arc::new(SystemClock::new());
        let tokens = Arc::new(MemoryTokens::new());
        let (_, secret) = tokens::create(&*tokens, &*clock, Role::Admin).await.unwrap();
        let vault = Arc::new(MemoryVault::new(Arc::<SystemClock>::clone(&clock)));
        let gateway = Gateway {
            instance: clock.event_id(),
            journal: Journal::new(store, vault, clock),
            tokens,
            accept: Accept::Any,
            limits: Limits::default(),
            stop: CancellationToken::new(),
        };
        let secret = secret.reveal().to_owned();
        let mut served = Self { gateway, tls, address: ([127, 0, 0, 1], 0).into(), secret, runtime: None };
        served.restart().await;
        served
    }

    /// Begins to serve, at the address of before if there is one.
    pub async fn restart(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = self.address;
        let listener = runtime.spawn(async move { TcpListener::bind(address).await }).await.unwrap().unwrap();
        self.address = listener.local_addr().unwrap();
        runtime.spawn(gateway::serve(listener, self.gateway.clone(), self.tls.clone()));
        self.runtime = Some(runtime);
    }

    /// Ends it as a power cut does: connections are gone, and nobody was told.
    pub async fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Blocks until nothing of it runs any more, its socket included.
            tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10))).await.unwrap();
        }
    }

    /// Ends it in peace: calls are ended, then connections.
    pub async fn stop(mut self) {
        self.gateway.stop.cancel();
        self.kill().await;
    }

    pub fn options(&self, settings: &str) -> Options {
        let tls = if self.tls.is_some() { "" } else { "tls=false&" };
        Options { url: format!("esdb://any@{}?{tls}{settings}", self.address), password: Some(self.secret.clone()) }
    }

    pub async fn open(&self) -> EventStoreDbLedger {
        self.try_open("").await.unwrap()
    }

    pub async fn try_open(&self, settings: &str) -> Result<EventStoreDbLedger, OpenFailure> {
        EventStoreDbLedger::open(&self.options(settings)).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
