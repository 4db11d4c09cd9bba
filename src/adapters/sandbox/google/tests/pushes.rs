//! Channels and notifications.

use serde_json::json;

use super::*;
use crate::adapters::sandbox::{
    faults::{Kind, Rule},
    outbox::Delivery,
};

const WATCH: &str = "/calendars/bay1@group.calendar.google.com/events/watch";

fn channel(id: &str) -> Value {
    json!({"id": id, "type": "web_hook", "address": "https://us.example/webhook/gcal", "token": "t0ken"})
}

fn due(bench: &mut Bench) -> Vec<Delivery> {
    let now = bench.now;
    bench.google.take_deliveries(now)
}

fn state(delivery: &Delivery) -> (&str, u64) {
    let header = |name: &str| delivery.request.header_value(name).unwrap();
    (header("x-goog-resource-state"), header("x-goog-message-number").parse().unwrap())
}

#[test]
fn a_channel_says_sync_first_and_then_exists() {
    let mut bench = Bench::new();
    let (status, answer) = bench.call("POST", WATCH, &channel("one"));
    assert_eq!((status, &answer["kind"]), (200, &json!("api#channel")));
    let ends: i64 = answer["expiration"].as_str().unwrap().parse().unwrap();
    assert_eq!(ends, (bench.now + TimeDelta::days(7)).timestamp_millis());
    let first = due(&mut bench);
    assert_eq!(first.iter().map(state).collect::<Vec<_>>(), [("sync", 1)]);
    let request = &first[0].request;
    assert_eq!((request.method, request.url.as_str()), ("POST", "https://us.example/webhook/gcal"));
    assert_eq!(request.header_value("x-goog-channel-id"), Some("one"));
    assert_eq!(request.header_value("x-goog-channel-token"), Some("t0ken"));
    assert_eq!(request.header_value("x-goog-resource-id"), answer["resourceId"].as_str());
    assert_eq!(request.header_value("x-goog-channel-expiration"), Some("Fri, 27 Nov 2026 12:00:00 GMT"));
    assert_eq!(request.body, b"");
    bench.insert("abcde");
    bench.delete("abcde");
    let later = due(&mut bench);
    let numbers: Vec<u64> = later.iter().map(|d| state(d).1).collect();
    assert!(later.iter().all(|d| state(d).0 == "exists") && numbers.len() == 2);
    assert!(1 < numbers[0] && numbers[0] < numbers[1], "{numbers:?}");
    assert!(due(&mut bench).is_empty());
}

#[test]
fn a_channel_falls_silent_when_it_expires_or_is_stopped() {
    let mut bench = Bench::new();
    let mut short = channel("short");
    short["params"] = json!({"ttl": "60"});
    bench.call("POST", WATCH, &short);
    let (_, long) = bench.call("POST", WATCH, &channel("long"));
    assert_eq!(due(&mut bench).len(), 2);
    bench.advance(60);
    bench.insert("abcde");
    assert_eq!(due(&mut bench).len(), 1, "only the long one");
    let stop = json!({"id": "long", "resourceId": long["resourceId"]});
    assert_eq!(
        reason(&bench.call("POST", "/channels/stop", &json!({"id": "long", "resourceId": "x"}))),
        (404, "notFound")
    );
    bench.insert("fghij");
    assert_eq!(bench.call("POST", "/channels/stop", &stop).0, 204);
    assert!(due(&mut bench).is_empty(), "nothing is sent after a stop");
    assert_eq!(bench.call("POST", "/channels/stop", &stop).0, 404);
    assert!(bench.google.live_channels(bench.now).is_empty());
}

#[test]
fn a_week_is_the_longest_life() {
    let mut bench = Bench::new();
    let mut asked = channel("one");
    asked["expiration"] = json!((bench.now + TimeDelta::days(30)).timestamp_millis().to_string());
    let (_, answer) = bench.call("POST", WATCH, &asked);
    assert_eq!(answer["expiration"], (bench.now + TimeDelta::days(7)).timestamp_millis().to_string());
    asked["id"] = json!("two");
    asked["expiration"] = json!(bench.now.timestamp_millis() + 5_000);
    let (_, answer) = bench.call("POST", WATCH, &asked);
    assert_eq!(answer["expiration"], (bench.now.timestamp_millis() + 5_000).to_string());
    asked["id"] = json!("three");
    asked["expiration"] = json!(bench.now.timestamp_millis());
    assert_eq!(reason(&bench.call("POST", WATCH, &asked)), (400, "invalid"));
}

#[test]
fn channels_that_cannot_be_are_refused() {
    let mut bench = Bench::new();
    for (key, value, expected) in [
        ("id", json!("x".repeat(65)), "invalid"),
        ("id", json!("a b"), "invalid"),
        ("id", Value::Null, "required"),
        ("type", json!("add"), "invalid"),
        ("address", json!("http://us.example/hook"), "push.webhookUrlNotHttps"),
        ("address", Value::Null, "required"),
    ] {
        let mut wrong = channel("one");
        wrong[key] = value;
        assert_eq!(reason(&bench.call("POST", WATCH, &wrong)), (400, expected), "{key}");
    }
    let mut local = channel("local");
    local["address"] = json!("http://127.0.0.1:9/hook");
    assert_eq!(bench.call("POST", WATCH, &local).0, 200);
    assert_eq!(reason(&bench.call("POST", WATCH, &local)), (400, "channelIdNotUnique"));
    bench.google.calendar_mut(BAY).unwrap().push = false;
    assert_eq!(reason(&bench.call("POST", WATCH, &channel("two"))), (400, "pushNotSupportedForRequestedResource"));
}

#[test]
fn notifications_are_dropped_doubled_late_and_tried_again() {
    let mut bench = Bench::new();
    bench.google.settings_mut().notify_after = TimeDelta::seconds(2);
    bench.call("POST", WATCH, &channel("one"));
    assert!(due(&mut bench).is_empty(), "not yet");
    bench.advance(2);
    bench.google.desk().faults.arm(Rule::on("POST", "/webhook/*", Kind::DropDelivery));
    assert!(due(&mut bench).is_empty(), "dropped");
    bench.google.desk().faults.arm(Rule::next(Kind::DuplicateDelivery));
    bench.insert("abcde");
    bench.advance(2);
    let twice = due(&mut bench);
    assert_eq!((twice.len(), &twice[0]), (2, &twice[1]));
    let now = bench.now;
    bench.google.delivered(&twice[0], Some(503), now);
    bench.advance(1);
    let again = due(&mut bench);
    assert_eq!((again.len(), again[0].attempt, &again[0].request), (1, 2, &twice[0].request));
    let now = bench.now;
    bench.google.delivered(&again[0], Some(404), now);
    bench.advance(3600);
    assert!(due(&mut bench).is_empty(), "an answer that is no 5xx settles it");
}
