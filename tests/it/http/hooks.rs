//! What others send us: believed or not, recorded once, answered at once.

use axum::{body::Body, http::Request};
use chrono::TimeDelta;
use serde_json::{Value, json};
use syncledger::{
    adapters::sandbox::uschedule::signature,
    domain::{
        calendar,
        ids::{ChannelId, SourceName},
    },
    record::stream::StreamName,
    services::sync::{intake, watch::token_hash},
};

use super::world::{Said, WEBHOOK_SECRET, World, bay1, now};

const PATH: &str = "/webhook/uschedule";

fn delivery(id: &str, appointment: &str) -> String {
    json!({
        "id": id, "type": "appointment.created", "created_at": "2026-05-28T20:00:00Z",
        "data": {"appointment": {"id": appointment, "customer": {"id": "7", "name": "Ana"}}},
    })
    .to_string()
}

async fn post(world: &World, id: &str, sent_at: i64, signature: &str, body: &str) -> Said {
    let request = Request::builder()
        .method("POST")
        .uri(PATH)
        .header("content-type", "application/json")
        .header("x-uschedule-delivery", id)
        .header("x-uschedule-timestamp", sent_at.to_string())
        .header("x-uschedule-signature", signature)
        .body(Body::from(body.to_owned()))
        .expect("a request");
    world.send(request).await
}

async fn signed(world: &World, id: &str, body: &str) -> Said {
    let at = now().timestamp();
    post(world, id, at, &signature(WEBHOOK_SECRET, id, at, body), body).await
}

/// A booking of USchedule's, as if it had been delivered and understood.
pub async fn deliver(world: &World, appointment: &str) {
    use syncledger::domain::{
        booking::{Cause, Details, Event},
        ids::{BookingId, ResourceId, SubjectId},
        personal::Personal,
        slot::Slot,
    };
    let source = SourceName::new("uschedule").expect("plain");
    let subject = SubjectId::new("uschedule.customer.7").expect("plain");
    let fact = Event::Registered {
        source: source.clone(),
        source_ref: appointment.into(),
        resource: ResourceId::new("bay-1").expect("plain"),
        slot: Slot::timed(now(), now() + TimeDelta::hours(1), "UTC").expect("a slot"),
        details: Details { title: Personal::new(subject, "Golf"), notes: None, customer: None },
        cause: Cause::default(),
    };
    let stream = StreamName::booking(&BookingId::of_source(&source, appointment));
    world.record(&stream, vec![fact.into()]).await;
}

#[tokio::test]
async fn a_signed_delivery_is_recorded_once() {
    let world = World::new().await;
    let body = delivery("whd_1", "1001");
    let first = signed(&world, "whd_1", &body).await;
    assert_eq!((first.status, first.json()), (202, json!({"delivery": "whd_1", "duplicate": false})));
    let again = signed(&world, "whd_1", &body).await;
    assert_eq!((again.status, again.json()), (200, json!({"delivery": "whd_1", "duplicate": true})));
    let stream = StreamName::delivery(&SourceName::new("uschedule").expect("plain"), "whd_1");
    assert_eq!(world.kinds(&stream).await, ["source.delivery_received"]);
    let event = world.get("/api/v1/events").await["items"][0].clone();
    assert_eq!(event["origin"], "webhook");
    assert!(!event.to_string().contains("Ana"), "the body is sealed");
}

#[tokio::test]
async fn what_is_not_believed_leaves_no_trace() {
    let world = World::new().await;
    let body = delivery("whd_1", "1001");
    let at = now().timestamp();
    let good = signature(WEBHOOK_SECRET, "whd_1", at, &body);
    let old = at - 301;
    let early = at + 301;
    let cases = [
        ("another secret", post(&world, "whd_1", at, &signature("other", "whd_1", at, &body), &body).await, 401),
        ("another body", post(&world, "whd_1", at, &good, &body.replace("1001", "1002")).await, 401),
        ("another id", post(&world, "whd_2", at, &good, &body).await, 401),
        ("another time", post(&world, "whd_1", at + 1, &good, &body).await, 401),
        ("half a signature", post(&world, "whd_1", at, &good[..35], &body).await, 400),
        ("no version", post(&world, "whd_1", at, good.trim_start_matches("v1="), &body).await, 400),
        ("too old", post(&world, "whd_1", old, &signature(WEBHOOK_SECRET, "whd_1", old, &body), &body).await, 401),
        (
            "too early",
            post(&world, "whd_1", early, &signature(WEBHOOK_SECRET, "whd_1", early, &body), &body).await,
            401,
        ),
        ("no headers", world.ask("POST", PATH, "admin", Some(&json!({}))).await, 400),
        ("signed, and no delivery", signed(&world, "whd_1", "{}").await, 400),
        ("signed, and not JSON", signed(&world, "whd_1", "<xml/>").await, 400),
        ("signed for another id", signed(&world, "whd_3", &body).await, 400),
        ("very long", signed(&world, "whd_1", &"x".repeat(300 * 1024)).await, 413),
    ];
    for (what, said, status) in cases {
        assert_eq!(said.status, status, "{what}: {said:?}");
        said.problem();
        assert!(!said.text.contains(WEBHOOK_SECRET) && !said.text.contains(&good), "{what}");
    }
    assert_eq!(world.end().await, 0);
    assert_eq!(post(&world, "whd_1", at, &good, &body).await.status, 202, "the true one is still welcome");
}

#[tokio::test]
async fn a_refused_delivery_can_be_tried_again() {
    let world = World::new().await;
    signed(&world, "whd_1", &delivery("whd_1", "1001")).await;
    let source = SourceName::new("uschedule").expect("plain");
    let told = world.journal.stream(&StreamName::delivery(&source, "whd_1"), Default::default()).await.expect("memory");
    // No source is configured that could understand it.
    intake::apply(&world.journal, &Default::default(), &told[0]).await.expect("memory");
    world.project().await;
    let letters = world.get("/api/v1/dead-letters").await;
    let id = letters["items"][0]["letter"].as_str().expect("a letter").to_owned();
    let said = world.ask("POST", &format!("/api/v1/attempts/{id}/reprocess"), "operator", None).await;
    assert_eq!((said.status, said.json()), (202, json!({"kind": "delivery", "id": id})));
    let again = world.ask("POST", &format!("/api/v1/attempts/{id}/reprocess"), "operator", None).await;
    assert_eq!(again.status, 409, "it is not refused any more: {again:?}");
    world.project().await;
    assert_eq!(world.get("/api/v1/dead-letters").await["items"], json!([]));
    assert_eq!(world.get("/api/v1/deliveries?status=refused").await["items"], json!([]));
}

async fn channel(world: &World, id: &str, token: &str) {
    let fact = calendar::Event::ChannelOpened {
        calendar: bay1(),
        channel: ChannelId::new(id).expect("plain"),
        token_hash: token_hash(token),
        resource: "res-1".into(),
        expires_at: now() + TimeDelta::days(7),
        renew_at: now() + TimeDelta::days(5),
    };
    world.record(&StreamName::calendar(&bay1()), vec![fact.into()]).await;
}

async fn notify(world: &World, headers: &[(&str, &str)]) -> Said {
    world.ask_with("POST", "/webhook/gcal", "", None, headers).await
}

const GOOD: [(&str, &str); 5] = [
    ("x-goog-channel-id", "ch-1"),
    ("x-goog-channel-token", "secret-token"),
    ("x-goog-resource-id", "res-1"),
    ("x-goog-resource-state", "exists"),
    ("x-goog-message-number", "7"),
];

fn with(name: &str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    GOOD.iter().map(|(n, v)| (*n, if *n == name { value } else { *v })).collect()
}

#[tokio::test]
async fn a_notification_of_a_known_channel_is_recorded() {
    let world = World::new().await;
    channel(&world, "ch-1", "secret-token").await;
    // The read model may not know the channel yet; then the calendars' own streams do.
    for projected in [false, true] {
        if projected {
            world.project().await;
        }
        let said = notify(&world, &GOOD).await;
        assert_eq!((said.status, said.json()), (202, json!({"recorded": true})));
    }
    let kinds = world.kinds(&StreamName::calendar(&bay1())).await;
    assert_eq!(kinds, ["calendar.channel_opened", "calendar.notification_received", "calendar.notification_received"]);
}

#[tokio::test]
async fn a_notification_that_is_not_believed_has_no_effect() {
    let world = World::new().await;
    channel(&world, "ch-1", "secret-token").await;
    world.project().await;
    let before = world.end().await;
    let unknown = notify(&world, &with("x-goog-channel-id", "ch-2")).await;
    assert_eq!(unknown.status, 404);
    let missing = notify(&world, &GOOD[1..]).await;
    assert_eq!(missing.status, 400);
    let odd = notify(&world, &with("x-goog-message-number", "many")).await;
    assert_eq!(odd.status, 400);
    assert_eq!(world.end().await, before, "strangers write nothing");
    for forged in [with("x-goog-channel-token", "secret-tokeN"), with("x-goog-resource-id", "res-2")] {
        let said = notify(&world, &forged).await;
        assert_eq!(said.status, 401, "{said:?}");
        assert!(!said.problem().to_string().contains("secret-token"));
    }
    world.clock.advance(TimeDelta::days(8));
    assert_eq!(notify(&world, &GOOD).await.status, 401, "its time is over");
    let kinds = world.kinds(&StreamName::calendar(&bay1())).await;
    assert_eq!(kinds[1..], ["calendar.notification_rejected"; 3], "kept as what they are, and nothing is pulled");
    let shown: Value = world.get("/api/v1/channels").await;
    assert!(!shown.to_string().contains(&token_hash("secret-token")), "not even the hash is shown");
}
