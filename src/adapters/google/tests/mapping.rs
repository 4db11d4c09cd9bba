//! Content to JSON and back, and what Google may show that is none of ours.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    adapters::google::mapping::{ReadOptions, entry, patch, resource},
    domain::{
        entry::{Body, Content, Marker, RemoteEntry},
        failure::FailureClass,
        ids::{BookingId, Generation, LinkId, RemoteId, ResourceId, SubjectId},
        personal::Personal,
        slot::Slot,
    },
};

fn personal(text: &str) -> Personal {
    Personal::new(SubjectId::new("uschedule.customer.7").unwrap(), text)
}

fn slot(starts_at: i64, minutes: i64, zone: &str) -> Slot {
    let at = DateTime::from_timestamp(starts_at, 0).unwrap();
    Slot::timed(at, at + TimeDelta::minutes(minutes), zone).unwrap()
}

fn content() -> Content {
    Content {
        slot: slot(1_795_000_000, 60, "America/Chicago"),
        title: personal("Bay 1: Ann"),
        description: personal("Left-handed"),
        marked_cancelled: false,
    }
}

fn marker(resource: &str) -> Marker {
    Marker {
        link: LinkId::new("uschedule.1001.0a1b2c3d").unwrap(),
        generation: Generation(3),
        booking: BookingId::new("uschedule.1001").unwrap(),
        appointment: "1001".into(),
        resource: ResourceId::new(resource).unwrap(),
    }
}

fn remote() -> RemoteId {
    RemoteId("sl0123456789".into())
}

/// What the provider answers to an insert: the same, with its own fields.
fn answered(mut value: Value) -> Value {
    value["etag"] = json!("\"3181161784712000\"");
    value["status"] = json!("confirmed");
    value["updated"] = json!("2026-11-20T12:00:00.123Z");
    value
}

fn read(value: &Value) -> RemoteEntry {
    entry(value, ReadOptions::default()).unwrap()
}

/// RFC 7396, which is how Google applies a patch.
fn merged(target: &mut Value, patch: &Value) {
    let (Some(target), Some(patch)) = (target.as_object_mut(), patch.as_object()) else {
        *target = patch.clone();
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merged(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[test]
fn the_resource_has_the_fields_that_the_seed_names() {
    let made = resource(&remote(), &marker("bay-1"), &content()).unwrap();
    let expected = json!({
        "id": "sl0123456789",
        "summary": "Bay 1: Ann",
        "description": "Left-handed",
        "start": {"dateTime": "2026-11-18T11:06:40Z", "timeZone": "America/Chicago"},
        "end": {"dateTime": "2026-11-18T12:06:40Z", "timeZone": "America/Chicago"},
        "transparency": "opaque",
        "extendedProperties": {"private": {
            "uscheduleAppointmentId": "1001",
            "loftSyncManaged": "true",
            "bay": "1",
            "syncledgerLink": "uschedule.1001.0a1b2c3d",
            "syncledgerBooking": "uschedule.1001",
            "syncledgerGeneration": "3",
        }},
    });
    assert_eq!(made, expected);
}

#[test]
fn markers_survive_whatever_the_resource_is_called() {
    for name in ["bay-1", "bay-01", "7", "bay-", "bay-one", "studio", "bay-1.b"] {
        let made = answered(resource(&remote(), &marker(name), &content()).unwrap());
        assert_eq!(read(&made).marker, Some(marker(name)), "{name}");
    }
}

#[test]
fn an_entry_without_the_whole_marker_is_not_ours() {
    let whole = answered(resource(&remote(), &marker("bay-1"), &content()).unwrap());
    let changed = |key: &str, value: Value| {
        let mut one = whole.clone();
        one["extendedProperties"]["private"][key] = value;
        read(&one).marker
    };
    for key in ["uscheduleAppointmentId", "loftSyncManaged", "bay", "syncledgerLink", "syncledgerBooking"] {
        for value in [Value::Null, json!(""), json!(1)] {
            assert_eq!(changed(key, value), None, "{key}");
        }
    }
    assert_eq!(changed("loftSyncManaged", json!("false")), None);
    assert_eq!(changed("syncledgerLink", json!("no link/../at all")), None);
    for generation in ["0", "-1", "x", ""] {
        assert_eq!(changed("syncledgerGeneration", json!(generation)), None);
    }
    assert!(changed("somebodyElses", json!("value")).is_some());
    let mut stripped = whole.clone();
    stripped["extendedProperties"] = json!({"shared": whole["extendedProperties"]["private"]});
    assert_eq!(read(&stripped).marker, None, "shared properties are anybody's");
}

#[test]
fn an_appointment_id_that_google_would_cut_is_not_sent() {
    let mut marker = marker("bay-1");
    marker.appointment = "x".repeat(1025);
    assert_eq!(resource(&remote(), &marker, &content()).unwrap_err().class, FailureClass::NonRetryable);
    marker.appointment.truncate(1024);
    assert!(resource(&remote(), &marker, &content()).is_ok());
}

#[test]
fn an_entry_shown_as_cancelled_is_a_prefix_and_transparent_together() {
    let cancelled = Content { marked_cancelled: true, ..content() };
    let made = answered(resource(&remote(), &marker("bay-1"), &cancelled).unwrap());
    assert_eq!((&made["summary"], &made["transparency"]), (&json!("Cancelled: Bay 1: Ann"), &json!("transparent")));
    assert_eq!(read(&made).body, Body::Live(cancelled.clone()));
    let mut opaque = made.clone();
    opaque["transparency"] = json!("opaque");
    let Body::Live(read) = read(&opaque).body else { panic!("it is there") };
    assert_eq!((read.title.display_text(), read.marked_cancelled), ("Cancelled: Bay 1: Ann", false));
    let change = patch(&content(), &cancelled).unwrap();
    assert_eq!(change, json!({"summary": "Cancelled: Bay 1: Ann", "transparency": "transparent"}));
}

#[test]
fn a_patch_names_only_what_differs() {
    assert_eq!(patch(&content(), &content()), None);
    let other_zone = Content { slot: slot(1_795_000_000, 60, "America/New_York"), ..content() };
    assert_eq!(patch(&other_zone, &content()), None, "the same time in another zone is no change");
    let titled = Content { title: personal("Bay 1: Bea"), ..content() };
    assert_eq!(patch(&content(), &titled), Some(json!({"summary": "Bay 1: Bea"})));
    let silent = Content { description: personal(""), ..content() };
    assert_eq!(patch(&content(), &silent), Some(json!({"description": null})));
    let day = Content {
        slot: Slot::all_day("2026-11-18".parse().unwrap(), "2026-11-19".parse().unwrap()).unwrap(),
        ..content()
    };
    let whole = patch(&content(), &day).unwrap();
    assert_eq!(whole["start"], json!({"date": "2026-11-18", "dateTime": null, "timeZone": null}));
    assert_eq!(patch(&day, &content()).unwrap()["end"]["date"], Value::Null);
}

#[test]
fn what_cannot_be_read_says_why_and_names_nobody() {
    let whole = answered(resource(&remote(), &marker("bay-1"), &content()).unwrap());
    let cases: [(&str, Value, &str); 8] = [
        ("recurrence", json!(["RRULE:FREQ=DAILY"]), "it recurs: a series cannot be a booking"),
        ("recurringEventId", json!("abc"), "it recurs: a series cannot be a booking"),
        ("start", json!({"dateTime": "2026-11-18T05:06:40-06:00", "timeZone": "Custom"}), "not an IANA time zone"),
        ("start", json!({"dateTime": "2026-11-18T05:06:40", "timeZone": "UTC"}), "has no offset"),
        ("start", Value::Null, "its time cannot be read"),
        ("end", json!({"dateTime": "2026-11-18T11:06:40Z"}), "ends"),
        ("start", json!({"date": "2026-11-18"}), "its time cannot be read"),
        ("end", json!({"dateTime": "2999-11-18T11:06:40Z"}), "outside the supported years"),
    ];
    for (key, value, why) in cases {
        let mut one = whole.clone();
        one[key] = value;
        let read = read(&one);
        let Body::Unreadable(reason) = &read.body else { panic!("{key} should hinder: {read:?}") };
        assert!(reason.contains(why) && !reason.contains("Ann"), "{reason}");
        assert_eq!(read.marker, Some(marker("bay-1")), "it is ours all the same");
    }
    let hidden = json!({"id": "x1", "etag": "\"1\"", "status": "confirmed", "visibility": "private",
        "start": whole["start"], "end": whole["end"]});
    assert!(matches!(read(&hidden).body, Body::Unreadable(_)));
}

#[test]
fn a_deleted_entry_needs_no_more_than_its_id() {
    let read = read(&json!({"id": "sl1", "status": "cancelled"}));
    assert_eq!((read.body, read.marker, read.updated), (Body::Deleted, None, None));
    for nothing in
        [json!({}), json!({"id": ""}), json!({"id": 7}), json!({"id": "x", "status": "confirmed"}), json!([])]
    {
        assert_eq!(entry(&nothing, ReadOptions::default()), None, "{nothing}");
    }
}

#[test]
fn an_entry_without_a_zone_is_in_the_calendars() {
    let bare = json!({"id": "abcde", "etag": "\"1\"", "summary": "Somebody's",
        "start": {"dateTime": "2026-11-18T05:06:40-06:00"}, "end": {"dateTime": "2026-11-18T06:06:40-06:00"}});
    let zoned = |zone| match entry(&bare, ReadOptions { zone, subject: None }).unwrap().body {
        Body::Live(content) => content.slot,
        other => panic!("{other:?}"),
    };
    assert_eq!(zoned(Some("America/Chicago")), content().slot);
    assert_eq!(zoned(None), slot(1_795_000_000, 60, "UTC"));
}

prop_compose! {
    fn any_slot()(
        whole in any::<bool>(),
        start in 0_i64..7_000_000_000,
        minutes in 1_i64..500_000,
        zone in prop::sample::select(vec!["UTC", "America/Chicago", "Africa/Monrovia", "Asia/Kolkata", "Australia/Lord_Howe"]),
    ) -> Slot {
        if whole {
            let from = DateTime::<Utc>::from_timestamp(start, 0).unwrap().date_naive();
            Slot::all_day(from, from + TimeDelta::days(1 + minutes % 300)).unwrap()
        } else {
            slot(start, minutes, zone)
        }
    }
}

prop_compose! {
    fn any_content()(
        slot in any_slot(),
        title in prop_oneof![".{0,40}", Just("Cancelled: ".to_owned()), Just("Cancelled: x".to_owned())],
        description in "(?s).{0,80}",
        marked_cancelled in any::<bool>(),
    ) -> Content {
        Content { slot, title: personal(&title), description: personal(&description), marked_cancelled }
    }
}

proptest! {
    #[test]
    fn content_comes_back_as_it_was_sent(content in any_content()) {
        let made = answered(resource(&remote(), &marker("bay-2"), &content).unwrap());
        let read = read(&made);
        prop_assert_eq!(read.body, Body::Live(content));
        prop_assert_eq!(read.marker, Some(marker("bay-2")));
        prop_assert_eq!(read.id, remote());
    }

    #[test]
    fn a_patch_leads_from_one_content_to_the_other(from in any_content(), to in any_content()) {
        let mut stored = answered(resource(&remote(), &marker("bay-2"), &from).unwrap());
        if let Some(patch) = patch(&from, &to) {
            merged(&mut stored, &patch);
        }
        let read = read(&stored);
        prop_assert_eq!(read.marker, Some(marker("bay-2")), "a patch leaves the marker alone");
        let Body::Live(now) = read.body else { panic!("it is there") };
        prop_assert!(now.same(&to), "{:?}", stored);
    }

    #[test]
    fn no_json_makes_it_panic(text in "[\\x20-\\x7e]{0,40}", key in prop::sample::select(vec![
        "id", "etag", "status", "start", "end", "summary", "visibility", "recurrence", "extendedProperties", "updated",
    ])) {
        let mut one = answered(resource(&remote(), &marker("bay-1"), &content()).unwrap());
        one[key] = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        drop(entry(&one, ReadOptions::default()));
    }
}
