//! Serves a model on a local socket, and really sends its notifications.
//!
//! Under `/_sandbox/` another process drives it: `POST|GET|DELETE faults` (a [`Rule`] as JSON), `GET|DELETE calls` (as
//! JSON lines), `POST sync-tokens/expire`, and each model's own control calls. These are not affected by faults and not
//! logged.

use std::{
    io,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, State},
    http::{Method, StatusCode, Uri},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinHandle};

use super::{
    faults::Rule,
    model::{Outcome, Shared},
    socket::{CutSwitch, CuttableListener},
    target::Target,
};
use crate::ports::{
    clock::Clock,
    transport::{BODY_BYTES_MAX, Request, Response, Transport},
};

/// How often a server looks for notifications that have become due with time.
const DELIVERY_PAUSE: Duration = Duration::from_millis(20);
/// How long a receiver of notifications may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before a broken answer breaks off, so that what came before it gets out.
const BREAK_PAUSE: Duration = Duration::from_millis(5);

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens: `http://127.0.0.1:PORT`, without a slash at the end.
    pub base_url: String,
    stopped: Arc<AtomicBool>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Running {
    fn drop(&mut self) {
        // Connections that are open outlive the listener; they find the server stopped.
        self.stopped.store(true, Ordering::SeqCst);
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Clone)]
struct ServerState {
    base_url: String,
    model: Shared,
    clock: Arc<dyn Clock>,
    changed: Arc<Notify>,
    stopped: Arc<AtomicBool>,
}

/// Puts `model` behind a free port on loopback. Its notifications go out over `transport`.
///
/// # Errors
/// When no port can be bound.
pub async fn start(model: Shared, clock: Arc<dyn Clock>, transport: Arc<dyn Transport>) -> io::Result<Running> {
    let (listener, address) = CuttableListener::bind().await?;
    let base_url = format!("http://{address}");
    let stand =
        ServerState { base_url: base_url.clone(), model, clock, changed: Arc::default(), stopped: Arc::default() };
    let stopped = stand.stopped.clone();
    let router = Router::new().fallback(answer).with_state(stand.clone());
    let service = router.into_make_service_with_connect_info::<CutSwitch>();
    let serving = tokio::spawn(async move {
        // Never returns: accept errors are retried inside.
        drop(axum::serve(listener, service).await);
    });
    let delivering = tokio::spawn(async move { deliver(stand, transport).await });
    Ok(Running { base_url, stopped, tasks: [serving, delivering] })
}

/// Sends notifications as they become due, one after the other.
async fn deliver(stand: ServerState, transport: Arc<dyn Transport>) {
    loop {
        let now = stand.clock.now();
        let due = stand.model.lock().unwrap_or_else(PoisonError::into_inner).take_deliveries(now);
        for delivery in due {
            let answer = transport.send(delivery.request.clone(), DELIVERY_TIMEOUT).await;
            let status = answer.ok().map(|response| response.status);
            let now = stand.clock.now();
            stand.model.lock().unwrap_or_else(PoisonError::into_inner).delivered(&delivery, status, now);
        }
        // Woken by a call, or by the pause: other notifications become due with time alone.
        drop(tokio::time::timeout(DELIVERY_PAUSE, stand.changed.notified()).await);
    }
}

async fn answer(
    State(stand): State<ServerState>,
    ConnectInfo(cut_switch): ConnectInfo<CutSwitch>,
    request: axum::extract::Request,
) -> axum::response::Response {
    if stand.stopped.load(Ordering::SeqCst) {
        cut_switch.cut();
        return status_only(503);
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else { return status_only(413) };
    let Some(method) = method_name(&head.method) else { return status_only(405) };
    let request = to_request(&stand.base_url, method, &head.uri, &head.headers, &body);
    let now = stand.clock.now();
    if head.uri.path().starts_with("/_sandbox/") {
        let response = control(&stand, &request);
        stand.changed.notify_one();
        return to_axum(response);
    }
    let outcome = stand.model.lock().unwrap_or_else(PoisonError::into_inner).handle(&request, now);
    stand.changed.notify_one();
    match outcome {
        Outcome::Answer { response, after } => {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            to_axum(response)
        }
        Outcome::Lost { partial: Some(partial), .. } => broken(partial),
        Outcome::Lost { partial: None, .. } | Outcome::Unreachable => {
            cut_switch.cut();
            status_only(500)
        }
    }
}

fn method_name(method: &Method) -> Option<&'static str> {
    ["GET", "POST", "PATCH", "PUT", "DELETE"].into_iter().find(|name| *name == method.as_str())
}

fn to_request(base: &str, method: &'static str, uri: &Uri, headers: &axum::http::HeaderMap, body: &Bytes) -> Request {
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Request {
        method,
        url: format!("{base}{path}"),
        headers: headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.to_vec(),
    }
}

fn control(stand: &ServerState, request: &Request) -> Response {
    let Some(target) = Target::of(&request.url) else { return Response::empty(400) };
    let body = match serde_json::from_slice(&request.body) {
        Ok(body) => body,
        Err(_) if request.body.is_empty() => Value::Null,
        Err(error) => return Response::json(400, &json!({"error": error.to_string()})),
    };
    let now = stand.clock.now();
    let mut model = stand.model.lock().unwrap_or_else(PoisonError::into_inner);
    match (request.method, target.parts().as_slice()) {
        ("POST", ["_sandbox", "faults"]) => match serde_json::from_value::<Rule>(body) {
            Ok(rule) => {
                model.desk().faults.arm(rule);
                Response::empty(204)
            }
            Err(error) => Response::json(400, &json!({"error": error.to_string()})),
        },
        ("GET", ["_sandbox", "faults"]) => {
            let faults = &model.desk().faults;
            Response::json(200, &json!({"armed": faults.armed(), "struck": faults.struck()}))
        }
        ("DELETE", ["_sandbox", "faults"]) => {
            model.desk().faults.clear();
            Response::empty(204)
        }
        ("GET", ["_sandbox", "calls"]) => Response {
            status: 200,
            headers: vec![("content-type".into(), "application/jsonl".into())],
            body: model.desk().calls.to_jsonl().into_bytes(),
        },
        ("DELETE", ["_sandbox", "calls"]) => {
            model.desk().calls.take();
            Response::empty(204)
        }
        ("POST", ["_sandbox", "sync-tokens", "expire"]) => {
            model.expire_sync_tokens();
            Response::empty(204)
        }
        (method, _) => model.control(method, &target, &body, now).unwrap_or_else(|| Response::empty(404)),
    }
}

fn status_only(status: u16) -> axum::response::Response {
    to_axum(Response::empty(status))
}

fn to_axum(response: Response) -> axum::response::Response {
    with_body(response.status, response.headers, Body::from(response.body))
}

/// An answer that promises more than it gives.
fn broken(partial: Response) -> axum::response::Response {
    let first = Ok::<_, io::Error>(Bytes::from(partial.body));
    let steps = stream::unfold(Some(first), |step| async move {
        match step {
            Some(Ok(bytes)) => Some((Ok(bytes), Some(Err(io::ErrorKind::ConnectionReset.into())))),
            Some(Err(error)) => {
                tokio::time::sleep(BREAK_PAUSE).await;
                Some((Err(error), None))
            }
            None => None,
        }
    });
    with_body(partial.status, partial.headers, Body::from_stream(steps))
}

fn with_body(status: u16, headers: Vec<(String, String)>, body: Body) -> axum::response::Response {
    let mut response = axum::response::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        let name = axum::http::HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, axum::http::HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
