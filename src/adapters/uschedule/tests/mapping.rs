//! Appointments, well made and not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{appointment, source};
use crate::{
    adapters::uschedule::mapping::{APPOINTMENT_BYTES_MAX, polled, reschedule, source_booking},
    domain::slot::Slot,
};

fn changed(key: &str, value: Value) -> Value {
    let mut one = appointment();
    one[key] = value;
    one
}

fn refusal(value: &Value) -> String {
    source_booking(&source(), &value.to_string()).unwrap_err()
}

#[test]
fn an_appointment_is_a_booking() {
    let shown = source_booking(&source(), &appointment().to_string()).unwrap();
    assert_eq!(shown.revision, Some(3));
    assert_eq!(shown.changed_at.to_rfc3339(), "2026-11-20T12:00:00.123456+00:00");
    let booking = shown.snapshot;
    assert_eq!((booking.source.as_str(), booking.source_ref.as_str()), ("uschedule", "1001"));
    assert_eq!(booking.resource.as_str(), "bay-1");
    assert_eq!(booking.slot.to_string(), "2026-11-23 09:00 to 10:00 (America/Chicago)");
    assert_eq!((booking.confirmed, booking.cancelled), (true, false));
    let customer = booking.details.customer.unwrap();
    assert_eq!((booking.details.title.display_text(), customer.name.display_text()), ("Lesson", "Ann Example"));
    assert_eq!(booking.details.notes.unwrap().display_text(), "Left-handed");
    assert_eq!(customer.email.unwrap().display_text(), "ann@example.org");
    assert_eq!(customer.phone.unwrap().subject.as_str(), "uschedule.customer.c7");
}

#[test]
fn what_may_be_missing_may_be_missing() {
    let mut bare = appointment();
    for key in ["title", "notes", "customer"] {
        bare.as_object_mut().unwrap().remove(key);
    }
    let booking = source_booking(&source(), &bare.to_string()).unwrap().snapshot;
    assert_eq!(booking.details.title.display_text(), "Booking");
    assert_eq!(booking.details.title.subject.as_str(), "uschedule.appointment.1001");
    assert_eq!((booking.details.notes, booking.details.customer), (None, None));
    bare["service"] = json!("Lesson");
    assert_eq!(source_booking(&source(), &bare.to_string()).unwrap().snapshot.details.title.display_text(), "Lesson");
}

#[test]
fn a_cancelled_appointment_is_a_cancelled_booking() {
    assert!(source_booking(&source(), &changed("status", json!("cancelled")).to_string()).unwrap().snapshot.cancelled);
}

#[test]
fn what_is_wrong_is_named_without_repeating_it() {
    let cases = [
        ("status", json!("Ann"), "must be booked or cancelled"),
        ("status", Value::Null, "status"),
        ("starts_at", json!("Ann o'clock"), "starts_at"),
        ("ends_at", json!("2026-11-23T15:00:00Z"), "ends"),
        ("time_zone", json!("Mars/Olympus"), "not an IANA time zone"),
        ("resource", json!("bay 1 for Ann"), "resource"),
        ("revision", json!(0), "revision is 0"),
        ("revision", json!("3"), "revision"),
        ("id", json!(""), "id is empty"),
        ("updated_at", Value::Null, "updated_at"),
        ("customer", json!("Ann"), "wrong type"),
    ];
    for (key, value, why) in cases {
        let refusal = refusal(&changed(key, value));
        assert!(refusal.contains(why) && !refusal.contains("Ann"), "{key}: {refusal}");
    }
    assert!(source_booking(&source(), "{").unwrap_err().contains("not JSON"));
    assert!(refusal(&changed("notes", json!("x".repeat(APPOINTMENT_BYTES_MAX)))).contains("longer"));
}

#[test]
fn the_same_revision_is_the_same_delivery() {
    let body = appointment().to_string();
    let one = polled(&source(), &body);
    assert_eq!((one.id.as_str(), one.body.as_str()), ("poll.1001.3", body.as_str()));
    assert_eq!(one.subject.as_str(), "uschedule.customer.c7");
    assert_eq!(polled(&source(), &changed("revision", json!(4)).to_string()).id, "poll.1001.4");
    for odd in [json!({}), json!({"id": "1"}), json!({"id": 1, "revision": 1}), json!("text"), Value::Null] {
        let one = polled(&source(), &odd.to_string());
        assert!(one.id.starts_with("poll.~"), "{odd}");
        assert_eq!(one, polled(&source(), &odd.to_string()), "and always the same");
    }
}

#[test]
fn a_subject_is_always_usable_as_one() {
    let subject = |customer: Value| polled(&source(), &changed("customer", customer).to_string()).subject;
    assert_eq!(subject(json!({"id": 7})).as_str(), "uschedule.customer.7");
    for unusable in [json!({"id": "c 7"}), json!({"id": ""}), json!({"id": null}), json!({"id": "x".repeat(200)})] {
        assert_eq!(subject(unusable).as_str(), "uschedule.appointment.1001");
    }
    let mut nameless = changed("customer", Value::Null);
    nameless["id"] = json!("x y");
    assert!(polled(&source(), &nameless.to_string()).subject.as_str().starts_with("appointment.~"));
}

#[test]
fn whole_days_cannot_be_asked_for() {
    let day = Slot::all_day("2026-11-23".parse().unwrap(), "2026-11-24".parse().unwrap()).unwrap();
    assert_eq!(reschedule(&day), None);
}

proptest! {
    #[test]
    fn a_slot_comes_back_as_it_was_sent(start in 0_i64..7_000_000_000, minutes in 1_i64..500_000) {
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let slot = Slot::timed(at(start), at(start + minutes * 60), "Asia/Kolkata").unwrap();
        let sent = reschedule(&slot).unwrap();
        let mut answered = appointment();
        for key in ["starts_at", "ends_at", "time_zone"] {
            answered[key] = sent[key].clone();
        }
        prop_assert_eq!(source_booking(&source(), &answered.to_string()).unwrap().snapshot.slot, slot);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", key in prop::sample::select(vec![
        "id", "status", "starts_at", "time_zone", "resource", "customer", "revision",
    ])) {
        drop(source_booking(&source(), &text));
        drop(polled(&source(), &text));
        let one = changed(key, json!(text)).to_string();
        drop(source_booking(&source(), &one));
        drop(polled(&source(), &one));
    }
}
