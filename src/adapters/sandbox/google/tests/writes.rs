//! Insert, patch, update, delete, and what people do by hand.

use serde_json::json;

use super::*;

#[test]
fn an_insert_is_kept_the_way_google_gives_it_back() {
    let mut bench = Bench::new();
    let entry = bench.insert("abcde");
    assert_eq!(entry["id"], "abcde");
    assert_eq!(entry["iCalUID"], "abcde@google.com");
    assert_eq!(entry["start"], json!({"dateTime": "2026-11-23T10:00:00-05:00", "timeZone": "America/New_York"}));
    assert_eq!((&entry["sequence"], &entry["status"]), (&json!(0), &json!("confirmed")));
    assert_eq!(bench.get(&format!("{EVENTS}/abcde")), (200, entry.clone()));
    assert_eq!(bench.get("/calendars/primary/events/abcde"), (200, entry), "the first calendar is primary");
}

#[test]
fn without_an_id_the_server_gives_one_that_could_be_chosen() {
    let mut bench = Bench::new();
    let mut body = hour("x", 15);
    body.as_object_mut().unwrap().remove("id");
    let first = bench.call("POST", EVENTS, &body).1;
    let second = bench.call("POST", EVENTS, &body).1;
    assert_ne!(first["id"], second["id"]);
    assert!(super::super::entry::usable_id(first["id"].as_str().unwrap()));
    let mut again = Bench::new();
    assert_eq!(again.call("POST", EVENTS, &body).1, first, "the same calls give the same ids");
}

#[test]
fn ids_that_are_not_base32hex_are_refused() {
    let mut bench = Bench::new();
    for id in ["abcd", "abcdw", "ABCDE", "abc-de", &"a".repeat(1025)] {
        assert_eq!(reason(&bench.call("POST", EVENTS, &hour(id, 15))), (400, "invalid"), "{id}");
    }
    let mut both = hour("abcde", 15);
    both["iCalUID"] = json!("x@y");
    assert_eq!(reason(&bench.call("POST", EVENTS, &both)), (400, "invalid"));
}

#[test]
fn an_id_or_ical_uid_is_taken_for_good() {
    let mut bench = Bench::new();
    bench.insert("abcde");
    assert_eq!(reason(&bench.call("POST", EVENTS, &hour("abcde", 18))), (409, "duplicate"));
    assert_eq!(bench.delete("abcde"), 204);
    assert_eq!(reason(&bench.call("POST", EVENTS, &hour("abcde", 18))), (409, "duplicate"), "a tombstone keeps it");
    let mut body = hour("x", 18);
    body.as_object_mut().unwrap().remove("id");
    body["iCalUID"] = json!("abcde@google.com");
    assert_eq!(reason(&bench.call("POST", EVENTS, &body)), (409, "duplicate"));
}

#[test]
fn an_entry_that_takes_no_time_is_refused() {
    let mut bench = Bench::new();
    let mut body = hour("abcde", 15);
    body["end"] = body["start"].clone();
    assert_eq!(reason(&bench.call("POST", EVENTS, &body)), (400, "timeRangeEmpty"));
    body["end"] = json!({"date": "2026-11-24"});
    assert_eq!(reason(&bench.call("POST", EVENTS, &body)), (400, "invalid"));
    body["start"] = json!({"date": "2026-11-23"});
    assert_eq!(bench.call("POST", EVENTS, &body).0, 200, "a whole day");
    bench.insert("fghij");
    let empty = json!({"end": {"dateTime": "2026-11-23T15:00:00Z"}});
    assert_eq!(reason(&bench.call("PATCH", &format!("{EVENTS}/fghij"), &empty)), (400, "timeRangeEmpty"));
}

#[test]
fn a_patch_merges_objects_replaces_arrays_and_removes_nulls() {
    let mut bench = Bench::new();
    let mut body = hour("abcde", 15);
    body["description"] = json!("d");
    body["attachments"] = json!([{"fileUrl": "a"}, {"fileUrl": "b"}]);
    bench.call("POST", EVENTS, &body);
    let patch = json!({
        "description": null,
        "attachments": [{"fileUrl": "c"}],
        "extendedProperties": {"private": {"more": "1"}},
        "etag": "\"mine\"",
    });
    let (status, entry) = bench.call("PATCH", &format!("{EVENTS}/abcde"), &patch);
    assert_eq!(status, 200);
    assert_eq!(entry.get("description"), None);
    assert_eq!(entry["attachments"], json!([{"fileUrl": "c"}]));
    assert_eq!(entry["extendedProperties"], json!({"private": {"link": "abcde", "more": "1"}}));
    assert_eq!(entry["sequence"], 0, "the time stayed");
    let patch = json!({"start": {"date": "2026-11-23", "dateTime": null, "timeZone": null},
        "end": {"date": "2026-11-24", "dateTime": null, "timeZone": null}});
    let (_, entry) = bench.call("PATCH", &format!("{EVENTS}/abcde"), &patch);
    assert_eq!((&entry["start"], &entry["sequence"]), (&json!({"date": "2026-11-23"}), &json!(1)));
    let half = json!({"start": {"dateTime": "2026-11-23T15:00:00Z"}});
    assert_eq!(reason(&bench.call("PATCH", &format!("{EVENTS}/abcde"), &half)), (400, "invalid"));
}

#[test]
fn an_update_clears_what_it_does_not_name() {
    let mut bench = Bench::new();
    bench.insert("abcde");
    let body = json!({"start": {"date": "2026-11-23"}, "end": {"date": "2026-11-24"}});
    let (status, entry) = bench.call("PUT", &format!("{EVENTS}/abcde"), &body);
    assert_eq!(status, 200);
    assert_eq!((entry.get("summary"), entry.get("extendedProperties")), (None, None));
    assert_eq!(entry["iCalUID"], "abcde@google.com");
    let mut older = body;
    older["sequence"] = json!(0);
    assert_eq!(reason(&bench.call("PUT", &format!("{EVENTS}/abcde"), &older)), (400, "invalid"));
}

#[test]
fn if_match_guards_every_write() {
    let mut bench = Bench::new();
    let first = bench.insert("abcde")["etag"].as_str().unwrap().to_owned();
    let path = format!("{EVENTS}/abcde");
    let patch = |bench: &Bench, etag: &str| {
        bench.request("PATCH", &path).header("If-Match", etag).json(&json!({"summary": "x"}))
    };
    let request = patch(&bench, &first);
    let (status, entry) = parts(&bench.send(&request));
    assert_eq!(status, 200);
    assert_ne!(entry["etag"], first.as_str());
    assert_eq!(reason(&parts(&bench.send(&request))), (412, "conditionNotMet"));
    let put = bench.request("PUT", &path).header("if-match", first.as_str()).json(&hour("abcde", 16));
    assert_eq!(bench.send(&put).status, 412);
    let delete = bench.request("DELETE", &path).header("if-match", first.as_str());
    assert_eq!(bench.send(&delete).status, 412);
    let any = patch(&bench, "*");
    assert_eq!(bench.send(&any).status, 200);
    let current = bench.get(&path).1["etag"].as_str().unwrap().to_owned();
    let request = bench.request("GET", &path).header("if-none-match", current);
    assert_eq!(bench.send(&request).status, 304);
}

#[test]
fn a_deleted_entry_is_a_tombstone_that_can_be_restored() {
    let mut bench = Bench::new();
    bench.insert("abcde");
    assert_eq!(bench.delete("abcde"), 204);
    let (status, entry) = bench.get(&format!("{EVENTS}/abcde"));
    assert_eq!((status, &entry["status"]), (200, &json!("cancelled")));
    assert_eq!(bench.delete("abcde"), 410);
    assert_eq!(bench.delete("never"), 404);
    assert_eq!(reason(&bench.get(&format!("{EVENTS}/never"))), (404, "notFound"));
    let renamed = bench.call("PATCH", &format!("{EVENTS}/abcde"), &json!({"summary": "x"})).1;
    assert_eq!(renamed["status"], "cancelled", "a patch alone does not restore");
    let mut body = hour("abcde", 16);
    body["status"] = json!("confirmed");
    let (status, entry) = bench.call("PUT", &format!("{EVENTS}/abcde"), &body);
    assert_eq!((status, &entry["status"], &entry["sequence"]), (200, &json!("confirmed"), &json!(2)));
    assert_eq!(bench.google.entries(BAY).len(), 1);
    let gone = bench.call("PATCH", &format!("{EVENTS}/abcde"), &json!({"status": "cancelled"})).1;
    assert_eq!((&gone["status"], bench.google.entries(BAY).len()), (&json!("cancelled"), 0));
}

#[test]
fn long_properties_are_dropped_and_cut_and_unknown_values_refused() {
    let mut bench = Bench::new();
    let mut body = hour("abcde", 15);
    body["extendedProperties"]["private"] = json!({"k".repeat(45): "v", "k": "v".repeat(1030)});
    let entry = bench.call("POST", EVENTS, &body).1;
    assert_eq!(entry["extendedProperties"], json!({"private": {"k": "v".repeat(1024)}}));
    for (key, value) in [("status", json!("done")), ("transparency", json!("clear")), ("summary", json!(5))] {
        let answer = bench.call("PATCH", &format!("{EVENTS}/abcde"), &json!({key: value}));
        assert_eq!(reason(&answer), (400, "invalid"), "{key}");
    }
    assert_eq!(reason(&bench.call("PATCH", &format!("{EVENTS}/abcde?sendUpdates=some"), &json!({}))), (400, "invalid"));
    let request = bench.request("POST", EVENTS);
    assert_eq!(reason(&parts(&bench.send(&request))), (400, "parseError"));
}

#[test]
fn recurrence_is_kept_and_needs_a_zone() {
    let mut bench = Bench::new();
    let mut body = hour("abcde", 15);
    body["recurrence"] = json!(["RRULE:FREQ=WEEKLY"]);
    assert_eq!(reason(&bench.call("POST", EVENTS, &body)), (400, "required"));
    for side in ["start", "end"] {
        body[side]["timeZone"] = json!("America/New_York");
    }
    assert_eq!(bench.call("POST", EVENTS, &body).1["recurrence"], json!(["RRULE:FREQ=WEEKLY"]));
    body["recurrence"] = json!(["DTSTART:20261123"]);
    body["id"] = json!("fghij");
    assert_eq!(reason(&bench.call("POST", EVENTS, &body)), (400, "invalid"));
}

#[test]
fn people_edit_without_calling() {
    let mut bench = Bench::new();
    let before = bench.insert("abcde");
    let now = bench.now;
    let (from, to) = ("2026-11-24T15:00:00Z".parse().unwrap(), "2026-11-24T16:30:00Z".parse().unwrap());
    bench.google.move_entry(BAY, "abcde", from, to, now).unwrap();
    bench.google.rename_entry(BAY, "abcde", "Ours", now).unwrap();
    let entry = bench.get(&format!("{EVENTS}/abcde")).1;
    assert_eq!((&entry["summary"], &entry["sequence"]), (&json!("Ours"), &json!(1)));
    assert_eq!(entry["end"]["dateTime"], "2026-11-24T11:30:00-05:00");
    assert_ne!(entry["etag"], before["etag"]);
    let copy = bench.google.copy_entry(BAY, "abcde", now).unwrap();
    assert_eq!(bench.google.entries_with(BAY, "link", "abcde").len(), 2, "a copy carries the marker");
    assert_ne!(bench.google.entry(BAY, &copy).unwrap()["iCalUID"], entry["iCalUID"]);
    bench.google.strip_marker(BAY, &copy, now).unwrap();
    assert_eq!(bench.google.entries_with(BAY, "link", "abcde").len(), 1);
    let own = bench.google.create_entry(BAY, "Lunch", from, to, now);
    assert_eq!(bench.google.entry(BAY, &own).unwrap()["summary"], "Lunch");
    bench.google.delete_entry(BAY, "abcde", now).unwrap();
    assert!(bench.google.delete_entry(BAY, "abcde", now).is_err());
    assert_eq!(bench.google.entries(BAY).len(), 2);
}
