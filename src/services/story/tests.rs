//! Stories of hand-made events, as a support desk would read them.

use chrono::TimeZone as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    domain::ids::{CorrelationId, Position},
    record::{
        codec,
        envelope::{Actor, NewEvent, Origin},
    },
};

/// Facts in the order in which they are added, one second apart.
struct History(Vec<DecodedEvent>);

impl History {
    fn add(&mut self, stream: &str, kind: &str, data: Value, by: (&str, &str, Origin), cause: Option<usize>) -> usize {
        let place = self.0.len();
        let event = codec::from_data(kind, 1, data.clone()).unwrap();
        let stream = StreamName::parse(stream).unwrap();
        let version = self.0.iter().filter(|t| t.recorded.stream == stream).count();
        let at =
            Utc.with_ymd_and_hms(2026, 3, 2, 15, 0, 0).unwrap() + TimeDelta::seconds(i64::try_from(place).unwrap());
        let id = |n: usize| EventId(Uuid::from_u128(n as u128));
        let new = NewEvent {
            id: id(place),
            kind: kind.to_owned(),
            schema: 1,
            recorded_at: at,
            effective_at: at,
            actor: Actor::new(by.0, by.1),
            origin: by.2,
            correlation: CorrelationId("c".into()),
            causation: cause.map(id),
            data: data.to_string(),
        };
        let (version, position) = (Version(version as u64), Position(place as u64));
        self.0.push(DecodedEvent {
            recorded: StoredEvent { stream, version, position, event: new, leaf: [0; 32] },
            event,
        });
        place
    }

    fn link(&mut self, kind: &str, data: Value, cause: usize) -> usize {
        let by = ("reconciler", "links", Origin::Reconciler);
        self.add(LINK, &format!("link.{kind}"), data, by, Some(cause))
    }

    fn story(&self) -> Story {
        compose(&BookingId::new("uschedule.1001").unwrap(), &self.0)
    }
}

const BOOKING: &str = "booking-uschedule.1001";
const LINK: &str = "link-uschedule.1001.abcd1234";
const CALENDAR: &str = "calendar-loft-bot.bay1";

fn text(said: &str) -> Value {
    json!({"subject": "uschedule.1001", "text": said})
}

fn slot(from: &str, to: &str) -> Value {
    let at = |time: &str| format!("2026-03-10T{time}:00Z");
    json!({"kind": "timed", "starts_at": at(from), "ends_at": at(to), "zone": "America/Chicago"})
}

fn content(from: &str, to: &str, title: &str) -> Value {
    json!({"slot": slot(from, to), "title": text(title), "description": text("")})
}

fn key() -> Value {
    json!({"connection": "loft-bot", "calendar": "bay1"})
}

fn command(number: u32, op: Value) -> Value {
    let mut command = json!({
        "id": format!("uschedule.1001.abcd1234:{number}"), "remote": "sl1abc", "generation": 1, "key": "k",
        "booking_revision": 1, "lease_until": "2026-03-02T15:02:00Z", "worker": "w"
    });
    command.as_object_mut().unwrap().extend(op.as_object().unwrap().clone());
    json!({"command": command})
}

/// Delivered by webhook, registered, and put on the calendar; the place of the last event.
fn established() -> (History, usize) {
    let mut history = History(Vec::new());
    let by = ("source", "uschedule", Origin::Webhook);
    let body = json!({"source": "uschedule", "delivery": "evt-7", "body": text("{}")});
    let root = history.add("source-uschedule.evt-7", "source.delivery_received", body, by, None);
    let registered = json!({
        "source": "uschedule", "source_ref": "1001", "resource": "bay-1", "slot": slot("16:00", "17:00"),
        "details": {"title": text("Lesson with Ann")}
    });
    let registered = history.add(BOOKING, "booking.registered", registered, by, Some(root));
    let applied = json!({"source": "uschedule", "delivery": "evt-7", "booking": "uschedule.1001", "changed": true});
    history.add("source-uschedule.evt-7", "source.delivery_applied", applied, by, Some(root));
    let of = json!({
        "link": "uschedule.1001.abcd1234", "booking": "uschedule.1001", "appointment": "1001", "calendar": key(),
        "resource": "bay-1", "profile": "resource-mirror", "reason": "the booking's resource is routed to this calendar"
    });
    history.link("sync_requested", of, registered);
    let decided = json!({
        "action": "create", "reasons": ["the calendar has no entry for this booking"], "booking_revision": 1,
        "profile": "resource-mirror", "profile_version": 1
    });
    history.link("decided", decided, registered);
    history.link(
        "command_issued",
        command(1, json!({"op": "create", "content": content("16:00", "17:00", "Lesson with Ann")})),
        registered,
    );
    let answer = json!({
        "command": "uschedule.1001.abcd1234:1", "operation": "create",
        "answer": {"result": "entry", "etag": "\"e1\"", "updated": "2026-03-02T15:00:05Z", "content": content("16:00", "17:00", "Lesson with Ann")}
    });
    history.link("attempt_succeeded", answer, registered);
    let last = history.link("established", json!({"remote": "sl1abc", "generation": 1}), registered);
    (history, last)
}

fn observed(history: &mut History, seen: Value) -> usize {
    let data = json!({
        "calendar": key(), "link": "uschedule.1001.abcd1234",
        "observation": {"remote": "sl1abc", "seen_at": "2026-03-02T16:00:00Z", "seen": seen}
    });
    history.add(CALENDAR, "calendar.remote_entry_observed", data, ("reconciler", "puller", Origin::Provider), None)
}

fn live(from: &str, to: &str, etag: &str) -> Value {
    json!({"kind": "live", "etag": etag, "updated": "2026-03-02T15:59:00Z", "marked": true, "content": content(from, to, "Lesson with Ann")})
}

#[test]
fn from_the_webhook_to_the_calendar_and_its_echo() {
    let (mut history, _) = established();
    let seen = observed(&mut history, live("16:00", "17:00", "\"e1\""));
    history.link("echo_recognised", json!({"remote": "sl1abc", "etag": "\"e1\"", "by_content": false}), seen);
    insta::assert_snapshot!(history.story());
}

#[test]
fn moved_by_a_person_in_the_calendar_and_written_back() {
    let (mut history, _) = established();
    let seen = observed(&mut history, live("18:00", "19:00", "\"e2\""));
    let accepted = json!({
        "change": "edited", "etag": "\"e2\"", "updated": "2026-03-02T15:59:00Z", "content": content("18:00", "19:00", "Lesson with Ann"),
        "changes_booking": true, "booking_revision": 1, "booking_slot": slot("16:00", "17:00")
    });
    history.link("remote_change_accepted", accepted, seen);
    history.link(
        "command_issued",
        command(2, json!({"op": "write_back_slot", "slot": slot("18:00", "19:00"), "expect_revision": 4})),
        seen,
    );
    let failed = json!({
        "command": "uschedule.1001.abcd1234:2", "operation": "write_back_update",
        "failure": {"class": "outcome_unknown", "summary": "no answer: timed out"}, "retry_at": "2026-03-02T15:01:00Z", "counts": false
    });
    history.link("attempt_failed", failed, seen);
    let verified = json!({"command": "uschedule.1001.abcd1234:2", "found": "done", "answer": {"result": "written_back", "source_revision": 5}});
    history.link("outcome_verified", verified, seen);
    let cause = json!({"link": "uschedule.1001.abcd1234", "etag": "\"e2\"", "source_revision": 5});
    let moved = json!({"slot": slot("18:00", "19:00"), "previous": slot("16:00", "17:00"), "cause": cause});
    history.add(BOOKING, "booking.rescheduled", moved, ("reconciler", "links", Origin::Reconciler), Some(seen));
    history.link("remote_change_applied", json!({"booking_revision": 2}), seen);
    let story = history.story();
    assert!(story.happened.last().unwrap().root.starts_with("An observation on calendar bay1"));
    insta::assert_snapshot!(story);
}

#[test]
fn a_conflict_shows_both_sides_who_won_and_by_which_rule() {
    let (mut history, _) = established();
    let by = ("token", "tok_1", Origin::Api);
    let moved = json!({"slot": slot("20:00", "21:00"), "previous": slot("16:00", "17:00")});
    let moved = history.add(BOOKING, "booking.rescheduled", moved, by, None);
    let theirs = json!({"change": "edited", "etag": "\"e2\"", "updated": "2026-03-02T15:59:00Z", "content": content("18:00", "19:00", "Lesson with Ann")});
    let conflict = json!({
        "booking_changed_at": "2026-03-02T16:00:10Z", "remote_changed_at": "2026-03-02T15:59:00Z",
        "ours": content("20:00", "21:00", "Lesson with Ann"), "theirs": theirs
    });
    history.link("conflict_detected", json!({"conflict": conflict}), moved);
    history.link(
        "conflict_resolved",
        json!({"winner": "booking", "rule": "the later change wins", "overrides": "\"e2\""}),
        moved,
    );
    let update = json!({
        "op": "update", "expect": "\"e2\"", "from": content("18:00", "19:00", "Lesson with Ann"),
        "content": content("20:00", "21:00", "Lesson with Ann"), "ours": content("20:00", "21:00", "Lesson with Ann")
    });
    history.link("command_issued", command(2, update), moved);
    insta::assert_snapshot!(history.story());
}

#[test]
fn a_held_removal_an_answer_and_what_was_given_up() {
    let (mut history, _) = established();
    let gone = json!({"kind": "gone", "evidence": "tombstone", "updated": "2026-03-02T15:59:00Z"});
    let seen = observed(&mut history, gone.clone());
    let observation = json!({"remote": "sl1abc", "seen_at": "2026-03-02T16:00:00Z", "seen": gone});
    let held =
        json!({"observation": observation, "why": "mass_removal", "approval": "removals-1", "booking_revision": 1});
    history.link("remote_change_held", held, seen);
    let by = ("operator", "ann", Origin::Admin);
    let answered = history.add(LINK, "link.remote_change_answered", json!({"accept": false, "by": "ann"}), by, None);
    history.link(
        "command_issued",
        command(2, json!({"op": "create", "content": content("16:00", "17:00", "Lesson with Ann")})),
        answered,
    );
    let failure =
        json!({"class": "forbidden", "summary": "403 forbidden: the calendar is read-only for us", "status": 403});
    history.link(
        "attempt_failed",
        json!({"command": "uschedule.1001.abcd1234:2", "operation": "create", "failure": failure, "counts": true}),
        answered,
    );
    history.link(
        "dead_lettered",
        json!({"command": "uschedule.1001.abcd1234:2", "failure": failure, "booking_revision": 1}),
        answered,
    );
    insta::assert_snapshot!(history.story());
}

#[test]
fn forgotten_texts_are_told_as_erased_and_a_story_is_json_too() {
    let mut history = History(Vec::new());
    let registered = json!({
        "source": "import", "source_ref": "1001", "resource": "bay-1", "slot": slot("16:00", "17:00"),
        "details": {"title": {"subject": "uschedule.1001", "text": null}}
    });
    history.add(BOOKING, "booking.registered", registered, ("importer", "cli", Origin::Import), None);
    insta::assert_json_snapshot!(history.story());
}
