//! The real transport: what it concludes from a network that misbehaves.

use std::time::Duration;

use syncledger::{
    adapters::system::HttpTransport,
    ports::transport::{BODY_BYTES_MAX, Failure, Request, Response, Transport as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::processes::start;
use crate::support::patience::soon;

const ROLE: &str = "SYNCLEDGER_TEST_TRANSPORT";
const LONG: Duration = Duration::from_secs(20);

/// Takes one connection, reads the head of a request, answers `answer` and closes.
async fn server(answer: Vec<u8>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let head = head_of(&mut socket).await;
        // The caller may have closed already, which is its right.
        socket.write_all(&answer).await.ok();
        socket.shutdown().await.ok();
        head
    });
    (url, heard)
}

async fn head_of(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let read = socket.read(&mut part).await.unwrap();
        assert!(read > 0, "the request ended early");
        head.extend_from_slice(&part[..read]);
    }
    String::from_utf8(head).unwrap()
}

async fn send(request: Request, timeout: Duration) -> Result<Response, Failure> {
    HttpTransport::new().unwrap().send(request, timeout).await
}

#[tokio::test]
async fn any_status_is_an_answer_and_no_redirect_is_followed() {
    let answer = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nX-Thing: A\r\nContent-Length: 4\r\n\r\nbody".to_vec();
    let (url, heard) = server(answer).await;
    let request =
        Request::new("PATCH", format!("{url}/a?b=%20c")).header("If-Match", "\"e1\"").json(&serde_json::json!({}));
    let answer = send(request, LONG).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (302, b"body".as_slice()));
    assert_eq!((answer.header_value("location"), answer.header_value("x-thing")), (Some("/elsewhere"), Some("A")));
    let head = heard.await.unwrap().to_lowercase();
    assert!(head.starts_with("patch /a?b=%20c http/1.1\r\n"), "{head}");
    assert!(head.contains("if-match: \"e1\"") && head.contains("content-type: application/json"), "{head}");
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (plain, _heard) = {
        // Speaks no TLS: the handshake fails before any request.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        });
        (url, heard)
    };
    for url in [format!("http://{address}/"), "http://nowhere.invalid/".to_owned(), plain, "no url".to_owned()] {
        let failure = send(Request::new("POST", url.clone()), LONG).await.unwrap_err();
        assert!(matches!(failure, Failure::NotSent(_)), "{url}: {failure:?}");
    }
}

#[tokio::test]
async fn after_sending_nobody_knows() {
    let truncated = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    for answer in [Vec::new(), b"HTTP/1.1 2".to_vec(), b"nonsense\r\n\r\n".to_vec(), truncated] {
        let (url, heard) = server(answer.clone()).await;
        let failure = send(Request::new("POST", format!("{url}/?token=hush")), LONG).await.unwrap_err();
        let Failure::NoAnswer(told) = &failure else { panic!("{answer:?} gave {failure:?}") };
        assert!(!told.contains("hush"), "{told}");
        heard.await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        head_of(&mut socket).await;
        std::future::pending::<()>().await;
    });
    let given_up = send(Request::new("POST", url), Duration::from_millis(200));
    let failure = soon(given_up).await.unwrap_err();
    assert!(matches!(failure, Failure::NoAnswer(_)), "{failure:?}");
    silent.abort();
}

#[tokio::test]
async fn a_body_has_a_limit() {
    for (extra, fits) in [(0, true), (1, false)] {
        let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        answer.resize(answer.len() + BODY_BYTES_MAX + extra, b'x');
        let (url, _heard) = server(answer).await;
        let answer = send(Request::new("GET", url), LONG).await;
        match (fits, answer) {
            (true, Ok(answer)) => assert_eq!(answer.body.len(), BODY_BYTES_MAX),
            (false, Err(Failure::NoAnswer(_))) => {}
            (_, other) => panic!("{extra} bytes too many gave {:?}", other.map(|answer| answer.body.len())),
        }
    }
}

/// Sends through whatever proxy and certificates its environment names. As part of the suite, it only sets up a client.
#[tokio::test]
async fn helper() {
    match std::env::var(ROLE).as_deref() {
        Ok("proxied") => {
            let answer = send(Request::new("GET", "http://calendar.invalid/x"), LONG).await.unwrap();
            assert_eq!(answer.status, 204);
        }
        Ok("no certificates") => assert!(HttpTransport::new().is_err()),
        _ => assert!(HttpTransport::new().is_ok()),
    }
}

#[tokio::test]
async fn the_environments_proxy_is_used() {
    let (url, heard) = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let settings = [(ROLE, "proxied"), ("HTTP_PROXY", &url), ("http_proxy", &url), ("NO_PROXY", ""), ("no_proxy", "")];
    let mut helper = start("conformance::http::helper", &settings);
    assert!(tokio::task::spawn_blocking(move || helper.wait().unwrap().success()).await.unwrap());
    assert!(heard.await.unwrap().starts_with("GET http://calendar.invalid/x HTTP/1.1\r\n"));
}

#[tokio::test]
async fn the_environments_certificates_are_used() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let path = empty.path().to_str().unwrap();
    // The directory wins nothing here: it is empty as well.
    let folder = tempfile::tempdir().unwrap();
    let settings =
        [(ROLE, "no certificates"), ("SSL_CERT_FILE", path), ("SSL_CERT_DIR", folder.path().to_str().unwrap())];
    assert!(start("conformance::http::helper", &settings).wait().unwrap().success());
}
