//! The HTTP listener: connections with limits, and a graceful shutdown.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use super::Limits;

/// Maximum size of request headers in bytes, and maximum number of headers.
const HEADER_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// Pause after `accept` failed, for example because no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `shutdown` completes; then accepts no more connections and lets running requests finish.
///
/// HTTP/1.1 only, with plain hyper: a builder that detects the version waits for the first bytes without a time limit, so a
/// silent client could hold its connection for ever.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()> + Send) {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut http = Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &room) => accepted,
        };
        if let Some((stream, permit)) = accepted {
            let (http, service, stop) = (http.clone(), TowerToHyperService::new(router.clone()), stop.clone());
            tracker.spawn(async move {
                let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stop.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                if let Err(error) = ended {
                    debug!(%error, "A connection ended early");
                }
                drop(permit);
            });
        }
    }
    drop(listener);
    stop.cancel();
    tracker.close();
    if timeout(limits.end_time, tracker.wait()).await.is_err() {
        warn!("Requests still running after {} s were aborted", limits.end_time.as_secs());
    }
    info!("No longer accepting requests");
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "Cannot set TCP_NODELAY on a connection");
            }
            Some((stream, permit))
        }
        Err(error) => {
            warn!(%error, "Cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
