//! `serve`: runs the service until it is told to stop.

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{CliError, Session};
use crate::{app::logging, serve};

pub(super) async fn run(session: &Session) -> Result<(), CliError> {
    logging::start(&session.config.logging).map_err(CliError::usage)?;
    let address = session.config.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| CliError::usage(format!("cannot listen on {address}: {e}. Is another service running there?")))?;
    let stop = CancellationToken::new();
    let service = serve::start(&session.config, listener, stop.clone()).await?;
    told_to_stop(stop).await;
    service.task.await.map_err(|e| CliError::refused(format!("the service crashed: {e}")))??;
    Ok(())
}

/// Returns on SIGINT, SIGTERM, or when `stop` is cancelled.
pub(super) async fn told_to_stop(stop: CancellationToken) {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
        () = stop.cancelled() => return,
    }
    info!("Stopping");
    stop.cancel();
}
