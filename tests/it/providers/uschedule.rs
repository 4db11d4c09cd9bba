//! The booking source against its model: polls, write-back, lost answers, webhooks.

use std::sync::{Arc, Mutex, MutexGuard};

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncledger::{
    adapters::{
        memory::VirtualClock,
        sandbox::{
            faults::{Kind, Rule},
            model::{Model as _, Shared},
            server::{self, Running},
            uschedule as model,
            wire::DirectTransport,
        },
        system::HttpTransport,
        uschedule::{Secret, Settings, USchedule, webhook},
    },
    domain::{
        failure::FailureClass,
        ids::{IdempotencyKey, SourceName},
        slot::Slot,
    },
    ports::{deliveries::Delivery, source::BookingSource as _, transport::Transport},
};

use super::stand::{class, start, status};

struct Stand {
    clock: Arc<VirtualClock>,
    model: Arc<Mutex<model::USchedule>>,
    source: USchedule,
    _server: Option<Running>,
}

impl Stand {
    async fn both() -> [Self; 2] {
        let (clock, model) = parts();
        let shared: Shared = model.clone();
        let wire = DirectTransport::new(clock.clone()).with("api.uschedule.example", shared);
        let source = source_at("https://api.uschedule.example/", "sandbox-key", Arc::new(wire), &clock);
        let direct = Self { clock, model, source, _server: None };
        let (clock, model) = parts();
        let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new().unwrap());
        let server = server::start(model.clone(), clock.clone(), transport.clone()).await.unwrap();
        let source = source_at(&server.base_url, "sandbox-key", transport, &clock);
        [direct, Self { clock, model, source, _server: Some(server) }]
    }

    fn model(&self) -> MutexGuard<'_, model::USchedule> {
        self.model.lock().unwrap()
    }

    fn arm(&self, rule: Rule) {
        self.model().desk().faults.arm(rule);
    }

    /// A customer books bay 1 for the hour that many hours on.
    fn book(&self, hours: i64) -> String {
        self.clock.advance(TimeDelta::seconds(10));
        let new = serde_json::from_value(json!({
            "starts_at": start() + TimeDelta::hours(hours),
            "ends_at": start() + TimeDelta::hours(hours + 1),
            "time_zone": "America/Chicago",
            "resource": "bay-1",
            "service": "Lesson",
            "customer": {"id": "c7", "name": "Ann Example"},
        }));
        let now = syncledger::ports::clock::Clock::now(self.clock.as_ref());
        self.model().create(new.unwrap(), now).unwrap()
    }

    fn stored(&self, id: &str) -> Value {
        self.model().appointment(id).unwrap().to_json()
    }

    /// Polls to the end.
    async fn poll(&self, cursor: Option<&str>) -> (Vec<Delivery>, Option<String>, usize) {
        let (mut deliveries, mut next, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = self.source.changes(cursor, next.as_deref()).await.unwrap();
            deliveries.extend(page.deliveries);
            pages += 1;
            if page.next.is_none() {
                return (deliveries, page.cursor, pages);
            }
            assert_eq!(page.cursor, None);
            next = page.next;
        }
    }
}

fn parts() -> (Arc<VirtualClock>, Arc<Mutex<model::USchedule>>) {
    let model = model::USchedule::new(model::Settings::default());
    (Arc::new(VirtualClock::new(1, start())), Arc::new(Mutex::new(model)))
}

fn source_at(base_url: &str, key: &str, transport: Arc<dyn Transport>, clock: &Arc<VirtualClock>) -> USchedule {
    let name = SourceName::new("uschedule").unwrap();
    let settings = Settings { name, base_url: base_url.into(), api_key: Secret::new(key) };
    USchedule::new(settings, transport, clock.clone())
}

fn slot(hours: i64) -> Slot {
    let starts_at = start() + TimeDelta::hours(hours);
    Slot::timed(starts_at, starts_at + TimeDelta::hours(2), "America/New_York").unwrap()
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey(text.into())
}

#[tokio::test]
async fn a_poll_lists_everything_and_the_next_one_what_changed() {
    for stand in Stand::both().await {
        stand.model().settings_mut().page_max = 2;
        let ids: Vec<String> = (0..5).map(|n| stand.book(n)).collect();
        let (first, cursor, pages) = stand.poll(None).await;
        let expected: Vec<String> = ids.iter().map(|id| format!("poll.{id}.1")).collect();
        assert_eq!(first.iter().map(|d| d.id.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(pages, 3);
        let shown = stand.source.read(&first[0].body).unwrap();
        assert_eq!((shown.snapshot.source_ref.as_str(), shown.revision), (ids[0].as_str(), Some(1)));
        assert_eq!(shown.snapshot.details.title.display_text(), "Lesson");
        assert_eq!(first[0].subject.as_str(), "uschedule.customer.c7");

        let (quiet, same, _) = stand.poll(cursor.as_deref()).await;
        assert_eq!((&quiet[..], &same), (&first[4..], &cursor), "the newest again, and the cursor stands still");

        stand.clock.advance(TimeDelta::hours(1));
        stand.model().cancel(&ids[1], start() + TimeDelta::hours(1)).unwrap();
        let (changed, later, _) = stand.poll(cursor.as_deref()).await;
        assert!(changed.iter().any(|d| d.id == format!("poll.{}.2", ids[1])), "{changed:?}");
        assert!(later > cursor);
        let (last, _, _) = stand.poll(later.as_deref()).await;
        assert_eq!(last.len(), 1);
        assert!(stand.source.read(&last[0].body).unwrap().snapshot.cancelled);
    }
}

#[tokio::test]
async fn a_source_without_appointments_is_polled_from_the_beginning_again() {
    for stand in Stand::both().await {
        let (none, cursor, _) = stand.poll(None).await;
        assert_eq!((none, cursor), (vec![], None));
    }
}

#[tokio::test]
async fn one_appointment_is_read_or_is_not_there() {
    for stand in Stand::both().await {
        let id = stand.book(1);
        let shown = stand.source.get(&id).await.unwrap().unwrap();
        assert_eq!((shown.snapshot.source_ref, shown.revision), (id, Some(1)));
        assert_eq!(stand.source.get("appt_999999").await.unwrap(), None);
        assert_eq!(class(stand.source.get("..").await), FailureClass::NonRetryable);
        stand.arm(Rule::next(status(500, "")));
        assert_eq!(class(stand.source.get("appt_999999").await), FailureClass::Transient, "an error is not an absence");
    }
}

#[tokio::test]
async fn an_appointment_is_moved_and_called_off_once() {
    for stand in Stand::both().await {
        let id = stand.book(1);
        assert_eq!(stand.source.reschedule(&id, &slot(5), Some(1), &key("k1")).await, Ok(Some(2)));
        assert_eq!(stand.source.reschedule(&id, &slot(5), Some(1), &key("k1")).await, Ok(Some(2)), "the same answer");
        let stored = stand.stored(&id);
        assert_eq!(
            (&stored["starts_at"], &stored["time_zone"]),
            (&json!("2026-11-20T17:00:00Z"), &json!("America/New_York"))
        );
        assert_eq!(class(stand.source.reschedule(&id, &slot(6), Some(1), &key("k2")).await), FailureClass::Stale);
        assert_eq!(class(stand.source.cancel(&id, Some(1), &key("k3")).await), FailureClass::Stale);
        assert_eq!(stand.source.cancel(&id, Some(2), &key("k4")).await, Ok(Some(3)));
        assert_eq!(stand.stored(&id)["status"], "cancelled");
        assert_eq!(stand.source.cancel(&id, None, &key("k5")).await, Ok(Some(3)), "one that is off is off");
        assert_eq!(
            class(stand.source.reschedule(&id, &slot(7), None, &key("k6")).await),
            FailureClass::RejectedBySource
        );
    }
}

#[tokio::test]
async fn a_system_that_calls_it_an_error_to_cancel_twice_is_understood() {
    for stand in Stand::both().await {
        let id = stand.book(1);
        stand.model().cancel(&id, start() + TimeDelta::hours(1)).unwrap();
        stand.arm(Rule::on("POST", "*/cancel", status(409, "already_cancelled")));
        assert_eq!(stand.source.cancel(&id, None, &key("k1")).await, Ok(Some(2)));
    }
}

#[tokio::test]
async fn what_the_source_does_not_want_is_rejected() {
    for stand in Stand::both().await {
        let (one, other) = (stand.book(1), stand.book(5));
        let taken = stand.source.reschedule(&one, &slot(5), None, &key("k1")).await.unwrap_err();
        assert_eq!((taken.class, taken.reason.as_deref()), (FailureClass::RejectedBySource, Some("slot_taken")));
        assert!(!taken.summary.contains(&other), "the message is not repeated: {taken}");
        let day = Slot::all_day("2026-11-24".parse().unwrap(), "2026-11-25".parse().unwrap()).unwrap();
        assert_eq!(class(stand.source.reschedule(&one, &day, None, &key("k2")).await), FailureClass::RejectedBySource);
        assert_eq!(class(stand.source.cancel("appt_999999", None, &key("k3")).await), FailureClass::Gone);
    }
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_same_key_finds_out() {
    for stand in Stand::both().await {
        let id = stand.book(1);
        for (kind, hours, revision) in [(Kind::AfterCommit, 5, 2), (Kind::BeforeCommit, 8, 3), (Kind::Truncated, 11, 4)]
        {
            stand.arm(Rule::on("PATCH", "*", kind));
            let key = key(&format!("k{hours}"));
            let expect = Some(revision - 1);
            let lost = stand.source.reschedule(&id, &slot(hours), expect, &key).await;
            assert_eq!(class(lost), FailureClass::OutcomeUnknown);
            assert_eq!(stand.source.reschedule(&id, &slot(hours), expect, &key).await, Ok(Some(revision)));
        }
        stand.arm(Rule::on("POST", "*/cancel", Kind::AfterCommit));
        assert_eq!(class(stand.source.cancel(&id, Some(4), &key("c")).await), FailureClass::OutcomeUnknown);
        assert_eq!(stand.source.cancel(&id, Some(4), &key("c")).await, Ok(Some(5)));
        stand.arm(Rule::on("GET", "*", Kind::Truncated).times(2));
        assert_eq!(class(stand.source.changes(None, None).await), FailureClass::Transient);
        assert_eq!(class(stand.source.get(&id).await), FailureClass::Transient);
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_busy_source_are_told_apart() {
    for stand in Stand::both().await {
        stand.model().settings_mut().api_key = "another".into();
        assert_eq!(class(stand.source.changes(None, None).await), FailureClass::Unauthorised);
        assert_eq!(class(stand.source.cancel("1", None, &key("k")).await), FailureClass::Unauthorised);
        let busy = Kind::Status { status: 429, reason: String::new(), retry_after_s: Some(30), carried_out: false };
        stand.arm(Rule::next(busy));
        let failure = stand.source.changes(None, None).await.unwrap_err();
        assert_eq!((failure.class, failure.retry_after_ms), (FailureClass::RateLimited, Some(30_000)));
    }
    let nobody = DirectTransport::new(Arc::new(VirtualClock::new(1, start())));
    let clock = Arc::new(VirtualClock::new(1, start()));
    let alone = source_at("https://api.uschedule.example", "sandbox-key", Arc::new(nobody), &clock);
    assert_eq!(class(alone.cancel("1", None, &key("k")).await), FailureClass::Transient, "nothing was sent");
}

#[tokio::test]
async fn a_webhook_and_a_poll_deliver_the_same_booking() {
    let [stand, _] = Stand::both().await;
    let hook = model::Webhook { url: "https://sync.example.org/webhook/uschedule".into(), secret: "whsec".into() };
    stand.model().settings_mut().webhook = Some(hook);
    let id = stand.book(1);
    let now = syncledger::ports::clock::Clock::now(stand.clock.as_ref());
    let posted = stand.model().take_deliveries(now);
    let accepted = webhook::accept(
        stand.source.name(),
        &[Secret::new("whsec")],
        |name| posted[0].request.header_value(name),
        &posted[0].request.body,
        now,
    );
    let accepted = accepted.unwrap();
    assert_eq!(accepted.kind, "appointment.created");
    let (polled, _, _) = stand.poll(None).await;
    let read = |delivery: &Delivery| stand.source.read(&delivery.body).unwrap();
    assert_eq!(read(&accepted.delivery), read(&polled[0]));
    assert_eq!(accepted.delivery.subject, polled[0].subject);
    assert_eq!(read(&polled[0]).snapshot.source_ref, id);
}
