//! The network as seen by the adapters: every call is an effect and is checked against the ledger before it is sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    call_rules::CallRules,
    observations::SharedObservations,
    people::text,
    plan::Fault,
    turn::effect,
    world::{self, GOOGLE_HOST, SOURCE_HOST, World, lock},
};
use crate::{
    adapters::{
        memory::clock::VirtualClock,
        sandbox::{google::Google, target::Target, uschedule::USchedule, wire::DirectTransport},
    },
    domain::ids::{BookingId, Position},
    ports::{
        clock::Clock,
        event_store::EventStore,
        transport::{Failure, Request, Response, Transport},
    },
    services::journal::Journal,
};

/// A call that writes to the provider or the source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Create { calendar: String, entry: String },
    Update { calendar: String, entry: String },
    Delete { calendar: String, entry: String },
    Watch { channel: String },
    Reschedule { appointment: String, key: String },
    Cancel { appointment: String, key: String },
}

impl Call {
    fn from_request(request: &Request) -> Option<Self> {
        let target = Target::of(&request.url)?;
        let parts = target.parts();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let id = || body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = || request.header_value("idempotency-key").unwrap_or_default().to_owned();
        let own = |text: &&str| (*text).to_owned();
        match (target.host.as_str(), request.method, parts.as_slice()) {
            (GOOGLE_HOST, "POST", ["calendar", "v3", "calendars", calendar, "events"]) => {
                Some(Self::Create { calendar: own(calendar), entry: id() })
            }
            (GOOGLE_HOST, "PATCH" | "PUT", ["calendar", "v3", "calendars", calendar, "events", entry]) => {
                Some(Self::Update { calendar: own(calendar), entry: own(entry) })
            }
            (GOOGLE_HOST, "DELETE", ["calendar", "v3", "calendars", calendar, "events", entry]) => {
                Some(Self::Delete { calendar: own(calendar), entry: own(entry) })
            }
            (GOOGLE_HOST, "POST", ["calendar", "v3", "calendars", _, "events", "watch"]) => {
                Some(Self::Watch { channel: id() })
            }
            (SOURCE_HOST, "PATCH", ["v1", "appointments", appointment]) => {
                Some(Self::Reschedule { appointment: own(appointment), key: key() })
            }
            (SOURCE_HOST, "POST", ["v1", "appointments", appointment, "cancel"]) => {
                Some(Self::Cancel { appointment: own(appointment), key: key() })
            }
            _ => None,
        }
    }

    /// The calendar and the entry of a call that writes an entry.
    fn entry(&self) -> Option<(&str, &str)> {
        match self {
            Self::Create { calendar, entry } | Self::Update { calendar, entry } | Self::Delete { calendar, entry } => {
                Some((calendar, entry))
            }
            Self::Watch { .. } | Self::Reschedule { .. } | Self::Cancel { .. } => None,
        }
    }

    /// The operation and target of the intent in the ledger.
    fn intent(&self) -> (&'static str, &str) {
        match self {
            Self::Create { entry, .. } => ("create", entry),
            Self::Update { entry, .. } => ("update", entry),
            Self::Delete { entry, .. } => ("delete", entry),
            Self::Watch { channel } => ("watch", channel),
            Self::Reschedule { key, .. } => ("write_back_slot", key),
            Self::Cancel { key, .. } => ("write_back_cancel", key),
        }
    }
}

/// How often each intent was recorded in the ledger, and how often it was sent.
#[derive(Debug, Default)]
pub(super) struct Intents {
    next: Position,
    issued: BTreeMap<(String, String), u64>,
    sent: BTreeMap<(String, String), u64>,
}

impl Intents {
    async fn read(&mut self, ledger: &dyn EventStore) {
        for recorded in ledger.read_all(self.next, usize::MAX).await.unwrap_or_default() {
            self.next = recorded.position.next();
            let kind = recorded.event.kind.as_str();
            if !matches!(kind, "link.command_issued" | "calendar.channel_requested") {
                continue;
            }
            let data: Value = serde_json::from_str(&recorded.event.data).unwrap_or(Value::Null);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let command = &data["command"];
            let intent = match kind {
                "calendar.channel_requested" => ("watch".to_owned(), text(&data["channel"])),
                _ if text(&command["op"]).starts_with("write_back") => (text(&command["op"]), text(&command["key"])),
                _ => (text(&command["op"]), text(&command["remote"])),
            };
            *self.issued.entry(intent).or_default() += 1;
        }
    }
}

/// The network of one process.
pub(super) struct Network {
    direct: DirectTransport,
    ledger: Arc<dyn EventStore>,
    journal: Journal,
    google: Arc<Mutex<Google>>,
    uschedule: Arc<Mutex<USchedule>>,
    intents: Arc<futures::lock::Mutex<Intents>>,
    clock: Arc<VirtualClock>,
    observations: SharedObservations,
    call_rules: Mutex<CallRules>,
}

impl Network {
    /// A network that reaches the world's models through `direct`.
    pub fn new(direct: DirectTransport, world: &World) -> Self {
        Self {
            direct,
            ledger: Arc::clone(&world.ledger),
            journal: world.journal(),
            google: Arc::clone(&world.google),
            uschedule: Arc::clone(&world.uschedule),
            intents: Arc::clone(&world.intents),
            clock: Arc::clone(&world.clock),
            observations: world.observations.clone(),
            call_rules: Mutex::default(),
        }
    }

    fn etag(&self, (calendar, entry): (&str, &str)) -> Option<String> {
        let google = lock(&self.google);
        google.entry(calendar, entry)?.get("etag")?.as_str().map(str::to_owned)
    }

    /// Checks I8, I14 and "no cancellation without evidence" before the call is sent.
    async fn check_intent(&self, call: &Call, request: &Request) {
        let mut intents = self.intents.lock().await;
        intents.read(self.ledger.as_ref()).await;
        let (operation, target) = call.intent();
        let intent = (operation.to_owned(), target.to_owned());
        let issued = intents.issued.get(&intent).copied().unwrap_or(0);
        let sent = intents.sent.get(&intent).copied().unwrap_or(0);
        let mut observations = self.observations.lock();
        observations.count("writes_sent");
        if issued == 0 {
            observations
                .add_violation("I8", format!("{operation} of {target} is sent, but the ledger has no intent for it"));
        } else if sent >= issued {
            observations.add_violation(
                "I8",
                format!("{operation} of {target} is sent {} times for {issued} intents", sent + 1),
            );
        }
        if let Some((calendar, entry)) = call.entry()
            && observations.unmanaged.contains_key(&(calendar.to_owned(), entry.to_owned()))
            && !matches!(call, Call::Create { .. })
            && request
                .header_value("if-match")
                .is_none_or(|given| self.etag((calendar, entry)).as_deref() == Some(given))
        {
            observations
                .add_violation("I14", format!("{operation} of {entry}, which we do not manage, would be accepted"));
        }
        if let Call::Cancel { appointment, .. } = call
            && !observations.deleted_by_person.contains(appointment)
        {
            observations.add_violation(
                "evidence",
                format!("{appointment} is cancelled at its source, but nobody removed its entry"),
            );
        }
    }

    /// Counts the fault of a 403, whose reason is in its body only.
    fn count_refusal(&self, answer: &Result<Response, Failure>) {
        let Some(refusal) = answer.as_ref().ok().filter(|response| response.status == 403) else { return };
        let body = String::from_utf8_lossy(&refusal.body);
        let fault = if body.contains("quotaExceeded") { Fault::UsageLocked } else { Fault::RateLimited };
        self.observations.lock().count(fault.name());
    }

    async fn count_sent(&self, call: &Call) {
        let (operation, target) = call.intent();
        let intent = (operation.to_owned(), target.to_owned());
        *self.intents.lock().await.sent.entry(intent).or_default() += 1;
    }

    /// Records the effect of a write: whether it changed an entry, and whether it overwrote a person's version.
    fn observe_entry_write(&self, call: &Call, at: (&str, &str), before: Option<String>) {
        let after = self.etag(at);
        if after == before {
            return;
        }
        let now = self.clock.now();
        let (starts_at, appointment) = {
            let google = lock(&self.google);
            let entry = google.entry(at.0, at.1);
            let starts_at = entry.and_then(|e| e.get("start")?["dateTime"].as_str()?.parse().ok());
            (starts_at, entry.map(|e| text(e, "uscheduleAppointmentId")).unwrap_or_default())
        };
        let far_ahead = starts_at.is_some_and(|at: DateTime<Utc>| at > now + TimeDelta::days(89));
        let mut observations = self.observations.lock();
        observations.count("writes_carried_out");
        *observations.writes.entry(appointment).or_default() += 1;
        if !(matches!(call, Call::Create { .. }) && far_ahead) {
            observations.entry_writes.push((now, format!("{} of {}", call.intent().0, at.1)));
        }
        if let Some(before) = before.filter(|etag| observations.edits.contains_key(etag)) {
            observations.overwritten.push(before);
        }
        if matches!(call, Call::Delete { .. }) {
            observations.deleted_entries.push((at.0.to_owned(), at.1.to_owned()));
        }
    }

    async fn observe_appointment_write(&self, appointment: &str, before: Option<u64>) {
        let revision = |model: &USchedule| model.appointment(appointment).map(|a| a.revision);
        let after = revision(&lock(&self.uschedule));
        if after == before {
            return;
        }
        let id = BookingId::of_source(&world::source_name(), appointment);
        let known = self.journal.booking(&id).await.ok().and_then(|(booking, _)| booking?.source_revision);
        let mut observations = self.observations.lock();
        observations.count("written_back");
        if known < before {
            observations.add_violation(
                "I7",
                format!("{appointment} is overwritten at revision {before:?}, but the ledger has revision {known:?}"),
            );
        }
    }
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response, Failure> {
        self.observations.lock().count("calls");
        lock(&self.call_rules).check_request(&request, self.clock.now(), &mut self.observations.lock());
        let original = request.clone();
        let answer = effect(self.send_checked(request, timeout)).await;
        lock(&self.call_rules).record_pause(&original, &answer, self.clock.now(), &mut self.observations.lock());
        answer
    }
}

impl Network {
    async fn send_checked(&self, request: Request, timeout: Duration) -> Result<Response, Failure> {
        let Some(call) = Call::from_request(&request) else {
            let answer = self.direct.send(request, timeout).await;
            self.count_refusal(&answer);
            return answer;
        };
        self.check_intent(&call, &request).await;
        let entry = call.entry().map(|(calendar, entry)| (calendar.to_owned(), entry.to_owned()));
        let at = entry.as_ref().map(|(calendar, entry)| (calendar.as_str(), entry.as_str()));
        let before = at.and_then(|at| self.etag(at));
        let appointment = match &call {
            Call::Reschedule { appointment, .. } | Call::Cancel { appointment, .. } => Some(appointment.clone()),
            _ => None,
        };
        let revision = appointment.as_ref().and_then(|id| lock(&self.uschedule).appointment(id).map(|a| a.revision));
        let answer = self.direct.send(request, timeout).await;
        self.count_refusal(&answer);
        if !matches!(&answer, Ok(response) if response.status == 401) {
            self.count_sent(&call).await;
        }
        if let Some(at) = at {
            self.observe_entry_write(&call, at, before);
        }
        if let Some(appointment) = appointment {
            self.observe_appointment_write(&appointment, revision).await;
        }
        answer
    }
}
