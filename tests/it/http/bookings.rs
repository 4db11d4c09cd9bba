//! Bookings over HTTP: every change, repetitions, and what is refused.

use serde_json::{Value, json};
use syncledger::{domain::ids::BookingId, http::router, record::stream::StreamName};

use super::world::World;

const BOOKINGS: &str = "/api/v1/bookings";

fn golf() -> Value {
    json!({
        "resource": "bay-1",
        "slot": {"starts_at": "2026-05-29T10:00:00-05:00", "ends_at": "2026-05-29T11:00:00-05:00", "zone": "America/Chicago"},
        "details": {"title": "Golf 🏌", "notes": "left-handed\nclubs", "customer": {"id": "7", "name": "Ana Müller", "email": "ana@example.org"}},
    })
}

fn stream(id: &str) -> StreamName {
    StreamName::booking(&BookingId::new(id).expect("usable"))
}

#[tokio::test]
async fn a_booking_is_created_changed_and_shown() {
    let world = World::new().await;
    let mut body = golf();
    body["id"] = json!("1001");
    let created = world.ask("POST", BOOKINGS, "integration", Some(&body)).await;
    assert_eq!((created.status, created.header("location")), (201, "/api/v1/bookings/api.1001"));
    insta::assert_snapshot!("created", serde_json::to_string_pretty(&created.json()).expect("JSON"));
    let at = |what: &str| format!("{BOOKINGS}/api.1001/{what}");
    let later = json!({"starts_at": "2026-05-30T10:00:00Z", "ends_at": "2026-05-30T11:00:00Z", "zone": "UTC"});
    let steps: Vec<(&str, &str, Option<Value>, &str, Value)> = vec![
        ("POST", "confirm", None, "/status", json!("confirmed")),
        ("POST", "reschedule", Some(later), "/slot/starts_at", json!("2026-05-30T10:00:00Z")),
        ("POST", "reassign", Some(json!({"resource": "bay-2"})), "/resource", json!("bay-2")),
        ("PATCH", "details", Some(json!({"title": "Putting"})), "/details/title", json!("Putting")),
        ("PATCH", "details", Some(json!({"notes": null})), "/details/notes", Value::Null),
        ("POST", "cancel", None, "/status", json!("cancelled")),
        ("POST", "restore", None, "/status", json!("confirmed")),
    ];
    for (revision, (method, what, body, pointer, value)) in steps.into_iter().enumerate() {
        let said = world.ask(method, &at(what), "operator", body.as_ref()).await;
        assert_eq!(said.status, 200, "{what}: {said:?}");
        let booking = said.json();
        assert_eq!(booking.pointer(pointer), Some(&value), "{what}");
        assert_eq!(booking["revision"], revision + 2, "{what}");
        assert_eq!(world.get(&format!("{BOOKINGS}/api.1001")).await, booking, "{what}");
    }
    let kept = world.get(&format!("{BOOKINGS}/api.1001")).await;
    assert_eq!(kept["details"]["customer"]["name"], "Ana Müller", "what is not named stays");
    assert_eq!(
        world.kinds(&stream("api.1001")).await.join(" "),
        "booking.registered booking.confirmed booking.rescheduled booking.reassigned booking.details_changed \
         booking.details_changed booking.cancelled booking.restored"
    );
}

#[tokio::test]
async fn the_list_shows_what_the_ledger_shows() {
    let world = World::new().await;
    let mut days = json!({"resource": "room", "slot": {"from": "2026-06-01", "until": "2026-06-03"}, "details": {"title": "Away"}});
    days["id"] = json!("days");
    assert_eq!(world.ask("POST", BOOKINGS, "operator", Some(&days)).await.status, 201);
    for hour in 10..15 {
        let mut body = golf();
        body["id"] = json!(format!("at-{hour}"));
        body["slot"]["starts_at"] = json!(format!("2026-05-29T{hour}:00:00Z"));
        body["slot"]["ends_at"] = json!(format!("2026-05-29T{hour}:30:00Z"));
        assert_eq!(world.ask("POST", BOOKINGS, "operator", Some(&body)).await.status, 201);
    }
    world.ask("POST", &format!("{BOOKINGS}/api.at-11/cancel"), "operator", None).await;
    world.project().await;
    let all = world.get(BOOKINGS).await;
    let ids: Vec<&str> = all["items"].as_array().expect("a list").iter().filter_map(|b| b["id"].as_str()).collect();
    assert_eq!(ids, ["api.at-10", "api.at-11", "api.at-12", "api.at-13", "api.at-14", "api.days"]);
    for booking in all["items"].as_array().expect("a list") {
        let shown = world.get(&format!("{BOOKINGS}/{}", booking["id"].as_str().expect("an id"))).await;
        assert_eq!(&shown, booking);
    }
    // Page by page it is the same.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{BOOKINGS}?limit=4{cursor}")).await;
        paged.extend(page["items"].as_array().expect("a list").clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(json!(paged), all["items"]);
    for (filter, count) in [
        ("status=cancelled", 1),
        ("resource=room", 1),
        ("from=2026-05-29T12:00:00Z&until=2026-05-29T13:30:00Z", 2),
        ("source=uschedule", 0),
    ] {
        let found = world.get(&format!("{BOOKINGS}?{filter}")).await;
        assert_eq!(found["items"].as_array().map(Vec::len), Some(count), "{filter}: {found}");
    }
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_nothing_happens_twice() {
    let world = World::new().await;
    let key = [("idempotency-key", "k-1")];
    let first = world.ask_with("POST", BOOKINGS, "integration", Some(&golf()), &key).await;
    assert_eq!(first.status, 201);
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let move_key = [("idempotency-key", "k-2")];
    let slot = json!({"starts_at": "2026-06-01T10:00:00Z", "ends_at": "2026-06-01T11:00:00Z", "zone": "UTC"});
    let path = format!("{BOOKINGS}/{id}/reschedule");
    let moved = world.ask_with("POST", &path, "integration", Some(&slot), &move_key).await;
    world.ask("POST", &format!("{BOOKINGS}/{id}/cancel"), "integration", None).await;
    let end = world.end().await;
    // Another process on the same ledger, or the same after a restart, has no memory of keys but the ledger's.
    let restarted = World { router: router(world.api.clone()), ..clone(&world) };
    for world in [&world, &restarted] {
        for _ in 0..2 {
            let again = world.ask_with("POST", BOOKINGS, "integration", Some(&golf()), &key).await;
            assert_eq!((again.status, again.json()), (201, first.json()), "as the booking was then");
            assert_eq!(again.header("location"), first.header("location"));
            let again = world.ask_with("POST", &path, "integration", Some(&slot), &move_key).await;
            assert_eq!((again.status, again.json()), (200, moved.json()));
        }
        let mut other = golf();
        other["details"]["title"] = json!("Something else");
        let refused = world.ask_with("POST", BOOKINGS, "integration", Some(&other), &key).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.problem()["errors"][0]["field"], "Idempotency-Key");
        let other = json!({"starts_at": "2026-06-01T10:00:00Z", "ends_at": "2026-06-01T12:00:00Z", "zone": "UTC"});
        let refused = world.ask_with("POST", &path, "integration", Some(&other), &move_key).await;
        assert_eq!(refused.status, 422);
    }
    assert_eq!(world.end().await, end, "nothing was written");
    // Another bearer's key is another key.
    let theirs = world.ask_with("POST", BOOKINGS, "operator", Some(&golf()), &key).await;
    assert_eq!(theirs.status, 201);
    assert_ne!(theirs.json()["id"], first.json()["id"]);
}

fn clone(world: &World) -> World {
    World {
        clock: world.clock.clone(),
        ledger: world.ledger.clone(),
        vault: world.vault.clone(),
        tokens: world.tokens.clone(),
        journal: world.journal.clone(),
        projector: world.projector.clone(),
        api: world.api.clone(),
        router: world.router.clone(),
        secrets: world.secrets.clone(),
    }
}

#[tokio::test]
async fn a_key_that_was_used_for_another_booking_is_refused() {
    let world = World::new().await;
    let key = [("idempotency-key", "k-1")];
    let named = |id: &str| {
        let mut body = golf();
        body["id"] = json!(id);
        body
    };
    assert_eq!(world.ask_with("POST", BOOKINGS, "operator", Some(&named("a")), &key).await.status, 201);
    assert_eq!(world.ask_with("POST", BOOKINGS, "operator", Some(&named("b")), &key).await.status, 422);
    assert_eq!(world.ask_with("POST", &format!("{BOOKINGS}/api.a/cancel"), "operator", None, &key).await.status, 422);
    let repeated = world.ask_with("POST", BOOKINGS, "operator", Some(&named("a")), &key).await;
    assert_eq!(repeated.status, 201);
    // A failure is not remembered: the same key may succeed later.
    let key = [("idempotency-key", "k-2")];
    let path = format!("{BOOKINGS}/api.c/confirm");
    assert_eq!(world.ask_with("POST", &path, "operator", None, &key).await.status, 404);
    assert_eq!(world.ask("POST", BOOKINGS, "operator", Some(&named("c"))).await.status, 201);
    assert_eq!(world.ask_with("POST", &path, "operator", None, &key).await.status, 200);
    for key in ["", &"x".repeat(256)] {
        let said = world.ask_with("POST", &path, "operator", None, &[("idempotency-key", key)]).await;
        assert_eq!((said.status, said.problem()["errors"][0]["field"].clone()), (422, json!("Idempotency-Key")));
    }
}

#[tokio::test]
async fn requests_at_the_same_time_with_one_key_create_one_booking() {
    let world = World::new().await;
    let (body, key) = (golf(), [("idempotency-key", "k-1")]);
    let asks = (0..16).map(|_| world.ask_with("POST", BOOKINGS, "operator", Some(&body), &key));
    let said = futures::future::join_all(asks).await;
    assert!(said.iter().all(|s| s.status == 201 && s.json() == said[0].json()), "{said:?}");
    assert_eq!(world.end().await, 1);
}

#[tokio::test]
async fn what_rules_refuse_is_said_in_words() {
    let world = World::new().await;
    let mut body = golf();
    body["id"] = json!("1");
    assert_eq!(world.ask("POST", BOOKINGS, "operator", Some(&body)).await.status, 201);
    assert_eq!(world.ask("POST", BOOKINGS, "operator", Some(&body)).await.status, 200, "it is so already");
    body["details"]["title"] = json!("Other");
    assert_eq!(world.ask("POST", BOOKINGS, "operator", Some(&body)).await.status, 409, "it exists with other content");
    let path = |what: &str| format!("{BOOKINGS}/api.1/{what}");
    assert_eq!(world.ask("POST", &path("cancel"), "operator", None).await.status, 200);
    let said = world.ask("POST", &path("confirm"), "operator", None).await;
    assert_eq!(said.status, 409);
    assert_eq!(said.problem()["detail"], "this booking is cancelled: restore it before changing it");
    for path in ["/api/v1/bookings/api.none", "/api/v1/bookings/%00", "/api/v1/bookings/予約", "/api/v1/bookings/a%2Fb"]
    {
        let path = path.replace('予', "%E4%BA%88").replace('約', "%E7%B4%84");
        assert_eq!(world.ask("GET", &path, "viewer", None).await.problem()["status"], 404, "{path}");
        assert_eq!(world.ask("POST", &format!("{path}/cancel"), "operator", None).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_clients_own_id_may_be_any_line_of_text() {
    let world = World::new().await;
    for id in ["予約 1", "a/b?c#d", "x".repeat(200).as_str()] {
        let mut body = golf();
        body["id"] = json!(id);
        let said = world.ask("POST", BOOKINGS, "operator", Some(&body)).await;
        assert_eq!(said.status, 201, "{said:?}");
        assert_eq!(said.json()["reference"], id);
        let shown = world.get(said.header("location")).await;
        assert_eq!(shown, said.json());
    }
}

#[tokio::test]
async fn an_integration_sees_no_other_sources_bookings() {
    let world = World::new().await;
    let mut body = golf();
    body["id"] = json!("mine");
    world.ask("POST", BOOKINGS, "integration", Some(&body)).await;
    super::hooks::deliver(&world, "1001").await;
    world.project().await;
    let all = world.get(BOOKINGS).await;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    for query in ["", "?source=uschedule", "?source=api"] {
        let own = world.ask("GET", &format!("{BOOKINGS}{query}"), "integration", None).await.json();
        let ids: Vec<&Value> = own["items"].as_array().expect("a list").iter().map(|b| &b["id"]).collect();
        assert_eq!(ids, ["api.mine"], "{query}");
    }
    let hidden = format!("{BOOKINGS}/uschedule.1001");
    assert_eq!(world.ask("GET", &hidden, "viewer", None).await.status, 200);
    assert_eq!(world.ask("GET", &hidden, "integration", None).await.status, 404);
    assert_eq!(world.ask("POST", &format!("{hidden}/cancel"), "integration", None).await.status, 404);
}

#[tokio::test]
async fn personal_data_is_sealed_in_the_ledger_and_gone_once_forgotten() {
    let world = World::new().await;
    let mut body = golf();
    body["id"] = json!("1");
    world.ask("POST", BOOKINGS, "operator", Some(&body)).await;
    let events = world.ask("GET", "/api/v1/events", "auditor", None).await;
    assert_eq!(events.status, 200);
    for text in ["Ana", "ana@example.org", "Golf", "left-handed"] {
        assert!(!events.text.contains(text), "{text} stands in an event");
    }
    let erase = |who: &str| format!("/api/v1/admin/subjects/{who}");
    assert_eq!(world.ask("DELETE", &erase("api.customer.77"), "admin", None).await.status, 404, "nobody by that name");
    assert_eq!(world.ask("DELETE", &erase("api.customer.7"), "operator", None).await.status, 403);
    world.project().await;
    let done = world.ask("DELETE", &erase("api.customer.7"), "admin", None).await;
    assert_eq!(
        (done.status, &done.json()["erased"]["repeated"], &done.json()["left"]["bookings"]),
        (200, &json!(false), &json!(1))
    );
    let again = world.ask("DELETE", &erase("api.customer.7"), "admin", None).await;
    assert_eq!((again.status, &again.json()["erased"]["repeated"]), (200, &json!(true)));
    let shown = world.get(&format!("{BOOKINGS}/api.1")).await;
    assert_eq!(shown["details"]["title"], "[erased]");
    assert_eq!(shown["details"]["customer"]["name"], "[erased]");
    let said =
        world.ask("PATCH", &format!("{BOOKINGS}/api.1/details"), "operator", Some(&json!({"title": "New"}))).await;
    assert_eq!(said.status, 409, "nothing new is recorded about somebody who was forgotten: {said:?}");
    said.problem();
}

#[tokio::test]
async fn the_story_of_a_booking_is_told() {
    let world = World::new().await;
    let mut body = golf();
    body["id"] = json!("1");
    world.ask("POST", BOOKINGS, "operator", Some(&body)).await;
    world.ask("POST", &format!("{BOOKINGS}/api.1/confirm"), "operator", None).await;
    let story = world.get(&format!("{BOOKINGS}/api.1/story")).await;
    let kinds: Vec<&str> =
        story["happened"].as_array().expect("a list").iter().filter_map(|h| h["type"].as_str()).collect();
    assert_eq!((kinds, &story["zone"]), (vec!["booking.registered", "booking.confirmed"], &json!("America/Chicago")));
    assert_eq!(world.ask("GET", &format!("{BOOKINGS}/api.2/story"), "viewer", None).await.status, 404);
    super::hooks::deliver(&world, "1001").await;
    let hidden = format!("{BOOKINGS}/uschedule.1001/story");
    assert_eq!(world.ask("GET", &hidden, "viewer", None).await.status, 200);
    assert_eq!(world.ask("GET", &hidden, "integration", None).await.status, 404);
}
