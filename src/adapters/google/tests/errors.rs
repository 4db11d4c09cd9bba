//! Every row of the matrix, and what must hold for answers that no row names.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    adapters::{
        google::{
            Call,
            errors::{ROWS, refused, token_refused, token_unanswered, unanswered, unreadable},
        },
        shared::retry_after::RETRY_AFTER_MS_MAX,
    },
    domain::failure::FailureClass as C,
    ports::transport::{Failure, Response},
};

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn answer(status: u16, reason: &str) -> Response {
    if reason.is_empty() {
        return Response::empty(status);
    }
    let message = "Personal words of someone@example.org";
    let body = json!({"error": {
        "code": status, "message": message, "errors": [{"domain": "global", "reason": reason, "message": message}],
    }});
    Response::json(status, &body)
}

fn with_retry(mut response: Response, value: &str) -> Response {
    response.headers.push(("retry-after".into(), value.into()));
    response
}

/// The Google rows of the matrix, as the design states them.
const MATRIX: [(u16, &str, Call, C); 58] = [
    (400, "badRequest", Call::Create, C::NonRetryable),
    (400, "invalid", Call::ListChanges, C::NonRetryable),
    (400, "timeRangeEmpty", Call::Update, C::NonRetryable),
    (400, "timeRangeTooLong", Call::List, C::WindowTooWide),
    (400, "fullSyncRequired", Call::ListChanges, C::CursorExpired),
    (400, "updatedMinTooLongAgo", Call::List, C::CursorExpired),
    (400, "pushNotSupportedForRequestedResource", Call::Watch, C::PushUnsupported),
    (403, "pushNotSupportedForRequestedResource", Call::Watch, C::PushUnsupported),
    (400, "push.webhookUrlNotHttps", Call::Watch, C::OperatorNeeded),
    (400, "channelIdNotUnique", Call::Watch, C::NonRetryable),
    (401, "push.webhookUrlUnauthorized", Call::Watch, C::OperatorNeeded),
    (401, "authError", Call::Get, C::Unauthorised),
    (401, "", Call::Create, C::Unauthorised),
    (403, "rateLimitExceeded", Call::Create, C::RateLimited),
    (403, "userRateLimitExceeded", Call::List, C::RateLimited),
    (429, "rateLimitExceeded", Call::Delete, C::RateLimited),
    (429, "", Call::Get, C::RateLimited),
    (403, "quotaExceeded", Call::Create, C::UsageLocked),
    (403, "dailyLimitExceeded", Call::Get, C::OperatorNeeded),
    (403, "accessNotConfigured", Call::Get, C::OperatorNeeded),
    (403, "domainPolicy", Call::Update, C::OperatorNeeded),
    (403, "insufficientPermissions", Call::Create, C::ScopeMissing),
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", Call::List, C::ScopeMissing),
    (403, "forbidden", Call::Update, C::Forbidden),
    (403, "forbiddenForNonOrganizer", Call::Update, C::Forbidden),
    (403, "requiredAccessLevel", Call::Create, C::Forbidden),
    (403, "forbiddenForServiceAccounts", Call::Create, C::Forbidden),
    (403, "", Call::Watch, C::Forbidden),
    (404, "notFound", Call::Delete, C::Gone),
    (404, "notFound", Call::Get, C::Gone),
    (404, "notFound", Call::Update, C::Gone),
    (404, "notFound", Call::Stop, C::Gone),
    (404, "notFound", Call::Create, C::CalendarUnavailable),
    (404, "notFound", Call::List, C::CalendarUnavailable),
    (404, "", Call::ListChanges, C::CalendarUnavailable),
    (404, "notFound", Call::Watch, C::CalendarUnavailable),
    (408, "", Call::Update, C::Transient),
    (409, "duplicate", Call::Create, C::IdentityTaken),
    (409, "conflict", Call::Update, C::Transient),
    (410, "fullSyncRequired", Call::ListChanges, C::CursorExpired),
    (410, "updatedMinTooLongAgo", Call::List, C::CursorExpired),
    (410, "", Call::ListChanges, C::CursorExpired),
    (410, "deleted", Call::Delete, C::Gone),
    (410, "deleted", Call::Get, C::Gone),
    (410, "deleted", Call::Update, C::Gone),
    (412, "conditionNotMet", Call::Update, C::Stale),
    (412, "conditionNotMet", Call::Delete, C::Stale),
    (412, "conditionNotMet", Call::Get, C::Transient),
    (500, "backendError", Call::Create, C::OutcomeUnknown),
    (502, "", Call::Update, C::OutcomeUnknown),
    (503, "backendError", Call::Delete, C::OutcomeUnknown),
    (503, "backendError", Call::Get, C::Transient),
    (504, "", Call::ListChanges, C::Transient),
    (302, "", Call::Get, C::OperatorNeeded),
    (413, "", Call::Create, C::NonRetryable),
    (418, "teapot", Call::Create, C::NonRetryable),
    (100, "", Call::Get, C::NonRetryable),
    (600, "", Call::Get, C::NonRetryable),
];

fn malformed_sync_token() -> Response {
    let body = json!({"error": {"code": 400, "message": "Invalid sync token value.", "errors": [{
        "domain": "global", "reason": "invalid", "locationType": "parameter", "location": "syncToken",
    }]}});
    Response::json(400, &body)
}

#[test]
fn every_row_of_the_matrix_is_as_designed() {
    let mut reached = BTreeSet::new();
    for (status, reason, call, class) in MATRIX {
        let failure = refused(&answer(status, reason), call, now());
        assert_eq!(failure.class, class, "{status} {reason} on {call:?}");
        assert_eq!(failure.status, Some(status));
        assert_eq!(failure.reason.as_deref().unwrap_or_default(), reason);
        reached.insert(failure.summary);
    }
    let failure = refused(&malformed_sync_token(), Call::ListChanges, now());
    assert_eq!(failure.class, C::CursorExpired);
    assert!(failure.summary.contains("field syncToken"), "{failure}");
    reached.insert(failure.summary);
    let failure = refused(&with_retry(answer(503, ""), "7"), Call::Get, now());
    assert_eq!((failure.class, failure.retry_after_ms), (C::RateLimited, Some(7000)));
    reached.insert(failure.summary);
    let missed = ROWS.iter().filter(|row| !reached.iter().any(|summary| summary.ends_with(row.says)));
    assert_eq!(missed.map(|row| row.says).collect::<Vec<_>>(), Vec::<&str>::new(), "rows that no case reaches");
}

#[test]
fn a_bad_sync_token_matters_only_where_one_was_sent() {
    assert_eq!(refused(&malformed_sync_token(), Call::List, now()).class, C::NonRetryable);
}

#[test]
fn reasons_of_the_newer_form_are_read() {
    let newer = |reason: &str| {
        let body = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        ]}});
        refused(&Response::json(403, &body), Call::List, now())
    };
    assert_eq!(newer("ACCESS_TOKEN_SCOPE_INSUFFICIENT").class, C::ScopeMissing);
    assert_eq!(newer("SERVICE_DISABLED").class, C::OperatorNeeded);
    assert_eq!(newer("RATE_LIMIT_EXCEEDED").class, C::RateLimited);
}

#[test]
fn every_answer_has_a_class_and_only_404_and_410_say_gone() {
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"<html>502</html>".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        br#"{"error": "text"}"#.to_vec(),
        br#"{"error": {"errors": {"reason": 7}}}"#.to_vec(),
        br#"{"error": {"errors": [{"reason": "notFound"}]}}"#.to_vec(),
        br#"{"error": {"errors": [{"reason": "deleted"}]}}"#.to_vec(),
    ];
    for status in 0..=999 {
        for body in &bodies {
            for call in Call::ALL {
                let failure = refused(&Response { status, headers: vec![], body: body.clone() }, call, now());
                assert!(failure.summary.len() <= 300);
                assert!(failure.class != C::Gone || [404, 410].contains(&status), "{status} on {call:?}: {failure}");
                assert_ne!(failure.class, C::AuthRevoked, "only the token endpoint knows that");
                let fault = (500..600).contains(&status) && call.writes();
                assert_eq!(
                    failure.class == C::OutcomeUnknown,
                    fault,
                    "an answer is an outcome, but for a fault in a write"
                );
            }
        }
    }
}

#[test]
fn a_summary_repeats_nothing_that_a_person_wrote() {
    let nasty = json!({"error": {"message": "Lesson with Ann <ann@example.org>", "errors": [
        {"reason": "Lesson with Ann", "location": "ann@example.org", "message": "Ann"}
    ]}});
    for status in [400, 403, 404, 409, 500] {
        let failure = refused(&Response::json(status, &nasty), Call::Create, now());
        assert!(!format!("{failure:?}").contains("Ann") && !format!("{failure:?}").contains('@'), "{failure:?}");
    }
    let lost = Failure::NoAnswer("GET https://x/calendars/ann@example.org timed out".into());
    let failure = unanswered(&lost, Call::Get);
    assert!(failure.summary.contains("timed out") && !failure.summary.contains("ann"), "{failure}");
}

#[test]
fn retry_after_is_read_in_both_forms_and_kept_within_a_day() {
    let wait = |value: &str| refused(&with_retry(answer(429, ""), value), Call::Get, now()).retry_after_ms;
    assert_eq!(wait("120"), Some(120_000));
    assert_eq!(wait("Fri, 20 Nov 2026 12:00:30 GMT"), Some(30_000));
    assert_eq!(wait("Fri, 20 Nov 2026 11:00:00 GMT"), Some(0));
    assert_eq!(wait("18446744073709551615"), Some(RETRY_AFTER_MS_MAX));
    assert_eq!(wait("soon"), None);
    assert_eq!(refused(&answer(429, ""), Call::Get, now()).retry_after_ms, None);
}

#[test]
fn what_was_not_answered_is_unknown_for_writes_alone() {
    for call in Call::ALL {
        let class = if call.writes() { C::OutcomeUnknown } else { C::Transient };
        assert_eq!(unanswered(&Failure::NoAnswer("reset".into()), call).class, class, "{call:?}");
        assert_eq!(unreadable(call, 200).class, class, "{call:?}");
        assert_eq!(unanswered(&Failure::NotSent("refused".into()), call).class, C::Transient, "{call:?}");
    }
    let writes: Vec<Call> = Call::ALL.into_iter().filter(|c| c.writes()).collect();
    assert_eq!(writes, [Call::Create, Call::Update, Call::Delete, Call::Watch]);
}

#[test]
fn only_invalid_grant_means_revoked() {
    let token = |status: u16, error: &str, description: &str| {
        let body = json!({"error": error, "error_description": description});
        token_refused(&Response::json(status, &body), now())
    };
    let revoked = token(400, "invalid_grant", "Token has been expired or revoked.");
    assert_eq!((revoked.class, revoked.reason.as_deref()), (C::AuthRevoked, Some("invalid_grant")));
    assert_eq!(token(400, "invalid_grant", "Invalid grant: account not found").class, C::AuthRevoked);
    let clock = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.";
    assert_eq!(token(400, "invalid_grant", clock).class, C::OperatorNeeded);
    assert_eq!(token(400, "invalid_grant", "Invalid JWT: Failed audience check.").class, C::OperatorNeeded);
    for (status, error) in [(401, "invalid_client"), (401, "unauthorized_client"), (400, "invalid_scope"), (403, "x")] {
        assert_eq!(token(status, error, "").class, C::OperatorNeeded, "{error}");
    }
    assert_eq!(token(429, "rate_limit_exceeded", "").class, C::RateLimited);
    for status in [500, 502, 503, 504, 408] {
        assert_eq!(token(status, "invalid_grant", "").class, C::Transient, "{status}");
    }
    for status in 0..=999 {
        let failure = token_refused(&Response { status, headers: vec![], body: b"no JSON".to_vec() }, now());
        assert_ne!(failure.class, C::AuthRevoked, "{status}");
    }
    assert_eq!(token_unanswered("timed out").class, C::Transient);
    let odd: Value = json!({"error": {"message": "ann@example.org"}});
    assert!(!token_refused(&Response::json(400, &odd), now()).summary.contains('@'));
}
