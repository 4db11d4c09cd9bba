//! The gateway's listener: connections with limits, optional TLS, and a graceful shutdown.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, stream};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, Server};
use tracing::{debug, info, warn};

use super::{
    Gateway, Service,
    limits::Limits,
    wire::{
        gossip::gossip_server::GossipServer, server_features::server_features_server::ServerFeaturesServer,
        streams::streams_server::StreamsServer,
    },
};
use crate::ledger::append::APPEND_BYTES_MAX;

/// The HTTP/2 connection preface (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Pause after `accept` failed, for example because no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Maximum size of a message: a whole append and its framing.
const MESSAGE_BYTES_MAX: usize = APPEND_BYTES_MAX + 1024 * 1024;
/// Maximum size of a call's headers, in bytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Serves on `listener` until the gateway is stopped; then accepts no more connections, ends subscriptions with an
/// error, and lets other calls finish.
pub async fn serve(listener: TcpListener, gateway: Gateway, tls: Option<TlsAcceptor>) {
    let limits = gateway.limits;
    let stop = gateway.stop.clone();
    let service: Service = Arc::new(gateway);
    let streams = StreamsServer::from_arc(Arc::new(service.clone())).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (connections, accepting) = incoming(listener, tls, limits, stop.clone());
    let server = Server::builder()
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(limits.keepalive))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(limits.streams)
        .add_service(streams)
        .add_service(ServerFeaturesServer::from_arc(Arc::new(service.clone())))
        .add_service(GossipServer::from_arc(Arc::new(service)))
        .serve_with_incoming_shutdown(connections, stop.cancelled());
    let ended = tokio::select! {
        ended = server => ended,
        () = async { stop.cancelled().await; tokio::time::sleep(limits.end_time).await } => {
            warn!("Gateway calls still running after {} s were aborted", limits.end_time.as_secs());
            Ok(())
        }
    };
    // The address is free once this returns.
    drop(accepting.await);
    match ended {
        Ok(()) => info!("The gateway no longer accepts calls"),
        Err(error) => warn!(%error, "The gateway stopped with an error"),
    }
}

/// Connections after their handshake. A slow one does not delay others.
fn incoming(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    stop: CancellationToken,
) -> (impl Stream<Item = io::Result<Connection>>, JoinHandle<()>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let accepting = tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(limits.connections));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &room) => accepted,
                () = stop.cancelled() => return,
                () = sender.closed() => return,
            };
            let Some((stream, permit)) = accepted else { continue };
            let (tls, sender) = (tls.clone(), sender.clone());
            tokio::spawn(async move {
                match timeout(limits.greeting_time, greet(stream, permit, tls)).await {
                    // A gateway that has stopped meanwhile needs no connection.
                    Ok(Ok(connection)) => drop(sender.send(Ok(connection)).await),
                    Ok(Err(error)) => debug!(%error, "A connection failed"),
                    Err(_) => debug!("A connection timed out during its handshake"),
                }
            });
        }
    });
    (stream::poll_fn(move |context| receiver.poll_recv(context)), accepting)
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Otherwise a response waits for the client's acknowledgement of the previous one: 40 ms each.
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

/// Does the TLS handshake and reads the HTTP/2 preface: the server behind would wait for that without a time limit.
async fn greet(stream: TcpStream, permit: OwnedSemaphorePermit, tls: Option<TlsAcceptor>) -> io::Result<Connection> {
    let local = LocalAddress(stream.local_addr().ok());
    let mut stream: Box<dyn Duplex> = match tls {
        Some(tls) => Box::new(tls.accept(stream).await?),
        None => Box::new(stream),
    };
    let mut head = [0; PREFACE.len()];
    stream.read_exact(&mut head).await?;
    if head != *PREFACE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak HTTP/2"));
    }
    Ok(Connection { unread: PREFACE, stream, local, _permit: permit })
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Address of a connection's client.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalAddress(pub(super) Option<SocketAddr>);

/// A connection after its handshake; replays the preface that was read.
struct Connection {
    unread: &'static [u8],
    stream: Box<dyn Duplex>,
    local: LocalAddress,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = LocalAddress;
    fn connect_info(&self) -> LocalAddress {
        self.local
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(into.remaining()));
        into.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
