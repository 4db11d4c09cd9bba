//! The rules of a booking, given what is known, when something is asked, then what happens.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::domain::{
    ids::{Etag, LinkId, ResourceId, Revision, SourceName, SubjectId},
    personal::Personal,
    slot::Slot,
};

fn at(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time") + TimeDelta::hours(hour)
}

fn slot(hour: i64) -> Slot {
    Slot::timed(at(hour), at(hour + 1), "Europe/Berlin").expect("a slot")
}

fn snapshot(hour: i64, title: &str, cancelled: bool) -> Snapshot {
    let subject = SubjectId::new("person.1").expect("plain");
    Snapshot {
        source: SourceName::new("uschedule").expect("plain"),
        source_ref: "1001".into(),
        resource: ResourceId::new("bay-1").expect("plain"),
        slot: slot(hour),
        details: Details { title: Personal::new(subject, title), notes: None, customer: None },
        confirmed: true,
        cancelled,
    }
}

fn revision(revision: u64) -> Cause {
    Cause { source_revision: Some(revision), ..Cause::default() }
}

fn request(key: &str, digest: &str) -> Cause {
    Cause { request: Some(RequestMark { key: key.into(), digest: digest.into() }), ..Cause::default() }
}

/// Asks one thing after another; answers the booking and the names of what happened.
fn play(asked: &[(Command, Cause)]) -> (Option<Booking>, Vec<&'static str>) {
    let (mut state, mut names) = (None, Vec::new());
    for (command, cause) in asked {
        for event in decide(state.as_ref(), command, cause).expect("no rule says no") {
            names.push(event.name());
            state = evolve(state, &event, at(0));
        }
    }
    (state, names)
}

#[test]
fn a_source_shows_a_booking_and_only_differences_happen() {
    let (state, names) = play(&[
        (Command::Observe(snapshot(0, "Lesson", false)), revision(1)),
        (Command::Observe(snapshot(0, "Lesson", false)), revision(1)),
        (Command::Observe(snapshot(2, "Lesson", false)), revision(2)),
        (Command::Observe(snapshot(2, "Exam", true)), revision(3)),
    ]);
    assert_eq!(names, ["registered", "confirmed", "rescheduled", "details_changed", "cancelled"]);
    let booking = state.expect("it is registered");
    assert_eq!((booking.status, booking.revision, booking.source_revision), (Status::Cancelled, Revision(5), Some(3)));
}

#[test]
fn a_late_delivery_changes_nothing() {
    let (state, names) = play(&[
        (Command::Observe(snapshot(0, "Lesson", false)), revision(1)),
        (Command::Observe(snapshot(4, "Lesson", false)), revision(3)),
        (Command::Observe(snapshot(2, "Lesson", false)), revision(2)),
    ]);
    assert_eq!(names, ["registered", "confirmed", "rescheduled"]);
    assert_eq!(state.expect("it is there").slot, slot(4));
}

#[test]
fn a_write_back_that_is_applied_after_a_later_one_changes_nothing() {
    let link = LinkId::new("uschedule.1001.b3e1ee05").expect("plain");
    let accept = |hour| Command::AcceptRemoteSlot { slot: slot(hour), link: link.clone(), etag: Etag("7".into()) };
    let removal = Command::AcceptRemoteRemoval { link: link.clone() };
    let known = (Command::Observe(snapshot(1, "Lesson", false)), revision(1));
    let (booking, _) = play(&[known, (accept(5), revision(3)), (accept(4), revision(2)), (removal, revision(2))]);
    let booking = booking.expect("it is registered");
    assert_eq!((booking.slot.clone(), booking.active(), booking.source_revision), (slot(5), true, Some(3)));
}

#[test]
fn changed_and_changed_back_is_remembered() {
    let (state, _) = play(&[
        (Command::Observe(snapshot(0, "Lesson", false)), revision(1)),
        (Command::Observe(snapshot(0, "Lesson", false)), revision(3)),
        (Command::Observe(snapshot(2, "Lesson", false)), revision(2)),
    ]);
    assert_eq!(state.expect("it is there").slot, slot(0));
}

#[test]
fn a_request_repeated_changes_nothing_and_another_under_its_key_is_refused() {
    let register = Command::Register(snapshot(0, "Lesson", false));
    let (state, names) = play(&[(register.clone(), request("k1", "a")), (register, request("k1", "a"))]);
    assert_eq!(names, ["registered", "confirmed"]);
    let other = decide(state.as_ref(), &Command::Reschedule(slot(3)), &request("k1", "b"));
    assert_eq!(other, Err(Refusal::KeyReused));
}

#[test]
fn a_cancelled_booking_is_not_changed_and_can_be_restored() {
    let (state, _) = play(&[
        (Command::Register(snapshot(0, "Lesson", false)), Cause::default()),
        (Command::Cancel(CancelReason::Requested), Cause::default()),
    ]);
    assert_eq!(decide(state.as_ref(), &Command::Reschedule(slot(3)), &Cause::default()), Err(Refusal::Cancelled));
    assert_eq!(decide(state.as_ref(), &Command::Cancel(CancelReason::Requested), &Cause::default()), Ok(Vec::new()));
    let restored = decide(state.as_ref(), &Command::Restore, &Cause::default()).expect("it can be");
    let after = restored.iter().fold(state, |state, event| evolve(state, event, at(1)));
    assert_eq!(after.expect("it is there").status, Status::Confirmed);
}

#[test]
fn nothing_is_asked_of_what_is_not_there() {
    assert_eq!(decide(None, &Command::Confirm, &Cause::default()), Err(Refusal::Unknown));
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0_i64..6, "[a-c]", any::<bool>()).prop_map(|(h, t, c)| Command::Observe(snapshot(h, &t, c))),
        (0_i64..6).prop_map(|h| Command::Reschedule(slot(h))),
        Just(Command::Confirm),
        Just(Command::Cancel(CancelReason::Requested)),
        Just(Command::Restore),
        "bay-[1-3]".prop_map(|r| Command::Reassign(ResourceId::new(r).expect("plain"))),
    ]
}

proptest! {
    /// Asking the same thing again right away changes nothing.
    #[test]
    fn deciding_twice_is_deciding_once(asked in prop::collection::vec(commands(), 1..20)) {
        let mut state = None;
        for command in asked {
            let Ok(events) = decide(state.as_ref(), &command, &Cause::default()) else { continue };
            state = events.iter().fold(state, |state, event| evolve(state, event, at(0)));
            prop_assert_eq!(decide(state.as_ref(), &command, &Cause::default()), Ok(Vec::new()));
        }
    }

    /// After a source's whole view is taken in, the booking is what it shows.
    #[test]
    fn an_observation_is_reached(asked in prop::collection::vec(commands(), 0..12), hour in 0_i64..6, cancelled: bool) {
        let mut state = None;
        for command in asked.into_iter().chain([Command::Observe(snapshot(hour, "z", cancelled))]) {
            if let Ok(events) = decide(state.as_ref(), &command, &Cause::default()) {
                state = events.iter().fold(state, |state, event| evolve(state, event, at(0)));
            }
        }
        let booking: Booking = state.expect("an observation registers");
        prop_assert_eq!(booking.slot.clone(), slot(hour));
        prop_assert_eq!(booking.active(), !cancelled);
        prop_assert_eq!(booking.resource.as_str(), "bay-1");
    }
}
