//! Real connections: those that are slow, too big or broken, and the end of the service.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use syncledger::http::{Api, Limits, router, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::world::World;
use crate::support::patience::{eventually, some_moments, soon};

struct Running {
    world: World,
    at: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel();
    let router = router(Api { limits, ..world.api.clone() });
    let served = tokio::spawn(serve(listener, router, limits, async {
        let _ = stopped.await;
    }));
    Running { world, at, stop: Some(stop), served }
}

fn quick() -> Limits {
    let short = Duration::from_millis(300);
    Limits { header_time: short, body_time: short, ..Limits::default() }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.expect("it listens")
    }

    /// Sends bytes and reads until the other side closes.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("it takes them");
        rest(&mut stream).await
    }

    fn head(&self, more: &str) -> String {
        let secret = &self.world.secrets["operator"];
        format!(
            "POST /api/v1/bookings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n\
             content-type: application/json\r\n{more}\r\n"
        )
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset after the answer is an end like any other.
    let _ = soon(stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_request_over_a_socket_is_answered() {
    let running = start(Limits::default()).await;
    let body = json!({"id": "1", "resource": "bay-1", "slot": {"from": "2026-06-01", "until": "2026-06-02"}, "details": {"title": "予約"}});
    let body = body.to_string();
    let head = running.head(&format!("connection: close\r\ncontent-length: {}\r\n", body.len()));
    let said = running.say(format!("{head}{body}").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 201 "), "{said}");
    assert!(said.contains("予約"));
}

#[tokio::test]
async fn headers_that_never_end_are_not_waited_for() {
    let running = start(quick()).await;
    let mut silent = running.connect().await;
    let mut slow = running.connect().await;
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ").await.expect("it takes them");
    let drip = async {
        // One byte now and then does not keep it open.
        while slow.write_all(b"a").await.is_ok() {
            some_moments(50).await;
        }
    };
    soon(drip).await;
    let said = rest(&mut silent).await;
    assert!(!said.contains("200"), "{said}");
}

#[tokio::test]
async fn bodies_that_never_end_are_not_waited_for() {
    let running = start(quick()).await;
    let head = running.head("content-length: 100\r\n");
    let said = running.say(format!("{head}{{").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("application/problem+json"), "{said}");
    assert_eq!(running.world.end().await, 0);
}

#[tokio::test]
async fn what_is_too_big_or_broken_is_refused() {
    let running = start(Limits::default()).await;
    let announced = running.head("content-length: 99999999999\r\n");
    let said = running.say(announced.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("application/problem+json"), "{said}");
    let chunk = "x".repeat(16 * 1024);
    let chunked =
        format!("{}{}", running.head("transfer-encoding: chunked\r\n"), format!("4000\r\n{chunk}\r\n").repeat(5));
    let said = running.say(chunked.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("application/problem+json"), "{said}");
    let heavy = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-heavy: {}\r\n\r\n", "x".repeat(64 * 1024));
    let said = running.say(heavy.as_bytes()).await;
    assert!(!said.contains(" 200 "), "{said}");
    let many = format!("GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(100));
    let said = running.say(many.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    for broken in ["\u{0}\u{1}\u{2}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET  /health\r\n\r\n"] {
        let said = running.say(broken.as_bytes()).await;
        assert!(!said.contains(" 200 ") && !said.contains("html"), "{broken:?}: {said}");
    }
    // Two lengths in one request are how a request is smuggled past a proxy.
    let two = running.head("content-length: 2\r\ncontent-length: 3\r\n") + "{}";
    assert!(running.say(two.as_bytes()).await.starts_with("HTTP/1.1 400 "));
    assert_eq!(running.world.end().await, 0);
    let said = running.say(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 200 "), "it goes on as before: {said}");
}

#[tokio::test]
async fn the_end_lets_requests_under_way_finish() {
    let mut running = start(Limits::default()).await;
    let body = json!({"id": "1", "resource": "bay-1", "slot": {"from": "2026-06-01", "until": "2026-06-02"}, "details": {"title": "x"}});
    let body = body.to_string();
    let head = running.head(&format!("content-length: {}\r\n", body.len()));
    let mut under_way = running.connect().await;
    under_way.write_all(format!("{head}{}", &body[..10]).as_bytes()).await.expect("it takes them");
    // An answer on another connection: the one before is taken by now.
    running.say(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    running.stop.take().expect("it runs").send(()).expect("it runs");
    let closed = eventually(async || TcpStream::connect(running.at).await.is_err()).await;
    assert!(closed, "nobody new is let in");
    under_way.write_all(&body.as_bytes()[10..]).await.expect("it is still there");
    assert!(rest(&mut under_way).await.starts_with("HTTP/1.1 201 "));
    soon(running.served).await.expect("without a panic");
}
