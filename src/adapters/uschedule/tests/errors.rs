//! The booking source's rows of the matrix.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    adapters::uschedule::{Call, refused, unanswered, unreadable},
    domain::failure::FailureClass as C,
    ports::transport::{Failure, Response},
};

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

const MATRIX: [(u16, Call, C); 26] = [
    (400, Call::Write, C::NonRetryable),
    (401, Call::Changes, C::Unauthorised),
    (401, Call::Write, C::Unauthorised),
    (403, Call::Get, C::OperatorNeeded),
    (404, Call::Changes, C::OperatorNeeded),
    (404, Call::Get, C::Gone),
    (404, Call::Write, C::Gone),
    (410, Call::Get, C::Gone),
    (410, Call::Changes, C::CursorExpired),
    (409, Call::Write, C::RejectedBySource),
    (422, Call::Write, C::RejectedBySource),
    (409, Call::Get, C::NonRetryable),
    (422, Call::Changes, C::NonRetryable),
    (412, Call::Write, C::Stale),
    (412, Call::Get, C::Transient),
    (408, Call::Write, C::Transient),
    (425, Call::Write, C::Transient),
    (429, Call::Changes, C::RateLimited),
    (429, Call::Write, C::RateLimited),
    (500, Call::Write, C::Transient),
    (502, Call::Get, C::Transient),
    (503, Call::Changes, C::Transient),
    (504, Call::Write, C::Transient),
    (301, Call::Changes, C::OperatorNeeded),
    (413, Call::Write, C::NonRetryable),
    (999, Call::Write, C::NonRetryable),
];

#[test]
fn every_row_of_the_matrix_is_as_designed() {
    let body = json!({"error": {"code": "slot_taken", "message": "Ann <ann@example.org> has bay-1 then"}});
    for (status, call, class) in MATRIX {
        let failure = refused(&Response::json(status, &body), call, now());
        assert_eq!(failure.class, class, "{status} on {call:?}");
        assert_eq!((failure.status, failure.reason.as_deref()), (Some(status), Some("slot_taken")));
        assert!(!failure.summary.contains("Ann"), "{failure}");
    }
    let mut busy = Response::empty(503);
    busy.headers.push(("retry-after".into(), "9".into()));
    let failure = refused(&busy, Call::Write, now());
    assert_eq!((failure.class, failure.retry_after_ms), (C::RateLimited, Some(9000)));
}

#[test]
fn every_answer_has_a_class_and_only_404_and_410_say_gone() {
    for status in 0..=999 {
        for body in [&b""[..], b"<html>", br#"{"error": "Ann Example"}"#, br#"{"code": 7}"#] {
            for call in Call::ALL {
                let failure = refused(&Response { status, headers: vec![], body: body.to_vec() }, call, now());
                assert!(failure.class != C::Gone || [404, 410].contains(&status), "{failure}");
                assert_ne!(failure.class, C::OutcomeUnknown);
                assert_eq!(failure.reason, None, "a text with spaces is no code");
            }
        }
    }
}

#[test]
fn what_was_not_answered_is_unknown_for_writes_alone() {
    for call in Call::ALL {
        let class = if call == Call::Write { C::OutcomeUnknown } else { C::Transient };
        assert_eq!(unanswered(&Failure::NoAnswer("reset".into()), call).class, class);
        assert_eq!(unreadable(call, 200, "why").class, class);
        assert_eq!(unanswered(&Failure::NotSent("refused".into()), call).class, C::Transient);
    }
}
