//! The booking system's rules, against calls as a client makes them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use crate::adapters::sandbox::model::Outcome;

struct Bench {
    model: USchedule,
    now: DateTime<Utc>,
}

impl Bench {
    fn new() -> Self {
        let webhook = Webhook { url: "https://us.example/webhook/uschedule".into(), secret: "s".into() };
        let settings = Settings { webhook: Some(webhook), page_max: 3, ..Settings::default() };
        Self { model: USchedule::new(settings), now: "2026-11-20T12:00:00Z".parse().unwrap() }
    }

    fn send(&mut self, request: Request) -> (u16, Value) {
        let request = request.header("authorization", "Bearer sandbox-key");
        match self.model.handle(&request, self.now) {
            Outcome::Answer { response, .. } => {
                (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
            }
            other => panic!("no answer: {other:?}"),
        }
    }

    fn book(&mut self, hour: u32) -> String {
        let (status, appointment) = self.send(call("POST", "", &booking(hour)));
        assert_eq!(status, 201, "{appointment}");
        appointment["id"].as_str().unwrap().to_owned()
    }
}

fn call(method: &'static str, path: &str, body: &Value) -> Request {
    Request::new(method, format!("https://api.uschedule.example/v1/appointments{path}")).json(body)
}

fn get(path: &str) -> Request {
    Request::new("GET", format!("https://api.uschedule.example/v1/appointments{path}"))
}

fn booking(hour: u32) -> Value {
    json!({
        "starts_at": format!("2026-11-23T{hour:02}:00:00Z"),
        "ends_at": format!("2026-11-23T{:02}:00:00Z", hour + 1),
        "time_zone": "America/New_York",
        "resource": "bay-1",
        "service": "Lesson",
        "customer": {"id": "c1", "name": "Ann", "email": "ann@example.org"},
    })
}

fn slot(hour: u32) -> Value {
    let booking = booking(hour);
    json!({"starts_at": booking["starts_at"], "ends_at": booking["ends_at"]})
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[test]
fn a_booking_is_made_moved_and_called_off() {
    let mut bench = Bench::new();
    let id = bench.book(15);
    let (_, first) = bench.send(get(&format!("/{id}")));
    assert_eq!((&first["status"], &first["revision"]), (&json!("booked"), &json!(1)));
    let (status, moved) = bench.send(call("PATCH", &format!("/{id}"), &slot(16)));
    assert_eq!((status, &moved["revision"]), (200, &json!(2)));
    assert_eq!(
        (&moved["starts_at"], &moved["time_zone"]),
        (&json!("2026-11-23T16:00:00Z"), &json!("America/New_York"))
    );
    let (_, same) = bench.send(call("PATCH", &format!("/{id}"), &slot(16)));
    assert_eq!(same, moved, "the same slot changes nothing");
    let cancel = format!("/{id}/cancel");
    let (status, off) = bench.send(call("POST", &cancel, &json!({})));
    assert_eq!((status, &off["status"], &off["revision"]), (200, &json!("cancelled"), &json!(3)));
    assert_eq!(bench.send(call("POST", &cancel, &json!({}))).1, off, "calling off again changes nothing");
    assert_eq!(code(&bench.send(call("PATCH", &format!("/{id}"), &slot(18)))), (409, "cancelled"));
}

#[test]
fn a_slot_is_taken_once_per_resource() {
    let mut bench = Bench::new();
    let first = bench.book(15);
    bench.book(16);
    assert_eq!(code(&bench.send(call("POST", "", &booking(15)))), (409, "slot_taken"));
    assert_eq!(code(&bench.send(call("PATCH", &format!("/{first}"), &slot(16)))), (409, "slot_taken"));
    let mut other = booking(15);
    other["resource"] = json!("bay-2");
    assert_eq!(bench.send(call("POST", "", &other)).0, 201);
    bench.send(call("POST", &format!("/{first}/cancel"), &json!({})));
    bench.book(15);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut bench = Bench::new();
    let id = bench.book(15);
    let path = format!("/{id}");
    let backwards = json!({"starts_at": slot(16)["ends_at"], "ends_at": slot(16)["starts_at"]});
    for body in [json!({}), backwards, json!({"starts_at": "x", "ends_at": "y"}), json!([1])] {
        assert_eq!(code(&bench.send(call("PATCH", &path, &body))), (422, "invalid"), "{body}");
    }
    let mut zone = slot(16);
    zone["time_zone"] = json!("Mars/Olympus");
    assert_eq!(code(&bench.send(call("PATCH", &path, &zone))), (422, "invalid"));
    let mut typo = slot(16);
    typo["start"] = json!("x");
    assert_eq!(code(&bench.send(call("PATCH", &path, &typo))), (422, "invalid"));
    for request in [get("/nobody"), call("PATCH", "/nobody", &slot(9)), call("POST", "/nobody/cancel", &json!({}))] {
        assert_eq!(code(&bench.send(request)), (404, "not_found"));
    }
    let now = bench.now;
    let Outcome::Answer { response, .. } = bench.model.handle(&get(&path), now) else { panic!("no answer") };
    assert_eq!(response.status, 401);
}

#[test]
fn an_idempotency_key_gives_one_effect_and_one_answer() {
    let mut bench = Bench::new();
    let id = bench.book(15);
    let path = format!("/{id}");
    let moved = call("PATCH", &path, &slot(16)).header("idempotency-key", "k").header("if-match", "\"1\"");
    let first = bench.send(moved.clone());
    assert_eq!((first.0, &first.1["revision"]), (200, &json!(2)));
    assert_eq!(bench.send(moved.clone()), first, "though the revision is another now");
    let other = call("PATCH", &path, &slot(17)).header("idempotency-key", "k");
    assert_eq!(code(&bench.send(other)), (422, "idempotency_key_reused"));
    let stale = call("PATCH", &path, &slot(17)).header("if-match", "\"1\"");
    assert_eq!(code(&bench.send(stale)), (412, "revision_mismatch"));
    let taken = bench.book(18);
    let wanted = call("PATCH", &path, &slot(18)).header("idempotency-key", "k2");
    assert_eq!(code(&bench.send(wanted.clone())), (409, "slot_taken"));
    bench.send(call("POST", &format!("/{taken}/cancel"), &json!({})));
    assert_eq!(bench.send(wanted).0, 200, "a refusal is not remembered");
    bench.now += TimeDelta::hours(25);
    assert_eq!(bench.send(moved).0, 412, "keys are forgotten after a day");
}

#[test]
fn the_listing_goes_by_change_and_its_cursor_misses_nothing() {
    let mut bench = Bench::new();
    let made: Vec<String> = (8..15).map(|hour| bench.book(hour)).collect();
    bench.send(call("POST", &format!("/{}/cancel", made[0]), &json!({})));
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (_, page) = bench.send(get(&format!("?limit=50{token}")));
        pages += 1;
        let appointments = page["appointments"].as_array().unwrap();
        seen.extend(appointments.iter().map(|a| (a["id"].as_str().unwrap().to_owned(), a["updated_at"].to_string())));
        // Someone moves what was seen already: it comes again at the end.
        if pages == 1 {
            bench.send(call("PATCH", &format!("/{}", made[1]), &slot(20)));
        }
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    let ids: BTreeSet<&String> = seen.iter().map(|(id, _)| id).collect();
    assert_eq!((ids.len(), seen.len(), pages), (7, 8, 3));
    assert!(seen.is_sorted_by(|a, b| a.1 < b.1), "no two changes at one time: {seen:?}");
    let since = bench.model.appointment(&made[0]).unwrap().updated_at.to_rfc3339();
    let since = since.replace('+', "%2B");
    let (_, page) = bench.send(get(&format!("?updated_since={since}")));
    let listed: Vec<_> = page["appointments"].as_array().unwrap().iter().map(|a| a["id"].clone()).collect();
    assert_eq!(listed, [json!(made[0]), json!(made[1])], "from that time on, cancelled ones included");
    for query in ["?limit=0", "?limit=x", "?updated_since=yesterday", "?page_token=x"] {
        assert_eq!(code(&bench.send(get(query))), (422, "invalid"), "{query}");
    }
}

#[test]
fn every_change_is_announced_signed_and_tried_again() {
    let mut bench = Bench::new();
    let id = bench.book(15);
    let now = bench.now;
    let deliveries = bench.model.take_deliveries(now);
    assert_eq!(deliveries.len(), 1);
    let request = &deliveries[0].request;
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["appointment"]["id"]), (&json!("appointment.created"), &json!(id)));
    let delivery = request.header_value("x-uschedule-delivery").unwrap();
    assert_eq!(body["id"], delivery);
    let timestamp: i64 = request.header_value("x-uschedule-timestamp").unwrap().parse().unwrap();
    assert_eq!(timestamp, now.timestamp());
    let signed = signature("s", delivery, timestamp, std::str::from_utf8(&request.body).unwrap());
    assert_eq!(request.header_value("x-uschedule-signature"), Some(signed.as_str()));
    for (pause, attempt) in [(1, 2), (5, 3), (30, 4), (120, 5)] {
        let now = bench.now;
        bench.model.delivered(&deliveries[0], (attempt % 2 == 0).then_some(500), now);
        bench.now += TimeDelta::seconds(pause);
        let now = bench.now;
        let again = bench.model.take_deliveries(now);
        assert_eq!((again.len(), again[0].attempt), (1, attempt));
        assert_eq!(again[0].request.body, request.body);
        assert_ne!(again[0].request.header_value("x-uschedule-signature"), Some(signed.as_str()), "signed anew");
    }
    let now = bench.now;
    bench.model.delivered(&deliveries[0], None, now);
    assert!(bench.model.take_deliveries(now + TimeDelta::days(1)).is_empty(), "given up");
    bench.model.reschedule(&id, now, now + TimeDelta::hours(1), None, now).unwrap();
    bench.model.cancel(&id, now).unwrap();
    let types: Vec<Value> = bench
        .model
        .take_deliveries(now)
        .iter()
        .map(|d| serde_json::from_slice::<Value>(&d.request.body).unwrap()["type"].clone())
        .collect();
    assert_eq!(types, [json!("appointment.updated"), json!("appointment.cancelled")]);
}

#[test]
fn the_signature_is_the_one_others_compute() {
    // printf 'whd_1.1700000000.{}' | openssl dgst -sha256 -hmac key
    let expected = "v1=169972f264093cf1b4cddacea28b448b0aa744de905bbaa4277d46fc5b452c3a";
    assert_eq!(signature("key", "whd_1", 1_700_000_000, "{}"), expected);
}

#[test]
fn a_saved_model_goes_on_where_it_was() {
    let mut bench = Bench::new();
    let (first, second) = (bench.book(9), bench.book(11));
    let now = bench.now;
    bench.model.cancel(&first, now).unwrap();
    let saved = bench.model.save().unwrap();
    let model = USchedule::restore(Settings::default(), saved.clone()).unwrap();
    assert_eq!(model.save().unwrap(), saved);
    let mut later = Bench { model, now };
    assert_eq!(later.model.appointment(&first).unwrap().status, Status::Cancelled);
    assert!(later.model.reschedule(&second, now, now + TimeDelta::hours(1), None, now).is_ok());
    assert!(later.model.appointment(&second).unwrap().updated_at > bench.model.appointment(&first).unwrap().updated_at);
    assert!(![&first, &second].contains(&&later.book(13)), "ids are not used twice");
}
