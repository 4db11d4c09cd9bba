//! What needs no other side: appointments, refusals, webhooks.

mod errors;
mod mapping;
mod webhook;

use serde_json::{Value, json};

use crate::domain::ids::SourceName;

fn source() -> SourceName {
    SourceName::new("uschedule").unwrap()
}

fn appointment() -> Value {
    json!({
        "id": "1001",
        "status": "booked",
        "starts_at": "2026-11-23T15:00:00Z",
        "ends_at": "2026-11-23T16:00:00Z",
        "time_zone": "America/Chicago",
        "resource": "bay-1",
        "title": "Lesson",
        "notes": "Left-handed",
        "customer": {"id": "c7", "name": "Ann Example", "email": "ann@example.org", "phone": "+1 555 0100"},
        "revision": 3,
        "updated_at": "2026-11-20T12:00:00.123456Z",
    })
}
