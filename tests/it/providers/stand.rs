//! A model, somebody who calls it, and a clock that both read.

use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use syncledger::{
    adapters::{
        google::{Google, ServiceAccount, Settings},
        memory::VirtualClock,
        sandbox::{
            faults::{Kind, Rule},
            google as model,
            model::{Model as _, Shared},
            server::{self, Running},
            wire::DirectTransport,
        },
        system::HttpTransport,
    },
    domain::{
        entry::{Body, Content, Marker, RemoteEntry},
        failure::{CallFailure, FailureClass},
        ids::{
            BookingId, CalendarKey, ConnectionId, Generation, IdempotencyKey, LinkId, RemoteCalendarId, RemoteId,
            ResourceId, SubjectId,
        },
        personal::Personal,
        slot::Slot,
    },
    ports::{provider::CalendarProvider as _, transport::Transport},
};

use super::requests::assert_as_documented;

pub const BAY: &str = "bay1@group.calendar.google.com";

pub fn start() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// Google's model with one calendar, and our adapter in front of it.
pub struct Stand {
    pub clock: Arc<VirtualClock>,
    model: Arc<Mutex<model::Google>>,
    pub provider: Arc<Google>,
    pub over_http: bool,
    _server: Option<Running>,
}

impl Stand {
    /// Both ways to reach it: in process, and over a socket.
    pub async fn both() -> [Self; 2] {
        [Self::direct(), Self::over_http().await]
    }

    /// In process, at Google's own addresses.
    pub fn direct() -> Self {
        let (clock, model) = parts();
        let shared: Shared = model.clone();
        let wire = DirectTransport::new(clock.clone())
            .with("www.googleapis.com", shared.clone())
            .with("oauth2.googleapis.com", shared);
        let key_file = model::service_account::credentials("https://oauth2.googleapis.com");
        let settings = Settings::google(ServiceAccount::from_json(&key_file.to_string()).unwrap());
        let provider = Arc::new(Google::new(settings, Arc::new(wire), clock.clone()));
        Self { clock, model, provider, over_http: false, _server: None }
    }

    /// Over a socket on loopback.
    pub async fn over_http() -> Self {
        let (clock, model) = parts();
        let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new().unwrap());
        let server = server::start(model.clone(), clock.clone(), transport.clone()).await.unwrap();
        let key_file = model::service_account::credentials(&server.base_url);
        let settings = Settings {
            api_base: format!("{}/calendar/v3/", server.base_url),
            ..Settings::google(ServiceAccount::from_json(&key_file.to_string()).unwrap())
        };
        let provider = Arc::new(Google::new(settings, transport, clock.clone()));
        Self { clock, model, provider, over_http: true, _server: Some(server) }
    }

    /// Another connection to the same model, in process, with a clock of its own.
    pub fn provider_with(&self, account: ServiceAccount, clock: Arc<VirtualClock>) -> Google {
        let shared: Shared = self.model.clone();
        let wire = DirectTransport::new(self.clock.clone())
            .with("www.googleapis.com", shared.clone())
            .with("oauth2.googleapis.com", shared);
        Google::new(Settings::google(account), Arc::new(wire), clock)
    }

    pub fn model(&self) -> MutexGuard<'_, model::Google> {
        self.model.lock().unwrap()
    }

    pub fn arm(&self, rule: Rule) {
        self.model().desk().faults.arm(rule);
    }

    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// The methods, paths and statuses of the calls so far.
    pub fn calls(&self) -> Vec<(String, String, Option<u16>)> {
        let mut model = self.model();
        let calls = model.desk().calls.all();
        calls.map(|c| (c.method.clone(), c.url.split('?').next().unwrap().to_owned(), c.status)).collect()
    }

    /// How many calls went to an address that ends so.
    pub fn calls_to(&self, end: &str) -> usize {
        self.calls().iter().filter(|(_, url, _)| url.ends_with(end)).count()
    }

    /// Creates the entry of [`link`], generation 1.
    pub async fn create(&self) -> Result<RemoteEntry, CallFailure> {
        self.provider.create(&calendar(), &remote(), &marker(), &content(), &key()).await
    }

    /// Ends a test: every request made was one that Google describes.
    pub fn close(&self) {
        let jsonl = self.model().desk().calls.to_jsonl();
        assert_as_documented(&jsonl);
    }
}

fn parts() -> (Arc<VirtualClock>, Arc<Mutex<model::Google>>) {
    let mut google = model::Google::new(model::Settings::default());
    google.add_calendar(BAY, "Bay 1", chrono_tz::America::Chicago);
    (Arc::new(VirtualClock::new(1, start())), Arc::new(Mutex::new(google)))
}

pub fn status(status: u16, reason: &str) -> Kind {
    Kind::Status { status, reason: reason.into(), retry_after_s: None, carried_out: false }
}

pub fn calendar() -> CalendarKey {
    calendar_named(BAY)
}

pub fn calendar_named(id: &str) -> CalendarKey {
    CalendarKey { connection: ConnectionId::new("loft-bot").unwrap(), calendar: RemoteCalendarId::new(id) }
}

pub fn link() -> LinkId {
    LinkId::new("uschedule.1001.0a1b2c3d").unwrap()
}

pub fn remote() -> RemoteId {
    Stand::direct().provider.identity(&link(), Generation(1))
}

pub fn marker() -> Marker {
    Marker {
        link: link(),
        generation: Generation(1),
        booking: BookingId::new("uschedule.1001").unwrap(),
        appointment: "1001".into(),
        resource: ResourceId::new("bay-1").unwrap(),
    }
}

pub fn personal(text: &str) -> Personal {
    Personal::new(SubjectId::new("uschedule.customer.c7").unwrap(), text)
}

/// An hour from three days on.
pub fn content() -> Content {
    let starts_at = start() + TimeDelta::days(3);
    Content {
        slot: Slot::timed(starts_at, starts_at + TimeDelta::hours(1), "America/Chicago").unwrap(),
        title: personal("Bay 1: Ann"),
        description: personal("Left-handed"),
        marked_cancelled: false,
    }
}

pub fn moved(hours: i64) -> Content {
    let starts_at = start() + TimeDelta::days(3) + TimeDelta::hours(hours);
    Content { slot: Slot::timed(starts_at, starts_at + TimeDelta::hours(1), "America/Chicago").unwrap(), ..content() }
}

pub fn key() -> IdempotencyKey {
    IdempotencyKey("uschedule.1001.0a1b2c3d/1".into())
}

pub fn live(entry: &RemoteEntry) -> &Content {
    match &entry.body {
        Body::Live(content) => content,
        other => panic!("not live: {other:?}"),
    }
}

pub fn class<T: std::fmt::Debug>(result: Result<T, CallFailure>) -> FailureClass {
    result.expect_err("it should fail").class
}
