//! Whatever is wrong with a request: the answer is a problem document that says what to do.

use std::fmt::Write as _;

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use super::world::World;

const BOOKINGS: &str = "/api/v1/bookings";

fn raw(world: &World, method: &str, path: &str, kind: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", world.secrets["operator"]))
        .header("x-request-id", "req-1");
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    request.body(body.into()).expect("a request")
}

#[tokio::test]
async fn every_problem_has_the_same_form() {
    let world = World::new().await;
    let json = Some("application/json");
    let create = |body: &str| raw(&world, "POST", BOOKINGS, json, body.to_owned());
    let bad_slot = json!({
        "resource": "bay 1",
        "slot": {"starts_at": "tomorrow", "ends_at": "2026-05-29T11:00:00", "zone": "Mars/Olympus"},
        "details": {"title": "", "customer": {"id": "a b", "name": "x\u{0}"}},
    });
    let with_slot = |slot: Value| json!({"resource": "bay-1", "slot": slot, "details": {"title": "Golf"}}).to_string();
    let backwards = json!({"starts_at": "2026-05-29T11:00:00Z", "ends_at": "2026-05-29T10:00:00Z", "zone": "UTC"});
    let mars = json!({"starts_at": "2026-05-29T10:00:00Z", "ends_at": "2026-05-29T11:00:00Z", "zone": "Mars/Olympus"});
    let mixed = json!({"starts_at": "2026-05-29T10:00:00Z", "from": "2026-05-29"});
    let wide = "[".repeat(10_000);
    let cases: Vec<(&str, Request<Body>)> = vec![
        ("nothing there", raw(&world, "GET", "/api/v2/bookings", None, "")),
        ("nothing there, and odd", raw(&world, "GET", "/%F0%9F%8F%8C/%3Cscript%3E", None, "")),
        ("another method", raw(&world, "DELETE", BOOKINGS, None, "")),
        ("a method of their own", raw(&world, "BREW", BOOKINGS, None, "")),
        ("no content type", raw(&world, "POST", BOOKINGS, None, "{}")),
        ("a form", raw(&world, "POST", BOOKINGS, Some("application/x-www-form-urlencoded"), "a=b")),
        ("not JSON", create("{\"resource\": ")),
        ("two documents", create("{} {}")),
        ("too deep", create(&wide)),
        ("nothing", create("{}")),
        ("a list", create("[]")),
        ("a wrong type", create("{\"resource\": 7}")),
        ("an unknown field", create("{\"resource\": \"bay-1\", \"slots\": []}")),
        ("many wrong fields", create(&bad_slot.to_string())),
        ("backwards", create(&with_slot(backwards))),
        ("an unknown zone", create(&with_slot(mars))),
        ("times and days", create(&with_slot(mixed))),
        ("no slot at all", create(&with_slot(json!({})))),
        ("too long", create(&format!("{{\"resource\": \"{}\"}}", "x".repeat(70_000)))),
        ("an unknown parameter", raw(&world, "GET", "/api/v1/bookings?colour=red", None, "")),
        ("a wrong parameter", raw(&world, "GET", "/api/v1/bookings?status=lost", None, "")),
        ("a limit out of range", raw(&world, "GET", "/api/v1/links?limit=0", None, "")),
        ("a limit that is none", raw(&world, "GET", "/api/v1/links?limit=many", None, "")),
        ("a cursor of their own", raw(&world, "GET", "/api/v1/links?cursor=abc", None, "")),
        ("an unknown link", raw(&world, "GET", "/api/v1/links/none", None, "")),
        ("an unknown attempt", raw(&world, "POST", "/api/v1/attempts/none/reprocess", None, "")),
        ("an unknown approval", raw(&world, "POST", "/api/v1/admin/approvals/none/grant", None, "")),
        ("not theirs", raw(&world, "GET", "/api/v1/events", None, "")),
    ];
    let mut told = String::new();
    for (what, request) in cases {
        let said = world.send(request).await;
        let problem = said.problem();
        assert!((400..500).contains(&said.status), "{what}: {said:?}");
        assert_eq!(problem["correlation"], "req-1", "{what}");
        writeln!(told, "--- {what}\n{}", serde_json::to_string_pretty(&problem).expect("JSON")).expect("memory");
    }
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn another_method_names_those_that_work() {
    let world = World::new().await;
    let said = world.ask("DELETE", BOOKINGS, "admin", None).await;
    let mut allowed: Vec<&str> = said.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!((said.status, allowed), (405, vec!["GET", "HEAD", "POST"]));
}

#[tokio::test]
async fn every_answer_bears_the_request_id_and_the_security_headers() {
    let world = World::new().await;
    for (path, status) in [("/health", 200), ("/nothing", 404), ("/api/v1/links", 401)] {
        let said = world.ask_with("GET", path, "", None, &[("x-request-id", "mine-1")]).await;
        assert_eq!((said.status, said.header("x-request-id")), (status, "mine-1"), "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(said.header(name), value, "{path}");
        }
        // One that is not fit for logs and events is not taken.
        for odd in ["a b", "é", "<script>", &"x".repeat(129), ""] {
            let said = world.ask_with("GET", path, "", None, &[("x-request-id", odd)]).await;
            assert_eq!(said.header("x-request-id").len(), 36, "{odd}");
        }
    }
    // It is the correlation of what the request led to.
    let body = json!({"id": "1", "resource": "bay-1", "slot": {"from": "2026-06-01", "until": "2026-06-02"}, "details": {"title": "x"}});
    world.ask_with("POST", BOOKINGS, "operator", Some(&body), &[("x-request-id", "mine-2")]).await;
    let event = world.get("/api/v1/events?stream=booking-api.1").await["items"][0].clone();
    assert_eq!((event["correlation"].as_str(), event["origin"].as_str()), (Some("mine-2"), Some("api")));
    assert_eq!(event["actor"]["kind"], "token");
    assert!(event["actor"]["id"].as_str().expect("an id").starts_with("tok_"));
}

/// Everything that is logged, as text.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_requests_and_nobody() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    // Another test may have met a log line just before there was a subscriber: it would stay switched off for all.
    tracing::callsite::rebuild_interest_cache();
    let body = json!({
        "id": "Ana-Müller", "resource": "bay-1", "slot": {"from": "2026-06-01", "until": "2026-06-02"},
        "details": {"title": "Secret title", "customer": {"name": "Ana Müller", "email": "ana@example.org"}},
    });
    let key = [("idempotency-key", "key-of-ana"), ("x-request-id", "req-7")];
    assert_eq!(world.ask_with("POST", BOOKINGS, "operator", Some(&body), &key).await.status, 201);
    world.ask("POST", "/api/v1/links/ana@example.org/held/accept?why=ana", "operator", None).await;
    world.ask("GET", "/ana@example.org", "", None).await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().expect("unpoisoned").clone()).expect("UTF-8");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("one document a line")).collect();
    let first = lines.iter().find(|line| line["fields"]["route"] == BOOKINGS).expect("the request is logged");
    let fields = &first["fields"];
    assert_eq!(
        (&fields["correlation"], &fields["status"], &fields["role"]),
        (&json!("req-7"), &json!(201), &json!("operator"))
    );
    assert!(fields["token"].as_str().is_some_and(|token| token.starts_with("tok_")));
    for word in ["Ana", "ana@", "Secret", "key-of-ana", "sl_"] {
        assert!(!text.contains(word), "{word} is in the log:\n{text}");
    }
}
