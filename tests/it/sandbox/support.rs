//! What the sandbox's tests share: a clock that stands still, a receiver of notifications, servers.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use syncledger::{
    adapters::{
        sandbox::{google, server},
        system::http::HttpTransport,
    },
    domain::ids::EventId,
    ports::{
        clock::Clock,
        transport::{Failure, Request, Response, Transport},
    },
};
use tokio::sync::mpsc;

use crate::support::patience::{PATIENCE, soon};

pub const BAY: &str = "bay1@group.calendar.google.com";
pub const EVENTS: &str = "/calendar/v3/calendars/bay1@group.calendar.google.com/events";

/// A clock that moves only when told.
pub struct StillClock(Mutex<DateTime<Utc>>);

impl StillClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-11-20T12:00:00Z".parse().unwrap())))
    }

    pub fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for StillClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    fn event_id(&self) -> EventId {
        unreachable!("the sandbox stores no events")
    }

    fn chance(&self) -> u64 {
        unreachable!("the sandbox leaves nothing to chance")
    }

    fn fill(&self, _bytes: &mut [u8]) {
        unreachable!("the sandbox makes no keys")
    }
}

pub fn http() -> Arc<HttpTransport> {
    Arc::new(HttpTransport::new().unwrap())
}

/// A Google model with one bay, and a token that may do everything there.
pub fn google(clock: &dyn Clock) -> (Arc<Mutex<google::Google>>, String) {
    let mut model = google::Google::new(google::Settings::default());
    model.add_calendar(BAY, "Bay 1", chrono_tz::America::New_York);
    let token = model.access_token(&["https://www.googleapis.com/auth/calendar"], clock.now());
    (Arc::new(Mutex::new(model)), token)
}

/// A body for an entry of one hour.
pub fn entry(id: &str) -> Value {
    serde_json::json!({
        "id": id,
        "start": {"dateTime": "2026-11-23T15:00:00Z"},
        "end": {"dateTime": "2026-11-23T16:00:00Z"},
    })
}

pub async fn send(request: Request) -> Result<Response, Failure> {
    http().send(request, PATIENCE).await
}

/// A control call on a server; gives the status and what was answered.
pub async fn control(server: &server::Running, method: &'static str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let request = Request::new(method, format!("{}/_sandbox/{path}", server.base_url));
    let request = body.map_or(request.clone(), |body| request.json(body));
    let response = send(request).await.unwrap();
    (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
}

/// Something that notifications are sent to, over a real socket.
pub struct Receiver {
    pub url: String,
    arrived: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
}

impl Receiver {
    /// Listens, and answers with these statuses in turn, then 204.
    pub async fn start(statuses: &[u16]) -> Self {
        let (sender, arrived) = mpsc::unbounded_channel();
        let statuses = Arc::new(Mutex::new(statuses.to_vec()));
        let take = move |State(sender): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: Bytes| async move {
            sender.send((headers, body)).unwrap();
            let mut statuses = statuses.lock().unwrap();
            let status = if statuses.is_empty() { 204 } else { statuses.remove(0) };
            StatusCode::from_u16(status).unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", axum::routing::post(take)).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, arrived }
    }

    pub async fn next(&mut self) -> (HeaderMap, Bytes) {
        soon(self.arrived.recv()).await.unwrap()
    }

    /// The next that has arrived already.
    pub fn arrived(&mut self) -> Option<(HeaderMap, Bytes)> {
        self.arrived.try_recv().ok()
    }

    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }
}

/// The repository's `tests/tools`.
pub fn tools() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools")
}

/// A Python with Google's client. A missing one is a failure: what it shows would not be shown.
pub fn python() -> String {
    std::env::var("SYNCLEDGER_TEST_PYTHON")
        .expect("SYNCLEDGER_TEST_PYTHON names a Python with google-api-python-client, google-auth and requests")
}
