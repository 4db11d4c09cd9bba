//! A listener whose connections can be cut, so that a lost response is really lost.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Cuts a connection: nothing more is written to it.
#[derive(Debug, Clone, Default)]
pub(super) struct CutSwitch(Arc<AtomicBool>);

impl CutSwitch {
    pub fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_cut(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// A TCP listener that returns [`CutSwitch`] with each connection.
#[derive(Debug)]
pub(super) struct CuttableListener(TcpListener);

impl CuttableListener {
    /// Binds a free port on loopback.
    pub async fn bind() -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok((Self(listener), address))
    }
}

impl Listener for CuttableListener {
    type Io = Connection;
    type Addr = CutSwitch;

    async fn accept(&mut self) -> (Connection, CutSwitch) {
        let (stream, _) = Listener::accept(&mut self.0).await;
        let cut_switch = CutSwitch::default();
        (Connection { stream, cut_switch: cut_switch.clone() }, cut_switch)
    }

    fn local_addr(&self) -> io::Result<CutSwitch> {
        Ok(CutSwitch::default())
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for CutSwitch {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection that may be cut.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    cut_switch: CutSwitch,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.cut_switch.is_cut()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
