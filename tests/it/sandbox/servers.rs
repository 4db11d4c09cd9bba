//! Models behind real sockets: faults that really lose answers, notifications that really arrive, control calls.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use syncledger::{
    adapters::sandbox::{
        google::Google,
        server::{self, Running},
        uschedule::{self, USchedule},
    },
    ports::transport::{Failure, Request, Transport},
};

use super::support::{BAY, EVENTS, Receiver, StillClock, control, entry, google, http, send};
use crate::support::patience::eventually;

struct Stand {
    clock: Arc<StillClock>,
    model: Arc<Mutex<Google>>,
    server: Running,
    token: String,
}

impl Stand {
    async fn start() -> Self {
        let clock = StillClock::new();
        let (model, token) = google(clock.as_ref());
        let server = server::start(model.clone(), clock.clone(), http()).await.unwrap();
        Self { clock, model, server, token }
    }

    fn insert(&self, id: &str) -> Request {
        Request::new("POST", format!("{}{EVENTS}", self.server.base_url))
            .header("authorization", format!("Bearer {}", self.token))
            .json(&entry(id))
    }

    async fn arm(&self, rule: Value) {
        assert_eq!(control(&self.server, "POST", "faults", Some(&rule)).await.0, 204);
    }
}

#[tokio::test]
async fn lost_and_broken_answers_are_no_answers() {
    let stand = Stand::start().await;
    assert_eq!(send(stand.insert("plain")).await.unwrap().status, 200);
    for (id, kind, carried_out) in [
        ("before", "before_commit", false),
        ("after", "after_commit", true),
        ("trunc", "truncated", true),
        ("never", "unreachable", false),
    ] {
        stand.arm(json!({"method": "POST", "path": "*/events", "kind": kind})).await;
        let answer = send(stand.insert(id)).await;
        assert!(matches!(answer, Err(Failure::NoAnswer(_))), "{kind}: {answer:?}");
        assert_eq!(stand.model.lock().unwrap().entry(BAY, id).is_some(), carried_out, "{kind}");
    }
    stand.arm(json!({"kind": "slow", "ms": 60_000})).await;
    let answer = http().send(stand.insert("slack"), Duration::from_millis(50)).await;
    assert!(matches!(answer, Err(Failure::NoAnswer(_))), "{answer:?}");
    stand.arm(json!({"kind": "status", "status": 429, "reason": "rateLimitExceeded", "retry_after_s": 4})).await;
    let answer = send(stand.insert("limit")).await.unwrap();
    assert_eq!((answer.status, answer.header_value("retry-after")), (429, Some("4")));
    let (_, faults) = control(&stand.server, "GET", "faults", None).await;
    assert_eq!((&faults["armed"], &faults["struck"]["truncated"]), (&json!([]), &json!(1)));
    stand.arm(json!({"kind": "unauthorised"})).await;
    assert_eq!(control(&stand.server, "DELETE", "faults", None).await.0, 204);
    assert_eq!(send(stand.insert("again")).await.unwrap().status, 200);
    assert_eq!(control(&stand.server, "POST", "faults", Some(&json!({"kind": "flood"}))).await.0, 400);
}

#[tokio::test]
async fn a_server_that_was_dropped_answers_nobody() {
    let stand = Stand::start().await;
    let transport = http();
    let request = stand.insert("first");
    assert_eq!(transport.send(request.clone(), Duration::from_secs(5)).await.unwrap().status, 200);
    drop(stand.server);
    // Over the connection kept open, and over a new one.
    for _ in 0..2 {
        let answer = transport.send(request.clone(), Duration::from_secs(5)).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    assert_eq!(stand.model.lock().unwrap().entries(BAY).len(), 1);
}

#[tokio::test]
async fn googles_notifications_arrive_without_a_body_and_again_after_a_503() {
    let stand = Stand::start().await;
    let mut receiver = Receiver::start(&[204, 503]).await;
    let watch = Request::new("POST", format!("{}{EVENTS}/watch", stand.server.base_url))
        .header("authorization", format!("Bearer {}", stand.token))
        .json(&json!({"id": "c", "type": "web_hook", "address": receiver.url, "token": "t"}));
    assert_eq!(send(watch).await.unwrap().status, 200);
    let (headers, body) = receiver.next().await;
    assert_eq!((headers["x-goog-resource-state"].to_str().unwrap(), body.len()), ("sync", 0));
    let new = json!({"summary": "Lunch", "starts_at": "2026-11-23T17:00:00Z", "ends_at": "2026-11-23T18:00:00Z"});
    assert_eq!(control(&stand.server, "POST", &format!("entries/{BAY}"), Some(&new)).await.0, 201);
    let (first, _) = receiver.next().await;
    assert_eq!(first["x-goog-resource-state"], "exists");
    assert!(receiver.is_empty(), "the second attempt waits for its time");
    // The refused delivery is due again one second later; until it is settled the clock may have to tick more.
    let mut again = None;
    let came = eventually(async || {
        stand.clock.advance(1);
        again = receiver.arrived();
        again.is_some()
    });
    assert!(came.await);
    assert_eq!(again.unwrap().0["x-goog-message-number"], first["x-goog-message-number"]);
}

#[tokio::test]
async fn another_process_plays_the_person_at_the_calendar() {
    let stand = Stand::start().await;
    send(stand.insert("abcde")).await.unwrap();
    let at = |path: &str| format!("entries/{BAY}/{path}");
    let to = json!({"starts_at": "2026-11-24T15:00:00Z", "ends_at": "2026-11-24T16:00:00Z"});
    let server = &stand.server;
    assert_eq!(control(server, "POST", &at("abcde/move"), Some(&to)).await.0, 204);
    assert_eq!(control(server, "POST", &at("abcde/rename"), Some(&json!({"summary": "Mine"}))).await.0, 204);
    let (_, moved) = control(server, "GET", &at("abcde"), None).await;
    assert_eq!((&moved["summary"], &moved["start"]["dateTime"]), (&json!("Mine"), &json!("2026-11-24T10:00:00-05:00")));
    let (status, copy) = control(server, "POST", &at("abcde/copy"), None).await;
    assert_eq!(status, 201);
    assert_eq!(control(server, "POST", &at("abcde/strip"), None).await.0, 204);
    assert_eq!(control(server, "DELETE", &at("abcde"), None).await.0, 204);
    assert_eq!(control(server, "DELETE", &at("abcde"), None).await.0, 404);
    let (_, left) = control(server, "GET", &format!("entries/{BAY}"), None).await;
    assert_eq!((left["entries"].as_array().unwrap().len(), &left["entries"][0]["id"]), (1, &copy["id"]));
    let (status, _) = control(server, "PATCH", &format!("calendars/{BAY}"), Some(&json!({"gone": true}))).await;
    assert_eq!(status, 204);
    assert_eq!(send(stand.insert("fghij")).await.unwrap().status, 404);
    assert_eq!(control(server, "GET", "nonsense", None).await.0, 404);
    let calls = send(Request::new("GET", format!("{}/_sandbox/calls", server.base_url))).await.unwrap();
    let calls = String::from_utf8(calls.body).unwrap();
    let calls: Vec<Value> = calls.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> =
        calls.iter().map(|c| (c["method"].as_str().unwrap(), c["status"].clone(), c["committed"].clone())).collect();
    assert_eq!(
        seen,
        [("POST", json!(200), json!(true)), ("POST", json!(404), json!(false))],
        "control calls are not logged"
    );
    assert_eq!(calls[0]["headers"]["authorization"], "Bearer [redacted]");
}

#[tokio::test]
async fn uschedule_books_over_http_and_announces_it_signed() {
    let clock = StillClock::new();
    let model = Arc::new(Mutex::new(USchedule::new(uschedule::Settings::default())));
    let server = server::start(model.clone(), clock, http()).await.unwrap();
    let mut receiver = Receiver::start(&[]).await;
    let webhook = json!({"url": receiver.url, "secret": "s3"});
    assert_eq!(control(&server, "PUT", "webhook", Some(&webhook)).await.0, 204);
    let booking = json!({
        "starts_at": "2026-11-23T15:00:00Z", "ends_at": "2026-11-23T16:00:00Z", "time_zone": "America/New_York",
        "resource": "bay-1", "service": "Lesson", "customer": {"id": "c1", "name": "Ann"},
    });
    let (status, made) = control(&server, "POST", "appointments", Some(&booking)).await;
    assert_eq!(status, 201);
    let (headers, body) = receiver.next().await;
    let text = |name: &str| headers[name].to_str().unwrap();
    let timestamp = text("x-uschedule-timestamp").parse().unwrap();
    let expected =
        uschedule::signature("s3", text("x-uschedule-delivery"), timestamp, std::str::from_utf8(&body).unwrap());
    assert_eq!(text("x-uschedule-signature"), expected);
    let id = made["id"].as_str().unwrap();
    let patch = Request::new("PATCH", format!("{}/v1/appointments/{id}", server.base_url))
        .header("authorization", "Bearer sandbox-key")
        .header("idempotency-key", "k")
        .json(&json!({"starts_at": "2026-11-23T17:00:00Z", "ends_at": "2026-11-23T18:00:00Z"}));
    assert_eq!(control(&server, "POST", "faults", Some(&json!({"kind": "after_commit"}))).await.0, 204);
    assert!(matches!(send(patch.clone()).await, Err(Failure::NoAnswer(_))));
    let answer: Value = serde_json::from_slice(&send(patch).await.unwrap().body).unwrap();
    assert_eq!(answer["revision"], 2, "carried out once, though sent twice");
    assert_eq!(control(&server, "POST", &format!("appointments/{id}/cancel"), None).await.1["status"], "cancelled");
    assert_eq!(control(&server, "POST", &format!("appointments/{id}/reschedule"), Some(&booking)).await.0, 409);
    assert_eq!(control(&server, "POST", "appointments/nobody/cancel", None).await.0, 404);
    let (_, all) = control(&server, "GET", "appointments", None).await;
    assert_eq!(all["appointments"][0]["revision"], 3);
}
