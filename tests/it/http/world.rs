//! The API over memory, a clock that stands still, and a token for every role.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use syncledger::{
    adapters::{
        google::push::PushReader,
        memory::{
            MemoryCheckpointArchive, MemoryLedger, MemoryProjections, MemorySigningKeys, MemoryTokens, MemoryVault,
            VirtualClock,
        },
        uschedule::{Secret, Verifier},
    },
    domain::{
        event::Event,
        ids::{CalendarKey, ConnectionId, ProfileId, RemoteCalendarId, ResourceId, SourceName},
    },
    http::{Api, Limits, auth::ROLES, router},
    ports::{
        event_store::{EventStore as _, ExpectedVersion},
        projection_store::ProjectionStore,
        tokens::Role,
    },
    record::{
        envelope::{Actor, Origin},
        stream::StreamName,
    },
    services::{
        audit::Audit,
        current_failures::CurrentFailures,
        journal::{Context, Journal},
        models::project::Projector,
        operators::tokens,
        sync::{
            calendars::Calendars,
            routing::{Route, Routing},
        },
    },
};
use tower::ServiceExt as _;

pub const WEBHOOK_SECRET: &str = "a webhook's secret";

pub struct World {
    pub clock: Arc<VirtualClock>,
    pub ledger: Arc<MemoryLedger>,
    pub vault: Arc<MemoryVault>,
    pub tokens: Arc<MemoryTokens>,
    pub journal: Journal,
    pub projector: Projector,
    pub api: Api,
    pub router: Router,
    pub secrets: BTreeMap<&'static str, String>,
}

/// An answer, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["correlation"], self.header("x-request-id"), "{problem}");
        problem
    }
}

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("in range")
}

pub fn bay1() -> CalendarKey {
    CalendarKey {
        connection: ConnectionId::new("loft-bot").expect("plain"),
        calendar: RemoteCalendarId::new("bay1@group.calendar.google.com"),
    }
}

pub fn role_name(role: Role) -> &'static str {
    syncledger::http::auth::name(role)
}

impl World {
    pub async fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(1, now()));
        let ledger = Arc::new(MemoryLedger::new());
        let vault = Arc::new(MemoryVault::new(clock.clone()));
        let tokens = Arc::new(MemoryTokens::new());
        let models = Arc::new(MemoryProjections::default());
        models.prepare(now()).await.expect("memory");
        let journal = Journal::new(ledger.clone(), vault.clone(), clock.clone());
        let projector = Projector::new(ledger.clone(), models.clone(), clock.clone());
        let route = Route {
            resource: ResourceId::new("bay-1").expect("plain"),
            calendar: bay1(),
            profile: ProfileId::new("resource-mirror").expect("plain"),
        };
        let source = SourceName::new("uschedule").expect("plain");
        let api = Api {
            workspace: "loft".into(),
            journal: journal.clone(),
            audit: Audit::new(
                "loft",
                journal.clone(),
                Arc::new(MemorySigningKeys::new("loft", clock.clone())),
                Arc::new(MemoryCheckpointArchive::default()),
            ),
            read_models: models,
            projector: projector.clone(),
            calendars: Arc::new(Calendars::default()),
            publishing: None,
            routing: Arc::new(Routing { routes: vec![route], ..Routing::default() }),
            tokens: tokens.clone(),
            uschedule: vec![Arc::new(Verifier::new(source, vec![Secret::new(WEBHOOK_SECRET)]))],
            gcal: Some(Arc::new(PushReader)),
            limits: Limits::default(),
            current_failures: CurrentFailures::default(),
            writer: Arc::new(|| None),
        };
        let mut secrets = BTreeMap::new();
        for role in ROLES {
            let (_, secret) = tokens::create(&*tokens, &*clock, role).await.expect("memory");
            secrets.insert(role_name(role), secret.reveal().to_owned());
        }
        let router = router(api.clone());
        Self { clock, ledger, vault, tokens, journal, projector, api, router, secrets }
    }

    pub async fn send(&self, request: Request<Body>) -> Said {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.expect("memory");
        Said { status, headers, text: String::from_utf8(bytes.to_vec()).expect("UTF-8") }
    }

    /// Sends JSON as that role; no role: no token.
    pub async fn ask(&self, method: &str, path: &str, role: &str, body: Option<&Value>) -> Said {
        self.ask_with(method, path, role, body, &[]).await
    }

    pub async fn ask_with(
        &self,
        method: &str,
        path: &str,
        role: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Said {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(secret) = self.secrets.get(role) {
            request = request.header("authorization", format!("Bearer {secret}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.expect("a request")).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let said = self.ask("GET", path, "admin", None).await;
        assert_eq!(said.status, 200, "{path}: {said:?}");
        said.json()
    }

    /// Brings the read models up to the end.
    pub async fn project(&self) {
        self.projector.catch_up(1_000).await.expect("memory");
    }

    pub async fn record(&self, stream: &StreamName, facts: Vec<Event>) {
        let context = Context::root(Actor::new("source", "test"), Origin::Poll, self.journal.clock().event_id());
        self.journal.append(stream, ExpectedVersion::Any, facts, &context).await.expect("memory");
    }

    pub async fn end(&self) -> u64 {
        self.ledger.end().await.expect("memory").0
    }

    /// The types of the events of a stream.
    pub async fn kinds(&self, stream: &StreamName) -> Vec<String> {
        let page = self.ledger.read_stream(stream, syncledger::domain::ids::Version(0), 1_000).await.expect("memory");
        page.into_iter().map(|recorded| recorded.event.kind).collect()
    }
}
