//! Listings: pages, windows, deltas, cursors, and pages out of step.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::adapters::sandbox::faults::{Kind, Rule};

/// Follows a listing to its end; gives every id listed, in order, and the sync token.
fn walk(bench: &mut Bench, query: &str) -> (Vec<String>, Option<String>) {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    for _ in 0..1000 {
        let (status, page) = bench.get(&format!("{EVENTS}?{query}{page_token}"));
        assert_eq!(status, 200, "{page}");
        all.extend(ids(&page).iter().map(|id| (*id).to_owned()));
        let next = page["nextPageToken"].as_str().map(str::to_owned);
        let sync = page["nextSyncToken"].as_str().map(str::to_owned);
        assert!(next.is_none() || sync.is_none(), "a sync token comes on the last page only");
        match next {
            Some(next) => page_token = format!("&pageToken={next}"),
            None => return (all, sync),
        }
    }
    panic!("the listing never ends");
}

fn stocked(count: usize) -> Bench {
    let mut bench = Bench::new();
    for n in 0..count {
        bench.insert(&format!("item{n:02}"));
    }
    bench
}

#[test]
fn every_entry_comes_once_however_short_the_pages() {
    let mut bench = stocked(12);
    let (whole, _) = walk(&mut bench, "");
    assert_eq!(whole.len(), 12);
    assert_eq!(walk(&mut bench, "maxResults=5").0, whole);
    bench.google.settings_mut().short_pages = true;
    assert_eq!(walk(&mut bench, "maxResults=3").0, whole);
    let mut sizes = BTreeSet::new();
    for _ in 0..40 {
        sizes.insert(ids(&bench.get(&format!("{EVENTS}?maxResults=3")).1).len());
    }
    assert_eq!(sizes, BTreeSet::from([0, 1, 2, 3]));
    bench.google.settings_mut().short_pages = false;
    bench.google.settings_mut().page_entries_max = 2;
    assert_eq!(ids(&bench.get(&format!("{EVENTS}?maxResults=9999")).1).len(), 2, "the cap holds");
    assert_eq!(reason(&bench.get(&format!("{EVENTS}?maxResults=0"))), (400, "invalid"));
}

#[test]
fn a_delta_brings_changes_and_bare_tombstones() {
    let mut bench = stocked(4);
    let (_, token) = walk(&mut bench, "");
    let token = token.unwrap();
    assert_eq!(walk(&mut bench, &format!("syncToken={token}")).0, Vec::<String>::new());
    bench.delete("item01");
    bench.call("PATCH", &format!("{EVENTS}/item03"), &json!({"summary": "x"}));
    let (_, page) = bench.get(&format!("{EVENTS}?syncToken={token}"));
    assert_eq!(ids(&page), ["item01", "item03"]);
    let tombstone = page["items"][0].as_object().unwrap();
    assert_eq!(tombstone.keys().collect::<Vec<_>>(), ["etag", "id", "kind", "status"]);
    assert_eq!(walk(&mut bench, "").0, ["item00", "item02", "item03"], "a full list has no tombstones");
    assert_eq!(walk(&mut bench, "showDeleted=true").0.len(), 4);
    bench.advance(29 * 86_400);
    bench.token = bench.google.access_token(&[ALL], bench.now);
    assert_eq!(walk(&mut bench, "showDeleted=true").0.len(), 3, "tombstones fade");
}

#[test]
fn what_changes_during_a_listing_comes_with_the_next_delta() {
    let mut bench = stocked(4);
    let (_, page) = bench.get(&format!("{EVENTS}?maxResults=2"));
    bench.call("PATCH", &format!("{EVENTS}/item00"), &json!({"summary": "x"}));
    let next = page["nextPageToken"].as_str().unwrap();
    let (_, page) = bench.get(&format!("{EVENTS}?maxResults=2&pageToken={next}"));
    assert_eq!(ids(&page), ["item02", "item03"]);
    let token = page["nextSyncToken"].as_str().unwrap();
    assert_eq!(walk(&mut bench, &format!("syncToken={token}")).0, ["item00"]);
}

#[test]
fn sync_tokens_expire_and_belong_to_their_query_and_calendar() {
    let mut bench = stocked(1);
    bench.google.add_calendar("other", "Other", chrono_tz::UTC);
    let token = walk(&mut bench, "singleEvents=true").1.unwrap();
    let with = |token: &str, more: &str| format!("{EVENTS}?syncToken={token}{more}");
    assert_eq!(bench.get(&with(&token, "&singleEvents=true&maxResults=7")).0, 200);
    assert_eq!(reason(&bench.get(&with(&token, ""))), (400, "invalid"), "another query");
    assert_eq!(reason(&bench.get(&with("rubbish", "&singleEvents=true"))), (400, "invalid"));
    let elsewhere = format!("/calendars/other/events?syncToken={token}&singleEvents=true");
    assert_eq!(reason(&bench.get(&elsewhere)), (410, "fullSyncRequired"));
    bench.google.expire_sync_tokens();
    assert_eq!(reason(&bench.get(&with(&token, "&singleEvents=true"))), (410, "fullSyncRequired"));
    let token = walk(&mut bench, "").1.unwrap();
    bench.advance(29 * 86_400);
    bench.token = bench.google.access_token(&[ALL], bench.now);
    assert_eq!(reason(&bench.get(&with(&token, ""))), (410, "fullSyncRequired"), "too old");
}

#[test]
fn what_cannot_stand_together_is_refused() {
    let mut bench = stocked(1);
    let token = walk(&mut bench, "").1.unwrap();
    let day = "2026-11-23T00:00:00Z";
    for more in [
        "orderBy=updated".to_owned(),
        "q=x".to_owned(),
        "iCalUID=x".to_owned(),
        "privateExtendedProperty=a%3Db".to_owned(),
        "sharedExtendedProperty=a%3Db".to_owned(),
        format!("timeMin={day}"),
        format!("timeMax={day}"),
        format!("updatedMin={day}"),
        "showDeleted=false".to_owned(),
    ] {
        let answer = bench.get(&format!("{EVENTS}?syncToken={token}&{more}"));
        assert_eq!(reason(&answer), (400, "badRequest"), "{more}");
    }
    for (query, expected) in [
        ("orderBy=startTime", (400, "badRequest")),
        ("orderBy=size", (400, "invalid")),
        ("timeMin=2026-11-23", (400, "badRequest")),
        ("timeMin=2026-11-23T00:00:00", (400, "badRequest")),
        ("timeMin=2026-11-23T00:00:00Z&timeMax=2026-11-23T00:00:00Z", (400, "timeRangeEmpty")),
        ("updatedMin=2025-01-01T00:00:00Z", (410, "updatedMinTooLongAgo")),
        ("singleEvents=yes", (400, "invalid")),
        ("privateExtendedProperty=a", (400, "invalid")),
        ("pageToken=x", (400, "invalid")),
    ] {
        assert_eq!(reason(&bench.get(&format!("{EVENTS}?{query}"))), expected, "{query}");
    }
    let page = bench.get(&format!("{EVENTS}?maxResults=1&orderBy=updated")).1;
    assert_eq!(page.get("nextSyncToken"), None, "no delta can follow an ordered listing");
}

#[test]
fn windows_are_half_open_and_orders_hold() {
    let mut bench = Bench::new();
    for (id, from) in [("late0", 20), ("first", 9), ("midst", 15)] {
        bench.call("POST", EVENTS, &hour(id, from));
        bench.advance(1);
    }
    let window = |from: &str, to: &str| format!("timeMin=2026-11-23T{from}:00:00Z&timeMax=2026-11-23T{to}:00:00Z");
    assert_eq!(walk(&mut bench, &window("10", "15")).0, Vec::<String>::new(), "touching is not overlapping");
    assert_eq!(walk(&mut bench, &window("09", "16")).0, ["first", "midst"]);
    assert_eq!(walk(&mut bench, "singleEvents=true&orderBy=startTime").0, ["first", "midst", "late0"]);
    assert_eq!(walk(&mut bench, "singleEvents=true&orderBy=startTime&maxResults=1").0, ["first", "midst", "late0"]);
    bench.call("PATCH", &format!("{EVENTS}/late0"), &json!({"summary": "Lesson"}));
    assert_eq!(walk(&mut bench, "orderBy=updated&maxResults=2").0, ["first", "midst", "late0"]);
    assert_eq!(walk(&mut bench, "q=lesson").0, ["late0"]);
    assert_eq!(walk(&mut bench, "iCalUID=midst@google.com").0, ["midst"]);
    assert_eq!(walk(&mut bench, "privateExtendedProperty=link%3Dfirst").0, ["first"]);
    let both = "privateExtendedProperty=link%3Dfirst&privateExtendedProperty=link%3Dmidst";
    assert_eq!(walk(&mut bench, both).0, Vec::<String>::new());
    bench.delete("first");
    assert_eq!(walk(&mut bench, "updatedMin=2026-11-20T12:00:03Z").0, ["late0", "first"], "deletions come unasked");
}

#[test]
fn pages_out_of_step_repeat_and_omit() {
    let mut bench = stocked(4);
    let path = "*/events";
    bench.google.desk().faults.arm(Rule::on("GET", path, Kind::PageRepeats));
    assert_eq!(walk(&mut bench, "maxResults=2").0, ["item00", "item01", "item01", "item02", "item03"]);
    bench.google.desk().faults.arm(Rule::on("GET", path, Kind::PageOmits));
    let (listed, token) = walk(&mut bench, "maxResults=2");
    assert_eq!(listed, ["item00", "item02", "item03"]);
    let (delta, _) = walk(&mut bench, &format!("syncToken={}", token.unwrap()));
    assert!(delta.contains(&"item01".to_owned()), "{delta:?}");
}

#[test]
fn calendars_are_listed_with_a_delta() {
    let mut bench = Bench::new();
    bench.google.add_calendar("bay2", "Bay 2", chrono_tz::UTC);
    let (_, page) = bench.get("/users/me/calendarList?maxResults=1");
    assert_eq!((ids(&page), &page["items"][0]["primary"]), (vec![BAY], &json!(true)));
    let next = page["nextPageToken"].as_str().unwrap();
    let (_, page) = bench.get(&format!("/users/me/calendarList?maxResults=1&pageToken={next}"));
    assert_eq!(ids(&page), ["bay2"]);
    let token = page["nextSyncToken"].as_str().unwrap();
    let made = bench.call("POST", "/calendars", &json!({"summary": "New", "timeZone": "Asia/Tokyo"})).1;
    let (_, page) = bench.get(&format!("/users/me/calendarList?syncToken={token}"));
    assert_eq!(ids(&page), [made["id"].as_str().unwrap()]);
    assert_eq!(bench.get("/users/me/calendarList/bay2").1["summary"], "Bay 2");
    assert_eq!(bench.get("/calendars/bay2").1["timeZone"], "UTC");
    bench.google.calendar_mut("bay2").unwrap().gone = true;
    for path in ["/calendars/bay2", "/users/me/calendarList/bay2", "/calendars/bay2/events"] {
        assert_eq!(reason(&bench.get(path)), (404, "notFound"), "{path}");
    }
}

#[test]
fn a_saved_model_goes_on_where_it_was() {
    let mut bench = Bench::new();
    bench.insert("aaaaa");
    bench.insert("bbbbb");
    let token = bench.get(EVENTS).1["nextSyncToken"].as_str().unwrap().to_owned();
    bench.delete("aaaaa");
    let saved = bench.google.save().unwrap();
    let google = Google::restore(Settings::default(), saved.clone()).unwrap();
    assert_eq!(google.save().unwrap(), saved);
    let token = token.as_str();
    let mut later = Bench { google, token: String::new(), now: bench.now };
    later.token = later.google.access_token(&[ALL], later.now);
    let (status, page) = later.get(&format!("{EVENTS}?syncToken={token}"));
    assert_eq!((status, ids(&page)), (200, vec!["aaaaa"]), "its tokens are good, and its deletions are known");
    assert_eq!(later.call("POST", EVENTS, &hour("aaaaa", 18)).0, 409, "a deleted id stays used up");
}
