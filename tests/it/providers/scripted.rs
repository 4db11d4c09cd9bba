//! Answers that no model gives: what an adapter makes of another side that does not keep to its own documents.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use syncledger::{
    adapters::{
        google::{Google, ServiceAccount, Settings},
        memory::VirtualClock,
        sandbox::google::service_account::credentials,
        uschedule::{self, Secret, USchedule},
    },
    domain::{
        calendar::Window,
        failure::FailureClass,
        ids::{ChannelId, SourceName},
    },
    ports::{
        provider::{CalendarProvider as _, ListFrom, WatchRequest},
        source::BookingSource as _,
        transport::{Failure, Request, Response, Transport},
    },
};

use super::stand::{calendar, class, content, key, marker, moved, remote, start};

/// Gives its answers in turn, whatever is asked, and remembers what was.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Response>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn of(answers: Vec<Response>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into()), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request, _: Duration) -> Result<Response, Failure> {
        self.asked.lock().unwrap().push(request.url);
        self.answers.lock().unwrap().pop_front().ok_or_else(|| Failure::NotSent("the script is at its end".into()))
    }
}

fn token() -> Response {
    Response::json(200, &json!({"access_token": "ya29.x", "expires_in": 3600, "token_type": "Bearer"}))
}

fn text(status: u16, body: &str) -> Response {
    Response { status, headers: vec![], body: body.as_bytes().to_vec() }
}

/// Google, answering a token first and then these.
fn google(mut answers: Vec<Response>) -> Google {
    answers.insert(0, token());
    google_without_token(answers)
}

fn google_without_token(answers: Vec<Response>) -> Google {
    let account = ServiceAccount::from_json(&credentials("https://oauth2.googleapis.com").to_string()).unwrap();
    let clock = Arc::new(VirtualClock::new(1, start()));
    Google::new(Settings::google(account), Script::of(answers), clock)
}

fn entry(id: &str) -> Value {
    json!({"id": id, "etag": "\"1\"", "status": "confirmed", "summary": "x",
        "start": {"date": "2026-11-23"}, "end": {"date": "2026-11-24"}})
}

#[tokio::test]
async fn an_entry_made_under_another_id_is_never_tried_again() {
    let made = google(vec![Response::json(200, &entry("another"))]);
    let failure = made.create(&calendar(), &remote(), &marker(), &content(), &key()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NonRetryable);
    assert!(failure.summary.contains("different id"));
}

/// A calendar that is gone while the entry is asked for, and back when it is asked for itself.
#[tokio::test]
async fn an_entry_is_not_gone_because_its_calendar_was_for_a_moment() {
    let missing = || Response::json(404, &json!({"error": {"code": 404, "errors": [{"reason": "notFound"}]}}));
    let there =
        || Response::json(200, &json!({"id": "bay1", "items": [], "nextSyncToken": "t", "accessRole": "owner"}));
    let etag = syncledger::domain::ids::Etag("\"1\"".into());
    let flickering = || google(vec![missing(), there(), Response::json(200, &entry(remote().as_str()))]);
    assert_eq!(class(flickering().get(&calendar(), &remote()).await), FailureClass::Transient);
    assert_eq!(class(flickering().delete(&calendar(), &remote(), &etag).await), FailureClass::Transient);
    let update = flickering().update(&calendar(), &remote(), &etag, &content(), &moved(1), &key()).await;
    assert_eq!(class(update), FailureClass::Transient);
    let gone = google(vec![missing(), there(), missing()]);
    assert_eq!(gone.get(&calendar(), &remote()).await.unwrap(), None);
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_unknown_for_a_write_and_transient_for_a_read() {
    let etag = syncledger::domain::ids::Etag("\"1\"".into());
    for body in ["", "<html>", "[]", "null", "{}", "{\"id\": 7}"] {
        let create = google(vec![text(200, body)]);
        let create = create.create(&calendar(), &remote(), &marker(), &content(), &key()).await;
        assert_eq!(class(create), FailureClass::OutcomeUnknown, "{body}");
        let update = google(vec![text(200, body)]);
        let update = update.update(&calendar(), &remote(), &etag, &content(), &moved(1), &key()).await;
        assert_eq!(class(update), FailureClass::OutcomeUnknown, "{body}");
        let get = google(vec![text(200, body)]).get(&calendar(), &remote()).await;
        assert_eq!(class(get), FailureClass::Transient, "{body}");
    }
    let get = google(vec![Response::json(200, &entry("another"))]).get(&calendar(), &remote()).await;
    assert_eq!(class(get), FailureClass::Transient, "somebody else's entry is not the one asked for");
}

#[tokio::test]
async fn a_page_that_is_not_understood_whole_is_no_page() {
    let from = ListFrom::Window(Window { from: start(), until: start() + chrono::TimeDelta::days(1) });
    let list = |body: Value| {
        let (google, from) = (google(vec![Response::json(200, &body)]), from.clone());
        async move { google.list(&calendar(), &from, None).await }
    };
    for items in [json!([entry("abcde"), {}]), json!([7]), json!("text"), Value::Null] {
        let page = list(json!({"items": items, "nextSyncToken": "t"})).await;
        assert_eq!(class(page), FailureClass::Transient, "{items}");
    }
    let both = list(json!({"items": [entry("abcde")], "nextPageToken": "p", "nextSyncToken": "t"})).await.unwrap();
    assert_eq!((both.next.as_deref(), both.cursor), (Some("p"), None), "a cursor stands on the last page alone");
    let empty = list(json!({"nextSyncToken": "t"})).await.unwrap();
    assert_eq!((empty.entries.len(), empty.cursor.unwrap().as_str()), (0, "t"));
}

#[tokio::test]
async fn a_token_answer_that_is_none_is_transient_and_a_smaller_grant_is_named() {
    for body in ["", "<html>", "{}", "{\"access_token\": 7}"] {
        let failure = google_without_token(vec![text(200, body)]).authorise().await;
        assert_eq!(class(failure), FailureClass::Transient, "{body}");
    }
    let less =
        json!({"access_token": "x", "expires_in": 3600, "scope": "https://www.googleapis.com/auth/calendar.readonly"});
    let failure = google_without_token(vec![Response::json(200, &less)]).authorise().await;
    assert_eq!(class(failure), FailureClass::ScopeMissing);
}

#[tokio::test]
async fn a_channel_without_an_end_ends_when_it_was_asked_to() {
    let request = WatchRequest {
        channel: ChannelId::new("channel-1").unwrap(),
        token: "t".into(),
        address: "https://sync.example.org/webhook/gcal".into(),
        life_s: 3600,
    };
    let open = google(vec![Response::json(200, &json!({"resourceId": "r"}))]);
    let watch = open.watch(&calendar(), &request).await.unwrap();
    assert_eq!((watch.resource.as_str(), watch.expires_at), ("r", start() + chrono::TimeDelta::hours(1)));
    let nameless = google(vec![Response::json(200, &json!({"expiration": "1"}))]);
    assert_eq!(class(nameless.watch(&calendar(), &request).await), FailureClass::OutcomeUnknown);
}

fn bookings(answers: Vec<Response>) -> (USchedule, Arc<Script>) {
    let script = Script::of(answers);
    let settings = uschedule::Settings {
        name: SourceName::new("uschedule").unwrap(),
        base_url: "https://api.uschedule.example".into(),
        api_key: Secret::new("k"),
    };
    (USchedule::new(settings, script.clone(), Arc::new(VirtualClock::new(1, start()))), script)
}

fn listed(appointments: &str, next: Option<&str>) -> Response {
    text(200, &format!("{{\"appointments\": [{appointments}], \"next_page_token\": {}}}", json!(next)))
}

#[tokio::test]
async fn the_newest_change_of_any_page_is_where_the_next_poll_begins() {
    let newest = r#"{"id": "1",  "revision": 2, "updated_at": "2026-11-20T12:00:10Z"}"#;
    let older = r#"{"id": "2", "revision": 1, "updated_at": "2026-11-20T11:00:00+00:00"}"#;
    let (source, script) = bookings(vec![
        listed(newest, Some("a b/c")),
        listed(older, Some("d")),
        listed("", None),
        listed(older, None),
        listed("", None),
    ]);
    let one = source.changes(Some("2026-11-20T10:00:00Z"), None).await.unwrap();
    assert_eq!((one.deliveries[0].body.as_str(), one.cursor), (newest, None), "as it was said, spaces included");
    let two = source.changes(Some("2026-11-20T10:00:00Z"), one.next.as_deref()).await.unwrap();
    let three = source.changes(Some("2026-11-20T10:00:00Z"), two.next.as_deref()).await.unwrap();
    assert_eq!((three.next, three.cursor.as_deref()), (None, Some("2026-11-20T12:00:05.000000Z")));
    let back = source.changes(Some("2026-11-20T12:00:05.000000Z"), None).await.unwrap();
    assert_eq!(back.cursor.as_deref(), Some("2026-11-20T12:00:05.000000Z"), "never back");
    let odd = source.changes(Some("yesterday"), None).await.unwrap();
    assert_eq!(odd.cursor.as_deref(), Some("yesterday"), "what is not ours is handed back");
    let asked = script.asked();
    let since = "?limit=200&updated_since=2026-11-20T10%3A00%3A00Z";
    assert!(asked[0].ends_with(since) && asked[1].ends_with(&format!("{since}&page_token=a%20b%2Fc")), "{asked:?}");
}

#[tokio::test]
async fn an_appointment_that_is_not_understood_is_delivered_all_the_same() {
    let (source, _) = bookings(vec![listed(r#"{"id": "1"}, 7"#, None), text(200, "{}"), text(200, "[]")]);
    let changes = source.changes(None, None).await.unwrap();
    assert_eq!(changes.deliveries.len(), 2, "so that it is seen, and refused, and can be tried again");
    assert!(changes.deliveries.iter().all(|d| d.id.starts_with("poll.~") && source.read(&d.body).is_err()));
    for _ in 0..2 {
        assert_eq!(class(source.changes(None, None).await), FailureClass::Transient);
    }
}
