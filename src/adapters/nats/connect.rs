//! Connects to NATS: addresses, credentials, certificates.

use std::{sync::Arc, time::Duration};

use async_nats::{
    ConnectOptions, Event,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, pem::PemObject as _},
    },
};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Access, Nats, Settings};

/// Time limit for a connection attempt.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest delay between connection attempts, in milliseconds.
const PAUSE_MS_MAX: u64 = 2_000;
/// Messages queued for the connection; more wait.
const QUEUED_MAX: usize = 4_096;

impl Nats {
    /// Keeps a connection, as soon as the server is available.
    ///
    /// # Errors
    /// Invalid settings. An unavailable server is no error.
    pub async fn connect(settings: Settings) -> Result<Self, String> {
        let (lost, watch) = watch::channel(0);
        let options = options(&settings, lost)?.retry_on_initial_connect();
        Self::with(options, settings, watch).await
    }

    /// Connects once, for a command that waits for it.
    ///
    /// # Errors
    /// A message.
    pub async fn connect_now(settings: Settings) -> Result<Self, String> {
        let (lost, watch) = watch::channel(0);
        let options = options(&settings, lost)?;
        Self::with(options, settings, watch).await
    }

    async fn with(options: ConnectOptions, settings: Settings, lost: watch::Receiver<u64>) -> Result<Self, String> {
        let servers: Vec<&str> = settings.servers.split(',').map(str::trim).collect();
        let client = options.connect(servers).await.map_err(|error| {
            // The library's own message says less than its cause.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{} cannot be reached: {error}{cause}", settings.servers)
        })?;
        Ok(Self::of(client, settings, lost))
    }
}

fn options(settings: &Settings, lost: watch::Sender<u64>) -> Result<ConnectOptions, String> {
    let options = ConnectOptions::new()
        .name("syncledger")
        .tls_client_config(trust(settings.authorities.as_deref())?)
        .connection_timeout(CONNECT_WITHIN)
        .client_capacity(QUEUED_MAX)
        .reconnect_delay_callback(|attempt| {
            let exponent = u32::try_from(attempt).unwrap_or(u32::MAX).min(6);
            Duration::from_millis((50 << exponent).min(PAUSE_MS_MAX))
        })
        .event_callback(move |event| {
            if matches!(event, Event::Disconnected) {
                lost.send_modify(|times| *times += 1);
            }
            log_event(&event);
            std::future::ready(())
        });
    Ok(match &settings.access {
        Access::Open => options,
        Access::Password(user, password) => options.user_and_password(user.clone(), password.to_string()),
        Access::Token(token) => options.token(token.to_string()),
        Access::Nkey(seed) => options.nkey(seed.to_string()),
        Access::Credentials(text) => options
            .credentials(text)
            .map_err(|error| format!("nats.credentials_file does not contain a user's JWT and seed: {error}"))?,
    })
}

/// Trusted certificates. Set explicitly, with our own crypto provider: the process-wide one belongs to another library.
fn trust(authorities: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| format!("nats.ca_file cannot be read: {error}"))?;
                roots.add(certificate).map_err(|error| format!("nats.ca_file: {error}"))?;
            }
            if roots.is_empty() {
                return Err("nats.ca_file contains no certificate: it must be PEM text".to_owned());
            }
        }
        // Having none only matters for a server with TLS, which then fails with a message.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn log_event(event: &Event) {
    match event {
        Event::Connected => info!("NATS: connected"),
        Event::Disconnected => warn!("NATS: connection lost; reconnecting"),
        Event::ClientError(error) => warn!(%error, "NATS: {error}"),
        Event::ServerError(error) => warn!(%error, "NATS: the server says: {error}"),
        other => info!("NATS: {other}"),
    }
}
