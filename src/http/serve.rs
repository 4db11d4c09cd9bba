//! The listening socket: connections with limits, and an orderly end.

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

/// The most bytes of a request's headers, and the most headers.
const HEADER_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// The pause after a connection could not be taken (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `shutdown` is done; then takes no more connections and lets requests under way end.
///
/// HTTP/1.1 only, straight from hyper: a builder that finds out the version by itself waits for the first bytes without any
/// limit of time, which is how a silent client would keep its place for ever.
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
        warn!("Requests were still under way after {} s; they are cut off", limits.end_time.as_secs());
    }
    info!("No more requests are taken");
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "A connection cannot be told not to wait for more bytes");
            }
            Some((stream, permit))
        }
        Err(error) => {
            warn!(%error, "A connection could not be taken");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
